from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.judge import CONDITIONS, MAX_GAP_S, AlertChange, Judge, State
from agent.core.observation import Face, Observation, Scene, Seat
from agent.wire import DEFAULT_RULES, AlertKind, Evidence, Instant, Rule, Witnesses

UTC_MS = 1_800_000_000_000
BOX = (0.4, 0.3, 0.2, 0.3)
SEAT_EMPTY = Rule(kind=AlertKind.SEAT_EMPTY, raise_s=10, clear_s=3)
TWO_FACES = Rule(kind=AlertKind.MORE_THAN_ONE_FACE, raise_s=3, clear_s=5)
COVERED = Rule(kind=AlertKind.CAMERA_COVERED, raise_s=3, clear_s=2)


NOBODY = Seat(person=0.0, pose=0.1, change=0.0)
SOMEBODY = Seat(person=0.2, pose=None, change=0.3)
NOT_COMPARED = Seat(person=0.0, pose=0.1, change=None)


def look(up_ms: int, *scores: float, is_covered: bool = False, seat: Seat | None = NOBODY) -> Observation:
    """One observation at `up_ms` with a face for each score, and what the witnesses say while there is none."""
    scene = Scene(brightness=5.0 if is_covered else 120.0, detail=1.0 if is_covered else 40.0, is_covered=is_covered)
    return Observation(
        up_ms=up_ms,
        utc_ms=UTC_MS + up_ms,
        faces=tuple(Face(BOX, score) for score in scores),
        scene=scene,
        seat=None if scores or is_covered else seat,
    )


def watch(judge: Judge, script: list[tuple[float, tuple[float, ...] | None]], every_ms: int = 200) -> list[AlertChange]:
    """Run (seconds, face scores or None for covered) after another at 5 observations a second."""
    changes, up_ms = [], every_ms
    for seconds, scores in script:
        for _ in range(round(seconds * 1000 / every_ms)):
            changes += judge.step(look(up_ms, *(scores or ()), is_covered=scores is None))
            up_ms += every_ms
    return changes


def told(changes: list[AlertChange]) -> list[tuple[AlertKind, State]]:
    return [(change.kind, change.state) for change in changes]


def test_an_empty_seat_is_one_alert_with_its_beginning_before_it_was_raised() -> None:
    """Present 5 s, away 20 s, back: one alert that began when the person left, raised 10 s on, cleared 3 s after."""
    raised, cleared = watch(Judge((SEAT_EMPTY,)), [(5, (0.9,)), (20, ()), (10, (0.9,))])
    assert (raised.state, cleared.state) == (State.RAISED, State.CLEARED)
    assert raised.began == Instant(UTC_MS + 5200, 5200)
    assert raised.raised.up_ms == 15_200
    assert raised.cleared is None
    assert cleared.cleared == Instant(UTC_MS + 28_200, 28_200)
    assert (cleared.n, cleared.began, cleared.raised) == (raised.n, raised.began, raised.raised)
    assert raised.rule == SEAT_EMPTY


def test_a_bowed_head_is_no_empty_seat() -> None:
    """Everybody writes head-down: as long as one witness says that somebody is there, no seat is empty, however long
    no face shows; with the rule on, that is `face_not_visible`, and by default it is no alert at all."""
    hidden = Rule(kind=AlertKind.FACE_NOT_VISIBLE, raise_s=3, clear_s=3)
    stream = [look(up_ms, seat=SOMEBODY) for up_ms in range(200, 60_000, 200)]
    for rules, expected in (((SEAT_EMPTY, hidden), [hidden.kind]), (DEFAULT_RULES, [])):
        judge = Judge(rules)
        assert [change.kind for each in stream for change in judge.step(each)] == expected


@pytest.mark.parametrize("says", [{"person": 0.02}, {"pose": 0.6}, {"change": 0.07}], ids=str)
def test_one_witness_is_enough_to_say_that_somebody_is_there(says: dict[str, float]) -> None:
    """The seat is empty only when all agree: any of them at its threshold breaks the dwell; below it, none does."""
    for factor, expected in ((1.0, 0), (0.99, 1)):
        judge = Judge((Rule(kind=AlertKind.SEAT_EMPTY, raise_s=3, clear_s=3),))
        seat = msgspec.structs.replace(NOBODY, **{name: value * factor for name, value in says.items()})
        changes = [change for up_ms in range(200, 5000, 200) for change in judge.step(look(up_ms, seat=seat))]
        assert len(changes) == expected


