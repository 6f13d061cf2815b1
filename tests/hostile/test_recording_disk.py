"""A recording whose disk is full, read-only, broken or gone: nothing dies, what was written is kept, the gap is told,
and the recording goes on by itself as soon as the disk works again."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.recording import segments
from agent.recording.recorder import Progress
from agent.recording.repair import repair
from agent.wire import GapCause
from tests.agent.test_recording import FPS, PICTURE_NS, Desk
from tests.hostile.test_records_disk import Card
from tests.support import wait_for


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    made = Card(tmp_path, 24 * 2**20)
    try:
        yield made
    finally:
        subprocess.run(["umount", "-l", str(made.folder)], capture_output=True, check=False)


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is met soon: these small pictures would go on for long in the room that is set aside."""
    monkeypatch.setattr(segments, "ROOM_BYTES", 16 * 1024)


@pytest.fixture
def desk(card: Card) -> Iterator[Desk]:
    made = Desk(card.folder / "segments")
    yield made
    assert made.recorder.close()


def play_until(desk: Desk, trouble: str | None) -> Progress:
    """Capture picture after picture until the recorder is in this trouble, or in none."""

    def is_there() -> bool:
        desk.recorder.feed(desk.frame())
        return desk.recorder.progress().trouble == trouble

    wait_for(is_there, every_s=0.01)
    return desk.recorder.progress()


def check_all_is_told(desk: Desk, cause: GapCause) -> None:
    """Every captured picture is in a reported segment or in a reported gap; one gap has this cause."""
    kept = set(desk.in_files())
    for number, up_ns in desk.captured.items():
        assert number in kept or any(began - PICTURE_NS <= up_ns <= ended for began, ended, _ in desk.gaps), (
            f"picture {number} of {len(desk.captured)} is in no file and in no gap: {desk.gaps}"
        )
    assert [told for _, _, told in desk.gaps if told is not GapCause.OVERLOAD] == [cause]
    assert repair(desk.folder).closed == []


@pytest.mark.usefixtures("little_room")
def test_a_full_disk(card: Card, desk: Desk) -> None:
    """`full` while it lasts, the segment so far closed and whole, one gap, and on it goes when there is space."""
    desk.recorder.begin("exam-7")
    desk.play(20)
    filler = card.fill()
    play_until(desk, "full")
    wait_for(lambda: desk.closed)
    written = desk.recorder.progress().frames_written
    for _ in range(round(3 * FPS)):
        desk.recorder.feed(desk.frame())
    assert desk.recorder.progress().trouble == "full"
    assert desk.recorder.progress().frames_written <= written + FPS
    filler.unlink()
    play_until(desk, None)
    desk.play(20)
    assert desk.recorder.end()
    check_all_is_told(desk, GapCause.STORAGE_FULL)


def test_a_read_only_disk(card: Card, desk: Desk) -> None:
    """`read-only` from the first picture on; recording begins when the disk can be written again."""
    card.remount("ro")
    desk.recorder.begin("exam-7")
    play_until(desk, "read-only")
    card.remount("rw")
    play_until(desk, None)
    desk.play(20)
    assert desk.recorder.end()
    check_all_is_told(desk, GapCause.STORAGE_FAILED)


def test_a_disk_that_breaks_down_and_comes_back(card: Card, desk: Desk) -> None:
    """`io`: what was synced of the open segment is repaired and told once the disk is back, by the running agent."""
    desk.recorder.begin("exam-7")
    desk.play(20)
    card.break_down()
    play_until(desk, "io")
    subprocess.run(["umount", "-l", str(card.folder)], check=True)
    card.mount()
    play_until(desk, None)
    desk.play(20)
    wait_for(lambda: any(segment.is_cut for segment in desk.closed))
    assert desk.recorder.end()
    check_all_is_told(desk, GapCause.STORAGE_FAILED)


def test_a_folder_that_vanishes(desk: Desk) -> None:
    """`gone`, within a sync: an open file without a name would be written for nothing. A new folder is made."""
    desk.recorder.begin("exam-7")
    desk.play(20)
    shutil.rmtree(desk.folder)
    play_until(desk, "gone")
    play_until(desk, None)
    desk.play(20)
    assert desk.recorder.end()
    check_all_is_told(desk, GapCause.STORAGE_FAILED)


def test_a_disk_that_is_unmounted(card: Card, desk: Desk) -> None:
    """`gone`, within a sync, although the open file could still be written: its path shows the folder below now, where
    nothing is made. Mounted again, by the running agent all is found that had been synced."""
    desk.recorder.begin("exam-7")
    desk.play(20)
    subprocess.run(["umount", "-l", str(card.folder)], check=True)
    play_until(desk, "gone")
    assert list(card.folder.iterdir()) == []
    card.mount()
    play_until(desk, None)
    desk.play(20)
    wait_for(lambda: any(segment.is_cut for segment in desk.closed))
    assert desk.recorder.end()
    check_all_is_told(desk, GapCause.STORAGE_FAILED)


@pytest.mark.usefixtures("little_room")
def test_a_sitting_that_ends_on_a_full_disk(card: Card, desk: Desk) -> None:
    """Its end does not wait for space: the gap reaches to the end, and the next sitting starts afresh."""
    desk.recorder.begin("exam-7")
    desk.play(5)
    filler = card.fill()
    play_until(desk, "full")
    assert desk.recorder.end()
    assert desk.recorder.progress().trouble is None
    assert [cause for _, _, cause in desk.gaps if cause is not GapCause.OVERLOAD] == [GapCause.STORAGE_FULL]
    assert desk.gaps[-1][1] == desk.now_ns
    filler.unlink()
    desk.recorder.begin("exam-8")
    desk.play(5)
    assert desk.recorder.end()
    assert desk.closed[-1].sitting == "exam-8"
