"""Breaks at the desk: who may be away is not missed, whoever comes back late is, and everything else is watched."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.judge import ABSENCE, AlertChange, Judge, State
from agent.core.observation import Observation, quantised
from agent.core.obslog import Encoder, Ended, Entry, Header, JudgeBy, PausedBy, read_log
from agent.core.replay import judged_again, said
from agent.core.schedule import is_judged_alike
from agent.wire import AlertKind, Instant, Mask, Mode, Pause, PlannedSitting, Rule
from tests.agent.test_judge import COVERED, NOBODY, SOMEBODY, TWO_FACES, UTC_MS, look
from tests.agent.test_sitting import FIRST, HOUR_MS, RULE, T0_MS, Desk, Memory, at, plan

EMPTY = Rule(kind=AlertKind.SEAT_EMPTY, raise_s=3, clear_s=2)
HIDDEN = Rule(kind=AlertKind.FACE_NOT_VISIBLE, raise_s=2, clear_s=2)
RULES = (EMPTY, HIDDEN, TWO_FACES, COVERED)
EVERY_MS = 200


def pause(from_s: float, until_s: float) -> Pause:
    return Pause(from_utc_ms=UTC_MS + round(from_s * 1000), until_utc_ms=UTC_MS + round(until_s * 1000))


def run(judge: Judge, from_s: float, until_s: float, *scores: float) -> list[AlertChange]:
    """Faces with these scores from the one second up to the other, five looks a second."""
    times = range(round(from_s * 1000), round(until_s * 1000), EVERY_MS)
    return [change for up_ms in times for change in judge.step(look(up_ms, *scores))]


def s(when: Instant | None) -> float:
    assert when is not None
    return (when.utc_ms - UTC_MS) / 1000


def test_an_empty_seat_in_a_break_raises_nothing_until_it_runs_over() -> None:
    """However long the break is; from its end on the dwell counts, and the alert says that it began then."""
    judge = Judge((EMPTY,), pauses=(pause(10, 60),))
    assert run(judge, 8, 60) == []
    (raised,) = run(judge, 60, 70)
    assert (s(raised.began), s(raised.raised)) == (60, 63)


def test_what_stands_when_a_break_begins_is_over() -> None:
    """Also when people give the break to a seat that was missed already: its clearing comes with the next look."""
    for pauses_then in ((pause(10, 20),), ()):
        judge = Judge((EMPTY,), pauses=pauses_then)
        (raised,) = run(judge, 2, 10)
        judge.pauses = (pause(10, 20),)
        (cleared,) = run(judge, 10, 20)
        assert (cleared.n, cleared.state, s(cleared.cleared)) == (raised.n, State.CLEARED, 10)
        (again,) = run(judge, 20, 30)
        assert (again.n, s(again.began)) == (raised.n + 1, 20)


def test_a_break_ended_early_is_over_early() -> None:
    """The plan's word holds from the next look on; several breaks each count."""
    judge = Judge((EMPTY,), pauses=(pause(0, 5), pause(10, 60)))
    (first,) = run(judge, 1, 10)
    assert (s(first.began), s(first.raised)) == (5, 8)
    assert [change.state for change in run(judge, 10, 30)] == [State.CLEARED]
    judge.pauses = (pause(0, 5), pause(10, 30))
    (second,) = run(judge, 30, 40)
    assert s(second.began) == 30


def test_a_dwell_does_not_reach_back_into_a_break_that_was_told_late() -> None:
    """The plan with it came when it was over: what was counted in it counts no longer."""
    judge = Judge((EMPTY,))
    assert run(judge, 8, 10) == []
    judge.pauses = (pause(5, 9.8),)
    (raised,) = run(judge, 10, 20)
    assert s(raised.began) == 10


def test_a_break_that_nobody_saw_is_a_break() -> None:
    """The camera was away for all of it: what stood before is over, and the dwell begins after it."""
    judge = Judge((EMPTY,), pauses=(pause(10, 20),))
    run(judge, 2, 10)
    cleared, raised = run(judge, 25, 30)
    assert (cleared.state, s(cleared.cleared)) == (State.CLEARED, 25)
    assert (raised.state, s(raised.began)) == (State.RAISED, 25)


