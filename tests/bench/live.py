"""`python -m tests.bench live`: one seat watched live, as people at their browsers get it.

A real desk (1280x720 at 15 pictures a second, the demo's moving scene, recording a sitting), mosquitto, ingest and the
pages' server, each a process of its own; viewers over HTTP in one more. Measured beside nobody watching: processor time
of each process. While watched: complete pictures a second at each viewer (the fifth percentile of its seconds), and how
old each is then, by the machine's clock, which is the desk's own. After the last viewer left: until the last picture.
"""

from __future__ import annotations

import argparse
import http.client
import json
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from agent import wire
from tests.bench.fleet import cpu_s
from tests.bench.peers import cpu_model
from tests.brokers import mosquitto
from tests.hub.website import http_log_in
from tests.journey.centre import UNIT, Centre, centre
from tests.support import wait_for

LEAST_PER_S, MOST_AGE_MS = 10, 2_000
SETTLE_S = 8.0
SIZES = {"EMS_RECORD_WIDTH": "1280", "EMS_RECORD_HEIGHT": "720", "EMS_RECORD_FPS": "15", "EMS_SEGMENT_S": "10"}


class Viewer(threading.Thread):
    """Reads a stream until told to leave; `got` is (seconds of the wall clock, age in ms, size in bytes) a picture."""

    def __init__(self, port: int, cookie: str) -> None:
        super().__init__(daemon=True)
        self.got: list[tuple[float, float, int]] = []
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._cookie = cookie
        self._is_leaving = threading.Event()

    def run(self) -> None:
        self._line.request("GET", "/seats/1/live", headers={"Cookie": self._cookie})
        answer = self._line.getresponse()
        assert answer.status == 200, answer.read()
        while not self._is_leaving.is_set():
            head = json.loads(answer.readline())
            jpeg = answer.read(head["size"]) if head["size"] else b""
            if jpeg:
                now_s = time.time()
                self.got.append((now_s, now_s * 1000 - head["taken"], len(jpeg)))
        self._line.close()

    def leave(self) -> None:
        self._is_leaving.set()
        self.join(30)


class Ear:
    """Hears the desk's pictures at the broker."""

    def __init__(self, port: int) -> None:
        self.at_s: list[float] = []
        self.client = Client(CallbackAPIVersion.VERSION2, client_id="ear", protocol=MQTTProtocolVersion.MQTTv5)
        self.client.on_connect = lambda client, *_: client.subscribe(wire.up_topic(UNIT, "live"))
        self.client.on_message = lambda *_: self.at_s.append(time.time())
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def cpu_shares(pids: dict[str, int], seconds: float) -> dict[str, float]:
    """Share of one core that each process uses within `seconds` from now."""
    before, began = {name: cpu_s(pid) for name, pid in pids.items()}, time.perf_counter()
    time.sleep(seconds)
    took_s = time.perf_counter() - began
    return {name: (cpu_s(pid) - before[name]) / took_s for name, pid in pids.items()}


def measure(place: Centre, viewers: int, seconds: float, camera: str) -> dict[str, Any]:
    place.start_ingest()
    place.start_web()
    place.start_desk(camera, **SIZES)
    place.plan()
    wait_for(lambda: (beat := place.heartbeat()) and beat.state == "recording", timeout_s=90)
    cookie = http_log_in(place.web_port, "proctor", place.password)
    pids = {name: place.processes[key].pid for name, key in (("desk", UNIT), ("ingest", "ingest"))}
    pids["web"] = _worker_of(place.processes["web"].pid)
    pids["broker"] = place.broker.pid
    time.sleep(SETTLE_S)
    alone = cpu_shares(pids, seconds)
    ear = Ear(place.broker.port)
    asked_s = time.time()
    watching = [Viewer(place.web_port, cookie) for _ in range(viewers)]
    for viewer in watching:
        viewer.start()
    wait_for(lambda: all(viewer.got for viewer in watching))
    first_s = max(viewer.got[0][0] for viewer in watching) - asked_s
    began_s = time.time() + 1
    time.sleep(1)
    watched = cpu_shares(pids, seconds)
    ended_s = time.time()
    for viewer in watching:
        viewer.leave()
    left_s = time.time()
    wait_for(lambda: time.time() - ear.at_s[-1] > 3, timeout_s=60)
    ear.close()
    taken = [[one for one in viewer.got if began_s <= one[0] < ended_s] for viewer in watching]
    return {
        "per_s": [_rate(each, began_s, ended_s) for each in taken],
        "ages_ms": sorted(age for each in taken for _, age, _ in each),
        "sizes": [size for each in taken for *_, size in each],
        "alone": alone,
        "watched": watched,
        "first_s": first_s,
        "stopped_s": ear.at_s[-1] - left_s,
    }


def _worker_of(arbiter: int) -> int:
    """The process that serves: gunicorn's only child."""
    children = Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text().split()
    return int(children[0])


def _rate(got: Sequence[tuple[float, float, int]], began_s: float, ended_s: float) -> int:
    """The fifth percentile of the pictures in each whole second."""
    counts = Counter(int(at_s - began_s) for at_s, _, _ in got)
    seconds = sorted(counts[second] for second in range(int(ended_s - began_s)))
    return seconds[len(seconds) * 5 // 100]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench live", description=__doc__)
    parser.add_argument("--viewers", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--camera", default="demo:steady", help="as CAMERA_DEVICE")
    told = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        with mosquitto(folder) as broker, centre(folder, broker) as place:
            found = measure(place, told.viewers, told.seconds, told.camera)
    ages, least = found["ages_ms"], min(found["per_s"])
    p95 = ages[len(ages) * 95 // 100]
    print(f"{cpu_model()}, Python {platform.python_version()}, {told.viewers} viewers of one seat, {told.seconds:g} s")
    print(f"pictures a second, p5 of the worst viewer: {least}")
    print(f"age when complete: p50 {ages[len(ages) // 2]:.0f} ms, p95 {p95:.0f} ms, most {ages[-1]:.0f} ms")
    print(f"a picture: {statistics.mean(found['sizes']) / 1000:.1f} kB; the first after {found['first_s']:.1f} s")
    for name in found["alone"]:
        more = found["watched"][name] - found["alone"][name]
        print(
            f"{name}: {found['alone'][name]:.1%} of a core unwatched, {found['watched'][name]:.1%} watched: {more:+.1%}"
        )
    print(f"the desk's last picture {found['stopped_s']:.1f} s after the last viewer left")
    return 0 if least >= LEAST_PER_S and p95 < MOST_AGE_MS else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
