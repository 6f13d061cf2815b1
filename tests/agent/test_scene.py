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
from agent.vision import FACE_MODELS, VisionProblem, open_vision
from agent.vision.faces import Letterbox
from agent.vision.scene import DARK, SceneLook
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
    return SceneLook().look(small(picture)).is_covered


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
    scene = SceneLook().look(picture)
    assert scene.brightness == pytest.approx((a + b) / 2, abs=1)
    assert scene.detail == pytest.approx(abs(a - b) / 2, abs=1)
    assert scene.is_covered or scene.brightness >= DARK


def test_one_look_serves_pictures_of_any_shape() -> None:
    """Buffers follow the picture's shape."""
    look = SceneLook()
    bright, dark = small(portrait("portrait_hopper")), np.zeros((9, 70, 3), np.uint8)
    assert [look.look(picture).is_covered for picture in (bright, dark, bright, dark[:2])] == [
        False,
        True,
        False,
        True,
    ]


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
