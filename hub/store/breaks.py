"""Breaks of the people at seats: given, ended, lengthened; each change reaches the desk by its plan."""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

from hub.core import breaks as core
from hub.core.audit import Deed
from hub.core.breaks import Break, Kind, Refused
from hub.store import QUERIES, Row, Store, audit, planning
from hub.store.audit import Actor


class At(NamedTuple):
    """A seat and the sitting that is on there."""

    sitting: str
    exam: str
    seat: str
    room: str
    unit: str | None
    start_utc_ms: int
    end_utc_ms: int
    candidate_id: int | None
    break_ms: int
    toilet_ms: int


def sitting_at_seat(connection: sqlite3.Connection, seat_id: int, now_utc_ms: int) -> At:
    """Raises Refused when none is on."""
    row: Row | None = QUERIES.seat_sitting(connection, seat_id=seat_id, now=now_utc_ms)
    if row is None:
        raise Refused("no sitting is on at this seat now")
    fields = {name: row[name] for name in At._fields}
    return At(**fields | {"break_ms": row["break_ms"] or 0})


def begin(store: Store, seat_id: int, kind: Kind, now_utc_ms: int, by: Actor) -> Break:
    """Give the person at the seat a break from now on. Raises Refused, planning.CannotPlan."""
    with store.write() as connection:
        at = sitting_at_seat(connection, seat_id, now_utc_ms)
        known = _all_at(connection, at)
        on = next((each for each, _ in known if each.ended_utc_ms is None), None)
        if on is not None:
            raise Refused(f"{core.KIND_WORDS[on.kind].lower()} goes on at {at.seat} already, given by {on.given_by}")
        own = [each for each, candidate_id in known if candidate_id == at.candidate_id]
        limit = now_utc_ms + core.length_ms(kind, own, at.break_ms, at.toilet_ms, now_utc_ms)
        number = QUERIES.insert_break(
            connection,
            sitting=at.sitting,
            seat=at.seat,
            candidate_id=at.candidate_id,
            kind=kind.value,
            began=now_utc_ms,
            limit_utc_ms=limit,
            by=by.who,
        )
        _note(connection, by, Deed.GAVE_BREAK, seat_id, now_utc_ms, sitting=at.sitting, kind=kind.value)
        planning.replan(connection, now_utc_ms)
        return Break(int(number), kind, now_utc_ms, limit, None, by.who)


def end(store: Store, seat_id: int, break_id: int, now_utc_ms: int, by: Actor) -> Break:
    """End that break. Raises Refused when it has ended, or another one is on there."""
    with store.write() as connection:
        found = _one(connection, seat_id, break_id)
        core.check_end(found)
        QUERIES.end_break(connection, break_id=break_id, now=now_utc_ms, by=by.who)
        lasted_s = (now_utc_ms - found.began_utc_ms) // 1000
        _note(connection, by, Deed.ENDED_BREAK, seat_id, now_utc_ms, kind=found.kind.value, lasted_s=lasted_s)
        planning.replan(connection, now_utc_ms)
        return found._replace(ended_utc_ms=now_utc_ms, ended_by=by.who)


def resume(store: Store, seat_id: int, break_id: int, now_utc_ms: int, by: Actor) -> Break:
    """Undo the end of that break: it goes on as if it had not ended. Raises Refused."""
    with store.write() as connection:
        found = _one(connection, seat_id, break_id)
        at = sitting_at_seat(connection, seat_id, now_utc_ms)
        if all(each.break_id != break_id for each, _ in _all_at(connection, at)):
            raise Refused("the sitting of that break is over: give a new one")
        is_other_on = any(each.ended_utc_ms is None for each, _ in _all_at(connection, at))
        core.check_resume(found, is_other_on, now_utc_ms)
        QUERIES.resume_break(connection, break_id=break_id)
        _note(connection, by, Deed.GAVE_BREAK, seat_id, now_utc_ms, kind=found.kind.value, act="went on")
        planning.replan(connection, now_utc_ms)
        return found._replace(ended_utc_ms=None, ended_by="")


def extend(store: Store, seat_id: int, break_id: int, now_utc_ms: int, by: Actor) -> Break:
    """Let that break last `core.MORE_MS` longer. Raises Refused."""
    with store.write() as connection:
        found = _one(connection, seat_id, break_id)
        limit = core.longer(found, core.MORE_MS, now_utc_ms)
        QUERIES.lengthen_break(connection, break_id=break_id, limit_utc_ms=limit)
        _note(
            connection,
            by,
            Deed.GAVE_BREAK,
            seat_id,
            now_utc_ms,
            kind=found.kind.value,
            act="longer",
            until_utc_ms=limit,
        )
        planning.replan(connection, now_utc_ms)
        return found._replace(limit_utc_ms=limit)


def at_seat(connection: sqlite3.Connection, seat_id: int, now_utc_ms: int) -> list[Break]:
    """All of the sitting that is on there, the oldest first; the last one may stand. [] when no sitting is on."""
    try:
        at = sitting_at_seat(connection, seat_id, now_utc_ms)
    except Refused:
        return []
    return [each for each, _ in _all_at(connection, at)]


def _all_at(connection: sqlite3.Connection, at: At) -> list[tuple[Break, int | None]]:
    rows = QUERIES.breaks_at(connection, sitting=at.sitting, seat=at.seat)
    return [(_break(row), row["candidate_id"]) for row in rows]


def _one(connection: sqlite3.Connection, seat_id: int, break_id: int) -> Break:
    row: Row | None = QUERIES.break_by_id(connection, break_id=break_id)
    seat: Row | None = QUERIES.seat_by_id(connection, seat_id=seat_id)
    if row is None or seat is None or (row["seat"], row["room_id"]) != (seat["label"], seat["room_id"]):
        raise Refused("there is no such break at this seat")
    return _break(row)


def _break(row: Row) -> Break:
    fields = {name: row[name] for name in Break._fields}
    return Break(**fields | {"kind": Kind(row["kind"])})


def _note(connection: sqlite3.Connection, by: Actor, deed: Deed, seat_id: int, now_utc_ms: int, **detail: Any) -> None:
    audit.add(connection, by, deed, f"seat {seat_id}", now_utc_ms, detail)
