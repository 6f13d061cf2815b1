"""What strikes a whole room: found whatever the order, never from a trickle, and one event however it flickers."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from hub.core import room_events
from hub.core.room_events import REST_MS, WINDOW_MS, Family, Group, Happened, groups, least, standing, words


def emptied(seat: str, at_ms: int, until_ms: int | None = None, number: int = 0) -> Happened:
    return Happened(seat, Family.EMPTIED, "", at_ms, until_ms, (seat, number))


def seats(found: list[Group]) -> list[int]:
    return [len(group.seats) for group in found]


def test_how_many_at_once_are_a_room() -> None:
    """At least 4, or a third of the seats that have a desk, whichever is less; never fewer than 3."""
    assert [least(desks) for desks in (0, 3, 6, 9, 10, 12, 30, 500)] == [3, 3, 3, 3, 4, 4, 4, 4]


def test_thirty_desks_that_empty_together_are_one_event() -> None:
    found = groups([emptied(f"A{n}", 1_000 + n * 100) for n in range(30)], 30)
    assert seats(found) == [30]
    assert found[0].at_utc_ms == 1_000
    assert words(found[0].family, 30) == "30 seats empty at once"


def test_below_the_limit_there_is_none() -> None:
    assert groups([emptied(f"A{n}", 0) for n in range(3)], 30) == []
    assert groups([emptied("A1", n * 10, n * 10 + 5, n) for n in range(30)], 30) == [], "one seat is one seat"


def test_kinds_are_never_mixed() -> None:
    """Two seats that empty and two desks that go are no four of anything; nor are two faults of two kinds."""
    mixed = [emptied("A1", 0), emptied("A2", 0)]
    mixed += [Happened(f"B{n}", Family.GONE, "", 0, None, (f"B{n}", 0)) for n in range(2)]
    mixed += [
        Happened(f"C{n}", Family.FAULTS, what, 0, None, (f"C{n}", 0)) for n, what in enumerate(["hot", "low"] * 2)
    ]
    assert groups(mixed, 6) == []


def test_whoever_falls_into_it_while_it_stands_joins() -> None:
    """Ten minutes later too; once fewer than the limit stand, a lone one is a lone one again."""
    first = [emptied(f"A{n}", 0, 600_000) for n in range(5)]
    late, lone = emptied("B1", 500_000), emptied("B2", 600_000 + REST_MS + 1)
    assert seats(groups([*first, late, lone], 30)) == [6]


def test_two_bursts_far_apart_are_two() -> None:
    first = [emptied(f"A{n}", 0, 10_000) for n in range(5)]
    second = [emptied(f"A{n}", 200_000, None, 1) for n in range(5)]
    assert seats(groups([*first, *second], 30)) == [5, 5]


@given(st.integers(4, 40), st.integers(2, 12), st.integers(1_000, REST_MS - WINDOW_MS))
def test_a_flickering_room_is_one_event(desks: int, times: int, rest_ms: int) -> None:
    """All of them in and out again and again, each pause shorter than the rest: one incident, every seat a member."""
    happened = [
        emptied(f"A{n}", turn * (20_000 + rest_ms) + n, turn * (20_000 + rest_ms) + 20_000, turn)
        for turn in range(times)
        for n in range(desks)
    ]
    assert seats(groups(happened, desks)) == [desks]


@given(st.integers(1, 60), st.integers(WINDOW_MS // 3 + 1, WINDOW_MS))
def test_a_trickle_never_adds_up(count: int, step_ms: int) -> None:
    """One desk after the other, each within the window of the last: never so many within one window, so no event,
    however long it goes on."""
    assert groups([emptied(f"A{n}", n * step_ms) for n in range(count)], 60) == []


HAPPENED = st.lists(
    st.builds(
        lambda seat, family, at, length, number: Happened(
            f"A{seat}",
            family,
            "camera_lost" if family is Family.FAULTS else "",
            at,
            None if length is None else at + length,
            (f"A{seat}", number),
        ),
        st.integers(0, 9),
        st.sampled_from(Family),
        st.integers(0, 40_000),
        st.none() | st.integers(1, 60_000),
        st.integers(0, 1000),
    ),
    max_size=30,
)


@given(HAPPENED, st.integers(0, 1000), st.integers(3, 30))
def test_the_order_of_arrival_decides_nothing(happened: list[Happened], seed: int, desks: int) -> None:
    other = list(happened)
    random.Random(seed).shuffle(other)
    assert groups(other, desks) == groups(happened, desks)


@given(HAPPENED, st.integers(3, 30))
def test_every_event_has_enough_seats_at_once_and_every_member_a_reason(happened: list[Happened], desks: int) -> None:
    """Enough seats within one window, to begin with; each later member came while enough stood, or within the rest; and
    nothing is a member twice."""
    found = groups(happened, desks)
    needed = least(desks)
    for group in found:
        assert len({one.seat for one in group.members if one.at_utc_ms <= group.at_utc_ms + WINDOW_MS}) >= needed
        assert all(one.family is group.family and one.what == group.what for one in group.members)
        for at, one in enumerate(group.members):
            before = group.members[:at]
            near = [each for each in group.members if abs(each.at_utc_ms - one.at_utc_ms) <= WINDOW_MS]
            is_standing = standing(before, one.at_utc_ms) >= needed
            is_again = one.seat in {each.seat for each in before}
            assert is_standing or is_again or len({each.seat for each in near}) >= needed
    members = [id(one) for group in found for one in group.members]
    assert len(members) == len(set(members))


def test_only_the_rooms_kinds_are_rooms() -> None:
    assert all(room_events.is_room(family) for family in Family)
    assert not room_events.is_room("seat_empty")
