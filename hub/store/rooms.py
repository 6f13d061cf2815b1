"""Rooms and their seats: made, named, placed on the map and removed. Each verb that changes something works within the
caller's write turn and notes who did it.

What desks have recorded carries the names of its day, in signed records, and is never rewritten: a room or seat that
gets another name keeps those it had (`former_names`, `former_labels`), its history is found under all of them, and
nothing else gets one of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from agent import wire
from hub.core.audit import Deed
from hub.core.natural import natural
from hub.core.room_map import MOST_COLUMNS, MOST_ROWS, Cell
from hub.core.seat_pattern import Pattern, Proposal, propose
from hub.store import QUERIES, Row, Store, audit, planning
from hub.store.audit import Actor

MOST_NAME = 200
"""Characters of a room's name, or of a seat's label: what a plan carries (`wire.Label`)."""


class CannotSetUp(Exception):
    """It cannot be done as asked; the text says why and what to do."""


class MapChanged(CannotSetUp):
    """Somebody else moved the same seat meanwhile."""


class Room(NamedTuple):
    room_id: int
    name: str
    seats: int
    units: int
    online: int
    is_on: bool
    """Whether a sitting is on there."""


class RoomRead(NamedTuple):
    """A room whole, in one read. `seats`: rows of `room_seats`, in natural order; `former`: (name, until UTC ms);
    `former_labels`: label and the seat that had it."""

    room_id: int
    name: str
    columns: int
    rows: int
    seats: list[dict[str, Any]]
    former: list[tuple[str, int]]
    former_labels: dict[str, int]
    exam_on: str
    is_used: bool


class Seat(NamedTuple):
    """`seat_in_room`: one seat as it is set up. `unit` '': no desk."""

    seat_id: int
    room_id: int
    room: str
    label: str
    unit: str
    masks: str

    @property
    def object(self) -> str:
        """How the audit log calls it."""
        return f"seat {self.seat_id}"

    @property
    def place(self) -> dict[str, str]:
        return {"seat": self.label, "room": self.room}


def rooms(store: Store, now_utc_ms: int) -> list[Room]:
    with store.read() as connection:
        found = [
            Room(**dict(row) | {"is_on": bool(row["is_on"])}) for row in QUERIES.rooms_all(connection, now=now_utc_ms)
        ]
    return sorted(found, key=lambda room: natural(room.name))


def read(store: Store, room_id: int, now_utc_ms: int) -> RoomRead | None:
    with store.read() as connection:
        return read_within(connection, room_id, now_utc_ms)


def read_within(connection: sqlite3.Connection, room_id: int, now_utc_ms: int) -> RoomRead | None:
    """As `read`, in the caller's transaction."""
    row: Row | None = QUERIES.room_by_id(connection, room_id=room_id)
    if row is None:
        return None
    on: Row | None = QUERIES.room_sitting_on(connection, room_id=room_id, now=now_utc_ms)
    seats = [dict(each) for each in QUERIES.room_seats(connection, room_id=room_id)]
    return RoomRead(
        room_id=room_id,
        name=row["name"],
        columns=row["map_columns"],
        rows=row["map_rows"],
        seats=sorted(seats, key=lambda seat: natural(seat["label"])),
        former=[(each["name"], each["until_utc_ms"]) for each in QUERIES.former_names(connection, room_id=room_id)],
        former_labels={each["label"]: each["seat_id"] for each in QUERIES.former_labels(connection, room_id=room_id)},
        exam_on="" if on is None else on["exam"],
        is_used=bool(QUERIES.room_is_used(connection, room_id=room_id)["is_used"]),
    )


def seat(connection: sqlite3.Connection, room_id: int, seat_id: int) -> Seat | None:
    """None where the room has no such seat."""
    return _seat(QUERIES.seat_in_room(connection, room_id=room_id, seat_id=seat_id))


def seat_called(connection: sqlite3.Connection, room: str, label: str) -> Seat:
    """Raises CannotSetUp."""
    found = _seat(QUERIES.seat_by_label(connection, room=room, label=label))
    if found is None:
        raise CannotSetUp(f"there is no seat {label} in {room!r}")
    return found


def _seat(row: Row | None) -> Seat | None:
    if row is None:
        return None
    return Seat(row["seat_id"], row["room_id"], row["room"], row["label"], row["unit"] or "", row["masks"])


# --- rooms ----------------------------------------------------------------------------------------------------------


def make_room(connection: sqlite3.Connection, by: Actor, name: str, now_utc_ms: int) -> int:
    """A room without seats; answers its number. Raises CannotSetUp."""
    name = _name("name", name)
    _check_free(connection, name, None)
    room_id = int(QUERIES.add_room(connection, name=name))
    audit.add(connection, by, Deed.SET_UP_ROOM, f"room {name}", now_utc_ms, {"act": "made"})
    return room_id


