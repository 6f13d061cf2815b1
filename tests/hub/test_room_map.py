"""A room's map: where seats are shown, and what seats a pattern of labels makes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.room_map import layout
from hub.core.seat_pattern import BadPattern, Order, Pattern, Scheme, labels, preview, propose


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


def labels_of(**values: Any) -> list[str]:
    """The labels as they stand on the map, row by row from the left."""
    found = labels(Pattern(**values))
    return [label for label, _ in sorted(found, key=lambda each: (each[1][1], each[1][0]))]


def test_labels_follow_the_centres_own_scheme() -> None:
    assert labels_of(columns=2, rows=2) == ["A1", "A2", "B1", "B2"]
    assert labels_of(columns=2, rows=2, scheme=Scheme.COLUMN_LETTER, start=5) == ["A5", "B5", "A6", "B6"]
    assert labels_of(columns=2, rows=2, scheme=Scheme.NUMBER, prefix="S-", start=9, digits=3) == [
        *("S-009", "S-010"),
        *("S-011", "S-012"),
    ]
    assert labels_of(columns=1, rows=28)[-3:] == ["Z1", "AA1", "AB1"]


def test_rows_are_counted_either_way_or_turning() -> None:
    assert labels_of(columns=3, rows=2, order=Order.RIGHT) == ["A3", "A2", "A1", "B3", "B2", "B1"]
    assert labels_of(columns=3, rows=2, scheme=Scheme.NUMBER, order=Order.TURNING) == ["1", "2", "3", "6", "5", "4"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"columns": 0}, "columns"),
        ({"rows": 61}, "rows"),
        ({"columns": 30, "rows": 21}, "rows"),
        ({"start": -1}, "start"),
        ({"digits": 7}, "digits"),
        ({"prefix": "x" * 41}, "prefix"),
        ({"prefix": "a\u202e"}, "prefix"),
    ],
)
def test_a_pattern_out_of_bounds_names_its_field(values: dict[str, Any], field: str) -> None:
    with pytest.raises(BadPattern) as told:
        labels(Pattern(**{"columns": 2, "rows": 2} | values))
    assert told.value.field == field


def test_a_pattern_adds_what_is_missing_and_touches_nothing_else() -> None:
    """A larger room of the same scheme grows where its cells are free; another block goes below."""
    seats = [seat(1, "A1", 0, 0), seat(2, "A2", 1, 0), seat(3, "B2")]
    grown = propose(Pattern(2, 2), seats)
    assert (grown.added, grown.placed, grown.kept) == ([("B1", (0, 1))], [(3, "B2", (1, 1))], ["A1", "A2"])
    other = propose(Pattern(1, 1, Scheme.NUMBER), seats)
    assert (other.added, other.columns, other.rows) == ([("1", (0, 1))], 2, 2)
    assert preview(other, seats).cells == {1: (0, 0), 2: (1, 0), 3: (0, 2), -1: (0, 1)}
    with pytest.raises(BadPattern, match="recordings carry it"):
        propose(Pattern(1, 1, Scheme.NUMBER), seats, reserved=["1"])


patterns = st.builds(
    Pattern,
    columns=st.integers(1, 12),
    rows=st.integers(1, 12),
    scheme=st.sampled_from(Scheme),
    prefix=st.sampled_from(["", "A", "S-"]),
    start=st.integers(0, 50),
    digits=st.integers(1, 4),
    order=st.sampled_from(Order),
)


@given(patterns, patterns)
def test_applied_twice_a_pattern_adds_nothing(first: Pattern, second: Pattern) -> None:
    """No label and no cell is given twice, in a room that has had another pattern before, and a second time it is as
    before."""
    seats: list[dict[str, Any]] = []
    for pattern in (first, second, second):
        found = propose(pattern, seats)
        for label, (x, y) in found.added:
            seats.append(seat(len(seats), label, x, y))
        assert len({each["label"] for each in seats}) == len({(s["map_x"], s["map_y"]) for s in seats}) == len(seats)
        assert layout(seats).columns <= found.columns
    assert not found.added
    assert not found.placed
