"""The last ten minutes of every tile, as this process saw them: nothing is known of the time before it started."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from hub.core.strip import BIN_MS, BINS, UNKNOWN, code_of, graver


class Strips:
    """`look` at the board once a beat, from one thread; `whole` from any."""

    def __init__(self) -> None:
        self._bin = -1
        self._now: dict[str, str] = {}
        self._past: dict[str, deque[str]] = {}
        self.whole: dict[str, str] = {}
        """By tile: one code (`hub.core.strip`) a bin, the oldest first."""

    def look(self, tiles: Mapping[str, Mapping[str, Any]], now_utc_ms: int) -> dict[str, str] | None:
        """The codes of the bin that has just ended; None while it goes on. Bins that nobody looked at are not known."""
        number = now_utc_ms // BIN_MS
        ended = None
        if number != self._bin:
            if 0 <= self._bin:
                ended = self._end(number)
            self._bin, self._now = number, {}
        for key, tile in tiles.items():
            self._now[key] = graver(self._now.get(key, UNKNOWN), code_of(tile))
        return ended

    def _end(self, number: int) -> dict[str, str]:
        missed = min(max(number - self._bin - 1, 0), BINS)
        if number < self._bin:  # the clock was set back: what was drawn stands at another time now
            self._past.clear()
        past = {}
        for key, code in self._now.items():
            line = self._past.get(key) or deque(UNKNOWN * BINS, maxlen=BINS)
            line.extend(code + UNKNOWN * missed)
            past[key] = line
        self._past = past
        self.whole = {key: "".join(line) for key, line in past.items()}
        return {key: code + UNKNOWN * missed for key, code in self._now.items()}
