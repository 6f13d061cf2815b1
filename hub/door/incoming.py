"""Unfinished films on the hub's disk: INCOMING/<unit>/<boot>-<seq>.part, each with what has come of it so far.

The order of failure: a piece is written behind what is there, synced, and only then answered. Whoever is killed in
between leaves a file that ends before, in or after that piece; its length is where the desk is told to go on. What came
wrong is found when the whole is hashed. One lock on the file itself keeps two pieces of a film apart, between threads
and between processes, and is gone with whoever held it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from agent.wire import UNIT_PATTERN
from hub.evidence.files import make_folder, sync

_NAME = re.compile(r"(\d{1,16})-(\d{1,16})\.part")
ABANDONED_AFTER_MS = 7 * 86_400_000


class NoRoom(Exception):
    """The disk has no room left above the reserve."""


class InUse(Exception):
    """Another piece of the same film is being written, or the film was finished this moment."""


class Found(NamedTuple):
    """An unfinished film; `changed_utc_ms` by the hub's clock."""

    unit: str
    boot: int
    seq: int
    changed_utc_ms: int


class Part:
    """One unfinished film, locked. Every method may raise OSError."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self._descriptor = path, descriptor

    @property
    def size_bytes(self) -> int:
        return os.fstat(self._descriptor).st_size

    def append(self, data: bytes) -> None:
        """Add `data` and sync; wholly, or not at all. Raises NoRoom."""
        size_bytes = self.size_bytes
        try:
            left = memoryview(data)
            while left:
                left = left[os.pwrite(self._descriptor, left, size_bytes + len(data) - len(left)) :]
            os.fdatasync(self._descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, size_bytes)
            raise _as_room(error) from None

    def sha256(self) -> str:
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)


class Incoming:
    """The folder of all of them. Used by any thread."""

    def __init__(self, folder: Path, reserve_bytes: int = 0) -> None:
        self._folder = folder
        self._reserve_bytes = reserve_bytes

    def _path(self, unit: str, boot: int, seq: int) -> Path:
        if not re.match(UNIT_PATTERN, unit):
            raise ValueError(f"{unit!r} is no unit's name")
        return self._folder / unit / f"{boot}-{seq}.part"

    def size_bytes(self, unit: str, boot: int, seq: int) -> int:
        """How much of it is there; 0 for nothing. Raises OSError."""
        try:
            return self._path(unit, boot, seq).stat().st_size
        except FileNotFoundError:
            return 0

    @contextmanager
    def open(self, unit: str, boot: int, seq: int) -> Iterator[Part]:
        """The film's file, made if there is none, for this block alone. Raises InUse, NoRoom, OSError."""
        path = self._path(unit, boot, seq)
        try:
            make_folder(path.parent)
            is_new = not path.exists()
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise _as_room(error) from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUse(f"another piece of {path.name} of {unit} is being written") from None
            if os.fstat(descriptor).st_nlink == 0:  # finished or dropped between our opening and our lock
                raise InUse(f"{path.name} of {unit} was finished or dropped this moment")
            if is_new:
                sync(path.parent)
            yield Part(path, descriptor)
        finally:
            os.close(descriptor)

    def check_room(self, wanted_bytes: int) -> None:
        """Raises NoRoom when so many bytes would go into the reserve; OSError."""
        try:
            make_folder(self._folder)
        except OSError as error:
            raise _as_room(error) from None
        space = os.statvfs(self._folder)
        free_bytes = space.f_bavail * space.f_frsize - self._reserve_bytes
        if free_bytes < wanted_bytes:
            raise NoRoom(f"{self._folder}: {max(0, free_bytes)} bytes are free above the reserve")

    def trim(self, unit: str, keep: int, but: tuple[int, int]) -> None:
        """Drop the oldest unfinished films of `unit` beyond `keep`, besides `but`. Raises OSError."""
        others = [each for each in self._of(self._folder / unit) if (each.boot, each.seq) != but]
        for found in sorted(others, key=lambda each: each.changed_utc_ms)[: max(0, len(others) - keep)]:
            with contextlib.suppress(InUse), self.open(found.unit, found.boot, found.seq) as part:
                part.drop()

    def all(self) -> Iterator[Found]:
        """Every unfinished film. Raises OSError."""
        if not self._folder.is_dir():
            return
        for folder in sorted(each for each in self._folder.iterdir() if re.match(UNIT_PATTERN, each.name)):
            yield from self._of(folder)

    def _of(self, folder: Path) -> Iterator[Found]:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            named = _NAME.fullmatch(path.name)
            with contextlib.suppress(FileNotFoundError):
                if named is not None:
                    changed_utc_ms = path.stat().st_mtime_ns // 1_000_000
                    yield Found(folder.name, int(named[1]), int(named[2]), changed_utc_ms)


def _as_room(error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoom(f"{error.filename or 'the disk'}: {error.strerror}")
    return error
