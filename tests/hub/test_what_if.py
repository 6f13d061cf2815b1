"""Judged again with another dwell: with its own it finds what the desk's judge raised."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core import judge as desk_judge
from agent.core.judge import Judge, State
from agent.core.observation import Face, Observation, Scene, Seat
from agent.core.timeline import FLICKER_MS, Timeline
from agent.wire import AlertKind, Instant, Observed, Rule, Span
from hub.core import what_if
from hub.core.what_if import TOLERANCE_MS, Seen, Would, judge, seen_of

START = 1_800_000_000_000
STEP_MS = 50
LIT = Scene(brightness=120.0, detail=40.0, is_covered=False, is_frozen=False)
DARK = msgspec.structs.replace(LIT, is_covered=True)
NOBODY = Seat(person=0.0, pose=0.0, change=0.0)
FACE = Face((0.4, 0.4, 0.2, 0.2), 0.9)
LOOKS = {
    "face": {"faces": (FACE,), "scene": LIT},
    "many": {"faces": (FACE, FACE), "scene": LIT},
    "somebody": {"faces": (), "scene": LIT, "seat": Seat(person=0.4)},
    "empty": {"faces": (), "scene": LIT, "seat": NOBODY},
    "unknown": {"faces": (), "scene": DARK},
}


def looked(states: list[tuple[str, int]]) -> list[Observation]:
    """Looks at these states, each for so many seconds; `away`: nobody looks."""
    found, up_ms = [], 10_000
    for state, seconds in states:
        for _ in range(seconds * 1000 // STEP_MS):
            if state != "away":
                found.append(Observation(up_ms=up_ms, utc_ms=START + up_ms, **LOOKS[state]))  # type: ignore[arg-type]
            up_ms += STEP_MS
    return found


def summed(looks: list[Observation]) -> list[Observed]:
    line = Timeline("s", Rule(kind=AlertKind.SEAT_EMPTY, raise_s=10, clear_s=3))
    told = [record for look in looks for record in line.add(look)]
    last = looks[-1]
    return told + line.end(Instant(last.utc_ms + STEP_MS, last.up_ms + STEP_MS))


def raised(looks: list[Observation], rule: Rule) -> list[Would]:
    """What the desk's own judge makes of the single looks."""
    own, found = Judge([rule]), {}
    for look in looks:
        for change in own.step(look):
            cleared = change.cleared.utc_ms if change.state is State.CLEARED and change.cleared else None
            found[change.n] = Would(change.began.utc_ms, change.raised.utc_ms, cleared)
    return list(found.values())


def test_the_desks_numbers_are_ours() -> None:
    """The gap that ends a dwell is the judge's, and the tolerance is the flicker that the summary leaves out."""
    assert what_if.MAX_GAP_MS == desk_judge.MAX_GAP_S * 1000
    assert TOLERANCE_MS == FLICKER_MS


STATES = st.lists(
    st.tuples(
        st.sampled_from(["face", "many", "somebody", "empty", "empty", "empty", "unknown"]),
        st.sampled_from([1, 3, 4, 5, 7, 12]),
    )
    # Shorter than MAX_GAP_MS it is no silence: the desk lets its last look hold, and the state lasts as a dwell does.
    | st.tuples(st.just("away"), st.sampled_from([3, 4, 5, 7, 12])),
    min_size=1,
    max_size=9,
)


@settings(deadline=None, max_examples=80)
@given(STATES, st.sampled_from(sorted(what_if.CAN_JUDGE)), st.sampled_from([3.5, 6.5]), st.sampled_from([2.5, 4.5]))
def test_with_its_own_dwell_it_finds_what_the_desk_raised(
    states: list[tuple[str, int]], kind: AlertKind, raise_s: float, clear_s: float
) -> None:
    """As many, each begun, raised and cleared within the tolerance: where nothing lasts below a second, and nothing as
    long as a dwell."""
    looks = looked(states)
    if not looks:
        return
    own = raised(looks, Rule(kind=kind, raise_s=raise_s, clear_s=clear_s))
    again = judge(seen_of(summed(looks), "s"), kind, raise_s, clear_s)
    assert len(again) == len(own), (own, again)
    for mine, theirs in zip(again, own, strict=True):
        assert abs(mine.began_utc_ms - theirs.began_utc_ms) <= TOLERANCE_MS
        assert abs(mine.raised_utc_ms - theirs.raised_utc_ms) <= TOLERANCE_MS
        assert (mine.cleared_utc_ms is None) == (theirs.cleared_utc_ms is None)
        assert abs((mine.cleared_utc_ms or 0) - (theirs.cleared_utc_ms or 0)) <= TOLERANCE_MS


