"""How alerts turned out: counted, with the range in which a share lies, the worst first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.budget import Outcome, budget, wilson


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    # statsmodels.stats.proportion.proportion_confint(hits, of, method="wilson")
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (40, 50, 0.6696, 0.8876)],
)
def test_the_range_of_a_share_is_wilsons(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits, of) == pytest.approx((low, high), abs=5e-4)


@given(st.integers(0, 500), st.integers(1, 500))
def test_a_share_lies_in_its_range(hits: int, of: int) -> None:
    """And more of the same makes the range no wider."""
    hits = min(hits, of)
    low, high = wilson(hits, of)
    assert 0 <= low <= hits / of + 1e-12
    assert hits / of - 1e-12 <= high <= 1
    wider = wilson(hits * 4, of * 4)
    assert wider[1] - wider[0] <= high - low + 1e-12


def row(seat: str, kind: str, incidents: int, closed: int, no_concern: int) -> dict[str, object]:
    place = {"room": "Hall", "seat": seat, "kind": kind}
    return place | {"incidents": incidents, "closed": closed, "no_concern": no_concern}


def test_the_worst_stands_first_and_one_of_one_is_not_the_worst() -> None:
    found = budget(
        [row("A1", "seat_empty", 1, 1, 1), row("A2", "seat_empty", 50, 50, 40), row("A3", "seat_empty", 9, 9, 0)],
        [],
        [],
        [],
        [],
    )
    assert [each.seat for each in found.seats] == ["A2", "A1", "A3"]
    assert found.seats[1].is_small
    assert not found.seats[0].is_small


def test_hours_are_the_sittings_time_less_the_gaps_and_alerts_those_without_room_members() -> None:
    place = {"room": "Hall", "seat": "A1"}
    kind = place | {"kind": "seat_empty"}
    found = budget(
        [row("A1", "seat_empty", 2, 2, 1)],
        [kind | {"alerts": 7}],
        [kind | {"alerts": 3}],
        [place | {"ms": 3 * 3_600_000}, {"room": "Hall", "seat": "A2", "ms": 3_600_000}],
        [place | {"ms": 3_600_000}, {"room": "Hall", "seat": "gone", "ms": 5}],
    )
    [seat] = found.seats
    assert (seat.alerts, seat.hours, seat.alerts_per_hour) == (4, 2.0, 2.0)
    assert found.hours == 3.0
    assert found.rules == [Outcome("seat_empty", "", "", 2, 2, 1, 4, 3.0)]


def test_what_nobody_knows_is_none_and_no_zero() -> None:
    [seat] = budget([row("A1", "seat_empty", 2, 0, 0)], [], [], [], []).seats
    assert (seat.share, seat.hours, seat.alerts_per_hour) == (None, None, None)
    assert seat.range == (0.0, 1.0)
