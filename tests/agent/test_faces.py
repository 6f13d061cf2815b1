"""The face finder: anchors, letterbox, decoding, merging, and the real models on real faces."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import models
from agent.vision import FACE_MODELS
from agent.vision.faces import (
    FULL_RANGE_SPARSE,
    SHORT_RANGE,
    FaceFinder,
    FaceSpec,
    Letterbox,
    VisionProblem,
    anchor_centres,
    weighted_nms,
)
from tests.agent.vision_kit import PORTRAITS, files_folder, portrait, write_model
from tests.bench import peers
from tests.bench.vision import agreement, overlap, portraits_about

BOTH = pytest.mark.parametrize("spec", [SHORT_RANGE, FULL_RANGE_SPARSE], ids=lambda spec: str(spec.model))
QUIET = -20.0
"""A raw score far below any threshold."""


def real_finder(spec: FaceSpec) -> FaceFinder:
    return FaceFinder(models.checked(spec.model, files_folder()), spec)


def made_model(folder: Path, spec: FaceSpec, faces: dict[int, tuple[float, list[float]]]) -> Path:
    """A model that always answers with `faces`: anchor -> (raw score, its 16 raw values)."""
    count = len(anchor_centres(spec))
    regressors = np.zeros((1, count, 16), np.float32)
    scores = np.full((1, count, 1), QUIET, np.float32)
    for anchor, (score, values) in faces.items():
        scores[0, anchor, 0], regressors[0, anchor] = score, values
    return write_model(folder / "made.tflite", (1, spec.size, spec.size, 3), [regressors, scores])


def blank(width: int = 640, height: int = 360) -> NDArray[np.uint8]:
    return np.zeros((height, width, 3), np.uint8)


# --- anchors --------------------------------------------------------------------------------------------------------


def ssd_anchors(size: int, strides: list[int], anchors_a_layer: int) -> list[tuple[float, float]]:
    """MediaPipe's calculator, step by step: layers of equal stride share a grid."""
    centres, layer = [], 0
    while layer < len(strides):
        same = layer
        while same < len(strides) and strides[same] == strides[layer]:
            same += 1
        cells = math.ceil(size / strides[layer])
        for y in range(cells):
            for x in range(cells):
                centres += [((x + 0.5) / cells, (y + 0.5) / cells)] * (anchors_a_layer * (same - layer))
        layer = same
    return centres


def test_anchors_are_those_of_mediapipes_calculator() -> None:
    """Both rows of parameters give the counts that the models' outputs have, and the calculator's very centres."""
    short, full = anchor_centres(SHORT_RANGE), anchor_centres(FULL_RANGE_SPARSE)
    assert (short.shape, full.shape) == ((896, 2), (2304, 2))
    np.testing.assert_allclose(short, ssd_anchors(128, [8, 16, 16, 16], 2), rtol=1e-6)
    np.testing.assert_allclose(full, ssd_anchors(192, [4], 1), rtol=1e-6)


# --- letterbox ------------------------------------------------------------------------------------------------------


@given(
    st.integers(1, 900),
    st.integers(1, 900),
    st.sampled_from([128, 192]),
    st.tuples(st.floats(-0.5, 1.5), st.floats(-0.5, 1.5)),
)
@settings(deadline=None, max_examples=60)
def test_the_way_back_undoes_the_letterbox(width: int, height: int, size: int, point: tuple[float, float]) -> None:
    """Frame to square and back is the same point, whatever the frame's shape; the frame's middle stays the middle."""
    box = Letterbox(size)
    box.fit(blank(width, height))
    there = box.to_square(np.array([point, (0.5, 0.5)], np.float32))
    np.testing.assert_allclose(box.to_frame(there)[0], point, atol=2e-3)
    np.testing.assert_allclose(there[1], 0.5, atol=1e-5)
    assert box.content.shape == (box.rows.stop - box.rows.start, box.columns.stop - box.columns.start, 3)
    assert 0 <= box.rows.start < box.rows.stop <= size
    assert 0 <= box.columns.start < box.columns.stop <= size


