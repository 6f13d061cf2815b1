"""Room set aside for the open segment, so that the disk need not write down new room at each sync."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from agent.recording import segments
from agent.recording.repair import repair
from agent.recording.segments import ROOM_BYTES, set_aside
from tests.agent.test_recording import Desk
from tests.hostile.test_recording_disk import card, desk
from tests.hostile.test_records_disk import Card
from tests.support import wait_for

__all__ = ["card", "desk"]


def room(path: Path) -> int:
    """Bytes that a file has on its disk."""
    return path.stat().st_blocks * 512


def test_room_is_set_aside_for_the_open_segment_only(card: Card, desk: Desk) -> None:
    """What a closed or a repaired segment does not need is free again."""
    desk.recorder.begin("exam-7")
    desk.play(3)
    wait_for(lambda: list(desk.folder.glob("*.part")))
    (path,) = desk.folder.glob("*.part")
    assert room(path) >= ROOM_BYTES
    assert path.stat().st_size < 100_000
    left = desk.folder.with_name("left")
    shutil.copytree(desk.folder, left)
    os.truncate(left / path.name, path.stat().st_size - 1)
    descriptor = os.open(left / path.name, os.O_WRONLY)
    set_aside(descriptor, 0, ROOM_BYTES)
    os.close(descriptor)
    assert room(left / path.name) >= ROOM_BYTES
    (cut,) = repair(left).closed
    assert room(left / cut.name) < cut.size_bytes + 8192
    desk.play(60)
    assert desk.recorder.end()
    for segment in desk.closed:
        assert room(desk.folder / segment.name) < segment.size_bytes + 8192


def test_a_disk_without_room_to_set_aside_is_written_all_the_same(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot do it, or has too little left, is no trouble."""

    def refuse(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(segments, "set_aside", refuse)
    desk.recorder.begin("exam-7")
    desk.play(40)
    assert desk.recorder.end()
    assert desk.in_files() == list(range(1, 41))
    assert desk.gaps == []
