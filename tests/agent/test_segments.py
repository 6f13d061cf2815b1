"""Segments as values: names, edges, and what is whole in a cut file."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.segments import (
    CUT,
    OPEN,
    PACKET_BYTES,
    SYNC,
    WHOLE,
    SegmentName,
    closed_segment,
    end_ms,
    look_through,
    parse_name,
)
from agent.wire import Instant, SegmentClosed

COUNTS = st.integers(0, 10**8 - 1)
INSTANTS = st.integers(0, 2**53 - 1)
NAMES = st.builds(
    SegmentName,
    boot=COUNTS,
    ordinal=COUNTS,
    began_up_ms=INSTANTS,
    began_utc_ms=INSTANTS,
    sitting=st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True),
)


@given(NAMES, st.sampled_from([OPEN, WHOLE, CUT]))
def test_a_name_says_all_that_was_put_into_it(name: SegmentName, suffix: str) -> None:
    """Name and suffix come back from the file name exactly, for every sitting and number."""
    assert parse_name(name.text(suffix)) == (name, suffix)


@given(NAMES, st.sampled_from([OPEN, WHOLE, CUT]))
def test_a_name_fits_into_a_record_and_a_folder(name: SegmentName, suffix: str) -> None:
    """The hub accepts every name of a closed segment, and no name leaves its folder."""
    assert "/" not in name.text(suffix)
    if suffix != OPEN:
        now = Instant(0, 0)
        body = SegmentClosed(
            sitting="s", name=name.text(suffix), began=now, ended=now, frames=1, size_bytes=1, sha256="0" * 64
        )
        assert msgspec.json.decode(msgspec.json.encode(body), type=SegmentClosed) == body


@given(st.text(max_size=80))
def test_other_file_names_are_no_segments(text: str) -> None:
    """Whatever lies in the folder is parsed or refused, never an exception."""
    parsed = parse_name(text)
    assert parsed is None or parsed[0].text(parsed[1]) == text


@pytest.mark.parametrize("sitting", ["", "../x", "a b", "Exam", "x" * 65, "a.cut"])
def test_a_sitting_that_no_name_can_carry_is_refused(sitting: str) -> None:
    """A ValueError instead of a file in the wrong place."""
    with pytest.raises(ValueError, match="file name"):
        SegmentName(1, 1, 1, 1, sitting).text()


@given(st.lists(st.integers(1, 5_000_000_000), min_size=3, max_size=60), st.data())
def test_neighbouring_segments_meet_exactly(steps_ns: list[int], data: st.DataObject) -> None:
    """However the instants fall between milliseconds, a segment ends where the next begins: no hole, no overlap."""
    instants = [sum(steps_ns[: n + 1]) for n in range(len(steps_ns))]
    border = data.draw(st.integers(1, len(instants) - 1))
    first = SegmentName(1, 1, instants[0] // 1_000_000, 0, "s")
    second = SegmentName(1, 2, instants[border] // 1_000_000, 0, "s")
    ended = end_ms(instants[border - 1], instants[border], 66_666_667)
    assert closed_segment(first, ended, border, 1, "").ended_up_ms == second.began_up_ms


@given(NAMES, st.integers(-(10**6), 10**9), st.booleans())
def test_both_clocks_give_a_segment_the_same_length(name: SegmentName, lasts_ms: int, is_cut: bool) -> None:
    """Never a negative length, and a clock that was set in the middle changes nothing."""
    closed = closed_segment(name, name.began_up_ms + lasts_ms, 1, 1, "", is_cut)
    assert closed.ended_up_ms - closed.began_up_ms == closed.ended_utc_ms - closed.began_utc_ms == max(0, lasts_ms)
    assert parse_name(closed.name) == (name, CUT if is_cut else WHOLE)


@given(st.binary(max_size=2000))
def test_any_bytes_can_be_looked_through(data: bytes) -> None:
    """Garbage has no pictures or some, but never raises, and no more is called whole than there is."""
    found = look_through(data)
    assert 0 <= found.whole_bytes <= len(data)
    assert found.whole_bytes % PACKET_BYTES == 0


@given(st.integers(0, 20), st.integers(0, PACKET_BYTES * 3))
def test_zeroes_at_the_end_are_not_whole(packets: int, zeroes: int) -> None:
    """What a disk never wrote reads as zeroes: they are cut off with the last broken packet."""
    data = (bytes([SYNC]) + bytes(PACKET_BYTES - 1)) * packets + bytes(zeroes)
    assert look_through(data).whole_bytes == packets * PACKET_BYTES
