"""The desk's eyes: a picture in, an observation out. The only home of the TFLite runtimes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import models
from agent.core.masks import Zones
from agent.core.observation import Face, Observation, Scene, Seat
from agent.core.tracks import Track
from agent.vision.faces import FULL_RANGE_SPARSE, SHORT_RANGE, FaceSpec, check_picture
from agent.vision.look import FaceLook, LookSpec
from agent.vision.person import GRID, BodyScore, PersonCells
from agent.vision.pictures import StillFaces
from agent.vision.runtime import TfliteModel, VisionProblem
from agent.vision.scene import SceneLook
from agent.vision.seat import Reference, SeatWatch, decode_reference

__all__ = ["FACE_MODELS", "Vision", "VisionProblem", "open_vision"]

FACE_MODELS = {"full_range": FULL_RANGE_SPARSE, "short_range": SHORT_RANGE}
"""The models that may lead, by the names that the settings use."""
CLOSEUP, LANDMARKS = "face_detection_short_range", "face_landmark"
PERSON, BODY = "selfie_segmentation", "pose_detection"
CLOSE = 0.25
"""Share of the picture from which on a person without a face hides the room: behind a back it cannot be told whether
the camera has moved."""
SMALL_SIDE = 192
"""Longer side of the picture by which the scene is judged: sampled, not averaged, so that the sensor's noise, by which
a still scene differs from a frozen camera, survives, and at a fifth of the cost."""


class Vision:
    """Everything that is done to one picture after the other of one camera. Buffers are reused: one Vision, one thread.

    Three attributes may be set from another thread and hold from the next picture on: `zones`, the plan's masks, in
    which no face and no witness counts; `is_said_empty`, whether the plan says that nobody is at the seat; and, by
    `use_reference`, the reference of the empty seat that an earlier run learned.
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        face_spec: FaceSpec = FULL_RANGE_SPARSE,
        look_spec: LookSpec | None = None,
        clock_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Load the models; `files` has the path of each by its name in the manifest. `clock_s` gives seconds since
        any fixed moment; it only measures how long a picture took.

        Raises VisionProblem, one line, when a model cannot be run. OpenCV is held to one thread in this process:
        the desk's other cores belong to the encoder.
        """
        cv2.setNumThreads(1)
        self.look = FaceLook(files[face_spec.model], files[CLOSEUP], files[LANDMARKS], face_spec, look_spec)
        self.seat = SeatWatch(PersonCells(files[PERSON]), BodyScore(files[BODY]))
        self.models = {name: hashlib.sha256(files[name].read_bytes()).hexdigest() for name in names_of(face_spec)}
        self.zones = Zones(())
        self.is_said_empty = False
        self._given: tuple[Reference | None] | None = None
        self._zones = self.zones
        self._scene = SceneLook()
        self._still = StillFaces()
        self._clock_s = clock_s

    @property
    def model_sha256(self) -> str:
        """One hash for all models that decide together: SHA-256 of their lines `name sha256`, in order of use."""
        return models_sha256(self.models)

    def tflite_models(self) -> tuple[TfliteModel, ...]:
        """Every model, each with the number of its runs so far."""
        look, seat = self.look, self.seat
        return (look.finder.model, look.closeup.model, look.landmarks.model, seat.person.model, seat.body.model)

    def reset(self) -> None:
        """Forget what was seen, the reference too: another camera or film comes."""
        self.look.reset()
        self.seat.reset()
        self._still.reset()
        self._scene = SceneLook()

    def learn_view(self, pictures: Sequence[NDArray[np.uint8]]) -> None:
        """Take the mean of `pictures`, as for `observe` and of one view, as the one that later pictures are held
        against. Ten or more take out a noisy sensor's noise. Raises as `observe` does."""
        faces = [face for rgb in pictures for face in self.look.finder.find(rgb)]
        self._scene.learn_view([_small(rgb) for rgb in pictures], faces)

    def forget_view(self) -> None:
        """The view of the next few seconds becomes the reference that later ones are held against."""
        self._scene.view.forget()

    def use_reference(self, data: bytes | None) -> None:
        """Compare the seat with what `seat.reference` once was, encoded; with None, or another version's, with none."""
        self._given = (None if data is None else decode_reference(data),)

    def observe(self, rgb: NDArray[np.uint8], up_ms: int, utc_ms: int) -> Observation:
        """What `rgb`, uint8 (height, width, 3), captured at `up_ms` boot time and `utc_ms` wall clock, shows.

        Raises ValueError when it is no such picture, VisionProblem when a model answers with nonsense.
        """
        begun_s = self._clock_s()
        check_picture(rgb)
        self._take_wishes()
        scene = self._scene.look(_small(rgb), up_ms)
        faces, doubt = self._faces(rgb, up_ms, scene)
        seat = self._ask(rgb, up_ms, scene, is_face_visible=bool(faces))
        if seat is None or (seat.person or 0) < CLOSE:
            scene = self._scene.against_view(scene, faces, up_ms)
        return Observation(up_ms, utc_ms, faces, scene, (self._clock_s() - begun_s) * 1000, seat, doubt)

    def _take_wishes(self) -> None:
        if self._given is not None:
            (reference,), self._given = self._given, None
            self.seat.use(reference)
        if self._zones is not self.zones:
            self._zones = self.zones
            self.seat.mask(np.array(self._zones.ignored_grid(*GRID), bool))

    def _faces(self, rgb: NDArray[np.uint8], up_ms: int, scene: Scene) -> tuple[tuple[Face, ...], float]:
        """The faces that count, clipped to the frame, best first; and the best score of those that do not."""
        if scene.is_covered:  # what was seen before a hand came says nothing about now
            self.look.tracks.reset()
        self.look.look(rgb, up_ms)
        tracks = self.look.tracks.all
        visible = [track for track in tracks if track.is_visible]
        may_tell = not (scene.is_frozen or scene.is_low_light)
        still = self._still.look(rgb, visible, up_ms, may_tell=may_tell)
        counted = [track for track in visible if track.n not in still and self._zones.counts(track.box)]
        counted.sort(key=lambda track: -track.score)
        doubt = max((track.score for track in tracks if track not in counted), default=0.0)
        faces = (_clipped(track) for track in counted)
        return tuple(face for face in faces if face is not None), doubt

    def _ask(self, rgb: NDArray[np.uint8], up_ms: int, scene: Scene, *, is_face_visible: bool) -> Seat | None:
        """What the seat's witnesses say; they are not asked while a face or nothing at all can be seen."""
        if is_face_visible or scene.is_covered or scene.is_frozen:
            self.seat.leave()
            return None
        seat = self.seat.look(rgb, up_ms, is_said_empty=self.is_said_empty)
        # nobody is to be missed while the plan says that nobody is there yet
        return None if self.is_said_empty else seat


