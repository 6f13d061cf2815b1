"""The desk's recording: pictures go in and never wait; segment files and gaps come out.

Two threads. One encodes, so that the camera never waits for x264; one writes, so that x264 never waits for the disk.
Between them are rows with a limit; what does not fit is dropped, counted and reported as a gap. `begin`, `end` and
`cut` go through the same rows as the pictures, so they take effect between the very pictures they were called between.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from agent.core.segments import ClosedSegment, SegmentName
from agent.recording.encoder import EncodedPacket, Frame, Mask, SoftwareEncoder, unmasked
from agent.recording.inbox import Inbox
from agent.recording.reports import RETRY_NS
from agent.recording.writing import RESERVE_BYTES, Recording, Writing
from agent.wire import GapCause

log = logging.getLogger(__name__)

WAITING_S = 1.0
"""Pictures that may wait for the encoder: 1.4 MB each at 1280x720, so not many."""
WAITING_PACKETS_S = 30.0
"""Packets that may wait for the disk: 190 kB a second; cards are known to stall for seconds."""
TICK_S = 0.1


def boot_ns() -> int:
    """CLOCK_BOOTTIME in nanoseconds, the clock of every capture instant."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Progress(NamedTuple):
    """How the recording goes, for the fault rules.

    `frames_written`, `bytes_written`, `frames_dropped` count since the recorder was made; `last_written_up_ns` is the
    capture instant of the newest written picture (None before the first); `sync_ms_worst` the longest sync of the
    last ten seconds, a running one included. `trouble` is None, or why nothing is recorded in a sitting: `full`,
    `read-only`, `gone`, `io` (the disk) or `encoder`. `open_segment` names the file being written, '' for none.
    """

    frames_written: int
    last_written_up_ns: int | None
    bytes_written: int
    frames_dropped: int
    sync_ms_worst: float
    trouble: str | None
    open_segment: str = ""


class _Begin(NamedTuple):
    sitting: str
    up_ns: int


class _End(NamedTuple):
    up_ns: int
    done: threading.Event


class _Cut(NamedTuple):
    up_ns: int


class _Dropped(NamedTuple):
    """Pictures are missing here."""


class _EncoderFailed(NamedTuple):
    """No packets come until the next encoder works."""


_ToWriter = EncodedPacket | _Begin | _End | _Cut | _Dropped | _EncoderFailed
_ToEncoder = Frame | EncodedPacket | _Begin | _End | _Cut | _Dropped


