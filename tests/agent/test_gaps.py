"""The gap before a run of the agent: every second of a sitting is recorded or told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.core.gaps import CLOCKS_AGREE_MS, SHORTEST_BREAK_MS, SHORTEST_START_MS, gap_before
from agent.wire import GapCause, Instant, PlannedSitting, seal

HOUR_MS = 3_600_000
START_MS = 1_800_000_000_000
SITTING = PlannedSitting(
    sitting="maths-1", exam="Maths", room="Hall A", seat="A1", start_utc_ms=START_MS, end_utc_ms=START_MS + HOUR_MS
)

utc_ms = st.integers(START_MS - HOUR_MS, START_MS + 2 * HOUR_MS)
up_ms = st.integers(0, 10**9)
instants = st.builds(Instant, utc_ms, up_ms)


@given(st.none() | instants, instants, st.booleans(), st.booleans())
def test_a_gap_runs_forward_and_ends_with_the_first_picture(
    until: Instant | None, begin: Instant, was_clean: bool, is_clock_ok: bool
) -> None:
    """Its end is the run's first picture on the desk's own clock; it never ends before it began on the wall clock,
    and the language takes it."""
    gap = gap_before(SITTING, until, begin, was_clean=was_clean, is_clock_ok=is_clock_ok)
    if gap is None:
        return
    assert gap.sitting == "maths-1"
    assert gap.ended.up_ms == begin.up_ms
    assert gap.began.utc_ms <= gap.ended.utc_ms
    is_backwards = until is not None and begin.utc_ms < until.utc_ms
    assert gap.is_length_known is (is_clock_ok and not is_backwards)
    seal(gap, unit="a.b", boot=1, seq=1, now=begin, is_clock_ok=is_clock_ok, prev="0" * 64, sign=lambda _: b"\0" * 64)


@given(st.none() | instants, instants, st.booleans())
def test_with_a_clock_nothing_longer_is_passed_over(until: Instant | None, begin: Instant, was_clean: bool) -> None:
    """The gap begins exactly where the recording ended, or the sitting began, and there is one exactly when more is
    missing than a start, or a new beginning, must have; or when the clock says that the recording had not ended yet:
    it was set back, and something is missing, nobody knows how much."""
    from_ms = SITTING.start_utc_ms if until is None else until.utc_ms
    shortest_ms = SHORTEST_START_MS if until is None else SHORTEST_BREAK_MS
    gap = gap_before(SITTING, until, begin, was_clean=was_clean, is_clock_ok=True)
    is_backwards = until is not None and begin.utc_ms < from_ms
    assert (gap is not None) is (begin.utc_ms - from_ms > shortest_ms or is_backwards)
    if gap is not None and is_backwards:
        assert (gap.began, gap.ended) == (begin, begin)
    elif gap is not None:
        assert (gap.began.utc_ms, gap.ended.utc_ms) == (from_ms, begin.utc_ms)


@given(instants, instants, st.booleans())
def test_without_a_clock_an_interruption_is_always_told(until: Instant, begin: Instant, was_clean: bool) -> None:
    """Nobody knows how long the power was gone, so it is told, with a length that is not known."""
    gap = gap_before(SITTING, until, begin, was_clean=was_clean, is_clock_ok=False)
    assert gap is not None
    assert gap.began == until
    assert not gap.is_length_known


@given(instants, st.booleans())
def test_without_a_clock_a_sitting_begins_when_the_desk_says_so(begin: Instant, was_clean: bool) -> None:
    """With nothing recorded yet there is no other word on when it should have begun."""
    assert gap_before(SITTING, None, begin, was_clean=was_clean, is_clock_ok=False) is None


@given(instants, utc_ms, st.integers(0, HOUR_MS), st.booleans(), st.booleans())
def test_within_a_boot_of_the_machine_boot_time_tells_the_length(
    until: Instant, begin_utc_ms: int, missing_ms: int, was_clean: bool, is_clock_ok: bool
) -> None:
    """Whatever the wall clock says now or said then, trusted or not: as long as boot time has it, never negative."""
    begin = Instant(begin_utc_ms, until.up_ms + missing_ms)
    gap = gap_before(SITTING, until, begin, was_clean=was_clean, is_clock_ok=is_clock_ok, is_same_boot=True)
    assert (gap is not None) is (missing_ms > SHORTEST_BREAK_MS)
    if gap is not None:
        assert gap.is_length_known
        assert (gap.began.up_ms, gap.ended) == (until.up_ms, begin)
        by_clock_ms = gap.ended.utc_ms - gap.began.utc_ms
        assert abs(by_clock_ms - missing_ms) <= CLOCKS_AGREE_MS


@given(instants)
def test_causes(until: Instant) -> None:
    """A run that ended in order was restarted; one that did not, lost power or died; none at all means a late start."""
    begin = Instant(until.utc_ms + 5000, 1000)
    late = gap_before(SITTING, None, Instant(START_MS + 5000, 9000), was_clean=True, is_clock_ok=True)
    clean = gap_before(SITTING, until, begin, was_clean=True, is_clock_ok=True)
    crashed = gap_before(SITTING, until, begin, was_clean=False, is_clock_ok=True)
    assert late is not None
    assert clean is not None
    assert crashed is not None
    assert [late.cause, clean.cause, crashed.cause] == [
        GapCause.LATE_START,
        GapCause.RESTART,
        GapCause.POWER_OR_CRASH,
    ]
    assert late.began == Instant(START_MS, 9000)
