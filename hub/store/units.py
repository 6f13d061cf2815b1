"""All units, as the list of units shows them."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from hub.store import QUERIES


class UnitRow(NamedTuple):
    """A unit as the list of units shows it; room and seat '' where it has none, `last_room` and `last_seat` where it
    stood when it was revoked, `certificate_ends_utc_ms` None where it
    never had a certificate or all are revoked."""

    unit: str
    public_key: str
    first_seen_utc_ms: int
    is_revoked: bool
    serial: str
    model: str
    revoked_utc_ms: int | None
    revoked_by: str
    revoked_why: str
    last_room: str
    last_seat: str
    room: str
    seat: str
    is_online: bool
    heartbeat_utc_ms: int | None
    certificate_ends_utc_ms: int | None


def units(connection: sqlite3.Connection) -> list[UnitRow]:
    """Every unit, by room and seat; those without a seat and then the revoked ones last."""
    rows = []
    for row in QUERIES.units_enrolled(connection):
        values = dict(row) | {"is_revoked": bool(row["is_revoked"]), "is_online": bool(row["is_online"])}
        rows.append(UnitRow(**values | {"room": row["room"] or "", "seat": row["seat"] or ""}))
    return rows
