"""Coverage of sittings: rows in as few reads as there are tables, the report by seat out. The database adds up the
segments; a sitting of 60 seats and three hours has 65,000."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from typing import NamedTuple

from hub.core.coverage import Absence, Coverage, Fault, Known, coverage
from hub.core.film import BORDER_MS, Gap
from hub.core.spans import Span
from hub.store import QUERIES, Row, Store

PAGE_ROWS = 25
_SILENT_MS = 3_500


class Sitting(NamedTuple):
    """`end_utc_ms` is the sitting's own end, `latest_end_utc_ms` that of the seats with extra time. Of one that was
    cancelled nothing is due."""

    sitting: str
    exam: str
    room: str
    room_id: int
    start_utc_ms: int
    end_utc_ms: int
    latest_end_utc_ms: int
    cancelled_utc_ms: int | None = None

    def is_running(self, now_utc_ms: int) -> bool:
        return self.cancelled_utc_ms is None and self.start_utc_ms <= now_utc_ms < self.latest_end_utc_ms


class SeatCoverage(NamedTuple):
    """`seat_id` None: the seat is there no more, or the desk did not know which it was (label '')."""

    label: str
    seat_id: int | None
    units: tuple[str, ...]
    report: Coverage


def sittings(store: Store, before_utc_ms: int = 0) -> list[Sitting]:
    """The newest PAGE_ROWS that start before that (0: from the newest)."""
    with store.read() as connection:
        rows = QUERIES.coverage_sittings(connection, before=before_utc_ms, limit=PAGE_ROWS)
        return [Sitting(*row) for row in rows]


def sitting(store: Store, name: str) -> Sitting | None:
    with store.read() as connection:
        row: Row | None = QUERIES.coverage_sitting(connection, sitting=name)
        return None if row is None else Sitting(*row)


def size(store: Store, name: str) -> tuple[int, int]:
    """Numbers that change whenever the report of a sitting that is over changes."""
    with store.read() as connection:
        row: Row = QUERIES.coverage_size(connection, sitting=name)
        return row["segments"], row["gaps"]


def read(store: Store, found: Sitting, now_utc_ms: int) -> list[SeatCoverage]:
    """The report of every seat of the sitting's room, and of what was recorded at seats that are there no more."""
    with store.read() as connection:
        return of_sitting(connection, found, now_utc_ms)


def of_sitting(connection: sqlite3.Connection, found: Sitting, now_utc_ms: int) -> list[SeatCoverage]:
    """As `read`, within the caller's transaction."""
    when = {"start": found.start_utc_ms, "end": found.end_utc_ms}
    rows = QUERIES.coverage_seats(connection, room_id=found.room_id, start=found.start_utc_ms)
    seats = {row["label"]: int(row["seat_id"]) for row in rows}
    units = defaultdict(list)
    place: dict[str, str] = {}
    for row in QUERIES.coverage_units(connection, sitting=found.sitting, room_id=found.room_id, **when):
        if row["seat"]:
            units[row["seat"]].append(row["unit"])
            place[row["unit"]] = row["seat"]
    ends = {row["seat"]: row["end_utc_ms"] for row in QUERIES.ends_of_seats(connection, sitting=found.sitting)}
    recorded = recorded_by_seat(connection, found.sitting)
    gaps: defaultdict[str, list[Gap]] = defaultdict(list)
    for row in QUERIES.coverage_gaps(connection, sitting=found.sitting):
        fields = {field: row[field] for field in Gap._fields} | {"is_length_known": bool(row["is_length_known"])}
        gaps[row["seat"] or place.get(row["unit"], "")].append(Gap(**fields))
    told = _told(connection, sorted({unit for each in units.values() for unit in each}), found, now_utc_ms)
    labels = dict.fromkeys([*seats, *(label for label in (*recorded, *gaps) if label or recorded[label])])
    return [
        SeatCoverage(
            label,
            seats.get(label),
            tuple(sorted(units[label])),
            coverage(
                found.start_utc_ms,
                found.start_utc_ms if found.cancelled_utc_ms is not None else ends.get(label, found.end_utc_ms),
                now_utc_ms,
                Known(
                    recorded=recorded[label],
                    gaps=gaps[label],
                    faults=[fault for unit in units[label] for fault in told.faults[unit]],
                    absences=[absence for unit in units[label] for absence in told.absences[unit]],
                    told_until_utc_ms=max(
                        (told.until[unit] for unit in units[label] if unit in told.until), default=None
                    ),
                    has_desk=bool(units[label] or recorded[label]),
                ),
            ),
        )
        for label in labels
    ]


def recorded_by_seat(connection: sqlite3.Connection, sitting: str) -> defaultdict[str, list[Span]]:
    """By seat, the stretches that are recorded: each ends where all had reached when the next began."""
    ends = {row["seat"]: row["reached"] for row in QUERIES.coverage_reached(connection, sitting=sitting)}
    found: defaultdict[str, list[Span]] = defaultdict(list)
    for row in QUERIES.coverage_recorded(connection, sitting=sitting, closing=BORDER_MS):
        spans = found[row["seat"]]
        if spans:
            spans[-1] = (spans[-1][0], row["reached"])
        spans.append((row["began_utc_ms"], ends[row["seat"]]))
    return found


class _Told(NamedTuple):
    faults: defaultdict[str, list[Fault]]
    absences: defaultdict[str, list[Absence]]
    until: dict[str, int]


def _told(connection: sqlite3.Connection, units: list[str], found: Sitting, now_utc_ms: int) -> _Told:
    wanted = {"units": json.dumps(units), "since": found.start_utc_ms, "until": found.latest_end_utc_ms}
    told = _Told(defaultdict(list), defaultdict(list), {})
    for row in QUERIES.coverage_faults(connection, **wanted):
        told.faults[row["unit"]].append(Fault(**{field: row[field] for field in Fault._fields}))
    for row in QUERIES.coverage_absences(connection, now=now_utc_ms, **wanted):
        told.absences[row["unit"]].append(Absence(row["from_utc_ms"], row["until_utc_ms"]))
    for row in QUERIES.coverage_heard(connection, units=wanted["units"]):
        if row["heartbeat_utc_ms"] is not None:
            told.until[row["unit"]] = 0 if row["spool"] else row["heartbeat_utc_ms"] - _SILENT_MS
    return told
