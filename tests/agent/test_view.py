"""Moved or not: drawn rooms under known shifts, turns, light and people, and the demo's scenes with real faces."""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.camera.scenes import SCRIPTS, Stage
from agent.core.observation import Face
from agent.vision import Vision, open_vision
from agent.vision.view import ANOTHER_VIEW, FACELESS_MS, LEARN_MS, LOOK_EVERY_MS, View
from agent.wire import DEFAULT_RULES, AlertKind
from tests.agent.vision_kit import files_folder

Luma = NDArray[np.uint8]
WIDTH, HEIGHT = 192, 108
LEAST = next(rule.threshold for rule in DEFAULT_RULES if rule.kind is AlertKind.CAMERA_MOVED)


@cache
def world(seed: int = 0) -> NDArray[np.float32]:
    """A room larger than any picture of it: a wall with light on it, before it many things with edges and corners."""
    random = np.random.default_rng(seed)
    canvas = np.full((2 * HEIGHT, 2 * WIDTH), 150, np.float32) + np.linspace(-25, 25, 2 * WIDTH, dtype=np.float32)
    for _ in range(45):
        x, y = random.integers(0, 2 * WIDTH), random.integers(0, 2 * HEIGHT)
        width, height = random.integers(8, 40, 2)
        grey = float(random.integers(30, 230))
        if random.random() < 0.7:
            cv2.rectangle(canvas, (int(x), int(y)), (int(x + width), int(y + height)), grey, -1)
        else:
            cv2.circle(canvas, (int(x), int(y)), int(width) // 2, grey, -1)
    canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), 1.0), np.float32)
    canvas.setflags(write=False)
    return canvas


def seen(
    x: float = 0.0,
    y: float = 0.0,
    turned: float = 0.0,
    zoom: float = 1.0,
    seed: int = 0,
    noise: float = 1.0,
    grain: int = 0,
) -> Luma:
    """The room by a camera shifted by `x`, `y` pixels, turned by degrees, with fresh noise for each `grain`."""
    matrix = cv2.getRotationMatrix2D((float(WIDTH), float(HEIGHT)), turned, zoom)
    matrix[:, 2] += np.array((x - WIDTH / 2, y - HEIGHT / 2))
    picture = np.asarray(cv2.warpAffine(world(seed), matrix, (WIDTH, HEIGHT)), np.float32)
    return as_luma(picture + np.random.default_rng(grain).normal(0, noise, picture.shape))


def as_luma(picture: NDArray[np.floating[Any]]) -> Luma:
    return np.asarray(np.rint(picture).clip(0, 255), np.uint8)


def person(at: float) -> tuple[Luma, Face]:
    """A checked shirt and a round head before the room, at this fraction of the width; and the face to it."""
    picture, x = seen(grain=round(at * 1000)).copy(), round(at * WIDTH)
    shirt = np.kron(np.indices((6, 8)).sum(axis=0) % 2, np.ones((8, 8))) * 150 + 50
    left, right = max(0, x - 32), min(WIDTH, x + 32)
    picture[HEIGHT - 48 :, left:right] = shirt[:, left - x + 32 : right - x + 32].astype(np.uint8)
    cv2.circle(picture, (x, HEIGHT - 62), 15, 190, -1)
    cv2.circle(picture, (x - 5, HEIGHT - 66), 2, 40, -1)
    cv2.circle(picture, (x + 5, HEIGHT - 66), 2, 40, -1)
    return picture, Face(((x - 12) / WIDTH, (HEIGHT - 74) / HEIGHT, 24 / WIDTH, 26 / HEIGHT), 0.9)


def learned(picture: Luma | None = None, *faces: Face) -> View:
    view = View()
    view.learn([seen() if picture is None else picture], faces)
    return view


def told(picture: Luma, *faces: Face) -> float | None:
    return learned().look(picture, faces, 0)


@given(st.integers(-40, 40), st.integers(-22, 22), st.integers(0, 4))
@settings(deadline=None, max_examples=40)
def test_a_known_shift_is_measured(x: int, y: int, seed: int) -> None:
    """Shifts in any direction up to a fifth of the width, in several rooms: right to a pixel of 192, but that the
    smallest, over which most things still cover where they were, are told as none."""
    length = float(np.hypot(x, y))
    assume(length <= WIDTH / 5)
    shift = learned(seen(seed=seed)).look(seen(x, y, seed=seed, grain=1), (), 0)
    assert shift is not None
    if length < 5:
        assert 0 <= shift <= (length + 1) / WIDTH < LEAST
    else:
        assert shift == pytest.approx(length / WIDTH, abs=1.5 / WIDTH)


@pytest.mark.parametrize("turned", [10, -10, 25, 90, 180])
def test_a_turned_camera_has_another_view(turned: float) -> None:
    """From ten degrees on nothing is where it was."""
    assert told(seen(turned=turned, grain=1)) == ANOTHER_VIEW


