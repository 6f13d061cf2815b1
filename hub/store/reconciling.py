"""The store's verbs for bringing database and storage together again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from hub.core.reconcile import SegmentRow
from hub.store import QUERIES, Row, Store

WALK_ROWS = 5_000


class Use(NamedTuple):
    """What the segments' rows say of a file: whether any names it, one that is stored needs it, and one that is not
    purged would."""

    is_named: bool
    is_needed: bool
    is_wanted: bool


def segments(store: Store) -> Iterator[SegmentRow]:
    """Every segment, read in pages so that no reader holds the store for long."""
    unit, name = "", ""
    while True:
        with store.read() as connection:
            rows = [segment_of(row) for row in QUERIES.segments_walk(connection, unit=unit, name=name, limit=WALK_ROWS)]
        yield from rows
        if len(rows) < WALK_ROWS:
            return
        unit, name = rows[-1].unit, rows[-1].name


def segment(connection: sqlite3.Connection, unit: str, name: str) -> SegmentRow | None:
    row: Row | None = QUERIES.segment_for_check(connection, unit=unit, name=name)
    return None if row is None else segment_of(row)


def blobs(store: Store) -> dict[str, int]:
    """Hash to bytes of every file that the store lists."""
    with store.read() as connection:
        return {row["sha256"]: row["size_bytes"] for row in QUERIES.blobs_all(connection)}


def garbage(store: Store) -> dict[str, int]:
    """Hash of every file that waits for its removal, to since when (milliseconds UTC)."""
    with store.read() as connection:
        return {row["sha256"]: row["since_utc_ms"] for row in QUERIES.garbage_all(connection)}


def has_film(store: Store) -> bool:
    """Whether the store lists any file."""
    with store.read() as connection:
        return bool(QUERIES.has_film(connection)["has_film"])


def use_of(connection: sqlite3.Connection, sha256: str) -> Use:
    row: Row = QUERIES.is_file_named(connection, sha256=sha256)
    return Use(*(bool(row[field]) for field in Use._fields))


def is_held(connection: sqlite3.Connection, unit: str, name: str) -> bool:
    return bool(QUERIES.is_segment_held(connection, unit=unit, name=name)["is_held"])


def adopt(connection: sqlite3.Connection, row: SegmentRow, now_utc_ms: int) -> None:
    """The storage has this segment's file, checked: it is stored."""
    QUERIES.take_blob(connection, sha256=row.sha256, size_bytes=row.size_bytes, now=now_utc_ms)
    QUERIES.take_segment(connection, unit=row.unit, name=row.name, sha256=row.sha256, now=now_utc_ms)


def take_files(connection: sqlite3.Connection, files: Sequence[tuple[str, int]], now_utc_ms: int) -> int:
    """The storage has these files, (hash, bytes): the segments that they are of are stored. Answers how many became."""
    things = msgspec.json.encode(files).decode()
    count = int(QUERIES.take_many(connection, things=things, now=now_utc_ms))
    QUERIES.take_many_blobs(connection, things=things, now=now_utc_ms)
    return count


def lose(connection: sqlite3.Connection, row: SegmentRow) -> None:
    """The storage has not got this segment's film: it is not stored any more."""
    QUERIES.lose_segment(connection, unit=row.unit, name=row.name, sha256=row.sha256)
    QUERIES.drop_blob_in_vain(connection, sha256=row.sha256)


def ask_again(connection: sqlite3.Connection, rows: Iterable[SegmentRow], who: str, now_utc_ms: int) -> None:
    """Wish for the film of these segments, a stretch for each unit and sitting; `planning.replan` brings the wishes to
    the desks."""
    stretches: dict[tuple[str, str], tuple[int, int]] = {}
    for row in rows:
        begin, end = stretches.get((row.unit, row.sitting), (row.began_utc_ms, row.began_utc_ms + 1))
        stretches[row.unit, row.sitting] = (min(begin, row.began_utc_ms), max(end, row.ended_utc_ms))
    for (unit, sitting), (begin, end) in stretches.items():
        if sitting:
            QUERIES.wish_again(
                connection, unit=unit, sitting=sitting, from_utc_ms=begin, until_utc_ms=end, who=who, now=now_utc_ms
            )


def drop_blob_in_vain(connection: sqlite3.Connection, sha256: str) -> None:
    QUERIES.drop_blob_in_vain(connection, sha256=sha256)


def throw_away(connection: sqlite3.Connection, sha256: str, now_utc_ms: int) -> None:
    """Have a file removed, unless a segment that is not purged names it."""
    QUERIES.throw_away(connection, sha256=sha256, now=now_utc_ms)


def keep_needed(connection: sqlite3.Connection) -> None:
    """What a stored segment needs does not wait for its removal."""
    QUERIES.keep_needed_garbage(connection)


def segment_of(row: Row) -> SegmentRow:
    found = SegmentRow(**{field: row[field] for field in SegmentRow._fields})
    return found._replace(is_stored=bool(found.is_stored), is_purged=bool(found.is_purged))
