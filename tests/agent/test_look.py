"""Looking for faces: second looks, following, tiles; on the real models and on ones made to measure."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import models
from agent.camera.paced import vision_rgb
from agent.camera.scenes import Stage
from agent.vision import open_vision
from agent.vision.faces import FULL_RANGE_SPARSE, SHORT_RANGE, VisionProblem, anchor_centres
from agent.vision.landmarks import Landmarks
from agent.vision.look import Closeup, FaceLook, LookSpec
from tests.agent.vision_kit import PORTRAITS, files_folder, portrait, write_model

Picture = NDArray[np.uint8]
WALL = np.full((360, 640, 3), 150, np.uint8)
WALL[250:] = 90


def path_of(name: str) -> Path:
    return models.checked(name, files_folder())


def look_by(spec: LookSpec | None = None) -> FaceLook:
    return FaceLook(
        path_of("face_detection_full_range"),
        path_of("face_detection_short_range"),
        path_of("face_landmark"),
        FULL_RANGE_SPARSE,
        spec,
    )


def wall_with(*heads: tuple[str, int, int, int]) -> Picture:
    """A wall with portraits: name, left, top, width."""
    picture = WALL.copy()
    for name, left, top, width in heads:
        head = cv2.resize(portrait(name)[:512, :512], (width, width), interpolation=cv2.INTER_AREA)
        room = picture[top : top + width, left : left + width]
        room[:] = head[: room.shape[0], : room.shape[1]]
    return picture


def runs(look: FaceLook) -> tuple[int, int, int]:
    """So far: scans, close-ups, landmarks."""
    return look.finder.model.runs, look.closeup.model.runs, look.landmarks.model.runs


ONE = wall_with((PORTRAITS[1], 200, 40, 300))


def test_a_face_is_found_scanned_and_then_followed() -> None:
    """Scanned at every third look, followed by one close-up in between; always the same face in the same place."""
    look = look_by()
    boxes = []
    for number in range(9):
        look.look(ONE, number * 200)
        (face,) = look.tracks.visible()
        boxes.append(face.box)
        assert face.score >= 0.72
    scans, closeups, _ = runs(look)
    assert scans == 3
    assert closeups == 6
    assert np.ptp(np.array(boxes), axis=0).max() < 0.06


def test_a_followed_face_that_is_gone_is_looked_for_at_once() -> None:
    """The close-up finds nothing where it was: the same look scans the whole picture."""
    look = look_by()
    for number in range(2):
        look.look(ONE, number * 200)
    before = runs(look)[0]
    look.look(WALL, 400)
    assert runs(look)[0] > before
    look.look(WALL, 600)
    look.look(WALL, 800)
    assert look.tracks.visible() == ()


def test_a_second_person_is_seen_within_the_scan() -> None:
    """Who comes in between two scans is found at the next, three looks later at most."""
    look = look_by()
    look.look(ONE, 0)
    both = wall_with((PORTRAITS[1], 300, 40, 300), (PORTRAITS[0], 10, 60, 240))
    found = []
    for number in range(1, 5):
        look.look(both, number * 200)
        found.append(len(look.tracks.visible()))
    assert found[-1] == 2


def test_a_clock_on_the_wall_is_no_face() -> None:
    """Both face models take the demo room's clock for one; the landmark model is asked, and says no."""
    look = look_by()
    stage = Stage("visitor", files_folder(), (1280, 720), 15.0)
    for number in range(10):
        look.look(vision_rgb(stage.draw(number * 3)), number * 200)
        assert len(look.tracks.visible()) == 1
    assert runs(look)[2] > 0


