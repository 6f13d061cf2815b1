"""Faces against truth: what counts as right, and that sums of seconds are sums of films."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.eval.footage import Item, Second
from tests.eval.scoring import Seen, Tally, nearest, score, score_second, total

COUNTS = st.integers(0, 5)


def film(*seconds: Second) -> Item:
    return Item("a", Path("a.mp4"), True, False, 100, float(len(seconds)), frozenset(), seconds)


def test_each_second_is_judged_by_the_look_nearest_to_it() -> None:
    """Right at 0.5 s, a ghost at 1.5 s, one of two seen at 2.5 s; no look near 4.5 s counts as nobody seen."""
    item = film(Second(1, 0.5), Second(0, 1.5), Second(2, 2.5), Second(5, 4.5, is_exact_unsure=True))
    tally = score(item, [Seen(0.6, 1), Seen(1.5, 1), Seen(2.4, 1)])
    assert tally == Tally(
        seconds=4, unlooked=1, found=2, ghosts=1, missed=1, several_missed=2, right=1, exact=1, exact_of=3
    )
    assert tally.figures["presence_recall"] == 2 / 3
    assert tally.figures["absence_recall"] == 0
    assert tally.figures["absence_precision"] == 0
    assert tally.figures["several_precision"] is None


def test_a_look_half_a_second_away_speaks_for_a_second_and_no_farther() -> None:
    """The limit itself counts; a still's only look counts whatever its time."""
    looks = [Seen(1.0, 1)]
    assert nearest(0.5, looks, is_film=True) == Seen(1.0, 1)
    assert nearest(0.4, looks, is_film=True) is None
    assert nearest(0.4, looks, is_film=False) == Seen(1.0, 1)
    assert nearest(0.5, [], is_film=False) is None


def test_an_unsure_second_is_not_scored() -> None:
    """Whatever was seen there."""
    assert score(film(Second(1, 0.5, is_unsure=True)), [Seen(0.5, 3)]) == Tally()


@given(st.lists(st.tuples(COUNTS, st.none() | COUNTS)))
def test_the_parts_of_a_tally_add_up(pairs: list[tuple[int, int | None]]) -> None:
    """Every second is in exactly one of the four cells of presence; all shares lie in 0..1; all right means no miss."""
    tally = total(score_second(Second(true), seen) for true, seen in pairs)
    assert tally.seconds == len(pairs) == tally.found + tally.ghosts + tally.missed + tally.empty
    assert tally.exact <= tally.right <= tally.seconds
    assert tally.several + tally.several_missed == sum(true > 1 for true, _ in pairs)
    assert all(value is None or 0 <= value <= 1 for value in tally.figures.values())
    perfect = total(score_second(Second(true), true) for true, _ in pairs)
    assert {value for value in perfect.figures.values() if value is not None} <= {1.0}
