"""Film and pictures from disk: as a desk's camera, looped and paced by their own time stamps, and read in one go
for analysis. The only file of the agent's cameras that knows PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import av
import av.error
import cv2
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from agent.camera import CameraLost
from agent.camera.paced import Captured, PacedCamera, Pacer, boot_ns, fit_within, letterboxed

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
HOLD_S = 5.0
"""How long each still of a folder stands in front of the camera."""
EARLY_END_S = 1.0
"""A film whose pictures end this long before its own stated length is broken, not finished."""


class FootageCamera(PacedCamera):
    """A video file, one still or a folder of stills (in the order of their names), looped for ever."""

    def __init__(self, path: Path, size: tuple[int, int] = (1280, 720), fps: float = 15.0) -> None:
        super().__init__(size, fps)
        self._path = path

    @property
    def _name(self) -> str:
        return f"footage {self._path}"

    def _capture(self) -> Iterator[Captured]:
        stills = _stills(self._path)
        pacer = Pacer(boot_ns())
        begin_ns = 0
        while not self._stopping.is_set():
            end_ns = begin_ns
            for at_ns, i420 in self._stills(stills) if stills else self._film():
                end_ns = begin_ns + at_ns
                due_ns = pacer.due_ns(end_ns, boot_ns())
                if not self._wait_until(due_ns):
                    return
                yield Captured(due_ns, i420)
            if end_ns == begin_ns and not stills:
                raise CameraLost(f"{self._path.name}: fewer than two pictures, not a film")
            begin_ns = end_ns + int(1e9 / self._fps)

    def _stills(self, paths: list[Path]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        held = max(1, round(HOLD_S * self._fps))
        for index, path in enumerate(paths):
            frame = VideoFrame.from_ndarray(_read_still(path), format="rgb24")
            i420 = _letterboxed(frame, self._size)
            for tick in range(held):
                yield int((index * held + tick) * 1e9 / self._fps), i420

    def _film(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Every picture that is due at the camera's rate, with its nanoseconds since the first."""
        tick = 0
        for second, frame, _ in _frames(self._path):
            if second * self._fps < tick - 0.5:
                continue  # the film is faster than the camera
            tick = max(tick, round(second * self._fps)) + 1
            yield int(second * 1e9), _letterboxed(frame, self._size)


def read_pictures(path: Path, fps: float) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Samples of a film as (seconds since its first picture, RGB uint8 (height, width, 3) at its own size).

    Sampled at (n + 0.5) / fps, each time the picture nearest to it, so that every whole second has a sample at or
    near its middle. A picture file is one sample, (0.0, rgb). Raises CameraLost with the file's name when it cannot
    be read; a film that breaks off yields what could be read first.
    """
    if fps <= 0:
        raise ValueError(f"{fps} samples a second")
    if path.suffix.lower() in PICTURE_SUFFIXES:
        yield 0.0, _read_still(path)
        return
    sampled = 0
    before: _Timed | None = None
    for now in chain(_frames(path), [None]):
        if before is not None:
            # a picture stands until half-way to the next one; the last one as long as its rate says
            until = (before.second + now.second) / 2 if now else before.second + before.lasts_s
            rgb: NDArray[np.uint8] | None = None
            while (second := (sampled + 0.5) / fps) < until:
                rgb = _rgb(before.frame) if rgb is None else rgb
                yield second, rgb
                sampled += 1
        before = now


class _Timed(NamedTuple):
    """A decoded picture, its seconds since the film's first, and how long one stands at the film's rate."""

    second: float
    frame: VideoFrame
    lasts_s: float


def _frames(path: Path) -> Iterator[_Timed]:
    """The film's pictures in order. Raises CameraLost when it cannot be read or breaks off."""
    try:
        with av.open(str(path)) as film:
            if not film.streams.video:
                raise CameraLost(f"{path.name}: no video in it")
            yield from _decoded(path.name, film)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise CameraLost(f"{path.name}: cannot be read: {error}") from error


def _decoded(name: str, film: InputContainer) -> Iterator[_Timed]:
    stream = film.streams.video[0]
    stream.thread_type = "AUTO"
    lasts_s = 1 / float(stream.average_rate or stream.guessed_rate or 25)
    stated_s = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    first: float | None = None
    second = -lasts_s
    damage = ""
    for packet in film.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError as error:  # one bad packet: what follows may be whole
            damage = str(error)
            continue
        for frame in frames:
            stamp = float(frame.time) if frame.pts is not None else (first or 0.0) + second + lasts_s
            first = stamp if first is None else first
            if stamp - first > second:
                second = stamp - first
                damage = ""
                yield _Timed(second, frame, lasts_s)
    if first is None:
        raise CameraLost(f"{name}: not one picture in it can be read")
    if damage or stated_s - (second + lasts_s) > EARLY_END_S:
        raise CameraLost(f"{name}: breaks off after {second + lasts_s:.1f} s of {stated_s:.1f} s")


def _rgb(frame: VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def _stills(path: Path) -> list[Path]:
    """The pictures that `path` names: a folder's, itself, or none when it is a film."""
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
        if not found:
            raise CameraLost(f"{path}: no pictures in this folder")
        return found
    return [path] if path.suffix.lower() in PICTURE_SUFFIXES else []


def _read_still(path: Path) -> NDArray[np.uint8]:
    """RGB (height, width, 3), turned as its EXIF says. Raises CameraLost."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CameraLost(f"{path.name}: cannot be read: {error.strerror}") from error
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:
        bgr = None
    if bgr is None:
        raise CameraLost(f"{path.name}: not a picture that can be read")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _letterboxed(frame: VideoFrame, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture as I420 of `size`, aspect kept, black around it."""
    x, y, width, height = fit_within((frame.width, frame.height), size)
    scaled = np.asarray(frame.reformat(width, height, "yuv420p").to_ndarray(), np.uint8)
    return letterboxed(scaled, x, y, size)
