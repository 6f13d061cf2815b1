"""How a checked file of film becomes `stored`: the one way, for what desks send and what is imported from cards.

The order of failure, designed first. Whoever is killed between two steps leaves:
  1. the storage has the file          -> a file that no row names: sent again, `put` finds it, nothing is doubled
  2. one transaction: the blob's row and the segment's `stored_utc_ms`
                                       -> the film is the hub's; a second offer is answered `confirmed`
  3. the storage is asked whether it still has it -> as after 2: who offers it again makes the hub ask again (`is_kept`)

Against a purge that runs at the same time. Purge writes a `garbage` row in the transaction in which the last segment
that needs a file is purged, deletes the file, and then deletes the row. So while there is a row, the file may go at any
moment: nothing is called stored then (BeingRemoved, it is sent again later), and after step 2 no row can come for it,
because a stored segment needs the file. A purge that wrote its row, deleted the file and finished, all between 1 and 2,
is what step 3 finds: the file is put again, or, where it was moved away already, the segment is not stored.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple, Protocol

from hub.store import QUERIES, Row, Store, enrolling

ATTEMPTS = 3


class CannotStore(Exception):
    """The file is not taken; the text is one sentence for a person."""


class NotRecorded(CannotStore):
    """The hub has no record of such a segment: records come first."""


class OtherSegment(CannotStore):
    """The record says something else of it."""


class IsPurged(CannotStore):
    """The hub had it, or would have, and removed it by rule: it does not come back."""


class BeingRemoved(CannotStore):
    """A file of the same content is being removed, or was a moment ago: again later."""


class Keeping(Protocol):
    """What is needed of `hub.evidence.storage.Storage`; both raise StorageProblem."""

    def put(self, sha256: str, source: Path) -> None: ...

    def size_bytes(self, sha256: str) -> int | None: ...


class Segment(NamedTuple):
    """A segment as its newest record tells it."""

    name: str
    size_bytes: int
    sha256: str
    is_stored: bool
    is_purged: bool


def key_of(connection: sqlite3.Connection, unit: str) -> str:
    """The public key of an enrolled unit. Raises enrolling.NotEnrolled, enrolling.Revoked."""
    known: Row | None = QUERIES.unit_by_name(connection, unit=unit)
    if known is None:
        raise enrolling.NotEnrolled(f"no unit {unit} is enrolled here")
    if known["is_revoked"]:
        raise enrolling.Revoked(enrolling.revoked_words(unit))
    return str(known["public_key"])


def segment_of(connection: sqlite3.Connection, unit: str, boot: int, seq: int) -> Segment:
    """The segment that the unit's record (boot, seq) names. Raises NotRecorded, and OtherSegment for a record of
    another kind or one that a newer record has taken the place of."""
    row: Row | None = QUERIES.segment_of_record(connection, unit=unit, boot=boot, seq=seq)
    if row is None:
        raise NotRecorded(f"the hub has no record {boot}/{seq} of {unit} yet: send the record first")
    if row["kind"] != "segment_closed" or row["name"] is None:
        raise OtherSegment(f"the record {boot}/{seq} of {unit} is of no segment")
    if row["told_sha256"] not in (None, row["sha256"]) or row["told_size_bytes"] not in (None, row["size_bytes"]):
        raise OtherSegment(f"a newer record of {unit} than {boot}/{seq} tells another content of {row['name']}")
    return Segment(
        name=row["name"],
        size_bytes=row["size_bytes"],
        sha256=row["sha256"],
        is_stored=row["stored_utc_ms"] is not None,
        is_purged=row["purged_utc_ms"] is not None,
    )


def store_segment(
    store: Store, storage: Keeping, unit: str, name: str, sha256: str, source: Path, now_utc_ms: int
) -> None:
    """Have the hub keep `source`, whose SHA-256 the caller has checked, as the film of this segment. Safe to repeat;
    `source` may be moved away. Not within a transaction: the storage may be slow, and the turn to write is only taken
    for two rows. Raises CannotStore, StorageProblem, OSError."""
    with store.read() as connection:
        _wanted(connection, unit, name, sha256)
    size_bytes = source.stat().st_size
    for _ in range(ATTEMPTS):
        storage.put(sha256, source)
        with store.write() as connection:
            refusal = _keep(connection, unit, name, sha256, size_bytes, now_utc_ms)
        if refusal is not None:
            raise refusal
        if storage.size_bytes(sha256) == size_bytes:
            return
        if not source.exists():
            break
    with store.write() as connection:
        _forget(connection, unit, name, sha256)
    raise BeingRemoved(f"{name} of {unit} went from the storage while it was stored: it has to come again")


def is_kept(store: Store, storage: Keeping, unit: str, segment: Segment) -> bool:
    """Whether the storage really has a segment that is called stored; one that it has not is not stored any more, so
    that who has the film sends it again. Raises StorageProblem."""
    if not segment.is_stored:
        return False
    if storage.size_bytes(segment.sha256) == segment.size_bytes:
        return True
    with store.write() as connection:
        _forget(connection, unit, segment.name, segment.sha256)
    return False


def _wanted(connection: sqlite3.Connection, unit: str, name: str, sha256: str) -> None:
    row: Row | None = QUERIES.segment_to_store(connection, unit=unit, name=name)
    if row is None:
        raise NotRecorded(f"the hub has no record of {name} of {unit}: its record comes first")
    if row["sha256"] != sha256:
        raise OtherSegment(f"the record of {name} of {unit} tells another content")
    if row["purged_utc_ms"] is not None:
        raise IsPurged(f"{name} of {unit} was removed by rule")
    if row["is_garbage"]:
        raise BeingRemoved(f"a file of the same content as {name} of {unit} is being removed: again in a minute")


def _keep(
    connection: sqlite3.Connection, unit: str, name: str, sha256: str, size_bytes: int, now_utc_ms: int
) -> CannotStore | None:
    """Write the two rows; why not, when meanwhile it may not be kept any more. Then the file is left to purge."""
    try:
        _wanted(connection, unit, name, sha256)
    except CannotStore as refusal:
        QUERIES.leave_to_purge(connection, sha256=sha256, now=now_utc_ms)
        return refusal
    QUERIES.insert_blob(connection, sha256=sha256, size_bytes=size_bytes, now=now_utc_ms)
    QUERIES.mark_stored(connection, unit=unit, name=name, now=now_utc_ms)
    return None


def _forget(connection: sqlite3.Connection, unit: str, name: str, sha256: str) -> None:
    QUERIES.mark_not_stored(connection, unit=unit, name=name, sha256=sha256)
    QUERIES.forget_unneeded_blob(connection, sha256=sha256)