def test_a_crowd_costs_a_bounded_number_of_second_looks() -> None:
    """At most `most_closeups` places are looked at twice, two close-ups each."""
    crowd = wall_with(*((PORTRAITS[n % 2], 6 + 70 * (n % 9), 10 + 115 * (n // 9), 64) for n in range(27)))
    look = look_by(LookSpec(most_closeups=3, sure=1.0, scan_every_ms=0))
    look.look(crowd, 0)
    assert runs(look)[1] <= 3 * len(look.spec.closeups)


def test_a_closeup_reaches_beyond_the_frame() -> None:
    """A face at the edge: the square goes over it, and what lies beyond is black."""
    cut = wall_with((PORTRAITS[1], -0 + 470, 60, 300))
    look = look_by()
    look.look(cut, 0)
    closeup = Closeup(path_of("face_detection_short_range"))
    score, box = closeup.look(cut, (0.85, 0.25, 0.2, 0.4), 3.0)
    assert 0 <= score <= 1
    assert len(box) == 4
    assert closeup.look(WALL, (0.4, 0.4, 0.1, 0.1), 2.0) == (0.0, (0.4, 0.4, 0.1, 0.1))


@pytest.mark.parametrize("tilt", [-30, 0, 30])
def test_landmarks_are_asked_with_level_eyes(tilt: int) -> None:
    """A tilted head is turned upright before the model sees it: the flag stays high; on a wall it is low."""
    landmarks = Landmarks(path_of("face_landmark"))
    turn = cv2.getRotationMatrix2D((320, 180), tilt, 1.0)
    picture = np.asarray(cv2.warpAffine(ONE, turn, (640, 360)), np.uint8)
    look = look_by()
    found = look.finder.detect(picture)
    x, y, width, height = found.boxes[0].tolist()
    assert landmarks.look(picture, (x, y, width, height), found.keypoints[0, :2]) > 0.9
    assert landmarks.look(WALL, (x, y, width, height), found.keypoints[0, :2]) < 0.1


def nan_model(folder: Path, name: str) -> Path:
    """A model with the inputs and outputs of the pinned one that answers with no numbers."""
    entry = models.load_manifest().entry(name)
    outputs = [np.full(shape, np.nan, np.float32) for shape in entry.outputs.values()]
    return write_model(folder / f"{name}.tflite", entry.input_shape, list(outputs))


@pytest.mark.parametrize(
    "name",
    [
        "face_detection_full_range",
        "face_detection_short_range",
        "face_landmark",
        "selfie_segmentation",
        "pose_detection",
    ],
)
def test_a_model_that_answers_with_nonsense_is_named(name: str, tmp_path: Path) -> None:
    """Not a number is no score: one line with the model's file, whichever model it is, and never a face or a person."""
    vision = open_vision(folder=files_folder())
    broken = nan_model(tmp_path, name)
    for model in vision.tflite_models():
        if model.path.name == models.load_manifest().entry(name).file:
            other = type(model)(broken, model.input.shape, tuple(models.load_manifest().entry(name).outputs.values()))
            model.__dict__.update(other.__dict__)
    faint = np.clip(wall_with((PORTRAITS[0], 60, 60, 40)) // 2 + 40, 0, 255).astype(np.uint8)
    pictures = (ONE, WALL, faint, vision_rgb(Stage("leaves", files_folder(), (1280, 720), 15.0).draw(255)))
    with pytest.raises(VisionProblem, match=f"{name}.*not numbers"):  # noqa: PT012 - which picture asks it is its own affair
        for number, picture in enumerate(pictures):
            vision.observe(picture, number * 5_000, 0)


def test_a_corrupt_model_file_stops_the_start(tmp_path: Path) -> None:
    """Cut off, or of other contents: one line that names the file and says what to do."""
    for entry in models.load_manifest().files:
        if entry.kind == "model":
            (tmp_path / entry.file).write_bytes((files_folder() / entry.file).read_bytes())
    torn = models.load_manifest().entry("pose_detection")
    (tmp_path / torn.file).write_bytes(b"TFL3" * 100)
    with pytest.raises(models.ModelProblem, match=r"pose_detection.*run: python -m models\.fetch"):
        open_vision(folder=tmp_path)


def test_the_short_range_model_may_lead() -> None:
    """For a unit with little to spare: the same second looks, another leader."""
    vision = open_vision("short_range", files_folder())
    assert len(vision.observe(ONE, 0, 0).faces) == 1
    assert vision.observe(WALL, 5_000, 0).faces == ()
    assert len(anchor_centres(SHORT_RANGE)) == 896
