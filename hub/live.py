"""The folder in memory (tmpfs) through which ingest and worker hand the web what is never kept: stills and figures.

One file a desk, `stills/<unit>`, holds the newest live still as it came (`wire.Still`: note, newline, JPEG); one file,
`ingest.json`, holds ingest's figures, and one, `worker.json`, the worker's state. Files are replaced whole, so a reader
sees the old one or the new one. Bounded: only known units have a file, each of at most `wire.MAX_MESSAGE_BYTES`.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct

from agent import wire


class LiveStill(Struct, frozen=True, kw_only=True):
    """The newest picture of a desk; `at` is when the desk took it, `received_utc_ms` when the hub got it."""

    unit: str
    at: wire.Instant
    received_utc_ms: int
    sha256: str
    jpeg: bytes


class LiveFolder:
    """Both ends of the folder: ingest and worker write, each its own files, the web reads; on one thread each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stills = path / "stills"
        self._read: dict[str, tuple[int, LiveStill]] = {}

    def make(self) -> None:
        """Create the folder, readable by its owner and group only. Raises OSError."""
        self._stills.mkdir(mode=0o750, parents=True, exist_ok=True)

    def put_still(self, unit: str, payload: bytes, received_utc_ms: int) -> None:
        """Make `payload`, a whole still message, the newest of `unit`. Raises OSError."""
        self._replace(self._stills / unit, payload, received_utc_ms)

    def keep_only(self, units: Iterable[str]) -> None:
        """Take away the pictures of every other unit."""
        kept = set(units)
        for name in self._names():
            if name not in kept:
                (self._stills / name).unlink(missing_ok=True)

    def put_facts(self, facts: dict[str, Any], now_utc_ms: int) -> None:
        """Publish ingest's figures (the format is told at `hub.ingest.facts`). Raises OSError."""
        self._replace(self.path / "ingest.json", json.dumps(facts).encode(), now_utc_ms)

    def facts(self) -> dict[str, Any] | None:
        """Ingest's newest figures; None when it has never run here."""
        return self._facts_in("ingest.json")

    def put_worker(self, facts: dict[str, Any], now_utc_ms: int) -> None:
        """Publish the worker's state (the format is told at `hub.worker`). Raises OSError."""
        self._replace(self.path / "worker.json", json.dumps(facts).encode(), now_utc_ms)

    def worker(self) -> dict[str, Any] | None:
        """The worker's newest state; None when it has never run here."""
        return self._facts_in("worker.json")

    def _facts_in(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self.path / name).read_bytes())
        except (OSError, ValueError):
            return None
        return found

    def stills(self) -> dict[str, LiveStill]:
        """The newest still of every desk; a file that has not changed is not read again."""
        found: dict[str, tuple[int, LiveStill]] = {}
        for name in self._names():
            with contextlib.suppress(OSError, ValueError, wire.BadMessage):
                found[name] = self._newest(name)
        self._read = found
        return {unit: still for unit, (_, still) in found.items()}

    def still(self, unit: str) -> LiveStill | None:
        """The newest still of one desk."""
        if unit not in self._names():
            return None
        try:
            return self._newest(unit)[1]
        except (OSError, ValueError, wire.BadMessage):
            return None

    def _newest(self, unit: str) -> tuple[int, LiveStill]:
        path = self._stills / unit
        known = self._read.get(unit)
        # The writer stamps each file with its own time of receipt, in whole milliseconds.
        stamp_ns = path.stat().st_mtime_ns
        if known is not None and known[0] == stamp_ns:
            return known
        still: wire.Still = wire.decode_up("still", path.read_bytes())
        return stamp_ns, LiveStill(
            unit=unit,
            at=still.note.at,
            received_utc_ms=stamp_ns // 1_000_000,
            sha256=still.note.sha256,
            jpeg=still.jpeg,
        )

    def _names(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self._stills) if not name.startswith("."))
        except FileNotFoundError:
            return []

    def _replace(self, path: Path, data: bytes, utc_ms: int) -> None:
        beside = path.parent / f".{path.name}.new"
        beside.write_bytes(data)
        os.utime(beside, ns=(utc_ms * 1_000_000, utc_ms * 1_000_000))
        beside.replace(path)
