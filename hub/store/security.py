"""The store's verbs for what only a copied card, an intruder or a revoked unit brings about, each within the caller's
transaction."""

from __future__ import annotations

import sqlite3
from typing import Any, Literal

from hub.store import QUERIES, Row

EventKind = Literal[
    "two_machines", "boot_went_back", "revoked_unit_speaks", "contradicts_itself", "other_segment", "chain_cut"
]
"""`contradicts_itself`: other content under the name of a record that is held, or another key. `other_segment`: a unit
has offered a file that its own record contradicts. `chain_cut`: what a unit or the hub holds ends before a head that
was countersigned."""


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


class NoSuchEvent(Exception):
    """No security event has that number."""


def unseen(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Events that nobody has looked at, oldest first."""
    return [dict(row) for row in QUERIES.security_unseen(connection)]


def see(connection: sqlite3.Connection, event_id: int, *, who: str, now_utc_ms: int) -> tuple[str, int]:
    """Note that `who` has looked at it; answers who was first, and when. Raises NoSuchEvent."""
    QUERIES.see_security_event(connection, event_id=event_id, who=who, now=now_utc_ms)
    row: Row | None = QUERIES.security_event(connection, event_id=event_id)
    if row is None:
        raise NoSuchEvent(event_id)
    return str(row["seen_by"]), int(row["seen_utc_ms"])
