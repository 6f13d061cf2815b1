"""Pictures to H.264 packets in software (x264). Packets come out at once, in order, one for each picture."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from fractions import Fraction
from types import TracebackType
from typing import NamedTuple, Protocol

import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from numpy.typing import NDArray

CLOCK_HZ = 90_000


class Frame(Protocol):
    """One captured picture; agent.camera.MainFrame is one. `i420` is planar YUV 4:2:0, limited range, uint8, shape
    (height * 3 // 2, width); `up_ns` its capture instant in CLOCK_BOOTTIME nanoseconds."""

    @property
    def up_ns(self) -> int: ...
    @property
    def i420(self) -> NDArray[np.uint8]: ...


Mask = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""An I420 picture in, the one that may be seen out; it must not write into the one it was given."""


def unmasked(i420: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Everything may be seen."""
    return i420


class EncodedPacket(NamedTuple):
    """One picture's H.264 bytes (Annex B). `up_ns` is its capture instant in CLOCK_BOOTTIME nanoseconds. A key
    packet carries SPS and PPS and can be decoded without anything before it."""

    data: bytes
    up_ns: int
    is_key: bool


class SoftwareEncoder:
    """x264 for one recording. Not for several threads at once.

    No B-pictures and no look-ahead, so nothing waits inside; a key picture at least every second of capture time,
    also when pictures are missing.
    """

    KEY_EVERY_NS = 1_000_000_000

    def __init__(
        self, size: tuple[int, int], fps: float, bitrate_bps: int, threads: int = 1, mask: Mask = unmasked
    ) -> None:
        """`size` is width and height, both even. `mask` is asked for each picture at the moment it is encoded: the last
        one at which what is private can be hidden. Raises av.error.FFmpegError when x264 refuses."""
        self._size, self._mask = size, mask
        context = VideoCodecContext.create("libx264", "w")
        context.width, context.height = size
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, CLOCK_HZ)
        context.framerate = Fraction(fps).limit_denominator(1001)
        context.bit_rate = bitrate_bps
        context.gop_size = max(1, round(fps))
        context.thread_count = threads
        context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "forced-idr": "1",  # else a forced key picture could refer to what lies before it
            "sc_threshold": "0",
            "maxrate": str(bitrate_bps * 3 // 2),
            "bufsize": str(bitrate_bps),
            # pictures come as BT.601 limited range; unmarked, players take anything of 720 lines for BT.709
            "color_range": "tv",
            "colorspace": "smpte170m",
            "color_primaries": "smpte170m",
            "color_trc": "smpte170m",
        }
        context.open()
        self._context: VideoCodecContext | None = context
        self._waiting: deque[tuple[int, int]] = deque()
        self._first_ns: int | None = None
        self._last_pts = -1
        self._last_key_ns = 0
        self._is_key_wanted = True

    def __enter__(self) -> SoftwareEncoder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def force_key(self) -> None:
        """Make the next picture a key picture."""
        self._is_key_wanted = True

    def encode(self, picture: Frame) -> list[EncodedPacket]:
        """The packets ready after this picture: with these settings its own. Raises ValueError for a picture of
        another size."""
        up_ns = picture.up_ns
        if picture.i420.shape != (self._size[1] * 3 // 2, self._size[0]):
            raise ValueError(f"a picture of shape {picture.i420.shape} for an encoder of {self._size}")
        if self._first_ns is None:
            self._first_ns = up_ns
        # strictly rising: x264 refuses two pictures with one stamp
        pts = max((up_ns - self._first_ns) * CLOCK_HZ // 1_000_000_000, self._last_pts + 1)
        frame = VideoFrame.from_ndarray(self._mask(picture.i420), format="yuv420p")
        frame.pts, frame.time_base = pts, Fraction(1, CLOCK_HZ)
        if self._is_key_wanted or up_ns - self._last_key_ns >= self.KEY_EVERY_NS:
            frame.pict_type = PictureType.I
            self._is_key_wanted = False
            self._last_key_ns = up_ns
        self._last_pts = pts
        self._waiting.append((pts, up_ns))
        return self._packets(frame)

    def flush(self) -> list[EncodedPacket]:
        """What x264 still holds; nothing can be encoded afterwards."""
        return self._packets(None)

    def close(self) -> None:
        """Free x264 and its threads. May be called twice."""
        self._waiting.clear()
        self._context = None

    def _packets(self, frame: VideoFrame | None) -> list[EncodedPacket]:
        packets: list[EncodedPacket] = []
        if self._context is None:
            return packets
        for packet in self._context.encode(frame):
            pts, up_ns = self._waiting.popleft()
            if packet.pts != pts:
                raise RuntimeError(f"x264 gave picture {packet.pts} where {pts} was due")
            packets.append(EncodedPacket(bytes(packet), up_ns, packet.is_keyframe))
        return packets
