"""The timeline: a sitting in spans a minute, small, in order, and true to what was looked at."""

from __future__ import annotations

import itertools

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.observation import Face, Observation, Scene, Seat
from agent.core.seat import SeatState, seat_state
from agent.core.timeline import FLICKER_MS, MINUTE_MS, Timeline, seat_rule, without_flickers
from agent.wire import DEFAULT_RULES, AlertKind, Instant, Observed, Rule, Span
from tests.agent.observed import sittings

UTC_MS = 1_800_000_000_000
RULE = seat_rule(())
NOBODY = Seat(person=0.0, pose=0.0, change=0.0)
SOMEBODY = Seat(person=0.5)


def look(up_ms: int, faces: int = 0, seat: Seat | None = NOBODY) -> Observation:
    box = (0.1, 0.1, 0.2, 0.2)
    return Observation(
        up_ms,
        UTC_MS + up_ms,
        tuple(Face(box, 0.9) for _ in range(faces)),
        Scene(100.0, 30.0, False),
        seat=None if faces else seat,
    )


def watched(observations: list[Observation], end_ms: int | None = None) -> list[Observed]:
    timeline = Timeline("maths-1", RULE)
    told = [minute for observation in observations for minute in timeline.add(observation)]
    last_ms = observations[-1].up_ms if end_ms is None else end_ms
    return told + timeline.end(Instant(UTC_MS + last_ms, last_ms))


def every(step_ms: int, from_ms: int, until_ms: int, faces: int = 0, seat: Seat | None = NOBODY) -> list[Observation]:
    return [look(up_ms, faces, seat) for up_ms in range(from_ms, until_ms, step_ms)]


def test_a_minute_is_a_record_of_spans() -> None:
    """A face, a bowed head, an empty chair: each from its first look to the next one's; then the minute goes on."""
    looks = every(200, 10_000, 22_400, 1) + every(200, 22_400, 40_000, 0, SOMEBODY) + every(200, 40_000, 85_000)
    first, second = watched(looks, 85_000)
    assert (first.sitting, first.looks) == ("maths-1", 300)
    assert (first.began, first.ended) == (Instant(UTC_MS + 10_000, 10_000), Instant(UTC_MS + 70_000, 70_000))
    assert first.spans == (
        Span(0, 12_400, "face", 1),
        Span(12_400, 17_600, "somebody"),
        Span(30_000, 30_000, "empty"),
    )
    assert (second.began.up_ms, second.ended.up_ms, second.looks) == (70_000, 85_000, 75)
    assert second.spans == (Span(0, 15_000, "empty"),)


def test_a_frame_in_which_the_face_was_missed_is_no_event() -> None:
    """Nor is a ghost; what lasts a second is told."""
    looks = every(200, 0, 5_000, 1) + every(200, 5_000, 5_800) + every(200, 5_800, 10_000, 1)
    looks += every(200, 10_000, 10_200, 3) + every(200, 10_200, 20_000, 1) + every(200, 20_000, 21_000)
    (minute,) = watched(looks, 21_000)
    assert minute.spans == (Span(0, 20_000, "face", 1), Span(20_000, 1_000, "empty"))


def test_where_nobody_looked_is_a_hole() -> None:
    """A look holds for two seconds at most; a camera that was away leaves no span, and no record for minutes of it."""
    looks = [*every(200, 0, 10_000, 1), *every(200, 30_000, 40_000, 1), *every(200, 400_000, 405_000)]
    first, second = watched(looks, 405_000)
    assert first.spans == (Span(0, 11_800, "face", 1), Span(30_000, 11_800, "face", 1))
    assert second.began.up_ms == 400_000
    assert second.spans == (Span(0, 5_000, "empty"),)


def test_a_look_that_held_over_the_minute_and_a_long_silence_after_it() -> None:
    """What was seen after the silence begins when it was seen, not with the minute that would have been due."""
    looks = [*every(200, 0, 60_000, 1), look(130_000), look(131_000)]
    first, second, third = watched(looks, 131_500)
    assert first.spans == (Span(0, 60_000, "face", 1),)
    assert (second.began.up_ms, second.spans) == (60_000, (Span(0, 1_800, "face", 1),))
    assert (third.began.up_ms, third.spans) == (130_000, (Span(0, 1_500, "empty"),))


