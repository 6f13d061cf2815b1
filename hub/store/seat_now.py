"""One seat as it is now, for whoever looks after it: who sits there, what stands, and what was marked."""

from __future__ import annotations

from typing import Any, NamedTuple

from hub.core.breaks import Break, Refused
from hub.core.roster import Candidate
from hub.store import QUERIES, Row, Store, breaks, exam_day, roster
from hub.store.breaks import At

BREAKS_SHOWN = 5


class SeatNow(NamedTuple):
    """`at`: the sitting that is on there, None for none; `person`: whom its roster names, a no-show included; `on`: the
    break that stands, `past`: the newest others, newest first; `signal`: as `hub.store.exam_day.Day`."""

    seat: dict[str, Any]
    at: At | None
    person: Candidate | None
    is_rostered: bool
    on: Break | None
    past: list[Break]
    signal: dict[str, Any] | None
    bookmarks: list[dict[str, Any]]


def read(store: Store, seat_id: int, now_utc_ms: int) -> SeatNow | None:
    """None when there is no such seat."""
    with store.read() as connection:
        row: Row | None = QUERIES.seat_by_id(connection, seat_id=seat_id)
        if row is None:
            return None
        signal = exam_day.signals(connection, now_utc_ms).get(seat_id)
        try:
            at = breaks.sitting_at_seat(connection, seat_id, now_utc_ms)
        except Refused:
            return SeatNow(dict(row), None, None, False, None, [], signal, [])
        everyone = roster.at_seats(connection, at.sitting)
        given = breaks.at_seat(connection, seat_id, now_utc_ms)
        marked = QUERIES.bookmarks_newest(connection, sitting=at.sitting, seat=at.seat, limit=BREAKS_SHOWN)
        return SeatNow(
            seat=dict(row),
            at=at,
            person=everyone.get(at.seat),
            is_rostered=bool(everyone),
            on=next((each for each in given if each.ended_utc_ms is None), None),
            past=[each for each in reversed(given) if each.ended_utc_ms is not None][:BREAKS_SHOWN],
            signal=signal,
            bookmarks=[dict(mark) for mark in marked],
        )
