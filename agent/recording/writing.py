"""What becomes of packets: which file they go to, when it ends, what a failing disk means, which stretches are gaps.

No thread lives here: the recorder's writer thread calls these methods one after the other. Laws: a segment begins
with a key packet; a disk error never leaves this file as an exception; what was written is kept; a stretch without
pictures on the disk is reported once, when its end is known.
"""

from __future__ import annotations

import errno
import logging
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from agent.core.segments import ClosedSegment, SegmentName
from agent.recording.encoder import EncodedPacket
from agent.recording.place import Place
from agent.recording.reports import RETRY_NS, Drops, Reports
from agent.recording.segments import SegmentFile, kind_of, make_folder
from agent.wire import GapCause

log = logging.getLogger(__name__)

SHORTEST_WAIT_NS = 1_000_000
"""What takes less on the disk needs no remembering."""

NS = 1_000_000_000
SYNC_EVERY_NS = 300_000_000
"""Longest time a written picture stays only in memory; promise P2 allows 1 s for everything."""
HOLE_NS = 1 * NS
"""Pictures further apart than this are a gap: one at full rate would have been missed fifteen times."""
IDLE_NS = 2 * NS
"""After this long without a picture the segment is closed, so that what there is can be sent."""
RESERVE_BYTES = 8 * 1024 * 1024
"""Left free for the records: on a full disk they weigh more than another half minute of film."""


class Recording(NamedTuple):
    """What a recorder is made for: the arguments of Recorder."""

    folder: Path
    boot: int
    size: tuple[int, int]
    fps: float
    bitrate_bps: int
    segment_s: float
    reserve_bytes: int


class OpenGap(NamedTuple):
    """A stretch without pictures on the disk that has not ended yet."""

    began_up_ns: int
    cause: GapCause