@settings(deadline=None)
@given(STATES, st.sampled_from([2.5, 5.5, 8.5]), st.sampled_from([0.5, 2.0, 6.0]))
def test_a_longer_dwell_never_begins_more(states: list[tuple[str, int]], raise_s: float, longer_s: float) -> None:
    """Whoever waits longer is told of no breach that was not told of before: each lies within one of the shorter."""
    looks = looked(states)
    if not looks:
        return
    starts = seen_of(summed(looks), "s")
    short = judge(starts, AlertKind.SEAT_EMPTY, raise_s, 3)
    for late in judge(starts, AlertKind.SEAT_EMPTY, raise_s + longer_s, 3):
        assert any(
            each.began_utc_ms <= late.began_utc_ms
            and (each.cleared_utc_ms is None or each.cleared_utc_ms >= late.raised_utc_ms)
            for each in short
        )


def observed(
    began_s: float, *spans: tuple[float, str, int], sitting: str = "s", boot_s: float | None = None
) -> Observed:
    at_ms, told = 0, []
    for seconds, seat, faces in spans:
        told.append(Span(at_ms, int(seconds * 1000), seat, faces))
        at_ms += int(seconds * 1000)
    up_ms = int((began_s if boot_s is None else boot_s) * 1000)
    began = Instant(START + int(began_s * 1000), up_ms)
    ended = Instant(began.utc_ms + at_ms, up_ms + at_ms)
    return Observed(sitting=sitting, began=began, ended=ended, looks=1, spans=tuple(told))


def test_a_dwell_goes_on_over_the_minute() -> None:
    starts = seen_of([observed(60, (5, "empty", 0)), observed(0, (54, "face", 1), (6, "empty", 0))], "s")
    assert judge(starts, AlertKind.SEAT_EMPTY, 10, 3) == [Would(START + 54_000, START + 64_000, None)]


def test_a_machine_that_started_again_begins_anew() -> None:
    starts = seen_of([observed(0, (8, "empty", 0)), observed(20, (8, "empty", 0), boot_s=1)], "s")
    assert len(starts) == 2
    assert judge(starts, AlertKind.SEAT_EMPTY, 10, 3) == []


def test_a_break_is_not_judged() -> None:
    """What was seen while somebody was allowed to be away counts for nothing, and the dwell begins anew after it."""
    told = [observed(0, (5, "face", 1), (30, "empty", 0))]
    pause = (START + 4_000, START + 20_000)
    [would] = judge(seen_of(told, "s", [pause]), AlertKind.SEAT_EMPTY, 10, 3)
    assert would.began_utc_ms == START + 20_000


def test_other_sittings_and_what_is_told_twice_count_once() -> None:
    told = [
        observed(0, (12, "empty", 0)),
        observed(0, (12, "empty", 0)),
        observed(30, (9, "empty", 0), sitting="other"),
    ]
    starts = seen_of(told, "s")
    assert what_if.watched_ms(starts) == 12_000
    assert len(judge(starts, AlertKind.SEAT_EMPTY, 10, 3)) == 1


def test_a_desk_without_its_reference_waits_longer() -> None:
    starts = [[Seen(START, 0, 25_000, "empty", 0)]]
    assert len(judge(starts, AlertKind.SEAT_EMPTY, 10, 3)) == 1
    assert judge(starts, AlertKind.SEAT_EMPTY, 10, 3, wait_s=20) == []


def test_a_rule_about_the_camera_cannot_be_judged_again() -> None:
    with pytest.raises(ValueError, match="cannot be judged"):
        judge([], AlertKind.CAMERA_MOVED, 5, 5)
