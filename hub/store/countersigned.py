"""The store's verbs for heads and countersignatures. Within the caller's transaction, unless they take the Store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from agent.wire import Head, Heartbeat
from hub.core import countersign, merkle
from hub.core.countersign import Minute, UnitHead
from hub.store import QUERIES, Row, Store


class Stored(NamedTuple):
    """A countersignature with the audit log's part in it."""

    minute: Minute
    audit_id: int
    audit_hash: str


class Leaf(NamedTuple):
    """A unit's head and the number of the first minute that countersigned it."""

    since: int
    head: UnitHead


# --- heads ----------------------------------------------------------------------------------------------------------


def head_of(connection: sqlite3.Connection, unit: str) -> UnitHead | None:
    row: Row | None = QUERIES.head_known(connection, unit=unit)
    return None if row is None else UnitHead(*row)


def heads_of(connection: sqlite3.Connection, units: Iterable[str]) -> dict[str, UnitHead]:
    """The newest heads of these units that have told one."""
    rows = QUERIES.heads_of(connection, units=msgspec.json.encode(sorted(set(units))).decode())
    return {row["unit"]: UnitHead(*row) for row in rows}


def all_heads(connection: sqlite3.Connection) -> list[UnitHead]:
    return [UnitHead(*row) for row in QUERIES.heads_all(connection)]


def save_head(connection: sqlite3.Connection, unit: str, head: Head, now_utc_ms: int) -> None:
    QUERIES.save_head(
        connection,
        unit=unit,
        boot=head.boot,
        seq=head.seq,
        hash=head.hash,
        signature=head.signature,
        now=now_utc_ms,
    )


def held_hash(connection: sqlite3.Connection, unit: str, boot: int, seq: int) -> str | None:
    """The hash of the record of that name, None when the hub does not hold it."""
    row: Row | None = QUERIES.record_hash(connection, unit=unit, boot=boot, seq=seq)
    return None if row is None else str(row["hash"])


def key_of(connection: sqlite3.Connection, unit: str) -> str:
    """The key that signs the unit's records, 64 hexadecimal digits; '' for an unknown unit."""
    row: Row | None = QUERIES.key_of_unit(connection, unit=unit)
    return "" if row is None else str(row["public_key"])


# --- countersignatures ----------------------------------------------------------------------------------------------


def newest(connection: sqlite3.Connection, until_utc_ms: int | None = None) -> Stored | None:
    """The newest countersignature, or the newest that is not later than `until_utc_ms`."""
    row: Row | None = QUERIES.minute_newest(connection, until=until_utc_ms)
    return None if row is None else _stored(row)


def by_number(connection: sqlite3.Connection, number: int) -> Stored | None:
    row: Row | None = QUERIES.minute_by_number(connection, number=number)
    return None if row is None else _stored(row)


def _stored(row: Row) -> Stored:
    minute = Minute(
        row["number"], row["at_utc_ms"], row["leaf_count"], row["root"], row["signature"], row["fingerprint"]
    )
    return Stored(minute, row["audit_id"], row["audit_hash"])


def add(connection: sqlite3.Connection, stored: Stored, changed: Iterable[UnitHead], chain_pem: str) -> None:
    """Keep a countersignature with the leaves that are new in it, and the certificates of its seal."""
    minute = stored.minute
    QUERIES.add_seal(connection, fingerprint=minute.seal, chain_pem=chain_pem)
    QUERIES.add_minute(
        connection,
        number=minute.number,
        at_utc_ms=minute.at_utc_ms,
        root=bytes.fromhex(minute.root),
        leaf_count=minute.leaves,
        audit_id=stored.audit_id,
        audit_hash=bytes.fromhex(stored.audit_hash),
        fingerprint=minute.seal,
        signature=bytes.fromhex(minute.signature),
    )
    rows = [head._asdict() | {"since": minute.number, "hash": bytes.fromhex(head.hash)} for head in changed]
    if rows:
        QUERIES.add_leaves(connection, rows)


def heads_at(connection: sqlite3.Connection, number: int) -> list[UnitHead]:
    """Every unit's head as minute `number` countersigned it."""
    return [UnitHead(*row) for row in QUERIES.leaves_at(connection, number=number)]


def leaves_of(connection: sqlite3.Connection, stored: Stored) -> list[bytes]:
    """The leaves of a minute's tree, made again."""
    before = by_number(connection, stored.minute.number - 1)
    prev = countersign.GENESIS if before is None else before.minute.root
    heads = heads_at(connection, stored.minute.number)
    return countersign.leaves_of(prev, stored.audit_id, stored.audit_hash, heads)


