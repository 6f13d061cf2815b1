"""The sitting that is on at this desk: what the keeper tells recorder, sight and records, from plan, clocks and what
the last run left."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.camera import MainFrame
from agent.core import bodies
from agent.core.judge import AlertChange, State
from agent.core.segments import ClosedSegment
from agent.sitting import FIRST_SEGMENT_MS, SittingKeeper
from agent.wire import (
    Alert,
    AlertKind,
    Body,
    Gap,
    GapCause,
    Instant,
    Mask,
    Pause,
    Plan,
    PlannedSitting,
    Rule,
    SegmentClosed,
    SittingState,
)

HOUR_MS = 3_600_000
T0_MS = 1_800_000_000_000
UP0_MS = 50_000
FIRST = PlannedSitting(
    sitting="maths-1", exam="Maths", room="Hall A", seat="A1", start_utc_ms=T0_MS, end_utc_ms=T0_MS + HOUR_MS
)
SECOND = msgspec.structs.replace(FIRST, sitting="maths-2", start_utc_ms=T0_MS + HOUR_MS, end_utc_ms=T0_MS + 2 * HOUR_MS)
MAKER = bodies.Maker(boot=3, software="1", model_sha256="ab" * 32)
RULE = Rule(kind=AlertKind.SEAT_EMPTY, raise_s=1, clear_s=1)


def at(s: float) -> Instant:
    """`s` seconds after the first sitting's start, on both clocks."""
    return Instant(T0_MS + round(s * 1000), UP0_MS + round(s * 1000))


def up_ns(s: float) -> int:
    return at(s).up_ms * 1_000_000


