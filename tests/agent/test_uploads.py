"""Which film goes next, how fast, and when again: rules that hold for any records whatever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.core import uploads
from agent.core.uploads import AFTER_MS, BEFORE_MS, LEAST_PIECE_BYTES, Film, Patience, Trouble
from agent.wire import Instant, Stretch

SITTINGS = ("art-1", "biology-1", "chemistry-1")
SECONDS = st.integers(0, 300)


def at(second: int) -> Instant:
    return Instant(1_800_000_000_000 + second * 1000, 90_000 + second * 1000)


def film(number: int, sitting: str = "art-1", boot: int = 1, size_bytes: int = 1_000, length_s: int = 10) -> Film:
    return Film(
        boot, number + 1, f"{sitting}-{boot}-{number}.ts", sitting, at(number * 10), at(number * 10 + length_s),
        size_bytes, "ab" * 32,
    )  # fmt: skip


FILMS = st.lists(
    st.builds(film, st.integers(0, 30), st.sampled_from(SITTINGS), st.integers(1, 3)),
    max_size=25,
    unique_by=lambda each: each.key,
)
TROUBLES = st.lists(
    st.builds(
        lambda sitting, began, length, boot: Trouble(
            sitting, at(began), None if length is None else at(began + length), boot
        ),
        st.sampled_from(SITTINGS),
        SECONDS,
        st.none() | st.integers(0, 60),
        st.integers(1, 3),
    ),
    max_size=4,
)
WANTED = st.lists(
    st.builds(
        lambda sitting, begin, length: Stretch(
            sitting=sitting, from_utc_ms=at(begin).utc_ms, until_utc_ms=at(begin + length).utc_ms
        ),
        st.sampled_from(SITTINGS),
        SECONDS,
        st.integers(1, 60),
    ),
    max_size=3,
)


@given(FILMS, WANTED, TROUBLES, st.sampled_from(("", *SITTINGS)))
def test_every_film_stands_in_the_row_once(
    films: list[Film], wanted: list[Stretch], troubles: list[Trouble], sitting: str
) -> None:
    """Nothing is left out, nothing comes twice, and how they were listed does not matter."""
    row = uploads.in_order(films, wanted, troubles, sitting)
    assert sorted(row.urgent + row.rest) == sorted(films)
    assert uploads.in_order(films[::-1], wanted[::-1], troubles[::-1], sitting) == row


@given(FILMS, WANTED, TROUBLES, st.sampled_from(("", *SITTINGS)))
def test_urgent_is_exactly_what_is_waited_for_or_of_an_incident(
    films: list[Film], wanted: list[Stretch], troubles: list[Trouble], sitting: str
) -> None:
    """From 30 s before an alert began to 15 s after it cleared, and all of it while it lasts."""
    row = uploads.in_order(films, wanted, troubles, sitting)
    for each in films:
        begin, end = each.began.utc_ms, each.ended.utc_ms
        is_shown = any(
            trouble.sitting == each.sitting
            and end >= trouble.began.utc_ms - BEFORE_MS
            and (trouble.cleared is None or begin <= trouble.cleared.utc_ms + AFTER_MS)
            for trouble in troubles
        )
        is_asked = any(
            one.sitting == each.sitting and end > one.from_utc_ms and begin < one.until_utc_ms for one in wanted
        )
        assert (each in row.urgent) == (is_shown or is_asked)


@given(FILMS, WANTED, TROUBLES, st.sampled_from(("", *SITTINGS)))
def test_what_is_waited_for_comes_before_incidents_and_these_before_the_rest(
    films: list[Film], wanted: list[Stretch], troubles: list[Trouble], sitting: str
) -> None:
    """Of incidents, those of the sitting that is on; of the rest, the sitting that was recorded first, in its order."""
    row = uploads.in_order(films, wanted, troubles, sitting)
    ranks = [0 if uploads.is_wanted(each, wanted) else 1 if each.sitting == sitting else 2 for each in row.urgent]
    assert ranks == sorted(ranks)
    order = [each.sitting for each in row.rest]
    assert [name for index, name in enumerate(order) if name not in order[:index]] == sorted(
        set(order), key=lambda name: min(each.key for each in films if each.sitting == name)
    )
    for name in SITTINGS:
        keys = [each.key for each in row.rest if each.sitting == name]
        assert keys == sorted(keys)
    assert order == sorted(order, key=order.index)  # no sitting is taken apart


@given(FILMS, TROUBLES, st.lists(st.integers(1, 31), max_size=20), st.booleans(), st.booleans())
def test_never_without_a_receipt_and_the_rest_only_when_it_may(
    films: list[Film], troubles: list[Trouble], missing: list[int], may_send_rest: bool, is_late: bool
) -> None:
    """And what has been put off or given up is passed over, until its time."""
    row, patience = uploads.in_order(films, (), troubles, ""), Patience()
    without_receipt = {each.key for each in films if each.seq in missing}
    for each in films[::3]:
        patience.postpone(each, 1_000)
    for each in films[::4]:
        patience.give_up(each, "gone")
    up_ms = 1_000 + uploads.MISSING_MS if is_late else 1_000
    chosen = uploads.choose(row, patience, without_receipt, up_ms, may_send_rest=may_send_rest)
    may_go = [
        each
        for each in row.urgent + (row.rest if may_send_rest else [])
        if each.key not in without_receipt and each not in films[::4] and (is_late or each not in films[::3])
    ]
    assert (chosen and chosen.film) == (may_go[0] if may_go else None)
    assert chosen is None or chosen.is_urgent == (chosen.film in row.urgent)


def test_a_wall_clock_that_was_set_hides_no_incident() -> None:
    """Within one run the boot time decides as well."""
    began, ended = Instant(at(3000).utc_ms, at(30).up_ms), Instant(at(3010).utc_ms, at(40).up_ms)
    stepped, trouble = film(3)._replace(began=began, ended=ended), Trouble("art-1", at(32), at(38), 1)

    def is_urgent(each: Film) -> bool:
        return uploads.in_order([each], (), [trouble], "").urgent == [each]

    assert is_urgent(stepped)
    assert not is_urgent(stepped._replace(boot=2))
    assert not is_urgent(stepped._replace(sitting="art-2"))


@given(st.integers(1, 10_000_000), st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 1_048_576)), max_size=60))
def test_the_throttle_holds_over_any_time(bytes_per_s: int, steps: list[tuple[int, int]]) -> None:
    """Who waits as told never sends more than the rate, and two seconds' worth or one piece beyond it."""
    throttle, up_ms, spent = uploads.Throttle(bytes_per_s), 0, 0
    for pause_ms, size in steps:
        up_ms += pause_ms
        up_ms += throttle.wait_ms(up_ms)
        throttle.spend(size, up_ms)
        spent += size
        assert spent <= bytes_per_s * (up_ms / 1000 + 1) + 1_048_576 + 1