def test_without_a_reference_the_seat_is_empty_later() -> None:
    """Nothing to compare with: the rule waits `unreferenced_s` longer, and its evidence says that nothing was
    compared."""
    rule = Rule(kind=AlertKind.SEAT_EMPTY, raise_s=3, clear_s=3, witnesses=Witnesses(unreferenced_s=4))
    for seat, raised_ms in ((NOBODY, 3_200), (NOT_COMPARED, 7_200)):
        judge = Judge((rule,))
        (raised,) = (change for up_ms in range(200, 9_000, 200) for change in judge.step(look(up_ms, seat=seat)))
        assert (raised.began.up_ms, raised.raised.up_ms) == (200, raised_ms)
        assert raised.evidence == Evidence(
            doubt=0.0, person=0.0, pose=0.1, change=seat.change, brightness=120.0, detail=40.0
        )


def test_a_reference_found_on_the_way_does_not_shorten_the_wait() -> None:
    """A seat that was not known when the dwell began is told as late as one that is not known at all."""
    rule = Rule(kind=AlertKind.SEAT_EMPTY, raise_s=3, clear_s=3, witnesses=Witnesses(unreferenced_s=4))
    judge = Judge((rule,))
    seats = [NOT_COMPARED] * 10 + [NOBODY] * 40
    (raised,) = (change for n, seat in enumerate(seats) for change in judge.step(look(200 * n + 200, seat=seat)))
    assert (raised.began.up_ms, raised.raised.up_ms) == (200, 7_200)


def test_without_an_answer_of_the_witnesses_nothing_is_judged() -> None:
    """No face and no word of the witnesses yet: that is no empty seat."""
    judge = Judge((SEAT_EMPTY,))
    assert [change for up_ms in range(200, 60_000, 200) for change in judge.step(look(up_ms, seat=None))] == []


def test_little_light_never_says_that_a_seat_is_empty() -> None:
    """A face may be missed in the dark: what is not seen there is not said to be gone; what is seen counts."""
    judge = Judge((SEAT_EMPTY,))
    dark = Scene(brightness=14.0, detail=6.0, is_covered=False, is_low_light=True)
    for up_ms in range(200, 60_000, 200):
        assert judge.step(msgspec.structs.replace(look(up_ms), scene=dark)) == []
    hidden = Rule(kind=AlertKind.FACE_NOT_VISIBLE, raise_s=3, clear_s=3)
    somebody = msgspec.structs.replace(look(1, seat=SOMEBODY), scene=dark)
    assert CONDITIONS[hidden.kind](somebody, hidden).is_met is None
    seen = msgspec.structs.replace(look(1, 0.9), scene=dark)
    assert CONDITIONS[AlertKind.SEAT_EMPTY](seen, SEAT_EMPTY).is_met is False


def test_a_short_absence_is_no_alert() -> None:
    """Away for less than raise_s, again and again, raises nothing: the dwell starts anew each time."""
    assert watch(Judge((SEAT_EMPTY,)), [(3, (0.9,)), (9, ()), (0.2, (0.9,)), (9, ()), (1, (0.9,))]) == []


def test_flapping_shorter_than_clear_s_stays_one_alert() -> None:
    """A second person who leaves for less than 5 s at a time is one breach."""
    script: list[tuple[float, tuple[float, ...] | None]] = [(4, (0.9, 0.8))]
    script += [(4, (0.9,)), (0.4, (0.9, 0.8))] * 5
    changes = watch(Judge((TWO_FACES,)), [*script, (6, (0.9,))])
    assert told(changes) == [(TWO_FACES.kind, State.RAISED), (TWO_FACES.kind, State.CLEARED)]


