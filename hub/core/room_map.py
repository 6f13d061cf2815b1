"""A room's map: a grid of cells, 0-based from the top left, x to the right and y downwards; most seats have a cell of
their own. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hub.core.natural import natural

Row = Mapping[str, Any]
Cell = tuple[int, int]

MOST_COLUMNS = MOST_ROWS = 60
"""What the store's columns take."""


class Layout(NamedTuple):
    """Every seat's cell (x, y) by its seat_id, no two alike, each with x < columns and y < rows."""

    columns: int
    rows: int
    cells: dict[int, Cell]


def layout(seats: Sequence[Row], columns: int = 0, rows: int = 0) -> Layout:
    """Where one room's seats are shown. Each row has `seat_id`, `label`, `map_x` and `map_y` (None: not placed).

    Placed seats have their own cell; of two in one cell the first by its label keeps it. All others follow in the rows
    below, in natural order of their labels. `columns` and `rows` are the least size of the grid, `rooms.map_columns`
    and `map_rows`. Without seats and least size it is (0, 0, {}).
    """
    cells: dict[int, Cell] = {}
    taken: set[Cell] = set()
    waiting: list[int] = []
    for seat in sorted(seats, key=lambda row: (natural(row["label"]), row["seat_id"])):
        cell = None if seat["map_x"] is None or seat["map_y"] is None else (seat["map_x"], seat["map_y"])
        if cell is None or cell in taken:
            waiting.append(seat["seat_id"])
        else:
            cells[seat["seat_id"]] = cell
            taken.add(cell)
    columns = max([columns, *(x + 1 for x, _ in taken)])
    below = max((y + 1 for _, y in taken), default=0)
    if waiting and not columns:
        columns = _width_of(len(waiting))
    for index, seat_id in enumerate(waiting):
        cells[seat_id] = (index % columns, below + index // columns)
    return Layout(columns, max([rows, *(y + 1 for _, y in cells.values())]), cells)


def _width_of(seats: int) -> int:
    """Columns of a grid of so many seats that is about half as wide again as it is high."""
    return min(MOST_COLUMNS, math.ceil(math.sqrt(seats * 1.5)))
