"""The exam room of the demo scenes, drawn: a wall, window light, a chair, the edge of a desk with a paper on it."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.camera.paced import planes
from agent.camera.sprites import NOISE_MEAN, Bytes

WIDTH, HEIGHT = 1280, 720
"""The room is drawn at this size and then scaled."""
DESK_Y = 620
"""Row of the desk's edge."""

Colour = tuple[int, int, int]
"""Blue, green, red."""


class Room(NamedTuple):
    """How one room differs from another: the wall's colour, where window, pin board and clock are, and where the
    candidate sits."""

    wall: Colour
    window_x: int
    board_x: int
    clock_x: int
    seat_x: int
    desk: Colour = (92, 134, 172)


def draw_room(room: Room, size: tuple[int, int]) -> Bytes:
    """The empty room as I420 of `size`, darker by NOISE_MEAN."""
    canvas = _wall(room)
    _window(canvas, room.window_x)
    _board(canvas, room.board_x)
    _clock(canvas, room.clock_x)
    _chair(canvas, room.seat_x)
    # what is behind a person is a little out of focus
    canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), 2.2), np.float32)
    _desk(canvas, room)
    canvas *= _light(room.window_x)[..., None]
    bgr = np.clip(canvas, 0, 255).astype(np.uint8)
    scaled = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    i420 = np.asarray(cv2.cvtColor(scaled, cv2.COLOR_BGR2YUV_I420), np.uint8)
    luma = planes(i420)[0]
    cv2.subtract(luma, NOISE_MEAN, dst=luma)  # type: ignore[call-overload]
    return i420


def _wall(room: Room) -> NDArray[np.float32]:
    canvas = np.empty((HEIGHT, WIDTH, 3), np.float32)
    canvas[:] = np.array(room.wall, np.float32)
    canvas *= np.linspace(1.04, 0.86, HEIGHT, dtype=np.float32)[:, None, None]
    canvas[452:] *= np.float32(0.84)  # wainscot
    canvas[444:452] = np.array(room.wall, np.float32) * np.float32(1.08)
    canvas[452:456] *= np.float32(0.8)
    for x in range(-40, WIDTH, 220):
        cv2.rectangle(canvas, (x, 486), (x + 176, 640), [c * 0.68 for c in room.wall], 3)
    return canvas


def _window(canvas: NDArray[np.float32], x: int) -> None:
    frame, sky = (214, 222, 226), np.linspace(0, 1, 300, dtype=np.float32)[:, None]
    cv2.rectangle(canvas, (x - 16, 44), (x + 256, 376), [c * 0.93 for c in frame], -1)
    pane = np.array((246, 232, 214), np.float32) * (1 - sky[..., None]) + np.array((236, 242, 240)) * sky[..., None]
    left, right = max(0, x), min(WIDTH, x + 240)
    canvas[60:360, left:right] = pane[:, : max(0, right - left)]
    for bar in (x + 78, x + 158):
        cv2.rectangle(canvas, (bar, 60), (bar + 6, 360), frame, -1)
    cv2.rectangle(canvas, (x, 200), (x + 240, 206), frame, -1)
    cv2.rectangle(canvas, (x - 26, 372), (x + 266, 390), [c * 0.86 for c in frame], -1)
    for row in range(64, 150, 12):  # a blind, half down
        cv2.rectangle(canvas, (x, row), (x + 240, row + 7), (222, 230, 234), -1)


def _board(canvas: NDArray[np.float32], x: int) -> None:
    cv2.rectangle(canvas, (x, 96), (x + 230, 268), (98, 128, 150), -1)
    cv2.rectangle(canvas, (x + 8, 104), (x + 222, 260), (126, 166, 186), -1)
    sheets = (
        (18, 116, 70, 92),
        (100, 112, 50, 70),
        (160, 122, 52, 74),
        (104, 192, 46, 58),
        (162, 206, 50, 44),
    )
    for dx, y, width, height in sheets:
        cv2.rectangle(canvas, (x + dx, y), (x + dx + width, y + height), (232, 236, 236), -1)
        for line in range(y + 10, y + height - 6, 8):
            cv2.line(canvas, (x + dx + 7, line), (x + dx + width - 9, line), (186, 190, 192), 2)


