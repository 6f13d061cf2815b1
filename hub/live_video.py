"""Live video in the folder in memory (tmpfs): ingest puts the newest picture of each watched desk, the web reads it.

`video/<unit>` is the newest picture as it came (`wire.Still`: note, newline, JPEG), stamped with the hub's time of
receipt; `watch/<unit>` is the web's mark that somebody watches, stamped with the hub's time. Files are replaced whole.
Bounded: ingest puts pictures of known and watched units alone, each of at most `wire.MAX_MESSAGE_BYTES`, and takes
away those of desks that nobody watches any more.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from agent import wire
from agent.wire import Instant

WATCHED_MS = 6_000
"""How long a mark counts; the web renews it every MARK_EVERY_MS."""
MARK_EVERY_MS = 2_000
_NS_PER_MS = 1_000_000


class Picture(NamedTuple):
    """One picture; `at` is when the desk took it, by its own clocks, `received_utc_ms` when the hub got it."""

    boot: int
    at: Instant
    received_utc_ms: int
    jpeg: bytes


class VideoFolder:
    """Both ends; each end's methods on any of its threads."""

    def __init__(self, path: Path) -> None:
        self._video, self._watch = path / "video", path / "watch"

    def make(self) -> None:
        """Create the folders, readable and writable by the hub's own user and group only. Raises OSError."""
        self._video.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._watch.mkdir(mode=0o770, parents=True, exist_ok=True)

    # --- the web's end ----------------------------------------------------------------------------------------------

    def mark(self, unit: str, now_utc_ms: int) -> None:
        """Somebody watches `unit`. Raises OSError."""
        path = self._watch / unit
        path.touch()
        os.utime(path, ns=(now_utc_ms * _NS_PER_MS, now_utc_ms * _NS_PER_MS))

    def unmark(self, unit: str) -> None:
        """Nobody does any more. Raises OSError."""
        (self._watch / unit).unlink(missing_ok=True)

    def newest(self, unit: str, after_utc_ms: int) -> Picture | None:
        """The newest picture when it was received at another time than `after_utc_ms`; None without one."""
        path = self._video / unit
        try:
            if path.stat().st_mtime_ns == after_utc_ms * _NS_PER_MS:
                return None
            with path.open("rb") as file:
                received_utc_ms = os.fstat(file.fileno()).st_mtime_ns // _NS_PER_MS
                still: wire.Still = wire.decode_up("live", file.read())
        except (OSError, wire.BadMessage):
            return None
        if received_utc_ms == after_utc_ms:
            return None
        return Picture(still.note.boot, still.note.at, received_utc_ms, still.jpeg)

    # --- ingest's end -----------------------------------------------------------------------------------------------

    def watched(self, now_utc_ms: int) -> frozenset[str]:
        """The units that somebody watches now. A mark that is older, or of a time to come, counts no more."""
        found = set()
        for name in _names(self._watch):
            with contextlib.suppress(OSError):
                age_ms = now_utc_ms - (self._watch / name).stat().st_mtime_ns // _NS_PER_MS
                if -WATCHED_MS <= age_ms <= WATCHED_MS:
                    found.add(name)
        return frozenset(found)

    def put(self, unit: str, payload: bytes, received_utc_ms: int) -> None:
        """Make `payload`, a whole message, the newest picture of `unit`. Raises OSError."""
        beside = self._video / f".{unit}.new"
        beside.write_bytes(payload)
        os.utime(beside, ns=(received_utc_ms * _NS_PER_MS, received_utc_ms * _NS_PER_MS))
        beside.replace(self._video / unit)

    def keep_only(self, units: Iterable[str]) -> None:
        """Take away the pictures of every other unit. Raises OSError."""
        kept = set(units)
        for name in _names(self._video):
            if name not in kept:
                (self._video / name).unlink(missing_ok=True)


def _names(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".")]
    except FileNotFoundError:
        return []
