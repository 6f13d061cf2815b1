"""What the Live page knows beside its desks, and that it says nothing of now that it does not know."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core import board, exam_day
from hub.core.board import Board, build
from hub.core.exam_day import Day, Hearing
from hub.core.strip import BIN_MS, BINS, CODES, UNKNOWN, code_of, graver
from hub.store import Store, coverage, hearing
from hub.store import exam_day as store_day
from hub.web.strips import Strips
from tests.hub.seed import Centre, now_ms
from tests.hub.test_board import NOW, alert, beat, incident, seat, states


def show(seats: list[dict[str, Any]], day: Day = board.NO_DAY, **rows: Any) -> Board:
    found: dict[str, Any] = {name: [] for name in ("alerts", "faults", "incidents", "sittings")}
    told = SimpleNamespace(seats=seats, newest_incident_utc_ms=None, units_due=0, **(found | rows))
    return build(told, NOW, day)


# --- what is not heard ----------------------------------------------------------------------------------------------


def test_while_ingest_is_away_no_desk_is_said_to_fail() -> None:
    """Every desk is not known since ingest's last word; none is a fault or offline for it; who was offline before stays
    so. Alerts on record stand. What is counted of desks is a dash."""
    away = Day(hearing=Hearing(False, NOW - 60_000), coverage=(9, 10))
    silent = seat(3, age_ms=61_000 + 4_000)
    rows = [seat(1, age_ms=61_000), seat(2, age_ms=61_000), silent, seat(4, age_ms=90_000), seat(5, unit=None)]
    found = show(rows, away, alerts=[alert(2)], incidents=[incident(2)])
    assert states(found) == {
        "A1": ("unknown", "Not known"),
        "A2": ("alert", "Nobody in view"),
        "A3": ("unknown", "Not known"),
        "A4": ("offline", "Offline"),
        "A5": ("empty", "No desk unit"),
    }
    assert found.tiles["s1"]["since_utc_ms"] == NOW - 60_000
    assert [fault["label"] for fault in found.faults] == ["A3"], "silent before ingest went"
    bar = found.bar
    assert (bar["recording"], bar["offline"], bar["coverage"], bar["is_hearing"]) == (None, None, None, False)
    assert bar["heard_until_utc_ms"] == NOW - 60_000
    assert bar["unreviewed"] == 1
    heard = show([seat(1)], Day(coverage=(999, 1000))).bar
    assert (heard["recording"], heard["coverage"], heard["is_hearing"]) == (1, 99.9, True)


@pytest.mark.parametrize(
    ("facts", "newest", "wanted"),
    [
        ({"beat_utc_ms": NOW - 4_999}, NOW - 1, Hearing()),
        ({"beat_utc_ms": NOW - 5_000}, NOW - 1, Hearing(False, NOW - 5_000)),
        ({"beat_utc_ms": NOW + 60_000}, None, Hearing()),
        ({}, NOW - 80_000, Hearing(False, NOW - 80_000)),
        ({}, None, Hearing(False, None)),
        ({"beat_utc_ms": NOW, "is_connected": False}, NOW - 4_000, Hearing(False, NOW - 4_000, is_broker=True)),
        ({"beat_utc_ms": NOW, "is_connected": False}, NOW - 1_000, Hearing()),
        ({"beat_utc_ms": NOW, "is_connected": True}, NOW - 90_000, Hearing()),
    ],
)
def test_the_hub_hears_while_ingest_and_its_broker_do(facts: dict[str, Any], newest: int, wanted: Hearing) -> None:
    assert exam_day.hearing(facts, newest, NOW) == wanted


def absences(store: Store) -> list[tuple[str, int, int | None]]:
    with store.read() as connection:
        found = connection.execute("select unit, from_utc_ms, until_utc_ms from absences order by unit, from_utc_ms")
        return [tuple(row) for row in found]


def hear(centre: Centre, unit: str, at: int) -> None:
    centre.execute(
        """insert into presence (unit, is_online, status_utc_ms, boot, heartbeat, heartbeat_utc_ms)
        values (:unit, 1, :at, 1, '{}', :at) on conflict (unit) do update set heartbeat_utc_ms = :at""",
        unit=unit,
        at=at,
    )


def test_no_absence_is_counted_while_ingest_was_away(store: Store, tmp_path: Path) -> None:
    """A desk that was there before and after was not absent; one that came later than the hub was, from then on; one
    that was late before ingest went was, from then on; and without ingest's absence all is as before."""
    centre = Centre(store, tmp_path / "live")
    room = centre.room("Hall")
    for number in (1, 2, 3, 4):
        centre.seat(room, f"A{number}", f"c.d{number}")
        hear(centre, f"c.d{number}", 100_000 if number != 3 else 95_000)
    hearing.note_resumed(store, 101_000, 161_000)
    hear(centre, "c.d1", 162_000)
    hear(centre, "c.d2", 170_000)
    hear(centre, "c.d3", 162_000)
    assert absences(store) == [("c.d2", 164_500, 170_000), ("c.d3", 98_500, 162_000)]
    hear(centre, "c.d1", 166_000)
    assert absences(store)[0] == ("c.d1", 165_500, 166_000)


