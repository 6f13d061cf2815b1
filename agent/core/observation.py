"""What one analysed frame shows, without opinion. Vision makes it, the judge reads it."""

from __future__ import annotations

import msgspec


class Face(msgspec.Struct, frozen=True, gc=False):
    """One visible face. `box` is x, y, width, height as fractions 0..1 of the frame; `score` is 0..1."""

    box: tuple[float, float, float, float]
    score: float


class Scene(msgspec.Struct, frozen=True, gc=False):
    """Whether the camera can see at all.

    `brightness` is the mean luma, `detail` the standard deviation of luma (both 0..255).
    `is_covered` means dark, or flat and featureless: the face rules cannot tell anything then.
    """

    brightness: float
    detail: float
    is_covered: bool


class Observation(msgspec.Struct, frozen=True, gc=False):
    """One analysed frame. `up_ms` is its capture instant in boot time, `utc_ms` the same on the wall clock."""

    up_ms: int
    utc_ms: int
    faces: tuple[Face, ...]
    scene: Scene
    vision_ms: float = 0.0
