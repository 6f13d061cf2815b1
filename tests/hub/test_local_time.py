"""Local times: what does not exist or comes twice is said."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core import local_time
from hub.core.said import Refusal
from hub.core.sittings import State, of_exam, state

BERLIN = ZoneInfo("Europe/Berlin")
EARLIEST = dt.datetime.fromisoformat("2000-01-02")


def test_a_time_is_of_its_zone() -> None:
    assert local_time.read("2027-05-31T09:00", BERLIN, "start") == 1_811_746_800_000
    assert local_time.read("2027-01-31 09:00", ZoneInfo("Asia/Kathmandu"), "start") % 3_600_000 == 900_000
    assert local_time.written(1_811_746_800_000, BERLIN) == "2027-05-31T09:00"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2027-03-28T02:30", "02:30 does not exist on 2027-03-28"),
        ("2027-10-31T02:30", "02:30 comes twice on 2027-10-31"),
        ("2027-10-31T02:00", "comes twice"),
        ("2027-10-31T02:30+01:00", "without an offset"),
        ("", "no day and time"),
        ("31.5.2027 9:00", "no day and time"),
        ("0207-05-31T09:00", "slip of the pen"),
    ],
)
def test_what_no_one_can_know_is_refused_at_its_field(text: str, words: str) -> None:
    with pytest.raises(Refusal, match=words) as told:
        local_time.read(text, BERLIN, "start")
    assert told.value.field == "start"


@given(
    st.datetimes(EARLIEST, dt.datetime.fromisoformat("2199-12-30")),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
)
def test_what_is_taken_is_written_back_as_it_was(local: dt.datetime, name: str) -> None:
    """So a time that is not refused is the one that was meant."""
    text = f"{local:%Y-%m-%dT%H:%M}"
    try:
        utc_ms = local_time.read(text, ZoneInfo(name), "start")
    except Refusal:
        return
    assert local_time.written(utc_ms, ZoneInfo(name)) == text


@pytest.mark.parametrize("text", ["", "31.5.2027", "1027-05-31", "2027-02-30"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        local_time.read_day(text, "day")


def test_a_sitting_runs_until_the_last_extra_time_is_over() -> None:
    def at(now: int, closed: int | None = None, cancelled: int | None = None) -> State:
        times = {"start_utc_ms": 10, "latest_end_utc_ms": 30}
        return state(now, **times, closed_utc_ms=closed, cancelled_utc_ms=cancelled)

    assert [at(now) for now in (9, 10, 29, 30)] == [State.PLANNED, State.RUNNING, State.RUNNING, State.OVER]
    assert (at(31, closed=31), at(9, cancelled=5)) == (State.CLOSED, State.CANCELLED)


def test_an_exam_is_what_its_busiest_sitting_is() -> None:
    assert of_exam([]) is None
    assert of_exam([State.PLANNED, State.RUNNING, State.CLOSED]) == State.RUNNING
    assert of_exam([State.CLOSED, State.CANCELLED]) == State.CLOSED
