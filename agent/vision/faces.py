"""BlazeFace: a picture in, the visible faces out. One decoder, two rows of parameters.

The numbers are those of MediaPipe's own graphs (face_detection_short_range.pbtxt, face_detection_full_range.pbtxt,
non_max_suppression_calculator.cc); `tests/bench/vision.py` holds this file to MediaPipe's detector on real film.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.core.observation import Face
from agent.vision.runtime import TfliteModel, VisionProblem

__all__ = ["FULL_RANGE_SPARSE", "SHORT_RANGE", "Detections", "FaceFinder", "FaceSpec", "VisionProblem"]

Floats = NDArray[np.floating[Any]]
"""float32 all the way; named wider because numpy's stubs promote plain Python numbers to float64."""

LARGEST_SIDE = 32_766
"""OpenCV's remap cannot address a source any larger."""
_KEYPOINTS = 6
_VALUES = 4 + 2 * _KEYPOINTS
_REGRESSORS, _SCORES = 0, 1


class FaceSpec(NamedTuple):
    """What differs between the two face models.

    `model` is the name in the manifest, `size` the side of the square input in pixels, `grids` one (cells a side,
    anchors a cell) for each feature map, `score` the least score that counts and `overlap` the intersection over
    union above which two boxes are the same face.
    """

    model: str
    size: int
    grids: tuple[tuple[int, int], ...]
    score: float
    overlap: float


SHORT_RANGE = FaceSpec("face_detection_short_range", 128, ((16, 2), (8, 6)), score=0.5, overlap=0.3)
"""Faces within about 2 m: those of at least some 15 % of the longer side."""
FULL_RANGE_SPARSE = FaceSpec("face_detection_full_range", 192, ((48, 1),), score=0.6, overlap=0.3)
"""Faces within about 5 m; the default."""


class Detections(NamedTuple):
    """Faces, best first. All in fractions of the frame, not clipped to it, float32.

    `boxes` (n, 4) is x, y, width, height. `keypoints` (n, 6, 2) is x, y of the person's own right eye, left eye,
    nose tip, mouth centre, right and left ear. `scores` (n,) is 0..1.
    """

    boxes: Floats
    keypoints: Floats
    scores: Floats


_NO_VALUES, _NO_SCORES = np.zeros((0, _VALUES), np.float32), np.zeros(0, np.float32)


def anchor_centres(spec: FaceSpec) -> Floats:
    """Centres (n, 2) as x, y in 0..1 of the square input: row by row, a cell's anchors side by side."""
    rows = []
    for cells, anchors_a_cell in spec.grids:
        centre = (np.arange(cells, dtype=np.float32) + np.float32(0.5)) / np.float32(cells)
        x, y = np.meshgrid(centre, centre)
        rows.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), anchors_a_cell, axis=0))
    return np.concatenate(rows)


