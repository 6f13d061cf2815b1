"""What may leave a full card: only what the hub has and nobody holds, oldest first, no more than is needed."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from agent.core.segments import SegmentName
from agent.core.space import Bounds, Choice, LogOnCard, Look, bounds, choose, choose_logs, held_names, why_low
from agent.records_rows import Segment
from agent.wire import Instant, SegmentClosed, Stretch

UTC_MS = 1_800_000_000_000


def segment(
    ordinal: int,
    state: str = "uploaded",
    size_bytes: int = 100,
    sitting: str = "maths-1",
    boot: int = 1,
    clock_ms: int = 0,
) -> Segment:
    """Ten seconds of film, the `ordinal`-th of a start; `clock_ms`: how far the wall clock stands off."""
    began = Instant(UTC_MS + clock_ms + 10_000 * ordinal, 10_000 * ordinal)
    name = SegmentName(boot, ordinal, began.up_ms, began.utc_ms, sitting).text()
    closed = SegmentClosed(
        sitting=sitting,
        name=name,
        began=began,
        ended=Instant(began.utc_ms + 10_000, began.up_ms + 10_000),
        frames=150,
        size_bytes=size_bytes,
        sha256="0" * 64,
    )
    return Segment(closed, state, boot, ordinal)


def names(*segments: Segment) -> tuple[str, ...]:
    return tuple(each.closed.name for each in segments)


def stretch(first: int, last: int, sitting: str = "maths-1") -> Stretch:
    """From within segment `first` to within segment `last`."""
    return Stretch(
        sitting=sitting, from_utc_ms=UTC_MS + 10_000 * first + 1, until_utc_ms=UTC_MS + 10_000 * (last + 1) - 1
    )


def test_nothing_goes_while_enough_is_free() -> None:
    """Exactly the mark is enough."""
    assert choose([segment(1)], [], 1000, Bounds(1000, 1200)) == Choice((), 0, 0)


def test_the_oldest_go_until_the_target_is_reached() -> None:
    """Whatever the order of the list: by the start of the agent and the place in it, which no clock moves."""
    old, older, new = segment(2, clock_ms=-9_000_000), segment(1), segment(1, boot=2, clock_ms=-(10**12))
    assert choose([new, old, older], [], 900, Bounds(1000, 1050)).names == names(older, old)


def test_what_the_hub_has_not_got_or_somebody_holds_stays() -> None:
    """Also when nothing else is left."""
    listed = [segment(1, "kept"), segment(2), segment(3), segment(4), segment(5, "freed")]
    assert choose(listed, [stretch(2, 3)], 0, Bounds(1000, 2000)) == Choice(names(listed[3]), 1, 2)


def test_a_hold_of_a_whole_sitting_and_of_another_one() -> None:
    """Without bounds all of it; of another sitting nothing here."""
    listed = [segment(1), segment(2, sitting="art-1")]
    assert choose(listed, [Stretch(sitting="maths-1")], 0, Bounds(1, 9999)).names == names(listed[1])


def test_a_hold_in_a_sitting_whose_clock_was_set_holds_all_of_it() -> None:
    """The pre-roll of an alert may carry the times of 1970: no time can say which segments are meant."""
    early = [segment(n, clock_ms=-UTC_MS) for n in (1, 2)]
    late, other_start = segment(3), segment(1, boot=2, clock_ms=40_000_000)
    assert held_names([each.closed for each in (*early, late)], [stretch(3, 3)]) == set(names(*early, late))
    # two starts of the agent may lie in two boots of the machine: boot time begins anew and says nothing
    assert held_names([each.closed for each in (late, other_start)], [stretch(3, 3)]) == set(names(late))


STATES = st.sampled_from(["kept", "uploaded", "freed"])
SEGMENTS = st.lists(
    st.builds(
        segment,
        st.integers(0, 60),
        STATES,
        st.integers(0, 500),
        st.sampled_from(["maths-1", "art-1"]),
        st.integers(1, 3),
        st.sampled_from([0, 0, 0, 3_600_000, -3_600_000]),
    ),
    max_size=40,
    unique_by=lambda each: each.closed.name,
)
HOLDS = st.lists(
    st.builds(
        lambda first, more, sitting: stretch(first, first + more, sitting),
        st.integers(0, 60),
        st.integers(0, 10),
        st.sampled_from(["maths-1", "art-1"]),
    ),
    max_size=3,
)


def test_a_clock_that_was_set_within_the_last_segment_is_no_way_out_of_a_hold() -> None:
    """No segment follows whose beginning would tell it."""
    last = segment(5)
    turned = msgspec.structs.replace(
        last.closed, ended=Instant(last.closed.began.utc_ms - 3_600_000, last.closed.ended.up_ms)
    )
    assert held_names([segment(4).closed, turned], [stretch(5, 5)]) == set(names(segment(4), last))


@given(SEGMENTS, HOLDS, st.integers(0, 20_000), st.integers(0, 10_000), st.integers(0, 5_000))
def test_any_list_is_freed_by_the_rules(
    segments: list[Segment], holds: list[Stretch], free_bytes: int, from_bytes: int, more_bytes: int
) -> None:
    """Never an unconfirmed or held one; none too many; all that may go when that is not enough; oldest first; and what
    is not freed is counted."""
    wanted = Bounds(from_bytes, from_bytes + more_bytes)
    choice = choose(segments, holds, free_bytes, wanted)
    of_name = {each.closed.name: each for each in segments}
    held = held_names((each.closed for each in segments), holds)
    for each in segments:
        for hold in holds:
            closed = each.closed
            if hold.sitting == closed.sitting and hold.from_utc_ms < closed.ended.utc_ms:
                assert hold.until_utc_ms <= closed.began.utc_ms or closed.name in held
    chosen = [of_name[name] for name in choice.names]
    assert all(each.state == "uploaded" and each.closed.name not in held for each in chosen)
    places = [(each.boot, each.seq) for each in chosen]
    assert places == sorted(places)
    sizes = [each.closed.size_bytes for each in chosen]
    if free_bytes >= from_bytes:
        assert not chosen
    elif chosen:
        assert free_bytes + sum(sizes[:-1]) < wanted.until_bytes
    may_go = [
        each for each in segments if each.state == "uploaded" and each.closed.name not in held | set(choice.names)
    ]
    if free_bytes < from_bytes and free_bytes + sum(sizes) < wanted.until_bytes:
        assert not may_go
    assert all((each.boot, each.seq) >= place for each in may_go for place in places)
    assert choice.waiting == sum(each.state == "kept" for each in segments)
    assert choice.held == sum(each.state == "uploaded" and each.closed.name in held for each in segments)


def test_freeing_begins_before_the_fault_and_before_recording_stops() -> None:
    """With the default and with none: the fault then means that nothing may go."""
    assert bounds(2_000_000_000, 8_000_000) == Bounds(2_200_000_000, 2_400_000_000)
    assert bounds(0, 8_000_000) == Bounds(32_000_000, 64_000_000)


def test_logs_go_oldest_first_and_never_the_running_ones() -> None:
    """Nor one of a held sitting, nor a file that is no log."""
    logs = [
        LogOnCard("maths-1_000012.obslog", 100),
        LogOnCard("art-1_000002_2.obslog", 100),
        LogOnCard("art-1_000002.obslog", 100),
        LogOnCard("physics-1_000001.obslog", 100),
        LogOnCard("history-1_000001.obslog", 100),
        LogOnCard("notes.txt", 100),
        LogOnCard("odd.obslog", 100),
    ]
    held = [Stretch(sitting="physics-1", from_utc_ms=5, until_utc_ms=6)]
    assert choose_logs(logs, "maths-1", held, 10_000) == (
        "history-1_000001.obslog",
        "art-1_000002.obslog",
        "art-1_000002_2.obslog",
    )
    assert choose_logs(logs, "maths-1", held, 101) == ("history-1_000001.obslog", "art-1_000002.obslog")
    assert choose_logs(logs, "maths-1", held, 0) == ()


def test_a_full_card_is_explained_in_words() -> None:
    """A technician reads whether to look at the network, at the holds or at the card."""
    free = 1_234_000_000
    assert why_low(free, None) == "1.2 GB free"
    assert why_low(free, Look(waiting=340, held=12)) == "1.2 GB free, 340 segments wait for the hub, 12 are held"
    assert why_low(free, Look(waiting=1, held=0)) == "1.2 GB free, 1 segment waits for the hub"
    assert why_low(12_000_000, Look(waiting=0, held=1)) == "12 MB free, 1 is held"
    assert "what else is on the card" in why_low(free, Look(waiting=0, held=0))
    assert "before the hub's plan" in why_low(free, Look(waiting=0, held=0, is_plan_known=False))
