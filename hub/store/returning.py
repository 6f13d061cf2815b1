"""A unit's records on their way back to it: for a card that has lost them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from agent import wire_door
from agent.wire_door import MAX_PAGE_RECORDS, RecordsPage, SealedRecord
from hub.store import QUERIES, Row

MOST_PAGE_BYTES = 180_000
"""Of the records in a page, encoded; with one more of the largest it is within what a desk reads of an answer."""


def page_after(connection: sqlite3.Connection, unit: str, boot: int, seq: int) -> RecordsPage:
    """The next records of `unit` after (boot, seq), as they were sealed, in the exact texts that were signed."""
    rows: Iterable[Row] = QUERIES.records_after(connection, unit=unit, boot=boot, seq=seq, most=MAX_PAGE_RECORDS + 1)
    found = [
        SealedRecord(
            header=row["header"], body=row["body"], signature=row["signature"], is_stored=bool(row["is_stored"])
        )
        for row in rows
    ]
    taken: list[SealedRecord] = []
    size_bytes = 0
    for record in found[:MAX_PAGE_RECORDS]:
        if size_bytes >= MOST_PAGE_BYTES:
            break
        taken.append(record)
        size_bytes += len(wire_door.encode(record))
    return RecordsPage(records=tuple(taken), is_last=len(taken) == len(found))
