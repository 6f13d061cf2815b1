"""Segments for tests of the hub: their records as ingest keeps them, and their files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from agent.wire import Record, SegmentClosed
from hub.store import Store, intake
from tests.hub.desk import START_UTC_MS, Desk, segment


class Film(NamedTuple):
    """One segment: what its record says and what its file holds."""

    record: Record
    closed: SegmentClosed
    data: bytes

    @property
    def key(self) -> tuple[int, int]:
        return self.record.header.boot, self.record.header.seq

    def file(self, folder: Path) -> Path:
        """A copy of its own."""
        path = folder / f"copy-of-{self.closed.name}"
        path.write_bytes(self.data)
        return path


def film(store: Store, desk: Desk, data: bytes, number: int = 1, **changes: Any) -> Film:
    """Seal the record of a segment with this content and keep it as ingest does."""
    body = segment(number, **({"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} | changes))
    record = desk.seal(body)
    keep(store, desk, record)
    return Film(record, body, data)


def keep(store: Store, desk: Desk, record: Record) -> None:
    with store.write() as connection:
        intake.add_unit(connection, desk.unit, desk.public_key, START_UTC_MS)
        intake.add_records(connection, [(record, record.hash, START_UTC_MS)])
        if isinstance(record.body, SegmentClosed):
            intake.save_segments(connection, [(record.header, record.body)])
