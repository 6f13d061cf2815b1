"""The bound that few hours allow, and parameters scored on film that did not choose them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.eval.chance import poisson_at_most, upper_mean, upper_rate
from tests.eval.choosing import leave_one_out


@pytest.mark.parametrize(("count", "bound"), [(0, 2.9957), (1, 4.7439), (3, 7.7537), (10, 16.9622), (100, 118.0793)])
def test_the_bound_is_the_one_of_the_tables(count: int, bound: float) -> None:
    """Half the 95 % quantile of chi-square with 2 (n + 1) degrees of freedom, as printed in tables."""
    assert upper_mean(count) == pytest.approx(bound, abs=2e-4)


@given(st.integers(0, 200), st.floats(0.5, 0.999))
def test_at_the_bound_so_few_events_have_what_probability_is_left(count: int, sureness: float) -> None:
    """By its definition; and the bound lies above what was seen and grows with it."""
    bound = upper_mean(count, sureness)
    assert poisson_at_most(count, bound) == pytest.approx(1 - sureness, rel=1e-6)
    assert count < bound < upper_mean(count + 1, sureness)


def test_no_hours_allow_no_bound_and_nonsense_is_refused() -> None:
    """Infinite without film; a negative count or a certainty of 1 has no bound."""
    assert upper_rate(0, 0) == math.inf
    assert upper_rate(0, 0.5) == pytest.approx(5.9915, abs=1e-3)
    for count, sureness in ((-1, 0.95), (0, 1.0)):
        with pytest.raises(ValueError, match="no bound"):
            upper_mean(count, sureness)


def test_each_clip_is_scored_with_what_the_others_chose() -> None:
    """One clip loves a value that suits it alone: left out, it gets the others' value, and the flattery shows."""
    scores = {"odd": {"a": (10, 10), "b": (2, 10), "c": (2, 10)}, "even": {"a": (0, 10), "b": (6, 10), "c": (6, 10)}}
    found = leave_one_out(scores)
    assert found.chosen == {"odd": 2, "even": 1}
    assert (found.right, found.of, found.best) == (0 + 2 + 2, 30, 14)


def test_of_equals_the_first_is_chosen_and_too_little_is_refused() -> None:
    """The order of the grid decides a tie; one clip, no value or other clips cannot be left out."""
    assert leave_one_out({0.6: {"a": (1, 1), "b": (1, 1)}, 0.7: {"a": (1, 1), "b": (1, 1)}}).chosen == {"0.6": 2}
    for scores in ({}, {0.6: {"a": (1, 1)}}, {0.6: {"a": (1, 1), "b": (1, 1)}, 0.7: {"a": (1, 1), "c": (1, 1)}}):
        with pytest.raises(ValueError, match="two clips or more"):
            leave_one_out(scores)


@given(st.dictionaries(st.integers(), st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=1, max_size=5))
def test_leaving_out_never_beats_choosing_on_everything(grid: dict[int, list[int]]) -> None:
    """What is left out did not choose, so it cannot do better than the best value on all clips."""
    found = leave_one_out({value: {str(n): (right, 9) for n, right in enumerate(row)} for value, row in grid.items()})
    assert found.right <= found.best
    assert found.of == 36
    assert sum(found.chosen.values()) == 4
    if len(grid) == 1:
        assert found.right == found.best
