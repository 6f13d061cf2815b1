"""Rooms and seats as an admin sets them up: nothing that desks have recorded loses its place."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from agent.wire import Mask, Plan
from hub.core.seat_pattern import Pattern, propose
from hub.store import Store, coverage, desks, film, intake, planning, rooms
from hub.store.audit import Actor
from hub.store.rooms import CannotSetUp, MapChanged, RoomRead, Seat
from tests.hub.seed import now_ms

ROOT = Actor("Root", "admin")
NOW = now_ms()
START, END = NOW - 600_000, NOW + 3_600_000


def grid(store: Store, name: str = "Hall", columns: int = 2, rows: int = 1) -> int:
    """A room with the seats A1, A2 and so on, unit c.a1 and so on at each."""
    with store.write() as connection:
        room_id = rooms.make_room(connection, ROOT, name, NOW)
        pattern = Pattern(columns, rows)
        seen = rooms.fingerprint(propose(pattern, []))
        for label, _ in rooms.add_seats(connection, ROOT, room_id, pattern, seen, NOW).added:
            intake.add_unit(connection, f"c.{label.lower()}", label.lower() * 32, NOW)
            planning.put_seat(connection, room=name, label=label, unit=f"c.{label.lower()}")
    return room_id


def sitting(store: Store, name: str = "maths", start: int = START, end: int = END, room: str = "Hall") -> None:
    with store.write() as connection:
        planning.plan_sitting(
            connection, sitting=name, exam="Maths", room=room, start_utc_ms=start, end_utc_ms=end, now_utc_ms=NOW
        )


def read(store: Store, room_id: int = 1) -> RoomRead:
    found = rooms.read(store, room_id, NOW)
    assert found is not None
    return found


def seat(connection: sqlite3.Connection, label: str, room: str = "Hall") -> Seat:
    return rooms.seat_called(connection, room, label)


def plan(store: Store, unit: str) -> Plan:
    with store.read() as connection:
        found = planning.plan_of(connection, unit)
    assert found is not None
    return found


def deeds(store: Store) -> list[tuple[str, str]]:
    with store.read() as connection:
        return [(row["deed"], row["object"]) for row in connection.execute("select * from audit order by audit_id")]


def segment(connection: sqlite3.Connection, unit: str, seat: str, began: int, ended: int, name: str = "s1.ts") -> None:
    values: dict[str, Any] = {"unit": unit, "name": name, "sitting": "maths", "seat": seat, "sha256": "0" * 64}
    values |= {"began_utc_ms": began, "ended_utc_ms": ended}
    zeros = ("began_up_ms", "ended_up_ms", "frames", "size_bytes", "is_cut", "boot", "seq")
    values |= dict.fromkeys(zeros, 0)
    names = ", ".join(values)
    connection.execute(f"insert into segments ({names}) values ({', '.join(':' + name for name in values)})", values)


def test_a_room_is_laid_out_and_looked_at_before_it_is_kept(store: Store) -> None:
    """What somebody else changed since the look is not written over."""
    room_id = grid(store)
    found = read(store)
    assert [(each["label"], each["map_x"], each["map_y"]) for each in found.seats] == [("A1", 0, 0), ("A2", 1, 0)]
    assert (found.columns, found.rows) == (2, 1)
    seen = rooms.fingerprint(propose(Pattern(2, 2), found.seats))
    with store.write() as connection:
        rooms.add_seat(connection, ROOT, room_id, "B1", NOW)
        with pytest.raises(MapChanged, match="meanwhile"):
            rooms.add_seats(connection, ROOT, room_id, Pattern(2, 2), seen, NOW)
    assert deeds(store)[:2] == [("set_up_room", "room Hall"), ("set_up_room", "room Hall")]


def test_a_room_keeps_the_names_that_recordings_carry(store: Store) -> None:
    """It is found under all of them, no other room gets one, and it may have an old one again."""
    room_id = grid(store)
    sitting(store, "before", START - 9_000_000, START - 8_000_000)
    with store.write() as connection:
        rooms.rename_room(connection, ROOT, room_id, "Great  Hall", NOW)
        assert rooms.read_within(connection, room_id, NOW).former == [("Hall", NOW)]  # type: ignore[union-attr]
        for name, why in (
            ("Hall", "that is Great Hall now"),
            ("great hall", "already"),
            (" ", "name"),
            ("x\u202e", "name"),
        ):
            with pytest.raises(CannotSetUp, match=why):
                rooms.make_room(connection, ROOT, name, NOW)
        rooms.rename_room(connection, ROOT, room_id, "Hall", NOW)
    assert [each[0] for each in read(store).former] == ["Great Hall"]


def test_what_is_on_is_not_renamed(store: Store) -> None:
    """Its desks record under the old name; and a seat on a roster keeps its label until that is over."""
    room_id = grid(store)
    sitting(store, "later", END, END + 1000)
    with store.write() as connection:
        connection.execute("insert into candidates (sitting, number, seat) values ('later', '17', 'A1')")
        with pytest.raises(CannotSetUp, match="candidate of Maths"):
            rooms.rename_seat(connection, ROOT, seat(connection, "A1"), "B7", NOW)
    sitting(store)
    with store.write() as connection:
        with pytest.raises(CannotSetUp, match="is on there"):
            rooms.rename_room(connection, ROOT, room_id, "Annex", NOW)
        with pytest.raises(CannotSetUp, match="is on there"):
            rooms.rename_seat(connection, ROOT, seat(connection, "A2"), "B7", NOW)


def test_a_renamed_seat_keeps_its_history_and_its_plan_follows(store: Store) -> None:
    """The sitting that was recorded under the old label is still all its; an unused label is free again."""
    room_id = grid(store)
    sitting(store, "maths", START - 9_000_000, START - 8_000_000)
    sitting(store, "later", END, END + 1000)
    with store.write() as connection:
        segment(connection, "c.a1", "A1", START - 9_000_000, START - 8_000_000)
        assert rooms.rename_seat(connection, ROOT, seat(connection, "A1"), "Window 1", NOW) == "Window 1"
        assert rooms.rename_seat(connection, ROOT, seat(connection, "A2"), "Window 2", NOW) == "Window 2"
        with pytest.raises(CannotSetUp, match="recordings carry it"):
            rooms.add_seat(connection, ROOT, room_id, "A1", NOW)
        with pytest.raises(CannotSetUp, match="recordings carry it"):
            rooms.rename_seat(connection, ROOT, seat(connection, "Window 2"), "A1", NOW)
        rooms.add_seat(connection, ROOT, room_id, "A2", NOW)
        with pytest.raises(CannotSetUp, match="already"):
            rooms.rename_seat(connection, ROOT, seat(connection, "A2"), "window 1", NOW)
    assert plan(store, "c.a1").sittings[0].seat == "Window 1"
    past = coverage.sitting(store, "maths")
    assert past is not None
    place = film.seat_of_incident(store, {"room": "Hall", "seat": "A1"})
    assert place is not None
    assert place.label == "Window 1"
    assert [each.unit for each in film.reel(store, place, START - 9_000_000, START).segments] == ["c.a1"]
    report = {each.label: each for each in coverage.read(store, past, NOW)}
    assert report["A1"].seat_id is not None
    assert report["A1"].report.missing_ms == 0


def test_only_what_nothing_names_is_removed(store: Store) -> None:
    room_id = grid(store)
    sitting(store)
    with store.write() as connection:
        segment(connection, "c.a1", "A1", START, NOW)
        with pytest.raises(CannotSetUp, match="take it away first"):
            rooms.remove_seat(connection, ROOT, seat(connection, "A2"), NOW)
        for label in ("A1", "A2"):
            desks.take_away(connection, ROOT, seat(connection, label), NOW)
        with pytest.raises(CannotSetUp, match="stays with its history"):
            rooms.remove_seat(connection, ROOT, seat(connection, "A1"), NOW)
        rooms.remove_seat(connection, ROOT, seat(connection, "A2"), NOW)
        with pytest.raises(CannotSetUp, match="has seats"):
            rooms.delete_room(connection, ROOT, room_id, NOW)
        empty = rooms.make_room(connection, ROOT, "Attic", NOW)
        assert rooms.delete_room(connection, ROOT, empty, NOW) == "Attic"
        cellar = rooms.make_room(connection, ROOT, "Cellar", NOW)
    sitting(store, "elsewhere", room="Cellar")
    with store.write() as connection, pytest.raises(CannotSetUp, match="sittings or recordings"):
        rooms.delete_room(connection, ROOT, cellar, NOW)


def test_seats_are_moved_together_or_not_at_all(store: Store) -> None:
    """Two change places in one go; nobody is put upon another, outside, or where somebody else has moved it from."""
    room_id = grid(store)
    first, second = (each["seat_id"] for each in read(store).seats)

    def move(moves: dict[int, Any], size: tuple[int, int] = (2, 1)) -> int:
        with store.write() as connection:
            return rooms.save_map(connection, ROOT, room_id, size, moves, NOW)

    assert move({first: ((0, 0), (1, 0)), second: ((1, 0), (0, 0))}) == 2
    for moves, size, why in (
        ({first: ((1, 0), (0, 0))}, (2, 1), "lie on each other"),
        ({first: ((1, 0), (5, 0))}, (2, 1), "outside"),
        ({}, (1, 1), "outside"),
        ({}, (61, 1), "columns"),
        ({first: ((0, 0), (1, 1))}, (2, 2), "somebody else moved seat A1"),
    ):
        with pytest.raises(CannotSetUp, match=why):
            move(moves, size)
    assert [(each["map_x"], each["map_y"]) for each in read(store).seats] == [(1, 0), (0, 0)]
    assert move({first: ((1, 0), None)}) == 1
    assert move({first: (None, None)}) == 0


def test_a_spare_takes_a_dead_desks_place(store: Store) -> None:
    """In the running sitting: its plan has seat, masks and end, the dead one's has nothing, and the seat's coverage
    shows both and the gap between. A desk that stands elsewhere or is not known is refused, and whoever came second."""
    grid(store)
    sitting(store)
    with store.write() as connection:
        intake.add_unit(connection, "c.spare", "d" * 64, NOW)
        desks.draw_masks(connection, ROOT, seat(connection, "A1"), [square()], NOW)
        segment(connection, "c.a1", "A1", START, START + 200_000)
        for unit, why in (("c.a2", "stands at seat A2"), ("c.none", "no unit"), ("c.a1", "already")):
            with pytest.raises(CannotSetUp, match=why):
                desks.put_desk(connection, ROOT, seat(connection, "A1"), unit, NOW)
        changed = desks.put_desk(connection, ROOT, seat(connection, "A1"), "c.spare", NOW, seen="c.a1")
        with pytest.raises(CannotSetUp, match="quicker"):
            desks.put_desk(connection, ROOT, seat(connection, "A1"), "c.a1", NOW, seen="c.a1")
        segment(connection, "c.spare", "A1", START + 260_000, NOW)
    assert changed == ["c.a1", "c.spare"]
    assert (plan(store, "c.a1").sittings, plan(store, "c.a1").masks) == ((), ())
    ahead = plan(store, "c.spare").sittings[0]
    assert (ahead.seat, ahead.end_utc_ms, ahead.masks) == ("A1", END, (square(),))
    assert [spare.unit for spare in desks.spares(store, NOW)] == ["c.a1"]
    assert desks.spares(store, NOW)[0].last_place == "Hall, A1"
    assert deeds(store)[-1][0] == "assigned_unit"
    found = coverage.sitting(store, "maths")
    assert found is not None
    report = next(each for each in coverage.read(store, found, NOW) if each.label == "A1")
    assert report.units == ("c.a1", "c.spare")
    assert report.report.missing_ms == 60_000


def test_who_came_after_a_sitting_has_no_part_in_it(store: Store) -> None:
    """The spare that stands there now was not there then; the desk that was, and recorded nothing, was."""
    grid(store)
    sitting(store, "maths", START - 9_000_000, START - 8_000_000)
    with store.write() as connection:
        connection.execute("update seatings set from_utc_ms = 0")
        intake.add_unit(connection, "c.spare", "d" * 64, NOW)
        desks.put_desk(connection, ROOT, seat(connection, "A1"), "c.spare", NOW)
    found = coverage.sitting(store, "maths")
    assert found is not None
    assert coverage.read(store, found, NOW)[0].units == ("c.a1",)


def square() -> Mask:
    return Mask(kind="private", points=((0.1, 0.1), (0.5, 0.1), (0.5, 0.5)))


def test_masks_that_no_plan_can_carry_change_nothing(store: Store) -> None:
    grid(store)
    for number in range(30):
        sitting(store, f"s{number}", END + 10_000 * number, END + 10_000 * number + 9_000)
    points = tuple((n / 97, n * n / 1097) for n in range(32))
    many = [Mask(kind="ignore", points=points)] * 16
    with pytest.raises(planning.CannotPlan, match="fewer points"), store.write() as connection:
        desks.draw_masks(connection, ROOT, seat(connection, "A1"), many, NOW)
    with store.read() as connection:
        assert desks.masks_of(seat(connection, "A1")) == ()
    assert not plan(store, "c.a1").masks
