"""Film of a centre's desks on its way to the hub: an incident's within seconds, the rest after the sitting, whatever is
killed in between."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.evidence.storage import LocalStorage
from hub.store import planning
from tests.journey.test_trust import ROOM, begin_sitting, code_of, unit_at
from tests.journey.trusted import TrustedCentre, trusted_centre
from tests.support import wait_for


@pytest.fixture
def place(tmp_path: Path) -> Iterator[TrustedCentre]:
    with trusted_centre(tmp_path, EMS_STORAGE_RESERVE_BYTES="0") as made:
        yield made


def stored(place: TrustedCentre, unit: str) -> list[str]:
    return [row["name"] for row in place.rows("select name from segments where unit = ? and stored_utc_ms > 0", unit)]


def end_sitting(place: TrustedCentre) -> None:
    now_ms = time.time_ns() // 1_000_000
    with place.store.write() as connection:
        connection.execute("update sittings set end_utc_ms = ?", [now_ms])
        planning.replan(connection, now_ms)


def kill_door(place: TrustedCentre) -> None:
    process = place.processes["door"]
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in (process.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    process.wait()


def test_film_comes_to_the_hub(place: TrustedCentre, leaving: Path, sitting: Path) -> None:
    """One desk with an incident, one with none, a door and an agent that are killed: all film is there in the end, and
    is the desks' own."""
    units = {}
    for desk, film, seat in (("one", leaving, "A1"), ("two", sitting, "A2")):
        place.start_desk(desk, f"footage:{film}", EMS_UNIT=f"hall.desk-{seat.lower()}")
        place.hub("unit", "approve", code_of(place, desk), ROOM, seat)
        units[desk] = unit_at(place, seat)
    for unit in units.values():
        wait_for(lambda unit=unit: place.heartbeat(unit), 60)  # type: ignore[misc]
    begin_sitting(place)

    # The incident's film comes while the sitting is on, and that of the calm desk does not.
    wait_for(lambda: place.rows("select * from alerts where unit = ?", units["one"]), 90)
    raised_s = time.monotonic()
    wait_for(lambda: stored(place, units["one"]), 60)
    print(f"the first film of the incident came {time.monotonic() - raised_s:.1f} s after the alert")
    wait_for(lambda: len(place.segments("two")) >= 2, 60)
    assert stored(place, units["two"]) == []
    beat = wait_for(lambda: place.heartbeat(units["two"]), 60)
    assert beat is not None

    # Both sides end where they stand, and nobody tells them to go on.
    kill_door(place)
    place.processes["one"].kill()
    place.processes["one"].wait()
    left = place.segments("one") - set(stored(place, units["one"]))
    place.start_hub("door")
    place.start_desk("one", f"footage:{leaving}")
    wait_for(lambda: left <= set(stored(place, units["one"])), 90)
    status = place.agent("two", "status").stdout
    assert "wait to be sent to the hub" in status

    # After the sitting all of it comes.
    end_sitting(place)

    def is_all_there() -> bool:
        return all(
            place.segments(desk) and place.segments(desk) <= set(stored(place, unit)) for desk, unit in units.items()
        )

    wait_for(is_all_there, 90, 0.2)
    storage = LocalStorage(place.folder / "hub" / "storage" / "film")
    for desk in units:
        for name in place.segments(desk):
            data = (place.folder / desk / "segments" / name).read_bytes()
            assert storage.read(hashlib.sha256(data).hexdigest()) == data
    waiting = wait_for(lambda: (beat := place.heartbeat(units["two"])) and beat[0].waiting_segments == 0, 30)
    assert waiting
    assert place.rows("select * from security_events") == []
    for desk in units:
        assert place.stop(desk) == 0
