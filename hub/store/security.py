"""The store's verbs for what only a copied card, an intruder or a revoked unit brings about."""

from __future__ import annotations

import sqlite3
from typing import Literal

from hub.store import QUERIES

EventKind = Literal["two_machines", "boot_went_back", "revoked_unit_speaks"]


def add_event(connection: sqlite3.Connection, unit: str, kind: EventKind, detail: str, now_utc_ms: int) -> bool:
    """Note an event of `unit`; answers whether it is a new one.

    While nobody has looked at the unit's last event of this kind, it is the same event once more: its count rises and
    `detail` becomes the newest.
    """
    named = {"unit": unit, "kind": kind, "detail": detail[:2000], "now": now_utc_ms}
    if QUERIES.count_security_event(connection, **named):
        return False
    QUERIES.insert_security_event(connection, **named)
    return True
