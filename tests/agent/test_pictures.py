"""Pictures of faces against faces: what never moves is a print."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.core.tracks import Box, Sighting, Track
from agent.vision import open_vision
from agent.vision.pictures import KEEP_MS, STILL_MS, StillFaces
from tests.agent.vision_kit import PORTRAITS, files_folder, portrait

Picture = NDArray[np.uint8]
BOX = (0.35, 0.2, 0.3, 0.5)
EVERY_MS = 1_000


def view(number: int, *, shift: int = 0, gain: float = 1.0, deviation: float = 2.0) -> Picture:
    """A portrait on a wall, moved by `shift` pixels, in another light, with fresh noise."""
    picture = np.full((360, 640, 3), 150, np.uint8)
    head = cv2.resize(portrait(PORTRAITS[1])[:512, :512], (300, 300), interpolation=cv2.INTER_AREA)
    picture[40:340, 170 + shift : 470 + shift] = head
    noise = np.random.default_rng(number).normal(0, deviation, picture.shape)
    return np.clip(picture * gain + noise, 0, 255).astype(np.uint8)


def track(n: int = 1, box: Box = BOX) -> Track:
    made = Track(n)
    made.step([0], Sighting(box, 0.9, is_seen=True, is_sure=True))
    return made


def watch(
    still: StillFaces, seconds: range, *, n: int | None = 1, may_tell: bool = True, **how: float
) -> frozenset[int]:
    """Look once a second with the face found as track `n`, or not found at all."""
    found: frozenset[int] = frozenset()
    tracks = [] if n is None else [track(n)]
    for second in seconds:
        picture = view(second, **how)  # type: ignore[arg-type]
        found = still.look(picture, tracks, second * EVERY_MS, may_tell=may_tell)
    return found


def test_a_print_stops_counting_in_the_end() -> None:
    """Only noise moves in it: a picture after STILL_MS, and not a second before."""
    still = StillFaces()
    assert watch(still, range(STILL_MS // EVERY_MS)) == frozenset()
    assert watch(still, range(STILL_MS // EVERY_MS, STILL_MS // EVERY_MS + 1)) == {1}


def test_whoever_moves_is_somebody() -> None:
    """A few pixels now and then, as sitting upright takes, are enough; a print that is carried about counts again."""
    still = StillFaces()
    for second in range(60):
        assert (
            still.look(view(second, shift=second // 9 % 2 * 6), [track()], second * EVERY_MS, may_tell=True)
            == frozenset()
        )
    assert watch(still, range(60, 92)) == {1}
    assert watch(still, range(92, 94), shift=8) == frozenset()


def test_light_does_not_make_a_print_alive() -> None:
    """A lamp that is switched on and off moves no face."""
    still = StillFaces()
    found: frozenset[int] = frozenset()
    for second in range(35):
        found = still.look(
            view(second, gain=0.85 + 0.15 * (second // 5 % 2)), [track()], second * EVERY_MS, may_tell=True
        )
    assert found == {1}


def test_a_frozen_camera_shows_no_prints() -> None:
    """While nothing can move nobody is called a picture, and that time is not counted afterwards."""
    still = StillFaces()
    assert watch(still, range(15)) == frozenset()
    assert watch(still, range(15, 60), may_tell=False) == frozenset()
    assert watch(still, range(60, 85)) == frozenset()
    assert watch(still, range(85, 92)) == {1}


def test_a_print_that_was_hidden_is_still_a_print() -> None:
    """Missed by the detector, or found again under another number, at a look and between two: it never counts."""
    still = StillFaces()
    assert watch(still, range(32)) == {1}
    assert watch(still, range(32, 90), n=None) == frozenset()
    assert watch(still, range(90, 91), n=2) == {2}
    assert still.look(view(91), [track(3)], 90_200, may_tell=True) == {3}


def test_somebody_before_a_print_is_somebody() -> None:
    """Another face in the same place counts from its first look, whatever its number; when it goes, the print is what
    it was. A face beside the print is not the print."""
    still = StillFaces()
    assert watch(still, range(32)) == {1}
    for second in range(32, 60):
        found = still.look(view(second)[:, ::-1].copy(), [track(1 + second % 2)], second * EVERY_MS, may_tell=True)
        assert found == frozenset()
    assert watch(still, range(60, 61)) == {1}
    beside = track(1, (BOX[0] + 0.2, *BOX[1:]))
    assert still.look(view(61), [beside], 61_000, may_tell=True) == frozenset()


def test_a_place_is_forgotten_in_the_end() -> None:
    """After KEEP_MS without a face there the next one is watched anew."""
    still = StillFaces()
    assert watch(still, range(31)) == {1}
    last = 30 + KEEP_MS // EVERY_MS
    assert watch(still, range(31, last + 1), n=None) == frozenset()
    assert watch(still, range(last + 1, last + 31), n=2) == frozenset()
    assert watch(still, range(last + 31, last + 32), n=2) == {2}


def test_time_out_of_sight_does_not_count() -> None:
    """20 s seen, 20 s hidden: still after 10 s more, under whichever number; nor does a stretch without any look."""
    still = StillFaces()
    watch(still, range(21))
    watch(still, range(21, 41), n=None)
    assert watch(still, range(41, 51), n=2) == frozenset()
    assert watch(still, range(51, 52), n=2) == {2}
    stalled = StillFaces()
    watch(stalled, range(5))
    assert watch(stalled, range(60, 70)) == frozenset()


@pytest.mark.parametrize("gain", [0.25, 0.4, 1.0])
def test_whoever_moves_in_dim_light_is_somebody(gain: float) -> None:
    """What a face changes shrinks with the light; what is asked of it does as well."""
    still = StillFaces()
    for second in range(60):
        picture = view(second, shift=second // 9 % 2 * 6, gain=gain, deviation=0.5)
        assert still.look(picture, [track()], second * EVERY_MS, may_tell=True) == frozenset()


def test_without_contrast_nothing_is_decided() -> None:
    """A print in the dark stays a face though nothing moves; in light it is decided, and stays so when it is dimmed."""
    still = StillFaces()
    assert watch(still, range(60), gain=0.1, deviation=0.5) == frozenset()
    assert watch(still, range(60, 90)) == frozenset()
    assert watch(still, range(90, 92)) == {1}
    assert watch(still, range(92, 99), gain=0.1, deviation=0.5) == {1}


@pytest.mark.parametrize("deviation", [0.5, 3.0])
def test_small_prints_in_noise_are_prints(deviation: float) -> None:
    """A face of 30 pixels, in as much noise as a camera has in ordinary light."""
    still = StillFaces()
    found: frozenset[int] = frozenset()
    head = cv2.resize(portrait(PORTRAITS[1])[:512, :512], (50, 50), interpolation=cv2.INTER_AREA)
    for second in range(32):
        picture = np.full((360, 640, 3), 150.0)
        picture[100:150, 100:150] = head
        picture += np.random.default_rng(second).normal(0, deviation, picture.shape)
        face = track(1, (110 / 640, 108 / 360, 30 / 640, 30 / 360))
        found = still.look(np.clip(picture, 0, 255).astype(np.uint8), [face], second * EVERY_MS, may_tell=True)
    assert found == {1}


def test_boxes_beyond_the_frame_are_cut() -> None:
    """A face at the edge, or a box that lies outside altogether, is watched as far as it shows."""
    still = StillFaces()
    for box in ((-0.2, -0.2, 0.3, 0.3), (0.9, 0.9, 0.4, 0.4), (1.2, 1.2, 0.1, 0.1)):
        odd = Track(9)
        odd.step([0], Sighting(box, 0.9, is_seen=True))
        assert still.look(view(0), [odd], 0, may_tell=True) == frozenset()


def test_a_poster_is_no_second_person() -> None:
    """Through all of vision: a portrait that never moves counts for its first half minute, then no more; the doubt
    says that something was there."""
    vision = open_vision(folder=files_folder())
    for second in range(STILL_MS // EVERY_MS + 4):
        seen = vision.observe(view(second), second * EVERY_MS, 0)
        assert len(seen.faces) == (1 if second < STILL_MS // EVERY_MS else 0), second
    assert seen.doubt > 0.7
