"""`python -m tests.bench upload`: film from desks through the door into the storage, over TLS, everything synced.

Real door, real senders (`agent.uploading`), each desk a process of its own; all on the file system of `var/`. For one
desk and for eight at once: megabytes a second from the first offer to the last confirmation, and the processor seconds
that a gigabyte costs the door and a desk. Beside them the disk alone: the same bytes written and synced a megabyte at a
time, and twice, for a film is synced as it comes and once more when it is the hub's.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from agent import wire
from agent.records import Records
from agent.uploading import Doors, Sender, Work
from agent.wire import Instant, Receipt, SegmentClosed
from hub.store import intake
from tests.bench.peers import cpu_model
from tests.brokers import REPOSITORY
from tests.hub.doors import Hub, door_process
from tests.hub.hubs import value

SEGMENT_BYTES = 1_875_000
"""Ten seconds at 1.5 Mbit/s."""
START_MS = 1_800_000_000_000


class Result(NamedTuple):
    desks: int
    size_bytes: int
    took_s: float
    door_cpu_s: float
    desk_cpu_s: float

    def told(self) -> str:
        gigabytes = self.size_bytes / 1e9
        return (
            f"{self.desks} desk{'s' if self.desks > 1 else ' '}  {self.size_bytes / 1e6 / self.took_s:7.1f} MB/s   "
            f"door {self.door_cpu_s / gigabytes:5.1f} CPU s/GB   desks {self.desk_cpu_s / gigabytes:5.1f} CPU s/GB"
        )


def make_desk(hub: Hub, folder: Path, unit: str, segments: int) -> None:
    """A card with so many segments, whose records the hub has."""
    (folder / "segments").mkdir(parents=True)
    (folder / "authorities.pem").write_text(hub.roots)
    with Records(folder, unit) as records:
        closed = []
        for number in range(segments):
            data = os.urandom(SEGMENT_BYTES)
            name = f"segment-{number:06}.ts"
            (folder / "segments" / name).write_bytes(data)
            at = Instant(START_MS + number * 10_000, number * 10_000)
            body = SegmentClosed(
                sitting="maths-1",
                name=name,
                began=at,
                ended=Instant(at.utc_ms + 10_000, at.up_ms + 10_000),
                frames=150,
                size_bytes=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
            )
            closed.append((records.append(body, at, True), body))
        with hub.store.write() as connection:
            intake.add_unit(connection, unit, records.public_key, START_MS)
            intake.add_records(connection, [(record, record.hash, START_MS) for record, _ in closed])
            intake.save_segments(connection, [(record.header, body) for record, body in closed])
        keys = tuple((record.header.boot, record.header.seq) for record, _ in closed)
        for at_index in range(0, len(keys), 1000):
            records.receipt(Receipt(records=keys[at_index : at_index + 1000]), Instant(START_MS, 0))


def send(folder: Path, unit: str, port: int, fingerprint: str) -> int:
    """What one desk's process does: send all, as after a sitting, unthrottled."""
    from agent.identity import HubPlace

    records = Records(folder, unit)
    place = HubPlace(hub="127.0.0.1", ca_fingerprint=fingerprint, door_port=port)
    work = Work(
        now=lambda: Instant(time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000),
        plan=lambda: None,
        sitting=lambda: "",
        is_card_low=lambda: False,
        confirm=lambda name: records.set_segment_state(name, "uploaded"),
        want=lambda names: records.set_segment_states(names, "kept"),
    )
    doors = Doors(place, folder / "authorities.pem", folder)
    sender = Sender(folder, unit, work, doors, bytes_per_s=10**12)
    pause = threading.Event()
    while sender.progress is None or sender.progress.waiting_segments:
        pause.wait(sender.step())
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime)
    sender.stop()
    records.close()
    return 0


def cpu_s_of(pid: int) -> float:
    """Processor time of a process and its children that live."""
    pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    ticks = 0
    for each in pids:
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(folder: Path, desks: int, segments: int) -> Result:
    hub = Hub(folder / "hub")
    units = [f"bench.desk-{number}" for number in range(desks)]
    for unit in units:
        make_desk(hub, folder / unit, unit, segments)
    os.sync()
    with door_process(hub) as door:
        before_s, began_s = cpu_s_of(door.pid), time.monotonic()
        command = [sys.executable, "-m", "tests.bench.upload", "--as-desk", str(hub.port), hub.fingerprint]
        senders = [
            subprocess.Popen([*command, unit, str(folder / unit)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
            for unit in units
        ]
        used = [float(sender.communicate()[0]) for sender in senders]
        took_s, door_cpu_s = time.monotonic() - began_s, cpu_s_of(door.pid) - before_s
    stored = value(hub.store, "select count(*) from segments where stored_utc_ms is not null")
    hub.store.close()
    if stored != desks * segments:
        raise RuntimeError(f"{stored} of {desks * segments} segments came")
    return Result(desks, desks * segments * SEGMENT_BYTES, took_s, door_cpu_s, sum(used))


def disk_alone(folder: Path, size_bytes: int) -> float:
    """MB/s of the same bytes, synced a megabyte at a time, and the whole once more."""
    data, began_s = os.urandom(1_048_576), time.monotonic()
    with (folder / "alone").open("wb", buffering=0) as file:
        for _ in range(size_bytes // len(data)):
            file.write(data)
            os.fdatasync(file.fileno())
        os.fsync(file.fileno())
    return size_bytes / 1e6 / (time.monotonic() - began_s)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench upload", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=600, help="in all, each time")
    parser.add_argument("--desks", type=int, nargs="*", default=[1, 8])
    parser.add_argument("--as-desk", nargs=4, metavar=("PORT", "FINGERPRINT", "UNIT", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.as_desk:
        port, fingerprint, unit, folder = given.as_desk
        return send(Path(folder), unit, int(port), fingerprint)
    base = REPOSITORY / "var"
    base.mkdir(exist_ok=True)
    print(f"{cpu_model()}, {os.cpu_count()} processors, Python {platform.python_version()}, wire {wire.VERSION}")
    for desks in given.desks:
        folder = Path(tempfile.mkdtemp(prefix="bench-upload-", dir=base))
        try:
            alone = disk_alone(folder, given.megabytes * 1_000_000)
            result = measure(folder, desks, max(1, given.megabytes * 1_000_000 // SEGMENT_BYTES // desks))
            print(f"{result.told()}   disk alone {alone:.0f} MB/s", flush=True)
        finally:
            shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
