"""What only a copied card or an intruder brings about, as people read it, and that somebody has looked at it."""

from __future__ import annotations

from typing import Any

from hub.store import QUERIES, Row, Store


class NoSuchEvent(Exception):
    """No security event has that number."""


def unseen(store: Store) -> list[dict[str, Any]]:
    """Events that nobody has looked at, oldest first."""
    with store.read() as connection:
        return [dict(row) for row in QUERIES.security_unseen(connection)]


def see(store: Store, event_id: int, *, who: str, now_utc_ms: int) -> tuple[str, int]:
    """Note that `who` has looked at it; answers who was first, and when. Raises NoSuchEvent."""
    with store.write() as connection:
        QUERIES.see_security_event(connection, event_id=event_id, who=who, now=now_utc_ms)
        row: Row | None = QUERIES.security_event(connection, event_id=event_id)
        if row is None:
            raise NoSuchEvent(event_id)
        return str(row["seen_by"]), int(row["seen_utc_ms"])
