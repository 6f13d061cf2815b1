"""The one place in the hub that deletes film: by a plan of what the rules let go. A full disk is no reason.

The order of failure, designed first. Whoever is killed between two steps leaves:
  1. the plan is compared with the world: rule, date, verdicts, holds, each file -> nothing; apply it again
  2. one transaction: the purge begins                     -> it is taken up again, under the same number
  3. many small transactions, each: the holds over some files of the plan are asked for again; those that are free are
     marked purged, blobs that no stored segment needs become garbage, and the list of exactly these files is kept
                                                           -> what is marked is on the list; the rest comes next time
  4. the garbage is deleted from the storage, in order of name, and is synced -> a row of garbage stays: deleted again
  5. one transaction: their rows of garbage go             -> nothing
  6. one transaction: the certificate over all lists, signed -> it is signed next time, from the same lists

Against an upload of equal content at the same time (`hub.store.uploads`): while a row of garbage is there, nobody calls
that file stored; after the row has gone, the upload looks whether the file is there and puts it again. So between 4 and
5 nobody can come to need a file that goes.

A hold that is placed while a purge runs saves all that is not marked yet; so does a changed rule or date, or a verdict.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from hub.alone import one_after_another
from hub.core import purge_list
from hub.core.purge_list import Item, Part
from hub.evidence import purge_certificate
from hub.evidence.seal import Signing
from hub.evidence.storage import Storage
from hub.jobs import Cancelled
from hub.store import Store, purge_plans, purging, retention
from hub.store.audit import Actor
from hub.store.purge_plans import Plan, Tell, nothing
from hub.store.purging import Purge

log = logging.getLogger(__name__)

TURN_MS = 25
"""How long the turn to write is held, about: who waits for it meanwhile is ingest, with alerts."""
LEAST, FIRST, MOST = 100, 200, 1_000
"""Files of the smallest turn, of the first, of the largest. On a busy machine smaller ones cost more than they save."""
REST_S = 0.01
"""Between two turns, so that who waits gets his: file locks know no queue."""
DELETED_AT_ONCE = 5_000
"""From several folders of the storage, which deletes in them side by side."""
TELL_EVERY_MS = 500


class CannotPurge(Exception):
    """Nothing can be done; the text says why and what to do."""


class Result(NamedTuple):
    """What a purge did."""

    number: int
    items: int
    size_bytes: int
    kept: int
    is_complete: bool


class Tools(NamedTuple):
    """What a purge works with. `rest` waits for so many seconds."""

    store: Store
    storage: Storage
    seal: Signing
    zone: dt.tzinfo
    now_utc_ms: Callable[[], int]
    rest: Callable[[float], object]


def apply(tools: Tools, plan_id: int, actor: Actor, tell: Tell = nothing) -> Result:
    """Do what the plan says, or go on with it where it was left. Raises CannotPurge, NoSuchPlan, WorldChanged,
    StorageProblem, and Cancelled with the certificate made of what went until then."""
    store = tools.store
    plan = purge_plans.one(store, plan_id)
    with store.read() as connection:
        purge = purging.of_plan(connection, plan_id)
    if purge is not None and purge.ended_utc_ms is not None:
        raise CannotPurge(f"plan {plan_id} was applied already: certificate {purge.number} lists what went")
    if purge is None:
        purge_plans.check(store, plan, tools.zone, tell)
        with store.write() as connection:
            purge = purging.begin(connection, actor, plan_id, plan.digest, tools.now_utc_ms())
    log.info("purge %d, of plan %d: %d files", purge.number, plan_id, plan.item_count)
    run = _Run(tools, plan, purge, tell)
    cancelled: Cancelled | None = None
    try:
        run.remove()
    except Cancelled as stop:
        cancelled = stop
    sweep(store, tools.storage, _to_the_end(tell), tools.rest)
    result = run.certify(actor, is_complete=cancelled is None)
    if cancelled is not None:
        raise cancelled
    return result


def _to_the_end(tell: Tell) -> Tell:
    """What is marked as purged has to go: it is too late to cancel that."""

    def told(done: int, total: int, note: str) -> None:
        with contextlib.suppress(Cancelled):
            tell(done, total, note)

    return told


def _at_once(_seconds: float) -> None:
    """No rest."""


def sweep(store: Store, storage: Storage, tell: Tell = nothing, rest: Callable[[float], object] = _at_once) -> int:
    """Delete the files that no stored segment needs any more; answers how many. The one caller of the storage's
    `delete_many`. One at a time: while one deletes from its list, another must not take the rows of garbage away that
    keep these files from being stored again. Raises StorageProblem, OSError: what is left is deleted next time."""
    with one_after_another(store.path, "sweep"):
        purging.forget_needed_garbage(store)
        total, done, last = purging.garbage_left(store), 0, ""
        while names := purging.garbage(store, last, DELETED_AT_ONCE):
            tell(done, total, "deleting files")
            storage.delete_many(names)
            for first in range(0, len(names), MOST):
                with store.write() as connection:
                    purging.forget_garbage(connection, names[first : first + MOST])
                rest(REST_S)
            done, last = done + len(names), names[-1]
        return done


class _Run:
    """One run over a plan's parts."""

    def __init__(self, tools: Tools, plan: Plan, purge: Purge, tell: Tell) -> None:
        self._tools = tools
        self._plan = plan
        self._purge = purge
        self._tell = tell
        self._told_utc_ms = 0
        self._parts = purge_plans.parts(tools.store, plan.plan_id)
        self._done = 0
        self._size = FIRST

    def remove(self) -> None:
        for number, part in enumerate(self._parts):
            for listed in self._batches(purge_plans.items(self._tools.store, self._plan.plan_id, number)):
                self._turn(part, listed)
                self._done += len(listed)
                self._say(f"{part.exam}: {part.sitting}, seat {part.seat}")
                self._tools.rest(REST_S)

    def _batches(self, listed: list[Item]) -> Iterator[list[Item]]:
        first = 0
        while first < len(listed):
            size = self._size
            yield listed[first : first + size]
            first += size

    def _turn(self, part: Part, listed: list[Item]) -> None:
        """Look again, and mark what is free, in one transaction; the next is as large as fits the time."""
        tools = self._tools
        with tools.store.write() as connection:
            began = tools.now_utc_ms()
            now = retention.standing_of(connection, part.sitting, part.unit, part.seat, tools.zone)
            if not purge_list.moved(part, now):
                states = purge_plans.states(connection, part, listed)
                free = [
                    (thing, item)
                    for item, (thing, state) in zip(listed, states, strict=True)
                    if state.is_same and not state.is_held
                ]
                if free:
                    purging.remove(connection, self._purge.number, free, began)
        took_ms = max(tools.now_utc_ms() - began, 1)
        self._size = min(max(len(listed) * TURN_MS // took_ms, LEAST), 2 * self._size, MOST)

    def _say(self, note: str) -> None:
        now = self._tools.now_utc_ms()
        if not 0 <= now - self._told_utc_ms < TELL_EVERY_MS:
            self._told_utc_ms = now
            self._tell(self._done, self._plan.item_count, note)

    def certify(self, actor: Actor, *, is_complete: bool) -> Result:
        """Sign what went. Complete: the whole plan was gone through; what of it was held by then stays on no list."""
        tools, number = self._tools, self._purge.number
        went: Counter[tuple[str, str, str]] = Counter()
        size_bytes, digest = 0, hashlib.sha256()
        for chunk in purging.lines(tools.store, number):
            digest.update(chunk)
            for item in purge_list.read_lines(chunk):
                went[item.sitting, item.unit, item.seat] += 1
                size_bytes += item.size_bytes
        items, now = went.total(), tools.now_utc_ms()
        statement = {
            "format": purge_list.FORMAT,
            "number": number,
            "plan": self._plan.plan_id,
            "plan_digest": self._plan.digest,
            "asked_by": self._purge.began_by,
            "began_utc_ms": self._purge.began_utc_ms,
            "ended_utc_ms": now,
            "is_complete": is_complete,
            "items": items,
            "size_bytes": size_bytes,
            "items_sha256": digest.hexdigest(),
            "parts": self._told(went),
            "kept": [each._asdict() for each in self._plan.kept],
        }
        text, signature, chain_pem = purge_certificate.sealed(tools.seal, statement)
        with tools.store.write() as connection:
            purging.end(connection, actor, number, text, signature, chain_pem, now)
        kept = self._plan.item_count - items
        log.info("purge %d ended: %d files went, %d of the plan stay", number, items, kept)
        return Result(number, items, size_bytes, kept, is_complete)

    def _told(self, went: Counter[tuple[str, str, str]]) -> list[dict[str, Any]]:
        """Each part with its reason, and how much of it went."""
        return [
            {
                "exam": part.exam,
                "sitting": part.sitting,
                "unit": part.unit,
                "seat": part.seat,
                "why": part.why,
                "due_utc_ms": part.due_utc_ms,
                "planned": part.item_count,
                "removed": went[part.sitting, part.unit, part.seat],
            }
            for part in self._parts
        ]
