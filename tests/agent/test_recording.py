"""Recording with real x264 and real files: every picture once, segments that meet, gaps that are told."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.core.segments import CUT, OPEN, PACKET_BYTES, ClosedSegment, SegmentName, look_through, parse_name
from agent.recording.encoder import EncodedPacket, SoftwareEncoder
from agent.recording.recorder import Recorder
from agent.recording.repair import ASIDE, closed_segments, describe, repair
from agent.wire import GapCause
from tests.support import wait_for

SIZE, FPS = (320, 192), 15.0
PICTURE_NS = 66_666_667
BITS = 12


class NumberedFrame(NamedTuple):
    """A picture that shows its own number, as black and white blocks."""

    number: int
    up_ns: int
    i420: NDArray[np.uint8]


def numbered(number: int, up_ns: int) -> NumberedFrame:
    """The picture with this number."""
    i420 = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
    for bit in range(BITS):
        x, y = bit % 4 * 80, bit // 4 * 64
        i420[y : y + 64, x : x + 80] = 220 if number >> bit & 1 else 30
    return NumberedFrame(number, up_ns, i420)


def numbers_in(path: Path) -> list[int]:
    """The numbers of all pictures that can be decoded from a file."""
    numbers = []
    with av.open(str(path), format="mpegts") as film:
        for frame in film.decode(video=0):
            luma = frame.to_ndarray(format="gray")
            blocks = [luma[bit // 4 * 64 + 32, bit % 4 * 80 + 40] > 125 for bit in range(BITS)]
            numbers.append(sum(1 << bit for bit, is_white in enumerate(blocks) if is_white))
    return numbers


class Desk:
    """A recorder with a clock that only the test moves, and all it tells."""

    def __init__(self, folder: Path, segment_s: float = 2.0, reserve_bytes: int = 0) -> None:
        self.now_ns = 1_000_000_000_000
        self.folder = folder
        self.closed: list[ClosedSegment] = []
        self.gaps: list[tuple[int, int, GapCause]] = []
        self.refusals = 0
        self.captured: dict[int, int] = {}
        self.recorder = Recorder(
            folder,
            boot=7,
            size=SIZE,
            fps=FPS,
            bitrate_bps=400_000,
            segment_s=segment_s,
            reserve_bytes=reserve_bytes,
            to_utc_ms=lambda up_ns: 1_767_225_600_000 + up_ns // 1_000_000,
            on_closed=self.take,
            on_gap=lambda began, ended, cause: self.gaps.append((began, ended, cause)),
            clock=lambda: self.now_ns,
        )

    def take(self, segment: ClosedSegment) -> None:
        """Stands for the records, which may refuse."""
        if self.refusals:
            self.refusals -= 1
            raise OSError("no space for a record")
        self.closed.append(segment)

    def frame(self) -> NumberedFrame:
        """The next picture, captured one picture's time after the last."""
        self.now_ns += PICTURE_NS
        number = len(self.captured) + 1
        self.captured[number] = self.now_ns
        return numbered(number, self.now_ns)

    def play(self, pictures: int) -> None:
        """Capture some, each written before the next comes."""
        for _ in range(pictures):
            before = self.recorder.progress().frames_written
            self.recorder.feed(self.frame())
            wait_for(lambda before=before: self.recorder.progress().frames_written > before, every_s=0.001)  # type: ignore[misc]

    def in_files(self) -> list[int]:
        """The numbers of all pictures in closed segments, in order."""
        return [number for segment in self.closed for number in numbers_in(self.folder / segment.name)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "segments")
    yield made
    assert made.recorder.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("recorder")]


def test_every_picture_is_in_the_files_once_and_in_order(desk: Desk) -> None:
    """No picture is lost or doubled at the borders of segments, and each segment can be decoded alone."""
    desk.recorder.begin("exam-7")
    desk.play(100)
    assert desk.recorder.end()
    assert desk.in_files() == list(range(1, 101))
    assert len(desk.closed) == 4
    assert desk.gaps == []


