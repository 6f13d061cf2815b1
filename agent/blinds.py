"""The private masks of the plan, made black in pictures: in every frame before it is encoded, in every picture before
it is looked at, kept or sent.

It is done at the last moment and by the masks of that moment, on a copy: a frame that waited for the encoder while the
plan changed is masked by the new plan, and a camera may hand out one buffer many times or read-only.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.core.masks import Zones

BLACK_Y, BLACK_UV = 16, 128
"""Black in limited-range YUV (ITU-R BT.601)."""
_Shape = tuple[int, ...]


class Blinds:
    """`zones` tells the masks in force; asked for every picture, from any thread.

    Cells of two by two pixels are hidden whole, one for each colour sample of a 4:2:0 picture, and with them those next
    to them (`Zones.private_spans`). Measured with one thread on the development PC: 0.06 ms of CPU for a 1280x720
    frame with a quarter of it private, 0.02 ms for a 640x360 picture; nothing without a private mask.
    """

    def __init__(self, zones: Callable[[], Zones]) -> None:
        self._zones = zones
        self._made: tuple[Zones, dict[_Shape, NDArray[np.uint8]]] = (Zones(), {})

    def i420(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frame, planar YUV 4:2:0 (height * 3 // 2, width) with even sides, black where it is private; itself when
        nothing is."""
        zones = self._zones()
        if not zones.has_private:
            return frame
        height = frame.shape[0] * 2 // 3
        masked = np.empty_like(frame)
        masked[:height], masked[height:] = BLACK_Y, BLACK_UV
        return np.asarray(cv2.copyTo(frame, self._opening(zones, frame.shape), masked), np.uint8)

    def rgb(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture, RGB (height, width, 3), black where it is private; itself when nothing is."""
        zones = self._zones()
        if not zones.has_private or picture.ndim != 3:
            return picture
        return np.asarray(cv2.copyTo(picture, self._opening(zones, picture.shape)), np.uint8)

    def _opening(self, zones: Zones, shape: _Shape) -> NDArray[np.uint8]:
        """255 where a picture of that shape may be seen, else 0; made once for each shape while the masks hold."""
        of, made = self._made  # one value: threads that see different plans must not mix their openings
        if of != zones:
            made = {}
            self._made = (zones, made)
        if shape not in made:
            made[shape] = _rgb_opening(zones, shape) if len(shape) == 3 else _i420_opening(zones, shape)
        return made[shape]


def _rgb_opening(zones: Zones, shape: _Shape) -> NDArray[np.uint8]:
    height, width = shape[:2]
    seen = _cells(zones, width, height)
    return np.ascontiguousarray(seen.repeat(2, 0).repeat(2, 1)[:height, :width])


def _i420_opening(zones: Zones, shape: _Shape) -> NDArray[np.uint8]:
    height, width = shape[0] * 2 // 3, shape[1]
    seen = _cells(zones, width, height)
    opening = np.empty(shape, np.uint8)
    opening[:height] = seen.repeat(2, 0).repeat(2, 1)
    opening[height:].reshape(2, height // 2, width // 2)[:] = seen
    return opening


def _cells(zones: Zones, width: int, height: int) -> NDArray[np.uint8]:
    """The opening in cells of two by two pixels; of an odd side the last one is half outside."""
    columns, rows = (width + 1) // 2, (height + 1) // 2
    seen = np.full((rows, columns), 255, np.uint8)
    for row, first, beyond in zones.private_spans(columns, rows):
        seen[row, first:beyond] = 0
    return seen
