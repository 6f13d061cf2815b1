"""The store made anew from what lies beside the film, when the database is lost: units, places and holds, every record
by the way all records take, the audit log and the countersignatures as they were, and which film is there.

What only the database had does not come back: people and their log-ins, verdicts and comments, pictures of alerts,
wishes, jobs, bundles. A backup has them: restore it, then `fill` it up from here.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct, field

from agent import wire
from agent.wire import Record
from hub.config import Settings
from hub.core import purge_list
from hub.core.audit import Deed
from hub.core.ledger import Conflict
from hub.evidence import journal, pairing
from hub.evidence.storage import OpenStorage
from hub.store import Store, audit, intake, planning, reconciling, taking
from hub.store import journal as tables
from hub.store.audit import Actor
from hub.store.taking import Fate

AT_ONCE = 500
"""Records in one transaction."""

Tell = Callable[[int], None]
"""Called with how many records are done."""


class CannotRebuild(Exception):
    """The text says why, and what to do."""


class Rebuilt(Struct):
    """What came back. `troubles` are lines with how often."""

    units: int = 0
    records: int = 0
    known: int = 0
    audit: int = 0
    minutes: int = 0
    holds: list[str] = field(default_factory=list)
    purged: int = 0
    stored: int = 0
    files: int = 0
    troubles: Counter[str] = field(default_factory=Counter)


class _Lineage(Struct):
    """What one store wrote, from its first row on: its tables as they were last, its rows but records, and which holds
    have ever stood in it."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    holds: set[tuple[Any, ...]] = field(default_factory=set)


def rebuild(
    settings: Settings,
    store: Store,
    storage: OpenStorage,
    actor: Actor,
    now_utc_ms: int,
    *,
    is_filling: bool,
    tell: Tell = lambda _: None,
) -> Rebuilt:
    """Put into `store` what the journal has. An empty one gets all; one that is filled up (`is_filling`), restored from
    a backup say, the units and records it has not got, and which film is there, which is safe to repeat. Raises
    CannotRebuild, StorageProblem, sqlite3.Error."""
    done = Rebuilt()
    lineages = _lineages(storage, done)
    if not lineages:
        raise CannotRebuild(f"{storage.place} has no journal: restore a backup, or bring the desks' cards in")
    newest = _newest(lineages)
    with store.write() as connection:
        for each in reversed(lineages):
            units = _of(each, "units")
            done.units += tables.put_back(connection, "units", units)
        if not is_filling:
            for name in tables.WHOLE:
                tables.put_back(connection, name, _of(newest, name))
            for each in reversed(lineages):
                tables.put_back(connection, "certificates", _of(each, "certificates"))
    _take_records(store, storage, done, tell)
    if not is_filling:
        _put_rows_back(store, newest, done)
    else:
        _tell_changed_exams(store, newest, done)
    _put_holds_back(store, lineages, done)
    for each in reversed(lineages):
        _mark_purged(store, each, done, now_utc_ms)
    done.files, done.stored = _take_film(store, storage, now_utc_ms)
    if is_filling:
        pairing.pair(settings, storage, now_utc_ms, store)
    with store.write() as connection:
        planning.replan(connection, now_utc_ms)
        detail = {
            "records": done.records,
            "stored": done.stored,
            "troubles": done.troubles.total(),
            "filled": is_filling,
        }
        audit.add(connection, actor, Deed.REBUILT_INDEX, "store", now_utc_ms, detail)
    return done


def _lineages(storage: OpenStorage, done: Rebuilt) -> list[_Lineage]:
    """The stores that wrote the journal, oldest first, without their records."""
    found: list[_Lineage] = []
    for line in journal.read(storage):
        if line is None:
            done.troubles["lines of the journal that were cut off or changed"] += 1
            continue
        if line["kind"] == "begun" or not found:
            found.append(_Lineage())
        if line["kind"] == "tables":
            found[-1].tables = line["tables"]
            found[-1].holds |= {_name_of(hold) for hold in line["tables"].get(tables.HOLDS, [])}
        elif line["kind"] == "row" and line["table"] != tables.RECORDS:
            found[-1].rows.setdefault(line["table"], []).append(journal.row_of(line))
    return found


def _newest(lineages: list[_Lineage]) -> _Lineage:
    """The newest store in which people had planned anything: one that somebody let run empty, after the loss, knows
    nothing of what was before it."""
    return next((each for each in reversed(lineages) if each.tables.get("sittings")), lineages[-1])


def _name_of(hold: dict[str, Any]) -> tuple[Any, ...]:
    return hold["placed_by"], hold["placed_utc_ms"], hold["reason"]


def _put_holds_back(store: Store, lineages: list[_Lineage], done: Rebuilt) -> None:
    """Those that stood last, in whatever store: but for one that a later store knew, in which it was released, a hold
    is not over because a store was lost."""
    later: set[tuple[Any, ...]] = set()
    for lineage in reversed(lineages):
        with store.write() as connection:
            for hold in lineage.tables.get(tables.HOLDS, []):
                placed = "-" if _name_of(hold) in later else tables.put_hold_back(connection, hold)
                if placed == "":
                    done.troubles[f"the hold '{hold['reason']}' of {hold['placed_by']} has nothing to stand on"] += 1
                elif placed != "-":
                    done.holds.append(placed)
        later |= lineage.holds


def _tell_changed_exams(store: Store, lineage: _Lineage, done: Rebuilt) -> None:
    """A rule made longer after the backup must not be forgotten until its film is gone: people set it again."""
    with store.read() as connection:
        here = tables.exams(connection)
    for row in _of(lineage, "exams"):
        last = (row["retention"], row["results_utc_ms"])
        if here.get(row["exam"], (None, None)) != last:
            done.troubles[
                f"exam {row['exam']}: its rule, or the date of its results, was another one last: "
                f"{last[0] or 'for ever'}, results {last[1] or 'not known'}; set it before anything is removed"
            ] += 1


