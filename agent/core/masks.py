"""Masks of the plan: in which parts of the picture faces do not count, and which parts nobody may ever see.

Pure. A polygon holds every point that its line winds around, however often: a line that crosses itself must not open a
hole in what somebody wanted hidden.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import ceil, floor

from msgspec import Struct

from agent.wire import Mask, Plan, PlannedSitting

PRIVATE = "private"
Point = tuple[float, float]
Box = tuple[float, float, float, float]
Span = tuple[int, int, int]
"""Row, first column, and the column after the last."""


def is_inside(point: Point, polygon: Sequence[Point]) -> bool:
    """Whether `polygon` winds around `point` (winding number other than 0). On the line itself either answer holds."""
    x, y = point
    winding = 0
    for (x0, y0), (x1, y1) in _edges(polygon):
        if (y0 <= y) is not (y1 <= y):
            is_right = (x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)
            if y0 <= y and is_right > 0:
                winding += 1
            elif y0 > y and is_right < 0:
                winding -= 1
    return winding != 0


def _edges(polygon: Sequence[Point]) -> Iterable[tuple[Point, Point]]:
    return zip(polygon, (*polygon[1:], polygon[0]), strict=True)


class Zones(Struct, frozen=True):
    """What the masks of one seat say; without masks everything counts and nothing is private."""

    masks: tuple[Mask, ...] = ()

    def counts(self, box: Box) -> bool:
        """Whether a face with this box (x, y, width, height as fractions 0..1 of the frame) counts: its centre lies in
        no mask."""
        x, y, width, height = box
        return not self._is_masked((x + width / 2, y + height / 2))

    def ignored_grid(self, columns: int, rows: int) -> tuple[tuple[bool, ...], ...]:
        """`rows` rows of `columns` cells over the frame: True where a cell's centre lies in a mask."""
        return tuple(
            tuple(self._is_masked(((column + 0.5) / columns, (row + 0.5) / rows)) for column in range(columns))
            for row in range(rows)
        )

    def _is_masked(self, point: Point) -> bool:
        return any(is_inside(point, mask.points) for mask in self.masks)

    @property
    def has_private(self) -> bool:
        return any(mask.kind == PRIVATE for mask in self.masks)

    def private_spans(self, columns: int, rows: int) -> list[Span]:
        """The cells of a grid of `columns` by `rows` over the frame that must be black.

        Every cell that a private polygon touches and the cells next to it: whoever scaled the picture or its colours
        may have mixed neighbouring cells. Spans of a row may overlap.
        """
        spans: list[Span] = []
        for mask in self.masks:
            if mask.kind == PRIVATE:
                spans += _widened(_touched(mask.points, columns, rows), columns, rows)
        return spans


def _touched(polygon: Sequence[Point], columns: int, rows: int) -> list[Span]:
    """Every cell that the polygon touches. From a point of it, go down: either an edge comes before the row ends, or
    the point below on the row's end is inside as well. So edges and the insides of the rows' ends are all there is."""
    scaled = [(x * columns, y * rows) for x, y in polygon]
    spans: list[Span] = []
    crossings: dict[int, list[tuple[float, int]]] = {}
    for (x0, y0), (x1, y1) in _edges(scaled):
        (top_x, top), (end_x, end) = sorted(((x0, y0), (x1, y1)), key=lambda point: point[1])
        slope = (end_x - top_x) / (end - top) if end > top else 0.0
        # a point on the line between two cells lies in the one after it: hence floor + 1, not ceil
        for row in range(floor(top), floor(end) + 1):
            ends = (top_x, end_x)
            if end > top:
                ends = (top_x + (max(top, row) - top) * slope, top_x + (min(end, row + 1) - top) * slope)
            spans.append((row, floor(min(ends)), floor(max(ends)) + 1))
        for row in range(ceil(top) - 1, ceil(end) - 1):  # those whose end, row + 1, has top <= row + 1 < end
            crossings.setdefault(row, []).append((top_x + (row + 1 - top) * slope, 1 if y0 < y1 else -1))
    for row, crossed in crossings.items():
        winding = 0
        crossed.sort()
        for (x, turn), (next_x, _) in pairwise(crossed):
            winding += turn
            if winding:
                spans.append((row, floor(x), floor(next_x) + 1))
    return spans


def _widened(spans: Iterable[Span], columns: int, rows: int) -> list[Span]:
    """One cell further on every side, within the grid."""
    return [
        (near, max(0, first - 1), min(columns, max(beyond, first + 1) + 1))
        for row, first, beyond in dict.fromkeys(spans)
        for near in range(max(0, row - 1), min(rows, row + 2))
    ]


def zones_in_force(plan: Plan | None, current: PlannedSitting | None) -> Zones:
    """The masks that hold now, each once: the seat's, which the newest plan has for all times, and then those that it
    gives the sitting that is on, whether or not the desk has followed that plan yet; those the sitting began with when
    the plan has it no more; between sittings all that the plan has, since whoever wants a corner of the room private
    means it for the pictures before the start as well."""
    of_seat = () if plan is None else plan.masks
    sittings = () if plan is None else plan.sittings
    if current is not None:
        newest = (sitting for sitting in sittings if sitting.sitting == current.sitting)
        sittings = (next(newest, current),)
    of_sittings = (mask for sitting in sittings for mask in sitting.masks)
    return Zones(tuple(dict.fromkeys((*of_seat, *of_sittings))))
