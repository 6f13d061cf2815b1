"""A bundle's file while it is written: a zip whose every byte follows from its members (`hub.evidence.verify`).

Python's `zipfile` writes what its version thinks right; here nothing is left open, so that a changed byte anywhere
shows. The file has its name only when it is whole and on the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from hub.core.manifest import Item
from hub.evidence.files import sync
from hub.evidence.verify import Member, directory, local_header


class BundleFile:
    """A context manager: leaving it by an exception removes what was written. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        self._members: list[Member] = []
        self._at = 0
        self.items: list[Item] = []

    def __enter__(self) -> BundleFile:
        self._part.unlink(missing_ok=True)  # what a killed worker left
        descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        self._file = os.fdopen(descriptor, "wb", buffering=1 << 20)
        os.fchmod(descriptor, 0o640)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with contextlib.suppress(OSError):  # the disk is full: what is buffered cannot be written either
                self._file.close()
            self._part.unlink(missing_ok=True)

    @property
    def folder(self) -> Path:
        return self._path.parent

    @property
    def size_bytes(self) -> int:
        return self._at

    def add(self, name: str, what: str, data: bytes, told: Mapping[str, Any] | None = None) -> Item:
        """Add a member; it stands in the manifest unless `what` is ''."""
        return self.add_pieces(name, what, len(data), (data,), zlib.crc32(data), told)

    def add_file(self, name: str, what: str, path: Path, told: Mapping[str, Any] | None = None) -> Item:
        """Add a member that is too large to be held in memory; it is read twice."""
        crc32 = 0
        for piece in _pieces(path):
            crc32 = zlib.crc32(piece, crc32)
        return self.add_pieces(name, what, path.stat().st_size, _pieces(path), crc32, told)

    def add_pieces(
        self,
        name: str,
        what: str,
        size_bytes: int,
        pieces: Iterable[bytes],
        crc32: int,
        told: Mapping[str, Any] | None,
    ) -> Item:
        member = Member(name, size_bytes, crc32, self._at)
        header = local_header(member)
        self._file.write(header)
        found, written = hashlib.sha256(), 0
        for piece in pieces:
            found.update(piece)
            written += len(piece)
            self._file.write(piece)
        if written != size_bytes:
            raise OSError(f"{name} changed while it was read")
        self._members.append(member)
        self._at += len(header) + size_bytes
        item = Item(name, what, size_bytes, found.hexdigest(), told or {})
        if what:
            self.items.append(item)
        return item

    def finish(self) -> None:
        """Write the table of contents and give the file its name, for good."""
        self._file.write(directory(self._members, self._at))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._path)
        sync(self._path.parent)


def _pieces(path: Path) -> Iterable[bytes]:
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            yield piece