def _clock(canvas: NDArray[np.float32], x: int) -> None:
    cv2.circle(canvas, (x, 92), 46, (70, 72, 76), -1, cv2.LINE_AA)
    cv2.circle(canvas, (x, 92), 40, (238, 240, 240), -1, cv2.LINE_AA)
    for hour in range(12):
        along = np.array((np.sin(hour * np.pi / 6), -np.cos(hour * np.pi / 6)))
        begin, end = ((np.array((x, 92)) + along * reach).astype(int).tolist() for reach in (31, 36))
        cv2.line(canvas, begin, end, (80, 80, 80), 2, cv2.LINE_AA)
    cv2.line(canvas, (x, 92), (x - 17, 78), (50, 50, 50), 4, cv2.LINE_AA)
    cv2.line(canvas, (x, 92), (x + 5, 62), (50, 50, 50), 3, cv2.LINE_AA)


def _chair(canvas: NDArray[np.float32], seat_x: int) -> None:
    """The back of the candidate's chair: what is seen of an empty seat."""
    layer, mask = np.zeros_like(canvas), np.zeros(canvas.shape[:2], np.float32)
    for inset, colour in ((0, (74, 62, 54)), (16, (96, 82, 70))):
        top, bottom = 392 + inset, 566 - inset
        left, right = seat_x - 140 + inset, seat_x + 140 - inset
        for shape in (layer, mask):
            fill = colour if shape is layer else 1.0
            cv2.rectangle(shape, (left + 30, top), (right - 30, bottom), fill, -1)
            cv2.rectangle(shape, (left, top + 30), (right, bottom - 30), fill, -1)
            for corner in ((left + 30, top + 30), (right - 30, top + 30), (left + 30, bottom - 30)):
                cv2.circle(shape, corner, 30, fill, -1, cv2.LINE_AA)
            cv2.circle(shape, (right - 30, bottom - 30), 30, fill, -1, cv2.LINE_AA)
    for x in (seat_x - 68, seat_x + 50):
        cv2.rectangle(layer, (x, 560), (x + 18, 640), (60, 52, 46), -1)
        cv2.rectangle(mask, (x, 560), (x + 18, 640), 1.0, -1)
    shadow = np.asarray(cv2.GaussianBlur(np.roll(mask, (10, 14), (0, 1)), (0, 0), 16))
    canvas *= 1 - 0.28 * shadow[..., None]
    canvas *= 1 - mask[..., None]
    canvas += layer * mask[..., None]


def _desk(canvas: NDArray[np.float32], room: Room) -> None:
    colour, middle = room.desk, room.seat_x
    rows = HEIGHT - DESK_Y
    depth = np.linspace(0.86, 1.06, rows, dtype=np.float32)[:, None, None]
    canvas[DESK_Y:] = np.array(colour, np.float32) * depth
    grain = np.random.default_rng(7).normal(0, 1, (rows, WIDTH // 40)).astype(np.float32)
    wide = np.asarray(cv2.resize(grain, (WIDTH, rows), interpolation=cv2.INTER_CUBIC))
    canvas[DESK_Y:] += wide[..., None] * 2.5
    canvas[DESK_Y : DESK_Y + 5] *= np.float32(1.14)  # the edge catches the light
    shade = np.exp(-(((np.arange(WIDTH, dtype=np.float32) - middle) / 330) ** 2)) * np.float32(0.2)
    fade = np.linspace(1, 0, rows, dtype=np.float32)[:, None] ** 2
    canvas[DESK_Y:] *= 1 - (fade * shade)[..., None]
    paper = np.array([(-140, 652), (138, 650), (176, 719), (-172, 719)], np.int32) + np.array((middle, 0), np.int32)
    cv2.fillPoly(canvas, [paper + np.array((5, 6), np.int32)], [c * 0.8 for c in colour], cv2.LINE_AA)
    cv2.fillPoly(canvas, [paper], (234, 238, 240), cv2.LINE_AA)
    for row in range(664, 718, 9):
        inset = (719 - row) // 2
        cv2.line(canvas, (middle - 140 + inset, row), (middle + 130 - inset, row), (190, 192, 194), 2, cv2.LINE_AA)
    cv2.line(canvas, (middle + 198, 662), (middle + 262, 700), (96, 62, 40), 7, cv2.LINE_AA)
    cv2.line(canvas, (middle + 192, 658), (middle + 200, 663), (60, 60, 60), 4, cv2.LINE_AA)


def _light(window_x: int) -> NDArray[np.float32]:
    """Daylight falls off from the window; the picture's corners are a little darker, as lenses make them."""
    x = np.arange(WIDTH, dtype=np.float32)[None, :]
    y = np.arange(HEIGHT, dtype=np.float32)[:, None]
    near = np.exp(-(((x - window_x - 120) / 620) ** 2) - (((y - 260) / 620) ** 2))
    corner = 1 - 0.16 * (((x - 640) / 800) ** 2 + ((y - 360) / 560) ** 2)
    return np.asarray((0.84 + 0.22 * near) * corner, np.float32)
