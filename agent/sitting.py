"""The sitting that is on at this desk: begun, resumed after whatever happened, ended; by the plan and the clocks alone.

It is handed the recorder, the sight, the records and the scribe's `put`, and tells them; it opens nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.camera import MainFrame
from agent.core import bodies, gaps, schedule
from agent.core.judge import AlertChange
from agent.core.masks import Zones, zones_in_force
from agent.core.segments import ClosedSegment
from agent.core.timeline import seat_rule
from agent.wire import (
    Alert,
    Body,
    Gap,
    GapCause,
    Instant,
    Pause,
    Plan,
    PlannedSitting,
    Rule,
    SittingState,
    Witnesses,
)

FIRST_SEGMENT_MS = 1_500
"""The first segment of a run is a short one: when it is closed, the gap before it is known and told."""


TAKEN_UP_AGAIN = "the sitting was ended here and taken up again: the wall clock was set, or the plan changed"


class Recording(Protocol):
    """What is needed of the recorder."""

    def begin(self, sitting: str) -> None: ...

    def end(self, timeout_s: float = ...) -> bool: ...

    def cut(self) -> None: ...

    def feed(self, frame: MainFrame) -> None: ...


class Judging(Protocol):
    """What is needed of the sight."""

    def judge_by(
        self, rules: tuple[Rule, ...], first_n: int, *, pauses: tuple[Pause, ...] = ..., is_new_view: bool = ...
    ) -> None: ...

    def pause_by(self, pauses: tuple[Pause, ...]) -> None: ...

    def end_judging(self, now: Instant) -> tuple[list[AlertChange], int]: ...


class Memory(Protocol):
    """What is needed of the records."""

    def plan(self) -> Plan | None: ...

    def sitting(self) -> str: ...

    def recorded(self, sitting: str) -> tuple[int, Instant | None]:
        """Milliseconds in the sitting's segments, and where the last one ends."""

    def os_boot_of(self, sitting: str) -> str:
        """The machine's boot in which the sitting's last segment was recorded; '' when that is not known."""


def seat_in(plan: Plan | None, current: PlannedSitting | None, sitting: str) -> str:
    """The seat that this desk has in `sitting`, '' when the plan does not know it any more."""
    planned = (() if current is None else (current,)) + (() if plan is None else plan.sittings)
    return next((each.seat for each in planned if each.sitting == sitting), "")


