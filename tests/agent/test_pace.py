"""How often to look: slower when hot or late, back when it is over, never below the floor, never without a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.faults import Limits, Readings, conditions
from agent.core.pace import COOLER_C, LATE_SHARE, LEAST_FPS, LET_GO_MS, STEPS, Pace, PaceKeeper
from agent.wire import FaultKind

readings = st.lists(
    st.tuples(st.none() | st.floats(0, 3_000), st.none() | st.floats(20, 110), st.integers(1, 15_000)), max_size=40
)
wanted = st.floats(0.1, 30)


def run(keeper: PaceKeeper, script: list[tuple[float | None, float | None, int]]) -> list[Pace]:
    """(look's ms, degrees, ms until then) after another."""
    up_ms, paces = 0, []
    for vision_ms, temperature_c, step_ms in script:
        up_ms += step_ms
        paces.append(keeper.step(up_ms, vision_ms, temperature_c))
    return paces


def test_a_unit_that_is_well_looks_as_often_as_wanted() -> None:
    assert run(PaceKeeper(5), [(20, 55, 500)] * 100) == [Pace(5, 5)] * 100


def test_hotter_is_slower_step_by_step_and_says_so() -> None:
    """From 75 degrees down, the last step before the processor slows itself down; all of them named."""
    paces = run(PaceKeeper(5), [(20, celsius, 500) for celsius in (74.9, 75, 77, 79, 95)])
    assert [pace.fps for pace in paces] == [5, 3.75, 2.5, 1.25, 1.25]
    assert paces[2].reason == "hot: 77 degrees Celsius"
    assert {pace.wanted_fps for pace in paces} == {5}


def test_a_late_look_leaves_the_core_to_the_encoder() -> None:
    """The rate at which looks take half of the time, or less."""
    paces = run(PaceKeeper(5), [(vision_ms, 50, 500) for vision_ms in (99, 101, 150, 240, 2_000)])
    assert [pace.fps for pace in paces] == [5, 3.75, 2.5, 1.25, 1.25]
    assert paces[2].reason == "late: a look takes 150 ms"


def test_it_does_not_flap() -> None:
    """About a threshold it stays slow until it was cooler by a margin, or quicker, for a while."""
    paces = run(PaceKeeper(5), [(20, 75, 500), *[(20, celsius, 500) for celsius in (74, 75.2, 73.5) * 30]])
    assert {pace.fps for pace in paces} == {3.75}
    paces = run(PaceKeeper(5), [(101, 50, 500), *[(vision_ms, 50, 500) for vision_ms in (99, 60, 85) * 30]])
    assert {pace.fps for pace in paces} == {3.75}


@given(wanted, readings)
def test_never_below_the_floor_never_above_the_wish_never_silent(
    wanted_fps: float, script: list[tuple[float | None, float | None, int]]
) -> None:
    for pace in run(PaceKeeper(wanted_fps), script):
        assert min(wanted_fps, LEAST_FPS) <= pace.fps <= wanted_fps
        assert (pace.fps < wanted_fps) is bool(pace.reason)


@given(wanted, readings, st.lists(st.floats(0, 40), min_size=40, max_size=40), st.sampled_from(["hot", "late"]))
def test_hotter_or_later_never_means_faster(
    wanted_fps: float, script: list[tuple[float | None, float | None, int]], more: list[float], what: str
) -> None:
    """Of two units with the same past but for some degrees, or milliseconds, the worse off never looks more often."""
    worse = [
        (
            vision_ms + add * 20 if what == "late" and vision_ms is not None else vision_ms,
            celsius + add if what == "hot" and celsius is not None else celsius,
            step_ms,
        )
        for (vision_ms, celsius, step_ms), add in zip(script, more, strict=False)
    ]
    pairs = zip(run(PaceKeeper(wanted_fps), script), run(PaceKeeper(wanted_fps), worse), strict=True)
    assert all(bad.fps <= good.fps for good, bad in pairs)


@given(wanted, readings)
def test_when_all_is_well_again_it_looks_as_often_as_wanted(
    wanted_fps: float, script: list[tuple[float | None, float | None, int]]
) -> None:
    """Whatever happened: ten seconds of a cool unit and quick looks, and nothing is left of it."""
    quick_ms = 0.79 * LATE_SHARE * 1000 / wanted_fps
    cool_c = STEPS[0].hot_c - COOLER_C - 0.1
    keeper = PaceKeeper(wanted_fps)
    run(keeper, script)
    since_ms = sum(step_ms for _, _, step_ms in script)
    keeper.step(since_ms + 1, quick_ms, cool_c)
    assert keeper.step(since_ms + 1 + LET_GO_MS, quick_ms, cool_c) == Pace(wanted_fps, wanted_fps)


def test_a_reading_that_fails_changes_nothing() -> None:
    """A sensor that no longer answers has not cooled down; one that never did is no reason to be slow."""
    keeper = PaceKeeper(5)
    hot, *blind = run(keeper, [(20, 78, 500), *[(None, None, 30_000)] * 5])
    assert {pace.fps for pace in blind} == {hot.fps} == {2.5}
    assert blind[0].reason == "hot"
    assert run(PaceKeeper(5), [(None, None, 500)] * 9)[-1] == Pace(5, 5)


@pytest.mark.parametrize("phase_ms", range(0, 800, 50))
def test_its_slowest_own_choice_is_no_fault(phase_ms: int) -> None:
    """At the floor every window still holds enough looks; a unit too slow even for that raises analysis_stopped."""
    assert conditions(_readings(LEAST_FPS, phase_ms), Limits())[FaultKind.ANALYSIS_STOPPED] is None
    slow = conditions(_readings(0.7, phase_ms), Limits())[FaultKind.ANALYSIS_STOPPED]
    assert slow in ("2 looks in 4 s", "3 looks in 4 s")


def _readings(fps: float, phase_ms: int) -> Readings:
    """A desk that has looked so often for long, `phase_ms` after its last look."""
    window_ms = Limits().analysis_window_ms
    looks = sum(phase_ms + n * 1000 / fps <= window_ms for n in range(100))
    return Readings(
        up_ms=100_000,
        camera_since_up_ms=1_000,
        last_frame_up_ms=99_990,
        analysis_since_up_ms=1_000,
        observations_in_window=looks,
    )