@given(st.integers(40, 700), st.integers(40, 700), st.floats(0.2, 0.8), st.floats(0.2, 0.8))
@settings(deadline=None, max_examples=40)
def test_a_spot_lands_where_the_arithmetic_says(width: int, height: int, x: float, y: float) -> None:
    """A bright block in the frame is found in the square where `to_square` puts its middle, to a pixel of the square
    and, as MediaPipe maps corners and not pixel centres, half a pixel of the frame."""
    frame, block = blank(width, height), max(width, height) // 12
    left, top = int(x * width), int(y * height)
    frame[top : top + block, left : left + block] = 255
    middle = ((left + min(left + block, width)) / 2 / width, (top + min(top + block, height)) / 2 / height)
    box = Letterbox(192)
    box.fit(frame)
    rows, columns = np.nonzero(box.content[:, :, 0] > 127)
    found = [(columns.mean() + box.columns.start + 0.5) / 192, (rows.mean() + box.rows.start + 0.5) / 192]
    np.testing.assert_allclose(
        found, box.to_square(np.array(middle, np.float32)), atol=1.1 / 192 + 0.6 / max(width, height)
    )


@pytest.mark.parametrize(("width", "height", "step"), [(640, 360, 5), (128, 72, 1), (256, 256, 2)])
def test_whole_pixels_are_taken_as_they_are(width: int, height: int, step: int) -> None:
    """Where the scale is a whole number, the small picture is every n-th pixel, untouched."""
    frame = np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)
    box = Letterbox(128)
    box.fit(frame)
    np.testing.assert_array_equal(box.content, frame[::step, ::step])


# --- merging --------------------------------------------------------------------------------------------------------


def slow_nms(values: list[list[float]], scores: list[float], least: float) -> list[tuple[list[float], float]]:
    """MediaPipe's non_max_suppression_calculator.cc (WEIGHTED), value by value."""
    left = sorted(zip(values, scores, strict=True), key=lambda pair: -pair[1])
    merged = []
    while left:
        top = left[0]
        same = [pair for pair in left if overlap(_xywh(pair[0]), _xywh(top[0])) > least]
        rest = [pair for pair in left if pair not in same]
        if not same:
            break
        total = sum(score for _, score in same)
        mean = [sum(row[i] * score for row, score in same) / total for i in range(len(top[0]))]
        merged.append((mean, top[1]))
        left = rest
    return merged


def _xywh(row: list[float]) -> list[float]:
    return [row[0], row[1], row[2] - row[0], row[3] - row[1]]


# on a grid of 1/16, so that no overlap lies within rounding of the limit and float32 holds every value
sixteenths = st.integers(0, 12).map(lambda n: n / 16)
sides = st.integers(1, 8).map(lambda n: n / 16)


@given(st.lists(st.tuples(sixteenths, sixteenths, sides, sides, sixteenths, st.integers(50, 99)), max_size=14))
@settings(deadline=None)
def test_merging_agrees_with_the_slow_way(rows: list[tuple[Any, ...]]) -> None:
    """Vectorised weighted suppression gives the clusters, means and scores of a plain loop."""
    unique = list({row[5]: row for row in rows}.values())  # equal scores have no defined order
    values = [[x, y, x + w, y + h, extra] for x, y, w, h, extra, _ in unique]
    scores = [row[5] / 100 for row in unique]
    expected = slow_nms(values, scores, 0.3)
    found, kept = weighted_nms(np.array(values, np.float32).reshape(-1, 5), np.array(scores, np.float32), 0.3)
    assert len(found) == len(expected)
    if expected:
        np.testing.assert_allclose(found, [mean for mean, _ in expected], atol=1e-5)
        np.testing.assert_allclose(kept, [score for _, score in expected], atol=1e-6)


# --- decoding, on models made to measure ----------------------------------------------------------------------------


@BOTH
def test_one_anchor_decodes_to_its_box(tmp_path: Path, spec: FaceSpec) -> None:
    """Offsets and sizes are pixels of the input from the anchor's centre; the bars of the letterbox are taken off."""
    anchor = 500
    centre_x, centre_y = anchor_centres(spec)[anchor]
    raw = [2.0, -3.0, 24.0, 30.0] + [float(n) for n in range(12)]
    found = FaceFinder(made_model(tmp_path, spec, {anchor: (3.0, raw)}), spec).detect(blank(640, 360))
    x, y = centre_x + (2 - 12) / spec.size, centre_y + (-3 - 15) / spec.size
    bar = (640 - 360) / 2 / 640
    expected = [x, (y - bar) * 640 / 360, 24 / spec.size, 30 / spec.size * 640 / 360]
    np.testing.assert_allclose(found.boxes, [expected], atol=1e-5)
    np.testing.assert_allclose(found.scores, [1 / (1 + math.exp(-3))], rtol=1e-5)
    np.testing.assert_allclose(found.keypoints[0, :, 0], [centre_x + n / spec.size for n in range(0, 12, 2)], atol=1e-5)
    ys = [(centre_y + n / spec.size - bar) * 640 / 360 for n in range(1, 12, 2)]
    np.testing.assert_allclose(found.keypoints[0, :, 1], ys, atol=1e-5)