def test_a_closed_segment_is_described_truly(desk: Desk) -> None:
    """Hash, size, pictures, both clocks; neighbours meet to the millisecond; time stamps begin near nought."""
    desk.recorder.begin("exam-7")
    desk.play(70)
    desk.recorder.end()
    for segment, after in pairwise(desk.closed):
        assert segment.ended_up_ms == after.began_up_ms
        assert segment.ended_utc_ms == after.began_utc_ms
    for number, segment in enumerate(desk.closed, start=1):
        data = (desk.folder / segment.name).read_bytes()
        assert (segment.size_bytes, segment.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert (segment.sitting, segment.boot, segment.is_cut) == ("exam-7", 7, False)
        parsed = parse_name(segment.name)
        assert parsed is not None
        assert parsed[0].ordinal == number
        assert segment.began_utc_ms == 1_767_225_600_000 + segment.began_up_ms
        with av.open(str(desk.folder / segment.name)) as film:
            stream = film.streams.video[0]
            assert stream.time_base is not None
            assert (stream.start_time or 0) * stream.time_base < Fraction(1)
        told = describe(desk.folder / segment.name)
        assert abs(told.ended_up_ms - segment.ended_up_ms) <= 2
        assert (told.frames, told.sha256, told.began_utc_ms) == (
            segment.frames,
            segment.sha256,
            segment.began_utc_ms,
        )
    assert closed_segments(desk.folder) == [segment.name for segment in desk.closed]


def test_a_cut_closes_the_segment_with_the_next_picture(desk: Desk) -> None:
    """When an alert is raised, all pictures until then are in a closed file at once, and none is missing after."""
    desk.recorder.begin("exam-7")
    desk.play(8)
    desk.recorder.cut()
    desk.play(1)
    wait_for(lambda: desk.closed)
    assert numbers_in(desk.folder / desk.closed[0].name) == list(range(1, 9))
    desk.play(5)
    desk.recorder.end()
    assert desk.in_files() == list(range(1, 15))
    assert desk.gaps == []


def test_a_camera_that_pauses_makes_a_gap_and_a_new_segment(desk: Desk) -> None:
    """The gap reaches from the last picture's end to the next picture; jitter below a second is none."""
    desk.recorder.begin("exam-7")
    desk.play(10)
    desk.now_ns += 600_000_000
    desk.play(10)
    last_ns = desk.now_ns
    desk.now_ns += 4_000_000_000
    wait_for(lambda: desk.closed)  # it is closed while the camera is still silent
    desk.play(10)
    desk.recorder.end()
    assert desk.gaps == [(last_ns + PICTURE_NS, desk.captured[21], GapCause.CAMERA_LOST)]
    assert desk.in_files() == list(range(1, 31))
    assert [segment.frames for segment in desk.closed] == [20, 10]


def test_a_sitting_without_one_picture_is_one_gap(desk: Desk) -> None:
    """From its begin to its end, told when it ends."""
    desk.recorder.begin("exam-7")
    began = desk.now_ns
    desk.now_ns += 20_000_000_000
    assert desk.recorder.end()
    assert desk.gaps == [(began, desk.now_ns, GapCause.CAMERA_LOST)]
    assert desk.closed == []


def test_dropped_pictures_are_counted_and_lie_in_a_gap(desk: Desk) -> None:
    """A camera far too fast for the encoder: `feed` never waits, and every picture is in a file or in a gap."""
    desk.recorder.begin("exam-7")
    desk.play(5)
    for _ in range(600):
        desk.recorder.feed(desk.frame())
    wait_for(lambda: desk.recorder.progress().frames_written + desk.recorder.progress().frames_dropped == 605)
    desk.play(60)
    desk.recorder.end()
    kept = desk.in_files()
    missing = [desk.captured[number] for number in range(1, 666) if number not in set(kept)]
    assert kept == sorted(set(kept))
    assert len(missing) == desk.recorder.progress().frames_dropped > 0
    assert all(any(began <= up_ns <= ended for began, ended, _ in desk.gaps) for up_ns in missing)
    assert {cause for _, _, cause in desk.gaps} == {GapCause.OVERLOAD}


def test_pictures_dropped_at_the_very_end_are_told_too(desk: Desk) -> None:
    """The sitting ends while pictures are being dropped: every one is still in a file or in a gap."""
    desk.recorder.begin("exam-7")
    desk.play(5)
    for _ in range(200):
        desk.recorder.feed(desk.frame())
    desk.now_ns += PICTURE_NS
    assert desk.recorder.end()
    kept = set(desk.in_files())
    missing = [up_ns for number, up_ns in desk.captured.items() if number not in kept]
    assert len(missing) == desk.recorder.progress().frames_dropped > 0
    assert all(any(began <= up_ns <= ended for began, ended, _ in desk.gaps) for up_ns in missing)
    assert {cause for _, _, cause in desk.gaps} == {GapCause.OVERLOAD}


def test_packets_of_a_camera_that_encodes_itself_are_recorded(desk: Desk) -> None:
    """From the first key packet on; what comes before it cannot be decoded and is left out."""
    frames = [desk.frame() for _ in range(40)]
    with SoftwareEncoder(SIZE, FPS, 400_000) as encoder:
        packets = [packet for frame in frames for packet in encoder.encode(frame)]
    assert [packet.is_key for packet in packets].index(True, 1) == 15
    desk.recorder.begin("exam-7")
    for packet in packets[5:]:
        desk.now_ns = packet.up_ns
        before = desk.recorder.progress().frames_written
        desk.recorder.feed_packet(packet)
        if packet.up_ns >= packets[15].up_ns:
            wait_for(lambda before=before: desk.recorder.progress().frames_written > before, every_s=0.001)  # type: ignore[misc]
    desk.recorder.end()
    assert desk.in_files() == list(range(16, 41))


def test_a_refused_report_comes_again(desk: Desk) -> None:
    """Whoever is told of a segment may fail: the recording goes on, and all is told in order later."""
    desk.recorder.begin("exam-7")
    desk.refusals = 2
    desk.play(100)
    desk.recorder.end()
    wait_for(lambda: _advance(desk) and len(desk.closed) == 4)
    assert desk.in_files() == list(range(1, 101))


def _advance(desk: Desk) -> bool:
    desk.now_ns += 500_000_000
    return True


def test_a_failing_encoder_is_told_and_replaced(desk: Desk) -> None:
    """A picture that x264 cannot take is a trouble and a gap, not the end of the recording."""
    desk.recorder.begin("exam-7")
    desk.play(10)
    desk.recorder.feed(NumberedFrame(0, desk.now_ns + 1, np.zeros((12, 16), np.uint8)))
    wait_for(lambda: desk.recorder.progress().trouble == "encoder")
    desk.now_ns += 1_500_000_000
    desk.play(10)
    assert desk.recorder.progress().trouble is None
    desk.recorder.end()
    assert desk.in_files() == list(range(1, 21))
    assert [cause for _, _, cause in desk.gaps] == [GapCause.ENCODER_FAILED]


def test_outside_a_sitting_nothing_is_recorded(desk: Desk) -> None:
    """No plan, no recording; `end` without `begin` is nothing."""
    assert desk.recorder.end()
    desk.recorder.feed(desk.frame())
    desk.recorder.begin("exam-7")
    desk.play(3)
    desk.recorder.end()
    desk.recorder.feed(desk.frame())
    desk.recorder.begin("exam-8")
    desk.play(3)
    desk.recorder.end()
    assert [(segment.sitting, segment.frames) for segment in desk.closed] == [("exam-7", 3), ("exam-8", 3)]
    with pytest.raises(ValueError, match="file name"):
        desk.recorder.begin("../exam")


def test_the_encoder_gives_each_picture_at_once_with_a_key_every_second() -> None:
    """One packet a picture, in order, keys a second apart also when half the pictures are missing, or when asked."""
    with SoftwareEncoder(SIZE, FPS, 400_000) as encoder:
        packets: list[EncodedPacket] = []
        for number in range(60):
            if number == 50:
                encoder.force_key()
            up_ns = 5 + number * PICTURE_NS * 2
            made = encoder.encode(numbered(number, up_ns))
            assert [packet.up_ns for packet in made] == [up_ns]
            packets += made
        assert encoder.flush() == []
    keys = [n for n, packet in enumerate(packets) if packet.is_key]
    assert 50 in keys
    assert all(later - earlier <= 8 for earlier, later in pairwise(keys))
    with pytest.raises(ValueError, match="shape"), SoftwareEncoder(SIZE, FPS, 400_000) as encoder:
        encoder.encode(NumberedFrame(1, 1, np.zeros((3, 4), np.uint8)))


# --- repair ---------------------------------------------------------------------------------------------------------

NAME = SegmentName(7, 3, 5_000, 1_767_225_600_000, "exam-7")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a segment of 20 pictures."""
    desk = Desk(tmp_path_factory.mktemp("whole") / "segments")
    desk.recorder.begin("exam-7")
    desk.play(20)
    desk.recorder.close()
    return (desk.folder / desk.closed[0].name).read_bytes()


def test_a_segment_cut_anywhere_is_repaired(tmp_path: Path, whole: bytes) -> None:
    """Cut at every packet's border and within every packet: all that is whole is kept under its last name, with at
    most the last picture broken; without a picture it is set aside. A second repair finds nothing to do."""
    cuts = [*range(0, len(whole) + 1, PACKET_BYTES), *range(57, len(whole), PACKET_BYTES)]
    assert len(cuts) > 40
    for length in cuts:
        folder = tmp_path / str(length)
        folder.mkdir()
        part = folder / NAME.text(OPEN)
        part.write_bytes(whole[:length])
        repaired = repair(folder)
        assert repaired.trouble == ""
        assert not part.exists()
        assert repair(folder) == ([], [], "")
        if not repaired.closed:
            assert look_through(whole[:length]).frames == 0
            assert (folder / (part.name + ASIDE)).read_bytes() == whole[:length]
            assert repaired.set_aside[0].name == part.name + ASIDE
            continue
        (segment,) = repaired.closed
        data = (folder / segment.name).read_bytes()
        assert data == whole[: length // PACKET_BYTES * PACKET_BYTES]
        assert segment == describe(folder / segment.name)
        assert segment.is_cut
        assert segment.name == NAME.text(CUT)
        assert segment.sha256 == hashlib.sha256(data).hexdigest()
        numbers = numbers_in(folder / segment.name) if segment.frames > 1 else []
        assert numbers[: segment.frames - 1] == list(range(1, segment.frames))[: len(numbers)]
        assert len(numbers) >= segment.frames - 1 or segment.frames == 1


def test_a_hole_in_the_middle_costs_only_what_lay_in_it(tmp_path: Path, whole: bytes) -> None:
    """Blocks that never reached the disk read as zeroes: what lies behind them is kept."""
    middle = len(whole) // PACKET_BYTES // 2 * PACKET_BYTES
    torn = whole[:middle] + bytes(PACKET_BYTES * 2) + whole[middle + PACKET_BYTES * 2 :]
    (tmp_path / NAME.text(OPEN)).write_bytes(torn + bytes(4096))
    (segment,) = repair(tmp_path).closed
    assert (tmp_path / segment.name).read_bytes() == torn
    assert numbers_in(tmp_path / segment.name)[-1] == 20


class Killed(BaseException):
    """Stands for a power cut between two steps."""


@pytest.mark.parametrize("step", range(5))
def test_a_repair_that_is_itself_cut_off_is_finished_by_the_next(
    tmp_path: Path, whole: bytes, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever call to the disk is the last one, the segment is found whole afterwards, still told as cut."""
    (tmp_path / NAME.text(OPEN)).write_bytes(whole[:-100])
    left = step

    def dying(real: object) -> object:
        def call(*args: object) -> object:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            return real(*args)  # type: ignore[operator]

        return call

    with monkeypatch.context() as patched:
        for name in ("fsync", "rename"):
            patched.setattr(os, name, dying(getattr(os, name)))
        try:
            repair(tmp_path)
            assert step >= 3
        except Killed:
            assert step < 3
    repair(tmp_path)
    (name,) = closed_segments(tmp_path)
    segment = describe(tmp_path / name)
    assert segment.is_cut
    assert segment.size_bytes == len(whole) - PACKET_BYTES


def test_files_that_are_no_segments_are_kept(tmp_path: Path) -> None:
    """A stranger's .part is set aside, two of one name beside each other; other files are not touched."""
    (tmp_path / "notes.part").write_bytes(b"one")
    (tmp_path / "list.txt").write_bytes(b"two")
    assert [aside.reason for aside in repair(tmp_path).set_aside] == ["not a segment's name"]
    (tmp_path / "notes.part").write_bytes(b"three")
    assert [aside.name for aside in repair(tmp_path).set_aside] == ["notes.part.aside2"]
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"one", b"three", b"two"]
    assert repair(tmp_path / "missing") == ([], [], "")


