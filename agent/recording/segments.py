"""Segment files: MPEG-TS, one after the other, such that a cut of power loses at most the last moments of one.

The order of failure, designed first. Whoever is killed between two steps leaves:
  1. open NAME.ts.part, fsync the folder     -> an empty .part: repair sets it aside
  2. write whole pictures, fdatasync ~0.3 s  -> a .part: repair cuts it to its last whole packet, at most ~0.3 s short
  3. give back spare room, fsync the file    -> the same, nothing lost
  4. rename to NAME.ts                       -> the file is whole under either name
  5. fsync the folder                        -> the file is whole under its last name
  6. report it                               -> a .ts without a record: whoever keeps the records finds it by
                                                `closed_segments` and `describe` (agent.recording.repair)
So a name that ends in .ts was synced whole before it got that name, and nothing is reported that power can take back.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import OutputContainer

from agent.core.segments import CLOCK_HZ, OPEN, WHOLE, ClosedSegment, SegmentName, closed_segment, end_ms
from agent.recording.encoder import EncodedPacket

ROOM_BYTES = 512 * 1024
"""Set aside for the open segment at a time, less than three seconds at the usual rate. Each sync of a file that grows
into new room writes the disk's own lists anew; with room set aside 7 % less is written in all (`tests.bench
recording`)."""
_KEEP_SIZE = 1
_libc = ctypes.CDLL(None, use_errno=True)


def set_aside(descriptor: int, offset: int, length: int) -> None:
    """Have the disk reserve room behind the end of a file, which does not become longer by it: fallocate(2), which
    Python's posix_fallocate cannot do. Raises OSError."""
    if _libc.fallocate64(descriptor, _KEEP_SIZE, ctypes.c_int64(offset), ctypes.c_int64(length)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def sync_folder(folder: Path) -> None:
    """Make renames and new names in `folder` last. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def kind_of(error: OSError) -> str:
    """What a disk error means: full, read-only, gone or io."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "full"
    if error.errno == errno.EROFS:
        return "read-only"
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO, errno.ESTALE):
        return "gone"
    return "io"


def make_folder(folder: Path) -> None:
    """Make `folder` if it is missing, to last; not its parents, which on an unmounted disk would be the wrong ones.
    Raises OSError."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        sync_folder(folder.parent)


class _Collected:
    """Where the muxer writes: memory. So a disk error is met in our own code with its number, never inside PyAV."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


class SegmentFile:
    """One segment being written. Every method may raise OSError; then only `keep` is left to call."""

    def __init__(self, folder: Path, name: SegmentName, size: tuple[int, int], fps: float, first_up_ns: int) -> None:
        """`first_up_ns` is the capture instant of the first picture: time stamps in the file count from it."""
        self.name = name
        self.first_up_ns = self.last_up_ns = self.synced_up_ns = first_up_ns
        self.frames = self.size_bytes = self._room_bytes = 0
        self._folder = folder
        self._path = folder / name.text(OPEN)
        self._picture_ns = round(1e9 / fps)
        self._last_pts = -1
        self._is_doubtful = False
        self._sha256 = hashlib.sha256()
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            sync_folder(folder)
            self._collected = _Collected()
            self._muxer = _muxer(self._collected, size, fps)
        except BaseException:
            os.close(self._descriptor)
            with contextlib.suppress(OSError):
                self._path.unlink()
            raise

    @property
    def path(self) -> Path:
        """The .part file."""
        return self._path

    @property
    def is_synced(self) -> bool:
        """Whether all that was written is on the disk."""
        return self.synced_up_ns == self.last_up_ns

    def write(self, packet: EncodedPacket) -> None:
        """Add one picture: wholly, or not at all."""
        pts = max((packet.up_ns - self.first_up_ns) * CLOCK_HZ // 1_000_000_000, self._last_pts + 1)
        ts = av.Packet(packet.data)
        ts.stream = self._muxer.streams[0]
        ts.pts = ts.dts = self._last_pts = pts
        ts.time_base = Fraction(1, CLOCK_HZ)
        ts.is_keyframe = packet.is_key
        try:
            self._muxer.mux_one(ts)
        except av.error.FFmpegError as error:
            raise OSError(errno.EIO, f"the muxer refused a picture: {error}") from error
        self._append(self._collected.take())
        self.frames += 1
        self.last_up_ns = packet.up_ns

    def sync(self) -> None:
        """Have the disk hold all that was written. A folder that was removed is an error here: the file would go
        on without a name and be lost at its closing."""
        self._is_doubtful = True
        os.fdatasync(self._descriptor)
        self._is_doubtful = False
        self.synced_up_ns = self.last_up_ns
        if os.fstat(self._descriptor).st_nlink == 0:
            raise FileNotFoundError(2, "the open segment was removed", str(self._path))

    def close(self, next_up_ns: int | None) -> ClosedSegment:
        """Sync, rename, sync the folder. `next_up_ns`: the first picture of the segment that follows directly."""
        self._muxer.close()
        self._append(self._collected.take())
        return self._finish(next_up_ns)

    def keep(self) -> ClosedSegment | None:
        """After an OSError: close what is whole of it if the disk still allows that; None when it must stay a .part
        (or, without one picture, was taken away). Never raises."""
        try:
            with contextlib.suppress(Exception):
                self._muxer.close()
            os.ftruncate(self._descriptor, self.size_bytes)
            # after a failed sync the kernel calls lost pages clean: a second sync would succeed and prove nothing
            if self.frames and not self._is_doubtful:
                return self._finish(None)
            if not self.frames:
                self._path.unlink()
        except OSError:
            pass
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        return None

    def _append(self, data: bytes) -> None:
        if self.size_bytes + len(data) > self._room_bytes:
            self._make_room()
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]
        self._sha256.update(data)
        self.size_bytes += len(data)

    def _make_room(self) -> None:
        try:
            set_aside(self._descriptor, self._room_bytes, ROOM_BYTES)
            self._room_bytes += ROOM_BYTES
        except OSError:  # it only spares writing: a full disk is met when it refuses the film itself
            self._room_bytes = sys.maxsize

    def _finish(self, next_up_ns: int | None) -> ClosedSegment:
        os.ftruncate(self._descriptor, self.size_bytes)
        self._is_doubtful = True
        os.fsync(self._descriptor)
        self._is_doubtful = False
        if os.fstat(self._descriptor).st_nlink == 0:
            raise FileNotFoundError(2, "the open segment was removed", str(self._path))
        os.rename(self._path, self._folder / self.name.text(WHOLE))
        sync_folder(self._folder)
        os.close(self._descriptor)
        ended_up_ms = end_ms(self.last_up_ns, next_up_ns, self._picture_ns)
        return closed_segment(
            self.name, ended_up_ms, self.frames, self.size_bytes, self._sha256.hexdigest(), is_cut=False
        )


def _muxer(collected: _Collected, size: tuple[int, int], fps: float) -> OutputContainer:
    """A TS muxer that keeps nothing back: each picture's packets are written before the next comes."""
    muxer = av.open(collected, "w", format="mpegts", options={"flush_packets": "1"})
    rate = Fraction(fps).limit_denominator(1001)
    stream: Any
    if hasattr(muxer, "add_mux_stream"):
        stream = muxer.add_mux_stream("h264", rate=rate, width=size[0], height=size[1])
    else:  # PyAV before 17, as Raspberry Pi OS has it: costs an encoder, opened and never used
        stream = muxer.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.thread_count = 1
    stream.time_base = Fraction(1, CLOCK_HZ)
    return muxer