def test_a_sitting_that_ends_at_once_leaves_nothing() -> None:
    timeline = Timeline("maths-1", RULE)
    assert timeline.end(Instant(UTC_MS, 0)) == []
    assert timeline.add(look(100)) == []
    assert timeline.end(Instant(UTC_MS, 100)) == []


def test_the_sittings_own_thresholds_hold() -> None:
    """A rule that is off still says what a face is; one that is not clear enough for it is somebody."""
    strict = Rule(kind=AlertKind.SEAT_EMPTY, raise_s=10, clear_s=3, threshold=0.95, is_on=False)
    assert seat_rule((*DEFAULT_RULES, strict)) == strict
    assert seat_rule((DEFAULT_RULES[1],)) == DEFAULT_RULES[0]
    timeline = Timeline("maths-1", strict)
    assert [timeline.add(observation) for observation in every(200, 0, 5_000, 1)] == [[]] * 25
    (minute,) = timeline.end(Instant(UTC_MS + 5_000, 5_000))
    assert [span.seat for span in minute.spans] == [SeatState.SOMEBODY]


@settings(max_examples=60, deadline=None)
@given(sittings())
def test_whatever_is_seen_a_minute_is_small_and_in_order(observations: list[Observation]) -> None:
    """Spans do not overlap, lie within their minute, flicker only where they touch no other; the record's message is a
    twentieth of the limit; no look is counted twice."""
    timeline = Timeline("maths-1", RULE)
    told = [minute for observation in observations for minute in timeline.add(observation)]
    if observations:
        told += timeline.end(Instant(observations[-1].utc_ms, observations[-1].up_ms))
    assert sum(minute.looks for minute in told) <= len(observations)
    until_ms = -1
    for minute in told:
        assert until_ms <= minute.began.up_ms < minute.ended.up_ms <= minute.began.up_ms + MINUTE_MS
        until_ms = minute.ended.up_ms
        assert len(msgspec.json.encode(minute)) < 3_200
        end_ms = 0
        for span in minute.spans:
            assert span.start_ms >= end_ms
            assert span.length_ms > 0
            end_ms = span.start_ms + span.length_ms
            if span.length_ms < FLICKER_MS:
                touching = (span.start_ms, end_ms)
                assert not [s for s in minute.spans if s.start_ms + s.length_ms == touching[0]]
                assert not [s for s in minute.spans if s.start_ms == touching[1]]
        assert end_ms <= minute.ended.up_ms - minute.began.up_ms


@given(st.lists(st.tuples(st.sampled_from(["face", "somebody", "empty"]), st.integers(1, 3_000)), min_size=1))
def test_joining_keeps_the_time(shown: list[tuple[str, int]]) -> None:
    """A flicker goes to a neighbour, not away: the joined spans cover what the given ones did, and two of a kind never
    lie side by side."""
    spans, at = [], 0
    for seat, length_ms in shown:
        spans.append(Span(at, length_ms, seat))
        at += length_ms
    joined = without_flickers(spans)
    assert joined[0].start_ms == 0
    assert sum(span.length_ms for span in joined) == at
    for one, other in itertools.pairwise(joined):
        assert one.start_ms + one.length_ms == other.start_ms
        assert one.seat != other.seat
    assert len(joined) == 1 or min(span.length_ms for span in joined) >= FLICKER_MS
    assert without_flickers(joined) == joined


@settings(max_examples=40, deadline=None)
@given(sittings())
def test_what_lasts_is_told_as_it_was(observations: list[Observation]) -> None:
    """A state that held unbroken for more than two seconds before and after an instant is the one told for it."""
    told = watched(observations) if observations else []
    states = [(observation.up_ms, seat_state(observation, RULE)) for observation in observations]
    for up_ms, state in states:
        near = {other for at, other in states if abs(at - up_ms) <= 2_500}
        times = [at for at, _ in states if abs(at - up_ms) <= 2_500]
        is_dense = all(b - a <= 500 for a, b in itertools.pairwise(times))
        if len(near) == 1 and is_dense and times[0] < up_ms - 2_000 and times[-1] > up_ms + 2_000:
            found = [
                span.seat
                for minute in told
                for span in minute.spans
                if minute.began.up_ms + span.start_ms <= up_ms < minute.began.up_ms + span.start_ms + span.length_ms
            ]
            assert found == [str(state)]
