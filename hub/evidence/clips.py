"""Film cut from stored segments and put into another container, picture by picture as the desk encoded it.

The first segment's key picture at or before the wanted moment begins the clip. Time stamps go on over the borders of
the segments, and a hole in the recording is a hole in the clip (hub.core.film). Each file's SHA-256 is checked on the
way: what is shown is what the desk has sealed, or it is not shown.

PyAV, because it is the muxer of ffmpeg in this process: no second program to install, one segment in memory at a time.
The decoder's configuration in the file (avcC) is made from the stream's own SPS and PPS, never from an encoder opened
for the purpose, which strict players refuse.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.error

from hub.core.film import Cut, Placed, Segment
from hub.evidence.storage import Missing, Storage

log = logging.getLogger(__name__)

CLOCK_HZ = 90_000
_PER_MS = CLOCK_HZ // 1000


class Form(NamedTuple):
    """How a clip is given out: the muxer's name, the MIME type, and the options of a file that is whole at its end and
    of one that is sent while it is made."""

    name: str
    muxer: str
    mimetype: str
    whole: dict[str, str]
    running: dict[str, str]


FORMS = {
    form.name: form
    for form in (
        Form(
            "mp4",
            "mp4",
            "video/mp4",
            {"movflags": "faststart", "video_track_timescale": str(CLOCK_HZ)},
            {"movflags": "frag_keyframe+empty_moov+default_base_moof", "video_track_timescale": str(CLOCK_HZ)},
        ),
        Form("mkv", "matroska", "video/x-matroska", {}, {"live": "1"}),
        Form("ts", "mpegts", "video/mp2t", {}, {"flush_packets": "1"}),
    )
}
"""By the name that RECORDING_FORMAT has for it."""
MP4 = FORMS["mp4"]


class CannotCut(Exception):
    """The clip cannot be made from what the hub has; the text says which file is missing or damaged and what to do."""


class Written(NamedTuple):
    """What a clip holds: how many pictures, and at which time of its `Cut` it begins and ends. `changes_at_ms`: from
    there on the film is encoded otherwise and does not fit into this file; None when all of it is in."""

    pictures: int
    begin_ms: int
    end_ms: int
    changes_at_ms: int | None = None


class _Pictures:
    """The packets of one segment, their time stamps counted from its first picture, in 1/90000 s."""

    def __init__(self, storage: Storage, segment: Segment) -> None:
        self.segment = segment
        data = _checked(storage, segment)
        try:
            self._container: Any = av.open(io.BytesIO(data), format="mpegts")
            self.stream = self._container.streams.video[0]
        except (av.error.FFmpegError, IndexError) as error:
            raise CannotCut(f"{segment.name} of {segment.unit} is no film that can be read: {error}") from None
        self.parameters = bytes(self.stream.codec_context.extradata or b"")

    def __enter__(self) -> _Pictures:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        first: int | None = None
        for packet in self._container.demux(self.stream):
            if packet.pts is not None:
                first = packet.pts if first is None else first
                yield packet.pts - first, packet


def _checked(storage: Storage, segment: Segment) -> bytes:
    try:
        data = storage.read(segment.sha256)
    except Missing:
        raise CannotCut(f"the hub's file of {segment.name} of {segment.unit} is gone: run `ems-hub check`") from None
    if hashlib.sha256(data).hexdigest() != segment.sha256:
        raise CannotCut(f"the hub's file of {segment.name} of {segment.unit} was changed: run `ems-hub check`")
    return data


def key_before(storage: Storage, cut: Cut) -> int:
    """The cut's time of the key picture with which its clip begins: the last at or before `from_ms`."""
    if cut.from_ms <= cut.placed[0].at_ms:
        return cut.placed[0].at_ms
    with _Pictures(storage, cut.placed[0].segment) as pictures:
        return _key_before(pictures, cut)


