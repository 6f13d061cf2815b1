"""Whatever a card does, a person is told within 5 s, the camera waits for nothing, and no picture is missing untold.

Time is that of the pictures: each is captured when the one before is written, or cannot be.
"""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.core.faults import Limits, Readings, conditions
from agent.wire import FaultKind, GapCause
from tests.agent.test_recording import FPS, PICTURE_NS, Desk
from tests.hostile.failing_card import FailingCard
from tests.hostile.test_recording_disk import check_all_is_told, play_until
from tests.hostile.test_records_disk import Card
from tests.support import wait_for

PROMISED_S = 5.0


@pytest.fixture
def card(tmp_path: Path) -> Iterator[FailingCard]:
    made = FailingCard(tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def desk(card: FailingCard) -> Iterator[Desk]:
    made = Desk(card.folder / "segments")
    yield made
    assert made.recorder.close()


def seconds_until(desk: Desk, kind: FaultKind, *, is_hanging: bool = False) -> float:
    """Capture until the desk's rules call this fault true; how long that was, in the pictures' time. `is_hanging`: a
    card that does not answer counts as one that cannot be written to."""
    began_ns = desk.now_ns
    while not _faults(desk).get(kind):
        assert desk.now_ns - began_ns < 30e9, f"no {kind}: {desk.recorder.progress()}"
        before = desk.recorder.progress().frames_written
        desk.recorder.feed(desk.frame())
        wait_for(lambda before=before: _is_settled(desk, before, is_hanging), every_s=0.001)  # type: ignore[misc]
    return (desk.now_ns - began_ns) / 1e9


def _is_settled(desk: Desk, frames_written: int, is_hanging: bool) -> bool:
    progress = desk.recorder.progress()
    is_waiting = is_hanging and desk.recorder._writing._waiting_since_ns is not None
    return progress.frames_written > frames_written or progress.trouble is not None or is_waiting


def _faults(desk: Desk) -> dict[FaultKind, str | None]:
    progress = desk.recorder.progress()
    written_ns = progress.last_written_up_ns
    readings = Readings(
        up_ms=desk.now_ns // 1_000_000,
        camera_since_up_ms=0,
        last_frame_up_ms=desk.now_ns // 1_000_000,
        sitting_since_up_ms=1,
        last_written_up_ms=None if written_ns is None else written_ns // 1_000_000,
        recording_trouble=progress.trouble,
        storage_trouble=progress.trouble,
        sync_ms_worst=progress.sync_ms_worst,
    )
    return conditions(readings, Limits())


@pytest.mark.parametrize(
    ("call", "number", "trouble", "cause"),
    [
        ("write", errno.EIO, "io", GapCause.STORAGE_FAILED),
        ("fsync", errno.EIO, "io", GapCause.STORAGE_FAILED),
        ("write", errno.ENOSPC, "full", GapCause.STORAGE_FULL),
        ("write", errno.EROFS, "read-only", GapCause.STORAGE_FAILED),
    ],
)
def test_a_call_that_fails(
    card: FailingCard, desk: Desk, call: str, number: int, trouble: str, cause: GapCause
) -> None:
    """The fault and the stop of the recording are told in time, what was synced before is kept, one gap has the cause,
    and without the error the recording goes on by itself."""
    desk.recorder.begin("exam-7")
    desk.play(20)
    with card.failing(call, number):
        assert seconds_until(desk, FaultKind.STORAGE_FAILED) <= PROMISED_S
        assert desk.recorder.progress().trouble == trouble
        assert seconds_until(desk, FaultKind.RECORDING_STOPPED) <= PROMISED_S
    play_until(desk, None)
    desk.play(20)
    wait_for(lambda: not desk.recorder._writing._reports._leftovers)
    assert desk.recorder.end()
    check_all_is_told(desk, cause)


def test_a_card_that_hangs(card: FailingCard, desk: Desk) -> None:
    """A sync that does not return: `storage_slow` and `recording_stopped` in time; the camera hands over 40 s of
    pictures meanwhile and waits for none; what the rows cannot hold is counted, and told as a gap afterwards."""
    desk.recorder.begin("exam-7")
    desk.play(20)
    with card.slow("fsync", 100):
        assert seconds_until(desk, FaultKind.STORAGE_SLOW, is_hanging=True) <= PROMISED_S
        assert seconds_until(desk, FaultKind.RECORDING_STOPPED, is_hanging=True) <= PROMISED_S
        for _ in range(round(40 * FPS)):
            desk.recorder.feed(desk.frame())
        assert desk.recorder.progress().trouble is None
        dropped = desk.recorder.progress().frames_dropped
        assert dropped > 0
    desk.play(40)
    assert desk.recorder.end()
    kept = set(desk.in_files())
    for number, up_ns in desk.captured.items():
        is_told = any(began - PICTURE_NS <= up_ns <= ended for began, ended, _ in desk.gaps)
        assert number in kept or is_told, f"picture {number} is in no file and in no gap: {desk.gaps}"
    assert {cause for _, _, cause in desk.gaps} == {GapCause.OVERLOAD}
    assert len(desk.captured) - len(kept) >= dropped


def _unmount(card: Card) -> None:
    subprocess.run(["umount", "-l", str(card.folder)], check=True)


@pytest.mark.parametrize(
    ("act", "trouble"), [(Card.fill, "full"), (Card.break_down, "io"), (_unmount, "gone")], ids=["full", "io", "gone"]
)
def test_a_real_card_is_told_in_time(tmp_path: Path, act: Callable[[Card], object], trouble: str) -> None:
    """A small ext4 file system that fills up, breaks down, or is unmounted under the recorder."""
    card = Card(tmp_path, 24 * 2**20)
    made = Desk(card.folder / "segments", reserve_bytes=1)  # the open file has room set aside: the reserve is met first
    try:
        made.recorder.begin("exam-7")
        made.play(20)
        act(card)
        assert seconds_until(made, FaultKind.STORAGE_FAILED) <= PROMISED_S
        assert made.recorder.progress().trouble == trouble
        assert seconds_until(made, FaultKind.RECORDING_STOPPED) <= PROMISED_S
    finally:
        assert made.recorder.close()
        subprocess.run(["umount", "-l", str(card.folder)], capture_output=True, check=False)
