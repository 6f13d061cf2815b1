"""Files that are there whole or not at all, after a power cut too, and that the hub's own account can read."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

PIECE_BYTES = 1 << 20


def sha256_of(path: Path) -> str:
    """The hash of a file, read in pieces. Raises OSError."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            found.update(piece)
    return found.hexdigest()


def write_whole(path: Path, data: bytes, mode: int = 0o640) -> None:
    """Write a small file so that it is there whole or as it was before. Raises OSError."""
    beside = _beside(path)
    try:
        beside.write_bytes(data)
        settle(beside, mode)
        sync(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync(path.parent)


def copy_whole(source: Path, target: Path, mode: int = 0o440) -> None:
    """Copy a file so that the copy is complete when it has its name. Raises OSError."""
    beside = _beside(target)
    try:
        shutil.copyfile(source, beside)
        settle(beside, mode)
        sync(beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    sync(target.parent)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")


def make_folder(folder: Path) -> None:
    """Make it, and those above it, to last. Raises OSError."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o750, exist_ok=True)
        settle(folder, 0o750)
        sync(folder.parent)


def sync(path: Path) -> None:
    """Have what was written to a file, or the names in a folder, outlast a power cut. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def ends_a_line(path: Path) -> bool:
    """Whether the file ends with a newline, or is empty. Raises OSError."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def settle(path: Path, mode: int, folder: Path | None = None) -> None:
    """Give it its mode, and when root does this at the terminal, the owner of the folder that it goes to: the hub's own
    account must read it."""
    os.chmod(path, mode)
    if os.geteuid() == 0:
        owner = (folder or path.parent).stat()
        os.chown(path, owner.st_uid, owner.st_gid)