def test_a_face_below_the_rules_threshold_does_not_count() -> None:
    """Each rule counts by its own threshold, and says how near the deciding face came; a face that is not clear enough
    for the rule is somebody all the same, and no empty seat."""
    strict = Rule(kind=AlertKind.FACE_NOT_VISIBLE, raise_s=1, clear_s=1, threshold=0.8)
    empty = msgspec.structs.replace(strict, kind=AlertKind.SEAT_EMPTY)
    (hidden,) = watch(Judge((strict, empty)), [(2, (0.7,))])
    assert (hidden.kind, hidden.faces, hidden.score) == (AlertKind.FACE_NOT_VISIBLE, 0, 0.7)
    assert watch(Judge((strict, empty)), [(2, (0.8,))]) == []
    assert watch(Judge((TWO_FACES,)), [(9, (0.9, 0.49))]) == []
    (two,) = watch(Judge((TWO_FACES,)), [(4, (0.6, 0.9, 0.3))])
    assert (two.faces, two.score) == (2, 0.6)


def test_a_covered_camera_suspends_the_face_rules() -> None:
    """Covered says nothing about faces: only camera_covered is raised, however long no face is seen."""
    changes = watch(Judge(DEFAULT_RULES), [(2, (0.9,)), (60, None), (5, (0.9,))])
    assert told(changes) == [(COVERED.kind, State.RAISED), (COVERED.kind, State.CLEARED)]


def test_a_frozen_camera_suspends_the_count_of_faces() -> None:
    """A picture that does not change says nothing about now: two faces in it neither raise nor, one, clear."""
    judge = Judge((TWO_FACES,))
    frozen = Scene(brightness=120.0, detail=40.0, is_covered=False, is_frozen=True)

    def freeze(began_ms: int, *scores: float) -> list[AlertChange]:
        looks = (look(up_ms, *scores) for up_ms in range(began_ms, began_ms + 10_000, 200))
        return [change for each in looks for change in judge.step(msgspec.structs.replace(each, scene=frozen))]

    assert freeze(0, 0.9, 0.9) == []
    assert told([c for ms in range(10_000, 14_000, 200) for c in judge.step(look(ms, 0.9, 0.9))]) == [
        (TWO_FACES.kind, State.RAISED)
    ]
    assert [change.state for change in freeze(14_000, 0.9)] == []
    assert [change.kind for change in judge.standing()] == [TWO_FACES.kind]


def shifted(judge: Judge, script: list[tuple[float, float | None]]) -> list[AlertChange]:
    """Run (seconds, shift) after another at 5 observations a second, a face always in view."""
    changes, up_ms = [], 200
    for seconds, shift in script:
        scene = Scene(brightness=120.0, detail=40.0, is_covered=False, shift=shift)
        for _ in range(round(seconds * 5)):
            changes += judge.step(msgspec.structs.replace(look(up_ms, 0.9), scene=scene))
            up_ms += 200
    return changes


def test_a_moved_camera_is_one_alert_until_it_looks_there_again() -> None:
    """By the default rule: raised after 5 s of another view, cleared after 5 s of the right one."""
    raised, cleared = shifted(Judge(DEFAULT_RULES), [(10, 0.0), (20, 0.12), (10, 0.0)])
    assert (raised.kind, raised.state, cleared.state) == (AlertKind.CAMERA_MOVED, State.RAISED, State.CLEARED)
    assert (raised.began.up_ms, raised.raised.up_ms) == (10_200, 15_200)
    assert cleared.cleared is not None
    assert cleared.cleared.up_ms == 35_200


@pytest.mark.parametrize(
    "script",
    [
        [(60, 0.049)],
        [(10, 0.0), (4.8, 1.0), (0.2, 0.0), (4.8, 1.0), (10, 0.0)],
        [(10, 0.0), (60, None)],
    ],
)
def test_a_nudge_a_short_turn_and_the_unknown_are_no_move(script: list[tuple[float, float | None]]) -> None:
    """Less than the least shift, for less than the dwell, or not to be told."""
    assert shifted(Judge(DEFAULT_RULES), script) == []


def test_a_moved_camera_that_can_no_longer_be_told_stands() -> None:
    """Turned to a wall and then in the dark: it was not seen to be over. The least shift is the rule's own."""
    far = Rule(kind=AlertKind.CAMERA_MOVED, raise_s=2, clear_s=2, threshold=0.3)
    judge = Judge((far,))
    assert told(shifted(judge, [(5, 0.29), (3, 1.0), (90, None)])) == [(far.kind, State.RAISED)]
    assert [change.kind for change in judge.standing()] == [far.kind]


