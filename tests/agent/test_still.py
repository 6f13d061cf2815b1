"""Small JPEGs for people."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.vision.still import LIVE_SIZE, jpeg_within


def noise(width: int, height: int) -> NDArray[np.uint8]:
    """The picture that packs worst."""
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def decoded(jpeg: bytes) -> NDArray[np.uint8]:
    """RGB, as it went in."""
    assert jpeg.startswith(b"\xff\xd8")
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((640, 360), (320, 180)), ((640, 480), (240, 180)), ((360, 640), (101, 180)), ((200, 100), (200, 100))],
)
def test_it_fits_and_keeps_its_aspect(size: tuple[int, int], expected: tuple[int, int]) -> None:
    """Scaled down until it fits a tile, never up, never squeezed."""
    jpeg = jpeg_within(np.full((size[1], size[0], 3), 90, np.uint8), LIVE_SIZE, 48_000)
    assert jpeg is not None
    height, width = decoded(jpeg).shape[:2]
    assert (width, height) == expected


def test_without_a_size_every_pixel_stays() -> None:
    """Evidence is not scaled."""
    jpeg = jpeg_within(np.full((360, 640, 3), 90, np.uint8), None, 60_000)
    assert jpeg is not None
    assert decoded(jpeg).shape == (360, 640, 3)


def test_red_stays_red() -> None:
    """RGB goes in; the JPEG shows the colours of the room, not their mirror."""
    picture = np.zeros((180, 320, 3), np.uint8)
    picture[:, :, 0] = 200
    jpeg = jpeg_within(picture, None, 60_000)
    assert jpeg is not None
    red, green, blue = decoded(jpeg).reshape(-1, 3).mean(axis=0)
    assert red > 180
    assert max(green, blue) < 30


@pytest.mark.parametrize("limit_bytes", [60_000, 100_000, 200_000])
def test_the_limit_holds_for_the_worst_picture(limit_bytes: int) -> None:
    """Quality falls until it fits; when it never fits there is no picture rather than one that is refused."""
    jpeg = jpeg_within(noise(640, 360), None, limit_bytes)
    assert jpeg is None or len(jpeg) <= limit_bytes
    assert jpeg is not None or limit_bytes < 100_000


def test_what_can_never_fit_is_none() -> None:
    """No JPEG has a hundred bytes."""
    assert jpeg_within(noise(64, 64), None, 100) is None


def test_a_live_still_of_the_worst_picture_fits() -> None:
    """The tile of the proctor's wall is there whatever the camera sees."""
    assert jpeg_within(noise(640, 360), LIVE_SIZE, 48_000) is not None


def test_the_given_picture_is_left_alone() -> None:
    """Vision's picture is shared: nobody may draw on it."""
    picture = noise(640, 360)
    before = picture.copy()
    jpeg_within(picture, LIVE_SIZE, 48_000)
    assert np.array_equal(picture, before)
