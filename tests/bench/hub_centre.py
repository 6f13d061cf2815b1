"""The big centre that `python -m tests.bench hub` measures: 500 desks in 9 rooms, sittings of three months, 100,000
incidents with their threads and alerts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.hub.seed import Centre, now_ms

DESKS, ROOM_SEATS, INCIDENTS = 500, 60, 100_000
KINDS = ("seat_empty", "more_than_one_face", "camera_covered", "camera_moved", "face_not_visible")
DAY_MS = 86_400_000


def fill(centre: Centre, incidents: int = INCIDENTS, desks: int = DESKS) -> None:
    """Rooms of sixty seats, a sitting on in each and two a day before that, and incidents spread over three months."""
    now = now_ms()
    for number in range(0, desks, ROOM_SEATS):
        room = centre.room(f"Hall {number // ROOM_SEATS + 1}", exam=None)
        _sittings(centre, room, now)
        for index in range(number, min(number + ROOM_SEATS, desks)):
            unit = f"bench.d{index:03}"
            seat = centre.seat(room, f"{'ABCDEF'[index % ROOM_SEATS // 10]}{index % 10 + 1}", unit)
            place = {"x": index % 10, "y": index % ROOM_SEATS // 10, "seat": seat}
            centre.execute("update seats set map_x = :x, map_y = :y where seat_id = :seat", **place)
            centre.heartbeat(unit, sitting=f"now-{room}")
    with centre.store.write() as connection:
        connection.executemany(
            "insert into incidents (unit, kind, sitting, room, seat, state, opened_utc_ms, began_utc_ms,"
            " cleared_utc_ms, acknowledged_utc_ms, acknowledged_by, closed_utc_ms, verdict, is_drill, category)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)",
            _incidents(incidents, desks, now),
        )
        connection.execute(
            "insert into incident_events (incident_id, at_utc_ms, who, action, text)"
            " select incident_id, opened_utc_ms, 'desk', 'opened', 'a' || incident_id from incidents"
        )
        connection.execute(
            "insert into incident_events (incident_id, at_utc_ms, who, action, verdict)"
            " select incident_id, closed_utc_ms, 'Ada', 'closed', verdict from incidents where state = 'closed'"
        )
        connection.execute(
            "insert into alerts (unit, alert, kind, state, sitting, room, seat, began_utc_ms, began_up_ms,"
            " raised_utc_ms, raised_up_ms, cleared_utc_ms, cleared_up_ms, boot, seq, body, "
            "received_utc_ms, incident_id, is_drill)"
            " select unit, 'a' || incident_id, kind, 'cleared', sitting, room, seat, began_utc_ms, 1,"
            " began_utc_ms + 10000, 10001, cleared_utc_ms, 20001, 1, incident_id, ?, opened_utc_ms, "
            "incident_id, 0 from incidents",
            (json.dumps({"rule": {"kind": "seat_empty", "raise_s": 10, "clear_s": 3, "threshold": 0.5}}),),
        )
        connection.execute("analyze")


def _sittings(centre: Centre, room: int, now: int) -> None:
    values = {"room_id": room, "mode": "automated", "rules": "[]"}
    begin = now - 3_600_000
    centre.insert(
        "sittings",
        sitting=f"now-{room}",
        exam="Mathematics",
        start_utc_ms=begin,
        end_utc_ms=now + DAY_MS // 8,
        **values,
    )
    for n in range(1, 180):
        start = now - n * DAY_MS // 2
        centre.insert(
            "sittings",
            sitting=f"s-{room}-{n}",
            exam=f"Exam {n}",
            start_utc_ms=start,
            end_utc_ms=start + 10_800_000,
            **values,
        )
    for seat in range(ROOM_SEATS):
        label = f"{'ABCDEF'[seat // 10]}{seat % 10 + 1}"
        centre.insert("candidates", sitting=f"now-{room}", number=f"{room:02}{seat:04}", seat=label, version=1)


def _incidents(count: int, desks: int, now: int) -> Iterator[tuple[Any, ...]]:
    for n in range(count):
        desk = n * 7919 % desks
        room, seat = desk // ROOM_SEATS + 1, f"{'ABCDEF'[desk % ROOM_SEATS // 10]}{desk % 10 + 1}"
        age = (count - n) * 90 * DAY_MS // count
        began = now - age
        is_open = n >= count - 40
        state = "open" if is_open else "closed"
        sitting = f"now-{room}" if age < 3_600_000 else f"s-{room}-{min(179, age * 2 // DAY_MS + 1)}"
        verdict = None if is_open else ("no_concern", "no_concern", "refer")[n % 3]
        seen = None if is_open else began + 40_000
        yield (
            *(f"bench.d{desk:03}", KINDS[n % 5], sitting, f"Hall {room}", seat, state, began + 10_200, began),
            *(began + 30_000, seen, None if is_open else "Ada", None if is_open else began + 90_000, verdict, ""),
        )
