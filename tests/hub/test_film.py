"""The film of a seat as values: spans, the order and place of segments, and what became of each moment."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from hub.core import film, spans
from hub.core.film import Gap, Segment, Where

BEGAN = 1_700_000_000_000
some_spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair))))


def moments(found: list[tuple[int, int]]) -> set[int]:
    return {moment for begin, end in found for moment in range(begin, end)}


def segment(at_ms: int, length_ms: int = 10_000, **told: object) -> Segment:
    values: dict[str, object] = {
        "unit": "c.d1",
        "boot": 1,
        "seq": at_ms + 1,
        "name": f"{at_ms}.ts",
        "sitting": "s",
        "began_utc_ms": BEGAN + at_ms,
        "ended_utc_ms": BEGAN + at_ms + length_ms,
        "began_up_ms": 500_000 + at_ms,
        "ended_up_ms": 500_000 + at_ms + length_ms,
        "frames": 150,
        "size_bytes": 1_000_000,
        "sha256": f"{at_ms:064x}",
        "is_stored": True,
    }
    return Segment(**values | told)  # type: ignore[arg-type]


@given(some_spans, some_spans)
def test_spans_are_sets_of_moments(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    """Union, intersection and difference say of each moment what sets would say, sorted and disjoint."""
    a, b = spans.union(one), spans.union(other)
    assert moments(a) == moments(one)
    assert moments(spans.within(a, b)) == moments(a) & moments(b)
    assert moments(spans.without(a, b)) == moments(a) - moments(b)
    assert spans.length_ms(a) == len(moments(a))
    for found in (a, spans.within(a, b), spans.without(a, b)):
        assert all(begin < end for begin, end in found)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(found))


@given(some_spans, st.integers(1, 9))
def test_near_spans_become_one_and_far_ones_stay_apart(one: list[tuple[int, int]], closing: int) -> None:
    joined = spans.union(one, closing_ms=closing)
    assert moments(one) <= moments(joined)
    assert all(after[0] - before[1] >= closing for before, after in itertools.pairwise(joined))


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 30), st.sampled_from(["stored", "desk", "purged"]))),
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 40))),
    st.integers(0, 120),
    st.integers(0, 120),
)
def test_each_moment_of_a_stretch_became_exactly_one_thing(
    segments: list[tuple[int, int, str]], gaps: list[tuple[int, int]], open_from_s: int, told_until_s: int
) -> None:
    """The parts lie end to end over the whole stretch; film that is here is never called missing."""
    known = [
        segment(at * 1000, length * 1000, is_stored=kind != "desk", is_purged=kind == "purged", purge_number=7)
        for at, length, kind in segments
    ]
    told = [Gap(BEGAN + at * 1000, BEGAN + (at + length) * 1000, "restart") for at, length in gaps]
    found = film.parts(BEGAN, BEGAN + 100_000, known, told, BEGAN + open_from_s * 1000, BEGAN + told_until_s * 1000)
    assert found[0].from_utc_ms == BEGAN
    assert found[-1].until_utc_ms == BEGAN + 100_000
    assert all(one.until_utc_ms == two.from_utc_ms for one, two in itertools.pairwise(found))
    here = moments([(p.from_utc_ms // 1000, p.until_utc_ms // 1000) for p in found if p.where is Where.STORED])
    wanted = moments([(at, at + length) for at, length, kind in segments if kind == "stored"])
    assert here == {BEGAN // 1000 + moment for moment in wanted if moment < 100}
    assert all((part.number == 7) == (part.where is Where.PURGED) for part in found)
    assert all((part.gap is not None) == (part.where is Where.GAP) for part in found)


def test_what_nobody_told_of_a_time_without_a_sitting_is_not_missing() -> None:
    """Half a minute before an incident of a sitting's first seconds: nothing was due, so nothing is unknown."""
    found = film.parts(BEGAN - 30_000, BEGAN + 15_000, [segment(1_000)], [], BEGAN + 15_000, BEGAN + 13_000)
    told = film.outside_told(found, [(BEGAN, BEGAN + 60_000)])
    assert [(part.where, part.from_utc_ms - BEGAN, part.until_utc_ms - BEGAN) for part in told] == [
        (Where.OUTSIDE, -30_000, 0),
        (Where.UNKNOWN, 0, 1_000),
        (Where.STORED, 1_000, 11_000),
        (Where.UNKNOWN, 11_000, 13_000),
        (Where.UNTOLD, 13_000, 15_000),
    ]
    assert [part.where for part in film.outside_told(found, [])].count(Where.OUTSIDE) == 2


