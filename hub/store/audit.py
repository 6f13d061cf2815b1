"""The audit log's rows: appended within the caller's transaction, so that a deed and its entry are kept together or not
at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from hub.core import audit
from hub.core.audit import Deed, Entry
from hub.store import QUERIES, Row, Store

PAGE_ROWS = 100
WALK_ROWS = 5_000
TERMINAL = "terminal"


class Actor(NamedTuple):
    """Who does something, in which role, and where from."""

    who: str
    role: str
    address: str = TERMINAL


def add(
    connection: sqlite3.Connection,
    actor: Actor,
    deed: Deed,
    what: str,
    now_utc_ms: int,
    detail: Mapping[str, Any] | None = None,
) -> Entry:
    """Append an entry within the caller's write turn; `what` is the entry's object."""
    last: Row | None = QUERIES.audit_last(connection)
    number, prev = (0, audit.GENESIS) if last is None else (int(last["audit_id"]), str(last["hash"]))
    entry = audit.sealed(
        Entry(
            audit_id=number + 1,
            at_utc_ms=now_utc_ms,
            who=actor.who,
            role=actor.role,
            deed=str(deed),
            object=what,
            detail=audit.detail_text(detail or {}),
            address=actor.address,
            prev="",
            hash="",
        ),
        prev,
    )
    QUERIES.add_audit(connection, **entry._asdict())
    return entry


class CannotNote(Exception):
    """The entry cannot be written, so what it would tell of must not happen; the text says why."""


def note(
    store: Store, actor: Actor, deed: Deed, what: str, now_utc_ms: int, detail: Mapping[str, Any] | None = None
) -> None:
    """Append an entry in a transaction of its own: for a look, which changes nothing else. Raises CannotNote."""
    try:
        with store.write() as connection:
            add(connection, actor, deed, what, now_utc_ms, detail)
    except (sqlite3.Error, OSError) as error:
        raise CannotNote(f"the audit log takes no entry: {error}") from error


def head(connection: sqlite3.Connection) -> tuple[int, str]:
    """Number and hash of the newest entry; (0, GENESIS) before the first."""
    last: Row | None = QUERIES.audit_last(connection)
    return (0, audit.GENESIS) if last is None else (int(last["audit_id"]), str(last["hash"]))


def page(
    store: Store, *, before: int = 0, what: str = "", who: str = "", deed: str = "", limit: int = PAGE_ROWS
) -> list[Entry]:
    """The newest entries, those numbered below `before` (0: from the newest), of one object, person and deed where
    given."""
    with store.read() as connection:
        rows = QUERIES.audit_page(connection, since=before, what=what, who=who, deed=deed, limit=limit)
        return [_entry(row) for row in rows]


def of_objects(connection: sqlite3.Connection, objects: list[str]) -> list[Entry]:
    """All entries about these objects, oldest first: the extract that goes with evidence."""
    names = msgspec.json.encode(objects).decode()
    return [_entry(row) for row in QUERIES.audit_of_objects(connection, names=names)]


def entries(store: Store) -> Iterator[Entry]:
    """All entries, oldest first, read in pages so that no reader holds the store for long."""
    number = 0
    while True:
        with store.read() as connection:
            rows = [_entry(row) for row in QUERIES.audit_walk(connection, after=number, limit=WALK_ROWS)]
        yield from rows
        if len(rows) < WALK_ROWS:
            return
        number = rows[-1].audit_id


def verify(store: Store) -> tuple[int, list[str]]:
    """How many entries there are, and a line for each that is changed, missing or out of its place."""
    count, found = 0, []
    last: Entry | None = None
    for entry in entries(store):
        found += audit.faults_of((entry,), after=last)
        last, count = entry, count + 1
    return count, found


def _entry(row: Row) -> Entry:
    return Entry(**{field: row[field] for field in Entry._fields})
