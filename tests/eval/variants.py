"""The combinations of vision that the sheet sets side by side: what each step brings and costs, and how a parameter
does that was chosen on other film. A row here is all that a new step needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import models
from agent.vision import FACE_MODELS, Vision, open_vision
from tests.eval.looks import VisionLike


class Variant(NamedTuple):
    """A way of looking. `open` makes it; its state is forgotten before each film (`reset`, if it has one)."""

    name: str
    open: Callable[[], VisionLike]


class Grid(NamedTuple):
    """A parameter and the values it may take, in words, each with what makes vision use it. `used` is the desk's."""

    name: str
    used: str
    values: dict[str, Callable[[], VisionLike]]


def desk() -> VisionLike:
    """What a desk runs by default."""
    return open_vision()


def _with_score(face_model: str, score: float) -> Callable[[], VisionLike]:
    spec = FACE_MODELS[face_model]
    return lambda: Vision(models.checked(spec.model), spec._replace(score=score))


VARIANTS = (
    Variant("full range alone (the desk)", lambda: open_vision("full_range")),
    Variant("short range alone", lambda: open_vision("short_range")),
)
GRIDS = (
    Grid(
        "least score of the full range model",
        "0.60",
        {f"{score:.2f}": _with_score("full_range", score) for score in (0.60, 0.65, 0.70, 0.75)},
    ),
)