def test_another_room_is_another_view() -> None:
    """The unit was put down somewhere else; and so does a camera see that has come much nearer."""
    assert told(seen(seed=1)) == ANOTHER_VIEW
    assert told(seen(zoom=1.5, grain=1)) == ANOTHER_VIEW


@given(
    st.floats(0.25, 1.8),
    st.floats(-25, 40),
    st.floats(0.6, 1.6),
    st.floats(0, 3),
    st.floats(-0.7, 0.7),
    st.integers(0, 4),
)
@settings(deadline=None, max_examples=60)
def test_light_is_no_move(gain: float, lift: float, gamma: float, noise: float, side: float, seed: int) -> None:
    """Exposure, contrast, a lamp at one side and noise, in any mixture, leave the view where it is."""
    lamp = 1 + side * np.linspace(-1, 1, WIDTH)
    lit = 255 * (seen(seed=seed, noise=0) / 255) ** gamma * gain * lamp + lift
    picture = as_luma(lit + np.random.default_rng(7).normal(0, noise, lit.shape))
    assert learned(seen(seed=seed)).look(picture, (), 0) in (0.0, None)


def test_lights_switched_on_are_no_move() -> None:
    """The other way about: learned in the dark, seen bright; and everything in between is told, not left open."""
    view = learned(as_luma(seen(noise=0) * 0.2 + np.random.default_rng(1).normal(0, 1.5, (HEIGHT, WIDTH))))
    assert view.look(seen(grain=2), (), 0) == 0.0
    assert told(as_luma(seen(grain=3) * 0.4)) == 0.0


def test_a_candidate_who_moves_leaves_and_comes_back_is_no_move() -> None:
    """Sitting elsewhere, gone, at the edge, two of them: the room behind is what counts."""
    picture, face = person(0.5)
    view = learned(picture, face)
    for n, at in enumerate((0.5, 0.42, 0.6, 0.2, 0.9)):
        moved, moved_face = person(at)
        assert view.look(moved, (moved_face,), n * LOOK_EVERY_MS) == 0.0
        assert view.look(moved, (), (n + 10) * LOOK_EVERY_MS) == 0.0, "turned away: no face to say where they are"
    assert view.look(seen(grain=5), (), 100_000) == 0.0


def test_a_camera_that_moves_with_a_candidate_before_it_has_moved() -> None:
    """The candidate stays in the middle of the picture, as when the unit is turned with the chair."""
    picture, face = person(0.5)
    view = learned(picture, face)
    other = seen(24, 0, grain=3)
    other[HEIGHT - 77 :, 64:128] = picture[HEIGHT - 77 :, 64:128]
    assert view.look(other, (face,), 0) == pytest.approx(24 / WIDTH, abs=1 / WIDTH)


def test_before_a_bare_wall_nothing_can_be_told() -> None:
    """No corner, no vote: neither that it stands nor that it moved, whatever the noise and whoever sits there."""
    wall = np.full((HEIGHT, WIDTH), 140.0) + np.linspace(-20, 20, WIDTH)
    random = np.random.default_rng(2)
    view = View()
    view.learn([as_luma(wall + random.normal(0, 3, wall.shape)) for _ in range(8)])
    assert view.look(as_luma(wall + random.normal(0, 3, wall.shape)), (), 0) is None
    assert view.look(seen(), (), 5_000) is None
    picture, face = person(0.5)
    alone = as_luma(wall)
    alone[HEIGHT - 77 :, 64:128] = picture[HEIGHT - 77 :, 64:128]
    view = learned(alone, face)
    assert view.look(as_luma(wall), (), 0) is None, "the candidate was all there was to see"


def test_a_view_that_turned_to_a_bare_wall_is_not_told() -> None:
    """A smooth picture is as well a large thing in front of the lens; camera_covered is there for that."""
    assert (
        told(as_luma(np.full((HEIGHT, WIDTH), 120.0) + np.random.default_rng(1).normal(0, 1, (HEIGHT, WIDTH)))) is None
    )


def test_the_first_pictures_make_the_reference() -> None:
    """Without a learned one: three seconds of pictures with a face; nothing is told of them."""
    view, up_ms = View(), 1_000
    while up_ms <= 1_000 + LEARN_MS:
        picture, face = person(0.5)
        assert view.look(picture, (face,), up_ms) is None
        up_ms += 200
    assert view.look(seen(grain=1), (), up_ms) == 0.0
    assert view.look(seen(19, 0, grain=2), (), up_ms + LOOK_EVERY_MS) == pytest.approx(19 / WIDTH, abs=1 / WIDTH)


