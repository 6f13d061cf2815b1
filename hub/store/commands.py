"""Commands for desks: queued in the caller's transaction, sent by ingest as soon as it is committed."""

from __future__ import annotations

import sqlite3

import msgspec

from agent.wire import Command, CommandKind
from hub.store import QUERIES

LIFE_MS = 60_000
"""A desk that was away longer than this when a person acted has moved on; the same age at which the lamp of
semi-automated mode falls back (30 s), doubled."""


def queue(
    connection: sqlite3.Connection, unit: str, name: CommandKind, now_utc_ms: int, *, alert: str = "", reason: str = ""
) -> int:
    """Have the unit told; forgotten by ingest and desk after LIFE_MS. Answers the command's number: a desk that refuses
    names it in its heartbeat (`refused_command`)."""
    expires = now_utc_ms + LIFE_MS
    number = int(QUERIES.add_web_command(connection, unit=unit, payload="{}", expires=expires))
    command = Command(number=number, name=name, alert=alert, expires_utc_ms=expires, reason=reason)
    payload = msgspec.json.encode(command).decode()
    QUERIES.set_web_command_payload(connection, number=number, payload=payload)
    return number
