"""A whole desk on a small card that is full of old film: it makes room by itself, and says what keeps the rest."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import wire
from agent.app import Desk
from agent.config import Settings
from agent.core.segments import SegmentName
from agent.records import Records
from agent.wire import FaultKind, Instant, Plan, SegmentClosed, Stretch
from tests.brokers import Broker
from tests.hostile.test_records_disk import Card
from tests.support import wait_for

UNIT = "test.desk-01"
MB = 2**20


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    made = Card(tmp_path, 48 * MB)
    try:
        yield made
    finally:
        subprocess.run(["umount", "-l", str(made.folder)], capture_output=True, check=False)


def old_film(records: Records, folder: Path, ordinal: int, state: str, sitting: str = "maths-1") -> str:
    began = Instant(1_700_000_000_000 + 10_000 * ordinal, 10_000 * ordinal)
    name = SegmentName(1, ordinal, began.up_ms, began.utc_ms, sitting).text()
    (folder / name).write_bytes(bytes(2 * MB))
    body = SegmentClosed(
        sitting=sitting,
        name=name,
        began=began,
        ended=Instant(began.utc_ms + 10_000, began.up_ms + 10_000),
        frames=150,
        size_bytes=2 * MB,
        sha256="0" * 64,
    )
    records.append(body, began, True)
    records.set_segment_state(name, state)
    return name


def test_a_desk_makes_room_and_says_what_keeps_the_rest(card: Card, mosquitto_broker: Broker) -> None:
    """Confirmed film goes; what waits for the hub or is held stays, and the fault counts both. A row says `freed`
    for each file that is gone, and the chain is whole."""
    storage = card.folder / "desk"
    segments = storage / "segments"
    segments.mkdir(parents=True)
    with Records(storage, UNIT) as records:
        gone = [old_film(records, segments, n, "uploaded") for n in range(1, 8)]
        waiting = [old_film(records, segments, n, "kept") for n in (8, 9)]
        held = old_film(records, segments, 10, "uploaded", "art-1")
        records.save_plan(wire.encode(Plan(number=1, holds=(Stretch(sitting="art-1"),))))
    desk = Desk(
        Settings(
            unit=UNIT,
            storage_path=storage,
            camera_device="demo:steady",
            broker_port=mosquitto_broker.port,
            storage_low_bytes=60 * MB,
            record_width=320,
            record_height=180,
        )
    )
    thread = threading.Thread(target=desk.run, name="desk")
    thread.start()

    def told() -> str:
        faults = {fault.kind: fault.detail for fault in desk.equipment.standing()}
        return faults.get(FaultKind.STORAGE_LOW, "")

    try:
        wait_for(lambda: sorted(path.name for path in segments.iterdir()) == sorted([*waiting, held]))
        wait_for(lambda: "MB free, 2 segments wait for the hub, 1 is held" in told())
    finally:
        desk.stopping.set()
        thread.join(60)
    with Records(storage, UNIT) as records:
        states = records.segment_states()
        assert [name for name, state in states.items() if state == "freed"] == gone
        assert records.verify() == []
