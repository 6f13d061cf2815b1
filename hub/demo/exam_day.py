"""The demonstration's exam day: an exam with its paper, a map of the room, and a roster of numbers without names."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from agent.wire import Mode
from hub.core.profiles import STANDARD
from hub.core.room_map import Cell
from hub.core.roster import Entry
from hub.demo.centre import EXAM, MAKE_RUN, ROOM, DemoDesk, cell_of
from hub.store import Store, exams, planning, profiles, rooms, roster, roster_changes

PAPER = "Paper 1, made up for this demonstration"
EXTRA_TIME_AT, EXTRA_MS = 2, 15 * 60_000
"""The second candidate has a quarter of an hour more ..."""
REST_AT, REST_MS = 3, 10 * 60_000
"""... and the third is granted rest breaks."""


def set_up(store: Store, desks: Sequence[DemoDesk], zone: str, now_ms: int) -> None:
    """The exam and the room's map, where they are not there yet: what a person changed stays changed."""
    with store.write() as connection:
        _add_exam(connection, zone, now_ms)
        _draw_room(connection, desks, now_ms)


def _add_exam(connection: sqlite3.Connection, zone: str, now_ms: int) -> None:
    known = exams.one(connection, EXAM)
    if known is not None and known.paper:
        return
    standard = profiles.one(connection, STANDARD, Mode.AUTOMATED)
    assert standard is not None, "the built-in profile is always there"
    day = datetime.datetime.fromtimestamp(now_ms / 1000, ZoneInfo(zone)).date().isoformat()
    version = 0 if known is None else known.version
    exam = exams.Exam(EXAM, PAPER, day, zone, STANDARD, version, has_rule=False)
    save = exams.add if known is None else exams.change
    save(connection, MAKE_RUN, exam, standard, now_ms)


def _draw_room(connection: sqlite3.Connection, desks: Sequence[DemoDesk], now_ms: int) -> None:
    """Seats that are new lie where their label says; a room without any map gets one for all its seats."""
    cells = {desk.seat: cell_of(number) for number, desk in enumerate(desks, start=1)}
    room_id = planning.put_room(connection, ROOM)
    before = rooms.read_within(connection, room_id, now_ms)
    assert before is not None
    is_drawn = any(seat["map_x"] is not None for seat in before.seats)
    known = {seat["label"] for seat in before.seats}
    unseated = planning.unseated(connection, [desk.unit for desk in desks])
    fresh = [desk.seat for desk in desks if desk.seat not in known and (not known or desk.unit in unseated)]
    for label in fresh:
        planning.put_seat(connection, room=ROOM, label=label)
    room = rooms.read_within(connection, room_id, now_ms)
    assert room is not None
    taken = {(seat["map_x"], seat["map_y"]) for seat in room.seats if seat["map_x"] is not None}
    moves: dict[int, tuple[Cell | None, Cell | None]] = {
        seat["seat_id"]: (None, cells[seat["label"]])
        for seat in room.seats
        if seat["map_x"] is None and seat["label"] in cells and (seat["label"] in fresh or not is_drawn)
        if cells[seat["label"]] not in taken
    }
    if moves:
        size = [max(1, *(cell[axis] + 1 for _, cell in moves.values() if cell is not None)) for axis in (0, 1)]
        rooms.save_map(
            connection, MAKE_RUN, room_id, (max(room.columns, size[0]), max(room.rows, size[1])), moves, now_ms
        )


def fill_roster(store: Store, desks: Sequence[DemoDesk], now_ms: int) -> None:
    """A candidate at each seat of the sitting ahead, while its roster has nobody yet."""
    sitting = planning.sitting_at(store, ROOM, now_ms + 60_000)
    if sitting is None:
        return
    name = sitting["sitting"]
    with store.read() as connection:
        if roster.candidates(connection, name):
            return
        labels = {seat.label for seat in roster.seats(connection, name)}
    with store.write() as connection:
        for number, desk in enumerate(desks, start=1):
            if desk.seat not in labels:
                continue
            extra_ms = EXTRA_MS if number == EXTRA_TIME_AT else 0
            break_ms = REST_MS if number == REST_AT else 0
            entry = Entry(f"DEMO-{number:03d}", "", desk.seat, extra_ms, break_ms)
            roster_changes.add(connection, MAKE_RUN, name, entry, now_ms, is_walk_in=False)
