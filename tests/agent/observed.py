"""Streams of observations for property tests: anything vision might say, and sittings in which things go on a while."""

from __future__ import annotations

import itertools

from hypothesis import strategies as st

from agent.core.observation import Face, Observation, Scene, Seat, quantised
from agent.wire import DEFAULT_RULES, AlertKind, Rule, Witnesses

UTC_MS = 1_800_000_000_000
_share = st.floats(0, 1)
_maybe_share = st.none() | _share
_side = st.floats(-0.5, 1.5)
faces = st.builds(Face, box=st.tuples(_side, _side, _side, _side), score=_share)
scenes = st.builds(
    Scene,
    brightness=st.floats(0, 255),
    detail=st.floats(0, 255),
    is_covered=st.booleans(),
    is_low_light=st.booleans(),
    is_frozen=st.none() | st.booleans(),
    shift=_maybe_share,
)
seats = st.builds(Seat, person=_maybe_share, pose=_maybe_share, change=_maybe_share)
raw_observations = st.builds(
    Observation,
    up_ms=st.integers(0, 2**40),
    utc_ms=st.integers(0, 2**42),
    faces=st.lists(faces, max_size=4).map(tuple),
    scene=scenes,
    vision_ms=st.floats(0, 10_000),
    seat=st.none() | seats,
    doubt=_share,
)
"""Any numbers, not on the grid of the log."""

_rule = st.builds(
    Rule,
    kind=st.sampled_from([AlertKind.SEAT_EMPTY, AlertKind.MORE_THAN_ONE_FACE, AlertKind.CAMERA_COVERED]),
    raise_s=st.sampled_from([0, 1, 3, 10]),
    clear_s=st.sampled_from([0, 1, 3, 5]),
    threshold=st.sampled_from([0.5, 0.6, 0.85]),
    witnesses=st.builds(Witnesses, person=st.sampled_from([0.02, 0.5])),
)
rule_sets = st.just(DEFAULT_RULES) | st.lists(_rule, max_size=3).map(tuple)


@st.composite
def sittings(draw: st.DrawFn) -> list[Observation]:
    """Up to some minutes of looks at an uneven pace, each scene held for a while; now and then a hole, or the wall
    clock is set."""
    shown = draw(st.lists(st.tuples(raw_observations, st.integers(1, 30), st.sampled_from(STEPS_MS)), max_size=12))
    up_ms, offset_ms, made = draw(st.integers(0, 10**9)), UTC_MS, []
    for observation, looks, step_ms in shown:
        offset_ms += draw(st.sampled_from([0, 0, 0, 1, -3_600_000]))
        for _ in itertools.repeat(None, looks):
            up_ms += step_ms
            made.append(
                quantised(
                    Observation(
                        up_ms,
                        up_ms + offset_ms,
                        observation.faces,
                        observation.scene,
                        observation.vision_ms,
                        observation.seat,
                        observation.doubt,
                    )
                )
            )
    return made


STEPS_MS = (0, 40, 200, 200, 200, 207, 800, 2_000, 2_001, 70_000)
