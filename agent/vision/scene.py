"""Whether the camera can see at all, and whether it still looks where it looked: all on one small picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.core.observation import Face, Scene
from agent.vision.view import View

DARK = 8.0
"""Mean luma (0..255) under which a picture is black. Measured on labelled film: a blacked-out lens 3.8, the darkest
pictures in which a face still shows 13.4 (low light) and 14.2 (theatre)."""
FLAT = 12.0
"""Standard deviation of luma under which a picture may be featureless. A finger on the lens 7.2 to 7.5, the barest
room without a person 17.3; but low light with a visible face goes down to 3.4, hence the second condition."""
SMOOTH = 0.18
"""Step between neighbouring cells, as a fraction of mean luma, under which a flat picture has no edges. A finger on
the lens 0.088 to 0.096, the faintest low light in which a face still shows 0.35."""
LOW_LIGHT = 30.0
"""Mean luma under which a face may be missed. Of the faces that the full-range model finds in light, pictures dimmed to
a mean of 60, 30, 24, 16 and 11 still gave 100, 98, 97, 93 and 77 of 100 with 1.5 luma of noise, and 99, 94, 91, 75 and
58 with 4. Lit rooms on film have 50 and more."""
CHANGED = 0.02
"""Mean step of luma from picture to picture under which it is the same picture again. Measured at five pictures a
second: repeated pictures in coded film at most 0.001 (0.18 once, at a key frame). Live film has 0.08 and more nearly
always; coding swallows its noise for 0.6 s at most, then a key frame brings 0.9. A drawn wall with 0.3 luma of noise
has 0.28, with 2 luma 1.5."""
FROZEN_MS = 1_200
"""For how long it must be the same picture. Longer than the second between two key frames of coded film."""
APART_MS = 2_000
"""Pictures further apart than this say nothing about what was between them: the camera may have been opened anew."""
_CELLS = (32, 18)
_EDGES = (_CELLS[0] - 1) * _CELLS[1] + _CELLS[0] * (_CELLS[1] - 1)
_STRONG = int(_EDGES * 0.98)


class Stillness:
    """Whether the same picture comes again and again. A still room is not the same picture: the sensor's noise is
    another one each time."""

    def __init__(self) -> None:
        self._last = np.zeros((0, 0), np.uint8)
        self._last_up_ms = self._same_since_up_ms = 0
        self._has_changed = False

    def look(self, luma: NDArray[np.uint8], up_ms: int) -> bool | None:
        """Whether the picture has not changed for FROZEN_MS up to `luma`, uint8 (height, width), captured at `up_ms`;
        None while too few pictures have come to tell."""
        if self._last.shape != luma.shape or not 0 <= up_ms - self._last_up_ms <= APART_MS:
            self._same_since_up_ms, self._has_changed = up_ms, False
        elif cv2.norm(luma, self._last, cv2.NORM_L1) >= CHANGED * luma.size:
            self._same_since_up_ms, self._has_changed = up_ms, True
        if self._last.shape != luma.shape:
            self._last = np.zeros(luma.shape, np.uint8)
        np.copyto(self._last, luma)
        self._last_up_ms = up_ms
        if up_ms - self._same_since_up_ms >= FROZEN_MS:
            return True
        return False if self._has_changed else None


class SceneLook:
    """Looks at small pictures, one after another; buffers are reused, so one a camera and a thread."""

    def __init__(self) -> None:
        self.view = View()
        self._stillness = Stillness()
        self._luma = np.zeros((0, 0), np.uint8)
        self._cells = np.zeros((_CELLS[1], _CELLS[0]), np.uint8)
        self._steps = np.zeros(_EDGES, np.float32)

    def look(self, small: NDArray[np.uint8], up_ms: int) -> Scene:
        """What the picture `small`, RGB uint8 (height, width, 3) of some 100 to 200 pixels a side, captured at `up_ms`,
        says of the camera; for the view, see `against_view`.

        Covered means darker than DARK, or flatter than FLAT and without edges (SMOOTH). The edges are taken between
        cells of a 32 by 18 grid, where the noise of a dark picture has averaged out. A covered camera cannot be told
        frozen: black is the same each time.
        """
        luma = self._to_luma(small)
        mean, deviation = cv2.meanStdDev(luma)
        brightness, detail = float(mean[0, 0]), float(deviation[0, 0])
        is_covered = brightness < DARK or (detail < FLAT and self._edge() < SMOOTH * brightness)
        is_frozen = self._stillness.look(luma, up_ms)
        return Scene(brightness, detail, is_covered, brightness < LOW_LIGHT, None if is_covered else is_frozen)

    def against_view(self, scene: Scene, faces: Sequence[Face], up_ms: int) -> Scene:
        """`scene`, which `look` just gave of a picture that shows `faces`, with how far the view has moved. What is
        covered, frozen or in low light says nothing of it."""
        if scene.is_covered or scene.is_low_light or scene.is_frozen:
            return scene
        return msgspec.structs.replace(scene, shift=self.view.look(self._luma, faces, up_ms))

    def learn_view(self, smalls: Sequence[NDArray[np.uint8]], faces: Sequence[Face] = ()) -> None:
        """Take the mean of `smalls`, pictures as for `look`, which show `faces`, as the view that later ones are held
        against."""
        self.view.learn([self._to_luma(small).copy() for small in smalls], faces)

    def _to_luma(self, small: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._luma.shape != small.shape[:2]:
            self._luma = np.zeros(small.shape[:2], np.uint8)
        cv2.cvtColor(small, cv2.COLOR_RGB2GRAY, dst=self._luma)
        return self._luma

    def _edge(self) -> float:
        """The step that only 2 % of the neighbouring cells exceed, in luma."""
        cv2.resize(self._luma, _CELLS, dst=self._cells, interpolation=cv2.INTER_AREA)
        cells = self._cells.astype(np.float32)
        across, down = np.diff(cells, axis=1), np.diff(cells, axis=0)
        np.concatenate([across.ravel(), down.ravel()], out=self._steps)
        np.abs(self._steps, out=self._steps)
        self._steps.partition(_STRONG)
        return float(self._steps[_STRONG])
