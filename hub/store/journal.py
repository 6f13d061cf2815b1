"""What the journal beside the film is made from, and what is put back from it: tables that only grow are followed by
their key, small ones that change are written whole whenever they have changed.

The names of tables and columns here are constants of this file, and columns that the schema has; nothing else gets into
a statement.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from hub.store import QUERIES, Row

RECORDS, AUDIT = "records", "audit"


class Followed(NamedTuple):
    """A table that only grows. `key` rises with every row; rows that share one come in one transaction."""

    table: str
    key: str
    is_key_shared: bool = False


FOLLOWED = (
    Followed(RECORDS, "record_id"),
    Followed(AUDIT, "audit_id"),
    Followed("minutes", "number"),
    Followed("leaves", "since", is_key_shared=True),
    Followed("purge_items", "rowid"),
)
ROSTER = ("candidates", "stays")
"""Of sittings that nobody has closed: their plans and coverage hang on extra time. What was closed has its report."""
WHOLE = (
    "units", "rooms", "seats", "former_names", "former_labels", "sittings", "exams", *ROSTER, "certificates", "seals",
    "purge_plans", "purges",
)  # fmt: skip
"""In an order in which each refers to earlier ones only."""
_OPEN = "where sitting in (select sitting from sittings where closed_utc_ms is null)"
HOLDS = "holds"

Cursors = dict[str, int]


class Grown(NamedTuple):
    """New rows of the followed tables, in order, and where they end."""

    rows: list[tuple[str, dict[str, Any]]]
    cursors: Cursors
    is_all: bool


def grown(connection: sqlite3.Connection, cursors: Mapping[str, int], limit: int) -> Grown:
    """At most about `limit` rows of each table after the cursors."""
    found: list[tuple[str, dict[str, Any]]] = []
    ends, is_all = dict(cursors), True
    for table, key, is_key_shared in FOLLOWED:
        bound = -1 if is_key_shared else limit
        columns = "rowid as rowid, *" if key == "rowid" else "*"
        statement = f"select {columns} from {table} where {key} > ? order by {key} limit ?"  # noqa: S608
        rows = [dict(row) for row in connection.execute(statement, (cursors.get(table, 0), bound))]
        if rows:
            ends[table] = int(rows[-1][key])
            is_all = is_all and len(rows) != limit
        found += [(table, row) for row in rows]
    return Grown(found, ends, is_all)


def marks(connection: sqlite3.Connection, cursors: Mapping[str, int]) -> dict[str, str]:
    """By which one sees whether a store is the one that a journal was written from: the hashes at the cursors."""
    return {
        table: str(row["hash"])
        for table in (RECORDS, AUDIT)
        if (row := _at(connection, table, cursors.get(table, 0))) is not None
    }


def _at(connection: sqlite3.Connection, table: str, key: int) -> Row | None:
    found: Row | None = (
        QUERIES.journal_record_hash(connection, key=key)
        if table == RECORDS
        else QUERIES.journal_audit_hash(connection, key=key)
    )
    return found


def whole(connection: sqlite3.Connection) -> dict[str, list[dict[str, Any]]]:
    """The small tables, and the standing holds, those on incidents with what the incident was about."""
    tables = {
        table: [
            dict(row)
            for row in connection.execute(
                f"select * from {table} {_OPEN if table in ROSTER else ''} order by rowid"  # noqa: S608
            )
        ]
        for table in WHOLE
    }
    return tables | {HOLDS: [dict(row) for row in QUERIES.journal_holds(connection)]}


def put_back(connection: sqlite3.Connection, table: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Insert rows that are not there; columns that this schema does not have are left out. Answers how many are new."""
    if table not in WHOLE and table not in {each.table for each in FOLLOWED}:
        return 0
    known = [str(row["name"]) for row in connection.execute(f"pragma table_info({table})")]
    count = 0
    for row in rows:
        columns = [name for name in known if name in row]
        places = ", ".join(f":{name}" for name in columns)
        statement = f"insert or ignore into {table} ({', '.join(columns)}) values ({places})"  # noqa: S608
        count += connection.execute(statement, {name: row[name] for name in columns}).rowcount
    return count


def put_hold_back(connection: sqlite3.Connection, hold: Mapping[str, Any]) -> str:
    """Place a hold again: on its incident, found by what it was about; else, wider, on the seat of its sitting.
    Answers what it holds now, '' when there is nothing to place it on, and '-' when it stands already."""
    incident_id, sitting, seat = None, hold["sitting"], hold["seat"]
    if sitting is None:
        found: Row | None = QUERIES.journal_incident(
            connection, unit=hold["of_unit"], kind=hold["of_kind"], began=hold["of_began_utc_ms"]
        )
        if found is not None:
            incident_id = int(found["incident_id"])
        elif hold["of_sitting"]:
            sitting, seat = hold["of_sitting"], hold["of_seat"] or None
        else:
            return ""
    named = {
        "incident_id": incident_id,
        "sitting": sitting,
        "seat": seat,
        "reason": hold["reason"],
        "placed_by": hold["placed_by"],
        "placed_utc_ms": hold["placed_utc_ms"],
    }
    if QUERIES.journal_hold_stands(connection, **named) is not None:
        return "-"
    QUERIES.journal_place_hold(connection, **named)
    return f"incident {incident_id}" if incident_id is not None else f"sitting {sitting}, seat {seat or 'all'}"


def exams(connection: sqlite3.Connection) -> dict[str, tuple[str | None, int | None]]:
    """Each exam's rule, as JSON, and the date of its results."""
    return {row["exam"]: (row["retention"], row["results_utc_ms"]) for row in QUERIES.journal_exams(connection)}


def put_purge_back(connection: sqlite3.Connection, plan: Mapping[str, Any], purge: Mapping[str, Any]) -> bool:
    """The purge and the plan it followed, unless they are there; False where others have their numbers."""
    named = {"plan_id": plan["plan_id"], "digest": plan["digest"]}
    if QUERIES.journal_plan_taken(connection, **named)["is_taken"]:
        return False
    put_back(connection, "purge_plans", [plan])
    put_back(connection, "purges", [purge])
    told = {"number": purge["number"], "began": purge["began_utc_ms"], "who": purge["began_by"]}
    return bool(QUERIES.journal_purge_here(connection, **named, **told)["is_here"])


def mark_purged(
    connection: sqlite3.Connection, names: Sequence[tuple[str, str]], number: int | None, now_utc_ms: int
) -> int:
    """Segments, as (unit, name), that went under certificate `number`, None for one that is not here; how many were not
    marked yet."""
    rows = list(QUERIES.journal_segments(connection, names=msgspec.json.encode(names).decode()))
    things = msgspec.json.encode([row["rowid"] for row in rows]).decode()
    QUERIES.journal_had_film(connection, things=things, now=now_utc_ms)
    QUERIES.mark_purged(connection, number=number, now=now_utc_ms, things=things)
    return len(rows)