def test_a_short_suspension_neither_counts_nor_loses_the_dwell() -> None:
    """Empty 6 s, covered 1 s, empty again: raised later by the covered time, and began where it began."""
    (raised,) = watch(Judge((SEAT_EMPTY,)), [(1, (0.9,)), (6, ()), (1, None), (6, ())])
    # 30 samples hold 29 intervals of 0.2 s; the two that touch the covered second do not count
    assert raised.began.up_ms == 1200
    assert raised.raised.up_ms == 1200 + 10_000 + 1200


def test_a_long_suspension_starts_the_dwell_anew() -> None:
    """What went on behind a cover of more than max_gap_s is unknown: the time before it is no longer claimed."""
    (raised,) = watch(Judge((SEAT_EMPTY,)), [(9, ()), (3, None), (11, ())])
    assert (raised.began.up_ms, raised.raised.up_ms) == (12_200, 22_200)


def test_what_stands_is_not_cleared_while_nothing_can_be_told() -> None:
    """Covering the lens does not end an empty seat, nor does the cover count towards clearing it."""
    script: list[tuple[float, tuple[float, ...] | None]] = [(11, ()), (60, None), (2, (0.9,)), (1, None), (0.8, (0.9,))]
    judge = Judge((SEAT_EMPTY,))
    assert told(watch(judge, script)) == [(SEAT_EMPTY.kind, State.RAISED)]
    assert [change.kind for change in judge.standing()] == [SEAT_EMPTY.kind]


def test_two_samples_far_apart_do_not_raise() -> None:
    """Observations further apart than max_gap_s never make a dwell, however long they last."""
    judge = Judge((SEAT_EMPTY, TWO_FACES, COVERED))
    step_ms = round(MAX_GAP_S * 1000) + 1
    assert list(itertools.chain(*(judge.step(look(up_ms)) for up_ms in range(0, 200_000, step_ms)))) == []


def test_a_gap_in_the_stream_starts_the_clearing_anew() -> None:
    """Two sights of a person far apart do not prove that the seat was taken in between."""
    judge = Judge((SEAT_EMPTY,))
    watch(judge, [(11, ())])
    assert [judge.step(look(up_ms, 0.9)) for up_ms in (12_000, 13_000, 20_000, 22_000)] == [[]] * 4
    assert told(judge.step(look(23_000, 0.9))) == [(SEAT_EMPTY.kind, State.CLEARED)]


def test_an_observation_that_is_not_newer_is_ignored() -> None:
    """Time that stands still or goes back changes nothing."""
    judge = Judge((Rule(kind=AlertKind.SEAT_EMPTY, raise_s=1, clear_s=1),))
    assert judge.step(look(1000)) == []
    assert judge.step(look(1900)) == []
    for up_ms in (1900, 1899, 0):
        assert judge.step(look(up_ms, 0.9)) == []
    assert told(judge.step(look(2000))) == [(AlertKind.SEAT_EMPTY, State.RAISED)]


def test_a_wall_clock_that_jumps_does_not_move_a_dwell() -> None:
    """Dwells are measured in boot time; the wall clock is only carried along."""
    judge = Judge((Rule(kind=AlertKind.SEAT_EMPTY, raise_s=2, clear_s=1),))
    walls = [UTC_MS, UTC_MS + 3_600_000, UTC_MS - 5_000]
    steps = [judge.step(msgspec.structs.replace(look(n * 1000), utc_ms=wall)) for n, wall in enumerate(walls)]
    assert steps[:2] == [[], []]
    assert steps[2][0].began == Instant(UTC_MS, 0)
    assert steps[2][0].raised == Instant(UTC_MS - 5_000, 2000)


def test_news_comes_at_most_every_ten_seconds_and_only_when_something_changed() -> None:
    """A third person is told with the next update; minutes of the same tell nothing."""
    judge = Judge((TWO_FACES,))
    told_at: list[tuple[int, AlertChange]] = []
    for up_ms in range(200, 120_000, 200):
        scores = (0.9, 0.8, 0.7) if 5000 < up_ms < 6000 else (0.9, 0.82)
        told_at += [(up_ms, change) for change in judge.step(look(up_ms, *scores))]
    (raised_ms, raised), (updated_ms, updated) = told_at
    assert (raised.state, raised.faces, updated.state, updated.faces) == (State.RAISED, 2, State.UPDATED, 3)
    assert updated_ms == raised_ms + 10_000
    assert (updated.n, updated.began, updated.raised) == (raised.n, raised.began, raised.raised)


