"""What every camera offers the desk; one implementation a file, and no camera library's type leaves its file.

`open_camera` in `agent.devices` picks one from the settings: `webcam`, `footage`, the demo `scenes`, or `picamera`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

VISION_SIZE = (640, 360)
"""Width and height within which the picture for vision is scaled, keeping its aspect."""


class CameraLost(Exception):
    """The camera cannot be opened, or ended; the message says which and what to do."""


class MainFrame(NamedTuple):
    """One captured picture for the encoder.

    `i420` is planar YUV 4:2:0, uint8, shape (height * 3 // 2, width), even width and height, limited range.
    `up_ns` is the capture instant in CLOCK_BOOTTIME nanoseconds; strictly increasing.
    """

    number: int
    up_ns: int
    i420: NDArray[np.uint8]


class Picture(NamedTuple):
    """The newest captured picture for vision and stills: RGB uint8 (height, width, 3) within VISION_SIZE."""

    number: int
    up_ns: int
    rgb: NDArray[np.uint8]


class Camera(Protocol):
    """Newest frame wins: `newest` never queues, and a slow reader costs nobody else a frame."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of every MainFrame."""

    @property
    def fps(self) -> float:
        """Nominal pictures a second given to the encoder feed."""

    def start(self, feed: Callable[[MainFrame], None] | None) -> None:
        """Begin capturing in a thread of the camera's own. `feed` gets every frame, must not block and must not
        raise. Raises CameraLost when the camera cannot be opened."""

    def newest(self, after: int, timeout_s: float) -> Picture | None:
        """The newest picture with a number above `after`; waits up to `timeout_s`, then None.
        Raises CameraLost when capturing has ended for good."""

    def stop(self) -> None:
        """End capturing and free the device. May be called twice."""
