"""One process of a kind on one store: two ingests would take the broker's session from each other for ever."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class AlreadyRuns(Exception):
    """Another process of this kind runs here; the text says so."""


@contextmanager
def alone(database: Path, kind: str) -> Iterator[None]:
    """Hold the place of the one `kind` for the store at `database` until the block ends; the kernel gives it back when
    the process dies. Raises AlreadyRuns, OSError."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with (database.parent / f"{database.name}.{kind}").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRuns(f"another `ems-hub {kind}` runs on {database}: stop it first") from None
        yield


@contextmanager
def one_after_another(database: Path, work: str) -> Iterator[None]:
    """Wait until nobody else is at this `work` on the store at `database`, and keep others waiting until the block
    ends; the kernel lets them on when the process dies. Raises OSError."""
    with (database.parent / f"{database.name}.{work}").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
