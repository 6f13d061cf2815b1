"""People for the demo scenes: two public-domain portraits, cut out along a soft edge and kept ready to be laid over
a picture in many slightly different poses, all in the encoder's own I420.

astronaut.png is NASA's portrait of Eileen Collins, grace_hopper.jpg the US Navy's of Grace Hopper.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.camera import CameraLost
from agent.camera.paced import planes

Bytes = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]

NOISE_MEAN = 6
"""Luma that the sensor noise adds on the average; everything it is laid over is darker by as much, so that noise is
one addition of unsigned bytes."""
FEATHER = 1.4
"""Softness of the edge, in pixels of the portrait: about that of the portraits' own edges."""


class Portrait(NamedTuple):
    """What must be known of one portrait, in its own pixels.

    `outline` goes around the person; `crown` is the patch of hair or cap (x, y, width, height) that is seen when the
    head is down, `bowed` the ellipse (x, y, half width, half height) it then fills and `neck` the row above which
    nothing else is then left of the head; `dress` the row under which a colour is that of clothes. `scale` makes the
    face about a quarter of a 720 line picture, with row `desk` at the edge of the desk and column `middle` over it.
    """

    file: str
    widen: int
    outline: tuple[tuple[int, int], ...]
    crown: tuple[int, int, int, int]
    bowed: tuple[int, int, int, int]
    neck: int
    dress: int
    scale: float
    desk: int
    middle: int


# Outlines found once by OpenCV's GrabCut within 8 pixels of a line drawn by hand.
# fmt: off
ASTRONAUT = Portrait(
    file="astronaut.png", widen=0,
    outline=(
        (248, 18), (239, 18), (235, 16), (227, 16), (214, 21), (205, 21), (198, 25), (186, 37), (173, 44), (157, 57),
        (153, 68), (155, 98), (158, 105), (170, 118), (172, 125), (181, 133), (183, 145), (180, 148), (157, 150),
        (139, 159), (131, 167), (122, 181), (120, 189), (121, 197), (114, 202), (91, 226), (78, 234), (65, 246),
        (45, 280), (40, 294), (39, 305), (34, 315), (26, 342), (26, 366), (19, 393), (20, 420), (24, 432), (23, 460),
        (26, 484), (28, 488), (28, 494), (22, 500), (21, 504), (26, 511), (360, 511), (360, 462), (364, 456),
        (370, 430), (360, 422), (360, 380), (363, 376), (363, 370), (369, 363), (370, 358), (360, 342), (361, 329),
        (357, 322), (356, 302), (352, 288), (346, 278), (341, 264), (331, 253), (303, 232), (299, 219), (289, 203),
        (276, 189), (260, 177), (255, 171), (256, 163), (264, 149), (266, 139), (273, 135), (290, 117), (295, 109),
        (300, 92), (299, 72), (296, 65), (296, 59), (288, 43), (277, 32),
    ),
    crown=(168, 24, 122, 46), bowed=(222, 148, 76, 72), neck=152, dress=205, scale=1.62, desk=346, middle=222,
)
HOPPER = Portrait(
    file="grace_hopper.jpg", widen=48,  # her left shoulder leaves the portrait: the dark jacket is mirrored on
    outline=(
        (218, 33), (209, 44), (196, 50), (181, 64), (176, 74), (175, 83), (155, 102), (148, 102), (145, 105),
        (146, 137), (150, 144), (164, 158), (163, 175), (157, 185), (153, 197), (154, 216), (160, 226), (171, 264),
        (167, 274), (167, 279), (173, 287), (189, 294), (194, 299), (196, 318), (183, 333), (167, 343), (132, 354),
        (121, 360), (97, 363), (78, 369), (64, 378), (53, 382), (45, 391), (36, 418), (27, 429), (27, 459), (22, 501),
        (17, 526), (15, 568), (11, 599), (545, 599), (544, 566), (542, 562), (542, 544), (538, 526), (537, 497),
        (528, 464), (510, 445), (495, 399), (491, 392), (461, 376), (420, 365), (376, 345), (365, 342), (337, 321),
        (332, 315), (332, 311), (346, 300), (358, 284), (361, 271), (361, 258), (364, 251), (367, 228), (370, 222),
        (369, 211), (375, 196), (374, 188), (367, 179), (369, 174), (371, 135), (369, 129), (369, 103), (365, 90),
        (362, 87), (355, 87), (352, 84), (346, 68), (335, 56), (315, 45), (300, 41), (290, 32), (281, 27), (270, 24),
        (249, 23), (238, 25), (229, 30),
    ),
    crown=(168, 104, 190, 22), bowed=(264, 268, 104, 100), neck=318, dress=380, scale=0.97, desk=560, middle=268,
)
# fmt: on


