"""Pictures of faces against faces: what never moves is a print."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.core.tracks import Sighting, Track
from agent.vision import open_vision
from agent.vision.pictures import STILL_MS, StillFaces
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


def track(n: int = 1) -> Track:
    made = Track(n)
    made.step([0], Sighting(BOX, 0.9, is_seen=True, is_sure=True))
    return made


def watch(still: StillFaces, seconds: range, *, may_tell: bool = True, **how: float) -> frozenset[int]:
    found: frozenset[int] = frozenset()
    for second in seconds:
        picture = view(second, **how)  # type: ignore[arg-type]
        found = still.look(picture, [track()], second * EVERY_MS, may_tell=may_tell)
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


def test_faces_that_went_are_forgotten() -> None:
    """The next face in the same place is watched anew."""
    still = StillFaces()
    assert watch(still, range(32)) == {1}
    assert still.look(view(33), [], 33_000, may_tell=True) == frozenset()
    assert still.look(view(34), [track(2)], 34_000, may_tell=True) == frozenset()


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
