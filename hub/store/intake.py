"""The store's verbs for ingest: each takes the connection of a write turn, and values of `hub.core`.

Every verb may be repeated: what is there already stays as it is.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from agent import wire
from agent.wire import Gap, Header, Record, SegmentClosed, Still
from hub.core.identity import Birth
from hub.core.ledger import JOIN_WITHIN_MS, AlertRow, FaultRow, Group, KnownUnit, Regrouped, opens_incident
from hub.core.presence import Heard
from hub.store import QUERIES, Row

MOST_REJECTED = 1_000
MOST_CONFLICTS = 10_000
MOST_CONFLICTS_OF_UNIT = 200
"""The first ones of a unit stay: a flood must not push out how it began, nor what happened to others."""
KEPT_OF_REJECTED_BYTES = 1_024


def known_units(connection: sqlite3.Connection) -> dict[str, KnownUnit]:
    rows: Iterable[Row] = QUERIES.units_known(connection)
    return {
        row["unit"]: KnownUnit(row["public_key"], bool(row["is_revoked"]), row["revoked_utc_ms"] or 0) for row in rows
    }


def add_unit(connection: sqlite3.Connection, unit: str, public_key: str, now_utc_ms: int) -> None:
    QUERIES.insert_unit(connection, unit=unit, public_key=public_key, now=now_utc_ms)


def hashes_of(connection: sqlite3.Connection, names: Sequence[tuple[str, int, int]]) -> dict[tuple[str, int, int], str]:
    """The hashes of those records that are held, by their (unit, boot, seq)."""
    rows: Iterable[Row] = QUERIES.record_hashes(connection, names=msgspec.json.encode(names).decode())
    return {(row["unit"], row["boot"], row["seq"]): row["hash"] for row in rows}


def add_records(connection: sqlite3.Connection, records: Iterable[tuple[Record, str, int]]) -> None:
    """Keep records, each with its hash and the hub's time of its arrival. What is held under the same name stays."""
    rows = [
        {
            "unit": record.header.unit,
            "boot": record.header.boot,
            "seq": record.header.seq,
            "kind": record.header.kind,
            "header": record.header_text,
            "body": record.body_text,
            "signature": record.signature,
            "hash": record_hash,
            "now": received_utc_ms,
        }
        for record, record_hash, received_utc_ms in records
    ]
    QUERIES.insert_records(connection, rows)


def add_conflict(
    connection: sqlite3.Connection,
    unit: str,
    boot: int | None,
    seq: int | None,
    reason: str,
    payload: bytes,
    now_utc_ms: int,
) -> bool:
    """Keep what contradicts; the same thing again, or too much of it from one unit, adds nothing."""
    named = {"unit": unit, "boot": boot, "seq": seq, "reason": reason, "payload": payload}
    if QUERIES.conflict_known(connection, **named) is not None:
        return False
    if QUERIES.conflicts_of_unit(connection, unit=unit)["held"] >= MOST_CONFLICTS_OF_UNIT:
        return False
    QUERIES.insert_conflict(connection, **named, now=now_utc_ms)
    QUERIES.trim_conflicts(connection, keep=MOST_CONFLICTS)
    return True


def add_rejected(connection: sqlite3.Connection, topic: str, reason: str, payload: bytes, now_utc_ms: int) -> None:
    """Note a refused message. Topic and reason may hold what no text column takes (lone surrogates): those are
    written as escapes."""
    QUERIES.insert_rejected(
        connection,
        topic=_storable(topic[:300]),
        reason=_storable(reason[:500]),
        size_bytes=len(payload),
        payload=payload[:KEPT_OF_REJECTED_BYTES],
        now=now_utc_ms,
    )


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def trim_rejected(connection: sqlite3.Connection) -> None:
    QUERIES.trim_rejected(connection, keep=MOST_REJECTED)


def add_still(connection: sqlite3.Connection, unit: str, still: Still, now_utc_ms: int) -> None:
    note = still.note
    QUERIES.insert_still(
        connection,
        unit=unit,
        sha256=note.sha256,
        boot=note.boot,
        seq=note.seq,
        utc_ms=note.at.utc_ms,
        up_ms=note.at.up_ms,
        jpeg=still.jpeg,
        now=now_utc_ms,
    )


# --- presence -------------------------------------------------------------------------------------------------------