@BOTH
def test_only_scores_from_the_threshold_up_count(tmp_path: Path, spec: FaceSpec) -> None:
    """A face just above the row's threshold is there, one just below is not."""
    edge = math.log(spec.score / (1 - spec.score))
    raw = [0.0, 0.0, 20.0, 20.0] + [0.0] * 12
    found = FaceFinder(made_model(tmp_path, spec, {0: (edge - 1e-3, raw), 400: (edge + 1e-3, raw)}), spec).find(blank())
    assert [round(face.score, 2) for face in found] == [spec.score]


def test_boxes_end_at_the_frame(tmp_path: Path) -> None:
    """A face that reaches out of the frame is cut at its edge; one wholly outside, in the bars, is none."""
    spec = SHORT_RANGE
    centres = anchor_centres(spec)
    at_left = int(np.argmin(abs(centres[:, 0] - 0.03) + abs(centres[:, 1] - 0.5)))
    raw = [0.0, 0.0, 40.0, 20.0] + [0.0] * 12
    in_bar = [0.0, -30.0, 10.0, 10.0] + [0.0] * 12
    found = FaceFinder(made_model(tmp_path, spec, {at_left: (4.0, raw), 3: (4.0, in_bar)}), spec).find(blank())
    assert len(found) == 1
    x, _, width, _ = found[0].box
    assert x == 0.0
    assert width < 40 / 128


def test_a_box_turned_inside_out_is_no_face(tmp_path: Path) -> None:
    """Negative width or height, and no area at all, are left out as MediaPipe does."""
    spec = SHORT_RANGE
    rows = {10: (3.0, [0.0, 0.0, -9.0, 9.0] + [0.0] * 12), 700: (2.0, [0.0, 0.0, 9.0, 0.0] + [0.0] * 12)}
    assert FaceFinder(made_model(tmp_path, spec, rows), spec).find(blank()) == ()


def test_outputs_are_told_apart_by_shape(tmp_path: Path) -> None:
    """Scores before boxes in the file makes no difference."""
    scores, regressors = np.full((1, 896, 1), QUIET, np.float32), np.zeros((1, 896, 16), np.float32)
    scores[0, 7, 0], regressors[0, 7, 2:4] = 5.0, 30.0
    swapped = write_model(tmp_path / "swapped.tflite", (1, 128, 128, 3), [scores, regressors])
    assert len(FaceFinder(swapped, SHORT_RANGE).detect(blank()).scores) == 1


@BOTH
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nonsense_from_the_model_is_refused_and_does_not_stick(tmp_path: Path, spec: FaceSpec, bad: float) -> None:
    """A score or a box that is no number raises VisionProblem, each time anew, with the file's name."""
    whole = [0.0, 0.0, 20.0, 20.0] + [0.0] * 12
    for faces in ({5: (bad, whole)}, {5: (3.0, [bad, *whole[1:]])}):
        finder = FaceFinder(made_model(tmp_path, spec, faces), spec)
        for _ in range(2):
            with pytest.raises(VisionProblem, match=r"made\.tflite"):
                finder.find(blank())


# --- models that do not fit -----------------------------------------------------------------------------------------


def test_another_models_file_is_refused() -> None:
    """Each model's file under the other's parameters: one line that says what was expected."""
    with pytest.raises(VisionProblem, match=r"no single float32 input of shape \(1, 192, 192, 3\)"):
        FaceFinder(models.checked(SHORT_RANGE.model, files_folder()), FULL_RANGE_SPARSE)