def test_an_alert_tells_only_of_its_own_time() -> None:
    """A third person seen before, in an earlier alert or in a dwell that came to nothing, is not counted again."""
    three, two, one = (0.9, 0.9, 0.9), (0.9, 0.6), (0.9,)
    changes = watch(Judge((TWO_FACES,)), [(4, three), (6, one), (2, three), (1, one), (4, two)])
    assert [(change.state, change.faces, change.score) for change in changes] == [
        (State.RAISED, 3, 0.9),
        (State.CLEARED, 3, 0.9),
        (State.RAISED, 2, 0.6),
    ]


def test_a_clearer_sight_is_news() -> None:
    """The greatest score of the deciding face is told when it grew by a tenth, and at the end."""
    changes = watch(Judge((TWO_FACES,)), [(4, (0.9, 0.55)), (30, (0.9, 0.75)), (1, (0.9, 0.8)), (6, (0.9,))])
    assert [(change.state, change.score) for change in changes] == [
        (State.RAISED, 0.55),
        (State.UPDATED, 0.75),
        (State.CLEARED, 0.8),
    ]


def test_a_still_picture_is_judged_at_once() -> None:
    """One picture is all there is: it raises with a dwell of 0, and the alert's rule says so."""
    judge = Judge(DEFAULT_RULES, is_still=True)
    (two,) = judge.step(look(0, 0.9, 0.9))
    assert (two.kind, two.state, two.rule.raise_s) == (AlertKind.MORE_THAN_ONE_FACE, State.RAISED, 0)
    assert two.began == two.raised
    assert told(judge.end(Instant(UTC_MS, 0))) == [(two.kind, State.CLEARED)]


def test_the_end_of_the_sitting_clears_what_stands_and_forgets_the_rest() -> None:
    """After the end nothing stands, and no dwell goes on into the next sitting; numbers go on."""
    judge = Judge(DEFAULT_RULES, first_n=7)
    (raised,) = watch(judge, [(12, ())])
    (cleared,) = judge.end(Instant(UTC_MS + 13_000, 13_000))
    assert (raised.n, cleared.n, judge.next_n) == (7, 7, 8)
    assert cleared.cleared == Instant(UTC_MS + 13_000, 13_000)
    assert judge.standing() == ()
    assert judge.end(Instant(UTC_MS + 14_000, 14_000)) == []
    almost = Judge((SEAT_EMPTY,))
    watch(almost, [(9.8, ())])
    assert almost.end(Instant(UTC_MS + 9_900, 9_900)) == []
    assert [almost.step(look(up_ms)) for up_ms in (10_000, 11_000)] == [[], []]


def test_rules_off_or_without_a_condition_judge_nothing() -> None:
    """A rule switched off is silent; a kind this version cannot judge is named; of two of a kind the later holds."""
    off = Rule(kind=AlertKind.CAMERA_COVERED, raise_s=0, clear_s=0, is_on=False)
    button = Rule(kind=AlertKind.HELP_REQUESTED, raise_s=0, clear_s=0)
    soon = Rule(kind=AlertKind.SEAT_EMPTY, raise_s=1, clear_s=1)
    judge = Judge((SEAT_EMPTY, soon, off, button))
    assert judge.unjudged == (AlertKind.HELP_REQUESTED,)
    assert told(watch(judge, [(2, None), (2, ())])) == [(AlertKind.SEAT_EMPTY, State.RAISED)]


def test_a_whole_day_of_exams_gives_one_alert_for_each_absence() -> None:
    """Eight hours at five observations a second: one alert for each of the 96 absences."""
    judge = Judge(DEFAULT_RULES)
    changes: list[AlertChange] = []
    for n in range(1, 8 * 3600 * 5):
        is_away = n % 1500 < 100
        changes += judge.step(look(n * 200) if is_away else look(n * 200, 0.9))
    assert sum(change.state is State.RAISED for change in changes) == 96
    assert len(judge.standing()) == 0


