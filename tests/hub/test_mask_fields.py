"""Masks as a person types them, and what is said of those that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import wire
from agent.wire import Mask
from hub.core import mask_fields

TRIANGLE = "10 20; 40 20; 40 60.5"


def test_corners_are_percent_of_the_picture() -> None:
    """With any space or comma within a corner; one without corners is left out."""
    found = mask_fields.read(["private", "ignore", "ignore"], [TRIANGLE, "  ", " 0,0 ;100 , 0;  100 100; "])
    assert found.wrong == {}
    assert found.masks == (
        Mask(kind="private", points=((0.1, 0.2), (0.4, 0.2), (0.4, 0.605))),
        Mask(kind="ignore", points=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))),
    )


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("ignore", "10 20; 40 20", "3 to 32 corners, this one has 2"),
        ("ignore", "; ".join(f"{n} {n * n / 40}" for n in range(33)), "this one has 33"),
        ("ignore", "10 20; 40 20; 40", "two numbers"),
        ("ignore", "10 20; 40 20; 40 6o", "two numbers"),
        ("ignore", "10 20; 40 20; 40 101", "between 0 and 100"),
        ("ignore", "10 20; 40 20; -1 10", "between 0 and 100"),
        ("ignore", "10 10; 20 20; 30 30", "on one line"),
        ("other", TRIANGLE, "kind"),
        ("ignore", "10 20; 40 20; \u0664\u0660 60", "two numbers"),
        ("ignore", "<b>; 1 1; 2 3", "two numbers"),
    ],
)
def test_what_is_no_mask_says_why_at_its_place(kind: str, text: str, why: str) -> None:
    found = mask_fields.read(["ignore", kind], [TRIANGLE, text])
    assert list(found.wrong) == [1]
    assert why in found.wrong[1]


def test_a_seat_has_no_more_masks_than_a_plan_carries() -> None:
    found = mask_fields.read(["ignore"] * 17, [TRIANGLE] * 17)
    assert found.wrong == {16: f"a seat has at most {wire.MAX_MASKS} masks"}


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)), min_size=3, max_size=32, unique=True))
def test_what_is_shown_is_read_back_as_it_was(corners: list[tuple[int, int]]) -> None:
    """To a hundredth of a percent, whatever the corners: a saved mask that is saved again does not creep."""
    try:
        mask = Mask(kind="ignore", points=tuple((x / 10_000, y / 10_000) for x, y in corners))
    except ValueError:
        return
    assert mask_fields.read(["ignore"], [mask_fields.text_of(mask)]).masks == (mask,)