class Letterbox:
    """Fits frames into the square input with black bars, keeping their shape."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._frame_shape: tuple[int, ...] = ()

    def _prepare(self, height: int, width: int) -> None:
        longer = max(height, width)
        self.scale = longer / self.size
        # MediaPipe maps corner to corner, without half a pixel's shift; the same here, so that the boxes agree
        offset_x, offset_y = (width - longer) / 2, (height - longer) / 2
        # the longer side fills the square: rounding must not make it one pixel more (width 594 in a square of 224)
        first_x, end_x = math.floor(-offset_x / self.scale), min(self.size, math.ceil((width - offset_x) / self.scale))
        first_y, end_y = math.floor(-offset_y / self.scale), min(self.size, math.ceil((height - offset_y) / self.scale))
        self.rows, self.columns = slice(first_y, end_y), slice(first_x, end_x)
        # fixed-point maps (1/32 pixel) because MediaPipe's warp rounds so: with exact ones, one box in 400 differs
        x = np.arange(first_x, end_x, dtype=np.float64) * self.scale + offset_x
        y = np.arange(first_y, end_y, dtype=np.float64) * self.scale + offset_y
        grid_x, grid_y = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
        self._whole, fraction = cv2.convertMaps(grid_x, grid_y, cv2.CV_16SC2)
        # 640 to 128 pixels hits whole pixels only: the same picture from a quarter of the reading
        self._fraction = fraction if fraction.any() else None
        # the bars lie outside this buffer: they are never computed
        self.content = np.zeros((end_y - first_y, end_x - first_x, 3), np.uint8)
        # fraction of the frame = fraction of the square * stretch - bar
        self.stretch = np.array([longer / width, longer / height], np.float32)
        self.bar = (self.stretch - 1) / 2
        self._frame_shape = (height, width, 3)

    def fit(self, rgb: NDArray[np.uint8]) -> bool:
        """Scale `rgb` (height, width, 3) into `content`. True when the frame's shape is a new one and with it
        `content`, `rows` and `columns`. Raises ValueError for anything but an RGB picture."""
        is_new = getattr(rgb, "shape", None) != self._frame_shape or rgb.dtype != np.uint8
        if is_new:
            check_picture(rgb)
            self._prepare(rgb.shape[0], rgb.shape[1])
        how = cv2.INTER_NEAREST if self._fraction is None else cv2.INTER_LINEAR
        border = cv2.BORDER_CONSTANT
        # OpenCV takes None here; its stubs do not know
        cv2.remap(rgb, self._whole, self._fraction, how, dst=self.content, borderMode=border)  # type: ignore[arg-type]
        return is_new

    def to_frame(self, square: Floats) -> Floats:
        """Points (..., 2) from fractions of the square to fractions of the frame."""
        return square * self.stretch - self.bar

    def to_square(self, frame: Floats) -> Floats:
        """The inverse of `to_frame`."""
        return (frame + self.bar) / self.stretch


def check_picture(rgb: NDArray[np.uint8]) -> None:
    """ValueError, in words, unless `rgb` is uint8 of shape (height, width, 3) with sides of 1 to 32766 pixels."""
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8:
        found = rgb.dtype if isinstance(rgb, np.ndarray) else type(rgb).__name__
        raise ValueError(f"a picture is an array of uint8, not {found}")
    if rgb.ndim != 3 or rgb.shape[2] != 3 or not all(1 <= side <= LARGEST_SIDE for side in rgb.shape[:2]):
        raise ValueError(f"a picture has the shape (height, width, 3) with sides up to {LARGEST_SIDE}, not {rgb.shape}")


def weighted_nms(values: Floats, scores: Floats, overlap: float) -> tuple[Floats, Floats]:
    """Merge boxes of the same face: each cluster around the best box left becomes the mean weighted by score.

    `values` (n, 4 + k) is left, top, right, bottom and anything else to be averaged; `scores` (n,). Returns both for
    the clusters, best first; a cluster keeps its best score. A box without area ends the search, as in MediaPipe.
    """
    order = np.argsort(-scores, kind="stable")
    values, scores = values[order], scores[order]
    merged, kept = [], []
    while len(scores):
        near, far = values[:, :2], values[:, 2:4]
        common = np.maximum(np.minimum(far, far[0]) - np.maximum(near, near[0]), 0)
        side = far - near
        shared, area = common[:, 0] * common[:, 1], side[:, 0] * side[:, 1]
        is_same = shared > overlap * (area + area[0] - shared)
        if not is_same[0]:
            break
        kept.append(scores[0])
        if is_same.all():  # the usual end, without picking rows
            merged.append(scores @ values / scores.sum())
            break
        weights, is_left = scores[is_same], ~is_same
        merged.append(weights @ values[is_same] / weights.sum())
        values, scores = values[is_left], scores[is_left]
    return np.array(merged, np.float32).reshape(-1, values.shape[1]), np.array(kept, np.float32)


def _decoding(size: int) -> Floats:
    """The matrix (16, 16) that takes an anchor's raw values, in pixels of the input, to left, top, right, bottom and
    key points, as fractions of the input and relative to the anchor's centre: one product instead of ten steps,
    which count when the model has just emptied the caches."""
    matrix = np.eye(_VALUES, dtype=np.float32)
    # raw: centre x, centre y, width, height, then points
    matrix[:4, :4] = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5]])
    return matrix / np.float32(size)


class FaceFinder:
    """Finds faces with one of the two models. Buffers are reused: one finder, one thread."""

    def __init__(self, model: Path, spec: FaceSpec = FULL_RANGE_SPARSE) -> None:
        """Load the file `model`. Raises VisionProblem when it is not the model that `spec` describes."""
        self.spec = spec
        # the centre added to each of the 8 points of an anchor's decoded values
        self._anchors = np.tile(anchor_centres(spec), _VALUES // 2)
        self._decoding = _decoding(spec.size)
        count = len(self._anchors)
        self.model = TfliteModel(model, (1, spec.size, spec.size, 3), ((1, count, _VALUES), (1, count, 1)))
        self._letterbox = Letterbox(spec.size)
        # the sigmoid is monotonic: comparing raw values spares computing it for two thousand anchors
        self._least_raw = np.float32(math.log(spec.score / (1 - spec.score)))

    def find(self, rgb: NDArray[np.uint8]) -> tuple[Face, ...]:
        """The visible faces in `rgb` (height, width, 3), best first, boxes clipped to the frame.

        Raises ValueError when `rgb` is no such picture, VisionProblem when the model answers with nonsense.
        """
        found = self.detect(rgb)
        faces = []
        for (x, y, width, height), score in zip(found.boxes.tolist(), found.scores.tolist(), strict=True):
            left, top = max(x, 0.0), max(y, 0.0)
            right, bottom = min(x + width, 1.0), min(y + height, 1.0)
            if right > left and bottom > top:
                faces.append(Face((left, top, right - left, bottom - top), score))
        return tuple(faces)

    def detect(self, rgb: NDArray[np.uint8]) -> Detections:
        """As `find`, with key points and as arrays, not clipped."""
        if self._letterbox.fit(rgb):
            self.model.input.fill(-1)
            self._content_input = self.model.input[0, self._letterbox.rows, self._letterbox.columns]
        _to_input(self._letterbox.content, self._content_input)
        values, scores = self._infer()
        points = self._letterbox.to_frame(values.reshape(-1, _VALUES // 2, 2))
        return _detections(points, scores)

    def detect_square(self, square: NDArray[np.uint8]) -> Detections:
        """As `detect`, of a picture (size, size, 3) that needs no fitting. One finder is asked one way or the other:
        the bars that `detect` relies on are not put back."""
        _to_input(square, self.model.input[0])
        values, scores = self._infer()
        return _detections(values.reshape(-1, _VALUES // 2, 2), scores)

    def _infer(self) -> tuple[Floats, Floats]:
        """Values (n, 16) in fractions of the square and scores (n,) of the faces in the model's input, best first."""
        self.model.run()
        raw_scores = self.model.output(_SCORES)[0, :, 0]
        best = raw_scores.max()  # not a number as soon as one value is not
        if not math.isfinite(best):
            raise self._nonsense()
        if best < self._least_raw:
            return _NO_VALUES, _NO_SCORES
        likely = np.flatnonzero(raw_scores >= self._least_raw)
        regressors = self.model.rows(_REGRESSORS, likely)
        if not np.isfinite(regressors).all():
            raise self._nonsense()
        values: Floats = regressors @ self._decoding + self._anchors[likely]
        # e to the power of at most the least score's log odds: MediaPipe's clipping to +-100 would change nothing
        scores: Floats = np.reciprocal(np.exp(-raw_scores[likely]) + 1)
        is_box = (values[:, 2:4] >= values[:, :2]).all(axis=1)
        if not is_box.all():
            values, scores = values[is_box], scores[is_box]
        return weighted_nms(values, scores, self.spec.overlap)

    def _nonsense(self) -> VisionProblem:
        return VisionProblem(f"model {self.model.path} answered with values that are not numbers")


def _to_input(picture: NDArray[np.uint8], target: Floats) -> None:
    """0..255 to -1..1."""
    np.multiply(picture, np.float32(1 / 127.5), out=target)
    np.subtract(target, np.float32(1), out=target)


def _detections(points: Floats, scores: Floats) -> Detections:
    """`points` (n, 8, 2): left top, right bottom, key points."""
    points[:, 1] -= points[:, 0]
    return Detections(points[:, :2].reshape(-1, 4), points[:, 2:], scores)
