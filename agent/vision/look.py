"""One look at a picture for faces: the full-range model leads, the short-range one is asked again about what is not
beyond doubt, the landmark model where these two leave it open, and a vote over the last looks decides.

The full-range model finds nearly every face, but gives a small or turned one no better a score than the back of a head.
The short-range model knows the difference, though only for faces that are large in its picture: so it is shown nothing
but the place in question, enlarged. A clock on the wall deceives both; the landmark model, which has to lay eyes, nose
and mouth over the place, says when there are none. `models/README.md` has what each step brings and costs.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.core.tracks import MEMORY_MS, SAME, Box, Sighting, Tracks, overlap
from agent.vision.faces import SHORT_RANGE, Detections, FaceFinder, FaceSpec, Floats
from agent.vision.landmarks import Landmarks

Rgb = NDArray[np.uint8]


class LookSpec(NamedTuple):
    """How a look decides. Scores are 0..1, chosen on labelled film; `models/README.md` says what those that matter most
    are worth on film they were not chosen on (leave-one-out)."""

    floor: float = 0.3
    """What the leading model scores lower is nothing."""
    sure: float = 0.85
    """From here on it is a face without a second look."""
    closeups: tuple[float, ...] = (2.0, 3.0)
    """Sides of the squares shown to the short-range model at the second look, as multiples of the box. The mean of
    its scores and the leading model's is what counts."""
    nothing: float = 0.5
    """Below this mean there is no face."""
    seen: float = 0.72
    """From here on there is one; in between the landmark model decides. On labelled film no back of a head and no
    clock came above 0.68."""
    landmarks: float = 0.8
    """The least flag of the landmark model that makes a face of it."""
    most_closeups: int = 6
    """So many places are looked at twice, the likeliest first: a crowd must not cost a whole core."""
    scan_every_ms: int = 500
    """The leading model runs at the first look after so long, which at five looks a second is every third, and sooner
    when anything is in doubt; in between faces are followed."""
    keep: float = 0.75
    """The least score of the one closeup by which a face is followed."""
    most_followed: int = 2
    """More would cost as much as scanning."""
    hold: float = 0.65
    """A face that was found lately stays while a closeup of where it was scores this much."""
    memory_ms: int = MEMORY_MS
    """See `agent.core.tracks`."""


CLOSEUP_FLOOR = 0.2
"""A closeup's score below this is none."""


class Closeup:
    """The short-range model on a square around one place. Buffers are reused: one thread."""

    def __init__(self, model: Path) -> None:
        self._finder = FaceFinder(model, SHORT_RANGE._replace(score=CLOSEUP_FLOOR))
        self.model = self._finder.model
        self._square = np.zeros((SHORT_RANGE.size, SHORT_RANGE.size, 3), np.uint8)

    def look(self, rgb: Rgb, box: Box, scale: float) -> tuple[float, Box]:
        """The best score, 0..1, of a face that has its middle within `box` of `rgb`, and its box; (0, `box`) without
        one. The model is shown a square of `scale` times the box, black beyond the frame."""
        height, width = rgb.shape[:2]
        centre_x, centre_y = (box[0] + box[2] / 2) * width, (box[1] + box[3] / 2) * height
        side = max(1, round(max(box[2] * width, box[3] * height) * scale))
        left, top = round(centre_x - side / 2), round(centre_y - side / 2)
        self._cut(rgb, left, top, side)
        best = _middle_one(self._finder.detect_square(self._square), 0.5 / scale)
        if best is None:
            return 0.0, box
        score, (x, y, w, h) = best
        found = ((left + x * side) / width, (top + y * side) / height, w * side / width, h * side / height)
        return score, found

    def _cut(self, rgb: Rgb, left: int, top: int, side: int) -> None:
        """Fill the square from `side` pixels of `rgb`. A plain resize where it lies within the frame: at a third of the
        cost of a warp, which counts beside so small a model."""
        size = SHORT_RANGE.size
        height, width = rgb.shape[:2]
        if left >= 0 and top >= 0 and left + side <= width and top + side <= height:
            cv2.resize(rgb[top : top + side, left : left + side], (size, size), dst=self._square)
            return
        zoom = size / side
        warp = np.array([[zoom, 0, -left * zoom], [0, zoom, -top * zoom]], np.float32)
        cv2.warpAffine(rgb, warp, (size, size), dst=self._square)


class _Candidate(NamedTuple):
    """A place where the leading model sees a face: box, score and the two eyes (2, 2), in fractions of the frame."""

    box: Box
    score: float
    eyes: Floats


