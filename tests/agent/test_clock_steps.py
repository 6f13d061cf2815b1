"""A wall clock that is set in the middle of a sitting: order and lengths hold by boot time, and nothing is rewritten.

Recorder, segment files, records and the keeper of the sitting are the real ones; only the clock is the test's."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from unittest.mock import Mock

import pytest

from agent import host, wire
from agent.core import bodies
from agent.core.observation import Observation, Scene
from agent.core.timeline import MINUTE_MS, Timeline, seat_rule
from agent.equipment import Equipment
from agent.recording.recorder import Recorder
from agent.records import Records
from agent.sitting import TAKEN_UP_AGAIN, SittingKeeper
from agent.wire import ClockStep, Gap, GapCause, Instant, Observed, Plan, PlannedSitting, SegmentClosed, SittingState
from tests.agent.test_recording import FPS, PICTURE_NS, SIZE, numbered
from tests.support import wait_for

UNIT = "hall.desk-01"
HOUR_MS = 3_600_000
MIDNIGHT_MS = 1_800_057_600_000
"""2027-01-16, 00:00 UTC."""
MAKER = bodies.Maker(boot=1, software="1", model_sha256="ab" * 32)


class Clock(host.Clock):
    """Both clocks as the test sets them."""

    def __init__(self, utc_ms: int, up_ms: int, *, is_trusted: bool = True) -> None:
        super().__init__()
        self.utc_ns, self.ns, self.is_trusted = utc_ms * 1_000_000, up_ms * 1_000_000, is_trusted

    def up_ns(self) -> int:
        return self.ns

    def _both_ns(self) -> tuple[int, int]:
        return self.utc_ns, self.ns

    def is_ok(self) -> bool:
        return self.is_trusted

    def step(self, ms: int) -> None:
        self.utc_ns += ms * 1_000_000

    def pass_ns(self, ns: int) -> None:
        self.ns += ns
        self.utc_ns += ns


class Judging:
    def judge_by(self, rules: object, first_n: int, *, pauses: object = (), is_new_view: bool = True) -> None:
        pass

    def end_judging(self, now: Instant) -> tuple[list[object], int]:
        return [], 1


class Run:
    """One run of the agent on the card in `folder`, from its start to `end` or `kill`."""

    def __init__(self, folder: Path, clock: Clock, plan: Plan | None = None, os_boot: str = "boot-1") -> None:
        self.clock, self.records = clock, Records(folder, UNIT)
        if plan is not None:
            self.records.save_plan(wire.encode(plan))
        self.bodies: list[wire.Body] = []
        self._pictures = 0
        self.recorder = Recorder(
            folder / "segments",
            boot=self.records.boot,
            size=SIZE,
            fps=FPS,
            bitrate_bps=400_000,
            segment_s=2,
            reserve_bytes=0,
            clock=clock.up_ns,
            to_utc_ms=clock.utc_ms_at,
            on_closed=lambda segment: self.keeper.take_segment(segment, clock.now()),
            on_gap=lambda began, ended, cause: self.keeper.take_gap(began, ended, cause),
        )
        self.put(
            wire.Restart(os_boot=os_boot, previous_boot=self.records.previous.boot, is_clean=False, software="1"),
            clock.now(),
        )
        self.keeper = SittingKeeper(
            self.recorder,
            Judging(),  # type: ignore[arg-type]
            self.records,
            self.records.set_sitting,
            self.put,
            lambda changes, sitting, rgb: None,
            lambda up_ns: Instant(clock.utc_ms_at(up_ns), up_ns // 1_000_000),
            MAKER,
            was_clean=self.records.previous.is_clean,
            os_boot=os_boot,
        )
        # of the equipment only what follows the clock
        self.equipment = Equipment(clock, self.records, self.keeper, Mock(), self.put, Mock(), low_bytes=0)

    def put(self, body: wire.Body, now: Instant) -> None:
        self.bodies.append(body)
        self.records.append(body, now, self.clock.is_ok())

    def play(self, seconds: float) -> None:
        """Capture for so long, ticking five times a second; each picture is written before the next comes."""
        for picture in range(round(seconds * FPS)):
            if picture % 3 == 0:
                self.equipment.follow_clock(self.clock.now())
                self.keeper.follow(self.clock.now(), self.clock.is_ok())
            self.clock.pass_ns(PICTURE_NS)
            self._pictures += 1
            before = self.recorder.progress().frames_written
            self.keeper.take_frame(numbered(self._pictures % 4096, self.clock.ns))  # type: ignore[arg-type]
            if self.keeper.current is not None:
                wait_for(lambda before=before: self.recorder.progress().frames_written > before, every_s=0.001)  # type: ignore[misc]

    def end(self) -> None:
        self.keeper.end(self.clock.now(), is_over=False)
        assert self.recorder.close()
        self.records.close()

    def told(self, kind: type[wire.Body]) -> list[wire.Body]:
        return [body for body in self.bodies if isinstance(body, kind)]

    def stretches(self) -> list[SegmentClosed | Gap]:
        return [body for body in self.bodies if isinstance(body, SegmentClosed | Gap)]

    def steps(self) -> list[int]:
        return [body.step_ms for body in self.bodies if isinstance(body, ClockStep)]


def check_coverage(run: Run, until_up_ms: int) -> None:
    """By boot time each moment from the first stretch on is in one segment or gap, no stretch is negative, and each is
    as long on the wall clock as it was."""
    stretches = sorted(run.stretches(), key=lambda each: each.began.up_ms)
    for before, after in pairwise(stretches):
        assert 0 <= after.began.up_ms - before.ended.up_ms <= 1, (before, after)
    for each in stretches:
        length_ms = each.ended.up_ms - each.began.up_ms
        assert length_ms >= 0
        assert each.ended.utc_ms - each.began.utc_ms == pytest.approx(length_ms, abs=1)
    assert stretches[-1].ended.up_ms == pytest.approx(until_up_ms, abs=100)
    ordered = [body for body in run.bodies if isinstance(body, SegmentClosed)]
    assert [each.name for each in ordered] == sorted(each.name for each in ordered)


def sitting(start_ms: int, end_ms: int) -> Plan:
    one = PlannedSitting(
        sitting="maths-1", exam="Maths", room="Hall", seat="A1", start_utc_ms=start_ms, end_utc_ms=end_ms
    )
    return Plan(number=1, sittings=(one,))


@pytest.mark.parametrize(
    ("at_ms", "step_ms"),
    [
        (10 * HOUR_MS, HOUR_MS),
        (10 * HOUR_MS, -HOUR_MS),
        (5_000, -35_000),
        (-5_000, 65_000),
    ],
    ids=["an hour forward", "an hour back, to before the start", "back across midnight", "forward across midnight"],
)
def test_a_step_in_the_middle_of_a_sitting(tmp_path: Path, at_ms: int, step_ms: int) -> None:
    """Not one picture is missing, nothing is ended or begun, and a record says by how much the clock was set."""
    now_ms = MIDNIGHT_MS + at_ms
    clock = Clock(now_ms, 900_000)
    run = Run(tmp_path, clock, sitting(now_ms - 500, now_ms + 3 * HOUR_MS))
    run.play(5)
    before = list(run.bodies)
    clock.step(step_ms)
    run.play(5)
    run.end()
    assert run.bodies[: len(before)] == before
    assert run.steps() == [step_ms]
    check_coverage(run, 910_000)
    assert [body for body in run.told(Gap)] == []
    assert [body.state for body in run.told(SittingState)] == ["started"]  # type: ignore[union-attr]
    with Records(tmp_path, UNIT) as records:
        assert records.verify() == []
        assert len(records.segments()) == len(run.told(SegmentClosed))
        assert records.recorded("maths-1")[0] == pytest.approx(10_000, abs=200)


def test_a_clock_that_ends_the_sitting_and_is_set_back(tmp_path: Path) -> None:
    """Five hours forward, for six seconds: the sitting is over by that clock, and is taken up again by the right one;
    what was missed is a gap as long as it was, and says why."""
    clock = Clock(MIDNIGHT_MS, 900_000)
    run = Run(tmp_path, clock, sitting(MIDNIGHT_MS - 500, MIDNIGHT_MS + 3 * HOUR_MS))
    run.play(5)
    clock.step(5 * HOUR_MS)
    run.play(6)
    clock.step(-5 * HOUR_MS)
    run.play(5)
    run.end()
    assert run.steps() == [5 * HOUR_MS, -5 * HOUR_MS]
    check_coverage(run, 916_000)
    (gap,) = run.told(Gap)
    assert isinstance(gap, Gap)
    assert (gap.is_length_known, gap.detail) == (True, TAKEN_UP_AGAIN)
    assert gap.ended.up_ms - gap.began.up_ms == pytest.approx(6_000, abs=300)
    assert [body.state for body in run.told(SittingState)] == ["started", "ended", "resumed"]  # type: ignore[union-attr]


def test_a_start_in_1970_that_is_corrected_late(tmp_path: Path) -> None:
    """After a power cut the machine has no time: the sitting goes on at once in boot time, its gap of unknown length;
    when the time comes nothing is ended, begun or told again, and the step says what the earlier times mean."""
    plan = sitting(MIDNIGHT_MS - 500, MIDNIGHT_MS + 3 * HOUR_MS)
    first = Run(tmp_path, Clock(MIDNIGHT_MS, 900_000), plan)
    first.play(3)
    first.recorder.close()
    first.records.close()  # as if the power had gone
    clock = Clock(3_000, 20_000, is_trusted=False)
    run = Run(tmp_path, clock, os_boot="boot-2")
    run.play(5)
    clock.step(MIDNIGHT_MS + 600_000 - 8_000)
    clock.is_trusted = True
    run.play(5)
    run.end()
    assert run.steps() == [MIDNIGHT_MS + 600_000 - 8_000]
    (gap,) = run.told(Gap)
    assert isinstance(gap, Gap)
    assert (gap.cause, gap.is_length_known) == (GapCause.POWER_OR_CRASH, False)
    assert gap.began.utc_ms <= gap.ended.utc_ms
    run.bodies.remove(gap)
    check_coverage(run, 30_000)
    assert [body.state for body in run.told(SittingState)] == ["resumed"]  # type: ignore[union-attr]
    with Records(tmp_path, UNIT) as records:
        assert records.verify() == []
        assert records.recorded("maths-1")[0] == pytest.approx(13_000, abs=300)


def test_a_clock_at_the_very_beginning_of_1970(tmp_path: Path) -> None:
    """Set to a few seconds after 1970 with a machine up for longer: what began before has the time nought, and is
    recorded; no name and no record can carry less."""
    clock = Clock(MIDNIGHT_MS, 900_000)
    run = Run(tmp_path, clock, sitting(0, MIDNIGHT_MS + HOUR_MS))
    run.play(3)
    clock.utc_ns = 500_000_000
    run.play(5)
    run.end()
    check_coverage_up = [(each.began.up_ms, each.ended.up_ms) for each in run.stretches()]
    assert all(ended == began for (_, ended), (began, _) in pairwise(check_coverage_up))
    assert all(each.began.utc_ms >= 0 for each in run.stretches())
    assert clock.utc_ms_at(1) == 0


def test_a_restart_with_a_clock_that_was_set_meanwhile(tmp_path: Path) -> None:
    """The agent ends and starts within one boot of the machine: the gap is as long as boot time says."""
    plan = sitting(MIDNIGHT_MS - 2 * HOUR_MS, MIDNIGHT_MS + 3 * HOUR_MS)
    clock = Clock(MIDNIGHT_MS, 900_000)
    first = Run(tmp_path, clock, plan)
    first.play(3)
    first.end()
    clock.pass_ns(20 * 10**9)
    clock.step(-HOUR_MS)
    run = Run(tmp_path, clock)
    run.play(3)
    run.end()
    (gap,) = run.told(Gap)
    assert isinstance(gap, Gap)
    assert gap.is_length_known
    assert gap.ended.up_ms - gap.began.up_ms == pytest.approx(20_000, abs=300)
    check_coverage(run, 926_000)


def test_a_minute_of_the_timeline_never_ends_before_it_began() -> None:
    """Whatever is done to the wall clock within it."""
    timeline = Timeline("maths-1", seat_rule(()))
    scene = Scene(brightness=120, detail=20, is_covered=False, is_low_light=False, is_frozen=None, shift=None)
    minutes: list[Observed] = []
    for n in range(1_000):
        utc_ms = MIDNIGHT_MS + 200 * n - (HOUR_MS if n > 100 else 0)
        minutes += timeline.add(Observation(900_000 + 200 * n, utc_ms, (), scene, 10.0, None, 0.0))
    assert len(minutes) == 3
    for minute in minutes:
        assert minute.ended.up_ms - minute.began.up_ms == MINUTE_MS
        assert minute.ended.utc_ms - minute.began.utc_ms == MINUTE_MS