class Pose(NamedTuple):
    """One picture of a person: what is added to the planes Y, U and V after they were multiplied by what is left
    of them (255 for all). `x`, `y` are where it goes in the whole picture, even numbers."""

    x: int
    y: int
    added: tuple[Bytes, Bytes, Bytes]
    left: tuple[Bytes, Bytes, Bytes]

    def lay_over(self, i420: Bytes, x: int, y: int, floor: int) -> None:
        """Lay it over a picture, moved by `x` and `y`, cut off at its sides and under row `floor` (even)."""
        left, top = self.x + x // 2 * 2, self.y + y // 2 * 2
        height, width = self.added[0].shape
        from_x, to_x = max(0, -left), min(width, i420.shape[1] - left)
        from_y, to_y = max(0, -top), min(height, floor - top)
        if from_x >= to_x or from_y >= to_y:
            return
        for shift, plane, added, kept in zip((0, 1, 1), planes(i420), self.added, self.left, strict=True):
            part = np.s_[from_y >> shift : to_y >> shift, from_x >> shift : to_x >> shift]
            there = plane[top + from_y >> shift : top + to_y >> shift, left + from_x >> shift : left + to_x >> shift]
            # multiply and add in place: for OpenCV a slice is a picture like any other
            cv2.multiply(there, kept[part], dst=there, scale=1 / 255)
            cv2.add(there, added[part], dst=there)


class Cutout:
    """One portrait, cut out: BGR and how much of it covers (0..1), `is_bowed` with the head down."""

    def __init__(self, folder: Path, portrait: Portrait, dress_hue: int, is_mirrored: bool) -> None:
        """`dress_hue` turns the colour of bright clothes, in OpenCV's half degrees. Raises CameraLost."""
        path = folder / portrait.file
        bgr = cv2.imread(str(path)) if path.is_file() else None
        if bgr is None:
            raise CameraLost(f"demo scenes: {path} is missing or no picture; `python -m models.fetch` brings it")
        bgr = cv2.copyMakeBorder(bgr, 0, 0, 0, portrait.widen, cv2.BORDER_REFLECT_101)
        self.portrait = portrait
        self._is_mirrored = is_mirrored
        self._bgr = _dressed(np.asarray(bgr, np.uint8), portrait.dress, dress_hue)
        self._cover = _soft(_filled(self._bgr.shape, portrait.outline))

    def bowed(self) -> tuple[Bytes, Floats]:
        """Picture and cover with the head down: hair or cap where the face was, and lower."""
        x, y, half_w, half_h = self.portrait.bowed
        crown_x, crown_y, crown_w, crown_h = self.portrait.crown
        bgr, cover = self._bgr.copy(), self._cover.copy()
        cover[: self.portrait.neck] = 0
        patch = self._bgr[crown_y : crown_y + crown_h, crown_x : crown_x + crown_w]
        patch = np.asarray(cv2.resize(patch, (2 * half_w, 2 * half_h), interpolation=cv2.INTER_CUBIC), np.uint8)
        round_ = np.zeros(bgr.shape[:2], np.uint8)
        cv2.ellipse(round_, (x, y), (half_w, half_h), 0, 0, 360, 255, -1)
        head = _soft(round_)
        light = np.linspace(1.08, 0.45, 2 * half_h, dtype=np.float32)[:, None, None]
        whole = bgr.astype(np.float32)
        whole[y - half_h : y + half_h, x - half_w : x + half_w] = patch * light
        bgr = np.clip(whole * head[..., None] + bgr * (1 - head[..., None]), 0, 255).astype(np.uint8)
        return bgr, np.maximum(cover, head)

    def upright(self) -> tuple[Bytes, Floats]:
        """Picture and cover as in the portrait."""
        return self._bgr, self._cover

    def poses(self, picture: tuple[Bytes, Floats], place: Place, count: int, sway: float) -> list[Pose]:
        """`count` poses around one slow sway, each a little turned, moved and nearer; `sway` 1 is that of somebody
        who sits still."""
        return [self._pose(picture, place, 2 * math.pi * step / count, sway) for step in range(count)]

    def _pose(self, picture: tuple[Bytes, Floats], place: Place, phase: float, sway: float) -> Pose:
        bgr, cover = picture
        scale = self.portrait.scale * place.scale
        turn = math.radians(place.lean + 1.1 * sway * math.sin(phase))
        size = scale * (1 + 0.006 * sway * math.cos(phase))
        cos, sin = size * math.cos(turn), size * math.sin(turn)
        if self._is_mirrored:
            cos_x, sin_x = -cos, -sin
        else:
            cos_x, sin_x = cos, sin
        middle, desk = (
            self.portrait.middle,
            self.portrait.desk + 8,
        )  # a little under the desk's edge, for breathing
        move_x = place.x + 5 * sway * place.scale * math.sin(phase)
        move_y = place.desk_y + (8 * scale) + 2.2 * sway * place.scale * math.sin(2 * phase)
        matrix = np.array(
            [
                [cos_x, -sin, move_x - cos_x * middle + sin * desk],
                [sin_x, cos, move_y - sin_x * middle - cos * desk],
            ]
        )
        x, y, width, height = _bounds(matrix, bgr.shape, place.desk_y)
        matrix[:, 2] -= (x, y)
        flags = cv2.INTER_AREA if size < 1 else cv2.INTER_CUBIC
        laid = cv2.warpAffine(bgr, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        covers = cv2.warpAffine(cover, matrix, (width, height), flags=cv2.INTER_LINEAR)
        return _prepared(x, y, np.asarray(laid, np.uint8), np.clip(covers, 0, 1))


class Place(NamedTuple):
    """Where a person is: `x` of the middle and row of the desk's edge in pixels of the picture, `scale` on top of the
    portrait's own, `lean` in degrees."""

    x: float
    desk_y: int
    scale: float
    lean: float = 0.0


def _filled(shape: tuple[int, ...], outline: tuple[tuple[int, int], ...]) -> Bytes:
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.array(outline, np.int32)], 255)
    return mask


