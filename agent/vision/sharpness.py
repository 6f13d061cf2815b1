"""How sharp a picture is: whether the lens is focused and clean."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_NOISE_SIGMA_PX = 1.0
_AGAIN_SIGMA_PX = 2.0
_STRONGEST = 99.0
"""Percentile of the gradients from which on they count as edges."""


def sharpness(rgb: NDArray[np.uint8]) -> float:
    """How much the strongest edges of `rgb`, uint8 (height, width, 3) of some 640x360 pixels, lose by being blurred
    once more: 1 for those that are blurred already, more the sharper they are.

    The ratio of an edge's gradient to that of its re-blurred self tells the edge's own blur whatever its contrast (Zhuo
    and Sim, "Defocus map estimation from a single image", Pattern Recognition 44, 2011). On 32 films at 640x360 with 2
    luma of noise the median ratio is 1.43 to 2.9 as filmed, and with a Gaussian blur of 2.5 pixels 1.15 to 1.26 on
    31 of them (one drawn scene has edges that no blur of that size takes).
    """
    luma = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    once = cv2.GaussianBlur(luma, (0, 0), _NOISE_SIGMA_PX).astype(np.float32)
    gradient, again = _gradient(once), _gradient(cv2.GaussianBlur(once, (0, 0), _AGAIN_SIGMA_PX))
    edges = gradient >= max(float(np.percentile(gradient, _STRONGEST)), 1e-3)
    if not edges.any():
        return 1.0
    return float(np.median(gradient[edges] / np.maximum(again[edges], 1e-3)))


def _gradient(luma: NDArray[Any]) -> NDArray[np.float32]:
    across, down = cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1)
    return np.asarray(cv2.magnitude(across, down), dtype=np.float32)
