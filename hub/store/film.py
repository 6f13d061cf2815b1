"""The film of a seat as pages read it, and the wish for what is still on a desk."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from agent.wire import Observed
from hub.core.audit import Deed
from hub.core.film import Gap, Segment, Where, parts
from hub.store import QUERIES, Row, Store, audit, planning
from hub.store.audit import Actor


class NoSuchSeat(Exception):
    """No seat has that number."""


class Seat(NamedTuple):
    """A place and the unit that is there now, '' without one."""

    seat_id: int
    room_id: int
    room: str
    label: str
    unit: str


class Sitting(NamedTuple):
    """As one seat has it: `end_utc_ms` is the end there, extra time included."""

    sitting: str
    exam: str
    start_utc_ms: int
    end_utc_ms: int


class Reel(NamedTuple):
    """All that is known of a seat's film in a stretch. `heartbeat` is JSON of the newest word of the unit there now,
    which came at `heard_utc_ms` of hub time."""

    seat: Seat
    segments: list[Segment]
    gaps: list[Gap]
    sittings: list[Sitting]
    wishes: list[dict[str, Any]]
    heartbeat: str
    heard_utc_ms: int | None

    @property
    def units(self) -> list[str]:
        """Every unit that has recorded here then, and the one that is here now."""
        found = dict.fromkeys([each.unit for each in self.segments] + [each.unit for each in self.gaps])
        return [*found, *([self.seat.unit] if self.seat.unit and self.seat.unit not in found else [])]


class Marks(NamedTuple):
    """What happened at a seat in a stretch: rows of alerts and faults, and what its desk saw (oldest first)."""

    alerts: list[dict[str, Any]]
    faults: list[dict[str, Any]]
    observed: list[Observed]


def seat(store: Store, seat_id: int) -> Seat:
    """Raises NoSuchSeat."""
    with store.read() as connection:
        return _seat(QUERIES.film_seat(connection, seat_id=seat_id), seat_id)


def seat_of_incident(store: Store, incident: Row | dict[str, Any]) -> Seat | None:
    """The seat that the incident names; None when it is there no more."""
    with store.read() as connection:
        row = QUERIES.film_seat_named(connection, room=incident["room"], label=incident["seat"])
        return None if row is None else _seat(row, 0)


def _seat(row: Row | None, seat_id: int) -> Seat:
    if row is None:
        raise NoSuchSeat(seat_id)
    return Seat(row["seat_id"], row["room_id"], row["room"], row["label"], row["unit"] or "")


def incident(store: Store, incident_id: int) -> dict[str, Any] | None:
    with store.read() as connection:
        row: Row | None = QUERIES.film_incident(connection, incident_id=incident_id)
        return None if row is None else dict(row)


def sittings(store: Store, seat: Seat) -> list[Sitting]:
    """The newest sittings in the seat's room, newest first."""
    with store.read() as connection:
        return [Sitting(*row) for row in QUERIES.film_sittings(connection, room_id=seat.room_id, label=seat.label)]


def reel(store: Store, seat: Seat, from_utc_ms: int, until_utc_ms: int) -> Reel:
    with store.read() as connection:
        return _reel(connection, seat, from_utc_ms, until_utc_ms)


def _reel(connection: sqlite3.Connection, seat: Seat, from_utc_ms: int, until_utc_ms: int) -> Reel:
    wanted = {"room_id": seat.room_id, "since": from_utc_ms, "until": until_utc_ms}
    of_seat = wanted | {"seat_id": seat.seat_id}
    presence: Row | None = QUERIES.film_presence(connection, unit=seat.unit)
    found = Reel(
        seat=seat,
        segments=[_segment(row) for row in QUERIES.film_segments(connection, **of_seat)],
        gaps=[_gap(row) for row in QUERIES.film_gaps(connection, **of_seat)],
        sittings=[Sitting(*row) for row in QUERIES.film_sittings_at(connection, label=seat.label, **wanted)],
        wishes=[],
        heartbeat=(presence["heartbeat"] or "") if presence is not None else "",
        heard_utc_ms=presence["heartbeat_utc_ms"] if presence is not None else None,
    )
    wishes = QUERIES.wishes_standing(connection, units=json.dumps(found.units), since=from_utc_ms, until=until_utc_ms)
    return found._replace(wishes=[dict(row) for row in wishes])