def heard_of(connection: sqlite3.Connection, unit: str) -> Heard | None:
    row: Row | None = QUERIES.presence_of(connection, unit=unit)
    if row is None:
        return None
    beat = None
    if row["heartbeat"] is not None:
        kept = json.loads(row["heartbeat"])
        beat = (int(kept["boot"]), int(kept["now"][1]))
    return Heard(
        is_online=bool(row["is_online"]),
        status_utc_ms=row["status_utc_ms"],
        boot=row["boot"],
        heartbeat=row["heartbeat"],
        heartbeat_utc_ms=row["heartbeat_utc_ms"],
        beat=beat,
        machine=row["machine"],
        os_boot=row["os_boot"],
        births=tuple(Birth(*each) for each in json.loads(row["births"])),
    )


def save_heard(connection: sqlite3.Connection, unit: str, heard: Heard) -> None:
    QUERIES.save_presence(
        connection,
        unit=unit,
        is_online=int(heard.is_online),
        status_utc_ms=heard.status_utc_ms,
        boot=heard.boot,
        heartbeat=heard.heartbeat,
        heartbeat_utc_ms=heard.heartbeat_utc_ms,
        machine=heard.machine,
        os_boot=heard.os_boot,
        births=json.dumps(heard.births),
    )


# --- read models ----------------------------------------------------------------------------------------------------


def place_of(connection: sqlite3.Connection, unit: str, sitting: str, seat: str, at_utc_ms: int) -> tuple[str, str]:
    """(room, seat) of what a desk told: the seat that it names itself, in the room of its sitting. A record may come
    late, when the unit stands elsewhere. Only where it names no seat is it where the hub had put the unit at
    `at_utc_ms`. '': not known."""
    room: Row | None = QUERIES.room_of_sitting(connection, sitting=sitting)
    if seat:
        room = room or QUERIES.room_where_stood(connection, unit=unit, seat=seat)
        return ("" if room is None else room["room"]), seat
    place: Row | None = QUERIES.place_at(connection, unit=unit, at=at_utc_ms)
    if place is not None:
        return place["room"], place["seat"]
    return ("" if room is None else room["room"]), ""


class _Moded(msgspec.Struct):
    """What is needed of an alert's body; its other fields have columns."""

    mode: str = wire.Mode.AUTOMATED.value


_MODE = msgspec.json.Decoder(_Moded)
_ALERT_COLUMNS = tuple(field for field in AlertRow.__struct_fields__ if field not in ("mode", "is_superseded"))


def _alert_of(row: Row) -> AlertRow:
    columns = {column: row[column] for column in _ALERT_COLUMNS} | {"is_drill": bool(row["is_drill"])}
    return AlertRow(mode=_MODE.decode(row["body"]).mode, **columns)


def alert_of(connection: sqlite3.Connection, unit: str, alert: str) -> AlertRow | None:
    row: Row | None = QUERIES.alert_of(connection, unit=unit, alert=alert)
    return None if row is None else _alert_of(row)


def save_alert(connection: sqlite3.Connection, row: AlertRow, now_utc_ms: int) -> None:
    fields = msgspec.structs.asdict(row)
    del fields["mode"], fields["is_superseded"]
    QUERIES.save_alert(connection, now=now_utc_ms, **fields)


def alerts_near(connection: sqlite3.Connection, row: AlertRow) -> tuple[list[AlertRow], frozenset[int]]:
    """The alerts whose grouping `row` may change, with `row` itself unless it opens none, and the incidents people
    have worked on. `row` must be saved already."""
    found: Iterable[Row] = QUERIES.alerts_touching(
        connection,
        unit=row.unit,
        kind=row.kind,
        is_drill=row.is_drill,
        began=row.began_utc_ms,
        ended=row.ended_utc_ms,
        within=JOIN_WITHIN_MS,
        own=row.incident_id,
    )
    rows = list(found)
    anchored = frozenset(int(each["incident_id"]) for each in rows if each["is_anchored"])
    near = [
        msgspec.structs.replace(_alert_of(each), is_superseded=bool(each["is_superseded"]))
        for each in rows
        if each["alert"] != row.alert
    ]
    if row.incident_id is not None or opens_incident(row):
        later: Row = QUERIES.is_superseded(
            connection, unit=row.unit, kind=row.kind, is_drill=row.is_drill, began=row.began_utc_ms
        )
        near.append(msgspec.structs.replace(row, is_superseded=bool(later["is_superseded"])))
    return near, anchored


def is_finished(connection: sqlite3.Connection, incident_id: int) -> bool:
    row: Row = QUERIES.incident_of(connection, incident_id=incident_id)
    return bool(row["state"] == "closed")


def alerts_in(connection: sqlite3.Connection, incident_id: int) -> tuple[AlertRow, ...]:
    rows: Iterable[Row] = QUERIES.alerts_in_incident(connection, incident_id=incident_id)
    return tuple(sorted((_alert_of(row) for row in rows), key=lambda row: (row.began_utc_ms, row.alert)))


