"""`python -m tests.bench recording`: what the desk's recording costs, and what it writes to its card, at its real pace.

An hour of film in 1280x720 at 15 pictures a second and 1.5 Mbit/s, measured on a minute of the demo's moving scene.
Cost: CPU seconds of the encoder, and of the write path alone (the same packets, fed without the encoder). Writing:
bytes that the block device under an ext4 file system was given, against the bytes of the encoder; other ways to write
the same packets stand beside it. Those that break promise P2 are marked: they show what the promise costs.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import models
from agent import host
from agent.camera.scenes import Stage
from agent.core import bodies
from agent.core.segments import ClosedSegment
from agent.recording import segments, writing
from agent.recording.encoder import EncodedPacket, SoftwareEncoder
from agent.recording.recorder import Recorder
from agent.recording.segments import SegmentFile
from agent.records import Records
from agent.wire import Receipt
from tests.bench.peers import cpu_model
from tests.brokers import REPOSITORY
from tests.hostile.cut_disk import NoDisks, Pool, device_of, written

SIZE, FPS, BITRATE_BPS, SEGMENT_S = (1280, 720), 15, 1_500_000, 10.0
CARD_BYTES = 2**31
LEAST_S = 60
MOST_AMPLIFIED, MOST_CPU_S = 1.5, 120.0
"""Written bytes a byte of the encoder's, and CPU seconds of the write path an hour of film."""
_SYNC_FILE_RANGE = 1 | 2 | 4
_libc = ctypes.CDLL(None, use_errno=True)


class Way(NamedTuple):
    """One way to write the packets. `what` names a change of CHANGES, "" for none."""

    name: str
    what: str = ""
    options: str = "noatime"
    mkfs: tuple[str, ...] = ()
    keeps_promise: bool = True


WAYS = (
    Way("as the desk does it"),
    Way("without the records", "no records"),
    Way("synced every 0.5 s", "0.5 s"),
    Way("synced every 0.7 s", "0.7 s"),
    Way("no room set aside", "no room"),
    Way("room set aside 128 KiB at a time", "128 KiB"),
    Way("room set aside 2 MiB at a time", "2 MiB"),
    Way("mounted commit=60", options="noatime,commit=60"),
    Way("mounted lazytime", options="noatime,lazytime"),
    Way("ext4 with fast_commit", mkfs=("-O", "fast_commit")),
    Way("ext4 without a journal", mkfs=("-O", "^has_journal"), keeps_promise=False),
    Way("sync_file_range in place of fdatasync", "sync_file_range", keeps_promise=False),
    Way("synced only when closed", "never", keeps_promise=False),
)


class Frame(NamedTuple):
    """A picture for the encoder."""

    up_ns: int
    i420: Any


class Figures(NamedTuple):
    """What one way cost, over the film of one run."""

    cpu_s: float
    written_bytes: int
    flushes: int
    sync_ms_worst: float
    film_bytes: int


# --- the ways to write ----------------------------------------------------------------------------------------------


def _sync_every(seconds: float) -> None:
    writing.SYNC_EVERY_NS = round(seconds * 1e9)


def _set_nothing_aside() -> None:
    segments.ROOM_BYTES = sys.maxsize  # no disk has it


def _set_aside(step_bytes: int) -> None:
    segments.ROOM_BYTES = step_bytes


def _by_range() -> None:
    def synced(self: SegmentFile) -> None:
        _libc.sync_file_range(self._descriptor, ctypes.c_long(0), ctypes.c_long(0), _SYNC_FILE_RANGE)
        self.synced_up_ns = self.last_up_ns

    SegmentFile.sync = synced  # type: ignore[method-assign]


CHANGES: dict[str, Callable[[], None]] = {
    "": lambda: None,
    "no records": lambda: None,
    "0.5 s": lambda: _sync_every(0.5),
    "0.7 s": lambda: _sync_every(0.7),
    "never": lambda: _sync_every(1e6),
    "no room": _set_nothing_aside,
    "128 KiB": lambda: _set_aside(128 * 1024),
    "2 MiB": lambda: _set_aside(2 * 1024 * 1024),
    "sync_file_range": _by_range,
}


def play(card: Path, film: Path, what: str) -> None:
    """Child: record the packets of `film` at their pace on `card`, with the desk's records of its segments, each
    receipted; print Figures without the bytes."""
    packets: list[EncodedPacket] = pickle.loads(film.read_bytes())
    CHANGES[what]()
    clock, records = host.Clock(is_trusted=True), None if what == "no records" else Records(card, "bench.desk-01")

    def told(segment: ClosedSegment) -> None:
        if records is not None:
            record = records.append(bodies.segment_body(segment, "A1"), clock.now(), True)
            records.receipt(Receipt(records=((record.header.boot, record.header.seq),)), clock.now())

    recorder = Recorder(
        card / "segments",
        boot=1,
        size=SIZE,
        fps=FPS,
        segment_s=SEGMENT_S,
        to_utc_ms=clock.utc_ms_at,
        on_closed=told,
        on_gap=lambda began, ended, cause: None,
    )
    began_s, begin_ns, worst_ms = time.process_time(), clock.up_ns(), 0.0
    recorder.begin("bench")
    for packet in packets:
        due_ns = begin_ns + packet.up_ns
        time.sleep(max(0.0, (due_ns - clock.up_ns()) / 1e9))
        recorder.feed_packet(packet._replace(up_ns=due_ns))
        worst_ms = max(worst_ms, recorder.progress().sync_ms_worst)
    recorder.close()
    cpu_s = time.process_time() - began_s
    if records is not None:
        records.close()
    print(cpu_s, worst_ms, sum(path.stat().st_size for path in (card / "segments").iterdir()))