# --- breaks and who is expected -------------------------------------------------------------------------------------


def pause(limit: int) -> dict[int, dict[str, Any]]:
    row = {"break_id": 7, "kind": "toilet", "began_utc_ms": NOW - 100_000, "limit_utc_ms": limit, "given_by": "Ada"}
    return {1: row}


def test_a_break_is_shown_and_loudly_once_it_runs_over() -> None:
    """Quiet until its limit, and behind whatever needs a person; past it before all but alerts."""
    rows = [seat(1), seat(2, heartbeat=beat(state="stopped"))]
    found = show(rows, Day(breaks=pause(NOW + 1)))
    assert states(found)["A1"] == ("break", "Toilet break")
    assert found.order == ["s2", "s1"]
    assert found.tiles["s1"]["break"]["is_over"] is False
    late = show(rows, Day(breaks=pause(NOW)))
    assert states(late)["A1"] == ("overrun", "Toilet break over its time")
    assert late.tiles["s1"]["since_utc_ms"] == NOW
    assert late.order == ["s1", "s2"]
    alerted = show(rows, Day(breaks=pause(NOW)), alerts=[alert(1)])
    assert states(alerted)["A1"] == ("alert", "Nobody in view")
    assert [each["state"] for each in alerted.tiles["s1"]["also"]] == ["overrun"]


@pytest.mark.parametrize(
    ("expected", "heartbeat", "wanted"),
    [
        ({}, beat(seat="empty", faces=0), ("empty", "Nobody expected")),
        ({1: {"no_show_utc_ms": 5}}, beat(seat="empty", faces=0), ("empty", "No-show, empty as expected")),
        ({1: {"no_show_utc_ms": None}}, beat(seat="empty", faces=0), ("recording", "Recording")),
        ({}, beat(seat="face", faces=1), ("recording", "Recording")),
        ({}, beat(seat="unknown", faces=0), ("recording", "Recording")),
        ({}, beat(seat="", faces=0), ("empty", "Nobody expected")),
        ({}, beat(state="waiting", seat="empty"), ("waiting", "Waiting")),
    ],
)
def test_a_seat_is_empty_as_expected_only_where_the_roster_and_the_desk_say_so(
    expected: dict[int, Any], heartbeat: str, wanted: tuple[str, str]
) -> None:
    day = Day(expected=expected, rostered=frozenset({"Hall"}))
    assert states(show([seat(1, heartbeat=heartbeat)], day))["A1"] == wanted
    assert states(show([seat(1, heartbeat=heartbeat)], Day()))["A1"][0] != "empty", "no roster: nobody knows"


def test_the_exams_clock_tells_of_extra_time() -> None:
    row = {"sitting": "s", "exam": "Maths", "room": "Hall", "mode": "automated", "start_utc_ms": NOW - 1}
    rows = [
        row | {"end_utc_ms": NOW + 5, "last_utc_ms": NOW + 9},
        row | {"start_utc_ms": NOW + 1, "end_utc_ms": NOW + 9},
    ]
    told = show([seat(1)], sittings=rows).bar["sittings"]
    assert [(each["end_utc_ms"], each["last_utc_ms"]) for each in told] == [(NOW + 5, NOW + 9)]


