"""What the Live page, a seat's page and the metrics read: rows out, nothing in."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from hub.store import QUERIES, Row, Store, room_incidents


class Unreadable(Exception):
    """The store cannot be read now; the text says why."""


@contextmanager
def telling_trouble() -> Iterator[None]:
    """Turn the database's own errors into Unreadable, for readers that go on without it."""
    try:
        yield
    except sqlite3.Error as error:
        raise Unreadable(str(error)) from error


def is_readable(store: Store) -> bool:
    """Whether a look at the store succeeds."""
    try:
        with store.read() as connection:
            next(iter(QUERIES.count_records(connection)))
    except sqlite3.Error:
        return False
    return True


def _dicts(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [dict(row) for row in rows]


class BoardRows(NamedTuple):
    """All that the board is built from, in one consistent read."""

    seats: list[dict[str, Any]]
    alerts: list[dict[str, Any]]
    faults: list[dict[str, Any]]
    incidents: list[dict[str, Any]]
    sittings: list[dict[str, Any]]
    newest_event: int
    newest_incident_utc_ms: int | None
    touched: list[int]
    units_due: int = 0


def read_board(store: Store, now_utc_ms: int, after_event: int) -> BoardRows:
    """Everything standing now, and the incidents (`touched`) with events after `after_event`."""
    with store.read() as connection:
        return BoardRows(
            seats=_dicts(QUERIES.board_seats(connection)),
            alerts=_dicts(QUERIES.board_alerts(connection)),
            faults=_dicts(QUERIES.board_faults(connection)),
            incidents=_dicts(QUERIES.board_incidents(connection)),
            sittings=_dicts(QUERIES.board_sittings(connection, now=now_utc_ms)),
            newest_event=int(QUERIES.board_newest_event(connection)[0]),
            newest_incident_utc_ms=QUERIES.board_newest_incident(connection)[0],
            touched=[row["incident_id"] for row in QUERIES.board_touched(connection, after=after_event)],
            units_due=int(QUERIES.board_units_due(connection)[0]),
        )


class Totals(NamedTuple):
    """Counts for the metrics, by kind or state: (total, standing now) or a number."""

    alerts: dict[str, tuple[int, int]]
    faults: dict[str, tuple[int, int]]
    incidents: dict[str, int]
    rejected: int
    conflicts: int
    room_incidents: dict[str, tuple[int, int]]


def read_totals(store: Store) -> Totals:
    with store.read() as connection:
        refused = next(iter(QUERIES.count_records(connection)))
        return Totals(
            alerts={row["kind"]: (row["total"], row["standing"]) for row in QUERIES.count_alerts_by_kind(connection)},
            faults={row["kind"]: (row["total"], row["standing"]) for row in QUERIES.count_faults_by_kind(connection)},
            incidents={row["state"]: row["total"] for row in QUERIES.count_incidents_by_state(connection)},
            rejected=refused["rejected"],
            conflicts=refused["conflicts"],
            room_incidents=room_incidents.totals(connection),
        )
