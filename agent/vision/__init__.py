"""The desk's eyes: a picture in, an observation out. The only home of the TFLite runtimes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import models
from agent.core.observation import Face, Observation
from agent.vision.faces import FULL_RANGE_SPARSE, SHORT_RANGE, FaceFinder, FaceSpec
from agent.vision.runtime import VisionProblem
from agent.vision.scene import SceneLook

__all__ = ["FACE_MODELS", "Vision", "VisionProblem", "open_vision"]

FACE_MODELS = {"full_range": FULL_RANGE_SPARSE, "short_range": SHORT_RANGE}
"""The face models by the names that the settings use."""


class Vision:
    """Everything that is done to one picture. Buffers are reused: one Vision, one thread."""

    def __init__(
        self,
        model: Path,
        spec: FaceSpec = FULL_RANGE_SPARSE,
        clock_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Load the face model `model`, which must be the one that `spec` describes. `clock_s` gives seconds since
        any fixed moment; it only measures how long a picture took.

        Raises VisionProblem, one line, when the model cannot be run. OpenCV is held to one thread in this process:
        the desk's other cores belong to the encoder.
        """
        cv2.setNumThreads(1)
        self.finder = FaceFinder(model, spec)
        self.model_sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
        self._scene = SceneLook()
        self._clock_s = clock_s

    def observe(self, rgb: NDArray[np.uint8], up_ms: int, utc_ms: int) -> Observation:
        """What `rgb`, uint8 (height, width, 3), captured at `up_ms` boot time and `utc_ms` wall clock, shows.

        Raises ValueError when it is no such picture, VisionProblem when the model answers with nonsense.
        """
        begun_s = self._clock_s()
        faces = self.finder.find(rgb)
        # the model's own small input serves the scene too: no second scaling of the frame
        scene = self._scene.look(self.finder.small, up_ms, faces)
        return Observation(up_ms, utc_ms, faces, scene, (self._clock_s() - begun_s) * 1000)

    def learn_view(self, pictures: Sequence[NDArray[np.uint8]]) -> None:
        """Take the mean of `pictures`, as for `observe` and of one view, as the one that later pictures are held
        against. Ten or more take out a noisy sensor's noise. Raises as `observe` does."""
        faces: list[Face] = []
        smalls = []
        for rgb in pictures:
            faces += self.finder.find(rgb)
            smalls.append(self.finder.small.copy())
        self._scene.learn_view(smalls, faces)

    def forget_view(self) -> None:
        """The view of the next few seconds becomes the reference that later ones are held against."""
        self._scene.view.forget()


def open_vision(
    face_model: str = "full_range",
    folder: Path | None = None,
    clock_s: Callable[[], float] = time.perf_counter,
) -> Vision:
    """Vision with the pinned face model of that name (FACE_MODELS) from `folder` (default `models/files`).

    Raises models.ModelProblem when the file is missing or another one, VisionProblem when it cannot be run; both
    are one line.
    """
    spec = FACE_MODELS[face_model]
    return Vision(models.checked(spec.model, folder), spec, clock_s)
