"""Faces over time: boxes of one look after the other become tracks, and a vote decides which tracks count.

One dropped look is not an absence and one ghost is not a person: a face counts when more than half of the looks of the
last MEMORY_MS found it, and at once when a look was beyond doubt; on a tie what was, stays. At five looks a second
three of them vote. Truth changes within a second at most, so a longer memory would only be late; at one look a second
each look decides alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from agent.core.observation import Face

Box = tuple[float, float, float, float]
"""x, y, width, height as fractions 0..1 of the frame."""

MEMORY_MS = 500
SAME = 0.2
"""Overlap (intersection over union) from which two boxes of neighbouring looks are one face. Low, because at five
looks a second a face that turns away moves by up to half its width."""

REACH = 1.5


class Sighting(Struct, frozen=True, gc=False):
    """What one look says of one place: a `box` and the score, 0..1, with which a face is there. `is_seen`: the score
    is high enough to count; `is_sure`: it is beyond doubt."""

    box: Box
    score: float
    is_seen: bool
    is_sure: bool = False


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def has_moved_to(before: Box, now: Box) -> bool:
    """Whether a face may have gone from the one box to the other between two looks: not further than REACH of its own
    sides, and without halving or doubling. Who gets up quickly is one face, not two for half a second."""
    side, other = max(before[2:]), max(now[2:])
    away_x = abs(before[0] + before[2] / 2 - now[0] - now[2] / 2)
    away_y = abs(before[1] + before[3] / 2 - now[1] - now[3] / 2)
    return max(side, other) < 2 * min(side, other) and max(away_x, away_y) < REACH * max(side, other)


class Track:
    """One face followed from look to look. `n` is its number, `box` where it was last found."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.box: Box = (0.0, 0.0, 0.0, 0.0)
        self.is_visible = False
        self._found: list[tuple[int, Sighting]] = []

    @property
    def score(self) -> float:
        """The mean, 0..1, of the looks in memory that found it; of all that saw anything while none did."""
        scores = [each.score for _, each in self._found if each.is_seen] or [each.score for _, each in self._found]
        return sum(scores) / len(scores)

    @property
    def was_seen(self) -> bool:
        """Whether one of the looks in memory found it."""
        return any(each.is_seen for _, each in self._found)

    def step(self, looks: Sequence[int], sighting: Sighting | None) -> bool:
        """The look at the last of `looks` (boot times in ms, those in memory) saw `sighting` here, or nothing. False
        when nothing is left of this track."""
        self._found = [each for each in self._found if each[0] >= looks[0]]
        if sighting is not None:
            self.box = sighting.box
            self._found.append((looks[-1], sighting))
        votes = 2 * sum(each.is_seen for _, each in self._found)
        if votes != len(looks):
            self.is_visible = votes > len(looks)
        if sighting is not None and sighting.is_sure:
            self.is_visible = True
        return bool(self._found)


class Tracks:
    """The faces of one camera; looks older than `memory_ms` are forgotten. `reset` before another camera or film."""

    def __init__(self, memory_ms: int = MEMORY_MS) -> None:
        self._memory_ms = memory_ms
        self._next_n = 1
        self.reset()

    def reset(self) -> None:
        self._tracks: list[Track] = []
        self._looks: list[int] = []

    def step(self, up_ms: int, sightings: Iterable[Sighting]) -> None:
        """Take in one look at `up_ms` boot time. Each sighting, the best scores first, joins the track that it overlaps
        most; else one that was not found any more and may have moved there; else it begins one of its own. A time that
        is not later than the last starts anew."""
        if self._looks and up_ms <= self._looks[-1]:
            self.reset()
        self._looks = [look for look in self._looks if look >= up_ms - self._memory_ms] + [up_ms]
        left, kept, unmatched = list(self._tracks), [], []
        for sighting in sorted(sightings, key=lambda each: -each.score):
            track = max(left, key=lambda each: overlap(each.box, sighting.box), default=None)
            if track is None or overlap(track.box, sighting.box) < SAME:
                unmatched.append(sighting)
                continue
            left.remove(track)
            track.step(self._looks, sighting)
            kept.append(track)
        for sighting in unmatched:
            track = next((each for each in left if has_moved_to(each.box, sighting.box)), None)
            if track is None:
                track, self._next_n = Track(self._next_n), self._next_n + 1
            else:
                left.remove(track)
            track.step(self._looks, sighting)
            kept.append(track)
        self._tracks = kept + [track for track in left if track.step(self._looks, None)]

    @property
    def all(self) -> Sequence[Track]:
        return tuple(self._tracks)

    def visible(self) -> tuple[Face, ...]:
        """The faces that count now, best first."""
        faces = [Face(track.box, track.score) for track in self._tracks if track.is_visible]
        return tuple(sorted(faces, key=lambda face: -face.score))
