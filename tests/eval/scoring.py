"""Counts of faces against truth. Pure.

Each labelled second is compared with the look nearest to its reference time; a second without a look counts as no face
seen, for a detector that stays silent must not score better.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from tests.eval.footage import Item, Second

NEAREST_S = 0.5
"""A look farther than this from the reference time says nothing of it."""
LEAST_SCORE = 0.5
"""From this score on a face counts, for the desk as for its peers, unless a peer is given with a score of its own."""


class Seen(NamedTuple):
    """How many faces a detector saw at `second`."""

    second: float
    faces: int


class Tally(Struct, frozen=True, omit_defaults=True):
    """Labelled seconds, counted. Of presence: `found`, `ghosts` (a face where none is), `missed`, `empty` (none, and
    none seen). `several*` the same of two or more faces. `right`: 0, 1 or 2+ right; `exact`: the number right, of those
    `exact_of` seconds where it is known. `unlooked`: no look near the reference time."""

    seconds: int = 0
    unlooked: int = 0
    found: int = 0
    ghosts: int = 0
    missed: int = 0
    empty: int = 0
    several: int = 0
    several_false: int = 0
    several_missed: int = 0
    right: int = 0
    exact: int = 0
    exact_of: int = 0

    def __add__(self, other: Tally) -> Tally:
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in msgspec.structs.fields(Tally)}
        return Tally(**sums)

    @property
    def figures(self) -> dict[str, float | None]:
        """Shares 0..1, None where there is nothing to divide by, in the order in which people read them."""
        return {
            "right": share(self.right, self.seconds),
            "exact": share(self.exact, self.exact_of),
            "presence_precision": share(self.found, self.found + self.ghosts),
            "presence_recall": share(self.found, self.found + self.missed),
            "absence_precision": share(self.empty, self.empty + self.missed),
            "absence_recall": share(self.empty, self.empty + self.ghosts),
            "several_precision": share(self.several, self.several + self.several_false),
            "several_recall": share(self.several, self.several + self.several_missed),
        }


def share(part: float, whole: float) -> float | None:
    """`part` of `whole`; None when there is no whole."""
    return None if whole == 0 else part / whole


def nearest(second: float, looks: Sequence[Seen], is_film: bool) -> Seen | None:
    """The look that speaks for `second`; a picture's only look always does."""
    found = min(looks, key=lambda look: abs(look.second - second), default=None)
    if found is None or (is_film and abs(found.second - second) > NEAREST_S + 1e-9):
        return None
    return found


def score_second(truth: Second, seen: int | None) -> Tally:
    """One labelled second of which a detector saw `seen` faces; None: it did not look."""
    count = seen or 0
    is_there, is_several = truth.count > 0, truth.count > 1
    return Tally(
        seconds=1,
        unlooked=int(seen is None),
        found=int(is_there and count > 0),
        ghosts=int(not is_there and count > 0),
        missed=int(is_there and count == 0),
        empty=int(not is_there and count == 0),
        several=int(is_several and count > 1),
        several_false=int(not is_several and count > 1),
        several_missed=int(is_several and count < 2),
        right=int(min(truth.count, 2) == min(count, 2)),
        exact=int(not truth.is_exact_unsure and truth.count == count),
        exact_of=int(not truth.is_exact_unsure),
    )


def score(item: Item, looks: Sequence[Seen], seconds: Iterable[Second] | None = None) -> Tally:
    """All sure `seconds` of `item` (default: all it has) against what a detector saw."""
    total = Tally()
    for truth in item.seconds if seconds is None else seconds:
        if not truth.is_unsure:
            look = nearest(truth.t, looks, item.is_film)
            total += score_second(truth, None if look is None else look.faces)
    return total


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum."""
    return sum(tallies, Tally())
