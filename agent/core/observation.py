"""What one analysed frame shows, without opinion. Vision makes it, the judge reads it."""

from __future__ import annotations

from typing import overload

import msgspec

BOXES, SHARES, TENTHS = 4096, 1000, 10
"""Steps to a whole of each grid: boxes finer than the pixels of a 1280 wide picture, scores as fine as thresholds are
given."""


class Face(msgspec.Struct, frozen=True, gc=False):
    """One visible face. `box` is x, y, width, height as fractions 0..1 of the frame; `score` is 0..1."""

    box: tuple[float, float, float, float]
    score: float


class Scene(msgspec.Struct, frozen=True, gc=False):
    """Whether the camera can see at all, and whether it still looks where it looked.

    `brightness` is the mean luma, `detail` the standard deviation of luma (both 0..255).
    `is_covered` means dark, or flat and featureless; `is_frozen` that the same picture came again although its time
    advanced, None while too few pictures have come to tell. `is_low_light`: so little light that a face may be missed.
    `shift` is how far the view has moved against its reference, as a fraction of the frame's width; None without a
    reference, or when it cannot be told.
    """

    brightness: float
    detail: float
    is_covered: bool
    is_low_light: bool = False
    is_frozen: bool | None = None
    shift: float | None = None


class Seat(msgspec.Struct, frozen=True, gc=False):
    """What the witnesses beside the faces say; they are asked at a low rate and only while no face is visible.

    `person` is the share of the frame, 0..1, that segmentation takes for a person and did not on the empty seat;
    `pose` the best score, 0..1, of a body; `change` the share of the frame, 0..1, that differs from the reference of
    the empty seat. None: that witness was not asked, or, for `change`, there is no reference yet.
    """

    person: float | None = None
    pose: float | None = None
    change: float | None = None


class Observation(msgspec.Struct, frozen=True, gc=False):
    """One analysed frame. `up_ms` is its capture instant in boot time, `utc_ms` the same on the wall clock.

    `faces` are those that count as visible, best first; `doubt` is the best score, 0..1, of what looked like a face
    and did not count. `seat` is None until the witnesses were asked.
    """

    up_ms: int
    utc_ms: int
    faces: tuple[Face, ...]
    scene: Scene
    vision_ms: float = 0.0
    seat: Seat | None = None
    doubt: float = 0.0


def quantised(observation: Observation) -> Observation:
    """The same with every number on the grid that the observation log can hold: boxes to 1/4096, scores and shares to
    1/1000, brightness, detail and milliseconds to 0.1. Done once, before anything is judged, so that judging the log
    is judging the very same numbers. Idempotent. Raises ValueError or OverflowError for what is no finite number."""
    scene, seat = observation.scene, observation.seat
    return msgspec.structs.replace(
        observation,
        faces=tuple(_quantised_face(face) for face in observation.faces),
        scene=msgspec.structs.replace(
            scene,
            brightness=on_grid(scene.brightness, TENTHS),
            detail=on_grid(scene.detail, TENTHS),
            shift=on_grid(scene.shift, SHARES),
        ),
        vision_ms=on_grid(observation.vision_ms, TENTHS),
        seat=None if seat is None else _quantised_seat(seat),
        doubt=on_grid(observation.doubt, SHARES),
    )


@overload
def on_grid(value: float, steps: int) -> float: ...
@overload
def on_grid(value: float | None, steps: int) -> float | None: ...
def on_grid(value: float | None, steps: int) -> float | None:
    """The nearest `n / steps`: the float that an n read back from a log gives again."""
    return None if value is None else round(value * steps) / steps


def _quantised_face(face: Face) -> Face:
    x, y, width, height = face.box
    box = (on_grid(x, BOXES), on_grid(y, BOXES), on_grid(width, BOXES), on_grid(height, BOXES))
    return msgspec.structs.replace(face, box=box, score=on_grid(face.score, SHARES))


def _quantised_seat(seat: Seat) -> Seat:
    return msgspec.structs.replace(
        seat,
        person=on_grid(seat.person, SHARES),
        pose=on_grid(seat.pose, SHARES),
        change=on_grid(seat.change, SHARES),
    )
