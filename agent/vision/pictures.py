"""Faces that never move are pictures of faces: a poster, a portrait on an identity card, a screen saver.

A face is watched through the same window of the frame for STILL_MS. Whoever breathes, blinks or swallows changes what
is in the window by more than the camera's noise; a print does not. A frozen camera shows nothing but prints, and in low
light little differs from anything: nothing is decided then.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.core.tracks import Box, Track

Rgb = NDArray[np.uint8]
Patch = NDArray[np.float32]

STILL_MS = 30_000
"""The longer, the safer: a print that counts for half a minute raises nothing that a person would not, and a person
taken for a print would be missed."""
STILL_STEP = 3.0
"""Mean difference in luma within the window, light and contrast adapted, that noise stays below (about 1.5 at a noise
of 3, for a face of 30 pixels). On the labelled film every real face went to 9 or more within 20 s; within 10 s the
stillest reached 4, and 2 in low light, in which nothing is decided."""
LOOK_EVERY_MS = 1_000
_PATCH = (12, 12)


class _Window:
    """One face's place, as it was at `since_up_ms`."""

    def __init__(self, box: Box, patch: Patch, up_ms: int) -> None:
        self.box, self.patch, self.since_up_ms = box, patch, up_ms
        self.is_still = False


class StillFaces:
    """Tells pictures of faces from faces, by track. One camera, one thread."""

    def __init__(self) -> None:
        self._windows: dict[int, _Window] = {}
        self._looked_up_ms: int | None = None

    def reset(self) -> None:
        self._windows, self._looked_up_ms = {}, None

    def look(self, rgb: Rgb, tracks: Iterable[Track], up_ms: int, *, may_tell: bool) -> frozenset[int]:
        """The numbers of those `tracks` that have not moved for STILL_MS, as far as `rgb` at `up_ms` shows.
        Without `may_tell` nobody can say whether anything moves."""
        tracks = tuple(tracks)
        is_due = self._looked_up_ms is None or not 0 <= up_ms - self._looked_up_ms < LOOK_EVERY_MS
        if is_due and not may_tell:
            self._looked_up_ms = up_ms
            for window in self._windows.values():  # the time in which nothing could move does not count
                window.since_up_ms = up_ms
        elif is_due:
            self._looked_up_ms = up_ms
            self._windows = {track.n: self._watched(rgb, track, up_ms) for track in tracks}
        return frozenset(n for n, window in self._windows.items() if window.is_still)

    def _watched(self, rgb: Rgb, track: Track, up_ms: int) -> _Window:
        window = self._windows.get(track.n)
        if window is not None:
            if _difference(window.patch, _patch(rgb, window.box)) < STILL_STEP:
                window.is_still = window.is_still or up_ms - window.since_up_ms >= STILL_MS
                return window
        return _Window(track.box, _patch(rgb, track.box), up_ms)


def _difference(before: Patch, now: Patch) -> float:
    """Mean difference in luma after the change of light and contrast that explains most of it: a lamp switched on
    moves no face."""
    before, now = before - before.mean(), now - now.mean()
    contrast = float((before * now).sum()) / max(1.0, float((before * before).sum()))
    return float(np.abs(now - min(2.0, max(0.5, contrast)) * before).mean())


def _patch(rgb: Rgb, box: Box) -> Patch:
    """Luma, float32, of what is in `box`, in 12 x 12 cells."""
    height, width = rgb.shape[:2]
    left, top = min(max(int(box[0] * width), 0), width - 1), min(max(int(box[1] * height), 0), height - 1)
    right, bottom = max(left + 1, int((box[0] + box[2]) * width)), max(top + 1, int((box[1] + box[3]) * height))
    small = cv2.resize(rgb[top:bottom, left:right], _PATCH, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