def rename_room(connection: sqlite3.Connection, by: Actor, room_id: int, name: str, now_utc_ms: int) -> str:
    """Call the room otherwise from now on; answers what it was called. Raises CannotSetUp."""
    name = _name("name", name)
    room = _room(connection, room_id, now_utc_ms)
    if name == room.name:
        return name
    _check_not_on(room)
    _check_free(connection, name, room_id)
    QUERIES.drop_former_name(connection, room_id=room_id, name=name)
    if room.is_used:
        QUERIES.keep_former_name(connection, room_id=room_id, name=room.name, now=now_utc_ms)
    QUERIES.name_room(connection, room_id=room_id, name=name)
    planning.replan(connection, now_utc_ms)
    detail = {"act": "renamed", "was": room.name}
    audit.add(connection, by, Deed.SET_UP_ROOM, f"room {name}", now_utc_ms, detail)
    return room.name


def delete_room(connection: sqlite3.Connection, by: Actor, room_id: int, now_utc_ms: int) -> str:
    """Remove a room without seats that nothing names; answers its name. Raises CannotSetUp."""
    room = _room(connection, room_id, now_utc_ms)
    if room.seats:
        raise CannotSetUp("the room has seats: remove them first")
    if room.is_used:
        raise CannotSetUp("sittings or recordings name this room: it stays, so that they keep their place")
    QUERIES.delete_room(connection, room_id=room_id)
    audit.add(connection, by, Deed.SET_UP_ROOM, f"room {room.name}", now_utc_ms, {"act": "removed"})
    return room.name


def _room(connection: sqlite3.Connection, room_id: int, now_utc_ms: int) -> RoomRead:
    room = read_within(connection, room_id, now_utc_ms)
    if room is None:
        raise CannotSetUp("that room is there no more")
    return room


def _name(what: str, text: str) -> str:
    text = " ".join(text.split())
    if not 1 <= len(text) <= MOST_NAME or not text.isprintable():
        raise CannotSetUp(f"give it a {what} of 1 to {MOST_NAME} visible characters")
    return text


def _check_free(connection: sqlite3.Connection, name: str, room_id: int | None) -> None:
    for row in QUERIES.rooms_all(connection, now=0):
        if row["room_id"] != room_id and row["name"].casefold() == name.casefold():
            raise CannotSetUp(f"a room is called {row['name']} already")
    known: Row | None = QUERIES.room_named(connection, name=name)
    if known is not None and known["room_id"] != room_id:
        raise CannotSetUp(
            f"{name} was the name of the room that is {known['now_name']} now, and its recordings carry it: "
            "choose another"
        )


def _check_not_on(room: RoomRead) -> None:
    if room.exam_on:
        raise CannotSetUp(f"a sitting of {room.exam_on} is on there: its desks record under this name until it is over")


# --- the map --------------------------------------------------------------------------------------------------------


def add_seats(
    connection: sqlite3.Connection, by: Actor, room_id: int, pattern: Pattern, seen: str, now_utc_ms: int
) -> Proposal:
    """Keep what the pattern proposes, as it was looked at: `seen` is the `fingerprint` of that. Raises CannotSetUp,
    BadPattern."""
    room = _room(connection, room_id, now_utc_ms)
    proposal = propose(pattern, room.seats, list(room.former_labels))
    if fingerprint(proposal) != seen:
        raise MapChanged("the room was changed meanwhile: look at what would be added now")
    for label, (x, y) in proposal.added:
        QUERIES.add_seat(connection, room_id=room_id, label=label, x=x, y=y)
    for seat_id, _, (x, y) in proposal.placed:
        QUERIES.place_seat(connection, seat_id=seat_id, x=x, y=y)
    _grow(connection, room, proposal.columns, proposal.rows)
    detail = {"act": "added seats", "added": len(proposal.added), "placed": len(proposal.placed)}
    audit.add(connection, by, Deed.SET_UP_ROOM, f"room {room.name}", now_utc_ms, detail)
    return proposal


def fingerprint(proposal: Proposal) -> str:
    """What tells this proposal from every other one."""
    return wire.sha256_hex(repr(proposal).encode())


def _grow(connection: sqlite3.Connection, room: RoomRead, columns: int, rows: int) -> None:
    wanted = (max(room.columns, columns), max(room.rows, rows))
    if wanted != (room.columns, room.rows):
        QUERIES.size_room(connection, room_id=room.room_id, columns=wanted[0], rows=wanted[1])


