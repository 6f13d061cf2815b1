"""The witnesses of the seat and the reference of the empty one; on drawn views with known noise, and on real models."""

from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import models
from agent.camera.paced import vision_rgb
from agent.camera.scenes import Stage
from agent.core.masks import Zones
from agent.core.observation import Seat
from agent.seat_reference import keep_reference, kept_reference
from agent.vision import open_vision
from agent.vision.person import GRID, BodyScore, Cells, PersonCells
from agent.vision.runtime import TfliteModel
from agent.vision.seat import (
    ADOPT_MS,
    ASK_EVERY_MS,
    FURNITURE_MS,
    LEARN_MS,
    Reference,
    SeatWatch,
    changed,
    decode_reference,
    encode_reference,
    thumbnail,
)
from agent.wire import Mask
from tests.agent.vision_kit import files_folder

Picture = NDArray[np.uint8]
STEP_MS = ASK_EVERY_MS


def room(seed: int = 3) -> Picture:
    """A room with furniture: rectangles of other colours on a wall."""
    chance = np.random.default_rng(seed)
    picture = np.full((360, 640, 3), 170, np.uint8)
    for _ in range(30):
        x, y = int(chance.integers(0, 560)), int(chance.integers(0, 300))
        width, height = int(chance.integers(20, 120)), int(chance.integers(15, 90))
        picture[y : y + height, x : x + width] = chance.integers(40, 220, 3)
    return picture


