"""Looking the store over: is SQLite sound, is the file sound, do the desks' chains hang together."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import msgspec

from agent import wire
from hub.store import QUERIES, Store

_FIXED = ((3, 51, 3), (3, 50, 7), (3, 44, 6))
"""SQLite versions without the WAL-reset race: from the first on, and later ones of the other two branches."""


def has_wal_reset_race(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> bool:
    """Whether two connections that reset the WAL at once can damage it; our writers take turns because of it."""
    if version < (3, 7, 0) or version >= _FIXED[0]:
        return False
    return not any(version[:2] == fixed[:2] and version >= fixed for fixed in _FIXED[1:])


def damage(store: Store) -> list[str]:
    """What SQLite's own check finds wrong; empty when the file is sound."""
    with store.read() as connection:
        found = [str(row[0]) for row in connection.execute("pragma integrity_check(20)")]
        found += [f"a row of {row[0]} refers to nothing" for row in connection.execute("pragma foreign_key_check")]
    return [] if found == ["ok"] else [line for line in found if line != "ok"]


def counts(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return dict(QUERIES.counts_of_store(connection))


class Chain(NamedTuple):
    """One desk's records: how many, and what does not hang together (`missing`: a record's predecessor is not here;
    it may still be on its way. `forks`: two records with one predecessor. `begun_anew`: a signed restart says that the
    card's records before it were lost and the chain begins with it, which is told and no damage)."""

    unit: str
    records: int
    missing: list[tuple[int, int]]
    forks: list[tuple[int, int]]
    begun_anew: list[tuple[int, int]]


def chains(store: Store) -> list[Chain]:
    """Every unit's chain, by the links of its records' headers; signatures were checked when they came."""
    with store.read() as connection:
        return [_chain(connection, row["unit"]) for row in QUERIES.units_all(connection)]


class _Restarted(msgspec.Struct):
    """What is needed of a restart's body."""

    is_chain_new: bool = False


def _chain(connection: sqlite3.Connection, unit: str) -> Chain:
    links = [
        (
            (row["boot"], row["seq"]),
            row["hash"],
            msgspec.json.decode(row["header"], type=wire.Header).prev,
            row["restart"] is not None and msgspec.json.decode(row["restart"], type=_Restarted).is_chain_new,
        )
        for row in QUERIES.chain_of_unit(connection, unit=unit)
    ]
    known = {record_hash for _, record_hash, _, _ in links} | {wire.GENESIS}
    seen: set[str] = set()
    missing, forks, begun_anew = [], [], []
    for name, _, prev, is_chain_new in links:
        if is_chain_new and prev == wire.GENESIS:
            begun_anew.append(name)
        elif prev not in known:
            missing.append(name)
        elif prev in seen:
            forks.append(name)
        seen.add(prev)
    return Chain(unit, len(links), missing, forks, begun_anew)
