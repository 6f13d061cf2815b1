"""Whether the camera can see at all: looked up on the small picture that the face model gets anyway."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.core.observation import Scene

DARK = 8.0
"""Mean luma (0..255) under which a picture is black. Measured on labelled film: a blacked-out lens 3.8, the darkest
pictures in which a face still shows 13.4 (low light) and 14.2 (theatre)."""
FLAT = 12.0
"""Standard deviation of luma under which a picture may be featureless. A finger on the lens 7.2 to 7.5, the barest
room without a person 17.3; but low light with a visible face goes down to 3.4, hence the second condition."""
SMOOTH = 0.18
"""Step between neighbouring cells, as a fraction of mean luma, under which a flat picture has no edges. A finger on
the lens 0.088 to 0.096, the faintest low light in which a face still shows 0.35."""
_CELLS = (32, 18)
_EDGES = (_CELLS[0] - 1) * _CELLS[1] + _CELLS[0] * (_CELLS[1] - 1)
_STRONG = int(_EDGES * 0.98)


class SceneLook:
    """Looks at small pictures; buffers are reused, so one a thread."""

    def __init__(self) -> None:
        self._luma = np.zeros((0, 0), np.uint8)
        self._cells = np.zeros((_CELLS[1], _CELLS[0]), np.uint8)
        self._steps = np.zeros(_EDGES, np.float32)

    def look(self, small: NDArray[np.uint8]) -> Scene:
        """What the picture `small`, RGB uint8 (height, width, 3) of some 100 to 200 pixels a side, says of the camera.

        Covered means darker than DARK, or flatter than FLAT and without edges (SMOOTH). The edges are taken between
        cells of a 32 by 18 grid, where the noise of a dark picture has averaged out.
        """
        if self._luma.shape != small.shape[:2]:
            self._luma = np.zeros(small.shape[:2], np.uint8)
        cv2.cvtColor(small, cv2.COLOR_RGB2GRAY, dst=self._luma)
        mean, deviation = cv2.meanStdDev(self._luma)
        brightness, detail = float(mean[0, 0]), float(deviation[0, 0])
        is_covered = brightness < DARK or (detail < FLAT and self._edge() < SMOOTH * brightness)
        return Scene(brightness, detail, is_covered)

    def _edge(self) -> float:
        """The step that only 2 % of the neighbouring cells exceed, in luma."""
        cv2.resize(self._luma, _CELLS, dst=self._cells, interpolation=cv2.INTER_AREA)
        cells = self._cells.astype(np.float32)
        across, down = np.diff(cells, axis=1), np.diff(cells, axis=0)
        np.concatenate([across.ravel(), down.ravel()], out=self._steps)
        np.abs(self._steps, out=self._steps)
        self._steps.partition(_STRONG)
        return float(self._steps[_STRONG])
