"""Masks: what lies in a polygon, which faces count, and that nothing of what is private comes through."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent.core.masks import Zones, is_inside, zones_in_force
from agent.wire import Mask, Plan, PlannedSitting

UNIT = st.floats(0, 1, allow_nan=False).map(lambda value: round(value, 3))
CORNERS = st.lists(st.tuples(UNIT, UNIT), min_size=3, max_size=8)
SQUARE = ((0.2, 0.2), (0.6, 0.2), (0.6, 0.6), (0.2, 0.6))


def mask(*points: tuple[float, float], kind: str = "private") -> Mask:
    return Mask(kind=kind, points=points)


def drawn(corners: list[tuple[float, float]], kind: str = "private") -> Mask:
    """A mask of these corners; they must not lie on one line."""
    try:
        return mask(*corners, kind=kind)
    except ValueError:
        assume(False)
        raise


def turns(point: tuple[float, float], polygon: tuple[tuple[float, float], ...]) -> float:
    """How often the polygon winds around the point, by adding up the angles: another way than the one tested."""
    x, y = point
    total = 0.0
    for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        turn = math.atan2(y1 - y, x1 - x) - math.atan2(y0 - y, x0 - x)
        total += (turn + math.pi) % (2 * math.pi) - math.pi
    return total / (2 * math.pi)


def distance(point: tuple[float, float], polygon: tuple[tuple[float, float], ...]) -> float:
    """Of the point to the polygon's line."""

    def to_edge(start: tuple[float, float], end: tuple[float, float]) -> float:
        along = (end[0] - start[0], end[1] - start[1])
        length = along[0] ** 2 + along[1] ** 2
        way = ((point[0] - start[0]) * along[0] + (point[1] - start[1]) * along[1]) / length if length else 0.0
        way = min(1.0, max(0.0, way))
        return math.hypot(point[0] - start[0] - way * along[0], point[1] - start[1] - way * along[1])

    return min(map(to_edge, polygon, (*polygon[1:], polygon[0])))


@given(st.tuples(UNIT, UNIT), CORNERS)
def test_inside_is_what_the_line_winds_around(point: tuple[float, float], corners: list[tuple[float, float]]) -> None:
    """For any polygon, concave or crossing itself, and in either direction of drawing."""
    polygon = drawn(corners).points
    assume(distance(point, polygon) > 1e-6)
    assert is_inside(point, polygon) is (abs(turns(point, polygon)) > 0.5)
    assert is_inside(point, polygon) is is_inside(point, polygon[::-1])


def test_a_line_that_crosses_itself_opens_no_hole() -> None:
    """The middle of a five-pointed star, drawn in one line, is inside."""
    star = tuple(
        (0.5 + 0.4 * math.sin(2 * turn * 2 * math.pi / 5), 0.5 - 0.4 * math.cos(2 * turn * 2 * math.pi / 5))
        for turn in range(5)
    )
    assert is_inside((0.5, 0.5), star)
    assert not Zones((mask(*star),)).counts((0.45, 0.45, 0.1, 0.1))


@pytest.mark.parametrize("kind", ["ignore", "private"])
def test_a_face_counts_when_its_centre_is_in_no_mask(kind: str) -> None:
    """However much of its box reaches in; both kinds of mask alike; without a mask every face counts."""
    zones = Zones((mask(*SQUARE, kind=kind), mask((0.9, 0.9), (1, 0.9), (1, 1), kind=kind)))
    assert not zones.counts((0.0, 0.0, 0.8, 0.8))
    assert not zones.counts((0.55, 0.3, 0.08, 0.1))
    assert zones.counts((0.57, 0.3, 0.08, 0.1))
    assert zones.counts((0.0, 0.0, 0.3, 0.3))
    assert not zones.counts((0.95, 0.9, 0.06, 0.08))
    assert Zones().counts((0.3, 0.3, 0.1, 0.1))


@given(CORNERS, st.integers(1, 20), st.integers(1, 12))
def test_the_grid_asks_each_cells_centre(corners: list[tuple[float, float]], columns: int, rows: int) -> None:
    """As many rows and columns as asked for, each cell by its own centre; without masks all False."""
    one = drawn(corners, kind="ignore")
    grid = Zones((one,)).ignored_grid(columns, rows)
    assert (len(grid), {len(row) for row in grid}) == (rows, {columns})
    for row in range(rows):
        for column in range(columns):
            assert grid[row][column] is is_inside(((column + 0.5) / columns, (row + 0.5) / rows), one.points)
    assert not any(map(any, Zones().ignored_grid(columns, rows)))


def cells_of(zones: Zones, columns: int, rows: int) -> np.ndarray:
    cells = np.zeros((rows, columns), bool)
    for row, first, beyond in zones.private_spans(columns, rows):
        assert 0 <= row < rows
        assert 0 <= first < beyond <= columns
        cells[row, first:beyond] = True
    return cells


