"""How large a JPEG says it is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.jpeg import MOST_SIDE, size_of, trouble_of


def encoded(width: int, height: int, *options: int) -> bytes:
    is_done, data = cv2.imencode(".jpg", np.full((height, width, 3), 90, np.uint8), options)
    assert is_done
    return data.tobytes()


def claiming(width: int, height: int) -> bytes:
    """A picture whose head was changed to claim another size."""
    data = bytearray(encoded(64, 64))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 4)])
@pytest.mark.parametrize("size", [(640, 360), (1, 1), (101, 180), (2_000, 3)])
def test_it_is_what_the_decoder_finds(size: tuple[int, int], options: tuple[int, ...]) -> None:
    data = encoded(*size, *options)
    assert size_of(data) == size
    assert trouble_of(data) == ""


def test_comments_and_fill_bytes_are_passed_over() -> None:
    data = encoded(32, 16)
    assert size_of(data[:2] + b"\xff\xfe\x00\x06\xff\xc0ab" + b"\xff\xff" + data[2:]) == (32, 16)


@pytest.mark.parametrize("size", [(65_535, 65_535), (MOST_SIDE + 1, 10), (10, MOST_SIDE + 1), (0, 10), (10, 0)])
def test_a_picture_that_would_cost_the_memory_is_refused(size: tuple[int, int]) -> None:
    """48 KB may claim four thousand million pixels: a viewer's browser would make room for them."""
    assert size_of(claiming(*size)) == size
    assert trouble_of(claiming(*size)) == f"a live picture of {size[0]} by {size[1]} pixels"


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"GIF89a", b"\xff\xd8\xff\xc0\x00\x01", b"\xff\xd8ab"]
)
def test_what_does_not_say_is_refused(data: bytes) -> None:
    assert size_of(data) is None
    assert trouble_of(data) == "the picture does not say how large it is"


@given(st.binary(max_size=300), st.integers(0, 600))
def test_any_bytes_are_answered(noise: bytes, cut: int) -> None:
    """Whatever follows the first two bytes, and wherever a real one is cut or bent."""
    real = encoded(64, 48)
    for data in (noise, b"\xff\xd8" + noise, real[:cut], real[:cut] + noise):
        size = size_of(data)
        assert size is None or all(0 <= side < 65_536 for side in size)
