"""How the authority's files are written: whole, for good, and readable by whom they are for."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def put_file(path: Path, data: bytes, *, is_secret: bool = False) -> None:
    """Replace a file whole and for good: a reader, or a machine after a power cut, has the old one or the new one. A
    secret is readable by its owner alone, and so is its folder. Raises OSError."""
    if not path.parent.is_dir():
        path.parent.mkdir(mode=0o755 if path.parent.name == "public" else 0o700, parents=True, exist_ok=True)
        give_to_owner_of(path.parent.parent, path.parent)
        sync_folder(path.parent.parent)
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        give_to_owner_of(path.parent, descriptor)
        if not is_secret:
            with contextlib.suppress(PermissionError):  # a stick's file system may know no modes
                os.fchmod(descriptor, 0o644)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    beside.replace(path)
    sync_folder(path.parent)


def give_to_owner_of(folder: Path, made: Path | int) -> None:
    """What root makes belongs to whom the folder belongs to, as SQLite has it too: an admin's `sudo` must not leave a
    key that the worker cannot read."""
    if os.geteuid() == 0:
        owner = folder.stat()
        with contextlib.suppress(PermissionError):  # a stick's file system may know no owners
            os.chown(made, owner.st_uid, owner.st_gid)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
