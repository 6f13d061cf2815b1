"""Holds: what they cover, for how long, and that each has a reason, a name and its place in the audit log."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import msgspec
import pytest

from agent.wire import END_OF_TIME_MS, Plan, Stretch
from hub.core.audit import Deed
from hub.store import QUERIES, Store, audit, holds, planning
from hub.store.audit import Actor
from hub.store.holds import CannotHold, Place
from tests.hub.keeping import ADA, LATER, START, Hall


@pytest.fixture
def hall(store: Store, tmp_path: Path) -> Hall:
    """Two seats with 40 segments of ten seconds each, from the start of their sitting on."""
    hall = Hall(store, tmp_path)
    hall.room("Hall", ["a1", "a2"])
    hall.sitting("one")
    for seat in ("a1", "a2"):
        for number in range(40):
            hall.segment("one", seat, 10 * number, is_stored=False)
    return hall


def seconds(hall: Hall, seat: str) -> list[int]:
    """The beginnings of the held segments of a seat."""
    held = hall.rows(
        "select s.began_utc_ms from held_segments h join segments s on s.rowid = h.segment where s.seat = :seat"
        " order by 1",
        seat=seat,
    )
    return [(began - START) // 1000 for (began,) in dict.fromkeys(held)]


def test_an_incidents_film_is_held_with_what_went_before_and_after(hall: Hall) -> None:
    """Every segment that touches the half minute before, the incident, or the quarter after; and no other seat's."""
    hall.hold(Place(incident_id=hall.incident("one", "a1", 105, 118)))
    assert seconds(hall, "a1") == [70, 80, 90, 100, 110, 120, 130]
    assert seconds(hall, "a2") == []


def test_a_standing_incident_is_held_open_ended(hall: Hall) -> None:
    """And what clears it later sets the end."""
    number = hall.incident("one", "a1", 105, None)
    hall.hold(Place(incident_id=number))
    assert seconds(hall, "a1")[-1] == 390
    for table in ("incidents", "alerts"):
        hall.execute(f"update {table} set cleared_utc_ms = :at", at=START + 118_000)
    hall.execute("update alerts set cleared_up_ms = 118000")
    assert seconds(hall, "a1")[-1] == 130


def test_a_hold_follows_an_incident_into_the_one_it_was_merged_into(hall: Hall) -> None:
    """Both stretches stay, through two mergers."""
    first, second, third = (hall.incident("one", "a1", at, at + 10) for at in (35, 205, 305))
    hall.hold(Place(incident_id=first))
    assert 200 not in seconds(hall, "a1")
    for emptied, into in ((first, second), (second, third)):
        hall.execute(
            "update incidents set state = 'closed', merged_into = :into, closed_utc_ms = 1"
            " where incident_id = :emptied",
            into=into,
            emptied=emptied,
        )
    held = seconds(hall, "a1")
    assert {30, 200, 300} <= set(held)
    assert 120 not in held
    with hall.store.read() as connection:
        assert [hold.place.incident_id for hold in holds.over_incident(connection, third)] == [first]


def test_a_seat_and_a_sitting_are_held_whole(hall: Hall) -> None:
    """Film whose seat nobody knows is held with every seat of its sitting."""
    hall.segment("one", "", 0, unit="c.a2", is_stored=False)
    seat = hall.hold(Place(sitting="one", seat="a1"))
    assert (len(seconds(hall, "a1")), len(seconds(hall, "a2")), len(seconds(hall, ""))) == (40, 0, 1)
    hall.release(seat)
    hall.hold(Place(sitting="one"))
    assert (len(seconds(hall, "a1")), len(seconds(hall, "a2")), len(seconds(hall, ""))) == (40, 40, 1)


def test_what_is_held_twice_is_free_with_the_last_release(hall: Hall) -> None:
    """Holds are counted; a released one stays in the list with who did it and why."""
    incident = hall.incident("one", "a1", 105, 118)
    numbers = [hall.hold(Place(incident_id=incident)), hall.hold(Place(sitting="one"))]
    [name] = next(
        iter(hall.rows("select name from segments where seat = 'a1' and began_utc_ms = :at", at=START + 100_000))
    )
    with hall.store.read() as connection:
        assert holds.over_segment(connection, "c.a1", name) == numbers
    hall.release(numbers[0])
    with hall.store.read() as connection:
        assert holds.over_segment(connection, "c.a1", name) == numbers[1:]
    hall.release(numbers[1])
    with hall.store.read() as connection:
        assert holds.over_segment(connection, "c.a1", name) == []
    released = holds.listed(hall.store)[-1]
    assert (released.hold_id, released.released_by, released.released_why) == (numbers[0], "Ada", "decided")
    assert holds.listed(hall.store, is_standing=True) == []


