"""A USB camera on Linux through OpenCV's V4L2 driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.camera import CameraLost
from agent.camera.paced import Captured, PacedCamera, boot_ns, fit_within, letterboxed

FAILED_READS = 3
"""Reads without a picture after which the camera counts as gone. The driver itself waits up to 10 s for each; an
unplugged camera fails at once."""


class Capture(Protocol):
    """What is used of cv2.VideoCapture."""

    def isOpened(self) -> bool: ...

    def grab(self) -> bool: ...

    def retrieve(self) -> tuple[bool, NDArray[np.uint8]]: ...

    def set(self, prop: int, value: float) -> bool: ...

    def release(self) -> None: ...


def open_v4l2(device: str) -> Capture:
    """`device` is an index ("0") or a path ("/dev/video0")."""
    return cv2.VideoCapture(int(device) if device.isdecimal() else device, cv2.CAP_V4L2)  # type: ignore[return-value]


class Webcam(PacedCamera):
    """The camera `device`, an index or path. It is asked for `size` and `fps`; whatever picture it gives is scaled
    into `size` with its aspect kept, and a faster camera's surplus pictures are left out."""

    def __init__(
        self,
        device: str,
        size: tuple[int, int] = (1280, 720),
        fps: float = 15.0,
        open_capture: Callable[[str], Capture] = open_v4l2,
    ) -> None:
        super().__init__(size, fps)
        self._device = device
        self._open_capture = open_capture

    @property
    def _name(self) -> str:
        return f"camera {_path(self._device)}"

    def _capture(self) -> Iterator[Captured]:
        path = _path(self._device)
        if not path.exists():
            raise CameraLost(f"{self._name}: no such device; is it plugged in?")
        capture = self._open_capture(self._device)
        try:
            if not capture.isOpened():
                raise CameraLost(f"{self._name} cannot be opened; does another program use it, or may we not read it?")
            self._ask(capture)
            yield from self._pictures(capture)
        finally:
            capture.release()

    def _ask(self, capture: Capture) -> None:
        # the format first: a camera that sends 720 lines uncompressed offers them only at a few pictures a second
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[1])
        capture.set(cv2.CAP_PROP_FPS, self._fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def _pictures(self, capture: Capture) -> Iterator[Captured]:
        failed = 0
        due_ns = last_ns = 0
        every_ns = round(1e9 / self._fps)
        while not self._stopping.is_set():
            is_there = capture.grab()
            up_ns = max(boot_ns(), last_ns + 1)
            if is_there and up_ns < due_ns - every_ns // 2:
                continue  # faster than we record: not even decoded
            is_there, bgr = capture.retrieve() if is_there else (False, None)
            if not is_there or bgr is None:
                failed += 1
                if failed == FAILED_READS:
                    raise CameraLost(f"{self._name} gives no pictures any more; is it still plugged in?")
                continue
            failed = 0
            last_ns = up_ns
            # from the last due instant, so that 30 a second become 15 and not 10; from now after a pause
            due_ns = due_ns + every_ns if up_ns - due_ns < every_ns else up_ns + every_ns
            yield Captured(up_ns, _recorded(bgr, self._size))


def _path(device: str) -> Path:
    return Path(f"/dev/video{device}" if device.isdecimal() else device)


def _recorded(bgr: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture as I420 of `size`, aspect kept, black around it."""
    x, y, width, height = fit_within((bgr.shape[1], bgr.shape[0]), size)
    if (bgr.shape[1], bgr.shape[0]) != (width, height):
        flags = cv2.INTER_AREA if bgr.shape[1] > width else cv2.INTER_LINEAR
        bgr = np.asarray(cv2.resize(bgr, (width, height), interpolation=flags), np.uint8)
    scaled = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420), np.uint8)
    return letterboxed(scaled, x, y, size)
