"""Is somebody there although no face shows? Two models are asked: one marks each pixel that belongs to a person, one
looks for bodies. Both are MediaPipe's (selfie_segmentation_cpu.pbtxt, pose_detection_cpu.pbtxt); of the second only the
scores are used."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.vision.faces import Letterbox
from agent.vision.runtime import TfliteModel, VisionProblem

Rgb = NDArray[np.uint8]
Cells = NDArray[np.bool_]

GRID = (64, 36)
"""Columns and rows of cells into which masks, segmentation and the reference of the seat divide the frame."""
_SEGMENTATION_SIDE, _POSE_SIDE, _POSE_ANCHORS = 256, 224, 2254


class PersonCells:
    """Which cells of the frame show a person, by the general selfie segmentation: the landscape one takes sofas and
    dark tables for persons far more often (`models/README.md`)."""

    def __init__(self, model: Path) -> None:
        """Load the file `model`. Raises VisionProblem when it is another model."""
        side = _SEGMENTATION_SIDE
        self.model = TfliteModel(model, (1, side, side, 3), ((1, side, side, 1),))
        self._small = np.zeros((side, side, 3), np.uint8)

    def look(self, rgb: Rgb) -> Cells:
        """The cells, (rows, columns) of GRID, of which at least half is person. Raises VisionProblem."""
        cv2.resize(rgb, (_SEGMENTATION_SIDE, _SEGMENTATION_SIDE), dst=self._small, interpolation=cv2.INTER_LINEAR)
        np.multiply(self._small, np.float32(1 / 255), out=self.model.input[0])
        self.model.run()
        share = cv2.resize(self.model.output(0)[0, :, :, 0], GRID, interpolation=cv2.INTER_AREA)
        if not np.isfinite(share).all():
            raise VisionProblem(f"model {self.model.path} answered with values that are not numbers")
        return np.asarray(share >= 0.5)


class BodyScore:
    """The best score of a body anywhere in the frame."""

    def __init__(self, model: Path) -> None:
        """Load the file `model`. Raises VisionProblem when it is another model."""
        side = _POSE_SIDE
        self.model = TfliteModel(model, (1, side, side, 3), ((1, _POSE_ANCHORS, 12), (1, _POSE_ANCHORS, 1)))
        self._letterbox = Letterbox(side)

    def look(self, rgb: Rgb) -> float:
        """0..1. Raises VisionProblem."""
        if self._letterbox.fit(rgb):
            self.model.input.fill(-1)
        content = self.model.input[0, self._letterbox.rows, self._letterbox.columns]
        np.multiply(self._letterbox.content, np.float32(1 / 127.5), out=content)
        np.subtract(content, np.float32(1), out=content)
        self.model.run()
        best = float(self.model.output(1).max())
        if not math.isfinite(best):
            raise VisionProblem(f"model {self.model.path} answered with values that are not numbers")
        return 1 / (1 + math.exp(-max(-100.0, min(100.0, best))))
