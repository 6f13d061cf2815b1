"""Database and storage compared, as values: every disagreement has one name, agreement has none, and mending ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.core.reconcile import LOST, Finding, Kind, SegmentRow, compare

HASHES = [f"{number:064x}" for number in range(4)]
SIZE = 10


def row(name: str, sha256: str = HASHES[0], *, is_stored: bool = True, is_purged: bool = False) -> SegmentRow:
    return SegmentRow("c1.d1", name, "s1", "12", 0, 10_000, sha256, SIZE, is_stored, is_purged)


def kinds(found: list[Finding]) -> list[Kind]:
    return [each.kind for each in found]


def test_agreement_has_no_name() -> None:
    """Stored and there, two segments of one file, purged and gone, not stored and not there."""
    rows = [row("1"), row("2"), row("3", HASHES[1], is_purged=True), row("4", HASHES[2], is_stored=False)]
    assert compare(rows, {HASHES[0]: SIZE}, [], {HASHES[0]: SIZE}) == []


def test_each_disagreement_has_its_name() -> None:
    """One at a time."""
    first = HASHES[0]
    assert kinds(compare([row("1")], {first: SIZE}, [], {})) == [Kind.MISSING]
    assert kinds(compare([row("1")], {first: SIZE}, [], {first: 9})) == [Kind.WRONG_SIZE]
    assert kinds(compare([row("1")], {}, [], {first: SIZE})) == [Kind.NOT_COUNTED]
    assert kinds(compare([row("1", is_stored=False)], {}, [], {first: SIZE})) == [Kind.NOT_KNOWN_AS_STORED]
    assert kinds(compare([row("1", is_purged=True)], {}, [], {first: SIZE})) == [Kind.LEFT_AFTER_PURGE]
    assert kinds(compare([], {}, [], {first: SIZE})) == [Kind.UNKNOWN]
    assert kinds(compare([], {first: SIZE}, [], {})) == [Kind.COUNTED_IN_VAIN]


def test_what_waits_for_its_removal_is_no_finding() -> None:
    """Unless a stored segment needs it."""
    first = HASHES[0]
    assert compare([row("1", is_purged=True)], {}, [first], {first: SIZE}) == []
    assert compare([row("1", is_stored=False)], {}, [first], {first: SIZE}) == []
    assert kinds(compare([row("1")], {first: SIZE}, [first], {})) == [Kind.MISSING]


rows_of = st.lists(
    st.builds(
        lambda number, sha256, is_stored, is_purged: row(
            str(number), sha256, is_stored=is_stored or is_purged, is_purged=is_purged
        ),
        st.integers(0, 9),
        st.sampled_from(HASHES),
        st.booleans(),
        st.booleans(),
    ),
    unique_by=lambda each: each.name,
)
some_files = st.dictionaries(st.sampled_from(HASHES), st.sampled_from([SIZE, SIZE - 1]))
some_hashes = st.sets(st.sampled_from(HASHES))


@given(rows_of, some_files, some_hashes, some_files)
def test_nothing_that_a_segment_needs_is_called_needless(
    rows: list[SegmentRow], blobs: dict[str, int], garbage: set[str], files: dict[str, int]
) -> None:
    """No file that a stored or storable segment names is ever among those that may go, and unknown is what no
    row names."""
    found = compare(rows, blobs, garbage, files)
    wanted = {each.sha256 for each in rows if not each.is_purged and (each.is_stored or each.sha256 not in garbage)}
    for each in found:
        if each.kind is Kind.LEFT_AFTER_PURGE and files[each.sha256] == SIZE:
            assert each.sha256 not in wanted
        if each.kind is Kind.UNKNOWN:
            assert each.sha256 not in {one.sha256 for one in rows}
    stored = [each for each in rows if each.is_stored and not each.is_purged]
    named = {each.segment.name for each in found if each.kind in LOST and each.segment is not None}
    assert named == {each.name for each in stored if files.get(each.sha256) != SIZE}


@given(rows_of, some_files, some_hashes, some_files)
def test_mending_ends(rows: list[SegmentRow], blobs: dict[str, int], garbage: set[str], files: dict[str, int]) -> None:
    """Having done what each name asks for, nothing but unknown files is left."""
    for _ in range(2):
        for each in compare(rows, blobs, garbage, files):
            if each.kind in LOST:
                rows = [one._replace(is_stored=False) if one == each.segment else one for one in rows]
            elif each.kind in (Kind.NOT_KNOWN_AS_STORED, Kind.NOT_COUNTED):
                rows = [one._replace(is_stored=True) if one == each.segment else one for one in rows]
                blobs = blobs | {each.sha256: SIZE}
            elif each.kind is Kind.LEFT_AFTER_PURGE:
                files = {sha256: size for sha256, size in files.items() if sha256 != each.sha256}
        needed = {one.sha256 for one in rows if one.is_stored and not one.is_purged}
        blobs = {sha256: size for sha256, size in blobs.items() if sha256 in needed}
    assert {each.kind for each in compare(rows, blobs, garbage, files)} <= {Kind.UNKNOWN}
