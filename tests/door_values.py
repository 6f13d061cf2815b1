"""One value of each message at the door, with the golden file in `tests/wire/door1` that holds its bytes for ever."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from agent import wire, wire_door
from tests.wire_values import KEY, PUBLIC_KEY, UNIT

CSR = "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
NOW = 1_800_000_000_000


class Golden(NamedTuple):
    file: str
    value: Struct


PLAN = wire.Plan(
    number=12,
    sittings=(
        wire.PlannedSitting(
            sitting="maths-1", exam="Maths", room="Hall", seat="A1", start_utc_ms=NOW, end_utc_ms=NOW + 3_600_000
        ),
    ),
)
GRANT = wire_door.Grant(
    unit=UNIT, certificate=PEM * 2, authorities=PEM, broker_port=8883, broker_host="broker.example", plan=PLAN
)
GOLDEN = (
    Golden(
        "enrolment.json",
        wire_door.EnrolmentRequest(
            csr=CSR,
            public_key=PUBLIC_KEY,
            serial="10000000abcdef01",
            model="Raspberry Pi 5 Model B Rev 1.0",
            software="0.1.0",
            wanted=UNIT,
            replaces="hall.desk-99",
        ),
    ),
    Golden("enrolment-least.json", wire_door.EnrolmentRequest(csr=CSR, public_key=PUBLIC_KEY)),
    Golden("state.json", wire_door.StateRequest(public_key=PUBLIC_KEY)),
    Golden("renewal.json", wire_door.RenewalRequest(unit=UNIT, public_key=PUBLIC_KEY, csr=CSR, serial="1000")),
    Golden("answer-unknown.json", wire_door.EnrolmentState(state="unknown", hub_utc_ms=NOW)),
    Golden("answer-waiting.json", wire_door.EnrolmentState(state="waiting", code="ACDE-3467", hub_utc_ms=NOW)),
    Golden(
        "answer-approved.json",
        wire_door.EnrolmentState(state="approved", code="ACDE-3467", reason="the clock is not set", hub_utc_ms=NOW),
    ),
    Golden("answer-rejected.json", wire_door.EnrolmentState(state="rejected", reason="not one of ours")),
    Golden(
        "answer-granted.json",
        wire_door.EnrolmentState(state="granted", code="ACDE-3467", grant=GRANT, hub_utc_ms=NOW),
    ),
    Golden("authority.json", wire_door.Authority(authorities=PEM, hub="hub.example")),
    Golden(
        "segment-offer.json",
        wire_door.SegmentOffer(
            unit=UNIT,
            public_key=PUBLIC_KEY,
            boot=7,
            seq=42,
            name="b000007-000003-u3600000-t1760000000000-smaths-1.ts",
            size_bytes=1_875_000,
            sha256="cd" * 32,
        ),
    ),
    Golden(
        "segment-offer-urgent.json",
        wire_door.SegmentOffer(
            unit=UNIT,
            public_key=PUBLIC_KEY,
            boot=7,
            seq=43,
            name="b000007-000004-u3610000-t1760000010000-smaths-1.ts",
            size_bytes=1_875_001,
            sha256="ce" * 32,
            is_urgent=True,
        ),
    ),
    Golden("segment-wanted.json", wire_door.SegmentState(state="wanted", offset=1_048_576)),
    Golden("segment-confirmed.json", wire_door.SegmentState(state="confirmed", offset=1_875_000)),
    Golden("segment-purged.json", wire_door.SegmentState(state="purged")),
    Golden("records-request.json", wire_door.RecordsRequest(unit=UNIT, public_key=PUBLIC_KEY, boot=6, seq=901)),
    Golden(
        "records-page.json",
        wire_door.RecordsPage(
            records=(
                wire_door.SealedRecord(header="{}", body="{}", signature="ab" * 64, is_stored=True),
                wire_door.SealedRecord(header="{}", body=None, signature="ab" * 64),
            ),
            is_last=True,
        ),
    ),
    Golden("trouble.json", wire_door.Trouble(code="revoked", words="hall.desk-01 was revoked")),
)
SIGNED_PATH = wire_door.STATE_PATH
SIGNATURE = wire_door.sign(SIGNED_PATH, wire_door.encode(GOLDEN[2].value), KEY.sign)
PIECE = wire_door.Piece(unit=UNIT, boot=7, seq=42, offset=1_048_576, size_bytes=826_424, sha256="ef" * 32)
PIECE_PATH = f"/door/v1/segments/data?unit={UNIT}&boot=7&seq=42&offset=1048576&size_bytes=826424&sha256=" + "ef" * 32
