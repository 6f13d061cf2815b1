"""A database on a card that may be full, read-only, failing or damaged; `agent.records` is built on it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from agent.unit_key import sync_folder

Work = Callable[[Database], object]


class CardDatabase:
    """One SQLite file behind one lock and one connection.

    A write that the card refuses is told by False, never raised, and can be left to wait: the next write that the card
    takes brings all that waits along, in order. A file that fails its integrity check is put aside, and what can be
    read of it goes on in a new one.
    """

    def __init__(self, path: Path, schema: str, version: int, tables: tuple[str, ...]) -> None:
        """`schema` is the text of statements that end in `;` and a line break, `tables` its tables, referred ones
        first. Raises ValueError for a file of a newer version, or one that `_check_owner` refuses."""
        self.trouble: str | None = None
        """Why the card cannot be written or read now, in one line; None while it can."""
        self.damaged: Path | None = None
        """Where a database that failed its integrity check at this start was put aside."""
        self._lock = threading.RLock()
        self._path = path
        self._schema = schema
        self._version = version
        self._tables = tables
        self._waiting: list[Work] = []
        self._db: Database | None = None
        self._open()

    def _fill(self, db: Database) -> None:
        """Write what a new database starts with, in the transaction that makes it."""

    def _check_owner(self, db: Database) -> None:
        """Raise ValueError if this is not the database that was expected."""

    # --- opening ----------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        try:
            self._db = self._checked(_connect(self._path))
        except sqlite3.OperationalError as error:
            self.trouble = f"the card cannot be written: {error}"
        except sqlite3.DatabaseError:
            self._start_anew()

    def _start_anew(self) -> None:
        """A broken file must not stop the desk."""
        try:
            self.damaged = self._put_aside()
            db = self._checked(_connect(self._path))
        except (OSError, sqlite3.OperationalError) as error:
            self.trouble = f"the card is damaged and cannot be written: {error}"
            return
        _salvage(self.damaged, db, self._tables)
        self._db = db

    def _checked(self, db: Database) -> Database:
        """The database with its schema, if it is whole and ours."""
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > self._version:
                raise ValueError(f"{self._path} was written by a newer version (schema {version})")
            if version == 0:
                self._make(db)
            fault = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if fault != "ok":
                raise sqlite3.DatabaseError(fault)
            self._check_owner(db)
        except BaseException:
            db.close()
            raise
        return db

    def _make(self, db: Database) -> None:
        with _transaction(db):
            for statement in self._schema.split(";\n"):
                if statement.strip():
                    db.execute(statement)
            self._fill(db)
            db.execute(f"PRAGMA user_version = {self._version}")

    def _put_aside(self) -> Path:
        number = 1
        while (aside := self._path.with_name(f"{self._path.stem}-damaged-{number}.db")).exists():
            number += 1
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self._path}{suffix}", f"{aside}{suffix}")
        Path(f"{self._path}-shm").unlink(missing_ok=True)
        sync_folder(self._path.parent)
        return aside

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Database | None]:
        """The open database; on a read-only card, where SQLite cannot open a journal, a private copy of it; None if
        there is nothing to read."""
        with contextlib.ExitStack() as stack:
            db = self._db
            if db is None:
                with contextlib.suppress(OSError, sqlite3.Error):
                    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ems-card-"))
                    db = self._copied_to(Path(folder))
                    stack.callback(db.close)
            yield db

    def _copied_to(self, folder: Path) -> Database:
        copy = folder / self._path.name
        shutil.copy(self._path, copy)
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(f"{self._path}-wal", f"{copy}-wal")
        return self._checked(_connect(copy))

    # --- using ------------------------------------------------------------------------------------------------------

    def _write(self, work: Work | None) -> bool:
        """Do all that waits, then `work`, in one synced transaction. False, and nothing done, if the card refuses."""
        if self._db is None:
            self._open()
        db = self._db
        if db is None:
            return False
        try:
            with _transaction(db):
                for step in self._waiting:
                    step(db)
                if work is not None:
                    work(db)
        except (OSError, sqlite3.Error) as error:
            self.trouble = f"the card cannot be written: {error}"
            return False
        self._waiting.clear()
        self.trouble = None
        return True

    def _write_or_wait(self, work: Work) -> bool:
        """Do it now, or leave it to the next write that the card takes."""
        is_written = self._write(work)
        if not is_written:
            self._waiting.append(work)
        return is_written

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """The rows of a query; none, and `trouble`, when the card cannot be read."""
        if self._db is None:
            return []
        try:
            return list(self._db.execute(query, values).fetchall())
        except sqlite3.Error as error:
            self.trouble = f"the card cannot be read: {error}"
            return []

    def retry(self) -> bool:
        """Try to bring what waits to the card; True when nothing waits any more. For a tick while `trouble` is set."""
        with self._lock:
            return self._write(None) if self._waiting or self.trouble else True

    def close(self) -> None:
        """Close the database; what the card still refuses is lost with the process."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None


def _connect(path: Path) -> Database:
    connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    try:
        db = Database(connection, execute_plugins=False)
        # FULL: a commit is on the card when it returns. With NORMAL 58 of 60 simulated power cuts lost rows.
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            db.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return db


@contextlib.contextmanager
def _transaction(db: Database) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.conn.in_transaction:
            db.execute("ROLLBACK")
        raise


def _salvage(damaged: Path, db: Database, tables: tuple[str, ...]) -> None:
    """Take over every row that can be read from either end of each table of a damaged database."""
    try:
        old = _connect(damaged)
    except sqlite3.Error:
        return
    try:
        with _transaction(db):
            for table in tables:
                for row in {**_readable(old, table, "ASC"), **_readable(old, table, "DESC")}.values():
                    with contextlib.suppress(sqlite3.IntegrityError):  # the row it refers to is lost
                        places = ", ".join("?" * len(row))
                        db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({places})", row)  # noqa: S608
    finally:
        old.close()


def _readable(db: Database, table: str, order: str) -> dict[int, tuple[Any, ...]]:
    rows: dict[int, tuple[Any, ...]] = {}
    with contextlib.suppress(sqlite3.Error):
        for number, *row in db.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid {order}"):  # noqa: S608
            rows[number] = tuple(row)
    return rows
