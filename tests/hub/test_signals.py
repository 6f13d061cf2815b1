"""Signals to desks, and what a press of a desk's button answers: the store's part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from agent import wire
from agent.wire import SIGNAL_MS, Attended, Command, CommandKind
from hub.core.presence import Heard
from hub.core.review import EVENT_WORDS
from hub.store import Store, incidents, intake, planning, signals, taking
from hub.store.signals import CannotSignal
from tests.hub.desk import START_UTC_MS, Desk, alert

NOW = START_UTC_MS + 60_000


@pytest.fixture
def desk(store: Store) -> Desk:
    """The desk at seat A1 of the hall, online, in a sitting; seat A2 has no unit."""
    desk = Desk("c.a1")
    with store.write() as connection:
        intake.add_unit(connection, desk.unit, desk.public_key, START_UTC_MS)
        planning.put_seat(connection, room="Hall", label="A1", unit=desk.unit)
        planning.put_seat(connection, room="Hall", label="A2")
        planning.plan_sitting(
            connection,
            sitting="s1",
            exam="Maths",
            room="Hall",
            start_utc_ms=START_UTC_MS,
            end_utc_ms=START_UTC_MS + 3_600_000,
            now_utc_ms=START_UTC_MS,
        )
    hear(store, desk, NOW)
    return desk


def hear(store: Store, desk: Desk, now_utc_ms: int, *, is_online: bool = True) -> None:
    with store.write() as connection:
        heard = Heard(is_online=is_online, status_utc_ms=now_utc_ms, boot=1, heartbeat_utc_ms=None)
        intake.save_heard(connection, desk.unit, heard)


def take(store: Store, records: Sequence[wire.Record], now_utc_ms: int = NOW) -> None:
    with store.write() as connection:
        taking.take_records(connection, [(record, now_utc_ms) for record in records], now_utc_ms)


def rows(store: Store, sql: str) -> list[Any]:
    with store.read() as connection:
        return [tuple(row) for row in connection.execute(sql)]


def commands(store: Store) -> list[Command]:
    found = rows(store, "select payload from commands order by number")
    return [msgspec.json.decode(payload, type=Command) for (payload,) in found]


def give(store: Store, place: int | str = "c.a1", now_utc_ms: int = NOW, note: str = "") -> signals.Signal:
    with store.write() as connection:
        return signals.give(connection, place, "ada", note, now_utc_ms)


def standing(store: Store, now_utc_ms: int = NOW) -> list[signals.Signal]:
    with store.read() as connection:
        return signals.standing(connection, now_utc_ms)


def seat_number(store: Store, label: str) -> int:
    return int(rows(store, f"select seat_id from seats where label = '{label}'")[0][0])


def test_a_signal_is_told_to_the_desk_and_stands_with_its_place(store: Store, desk: Desk) -> None:
    """By its seat's number or its unit's name alike."""
    given = give(store, seat_number(store, "A1"), note=" bring paper ")
    assert standing(store) == [given]
    assert given[1:] == ("c.a1", "s1", "Hall", "A1", NOW, "ada", "bring paper")
    assert given.ends_utc_ms == NOW + SIGNAL_MS
    assert [(each.name, each.reason) for each in commands(store)] == [(CommandKind.SIGNAL, "bring paper")]
    with store.write() as connection:
        signals.end(connection, "c.a1", "bob", NOW + 5)
    assert not standing(store, NOW + 5)
    assert commands(store)[-1].name is CommandKind.END_SIGNAL
    assert rows(store, "select ended_utc_ms, ended_by from signals") == [(NOW + 5, "bob")]


def test_a_signal_that_cannot_be_shown_is_refused_in_words(store: Store, desk: Desk) -> None:
    """And nothing of it is kept."""
    refused: list[tuple[int | str, str]] = [
        (seat_number(store, "A2"), "seat A2 has no desk unit: go there, or assign one"),
        (4711, "there is no such seat"),
        ("c.nobody", "no unit that works is called c.nobody"),
    ]
    for place, words in refused:
        with pytest.raises(CannotSignal, match=words):
            give(store, place)
    with pytest.raises(CannotSignal, match="2001 characters"):
        give(store, note="x" * 2001)
    hear(store, desk, NOW, is_online=False)
    with pytest.raises(CannotSignal, match="seat A1 is offline"):
        give(store, now_utc_ms=NOW + 1)
    assert not commands(store)
    assert not standing(store)


def test_a_second_signal_is_refused_while_one_stands(store: Store, desk: Desk) -> None:
    """Whoever gives it is told who was first; ending none says so."""
    with store.write() as connection, pytest.raises(CannotSignal, match="no longer"):
        signals.end(connection, desk.unit, "bob", NOW)
    give(store)
    with pytest.raises(CannotSignal, match="seat A1 is signalled already, by ada"):
        give(store, now_utc_ms=NOW + 1)
    assert len(commands(store)) == 1


def test_a_signal_that_nobody_attends_to_is_over_by_itself(store: Store, desk: Desk) -> None:
    """No page shows it longer than the desk does, and the next one may be given; the row says that it was the time."""
    give(store)
    late = NOW + SIGNAL_MS
    assert standing(store, late - 1)
    assert not standing(store, late)
    assert signals.lapse_due(store, late - 1) == 0
    assert signals.lapse_due(store, late) == 1
    assert signals.lapse_due(store, late) == 0
    assert rows(store, "select ended_utc_ms, ended_by from signals") == [(late, "time")]
    assert [each.name for each in commands(store)] == [CommandKind.SIGNAL, CommandKind.END_SIGNAL]
    hear(store, desk, late)
    give(store, now_utc_ms=late)
    assert len(standing(store, late)) == 1


def test_a_press_ends_the_signal_that_was_given_before_it(store: Store, desk: Desk) -> None:
    """A press that waited in the spool of a desk ends none that came later; a repeat changes nothing."""
    early = desk.seal(Attended(sitting="s1", seat="A1"), 59)
    give(store)
    take(store, [early])
    assert standing(store)
    press = desk.seal(Attended(sitting="s1", seat="A1", is_signal=True), 61)
    take(store, [press, press], NOW + 1500)
    assert rows(store, "select ended_utc_ms, ended_by from signals") == [(NOW + 1500, "desk")]
    pressed = rows(store, "select boot, seq, sitting, room, seat, at_utc_ms, is_signal, is_drill, alerts from attended")
    assert pressed == [
        (1, 1, "s1", "Hall", "A1", START_UTC_MS + 59_000, 0, 0, "[]"),
        (1, 2, "s1", "Hall", "A1", START_UTC_MS + 61_000, 1, 0, "[]"),
    ]


def test_a_press_by_a_wrong_clock_ends_the_signal_that_the_desk_showed(store: Store, desk: Desk) -> None:
    """Its time says nothing, but that a signal was shown does."""
    give(store)
    take(store, [desk.seal(Attended(sitting="", seat=""), 0, is_clock_ok=False)])
    assert standing(store)
    take(store, [desk.seal(Attended(sitting="", seat="", is_signal=True), 0, is_clock_ok=False)])
    assert not standing(store)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_press_stands_in_the_thread_of_each_incident_it_names(
    store: Store, desk: Desk, order: tuple[int, ...]
) -> None:
    """In whatever order the records come; and in no other incident's."""
    records = [
        desk.seal(alert("empty", began_s=20), 30),
        desk.seal(alert("faces", began_s=20, kind=wire.AlertKind.MORE_THAN_ONE_FACE), 30),
        desk.seal(Attended(sitting="s1", seat="A1", alerts=("empty", "gone")), 40),
    ]
    for index in order:
        take(store, [records[index]])
    threads = {
        kind: [event.action for event in incidents.one(store, number).thread]
        for number, kind in rows(store, "select incident_id, kind from incidents")
    }
    assert threads == {"seat_empty": ["opened", "attended"], "more_than_one_face": ["opened"]}
    assert EVENT_WORDS["attended"]