def save_map(
    connection: sqlite3.Connection,
    by: Actor,
    room_id: int,
    size: tuple[int, int],
    moves: Mapping[int, tuple[Cell | None, Cell | None]],
    now_utc_ms: int,
) -> int:
    """Put seats where they are wanted: `moves` is by seat_id (where the person saw it, where it is to be), None: not
    placed; `size` is the grid's columns and rows. Answers how many moved. Raises CannotSetUp; then nothing has."""
    room = _room(connection, room_id, now_utc_ms)
    columns, rows = size
    if not (1 <= columns <= MOST_COLUMNS and 1 <= rows <= MOST_ROWS):
        raise CannotSetUp(f"a map has 1 to {MOST_COLUMNS} columns and 1 to {MOST_ROWS} rows")
    known = {each["seat_id"]: each for each in room.seats}
    cells = {seat_id: _cell(each) for seat_id, each in known.items()}
    changed = {seat_id: move for seat_id, move in moves.items() if move[0] != move[1] and seat_id in known}
    for seat_id, (was, wanted) in changed.items():
        if cells[seat_id] not in (was, wanted):
            raise MapChanged(f"somebody else moved seat {known[seat_id]['label']} meanwhile: load the map again")
        cells[seat_id] = wanted
    _check_cells(known, cells, columns, rows)
    for seat_id, (_, wanted) in changed.items():
        x, y = (None, None) if wanted is None else wanted
        QUERIES.place_seat(connection, seat_id=seat_id, x=x, y=y)
    if changed or (columns, rows) != (room.columns, room.rows):
        QUERIES.size_room(connection, room_id=room_id, columns=columns, rows=rows)
        detail = {"act": "moved seats", "moved": len(changed), "columns": columns, "rows": rows}
        audit.add(connection, by, Deed.SET_UP_ROOM, f"room {room.name}", now_utc_ms, detail)
    return len(changed)


def _cell(seat: Mapping[str, Any]) -> Cell | None:
    return None if seat["map_x"] is None or seat["map_y"] is None else (seat["map_x"], seat["map_y"])


def _check_cells(
    known: Mapping[int, Mapping[str, Any]], cells: Mapping[int, Cell | None], columns: int, rows: int
) -> None:
    taken: dict[Cell, str] = {}
    for seat_id, cell in cells.items():
        if cell is None:
            continue
        label = known[seat_id]["label"]
        if not (0 <= cell[0] < columns and 0 <= cell[1] < rows):
            raise CannotSetUp(f"seat {label} would lie outside a map of {columns} columns and {rows} rows")
        if cell in taken:
            raise CannotSetUp(f"seats {taken[cell]} and {label} would lie on each other: give one another cell")
        taken[cell] = label


# --- single seats ---------------------------------------------------------------------------------------------------


def add_seat(connection: sqlite3.Connection, by: Actor, room_id: int, label: str, now_utc_ms: int) -> None:
    """One seat more, not placed yet. Raises CannotSetUp."""
    label = _name("label", label)
    room = _room(connection, room_id, now_utc_ms)
    _check_label(room, label, None)
    QUERIES.add_seat(connection, room_id=room_id, label=label, x=None, y=None)
    detail = {"act": "added a seat", "seat": label}
    audit.add(connection, by, Deed.SET_UP_ROOM, f"room {room.name}", now_utc_ms, detail)


def rename_seat(connection: sqlite3.Connection, by: Actor, seat: Seat, label: str, now_utc_ms: int) -> str:
    """Give the seat another label from now on; answers it. Refused while a sitting is on in the room, or the seat is on
    the roster of one to come: its papers and people go by the label. Raises CannotSetUp."""
    label = _name("label", label)
    if label == seat.label:
        return label
    room = _room(connection, seat.room_id, now_utc_ms)
    _check_not_on(room)
    awaited: Row | None = QUERIES.seat_is_awaited(connection, seat_id=seat.seat_id, now=now_utc_ms)
    if awaited is not None:
        raise CannotSetUp(
            f"a candidate of {awaited['exam']} is to sit there: rename it after that, or change the roster"
        )
    _check_label(room, label, seat.seat_id)
    QUERIES.drop_former_label(connection, seat_id=seat.seat_id, label=label)
    if _is_used(connection, seat):
        QUERIES.keep_former_label(
            connection, seat_id=seat.seat_id, room_id=seat.room_id, label=seat.label, now=now_utc_ms
        )
    QUERIES.label_seat(connection, seat_id=seat.seat_id, label=label)
    planning.replan(connection, now_utc_ms)
    detail = {"act": "renamed", "was": seat.label, "seat": label, "room": room.name}
    audit.add(connection, by, Deed.SET_UP_ROOM, seat.object, now_utc_ms, detail)
    return label


def _check_label(room: RoomRead, label: str, seat_id: int | None) -> None:
    for each in room.seats:
        if each["seat_id"] != seat_id and each["label"].casefold() == label.casefold():
            raise CannotSetUp(f"a seat is called {each['label']} already")
    if room.former_labels.get(label, seat_id) != seat_id:
        raise CannotSetUp(f"{label} was the label of another seat here, and its recordings carry it: choose another")


def _is_used(connection: sqlite3.Connection, seat: Seat) -> bool:
    return bool(QUERIES.seat_is_used(connection, seat_id=seat.seat_id)["is_used"])


def remove_seat(connection: sqlite3.Connection, by: Actor, seat: Seat, now_utc_ms: int) -> None:
    """Remove a seat at which nothing was ever recorded, nobody is to sit and no desk stands. Raises CannotSetUp."""
    if seat.unit:
        raise CannotSetUp(f"the desk {seat.unit} stands there: take it away first")
    if _is_used(connection, seat):
        raise CannotSetUp("something was recorded there, or somebody is to sit there: the seat stays with its history")
    QUERIES.delete_seat(connection, seat_id=seat.seat_id)
    audit.add(connection, by, Deed.SET_UP_ROOM, seat.object, now_utc_ms, {"act": "removed", **seat.place})