class Recorder:
    """Records while a sitting runs. All methods may be called from any thread."""

    def __init__(
        self,
        folder: Path,
        *,
        boot: int,
        size: tuple[int, int],
        fps: float,
        bitrate_bps: int = 1_500_000,
        segment_s: float = 10.0,
        reserve_bytes: int = RESERVE_BYTES,
        to_utc_ms: Callable[[int], int],
        on_closed: Callable[[ClosedSegment], None],
        on_gap: Callable[[int, int, GapCause], None],
        clock: Callable[[], int] = boot_ns,
        mask: Mask = unmasked,
    ) -> None:
        """`to_utc_ms` turns an instant of `clock` (CLOCK_BOOTTIME nanoseconds) into UTC milliseconds; `mask` gives each
        picture as it may be seen, see SoftwareEncoder.

        `on_closed(segment)` and `on_gap(began_up_ns, ended_up_ns, cause)` are called in the writer's thread, in
        order; when one raises it is called again every second. The stretch before a sitting's first picture is not
        told as a gap, unless no picture comes at all: the caller knows what an earlier run recorded.
        No thread and no file is made before `begin`.
        """
        recording = Recording(folder, boot, size, fps, bitrate_bps, segment_s, reserve_bytes)
        self._recording = recording
        self._clock, self._mask = clock, mask
        self._writing = Writing(recording, clock, to_utc_ms, on_closed, on_gap)
        self._pictures: Inbox[_ToEncoder] = Inbox(max(4, round(WAITING_S * recording.fps)))
        self._packets: Inbox[_ToWriter] = Inbox(round(WAITING_PACKETS_S * recording.fps))
        self._lock = threading.Lock()
        self._is_recording = False
        self._has_dropped = False
        self._frames_dropped = self._packets_dropped = 0
        self._is_key_wanted = False
        self._key_after_ns: int | None = None
        self._is_broken = False
        self._encoder_trouble: str | None = None
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def begin(self, sitting: str) -> None:
        """Record from now on for this sitting; one that runs is ended. Raises ValueError for a sitting whose name
        cannot be part of a file's."""
        SegmentName(0, 0, 0, 0, sitting).text()
        with self._lock:
            if not self._threads:
                for work in (self._encode, self._write):
                    self._threads.append(threading.Thread(target=work, name=f"recorder{work.__name__}", daemon=True))
                    self._threads[-1].start()
            self._is_recording = True
            self._pictures.put_always(_Begin(sitting, self._clock()))

    def end(self, timeout_s: float = 10.0) -> bool:
        """Stop recording; True when the last segment is closed and synced, False when the disk took longer."""
        with self._lock:
            if not self._is_recording:
                return True
            self._is_recording = False
            if self._has_dropped:
                self._pictures.put_always(_Dropped())
                self._has_dropped = False
            done = threading.Event()
            self._pictures.put_always(_End(self._clock(), done))
        return done.wait(timeout_s)

    def close(self, timeout_s: float = 10.0) -> bool:
        """`end`, and the threads with it; False when the disk took longer. The recorder cannot be used again."""
        is_done = self.end(timeout_s)
        self._pictures.close()
        for thread in self._threads:
            thread.join(timeout_s)
        return is_done and not any(thread.is_alive() for thread in self._threads)

    def feed(self, frame: Frame) -> None:
        """One captured picture. Never waits, never raises; outside a sitting it is ignored."""
        self._feed(frame)

    def feed_packet(self, packet: EncodedPacket) -> None:
        """One packet of a camera that encodes by itself, and has to mask what is private by itself. As `feed`; the two
        are not to be mixed in one sitting."""
        self._feed(packet)

    def cut(self) -> None:
        """Close the segment as soon as the pictures captured until now are in it."""
        self._pictures.put_always(_Cut(self._clock()))

    def progress(self) -> Progress:
        """How it goes; never waits for the disk."""
        writing = self._writing
        return Progress(
            writing.frames_written,
            writing.last_written_up_ns,
            writing.bytes_written,
            self._frames_dropped + self._packets_dropped,
            writing.sync_ms_worst(),
            writing.trouble or self._encoder_trouble,
            writing.open_segment(),
        )

    def _feed(self, thing: Frame | EncodedPacket) -> None:
        with self._lock:
            if not self._is_recording:
                return
            if self._has_dropped and self._pictures.put(_Dropped()):
                self._has_dropped = False
            if self._has_dropped or not self._pictures.put(thing):
                self._frames_dropped += 1
                self._has_dropped = True

    # --- the encoder's thread -----------------------------------------------------------------------------------

    def _encode(self) -> None:
        encoder: SoftwareEncoder | None = None
        retry_ns = 0
        while not self._pictures.is_finished:
            thing = self._pictures.get(TICK_S)
            if thing is None:
                continue
            if isinstance(thing, EncodedPacket):
                self._pass_on(thing)
            elif isinstance(thing, _Begin | _End):
                self._finish(encoder)
                encoder = None
                self._encoder_trouble = None
                retry_ns = 0
                self._packets.put_always(thing)
            elif isinstance(thing, _Cut | _Dropped):
                if isinstance(thing, _Cut):
                    self._key_after_ns = thing.up_ns
                self._packets.put_always(thing)
            elif self._clock() >= retry_ns:
                encoder = self._encode_one(encoder, thing)
                retry_ns = 0 if encoder else self._clock() + RETRY_NS
        self._finish(encoder)
        self._packets.close()

    def _encode_one(self, encoder: SoftwareEncoder | None, frame: Frame) -> SoftwareEncoder | None:
        recording = self._recording
        try:
            encoder = encoder or SoftwareEncoder(recording.size, recording.fps, recording.bitrate_bps, mask=self._mask)
            if self._key_after_ns is not None and frame.up_ns > self._key_after_ns:
                self._is_key_wanted = True
                self._key_after_ns = None
            if self._is_key_wanted:
                self._is_key_wanted = False
                encoder.force_key()
            for packet in encoder.encode(frame):
                self._pass_on(packet)
        except Exception:  # the thread must live on: the next encoder may work
            log.exception("the encoder failed")
            self._encoder_trouble = "encoder"
            self._packets.put_always(_EncoderFailed())
            if encoder is not None:
                encoder.close()
            return None
        self._encoder_trouble = None
        return encoder

    def _finish(self, encoder: SoftwareEncoder | None) -> None:
        if encoder is None:
            return
        try:
            for packet in encoder.flush():
                self._pass_on(packet)
        except Exception:  # the sitting's end must still reach the writer
            log.exception("the encoder failed at its end")
        encoder.close()

    def _pass_on(self, packet: EncodedPacket) -> None:
        """Hand a packet to the writer. After a lost one nothing can be decoded before the next key packet."""
        if self._is_broken and packet.is_key:
            self._is_broken = not self._packets.put(_Dropped())
        if self._is_broken or not self._packets.put(packet):
            self._packets_dropped += 1
            self._is_broken = True
            self._is_key_wanted = True

    # --- the writer's thread ------------------------------------------------------------------------------------

    def _write(self) -> None:
        while not self._packets.is_finished:
            thing = self._packets.get(TICK_S)
            try:
                self._write_one(thing)
                if self._writing.tend(is_quiet=thing is None):
                    self._is_key_wanted = True
            except Exception:  # the thread must live on: the next segment may work
                log.exception("the writer failed")
                self._writing.fail()
            if isinstance(thing, _End):
                thing.done.set()

    def _write_one(self, thing: _ToWriter | None) -> None:
        writing = self._writing
        match thing:
            case EncodedPacket():
                writing.write(thing)
            case _Begin(sitting, up_ns):
                writing.begin(sitting, up_ns)
            case _End(up_ns):
                writing.end(up_ns)
            case _Cut(up_ns):
                writing.cut(up_ns)
            case _Dropped():
                writing.dropped()
            case _EncoderFailed():
                writing.interrupt(GapCause.ENCODER_FAILED)
