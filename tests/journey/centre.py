"""A whole centre of real processes for the journey tests: broker, ingest, web, desks on films made here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import msgspec
import numpy as np

import models
from agent.wire import AlertKind, Heartbeat, Mode, Rule
from hub.core.access import Role
from hub.passwords import generate, hash_password
from hub.store import Store, people, planning
from hub.store.audit import Actor
from tests.brokers import REPOSITORY, Broker, free_port
from tests.support import wait_for

QUICK_RULES = (
    Rule(kind=AlertKind.SEAT_EMPTY, raise_s=2, clear_s=1),
    Rule(kind=AlertKind.MORE_THAN_ONE_FACE, raise_s=2, clear_s=1),
    Rule(kind=AlertKind.CAMERA_COVERED, raise_s=2, clear_s=1),
)
ROOM, SEAT, UNIT = "Hall A", "A1", "test.desk-01"


def film(path: Path, parts: list[tuple[bool, float]], fps: int = 10) -> Path:
    """A film of a room in which a real face is there (True) or not, for so many seconds each."""
    portrait = cv2.imread(str(models.checked("portrait_astronaut")))
    assert portrait is not None
    face = np.minimum(cv2.resize(portrait, (360, 360)), 249).astype(np.uint8)
    room = np.linspace(90, 170, 640, dtype=np.uint8)[None, :, None].repeat(360, 0).repeat(3, 2)
    noise = np.random.default_rng(7)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for is_there, seconds in parts:
            for _ in range(round(seconds * fps)):
                picture = room.copy()
                if is_there:
                    picture[:, 140:500] = face
                grain = noise.integers(0, 6, picture.shape, dtype=np.uint8)
                frame = av.VideoFrame.from_ndarray(picture + grain, format="bgr24")
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class Centre:
    """Processes that a test may kill and start again; everything lies in `folder`."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder, self.broker = folder, broker
        self.store = Store(folder / "hub.db")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.web_port = 0
        self.password = generate()

    def _hub_environ(self) -> dict[str, str]:
        return {
            **_clean_environ(),
            "APP_ENV": "development",
            "SECRET_KEY": "k" * 32,
            "DATABASE_URL": f"sqlite:///{self.folder / 'hub.db'}",
            "STORAGE_PATH": str(self.folder / "storage"),
            "EMS_LIVE_PATH": str(self.folder / "live"),
            "EMS_TRUST_NEW_UNITS": "true",
            "EMS_BROKER_PORT": str(self.broker.port),
            "EMS_BROKER_PROTOCOL": str(self.broker.protocol),
        }

    def start_ingest(self, **environ: str) -> None:
        self.processes["ingest"] = subprocess.Popen(
            [sys.executable, "-m", "hub.cli", "ingest"], cwd=REPOSITORY, env={**self._hub_environ(), **environ}
        )

    def start_web(self) -> str:
        """The address of the pages; `proctor` may log in with `password`."""
        people.add(
            self.store,
            name="proctor",
            role=Role.PROCTOR,
            password_hash=hash_password(self.password),
            now_utc_ms=_now_ms(),
            by=Actor("journey", "terminal"),
        )
        self.web_port = free_port()
        environ = {
            **_clean_environ(),
            "APP_ENV": "development",
            "SECRET_KEY": "k" * 32,
            "DATABASE_URL": f"sqlite:///{self.folder / 'hub.db'}",
            "STORAGE_PATH": str(self.folder / "storage"),
            "EMS_LIVE_PATH": str(self.folder / "live"),
            "EMS_WEB_PORT": str(self.web_port),
        }
        self.processes["web"] = subprocess.Popen([sys.executable, "-m", "hub.cli", "web"], cwd=REPOSITORY, env=environ)
        address = f"http://127.0.0.1:{self.web_port}"
        wait_for(lambda: _answers(f"{address}/healthz"))
        return address

    def start_desk(self, camera: str, unit: str = UNIT, program: str = "agent.cli", **environ: str) -> None:
        folder = self.folder / unit
        self.processes[unit] = subprocess.Popen(
            [sys.executable, "-m", program, "run"],
            cwd=REPOSITORY,
            env={
                **_clean_environ(),
                "APP_ENV": "development",
                "EMS_UNIT": unit,
                "STORAGE_PATH": str(folder),
                "CAMERA_DEVICE": camera,
                "EMS_BROKER_PORT": str(self.broker.port),
                "EMS_BROKER_PROTOCOL": str(self.broker.protocol),
                "EMS_RECORD_WIDTH": "640",
                "EMS_RECORD_HEIGHT": "360",
                "EMS_RECORD_FPS": "10",
                "EMS_SEGMENT_S": "3",
                "EMS_STORAGE_LOW_BYTES": "0",
                "EMS_IS_CLOCK_TRUSTED": "true",
                **environ,
            },
        )

    def plan(self, unit: str = UNIT, seat: str = SEAT, mode: Mode = Mode.AUTOMATED) -> None:
        """Wait until the unit is known, seat it, and begin a sitting of an hour there."""

        def is_known() -> bool:
            with self.store.read() as connection:
                return unit in planning.unseated(connection, [unit])

        wait_for(is_known)
        with self.store.write() as connection:
            planning.put_seat(connection, room=ROOM, label=seat, unit=unit)
        planning.keep_sitting(
            self.store, room=ROOM, exam="Paper 1", now_ms=_now_ms(), length_ms=3_600_000, mode=mode, rules=QUICK_RULES
        )

    def heartbeat(self, unit: str = UNIT) -> Heartbeat | None:
        with self.store.read() as connection:
            found = planning.heartbeats(connection).get(unit)
        return None if found is None else msgspec.json.decode(found[0], type=Heartbeat)

    def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        with self.store.read() as connection:
            return [dict(row) for row in connection.execute(sql, values)]

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()

    def stop(self, name: str) -> int:
        """Ask it to end in order; its exit code."""
        self.processes[name].send_signal(signal.SIGTERM)
        return self.processes[name].wait(60)

    def close(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
        self.store.close()


def _clean_environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("EMS_")}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def centre(folder: Path, broker: Broker) -> Iterator[Centre]:
    """A centre whose processes are all ended at the end."""
    with ExitStack() as stack:
        made = Centre(folder, broker)
        stack.callback(made.close)
        yield made