def test_without_a_face_the_reference_waits() -> None:
    """Somebody who bows is not to become part of the room; an empty seat is taken for it in the end."""
    view = View()
    for up_ms in range(0, FACELESS_MS, 200):
        assert view.look(seen(grain=up_ms), (), up_ms) is None
    for up_ms in range(FACELESS_MS, FACELESS_MS + LEARN_MS + 1, 200):
        assert view.look(seen(5, 0, grain=up_ms), (), up_ms) is None
    assert view.look(seen(5, 0), (), FACELESS_MS + LEARN_MS + 200) == 0.0, "what was before does not count"


def test_what_moves_while_it_is_learned_does_not_vote() -> None:
    """Busy hands cover the desk at first and are gone later: the rest of the room decides."""
    view = View()
    for n, up_ms in enumerate(range(0, LEARN_MS + 1, 200)):
        picture = seen(grain=n)
        picture[40:, :] = seen(3 * n, 2 * n, seed=2, grain=n)[40:, :]
        view.look(picture, (Face((0.9, 0.9, 0.02, 0.02), 0.9),), up_ms)
    assert view.look(seen(grain=99), (), 10_000) == 0.0


def test_forgetting_makes_the_next_view_the_right_one() -> None:
    """A sitting begins at a unit that was turned since: that view is its reference."""
    view = learned()
    assert view.look(seen(30, 0), (), 0) == pytest.approx(30 / WIDTH, abs=1 / WIDTH)
    view.forget()
    face = Face((0.9, 0.9, 0.02, 0.02), 0.9)
    assert [view.look(seen(30, 0, grain=n), (face,), n * 500) for n in range(7)] == [None] * 7
    assert view.look(seen(30, 0), (face,), 4_000) == 0.0


def test_it_looks_once_a_second_and_says_the_same_in_between() -> None:
    """The cost is paid once; a clock that goes back, as from film to film, does not stop it."""
    view = learned()
    moved = pytest.approx(30 / WIDTH, abs=1 / WIDTH)
    assert view.look(seen(), (), 5_000) == 0.0
    assert view.look(seen(30, 0), (), 5_000 + LOOK_EVERY_MS - 1) == 0.0
    assert view.look(seen(30, 0), (), 5_000 + LOOK_EVERY_MS) == moved
    assert view.look(seen(), (), 5_001 + LOOK_EVERY_MS) == moved
    assert view.look(seen(), (), 100) == 0.0


def test_another_cameras_pictures_make_a_new_reference() -> None:
    """Another shape cannot be compared: it is learned, not refused."""
    view = learned()
    other = np.asarray(cv2.resize(seen(), (160, 120)), np.uint8)
    face = Face((0.9, 0.9, 0.02, 0.02), 0.9)
    assert [view.look(other, (face,), up_ms) for up_ms in range(0, 3_001, 500)] == [None] * 7
    assert view.look(other, (), 4_000) == 0.0
    assert view.look(other[:5, :7], (), 5_000) is None


@pytest.fixture(scope="module")
def vision() -> Vision:
    return open_vision("full_range", files_folder())


@pytest.mark.parametrize("script", ["leaves", "visitor", "restless"])
def test_the_demos_people_never_move_the_camera(script: str, vision: Vision) -> None:
    """Leaving, coming back, leaning in, a hand on the lens: not one false move, and it is told, not left open."""
    stage = Stage(script, files_folder(), (640, 360), fps=2)
    vision.forget_view()
    shifts = []
    for number in range(2 * round(sum(seconds for seconds, _ in SCRIPTS[script][:4]))):
        rgb = np.asarray(cv2.cvtColor(stage.draw(number), cv2.COLOR_YUV2RGB_I420), np.uint8)
        shifts.append(vision.observe(rgb, number * 500, 0).scene.shift)
    assert {shift for shift in shifts if shift is not None} == {0.0}
    assert shifts.count(0.0) > 0.6 * len(shifts)


def test_a_demo_desks_camera_that_is_turned_has_moved(vision: Vision) -> None:
    """The same desk from a unit that was pushed by a tenth of the picture, and by ten degrees."""
    stage = Stage("steady", files_folder(), (1280, 720), fps=5)

    def look(number: int, x: float = 0.0, turned: float = 0.0) -> float | None:
        rgb = np.asarray(cv2.cvtColor(stage.draw(number), cv2.COLOR_YUV2RGB_I420), np.uint8)
        matrix = cv2.getRotationMatrix2D((640, 360), turned, 1.25)
        matrix[0, 2] += x * 1280
        pushed = cv2.warpAffine(rgb, matrix, (1280, 720), borderMode=cv2.BORDER_REPLICATE)
        small = cv2.resize(pushed, (640, 360), interpolation=cv2.INTER_AREA).astype(np.uint8)
        return vision.observe(small, number * 200, 0).scene.shift

    vision.forget_view()
    assert [look(number) for number in range(16)] == [None] * 16
    assert look(21) == 0.0
    assert look(27, x=0.1) == pytest.approx(0.1, abs=0.01)
    assert look(33, turned=10) == ANOTHER_VIEW
    assert look(39) == 0.0
    assert 0.01 <= LEAST < 0.1
