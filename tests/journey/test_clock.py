"""A whole desk, as a process with its hub, whose wall clock is set while it records."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent.records import Records
from agent.wire import Mode
from hub.store import planning
from tests.brokers import Broker
from tests.journey.centre import QUICK_RULES, ROOM, SEAT, UNIT, Centre, centre, film
from tests.support import wait_for

HOUR_MS = 3_600_000


class Place:
    """A centre whose one desk has a clock that the test sets."""

    def __init__(self, made: Centre, folder: Path) -> None:
        self.centre, self._file = made, folder / "clock.json"
        self._camera = f"footage:{film(folder / 'there.mp4', [(True, 4), (False, 4)])}"
        self.set(0)

    def set(self, offset_ms: int, *, is_ok: bool = True) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps({"offset_ms": offset_ms, "is_ok": is_ok}))
        part.replace(self._file)

    def start_desk(self) -> None:
        environ = {"CLOCK_FILE": str(self._file), "EMS_SEGMENT_S": "2"}
        self.centre.start_desk(self._camera, program="tests.journey.desk_with_clock", **environ)

    def segments(self, boot: int = 1) -> list[dict[str, Any]]:
        return self.centre.rows("select * from segments where boot = ? order by began_up_ms", boot)

    def record_more(self, boot: int = 1) -> None:
        """Wait for a segment that begins from now on, whole."""
        known = {row["name"] for row in self.segments(boot)}
        wait_for(lambda: len({row["name"] for row in self.segments(boot)} - known) >= 2, 60)

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        rows = self.centre.rows("select body from records where kind = ? order by boot, seq", kind)
        return [json.loads(row["body"]) for row in rows]


@pytest.fixture
def place(tmp_path: Path, mosquitto_broker: Broker) -> Iterator[Place]:
    with centre(tmp_path, mosquitto_broker) as made:
        yield Place(made, tmp_path)


def test_a_clock_that_is_set_while_a_desk_records(place: Place) -> None:
    """An hour forward, two hours back to before the sitting's start, a kill and a start in 1970, and right again. At
    the hub each step is a record, the film has no hole within a run, its lengths are those of boot time, the one gap
    has its cause, alerts go on, nothing is refused, and the chain is whole."""
    place.centre.start_ingest()
    place.start_desk()
    wait_for(lambda: place.centre.rows("select * from units"))
    with place.centre.store.write() as connection:
        planning.put_seat(connection, room=ROOM, label=SEAT, unit=UNIT)
    planning.keep_sitting(
        place.centre.store,
        room=ROOM,
        exam="Paper 1",
        now_ms=time.time_ns() // 1_000_000,
        length_ms=3 * HOUR_MS,
        mode=Mode.AUTOMATED,
        rules=QUICK_RULES,
    )
    place.record_more()
    for offset_ms in (HOUR_MS, -HOUR_MS):
        place.set(offset_ms)
        place.record_more()
    place.centre.kill(UNIT)
    place.set(5_000 - time.time_ns() // 1_000_000, is_ok=False)
    place.start_desk()
    place.record_more(boot=2)
    place.set(0)
    place.record_more(boot=2)
    wait_for(lambda: len(place.bodies("clock_step")) == 3, 60)
    assert place.centre.stop(UNIT) == 0

    steps = [body["step_ms"] for body in place.bodies("clock_step")]
    assert steps[:2] == pytest.approx([HOUR_MS, -2 * HOUR_MS], abs=1_000)
    assert steps[2] > 40 * 365 * 24 * HOUR_MS
    for boot in (1, 2):
        film_of_run = [row for row in place.segments(boot) if not row["is_cut"]]
        assert all(before["ended_up_ms"] == after["began_up_ms"] for before, after in pairwise(film_of_run))
        for row in film_of_run:
            assert row["ended_utc_ms"] - row["began_utc_ms"] == row["ended_up_ms"] - row["began_up_ms"] > 0
    (gap,) = [body for body in place.bodies("gap") if body["cause"] != "overload"]
    assert gap["cause"] == "power_or_crash"
    assert gap["ended"][0] >= gap["began"][0]
    assert {body["state"] for body in place.bodies("sitting")} == {"started", "resumed"}
    assert all(body["ended"][0] >= body["began"][0] for body in place.bodies("observed"))
    assert place.centre.rows("select * from alerts")
    assert place.centre.rows("select * from rejected") == []
    with Records(place.centre.folder / UNIT, UNIT) as records:
        assert records.verify() == []