def test_a_clock_that_was_set_back_lets_nothing_slip_out(hall: Hall) -> None:
    """The incident began at 10 minutes by the clock before the step and cleared at 1 minute by the one after it: the
    film before it is found by the machine's own time, which no step moves."""
    number = hall.incident("one", "a1", 600, 60)
    hall.execute("update alerts set began_up_ms = 200000, cleared_up_ms = 215000")
    hall.hold(Place(incident_id=number))
    assert {170, 200, 230} <= set(seconds(hall, "a1"))


def test_a_held_place_is_known_to_the_desks(hall: Hall) -> None:
    """The plan of the unit at the seat, of one that recorded there before it was replaced, and of one that stood there
    last and has told nothing yet; each until the release."""
    hall.unit("c.old")
    hall.segment("one", "a1", 500, unit="c.old", is_stored=False)
    hall.unit("c.gone")
    hall.execute("update units set last_room = 'Hall', last_seat = 'a1' where unit = 'c.gone'")
    with hall.store.write() as connection:
        for unit in ("c.old", "c.gone"):
            connection.execute("insert into plans (unit, number, payload) values (?, 1, '{\"number\":1}')", [unit])
        planning.replan(connection, START)

    def stretches(unit: str) -> tuple[Stretch, ...]:
        [(payload,)] = hall.rows("select payload from plans where unit = :unit", unit=unit)
        return msgspec.json.decode(payload, type=Plan).holds

    number = hall.hold(Place(sitting="one", seat="a1"))
    whole = (Stretch(sitting="one", from_utc_ms=0, until_utc_ms=END_OF_TIME_MS),)
    assert [stretches(unit) for unit in ("c.a1", "c.old", "c.gone", "c.a2")] == [whole, whole, whole, ()]
    hall.release(number)
    assert [stretches(unit) for unit in ("c.a1", "c.old", "c.gone")] == [(), (), ()]
    hall.hold(Place(incident_id=hall.incident("one", "a1", 105, 118)))
    cut = (Stretch(sitting="one", from_utc_ms=START + 75_000, until_utc_ms=START + 133_000),)
    assert [stretches(unit) for unit in ("c.a1", "c.old", "c.gone", "c.a2")] == [cut, cut, cut, ()]


def test_what_is_free_to_go_is_what_no_hold_covers(hall: Hall) -> None:
    """The purge asks for one place in words of its own: for many odd holds it answers as the view does."""
    draw = random.Random(7)
    for label in ("", "a1", "a2"):
        hall.segment("one", label, 7, unit="c.a2", is_stored=False)
    for _ in range(12):
        seat, began = draw.choice(["a1", "a2"]), draw.randrange(0, 400)
        cleared = draw.choice([None, began + draw.randrange(0, 40), began - draw.randrange(0, 40)])
        number = hall.incident(draw.choice(["one", ""]), seat, began, cleared)
        hall.execute(
            "update alerts set began_up_ms = :up, sitting = :s where incident_id = :n",
            up=draw.randrange(0, 400_000),
            s=draw.choice(["one", ""]),
            n=number,
        )
        hall.hold(draw.choice([Place(incident_id=number)] * 8 + [Place(sitting="one", seat=seat)]))
        hall.execute("update segments set stored_utc_ms = 1")
        places = hall.rows("select distinct unit, seat from segments")
        with hall.store.read() as connection:
            free = [
                row["name"]
                for unit, label in places
                for row in QUERIES.free_segments(connection, sitting="one", unit=unit, seat=label)
            ]
        held = set(hall.held())
        assert set(free) == {name for (name,) in hall.rows("select name from segments")} - held
        for hold in draw.sample(holds.listed(hall.store, is_standing=True), 1):
            hall.release(hold.hold_id)


