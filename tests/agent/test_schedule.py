from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.core.schedule import current, newer, seat_said_empty
from agent.wire import Instant, Plan, PlannedSitting


def sitting(name: str, start_utc_ms: int, end_utc_ms: int) -> PlannedSitting:
    return PlannedSitting(
        sitting=name, exam="Algebra", room="1", seat="A1", start_utc_ms=start_utc_ms, end_utc_ms=end_utc_ms
    )


def at(utc_ms: int, up_ms: int = 0) -> Instant:
    return Instant(utc_ms, up_ms)


MORNING = sitting("morning", 1000, 2000)
EVENING = sitting("evening", 3000, 4000)
PLAN = Plan(number=1, sittings=(MORNING, EVENING))


def test_without_a_plan_nothing_is_recorded() -> None:
    """No plan, or an empty one: no recording, not even of a sitting the desk was in."""
    for plan in (None, Plan(number=3)):
        assert current(plan, at(1500), True) is None
        assert current(plan, at(1500), False, "morning") is None


def test_a_sitting_starts_and_ends_by_itself() -> None:
    """From its start up to, and without, its end."""
    on = [current(PLAN, at(utc_ms), True) for utc_ms in (999, 1000, 1999, 2000, 3000, 4000)]
    assert on == [None, MORNING, MORNING, None, EVENING, None]


def test_of_overlapping_sittings_the_one_that_started_last_wins() -> None:
    """In whatever order the plan names them; when it ends, the longer one is on again."""
    late = sitting("late", 1500, 1600)
    for plan in (Plan(number=1, sittings=(MORNING, late)), Plan(number=1, sittings=(late, MORNING))):
        assert [current(plan, at(utc_ms), True) for utc_ms in (1499, 1500, 1600)] == [MORNING, late, MORNING]


def test_of_sittings_that_start_together_the_later_in_the_plan_wins() -> None:
    """So that every desk decides alike."""
    twin = sitting("twin", 1000, 1800)
    assert current(Plan(number=1, sittings=(MORNING, twin)), at(1500), True) == twin


def test_without_a_trusted_clock_the_sitting_it_was_in_goes_on() -> None:
    """After a power cut the desk resumes at once, whatever its wall clock says, until the clock is set."""
    for utc_ms in (0, 1500, 3500, 9_999_999):
        assert current(PLAN, at(utc_ms), False, "morning") == MORNING
    assert current(PLAN, at(3500), True, "morning") == EVENING
    assert current(PLAN, at(9000), True, "morning") is None


def test_a_resumed_sitting_ends_after_its_whole_length() -> None:
    """Without hub and clock a desk does not record for ever, nor does a late clock begin the sitting again."""
    assert current(PLAN, at(500, 1499), False, "morning", resumed_up_ms=500) == MORNING
    assert current(PLAN, at(1500, 1500), False, "morning", resumed_up_ms=500) is None
    assert current(PLAN, at(3500, 1500), False, "morning", resumed_up_ms=500) == EVENING


def test_a_clock_that_is_set_back_before_the_start_stops_no_recording() -> None:
    """The one that runs goes on for its whole length by boot time; a clock that then still says that it has not begun
    is believed, and it begins when it does. What is on by the clock goes first; one that does not run is not begun."""
    assert current(PLAN, at(500, 700), True, "morning", resumed_up_ms=500) == MORNING
    assert current(PLAN, at(500, 1500), True, "morning", resumed_up_ms=500) is None
    assert current(PLAN, at(1000, 1500), True, "morning", resumed_up_ms=500) == MORNING
    assert current(PLAN, at(1500, 700), True, "evening", resumed_up_ms=500) == MORNING
    assert current(PLAN, at(2500, 700), True, "evening", resumed_up_ms=500) == EVENING
    assert current(PLAN, at(2500, 700), True, "evening") is None
    assert current(PLAN, at(2500, 700), True, "morning", resumed_up_ms=500) is None


def test_a_sitting_taken_out_of_the_plan_is_not_resumed() -> None:
    """The plan on the disk is the desk's only order."""
    assert current(PLAN, at(2500), False, "gone") is None


