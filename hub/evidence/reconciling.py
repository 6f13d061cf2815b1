"""Database and storage looked over together, and brought together again where that takes no film from anybody.

Looking changes nothing. Repairing takes up files that a record names, says of film that is gone that it is gone (its
desk is asked once more), and removes what a purge has left. A file that no record names is kept, and named.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from hub.core.audit import Deed
from hub.core.reconcile import LOST, Finding, Kind, SegmentRow, compare
from hub.evidence import purging
from hub.evidence.storage import Missing, OpenStorage
from hub.store import Store, audit, planning, reconciling
from hub.store.audit import Actor

AT_ONCE = 500
"""Rows changed in one transaction: the hub's other writers wait for less than a second."""
NAMED_IN_AUDIT = 200
GARBAGE_AFTER_MS = 3_600_000
"""What waits longer for its removal is told: the worker removes it within minutes."""

Tell = Callable[[int, int], None]
"""Called now and then with how many files are hashed, of how many."""


class Report(NamedTuple):
    """What a look has found. `held` names the segments among them that a hold covers; `old_garbage` hashes that wait
    for their removal too long; `strangers` what lies in the storage and is no film."""

    segments: int
    files: int
    size_bytes: int
    findings: list[Finding]
    held: set[tuple[str, str]]
    old_garbage: list[str]
    strangers: list[str]

    def lines(self) -> list[str]:
        told = [each.told(is_held=each.is_of(self.held)) for each in self.findings]
        told += [f"the file {sha256} waits for its removal since more than an hour" for sha256 in self.old_garbage]
        return told + [f"{name} in the storage is no film of this hub" for name in self.strangers]


def look(
    store: Store, storage: OpenStorage, now_utc_ms: int, *, is_hashing: bool = False, tell: Tell = lambda *_: None
) -> Report:
    """Compare; with `is_hashing` every stored file is read and hashed too. May run while the hub works: what changes
    in between is looked at again. Raises StorageProblem."""
    files = dict(storage.names())
    rows = list(reconciling.segments(store))
    garbage = reconciling.garbage(store)
    found = compare(rows, reconciling.blobs(store), garbage, files)
    if is_hashing:
        found += _hashed(storage, [row for row in rows if row.is_stored and not row.is_purged], files, tell)
    findings = [each for each in found if _still(store, storage, each)]
    held = set()
    with store.read() as connection:
        for each in findings:
            of = each.segment
            if of is not None and reconciling.is_held(connection, of.unit, of.name):
                held.add((of.unit, of.name))
    return Report(
        segments=len(rows),
        files=len(files),
        size_bytes=sum(files.values()),
        findings=findings,
        held=held,
        old_garbage=[sha256 for sha256, since in garbage.items() if since < now_utc_ms - GARBAGE_AFTER_MS],
        strangers=list(storage.strangers()),
    )


def _hashed(storage: OpenStorage, rows: list[SegmentRow], files: dict[str, int], tell: Tell) -> Iterator[Finding]:
    of_file: dict[str, list[SegmentRow]] = defaultdict(list)
    for row in rows:
        if files.get(row.sha256) == row.size_bytes:
            of_file[row.sha256].append(row)
    for number, (sha256, needing) in enumerate(of_file.items()):
        tell(number, len(of_file))
        if not _is_sound(storage, sha256):
            yield from (Finding(Kind.WRONG_CONTENT, sha256, row.size_bytes, row) for row in needing)


def _is_sound(storage: OpenStorage, sha256: str) -> bool:
    try:
        return hashlib.sha256(storage.read(sha256)).hexdigest() == sha256
    except Missing:
        return False