looks = st.lists(
    st.tuples(
        st.sampled_from(["face", "empty", "empty", "empty", "somebody", "two", "covered"]),
        st.integers(1, 25),  # so many looks of it
        st.sampled_from([200, 200, 200, 700, 5_000]),  # milliseconds between them
    ),
    max_size=14,
)
pauses = st.lists(
    st.tuples(st.integers(0, 60_000), st.integers(0, 20_000)).map(
        lambda pair: Pause(from_utc_ms=UTC_MS + pair[0], until_utc_ms=UTC_MS + pair[0] + pair[1])
    ),
    max_size=4,
).map(tuple)


def observed(script: list[tuple[str, int, int]]) -> list[Observation]:
    found, up_ms = [], 1_000
    for what, count, every_ms in script:
        for _ in range(count):
            scores = {"face": (0.9,), "two": (0.9, 0.8)}.get(what, ())
            seat = SOMEBODY if what == "somebody" else NOBODY
            found.append(quantised(look(up_ms, *scores, is_covered=what == "covered", seat=seat)))
            up_ms += every_ms
    return found


def touches(found: tuple[Pause, ...], from_utc_ms: int, until_utc_ms: int) -> bool:
    """By the millisecond, the plain way."""
    return any(
        each.from_utc_ms <= moment < each.until_utc_ms
        for each in found
        for moment in (from_utc_ms, each.from_utc_ms)
        if from_utc_ms <= moment <= until_utc_ms
    )


@settings(max_examples=150, deadline=None)
@given(looks, pauses)
def test_no_time_of_a_break_counts_towards_an_absence(
    script: list[tuple[str, int, int]], given_to: tuple[Pause, ...]
) -> None:
    """Whatever is seen and whenever the breaks are: an absence is neither raised in one nor does its dwell touch one,
    none stands in one after its first look, and the other rules say exactly what they say without breaks."""
    judge, plain = Judge(RULES, pauses=given_to), Judge(RULES)
    others, plain_others = [], []
    for observation in observed(script):
        changes = judge.step(observation)
        others += [(each.kind, each.state, each.began) for each in changes if each.kind not in ABSENCE]
        plain_others += [
            (each.kind, each.state, each.began) for each in plain.step(observation) if each.kind not in ABSENCE
        ]
        for change in changes:
            if change.kind in ABSENCE and change.state is State.RAISED:
                assert not touches(given_to, change.began.utc_ms, change.raised.utc_ms)
                assert change.raised.up_ms - change.began.up_ms >= change.rule.raise_s * 1000
        if touches(given_to, observation.utc_ms, observation.utc_ms):
            assert not [each for each in judge.standing() if each.kind in ABSENCE]
    assert others == plain_others


@settings(max_examples=80, deadline=None)
@given(looks, st.lists(st.tuples(st.integers(0, 150), pauses), max_size=4))
def test_a_log_with_breaks_is_judged_again_as_it_was(
    script: list[tuple[str, int, int]], told: list[tuple[int, tuple[Pause, ...]]]
) -> None:
    """Breaks given, changed and ended on the way; by its own rules and by the same ones named."""
    judge = Judge(RULES, first_n=3, pauses=(pause(0, 2),))
    made: list[Entry] = [
        Header(sitting="s", software="1", model_sha256="", began=Instant(UTC_MS, 0)),
        JudgeBy(rules=RULES, first_n=3, pauses=(pause(0, 2),)),
    ]
    for number, observation in enumerate(observed(script)):
        for when, given_to in told:
            if when == number:
                judge.pauses = given_to
                made.append(PausedBy(pauses=given_to))
        made += (observation, *judge.step(observation))
    now = Instant(UTC_MS + 900_000, 900_000)
    made += (*judge.end(now), Ended(now=now))
    encoder = Encoder()
    for entry in made:
        encoder.add(entry)
    log = read_log(encoder.head + encoder.block())
    assert list(log.entries) == made
    assert judged_again(log.entries) == said(log.entries)
    assert judged_again(log.entries, RULES) == said(log.entries)


