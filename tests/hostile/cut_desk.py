"""The desk whose power is cut: the real agent process, which says outside its card what it has promised.

One line for each promise, written when it is made: `frame UP_NS` for a captured picture, `closing` and `closed NAME
BYTES SHA256` around the end of a segment, `record BOOT SEQ HASH` for a committed record, `receipt BOOT SEQ` for one
that the hub's receipt took out of the spool on the card, `plan NUMBER` and `sitting NAME` for what the next start needs
to go on by itself.

The card is made as slow as an SD card (7 to 28 ms a sync, mavlink-router#176), which widens the moments between two
steps in which a cut can fall. With `unsynced` nothing is synced at all: the control that the harness must catch.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from agent import card, cli, wire
from agent.core.segments import ClosedSegment
from agent.recording.encoder import Frame
from agent.recording.recorder import Recorder
from agent.recording.segments import SegmentFile
from agent.records import Records

SYNC_S = (0.007, 0.028)


class Witness:
    """Lines in a file that does not lie on the card."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def say(self, *words: object) -> None:
        os.write(self._descriptor, " ".join(map(str, words)).encode() + b"\n")


def watch(witness: Witness) -> None:
    """Have the agent's parts say what they promise."""
    feed, close = Recorder.feed, SegmentFile.close
    append, forget = Records.append, Records.receipt

    def fed(self: Recorder, frame: Frame) -> None:
        witness.say("frame", frame.up_ns)
        feed(self, frame)

    def closed(self: SegmentFile, next_up_ns: int | None) -> ClosedSegment:
        witness.say("closing")
        segment = close(self, next_up_ns)
        witness.say("closed", segment.name, segment.size_bytes, segment.sha256)
        return segment

    def appended(self: Records, *arguments: Any, **named: Any) -> wire.Record:
        record = append(self, *arguments, **named)
        if record.header.is_durable:
            witness.say("record", record.header.boot, record.header.seq, record.hash)
        return record

    def receipted(self: Records, receipt: wire.Receipt, now: wire.Instant) -> None:
        forget(self, receipt, now)
        if self.trouble is None:
            for boot, seq in receipt.records:
                witness.say("receipt", boot, seq)

    save_plan, set_sitting = Records.save_plan, Records.set_sitting

    def saved(self: Records, payload: bytes) -> bool:
        is_newer = save_plan(self, payload)
        plan = self.plan()
        if is_newer and plan is not None and self.trouble is None:
            witness.say("plan", plan.number)
        return is_newer

    def remembered(self: Records, sitting: str) -> None:
        set_sitting(self, sitting)
        if self.trouble is None:
            witness.say("sitting", sitting)

    Records.save_plan, Records.set_sitting = saved, remembered  # type: ignore[method-assign]
    Recorder.feed, SegmentFile.close = fed, closed  # type: ignore[method-assign]
    Records.append, Records.receipt = appended, receipted  # type: ignore[method-assign]


def make_slow(seed: int) -> None:
    """Let each sync take as long as on an SD card."""
    chance, pause = random.Random(seed), threading.Event()

    def slow(sync: Callable[[int], None]) -> Callable[[int], None]:
        def synced(descriptor: int) -> None:
            pause.wait(chance.uniform(*SYNC_S))
            sync(descriptor)

        return synced

    os.fsync, os.fdatasync = slow(os.fsync), slow(os.fdatasync)  # type: ignore[assignment]


def make_unsynced() -> None:
    """Nothing is brought to the card before the kernel feels like it."""
    connect = card._connect

    def unsynced(path: Path) -> Database:
        db = connect(path)
        db.execute("PRAGMA synchronous = OFF").fetchall()
        return db

    card._connect = unsynced
    os.fsync = os.fdatasync = lambda descriptor: None  # type: ignore[assignment]


def end_with(parent: int) -> None:
    """A writer whose harness was killed ends too."""
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(0.5)
    os._exit(1)


def main(path: str, seed: str, how: str) -> None:
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    watch(Witness(Path(path)))
    if how == "unsynced":
        make_unsynced()
    else:
        make_slow(int(seed))
    cli.main(["run"])


if __name__ == "__main__":
    main(*sys.argv[1:])
