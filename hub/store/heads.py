"""The heads of desks' chains, as heartbeats tell them: the newest is kept, what contradicts is a security event."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable

from agent import wire
from agent.wire import Heartbeat
from hub.core import countersign
from hub.store import countersigned, security

log = logging.getLogger(__name__)


def keep(connection: sqlite3.Connection, unit: str, beat: Heartbeat, now_utc_ms: int) -> None:
    """Keep the head that the unit's newest heartbeat tells, when its key signed it and it moved forward."""
    told = beat.head
    if told is None or told.seq == 0:
        return
    known = countersigned.head_of(connection, unit)
    if known is not None and (told.boot, told.seq, told.hash) == known[1:]:
        return  # most heartbeats: no signature is checked for them
    if not wire.is_head_signed_by(told, countersigned.key_of(connection, unit)):
        _cut(connection, unit, f"its head at record {told.boot}/{told.seq} is not signed by its key", now_utc_ms)
        return
    held = countersigned.held_hash(connection, unit, told.boot, told.seq)
    why = countersign.contradiction(known, told, beat.boot, held)
    if why:
        _cut(connection, unit, why, now_utc_ms)
    elif countersign.moves(known, told):
        countersigned.save_head(connection, unit, told, now_utc_ms)


def compare(connection: sqlite3.Connection, records: Iterable[tuple[str, int, int, str]], now_utc_ms: int) -> None:
    """Hold new records, as (unit, boot, seq, hash), against the heads that were told before they came."""
    records = list(records)
    heads = countersigned.heads_of(connection, [unit for unit, *_ in records])
    for unit, boot, seq, record_hash in records:
        head = heads.get(unit)
        if head is not None and (boot, seq) == (head.boot, head.seq) and record_hash != head.hash:
            _cut(connection, unit, f"record {boot}/{seq} is not the one whose head it told before", now_utc_ms)


def _cut(connection: sqlite3.Connection, unit: str, why: str, now_utc_ms: int) -> None:
    if security.add_event(connection, unit, "chain_cut", why, now_utc_ms):
        log.error("the chain of %s was cut or forked: %s", unit, why)
