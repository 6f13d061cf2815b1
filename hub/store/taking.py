"""Records into the store: kept under their names, and what they change of what the hub shows. The one way, whether they
came by message, from a card or from the journal."""

from __future__ import annotations

import enum
import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from agent import wire
from agent.wire import Alert, Attended, Fault, Gap, Header, Record, SegmentClosed
from hub.core import ledger
from hub.core.ledger import Conflict
from hub.store import heads, intake, signals


class Fate(enum.Enum):
    """What became of a record that is held now."""

    NEW = "new"
    KNOWN = "known"


def take_records(
    connection: sqlite3.Connection, records: Sequence[tuple[Record, int]], now_utc_ms: int
) -> list[Fate | Conflict]:
    """Keep records whose signatures the caller has checked, each with the hub's time of its arrival, within the
    caller's write turn. Answers the fate of each; one that contradicts what is held changes nothing."""
    held = intake.hashes_of(connection, [record.key for record, _ in records])
    fates: list[Fate | Conflict] = []
    new: list[tuple[Record, str, int]] = []
    for record, received_utc_ms in records:
        name = record.key
        record_hash = record.hash
        if name not in held:
            held[name] = record_hash
            new.append((record, record_hash, received_utc_ms))
            fates.append(Fate.NEW)
        elif held[name] == record_hash:
            fates.append(Fate.KNOWN)
        else:
            fates.append(Conflict("another record under the same name", boot=record.header.boot, seq=record.header.seq))
    intake.add_records(connection, new)
    heads.compare(connection, ((*record.key, record_hash) for record, record_hash, _ in new), now_utc_ms)
    show_records(connection, [record for record, _, _ in new], now_utc_ms)
    return fates


def show_records(connection: sqlite3.Connection, records: Iterable[Record], now_utc_ms: int) -> None:
    """Let records that are new to the store change what the hub shows."""
    closed: list[tuple[Header, SegmentClosed]] = []
    for record in records:
        body = record.body
        if isinstance(body, SegmentClosed):
            closed.append((record.header, body))
        elif isinstance(body, Alert):
            _keep_alert(connection, record, body, now_utc_ms)
        elif isinstance(body, Fault):
            intake.save_fault(connection, ledger.fault_row(record, body), now_utc_ms)
        elif isinstance(body, Gap):
            intake.add_gap(connection, record, body, now_utc_ms)
        elif isinstance(body, Attended):
            signals.take_press(connection, record, body, now_utc_ms)
    intake.save_segments(connection, closed)


def _keep_alert(connection: sqlite3.Connection, record: Record, body: wire.Alert, now_utc_ms: int) -> None:
    """Let a new record change its alert, and the incidents around it."""
    known = intake.alert_of(connection, record.header.unit, body.alert)
    told = ledger.alert_row(record, body)
    if known is None:
        room, seat = intake.place_of(connection, told.unit, told.sitting, told.seat)
        told = msgspec.structs.replace(told, room=room, seat=seat)
    row = ledger.newer_alert(known, told)
    if row is None:
        return
    intake.save_alert(connection, row, now_utc_ms)
    if row.incident_id is not None and intake.is_finished(connection, row.incident_id):
        # What people closed stays closed with its alerts; only when it ended becomes better known.
        group = ledger.Group(incident_id=row.incident_id, alerts=intake.alerts_in(connection, row.incident_id))
        intake.save_group(connection, group, now_utc_ms)
    else:
        near, anchored = intake.alerts_near(connection, row)
        intake.save_groups(connection, ledger.regroup(near, anchored), now_utc_ms)
    if known is None:
        signals.note_presses_of(connection, row.unit, row.alert, now_utc_ms)