def test_split_or_quantised_outputs_are_refused(tmp_path: Path) -> None:
    """Files that hand the grids out in pairs, or integers, are not guessed at."""
    size = (1, 128, 128, 3)
    parts = [np.zeros((1, n, k), np.float32) for n in (512, 384) for k in (16, 1)]
    integers = [np.zeros((1, 896, k), np.int8) for k in (16, 1)]
    for outputs in (parts, integers, [np.zeros((1, 896, 16), np.float32)]):
        with pytest.raises(VisionProblem, match="no single float32 output"):
            FaceFinder(write_model(tmp_path / "other.tflite", size, outputs), SHORT_RANGE)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """Missing, empty, cut off or not a model at all: VisionProblem in one line, no crash."""
    good = models.checked(SHORT_RANGE.model, files_folder()).read_bytes()
    for content in (None, b"", b"not a model", good[: len(good) // 2], b"\0" * 4096):
        path = tmp_path / "damaged.tflite"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(VisionProblem, match=r"cannot load model .*damaged\.tflite") as caught:
            FaceFinder(path, SHORT_RANGE)
        assert "\n" not in str(caught.value)


# --- frames that do not fit -----------------------------------------------------------------------------------------


def test_what_is_no_picture_is_refused_in_words() -> None:
    """Wrong type, dtype or shape is a ValueError, also right after a good frame of the same shape."""
    finder = real_finder(SHORT_RANGE)
    finder.find(blank())
    wrong: list[Any] = [
        blank().astype(np.float32),
        np.zeros((360, 640), np.uint8),
        np.zeros((360, 640, 4), np.uint8),
        np.zeros((0, 640, 3), np.uint8),
        np.zeros((1, 32_767, 3), np.uint8),
        [[[0, 0, 0]]],
        None,
    ]
    for frame in wrong:
        with pytest.raises(ValueError, match="a picture"):
            finder.find(frame)
    assert finder.find(portrait("portrait_hopper"))


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_any_picture_gives_boxes_inside_it(width: int, height: int, seed: int) -> None:
    """Noise of any size never raises, and what is found lies in 0..1 with a score from the threshold to 1."""
    frame = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    for face in shared_finder().find(frame):
        x, y, w, h = face.box
        assert min(x, y) >= 0
        assert min(w, h) > 0
        assert max(x + w, y + h) <= 1 + 1e-6
        assert SHORT_RANGE.score - 1e-6 <= face.score <= 1


_shared: list[FaceFinder] = []


def shared_finder() -> FaceFinder:
    """One finder for many examples: hypothesis runs them in one test."""
    if not _shared:
        _shared.append(real_finder(SHORT_RANGE))
    return _shared[0]


# --- the real models on real faces ----------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("name", PORTRAITS)
def test_each_portrait_has_exactly_one_face(spec: FaceSpec, name: str) -> None:
    """One face, high in the picture's middle, with the eyes level, the nose under them and the mouth under that."""
    found = real_finder(spec).detect(portrait(name))
    assert len(found.scores) == 1
    assert found.scores[0] > 0.85
    x, y, width, height = found.boxes[0]
    assert 0.4 < x + width / 2 < 0.6
    assert 0.2 < y + height / 2 < 0.45
    right_eye, left_eye, nose, mouth = found.keypoints[0, :4]
    assert right_eye[0] < nose[0] < left_eye[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < mouth[1]


@BOTH
def test_a_plain_picture_has_no_face(spec: FaceSpec) -> None:
    """Black, grey and a gradient: nobody."""
    ramp = np.broadcast_to(np.linspace(0, 255, 640).astype(np.uint8)[None, :, None], (360, 640, 3))
    finder = real_finder(spec)
    assert [finder.find(picture) for picture in (blank(), blank() + 128, np.ascontiguousarray(ramp))] == [()] * 3


def test_frames_may_change_shape_and_layout() -> None:
    """Portrait, landscape and a view with strides, in turns on one finder, give what a fresh finder gives."""
    tall = portrait("portrait_hopper")
    wide = np.concatenate([tall, np.full_like(tall, 90)], axis=1)
    view = np.repeat(np.repeat(tall, 2, axis=0), 2, axis=1)[::2, ::2]
    finder = real_finder(FULL_RANGE_SPARSE)
    for frame in (tall, wide, view, tall, wide):
        assert finder.find(frame) == real_finder(FULL_RANGE_SPARSE).find(np.array(frame))
    assert finder.find(view) == finder.find(tall)


def test_two_people_are_two_faces() -> None:
    """Both portraits side by side."""
    heads = [portrait(name)[:512, :512] for name in PORTRAITS]
    assert len(real_finder(FULL_RANGE_SPARSE).find(np.concatenate(heads, axis=1))) == 2


@pytest.mark.timeout(900)
@pytest.mark.skipif(
    peers.find_python(("3.11", "3.12")) is None,
    reason="needs Python 3.11 or 3.12: mediapipe 0.10.21 has no later wheel",
)
@pytest.mark.parametrize("name", FACE_MODELS)
def test_agrees_with_mediapipes_own_detector(name: str) -> None:
    """On the same pictures and model: the same number of faces, every box with IoU of at least 0.95."""
    spec = FACE_MODELS[name]
    files_folder()
    pictures = [*portraits_about(40), portrait(PORTRAITS[0]), portrait(PORTRAITS[1])]
    answer = peers.ask_mediapipe(pictures, is_full_range=name == "full_range", score=spec.score)
    agrees = agreement(real_finder(spec), pictures, [list(faces) for faces in answer.faces])
    assert agrees.faces >= 20
    assert agrees.same_count >= 0.99
    assert agrees.least_overlap >= 0.95
