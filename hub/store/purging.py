"""The rows of a purge: what goes, in small transactions, each with its own lines of the certificate."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from hub.core import purge_list
from hub.core.audit import Deed
from hub.core.purge_list import SEGMENT, STILL, Item
from hub.store import QUERIES, Row, Store, audit
from hub.store.audit import Actor

MOST_LISTED = 100


class NoSuchPurge(Exception):
    """No purge has that number."""


class Purge(NamedTuple):
    """One purge; while it is under way `ended_utc_ms` and what follows is None."""

    number: int
    plan_id: int
    began_utc_ms: int
    began_by: str
    ended_utc_ms: int | None
    statement: str | None
    signature: str | None
    chain_pem: str | None


def of_plan(connection: sqlite3.Connection, plan_id: int) -> Purge | None:
    row: Row | None = QUERIES.purge_of_plan(connection, plan_id=plan_id)
    return None if row is None else _purge(row)


def one(store: Store, number: int) -> Purge:
    """Raises NoSuchPurge."""
    with store.read() as connection:
        row: Row | None = QUERIES.purge_by_number(connection, number=min(number, 2**62))
    if row is None:
        raise NoSuchPurge(f"there is no certificate {number}")
    return _purge(row)


def newest(store: Store, limit: int = MOST_LISTED) -> list[tuple[Purge, int, int]]:
    """(purge, items, bytes), newest first."""
    with store.read() as connection:
        rows: Iterable[Row] = QUERIES.purges_newest(connection, limit=limit)
        return [(_purge(row), int(row["items"]), int(row["size_bytes"])) for row in rows]


def _purge(row: Row) -> Purge:
    return Purge(**{field: row[field] for field in Purge._fields})


def begin(connection: sqlite3.Connection, actor: Actor, plan_id: int, digest: str, now_utc_ms: int) -> Purge:
    """Begin the purge of a plan, within the caller's write turn."""
    number = int(QUERIES.insert_purge(connection, plan_id=plan_id, now=now_utc_ms, who=actor.who))
    detail = {"plan": plan_id, "digest": digest, "state": "begun"}
    audit.add(connection, actor, Deed.PURGED, f"purge {number}", now_utc_ms, detail)
    return _purge(QUERIES.purge_by_number(connection, number=number))


def remove(connection: sqlite3.Connection, number: int, things: Sequence[tuple[int, Item]], now_utc_ms: int) -> None:
    """Mark segments purged, forget the pictures, and note the files that nobody needs any more as garbage, with the
    lines of the certificate, in the caller's write turn, in which it has seen that nobody holds them. `things` are
    (row number, item)."""
    segments, stills = (_numbers(things, kind) for kind in (SEGMENT, STILL))
    QUERIES.mark_purged(connection, number=number, now=now_utc_ms, things=segments)
    QUERIES.unneed_files(connection, now=now_utc_ms, things=segments)
    QUERIES.drop_unneeded_blobs(connection, things=segments)
    QUERIES.note_purged_stills(connection, number=number, things=stills)
    QUERIES.delete_stills(connection, things=stills)
    items = [item for _, item in things]
    QUERIES.insert_purge_items(
        connection,
        number=number,
        items=len(items),
        size_bytes=sum(item.size_bytes for item in items),
        lines=purge_list.deflated(purge_list.lines(items)),
    )


def _numbers(things: Sequence[tuple[int, Item]], kind: str) -> str:
    return msgspec.json.encode([thing for thing, item in things if item.kind == kind]).decode()


def lines(store: Store, number: int) -> Iterator[bytes]:
    """The JSON lines of what went, chunk by chunk."""
    with store.read() as connection:
        chunks = list(QUERIES.purge_chunks(connection, number=number))
    for row in chunks:
        yield purge_list.inflated(row["lines"])


def removed(store: Store, number: int) -> tuple[int, int]:
    """(items, bytes) that went so far."""
    with store.read() as connection:
        rows = list(QUERIES.purge_chunks(connection, number=number))
    return sum(row["item_count"] for row in rows), sum(row["size_bytes"] for row in rows)


def end(
    connection: sqlite3.Connection,
    actor: Actor,
    number: int,
    statement: str,
    signature: str,
    chain_pem: str,
    now_utc_ms: int,
) -> None:
    """Give the purge its certificate, within the caller's write turn; from then on it is never changed."""
    QUERIES.end_purge(
        connection, number=number, now=now_utc_ms, statement=statement, signature=signature, chain_pem=chain_pem
    )
    detail = {"state": "ended", "certificate_sha256": purge_list.sha256(statement.encode())}
    audit.add(connection, actor, Deed.PURGED, f"purge {number}", now_utc_ms, detail)


def garbage(store: Store, after: str, limit: int) -> list[str]:
    """Files to be deleted, those named after `after`. While a file's row is there nobody calls it stored, so what no
    stored segment needs now cannot become needed before the row goes."""
    with store.read() as connection:
        return [row["sha256"] for row in QUERIES.garbage_free(connection, after=after, limit=limit)]


def forget_needed_garbage(store: Store) -> None:
    """Rows of files that a stored segment needs: those files stay."""
    if garbage_left(store):
        with store.write() as connection:
            QUERIES.drop_needed_garbage(connection)


def garbage_left(store: Store) -> int:
    with store.read() as connection:
        return int(QUERIES.garbage_left(connection)["held"])


def forget_garbage(connection: sqlite3.Connection, names: Sequence[str]) -> None:
    """The files are gone."""
    QUERIES.drop_garbage(connection, names=msgspec.json.encode(names).decode())


def purged_stills(store: Store, incident_id: int) -> dict[str, int]:
    """The pictures of an incident that went by rule: the number of the purge, by hash."""
    with store.read() as connection:
        rows = QUERIES.purged_stills_of_incident(connection, incident_id=incident_id)
        return {row["sha256"]: int(row["purge_number"]) for row in rows}