def chain_pem_of(connection: sqlite3.Connection, seal: str) -> str:
    """The certificates of a seal by its fingerprint, leaf first; '' for an unknown one."""
    row: Row | None = QUERIES.seal_chain(connection, fingerprint=seal)
    return "" if row is None else str(row["chain_pem"])


def first_after(connection: sqlite3.Connection, unit: str, boot: int, seq: int) -> Leaf | None:
    """The first countersigned head of `unit` that is this record or a later one."""
    return _leaf(unit, QUERIES.leaf_after(connection, unit=unit, boot=boot, seq=seq))


def newest_of(connection: sqlite3.Connection, unit: str) -> Leaf | None:
    """The newest countersigned head of `unit`."""
    return _leaf(unit, QUERIES.leaf_newest(connection, unit=unit))


def _leaf(unit: str, row: Row | None) -> Leaf | None:
    return None if row is None else Leaf(row["since"], UnitHead(unit, row["boot"], row["seq"], row["hash"]))


def pauses(connection: sqlite3.Connection, since_utc_ms: int) -> list[tuple[int, int]]:
    """From when to when (hub time) nothing was countersigned for more than two minutes: the hub was off, or its clock
    was set (then the end may lie before the beginning)."""
    rows = QUERIES.minute_gaps(connection, since=since_utc_ms, longer_ms=2 * countersign.EVERY_MS)
    return [(row["at_utc_ms"], row["next_utc_ms"]) for row in rows]


# --- looking it over ------------------------------------------------------------------------------------------------

WALK_ROWS = 2_000


def cut_off(store: Store) -> list[str]:
    """A line for each unit whose records are not those that were countersigned."""
    with store.read() as connection:
        return [_cut_in_words(connection, row) for row in QUERIES.leaves_unlike(connection)]


def _cut_in_words(connection: sqlite3.Connection, row: Row) -> str:
    unit, count, others = row["unit"], row["count"], row["others"]
    first = _leaf(unit, QUERIES.leaf_of(connection, unit=unit, since=row["since"]))
    assert first is not None
    minute = by_number(connection, first.since)
    assert minute is not None
    name, code = f"{first.head.boot}/{first.head.seq}", countersign.code(minute.minute.root)
    if others:
        return (
            f"{unit}: chain_cut: record {name} is not the one that was countersigned in minute {code} ({count} like it)"
        )
    before: Row | None = QUERIES.record_before(connection, unit=unit, boot=first.head.boot, seq=first.head.seq)
    after = "every record" if before is None else f"records after {before['boot']}/{before['seq']}"
    count_waiting = waiting(connection, unit)
    why = f"; the desk says that {count_waiting} wait to be delivered" if count_waiting else ""
    return f"{unit}: chain_cut: {after} were cut off or have not come: {name} was countersigned in minute {code}{why}"


def waiting(connection: sqlite3.Connection, unit: str, since_utc_ms: int = 0) -> int:
    """How many records wait at the desk, as its newest heartbeat says; 0 when that came before `since_utc_ms`."""
    row: Row | None = QUERIES.heartbeat_of(connection, unit=unit)
    if row is None or row["heartbeat"] is None or row["heartbeat_utc_ms"] < since_utc_ms:
        return 0
    return msgspec.json.decode(row["heartbeat"], type=Heartbeat).spool


def faults(store: Store) -> tuple[int, list[str]]:
    """How many countersignatures there are, and a line for each whose tree cannot be made again. Signatures are for
    `verify`."""
    count, found = 0, []
    heads: dict[str, UnitHead] = {}
    prev = countersign.GENESIS
    while True:
        with store.read() as connection:
            rows: Sequence[Row] = list(QUERIES.minutes_walk(connection, after=count, limit=WALK_ROWS))
            new: dict[int, list[UnitHead]] = {}
            for leaf in QUERIES.leaves_since(connection, after=count, until=count + WALK_ROWS):
                new.setdefault(leaf["since"], []).append(UnitHead(*leaf[:4]))
        for stored in map(_stored, rows):
            minute = stored.minute
            heads |= {head.unit: head for head in new.get(minute.number, ())}
            leaves = countersign.leaves_of(prev, stored.audit_id, stored.audit_hash, heads.values())
            if minute.number != count + 1 or len(leaves) != minute.leaves or merkle.root(leaves).hex() != minute.root:
                found.append(f"countersignature {minute.number}: what it stands for was changed")
            prev, count = minute.root, minute.number
        if len(rows) < WALK_ROWS:
            return count, found
