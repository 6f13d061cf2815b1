"""The journal beside the film: from it and the film the store is made anew when the database is lost.

JSON lines, appended in pieces, each ended by a line that says how far it goes; a piece that was cut off is written
again by the next. Kinds of line:

    {"kind":"begun","at_utc_ms":...}                     from here on the rows of one store, from its first
    {"kind":"tables","tables":{"units":[...],...}}       small tables as they are now
    {"kind":"row","table":"records","row":{...}}         one row of a table that only grows; bytes as {"hex":...}
    {"kind":"at","cursors":{...},"marks":{...}}          what came before is complete up to these rows

Records carry their desks' signatures, so what is read from here is believed no more than what a desk sends. The worker
writes it every few seconds, so that ingest waits for no second sync: a dead disk takes what came in since.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from hub.config import Settings
from hub.evidence.storage import OpenStorage, StorageProblem, open_storage
from hub.store import Store
from hub.store import journal as tables

log = logging.getLogger(__name__)

ROWS_A_PIECE = 2_000
AGAIN_AFTER_S = 30.0
"""After a failure: the storage may be away for a while."""


class Journal:
    """Writes what is new in the store. Used by one thread."""

    def __init__(self, store: Store, storage: OpenStorage) -> None:
        """Goes on where the journal ends, or begins anew when it is not this store's. Raises StorageProblem."""
        self._store = store
        self._storage = storage
        self._cursors: tables.Cursors = {}
        self._whole = ""
        self._is_begun = False
        self._last_utc_ms = 0
        tail = storage.journal_tail()
        for line in reversed(tail.splitlines()):
            told = _line_of(line)
            if told is not None and told.get("kind") == "at":
                self._last_utc_ms = int(told.get("at_utc_ms", 0))
                self._go_on(told["cursors"], told["marks"])
                break

    def _go_on(self, cursors: dict[str, int], marks: dict[str, str]) -> None:
        with self._store.read() as connection:
            if tables.marks(connection, cursors) == marks:
                self._cursors, self._is_begun = cursors, True

    def turn(self, now_utc_ms: int) -> int:
        """Append what is new; answers how many rows. Raises StorageProblem, sqlite3.Error: the next turn repeats it."""
        written = 0
        while True:
            with self._store.read() as connection:
                whole = tables.whole(connection)
                grown = tables.grown(connection, self._cursors, ROWS_A_PIECE)
                marks = tables.marks(connection, grown.cursors)
            lines: list[dict[str, Any]] = []
            if not self._is_begun:
                lines.append({"kind": "begun", "at_utc_ms": now_utc_ms})
            told = hashlib.sha256(_encode({"kind": "tables", "tables": whole})).hexdigest()
            if told != self._whole:
                lines.append({"kind": "tables", "tables": whole})
            lines += [{"kind": "row", "table": table, "row": row} for table, row in grown.rows]
            if lines:
                at = max(now_utc_ms, self._last_utc_ms + 1)  # pieces are read by their times: a clock may be set back
                lines.append({"kind": "at", "cursors": grown.cursors, "marks": marks, "at_utc_ms": at})
                self._storage.add_to_journal(_day(at), at, b"\n".join(map(_encode, lines)) + b"\n")
                self._last_utc_ms = at
            self._cursors, self._whole, self._is_begun = grown.cursors, told, True
            written += len(grown.rows)
            if grown.is_all:
                return written


def read(storage: OpenStorage) -> Iterator[dict[str, Any] | None]:
    """Every line, in order; None for one that was cut off or changed into something else. Raises StorageProblem."""
    for piece in storage.journal():
        for line in piece.splitlines():
            if line:
                yield _line_of(line)


def _line_of(line: bytes) -> dict[str, Any] | None:
    try:
        told = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None
    return told if isinstance(told.get("kind"), str) else None


def row_of(told: dict[str, Any]) -> dict[str, Any]:
    """The row of a line, with its bytes. Raises ValueError."""
    return {
        name: bytes.fromhex(value["hex"]) if isinstance(value, dict) else value for name, value in told["row"].items()
    }


def table_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row_of({"row": row}) for row in rows]


def _encode(line: dict[str, Any]) -> bytes:
    return msgspec.json.encode(_plain(line))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def _day(utc_ms: int) -> str:
    return dt.datetime.fromtimestamp(utc_ms / 1000, dt.UTC).strftime("%Y-%m-%d")


class JournalThread:
    """Keeps the journal beside the worker's other work. `start`, then `stop`; `trouble` is one sentence, '' when all
    is well."""

    def __init__(self, settings: Settings, store: Store, now_utc_ms: Callable[[], int]) -> None:
        self.trouble = ""
        self._settings = settings
        self._store = store
        self._now_utc_ms = now_utc_ms
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Write what there is, and end."""
        self._stop.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        journal: Journal | None = None
        every_s = AGAIN_AFTER_S
        while True:
            is_last = self._stop.is_set()
            try:
                if journal is None:
                    storage = open_storage(self._settings)
                    journal, every_s = Journal(self._store, storage), storage.journal_every_s
                journal.turn(self._now_utc_ms())
                self._say("")
            except (StorageProblem, sqlite3.Error, OSError) as problem:
                self._say(f"the journal beside the film cannot be written: {problem}")
            except Exception:
                log.exception("the journal cannot be written")
                self._say("the journal beside the film cannot be written: the log says why")
            if is_last:
                return
            self._stop.wait(AGAIN_AFTER_S if self.trouble else every_s)

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            log.error("%s", trouble)
        self.trouble = trouble
