"""Who may send film now: no desk shuts another out, and urgent film has places of its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.core.turns import COMMON_PLACES, CROWDED_MS, FREE_AFTER_MS, REST_MS, URGENT_PLACES, Turns


def filled(now_ms: int = 0) -> Turns:
    turns = Turns()
    assert all(turns.take(f"unit-{number}", now_ms) for number in range(COMMON_PLACES))
    return turns


def test_common_film_leaves_places_for_urgent_film() -> None:
    """A room that empties its cards keeps no incident waiting."""
    turns = filled()
    assert not turns.take("late", 1)
    assert turns.take("incident", 1, is_urgent=True)
    assert turns.take("unit-0", 1)


def test_the_door_never_has_more_than_its_places() -> None:
    """Urgent film too is bounded."""
    turns = filled()
    taken = [turns.take(f"urgent-{number}", 1, is_urgent=True) for number in range(URGENT_PLACES)]
    assert sum(taken) == URGENT_PLACES - COMMON_PLACES


def test_a_place_without_a_sender_becomes_free() -> None:
    """A desk that went away holds none for long; one whose piece is coming keeps it."""
    turns = filled()
    assert turns.begin("unit-0", 1)
    assert not turns.take("late", FREE_AFTER_MS)
    assert turns.take("late", FREE_AFTER_MS + 1)
    turns.take("x", FREE_AFTER_MS + 1)
    assert not turns.begin("unit-0", FREE_AFTER_MS + 1)
    turns.end("unit-0", FREE_AFTER_MS + 2)
    assert turns.begin("unit-0", FREE_AFTER_MS + 3)


def test_one_piece_of_a_unit_at_a_time() -> None:
    """A second one is turned away until the first has ended."""
    turns = Turns()
    assert turns.begin("unit", 0)
    assert not turns.begin("unit", 1)
    turns.end("unit", 2)
    assert turns.begin("unit", 3)


def test_who_has_just_sent_lets_others_come_first() -> None:
    """Only while others wait, and not with urgent film."""
    turns = filled()
    assert not turns.take("late", 10)
    turns.leave("unit-0", 20)
    assert not turns.take("unit-0", 30)
    assert turns.take("unit-0", 40, is_urgent=True)
    turns.leave("unit-0", 50)
    assert turns.take("late", 60)
    turns.leave("late", 70)
    assert turns.take("unit-0", 70 + REST_MS)
    turns.leave("unit-0", 80 + CROWDED_MS)
    assert turns.take("unit-0", 81 + CROWDED_MS + REST_MS)


def test_alone_it_never_waits() -> None:
    """Segment after segment, without a pause."""
    turns = Turns()
    for now_ms in range(100):
        assert turns.take("unit", now_ms)
        assert turns.begin("unit", now_ms)
        turns.end("unit", now_ms)
        turns.leave("unit", now_ms)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["take", "urgent", "begin", "end", "leave"])), max_size=300)
)
def test_no_order_of_things_breaks_the_bounds(steps: list[tuple[int, str]]) -> None:
    """Whatever desks do, at most so many places are taken and one piece a unit comes."""
    turns, sending = Turns(), set()
    for now_ms, (unit, what) in enumerate(steps):
        name = f"unit-{unit}"
        if what == "begin":
            if turns.begin(name, now_ms * 100):
                assert name not in sending
                sending.add(name)
        elif what == "end":
            turns.end(name, now_ms * 100)
            sending.discard(name)
        elif what == "leave":
            turns.leave(name, now_ms * 100)
        else:
            turns.take(name, now_ms * 100, is_urgent=what == "urgent")
        assert len(turns._places) <= URGENT_PLACES
