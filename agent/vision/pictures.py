"""Faces that never move are pictures of faces: a poster, a portrait on an identity card, a screen saver.

A face is watched through the same window of the frame for STILL_MS. Whoever breathes, blinks or swallows changes what
is in the window by more than the camera's noise; a print does not. A frozen camera shows nothing but prints, and in low
light little differs from anything: nothing is decided then.

Windows are places, not tracks: a print that somebody hid, or that the detector missed, is the same print afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.core.tracks import Box, Track, overlap

Rgb = NDArray[np.uint8]
Patch = NDArray[np.float32]

STILL_MS = 30_000
"""The longer, the safer: a print that counts for half a minute raises nothing that a person would not, and a person
taken for a print would be missed."""
STILL_STEP = 0.12
"""Mean difference in luma within the window, light and contrast adapted, as a share of the window's own contrast; noise
stays below. Two portraits with noise of 0.5 to 3, 30 pixels wide and wider, reach 0.02 at most in full light, and 0.07
at three tenths of it. On the labelled film the stillest real face went to 0.47 within 20 s (40 windows, five films) and
to 1.4 within 30 s (ten windows, one film), dimmed to a mean luma of 35 to 0.46 and 1.4; within 10 s it reached only
0.17. A person taken for a print would be missed, so it lies nearer to the prints."""
LEAST_CONTRAST = 8.0
"""Standard deviation of luma in the window under which nothing is decided: noise of 3 alone would differ by 0.13 of it
for a face of 30 pixels. In those windows real faces have 21 and more, and 5.6 to 10 dimmed to a mean luma of 35; the
portraits have 48 and more, and 14 at three tenths of the light."""
KEEP_MS = 300_000
"""So long the place of a face that is not found is remembered: who stands before a poster sits down again."""
SAME_PLACE = 0.5
"""Overlap (intersection over union) from which a face is looked for in a window: a face beside a print is not in it."""
LOOK_EVERY_MS = 1_000
_PATCH = (12, 12)


class _Window:
    """One face's place as it looked at first. `still_ms`: how long it was seen like that; `track_n`: who is there now,
    `seen_up_ms` when somebody last was."""

    def __init__(self, track: Track, patch: Patch, up_ms: int) -> None:
        self.box, self.patch = track.box, patch
        self.track_n: int | None = track.n
        self.seen_up_ms, self.still_ms = up_ms, 0
        self.is_still = False

    def see(self, track_n: int, up_ms: int, elapsed_ms: int) -> None:
        """Track `track_n` is there at `up_ms`; if one was at the last look too, it was so for `elapsed_ms`."""
        if self.track_n is not None:
            self.still_ms += elapsed_ms
        self.track_n, self.seen_up_ms = track_n, up_ms
        self.is_still = self.is_still or self.still_ms >= STILL_MS


class StillFaces:
    """Tells pictures of faces from faces, by place. One camera, one thread."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._windows: list[_Window] = []
        self._looked_up_ms: int | None = None

    def look(self, rgb: Rgb, tracks: Iterable[Track], up_ms: int, *, may_tell: bool) -> frozenset[int]:
        """The numbers of those `tracks` that have not moved for STILL_MS, as far as `rgb` at `up_ms` shows.
        Without `may_tell` nobody can say whether anything moves. A time before the last starts anew."""
        tracks = tuple(tracks)
        if self._looked_up_ms is not None and up_ms < self._looked_up_ms:
            self.reset()
        if self._looked_up_ms is None or up_ms - self._looked_up_ms >= LOOK_EVERY_MS:
            self._watch(rgb, tracks, up_ms, may_tell=may_tell)
            self._looked_up_ms = up_ms
        else:
            self._recognise(rgb, tracks)
        numbers = {track.n for track in tracks}
        return frozenset(w.track_n for w in self._windows if w.is_still and w.track_n in numbers)

    def _watch(self, rgb: Rgb, tracks: tuple[Track, ...], up_ms: int, *, may_tell: bool) -> None:
        elapsed_ms = 0 if self._looked_up_ms is None or not may_tell else up_ms - self._looked_up_ms
        elapsed_ms = min(elapsed_ms, 2 * LOOK_EVERY_MS)  # what nobody looked at was not seen
        left, held = [window for window in self._windows if up_ms - window.seen_up_ms <= KEEP_MS], []
        if not may_tell:  # what was before the time in which nothing could move does not count either
            for window in left:
                window.still_ms = 0
        for track in tracks:
            found = _window_of(rgb, track, left, may_tell=may_tell)
            if found is None:
                held.append(_Window(track, _patch(rgb, track.box), up_ms))
            else:
                left.remove(found)
                found.see(track.n, up_ms, elapsed_ms)
                held.append(found)
        for window in left:
            window.track_n = None
        self._windows = held + [window for window in left if _is_kept(window, tracks)]

    def _recognise(self, rgb: Rgb, tracks: tuple[Track, ...]) -> None:
        """Between two looks: a print that is found again does not count as a face until the next."""
        known, numbers = {window.track_n for window in self._windows}, {track.n for track in tracks}
        for track in tracks:
            if track.n not in known:
                prints = [window for window in self._windows if window.is_still and window.track_n not in numbers]
                found = _window_of(rgb, track, prints, may_tell=True)
                if found is not None:
                    found.track_n = track.n


def _window_of(rgb: Rgb, track: Track, windows: Iterable[_Window], *, may_tell: bool) -> _Window | None:
    """The one of `windows` that `track` is in, its own before others: it overlaps and looks as it did. While that
    cannot be told a track stays where it was."""
    near = [window for window in windows if overlap(window.box, track.box) >= SAME_PLACE]
    for window in sorted(near, key=lambda each: (each.track_n != track.n, -overlap(each.box, track.box))):
        is_same = _is_same(window.patch, _patch(rgb, window.box))
        if is_same or (window.track_n == track.n and (is_same is None or not may_tell)):
            return window
    return None


def _is_kept(window: _Window, tracks: Iterable[Track]) -> bool:
    """Whether a window in which nobody is found is worth remembering. Not one whose face has moved on: somebody is
    there and looks otherwise; but what hides a print does not make it a face."""
    is_taken = any(overlap(window.box, track.box) >= SAME_PLACE for track in tracks)
    return window.is_still or (window.still_ms > 0 and not is_taken)


def _is_same(before: Patch, now: Patch) -> bool | None:
    """Whether nothing but light and noise lies between the two; None when `now` has too little contrast to tell. What
    had too little before is not the same as anything."""
    contrast = float(before.std())
    if contrast < LEAST_CONTRAST:
        return False
    if float(now.std()) < LEAST_CONTRAST:
        return None
    return _difference(before, now) < STILL_STEP * contrast


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