def _segment(row: Row) -> Segment:
    return Segment(
        **{field: row[field] for field in Segment._fields if field not in ("is_stored", "is_purged")},
        is_stored=row["stored_utc_ms"] is not None,
        is_purged=row["purged_utc_ms"] is not None,
    )


def _gap(row: Row) -> Gap:
    fields = {field: row[field] for field in Gap._fields}
    return Gap(**fields | {"is_length_known": bool(row["is_length_known"])})


def marks(store: Store, seat: Seat, units: Iterable[str], from_utc_ms: int, until_utc_ms: int) -> Marks:
    """Of these units, while they recorded at the seat."""
    wanted = {"units": json.dumps(list(units)), "since": from_utc_ms, "until": until_utc_ms}
    with store.read() as connection:
        return Marks(
            [dict(row) for row in QUERIES.film_alerts(connection, seat_id=seat.seat_id, **wanted)],
            [dict(row) for row in QUERIES.film_faults(connection, **wanted)],
            [found for row in QUERIES.film_observed(connection, **wanted) if (found := _observed(row["body"]))],
        )


def observed(store: Store, units: Iterable[str], from_utc_ms: int, until_utc_ms: int) -> list[Observed]:
    """What desks saw in a stretch, oldest first."""
    wanted = {"units": json.dumps(list(units)), "since": from_utc_ms, "until": until_utc_ms}
    with store.read() as connection:
        return [found for row in QUERIES.film_observed(connection, **wanted) if (found := _observed(row["body"]))]


def _observed(body: str) -> Observed | None:
    try:
        return msgspec.json.decode(body, type=Observed)
    except msgspec.MsgspecError:  # a later desk's; the timeline does without
        return None


def wish(store: Store, actor: Actor, seat: Seat, stretch: tuple[int, int], what: list[str], now_utc_ms: int) -> int:
    """Have the desks send what they still have of this stretch before all else; answers how many were asked. `what` are
    the audit log's objects: the seat, and the incident it is about. Raises planning.CannotPlan."""
    from_utc_ms, until_utc_ms = stretch
    with store.write() as connection:
        found = _reel(connection, seat, from_utc_ms, until_utc_ms)
        wanted = {(each.unit, each.sitting) for each in found.segments if not each.is_stored and not each.is_purged}
        now_there = parts(from_utc_ms, until_utc_ms, found.segments, found.gaps, until_utc_ms)
        if seat.unit and any(part.where is Where.UNTOLD for part in now_there):
            wanted |= {(seat.unit, each.sitting) for each in found.sittings}
        for unit, sitting in sorted(wanted):
            QUERIES.add_wish(
                connection,
                unit=unit,
                sitting=sitting,
                since=from_utc_ms,
                until=until_utc_ms,
                who=actor.who,
                now=now_utc_ms,
            )
        planning.replan(connection, now_utc_ms)
        detail = {"from_utc_ms": from_utc_ms, "until_utc_ms": until_utc_ms, "units": sorted({u for u, _ in wanted})}
        for each in what:
            audit.add(connection, actor, Deed.WISHED_FOR_FILM, each, now_utc_ms, detail)
        return len(wanted)


def settle_wishes(store: Store, now_utc_ms: int) -> int:
    """End the wishes of which all has come, or nothing more can; the desks' plans no longer say them. Writes only when
    there are such. Raises planning.CannotPlan."""
    with store.read() as connection:
        settled = [row["wish_id"] for row in QUERIES.wishes_settled(connection, now=now_utc_ms)]
    if settled:
        with store.write() as connection:
            for wish_id in settled:
                QUERIES.end_wish(connection, wish_id=wish_id, now=now_utc_ms)
            planning.replan(connection, now_utc_ms)
    return len(settled)
