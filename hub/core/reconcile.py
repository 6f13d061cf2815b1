"""Database and storage side by side: what does not agree, and what each disagreement is called. Pure."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple


class Kind(enum.StrEnum):
    """What is wrong. The first three are film that people count on and that is not there."""

    MISSING = "missing"
    WRONG_SIZE = "wrong_size"
    WRONG_CONTENT = "wrong_content"
    NOT_COUNTED = "not_counted"
    COUNTED_IN_VAIN = "counted_in_vain"
    NOT_KNOWN_AS_STORED = "not_known_as_stored"
    LEFT_AFTER_PURGE = "left_after_purge"
    UNKNOWN = "unknown"


LOST = frozenset({Kind.MISSING, Kind.WRONG_SIZE, Kind.WRONG_CONTENT})
WORDS = {
    Kind.MISSING: "is stored, but its file is not there",
    Kind.WRONG_SIZE: "is stored, but its file has another size",
    Kind.WRONG_CONTENT: "is stored, but its file has another content",
    Kind.NOT_COUNTED: "is stored, but its file is not in the list of files",
    Kind.COUNTED_IN_VAIN: "is in the list of files, but nothing needs it",
    Kind.NOT_KNOWN_AS_STORED: "is not stored, but its file is there",
    Kind.LEFT_AFTER_PURGE: "was purged, but its file is still there",
    Kind.UNKNOWN: "is named by no record",
}


class SegmentRow(NamedTuple):
    """A segment as the store knows it."""

    unit: str
    name: str
    sitting: str
    seat: str
    began_utc_ms: int
    ended_utc_ms: int
    sha256: str
    size_bytes: int
    is_stored: bool
    is_purged: bool


class Finding(NamedTuple):
    """One disagreement; `segment` is None where it is about a file alone."""

    kind: Kind
    sha256: str
    size_bytes: int
    segment: SegmentRow | None = None

    def is_of(self, segments: Collection[tuple[str, str]]) -> bool:
        """Whether it is about one of these (unit, name)."""
        return self.segment is not None and (self.segment.unit, self.segment.name) in segments

    def told(self, *, is_held: bool = False) -> str:
        """One line that names it."""
        what = f"the file {self.sha256} ({self.size_bytes} bytes)"
        if self.segment is not None:
            of = self.segment
            what = f"{'HELD: ' if is_held else ''}sitting {of.sitting}, seat {of.seat or '?'}, {of.unit}: {of.name}"
        return f"{what} {WORDS[self.kind]}"


def compare(
    segments: Iterable[SegmentRow],
    blobs: Mapping[str, int],
    garbage: Collection[str],
    files: Mapping[str, int],
) -> list[Finding]:
    """Every disagreement, those of one segment before those of files alone. `blobs` and `files`: hash to bytes, as the
    store lists them and as the storage has them; `garbage`: hashes that wait for their removal.

    A file that waits for its removal is nobody's, unless a stored segment needs it.
    """
    found: list[Finding] = []
    named: set[str] = set()
    needed: set[str] = set()
    purged: dict[str, SegmentRow] = {}
    for row in segments:
        named.add(row.sha256)
        kind = _wrong_with(row, files.get(row.sha256), row.sha256 in blobs, row.sha256 in garbage)
        if kind is not None:
            found.append(Finding(kind, row.sha256, files.get(row.sha256, row.size_bytes), row))
        if row.is_purged:
            purged.setdefault(row.sha256, row)
        elif row.is_stored or kind is Kind.NOT_KNOWN_AS_STORED:
            needed.add(row.sha256)
    found += [
        Finding(Kind.COUNTED_IN_VAIN, sha256, size_bytes)
        for sha256, size_bytes in blobs.items()
        if sha256 not in needed
    ]
    for sha256, size_bytes in files.items():
        if sha256 in garbage:
            continue
        if sha256 not in named:
            found.append(Finding(Kind.UNKNOWN, sha256, size_bytes))
        elif sha256 in purged and sha256 not in needed:
            found.append(Finding(Kind.LEFT_AFTER_PURGE, sha256, size_bytes, purged[sha256]))
    return found


def _wrong_with(row: SegmentRow, there: int | None, is_counted: bool, is_garbage: bool) -> Kind | None:
    if row.is_purged:
        return None
    if not row.is_stored:
        return Kind.NOT_KNOWN_AS_STORED if there == row.size_bytes and not is_garbage else None
    if there is None:
        return Kind.MISSING
    if there != row.size_bytes:
        return Kind.WRONG_SIZE
    return None if is_counted else Kind.NOT_COUNTED
