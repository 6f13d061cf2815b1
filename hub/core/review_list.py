"""The review queue's filter and counts. Pure.

The order is: what nobody has looked at, then what somebody looks into, then what is closed; in each the oldest first.
A place in it is a Key, so that a page goes on where the one before ended whatever has happened meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

ANYBODY = ""
UNASSIGNED = "-"
"""`Filter.assigned` for incidents that nobody is assigned to."""
UNFINISHED = "unfinished"
MOST_TEXT = 200


class Filter(NamedTuple):
    """Empty text: no restriction. `state`: a state, or UNFINISHED for all but closed. `verdict`: a verdict, or `none`.
    `category`: a category, or the first level of several. `assigned`: a person's name, or UNASSIGNED. `drills`: `only`
    or `none`. `text`: in the seat's label or the candidate's number."""

    state: str = UNFINISHED
    sitting: str = ""
    room: str = ""
    seat: str = ""
    kind: str = ""
    verdict: str = ""
    category: str = ""
    assigned: str = ANYBODY
    drills: str = ""
    text: str = ""

    def told(self) -> dict[str, str]:
        """What of it is in an address: all that differs from the page without one."""
        plain = Filter()
        return {name: value for name, value in self._asdict().items() if value != getattr(plain, name)}


class Key(NamedTuple):
    """A place in the order."""

    rank: int
    opened_utc_ms: int
    incident_id: int

    def __str__(self) -> str:
        return f"{self.rank}-{self.opened_utc_ms}-{self.incident_id}"


START = Key(-1, 0, 0)


def filter_of(given: Mapping[str, str]) -> Filter:
    """The filter of an address; a state or drills that are none are the page's own. Texts are cut, never refused."""
    found = Filter(**{name: given[name][:MOST_TEXT].strip() for name in Filter._fields if name in given})
    if found.state not in ("", UNFINISHED, "open", "acknowledged", "closed"):
        found = found._replace(state=UNFINISHED)
    return found if found.drills in ("", "only", "none") else found._replace(drills="")


def key_of(text: str) -> Key | None:
    """The place written so (`str(Key)`); None when it is none."""
    parts = text.split("-")
    if len(parts) != 3 or not all(part.isascii() and part.isdecimal() and len(part) < 16 for part in parts):
        return None
    return Key(*map(int, parts))


class Group(NamedTuple):
    """So many incidents that are alike in all that is counted."""

    state: str
    kind: str
    verdict: str
    category: str
    is_drill: bool
    assigned: str
    incidents: int


class Counts(NamedTuple):
    """How many match, how many of them are drills; and by each facet, how many would with that value in its place."""

    total: int
    drills: int
    by: dict[str, dict[str, int]]


def counts(groups: Iterable[Group], wanted: Filter) -> Counts:
    """The counts of a page. A facet's are of all that match the rest of the filter."""
    by: dict[str, dict[str, int]] = {name: {} for name in _TESTS}
    total = drills = 0
    for group in groups:
        missed = [name for name, test in _TESTS.items() if not test(group, getattr(wanted, name))]
        if not missed:
            total += group.incidents
            drills += group.incidents if group.is_drill else 0
        for name in missed if len(missed) == 1 else () if missed else _TESTS:
            for value in _values(name, group):
                by[name][value] = by[name].get(value, 0) + group.incidents
    return Counts(total, drills, by)


def _values(name: str, group: Group) -> Iterable[str]:
    """Every value of that facet under which the group would be shown."""
    value = str(getattr(group, name)) if name != "drills" else ("only" if group.is_drill else "none")
    if name == "state":
        return ("", value) if value == "closed" else ("", UNFINISHED, value)
    if name == "category":
        head = value.partition(".")[0]
        return dict.fromkeys(("", head, value))
    return ("", value or UNASSIGNED) if name == "assigned" else ("", value)


def _matches(name: str) -> Any:
    return lambda group, value: value in _values(name, group)


_TESTS = {name: _matches(name) for name in ("state", "kind", "verdict", "category", "assigned", "drills")}