# --- how much is recorded -------------------------------------------------------------------------------------------


def test_what_is_recorded_so_far_is_what_the_report_says(store: Store, tmp_path: Path) -> None:
    """Added up from what is new it is the report's own sum at every moment, with a hole, a seat without a desk and a
    sitting of another room; None where no sitting is on."""
    centre = Centre(store, tmp_path / "live")
    running = store_day.Running()
    assert running.look(store, now_ms()) is None
    hall, annex = centre.room("Hall"), centre.room("Annex")
    centre.seat(hall, "A1", "c.d1")
    centre.seat(hall, "A2")
    centre.seat(annex, "Z1", "c.z1")
    for numbers in (range(0, 100), range(130, 252), ()):
        for number in numbers:
            centre.segment("c.d1", number)
        now = now_ms()
        found = [coverage.sitting(store, name) for name in ("sitting-1", "sitting-2")]
        reports = [seat.report for each in found if each for seat in coverage.read(store, each, now)]
        assert len(reports) >= 3
        wanted = (sum(each.recorded_ms for each in reports), sum(each.due_ms for each in reports))
        assert running.look(store, now) == wanted
    assert 0 < wanted[0] < wanted[1]
    assert exam_day.per_cent((0, 0)) is None
    assert exam_day.per_cent((99_999, 100_000)) == 99.9


# --- the line of the last ten minutes -------------------------------------------------------------------------------


def test_each_look_has_its_code_and_what_is_not_known_is_no_quiet_code() -> None:
    rows = [
        seat(1, heartbeat=beat(seat="face", faces=1)),
        seat(2, heartbeat=beat(seat="face", faces=2)),
        seat(3, heartbeat=beat(seat="empty", faces=0)),
        seat(4, heartbeat=beat(state="stopped")),
        seat(5, heartbeat=beat(seat="unknown", faces=0)),
        seat(6, age_ms=9_000),
        seat(7, age_ms=60_000),
        seat(8, unit=None),
        seat(9, heartbeat=beat(state="waiting")),
    ]
    tiles = show(rows).tiles
    assert "".join(code_of(tiles[f"s{number}"]) for number in range(1, 10)) == "fmng....."
    away = show(rows, Day(hearing=Hearing(False, NOW - 1))).tiles
    assert {code_of(tile) for tile in away.values()} == {UNKNOWN}


@given(st.sampled_from(CODES), st.sampled_from(CODES))
def test_a_bin_shows_the_gravest(one: str, other: str) -> None:
    assert graver(one, other) == graver(other, one)
    assert CODES.index(graver(one, other)) == max(CODES.index(one), CODES.index(other))


def test_a_line_grows_by_a_bin_and_forgets_and_invents_nothing() -> None:
    """Ten minutes, the newest last; bins that nobody looked at, and those before the first look, are not known."""
    tile = show([seat(1, heartbeat=beat(seat="face", faces=1))]).tiles
    empty = show([seat(1, heartbeat=beat(seat="empty", faces=0))]).tiles
    strips = Strips()
    start = NOW // BIN_MS * BIN_MS
    assert strips.look(tile, start) is None
    assert strips.look(empty, start + 5_000) is None
    assert strips.look(tile, start + BIN_MS) == {"s1": "n"}
    assert strips.whole == {"s1": UNKNOWN * (BINS - 1) + "n"}
    assert strips.look(tile, start + 4 * BIN_MS) == {"s1": "f.."}
    assert strips.whole["s1"].endswith("nf..")
    for number in range(5, 200):
        strips.look(tile, start + number * BIN_MS)
    assert strips.whole == {"s1": "f" * BINS}
    strips.look({}, start + 200 * BIN_MS)
    strips.look({}, start + 201 * BIN_MS)
    assert strips.whole == {}, "a seat that is gone"


def test_words_of_an_incident_by_hand() -> None:
    assert board.words_of(board.ALERT_WORDS, "by_hand") == "Opened by hand"
