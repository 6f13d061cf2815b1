"""Which desk unit stands where, and what its seat's camera is not to see. Each verb that changes something works within
the caller's write turn: plans follow at once, and who did it is noted."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from agent.wire import Mask
from hub.core.audit import Deed
from hub.core.board import heartbeat_of, presence_of
from hub.core.natural import natural
from hub.core.presence import Presence
from hub.store import QUERIES, Row, Store, audit, planning
from hub.store.audit import Actor
from hub.store.planning import CannotPlan
from hub.store.rooms import CannotSetUp, Seat


class Spare(NamedTuple):
    """An enrolled unit that stands nowhere. `free_bytes`, `software`, `clock_off_ms` (its clock to the hub's) and
    `is_clock_ok` as of its newest heartbeat, None without one."""

    unit: str
    presence: Presence
    heard_utc_ms: int | None
    free_bytes: int | None
    is_clock_ok: bool | None
    clock_off_ms: int | None
    software: str
    model: str
    last_place: str

    @property
    def is_online(self) -> bool:
        return self.presence is Presence.ONLINE


def spares(store: Store, now_utc_ms: int) -> list[Spare]:
    """Those that can be put at a seat now first, the one with the most space ahead."""
    with store.read() as connection:
        found = [_spare(dict(row), now_utc_ms) for row in QUERIES.spare_units(connection)]
    return sorted(
        found,
        key=lambda spare: (not spare.is_online, not spare.is_clock_ok, -(spare.free_bytes or 0), natural(spare.unit)),
    )


def _spare(row: dict[str, Any], now_utc_ms: int) -> Spare:
    heartbeat = heartbeat_of(row)
    off = None if heartbeat is None else heartbeat.now.utc_ms - row["heartbeat_utc_ms"]
    return Spare(
        unit=row["unit"],
        presence=presence_of(row, now_utc_ms),
        heard_utc_ms=row["heartbeat_utc_ms"],
        free_bytes=None if heartbeat is None else heartbeat.free_bytes,
        is_clock_ok=None if heartbeat is None else heartbeat.is_clock_ok,
        clock_off_ms=off,
        software="" if heartbeat is None else heartbeat.software,
        model=row["model"],
        last_place=f"{row['last_room']}, {row['last_seat']}" if row["last_seat"] else "",
    )


def put_desk(
    connection: sqlite3.Connection, by: Actor, seat: Seat, unit: str, now_utc_ms: int, seen: str | None = None
) -> list[str]:
    """Put the spare `unit` at the seat; the one that stood there stands nowhere then and has nothing planned. The seat
    keeps its history. `seen`: the unit that the person saw there ('' for none). Answers the units whose plans changed.
    Raises CannotSetUp; then nothing is changed."""
    _check_seen(seat, seen)
    if unit == seat.unit:
        raise CannotSetUp(f"{unit} stands there already: choose another desk")
    elsewhere: Row | None = QUERIES.seat_of_unit(connection, unit=unit)
    if elsewhere is not None:
        raise CannotSetUp(
            f"{unit} stands at seat {elsewhere['label']} in {elsewhere['room']}: take it away there first, "
            "or choose a spare desk"
        )
    try:
        planning.put_seat(connection, room=seat.room, label=seat.label, unit=unit)
        changed = planning.replan(connection, now_utc_ms)
    except CannotPlan as cannot:
        raise CannotSetUp(str(cannot)) from None
    detail = {"unit": unit, "instead_of": seat.unit, **seat.place}
    audit.add(connection, by, Deed.ASSIGNED_UNIT, seat.object, now_utc_ms, detail)
    return changed


def take_away(
    connection: sqlite3.Connection, by: Actor, seat: Seat, now_utc_ms: int, seen: str | None = None
) -> list[str]:
    """Take the seat's desk away: it is a spare then, with nothing planned. As `put_desk`."""
    _check_seen(seat, seen)
    if not seat.unit:
        raise CannotSetUp("no desk stands there")
    QUERIES.empty_seat(connection, seat_id=seat.seat_id)
    try:
        changed = planning.replan(connection, now_utc_ms)
    except CannotPlan as cannot:
        raise CannotSetUp(str(cannot)) from None
    audit.add(
        connection, by, Deed.ASSIGNED_UNIT, seat.object, now_utc_ms, {"unit": "", "instead_of": seat.unit, **seat.place}
    )
    return changed


def _check_seen(seat: Seat, seen: str | None) -> None:
    if seen is not None and seen != seat.unit:
        stands = f"{seat.unit} stands" if seat.unit else "no desk stands"
        raise CannotSetUp(f"somebody was quicker: {stands} there now")


def draw_masks(
    connection: sqlite3.Connection, by: Actor, seat: Seat, masks: Sequence[Mask], now_utc_ms: int
) -> list[str]:
    """Give the seat these masks instead of those it has, and tell its desk. Raises CannotPlan, when a plan would be too
    large; then nothing is changed."""
    planning.put_masks(connection, room=seat.room, label=seat.label, masks=masks)
    changed = planning.replan(connection, now_utc_ms)
    kinds = [mask.kind for mask in masks]
    detail = {"ignore": kinds.count("ignore"), "private": kinds.count("private"), **seat.place}
    audit.add(connection, by, Deed.DREW_MASKS, seat.object, now_utc_ms, detail)
    return changed


def masks_of(seat: Seat) -> tuple[Mask, ...]:
    return msgspec.json.decode(seat.masks, type=tuple[Mask, ...])
