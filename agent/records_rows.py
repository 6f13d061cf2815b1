"""Rows of the desk's database and the values they are; `agent.records` alone runs these, under its lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlite_utils import Database

from agent import records_sql as sql
from agent import wire


class Segment(NamedTuple):
    """One row of the segment list. `state` is `kept`, `uploaded` (the hub has confirmed it) or `freed`."""

    closed: wire.SegmentClosed
    state: str
    boot: int
    seq: int


class Kept(NamedTuple):
    """A sealed record, and the picture whose hash it carries."""

    record: wire.Record
    still: bytes | None


class Restored(NamedTuple):
    """A record that came back; `is_stored`: of a segment, that the hub has its file."""

    record: wire.Record
    is_stored: bool


def segment_of(row: tuple[Any, ...]) -> Segment:
    """Of a row of `sql.SEGMENTS`."""
    boot, seq, state, sitting, name, began_utc_ms, began_up_ms, ended_utc_ms, ended_up_ms, *sizes, is_cut = row
    frames, size_bytes, sha256 = sizes
    closed = wire.SegmentClosed(
        sitting=sitting,
        name=name,
        began=wire.Instant(began_utc_ms, began_up_ms),
        ended=wire.Instant(ended_utc_ms, ended_up_ms),
        frames=frames,
        size_bytes=size_bytes,
        sha256=sha256,
        is_cut=bool(is_cut),
    )
    return Segment(closed, state, boot, seq)


def insert(db: Database, kept: Kept) -> None:
    """Add a record, to be delivered, with its still and its place in the segment list."""
    record, header = kept.record, kept.record.header
    key = (header.boot, header.seq)
    texts = (header.kind, record.header_text, record.body_text, record.signature, record.hash)
    db.execute(sql.ADD_RECORD, (*key, *texts, int(header.is_durable)))
    if kept.still is not None:
        at = (header.utc_ms, header.up_ms)
        db.execute(sql.ADD_STILL, (*key, wire.sha256_hex(kept.still), *at, kept.still))
    if isinstance(record.body, wire.SegmentClosed):
        db.execute(sql.ADD_SEGMENT, _segment_row(record.body, *key))


def _segment_row(body: wire.SegmentClosed, boot: int, seq: int) -> tuple[Any, ...]:
    sizes = (body.frames, body.size_bytes, body.sha256, int(body.is_cut))
    return (body.name, boot, seq, body.sitting, *body.began, *body.ended, *sizes)


def restore(db: Database, records: Iterable[Restored], on_card: Mapping[str, int], utc_ms: int) -> None:
    """Add records that the hub holds, as delivered. A segment that was told again after the loss keeps its new row, as
    at the hub, and only learns that it is stored. One that the hub has not got and whose file is gone is in the
    records, but in no list of what could be sent."""
    for record, is_stored in records:
        header, body = record.header, record.body
        key = (header.boot, header.seq)
        texts = (header.kind, record.header_text, record.body_text, record.signature, record.hash)
        db.execute(sql.RESTORE_RECORD, (*key, *texts, int(header.is_durable), utc_ms))
        db.execute(sql.MARK_DELIVERED, (utc_ms, *key, record.hash))
        if not isinstance(body, wire.SegmentClosed):
            continue
        if is_stored:
            state = "uploaded" if body.name in on_card else "freed"
            db.execute(sql.RESTORE_SEGMENT, (*_segment_row(body, *key), state))
            db.execute(sql.MARK_UPLOADED, (body.name, body.sha256))
        elif on_card.get(body.name) == body.size_bytes:  # another size is another file: it is told as it is
            db.execute(sql.RESTORE_SEGMENT, (*_segment_row(body, *key), "kept"))


def forget(db: Database, receipt: wire.Receipt, utc_ms: int) -> None:
    """Take what the hub has committed out of the spool."""
    for boot, seq in receipt.records:
        db.execute(
            "UPDATE records SET receipted_utc_ms = ? WHERE boot = ? AND seq = ? AND receipted_utc_ms IS NULL",
            (utc_ms, boot, seq),
        )
    for sha256 in receipt.stills:
        db.execute(
            "UPDATE stills SET receipted_utc_ms = ? WHERE sha256 = ? AND receipted_utc_ms IS NULL", (utc_ms, sha256)
        )
