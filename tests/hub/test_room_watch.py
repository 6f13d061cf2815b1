"""Room incidents from what desks say: opened, filled, closed and taken apart; and never from the hub's own deafness."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.core import review
from hub.core.review_list import Filter
from hub.live import LiveFolder
from hub.room_watch import RoomWatch, RoomWatchThread
from hub.store import Store, board, holds, incidents, review_list, room_incidents
from hub.store.audit import Actor
from hub.terminal import now_utc_ms
from tests.brokers import Broker
from tests.hub.desk import Desk, DeskLink, alert
from tests.hub.hubs import ingesting, rows, settings_for, value
from tests.hub.seed import Centre, now_ms
from tests.support import wait_for

ADA = Actor("Ada", "proctor", "10.0.0.7")


class Room:
    """A room with a running sitting and desks that are well, and its watch; `turn` looks once."""

    def __init__(self, store: Store, folder: Path, desks: int, mode: str = "automated") -> None:
        self.store = store
        self.centre = Centre(store, folder / "live")
        self.room = self.centre.room("Main hall", mode=mode)
        self.units = [f"c.d{n:02d}" for n in range(desks)]
        for n, unit in enumerate(self.units):
            self.centre.seat(self.room, f"A{n + 1}", unit)
            self.centre.heartbeat(unit)
        self.centre.facts()
        self.watch = RoomWatch(store, LiveFolder(folder / "live"))
        self.watch.turn(now_ms() - 120_000)
        self.watch._well_since_utc_ms = now_ms() - 120_000  # it has heard for two minutes

    def turn(self) -> None:
        self.centre.facts()
        self.watch.turn(now_ms())

    def empty(self, *units: str) -> list[int]:
        return [self.centre.alert(unit, "seat_empty", age_ms=1_000) for unit in units]

    def rooms(self) -> list[dict[str, Any]]:
        return rows(self.store, "select * from incidents where kind like 'room_%' order by incident_id")

    def queue(self) -> list[int]:
        return [row["incident_id"] for row in board.read_board(self.store, now_ms(), 0).incidents]

    def act(self, number: int, act: review.Act, who: str = "Ada", **values: Any) -> review.Change:
        found = incidents.one(self.store, number)
        members = frozenset(row["incident_id"] for row in room_incidents.members(self.store, number)[0])
        wish = review.Wish(act, who, found.row["version"], len(found.thread), seen_members=members, **values)
        return incidents.act(self.store, number, wish, now_ms(), ADA._replace(who=who))

    def actions(self, number: int) -> list[str]:
        return [event.action for event in incidents.one(self.store, number).thread]


@pytest.fixture
def hall(store: Store, tmp_path: Path) -> Room:
    return Room(store, tmp_path, 12)


def test_seats_that_empty_together_are_one_incident_with_members(hall: Room) -> None:
    """The queue has one line for all of them, and says how many they are."""
    members = hall.empty(*hall.units[:8])
    hall.turn()
    [room] = hall.rooms()
    assert (room["kind"], room["room"], room["seat"], room["sitting"]) == ("room_emptied", "Main hall", "", "sitting-1")
    assert hall.queue() == [room["incident_id"]]
    assert [row["incident_id"] for row in room_incidents.members(hall.store, room["incident_id"])[0]] == members
    assert hall.actions(room["incident_id"]) == ["opened_room", "member"]
    assert hall.actions(members[0]) == ["opened", "part_of_room"]
    assert incidents.one(hall.store, members[0]).row["part_of"] == room["incident_id"]
    assert len(review_list.page(hall.store, Filter(state="unfinished")).rows) == 1
    totals = board.read_totals(hall.store)
    assert totals.incidents == {"open": 1}
    assert totals.room_incidents["room_emptied"] == (1, 1)


def test_looking_again_changes_nothing(hall: Room) -> None:
    hall.empty(*hall.units[:5])
    hall.turn()
    before = rows(hall.store, "select * from incidents"), rows(hall.store, "select * from incident_events")
    for _ in range(3):
        hall.turn()
    assert before == (rows(hall.store, "select * from incidents"), rows(hall.store, "select * from incident_events"))


def test_a_few_are_no_room(hall: Room) -> None:
    members = hall.empty(*hall.units[:3])
    hall.turn()
    assert hall.rooms() == []
    assert hall.queue() == members


def test_late_ones_join_while_it_stands_and_a_closed_one_takes_no_more(hall: Room) -> None:
    hall.empty(*hall.units[:5])
    hall.turn()
    [room] = hall.rooms()
    [late] = hall.empty(hall.units[6])
    hall.turn()
    assert incidents.one(hall.store, late).row["part_of"] == room["incident_id"]
    hall.act(room["incident_id"], review.Act.CLOSE, verdict=review.Verdict.NO_CONCERN)
    [alone] = hall.empty(hall.units[8])
    hall.turn()
    assert hall.queue() == [alone]
    assert len(hall.rooms()) == 1


def test_closing_it_closes_its_open_members_and_leaves_what_people_worked_on(hall: Room) -> None:
    """Same verdict for the untouched, a line in each thread, commands to their desks; the other one is in the queue
    again, in the hands that had it."""
    first, *others = hall.empty(*hall.units[:5])
    hall.act(first, review.Act.ACKNOWLEDGE, "Grace")
    hall.turn()
    [room] = hall.rooms()
    assert hall.queue() == [room["incident_id"]]
    hall.act(room["incident_id"], review.Act.CLOSE, verdict=review.Verdict.NO_CONCERN, text="fire alarm")
    found = {row["incident_id"]: row for row in rows(hall.store, "select * from incidents")}
    assert [(found[n]["state"], found[n]["verdict"]) for n in others] == [("closed", "no_concern")] * 4
    assert (found[first]["state"], found[first]["acknowledged_by"]) == ("acknowledged", "Grace")
    assert hall.queue() == [first]
    assert hall.actions(others[0])[-1] == "closed"
    dismissed = rows(hall.store, "select unit from commands where payload like '%dismiss_alert%' order by unit")
    assert [row["unit"] for row in dismissed] == hall.units[1:5]
    deeds = rows(hall.store, "select object from audit where deed = 'reviewed_incident'")
    assert {f"incident {n}" for n in [*others, room["incident_id"]]} <= {row["object"] for row in deeds}


def test_a_second_person_confirms_the_room_with_its_members(hall: Room) -> None:
    members = hall.empty(*hall.units[:4])
    hall.turn()
    number = hall.rooms()[0]["incident_id"]
    hall.act(number, review.Act.CLOSE, verdict=review.Verdict.CONFIRMED_BY_CENTRE)
    assert [row["state"] for row in hall.rooms()] == ["acknowledged"]
    with pytest.raises(review.Refused, match="second person"):
        hall.act(number, review.Act.CONFIRM)
    hall.act(number, review.Act.CONFIRM, "Grace")
    states = rows(hall.store, "select distinct state, verdict from incidents")
    assert states == [{"state": "closed", "verdict": "confirmed_by_centre"}]
    assert hall.actions(members[0])[-1] == "closed"


def test_a_member_taken_out_stays_out(hall: Room) -> None:
    members = hall.empty(*hall.units[:6])
    hall.turn()
    number = hall.rooms()[0]["incident_id"]
    hall.act(members[0], review.Act.TAKE_OUT)
    hall.turn()
    assert hall.queue() == [members[0], number]
    assert hall.actions(members[0])[-1] == "taken_out"
    assert hall.actions(number)[-1] == "member_taken_out"


def test_desks_that_go_together_are_members_without_incidents_of_their_own(hall: Room) -> None:
    for unit in hall.units[:6]:
        hall.centre.heartbeat(unit, age_ms=6_000)
    hall.turn()
    [room] = hall.rooms()
    assert room["kind"] == "room_gone"
    equipment = room_incidents.members(hall.store, room["incident_id"])[1]
    assert [(row["seat"], row["what"]) for row in equipment] == [(f"A{n}", "offline") for n in range(1, 7)]
    room_incidents.take_out(hall.store, room["incident_id"], hall.units[0], "offline", now_ms(), ADA)
    hall.turn()
    assert len(room_incidents.members(hall.store, room["incident_id"])[1]) == 5
    with pytest.raises(room_incidents.NotAMember):
        room_incidents.take_out(hall.store, room["incident_id"], hall.units[0], "offline", now_ms(), ADA)
    for unit in hall.units:
        hall.centre.heartbeat(unit)
    hall.turn()
    assert hall.rooms()[0]["cleared_utc_ms"] is not None
    assert len(hall.rooms()) == 1


def test_a_closed_one_does_not_come_again_for_desks_that_stay_away(hall: Room) -> None:
    for unit in hall.units[:6]:
        hall.centre.heartbeat(unit, age_ms=6_000)
    hall.turn()
    hall.act(hall.rooms()[0]["incident_id"], review.Act.CLOSE, verdict=review.Verdict.NO_CONCERN)
    hall.turn()
    assert len(hall.rooms()) == 1


def test_the_same_fault_at_once_is_a_room_and_different_ones_are_not(hall: Room) -> None:
    for unit, kind in zip(hall.units, ["power_low", "too_hot"] * 3, strict=False):
        hall.centre.fault(unit, kind, age_ms=1_000)
    hall.turn()
    assert hall.rooms() == []
    hall.centre.fault(hall.units[7], "power_low", age_ms=1_000)
    hall.centre.fault(hall.units[9], "hub_unreachable", age_ms=1_000)
    hall.turn()
    [room] = hall.rooms()
    assert room["kind"] == "room_faults"
    equipment = room_incidents.members(hall.store, room["incident_id"])[1]
    assert {row["what"] for row in equipment} == {"power_low"}
    assert len(equipment) == 4


@pytest.mark.parametrize("change", ["old", "no_broker", "no_store", "never"])
def test_a_deaf_hub_says_nothing_about_desks(store: Store, tmp_path: Path, change: str) -> None:
    """While ingest stands still every desk is silent; and after it hears again, what was silent before is not news."""
    hall = Room(store, tmp_path, 8)
    for unit in hall.units:
        hall.centre.heartbeat(unit, age_ms=6_000)
    told: dict[str, Any] = {"beat_utc_ms": now_ms(), "is_connected": True, "is_store_well": True}
    told |= dict(
        [{"old": ("beat_utc_ms", 1), "no_broker": ("is_connected", False)}.get(change, ("is_store_well", False))]
    )
    if change == "never":
        (tmp_path / "live" / "ingest.json").unlink()
    else:
        hall.centre.folder.put_facts(told, now_ms())
    hall.watch.turn(now_ms())
    assert hall.rooms() == []
    hall.turn()
    assert hall.rooms() == [], "they were silent before the hub could hear"


def test_in_manual_mode_and_outside_a_sitting_machines_open_nothing(store: Store, tmp_path: Path) -> None:
    hall = Room(store, tmp_path, 8, mode="manual")
    for unit in hall.units:
        hall.centre.heartbeat(unit, age_ms=6_000)
    hall.turn()
    hall.centre.execute("update sittings set mode = 'automated', end_utc_ms = :now", now=now_ms() - 1)
    hall.turn()
    assert hall.rooms() == []
    hall.centre.execute("update sittings set end_utc_ms = :later", later=now_ms() + 60_000)
    hall.turn()
    assert len(hall.rooms()) == 1


def test_a_hold_on_the_room_holds_its_members_film(hall: Room, tmp_path: Path) -> None:
    """The film of every member around its moment, that of no other seat; and each member says so."""
    members = hall.empty(*hall.units[:4])
    for unit in hall.units[:5]:
        hall.centre.film(None, unit, now_ms() - 20_000, 10)
    hall.turn()
    number = hall.rooms()[0]["incident_id"]
    with hall.store.write() as connection:
        holds.place(connection, ADA, holds.Place(incident_id=number), "fire alarm", now_ms())
    assert {row["unit"] for row in rows(hall.store, "select distinct unit from held_segments")} == set(hall.units[:4])
    with hall.store.read() as connection:
        assert [hold.reason for hold in holds.over_incident(connection, members[2])] == ["fire alarm"]


def test_the_hold_on_equipment_follows_its_seat(hall: Room) -> None:
    for unit in hall.units[:4]:
        hall.centre.film(None, unit, now_ms() - 20_000, 10)
        hall.centre.heartbeat(unit, age_ms=6_000)
    hall.centre.film(None, hall.units[5], now_ms() - 20_000, 10)
    hall.turn()
    number = hall.rooms()[0]["incident_id"]
    with hall.store.write() as connection:
        holds.place(connection, ADA, holds.Place(incident_id=number), "power", now_ms())
    assert {row["unit"] for row in rows(hall.store, "select distinct unit from held_segments")} == set(hall.units[:4])


@contextlib.contextmanager
def desks(broker: Broker, count: int) -> Iterator[list[DeskLink]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(DeskLink(broker, Desk(f"c1.d{n:02d}"))) for n in range(count)]


def test_thirty_desks_that_drop_together_are_one_incident(broker: Broker, tmp_path: Path, store: Store) -> None:
    """Thirty desks at a real broker and a real ingest, with the worker's own thread: all seats empty at once are one
    incident with thirty members; then all fall silent, and that is one more."""
    settings = settings_for(tmp_path, broker)
    centre = Centre(store, tmp_path / "live")
    room = centre.room("Main hall")
    worker_store = Store(tmp_path / "hub.db")
    thread = RoomWatchThread(worker_store, LiveFolder(tmp_path / "live"), now_utc_ms)
    try:
        with ingesting(settings), desks(broker, 30) as links:
            wait_for(lambda: value(store, "select count(*) from units") == 30)
            for n, link in enumerate(links):
                centre.insert("seats", room_id=room, label=f"A{n + 1}", unit=link.desk.unit)
            thread.start()
            for n, link in enumerate(links):
                link.say("heartbeat", link.desk.heartbeat(1.0))
                link.say("record", link.desk.seal(alert("a1", sitting="sitting-1", seat=f"A{n + 1}")))
            members = "select count(*) from incidents where kind = 'seat_empty' and part_of is not null"
            wait_for(lambda: value(store, members) == 30)
            assert value(store, "select count(*) from incidents where kind = 'room_emptied'") == 1
            assert len(board.read_board(store, now_ms(), 0).incidents) == 1
            gone = "select count(*) from room_members where what = 'offline'"
            wait_for(lambda: value(store, gone) == 30)
            assert value(store, "select count(*) from incidents where kind = 'room_gone'") == 1
            assert thread.trouble == ""
    finally:
        thread.stop()
        worker_store.close()


def test_the_thread_says_what_stops_it_and_goes_on(store: Store, tmp_path: Path) -> None:
    """A store that cannot be read is trouble that the worker tells, and is over when it can be read again."""
    hall = Room(store, tmp_path, 4)
    hall.centre.facts()
    with store.write() as connection:
        connection.execute("alter table presence rename to gone")
    thread = RoomWatchThread(store, LiveFolder(tmp_path / "live"), now_ms)
    thread.start()
    try:
        wait_for(lambda: "cannot be watched" in thread.trouble)
        with store.write() as connection:
            connection.execute("alter table gone rename to presence")

        def is_well() -> bool:
            hall.centre.facts()
            return thread.trouble == ""

        wait_for(is_well)
    finally:
        thread.stop()