# --- measuring ------------------------------------------------------------------------------------------------------


def encode(seconds: int) -> tuple[list[EncodedPacket], float]:
    """The film's packets, `up_ns` from 0, and the CPU seconds that x264 took."""
    stage = Stage("restless", models.FILES_FOLDER, SIZE, FPS)
    packets: list[EncodedPacket] = []
    cpu_s = 0.0
    with SoftwareEncoder(SIZE, FPS, BITRATE_BPS) as encoder:
        for number in range(seconds * FPS):
            frame = Frame(round(number * 1e9 / FPS), stage.draw(number + 35 * FPS))
            began_s = time.process_time()
            packets += encoder.encode(frame)
            cpu_s += time.process_time() - began_s
    return packets, cpu_s


def measure(pool: Pool, film: Path, ways: Sequence[Way]) -> list[Figures]:
    """All ways at once, each on a card of its own: fed with packets they hardly use a processor."""
    running, cards = [], []
    try:
        for number, way in enumerate(ways):
            mounted = pool.mounted(pool.new_image(f"card-{number}.img", CARD_BYTES, *way.mkfs), way.options)
            folder = mounted.__enter__()
            cards.append((mounted, folder))
            os.sync()
            before = written(device_of(folder))
            command = [sys.executable, "-m", "tests.bench.recording", "--child", str(folder), str(film), way.what]
            running.append((before, subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)))
        figures = []
        for (before, process), (_, folder) in zip(running, cards, strict=True):
            told = process.communicate()[0].split()
            if process.returncode:
                raise NoDisks("a recording failed; see above")
            subprocess.run(["sync", "-f", str(folder)], check=True)
            after = written(device_of(folder))
            figures.append(
                Figures(float(told[0]), after[0] - before[0], after[1] - before[1], float(told[1]), int(told[2]))
            )
        return figures
    finally:
        for _, process in running:
            process.kill()
            process.wait()
        for mounted, _ in cards:
            mounted.__exit__(None, None, None)


def main(argv: Sequence[str]) -> int:
    """Run the bench; 0 when every figure is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench recording", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="how much film, at its real pace (default 60)")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.child:
        play(Path(given.child[0]), Path(given.child[1]), given.child[2])
        return 0
    if given.seconds < LEAST_S:
        parser.error(f"at least {LEAST_S} s: making the files of a new card weighs too much in less")
    print(f"{cpu_model()}; {os.uname().release}; {SIZE[0]}x{SIZE[1]} at {FPS}/s, {given.seconds} s of film")
    packets, encoding_s = encode(given.seconds)
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "packets"
        film.write_bytes(pickle.dumps(packets))
        try:
            with Pool() as pool:
                figures = measure(pool, film, WAYS)
        except NoDisks as problem:
            print(f"not measured: {problem}", file=sys.stderr)
            return 2
    encoded_bytes, hours = sum(len(packet.data) for packet in packets), given.seconds / 3600
    rate = encoded_bytes * 8 / given.seconds / 1e6
    print(f"x264 {rate:.2f} Mbit/s, {encoded_bytes / hours / 1e6:,.0f} MB and {encoding_s / hours:,.0f} CPU s an hour")
    print(f"{'':<42}{'CPU s/h':>8}{'MB/h':>8}{'x encoder':>11}{'flushes/s':>11}{'worst ms':>10}")
    for way, each in zip(WAYS, figures, strict=True):
        ratio, flushes_per_s = each.written_bytes / encoded_bytes, each.flushes / given.seconds
        print(
            f"{way.name:<42}{each.cpu_s / hours:>8.0f}{each.written_bytes / hours / 1e6:>8.0f}{ratio:>11.2f}"
            f"{flushes_per_s:>11.1f}{each.sync_ms_worst:>10.0f}{'' if way.keeps_promise else '  breaks P2'}"
        )
    own = figures[0]
    print(f"the film's files are {own.film_bytes / encoded_bytes:.2f} x the encoder's bytes")
    amplified, cpu_s = own.written_bytes / encoded_bytes, own.cpu_s / hours
    is_met = amplified <= MOST_AMPLIFIED and cpu_s <= MOST_CPU_S
    print(
        f"written {amplified:.2f} x the encoder's bytes (at most {MOST_AMPLIFIED}), write path {cpu_s:.0f} CPU s "
        f"an hour (at most {MOST_CPU_S:.0f}): {'met' if is_met else 'MISSED'}"
    )
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