class SittingKeeper:
    """`remember` has the name of the sitting being recorded ('' for none) kept for the next run, and must not wait for
    the card; `now_of` gives both clocks at a boot-time instant in nanoseconds; `was_clean`: the last run ended in
    order; `os_boot` names this boot of the machine."""

    def __init__(
        self,
        recording: Recording,
        judging: Judging,
        memory: Memory,
        remember: Callable[[str], None],
        put: Callable[[Body, Instant], None],
        put_changes: Callable[[list[AlertChange], PlannedSitting, NDArray[np.uint8] | None], None],
        now_of: Callable[[int], Instant],
        maker: bodies.Maker,
        *,
        was_clean: bool,
        os_boot: str = "",
    ) -> None:
        self._os_boot = os_boot
        self._recording, self._judging, self._memory, self._remember = recording, judging, memory, remember
        self._put, self._put_changes, self._now_of, self._maker = put, put_changes, now_of, maker
        self._was_clean = was_clean
        self._is_clock_trusted = False
        self.current: PlannedSitting | None = None
        self.since_up_ms: int | None = None
        """When recording of the current sitting was begun in this run."""
        self.help: Alert | None = None
        self._resumed = memory.sitting() or None
        self._last = memory.sitting()
        self._recorded_ms = 0
        self._open_since_up_ms: int | None = None
        self._recorded_until: Instant | None = None
        self._is_same_boot = False
        self._begun_here: set[str] = set()
        self._taken_up_again = ""
        self._is_first_segment = False
        self._is_cut_due = False
        self._next_alert = 1
        self._zones: tuple[Plan | None, PlannedSitting | None, Zones] = (None, None, Zones())

    # --- called from the camera's, the recorder's and the looking threads -------------------------------------------

    def zones(self) -> Zones:
        """The masks in force at this moment. By the plan as it is kept now, not as it was at the last tick: from when a
        private mask is known, no picture is encoded without it."""
        plan, current = self._memory.plan(), self.current
        of_plan, of_current, zones = self._zones
        if plan is not of_plan or current is not of_current:
            zones = zones_in_force(plan, current)
            self._zones = (plan, current, zones)
        return zones

    def witnesses(self) -> Witnesses:
        """The thresholds by which the seat is judged now."""
        return seat_rule(() if self.current is None else self.current.rules).witnesses

    def is_said_empty(self, utc_ms: int) -> bool:
        """Whether the plan says that nobody is at the seat. Never while a sitting is on: who sits in it must not be
        learned as the empty seat of the next."""
        if self.current is not None:
            return False
        return schedule.seat_said_empty(self._memory.plan(), utc_ms, self._is_clock_trusted) is not None

    def take_frame(self, frame: MainFrame) -> None:
        """Every captured picture; recorded only in a sitting."""
        if self.current is not None:
            self._recording.feed(frame)

    def take_segment(self, segment: ClosedSegment, now: Instant) -> None:
        if self.current is not None and segment.sitting == self.current.sitting:
            self._tell_gap_before(self.current, Instant(segment.began_utc_ms, segment.began_up_ms), now)
            self._recorded_ms += segment.ended_up_ms - segment.began_up_ms
            self._open_since_up_ms = segment.ended_up_ms
        self._put(bodies.segment_body(segment, seat_in(self._memory.plan(), self.current, segment.sitting)), now)

    def take_gap(self, began_up_ns: int, ended_up_ns: int, cause: GapCause) -> None:
        began, ended = self._now_of(began_up_ns), self._now_of(ended_up_ns)
        sitting, current = self._last, self.current
        # a disk that took its time may tell of the sitting before when the next one runs already
        if current is not None and began.up_ms >= (self.since_up_ms or 0):
            sitting = current.sitting
            self._tell_gap_before(current, began, ended)
        seat = seat_in(self._memory.plan(), current, sitting)
        self._put(Gap(sitting=sitting, began=began, ended=ended, cause=cause, seat=seat), ended)

    # --- called from the tick ---------------------------------------------------------------------------------------

    def recorded_s(self, last_written_up_ms: int | None) -> float:
        """Seconds of the current sitting that are in files, the open one up to its last picture included."""
        open_ms = 0
        if self._open_since_up_ms is not None and last_written_up_ms is not None:
            open_ms = max(0, last_written_up_ms - self._open_since_up_ms)
        return (self._recorded_ms + open_ms) / 1000 if self.current is not None else 0.0

    def follow(self, now: Instant, is_clock_ok: bool) -> None:
        """Do what the plan says for this moment. A clock that was right once in this run stays trusted: boot time
        carries it on when the time server goes away."""
        self._is_clock_trusted = self._is_clock_trusted or is_clock_ok
        wanted = schedule.current(self._memory.plan(), now, self._is_clock_trusted, self._resumed, self.since_up_ms)
        if wanted != self.current:
            if self.current is not None and (wanted is None or wanted.sitting != self.current.sitting):
                self.end(now)
            if wanted is not None:
                self._begin(wanted, now)
        if self._is_cut_due and now.up_ms - (self.since_up_ms or now.up_ms) >= FIRST_SEGMENT_MS:
            self._is_cut_due = False
            self._recording.cut()

    def _begin(self, sitting: PlannedSitting, now: Instant) -> None:
        """Begin, or resume after a restart, or go on under a changed plan."""
        if self.current is not None:
            self._go_on(self.current, sitting, now)
            return
        self._recorded_ms, self._recorded_until = self._memory.recorded(sitting.sitting)
        self._is_same_boot = bool(self._os_boot) and self._memory.os_boot_of(sitting.sitting) == self._os_boot
        self._taken_up_again = TAKEN_UP_AGAIN if sitting.sitting in self._begun_here else ""
        self._begun_here.add(sitting.sitting)
        self._open_since_up_ms, self._is_first_segment, self._is_cut_due = now.up_ms, True, True
        self.since_up_ms, self._resumed = now.up_ms, sitting.sitting
        self._remember(sitting.sitting)
        self._recording.begin(sitting.sitting)
        self.current = sitting
        self._judging.judge_by(sitting.rules, self._next_alert, pauses=sitting.pauses)
        self._put_state(sitting, "started" if self._recorded_until is None else "resumed", now)

    def _go_on(self, before: PlannedSitting, sitting: PlannedSitting, now: Instant) -> None:
        """Under a changed plan. Recording knows nothing of it, and what stands or dwells goes on, unless it is judged
        otherwise from now on."""
        if schedule.is_judged_alike(before, sitting):
            self.current = sitting
            self._judging.pause_by(sitting.pauses)
            return
        self._end_judging(before, now)
        self.current = sitting
        self._judging.judge_by(sitting.rules, self._next_alert, pauses=sitting.pauses, is_new_view=False)

    def end(self, now: Instant, *, is_over: bool = True) -> None:
        """The sitting is over; or, with `is_over=False`, this run of the agent is, and the next one resumes it."""
        sitting = self.current
        if sitting is None:
            return
        self._end_judging(sitting, now)
        if self.help is not None:
            self._put(bodies.cleared(self.help, now), now)
            self.help = None
        self._recording.end()
        self.current, self._last = None, sitting.sitting
        if is_over:
            self._remember("")
            self._resumed, self.since_up_ms = None, None
            self._put_state(sitting, "ended", now)

    def _end_judging(self, sitting: PlannedSitting, now: Instant) -> None:
        changes, next_alert = self._judging.end_judging(now)
        self._next_alert = max(self._next_alert, next_alert)
        self._put_changes(changes, sitting, None)

    def _put_state(self, sitting: PlannedSitting, state: str, now: Instant) -> None:
        plan = self._memory.plan()
        number = 0 if plan is None else plan.number
        self._put(SittingState(sitting=sitting.sitting, seat=sitting.seat, state=state, plan=number), now)

    def _tell_gap_before(self, sitting: PlannedSitting, begin: Instant, now: Instant) -> None:
        """Once a run: what lies between the last recorded second, or the sitting's start, and `begin`, the first second
        that this run accounts for, recorded or itself a gap."""
        if not self._is_first_segment:
            return
        self._is_first_segment = False
        gap = gaps.gap_before(
            sitting,
            self._recorded_until,
            begin,
            was_clean=self._was_clean,
            is_clock_ok=self._is_clock_trusted,
            is_same_boot=self._is_same_boot,
            detail=self._taken_up_again,
        )
        self._was_clean = True
        if gap is not None:
            self._put(gap, now)

    def press(self, now: Instant) -> None:
        """The button: the first press asks for help, the next one says that it came."""
        if self.help is not None:
            self._put(bodies.cleared(self.help, now), now)
            self.help = None
        elif self.current is not None:
            self.help = bodies.help_alert(self.current, self._maker, now)
            self._put(self.help, now)
