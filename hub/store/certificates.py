"""The certificates that were issued to units: the store's verbs, each within the caller's transaction."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from hub.store import QUERIES


class Issued(NamedTuple):
    """A certificate as the list of revoked ones needs it: `serial_number` in lower-case hexadecimal, `issuer` the
    fingerprint of the issuing authority's certificate."""

    serial_number: str
    unit: str
    issuer: str
    not_before_utc_ms: int
    not_after_utc_ms: int


class Standing(NamedTuple):
    """`is_in_use`: it still opens the broker's door. `serial_number` and `issuer` as in Issued."""

    unit: str
    serial_number: str
    issuer: str
    is_in_use: bool


class RevokedCertificate(NamedTuple):
    serial_number: str
    issuer: str
    revoked_utc_ms: int


def revoked_certificates(connection: sqlite3.Connection) -> list[RevokedCertificate]:
    """Every revoked certificate, in a fixed order."""
    return [RevokedCertificate(**dict(row)) for row in QUERIES.certificates_revoked(connection)]


def expiring(connection: sqlite3.Connection, before_utc_ms: int) -> list[Issued]:
    """The newest certificate of each unit whose newest ends before then, the next to end first."""
    return [Issued(**dict(row)) for row in QUERIES.certificates_expiring(connection, before=before_utc_ms)]


def standing(connection: sqlite3.Connection, now_utc_ms: int) -> list[Standing]:
    """Every certificate, also those that have ended, of each unit that is not revoked; one without number and issuer
    for a unit that has none."""
    rows = QUERIES.certificates_standing(connection, now=now_utc_ms)
    return [Standing(**dict(row) | {"is_in_use": bool(row["is_in_use"])}) for row in rows]


def newest_hub_time(connection: sqlite3.Connection) -> int:
    """The latest time, UTC milliseconds, that this hub wrote down while it trusted its clock; 0 in an empty store."""
    return int(QUERIES.newest_hub_time(connection)["utc_ms"])


def accept_time(connection: sqlite3.Connection, *, who: str, now_utc_ms: int) -> None:
    """Take `now_utc_ms` for right, though certificates were issued at a later one; who said so is written down."""
    QUERIES.insert_accepted_time(connection, now=now_utc_ms, newest=newest_hub_time(connection), who=who)
    QUERIES.disown_clock_after(connection, now=now_utc_ms)
