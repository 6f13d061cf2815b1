"""A seat's history as its page reads it, by the seat and not by the unit that stands there now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hub.core.seat_history import Entry, Kind, merged
from hub.store import QUERIES, Row, Store

HISTORY_ROWS = 100
_QUERIES = {
    Kind.INCIDENT: "history_incidents",
    Kind.ALERT: "history_alerts",
    Kind.FAULT: "history_faults",
    Kind.GAP: "history_gaps",
    Kind.BREAK: "history_breaks",
    Kind.BOOKMARK: "history_bookmarks",
    Kind.SIGNAL: "history_signals",
    Kind.ATTENDED: "history_attended",
    Kind.DESK: "history_desks",
}


class SeatHistory(NamedTuple):
    """`seat` is a row of `seat_by_id`, `recorded` of `seat_recorded`; `entries` are the newest HISTORY_ROWS of kinds
    that were asked for, `units` (unit, from, until) of all that stood there, the newest first, `candidates` rows of
    `history_candidates`: who sits there now."""

    seat: dict[str, Any]
    recorded: dict[str, Any]
    entries: list[Entry]
    units: list[tuple[str, int, int | None]]
    candidates: list[dict[str, Any]]


def seat_row(store: Store, seat_id: int) -> dict[str, Any] | None:
    """A seat with its unit's newest word; None when there is no such seat."""
    with store.read() as connection:
        row: Row | None = QUERIES.seat_by_id(connection, seat_id=seat_id)
        return None if row is None else dict(row)


def read(store: Store, seat_id: int, now_utc_ms: int, kinds: Sequence[Kind] = tuple(Kind)) -> SeatHistory | None:
    """None when there is no such seat."""
    with store.read() as connection:
        seat: Row | None = QUERIES.seat_by_id(connection, seat_id=seat_id)
        if seat is None:
            return None
        found = {
            kind: [
                dict(row) for row in getattr(QUERIES, _QUERIES[kind])(connection, seat_id=seat_id, limit=HISTORY_ROWS)
            ]
            for kind in kinds
        }
        return SeatHistory(
            seat=dict(seat),
            recorded=dict(QUERIES.seat_recorded(connection, seat_id=seat_id)),
            entries=merged(found, seat["unit"] or "", now_utc_ms, HISTORY_ROWS),
            units=[tuple(row) for row in QUERIES.history_desks(connection, seat_id=seat_id, limit=HISTORY_ROWS)],
            candidates=[dict(row) for row in QUERIES.history_candidates(connection, seat_id=seat_id, now=now_utc_ms)],
        )
