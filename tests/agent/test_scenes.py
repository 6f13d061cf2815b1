"""The demo scenes: each picture follows from script and number alone, and the real model sees what the script says."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import models
from agent.camera import CameraLost, MainFrame
from agent.camera.paced import planes, vision_rgb
from agent.camera.scenes import (
    AWAY,
    CASTS,
    COVERED,
    HAND_S,
    HEAD_DOWN,
    MOVE_S,
    NOD_S,
    SCRIPTS,
    SITS,
    VISITOR,
    SceneCamera,
    Stage,
    moment,
    opening,
    presence,
)
from agent.camera.sprites import NOISE_MEAN
from agent.core.seat import SeatState, seat_state
from agent.vision import Vision, open_vision
from agent.wire import DEFAULT_RULES
from tests.support import wait_for

FACES = {SITS: 1, AWAY: 0, VISITOR: 2, COVERED: 0, HEAD_DOWN: 0}
STATES = {
    SITS: SeatState.FACE,
    AWAY: SeatState.EMPTY,
    VISITOR: SeatState.FACE,
    COVERED: SeatState.UNKNOWN,
    HEAD_DOWN: SeatState.SOMEBODY,
}
SEAT_EMPTY = DEFAULT_RULES[0]
DWELL_S = {AWAY: 10, VISITOR: 3, COVERED: 3}
SIZE, FPS = (1280, 720), 15.0


@pytest.fixture(scope="module")
def vision() -> Vision:
    return open_vision(folder=models.FILES_FOLDER)


SETTLED_S = {SITS: MOVE_S, AWAY: MOVE_S, VISITOR: MOVE_S, COVERED: HAND_S, HEAD_DOWN: NOD_S}
LOOKS = (-0.4, -0.2, 0.0)
"""Seconds: as many looks as vote on what counts."""


@pytest.mark.parametrize("script", SCRIPTS)
def test_vision_sees_what_the_script_says(script: str, vision: Vision) -> None:
    """At every second away from a change: as many faces as the act has, of at least a seventh of the picture's
    height, `covered` only when a hand is on the camera, and of the seat what the act shows: a bowed head is somebody,
    an empty chair is not, and neither is the clock on the wall."""
    stage = Stage(script, models.FILES_FOLDER, SIZE, FPS)
    vision.reset()
    seen = set()
    for second in range(1, int(sum(lasts for lasts, _ in SCRIPTS[script]))):
        now = moment(SCRIPTS[script], second + 0.5)
        settled_s = SETTLED_S[now.act] + 0.6
        if min(now.since_s, now.left_s) < settled_s:
            continue
        for before_s in LOOKS:
            number = round((second + 0.5 + before_s) * FPS)
            look = vision.observe(vision_rgb(stage.draw(number)), round(number * 1000 / FPS), 0)
        assert len(look.faces) == FACES[now.act], (second, now)
        assert look.scene.is_covered == (now.act == COVERED), (second, now)
        assert seat_state(look, SEAT_EMPTY) is STATES[now.act], (second, now, look.seat)
        assert all(0.14 < face.box[3] < 0.4 for face in look.faces), (second, look.faces)
        seen.add(now.act)
    assert seen == {act for _, act in SCRIPTS[script]}


def test_something_happens_in_the_first_minute_and_desks_differ() -> None:
    """Six scripts; within a minute at least three desks do something that an alert's dwell allows to be seen; no bowed
    head is taken for an empty seat; every script has its cast."""
    alerting = set()
    for name, script in SCRIPTS.items():
        begin = 0.0
        for lasts, act in script:
            if act in DWELL_S:
                assert lasts - 2 * MOVE_S > DWELL_S[act] - 0.5 or act == COVERED
                assert lasts > DWELL_S[act] + 1
                if begin + MOVE_S + DWELL_S[act] < 60:
                    alerting.add((name, act))
            assert act != HEAD_DOWN or lasts < DWELL_S[AWAY]
            begin += lasts
    assert len({name for name, _ in alerting}) >= 3
    assert {act for _, act in alerting} == {AWAY, VISITOR, COVERED}
    assert len(SCRIPTS) >= 6
    assert len({str(script) for script in SCRIPTS.values()}) == len(SCRIPTS)
    assert set(CASTS) == set(SCRIPTS)


def test_a_picture_follows_from_script_seed_and_number_alone() -> None:
    """The same drawn twice, in any order; another seed gives another; two in a row always differ (noise)."""
    one, two = (Stage("restless", models.FILES_FOLDER, (640, 360), FPS, seed=4) for _ in range(2))
    other = Stage("restless", models.FILES_FOLDER, (640, 360), FPS, seed=5)
    for number in (0, 700, 30):
        assert np.array_equal(one.draw(number), two.draw(number))
        assert not np.array_equal(one.draw(number), other.draw(number))
        assert not np.array_equal(one.draw(number), one.draw(number + 1))


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_opening_shows_the_empty_seat_once(script: str) -> None:
    """For its whole length the picture is the room alone; after the candidate has come in, the script begins as it
    does without an opening, and the opening does not come again when it goes round."""
    opening_s = 5.0
    plain = Stage(script, models.FILES_FOLDER, (320, 180), FPS)
    opened = Stage(script, models.FILES_FOLDER, (320, 180), FPS, opening_s=opening_s)
    room = opened._room.astype(int)
    for number in (0, 20, round(opening_s * FPS) - 1):
        luma = planes(opened.draw(number).astype(int) - room)[0]
        assert luma.max() <= 2 * NOISE_MEAN
    assert planes(opened.draw(round((opening_s + 1.2) * FPS)).astype(int) - room)[0].max() > 2 * NOISE_MEAN
    for second in (0.5, 20.0, sum(lasts for lasts, _ in SCRIPTS[script]) + 0.5):
        at = opening(opening_s + MOVE_S + second, opening_s)
        assert at is None
    assert opening(0.0, 0.0) is None
    first = opened.draw(round((opening_s + MOVE_S) * FPS) + 8).astype(int)
    assert np.abs(first - plain.draw(8).astype(int)).mean() < 12


def test_the_camera_opens_at_its_instant() -> None:
    """The seat is empty until then by the machine's clock; an instant that has passed leaves nothing out."""
    now_ms = time.time_ns() // 1_000_000
    late = SceneCamera("steady", models.FILES_FOLDER, (320, 180), FPS, opens_utc_ms=now_ms + 60_000)
    past = SceneCamera("steady", models.FILES_FOLDER, (320, 180), FPS, opens_utc_ms=now_ms - 1)
    pictures = []
    for camera in (late, past):
        camera.start(None)
        picture = camera.newest(0, 5)
        camera.stop()
        assert picture is not None
        pictures.append(picture.rgb.astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() > 60


@pytest.mark.parametrize("size", [(320, 180), (640, 480), (1920, 1080)])
def test_other_sizes_can_be_drawn(size: tuple[int, int]) -> None:
    """The same room at other sizes, within limited range."""
    stage = Stage("visitor", models.FILES_FOLDER, size, FPS)
    luma = planes(stage.draw(400))[0]
    assert luma.shape == (size[1], size[0])
    assert luma.min() >= 4
    assert luma.max() <= 245
    assert luma.std() > 20


@given(st.sampled_from(sorted(SCRIPTS)), st.floats(0, 10_000))
def test_a_script_goes_round(name: str, second: float) -> None:
    """At every second there is an act, within its own length, and the same one a round later."""
    script = SCRIPTS[name]
    now = moment(script, second)
    assert any(now.since_s + now.left_s == pytest.approx(lasts) for lasts, act in script if act == now.act)
    assert now.since_s >= 0 <= now.left_s
    assert 0 <= presence(now, MOVE_S) <= 1


def test_the_camera_gives_pictures_at_its_rate() -> None:
    """Numbers and instants rise, a fifteenth of a second apart."""
    frames: list[MainFrame] = []
    camera = SceneCamera("steady", models.FILES_FOLDER, (640, 360), FPS)
    camera.start(frames.append)
    wait_for(lambda: len(frames) >= 20)
    newest = camera.newest(0, 5)
    camera.stop()
    assert newest is not None
    assert newest.rgb.shape == (360, 640, 3)
    assert [frame.number for frame in frames] == list(range(1, len(frames) + 1))
    assert all(later.up_ns > earlier.up_ns for earlier, later in pairwise(frames))
    assert np.median(np.diff([frame.up_ns for frame in frames])) / 1e9 == pytest.approx(1 / FPS, abs=0.01)


def test_what_is_missing_is_one_clear_line(tmp_path: Path) -> None:
    """An unknown script names the known ones; missing portraits say how they are fetched."""
    with pytest.raises(CameraLost, match="steady, leaves"):
        SceneCamera("party", models.FILES_FOLDER).start(None)
    with pytest.raises(CameraLost, match=r"models.fetch") as caught:
        SceneCamera("steady", tmp_path).start(None)
    assert "\n" not in str(caught.value)