def test_with_nothing_to_resume_the_wall_clock_decides() -> None:
    """A desk that has lost its time server still begins the next sitting."""
    assert current(PLAN, at(1500), False) == MORNING


def test_the_plan_with_the_higher_number_wins() -> None:
    """An older plan that arrives late, or the same one again, changes nothing."""
    first, second = Plan(number=1), Plan(number=2)
    again = Plan(number=2, sittings=(MORNING,))
    assert newer(None, first) is first
    assert newer(first, second) is second
    assert newer(second, first) is second
    assert newer(second, again) is second


PLANS = st.builds(
    Plan,
    number=st.integers(0, 5),
    sittings=st.lists(
        st.builds(sitting, st.sampled_from("abc"), st.integers(0, 20), st.integers(0, 20)), max_size=5
    ).map(tuple),
)


@given(plan=PLANS, utc_ms=st.integers(0, 21), up_ms=st.integers(0, 21), resumed=st.sampled_from([None, "a", "z"]))
def test_by_a_trusted_clock_a_sitting_is_on_exactly_when_the_plan_says_so(
    plan: Plan, utc_ms: int, up_ms: int, resumed: str | None
) -> None:
    """For any plan and time: none is missed, none runs outside its time, none that is on started later."""
    running = [one for one in plan.sittings if one.start_utc_ms <= utc_ms < one.end_utc_ms]
    chosen = current(plan, at(utc_ms, up_ms), True, resumed)
    assert (chosen is None) is (not running)
    if chosen is not None:
        assert chosen in running
        assert chosen.start_utc_ms == max(one.start_utc_ms for one in running)


@given(plan=PLANS, utc_ms=st.integers(0, 21), resumed=st.sampled_from("az"), ran_ms=st.integers(0, 25))
def test_without_a_trusted_clock_the_resumed_sitting_is_on_for_its_length_and_no_longer(
    plan: Plan, utc_ms: int, resumed: str, ran_ms: int
) -> None:
    """For any plan and any wall clock: on until it ran its whole length, then never again."""
    first = next((one for one in plan.sittings if one.sitting == resumed), None)
    chosen = current(plan, at(utc_ms, 100 + ran_ms), False, resumed, resumed_up_ms=100)
    if first is not None and ran_ms < first.end_utc_ms - first.start_utc_ms:
        assert chosen == first
    else:
        assert chosen is None or chosen.sitting != resumed


@given(plans=st.lists(PLANS, min_size=1))
def test_however_plans_arrive_the_desk_ends_with_the_highest_number(plans: list[Plan]) -> None:
    """Old plans, doubled plans, plans out of order: the highest number holds."""
    held = None
    for plan in plans:
        held = newer(held, plan)
    assert held is not None
    assert held.number == max(plan.number for plan in plans)


@given(
    st.lists(st.tuples(st.none() | st.integers(0, 9), st.none() | st.integers(0, 9)), max_size=4),
    st.integers(0, 10),
)
def test_the_seat_is_empty_when_the_plan_says_so(windows: list[tuple[int | None, int | None]], now: int) -> None:
    """From a window's begin up to, and without, its end, wherever the sitting's own times lie; half a window says
    nothing; without a trusted clock nobody knows when now is."""
    plan = Plan(
        number=1,
        sittings=tuple(
            PlannedSitting(
                sitting=f"s{n}",
                exam="Algebra",
                room="1",
                seat="A1",
                start_utc_ms=1000,
                end_utc_ms=2000,
                empty_from_utc_ms=begin,
                empty_until_utc_ms=end,
            )
            for n, (begin, end) in enumerate(windows)
        ),
    )
    covering = {
        f"s{n}": begin
        for n, (begin, end) in enumerate(windows)
        if begin is not None and end is not None and begin <= now < end
    }
    said = seat_said_empty(plan, now, True)
    assert (said in covering) if covering else said is None
    if said is not None:
        assert covering[said] == max(covering.values())
    assert seat_said_empty(plan, now, False) is None
    assert seat_said_empty(None, now, True) is None
