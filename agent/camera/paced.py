"""What every camera here shares: a thread that captures, the newest picture, the encoder's feed, a stop that ends.

Rules of this file: the capture thread owns the device from opening to closing, so a read that never returns can
be left behind; the picture for vision is made in the reader's thread, so frames nobody looks at cost nothing.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.camera import VISION_SIZE, CameraLost, MainFrame, Picture

STOP_WAIT_S = 2.0
"""How long `stop` waits for the capture thread before it leaves a hung read to itself."""

BLACK_Y, BLACK_UV = 16, 128
"""Black in limited-range YUV (ITU-R BT.601)."""


def boot_ns() -> int:
    """The capture stamp: CLOCK_BOOTTIME in nanoseconds, which goes on through suspend and never steps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Captured(NamedTuple):
    """One picture as the capture thread hands it over; `i420` is not written again afterwards."""

    up_ns: int
    i420: NDArray[np.uint8]


def even_size(size: tuple[int, int]) -> tuple[int, int]:
    """`size` if both sides are even and at least 16; raises ValueError otherwise (4:2:0 needs even sides)."""
    width, height = size
    if width < 16 or height < 16 or width % 2 or height % 2:
        raise ValueError(f"a picture of {width}x{height} cannot be recorded: both sides must be even, from 16 up")
    return size