@pytest.mark.parametrize(
    ("place", "reason", "who", "words"),
    [
        (Place(sitting="one"), " ", "Ada", "give a reason"),
        (Place(sitting="one"), "x" * 2001, "Ada", "give a reason"),
        (Place(sitting="one"), "why", " ", "has the name"),
        (Place(sitting="two"), "why", "Ada", "there is no sitting 'two'"),
        (Place(sitting="one", seat="z9"), "why", "Ada", "there is no seat 'z9'"),
        (Place(incident_id=99), "why", "Ada", "there is no incident 99"),
        (Place(incident_id=2**70), "why", "Ada", "there is no incident"),
        (Place(), "why", "Ada", "name the incident"),
        (Place(seat="a1"), "why", "Ada", "name the incident"),
    ],
)
def test_a_hold_without_a_place_a_reason_or_a_name_is_refused(
    hall: Hall, place: Place, reason: str, who: str, words: str
) -> None:
    """In one line, and nothing is written."""
    with pytest.raises(CannotHold, match=words), hall.store.write() as connection:
        holds.place(connection, Actor(who, "admin"), place, reason, LATER)
    assert holds.listed(hall.store) == []
    assert audit.verify(hall.store) == (0, [])


def test_a_hold_is_released_once_with_a_reason(hall: Hall) -> None:
    number = hall.hold(Place(sitting="one"))
    for hold_id, why, words in ((number, "", "give a reason"), (99, "why", "there is no hold 99")):
        with pytest.raises(CannotHold, match=words), hall.store.write() as connection:
            holds.release(connection, ADA, hold_id, why, LATER)
    hall.release(number)
    with pytest.raises(CannotHold, match="released already, by Ada"):
        hall.release(number)


def test_placing_and_releasing_stand_in_the_audit_log(hall: Hall) -> None:
    """With the reason, in the transaction that does it: an entry that cannot be written undoes the hold."""
    hall.release(hall.hold(Place(sitting="one", seat="a1"), "an appeal"))
    entries = list(audit.entries(hall.store))
    assert [(entry.deed, entry.object, entry.who) for entry in entries] == [
        (Deed.HELD, "sitting one", "Ada"),
        (Deed.RELEASED, "sitting one", "Ada"),
    ]
    assert '"reason":"an appeal"' in entries[0].detail
    hall.execute("create trigger no_more before insert on audit begin select raise(abort, 'full'); end")
    with pytest.raises(sqlite3.IntegrityError, match="full"):
        hall.hold(Place(sitting="one"))
    assert holds.listed(hall.store, is_standing=True) == []


def test_a_hold_cannot_be_deleted_by_hand(hall: Hall) -> None:
    """Not even by who has the database open."""
    hall.hold(Place(sitting="one"))
    with pytest.raises(sqlite3.IntegrityError, match="released, never deleted"):
        hall.execute("delete from holds")


def test_a_held_segment_whose_row_was_removed_is_named(hall: Hall) -> None:
    """The signed record still tells of it."""
    hall.hold(Place(sitting="one"))
    body = '{"kind":"segment_closed","name":"one-000005.ts","sitting":"one","seat":"a1","sha256":"' + "ab" * 32 + '"}'
    hall.execute(
        "insert into records (unit, boot, seq, kind, header, body, signature, hash, received_utc_ms)"
        " values ('c.a1', 1, 5, 'segment_closed', '', :body, :signature, :hash, 1)",
        body=body,
        signature="0" * 128,
        hash="0" * 64,
    )
    with hall.store.read() as connection:
        assert holds.removed_rows(connection) == []
    hall.execute("delete from segments where name = 'one-000005.ts'")
    with hall.store.read() as connection:
        [line] = holds.removed_rows(connection)
    assert "one-000005.ts" in line
    assert "seat a1" in line


def test_what_the_hub_must_have_under_a_hold_can_be_listed(hall: Hall) -> None:
    """For whoever compares it with the storage: confirmed, not purged, held; with how much each hold covers."""
    name = hall.segment("one", "a1", 400)
    number = hall.hold(Place(sitting="one"))
    [held] = holds.held_files(hall.store)
    assert (held.name, held.hold_id, held.seat) == (name, number, "a1")
    assert holds.counts(hall.store) == {number: (1, held.size_bytes)}
