"""A desk's chain as it lies in rows: reading a record back, and naming what does not belong."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import msgspec

from agent import wire

Row = tuple[int, int, str, str, str, str]
"""boot, seq, header text, body text, signature, hash: as the desk's database keeps them."""


def record_of(header: str, body: str, signature: str) -> wire.Record:
    """The record of its three texts. Raises BadMessage when they are not one."""
    envelope = msgspec.json.encode({"header": header, "body": body, "signature": signature})
    record: wire.Record = wire.decode_up("record", envelope)
    return record


def still_of(header: wire.Header, jpeg: bytes) -> wire.Still:
    """The evidence still that belongs to a record."""
    at = wire.Instant(header.utc_ms, header.up_ms)
    return wire.Still(wire.StillNote(boot=header.boot, at=at, sha256=wire.sha256_hex(jpeg), seq=header.seq), jpeg)


def begins_anew(record: wire.Record) -> bool:
    """Whether a start of the agent says, signed, that the records before it were lost and the chain begins with it."""
    body = record.body
    return record.header.prev == wire.GENESIS and isinstance(body, wire.Restart) and body.is_chain_new


def faults_of(rows: Iterable[Row], unit: str, public_key: str) -> list[str]:
    """Walk the chain in its order: a line for each record that is changed, missing or out of its place; [] is whole. A
    chain that begins anew is told by `beginnings_in`, and is no fault."""
    faults: list[str] = []
    prev, last = wire.GENESIS, (0, 0)
    for boot, seq, header, body, signature, row_hash in rows:
        name = f"record {boot}/{seq}"
        if (boot, seq) != (boot, last[1] + 1 if boot == last[0] else 1):
            faults.append(f"{name}: the record before it is missing")
        try:
            record = record_of(header, body, signature)
        except wire.BadMessage as error:
            faults.append(f"{name}: {error}")
        else:
            if record.key != (unit, boot, seq) or record.hash != row_hash:
                faults.append(f"{name}: the row is not the record's")
            if record.header.prev != prev and not begins_anew(record):
                faults.append(f"{name}: does not follow on the record before it")
            if not wire.is_signed_by(record, public_key):
                faults.append(f"{name}: not signed by this unit")
        prev, last = wire.hash_of(header), (boot, seq)
    return faults


def beginnings_in(rows: Iterable[Row]) -> list[str]:
    """A line for each record with which the chain begins anew."""
    told = []
    for boot, seq, header, body, signature, _ in rows:
        with contextlib.suppress(wire.BadMessage):
            if begins_anew(record_of(header, body, signature)):
                told.append(f"record {boot}/{seq}: the chain begins anew, the records before were lost or damaged")
    return told
