"""How fast recording fills the card: by the files closed lately, before that by the encoder's setting. Pure."""

from __future__ import annotations

from collections import deque

from agent.core.segments import ClosedSegment

WINDOW_MS = 300_000
"""The newest minutes: a room that fills or empties changes the rate by more than they do."""
LEAST_MS = 10_000
"""Less film says little: a run's first file is a second long and half of it is its first picture."""
IN_FILES = 1.08
"""Bytes of file for each byte the encoder is set to, by a view that keeps it busy; measured (`agent/README.md`)."""


class RecordRate:
    """Told of each closed file, by one thread; read by any."""

    def __init__(self, bitrate_bps: int) -> None:
        self.bytes_per_s = bitrate_bps / 8 * IN_FILES
        self._closed: deque[tuple[int, int]] = deque()
        self._ms = self._bytes = 0

    def add(self, segment: ClosedSegment) -> None:
        ms = segment.ended_up_ms - segment.began_up_ms
        if ms <= 0:
            return
        self._closed.append((ms, segment.size_bytes))
        self._ms, self._bytes = self._ms + ms, self._bytes + segment.size_bytes
        while self._ms - self._closed[0][0] >= WINDOW_MS:
            old_ms, old_bytes = self._closed.popleft()
            self._ms, self._bytes = self._ms - old_ms, self._bytes - old_bytes
        if self._ms >= LEAST_MS:
            self.bytes_per_s = self._bytes * 1000 / self._ms
