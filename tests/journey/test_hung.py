"""A desk that hangs or dies cannot say so: its lamp and the proctor's board do, within five seconds."""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.brokers import REPOSITORY
from tests.journey.centre import UNIT, Centre
from tests.notified import Ear, ear
from tests.support import wait_for

AT_MOST_S = 15.0
"""Five are promised; a loaded test machine may take longer, and what it took is printed."""


class Board:
    """The proctor's board, read as a page reads it."""

    def __init__(self, address: str, password: str) -> None:
        self._address = address
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        token = re.search(r'name="csrf_token" value="([^"]+)"', self._get("/login"))
        assert token
        form = {"csrf_token": token[1], "name": "proctor", "password": password, "next": "/"}
        self._opener.open(f"{address}/login", urllib.parse.urlencode(form).encode(), timeout=30).close()

    def _get(self, path: str) -> str:
        with self._opener.open(f"{self._address}{path}", timeout=30) as answer:
            return str(answer.read().decode())

    def says(self) -> str:
        """State and words of the one desk's tile."""
        tiles = json.loads(self._get("/live/board.json"))["tiles"]
        found = [tile for tile in tiles.values() if tile["unit"] == UNIT]
        return f"{found[0]['state']}: {found[0]['words']}" if found else ""


@pytest.fixture
def lamp() -> Iterator[tuple[Ear, Path]]:
    """A real panel process on mock pins: what its status says, and its socket."""
    with tempfile.TemporaryDirectory(prefix="ems-") as folder, ear() as manager:
        path = Path(folder) / "panel.sock"
        process = subprocess.Popen(
            [sys.executable, "-m", "agent.cli", "panel"],
            cwd=REPOSITORY,
            env={**os.environ, **manager.environ(15), "EMS_UNIT": UNIT, "EMS_PANEL_SOCKET": str(path)},
        )
        try:
            wait_for(path.exists)
            yield manager, path
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()


def measure(what: str, **conditions: Callable[[], bool]) -> None:
    """Wait until each condition has been true, print how long each took, and hold it to the bound."""
    began = time.monotonic()
    took: dict[str, float] = {}

    def all_seen() -> bool:
        for name, is_true in conditions.items():
            if name not in took and is_true():
                took[name] = time.monotonic() - began
        return len(took) == len(conditions)

    wait_for(all_seen, 60)
    print(f"{what}: " + ", ".join(f"{name} after {seconds:.1f} s" for name, seconds in took.items()))
    assert max(took.values()) <= AT_MOST_S


def test_a_desk_that_hangs_or_dies_shows_on_lamp_and_board(
    place: Centre, sitting: Path, lamp: tuple[Ear, Path]
) -> None:
    """SIGSTOP and SIGKILL in a sitting: the lamp shows a fault by itself, the board says that the desk does not answer,
    or is gone. Going on, or started again, both recover; a clean stop is neither fault nor darkness."""
    manager, socket_path = lamp

    def shows(pattern: str) -> bool:
        return manager.status().startswith(f"{pattern};")

    def start() -> None:
        place.start_desk(f"footage:{sitting}", EMS_PANEL_SOCKET=str(socket_path))

    place.start_ingest()
    board = Board(place.start_web(), place.password)
    start()
    place.plan()

    def is_well() -> bool:
        return shows("recording") and board.says() == "recording: Recording"

    wait_for(is_well, 60)

    desk = place.processes[UNIT]
    desk.send_signal(signal.SIGSTOP)
    measure(
        "stopped by SIGSTOP",
        lamp=lambda: shows("fault"),
        board=lambda: board.says() == "fault: Desk not answering",
    )
    desk.send_signal(signal.SIGCONT)
    wait_for(is_well, 60)

    place.kill(UNIT)
    measure("killed", lamp=lambda: shows("fault"), board=lambda: board.says() == "offline: Offline")
    start()
    wait_for(is_well, 60)

    assert place.stop(UNIT) == 0
    wait_for(lambda: shows("stopped"))
