"""Vision run over a film as a desk runs it: five looks a second, in order, from a fresh state."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from agent.analyse import as_the_desk_sees
from agent.camera.footage import read_pictures
from agent.core.observation import Observation
from agent.vision.runtime import TfliteModel
from tests.eval.footage import Item

Picture = NDArray[np.uint8]
FPS = 5.0
MOST_LESSONS = 100
"""So many looks at an empty seat are enough for any reference, or it will not be learned."""


class VisionLike(Protocol):
    """What can be measured: `agent.vision.Vision`, or another combination of its steps."""

    def observe(self, rgb: Picture, up_ms: int, utc_ms: int) -> Observation:
        """What a picture shows."""


class Look(NamedTuple):
    """One look: its second, what vision said, the CPU milliseconds it took, and the models it ran, by file name."""

    second: float
    observation: Observation
    cpu_ms: float
    runs: dict[str, int]


class Taken(NamedTuple):
    """A picture of a film, scaled as the desk's camera does, at its second."""

    second: float
    rgb: Picture


def pictures_of(item: Item) -> list[Taken]:
    """Every picture of `item` that a desk looks at. Raises agent.camera.CameraLost."""
    return [Taken(second, as_the_desk_sees(rgb)) for second, rgb in read_pictures(item.path, FPS)]


@contextmanager
def counted_runs() -> Iterator[Counter[str]]:
    """Count how often each model is run, by the name of its file."""
    runs: Counter[str] = Counter()
    run = TfliteModel.run

    def counted(model: TfliteModel) -> None:
        runs[model.path.name] += 1
        run(model)

    with patch.object(TfliteModel, "run", counted):
        yield runs


def begin(vision: VisionLike) -> None:
    """Make `vision` forget what it saw, if it is of the kind that remembers."""
    reset = getattr(vision, "reset", None)
    if reset is not None:
        reset()


def look_through(
    vision: VisionLike, pictures: Sequence[Taken], rounds: int = 1, lesson: object | None = None
) -> list[Look]:
    """Look at all `pictures` in order, `rounds` times over from a fresh state each; of a look's times the least counts,
    for what else runs on the machine can only add. `lesson` is a reference that `learned` gave."""
    looks: list[Look] = []
    with counted_runs() as runs:
        for number in range(rounds):
            begin(vision)
            _give(vision, lesson)
            for place, taken in enumerate(pictures):
                up_ms = round(taken.second * 1000)
                runs.clear()
                before_ns = time.process_time_ns()
                observation = vision.observe(taken.rgb, up_ms, up_ms)
                cpu_ms = (time.process_time_ns() - before_ns) / 1e6
                if number == 0:
                    looks.append(Look(taken.second, observation, cpu_ms, dict(runs)))
                elif cpu_ms < looks[place].cpu_ms:
                    looks[place] = looks[place]._replace(cpu_ms=cpu_ms)
    return looks


# The one place that knows how a reference of the empty seat is learned and given: `vision.is_said_empty`, and
# `reference` and `use` of `vision.seat`.


def learned(vision: VisionLike, empty: Sequence[Taken]) -> object | None:
    """The reference of the empty seat that `vision` learns when it is told that nobody is in the pictures `empty`,
    shown one after the other until it has one; None when it learns nothing from them."""
    teachable: Any = vision
    if not empty or not hasattr(vision, "is_said_empty"):
        return None
    begin(vision)
    teachable.is_said_empty = True
    try:
        for number in range(MOST_LESSONS):
            up_ms = round((number + 0.5) * 1000 / FPS)
            vision.observe(empty[number % len(empty)].rgb, up_ms, up_ms)
            found: object | None = teachable.seat.reference
            if found is not None:
                return found
    finally:
        teachable.is_said_empty = False
    return None


def _give(vision: VisionLike, lesson: object | None) -> None:
    teachable: Any = vision
    if lesson is not None:
        teachable.seat.use(lesson)
