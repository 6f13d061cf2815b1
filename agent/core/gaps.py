"""The stretches of a sitting before and between two runs of the agent: recorded, or a gap with its cause."""

from __future__ import annotations

from agent.wire import Gap, GapCause, Instant, PlannedSitting

SHORTEST_START_MS = 1_000
"""A sitting's first picture within a second of its start is in time: the plan is looked at five times a second."""
SHORTEST_BREAK_MS = 250
"""Between two runs of the agent something is always missing; less than four pictures need no record of their own."""


CLOCKS_AGREE_MS = 1_000
"""Further apart than this, wall clock and boot time tell different lengths: the wall clock was set in between."""


def gap_before(
    sitting: PlannedSitting,
    recorded_until: Instant | None,
    begin: Instant,
    *,
    was_clean: bool,
    is_clock_ok: bool,
    is_same_boot: bool = False,
    detail: str = "",
) -> Gap | None:
    """The gap that ends with `begin`, the first picture this run has recorded; None when there is none. What is missing
    after it the recorder itself reports.

    `recorded_until` is the end of the sitting's last segment (None: it has none yet), `is_same_boot`: in this boot of
    the machine, so that boot time tells the length, whatever became of the wall clock. `was_clean`: the run before
    ended in order, so nothing went wrong with power or process. Without boot time and a clock to trust, or with one
    that says that `begin` came before `recorded_until`, the length is unknown: both ends are what the clock said.
    """
    if recorded_until is None:
        if not is_clock_ok or begin.utc_ms - sitting.start_utc_ms <= SHORTEST_START_MS:
            return None  # without a clock the sitting begins when this desk says so: there is no other one
        began, cause, is_known = Instant(sitting.start_utc_ms, begin.up_ms), GapCause.LATE_START, True
    else:
        cause = GapCause.RESTART if was_clean else GapCause.POWER_OR_CRASH
        by_clock_ms, by_boot_ms = begin.utc_ms - recorded_until.utc_ms, begin.up_ms - recorded_until.up_ms
        began, is_known = recorded_until, is_clock_ok
        if is_same_boot and by_boot_ms >= 0:
            if by_boot_ms <= SHORTEST_BREAK_MS:
                return None
            is_known = True
            if abs(by_clock_ms - by_boot_ms) > CLOCKS_AGREE_MS:
                began = Instant(max(0, begin.utc_ms - by_boot_ms), recorded_until.up_ms)
        elif is_clock_ok and 0 <= by_clock_ms <= SHORTEST_BREAK_MS:
            return None
        elif is_clock_ok and by_clock_ms < 0:
            began, is_known = begin, False
    return Gap(
        sitting=sitting.sitting,
        began=began,
        ended=Instant(max(begin.utc_ms, began.utc_ms), begin.up_ms),
        cause=cause,
        is_length_known=is_known,
        detail=detail,
        seat=sitting.seat,
    )
