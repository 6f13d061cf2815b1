"""A desk's recording and its recovery, killed at exactly the n-th thing that it asks of the disk.

One process does the imports and the encoding once, then forks for every order it reads: `live FOLDER LOG N` records a
short sitting from the very first start on, `recover FOLDER LOG N` is a start after a kill. Before the N-th call of `os`
or of `Records.append` (or before the N-th of one name, as `rename:2`) the fork is killed; it answers `killed CALL`, or
`done` when there were fewer. The number of each picture that was written for certain is noted in LOG.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.core import bodies
from agent.recording.encoder import EncodedPacket, SoftwareEncoder
from agent.recording.writing import Recording, Writing
from agent.records import Records
from agent.recovery import make_whole
from agent.wire import Body, Gap, GapCause, Instant
from tests.agent.test_recording import FPS, PICTURE_NS, SIZE, numbered

UNIT, SITTING = "hall.desk-01", "exam-7"
PICTURES = 22
CALLS = "open write fsync fdatasync rename replace ftruncate truncate unlink mkdir close".split()
BEGAN_NS = 1_000_000_000_000
UTC_MS = 1_767_225_600_000
NOW = Instant(UTC_MS, BEGAN_NS // 1_000_000)


def encoded() -> list[EncodedPacket]:
    """Numbered pictures of about a second and a half."""
    with SoftwareEncoder(SIZE, FPS, 400_000) as encoder:
        frames = [numbered(number, BEGAN_NS + number * PICTURE_NS) for number in range(1, PICTURES + 1)]
        return [packet for frame in frames for packet in encoder.encode(frame)]


def die_before(point: str) -> None:
    """Kill this process before its N-th call, `N`, or before the N-th of that name, `NAME:N`."""
    wanted, _, number = point.rpartition(":")
    made, say = 0, os.write

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **named: Any) -> Any:
            nonlocal made
            made += wanted in ("", name)
            if made == int(number):
                say(1, f"killed {name}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **named)

        return counting

    for name in CALLS:
        setattr(os, name, counted(name, getattr(os, name)))
    Records.append = counted("append", Records.append)  # type: ignore[method-assign]


def start(folder: Path) -> Records:
    """What every start does before it records."""
    records = Records(folder, UNIT)
    (folder / "segments").mkdir(exist_ok=True)

    def put(body: Body, now: Instant) -> None:
        records.append(body, now, True)

    make_whole(folder / "segments", records, put, NOW)
    return records


def live(folder: Path, note: Callable[[int], object], packets: list[EncodedPacket]) -> None:
    records, now_ns = start(folder), BEGAN_NS

    def gap(began: int, ended: int, cause: GapCause) -> None:
        at = [Instant(UTC_MS, instant // 1_000_000) for instant in (began, ended)]
        records.append(Gap(sitting=SITTING, began=at[0], ended=at[1], cause=cause), NOW, True)

    writing = Writing(
        Recording(folder / "segments", records.boot, SIZE, FPS, 400_000, 1.0, 0),
        lambda: now_ns,
        lambda up_ns: UTC_MS + (up_ns - BEGAN_NS) // 1_000_000,
        lambda segment: void(records.append(bodies.segment_body(segment, "A1"), NOW, True)),
        gap,
    )
    writing.begin(SITTING, BEGAN_NS)
    for number, packet in enumerate(packets, start=1):
        now_ns = packet.up_ns
        writing.write(packet)
        note(number)
        writing.tend(is_quiet=False)
    writing.end(now_ns)
    records.stop_cleanly()
    records.close()


def void(_: object) -> None:
    """A record's end."""


def fork(order: list[str], packets: list[EncodedPacket]) -> None:
    """Obey one order in a process of its own, and wait for its end."""
    what, folder, log, point = order
    process = os.fork()
    if process:
        os.waitpid(process, 0)
        return
    descriptor, write = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), os.write
    die_before(point)
    if what == "live":
        live(Path(folder), lambda number: write(descriptor, f"{number}\n".encode()), packets)
    else:
        start(Path(folder)).close()
    write(1, b"done\n")
    os._exit(0)


if __name__ == "__main__":
    ready = encoded()
    for line in sys.stdin:
        fork(line.split(), ready)
