"""Closing a sitting: the facts of its checklist, and the transactions in which it is closed, reopened, and a desk that
is gone is written off."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from hub.core import closing as core
from hub.core.audit import Deed
from hub.core.board import heartbeat_of
from hub.core.closing import Changed, CoverageFact, Facts, IncidentFact, Item, OpenFact, Refused, UnitFact
from hub.core.coverage import NOT_TOLD, together
from hub.core.presence import presence
from hub.store import QUERIES, Row, Store, audit, coverage, jobs
from hub.store.audit import Actor
from hub.store.coverage import SeatCoverage

REPORT = "sitting_report"
"""The kind of the job that makes and signs the report of a closing; its wish names `closing_id`."""
EARLY_MS = 30 * 60_000
"""A candidate who sat down so long before the start was seen."""


class NoSuchSitting(Exception):
    """No sitting has that name."""


class Standing(NamedTuple):
    """A sitting as its closing page shows it. `closings`: every closing, the oldest first, `items` decoded, with
    `made_utc_ms` of its signed report (None: not made). `late`: records that came since it was closed."""

    sitting: dict[str, Any]
    items: list[Item]
    seats: list[SeatCoverage]
    units: list[UnitFact]
    closings: list[dict[str, Any]]
    write_offs: list[dict[str, Any]]
    late: int

    @property
    def is_closed(self) -> bool:
        return self.sitting["closed_utc_ms"] is not None


def read(store: Store, name: str, now_utc_ms: int) -> Standing:
    """Raises NoSuchSitting."""
    with store.read() as connection:
        return standing(connection, name, now_utc_ms)


def standing(connection: sqlite3.Connection, name: str, now_utc_ms: int) -> Standing:
    """As `read`, within the caller's transaction."""
    sitting = sitting_of(connection, name)
    seats = _coverage(connection, sitting, now_utc_ms)
    units = units_of(connection, sitting, now_utc_ms)
    facts = _facts(connection, sitting, units, seats)
    closings = [
        {**dict(row), "items": json.loads(row["items"])} for row in QUERIES.closings_all(connection, sitting=name)
    ]
    current = closings[-1] if closings and closings[-1]["reopened_utc_ms"] is None else None
    late = QUERIES.closing_late(connection, sitting=name, newest=current["newest_record"])[0] if current else 0
    write_offs = [dict(row) for row in QUERIES.write_offs_of(connection, sitting=name)]
    return Standing(sitting, core.checklist(facts, now_utc_ms), seats, units, closings, write_offs, int(late))


def sitting_of(connection: sqlite3.Connection, name: str) -> dict[str, Any]:
    """The sitting's row with its room and when its last seat ends. Raises NoSuchSitting."""
    row: Row | None = QUERIES.closing_sitting(connection, sitting=name)
    if row is None:
        raise NoSuchSitting(f"no sitting is called {name!r}")
    return dict(row)


def units_of(connection: sqlite3.Connection, sitting: Mapping[str, Any], now_utc_ms: int) -> list[UnitFact]:
    """Every unit that recorded the sitting or stands in its room."""
    return [
        _unit(row, str(sitting["sitting"]), now_utc_ms)
        for row in QUERIES.closing_units(connection, sitting=sitting["sitting"], room_id=sitting["room_id"])
    ]


def _unit(row: Row, sitting: str, now_utc_ms: int) -> UnitFact:
    beat = heartbeat_of(dict(row))
    is_online = None if row["is_online"] is None else bool(row["is_online"])
    return UnitFact(
        unit=row["unit"],
        seat=row["seat"],
        presence=presence(is_online, row["status_utc_ms"], row["heartbeat_utc_ms"], now_utc_ms),
        is_recording=beat is not None and beat.state == "recording" and beat.sitting == sitting,
        pending=row["pending"],
        pending_ms=row["pending_ms"],
        spool=0 if beat is None else beat.spool,
        write_off=row["write_off"],
    )


def _coverage(connection: sqlite3.Connection, sitting: Mapping[str, Any], now_utc_ms: int) -> list[SeatCoverage]:
    row = QUERIES.coverage_sitting(connection, sitting=sitting["sitting"])
    return coverage.of_sitting(connection, coverage.Sitting(*row), now_utc_ms)


def _facts(
    connection: sqlite3.Connection,
    sitting: Mapping[str, Any],
    units: Sequence[UnitFact],
    seats: Sequence[SeatCoverage],
) -> Facts:
    name = sitting["sitting"]
    recorded, due = together(each.report for each in seats)
    untold = tuple(each.label for each in seats if any(gap.cause == NOT_TOLD for gap in each.report.missing))
    return Facts(
        end_utc_ms=sitting["last_end_utc_ms"],
        units=units,
        incidents=[IncidentFact(*row) for row in QUERIES.closing_incidents(connection, sitting=name)],
        breaks=[OpenFact(*row) for row in QUERIES.closing_breaks(connection, sitting=name)],
        signals=[OpenFact(*row) for row in QUERIES.closing_signals(connection, sitting=name)],
        holds=[OpenFact(*row) for row in QUERIES.closing_holds(connection, sitting=name)],
        coverage=CoverageFact(recorded, due, untold),
        unseen=_unseen(connection, sitting, units),
    )


