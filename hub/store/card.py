"""A desk's own database, read as it lies on its card: never written, and as far as a damaged one can be read."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from hub.core.reconcile import SegmentRow
from hub.store import QUERIES, Row, reconciling

PAGE_ROWS = 500
FAR = 2**62
MOST_ROW_BYTES = 4 << 20
"""A record or a still has 64 KiB at most."""


class CannotRead(Exception):
    """Something of the card cannot be read; the text names it and says why."""


class CardDatabase:
    """One opened database. `is_damaged` becomes True when rows in the middle could not be read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.is_damaged = False

    def records(self) -> Iterator[Row]:
        """boot, seq, header, body, signature of each record, in the order in which they were written."""
        return self._rows(QUERIES.card_records, QUERIES.card_records_back)

    def stills(self) -> Iterator[Row]:
        """boot, seq, sha256, utc_ms, up_ms, jpeg of each evidence still."""
        return self._rows(QUERIES.card_stills, QUERIES.card_stills_back)

    def _rows(self, forward: Callable[..., Any], back: Callable[..., Any]) -> Iterator[Row]:
        """From the beginning; where a page of the file cannot be read, on from the end."""
        after, before = -1, FAR
        try:
            while page := forward(self._connection, after=after, limit=PAGE_ROWS):
                count = 0
                for row in page:
                    if row["rowid"] <= after:  # somebody has put the pages into a ring
                        raise sqlite3.DatabaseError("its rows are not in their order")
                    after, count = row["rowid"], count + 1
                    yield row
                if count < PAGE_ROWS:
                    return
        except sqlite3.DatabaseError:
            self.is_damaged = True
        try:
            while page := back(self._connection, after=after, before=before, limit=PAGE_ROWS):
                count = 0
                for row in page:
                    if row["rowid"] >= before:
                        return
                    before, count = row["rowid"], count + 1
                    yield row
                if count < PAGE_ROWS:
                    return
        except sqlite3.DatabaseError:
            return


@contextmanager
def opened(path: Path) -> Iterator[CardDatabase]:
    """The database at `path`, which is not changed: one whose journal must be read again is copied first. Raises
    CannotRead."""
    journals = [journal for suffix in ("-wal", "-journal") if (journal := Path(f"{path}{suffix}")).exists()]
    if not any(journal.stat().st_size for journal in journals):
        with _connected(f"{path.resolve().as_uri()}?mode=ro&immutable=1") as connection:
            yield CardDatabase(connection)
        return
    with TemporaryDirectory(prefix="ems-card-") as folder:
        try:
            for each in (path, *journals):
                shutil.copyfile(each, Path(folder) / each.name)
        except OSError as error:
            raise CannotRead(f"{path.name}: cannot be copied: {error.strerror or error}") from None
        with _connected((Path(folder) / path.name).as_uri()) as connection:
            yield CardDatabase(connection)


@contextmanager
def _connected(uri: str) -> Iterator[sqlite3.Connection]:
    name = uri.rpartition("/")[2].partition("?")[0]
    try:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise CannotRead(f"{name}: cannot be opened: {error}") from None
    try:
        connection.row_factory = sqlite3.Row
        _check_tables(connection, name)
        yield connection
    finally:
        connection.close()


def _check_tables(connection: sqlite3.Connection, name: str) -> None:
    """A view may go on for ever, and a program of whoever wrote it would run. Raises CannotRead."""
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_ROW_BYTES)
        connection.execute("pragma trusted_schema = off")
        others = QUERIES.card_others(connection)["others"]
    except sqlite3.DatabaseError:
        return  # damaged: what of it can be read is read
    if others:
        raise CannotRead(f"{name}: holds something other than a desk's tables, and is not read")


def segments_named(connection: sqlite3.Connection, units: Iterable[str], name: str) -> list[SegmentRow]:
    """The segments of that name that these units have in the hub's store."""
    rows = QUERIES.segments_named(connection, units=msgspec.json.encode(list(units)).decode(), name=name)
    return [reconciling.segment_of(row) for row in rows]


def still_state(connection: sqlite3.Connection, unit: str, sha256: str) -> tuple[bool, bool]:
    """(whether a record of the unit carries the hash of this picture, whether the hub has it)."""
    row: Row = QUERIES.is_still_told(connection, unit=unit, sha256=sha256)
    return bool(row["is_told"]), bool(row["is_here"])
