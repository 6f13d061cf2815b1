"""Can a face be laid over this place? MediaPipe's landmark model answers with 468 points and a flag; only the flag is
used (face_landmark_cpu.pbtxt, tensors_to_face_landmarks.pbtxt)."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.core.tracks import Box
from agent.vision.faces import Floats
from agent.vision.runtime import TfliteModel, VisionProblem

_SIDE = 192
_MARGIN = 1.5
"""The square around a detected face, as a multiple of its box (face_detection_front_detection_to_roi.pbtxt)."""


class Landmarks:
    """The flag of the landmark model. Buffers are reused: one thread."""

    def __init__(self, model: Path) -> None:
        """Load the file `model`. Raises VisionProblem when it is another model."""
        self.model = TfliteModel(model, (1, _SIDE, _SIDE, 3), ((1, 1, 1, 1404), (1, 1, 1, 1)))
        self._square = np.zeros((_SIDE, _SIDE, 3), np.uint8)

    def look(self, rgb: NDArray[np.uint8], box: Box, eyes: Floats) -> float:
        """How sure, 0..1, a face is in `box` of `rgb`; `eyes` (2, 2) are the person's right and left eye, in fractions
        of the frame as the box is: the model expects them level. Raises VisionProblem."""
        height, width = rgb.shape[:2]
        centre_x, centre_y = (box[0] + box[2] / 2) * width, (box[1] + box[3] / 2) * height
        zoom = _SIDE / (max(box[2] * width, box[3] * height, 1.0) * _MARGIN)
        (right_x, right_y), (left_x, left_y) = eyes.tolist()
        tilt = math.atan2((left_y - right_y) * height, (left_x - right_x) * width)
        cosine, sine = math.cos(tilt) * zoom, math.sin(tilt) * zoom
        warp = np.array(
            [
                [cosine, sine, _SIDE / 2 - cosine * centre_x - sine * centre_y],
                [-sine, cosine, _SIDE / 2 + sine * centre_x - cosine * centre_y],
            ],
            np.float32,
        )
        cv2.warpAffine(rgb, warp, (_SIDE, _SIDE), dst=self._square)
        np.multiply(self._square, np.float32(1 / 255), out=self.model.input[0])
        self.model.run()
        raw = float(self.model.output(1)[0, 0, 0, 0])
        if not math.isfinite(raw):
            raise VisionProblem(f"model {self.model.path} answered with values that are not numbers")
        return 1 / (1 + math.exp(-max(-100.0, min(100.0, raw))))
