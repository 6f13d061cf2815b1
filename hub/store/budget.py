"""How alerts turned out, and what a desk saw in a sitting, as the budget's pages read them."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from agent.wire import AlertKind, Observed, Rule
from hub.core import budget as core
from hub.core.budget import Budget
from hub.core.spans import Span
from hub.store import QUERIES, Row, Store


class Wanted(NamedTuple):
    """Which sittings: by exam and name ('': any), those that overlap the time."""

    exam: str
    sitting: str
    since_utc_ms: int
    until_utc_ms: int


class Sitting(NamedTuple):
    """`rules` as its plan says; none: the defaults."""

    sitting: str
    exam: str
    room: str
    start_utc_ms: int
    end_utc_ms: int
    rules: tuple[Rule, ...]


class Case(NamedTuple):
    """A seat's sitting for one rule: what was raised (rows), and what each desk that stood there saw."""

    sitting: Sitting
    seat_id: int | None
    raised: list[dict[str, Any]]
    observed: dict[str, list[Observed]]
    pauses: list[Span]


class NoSuchCase(Exception):
    """There is no such sitting."""


def exams(store: Store) -> list[str]:
    with store.read() as connection:
        return [row["exam"] for row in QUERIES.budget_exams(connection)]


def sittings(store: Store, wanted: Wanted) -> list[Sitting]:
    """Newest first."""
    with store.read() as connection:
        return [_sitting(row) for row in _sittings(connection, wanted)]


def _sittings(connection: Any, wanted: Wanted) -> list[Row]:
    return list(
        QUERIES.budget_sittings(
            connection,
            exam=wanted.exam,
            sitting=wanted.sitting,
            since=wanted.since_utc_ms,
            until=wanted.until_utc_ms,
        )
    )


def _sitting(row: Row) -> Sitting:
    try:
        rules = tuple(msgspec.json.decode(row["rules"], type=list[Rule]))
    except msgspec.MsgspecError:  # a later hub's; the page says what was raised all the same
        rules = ()
    return Sitting(row["sitting"], row["exam"], row["room"], row["start_utc_ms"], row["end_utc_ms"], rules)


def outcome(store: Store, wanted: Wanted, now_utc_ms: int) -> Budget:
    """Of these sittings, up to now."""
    with store.read() as connection:
        names = json.dumps([row["sitting"] for row in _sittings(connection, wanted)])
        kinds = json.dumps([kind.value for kind in AlertKind])
        return core.budget(
            QUERIES.budget_incidents(connection, sittings=names, kinds=kinds),
            QUERIES.budget_alerts(connection, sittings=names),
            QUERIES.budget_member_alerts(connection, sittings=names),
            QUERIES.budget_due(connection, sittings=names, now=now_utc_ms),
            QUERIES.budget_gaps(connection, sittings=names),
        )


def case(store: Store, sitting: str, seat: str, kind: AlertKind) -> Case:
    """Raises NoSuchCase."""
    with store.read() as connection:
        found = _sittings(connection, Wanted("", sitting, 0, 2**62))
        if not sitting or not found:
            raise NoSuchCase(sitting)
        told = _sitting(found[0])
        place: Row | None = QUERIES.what_if_seat(connection, room=told.room, seat=seat)
        units = [
            row["unit"]
            for row in QUERIES.what_if_units(
                connection, sitting=sitting, seat=seat, unit=place["unit"] if place is not None else None
            )
        ]
        stretch = {"since": told.start_utc_ms, "until": told.end_utc_ms}
        raised = QUERIES.what_if_alerts(connection, sitting=sitting, room=told.room, seat=seat, kind=kind.value)
        breaks = QUERIES.what_if_breaks(connection, sitting=sitting, seat=seat)
        return Case(
            sitting=told,
            seat_id=None if place is None else place["seat_id"],
            raised=[{**dict(row), "body": msgspec.json.decode(row["body"])} for row in raised],
            observed={
                unit: [
                    body
                    for row in QUERIES.what_if_observed(connection, unit=unit, **stretch)
                    if (body := _observed(row["body"])) is not None and body.sitting == sitting
                ]
                for unit in units
            },
            pauses=[(row["began_utc_ms"], row["until_utc_ms"]) for row in breaks],
        )


def _observed(body: str) -> Observed | None:
    try:
        return msgspec.json.decode(body, type=Observed)
    except msgspec.MsgspecError:  # a later desk's: what it saw is not judged again
        return None