def fit_within(inner: tuple[int, int], outer: tuple[int, int]) -> tuple[int, int, int, int]:
    """Even x, y, width, height of the largest `inner` scaled into `outer` with its aspect kept, centred."""
    scale = min(outer[0] / inner[0], outer[1] / inner[1])
    width = max(2, min(outer[0], round(inner[0] * scale)) // 2 * 2)
    height = max(2, min(outer[1], round(inner[1] * scale)) // 2 * 2)
    return (outer[0] - width) // 4 * 2, (outer[1] - height) // 4 * 2, width, height


def black_i420(size: tuple[int, int]) -> NDArray[np.uint8]:
    """A black I420 picture, shape (height * 3 // 2, width)."""
    width, height = size
    picture = np.full((height * 3 // 2, width), BLACK_UV, np.uint8)
    picture[:height] = BLACK_Y
    return picture


def planes(i420: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Views of the Y, U and V planes: (height, width) and twice (height // 2, width // 2)."""
    height, width = i420.shape[0] * 2 // 3, i420.shape[1]
    chroma = i420[height:].reshape(2, height // 2, width // 2)
    return i420[:height], chroma[0], chroma[1]


def letterboxed(picture: NDArray[np.uint8], x: int, y: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """An I420 picture laid at even `x`, `y` into a black one of `size`; itself when it fills that."""
    if picture.shape == (size[1] * 3 // 2, size[0]):
        return picture
    boxed = black_i420(size)
    for shift, whole, part in zip((0, 1, 1), planes(boxed), planes(picture), strict=True):
        top, left = y >> shift, x >> shift
        whole[top : top + part.shape[0], left : left + part.shape[1]] = part
    return boxed


def small_i420(i420: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An I420 picture within VISION_SIZE, its aspect kept; itself when it fits."""
    y, u, v = planes(i420)
    height, width = y.shape
    if width <= VISION_SIZE[0] and height <= VISION_SIZE[1]:
        return i420
    _, _, width, height = fit_within((width, height), VISION_SIZE)
    small = np.empty((height * 3 // 2, width), np.uint8)
    small_y, small_u, small_v = planes(small)
    cv2.resize(y, (width, height), dst=small_y, interpolation=cv2.INTER_AREA)
    cv2.resize(u, (width // 2, height // 2), dst=small_u, interpolation=cv2.INTER_AREA)
    cv2.resize(v, (width // 2, height // 2), dst=small_v, interpolation=cv2.INTER_AREA)
    return small


def vision_rgb(i420: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB within VISION_SIZE. The planes are scaled before the conversion: a quarter of the work."""
    return np.asarray(cv2.cvtColor(small_i420(i420), cv2.COLOR_YUV2RGB_I420), np.uint8)


class PacedCamera(ABC):
    """A Camera whose subclass says only how it opens and what comes next."""

    def __init__(self, size: tuple[int, int], fps: float) -> None:
        if fps <= 0:
            raise ValueError(f"{fps} pictures a second cannot be recorded")
        self._size = even_size(size)
        self._fps = fps
        self._stopping = threading.Event()
        self._news = threading.Condition()
        self._newest: MainFrame | None = None
        self._lost = ""
        self._thread: threading.Thread | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of every MainFrame."""
        return self._size

    @property
    def fps(self) -> float:
        """Nominal pictures a second given to the encoder feed."""
        return self._fps

    @abstractmethod
    def _capture(self) -> Iterator[Captured]:
        """Open the source, yield its pictures at their instants, close it. Runs in the capture thread;
        leaves when `_stopping` is set; raises CameraLost when there is nothing more to come."""

    @property
    @abstractmethod
    def _name(self) -> str:
        """What a person calls this camera, for messages."""

    def start(self, feed: Callable[[MainFrame], None] | None, timeout_s: float = 10.0) -> None:
        """Begin capturing; returns with the first picture. Raises CameraLost when none came in `timeout_s`."""
        if self._thread is not None:
            raise RuntimeError(f"{self._name} was started before")
        self._thread = threading.Thread(target=self._run, args=(feed,), name="camera", daemon=True)
        self._thread.start()
        with self._news:
            self._news.wait_for(lambda: self._newest is not None or self._lost, timeout_s)
            lost = self._lost or ("" if self._newest else f"{self._name} gave no picture in {timeout_s:g} s")
        if lost:
            self.stop()
            raise CameraLost(lost)

    def newest(self, after: int, timeout_s: float) -> Picture | None:
        """See Camera.newest."""
        with self._news:
            self._news.wait_for(lambda: self._lost or self._number() > after, timeout_s)
            frame = self._newest
            if self._lost:
                raise CameraLost(self._lost)
        if frame is None or frame.number <= after:
            return None
        return Picture(frame.number, frame.up_ns, vision_rgb(frame.i420))

    def stop(self) -> None:
        """End capturing; a read that hangs is left behind after STOP_WAIT_S."""
        self._stopping.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(STOP_WAIT_S)
        self._lose(f"{self._name} was stopped")

    def _number(self) -> int:
        return 0 if self._newest is None else self._newest.number

    def _run(self, feed: Callable[[MainFrame], None] | None) -> None:
        number = 0
        try:
            for captured in self._capture():
                if self._stopping.is_set():
                    return
                number += 1
                frame = MainFrame(number, captured.up_ns, captured.i420)
                if feed is not None:
                    feed(frame)
                with self._news:
                    self._newest = frame
                    self._news.notify_all()
            self._lose(f"{self._name} ended")
        except CameraLost as error:
            self._lose(str(error))
        except Exception as error:  # the thread must not die unseen: a silent camera is the worst fault
            self._lose(f"{self._name} failed: {type(error).__name__}: {error}")

    def _lose(self, message: str) -> None:
        with self._news:
            self._lost = self._lost or message
            self._news.notify_all()

    def _wait_until(self, up_ns: int) -> bool:
        """Sleep until `up_ns`; False when the camera is to stop."""
        return not self._stopping.wait(max(0.0, (up_ns - boot_ns()) / 1e9))


class Pacer:
    """Gives pictures with time stamps of their own their instants in boot time.

    A source that fell more than a second behind is not hurried to catch up: its later pictures move.
    """

    MAX_LAG_NS = 1_000_000_000

    def __init__(self, begin_ns: int) -> None:
        self._base_ns = begin_ns
        self._last_ns = 0

    def due_ns(self, at_ns: int, now_ns: int) -> int:
        """When the picture stamped `at_ns` (never falling) is to be shown; strictly increasing."""
        due = self._base_ns + at_ns
        if now_ns - due > self.MAX_LAG_NS:
            self._base_ns += now_ns - due
            due = now_ns
        self._last_ns = max(due, self._last_ns + 1)
        return self._last_ns
