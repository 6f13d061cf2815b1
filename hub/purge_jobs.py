"""The worker's part in retention: making a plan of purge and doing one, as jobs with progress that people see."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from hub import clock
from hub.enrolment import AuthorityProblem, CaFolder
from hub.evidence import cache, purging
from hub.evidence.purging import CannotPurge, Tools
from hub.evidence.seal import open_seal
from hub.evidence.storage import StorageProblem, open_storage
from hub.jobs import CannotDo, Work
from hub.store import certificates, jobs, purge_plans
from hub.store.audit import Actor
from hub.store.purge_plans import NoSuchPlan, WorldChanged

PLAN, PURGE, SWEEP = "retention_plan", "purge", "sweep"


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


def ask_to_sweep(connection: sqlite3.Connection, actor: Actor, now_utc_ms: int) -> int:
    """Have files deleted that nobody needs any more, within the caller's write turn."""
    return jobs.add(connection, SWEEP, wish_of(actor), actor.who, now_utc_ms)


def plan(work: Work) -> Mapping[str, Any]:
    """Make a plan; the result's `plan_id` is 0 when nothing is due."""
    zone = ZoneInfo(work.settings.zone)
    made = purge_plans.make(work.store, zone, _actor(work.job.wish), work.now_utc_ms(), work.tell)
    return {"plan_id": 0 if made is None else made.plan_id}


def purge(work: Work) -> Mapping[str, Any]:
    """Do a plan, or go on with it. Raises CannotDo: nothing more happens until somebody applies the plan again."""
    wish = work.job.wish
    with work.store.read() as connection:
        newest = certificates.newest_hub_time(connection)
    doubt = clock.doubt(work.now_utc_ms(), newest, is_vouched_for=work.settings.is_clock_trusted)
    if doubt:  # by a clock that runs ahead everything would be due
        raise CannotDo(f"nothing is removed while the hub's clock is in doubt: {doubt}")
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


def sweep(work: Work) -> Mapping[str, Any]:
    """Delete what nobody needs any more and no purge is about: a file that came while its segment was being purged."""
    try:
        return {"files": purging.sweep(work.store, open_storage(work.settings), work.tell, work.stop.wait)}
    except StorageProblem as problem:
        raise CannotDo(f"{problem}; it is tried again with the next daily plan") from None
