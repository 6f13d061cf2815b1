"""Pictures for people: small JPEGs of what the camera sees."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.core.observation import Observation
from agent.wire import Instant, Still, StillNote, sha256_hex

LIVE_SIZE = (320, 180)
"""Width and height within which a live still fits: a tile of the proctor's wall."""
LIVE_BYTES = 48_000
"""Leaves room for the note within a message's 64 KiB."""
_QUALITIES = (80, 65, 50, 35, 20)


def jpeg_within(rgb: NDArray[np.uint8], size: tuple[int, int] | None, limit_bytes: int) -> bytes | None:
    """`rgb` (height, width, 3; uint8) as JPEG of at most `limit_bytes`, scaled down to fit `size` if given, its aspect
    kept; None when even the lowest quality is too large. OpenCV counts channels blue first, so they are turned."""
    picture = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    if size is not None:
        height, width = picture.shape[:2]
        scale = min(size[0] / width, size[1] / height, 1.0)
        picture = cv2.resize(
            picture,
            (max(1, round(width * scale)), max(1, round(height * scale))),
            interpolation=cv2.INTER_AREA,
        )
    for quality in _QUALITIES:
        is_done, encoded = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
        if is_done and encoded.size <= limit_bytes:
            return bytes(encoded.data)
    return None


def live_still(observation: Observation, rgb: NDArray[np.uint8], boot: int) -> Still | None:
    """The live still of a look, `rgb` as it may be seen; None when it cannot be made small enough."""
    jpeg = jpeg_within(rgb, LIVE_SIZE, LIVE_BYTES)
    if jpeg is None:
        return None
    at = Instant(observation.utc_ms, observation.up_ms)
    return Still(StillNote(boot=boot, at=at, sha256=sha256_hex(jpeg)), jpeg)
