"""Vision as a desk uses it: told before each look what the plan wants, and asked afterwards what it learned.

A desk whose models cannot be loaded still records: it has eyes that say what is wrong at every look, which becomes the
fault `analysis_stopped`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.core.masks import Zones
from agent.core.observation import Observation
from agent.vision import Vision, VisionProblem, open_vision
from agent.vision.seat import Reference, encode_reference
from agent.wire import Witnesses
from models import ModelProblem

log = logging.getLogger(__name__)


class Wishes(Protocol):
    """What is needed of the sitting's keeper: what the plan wants at this moment."""

    def zones(self) -> Zones: ...

    def witnesses(self) -> Witnesses: ...

    def is_said_empty(self, utc_ms: int) -> bool: ...


class Eyes:
    """For the sight thread. `keep` gets each new reference of the empty seat, encoded, and must not wait."""

    def __init__(
        self, face_model: str, models_folder: Path | None, wishes: Callable[[], Wishes], keep: Callable[[bytes], None]
    ) -> None:
        self._wishes, self._keep = wishes, keep
        self._kept: Reference | None = None
        self._vision: Vision | None = None
        self._trouble = ""
        try:
            self._vision = open_vision(face_model, models_folder)
        except (ModelProblem, VisionProblem) as error:
            self._trouble = str(error)
            log.error("recording without analysis: %s", error)

    @property
    def models(self) -> dict[str, str]:
        """SHA-256 of each model by its name in the manifest; empty without vision."""
        return {} if self._vision is None else self._vision.models

    @property
    def model_sha256(self) -> str:
        return "" if self._vision is None else self._vision.model_sha256

    @property
    def has_reference(self) -> bool:
        return self._vision is not None and self._vision.seat.reference is not None

    def use_reference(self, data: bytes | None) -> None:
        if self._vision is not None:
            self._vision.use_reference(data)

    def forget_view(self) -> None:
        if self._vision is not None:
            self._vision.forget_view()

    def observe(self, rgb: NDArray[np.uint8], up_ms: int, utc_ms: int) -> Observation:
        """As `Vision.observe`. Raises VisionProblem at every look when there is no vision."""
        vision = self._vision
        if vision is None:
            raise VisionProblem(self._trouble)
        wishes = self._wishes()
        vision.zones = wishes.zones()
        vision.seat.nobody = wishes.witnesses()
        vision.is_said_empty = wishes.is_said_empty(utc_ms)
        observation = vision.observe(rgb, up_ms, utc_ms)
        reference = vision.seat.reference
        if reference is not None and reference is not self._kept:
            self._kept = reference
            self._keep(encode_reference(reference))
        return observation
