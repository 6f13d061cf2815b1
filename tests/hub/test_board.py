"""The Live page as values."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from agent.wire import Heartbeat, Instant, Lamp, StandingFault
from hub.core.board import ALERT_WORDS, FAULT_WORDS, Board, build, changes, natural, words_of

NOW = 1_790_000_000_000


def beat(**values: Any) -> str:
    heartbeat = Heartbeat(boot=1, now=Instant(NOW, 1), is_clock_ok=True, **{"state": "recording", **values})
    return msgspec.json.encode(heartbeat).decode()


def seat(number: int, *, room: str = "Hall", age_ms: int = 1000, **values: Any) -> dict[str, Any]:
    row = {
        "seat_id": number,
        "label": f"A{number}",
        "room": room,
        "unit": f"c.d{number}",
        "is_online": 1,
        "status_utc_ms": NOW - 600_000,
        "heartbeat": beat(),
        "heartbeat_utc_ms": NOW - age_ms,
    }
    return row | values


def alert(
    number: int, incident: int = 1, state: str = "open", kind: str = "seat_empty", is_drill: bool = False
) -> dict[str, Any]:
    return {
        "unit": f"c.d{number}",
        "alert": "a",
        "kind": kind,
        "began_utc_ms": NOW - 20_000,
        "incident_id": incident,
        "incident_state": state,
        "is_drill": int(is_drill),
    }


def fault(number: int, kind: str = "camera_lost") -> dict[str, Any]:
    return {"unit": f"c.d{number}", "fault": "f", "kind": kind, "began_utc_ms": NOW - 9000, "detail": "cable"}


def incident(
    number: int, key: int = 1, state: str = "open", opened_ms: int = 0, is_drill: bool = False
) -> dict[str, Any]:
    return {
        "incident_id": key,
        "unit": f"c.d{number}",
        "kind": "seat_empty",
        "room": "Hall",
        "seat": f"A{number}",
        "state": state,
        "opened_utc_ms": NOW - 20_000 + opened_ms,
        "began_utc_ms": NOW - 30_000,
        "cleared_utc_ms": None,
        "acknowledged_by": None if state == "open" else "Ada",
        "version": 1,
        "is_drill": int(is_drill),
    }


def board(seats: list[dict[str, Any]], **rows: Any) -> Board:
    found: dict[str, Any] = {name: [] for name in ("alerts", "faults", "incidents", "sittings")}
    return build(SimpleNamespace(seats=seats, newest_incident_utc_ms=None, units_due=0, **(found | rows)), NOW)


def states(found: Board) -> dict[str, tuple[str, str]]:
    return {tile["label"]: (tile["state"], tile["words"]) for tile in found.tiles.values()}


def test_a_seat_that_records_is_quiet() -> None:
    found = board([seat(1)])
    assert states(found) == {"A1": ("recording", "Recording")}
    assert (found.bar["recording"], found.bar["seats"], found.bar["offline"]) == (1, 1, 0)


def test_each_state_has_its_word() -> None:
    rows = [
        seat(1, heartbeat=beat(state="waiting")),
        seat(2, age_ms=3_500),
        seat(3, age_ms=21_000),
        seat(4, is_online=None, status_utc_ms=None, heartbeat=None, heartbeat_utc_ms=None),
        seat(5, unit=None, is_online=None, status_utc_ms=None, heartbeat=None, heartbeat_utc_ms=None),
        seat(6, heartbeat=beat(state="stopped")),
        seat(7),
    ]
    assert states(board(rows, incidents=[incident(7)])) == {
        "A1": ("waiting", "Waiting"),
        "A2": ("fault", "Desk not answering"),
        "A3": ("offline", "Offline"),
        "A4": ("offline", "Never connected"),
        "A5": ("empty", "No desk unit"),
        "A6": ("fault", "Not recording"),
        "A7": ("attention", "To review"),
    }


def test_low_light_stands_beside_what_the_desk_does() -> None:
    """It is reported, as long as the desk is heard of; a covered camera is not called dark as well."""
    rows = [
        seat(1, heartbeat=beat(is_low_light=True, is_covered=False)),
        seat(2, heartbeat=beat(is_low_light=True, is_covered=True)),
        seat(3, heartbeat=beat(is_low_light=True), age_ms=60_000),
        seat(4, heartbeat=beat(is_low_light=False)),
    ]
    found = board(rows)
    assert states(found)["A1"] == ("attention", "Low light")
    assert "Low light" not in str([found.tiles[key] for key in ("s2", "s3", "s4")])


def test_the_worst_comes_first() -> None:
    rows = [seat(number) for number in range(1, 7)]
    rows[1] = seat(2, age_ms=60_000)
    found = board(
        rows, alerts=[alert(5), alert(6, 2, "acknowledged")], faults=[fault(4)], incidents=[incident(5), incident(6, 2)]
    )
    assert [found.tiles[key]["label"] for key in found.order] == ["A5", "A2", "A4", "A6", "A1", "A3"]


def test_alert_and_fault_of_one_seat_stand_apart() -> None:
    found = board([seat(1)], alerts=[alert(1)], faults=[fault(1)], incidents=[incident(1)])
    tile = found.tiles["s1"]
    assert (tile["state"], tile["words"]) == ("alert", "Nobody in view")
    assert tile["also"] == [{"state": "fault", "words": "Camera lost"}]
    assert [line["words"] for line in found.faults] == ["Camera lost"]
    assert [line["words"] for line in found.queue] == ["Nobody in view"]


def test_a_desk_that_is_silent_is_a_fault_and_its_readings_are_not_said_to_be_so_now() -> None:
    """It hangs, or its network does: nobody knows whether it records. Its silence began with its last word."""
    text = beat(faces=1, seat="face", capture_fps=15.0, is_low_light=True, lamp=Lamp(pattern="x", colour="#00ff00"))
    found = board([seat(1, heartbeat=text, age_ms=3_499), seat(2, heartbeat=text, age_ms=3_500)])
    assert states(found) == {"A1": ("attention", "Low light"), "A2": ("fault", "Desk not answering")}
    tile = found.tiles["s2"]
    assert (tile["since_utc_ms"], tile["is_recording"]) == (NOW - 3_500, False)
    assert (tile["faces"], tile["fps"], tile["lamp"], tile["also"]) == (None, None, None, [])
    assert [(line["tile"], line["words"]) for line in found.faults] == [("s2", "Desk not answering")]
    assert (found.bar["recording"], found.bar["offline"], found.bar["faults"]) == (1, 0, 1)


def test_a_closed_incident_is_off_the_tile_while_its_alert_stands() -> None:
    assert states(board([seat(1)], alerts=[]))["A1"][0] == "recording"


def test_a_desk_that_cannot_write_its_card_still_shows_its_fault() -> None:
    text = beat(faults=(StandingFault(kind="storage_failed", began=Instant(NOW, 1)),))  # type: ignore[arg-type]
    found = board([seat(1, heartbeat=text)])
    assert states(found)["A1"] == ("fault", "Storage failed")
    assert found.bar["faults"] == 1


def test_readings_of_a_desk_that_is_gone_are_not_shown_as_now() -> None:
    text = beat(faces=1, seat="face", capture_fps=15.0, lamp=Lamp(pattern="recording", colour="#00ff00"))
    there, gone = (
        board([seat(1, heartbeat=text)]).tiles["s1"],
        board([seat(1, heartbeat=text, age_ms=30_000)]).tiles["s1"],
    )
    assert (there["faces"], there["seat"], there["fps"], there["lamp"]["colour"]) == (1, "face", 15, "#00ff00")
    assert (gone["faces"], gone["seat"], gone["fps"], gone["lamp"], gone["is_recording"]) == (
        None,
        "",
        None,
        None,
        False,
    )


def test_the_queue_has_the_oldest_unreviewed_first_and_taken_ones_last() -> None:
    rows = [incident(1, 1, opened_ms=50), incident(1, 2, "acknowledged"), incident(1, 3, opened_ms=10)]
    found = board([seat(1)], incidents=rows)
    assert [row["id"] for row in found.queue] == [3, 1, 2]
    assert (found.bar["unreviewed"], found.bar["oldest_utc_ms"]) == (2, NOW - 20_000 + 10)


def test_seats_of_rooms_without_a_sitting_are_not_missed() -> None:
    sitting = {
        "sitting": "s",
        "exam": "Maths",
        "room": "Hall",
        "start_utc_ms": NOW - 1,
        "end_utc_ms": NOW + 1,
        "mode": "automated",
    }
    found = board([seat(1), seat(2, room="Annex", heartbeat=beat(state="waiting"))], sittings=[sitting])
    assert (found.bar["recording"], found.bar["seats"], found.bar["is_running"]) == (1, 1, True)


def test_a_unit_without_a_seat_is_shown() -> None:
    assert list(board([seat(1, seat_id=None, label="c.d1", room="")]).tiles) == ["u:c.d1"]


def test_a_heartbeat_that_cannot_be_read_does_not_take_the_page_down() -> None:
    assert states(board([seat(1, heartbeat='{"boot": "x"}')]))["A1"][0] == "waiting"


def test_changes_are_only_what_changed() -> None:
    old = board([seat(1), seat(2)])
    assert changes(old, board([seat(1), seat(2)])) == {}
    new = changes(old, board([seat(1, heartbeat=beat(faces=2)), seat(2)]))
    assert list(new) == ["tiles"]
    assert list(new["tiles"]) == ["s1"]
    assert changes(old, board([seat(2)]))["tiles"] == {"s1": None}


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.booleans(), st.integers(0, 60_000)), max_size=9))
def test_applying_the_changes_gives_the_new_board(wanted: list[tuple[int, bool, bool, int]]) -> None:
    """Whoever saw the old board and hears the changes sees the new one, whatever happened between."""
    old = board([seat(number) for number in range(1, 6)])
    seats = {number: seat(number, age_ms=age) for number, _, _, age in wanted}
    new = board(
        list(seats.values()),
        alerts=[alert(number) for number, is_alert, _, _ in wanted if is_alert],
        faults=[fault(number) for number, _, is_fault, _ in wanted if is_fault],
    )
    heard = changes(old, new)
    tiles = {key: tile for key, tile in (old.tiles | heard.get("tiles", {})).items() if tile is not None}
    assert tiles == new.tiles
    for part in ("bar", "order", "queue", "faults"):
        assert heard.get(part, getattr(old, part)) == getattr(new, part)
    assert sorted(new.order) == sorted(new.tiles)


def test_labels_sort_as_people_count() -> None:
    assert sorted(["A10", "A2", "B1", "", "A2b", "10", "9"], key=natural) == ["", "9", "10", "A2", "A2b", "A10", "B1"]


@given(st.lists(st.text()))
def test_any_labels_can_be_sorted(labels: list[str]) -> None:
    sorted(labels, key=natural)


def test_a_later_desks_kind_has_words() -> None:
    assert words_of(ALERT_WORDS, "chair_moved") == "Chair moved"
    assert words_of(FAULT_WORDS, "too_hot") == "Too hot"


def test_a_drill_is_named_so_and_never_hides_what_is_real() -> None:
    """It has a state of its own, stands behind real trouble, and is not counted as waiting for review."""
    found = board(
        [seat(1), seat(2)],
        alerts=[alert(1, 1, is_drill=True), alert(2, 2, is_drill=True)],
        incidents=[incident(1, 1, is_drill=True, opened_ms=-5000), incident(2, 2, is_drill=True), incident(2, 3)],
        faults=[fault(2)],
    )
    assert states(found) == {"A1": ("drill", "DRILL: Nobody in view"), "A2": ("fault", "Camera lost")}
    assert [each["words"] for each in found.tiles["s2"]["also"]] == ["To review", "DRILL: Nobody in view"]
    assert [(row["id"], row["is_drill"]) for row in found.queue] == [(3, False), (1, True), (2, True)]
    assert found.bar["unreviewed"] == 1


def test_a_drill_that_is_over_leaves_its_seat_quiet() -> None:
    found = board([seat(1)], incidents=[incident(1, 1, is_drill=True)])
    assert states(found) == {"A1": ("recording", "Recording")}
    assert found.bar["unreviewed"] == 0
