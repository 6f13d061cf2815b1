"""The worker's part in retention: making a plan of purge and doing one, as jobs with progress that people see."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from hub.enrolment import AuthorityProblem, CaFolder
from hub.evidence import cache, purging
from hub.evidence.purging import CannotPurge, Tools
from hub.evidence.seal import open_seal
from hub.evidence.storage import StorageProblem, open_storage
from hub.jobs import CannotDo, Work
from hub.store import jobs, purge_plans
from hub.store.audit import Actor
from hub.store.purge_plans import NoSuchPlan, WorldChanged

PLAN, PURGE = "retention_plan", "purge"


def wish_of(actor: Actor, **more: Any) -> dict[str, Any]:
    """What a job is asked with: who wants it goes along, for the audit log."""
    return {"who": actor.who, "role": actor.role, "address": actor.address, **more}


def _actor(wish: Mapping[str, Any]) -> Actor:
    return Actor(str(wish["who"]), str(wish["role"]), str(wish["address"]))


def ask(connection: sqlite3.Connection, plan_id: int, actor: Actor, now_utc_ms: int) -> int:
    """Have a plan applied, within the caller's write turn; answers the job's number. What is asked for already, and not
    done yet, is not asked for twice."""
    open_job = jobs.open_for(connection, PURGE, "plan_id", plan_id)
    if open_job is not None:
        return open_job
    return jobs.add(connection, PURGE, wish_of(actor, plan_id=plan_id), actor.who, now_utc_ms)


def plan(work: Work) -> Mapping[str, Any]:
    """Make a plan; the result's `plan_id` is 0 when nothing is due."""
    zone = ZoneInfo(work.settings.zone)
    made = purge_plans.make(work.store, zone, _actor(work.job.wish), work.now_utc_ms(), work.tell)
    return {"plan_id": 0 if made is None else made.plan_id}


def purge(work: Work) -> Mapping[str, Any]:
    """Do a plan, or go on with it. Raises CannotDo: nothing more happens until somebody applies the plan again."""
    wish = work.job.wish
    try:
        tools = Tools(
            store=work.store,
            storage=open_storage(work.settings),
            seal=open_seal(CaFolder(work.settings.ca_path)),
            zone=ZoneInfo(work.settings.zone),
            now_utc_ms=work.now_utc_ms,
            rest=work.stop.wait,
        )
        return purging.apply(tools, int(wish["plan_id"]), _actor(wish), work.tell)._asdict()
    except (CannotPurge, NoSuchPlan, WorldChanged) as cannot:
        raise CannotDo(str(cannot)) from None
    except (StorageProblem, AuthorityProblem) as problem:
        raise CannotDo(f"{problem}; when that is mended apply the plan again: it goes on where it was") from None
    finally:
        cache.forget(work.settings.storage_path)  # a clip shows what went