class Writing:
    """The state of one desk's segment files. `clock` gives CLOCK_BOOTTIME ns; `to_utc` turns such an instant into
    UTC ms; `on_closed` and `on_gap` are as in Recorder."""

    def __init__(
        self,
        recording: Recording,
        clock: Callable[[], int],
        to_utc: Callable[[int], int],
        on_closed: Callable[[ClosedSegment], None],
        on_gap: Callable[[int, int, GapCause], None],
    ) -> None:
        self._recording = recording
        self._place = Place(recording.folder)
        self._clock = clock
        self._to_utc = to_utc
        self._reports = Reports(on_closed, on_gap)
        self._picture_ns = round(NS / recording.fps)
        self._sitting = ""
        self._ordinal = 0
        self._file: SegmentFile | None = None
        self._gap: OpenGap | None = None
        self._has_pictures = False
        self._last_ns: int | None = None
        self._drops = Drops()
        self._cut_after_ns: int | None = None
        self._last_sync_ns = 0
        self._last_try_ns = 0
        self._waiting_since_ns: int | None = None
        self._waits: deque[tuple[int, float]] = deque(maxlen=512)
        self.frames_written = self.bytes_written = 0
        self.last_written_up_ns: int | None = None
        self.trouble: str | None = None

    # --- what the recorder tells --------------------------------------------------------------------------------

    def begin(self, sitting: str, up_ns: int) -> None:
        """A sitting begins at `up_ns`; pictures are expected from now on."""
        self.end(up_ns)
        self._sitting = sitting
        self._gap = OpenGap(up_ns, GapCause.CAMERA_LOST)
        self._last_ns = None
        self._has_pictures = False

    def end(self, up_ns: int) -> None:
        """The sitting ends at `up_ns`: its last segment is closed, its last gap reported."""
        if not self._sitting:
            return
        if self._file is not None:
            self._interrupt(None if self._drops.are_open else GapCause.CAMERA_LOST)
        self._end_gap(up_ns)
        self._tell_drops(self._drops.end(up_ns))
        self._sitting = ""
        self._cut_after_ns = None
        self.trouble = None
        self.tend(is_quiet=False)

    def cut(self, after_up_ns: int) -> None:
        """Close the segment at the first key packet captured after `after_up_ns`."""
        self._cut_after_ns = after_up_ns

    def dropped(self) -> None:
        """Pictures were dropped between the last packet and the next."""
        if self._file is None or self._last_ns is None:
            return  # a gap is open already
        self._drops.begin(self._last_ns + self._picture_ns)

    def write(self, packet: EncodedPacket) -> None:
        """The next packet, in order of capture."""
        if not self._sitting:
            return
        if not self._has_pictures:
            self._has_pictures = True
            self._gap = None
        was_dropping = self._drops.are_open
        self._tell_drops(self._drops.picture(packet.up_ns))
        if self._file is not None:
            if packet.up_ns - self._file.last_up_ns > HOLE_NS:
                # a hole that dropping made is told as such
                self._interrupt(None if was_dropping else GapCause.CAMERA_LOST)
            elif packet.is_key and self._is_due(packet.up_ns):
                self._close(packet.up_ns)
        if self._file is None and not self._open(packet):
            return
        self._guard(lambda file: self._append(file, packet))
        if self._clock() - self._last_sync_ns >= SYNC_EVERY_NS:
            self._sync()

    def interrupt(self, cause: GapCause) -> None:
        """No packets come although pictures do: close the segment; what follows is a gap with this cause."""
        if self._file is not None:
            self._interrupt(cause)
        elif self._gap is not None and self._gap.cause is GapCause.CAMERA_LOST:
            self._gap = self._gap._replace(cause=cause)

    def fail(self) -> None:
        """Something unforeseen happened: give up the open file, keep what is in it."""

        def give_up(_: SegmentFile) -> None:
            raise OSError(errno.EIO, "the writer failed")

        self._guard(give_up)

    def tend(self, is_quiet: bool) -> bool:
        """To be called several times a second; `is_quiet`: no packet waits. True when the segment was closed because
        no pictures come: the next one must be a key picture."""
        now = self._clock()
        is_idle = is_quiet and self._file is not None and now - self._file.last_up_ns > IDLE_NS
        if is_idle:
            self._interrupt(GapCause.CAMERA_LOST)
        elif self._file is not None and not self._file.is_synced and now - self._last_sync_ns >= SYNC_EVERY_NS:
            self._sync()
        self._reports.deliver(now, is_disk_well=self.trouble is None)
        return is_idle

    def open_segment(self) -> str:
        """The name of the file being written, '' for none; from any thread."""
        file = self._file
        return "" if file is None else file.path.name

    def sync_ms_worst(self) -> float:
        """The longest wait for the disk of the last ten seconds, for a sync or anything else, one that still goes on
        included, in milliseconds."""
        now, began = self._clock(), self._waiting_since_ns
        running = 0.0 if began is None else (now - began) / 1e6
        return max([running, *(ms for at, ms in tuple(self._waits) if now - at < 10 * NS)])

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """A frozen card may hang a plain write as well as a sync: all that touches it is timed."""
        began = self._waiting_since_ns = self._clock()
        try:
            yield
        finally:
            now, self._waiting_since_ns = self._clock(), None
            if now - began >= SHORTEST_WAIT_NS:
                self._waits.append((now, (now - began) / 1e6))

    # --- files --------------------------------------------------------------------------------------------------

    def _is_due(self, up_ns: int) -> bool:
        assert self._file is not None
        if self._cut_after_ns is not None and up_ns > self._cut_after_ns:
            return True
        # half a picture early: key pictures come a second apart, and ten of them may fall a microsecond short
        return up_ns - self._file.first_up_ns >= self._recording.segment_s * NS - self._picture_ns / 2

    def _open(self, packet: EncodedPacket) -> bool:
        up_ns = packet.up_ns
        if not packet.is_key:
            began_ns = up_ns if self._last_ns is None else self._last_ns + self._picture_ns
            self._gap = self._gap or OpenGap(began_ns, GapCause.CAMERA_LOST)
            return False
        if self.trouble is not None and self._clock() - self._last_try_ns < RETRY_NS:
            return False
        self._last_try_ns = self._clock()
        name = SegmentName(
            self._recording.boot, self._ordinal + 1, up_ns // 1_000_000, self._to_utc(up_ns), self._sitting
        )
        try:
            with self._timed():
                self._place.check()
                make_folder(self._recording.folder)
                self._check_space()
                self._file = SegmentFile(self._recording.folder, name, self._recording.size, self._recording.fps, up_ns)
        except OSError as error:
            self._fail(error, up_ns)
            return False
        self._ordinal += 1
        self._last_sync_ns = self._clock()
        if self._cut_after_ns is not None and up_ns > self._cut_after_ns:
            self._cut_after_ns = None
        if self.trouble is None:
            self._end_gap(up_ns)
        return True

    def _append(self, file: SegmentFile, packet: EncodedPacket) -> None:
        before = file.size_bytes
        file.write(packet)
        self.frames_written += 1
        self.bytes_written += file.size_bytes - before
        self.last_written_up_ns = self._last_ns = packet.up_ns

    def _sync(self) -> None:
        if self._file is None:
            return
        is_well = self._guard(lambda file: file.sync())
        self._last_sync_ns = self._clock()
        if is_well and self.trouble is not None:
            # only a synced picture proves that the disk works again
            self.trouble = None
            self._end_gap(self._file.first_up_ns)
        if is_well:
            self._guard(lambda file: self._check_space())

    def _close(self, next_up_ns: int | None) -> None:
        def close(file: SegmentFile) -> None:
            self._reports.closed(file.close(next_up_ns))
            self._file = None

        first_up_ns = 0 if self._file is None else self._file.first_up_ns
        if self._guard(close) and self.trouble is not None:
            self.trouble = None
            self._end_gap(first_up_ns)

    def _interrupt(self, cause: GapCause | None) -> None:
        assert self._file is not None
        ended_ns = self._file.last_up_ns + self._picture_ns
        self._close(None)
        if cause is not None:
            self._gap = self._gap or OpenGap(ended_ns, cause)

    def _guard(self, act: Callable[[SegmentFile], None]) -> bool:
        """Do something with the open file; False when the disk refused, which is then seen to."""
        file = self._file
        if file is None:
            return False
        try:
            with self._timed():
                act(file)
        except OSError as refused:
            error = self._unmounted() or refused
            self._file = None
            kept = file.keep()
            if kept is not None:
                self._reports.closed(kept)
                gap_ns = file.last_up_ns + self._picture_ns if file.frames else file.first_up_ns
            else:
                is_removed = error.errno == errno.ENOENT  # else what was synced is still on the disk, wherever it is
                gap_ns = file.first_up_ns if is_removed else file.synced_up_ns
                self._reports.left_open(file.path)
            self._fail(error, gap_ns)
            return False
        return True

    def _fail(self, error: OSError, began_up_ns: int) -> None:
        kind = kind_of(error)
        if self.trouble != kind:
            log.error("recording stopped: %s: %s", kind, error)
        self.trouble = kind
        self._last_try_ns = self._clock()
        cause = GapCause.STORAGE_FULL if kind == "full" else GapCause.STORAGE_FAILED
        if self._gap is not None and self._gap.cause is GapCause.CAMERA_LOST:
            # the camera is back and finds the disk gone: one gap ends where the other begins
            if began_up_ns - self._gap.began_up_ns > HOLE_NS:
                self._end_gap(began_up_ns)
            else:
                began_up_ns, self._gap = self._gap.began_up_ns, None
        if self._gap is None:
            self._gap = OpenGap(began_up_ns, cause)

    def _unmounted(self) -> OSError | None:
        try:
            self._place.check()
        except OSError as error:
            return error
        return None

    def _check_space(self) -> None:
        self._place.check()
        space = os.statvfs(self._recording.folder)
        if space.f_bavail * space.f_frsize < self._recording.reserve_bytes:
            raise OSError(errno.ENOSPC, "less is free than is reserved for the records", str(self._recording.folder))

    # --- gaps ---------------------------------------------------------------------------------------------------

    def _tell_drops(self, stretch: tuple[int, int] | None) -> None:
        if stretch is not None:
            self._reports.gap(*stretch, GapCause.OVERLOAD)

    def _end_gap(self, up_ns: int) -> None:
        gap, self._gap = self._gap, None
        if gap is None:
            return
        if gap.cause is GapCause.CAMERA_LOST and up_ns - gap.began_up_ns <= HOLE_NS:
            return
        if up_ns > gap.began_up_ns:
            self._reports.gap(gap.began_up_ns, up_ns, gap.cause)
