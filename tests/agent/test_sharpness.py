"""How sharp a picture is, whatever it shows."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.vision.sharpness import sharpness
from hub.core.preflight import SHARP


def scene(seed: int, contrast: int) -> NDArray[np.uint8]:
    """A desk of a few things with edges, uint8 (360, 640, 3)."""
    rng = np.random.default_rng(seed)
    view = np.full((360, 640, 3), 120 - contrast // 2, np.uint8)
    for _ in range(12):
        x, y = int(rng.integers(0, 560)), int(rng.integers(0, 300))
        end = (x + int(rng.integers(30, 200)), y + int(rng.integers(30, 120)))
        cv2.rectangle(view, (x, y), end, (120 + contrast // 2,) * 3, -1)
    return view


def seen(view: NDArray[np.uint8], blur_px: float, seed: int) -> NDArray[np.uint8]:
    """Through a lens with that much blur, by a sensor with noise."""
    through = cv2.GaussianBlur(view, (0, 0), blur_px).astype(np.float32)
    noise = np.random.default_rng(seed).normal(0, 2, view.shape)
    return np.clip(through + noise, 0, 255).astype(np.uint8)


@given(seed=st.integers(0, 1000), contrast=st.integers(60, 200))
def test_a_lens_out_of_focus_is_told_from_one_in_focus(seed: int, contrast: int) -> None:
    """Whatever the contrast: the limit of the pre-flight lies between the two."""
    view = scene(seed, contrast)
    assert sharpness(seen(view, 0.7, seed)) > SHARP > sharpness(seen(view, 3.0, seed))


def test_a_picture_without_an_edge_is_not_sharp() -> None:
    """A covered lens gives a number, not a division by nothing."""
    assert sharpness(np.full((360, 640, 3), 90, np.uint8)) == 1.0
