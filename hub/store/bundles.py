"""What a bundle needs of the store, each within the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from hub.core.manifest import Scope
from hub.store import QUERIES, Row

At = tuple[int, int]
"""(boot, seq) of a record."""


class Film(NamedTuple):
    """One segment of the stretch, and what became of its file."""

    unit: str
    name: str
    boot: int
    seq: int
    sha256: str
    size_bytes: int
    began_utc_ms: int
    ended_utc_ms: int
    began_up_ms: int
    ended_up_ms: int
    frames: int
    stored_utc_ms: int | None
    purged_utc_ms: int | None
    purge_number: int | None

    @property
    def is_here(self) -> bool:
        """Whether the hub has its file, as far as the store knows."""
        return self.stored_utc_ms is not None and self.purged_utc_ms is None


class Kept(NamedTuple):
    """One record as the desk sent it; `body` None once it was erased by rule."""

    unit: str
    boot: int
    seq: int
    kind: str
    header: str
    body: str | None
    signature: str
    hash: str


def units_at(connection: sqlite3.Connection, sitting: str, seat: str) -> tuple[tuple[str, str], ...]:
    """(unit, public key) of each unit that recorded there."""
    return tuple(
        (row["unit"], row["public_key"]) for row in QUERIES.bundle_units(connection, sitting=sitting, seat=seat)
    )


def film_of(connection: sqlite3.Connection, scope: Scope, unit: str) -> list[Film]:
    return [Film(*row) for row in QUERIES.bundle_segments(connection, unit=unit, **_stretch(scope))]


def ends_of(connection: sqlite3.Connection, scope: Scope, unit: str) -> tuple[At, At] | None:
    """The first and the last record that tell of the stretch; None when there is none."""
    row: Row | None = QUERIES.bundle_ends(connection, unit=unit, **_stretch(scope))
    if row is None:
        return None
    first, last = (row["first_boot"], row["first_seq"]), (row["last_boot"], row["last_seq"])
    alert: Row | None = QUERIES.bundle_first_alert(connection, unit=unit, **_stretch(scope))
    return (first if alert is None else min(first, (alert["boot"], alert["seq"]))), last


def _stretch(scope: Scope) -> dict[str, object]:
    return {
        "sitting": scope.sitting,
        "seat": scope.seat,
        "since": scope.from_utc_ms,
        "until": scope.until_utc_ms,
    }


def before(connection: sqlite3.Connection, unit: str, at: At) -> At | None:
    """The record before this one that the hub holds."""
    row: Row | None = QUERIES.record_before(connection, unit=unit, boot=at[0], seq=at[1])
    return None if row is None else (row["boot"], row["seq"])


def records_of(connection: sqlite3.Connection, unit: str, first: At, last: At) -> Iterator[Kept]:
    """Every record from `first` to `last`, in the order of the chain."""
    rows = QUERIES.bundle_records(
        connection, unit=unit, boot=first[0], seq=first[1], last_boot=last[0], last_seq=last[1]
    )
    return (Kept(*row) for row in rows)


def still_of(connection: sqlite3.Connection, unit: str, sha256: str) -> bytes | None:
    row: Row | None = QUERIES.bundle_still(connection, unit=unit, sha256=sha256)
    return None if row is None else bytes(row["jpeg"])


def papers_of(connection: sqlite3.Connection, public_key: str) -> list[str]:
    """Certificates (PEM, leaf first) of the unit whose records this key signs."""
    return [row["certificate"] for row in QUERIES.bundle_papers(connection, public_key=public_key)]


def incidents_at(connection: sqlite3.Connection, sitting: str, seat: str) -> list[int]:
    return [row["incident_id"] for row in QUERIES.bundle_incidents(connection, sitting=sitting, seat=seat)]


def seat_id(connection: sqlite3.Connection, room: str, seat: str) -> int | None:
    row: Row | None = QUERIES.bundle_seat_id(connection, room=room, seat=seat)
    return None if row is None else int(row["seat_id"])


def sitting_of(connection: sqlite3.Connection, sitting: str, seat: str) -> Row | None:
    """`start_utc_ms`, `end_utc_ms` (at that seat) and `room` of a sitting."""
    row: Row | None = QUERIES.bundle_sitting(connection, sitting=sitting, seat=seat)
    return row


def purge_of_still(connection: sqlite3.Connection, unit: str, sha256: str) -> int | None:
    """The purge that removed a picture; None when none did."""
    row: Row | None = QUERIES.bundle_purged_still(connection, unit=unit, sha256=sha256)
    return None if row is None else int(row["purge_number"])
