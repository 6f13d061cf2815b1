"""One value of each message, with the golden file in `tests/wire/v1` that holds its bytes for ever."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent import wire
from agent.wire import Instant

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = KEY.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw).hex()
UNIT = "hall.desk-01"
BEGAN = Instant(1_760_000_000_000, 3_600_000)
RAISED = Instant(1_760_000_010_000, 3_610_000)
CLEARED = Instant(1_760_000_042_000, 3_642_000)
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) + b"\n\xff\xd9"


class Golden(NamedTuple):
    """`direction` and `kind` are the last levels of the topic."""

    file: str
    direction: str
    kind: str
    value: wire.Message


BODIES: dict[str, wire.Body] = {
    "alert": wire.Alert(
        alert="1-17",
        alert_kind=wire.AlertKind.MORE_THAN_ONE_FACE,
        state="cleared",
        sitting="maths-1",
        seat="A1",
        began=BEGAN,
        raised=RAISED,
        cleared=CLEARED,
        rule=wire.Rule(kind=wire.AlertKind.MORE_THAN_ONE_FACE, raise_s=3, clear_s=5, threshold=0.6),
        mode=wire.Mode.SEMI_AUTOMATED,
        faces=2,
        score=0.87,
        model_sha256="ab" * 32,
        software="0.1.0",
        still_sha256=wire.sha256_hex(JPEG),
        is_drill=True,
    ),
    "fault": wire.Fault(
        fault="1-3",
        fault_kind=wire.FaultKind.CAMERA_LOST,
        state="cleared",
        sitting="maths-1",
        began=BEGAN,
        raised=RAISED,
        cleared=CLEARED,
        detail="/dev/video0: no such device",
    ),
    "gap": wire.Gap(
        sitting="maths-1",
        began=BEGAN,
        ended=CLEARED,
        cause=wire.GapCause.POWER_OR_CRASH,
        is_length_known=False,
        detail="kein Strom \u2013 Stecker",
    ),
    "segment_closed": wire.SegmentClosed(
        sitting="maths-1",
        name="maths-1_20251009T085320_0003.ts",
        began=BEGAN,
        ended=RAISED,
        frames=150,
        size_bytes=1_875_000,
        sha256="cd" * 32,
        is_cut=True,
    ),
    "restart": wire.Restart(
        os_boot="0b4d3c9e", previous_boot=6, is_clean=True, software="0.1.0", model_sha256="ab" * 32
    ),
    "clock_step": wire.ClockStep(step_ms=-3_600_000, is_synced=True),
    "sitting": wire.SittingState(sitting="maths-1", seat="A1", state="resumed", plan=12),
    "observed": wire.Observed(
        sitting="maths-1",
        began=BEGAN,
        ended=CLEARED,
        looks=171,
        spans=(
            wire.Span(0, 12_400, "face", 2),
            wire.Span(12_400, 21_600, "somebody"),
            wire.Span(36_000, 6_000, "empty"),
        ),
    ),
    "attended": wire.Attended(sitting="maths-1", seat="A1", alerts=("1-18",), is_signal=True, is_drill=True),
    "other": wire.Other(kind="pulse"),
}

_EXPLAINED = wire.Alert(
    alert="1-19",
    alert_kind=wire.AlertKind.SEAT_EMPTY,
    state="raised",
    sitting="maths-1",
    seat="A1",
    began=BEGAN,
    raised=RAISED,
    rule=wire.Rule(
        kind=wire.AlertKind.SEAT_EMPTY,
        raise_s=10,
        clear_s=3,
        witnesses=wire.Witnesses(person=0.03, pose=0.55, change=0.06, unreferenced_s=20),
    ),
    evidence=wire.Evidence(doubt=0.31, person=0.0, pose=0.22, change=0.01, brightness=118.5),
)


def sealed(body: wire.Body, *, seq: int = 5, is_durable: bool = True) -> wire.Record:
    """A record of this unit, signed with the golden key."""
    return wire.seal(
        body,
        unit=UNIT,
        boot=7,
        seq=seq,
        now=CLEARED,
        is_clock_ok=True,
        prev="ef" * 32,
        sign=KEY.sign,
        is_durable=is_durable,
    )


_HEARTBEAT = wire.Heartbeat(
    boot=7,
    now=CLEARED,
    is_clock_ok=True,
    state="recording",
    sitting="maths-1",
    faces=1,
    is_covered=False,
    capture_fps=14.98,
    vision_fps=5.0,
    vision_ms=11.5,
    frames_dropped=3,
    recorded_s=3642.5,
    spool=2,
    free_bytes=21_474_836_480,
    temperature_c=51.5,
    lamp=wire.Lamp(pattern="ok", colour="#00ff00"),
    faults=(wire.StandingFault(kind=wire.FaultKind.STORAGE_LOW, began=BEGAN, detail="412 MB free"),),
    alerts=(wire.StandingAlert(alert="1-18", kind=wire.AlertKind.SEAT_EMPTY, began=BEGAN, raised=RAISED),),
    head=wire.sign_head(7, 5, "ef" * 32, KEY.sign),
    plan=12,
    software="0.1.0",
    model_sha256="ab" * 32,
)
_SLOWED = wire.Heartbeat(
    boot=7,
    now=CLEARED,
    is_clock_ok=True,
    state="recording",
    faces=0,
    vision_fps=2.5,
    vision_wanted_fps=5.0,
    vision_slowed="hot: 78 degrees Celsius",
    seat="somebody",
)
_CLOCKED = wire.Heartbeat(
    boot=7,
    now=CLEARED,
    is_clock_ok=True,
    state="waiting",
    clock=wire.ClockQuality(offset_ms=-1.75, round_trip_ms=0.625, error_ms=4.5, source="hub"),
    certificate_ends_utc_ms=1_767_776_000_000,
)
_PLAN = wire.Plan(
    number=12,
    sittings=(
        wire.PlannedSitting(
            sitting="maths-1",
            exam="Mathematics, paper 1",
            room="Hall",
            seat="A1",
            start_utc_ms=1_760_000_000_000,
            end_utc_ms=1_760_010_800_000,
            mode=wire.Mode.MANUAL,
            rules=(
                wire.Rule(kind=wire.AlertKind.SEAT_EMPTY, raise_s=10, clear_s=3),
                wire.Rule(kind=wire.AlertKind.MORE_THAN_ONE_FACE, raise_s=3, clear_s=5),
                wire.Rule(kind=wire.AlertKind.CAMERA_COVERED, raise_s=3, clear_s=2),
                wire.Rule(kind=wire.AlertKind.HELP_REQUESTED, raise_s=0, clear_s=0, is_on=False),
            ),
        ),
    ),
)
_MASKED_PLAN = wire.Plan(
    number=13,
    sittings=(
        wire.PlannedSitting(
            sitting="maths-2",
            exam="Mathematics, paper 2",
            room="Hall",
            seat="A1",
            start_utc_ms=1_760_020_000_000,
            end_utc_ms=1_760_030_800_000,
            rules=(
                wire.Rule(
                    kind=wire.AlertKind.SEAT_EMPTY,
                    raise_s=8,
                    clear_s=2,
                    threshold=0.55,
                    witnesses=wire.Witnesses(person=0.03, pose=0.7, change=0.05, unreferenced_s=25),
                ),
            ),
            masks=(
                wire.Mask(kind="ignore", points=((0.0, 0.0), (0.25, 0.0), (0.25, 0.5), (0.0, 0.5))),
                wire.Mask(kind="private", points=((0.7, 0.1), (1.0, 0.1), (0.85, 0.625))),
            ),
            empty_from_utc_ms=1_760_019_400_000,
            empty_until_utc_ms=1_760_019_700_000,
        ),
    ),
)
_SEAT_MASKS_PLAN = wire.Plan(
    number=14,
    masks=(
        wire.Mask(kind="private", points=((0.7, 0.1), (1.0, 0.1), (0.85, 0.625))),
        wire.Mask(kind="ignore", points=((0.0, 0.0), (0.25, 0.0), (0.25, 0.5), (0.0, 0.5))),
    ),
)
_BUZZER_PLAN = wire.Plan(
    number=15,
    sittings=(
        wire.PlannedSitting(
            sitting="listening-1",
            exam="Listening comprehension",
            room="Hall",
            seat="A1",
            start_utc_ms=1_760_040_000_000,
            end_utc_ms=1_760_043_600_000,
            is_buzzer_allowed=True,
        ),
    ),
)
_PAUSES_PLAN = wire.Plan(
    number=16,
    sittings=(
        wire.PlannedSitting(
            sitting="maths-3",
            exam="Mathematics, paper 3",
            room="Hall",
            seat="A1",
            start_utc_ms=1_760_040_000_000,
            end_utc_ms=1_760_043_600_000,
            may_lamp_show_alerts=False,
            pauses=(wire.Pause(from_utc_ms=1_760_041_000_000, until_utc_ms=1_760_041_300_000),),
        ),
    ),
)

_STRETCHES_PLAN = wire.Plan(
    number=14,
    holds=(wire.Stretch(sitting="maths-1"),),
    wanted=(wire.Stretch(sitting="maths-2", from_utc_ms=BEGAN.utc_ms, until_utc_ms=CLEARED.utc_ms),),
)
_UPLOADING = wire.Heartbeat(
    boot=7,
    now=RAISED,
    is_clock_ok=True,
    state="waiting",
    waiting_segments=120,
    waiting_bytes=225_000_000,
    upload_bytes_per_s=2_500_000.0,
)
_READY = wire.Heartbeat(
    boot=7,
    now=RAISED,
    is_clock_ok=True,
    state="waiting",
    brightness=118.5,
    detail=41.25,
    shift=0.004,
    record_bytes_per_s=291_500.0,
    receipt_ms=12.5,
    is_signalled=True,
)
_REFUSED = wire.Heartbeat(
    boot=7,
    now=RAISED,
    is_clock_ok=True,
    state="recording",
    refused_command=41,
    refusal="a sitting is on: a drill in it needs a reason",
)
_SEATED_SEGMENT = msgspec.structs.replace(BODIES["segment_closed"], seat="A1")
_SEATED_GAP = msgspec.structs.replace(BODIES["gap"], seat="A1")
_NEW_CHAIN = msgspec.structs.replace(BODIES["restart"], is_chain_new=True)
GOLDEN: tuple[Golden, ...] = (
    *(Golden(f"up-record-{name}.json", "up", "record", sealed(body)) for name, body in BODIES.items()),
    Golden("up-record-alert-explained.json", "up", "record", sealed(_EXPLAINED)),
    Golden("up-record-segment-seat.json", "up", "record", sealed(_SEATED_SEGMENT)),
    Golden("up-record-gap-seat.json", "up", "record", sealed(_SEATED_GAP)),
    Golden("up-record-restart-new-chain.json", "up", "record", sealed(_NEW_CHAIN)),
    Golden("up-record-not-durable.json", "up", "record", sealed(BODIES["fault"], is_durable=False)),
    Golden(
        "up-evidence.bin",
        "up",
        "evidence",
        wire.Still(wire.StillNote(boot=7, at=RAISED, sha256=wire.sha256_hex(JPEG), seq=5), JPEG),
    ),
    Golden(
        "up-still.bin", "up", "still", wire.Still(wire.StillNote(boot=7, at=RAISED, sha256=wire.sha256_hex(JPEG)), JPEG)
    ),
    Golden("up-heartbeat.json", "up", "heartbeat", _HEARTBEAT),
    Golden("up-heartbeat-slowed.json", "up", "heartbeat", _SLOWED),
    Golden(
        "up-heartbeat-least.json",
        "up",
        "heartbeat",
        wire.Heartbeat(boot=1, now=BEGAN, is_clock_ok=False, state="waiting"),
    ),
    Golden(
        "up-status.json", "up", "status", wire.Status(boot=7, is_online=True, public_key=PUBLIC_KEY, software="0.1.0")
    ),
    Golden("up-heartbeat-clock.json", "up", "heartbeat", _CLOCKED),
    Golden("up-heartbeat-uploading.json", "up", "heartbeat", _UPLOADING),
    Golden("up-heartbeat-ready.json", "up", "heartbeat", _READY),
    Golden("up-heartbeat-refused.json", "up", "heartbeat", _REFUSED),
    Golden(
        "up-live.bin", "up", "live", wire.Still(wire.StillNote(boot=7, at=RAISED, sha256=wire.sha256_hex(JPEG)), JPEG)
    ),
    Golden(
        "up-status-machine.json",
        "up",
        "status",
        wire.Status(
            boot=7,
            is_online=True,
            public_key=PUBLIC_KEY,
            software="0.1.0",
            machine="10000000a1b2c3d4",
            os_boot="0b4d3c9e-77a1-4c55-9d0e-3f1f6f1f2a10",
        ),
    ),
    Golden(
        "down-receipt.json",
        "down",
        "receipt",
        wire.Receipt(records=((7, 5), (6, 901)), stills=(wire.sha256_hex(JPEG),)),
    ),
    Golden("down-plan.json", "down", "plan", _PLAN),
    Golden("down-plan-masks.json", "down", "plan", _MASKED_PLAN),
    Golden("down-plan-seat-masks.json", "down", "plan", _SEAT_MASKS_PLAN),
    Golden("down-plan-buzzer.json", "down", "plan", _BUZZER_PLAN),
    Golden("down-plan-stretches.json", "down", "plan", _STRETCHES_PLAN),
    Golden("down-plan-pauses.json", "down", "plan", _PAUSES_PLAN),
    Golden(
        "down-command-drill.json",
        "down",
        "command",
        wire.Command(
            number=45, name=wire.CommandKind.DRILL, expires_utc_ms=1_760_000_100_000, reason="Before the first exam"
        ),
    ),
    Golden(
        "down-command.json",
        "down",
        "command",
        wire.Command(number=44, name=wire.CommandKind.DISMISS_ALERT, alert="1-18", expires_utc_ms=1_760_000_100_000),
    ),
)
