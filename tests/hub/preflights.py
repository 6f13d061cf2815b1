"""A room before its sitting: desks that are well, and some that are not, for tests of the pre-flight's page."""

from __future__ import annotations

from typing import Any

from agent.wire import ClockQuality
from tests.hub.seed import Centre, now_ms

WELL: dict[str, Any] = {
    "state": "waiting",
    "lamp": "waiting",
    "seat": "face",
    "is_covered": False,
    "is_low_light": False,
    "is_frozen": False,
    "brightness": 118.0,
    "shift": 0.004,
    "sharpness": 1.7,
    "has_reference": True,
    "room_bytes": 20_000_000_000,
    "record_bytes_per_s": 290_000.0,
    "clock": ClockQuality(offset_ms=12.0),
    "receipt_ms": 8.5,
    "plan": 1,
}
BROKEN: tuple[dict[str, Any], ...] = (
    {"sharpness": 1.1},
    {"is_covered": True},
    {"clock": ClockQuality(offset_ms=812.0)},
    {"room_bytes": 1_000_000_000},
    {"is_low_light": True},
    {"shift": 0.3},
)


def hall(
    centre: Centre, seats: int, *, name: str = "Main hall", starts_in_s: int = 600, broken: int = 0, columns: int = 6
) -> str:
    """The sitting's name; the first `broken` seats each have another trouble, and the last one has no desk unit."""
    room = centre.room(name, exam=None)
    sitting = "maths-1"
    now = now_ms()
    centre.insert(
        "sittings",
        sitting=sitting,
        exam="Mathematics, paper 1",
        room_id=room,
        start_utc_ms=now + starts_in_s * 1000,
        end_utc_ms=now + (starts_in_s + 10_800) * 1000,
        mode="automated",
        rules="[]",
    )
    for n in range(seats):
        label = f"{'ABCDEFGHIJ'[n // columns]}{n % columns + 1}"
        unit = None if n == seats - 1 else f"hall.desk-{n + 1:02d}"
        number = centre.seat(room, label, unit)
        centre.execute(
            "update seats set map_x = :x, map_y = :y where seat_id = :n", x=n % columns, y=n // columns, n=number
        )
        if unit is None:
            continue
        centre.heartbeat(unit, **(WELL | (BROKEN[n % len(BROKEN)] if n < broken else {})))
        centre.insert("plans", unit=unit, number=1, payload='{"number": 1}')
        centre.insert("lamp_checks", unit=unit, seen_utc_ms=now, seen_by="Ada")
        centre.alert(unit, "seat_empty", is_drill=True, age_ms=3_600_000)
    return sitting