def _unseen(
    connection: sqlite3.Connection, sitting: Mapping[str, Any], units: Sequence[UnitFact]
) -> list[tuple[str, str]]:
    """Candidates whom no desk saw and nobody marked as a no-show."""
    candidates = list(QUERIES.closing_candidates(connection, sitting=sitting["sitting"]))
    names = json.dumps([unit.unit for unit in units]) if candidates else "[]"
    since, until = sitting["start_utc_ms"] - EARLY_MS, sitting["last_end_utc_ms"]
    seen = {row["unit"] for row in QUERIES.closing_seen(connection, units=names, since=since, until=until)}
    at = {unit.seat for unit in units if unit.unit in seen}
    return [(row["number"], row["seat"]) for row in candidates if row["seat"] not in at]


# --- acts -----------------------------------------------------------------------------------------------------------


def close(
    store: Store, name: str, seen: str, reasons: Mapping[str, str], by: Actor, now_utc_ms: int
) -> tuple[int, list[Item]]:
    """Close the sitting on the list that the person saw, and have its report made; answers the closing's number. Raises
    NoSuchSitting, Changed, Refused."""
    with store.write() as connection:
        now = standing(connection, name, now_utc_ms)
        if now.is_closed:
            raise Changed(f"{now.sitting['closed_by']} closed this sitting already")
        if now.sitting["cancelled_utc_ms"] is not None:
            raise Refused("this sitting was cancelled: there is nothing to close")
        kept = core.decide(now.items, seen, reasons)
        newest = int(QUERIES.closing_newest_record(connection)[0])
        items = msgspec.json.encode(kept).decode()
        number = int(
            QUERIES.closing_add(connection, sitting=name, now=now_utc_ms, who=by.who, items=items, newest=newest)
        )
        QUERIES.closing_mark(connection, sitting=name, now=now_utc_ms, who=by.who)
        unfinished = {str(each["key"]): each["reason"] for each in kept if not each["is_done"]}
        audit.add(connection, by, Deed.CLOSED_SITTING, f"sitting {name}", now_utc_ms, unfinished)
        jobs.add(connection, REPORT, {"closing_id": number, "sitting": name}, by.who, now_utc_ms)
        return number, now.items


def reopen(store: Store, name: str, closing_id: int, why: str, by: Actor, now_utc_ms: int) -> None:
    """Take the closing back; its list and its report stay. Raises NoSuchSitting, Changed, Refused."""
    why = " ".join(why.split())
    if not 1 <= len(why) <= core.MAX_REASON_CHARS:
        raise Refused(f"say why it is opened again, in 1 to {core.MAX_REASON_CHARS} characters")
    with store.write() as connection:
        sitting_of(connection, name)
        current: Row | None = QUERIES.closing_standing(connection, sitting=name)
        if current is None or current["closing_id"] != closing_id:
            raise Changed("somebody opened this sitting again already")
        QUERIES.closing_reopen(connection, closing_id=closing_id, now=now_utc_ms, who=by.who, why=why)
        QUERIES.closing_mark(connection, sitting=name, now=None, who="")
        audit.add(connection, by, Deed.REOPENED_SITTING, f"sitting {name}", now_utc_ms, {"why": why})


def write_off(store: Store, name: str, unit: str, reason: str, by: Actor, now_utc_ms: int) -> None:
    """Say that nobody waits any more for what this unit still has of the sitting. What comes all the same is taken.
    Raises NoSuchSitting, Refused."""
    reason = " ".join(reason.split())
    if not 1 <= len(reason) <= core.MAX_REASON_CHARS:
        raise Refused(f"say why it is written off, in 1 to {core.MAX_REASON_CHARS} characters")
    with store.write() as connection:
        sitting = sitting_of(connection, name)
        if sitting["closed_utc_ms"] is not None:
            raise Refused("this sitting is closed: an admin can open it again")
        if all(each.unit != unit for each in units_of(connection, sitting, now_utc_ms)):
            raise Refused(f"no desk unit called {unit} belongs to this sitting")
        counted: Row = QUERIES.closing_unit_at(connection, sitting=name, unit=unit)
        is_new = QUERIES.write_off_add(
            connection,
            sitting=name,
            unit=unit,
            reason=reason,
            segments=counted["pending"],
            length_ms=counted["pending_ms"],
            who=by.who,
            now=now_utc_ms,
        )
        if not is_new:
            raise Refused(f"{unit} is written off already")
        told = {"unit": unit, "reason": reason, "segments": counted["pending"]}
        audit.add(connection, by, Deed.WROTE_OFF, f"sitting {name}", now_utc_ms, told)
