"""A room's map: where seats are shown, and what seats a pattern of labels makes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hub.core.room_map import layout


def seat(seat_id: int, label: str, x: int | None = None, y: int | None = None) -> dict[str, Any]:
    return {"seat_id": seat_id, "label": label, "map_x": x, "map_y": y}


def test_placed_seats_have_their_cell_and_others_follow_below() -> None:
    """Unplaced ones come after the placed, A2 before A10."""
    found = layout([seat(1, "A10"), seat(2, "A2"), seat(3, "B1", 1, 1), seat(4, "C1", 0, 0)])
    assert found == (2, 3, {4: (0, 0), 3: (1, 1), 2: (0, 2), 1: (1, 2)})


def test_a_room_without_a_map_is_a_grid_in_natural_order() -> None:
    found = layout([seat(n, f"A{n}") for n in range(1, 7)])
    assert found == (3, 2, {1: (0, 0), 2: (1, 0), 3: (2, 0), 4: (0, 1), 5: (1, 1), 6: (2, 1)})


def test_the_rooms_own_size_is_the_least() -> None:
    assert layout([seat(1, "A1", 0, 0)], columns=6, rows=5)[:2] == (6, 5)
    assert layout([]) == (0, 0, {})


@given(
    st.lists(st.tuples(st.text(max_size=4), st.none() | st.integers(0, 59), st.none() | st.integers(0, 59))),
    st.integers(0, 60),
    st.integers(0, 60),
)
def test_every_seat_has_one_cell_of_the_grid(rows: list[Any], columns: int, least_rows: int) -> None:
    """Whatever the store says, none is lost, none lies on another, and none outside."""
    seats = [seat(number, label, x, y) for number, (label, x, y) in enumerate(rows)]
    found = layout(seats, columns, least_rows)
    assert found.cells.keys() == set(range(len(rows)))
    assert len(set(found.cells.values())) == len(rows)
    assert all(0 <= x < found.columns and 0 <= y < found.rows for x, y in found.cells.values())
