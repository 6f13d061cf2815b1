"""The store copied while everybody goes on using it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hub.store import QUERIES, Store, migrations


class BadCopy(Exception):
    """A copied database is not whole, or newer than this hub; the text says so."""


def copy_to(store: Store, target: Path) -> None:
    """Write what is committed now to a new database file at `target`, by SQLite's online backup in one step: a view of
    one moment, while writers go on. Raises sqlite3.Error."""
    copy = sqlite3.connect(target, isolation_level=None)
    try:
        with store.read() as connection:
            connection.backup(copy)
        copy.execute("pragma journal_mode = delete")  # one file, whole by itself
    finally:
        copy.close()


def examine(path: Path) -> int:
    """The schema version of a copied database. Raises BadCopy when it is not whole or too new."""
    connection = _opened(path)
    try:
        found = str(connection.execute("pragma quick_check(1)").fetchone()[0])
        schema = migrations.version(connection)
    except sqlite3.Error as error:
        raise BadCopy(f"{path} is no sound database: {error}") from None
    finally:
        connection.close()
    if found != "ok":
        raise BadCopy(f"{path} is damaged: {found}")
    if schema > len(migrations.STEPS):
        raise BadCopy(
            f"{path} has schema version {schema}, this hub knows {len(migrations.STEPS)}: install the newer hub"
        )
    return schema


def film_of(path: Path) -> list[tuple[str, int]]:
    """(hash, bytes) of every file of film that a copied database lists, in order."""
    connection = _opened(path)
    try:
        return sorted((str(row["sha256"]), int(row["size_bytes"])) for row in QUERIES.blobs_all(connection))
    finally:
        connection.close()


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection
