"""A seat's page: its history is the seat's, whichever desk unit stood there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.core.seat_history import Kind, merged
from hub.store import QUERIES, Store, desks, intake, planning, rooms, seat_history
from hub.store.audit import Actor
from hub.web import clock
from tests.hub.seed import now_ms
from tests.hub.website import Site, site

ROOT = Actor("Root", "admin")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    """A hall in which c.d1 stood at A1 and saw much, and c.spare stands there now."""
    with site(tmp_path) as found:
        centre = found.centre
        room = centre.room("Hall")
        centre.seat(room, "A1", "c.d1")
        centre.seat(room, "A2", "c.d2")
        centre.insert("units", unit="c.spare", public_key="e" * 64, first_seen_utc_ms=1)
        centre.alert("c.d1", "seat_empty", age_ms=400_000)
        centre.fault("c.d1", "camera_lost", "the cable", age_ms=300_000)
        centre.gap("c.d1", "camera_lost", 9_000, began_utc_ms=now_ms() - 301_000)
        with found.store.write() as connection:
            desks.put_desk(connection, ROOT, rooms.seat_called(connection, "Hall", "A1"), "c.spare", now_ms())
        centre.units["c.spare"] = ("Hall", "A1")
        centre.heartbeat("c.spare")
        centre.alert("c.spare", "more_than_one_face")
        yield found


def history(page: str) -> str:
    """What the page says of the seat, without what stands around every page."""
    return page.partition("<main")[2].partition("</main>")[0]


def entries(place: Site, kinds: list[Kind] | None = None) -> list[tuple[str, str, str, bool]]:
    found = seat_history.read(place.store, 1, now_ms(), kinds or list(Kind))
    assert found is not None
    return [(each.kind.value, each.words, each.unit, each.is_standing) for each in found.entries]


def test_the_seat_keeps_what_its_earlier_desk_saw(place: Site) -> None:
    """One list of both desks' incidents, faults and gaps; what the first left standing is over for the seat, and the
    unit that came does not bring its own past along."""
    place.centre.fault("c.d1", "too_hot", age_ms=-60_000)
    place.centre.fault("c.spare", "power_low", age_ms=-60_000)
    assert entries(place) == [
        ("fault", "Power low", "c.spare", True),
        ("desk", "Desk put here", "c.spare", False),
        ("desk", "Desk taken away", "c.d1", False),
        ("incident", "More than one face", "c.spare", True),
        ("fault", "Camera lost", "c.d1", False),
        ("gap", "Camera lost", "c.d1", False),
        ("incident", "Nobody in view", "c.d1", False),
    ]
    text = place.client("Ada").get("/seats/1").text
    assert "the cable" in text
    assert "too hot" not in text.lower()
    assert "More than one face" not in place.client("Ada").get("/seats/2").text


def test_what_people_noted_is_in_the_same_list(place: Site) -> None:
    """A break that ran over, a bookmark, a signal and a press of the button; who keeps the units alive is shown the
    equipment only."""
    now = now_ms()
    break_ = {"sitting": "sitting-1", "seat": "A1", "kind": "toilet", "given_by": "Ada"}
    place.centre.insert("breaks", **break_, began_utc_ms=now - 900_000, limit_utc_ms=now - 600_000, ended_utc_ms=now)
    mark = {"sitting": "sitting-1", "seat": "A1", "made_by": "Ada", "note": "<b>whispers</b>"}
    place.centre.insert("bookmarks", **mark, at_utc_ms=now, made_utc_ms=now)
    place.centre.insert("signals", unit="c.d1", sitting="sitting-1", room="Hall", seat="A1", given_by="Ada")
    press = {"unit": "c.d1", "boot": 1, "seq": 7, "sitting": "sitting-1", "room": "Hall", "seat": "A1", "is_signal": 1}
    place.centre.insert("attended", **press, at_utc_ms=now, received_utc_ms=now, is_drill=0, alerts="[]")
    text = history(place.client("Ada").get("/seats/1").text)
    for words in (
        "Toilet break",
        "ran over its time",
        "&lt;b&gt;whispers&lt;/b&gt;",
        "Signal given",
        "Signal answered",
    ):
        assert words in text
    assert "Toilet break" not in history(place.client("Ada").get("/seats/1?only=bookmark").text)
    technician = history(place.client("Tim").get("/seats/1").text)
    assert "whispers" not in technician
    assert "Toilet break" not in technician
    assert "the cable" in technician
    assert "whispers" not in place.client("Tim").get("/seats/1?only=bookmark").text


def test_who_sits_there_is_for_those_who_may_see_the_roster(place: Site) -> None:
    row = {"sitting": "sitting-1", "number": "2027-0017", "name": "Zoë", "seat": "A1", "version": 1}
    place.centre.insert("candidates", **row, extra_ms=900_000)
    place.centre.insert("candidates", **row | {"number": "gone"}, no_show_utc_ms=1)
    text = history(place.client("Ada").get("/seats/1").text)
    assert "2027-0017" in text
    assert "15 min extra time" in text
    assert "gone" not in text
    assert "2027-0017" not in place.client("Tim").get("/seats/1").text
    assert "2027-0017" not in place.client("Ada").get("/seats/2").text


def test_a_renamed_seat_and_room_bring_their_history_along(place: Site) -> None:
    before = entries(place, [Kind.INCIDENT, Kind.GAP])
    place.centre.execute("update sittings set end_utc_ms = start_utc_ms + 1")
    with place.store.write() as connection:
        rooms.rename_seat(connection, ROOT, rooms.seat_called(connection, "Hall", "A1"), "Window 1", now_ms())
        rooms.rename_room(connection, ROOT, 1, "Great hall", now_ms())
    assert entries(place, [Kind.INCIDENT, Kind.GAP]) == before


def test_the_newest_are_kept_whatever_their_kind() -> None:
    """Of many rows of many kinds the newest, in order; the same moment in a fixed order."""
    rows: dict[Kind, list[dict[str, Any]]] = {
        Kind.BOOKMARK: [{"unit": "c.d1", "at_utc_ms": at, "who": "Ada", "detail": str(at)} for at in range(10)],
        Kind.ATTENDED: [{"unit": "c.d1", "at_utc_ms": at, "is_signal": 0, "is_drill": 1} for at in range(10)],
    }
    found = merged(rows, "c.d1", 10, 5)
    assert [(each.at_utc_ms, each.words) for each in found] == [
        (9, "Drill seen at the desk"),
        (9, "Bookmark"),
        (8, "Drill seen at the desk"),
        (8, "Bookmark"),
        (7, "Drill seen at the desk"),
    ]


def test_a_desk_that_was_taken_away_troubles_its_seat_no_more(place: Site) -> None:
    """What it saw and suffered does not stand at the tile of the seat, nor at its own as an alert; the incident goes on
    waiting for people."""
    place.settle()
    board = place.tail.board
    assert board.tiles["s1"]["words"] == "More than one face"
    assert board.tiles["s1"]["also"] == []
    assert board.tiles["u:c.d1"]["state"] != "alert"
    assert [row["words"] for row in board.queue] == ["Nobody in view", "More than one face"]


def test_no_part_of_a_history_goes_through_a_whole_table(store: Store) -> None:
    """A seat among 500 with 100,000 incidents is read as quickly as one with few."""
    now = clock.now_utc_ms()
    with store.write() as connection:
        intake.add_unit(connection, "c.d1", "a" * 64, now)
        planning.put_seat(connection, room="Hall", label="A1", unit="c.d1")
        for name in (*seat_history._QUERIES.values(), "seat_recorded", "history_candidates"):
            sql = getattr(QUERIES, name).sql
            values = {"seat_id": 1, "limit": 100, "now": now}
            steps = [row["detail"] for row in connection.execute(f"explain query plan {sql}", values)]
            big = ("SCAN g", "SCAN a", "SCAN i", "SCAN f", "SCAN b", "SCAN e", "SCAN c", "SCAN w")
            assert not [step for step in steps if step in big], (name, steps)