def noisy(picture: Picture, number: int, deviation: float = 2.0) -> Picture:
    noise = np.random.default_rng(number).normal(0, deviation, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def with_person(picture: Picture, x: int = 240, y: int = 120) -> Picture:
    """Something of a person's size in the middle, with sleeves and folds."""
    view = picture.copy()
    view[y:, x : x + 180] = (60, 70, 120)
    view[y + 40 : y + 48, x : x + 180] = (200, 190, 170)
    view[y + 90 :, x + 60 : x + 68] = (20, 20, 40)
    return view


class Person:
    """Says what it is told to say; counts how often it is asked."""

    model: TfliteModel

    def __init__(self) -> None:
        self.cells: Cells = np.zeros((GRID[1], GRID[0]), bool)
        self.asked = 0

    def look(self, rgb: Picture) -> Cells:
        self.asked += 1
        return self.cells


class Body:
    """As Person."""

    model: TfliteModel

    def __init__(self) -> None:
        self.score = 0.1
        self.asked = 0

    def look(self, rgb: Picture) -> float:
        self.asked += 1
        return self.score


class Watched:
    """A seat under watch, its clock moved by hand."""

    def __init__(self) -> None:
        self.person, self.body = Person(), Body()
        self.watch = SeatWatch(self.person, self.body)
        self.up_ms = 0

    def see(self, picture: Picture, ms: int, *, is_said_empty: bool = False, noise: float = 2.0) -> Seat:
        """Show `picture`, with fresh noise each time, for `ms`; the last answer."""
        answer = None
        for _ in range(max(1, ms // STEP_MS)):
            self.up_ms += STEP_MS
            answer = self.watch.look(noisy(picture, self.up_ms, noise), self.up_ms, is_said_empty=is_said_empty)
        assert answer is not None
        return answer


def has_reference(seat: Watched) -> bool:
    return seat.watch.reference is not None


def some_cells(count: int) -> Cells:
    cells = np.zeros(GRID[0] * GRID[1], bool)
    cells[:count] = True
    return cells.reshape(GRID[1], GRID[0])


# --- the reference --------------------------------------------------------------------------------------------------


def test_the_reference_is_learned_when_the_plan_says_so() -> None:
    """Two still seconds of the empty time are enough; before, there is nothing to compare with; afterwards the same
    seat differs by nothing and a person by a lot."""
    seat = Watched()
    assert seat.see(room(), 4_000).change is None
    seat.see(room(), LEARN_MS + 2 * STEP_MS, is_said_empty=True)
    assert seat.watch.reference is not None
    empty = seat.see(room(), STEP_MS).change
    somebody = seat.see(with_person(room()), STEP_MS).change
    assert empty is not None
    assert somebody is not None
    assert empty <= 0.01
    assert somebody >= 0.14


def test_who_walks_through_while_the_room_is_set_up_is_not_learned() -> None:
    """A view that does not stand still is no reference, whatever the plan says."""
    seat = Watched()
    for x in range(0, 480, 40):
        seat.see(with_person(room(), x), STEP_MS, is_said_empty=True)
    assert seat.watch.reference is None


def test_who_sits_still_in_the_empty_time_is_not_learned() -> None:
    """A candidate let in early, bowed over the desk: as long as a model sees somebody, two still seconds are nothing; a
    minute without a trace of movement is furniture."""
    for what in ("person", "body"):
        seat = Watched()
        if what == "person":
            seat.person.cells = some_cells(300)
        else:
            seat.body.score = 0.9
        seat.see(with_person(room()), 40_000, is_said_empty=True)
        seat.see(with_person(room(), 252), 40_000, is_said_empty=True)
        assert not has_reference(seat)
        seat.see(with_person(room(), 252), 25_000, is_said_empty=True)
        assert has_reference(seat)


def test_slow_movement_is_no_stillness() -> None:
    """Each half second differs from the last by nothing that counts, and still it is not the view of the beginning."""
    seat = Watched()
    for step in range(ADOPT_MS // STEP_MS + 10):
        seat.see(with_person(room(), 200 + step * 2), STEP_MS)
    assert not has_reference(seat)


def test_a_neighbour_in_a_mask_is_no_body_at_this_seat() -> None:
    """The body detector is shown plain grey where a mask lies, and the picture itself stays as it was."""
    seat = Watched()
    shown: list[Picture] = []
    seat.body.look = lambda rgb: shown.append(rgb) or 0.1  # type: ignore[method-assign,func-returns-value]
    left = Mask(kind="ignore", points=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
    seat.watch.mask(np.array(Zones((left,)).ignored_grid(*GRID)))
    view = room()
    before = view.copy()
    seat.watch.look(view, 1_000)
    assert (shown[0][:, :320] == 127).all()
    assert (shown[0][:, 320:] == view[:, 320:]).all()
    assert (view == before).all()


def test_a_private_mask_drawn_later_is_no_change_and_leaves_the_reference() -> None:
    """Its black edge counts for nothing, and what the reference knew of the place is forgotten."""
    seat = Watched()
    seat.see(room(), LEARN_MS + 2 * STEP_MS, is_said_empty=True)
    corner = Zones((Mask(kind="private", points=((0.1, 0.1), (0.4, 0.1), (0.4, 0.6), (0.1, 0.6))),))
    ignored = np.array(corner.ignored_grid(*GRID))
    seat.watch.mask(ignored)
    black = room()
    black[36:216, 64:256] = 0
    change = seat.see(black, STEP_MS).change
    assert change is not None
    assert change <= 0.02
    assert seat.watch.reference is not None
    assert not np.frombuffer(seat.watch.reference.grey, np.uint8)[ignored.ravel()].any()


def test_a_face_ends_what_stood_still() -> None:
    """`leave` is called when a face shows: the dwell of learning starts anew, the reference stays."""
    seat = Watched()
    seat.see(room(), LEARN_MS, is_said_empty=True)
    seat.watch.leave()
    seat.see(room(), LEARN_MS, is_said_empty=True)
    assert not has_reference(seat)
    seat.see(room(), 2 * STEP_MS, is_said_empty=True)
    assert has_reference(seat)
    seat.watch.leave()
    assert has_reference(seat)


def test_a_seat_as_it_was_left_becomes_the_reference() -> None:
    """Chair pushed back, coat over it: it differs from what was learned until it has stood still for 20 s with both
    models calling it empty; then it is what an empty seat looks like."""
    seat = Watched()
    seat.see(room(), LEARN_MS + 2 * STEP_MS, is_said_empty=True)
    left = with_person(room(), 300, 200)
    before = seat.see(left, ADOPT_MS - 2 * STEP_MS).change
    assert before is not None
    assert before >= 0.07
    after = seat.see(left, 6 * STEP_MS).change
    assert after is not None
    assert after <= 0.01


def test_who_moves_or_is_seen_by_a_model_is_never_learned() -> None:
    """Somebody whom segmentation or pose sees, and somebody who moves, are no empty seat however long they sit."""
    seat = Watched()
    seat.person.cells = some_cells(60)
    seat.see(with_person(room()), 2 * ADOPT_MS)
    assert seat.watch.reference is None
    seat.person.cells = some_cells(0)
    seat.body.score = 0.7
    seat.see(with_person(room()), 2 * ADOPT_MS)
    assert seat.watch.reference is None
    seat.body.score = 0.1
    for number in range(2 * ADOPT_MS // STEP_MS):
        seat.see(with_person(room(), 240 + number % 2 * 12), STEP_MS)
    assert seat.watch.reference is None


def test_the_reference_follows_the_light() -> None:
    """From noon to dusk, a little darker every second: the empty seat stays the same seat."""
    seat = Watched()
    seat.see(room(), LEARN_MS + 2 * STEP_MS, is_said_empty=True)
    for second in range(240):
        light = 1.0 - 0.6 * second / 240
        change = seat.see((room() * light).astype(np.uint8), 2 * STEP_MS).change
        assert change is not None
        assert change < 0.03, second
    person = seat.see(with_person((room() * 0.4).astype(np.uint8)), STEP_MS).change
    assert person is not None
    assert person >= 0.07


@pytest.mark.parametrize("gain", [0.7, 0.85, 1.15, 1.3])
def test_another_exposure_is_no_person(gain: float) -> None:
    """All brighter or darker at once: no cell of the view shows something else."""
    before = thumbnail(room() // 2)
    now = thumbnail(np.clip(room() // 2 * gain, 0, 255).astype(np.uint8))
    assert changed(before, now).mean() <= 0.02


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), deviation=st.floats(0.5, 4))
def test_noise_is_no_change(seed: int, deviation: float) -> None:
    """Whatever the room, two noisy pictures of it are one view."""
    view = room(seed)
    cells = changed(thumbnail(noisy(view, seed, deviation)), thumbnail(noisy(view, seed + 1, deviation)))
    assert cells.mean() <= 0.01


# --- the witnesses --------------------------------------------------------------------------------------------------


def test_witnesses_are_asked_twice_a_second_and_their_answer_holds() -> None:
    """Between two questions the last answer is given again, at no cost; pose is asked only when segmentation sees
    nobody."""
    seat = Watched()
    answers = [seat.watch.look(room(), up_ms) for up_ms in range(1_000, 3_000, 200)]
    assert seat.person.asked == 4
    assert seat.body.asked == 4
    assert all(answer == Seat(0.0, 0.1, None) for answer in answers)
    seat.person.cells = some_cells(200)
    assert seat.watch.look(room(), 3_600) == Seat(round(200 / 2304, 3), None, None)
    assert seat.body.asked == 4


def test_furniture_that_looks_like_a_person_is_not_heard() -> None:
    """Cells that are person on the empty seat are not counted there, and a body found there makes pose no witness;
    somebody beside them is."""
    seat = Watched()
    seat.person.cells, seat.body.score = some_cells(500), 0.9
    seat.see(room(), FURNITURE_MS + 2 * STEP_MS, is_said_empty=True)
    assert seat.see(room(), STEP_MS) == Seat(0.0, None, 0.0)
    seat.person.cells = some_cells(600)
    assert seat.see(room(), STEP_MS).person == round(100 / 2304, 3)


def test_masked_cells_are_not_spoken_of() -> None:
    """What lies in a mask neither is a person nor has changed."""
    seat = Watched()
    seat.see(room(), LEARN_MS + 2 * STEP_MS, is_said_empty=True)
    everything = Mask(kind="ignore", points=((0, 0), (1, 0), (1, 1), (0, 1)))
    seat.watch.mask(np.array(Zones((everything,)).ignored_grid(*GRID)))
    seat.person.cells = some_cells(2304)
    assert seat.see(with_person(room()), STEP_MS) == Seat(0.0, 0.1, 0.0)


# --- keeping it -----------------------------------------------------------------------------------------------------


def learned() -> Reference:
    seat = Watched()
    seat.person.cells, seat.body.score = some_cells(37), 0.25
    seat.see(room(), LEARN_MS + 2 * STEP_MS, is_said_empty=True)
    assert seat.watch.reference is not None
    return seat.watch.reference


def test_a_kept_reference_serves_the_next_run(tmp_path: Path) -> None:
    """Written whole, read back, used: the next start knows the seat at its first look."""
    assert kept_reference(tmp_path) is None
    keep_reference(tmp_path, encode_reference(learned()))
    data = kept_reference(tmp_path)
    assert data is not None
    assert [path.name for path in tmp_path.iterdir()] == ["empty-seat"]
    seat = Watched()
    seat.watch.use(decode_reference(data))
    change = seat.see(room(), STEP_MS).change
    assert change is not None
    assert change <= 0.01


def test_a_card_that_refuses_costs_only_the_reference(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder that is none: said in the log, nothing raised."""
    keep_reference(tmp_path / "gone", b"x")
    assert "cannot be kept" in caplog.text
    (tmp_path / "empty-seat").mkdir()
    assert kept_reference(tmp_path) is None
    assert "cannot be read" in caplog.text


@given(data=st.binary(max_size=300))
def test_any_bytes_are_a_reference_or_none(data: bytes) -> None:
    """A damaged file is learned again, never an error."""
    assert decode_reference(data) is None or isinstance(decode_reference(data), Reference)


def test_a_reference_cut_or_of_another_version_is_none() -> None:
    """Each beginning of it, and one whose parts have other sizes."""
    reference = learned()
    data = encode_reference(reference)
    assert decode_reference(data) == reference
    for length in range(0, len(data), 97):
        assert decode_reference(data[:length]) is None
    for wrong in ({"version": 2}, {"grey": b"1"}, {"person": b""}, {"body": 2.0}):
        assert decode_reference(encode_reference(msgspec.structs.replace(reference, **wrong))) is None


# --- the real models ------------------------------------------------------------------------------------------------


def drawn(script: str, second: float) -> Picture:
    return vision_rgb(Stage(script, models.FILES_FOLDER, (1280, 720), 15.0).draw(round(second * 15)))


def test_the_real_witnesses_tell_a_bowed_head_from_an_empty_chair() -> None:
    """In the demo's room: segmentation sees who bows over the desk, and neither model sees anybody in the empty
    chair."""
    files_folder()
    person = PersonCells(models.checked("selfie_segmentation"))
    body = BodyScore(models.checked("pose_detection"))
    assert person.look(drawn("writing", 12.0)).mean() > 0.05
    empty = drawn("leaves", 24.0)
    assert person.look(empty).mean() < 0.01
    assert body.look(empty) < 0.6


def test_pictures_of_any_shape_can_be_asked_about() -> None:
    """Upright, square, tiny, and one whose width in a square of 224 rounds to 225."""
    files_folder()
    person = PersonCells(models.checked("selfie_segmentation"))
    body = BodyScore(models.checked("pose_detection"))
    for height, width in ((640, 360), (200, 200), (2, 3), (360, 594), (17, 34)):
        picture = cv2.resize(drawn("leaves", 24.0), (width, height)).astype(np.uint8)
        assert person.look(picture).shape == (GRID[1], GRID[0])
        assert 0 <= body.look(picture) <= 1


def test_vision_learns_in_the_plans_empty_time_and_looks_away_in_masks() -> None:
    """All of it together: the reference of the demo's empty chair, a bowed head against it, a mask over everything."""
    vision = open_vision(folder=files_folder())
    vision.is_said_empty = True
    for number in range(16):
        vision.observe(drawn("leaves", 20.0 + number / 15), number * 200, 0)
    assert vision.seat.reference is not None
    vision.is_said_empty = False
    seat = vision.observe(drawn("leaves", 25.0), 5_000, 0).seat
    assert seat is not None
    assert seat.change is not None
    assert seat.change < 0.03
    there = vision.observe(drawn("leaves", 5.0), 10_000, 0)
    assert len(there.faces) == 1
    assert there.seat is None
    vision.zones = Zones((Mask(kind="ignore", points=((0, 0), (1, 0), (1, 1), (0, 1))),))
    masked = vision.observe(drawn("leaves", 5.0), 15_000, 0)
    assert masked.faces == ()
    assert masked.seat is not None
    assert (masked.seat.person, masked.seat.change) == (0.0, 0.0)
    assert masked.doubt > 0.7
    vision.use_reference(None)
    vision.observe(drawn("leaves", 25.0), 20_000, 0)
    assert vision.seat.reference is None
