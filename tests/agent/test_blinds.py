"""Private masks in real pictures: nothing of what they hide can be told from what comes out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.blinds import BLACK_UV, BLACK_Y, Blinds
from agent.camera.paced import fit_within, letterboxed, planes, vision_rgb
from agent.core.masks import Zones
from agent.wire import Mask
from tests.agent.test_masks import CORNERS, drawn

WIDTH, HEIGHT = 160, 90
LEFT_HALF = Mask(kind="private", points=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
POSTER = Mask(kind="ignore", points=((0, 0), (1, 0), (1, 1), (0, 1)))


def blinds(*masks: Mask) -> Blinds:
    return Blinds(lambda: Zones(masks))


def noise(seed: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def inside_of(mask: Mask, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels of a picture of `size` that the polygon so much as touches, drawn by OpenCV."""
    area = np.zeros((size[1], size[0]), np.uint8)
    # OpenCV's coordinates name the middle of a pixel
    points = np.array([[(x * size[0] - 0.5) * 256, (y * size[1] - 0.5) * 256] for x, y in mask.points])
    outline = np.rint(points).astype(np.int32)
    cv2.fillPoly(area, [outline], 1, shift=8)
    return area.astype(bool)


@settings(max_examples=60, deadline=None)
@given(CORNERS, st.integers(0, 2**32 - 1), st.sampled_from([(320, 180), (160, 90), (640, 480), (100, 76)]))
def test_what_is_hidden_cannot_be_told_from_what_comes_out(
    corners: list[tuple[float, float]], seed: int, source: tuple[int, int]
) -> None:
    """Two scenes that differ only within the mask give the very same frame for the encoder and the very same picture
    for everybody else, also when the camera's picture was scaled and its colours subsampled on the way."""
    mask = drawn(corners)
    size = (WIDTH, HEIGHT // 2 * 2)
    one = noise(seed, source[1], source[0], 3)
    other = one.copy()
    x, y, width, height = fit_within(source, size)
    # the mask is drawn on the frame; where that shows the source:
    in_frame = inside_of(mask, size).repeat(8, 0).repeat(8, 1)[y * 8 : (y + height) * 8, x * 8 : (x + width) * 8]
    rows = (np.arange(source[1]) + 0.5) * in_frame.shape[0] / source[1]
    columns = (np.arange(source[0]) + 0.5) * in_frame.shape[1] / source[0]
    area = in_frame[rows.astype(int)][:, columns.astype(int)]
    other[area] = noise(seed + 1, int(area.sum()), 3)
    frames = []
    for scene in (one, other):
        scaled = scene
        if (width, height) != source:
            flag = cv2.INTER_AREA if source[0] > width else cv2.INTER_LINEAR
            scaled = np.asarray(cv2.resize(scene, (width, height), interpolation=flag), np.uint8)
        frames.append(letterboxed(np.asarray(cv2.cvtColor(scaled, cv2.COLOR_BGR2YUV_I420), np.uint8), x, y, size))
    masking = blinds(mask)
    assert np.array_equal(masking.i420(frames[0]), masking.i420(frames[1]))
    assert np.array_equal(masking.rgb(vision_rgb(frames[0])), masking.rgb(vision_rgb(frames[1])))


def test_a_scaled_picture_shows_nothing_either() -> None:
    """The picture for vision is half the frame's size; what stood at the mask's very edge is not in it."""
    frame = np.full((720 * 3 // 2, 1280), 16, np.uint8)
    frame[720:] = 128
    slanted = Mask(kind="private", points=((0.1, 0.2), (0.47, 0.07), (0.61, 0.9)))
    lit = frame.copy()
    area = inside_of(slanted, (1280, 720))
    planes(lit)[0][area] = 235
    for chroma in planes(lit)[1:]:
        chroma[area.reshape(360, 2, 640, 2).any(axis=(1, 3))] = 240
    masking = blinds(slanted)
    assert np.array_equal(masking.rgb(vision_rgb(frame)), masking.rgb(vision_rgb(lit)))
    assert not np.array_equal(vision_rgb(frame), vision_rgb(lit))


def test_hidden_is_black_and_the_rest_is_untouched() -> None:
    """Black in both kinds of picture, colours at their middle; beyond one cell from the mask every pixel is the
    camera's."""
    frame, picture = noise(1, 720 * 3 // 2, 1280), noise(2, 360, 640, 3)
    luma, *chroma = planes(blinds(LEFT_HALF).i420(frame))
    assert (luma[:, :642] == BLACK_Y).all()
    assert np.array_equal(luma[:, 644:], planes(frame)[0][:, 644:])
    for masked, plane in zip(chroma, planes(frame)[1:], strict=True):
        assert (masked[:, :321] == BLACK_UV).all()
        assert np.array_equal(masked[:, 322:], plane[:, 322:])
    masked = blinds(LEFT_HALF).rgb(picture)
    assert not masked[:, :322].any()
    assert np.array_equal(masked[:, 324:], picture[:, 324:])


@pytest.mark.parametrize("masks", [(), (POSTER,)])
def test_without_a_private_mask_a_picture_is_handed_on_as_it_is(masks: tuple[Mask, ...]) -> None:
    """No copy, no cost."""
    frame, picture = noise(1, 54, 64), noise(2, 36, 64, 3)
    assert blinds(*masks).i420(frame) is frame
    assert blinds(*masks).rgb(picture) is picture


def test_a_shared_or_read_only_picture_is_not_written_into() -> None:
    """A folder of stills hands out one buffer again and again; what others see of it stays whole."""
    frame, picture = noise(1, 54, 64), noise(2, 36, 64, 3)
    kept = frame.copy(), picture.copy()
    for array in (frame, picture):
        array.setflags(write=False)
    masking = blinds(LEFT_HALF)
    for _ in range(2):
        assert not np.array_equal(masking.i420(frame), frame)
        assert not np.array_equal(masking.rgb(picture), picture)
    assert np.array_equal(frame, kept[0])
    assert np.array_equal(picture, kept[1])


def test_changed_masks_hold_for_the_next_picture() -> None:
    """The same buffer: the new mask is in it, the old one is not any more."""
    now = [Zones((LEFT_HALF,))]
    masking = Blinds(lambda: now[0])
    frame = noise(1, 54, 64)
    before = planes(masking.i420(frame))[0]
    now[0] = Zones((Mask(kind="private", points=((0.5, 0), (1, 0), (1, 1), (0.5, 1))),))
    after = planes(masking.i420(frame))[0]
    assert (before[:, :32] == BLACK_Y).all()
    assert (after[:, 32:] == BLACK_Y).all()
    assert np.array_equal(after[:, :28], planes(frame)[0][:, :28])
    now[0] = Zones()
    assert masking.i420(frame) is frame


@pytest.mark.parametrize(("width", "height"), [(65, 37), (64, 37), (1, 1), (3, 2)])
def test_pictures_with_odd_sides_are_masked_whole(width: int, height: int) -> None:
    """A still of any size; the last half cell too."""
    everything = Mask(kind="private", points=((0, 0), (1, 0), (1, 1), (0, 1)))
    assert not blinds(everything).rgb(np.full((height, width, 3), 200, np.uint8)).any()
