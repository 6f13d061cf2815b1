"""The hub's one meeting place: a database that every process opens, and the rules under which they share it.

Three laws. Writers take turns: one lock (a file lock between processes, a thread lock within one) stands around every
write transaction, because SQLite before 3.51.3 can damage a WAL that two connections reset at once, and because
waiting in a queue of our own never fails with "database is locked". Only ingest checkpoints, under the same lock.
Readers are free: each thread reads on a connection of its own.

SQL lives in the named files of `queries/`, loaded by aiosql, so that PostgreSQL is a second dialect and not a second
store.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiosql
import sqlite_utils

from hub.store import migrations

QUERIES: Any = aiosql.from_path(Path(__file__).parent / "queries", "sqlite3")
"""Every named query, as `QUERIES.name(connection, ...)`."""

Row = sqlite3.Row
_BUSY_TIMEOUT_S = 30.0


class StoreProblem(Exception):
    """The store cannot be opened or is not ours; the text says what to do."""


class Store:
    """A database file under the laws above. One Store a process, used by any thread."""

    def __init__(self, path: Path, *, is_checkpointer: bool = False) -> None:
        """Open `path`, creating and migrating it when needed. `is_checkpointer` is for ingest alone."""
        self.path = path
        self._is_checkpointer = is_checkpointer
        self._turn = threading.RLock()
        self._local = threading.local()
        self._open: list[sqlite_utils.Database] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_file = (path.parent / f"{path.name}.lock").open("a")
        except OSError as error:
            raise StoreProblem(f"cannot open the store {path}: {error}") from error
        try:
            with self._taking_turn():
                migrations.migrate(self._connection())
        except (OSError, sqlite3.Error, migrations.UnknownVersion) as error:
            self.close()
            raise StoreProblem(f"cannot open the store {path}: {error}") from error

    def _connection(self) -> sqlite3.Connection:
        database: sqlite_utils.Database | None = getattr(self._local, "database", None)
        if database is None:
            # check_same_thread=False only so that close() may end what other threads opened.
            connection = sqlite3.connect(
                self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            connection.row_factory = sqlite3.Row
            database = sqlite_utils.Database(connection, execute_plugins=False)
            self._local.database = database
            self._open.append(database)
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
            connection.execute("pragma foreign_keys = on")
            if not self._is_checkpointer:
                connection.execute("pragma wal_autocheckpoint = 0")
        found: sqlite3.Connection = database.conn
        return found

    @contextmanager
    def _taking_turn(self) -> Iterator[None]:
        with self._turn:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed and synced when the block ends, undone when it raises."""
        with self._taking_turn():
            connection = self._connection()
            connection.execute("begin immediate")
            try:
                yield connection
                connection.commit()
            except BaseException:
                if connection.in_transaction:  # a full disk may leave it open, and the next writer would fail on it
                    connection.rollback()
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A view that does not change while the block runs."""
        connection = self._connection()
        connection.execute("begin")
        try:
            yield connection
        finally:
            connection.rollback()

    def data_version(self) -> int:
        """A number that changes when another connection has committed (SQLite's `data_version`), cheap to ask.
        Ask from one thread: each thread's connection counts for itself."""
        return int(self._connection().execute("pragma data_version").fetchone()[0])

    def database(self) -> sqlite_utils.Database:
        """This thread's sqlite-utils view, for look-ups and introspection."""
        self._connection()
        found: sqlite_utils.Database = self._local.database
        return found

    def close(self) -> None:
        """Close every thread's connection. The closing checkpoint SQLite makes is a write: it takes its turn."""
        with self._taking_turn():
            while self._open:
                self._open.pop().conn.close()
            self._local = threading.local()
        self._lock_file.close()