def _small(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture by which the scene is judged."""
    height, width = rgb.shape[:2]
    scale = SMALL_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _clipped(track: Track) -> Face | None:
    x, y, width, height = track.box
    left, top, right, bottom = max(x, 0.0), max(y, 0.0), min(x + width, 1.0), min(y + height, 1.0)
    return Face((left, top, right - left, bottom - top), track.score) if right > left and bottom > top else None


def names_of(face_spec: FaceSpec) -> tuple[str, ...]:
    """The manifest's names of the models that vision runs when `face_spec` leads, in order of use."""
    return tuple(dict.fromkeys((face_spec.model, CLOSEUP, LANDMARKS, PERSON, BODY)))


def models_sha256(hashes: Mapping[str, str]) -> str:
    lines = "".join(f"{name} {sha256}\n" for name, sha256 in hashes.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def open_vision(
    face_model: str = "full_range",
    folder: Path | None = None,
    clock_s: Callable[[], float] = time.perf_counter,
    look_spec: LookSpec | None = None,
) -> Vision:
    """Vision led by the face model of that name (FACE_MODELS), with the pinned files of `folder` (default
    `models/files`).

    Raises models.ModelProblem when a file is missing or another one, VisionProblem when it cannot be run; both
    are one line.
    """
    spec = FACE_MODELS[face_model]
    files = {name: models.checked(name, folder) for name in names_of(spec)}
    return Vision(files, spec, look_spec, clock_s)
