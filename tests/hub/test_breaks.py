"""Breaks, marks and incidents by hand: their rules, and what becomes of them in the store and the desks' plans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core import breaks as core
from hub.core.breaks import Break, Kind, Refused
from hub.store import Store, bookmarks, breaks, planning
from tests.hub.seed import SEED, Centre, now_ms

NOW = 1_790_000_000_000


def one(
    began: int, length: int = 60_000, *, ended: int | None = None, kind: Kind = Kind.REST, number: int = 1
) -> Break:
    return Break(number, kind, began, began + length, ended, "Ada")


@given(st.lists(st.tuples(st.integers(0, 3_600_000), st.integers(0, 900_000)), max_size=6), st.integers(0, 7_200_000))
def test_rest_is_never_more_than_the_roster_allows(taken: list[tuple[int, int]], granted: int) -> None:
    """Whatever was taken before: what is left and what was taken are together what is granted, or nothing is left."""
    before = [one(NOW - 7_200_000 + at, ended=NOW - 7_200_000 + at + length) for at, length in taken]
    spent = core.taken_ms(before, Kind.REST, NOW)
    assert spent == sum(length for _, length in taken)
    if not granted:
        assert core.length_ms(Kind.REST, before, 0, 420_000, NOW) == core.REST_MS
    elif granted - spent < 1000:
        with pytest.raises(Refused, match="used up"):
            core.length_ms(Kind.REST, before, granted, 420_000, NOW)
    else:
        assert core.length_ms(Kind.REST, before, granted, 420_000, NOW) + spent == granted
    assert core.length_ms(Kind.TOILET, before, granted, 420_000, NOW) == 420_000


@given(st.integers(0, core.LONGEST_MS), st.integers(1, core.LONGEST_MS))
def test_a_longer_break_ends_later_than_now_and_is_bounded(age: int, length: int) -> None:
    found = one(NOW - age, length)
    try:
        limit = core.longer(found, core.MORE_MS, NOW)
    except Refused:
        assert max(found.limit_utc_ms, NOW) + core.MORE_MS - found.began_utc_ms > core.LONGEST_MS
    else:
        assert limit >= NOW + core.MORE_MS
        assert limit >= found.limit_utc_ms + core.MORE_MS


@pytest.fixture
def centre(tmp_path: Path, store: Store) -> Centre:
    found = Centre(store, tmp_path / "live")
    room = found.room("Main hall")
    found.execute("insert into exams (exam) select distinct exam from sittings")
    found.seat(room, "A1", "c.d1")
    found.seat(room, "A2")
    with store.write() as connection:
        planning.replan(connection, now_ms())
    return found


def pauses(store: Store) -> list[tuple[int, int]]:
    with store.read() as connection:
        plan = planning.plan_of(connection, "c.d1")
    assert plan is not None
    return [(each.from_utc_ms, each.until_utc_ms) for each in plan.sittings[0].pauses]


def rows(store: Store, sql: str) -> list[dict[str, Any]]:
    with store.read() as connection:
        return [dict(row) for row in connection.execute(sql)]


def test_a_break_reaches_the_desk_and_its_end_too(store: Store, centre: Centre) -> None:
    """The desk's plan has the pause until the limit; longer, when it is extended; shorter, when it ends; as it was,
    when the end is undone. It is as long as the sitting's profile says."""
    now = now_ms()
    centre.execute("update sittings set toilet_ms = 420000")
    given_ = breaks.begin(store, 1, Kind.TOILET, now, SEED)
    assert pauses(store) == [(now, now + 420_000)]
    longer = breaks.extend(store, 1, given_.break_id, now + 1000, SEED)
    assert pauses(store) == [(now, now + 420_000 + core.MORE_MS)] == [(now, longer.limit_utc_ms)]
    breaks.end(store, 1, given_.break_id, now + 2000, SEED)
    assert pauses(store) == [(now, now + 2000)]
    with pytest.raises(Refused, match="ended already, by seed"):
        breaks.end(store, 1, given_.break_id, now + 2500, SEED)
    breaks.resume(store, 1, given_.break_id, now + 3000, SEED)
    assert pauses(store) == [(now, longer.limit_utc_ms)]


def test_a_seat_has_one_break_at_a_time(store: Store, centre: Centre) -> None:
    """The second person learns who gave the first; another seat's break is not ended by mistake."""
    now = now_ms()
    given_ = breaks.begin(store, 1, Kind.REST, now, SEED)
    with pytest.raises(Refused, match="rest break goes on at A1 already, given by seed"):
        breaks.begin(store, 1, Kind.TOILET, now + 10, SEED)
    with pytest.raises(Refused, match="no such break"):
        breaks.end(store, 2, given_.break_id, now + 20, SEED)
    annex = centre.room("Annex")
    same_label = centre.seat(annex, "A1", "c.z1")
    for act in (breaks.end, breaks.extend, breaks.resume):
        with pytest.raises(Refused, match="no such break"):
            act(store, same_label, given_.break_id, now + 20, SEED)
    assert len(rows(store, "select * from breaks")) == 1
    breaks.end(store, 1, given_.break_id, now + 30, SEED)
    breaks.begin(store, 1, Kind.TOILET, now + 40, SEED)
    with pytest.raises(Refused, match="another break has begun"):
        breaks.resume(store, 1, given_.break_id, now + 50, SEED)