Step = tuple[int, tuple[float, ...], bool, Seat | None]
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(
        st.sampled_from([-200, 0, 100, 200, 200, 200, 1000, 1900, 2500, 9000]),
        st.lists(st.sampled_from([0.3, 0.5, 0.9]), max_size=3).map(tuple),
        st.sampled_from([False, False, False, True]),
        st.sampled_from([NOBODY, NOBODY, SOMEBODY, NOT_COMPARED, None]),
    ),
    max_size=120,
)
RULES = st.lists(
    st.builds(
        Rule,
        kind=st.sampled_from(sorted(CONDITIONS)),
        raise_s=st.sampled_from([0.0, 0.4, 1.0, 3.0]),
        clear_s=st.sampled_from([0.0, 0.4, 1.0, 3.0]),
        threshold=st.sampled_from([0.4, 0.6]),
    ),
    max_size=4,
)


def run(rules: list[Rule], steps: list[Step]) -> tuple[list[Observation], list[AlertChange]]:
    judge, up_ms = Judge(rules), 0
    seen: list[Observation] = []
    changes: list[AlertChange] = []
    for step_ms, scores, is_covered, seat in steps:
        up_ms = max(0, up_ms + step_ms)
        observation = look(up_ms, *scores, is_covered=is_covered, seat=seat)
        if not seen or up_ms > seen[-1].up_ms:
            seen.append(observation)
        changes += judge.step(observation)
    end_ms = max([observation.up_ms for observation in seen], default=0)
    return seen, changes + judge.end(Instant(UTC_MS + end_ms, end_ms))


@settings(max_examples=300, deadline=None)
@given(rules=RULES, steps=STEPS)
def test_any_stream_is_judged_in_order_and_never_without_its_dwell(rules: list[Rule], steps: list[Step]) -> None:
    """For any stream: raised and cleared take turns, times are in order, no alert without its full dwell of
    observations that showed it, and a replay says the same."""
    seen, changes = run(rules, steps)
    assert run(rules, steps) == (seen, changes)
    assert sorted(change.n for change in changes if change.state is State.RAISED) == list(
        range(1, 1 + sum(change.state is State.RAISED for change in changes))
    )
    for kind in {rule.kind for rule in rules}:
        own = [change for change in changes if change.kind is kind]
        turns = [change.state for change in own if change.state is not State.UPDATED]
        assert turns == [State.RAISED, State.CLEARED] * (len(turns) // 2)
        for change in own:
            assert change.began.up_ms <= change.raised.up_ms
            assert change.raised.up_ms - change.began.up_ms >= change.rule.raise_s * 1000
            assert change.cleared is None or change.raised.up_ms <= change.cleared.up_ms
            assert (change.cleared is None) is (change.state is not State.CLEARED)
            assert_dwell(change, seen)


def assert_dwell(change: AlertChange, seen: list[Observation]) -> None:
    """From began to raised nothing told otherwise, and enough neighbouring observations showed it."""
    dwell = [look for look in seen if change.began.up_ms <= look.up_ms <= change.raised.up_ms]
    sights = [(look.up_ms, CONDITIONS[change.kind](look, change.rule).is_met) for look in dwell]
    assert False not in [is_met for _, is_met in sights]
    assert sights[0][1] is True
    assert sights[-1][1] is True
    steps = [later - earlier for (earlier, was), (later, is_) in itertools.pairwise(sights) if was and is_]
    assert max(steps, default=0) <= MAX_GAP_S * 1000
    assert sum(steps) >= change.rule.raise_s * 1000


@pytest.mark.parametrize("kind", sorted(CONDITIONS))
def test_every_condition_can_be_met_and_not_met(kind: AlertKind) -> None:
    """No row of the table is dead."""
    rule = Rule(kind=kind, raise_s=0, clear_s=0)
    views = [look(1), look(1, 0.9), look(1, 0.9, 0.9), look(1, is_covered=True), look(1, seat=SOMEBODY)]
    views += [
        msgspec.structs.replace(look(1), scene=Scene(brightness=120.0, detail=40.0, is_covered=False, shift=shift))
        for shift in (0.0, 1.0)
    ]
    assert {CONDITIONS[kind](view, rule).is_met for view in views} >= {True, False}
