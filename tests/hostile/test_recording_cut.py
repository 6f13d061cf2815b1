"""A recording that is killed, or whose power goes, at any instant: at most one second of film is lost, and no closed
segment is harmed (promise P2).

The recording runs in a process of its own, which writes down outside the card what it captured and what it reported.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from agent.core.segments import ClosedSegment
from agent.recording import writing
from agent.recording.recorder import Recorder, boot_ns
from agent.recording.repair import closed_segments, describe, repair
from tests.agent.test_recording import FPS, SIZE, numbered, numbers_in
from tests.hostile.test_records_disk import Card
from tests.support import wait_for

ROOT = Path(__file__).resolve().parents[2]


def record_for_ever(folder: Path, log: Path, segment_s: float, is_synced: bool) -> None:
    """The child: numbered pictures at their real pace, each written down before it is fed."""
    if not is_synced:
        writing.SYNC_EVERY_NS = 10**15
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def told(segment: ClosedSegment) -> None:
        os.write(descriptor, b"closed " + msgspec.json.encode(segment) + b"\n")

    recorder = Recorder(
        folder,
        boot=1,
        size=SIZE,
        fps=FPS,
        bitrate_bps=400_000,
        segment_s=segment_s,
        reserve_bytes=0,
        to_utc_ms=lambda up_ns: 1_767_225_600_000 + up_ns // 1_000_000,
        on_closed=told,
        on_gap=lambda began, ended, cause: None,
    )
    recorder.begin("exam-7")
    pause, begin_ns, number = threading.Event(), boot_ns(), 0
    while number < 4000:
        number += 1
        pause.wait(max(0.0, (begin_ns + number / FPS * 1e9 - boot_ns()) / 1e9))
        os.write(descriptor, f"captured {number}\n".encode())
        recorder.feed(numbered(number, boot_ns()))


class Witness(NamedTuple):
    """What the child had written down."""

    captured: int
    closed: list[ClosedSegment]


class Child:
    """A recording process."""

    def __init__(self, folder: Path, log: Path, segment_s: float = 1.0, is_synced: bool = True) -> None:
        self._log = log
        log.touch()
        command = [sys.executable, "-m", __name__, str(folder), str(log), str(segment_s), str(int(is_synced))]
        self.process = subprocess.Popen(command, cwd=ROOT)

    def witness(self) -> Witness:
        lines = self._log.read_bytes().split(b"\n")[:-1]
        closed = [msgspec.json.decode(line[7:], type=ClosedSegment) for line in lines if line.startswith(b"closed ")]
        return Witness(sum(line.startswith(b"captured ") for line in lines), closed)

    def run_until(self, captured: int) -> None:
        """Wait until that many pictures were captured."""
        wait_for(lambda: self.process.poll() is not None or self.witness().captured >= captured, every_s=0.005)
        assert self.process.poll() is None

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def found(folder: Path, witness: Witness) -> list[int]:
    """Check every reported segment byte for byte; then the numbers of all pictures after the repair."""
    for segment in witness.closed:
        data = (folder / segment.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (segment.size_bytes, segment.sha256)
    repaired = repair(folder)
    assert repaired.trouble == ""
    names = closed_segments(folder)
    assert {segment.name for segment in [*witness.closed, *repaired.closed]} <= set(names)
    segments = [describe(folder / name) for name in names]
    return [number for segment in segments for number in numbers_in(folder / segment.name)]


@pytest.mark.parametrize("round_", range(6))
def test_a_killed_recording_loses_less_than_a_second(tmp_path: Path, round_: int) -> None:
    """kill -9 at a random picture: closed segments as reported, the open one to within a second of the last picture,
    every picture once."""
    folder = tmp_path / "segments"
    child = Child(folder, tmp_path / "log")
    child.run_until(random.Random(round_).randint(2, 50))
    child.kill()
    witness = child.witness()
    numbers = found(folder, witness)
    assert witness.captured - (numbers[-1] if numbers else 0) <= FPS
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    made = Card(tmp_path, 24 * 2**20)
    try:
        yield made
    finally:
        subprocess.run(["umount", "-l", str(made.folder)], capture_output=True, check=False)


def cut_power(card: Card, child: Child) -> Witness:
    """Have the card forget all that was not synced, and mount it again as after a new start."""
    witness = child.witness()
    card.break_down()
    child.kill()
    card.unmount()
    card.mount()
    return witness


@pytest.mark.parametrize("round_", range(4))
def test_a_power_cut_loses_at_most_a_second(card: Card, tmp_path: Path, round_: int) -> None:
    """What the disk was not told to keep is gone: still every reported segment is whole, and the open one reaches to
    within a second of the last captured picture."""
    folder = card.folder / "segments"
    child = Child(folder, tmp_path / "log")
    child.run_until(random.Random(100 + round_).randint(20, 60))
    witness = cut_power(card, child)
    numbers = found(folder, witness)
    assert witness.captured - (numbers[-1] if numbers else 0) <= FPS
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_power_cut_is_a_real_one(card: Card, tmp_path: Path) -> None:
    """The positive control: a recording that does not sync loses more than a second by the same cut."""
    folder = card.folder / "segments"
    child = Child(folder, tmp_path / "log", segment_s=60, is_synced=False)
    child.run_until(40)
    witness = cut_power(card, child)
    numbers = found(folder, witness) if folder.exists() else []
    assert witness.captured - (numbers[-1] if numbers else 0) > FPS


if __name__ == "__main__":
    record_for_ever(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "1")
