"""What the Live page knows beside its desks: breaks, signals, who is expected, maps; and how much is recorded."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from agent.wire import SIGNAL_MS
from hub.core import exam_day, room_map
from hub.core.coverage import Known, coverage
from hub.core.exam_day import Day
from hub.core.film import BORDER_MS
from hub.core.review import DESK
from hub.core.spans import Span, union
from hub.store import QUERIES, Row, Store
from hub.store import coverage as coverage_store

SIGNAL_SHOWN_MS = 600_000
"""An attended signal stays on the panel that long after it was given."""


def read(store: Store, facts: Mapping[str, Any], now_utc_ms: int) -> Day:
    """All but the coverage. `facts`: ingest's newest figures, empty when there are none."""
    with store.read() as connection:
        newest: Row = QUERIES.day_newest_word(connection)
        rows = list(QUERIES.day_expected(connection, now=now_utc_ms))
        cells, maps = _maps(connection)
        return Day(
            breaks={row["seat_id"]: dict(row) for row in QUERIES.day_breaks(connection, now=now_utc_ms)},
            signals=signals(connection, now_utc_ms),
            expected={row["seat_id"]: {"no_show_utc_ms": row["no_show_utc_ms"]} for row in rows},
            rostered=frozenset(row["room"] for row in rows),
            roster_version=_version(rows),
            cells=cells,
            maps=maps,
            hearing=exam_day.hearing(facts, newest["newest"] or None, now_utc_ms),
        )


def numbers(store: Store, now_utc_ms: int) -> dict[int, str]:
    """The candidate number at each seat of a sitting that is on; of a no-show in words of the page, ''."""
    with store.read() as connection:
        rows = QUERIES.day_expected(connection, now=now_utc_ms)
        return {row["seat_id"]: row["number"] if row["no_show_utc_ms"] is None else "" for row in rows}


def _version(rows: list[Row]) -> str:
    """Changes whenever somebody else sits somewhere; tells nothing of who."""
    told = repr([(row["seat_id"], row["number"], row["version"], row["no_show_utc_ms"]) for row in rows])
    return hashlib.sha256(told.encode()).hexdigest()[:12] if rows else ""


def signals(connection: sqlite3.Connection, now_utc_ms: int) -> dict[int, dict[str, Any]]:
    """By seat, the signal that stands, or was attended within the last while (`attended_utc_ms`)."""
    found = {}
    for row in QUERIES.day_signals(connection, since=now_utc_ms - SIGNAL_SHOWN_MS):
        is_attended = row["ended_by"] == DESK
        is_standing = row["ended_utc_ms"] is None and row["given_utc_ms"] > now_utc_ms - SIGNAL_MS
        if is_attended or is_standing:
            found[row["seat_id"]] = dict(row) | {"attended_utc_ms": row["ended_utc_ms"] if is_attended else None}
        else:
            found.pop(row["seat_id"], None)
    return found


def _maps(connection: sqlite3.Connection) -> tuple[dict[int, tuple[int, int]], dict[str, tuple[int, int]]]:
    rooms: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in QUERIES.day_seats(connection):
        rooms[row["room"]].append(dict(row))
    cells: dict[int, tuple[int, int]] = {}
    maps = {}
    for room, seats in rooms.items():
        found = room_map.layout(seats, seats[0]["map_columns"], seats[0]["map_rows"])
        cells |= found.cells
        maps[room] = (found.columns, found.rows)
    return cells, maps


class Running:
    """How much of the sittings that are on is recorded, kept up to date by what is new: a sitting of 500 desks and
    three hours has half a million segments, and every look reads those of the last few seconds. For one thread."""

    def __init__(self) -> None:
        self._read_until = 0
        self._recorded: dict[str, defaultdict[str, list[Span]]] = {}

    def look(self, store: Store, now_utc_ms: int) -> tuple[int, int] | None:
        """(recorded, due) as the coverage report defines them (`hub.core.coverage`); None while no sitting is on."""
        with store.read() as connection:
            sittings = list(QUERIES.running_sittings(connection, now=now_utc_ms))
            self._catch_up(connection, [row["sitting"] for row in sittings])
            recorded = due = 0
            for row in sittings:
                for end, spans in self._seats(connection, row):
                    report = coverage(row["start_utc_ms"], end, now_utc_ms, Known(recorded=spans))
                    recorded, due = recorded + report.recorded_ms, due + report.due_ms
            return (recorded, due) if sittings else None

    def _catch_up(self, connection: sqlite3.Connection, wanted: list[str]) -> None:
        newest = int(QUERIES.newest_segment_row(connection)["newest"])
        if newest < self._read_until:  # the store was made anew
            self._recorded.clear()
        self._recorded = {name: self._recorded[name] for name in wanted if name in self._recorded}
        if newest > self._read_until and self._recorded:
            added: set[tuple[str, str]] = set()
            for row in QUERIES.segments_after(connection, after=self._read_until, until=newest):
                if row["sitting"] in self._recorded:
                    self._recorded[row["sitting"]][row["seat"]].append((row["began_utc_ms"], row["ended_utc_ms"]))
                    added.add((row["sitting"], row["seat"]))
            for sitting, seat in added:
                seats = self._recorded[sitting]
                seats[seat] = union(seats[seat], closing_ms=BORDER_MS)
        self._read_until = newest
        for name in wanted:
            if name not in self._recorded:
                self._recorded[name] = coverage_store.recorded_by_seat(connection, name)

    def _seats(self, connection: sqlite3.Connection, sitting: Row) -> list[tuple[int, list[Span]]]:
        """Each seat's end, and what is recorded there: every seat of the room, and those that are there no more."""
        ends = {row["seat"]: row["end_utc_ms"] for row in QUERIES.ends_of_seats(connection, sitting=sitting["sitting"])}
        recorded = self._recorded[sitting["sitting"]]
        seats = QUERIES.coverage_seats(connection, room_id=sitting["room_id"], start=sitting["start_utc_ms"])
        labels = dict.fromkeys(row["label"] for row in seats)
        labels |= dict.fromkeys(label for label, spans in recorded.items() if spans)
        return [(ends.get(label, sitting["end_utc_ms"]), recorded.get(label, [])) for label in labels]