def _still(store: Store, storage: OpenStorage, finding: Finding) -> bool:
    """Whether it holds now: uploads and purges go on while one looks."""
    there = storage.size_bytes(finding.sha256)
    with store.read() as connection:
        use = reconciling.use_of(connection, finding.sha256)
        of = finding.segment
        row = reconciling.segment(connection, of.unit, of.name) if of is not None else None
    match finding.kind:
        case Kind.MISSING:
            return row == of and there is None
        case Kind.WRONG_SIZE:
            return row == of and there is not None and row is not None and there != row.size_bytes
        case Kind.UNKNOWN:
            return there is not None and not use.is_named
        case Kind.COUNTED_IN_VAIN:
            return not use.is_needed
        case Kind.LEFT_AFTER_PURGE:
            return there is not None and not use.is_wanted
        case _:
            return row == of


class Repair(NamedTuple):
    """What was done, in segments and files. `lost` are segments whose film is gone; `kept` is what nobody may decide
    but people."""

    adopted: int
    counted: int
    lost: list[SegmentRow]
    removed: int
    cleaned: int
    kept: list[str]


def repair(store: Store, storage: OpenStorage, report: Report, actor: Actor, now_utc_ms: int) -> Repair:
    """Bring database and storage together as far as that takes no film from anybody, with entries in the audit log.
    Safe to repeat. Raises StorageProblem."""
    by_kind: dict[Kind, list[Finding]] = defaultdict(list)
    for each in report.findings:
        by_kind[each.kind].append(each)
    kept = [each.told() for each in by_kind[Kind.UNKNOWN]]
    adopted, counted = 0, 0
    for each in by_kind[Kind.NOT_KNOWN_AS_STORED] + by_kind[Kind.NOT_COUNTED]:
        assert each.segment is not None
        if not _is_sound(storage, each.sha256):
            kept.append(f"the file {each.sha256} has another content than its name says")
            continue
        with store.write() as connection:
            reconciling.adopt(connection, each.segment, now_utc_ms)
        adopted += each.kind is Kind.NOT_KNOWN_AS_STORED
        counted += each.kind is Kind.NOT_COUNTED
    lost = [each.segment for each in report.findings if each.kind in LOST and each.segment is not None]
    _say_lost(store, lost, report.held, actor, now_utc_ms)
    try:
        with store.write() as connection:
            planning.replan(connection, now_utc_ms)
    except planning.CannotPlan as cannot:
        kept.append(f"the desks cannot be asked for what is lost: {cannot}")
    with store.write() as connection:
        for each in by_kind[Kind.COUNTED_IN_VAIN]:
            reconciling.drop_blob_in_vain(connection, each.sha256)
        for each in by_kind[Kind.LEFT_AFTER_PURGE]:
            reconciling.throw_away(connection, each.sha256, now_utc_ms)
        reconciling.keep_needed(connection)
    done = Repair(adopted, counted, lost, purging.sweep(store, storage), storage.clean(now_utc_ms), kept)
    told = {"adopted": adopted, "counted": counted, "lost": len(lost), "removed": done.removed, "kept": len(kept)}
    if any(told.values()):
        audit.note(store, actor, Deed.REPAIRED_STORE, "storage", now_utc_ms, told)
    return done


def _say_lost(store: Store, lost: list[SegmentRow], held: set[tuple[str, str]], actor: Actor, now_utc_ms: int) -> None:
    of_sitting: dict[str, list[SegmentRow]] = defaultdict(list)
    for row in lost:
        of_sitting[row.sitting].append(row)
    for sitting, rows in of_sitting.items():
        for first in range(0, len(rows), AT_ONCE):
            with store.write() as connection:
                some = rows[first : first + AT_ONCE]
                for row in some:
                    reconciling.lose(connection, row)
                reconciling.ask_again(connection, some, actor.who, now_utc_ms)
                detail = {
                    "lost": len(some),
                    "held": sum((row.unit, row.name) in held for row in some),
                    "segments": [f"{row.unit} {row.name}" for row in some[:NAMED_IN_AUDIT]],
                }
                audit.add(connection, actor, Deed.REPAIRED_STORE, f"sitting {sitting}", now_utc_ms, detail)
