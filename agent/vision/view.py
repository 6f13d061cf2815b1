"""Whether the camera still looks where it looked: the room behind the people, held against a reference.

A reference is cut into cells. A cell votes when it has corners (along a plain edge nothing can be told), kept still
while the reference was made, and has nobody in front of it. It is still there when its fine structure looks alike in
reference and picture, whatever the light does to both. If too few are still there, one shift is looked for on which
most agree; if there is none, and the picture shows structure enough, the view is another one.

The constants were chosen on labelled film of still cameras: on 14 clips with a furnished background (leaving, leaning
in, a second person, dimmed light) not one look was told as moved; on 12 with a bare one, or no face in ten seconds,
nothing could be told. Eight of them were cut anew as a moved camera would see them: of single looks, a shift of 6, 8,
12 and 20 % of the width was told in 92, 91, 78 and 88 of 100, one of up to 4 % in at most 4; a turn of 10 degrees in
90, a zoom by a fifth in 65. The worst were tiles, which look alike one tile further.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.core.observation import Face

Floats = NDArray[np.float32]
Cells = NDArray[np.bool_]

ANOTHER_VIEW = 1.0
LEARN_MS = 3_000
"""How long a reference is averaged: long enough for a nod, short enough to stand before anybody turns the camera."""
FACELESS_MS = 10_000
"""For so long a reference waits for a face: a person whose face does not show cannot be told from the room."""
LOOK_EVERY_MS = 1_000
_CELLS = 16
"""Cells along the longer side of a picture: 12 pixels a side in one of 192, 8 in one of 128."""
_FINE, _COARSE = 1 / 12, 1 / 3
"""Between these two widths of a blur, in sides of a cell, lies the structure that is compared: noise is finer, light
coarser."""
_CORNER = 0.1
"""The least squared step, in luma per pixel, along a cell's flattest direction with which it votes. With 3 luma of
noise a plain wall has up to 0.015 in the mean of LEARN_MS of pictures, but 0.23 in a single one. Rooms give 10 to 100
voting cells of some 150, bare walls none."""
_ALIKE = 0.6
"""Correlation from which on a cell is still there. A still room gives 0.8 to 1, another content 0 +- 0.2."""
_STRUCTURE = 4.0
"""Variance in luma from which on a cell of the picture shows anything."""
_LEAST_CELLS = 6
"""Fewer voting cells cannot tell: one thing put before the others is enough to be wrong."""
_MOST = 0.5
_STILL, _GONE = 0.3, 0.2
"""Shares of the voting cells still there: from the first on the view stands, up to the second it is another one. On
film of a still camera the least was 0.5; turned by ten degrees or more, 0.0 to 0.2."""
_VAGUE = 0.45
"""When more of them agree on a shift, but not most, it cannot be told: people hide the rest of a small shift."""
_WHOLE = 0.8
"""Share of a cell that must be in the picture, with nobody in front of it, for it to vote on a shift."""
_UNCLIPPED, _PART = (3, 250), 0.25
"""Luma between which a pixel shows anything, and the share of pixels beyond with which a cell cannot tell."""
_AGREE = 4
"""Cells that must be alike only after a shift; beside them a third as many may speak against it."""


class _Reference(NamedTuple):
    """What is kept of a view. `structure` is the picture's, `mean` and `spread` its cells', `votes` which may vote."""

    structure: Floats
    mean: Floats
    spread: Floats
    votes: Cells


class _Moved(NamedTuple):
    """The likeliest shift, as a fraction of the width, and the share of the voting cells that agree on it."""

    shift: float
    share: float


class _Gathering:
    """The pictures of a reference to be."""

    def __init__(self, shape: tuple[int, ...], up_ms: int) -> None:
        self.since_up_ms = up_ms
        self.begun_up_ms: int | None = None
        self.shape = shape
        self._sum = np.zeros(shape, np.float32)
        self._pictures = 0
        self._faces: list[Face] = []
        self._samples: list[Floats] = []

    def take(self, luma: NDArray[np.uint8], faces: Sequence[Face], up_ms: int) -> _Reference | None:
        """One more picture; the reference once there are enough."""
        if not faces and up_ms - self.since_up_ms < FACELESS_MS:
            return None
        if self.begun_up_ms is None:
            self.begun_up_ms = up_ms
        cv2.accumulate(luma, self._sum)
        self._pictures += 1
        self._faces.extend(faces)
        if up_ms - self.begun_up_ms >= len(self._samples) * LOOK_EVERY_MS:
            self._samples.append(_structure(luma.astype(np.float32)))
        if up_ms - self.begun_up_ms < LEARN_MS:
            return None
        made = _refer(np.asarray(self._sum / self._pictures, np.float32), self._faces)
        for sample in self._samples:  # hands at rest on a desk have corners too, but do not keep still for long
            np.logical_and(made.votes, _alike(made, sample)[0], out=made.votes)
        return made


class View:
    """Says how far the view has moved; one View, one camera.

    Measured on one x86 core, for a picture of 192 by 108: 0.11 ms a look while the view stands, 0.7 ms when it does
    not; one look a second.
    """

    def __init__(self) -> None:
        self._reference: _Reference | None = None
        self._gathering: _Gathering | None = None
        self._looked_up_ms: int | None = None
        self._shift: float | None = None

    def forget(self) -> None:
        """The next pictures make a new reference."""
        self._reference = self._gathering = self._looked_up_ms = self._shift = None

    def learn(self, lumas: Sequence[NDArray[np.uint8]], faces: Sequence[Face] = ()) -> None:
        """Take the mean of `lumas`, uint8 (height, width), one or more of one view, as the reference, but for what
        `faces` and their bodies hide. In a single picture more than 1 luma of noise is taken for corners."""
        self.forget()
        self._reference = _refer(np.mean(np.stack(lumas), axis=0, dtype=np.float32), faces)

    def look(self, luma: NDArray[np.uint8], faces: Sequence[Face], up_ms: int) -> float | None:
        """How far the view of `luma`, uint8 (height, width) of some 100 to 200 pixels a side, has moved: a fraction of
        its width, 0 for not at all, ANOTHER_VIEW when nothing is where it was; None when there is no reference yet or
        it cannot be told.

        Without a learned reference the first LEARN_MS of pictures make one. After that it looks once in LOOK_EVERY_MS
        and says the same in between. Pictures of another shape are another camera's: they make a new reference.
        """
        if self._reference is not None and self._reference.structure.shape != luma.shape:
            self.forget()
        if self._reference is None:
            if self._gathering is None or self._gathering.shape != luma.shape:
                self._gathering = _Gathering(luma.shape, up_ms)
            self._reference = self._gathering.take(luma, faces, up_ms)
            return None
        self._gathering = None
        if self._looked_up_ms is None or not 0 <= up_ms - self._looked_up_ms < LOOK_EVERY_MS:
            self._looked_up_ms = up_ms
            self._shift = _shift(self._reference, luma, faces)
        return self._shift


def _shift(reference: _Reference, luma: NDArray[np.uint8], faces: Sequence[Face]) -> float | None:
    structure = _structure(luma.astype(np.float32))
    hidden = _hidden(faces, reference.votes.shape) | _clipped(luma)
    votes = reference.votes & ~hidden
    is_there, spread = _alike(reference, structure)
    voting, there = int(votes.sum()), int((is_there & votes).sum())
    if int(reference.votes.sum()) < _LEAST_CELLS:
        return None
    if voting >= _LEAST_CELLS and there >= _MOST * voting:
        return 0.0
    moved = _common_shift(reference, structure, hidden, is_there)
    if moved.share >= _MOST:
        return moved.shift
    if voting < _LEAST_CELLS:
        return None
    if there >= _STILL * voting:
        return 0.0
    is_gone = there <= _GONE * voting and moved.share <= _VAGUE
    shows = int(((spread > _STRUCTURE) & ~hidden).sum())
    return ANOTHER_VIEW if is_gone and shows >= _LEAST_CELLS else None


# --- pictures -> cells ----------------------------------------------------------------------------------------------


def _structure(luma: Floats) -> Floats:
    cell = max(luma.shape) / _CELLS
    fine = cv2.GaussianBlur(luma, (0, 0), _FINE * cell)
    return np.asarray(fine - cv2.GaussianBlur(fine, (0, 0), _COARSE * cell), np.float32)


def _means(values: Floats) -> Floats:
    """The mean of each cell, (rows, columns)."""
    height, width = values.shape
    cell = max(height, width) / _CELLS
    grid = (max(1, round(width / cell)), max(1, round(height / cell)))
    return np.asarray(cv2.resize(values, grid, interpolation=cv2.INTER_AREA), np.float32)


def _refer(luma: Floats, faces: Sequence[Face]) -> _Reference:
    structure = _structure(luma)
    # a Sobel kernel weighs eight steps
    across = np.asarray(cv2.Sobel(structure, cv2.CV_32F, 1, 0, scale=1 / 8), np.float32)
    down = np.asarray(cv2.Sobel(structure, cv2.CV_32F, 0, 1, scale=1 / 8), np.float32)
    xx, yy, xy = _means(across * across), _means(down * down), _means(across * down)
    flattest = (xx + yy) / 2 - np.sqrt((xx - yy) ** 2 / 4 + xy * xy)
    mean = _means(structure)
    spread = _means(structure * structure) - mean * mean
    votes = (flattest >= _CORNER) & ~_hidden(faces, flattest.shape)
    return _Reference(structure, mean, spread, votes)


def _hidden(faces: Sequence[Face], shape: tuple[int, ...]) -> Cells:
    """The cells (rows, columns) that `faces` and the bodies below them hide, generously."""
    rows, columns = shape
    hidden = np.zeros((rows, columns), np.bool_)
    for face in faces:
        x, y, width, height = face.box
        # in sizes of the face: the hair around it, the shoulders below it
        for left, right, top in ((-0.4, 1.4, -0.5), (-1.3, 2.3, 1.1)):
            first = max(0, math.floor((x + left * width) * columns))
            end = max(0, math.ceil((x + right * width) * columns))
            hidden[max(0, math.floor((y + top * height) * rows)) :, first:end] = True
    return hidden


def _clipped(luma: NDArray[np.uint8]) -> Cells:
    """The cells in which light or darkness has wiped out what there is."""
    low, high = _UNCLIPPED
    return _means(((luma <= low) | (luma >= high)).astype(np.float32)) > _PART


def _alike(reference: _Reference, structure: Floats) -> tuple[Cells, Floats]:
    """Which cells look alike, and the spread of each cell of `structure`."""
    mean = _means(structure)
    spread = _means(structure * structure) - mean * mean
    common = _means(reference.structure * structure) - reference.mean * mean
    scale = np.sqrt(np.maximum(reference.spread, 1e-3) * np.maximum(spread, 1e-3))
    return common >= _ALIKE * scale, spread


# --- one shift for all ----------------------------------------------------------------------------------------------


def _common_shift(reference: _Reference, structure: Floats, hidden: Cells, is_there: Cells) -> _Moved:
    height, width = structure.shape
    in_view = _by_pixel(~hidden, structure.shape)
    best = _Moved(0.0, 0.0)
    for x, y in _likely_shifts(reference, structure):
        back = np.array([[1, 0, x], [0, 1, y]], np.float32)
        how = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        moved_back = np.asarray(cv2.warpAffine(structure, back, (width, height), flags=how), np.float32)
        seen = np.asarray(cv2.warpAffine(in_view, back, (width, height), flags=how), np.float32)
        votes = reference.votes & (_means(seen) > _WHOLE)
        is_alike = _alike(reference, moved_back)[0] & votes
        voting, agree = int(votes.sum()), int(is_alike.sum())
        # a cell that looks alike here and there, as in a row of tiles, speaks for neither
        only_here, only_there = int((is_there & votes & ~is_alike).sum()), int((is_alike & ~is_there).sum())
        if voting >= _LEAST_CELLS and only_there >= max(_AGREE, 3 * only_here) and agree > best.share * voting:
            best = _Moved(math.hypot(x, y) / width, agree / voting)
    return best


def _likely_shifts(reference: _Reference, structure: Floats) -> list[tuple[int, int]]:
    """The two shifts in pixels, of up to a quarter of the picture, at which what votes fits best."""
    height, width = structure.shape
    down, across = height // 4, width // 4
    # only what votes is looked for, or else a person who moved would be what has shifted
    wanted = np.asarray(_levelled(reference.structure) * _by_pixel(reference.votes, structure.shape), np.float32)
    field = cv2.copyMakeBorder(_levelled(structure), down, down, across, across, cv2.BORDER_CONSTANT)
    fit = cv2.matchTemplate(field, wanted, cv2.TM_CCORR)
    shifts = []
    for _ in range(2):
        _, _, _, (x, y) = cv2.minMaxLoc(fit)
        shifts.append((x - across, y - down))
        fit[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4] = -np.inf
    return shifts


def _levelled(structure: Floats) -> Floats:
    """All of the structure about equally strong: one bright lamp must not decide alone."""
    around = cv2.GaussianBlur(structure * structure, (0, 0), max(structure.shape) / _CELLS / 2)
    return np.asarray(structure / (np.sqrt(around) + 1), np.float32)


def _by_pixel(cells: Cells, shape: tuple[int, ...]) -> Floats:
    """`cells` as 0 and 1 for every pixel."""
    size = (shape[1], shape[0])
    return np.asarray(cv2.resize(cells.astype(np.float32), size, interpolation=cv2.INTER_NEAREST), np.float32)