@given(st.lists(st.none() | st.integers(0, 10_000), max_size=40), st.integers(0, 2_000_000), st.integers(0, 5_000_000))
def test_a_piece_never_goes_beyond_the_film(times: list[int | None], offset: int, bytes_per_s: int) -> None:
    """Nor is it larger than the door takes, or nothing; `None` is a piece that failed."""
    size = uploads.PieceSize(1_048_576)
    for took_ms in times:
        if took_ms is None:
            size.failed()
        else:
            size.sent(took_ms)
    whole = film(0, size_bytes=2_000_001)
    piece = size.of(whole, offset, bytes_per_s)
    assert 1 <= piece <= min(1_048_576, 2_000_001 - offset)
    assert bytes_per_s == 0 or piece <= max(bytes_per_s, LEAST_PIECE_BYTES)


def test_the_pieces_follow_the_link() -> None:
    """A quick one gets larger pieces, one that fails or is slow smaller ones."""
    size, whole = uploads.PieceSize(1_048_576), film(0, size_bytes=10_000_000)
    first = size.of(whole, 0, 0)
    for _ in range(5):
        size.sent(10)
    assert size.of(whole, 0, 0) == 1_048_576 > first
    for _ in range(9):
        size.failed()
    assert size.of(whole, 0, 0) == LEAST_PIECE_BYTES


@given(st.lists(st.sampled_from(["unreachable", "hub_full", "too_many", "wrong_offset", "revoked"]), max_size=30))
def test_it_waits_longer_for_the_same_refusal_up_to_a_bound(codes: list[str]) -> None:
    """Another refusal begins anew, and what the hub takes ends it."""
    backoff, before = uploads.Backoff(), ("", 0)
    for code in codes:
        wait_ms = backoff.next_ms(code)
        first_ms, longest_ms = backoff.OF_CODE.get(code, backoff.OTHERS)
        assert first_ms <= wait_ms <= longest_ms
        assert wait_ms >= before[1] or code != before[0]
        before = (code, wait_ms)
    backoff.reset()
    assert backoff.next_ms("unreachable") == backoff.OTHERS[0]


def test_wrong_film_is_begun_anew_a_few_times() -> None:
    """Then it stays, until the hub has it by another way."""
    patience, bad = Patience(), film(0)
    assert [patience.count_wrong(bad) for _ in range(3)] == [True, True, False]
    patience.forget(bad)
    assert patience.count_wrong(bad)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    """None once nothing was sent for a while: 0 would say that the link is dead."""
    pace = uploads.Pace()
    assert pace.bytes_per_s(0) is None
    pace.add(1_000_000, 1_000)
    pace.add(1_000_000, 5_000)
    assert pace.bytes_per_s(6_000) == 200_000
    assert pace.bytes_per_s(20_000) is None
