"""Covered or not, and the whole of vision on one picture."""

from __future__ import annotations

import hashlib
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import models
from agent.camera.scenes import Stage
from agent.vision import FACE_MODELS, VisionProblem, open_vision
from agent.vision.faces import Letterbox
from agent.vision.scene import APART_MS, CHANGED, DARK, FROZEN_MS, LOW_LIGHT, SceneLook, Stillness
from tests.agent.vision_kit import PORTRAITS, files_folder, portrait

Picture = NDArray[np.uint8]


def small(picture: Picture) -> Picture:
    """As the face model sees it."""
    box = Letterbox(192)
    box.fit(picture)
    return box.content


def as_picture(luma: NDArray[np.float64]) -> Picture:
    return luma.clip(0, 255).astype(np.uint8)


def is_covered(picture: Picture) -> bool:
    return SceneLook().look(small(picture), 0).is_covered


def finger(brightness: float, spread: float, noise: float = 1.0) -> Picture:
    """A smooth blot of reddish light, as a finger on the lens gives."""
    y, x = np.mgrid[0:360, 0:640]
    blot = np.cos((x - 250) / 640 * np.pi / 1.2) * np.cos((y - 150) / 360 * np.pi / 1.2)
    luma = brightness + spread * (blot - blot.mean()) / blot.std()
    grain = np.random.default_rng(3).normal(0, noise, luma.shape)
    return as_picture(np.stack([luma * 1.5, luma * 0.8, luma * 0.8], axis=2) + grain[..., None])


def low_light(picture: Picture, brightness: float, noise: float = 1.5) -> Picture:
    """The picture dimmed to `brightness`, with the noise of a camera that strains."""
    dim = picture * (brightness / picture.mean())
    return as_picture(dim + np.random.default_rng(4).normal(0, noise, picture.shape))


def test_a_black_picture_is_covered() -> None:
    """A closed lens, with and without the noise of its sensor."""
    noise = np.abs(np.random.default_rng(1).normal(0, 4, (360, 640, 3))).astype(np.uint8)
    assert is_covered(np.zeros((360, 640, 3), np.uint8))
    assert is_covered(noise)


@pytest.mark.parametrize(("brightness", "spread"), [(32, 7.4), (60, 8), (120, 9), (200, 5)])
def test_a_finger_on_the_lens_is_covered(brightness: float, spread: float) -> None:
    """Smooth light of any brightness, no edge in it."""
    assert is_covered(finger(brightness, spread))


def test_a_blank_sheet_close_up_is_covered() -> None:
    """Grey, white and an even colour show nothing."""
    assert is_covered(np.full((360, 640, 3), 128, np.uint8))
    assert is_covered(np.full((360, 640, 3), 255, np.uint8))
    assert is_covered(finger(150, 2, noise=4))


@pytest.mark.parametrize("name", PORTRAITS)
@pytest.mark.parametrize("brightness", [14, 26, 120])
def test_a_face_in_low_light_is_not_covered(name: str, brightness: float) -> None:
    """As dark as the darkest film in which a face could still be labelled."""
    assert not is_covered(low_light(portrait(name), brightness))


def test_a_bare_room_is_not_covered() -> None:
    """Wall, table edge and nobody: dull, but it can be seen."""
    room = np.full((360, 640, 3), 135, np.uint8)
    room[250:] = 95
    assert not is_covered(room)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(2, 300), st.integers(2, 300))
@settings(deadline=None)
def test_the_figures_are_mean_and_deviation_of_luma(a: int, b: int, width: int, height: int) -> None:
    """Half a picture of one grey and half of another: known figures, and dark is always covered."""
    picture = np.full((height, width * 2, 3), a, np.uint8)
    picture[:, width:] = b
    scene = SceneLook().look(picture, 0)
    assert scene.brightness == pytest.approx((a + b) / 2, abs=1)
    assert scene.detail == pytest.approx(abs(a - b) / 2, abs=1)
    assert scene.is_covered or scene.brightness >= DARK


def test_one_look_serves_pictures_of_any_shape() -> None:
    """Buffers follow the picture's shape."""
    look = SceneLook()
    bright, dark = small(portrait("portrait_hopper")), np.zeros((9, 70, 3), np.uint8)
    assert [look.look(picture, 0).is_covered for picture in (bright, dark, bright, dark[:2])] == [
        False,
        True,
        False,
        True,
    ]


