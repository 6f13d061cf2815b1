"""The demo's camera: real faces in a drawn exam room, acting by a script. What a picture shows depends on nothing but
script, seed, opening and the picture's number; the real time only says when it is due, and how long the opening is."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from agent.camera import CameraLost
from agent.camera.paced import Captured, PacedCamera, Pacer, boot_ns, planes
from agent.camera.room import DESK_Y, HEIGHT, WIDTH, Room, draw_room
from agent.camera.sprites import ASTRONAUT, HOPPER, NOISE_MEAN, Bytes, Cutout, Place, Portrait, Pose

SITS, AWAY, VISITOR, COVERED, HEAD_DOWN = "sits", "away", "visitor", "covered", "head_down"

SCRIPTS: dict[str, list[tuple[float, str]]] = {
    "steady": [(42, SITS), (4, HEAD_DOWN), (55, SITS), (6, HEAD_DOWN), (30, SITS)],
    "leaves": [(14, SITS), (20, AWAY), (45, SITS), (16, AWAY), (40, SITS)],
    "visitor": [(22, SITS), (9, VISITOR), (58, SITS), (7, VISITOR), (30, SITS)],
    "covered": [(31, SITS), (9, COVERED), (52, SITS), (6, COVERED), (24, SITS)],
    "writing": [(9, SITS), (8, HEAD_DOWN), (6, SITS), (7, HEAD_DOWN), (10, SITS), (8, HEAD_DOWN), (26, SITS)],
    "restless": [(40, SITS), (6, VISITOR), (14, SITS), (16, AWAY), (12, SITS), (5, COVERED), (28, SITS)],
}
"""What happens at each demo desk: seconds and act, from the beginning again after the last. A bowed head never lasts
ten seconds: a candidate who writes is not to be taken for an empty seat."""


class Cast(NamedTuple):
    """Who and where: the look of one script's desk."""

    room: Room
    sitter: Portrait
    visitor: Portrait
    dress_hue: int = 0
    is_mirrored: bool = False


CASTS: dict[str, Cast] = {
    "steady": Cast(Room((198, 206, 204), 60, 960, 400, 650), ASTRONAUT, HOPPER, dress_hue=98),
    "leaves": Cast(Room((196, 212, 222), 960, 90, 430, 640), HOPPER, ASTRONAUT),
    "visitor": Cast(Room((190, 204, 194), 40, 1010, 480, 760), ASTRONAUT, HOPPER, is_mirrored=True),
    "covered": Cast(Room((214, 206, 196), 30, 980, 850, 620, (104, 120, 140)), HOPPER, ASTRONAUT, is_mirrored=True),
    "writing": Cast(Room((204, 212, 214), 970, 70, 400, 620, (110, 146, 178)), ASTRONAUT, HOPPER, dress_hue=62),
    "restless": Cast(Room((188, 200, 214), 1000, 110, 500, 770), HOPPER, ASTRONAUT),
}

LONGEST_OPENING_S = 120.0
"""A clock that is wrong by an hour must not leave a demo desk empty for an hour."""
MOVE_S = 1.4
"""How long it takes to leave, to come back, to lean in."""
HAND_S = 0.4
NOD_S = 0.35
NOISE_DEVIATION = 1.6
"""Of luma, about what a small sensor shows indoors."""
MARGIN = 64
"""How far the tile of noise may be moved."""


class Moment(NamedTuple):
    """Where a script stands: the act, seconds since its begin and until its end."""

    act: str
    since_s: float
    left_s: float


def moment(script: list[tuple[float, str]], second: float) -> Moment:
    """What goes on at `second` of the ever repeated script."""
    second %= sum(lasts for lasts, _ in script)
    for lasts, act in script:
        if second < lasts:
            return Moment(act, second, lasts - second)
        second -= lasts
    return Moment(script[-1][1], script[-1][0], 0.0)


def opening(second: float, opening_s: float) -> Moment | None:
    """What goes on at `second` before the script begins: an empty seat for `opening_s`, and then the candidate, whom
    it takes MOVE_S to come in; None once that is over. Told once, whereas the script goes round."""
    left_s = opening_s + MOVE_S - second
    return Moment(AWAY, MOVE_S + second, left_s) if opening_s > 0 and left_s > 0 else None


def presence(now: Moment, move_s: float) -> float:
    """How far an act has come, 0..1: it takes `move_s` to begin and, before its end, as long to end."""
    way = min(1.0, now.since_s / move_s, now.left_s / move_s)
    return way * way * (3 - 2 * way)


