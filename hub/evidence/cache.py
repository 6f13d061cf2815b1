"""Clips that were made, kept a while: a browser asks for one in many pieces, and a person looks at it twice.

The name says the content, so that a clip whose segments changed is another one. Nothing here is evidence: all of it can
be made again, and `forget` takes it away when film is purged.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from hub.core.film import Cut
from hub.evidence import clips
from hub.evidence.clips import Form
from hub.evidence.storage import Storage

MOST_AT_ONCE = 2
"""Clips made at a time: one more would only slow both down."""
PATIENCE_S = 20.0
_LEFT_OVER_MS = 600_000


class Busy(Exception):
    """Too many clips are being made just now."""


class ClipCache:
    """A folder that only the hub reads, at most `limit_bytes` large; the clips that were not asked for longest go
    first. For any thread; several processes may share the folder."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder, self._limit_bytes = folder, limit_bytes
        self._turns = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._lock = threading.Lock()
        self._made: dict[str, threading.Lock] = {}

    def clip(self, storage: Storage, cut: Cut, form: Form, now_utc_ms: int) -> Path:
        """The clip's file, made now unless it is there. It may be removed at any time: open it at once. Raises Busy,
        and what `clips.build` raises."""
        path = self._folder / f"{_name(cut, form)}.{form.name}"
        with self._alone(path.name):
            if path.exists():
                os.utime(path, ns=(now_utc_ms * 1_000_000, now_utc_ms * 1_000_000))
                return path
            if not self._turns.acquire(timeout=PATIENCE_S):
                raise Busy
            try:
                self._make(path, lambda beside: clips.build(storage, cut, beside, form), now_utc_ms)
            finally:
                self._turns.release()
        self._shrink(keep=path, now_utc_ms=now_utc_ms)
        return path

    def _make(self, path: Path, build: Callable[[Path], object], now_utc_ms: int) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            build(beside)
            os.utime(beside, ns=(now_utc_ms * 1_000_000, now_utc_ms * 1_000_000))
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Two who want one clip: the second waits and finds it."""
        with self._lock:
            own = self._made.setdefault(name, threading.Lock())
        with own:
            yield
        with self._lock:
            if not own.locked():
                self._made.pop(name, None)

    def _shrink(self, keep: Path, now_utc_ms: int) -> None:
        found: list[tuple[int, int, Path]] = []
        with contextlib.suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    state = path.stat()
                    if not path.name.startswith("."):
                        found.append((state.st_mtime_ns, state.st_size, path))
                    elif (
                        abs(now_utc_ms - state.st_mtime_ns // 1_000_000) > _LEFT_OVER_MS
                    ):  # of a process that was killed
                        path.unlink(missing_ok=True)
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._limit_bytes:
                return
            if path != keep:
                path.unlink(missing_ok=True)
                total -= size


def _name(cut: Cut, form: Form) -> str:
    told = (form.name, cut.from_ms, cut.until_ms, [(each.segment.sha256, each.at_ms) for each in cut.placed])
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()


def folder_of(storage_path: str) -> Path:
    """Where the hub's clips lie."""
    return Path(storage_path) / "cache" / "clips"


def forget(storage_path: str) -> int:
    """Take all clips away, whatever they show; answers how many. For whoever purges film."""
    count = 0
    with contextlib.suppress(FileNotFoundError):
        for path in folder_of(storage_path).iterdir():
            path.unlink(missing_ok=True)
            count += 1
    return count