def _of(lineage: _Lineage, table: str) -> list[dict[str, Any]]:
    return journal.table_rows(lineage.tables.get(table, []))


def _take_records(store: Store, storage: OpenStorage, done: Rebuilt, tell: Tell) -> None:
    with store.read() as connection:
        keys = {unit: known.public_key for unit, known in intake.known_units(connection).items()}
    batch: list[tuple[Record, int]] = []
    for line in journal.read(storage):
        if line is None or line["kind"] != "row" or line["table"] != tables.RECORDS:
            continue
        record = _judged(line["row"], keys, done)
        if record is not None:
            batch.append((record, int(line["row"]["received_utc_ms"])))
        if len(batch) == AT_ONCE:
            _commit(store, batch, done)
            batch = []
            tell(done.records + done.known)
    _commit(store, batch, done)


def _judged(row: dict[str, Any], keys: dict[str, str], done: Rebuilt) -> Record | None:
    name = f"record {row.get('boot')}/{row.get('seq')} of {row.get('unit')}"
    if row.get("body") is None:
        done.troubles["records whose body was erased by rule before: they cannot be checked"] += 1
        return None
    try:
        texts = {"header": row["header"], "body": row["body"], "signature": row["signature"]}
        record: Record = wire.decode_up("record", msgspec.json.encode(texts))
    except (wire.BadMessage, KeyError) as bad:
        done.troubles[f"{name}: {bad}"] += 1
        return None
    if not wire.is_signed_by(record, keys.get(record.header.unit, "")):
        done.troubles[f"{name}: the signature is not the unit's"] += 1
        return None
    return record


def _commit(store: Store, batch: list[tuple[Record, int]], done: Rebuilt) -> None:
    """Each as of when it had come, so that times people were told at are as they were."""
    with store.write() as connection:
        for record, received_utc_ms in batch:
            fate = taking.take_records(connection, [(record, received_utc_ms)], received_utc_ms)[0]
            if isinstance(fate, Conflict):
                unit, boot, seq = record.key
                payload = wire.encode(record)
                intake.add_conflict(connection, unit, boot, seq, fate.reason, payload, received_utc_ms)
                done.troubles[f"record {boot}/{seq} of {unit}: {fate.reason}"] += 1
            done.records += fate is Fate.NEW
            done.known += fate is Fate.KNOWN


def _put_rows_back(store: Store, lineage: _Lineage, done: Rebuilt) -> None:
    """The audit log and the countersignatures grow by one and in order: where one is missing, those behind it cannot be
    put back, and that is said."""
    for each in tables.FOLLOWED:
        rows = lineage.rows.get(each.table, [])
        count = sum(_put_batch_back(store, each.table, rows[i : i + AT_ONCE]) for i in range(0, len(rows), AT_ONCE))
        if count < len(rows):
            done.troubles[f"{each.table}: {len(rows) - count} rows behind one that the journal lacks are left out"] += 1
        if each.table == tables.AUDIT:
            done.audit = count
        elif each.table == "minutes":
            done.minutes = count


def _put_batch_back(store: Store, table: str, rows: list[dict[str, Any]]) -> int:
    """How many could be put back: all, or those before the first that has nothing to follow."""
    try:
        with store.write() as connection:
            return tables.put_back(connection, table, rows)
    except sqlite3.IntegrityError:
        if len(rows) == 1:
            return 0
    middle = len(rows) // 2
    count = _put_batch_back(store, table, rows[:middle])
    return count + (_put_batch_back(store, table, rows[middle:]) if count == middle else 0)


def _mark_purged(store: Store, lineage: _Lineage, done: Rebuilt, now_utc_ms: int) -> None:
    """With the certificates of what went: a later purge must not get the number of one that a backup did not have."""
    plans = {row["plan_id"]: row for row in _of(lineage, "purge_plans")}
    purges = {row["number"]: row for row in _of(lineage, "purges")}
    here: set[int] = set()
    for number, row in purges.items():
        with store.write() as connection:
            if tables.put_purge_back(connection, plans[row["plan_id"]], row):
                here.add(number)
            else:
                done.troubles[f"certificate of purge {number}: this store has another one of that number"] += 1
    for row in lineage.rows.get("purge_items", []):
        items = purge_list.read_lines(purge_list.inflated(row["lines"]))
        names = [(item.unit, item.name) for item in items if item.kind == "segment"]
        number = row["number"] if row["number"] in here else None
        ended = purges.get(row["number"], {}).get("ended_utc_ms") or now_utc_ms
        with store.write() as connection:
            if number is not None:
                tables.put_back(connection, "purge_items", [row])
            done.purged += tables.mark_purged(connection, names, number, ended)


def _take_film(store: Store, storage: OpenStorage, now_utc_ms: int) -> tuple[int, int]:
    """(files in the storage, segments that are stored by them): by name and size, for each file was hashed when it was
    put; `check --hash` reads them."""
    files, stored = 0, 0
    batch: list[tuple[str, int]] = []
    for each in storage.names():
        files += 1
        batch.append(each)
        if len(batch) == AT_ONCE:
            stored += _take_files(store, batch, now_utc_ms)
            batch = []
    return files, stored + _take_files(store, batch, now_utc_ms)


def _take_files(store: Store, files: list[tuple[str, int]], now_utc_ms: int) -> int:
    with store.write() as connection:
        return reconciling.take_files(connection, files, now_utc_ms)