# --- the plan that changes in a running sitting ---------------------------------------------------------------------


def test_only_what_is_judged_otherwise_begins_anew() -> None:
    """Breaks, ends, the lamp's and the buzzer's rules may change while an alert stands; rules, mode, masks and the seat
    belong to the alert."""
    mask = Mask(kind="ignore", points=((0, 0), (1, 0), (1, 1)))
    alike: list[dict[str, Any]] = [
        {"pauses": (pause(0, 1),)},
        {"end_utc_ms": FIRST.end_utc_ms + 1},
        {"start_utc_ms": FIRST.start_utc_ms - 1},
        {"is_buzzer_allowed": True},
        {"may_lamp_show_alerts": False},
        {"empty_from_utc_ms": 1, "empty_until_utc_ms": 2},
    ]
    other: list[dict[str, Any]] = [
        {"rules": (RULE,)},
        {"mode": Mode.MANUAL},
        {"masks": (mask,)},
        {"seat": "B1"},
        {"sitting": "maths-9"},
    ]
    changed = {field for change in alike + other for field in change} | {"exam", "room"}
    assert changed == set(PlannedSitting.__struct_fields__), (
        "say of a new field whether judging goes on over its change"
    )
    for change, expected in [(each, True) for each in alike] + [(each, False) for each in other]:
        assert is_judged_alike(FIRST, msgspec.structs.replace(FIRST, **change)) is expected, change


def test_a_break_and_extra_time_leave_judging_and_recording_alone() -> None:
    """What stands goes on standing; recording hears nothing; the judge hears of the breaks."""
    desk = Desk(Memory(plan(FIRST)))
    desk.keeper.follow(at(1), True)
    desk.keeper.follow(at(5), True)
    desk.judging.next_n = 2
    given_to = (Pause(from_utc_ms=T0_MS + 10_000, until_utc_ms=T0_MS + 60_000),)
    changed = msgspec.structs.replace(
        FIRST, pauses=given_to, end_utc_ms=T0_MS + 2 * HOUR_MS, may_lamp_show_alerts=False
    )
    desk.memory.kept_plan = plan(changed, number=2)
    desk.keeper.follow(at(10), True)
    assert (desk.changes, desk.recorder.calls) == ([], ["begin maths-1", "cut"])
    assert (desk.judging.rules, desk.judging.first_n) == (FIRST.rules, 1)
    assert (desk.judging.pauses, desk.keeper.current) == (given_to, changed)
    desk.keeper.follow(at(3600), True)
    assert desk.keeper.current == changed, "the extra time runs"
    desk.keeper.follow(at(7200), True)
    assert [state[1] for state in desk.states()] == ["started", "ended"]


def test_a_break_is_known_after_a_restart_of_the_agent() -> None:
    """The plan is on the card: what begins to judge anew begins with its breaks."""
    given_to = (Pause(from_utc_ms=T0_MS + 10_000, until_utc_ms=T0_MS + 60_000),)
    on_break = msgspec.structs.replace(FIRST, pauses=given_to)
    desk = Desk(Memory(plan(on_break), "maths-1", at(20), 20_000))
    desk.keeper.follow(at(30), True)
    assert desk.judging.pauses == given_to


def test_a_start_or_end_that_is_moved_holds_at_once() -> None:
    """A sitting that waits begins when its start is moved before now; one that runs ends when its end is."""
    waiting = msgspec.structs.replace(FIRST, start_utc_ms=T0_MS + 600_000)
    desk = Desk(Memory(plan(waiting)))
    desk.keeper.follow(at(60), True)
    assert desk.recorder.calls == []
    early = msgspec.structs.replace(waiting, start_utc_ms=T0_MS + 30_000)
    desk.memory.kept_plan = plan(early, number=2)
    desk.keeper.follow(at(61), True)
    assert desk.recorder.calls == ["begin maths-1"]
    desk.memory.kept_plan = plan(msgspec.structs.replace(early, end_utc_ms=T0_MS + 90_000), number=3)
    desk.keeper.follow(at(89), True)
    desk.keeper.follow(at(90), True)
    assert desk.recorder.calls == ["begin maths-1", "cut", "end"]