def test_what_a_desk_is_writing_is_no_gap_and_what_it_has_told_all_of_is() -> None:
    found = film.parts(BEGAN, BEGAN + 60_000, [segment(0)], [], BEGAN + 45_000, BEGAN + 30_000)
    assert [(part.where, part.until_utc_ms - BEGAN) for part in found] == [
        (Where.STORED, 10_000),
        (Where.UNKNOWN, 30_000),
        (Where.UNTOLD, 45_000),
        (Where.WRITTEN, 60_000),
    ]


def test_segments_are_ordered_as_recorded_whatever_the_wall_clock_said() -> None:
    """A clock set back by a minute in the middle moves no segment before another and makes no hole."""
    first, second = segment(0, seq=1), segment(10_000, seq=2)
    third = segment(20_000, seq=3, began_utc_ms=BEGAN - 40_000, ended_utc_ms=BEGAN - 30_000)
    ordered = film.in_order([third, second, first])
    assert [each.seq for each in ordered] == [1, 2, 3]
    assert [each.at_ms for each in film.place(ordered)] == [0, 10_000, 20_000]
    whole = film.cut(ordered, BEGAN - 60_000, BEGAN + 60_000)
    assert whole is not None
    assert film.pieces(whole, 0) == (film.Piece(0, BEGAN, 20_000), film.Piece(20_000, BEGAN - 40_000, 10_000))


def test_a_hole_stays_as_long_as_it_was() -> None:
    """The clip is as long as the time it shows; its pieces say where nothing is."""
    found = film.cut([segment(0), segment(10_000), segment(24_000)], BEGAN + 5_000, BEGAN + 30_000)
    assert found is not None
    assert (found.from_utc_ms, found.until_utc_ms) == (BEGAN + 5_000, BEGAN + 30_000)
    assert film.pieces(found, 4_000) == (
        film.Piece(0, BEGAN + 4_000, 16_000),
        film.Piece(20_000, BEGAN + 24_000, 6_000),
    )


def test_between_two_starts_the_wall_clock_counts() -> None:
    """After a restart of the machine its boot clock begins anew and says nothing of the time between."""
    later = segment(40_000, boot=2, seq=1, began_up_ms=9_000, ended_up_ms=19_000)
    assert [each.at_ms for each in film.place(film.in_order([later, segment(0)]))] == [0, 40_000]


def test_of_two_units_that_overlap_one_is_shown() -> None:
    other = segment(5_000, unit="c.d2")
    after = segment(10_000, unit="c.d2")
    assert film.in_order([segment(0), other, after]) == [segment(0), after]


def test_long_film_comes_in_takes_that_end_at_segments_units_and_long_holes() -> None:
    hour = [segment(at, is_stored=at != 1_200_000) for at in range(0, 3_600_000, 10_000)]
    replaced = [segment(3_600_000 + at, unit="c.d2") for at in range(0, 60_000, 10_000)]
    found = film.takes([*hour, *replaced], BEGAN + 3_000, BEGAN + 3_657_000)
    assert found[0].from_utc_ms == BEGAN + 3_000
    assert found[-1].until_utc_ms == BEGAN + 3_657_000
    assert all(take.until_ms - take.from_ms <= film.TAKE_MS + 10_000 for take in found)
    assert [take for take in found if len({each.segment.unit for each in take.placed}) > 1] == []
    borders = [(one.until_utc_ms - BEGAN, two.from_utc_ms - BEGAN) for one, two in itertools.pairwise(found)]
    assert (1_200_000, 1_210_000) in borders
    assert all(end == begin for end, begin in borders if end != 1_200_000)
    assert film.takes([segment(0, is_stored=False)], BEGAN, BEGAN + 10_000) == []


def test_an_incidents_film_reaches_from_before_it_began_to_after_it_was_over() -> None:
    assert film.incident_stretch(BEGAN, BEGAN + 20_000, BEGAN + 90_000) == (BEGAN - 30_000, BEGAN + 35_000)
    assert film.incident_stretch(BEGAN, None, BEGAN + 90_000) == (BEGAN - 30_000, BEGAN + 90_000)