def test_rest_counts_against_what_the_roster_allows_the_candidate(store: Store, centre: Centre) -> None:
    now = now_ms()
    values = {"sitting": "sitting-1", "number": "17", "seat": "A1", "break_ms": 120_000}
    centre.insert("candidates", **values)
    first = breaks.begin(store, 1, Kind.REST, now, SEED)
    assert first.limit_utc_ms == now + 120_000
    breaks.end(store, 1, first.break_id, now + 90_000, SEED)
    second = breaks.begin(store, 1, Kind.REST, now + 100_000, SEED)
    assert second.limit_utc_ms == now + 130_000
    breaks.end(store, 1, second.break_id, now + 140_000, SEED)
    with pytest.raises(Refused, match="2 min of rest"):
        breaks.begin(store, 1, Kind.REST, now + 150_000, SEED)


def test_without_a_sitting_there_is_nothing_to_do_at_a_seat(store: Store, centre: Centre) -> None:
    annex = centre.room("Annex", exam=None)
    seat = centre.seat(annex, "Z1", "c.z1")
    for act in (
        lambda: breaks.begin(store, seat, Kind.TOILET, now_ms(), SEED),
        lambda: bookmarks.mark_seat(store, seat, now_ms(), "x", now_ms(), SEED),
        lambda: bookmarks.mark_room(store, "Annex", now_ms(), "x", now_ms(), SEED),
        lambda: bookmarks.open_incident(store, seat, now_ms(), "x", now_ms(), SEED),
    ):
        with pytest.raises(Refused, match="no sitting is on"):
            act()


def test_a_mark_keeps_the_moment_at_which_it_was_made_not_saved(store: Store, centre: Centre) -> None:
    """The note may take a minute to write. A moment to come is now, and one before the sitting is refused."""
    now = now_ms()
    bookmarks.mark_seat(store, 1, now - 60_000, "  a phone rang ", now, SEED)
    bookmarks.mark_room(store, "Main hall", now + 5_000, "", now, SEED)
    with pytest.raises(Refused, match="before the sitting began"):
        bookmarks.mark_seat(store, 1, now - 86_400_000, "x", now, SEED)
    with pytest.raises(Refused, match="2001 characters"):
        bookmarks.mark_seat(store, 1, now, "x" * 2001, now, SEED)
    kept = rows(store, "select seat, unit, at_utc_ms, made_utc_ms, made_by, note from bookmarks order by bookmark_id")
    assert [tuple(row.values()) for row in kept] == [
        ("A1", "c.d1", now - 60_000, now, "seed", "a phone rang"),
        ("", None, now, now, "seed", ""),
    ]


def test_an_incident_by_hand_has_its_moment_its_words_and_its_film(store: Store, centre: Centre) -> None:
    """Open, at the seat and its desk; opened by the person, with what they saw; its desk is asked for 30 s before it to
    15 s after."""
    now = now_ms()
    number = bookmarks.open_incident(store, 1, now - 4_000, "a slip of paper", now, SEED)
    (incident,) = rows(store, "select * from incidents")
    told = ("incident_id", "unit", "kind", "sitting", "seat", "state", "began_utc_ms", "opened_utc_ms")
    assert [incident[name] for name in told] == [
        number, "c.d1", "by_hand", "sitting-1", "A1", "open", now - 4_000, now,
    ]  # fmt: skip
    (event,) = rows(store, "select who, action, text from incident_events")
    assert tuple(event.values()) == ("seed", "opened_by_hand", "a slip of paper")
    with store.read() as connection:
        plan = planning.plan_of(connection, "c.d1")
    assert plan is not None
    assert [(each.from_utc_ms, each.until_utc_ms) for each in plan.wanted] == [(now - 34_000, now + 11_000)]
    with pytest.raises(Refused, match="write what you saw"):
        bookmarks.open_incident(store, 1, now, " ", now, SEED)
    with pytest.raises(Refused, match="make a bookmark instead"):
        bookmarks.open_incident(store, 2, now, "x", now, SEED)


def test_a_toilet_break_is_as_long_as_its_sitting_says(centre: Centre, store: Store) -> None:
    """The profile gave the sitting its length; ten minutes are only what a profile says by default."""
    centre.execute("update sittings set toilet_ms = 720000")
    with store.read() as connection:
        seat_id = connection.execute("select seat_id from seats where label = 'A1'").fetchone()[0]
    now = now_ms()
    assert breaks.begin(store, seat_id, Kind.TOILET, now, SEED).limit_utc_ms == now + 720_000