def save_groups(connection: sqlite3.Connection, regrouped: Regrouped, now_utc_ms: int) -> None:
    """Open, change and merge incidents so that they are these groups, with the events that say so."""
    numbers = [save_group(connection, group, now_utc_ms) for group in regrouped.groups]
    for emptied, index in regrouped.emptied.items():
        into = numbers[index]
        QUERIES.merge_incident(connection, incident_id=emptied, merged_into=into, now=now_utc_ms)
        _event(connection, emptied, "merged", f"continued in incident {into}", now_utc_ms)


def save_group(connection: sqlite3.Connection, group: Group, now_utc_ms: int) -> int:
    """Make the incident be this group; answers its number."""
    first = group.alerts[0]
    place = {"sitting": first.sitting, "room": first.room, "seat": first.seat, "is_drill": group.is_drill}
    times = {"began_utc_ms": group.began_utc_ms, "cleared_utc_ms": group.cleared_utc_ms}
    number, was_cleared_utc_ms = group.incident_id, None
    if number is None:
        number = int(
            QUERIES.open_incident(connection, unit=first.unit, kind=first.kind, now=now_utc_ms, **place, **times)
        )
        _event(connection, number, "opened", first.alert, now_utc_ms)
        added = list(group.alerts)
        told = added[1:]
    else:
        known: Row = QUERIES.incident_of(connection, incident_id=number)
        was_cleared_utc_ms = known["cleared_utc_ms"]
        added = told = [row for row in group.alerts if row.incident_id != number]
        wanted = place | times
        if added or any(known[field] != wanted[field] for field in wanted):
            QUERIES.regroup_incident(connection, incident_id=number, **wanted)
    for row in added:
        QUERIES.put_alert_in_incident(connection, unit=row.unit, alert=row.alert, incident_id=number)
    for row in told:
        _event(connection, number, "joined", row.alert, now_utc_ms)
    if group.cleared_utc_ms is not None and was_cleared_utc_ms is None:
        _event(connection, number, "cleared", "", now_utc_ms)
    return number


def _event(connection: sqlite3.Connection, incident_id: int, action: str, text: str, now_utc_ms: int) -> None:
    QUERIES.add_desk_event(connection, incident_id=incident_id, now=now_utc_ms, action=action, text=text)


def save_fault(connection: sqlite3.Connection, row: FaultRow, now_utc_ms: int) -> None:
    QUERIES.save_fault(connection, now=now_utc_ms, **msgspec.structs.asdict(row))


def save_segments(connection: sqlite3.Connection, closed: Iterable[tuple[Header, SegmentClosed]]) -> None:
    rows = [
        {
            "unit": header.unit,
            "name": body.name,
            "sitting": body.sitting,
            "began_utc_ms": body.began.utc_ms,
            "began_up_ms": body.began.up_ms,
            "ended_utc_ms": body.ended.utc_ms,
            "ended_up_ms": body.ended.up_ms,
            "frames": body.frames,
            "size_bytes": body.size_bytes,
            "sha256": body.sha256,
            "is_cut": int(body.is_cut),
            "boot": header.boot,
            "seq": header.seq,
            "seat": body.seat,
        }
        for header, body in closed
    ]
    QUERIES.save_segments(connection, rows)


def add_gap(connection: sqlite3.Connection, record: Record, body: Gap, now_utc_ms: int) -> None:
    QUERIES.insert_gap(
        connection,
        unit=record.header.unit,
        boot=record.header.boot,
        seq=record.header.seq,
        sitting=body.sitting,
        began_utc_ms=body.began.utc_ms,
        ended_utc_ms=body.ended.utc_ms,
        cause=body.cause.value,
        is_length_known=int(body.is_length_known),
        detail=body.detail,
        seat=body.seat,
        received=now_utc_ms,
    )


# --- what is to be sent ---------------------------------------------------------------------------------------------


def plans_to_send(connection: sqlite3.Connection, *, is_everything: bool) -> list[Row]:
    """Plans the broker has not taken yet; `is_everything`: all, as at every connect."""
    return list(QUERIES.plans_all(connection) if is_everything else QUERIES.plans_unsent(connection))


def commands_to_send(connection: sqlite3.Connection, now_utc_ms: int) -> list[Row]:
    return list(QUERIES.commands_unsent(connection, now=now_utc_ms))


def plan_sent(connection: sqlite3.Connection, unit: str, number: int) -> None:
    QUERIES.mark_plan_sent(connection, unit=unit, number=number)


def command_sent(connection: sqlite3.Connection, number: int, now_utc_ms: int) -> None:
    QUERIES.mark_command_sent(connection, number=number, now=now_utc_ms)
