"""The roster of a sitting: who is examined, at which seat, and what is granted to them. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import msgspec

MOST_EXTRA_MS = 86_400_000
MOST_CANDIDATES = 5_000
"""In one sitting: ten times the largest centre that this is built for."""


class Entry(NamedTuple):
    """What a roster says of one candidate. `extra_ms` comes on top of the sitting's end; `break_ms` is how long rest
    breaks may be in all."""

    number: str
    name: str
    seat: str
    extra_ms: int = 0
    break_ms: int = 0


class Candidate(NamedTuple):
    """A candidate as the store knows them. `no_show_utc_ms` is when a person said that they did not come. `version`
    rises with every change; `changed_by`, `changed_utc_ms` and `changed` tell of the last."""

    candidate_id: int
    number: str
    name: str
    seat: str
    extra_ms: int
    break_ms: int
    is_walk_in: bool
    no_show_utc_ms: int | None
    version: int
    changed_utc_ms: int | None
    changed_by: str
    changed: str

    @property
    def is_no_show(self) -> bool:
        return self.no_show_utc_ms is not None

    @property
    def entry(self) -> Entry:
        return Entry(self.number, self.name, self.seat, self.extra_ms, self.break_ms)


class Change(NamedTuple):
    """A candidate whose entry in a file differs from what the store knows."""

    before: Candidate
    after: Entry

    @property
    def fields(self) -> tuple[str, ...]:
        """What differs, of Entry's fields."""
        return tuple(name for name in Entry._fields if getattr(self.before, name) != getattr(self.after, name))


class Comparison(NamedTuple):
    """What confirming a file would do. `missing` are those whom the file no longer lists: they stay, unless somebody
    says otherwise."""

    new: tuple[Entry, ...]
    changed: tuple[Change, ...]
    unchanged: tuple[Candidate, ...]
    missing: tuple[Candidate, ...]


def compare(entries: Iterable[Entry], known: Collection[Candidate]) -> Comparison:
    """By candidate number."""
    by_number = {each.number: each for each in known}
    new, changed, unchanged = [], [], []
    listed = set()
    for entry in entries:
        listed.add(entry.number)
        before = by_number.get(entry.number)
        if before is None:
            new.append(entry)
        elif before.entry == entry:
            unchanged.append(before)
        else:
            changed.append(Change(before, entry))
    missing = tuple(each for each in known if each.number not in listed)
    return Comparison(tuple(new), tuple(changed), tuple(unchanged), missing)


def fingerprint(comparison: Comparison) -> str:
    """SHA-256 of all that a preview shows: it changes when the file or the roster does. Whoever confirms names it, so
    that what is done is what was shown."""
    return hashlib.sha256(msgspec.json.encode(comparison)).hexdigest()


def seated_twice(comparison: Comparison, removed: Collection[str]) -> Mapping[str, tuple[str, str]]:
    """Seats that two candidates would have after the change: by label, the two numbers. `removed` are numbers of those
    who go. A file itself names no seat twice: one of the two is somebody whom it does not list."""
    taken: dict[str, str] = {}
    for entry in (*comparison.new, *(change.after for change in comparison.changed if not change.before.is_no_show)):
        taken[entry.seat] = entry.number
    taken |= {each.seat: each.number for each in comparison.unchanged if not each.is_no_show}
    return {
        each.seat: (taken[each.seat], each.number)
        for each in comparison.missing
        if not each.is_no_show and each.number not in removed and each.seat in taken
    }
