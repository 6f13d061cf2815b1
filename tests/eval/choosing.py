"""A parameter chosen on film must be scored on other film. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

Parameter = TypeVar("Parameter")
Scored = tuple[int, int]
"""Right, of so many."""


class LeftOut(NamedTuple):
    """`right` of `of` when each clip was scored with what the others chose; `best` is the right of the one parameter
    that is best on all clips together, chosen and scored on the same film. `chosen` counts the choices, by parameter's
    text, the commonest first."""

    right: int
    of: int
    best: int
    chosen: dict[str, int]


def leave_one_out(scores: Mapping[Parameter, Mapping[str, Scored]]) -> LeftOut:
    """For each clip take the parameter that is best on all the others, of equals the first, and score it on this clip.

    `scores` has, for each parameter, what each clip scored; the same clips for all. Raises ValueError when there is
    nothing to choose from or the clips differ.
    """
    clips = list(next(iter(scores.values()), {}))
    if len(clips) < 2 or any(set(by_clip) != set(clips) for by_clip in scores.values()):
        raise ValueError("leave-one-out needs two clips or more, the same for each parameter")
    totals = {parameter: sum(right for right, _ in by_clip.values()) for parameter, by_clip in scores.items()}
    right = of = 0
    chosen: Counter[str] = Counter()
    for clip in clips:
        # max takes the first of equals
        best = max(scores, key=lambda parameter: totals[parameter] - scores[parameter][clip][0])
        chosen[str(best)] += 1
        right += scores[best][clip][0]
        of += scores[best][clip][1]
    return LeftOut(right, of, max(totals.values()), dict(chosen.most_common()))