def _soft(mask: Bytes) -> Floats:
    """The mask as 0..1 with a soft edge, drawn in by a pixel so that nothing of the old background shines."""
    drawn_in = cv2.erode(mask, np.ones((3, 3), np.uint8))
    return np.asarray(cv2.GaussianBlur(drawn_in, (0, 0), FEATHER), np.float32) / np.float32(255)


def _dressed(bgr: Bytes, dress: int, hue: int) -> Bytes:
    """Bright orange under row `dress` in another colour."""
    if not hue:
        return bgr
    hsv = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV), np.uint8)
    orange = ((hsv[..., 0] < 20) | (hsv[..., 0] > 172)) & (hsv[..., 1] > 90)
    orange[:dress] = False
    hsv[..., 0][orange] = (hsv[..., 0][orange].astype(int) + hue) % 180
    hsv[..., 1][orange] = hsv[..., 1][orange] * 0.52
    hsv[..., 2][orange] = hsv[..., 2][orange] * 0.74
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.uint8)


def _bounds(matrix: Floats, shape: tuple[int, ...], floor: int) -> tuple[int, int, int, int]:
    """Even x, y, width, height around the turned portrait, down to a little under `floor`."""
    height, width = shape[:2]
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]]) @ matrix.T
    x, y = (math.floor(v / 2) * 2 for v in corners.min(axis=0))
    right, bottom = (math.ceil(v / 2) * 2 for v in corners.max(axis=0))
    return x, y, right - x, max(2, min(bottom, floor + 24) - y)


def _prepared(x: int, y: int, bgr: Bytes, cover: Floats) -> Pose:
    """Cut down to what covers anything, in planes, multiplied by the cover beforehand."""
    columns, rows = np.flatnonzero(cover.max(axis=0) > 0.004), np.flatnonzero(cover.max(axis=1) > 0.004)
    left, right = columns[0] // 2 * 2, (columns[-1] + 2) // 2 * 2
    top, bottom = rows[0] // 2 * 2, (rows[-1] + 2) // 2 * 2
    bgr = np.ascontiguousarray(bgr[top:bottom, left:right])
    cover = np.ascontiguousarray(cover[top:bottom, left:right])
    if cover.shape[0] % 2 or cover.shape[1] % 2:
        raise ValueError("a sprite's sides must be even")
    i420 = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420), np.uint8)
    luma, u, v = planes(i420)
    half = np.asarray(cv2.resize(cover, (cover.shape[1] // 2, cover.shape[0] // 2), interpolation=cv2.INTER_AREA))
    darker = np.maximum(luma.astype(np.int16) - NOISE_MEAN, 0)
    covers = (cover, half, half)
    added = [np.rint(plane * part).astype(np.uint8) for plane, part in zip((darker, u, v), covers, strict=True)]
    kept = [np.rint(255 * (1 - part)).astype(np.uint8) for part in covers]
    return Pose(x + left, y + top, (added[0], added[1], added[2]), (kept[0], kept[1], kept[2]))
