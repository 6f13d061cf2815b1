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


def in_use(connection: sqlite3.Connection, now_utc_ms: int) -> list[Issued]:
    """Every certificate that still opens the broker's door."""
    return [Issued(**dict(row)) for row in QUERIES.certificates_in_use(connection, now=now_utc_ms)]


def newest_hub_time(connection: sqlite3.Connection) -> int:
    """The latest time, UTC milliseconds, that this hub wrote down while it trusted its clock; 0 in an empty store."""
    return int(QUERIES.newest_hub_time(connection)["utc_ms"])


def accept_time(connection: sqlite3.Connection, *, who: str, now_utc_ms: int) -> None:
    """Take `now_utc_ms` for right, though certificates were issued at a later one; who said so is written down."""
    QUERIES.insert_accepted_time(connection, now=now_utc_ms, newest=newest_hub_time(connection), who=who)
    QUERIES.disown_clock_after(connection, now=now_utc_ms)