class Stage:
    """Draws one script's pictures. Everything is made ready once; a picture is a copy, some laid over, noise."""

    def __init__(
        self, script: str, folder: Path, size: tuple[int, int], fps: float, seed: int = 0, opening_s: float = 0.0
    ) -> None:
        """`folder` holds the portraits; the seat is empty for `opening_s` before the script begins. Raises CameraLost
        for a script or portrait that does not exist."""
        if script not in SCRIPTS:
            raise CameraLost(f"there is no demo scene {script!r}; there are {', '.join(SCRIPTS)}")
        cast = CASTS[script]
        self._script, self._size, self._fps, self._seed = SCRIPTS[script], size, fps, seed
        self.opening_s = opening_s
        self._unit = min(size[0] / WIDTH, size[1] / HEIGHT)
        self._room = draw_room(cast.room, size)
        self._floor = int(DESK_Y * size[1] / HEIGHT) // 2 * 2
        acts = {act for _, act in self._script}
        sitter = Cutout(folder, cast.sitter, cast.dress_hue, cast.is_mirrored)
        place = Place(cast.room.seat_x * size[0] / WIDTH, self._floor, self._unit)
        self._sitting = sitter.poses(sitter.upright(), place, 28, 1.0)
        self._bowed = sitter.poses(sitter.bowed(), place, 12, 0.6) if HEAD_DOWN in acts else []
        self._leaning: list[Pose] = []
        if VISITOR in acts:
            visitor = Cutout(folder, cast.visitor, 0, is_mirrored=False)
            side = Place((cast.room.seat_x - 440) * size[0] / WIDTH, self._floor, self._unit * 0.8, lean=7.0)
            self._leaning = visitor.poses(visitor.upright(), side, 12, 0.8)
        self._hand = _hand(size)
        random = np.random.default_rng(seed)
        noise = random.normal(NOISE_MEAN, NOISE_DEVIATION, (size[1] + MARGIN, size[0] + MARGIN))
        self._noise = np.clip(np.rint(noise), 0, 2 * NOISE_MEAN).astype(np.uint8)

    def draw(self, number: int) -> Bytes:
        """Picture `number` (from 0) as I420."""
        second = number / self._fps
        opens = opening(second, self.opening_s)
        now = opens or moment(self._script, second - (self.opening_s + MOVE_S if self.opening_s > 0 else 0))
        i420 = self._room.copy()
        if now.act != COVERED or now.since_s < HAND_S or now.left_s < HAND_S:
            self._people(i420, now, second)
        if now.act == COVERED:
            self._cover(i420, presence(now, HAND_S), second)
        # a generator of its own for each picture, so that any picture can be drawn alone
        x, y = np.random.default_rng((self._seed, number)).integers(0, MARGIN, 2)
        luma = planes(i420)[0]
        cv2.add(luma, self._noise[y : y + luma.shape[0], x : x + luma.shape[1]], dst=luma)
        return i420

    def _people(self, i420: Bytes, now: Moment, second: float) -> None:
        slow = second / 9.0 + 0.13 * math.sin(second / 3.7) + 0.31 * self._seed
        if now.act == VISITOR:
            away = 1 - presence(now, MOVE_S)
            self._lay(i420, self._leaning, slow * 1.3, -620 * away, 40 * away)
        if now.act == HEAD_DOWN:
            down = min(1.0, now.since_s / NOD_S, now.left_s / NOD_S)
            poses, y = (self._bowed, 0.0) if down > 0.6 else (self._sitting, 34 * down)
            self._lay(i420, poses, slow * (2.2 if down > 0.6 else 1), 0, y)
            return
        gone = presence(now, MOVE_S) if now.act == AWAY else 0.0
        if gone < 1:
            self._lay(i420, self._sitting, slow, 1080 * gone, 70 * math.sin(math.pi * gone))

    def _lay(self, i420: Bytes, poses: list[Pose], turns: float, x: float, y: float) -> None:
        pose = poses[int(turns * len(poses)) % len(poses)]
        pose.lay_over(i420, round(x * self._unit), round(y * self._unit), self._floor)

    def _cover(self, i420: Bytes, covered: float, second: float) -> None:
        y = int(MARGIN / 2 * (1 + 0.9 * math.sin(second * 1.7))) // 2 * 2
        for shift, plane, hand in zip((0, 1, 1), planes(i420), planes(self._hand), strict=True):
            rows = hand[y >> shift : (y >> shift) + plane.shape[0]]
            cv2.addWeighted(rows, covered, plane, 1 - covered, 0, dst=plane)


def _hand(size: tuple[int, int]) -> Bytes:
    """What the camera sees of a hand on it: nearly nothing, a little red light at one side. Higher by MARGIN."""
    width, height = size[0], size[1] + MARGIN
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    glow = np.exp(-((across - 0.9) ** 2) * 2.2 - (down - 0.2) ** 2 * 1.4)[..., None]
    bgr = np.array((6, 8, 14), np.float32) + glow * np.array((6, 9, 26), np.float32)
    i420 = np.asarray(cv2.cvtColor(bgr.astype(np.uint8), cv2.COLOR_BGR2YUV_I420), np.uint8)
    luma = planes(i420)[0]
    cv2.subtract(luma, NOISE_MEAN, dst=luma)  # type: ignore[call-overload]
    return i420


class SceneCamera(PacedCamera):
    """A demo desk's camera. `script` is a name of SCRIPTS, `folder` where `models.fetch` puts the portraits. Before
    `opens_utc_ms` by this machine's clock the seat is empty: whoever plans the demo says the same to the desk."""

    def __init__(
        self,
        script: str,
        folder: Path,
        size: tuple[int, int] = (1280, 720),
        fps: float = 15.0,
        seed: int = 0,
        opens_utc_ms: int | None = None,
    ) -> None:
        super().__init__(size, fps)
        self._script, self._folder, self._seed = script, folder, seed
        self._opens_utc_ms = opens_utc_ms

    @property
    def _name(self) -> str:
        return f"demo scene {self._script}"

    def _capture(self) -> Iterator[Captured]:
        stage = Stage(self._script, self._folder, self._size, self._fps, self._seed)
        if self._opens_utc_ms is not None:  # measured when all is drawn: that takes seconds
            left_s = self._opens_utc_ms / 1000 - time.time_ns() / 1e9
            stage.opening_s = min(max(0.0, left_s), LONGEST_OPENING_S)
        pacer = Pacer(boot_ns())
        number = 0
        while True:
            due_ns = pacer.due_ns(round(number * 1e9 / self._fps), boot_ns())
            if not self._wait_until(due_ns):
                return
            yield Captured(due_ns, stage.draw(number))
            number += 1