def _candidates(found: Detections) -> list[_Candidate]:
    """Best first, as they were found."""
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.keypoints[:, :2], strict=True)
    return [_Candidate((x, y, width, height), score, eyes) for (x, y, width, height), score, eyes in rows]


def _middle_one(found: Detections, reach: float) -> tuple[float, Box] | None:
    """The best of `found` whose middle lies within `reach` of the square's middle."""
    for box, score in zip(found.boxes.tolist(), found.scores.tolist(), strict=True):
        x, y, width, height = box
        if abs(x + width / 2 - 0.5) < reach and abs(y + height / 2 - 0.5) < reach:
            return score, (x, y, width, height)
    return None


def _is_free(box: Box, sightings: list[Sighting]) -> bool:
    """Whether none of `sightings` is at `box`."""
    return all(overlap(box, sighting.box) < SAME for sighting in sightings)


class FaceLook:
    """Finds the visible faces, look after look. `reset` before another camera or film; one thread."""

    def __init__(
        self, leading: Path, closeup: Path, landmarks: Path, leader: FaceSpec, spec: LookSpec | None = None
    ) -> None:
        """Load the model that leads, which `leader` describes, the short-range one for closeups and the one for
        landmarks. Raises VisionProblem."""
        self.spec = spec or LookSpec()
        self.finder = FaceFinder(leading, leader._replace(score=self.spec.floor))
        self.closeup = Closeup(closeup)
        self.landmarks = Landmarks(landmarks)
        self.tracks = Tracks(self.spec.memory_ms)
        self.reset()

    def reset(self) -> None:
        self.tracks.reset()
        self._scanned_up_ms: int | None = None

    def look(self, rgb: Rgb, up_ms: int) -> None:
        """Bring `tracks` to what `rgb`, uint8 (height, width, 3), captured at `up_ms`, shows. Raises VisionProblem."""
        sightings = self._followed(rgb, up_ms)
        if sightings is None:
            sightings = self._scanned(rgb)
            self._scanned_up_ms = up_ms
        self.tracks.step(up_ms, sightings)

    def _followed(self, rgb: Rgb, up_ms: int) -> list[Sighting] | None:
        """The faces of the last look where they are now; None when the whole picture must be scanned."""
        tracks = self.tracks.all
        is_clear = 1 <= len(tracks) <= self.spec.most_followed and all(track.is_visible for track in tracks)
        is_due = self._scanned_up_ms is None or not 0 <= up_ms - self._scanned_up_ms < self.spec.scan_every_ms
        if is_due or not is_clear:
            return None
        sightings = []
        for track in tracks:
            score, box = self.closeup.look(rgb, track.box, self.spec.closeups[0])
            if score < self.spec.keep:
                return None
            sightings.append(Sighting(box, score, is_seen=True, is_sure=True))
        return sightings

    def _scanned(self, rgb: Rgb) -> list[Sighting]:
        sightings: list[Sighting] = []
        second_looks = 0
        for candidate in _candidates(self.finder.detect(rgb)):
            if candidate.score >= self.spec.sure:
                sightings.append(Sighting(candidate.box, candidate.score, is_seen=True, is_sure=True))
            elif second_looks < self.spec.most_closeups:
                second_looks += 1
                sightings.append(self._second_look(rgb, candidate))
        return sightings + self._missed(rgb, sightings)

    def _second_look(self, rgb: Rgb, candidate: _Candidate) -> Sighting:
        scores = [self.closeup.look(rgb, candidate.box, scale)[0] for scale in self.spec.closeups]
        score = (candidate.score + sum(scores)) / (1 + len(scores))
        if not self.spec.nothing <= score < self.spec.seen:
            return Sighting(candidate.box, score, is_seen=score >= self.spec.seen, is_sure=score >= self.spec.sure)
        flag = self.landmarks.look(rgb, candidate.box, candidate.eyes)
        if flag < self.spec.landmarks:
            return Sighting(candidate.box, score, is_seen=False)
        return Sighting(candidate.box, (score + flag) / 2, is_seen=True)

    def _missed(self, rgb: Rgb, sightings: list[Sighting]) -> list[Sighting]:
        """A face that was found lately and that the leading model did not find again is looked at where it was."""
        again = []
        for track in self.tracks.all:
            if track.was_seen and _is_free(track.box, sightings):
                score, box = self.closeup.look(rgb, track.box, self.spec.closeups[0])
                if score >= self.spec.hold and _is_free(box, sightings):
                    again.append(Sighting(box, score, is_seen=True))
        return again