def _key_before(pictures: _Pictures, cut: Cut) -> int:
    last = 0
    for stamp, packet in pictures:
        if stamp > cut.from_ms * _PER_MS:
            break
        if packet.is_keyframe:
            last = stamp
    return cut.placed[0].at_ms + last // _PER_MS


class _Muxing:
    """One clip being written."""

    def __init__(self, storage: Storage, cut: Cut, target: Any, form: Form, options: dict[str, str]) -> None:
        self._storage, self._cut = storage, cut
        self._begin_ms = key_before(storage, cut)
        self._last = -1
        self._parameters: bytes | None = None
        self._stream: Any = None
        self._out = av.open(target, "w", format=form.muxer, options=options)
        self.written = Written(0, self._begin_ms, self._begin_ms)

    def close(self) -> None:
        self._out.close()

    def add(self, placed: Placed) -> bool:
        """Write a segment's part of the clip; False when the clip ends before it, because it is encoded otherwise."""
        with _Pictures(self._storage, placed.segment) as pictures:
            if self._stream is None:
                self._stream = self._out.add_stream_from_template(pictures.stream)
                self._stream.time_base = Fraction(1, CLOCK_HZ)
                self._parameters = pictures.parameters
            elif pictures.parameters != self._parameters:
                self.written = self.written._replace(changes_at_ms=placed.at_ms)
                return False
            count, end_ms = self._mux(pictures, placed)
        if placed.segment.frames != count and self._is_whole(placed):
            log.warning(
                "%s of %s holds %d pictures, its record says %d",
                placed.segment.name,
                placed.segment.unit,
                count,
                placed.segment.frames,
            )
        self.written = self.written._replace(pictures=self.written.pictures + count, end_ms=end_ms)
        return True

    def _is_whole(self, placed: Placed) -> bool:
        return self._begin_ms <= placed.at_ms and placed.end_ms <= self._cut.until_ms

    def _mux(self, pictures: _Pictures, placed: Placed) -> tuple[int, int]:
        count, end_ms = 0, self.written.end_ms
        offset = (placed.at_ms - self._begin_ms) * _PER_MS
        for stamp, packet in pictures:
            at = stamp + offset
            if at < 0:
                continue
            if at >= (self._cut.until_ms - self._begin_ms) * _PER_MS:
                break
            self._last = max(at, self._last + 1)  # a muxer refuses two pictures with one stamp
            packet.pts = packet.dts = self._last
            packet.time_base = Fraction(1, CLOCK_HZ)
            packet.stream = self._stream
            self._out.mux_one(packet)
            count, end_ms = count + 1, self._begin_ms + self._last // _PER_MS
        return count, end_ms


def build(storage: Storage, cut: Cut, path: Path, form: Form = MP4) -> Written:
    """Write the clip to `path`. Raises CannotCut, StorageProblem and OSError."""
    muxing = _Muxing(storage, cut, str(path), form, form.whole)
    try:
        for placed in cut.placed:
            if not muxing.add(placed):
                break
    finally:
        muxing.close()
    return muxing.written


class _Collected:
    """Where a muxer writes what is sent at once; without `seek`, so that it never goes back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def stream(storage: Storage, cut: Cut, form: Form = MP4) -> Generator[bytes, None, None]:
    """The clip's bytes while it is made, a segment at a time: for lengths that nobody waits for. Stops where a file is
    missing, damaged or encoded otherwise, and says so in the log: what was sent plays. The first bytes raise CannotCut
    when nothing can be played; closing the iterator ends the work."""
    collected = _Collected()
    muxing = _Muxing(storage, cut, collected, form, form.running)
    try:
        for number, placed in enumerate(cut.placed):
            try:
                if not muxing.add(placed):
                    log.warning("a clip ends at %s: it is encoded otherwise from there on", placed.segment.name)
                    break
            except CannotCut as cannot:
                if not number:
                    raise
                log.error("a clip ends early: %s", cannot)
                break
            yield collected.take()
    finally:
        muxing.close()
    yield collected.take()
