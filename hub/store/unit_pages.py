"""What the pages about units read: rows out, nothing in. What people decide is in `enrolling`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from hub.store import QUERIES, Row, Store, enrolling, security, units
from hub.store.enrolling import Request
from hub.store.units import UnitRow

SEGMENTS_RATED = 20
"""Newest segments from which a card's hours are told: some minutes of the camera as it is now."""
HISTORY_ROWS = 50


class UnitsRead(NamedTuple):
    """All units in one consistent read. `told`: by unit; see `units_told` in `unit_pages.sql` for the columns."""

    units: list[UnitRow]
    told: dict[str, dict[str, Any]]
    events: list[dict[str, Any]]
    waiting: list[Request]
    decided: list[dict[str, Any]]
    names: dict[int, str]
    """The name that each waiting request's unit would get, by its number."""
    places: list[dict[str, Any]]


class UnitHistory(NamedTuple):
    """One unit's newest HISTORY_ROWS of each."""

    certificates: list[dict[str, Any]]
    enrolments: list[dict[str, Any]]
    events: list[dict[str, Any]]


def read_units(store: Store, decided_since_utc_ms: int) -> UnitsRead:
    with store.read() as connection:
        waiting = enrolling.waiting(connection)
        return UnitsRead(
            units=units.units(connection),
            told={row["unit"]: dict(row) for row in QUERIES.units_told(connection, most=SEGMENTS_RATED)},
            events=security.unseen(connection),
            waiting=waiting,
            decided=_dicts(QUERIES.enrolments_decided(connection, since=decided_since_utc_ms)),
            names={each.enrolment_id: enrolling.name_for(connection, each, "") for each in waiting},
            places=_dicts(QUERIES.places(connection)),
        )


def read_history(store: Store, unit: str) -> UnitHistory:
    wanted = {"unit": unit, "limit": HISTORY_ROWS}
    with store.read() as connection:
        return UnitHistory(
            certificates=_dicts(QUERIES.certificates_of_unit(connection, **wanted)),
            enrolments=_dicts(QUERIES.enrolments_of_unit(connection, **wanted)),
            events=_dicts(QUERIES.security_of_unit(connection, **wanted)),
        )


def seat_of_number(store: Store, seat_id: int) -> tuple[str, str] | None:
    """(room, label) of a seat, None when there is none of that number."""
    with store.read() as connection:
        row: Row | None = QUERIES.seat_by_number(connection, seat_id=seat_id)
        return None if row is None else (row["room"], row["label"])


def _dicts(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [dict(row) for row in rows]