@settings(max_examples=300, deadline=None)
@given(CORNERS, st.integers(2, 24), st.integers(2, 16), st.data())
def test_every_private_point_and_its_neighbours_are_hidden(
    corners: list[tuple[float, float]], columns: int, rows: int, data: st.DataObject
) -> None:
    """Whatever point of the polygon, inside or on its line, is taken: its cell and the eight around it are hidden."""
    one = drawn(corners)
    cells = cells_of(Zones((one,)), columns, rows)
    share = data.draw(st.floats(0, 1))
    first = data.draw(st.integers(0, len(one.points) - 1))
    (x0, y0), (x1, y1) = one.points[first - 1], one.points[first]
    on_line = (x0 + (x1 - x0) * share, y0 + (y1 - y0) * share)
    points = data.draw(st.lists(st.tuples(UNIT, UNIT), max_size=20))
    for x, y in (on_line, *(point for point in points if is_inside(point, one.points))):
        column, row = min(columns - 1, int(x * columns)), min(rows - 1, int(y * rows))
        assert cells[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].all(), (x, y)


def test_a_corner_between_two_cells_hides_both_and_those_around() -> None:
    """A point on the line between two cells lies in the second one."""
    cells = cells_of(Zones((mask((0, 0), (0, 1), (0.5, 0)),)), 4, 2)
    assert cells[:, 1:4].all(), cells


def test_corners_on_the_rows_own_lines_open_no_hole() -> None:
    """A side with a corner at each of many rows' ends: rounding must not lose the inside between them."""
    levels = [number / 10 for number in range(1, 10)]
    left, right = [(0.1, y) for y in levels], [(0.9, y) for y in reversed(levels)]
    cells = cells_of(Zones((mask(*left, *right),)), 20, 10)
    assert cells[:, 1:19].all(), cells


@settings(deadline=None)
@given(CORNERS)
def test_nothing_far_from_a_polygon_is_hidden(corners: list[tuple[float, float]]) -> None:
    """A mask takes no more than its cells and two around: the rest of the picture stays evidence."""
    one = drawn(corners)
    columns, rows = 32, 18
    cells = cells_of(Zones((one,)), columns, rows)
    scaled = tuple((x * columns, y * rows) for x, y in one.points)
    for row, column in zip(*np.nonzero(cells), strict=True):
        centre = (column + 0.5, row + 0.5)
        is_near = distance(centre, scaled) <= 2.2
        assert is_near or is_inside(centre, scaled), centre


def test_what_is_only_ignored_is_not_hidden() -> None:
    """A poster may be seen; it is no face."""
    zones = Zones((mask(*SQUARE, kind="ignore"),))
    assert zones.private_spans(64, 36) == []
    assert not zones.has_private
    assert Zones((*zones.masks, mask(*SQUARE))).has_private


# --- which masks hold -----------------------------------------------------------------------------------------------


def planned(name: str, *masks: Mask) -> PlannedSitting:
    return PlannedSitting(
        sitting=name, exam="Maths", room="Hall", seat="A1", start_utc_ms=0, end_utc_ms=1000, masks=masks
    )


FIRST, SECOND, THIRD = (mask(*SQUARE), mask((0, 0), (1, 0), (1, 1)), mask((0, 0), (1, 0), (0, 1), kind="ignore"))


def test_the_newest_plan_says_which_masks_hold() -> None:
    """For the sitting that is on, those of the newest plan; for one that the plan has no more, its own; between
    sittings all of them, each once; without a plan none."""
    old = planned("a", FIRST)
    plan = Plan(number=2, sittings=(planned("a", SECOND), planned("b", SECOND, THIRD)))
    assert zones_in_force(plan, old).masks == (SECOND,)
    assert zones_in_force(Plan(number=3), old).masks == (FIRST,)
    assert zones_in_force(plan, planned("b")).masks == (SECOND, THIRD)
    assert zones_in_force(plan, None).masks == (SECOND, THIRD)
    assert zones_in_force(None, None).masks == ()


def test_the_seats_masks_hold_at_all_times() -> None:
    """With no sitting planned, in one, and in one that the plan has no more; its own masks come after them, each
    once."""
    empty = Plan(number=2, masks=(THIRD, FIRST))
    assert zones_in_force(empty, None).masks == (THIRD, FIRST)
    assert zones_in_force(empty, planned("a", SECOND, FIRST)).masks == (THIRD, FIRST, SECOND)
    plan = Plan(number=3, sittings=(planned("a", SECOND), planned("b", THIRD)), masks=(FIRST,))
    assert zones_in_force(plan, None).masks == (FIRST, SECOND, THIRD)
    assert zones_in_force(plan, planned("a")).masks == (FIRST, SECOND)
