"""The stretches of a sitting before and between two runs of the agent: recorded, or a gap with its cause."""

from __future__ import annotations

from agent.wire import Gap, GapCause, Instant, PlannedSitting

SHORTEST_START_MS = 1_000
"""A sitting's first picture within a second of its start is in time: the plan is looked at five times a second."""
SHORTEST_BREAK_MS = 250
"""Between two runs of the agent something is always missing; less than four pictures need no record of their own."""


def gap_before(
    sitting: PlannedSitting,
    recorded_until: Instant | None,
    begin: Instant,
    *,
    was_clean: bool,
    is_clock_ok: bool,
) -> Gap | None:
    """The gap that ends with `begin`, the first picture this run has recorded; None when there is none. What is missing
    after it the recorder itself reports.

    `recorded_until` is the end of the sitting's last segment (None: it has none yet). `was_clean`: the run before
    ended in order, so nothing went wrong with power or process. Without a clock to trust the length is unknown: both
    ends are what the clock said.
    """
    if recorded_until is None:
        began, cause = Instant(sitting.start_utc_ms, begin.up_ms), GapCause.LATE_START
    else:
        began, cause = recorded_until, GapCause.RESTART if was_clean else GapCause.POWER_OR_CRASH
    shortest_ms = SHORTEST_START_MS if recorded_until is None else SHORTEST_BREAK_MS
    if is_clock_ok and begin.utc_ms - began.utc_ms <= shortest_ms:
        return None
    if not is_clock_ok and recorded_until is None:
        return None  # the sitting begins when this desk says so: there is no other clock
    ended = Instant(max(begin.utc_ms, began.utc_ms), begin.up_ms)
    return Gap(
        sitting=sitting.sitting,
        began=began,
        ended=ended,
        cause=cause,
        is_length_known=is_clock_ok,
        seat=sitting.seat,
    )