def test_what_is_private_is_hidden_before_it_is_encoded(tmp_path: Path) -> None:
    """The mask of the moment of encoding holds, also for a picture that was captured before the mask was drawn; the
    camera's buffer is left as it was."""
    hides = [False]

    def mask(i420: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if not hides[0]:
            return i420
        masked = i420.copy()
        masked[: SIZE[1], : SIZE[0] // 2] = 16
        return masked

    white = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
    white[: SIZE[1]] = 220
    kept = white.copy()
    film = tmp_path / "film.h264"
    with SoftwareEncoder(SIZE, FPS, 400_000, mask=mask) as encoder:
        packets = encoder.encode(NumberedFrame(0, PICTURE_NS, white))
        hides[0] = True
        packets += encoder.encode(NumberedFrame(1, 2 * PICTURE_NS, white))
        packets += encoder.flush()
    film.write_bytes(b"".join(packet.data for packet in packets))
    with av.open(str(film), format="h264") as container:
        first, second = (frame.to_ndarray(format="gray") for frame in container.decode(video=0))
    assert first[:, 20].min() > 180
    assert second[:, : SIZE[0] // 2 - 16].max() < 40
    assert second[:, SIZE[0] // 2 + 16 :].min() > 180
    assert np.array_equal(white, kept)
