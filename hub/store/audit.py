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

_LINE = msgspec.defstruct("Line", list(Entry.__annotations__.items()), forbid_unknown_fields=True)


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


class Wanted(NamedTuple):
    """Which entries: '' and 0 restrict nothing. `what` is a whole object or its first words; times in UTC, `until` not
    included."""

    what: str = ""
    who: str = ""
    deed: str = ""
    since: int = 0
    until: int = 0


def page(
    store: Store,
    *,
    before: int = 0,
    what: str = "",
    who: str = "",
    deed: str = "",
    since: int = 0,
    until: int = 0,
    limit: int = PAGE_ROWS,
) -> list[Entry]:
    """The newest entries, those numbered below `before` (0: from the newest), as `Wanted` says."""
    wanted = Wanted(what, who, deed, since, until)
    with store.read() as connection:
        rows = QUERIES.audit_page(connection, below=before, limit=limit, **wanted._asdict())
        return [_entry(row) for row in rows]


def export(store: Store, wanted: Wanted) -> Iterator[Entry]:
    """The entries that are there now and wanted, oldest first, in pages so that no reader holds the store for long."""
    with store.read() as connection:
        upto, _ = head(connection)
    above = 0
    while True:
        with store.read() as connection:
            asked = {**wanted._asdict(), "above": above, "upto": upto, "limit": WALK_ROWS}
            rows = [_entry(row) for row in QUERIES.audit_export(connection, **asked)]
        yield from rows
        if len(rows) < WALK_ROWS:
            return
        above = rows[-1].audit_id


def people(store: Store) -> list[str]:
    """Everybody who stands in the log as one who did something."""
    with store.read() as connection:
        return [str(row["who"]) for row in QUERIES.audit_people(connection)]


def of_objects(connection: sqlite3.Connection, objects: list[str]) -> list[Entry]:
    """All entries about these objects, oldest first: the extract that goes with evidence."""
    names = msgspec.json.encode(objects).decode()
    return [_entry(row) for row in QUERIES.audit_of_objects(connection, names=names)]


def entries(store: Store, after: int = 0) -> Iterator[Entry]:
    """All entries numbered above `after`, oldest first, read in pages so that no reader holds the store for long."""
    while True:
        with store.read() as connection:
            rows = [_entry(row) for row in QUERIES.audit_walk(connection, after=after, limit=WALK_ROWS)]
        yield from rows
        if len(rows) < WALK_ROWS:
            return
        after = rows[-1].audit_id


def verify(store: Store) -> tuple[int, list[str]]:
    """How many entries there are, and a line for each that is changed, missing or out of its place."""
    count, _, found = verify_after(store, None)
    return count, found


def verify_after(store: Store, last: Entry | None) -> tuple[int, Entry | None, list[str]]:
    """Check the entries behind `last` (None: all), and that `last` itself is still there as it was. Answers how many
    were checked, the newest, and a line for each that is changed, missing or out of its place."""
    count, found = 0, []
    if last is not None:
        found = [line for line in [against(store, last)] if line]
    for entry in entries(store, 0 if last is None else last.audit_id):
        found += audit.faults_of((entry,), after=last)
        last, count = entry, count + 1
    return count, last, found


def against(store: Store, known: Entry) -> str:
    """What is wrong with the store's entry of that number, held against one that was known earlier; '' when nothing."""
    with store.read() as connection:
        row: Row | None = QUERIES.audit_entry(connection, audit_id=known.audit_id)
    if row is None:
        return f"entry {known.audit_id} was there and is gone: the end of the log was cut off"
    return "" if _entry(row) == known else f"entry {known.audit_id} is not what it was"


def line_of(entry: Entry) -> bytes:
    """The entry as a line of an export: JSON, all fields by name."""
    return msgspec.json.encode(entry._asdict()) + b"\n"


def entry_of(line: bytes) -> Entry:
    """The entry of an export's line. Raises msgspec.MsgspecError."""
    return Entry(**msgspec.structs.asdict(msgspec.json.decode(line, type=_LINE)))


def _entry(row: Row) -> Entry:
    return Entry(**{field: row[field] for field in Entry._fields})
