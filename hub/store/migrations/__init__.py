"""The ordered steps from an empty database to today's schema. A step is never edited after it landed: add another."""

from __future__ import annotations

import sqlite3
from pathlib import Path

STEPS = tuple(sorted(Path(__file__).parent.glob("[0-9][0-9][0-9][0-9]_*.sql")))
"""Step n brings the schema from version n - 1 to n; `pragma user_version` holds the version."""


class UnknownVersion(Exception):
    """The database was written by a later version of the hub."""


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("pragma user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, upto: int = len(STEPS)) -> None:
    """Bring the database to version `upto`, each step in a transaction of its own."""
    found = version(connection)
    if found > len(STEPS):
        raise UnknownVersion(f"it has schema version {found}, this hub knows {len(STEPS)}: install the newer hub again")
    for number in range(found + 1, upto + 1):
        script = STEPS[number - 1].read_text()
        connection.executescript(f"begin immediate; {script}; pragma user_version = {number}; commit;")