class Recorder:
    """Notes what it is told; `at_end` are gaps and segments that it tells while it ends, `at_begin` what a picture
    would see that comes at once."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.frames = 0
        self.at_end: Callable[[], None] = lambda: None
        self.at_begin: Callable[[], None] = lambda: None

    def begin(self, sitting: str) -> None:
        self.at_begin()
        self.calls.append(f"begin {sitting}")

    def end(self, timeout_s: float = 10.0) -> bool:
        self.calls.append("end")
        self.at_end()
        return True

    def cut(self) -> None:
        self.calls.append("cut")

    def feed(self, frame: MainFrame) -> None:
        self.frames += 1


class Judging:
    """Notes the rules it judges by; one alert stands when `next_n` is above `first_n`."""

    def __init__(self) -> None:
        self.rules: tuple[Rule, ...] | None = None
        self.first_n = self.next_n = 0
        self.is_new_view = False
        self.pauses: tuple[Pause, ...] = ()

    def judge_by(
        self, rules: tuple[Rule, ...], first_n: int, *, pauses: tuple[Pause, ...] = (), is_new_view: bool = True
    ) -> None:
        self.rules, self.first_n, self.next_n, self.is_new_view = rules, first_n, first_n, is_new_view
        self.pauses = pauses

    def pause_by(self, pauses: tuple[Pause, ...]) -> None:
        self.pauses = pauses

    def end_judging(self, now: Instant) -> tuple[list[AlertChange], int]:
        if self.rules is None:
            return [], 0
        self.rules = None
        standing = range(self.first_n, self.next_n)
        return [
            AlertChange(n=n, kind=RULE.kind, state=State.CLEARED, began=at(0), raised=at(1), cleared=now, rule=RULE)
            for n in standing
        ], self.next_n


class Memory:
    """What the card holds."""

    def __init__(self, plan: Plan | None, sitting: str = "", until: Instant | None = None, ms: int = 0) -> None:
        self.kept_plan, self.kept_sitting, self.until, self.ms = plan, sitting, until, ms

    def plan(self) -> Plan | None:
        return self.kept_plan

    def sitting(self) -> str:
        return self.kept_sitting

    def remember(self, sitting: str) -> None:
        self.kept_sitting = sitting

    def recorded(self, sitting: str) -> tuple[int, Instant | None]:
        return (self.ms, self.until) if sitting == "maths-1" else (0, None)

    def os_boot_of(self, sitting: str) -> str:
        return "boot-1"


class Desk:
    """A keeper over stand-ins; `put` is every body recorded, `changes` what was handed on of the judge's."""

    def __init__(self, memory: Memory, *, was_clean: bool = True) -> None:
        self.memory, self.recorder, self.judging = memory, Recorder(), Judging()
        self.put: list[Body] = []
        self.times: list[Instant] = []
        self.changes: list[tuple[int, str, str]] = []
        self.keeper = SittingKeeper(
            self.recorder,
            self.judging,
            memory,
            memory.remember,
            self._put,
            self._put_changes,
            lambda ns: Instant(T0_MS - UP0_MS + ns // 1_000_000, ns // 1_000_000),
            MAKER,
            was_clean=was_clean,
        )

    def _put(self, body: Body, now: Instant) -> None:
        self.put.append(body)
        self.times.append(now)

    def _put_changes(self, changes: list[AlertChange], sitting: PlannedSitting, rgb: NDArray[np.uint8] | None) -> None:
        assert rgb is None
        self.changes += [(change.n, str(change.state), sitting.seat) for change in changes]

    def states(self) -> list[tuple[str, str, int]]:
        return [(body.sitting, body.state, body.plan) for body in self.put if isinstance(body, SittingState)]

    def gaps(self) -> list[tuple[str, Instant, Instant, GapCause]]:
        return [(gap.sitting, gap.began, gap.ended, gap.cause) for gap in self.put if isinstance(gap, Gap)]

    def close_segment(self, began_s: float, ended_s: float, sitting: str = "maths-1") -> None:
        """The recorder's thread tells of a finished file."""
        closed = ClosedSegment(
            name=f"b000003-{round(began_s):06}-u1-t1-s{sitting}.ts",
            sitting=sitting,
            boot=3,
            began_up_ms=at(began_s).up_ms,
            ended_up_ms=at(ended_s).up_ms,
            began_utc_ms=at(began_s).utc_ms,
            ended_utc_ms=at(ended_s).utc_ms,
            frames=15,
            size_bytes=1000,
            sha256="cd" * 32,
            is_cut=False,
        )
        self.keeper.take_segment(closed, at(ended_s))


def plan(*sittings: PlannedSitting, number: int = 1) -> Plan:
    return Plan(number=number, sittings=sittings)


def frame() -> MainFrame:
    return MainFrame(1, 1, np.zeros((24, 16), np.uint8))


def test_no_plan_no_recording() -> None:
    """Neither without a plan, nor with an empty one, nor before the start is a picture kept or anybody judged."""
    for kept in (None, plan(), plan(SECOND)):
        desk = Desk(Memory(kept))
        desk.keeper.follow(at(5), True)
        desk.keeper.take_frame(frame())
        desk.keeper.press(at(6))
        assert (desk.recorder.calls, desk.recorder.frames, desk.judging.rules, desk.put) == ([], 0, None, [])
        assert desk.keeper.recorded_s(at(6).up_ms) == 0


def test_a_sitting_begins_and_ends_by_the_plan() -> None:
    """At its start it is recorded and judged by its own rules, at its end neither; both are recorded, and what is
    remembered for the next start is right in between."""
    desk = Desk(Memory(plan(FIRST, number=7)))
    desk.keeper.follow(at(-0.1), True)
    assert desk.put == []
    desk.keeper.follow(at(0.1), True)
    desk.keeper.take_frame(frame())
    assert desk.recorder.calls == ["begin maths-1"]
    assert desk.recorder.frames == 1
    assert (desk.judging.rules, desk.memory.kept_sitting) == (FIRST.rules, "maths-1")
    desk.keeper.follow(at(3600), True)
    desk.keeper.take_frame(frame())
    assert desk.recorder.calls[-1] == "end"
    assert desk.recorder.frames == 1
    assert (desk.judging.rules, desk.memory.kept_sitting) == (None, "")
    assert desk.states() == [("maths-1", "started", 7), ("maths-1", "ended", 7)]
    assert desk.times[-1] == at(3600)
    assert (desk.keeper.current, desk.keeper.since_up_ms) == (None, None)


def test_one_sitting_follows_another() -> None:
    """The next begins in the tick in which the one before ends, with its alerts numbered on."""
    desk = Desk(Memory(plan(FIRST, SECOND)))
    desk.keeper.follow(at(1), True)
    desk.judging.next_n = 3
    desk.keeper.follow(at(3600), True)
    assert desk.recorder.calls == ["begin maths-1", "end", "begin maths-2"]
    assert [state[:2] for state in desk.states()] == [
        ("maths-1", "started"),
        ("maths-1", "ended"),
        ("maths-2", "started"),
    ]
    assert desk.judging.first_n == 3
    assert desk.memory.kept_sitting == "maths-2"


def test_the_first_segment_is_a_short_one() -> None:
    """So that the gap before it is told within seconds; one cut, not one each tick."""
    desk = Desk(Memory(plan(FIRST)))
    for tick in range(20):
        desk.keeper.follow(at(0.1 + tick * 0.2), True)
    assert desk.recorder.calls == ["begin maths-1", "cut"]
    cut_tick = FIRST_SEGMENT_MS / 1000
    early = Desk(Memory(plan(FIRST)))
    early.keeper.follow(at(0.1), True)
    early.keeper.follow(at(0.1 + cut_tick - 0.01), True)
    assert early.recorder.calls == ["begin maths-1"]


def test_changed_rules_take_effect_without_a_break_in_the_recording() -> None:
    """What stood is cleared under the old plan, judging goes on by the new rules, numbers go on, and the file is not
    touched."""
    desk = Desk(Memory(plan(FIRST)))
    desk.keeper.follow(at(1), True)
    views = [desk.judging.is_new_view]
    desk.judging.next_n = 2
    moved = msgspec.structs.replace(FIRST, rules=(RULE,), seat="A2", end_utc_ms=T0_MS + 2 * HOUR_MS)
    desk.memory.kept_plan = plan(moved, number=2)
    desk.keeper.follow(at(10), True)
    assert desk.changes == [(1, "cleared", "A1")]
    assert (desk.judging.rules, desk.judging.first_n) == ((RULE,), 2)
    views.append(desk.judging.is_new_view)
    assert views == [True, False], "a camera that has moved has still moved"
    assert desk.recorder.calls == ["begin maths-1", "cut"]
    assert desk.keeper.current == moved
    assert desk.keeper.since_up_ms == at(1).up_ms
    desk.keeper.follow(at(10.2), True)
    assert len(desk.states()) == 1


def test_a_sitting_that_is_taken_out_of_the_plan_ends() -> None:
    """The hub's word holds at once."""
    desk = Desk(Memory(plan(FIRST)))
    desk.keeper.follow(at(1), True)
    desk.memory.kept_plan = plan(number=2)
    desk.keeper.follow(at(2), True)
    assert desk.recorder.calls == ["begin maths-1", "end"]
    assert desk.states()[-1] == ("maths-1", "ended", 2)


def test_a_stop_of_the_agent_is_no_end_of_the_sitting() -> None:
    """The recording is closed and what stands is cleared, but the next start knows that it must go on."""
    desk = Desk(Memory(plan(FIRST)))
    desk.keeper.follow(at(1), True)
    desk.judging.next_n = 2
    desk.keeper.press(at(2))
    desk.keeper.end(at(3), is_over=False)
    assert desk.recorder.calls == ["begin maths-1", "end"]
    assert [state[1] for state in desk.states()] == ["started"]
    assert desk.memory.kept_sitting == "maths-1"
    assert desk.changes == [(1, "cleared", "A1")]
    calls = [body for body in desk.put if isinstance(body, Alert)]
    assert [call.state for call in calls] == ["raised", "cleared"]
    desk.keeper.end(at(4), is_over=False)
    assert desk.recorder.calls == ["begin maths-1", "end"]


def test_resuming_after_a_crash_tells_the_gap() -> None:
    """The gap runs from the last recorded second to the first new one, is told with the first segment, and only once;
    the seconds of the run before count on."""
    desk = Desk(Memory(plan(FIRST), "maths-1", at(100), 100_000), was_clean=False)
    desk.keeper.follow(at(130), True)
    assert [state[:2] for state in desk.states()] == [("maths-1", "resumed")]
    assert desk.gaps() == []
    desk.close_segment(131, 133)
    desk.close_segment(133, 143)
    assert desk.gaps() == [("maths-1", at(100), at(131), GapCause.POWER_OR_CRASH)]
    assert desk.keeper.recorded_s(at(143).up_ms) == 112
    assert desk.keeper.recorded_s(at(144).up_ms) == 113
    assert [type(body) for body in desk.put] == [SittingState, Gap, SegmentClosed, SegmentClosed]


def test_a_clean_restart_and_a_late_start_have_their_own_cause() -> None:
    """Nobody looks for a broken power supply after an update."""
    restarted = Desk(Memory(plan(FIRST), "maths-1", at(100), 100_000), was_clean=True)
    restarted.keeper.follow(at(110), True)
    restarted.close_segment(111, 113)
    assert restarted.gaps() == [("maths-1", at(100), at(111), GapCause.RESTART)]
    late = Desk(Memory(plan(FIRST)), was_clean=False)
    late.keeper.follow(at(60), True)
    late.close_segment(61, 63)
    ((_, began, ended, cause),) = late.gaps()
    assert (began.utc_ms, ended, cause) == (T0_MS, at(61), GapCause.LATE_START)


def test_a_crash_is_blamed_for_one_gap_only() -> None:
    """The next sitting of the same run begins late for a reason of its own, or not at all."""
    desk = Desk(Memory(plan(FIRST, SECOND), "maths-1", at(100), 100_000), was_clean=False)
    desk.keeper.follow(at(130), True)
    desk.close_segment(131, 133)
    desk.keeper.follow(at(3600.1), True)
    desk.close_segment(3600.3, 3602, "maths-2")
    assert [gap[3] for gap in desk.gaps()] == [GapCause.POWER_OR_CRASH]


def test_without_a_clock_the_desk_resumes_at_once() -> None:
    """After a power cut with no time server the unfinished sitting goes on, whatever the wall clock says, and the gap
    has no known length."""
    desk = Desk(Memory(plan(FIRST), "maths-1", at(100), 100_000), was_clean=False)
    wrong = Instant(at(-500_000).utc_ms, 9_000)
    desk.keeper.follow(wrong, False)
    assert desk.recorder.calls == ["begin maths-1"]
    desk.close_segment(131, 133)
    (gap,) = [body for body in desk.put if isinstance(body, Gap)]
    assert not gap.is_length_known


def test_a_clock_that_was_right_once_stays_trusted() -> None:
    """The time server going away in the middle of a sitting changes nothing."""
    desk = Desk(Memory(plan(FIRST)))
    desk.keeper.follow(at(1), True)
    desk.keeper.follow(at(2), False)
    desk.keeper.follow(at(3600), False)
    assert [state[1] for state in desk.states()] == ["started", "ended"]


def test_the_recorders_gaps_are_told_as_they_are() -> None:
    """A gap in the middle of a run keeps its own times and cause."""
    desk = Desk(Memory(plan(FIRST)))
    desk.keeper.follow(at(0.1), True)
    desk.close_segment(0.3, 2)
    desk.keeper.take_gap(up_ns(2), up_ns(9), GapCause.STORAGE_FULL)
    assert desk.gaps() == [("maths-1", at(2), at(9), GapCause.STORAGE_FULL)]
    assert desk.times[-1] == at(9)


def test_a_run_that_begins_with_a_gap_tells_what_lies_before() -> None:
    """After a crash onto a full disk: the time without power and the time without space are two gaps that meet, and
    the first segment adds no third."""
    desk = Desk(Memory(plan(FIRST), "maths-1", at(100), 100_000), was_clean=False)
    desk.keeper.follow(at(130), True)
    desk.keeper.take_gap(up_ns(131), up_ns(150), GapCause.STORAGE_FULL)
    desk.close_segment(150, 152)
    assert desk.gaps() == [
        ("maths-1", at(100), at(131), GapCause.POWER_OR_CRASH),
        ("maths-1", at(131), at(150), GapCause.STORAGE_FULL),
    ]


def test_a_sitting_that_ends_while_the_camera_is_lost() -> None:
    """A run without one picture: recorder and keeper together account for every second up to the end."""
    desk = Desk(Memory(plan(FIRST), "maths-1", at(100), 100_000), was_clean=False)
    desk.keeper.follow(at(130), True)
    desk.recorder.at_end = lambda: desk.keeper.take_gap(up_ns(130), up_ns(3600), GapCause.CAMERA_LOST)
    desk.keeper.follow(at(3600), True)
    assert desk.gaps() == [
        ("maths-1", at(100), at(130), GapCause.POWER_OR_CRASH),
        ("maths-1", at(130), at(3600), GapCause.CAMERA_LOST),
    ]
    assert isinstance(desk.put[-1], SittingState)


def test_late_words_of_a_slow_disk_name_the_sitting_they_are_of() -> None:
    """Segment and gap of a sitting that is over do not become the next one's, nor nobody's."""
    desk = Desk(Memory(plan(FIRST, msgspec.structs.replace(SECOND, start_utc_ms=T0_MS + HOUR_MS + 60_000))))
    desk.keeper.follow(at(0.1), True)
    desk.close_segment(0.3, 2)
    desk.keeper.follow(at(3600), True)
    desk.keeper.take_gap(up_ns(3500), up_ns(3590), GapCause.STORAGE_FAILED)
    desk.keeper.follow(at(3660), True)
    desk.keeper.take_gap(up_ns(3590), up_ns(3600), GapCause.STORAGE_FAILED)
    desk.close_segment(3400, 3500)
    assert [(gap[0], gap[1]) for gap in desk.gaps()] == [("maths-1", at(3500)), ("maths-1", at(3590))]
    assert desk.keeper.recorded_s(at(3660).up_ms) == 0
    desk.close_segment(3660.2, 3662, "maths-2")
    assert desk.keeper.recorded_s(at(3662).up_ms) == 1.8 + 0.2 - 0.2


def test_the_button_calls_and_calls_off() -> None:
    """The first press raises the call, the second clears it under the same name, the third is a new call."""
    desk = Desk(Memory(plan(FIRST)))
    desk.keeper.follow(at(1), True)
    for s in (10, 20, 30):
        desk.keeper.press(at(s))
    calls = [body for body in desk.put if isinstance(body, Alert)]
    assert [(call.alert_kind, call.state) for call in calls] == [
        (AlertKind.HELP_REQUESTED, "raised"),
        (AlertKind.HELP_REQUESTED, "cleared"),
        (AlertKind.HELP_REQUESTED, "raised"),
    ]
    assert calls[0].alert == calls[1].alert != calls[2].alert
    assert calls[1].cleared == at(20)
    assert desk.keeper.help == calls[2]


def test_a_call_ends_with_its_sitting() -> None:
    """No call for help stands at an empty desk."""
    desk = Desk(Memory(plan(FIRST)))
    desk.keeper.follow(at(1), True)
    desk.keeper.press(at(10))
    desk.keeper.follow(at(3600), True)
    calls = [body for body in desk.put if isinstance(body, Alert)]
    assert [call.state for call in calls] == ["raised", "cleared"]
    assert desk.keeper.help is None


LEFT, RIGHT = (Mask(kind="private", points=((x, 0.0), (x + 0.5, 0.0), (x + 0.5, 1.0), (x, 1.0))) for x in (0.0, 0.5))


def test_a_private_mask_holds_from_when_it_is_known() -> None:
    """Before the sitting's first frame, and in a running sitting before the next tick: no picture is ever encoded by
    the masks of an older plan."""
    masked = msgspec.structs.replace(FIRST, masks=(LEFT,))
    desk = Desk(Memory(plan(masked)))
    assert desk.keeper.zones().masks == (LEFT,)
    seen: list[tuple[Mask, ...]] = []
    desk.recorder.at_begin = lambda: seen.append(desk.keeper.zones().masks)
    desk.keeper.follow(at(1), True)
    assert seen == [(LEFT,)]
    desk.memory.kept_plan = plan(msgspec.structs.replace(FIRST, masks=(RIGHT,)), number=2)
    assert desk.keeper.zones().masks == (RIGHT,)
    desk.memory.kept_plan = plan(number=3)
    assert desk.keeper.zones().masks == (LEFT,)
    desk.keeper.follow(at(2), True)
    assert desk.keeper.zones().masks == ()


def test_the_seats_masks_need_no_sitting() -> None:
    """A plan without sittings hides what is private, and goes on hiding it when a sitting has come and gone."""
    desk = Desk(Memory(plan()))
    for number, sittings in enumerate(((), (FIRST,), ()), start=1):
        desk.memory.kept_plan = msgspec.structs.replace(plan(*sittings, number=number), masks=(LEFT,))
        assert desk.keeper.zones().masks == (LEFT,)
        desk.keeper.follow(at(number), True)
        assert (desk.keeper.current is not None) is bool(sittings)
        assert desk.keeper.zones().masks == (LEFT,)


def test_changed_masks_are_no_break_in_the_recording() -> None:
    """A plan that differs in its masks alone goes on in the same file."""
    desk = Desk(Memory(plan(FIRST)))
    desk.keeper.follow(at(1), True)
    desk.memory.kept_plan = plan(msgspec.structs.replace(FIRST, masks=(LEFT,)), number=2)
    desk.keeper.follow(at(2), True)
    assert [call.split()[0] for call in desk.recorder.calls] == ["begin"]
    assert desk.keeper.current is not None
    assert desk.keeper.current.masks == (LEFT,)
