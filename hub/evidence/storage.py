"""Where film lies: files known by their SHA-256, on a file system or at an S3 service.

One small interface, so that nothing else knows which. What `put` has answered for is there after a power cut. Nobody
but `hub.evidence.purging` may call `delete`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

_NAME = re.compile(r"[0-9a-f]{64}")


class StorageProblem(Exception):
    """The storage cannot do it now; the text says why and what to do."""


class StorageFull(StorageProblem):
    """There is no room left."""


class Missing(StorageProblem):
    """It has no file of that hash."""


class Storage(Protocol):
    """All methods may be called from any thread and process; all raise StorageProblem."""

    def put(self, sha256: str, source: Path) -> None:
        """Keep the file `source`, whose hash the caller has checked, for good; `source` may be moved away. Safe to
        repeat. Raises StorageFull."""

    def read(self, sha256: str) -> bytes:
        """The whole file; a segment is a few megabytes. Raises Missing."""

    def size_bytes(self, sha256: str) -> int | None:
        """None when it is not there."""

    def delete(self, sha256: str) -> bool:
        """Remove it for good; False when it was not there."""

    def names(self) -> Iterator[tuple[str, int]]:
        """(hash, bytes) of every file that is there, in any order."""

    def free_bytes(self) -> int | None:
        """Room left; None where nobody can tell."""


class LocalStorage:
    """A folder: `ab/abcdef...`, each file 0440 and complete from the moment it has its name."""

    def __init__(self, folder: Path, reserve_bytes: int = 0) -> None:
        """`reserve_bytes` are left free on the file system: the hub's database lies there too."""
        self._folder = folder
        self._reserve_bytes = reserve_bytes

    def put(self, sha256: str, source: Path) -> None:
        target = self._path(sha256)
        try:
            size_bytes = source.stat().st_size
            if target.exists() and target.stat().st_size == size_bytes:
                return
            if (free := self.free_bytes()) is not None and free < size_bytes:
                raise StorageFull(f"{self._folder}: {max(free, 0)} bytes are free above the reserve")
            _make_folder(target.parent)
            beside = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}")
            try:
                _move(source, beside)
                os.chmod(beside, 0o440)
                _sync(beside)
                beside.replace(target)
            finally:
                beside.unlink(missing_ok=True)
            _sync(target.parent)
        except OSError as error:
            raise _problem(error, self._folder) from None

    def read(self, sha256: str) -> bytes:
        try:
            return self._path(sha256).read_bytes()
        except FileNotFoundError:
            raise Missing(f"{self._folder} has no file {sha256}") from None
        except OSError as error:
            raise _problem(error, self._folder) from None

    def size_bytes(self, sha256: str) -> int | None:
        try:
            return self._path(sha256).stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _problem(error, self._folder) from None

    def delete(self, sha256: str) -> bool:
        path = self._path(sha256)
        try:
            path.unlink()
            _sync(path.parent)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _problem(error, self._folder) from None
        return True

    def names(self) -> Iterator[tuple[str, int]]:
        try:
            for folder in sorted(self._folder.iterdir()) if self._folder.exists() else ():
                if len(folder.name) != 2 or not folder.is_dir():
                    continue
                with os.scandir(folder) as found:
                    for each in found:
                        if _NAME.fullmatch(each.name):
                            yield each.name, each.stat().st_size
        except OSError as error:
            raise _problem(error, self._folder) from None

    def free_bytes(self) -> int | None:
        try:
            _make_folder(self._folder)
            space = os.statvfs(self._folder)
        except OSError as error:
            raise _problem(error, self._folder) from None
        return space.f_bavail * space.f_frsize - self._reserve_bytes

    def _path(self, sha256: str) -> Path:
        if not _NAME.fullmatch(sha256):
            raise StorageProblem(f"{sha256[:80]!r} is no SHA-256")
        return self._folder / sha256[:2] / sha256


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        _sync(folder.parent)


def _move(source: Path, target: Path) -> None:
    try:
        os.rename(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
        _sync(target)
        with contextlib.suppress(OSError):
            source.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _problem(error: OSError, folder: Path) -> StorageProblem:
    kind = StorageFull if error.errno in (28, 122) else StorageProblem  # ENOSPC, EDQUOT
    return kind(f"{error.filename or folder}: {error.strerror or error}")