def room(seed: int = 0, noise: float = 0.0) -> Picture:
    """A desk before a wall with a window in it, with its own noise for each `seed`."""
    picture = np.full((360, 640, 3), 135, np.float64)
    picture[250:] = 95
    picture[60:180, 100:260] = 210
    return as_picture(picture + np.random.default_rng(seed).normal(0, noise, (360, 640, 1)))


def test_a_repeated_picture_is_frozen_after_a_second() -> None:
    """None while too few have come, then True, from FROZEN_MS on; one picture alone is never frozen."""
    look, frozen = SceneLook(), room(noise=1)
    told = [look.look(small(frozen), up_ms).is_frozen for up_ms in range(0, 2_001, 200)]
    assert told == [None] * 6 + [True] * 5
    assert FROZEN_MS == 1_200


@pytest.mark.parametrize("noise", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("size", [192, 128])
def test_a_still_room_is_not_frozen(noise: float, size: int) -> None:
    """Nothing moves but the sensor's noise: from the second picture on it is known to be alive."""
    look, box = SceneLook(), Letterbox(size)
    told = []
    for number in range(20):
        box.fit(room(number, noise))
        told.append(look.look(box.content, number * 200).is_frozen)
    assert told == [None] + [False] * 19


def test_a_picture_that_repeats_for_less_is_not_frozen() -> None:
    """Cameras repeat a picture while the exposure settles; a slow one shows each picture several times."""
    look = SceneLook()
    told = [look.look(small(room(number // 5, noise=1)), number * 200).is_frozen for number in range(40)]
    assert True not in told
    assert told[5:] == [False] * 35


def test_what_froze_is_alive_with_the_first_other_picture() -> None:
    """And frozen again only after the whole time."""
    look, frozen = SceneLook(), small(room(noise=1)).copy()
    told = [look.look(frozen, up_ms).is_frozen for up_ms in (0, 600, 1_200)]
    other = small(room(5, noise=1))
    told += [look.look(other, up_ms).is_frozen for up_ms in (1_400, 2_400, 2_600)]
    assert told == [None, None, True, False, False, True]


def test_time_that_stands_or_jumps_freezes_nothing() -> None:
    """The same instant again is no evidence, nor are two pictures with an opened camera between them."""
    look, frozen = SceneLook(), small(room(noise=1))
    assert [look.look(frozen, 500).is_frozen for _ in range(20)] == [None] * 20
    assert look.look(frozen, 500 + APART_MS + 1).is_frozen is None
    assert look.look(frozen, 100).is_frozen is None


def test_a_covered_camera_is_not_told_frozen() -> None:
    """Black is black each time."""
    look, black = SceneLook(), np.zeros((108, 192, 3), np.uint8)
    scenes = [look.look(black, up_ms) for up_ms in range(0, 5_000, 200)]
    assert {(scene.is_covered, scene.is_frozen, scene.shift) for scene in scenes} == {(True, None, None)}


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 255), st.floats(0, 1))
@settings(deadline=None)
def test_the_step_that_counts_as_a_change(width: int, height: int, grey: int, share: float) -> None:
    """The mean step over all pixels decides, whatever the picture's size."""
    first = np.full((height, width), grey, np.uint8)
    second = first.copy()
    stepped = round(share * first.size)
    second.ravel()[:stepped] = grey + 1 if grey < 255 else grey - 1
    stillness = Stillness()
    told = [stillness.look(first, 0), stillness.look(second, 1_200), stillness.look(second, 2_400)]
    is_change = stepped >= CHANGED * first.size
    assert told == ([None, False, True] if is_change else [None, True, True])


@pytest.mark.parametrize("name", PORTRAITS)
def test_little_light_is_said_and_is_not_covered(name: str) -> None:
    """Below LOW_LIGHT a face may be missed: it is told, and the view is not judged."""
    look = SceneLook()
    dark = look.look(small(low_light(portrait(name), LOW_LIGHT - 3)), 0)
    assert (dark.is_low_light, dark.is_covered, dark.shift) == (True, False, None)
    assert not look.look(small(low_light(portrait(name), LOW_LIGHT + 3)), 200).is_low_light


def test_covered_frozen_and_dark_pictures_say_nothing_of_the_view() -> None:
    """Each of them would be another view, or the old one for ever."""
    look = SceneLook()
    look.learn_view([small(portrait("portrait_astronaut"))])

    def shift(picture: Picture, up_ms: int) -> float | None:
        return look.against_view(look.look(picture, up_ms), (), up_ms).shift

    assert shift(small(portrait("portrait_astronaut")), 0) == 0.0
    assert shift(np.zeros((192, 192, 3), np.uint8), 1_000) is None
    assert shift(small(low_light(portrait("portrait_astronaut"), 20)), 2_000) is None
    for up_ms in (3_000, 4_000):
        assert shift(small(portrait("portrait_astronaut")), up_ms) == 0.0
    assert shift(small(portrait("portrait_astronaut")), 5_000) is None, "frozen by now"


@pytest.mark.parametrize("face_model", FACE_MODELS)
def test_vision_holds_the_view_against_the_one_it_learned(face_model: str) -> None:
    """With either model's picture: the same desk is known again, a pushed unit and one that fell over are told."""
    vision = open_vision(face_model, files_folder())
    stage = Stage("steady", files_folder(), (640, 360), fps=5)

    def picture(number: int) -> Picture:
        return np.asarray(cv2.cvtColor(stage.draw(number), cv2.COLOR_YUV2RGB_I420), np.uint8)

    vision.learn_view([picture(number) for number in range(10)])
    assert vision.observe(picture(20), 0, 0).scene.shift == 0.0
    pushed = np.ascontiguousarray(np.roll(picture(21), 64, axis=1))
    assert vision.observe(pushed, 1_000, 0).scene.shift == pytest.approx(0.1, abs=0.01)
    assert vision.observe(np.ascontiguousarray(picture(22)[::-1, ::-1]), 2_000, 0).scene.shift == 1.0
    vision.forget_view()
    assert vision.observe(picture(23), 3_000, 0).scene.shift is None


@pytest.mark.parametrize("face_model", FACE_MODELS)
def test_vision_puts_all_of_it_into_one_observation(face_model: str) -> None:
    """Face, scene, both times as given, and the time it took by the clock that was handed in."""
    ticks = count(start=5.0, step=0.25)
    vision = open_vision(face_model, files_folder(), clock_s=lambda: next(ticks))
    picture = cv2.resize(portrait("portrait_hopper"), (300, 352), interpolation=cv2.INTER_AREA).astype(np.uint8)
    seen = vision.observe(picture, 1_234, 1_800_000_000_000)
    assert (seen.up_ms, seen.utc_ms, seen.vision_ms) == (1_234, 1_800_000_000_000, 250.0)
    assert len(seen.faces) == 1
    assert not seen.scene.is_covered
    black = vision.observe(np.zeros((360, 640, 3), np.uint8), 1_434, 1_800_000_000_200)
    assert (black.faces, black.scene.is_covered) == ((), True)


def test_vision_names_its_model_and_refuses_a_missing_one(tmp_path: Path) -> None:
    """The hash for the records is that of the list of files; no file is one line with the remedy."""
    vision = open_vision("full_range", files_folder())
    manifest = models.load_manifest()
    assert vision.models == {name: manifest.entry(name).sha256 for name in vision.models}
    lines = "".join(f"{name} {sha256}\n" for name, sha256 in vision.models.items())
    assert vision.model_sha256 == hashlib.sha256(lines.encode()).hexdigest()
    with pytest.raises(models.ModelProblem, match=r"missing; run: python -m models\.fetch"):
        open_vision("full_range", tmp_path)
    assert issubclass(VisionProblem, Exception)


def test_behind_a_back_it_is_not_told_whether_the_camera_has_moved() -> None:
    """Somebody without a face who hides a quarter of the picture hides the room: the view is left untold."""
    vision = open_vision("full_range", files_folder())
    stage = Stage("steady", files_folder(), (640, 360), fps=5)
    room = np.asarray(cv2.cvtColor(stage.draw(0), cv2.COLOR_YUV2RGB_I420), np.uint8)
    vision.learn_view([room])
    everything = np.ones((36, 64), bool)
    vision.seat.person.look = lambda rgb: everything  # type: ignore[method-assign]
    other = np.ascontiguousarray(room[::-1, ::-1])
    seen = vision.observe(other, 0, 0)
    assert (seen.faces, seen.scene.shift) == ((), None)
