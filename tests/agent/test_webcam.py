"""The USB camera. There is none on a test machine, so what OpenCV opens is a film it reads, or a device that hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.camera import CameraLost, MainFrame
from agent.camera.paced import STOP_WAIT_S, planes
from agent.camera.webcam import Webcam
from tests.agent.test_footage import make_film
from tests.support import wait_for


class Plugged:
    """A camera whose reads a test decides."""

    def __init__(self, read: Callable[[], bool], size: tuple[int, int] = (640, 480)) -> None:
        self.read = read
        self.asked: dict[int, float] = {}
        self.is_released = threading.Event()
        self._picture = np.full((size[1], size[0], 3), 90, np.uint8)

    def isOpened(self) -> bool:
        return True

    def grab(self) -> bool:
        return self.read()

    def retrieve(self) -> tuple[bool, NDArray[np.uint8]]:
        return True, self._picture

    def set(self, prop: int, value: float) -> bool:
        self.asked[prop] = value
        return True

    def release(self) -> None:
        self.is_released.set()


@pytest.mark.parametrize(("device", "named"), [("63", "/dev/video63"), ("/dev/video-none", "/dev/video-none")])
def test_no_device_is_one_clear_line(device: str, named: str) -> None:
    """Index or path: the message names the device file."""
    with pytest.raises(CameraLost, match=named) as caught:
        Webcam(device).start(None)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_camera_is_refused(tmp_path: Path) -> None:
    """The real V4L2 driver says no to a plain file."""
    (tmp_path / "video0").write_bytes(b"")
    with pytest.raises(CameraLost, match="cannot be opened"):
        Webcam(str(tmp_path / "video0")).start(None)


def test_pictures_are_scaled_into_the_recording_with_bars(tmp_path: Path) -> None:
    """OpenCV reads a real film of 4:3; frames have the recording's size, rise in number and instant; at the film's
    end the camera is lost."""
    path = tmp_path / "film.mp4"
    make_film(path, 1.0, fps=10)
    frames: list[MainFrame] = []
    is_started = threading.Event()

    class Film:  # not derived from OpenCV's class, which corrupts the memory of the process
        def __init__(self, device: str) -> None:
            film = cv2.VideoCapture(device)
            self.isOpened, self.retrieve, self.set, self.release = film.isOpened, film.retrieve, film.set, film.release
            self._grab = film.grab

        def grab(self) -> bool:
            if frames:  # or all of it may be over before this thread has seen the first picture
                is_started.wait(60)
            return self._grab()

    camera = Webcam(str(path), (320, 180), 200.0, open_capture=Film)  # type: ignore[arg-type]
    camera.start(frames.append)
    is_started.set()

    def is_lost() -> bool:
        try:
            camera.newest(10**6, 0.01)
        except CameraLost as error:
            return "still plugged in" in str(error)
        return False

    wait_for(is_lost)
    camera.stop()
    assert frames
    assert all(later.up_ns > earlier.up_ns for earlier, later in pairwise(frames))
    luma = planes(frames[-1].i420)[0]
    assert frames[-1].i420.shape == (270, 320)
    assert luma[90, 4] == 16
    assert luma[90, 160] > 16


def test_the_camera_is_asked_for_what_is_recorded(tmp_path: Path) -> None:
    """MJPG, size and rate; a camera twice as fast is thinned out to the rate."""
    (tmp_path / "video0").touch()
    tick = threading.Event()
    device = Plugged(lambda: not tick.wait(1 / 60))
    frames: list[MainFrame] = []
    camera = Webcam(str(tmp_path / "video0"), (640, 360), 30.0, open_capture=lambda _: device)
    camera.start(frames.append)
    wait_for(lambda: len(frames) >= 15)
    camera.stop()
    assert device.asked[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")
    assert (device.asked[cv2.CAP_PROP_FRAME_WIDTH], device.asked[cv2.CAP_PROP_FRAME_HEIGHT]) == (640, 360)
    assert device.asked[cv2.CAP_PROP_FPS] == 30
    assert (frames[14].up_ns - frames[0].up_ns) / 14e9 > 0.75 / 30
    assert device.is_released.is_set()


def test_a_read_that_never_returns_does_not_hang_stop(tmp_path: Path) -> None:
    """`stop` comes back, `newest` says so, and the device is freed when the driver lets go of it at last."""
    (tmp_path / "video0").touch()
    lets_go = threading.Event()
    reads = iter(range(10**6))
    device = Plugged(lambda: next(reads) < 3 or not lets_go.wait())
    camera = Webcam(str(tmp_path / "video0"), (640, 360), 1000.0, open_capture=lambda _: device)
    camera.start(None)
    wait_for(lambda: next(reads) > 4)
    stopping = threading.Thread(target=camera.stop)
    stopping.start()
    stopping.join(STOP_WAIT_S * 10)
    assert not stopping.is_alive()
    with pytest.raises(CameraLost, match="stopped"):
        camera.newest(0, 10)
    assert not device.is_released.is_set()
    lets_go.set()
    assert device.is_released.wait(30)


def test_a_device_that_never_gives_a_picture_fails_to_start(tmp_path: Path) -> None:
    """An opening that hangs is told as such instead of hanging the desk."""
    (tmp_path / "video0").touch()
    lets_go = threading.Event()
    device = Plugged(lambda: not lets_go.wait())
    camera = Webcam(str(tmp_path / "video0"), (640, 360), 15.0, open_capture=lambda _: device)
    with pytest.raises(CameraLost, match="no picture in"):
        camera.start(None, timeout_s=0.2)
    lets_go.set()
    assert device.is_released.wait(30)
