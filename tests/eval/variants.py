"""The combinations of vision that the sheet sets side by side: what each step brings and costs, and how a parameter
does that was chosen on other film. A row here is all that a new step needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from agent.vision import open_vision
from agent.vision.look import LookSpec
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


def _looking(changes: dict[str, Any], face_model: str = "full_range") -> Callable[[], VisionLike]:
    """The desk's vision with `changes` of its LookSpec, or with another leader."""
    return lambda: open_vision(face_model, look_spec=LookSpec(**changes))


ALONE: dict[str, Any] = {"memory_ms": 0, "scan_every_ms": 0}
"""One model, one look: nothing followed, nothing remembered."""
CLOSE_UPS = ALONE | {"nothing": 0.66, "seen": 0.66}
VOTE = {"scan_every_ms": 0}
VARIANTS = (
    Variant("short range alone, from 0.5", _looking(ALONE | {"floor": 0.5, "sure": 0.5}, "short_range")),
    Variant("full range alone, from 0.6", _looking(ALONE | {"floor": 0.6, "sure": 0.6})),
    Variant("full range, close-ups where it is not sure", _looking(CLOSE_UPS)),
    Variant("... and landmarks where these leave it open", _looking(ALONE)),
    Variant("... and a vote over half a second", _looking(VOTE)),
    Variant("... and close-ups that follow between scans (the desk)", _looking({})),
    Variant("the desk, led by short range", _looking({"sure": 0.9}, "short_range")),
)


def _grid(name: str, field: str, *values: float) -> Grid:
    used = f"{LookSpec._field_defaults[field]:g}"
    return Grid(name, used, {f"{value:g}": _looking({field: value}) for value in values})


GRIDS = (
    _grid("score that needs no second look", "sure", 0.80, 0.85, 0.90),
    _grid("score of the second look that is a face", "seen", 0.66, 0.72, 0.78),
    _grid("flag of the landmark model that is a face", "landmarks", 0.5, 0.8, 0.95),
    _grid("score that keeps a followed face", "keep", 0.70, 0.75, 0.80),
    _grid("milliseconds from scan to scan", "scan_every_ms", 0, 500, 700),
)
