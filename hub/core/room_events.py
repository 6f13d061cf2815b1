"""What strikes a whole room: many desks that empty, go away or have the same fault at once are one event with members.

"At once" is WINDOW_MS. How many that takes is `least`: a third of the seats that have a desk, at most 4 and never fewer
than 3, so that in a small room two neighbours who leave together are still two people, and in a large one four desks on
one socket are one event. A window is found by its first member and never grows by what follows: desks that fail one by
one, each a moment after the other, are no event however many they become.

An event stands while at least `least` of its members do. Whoever falls into the same state meanwhile joins. For REST_MS
after it has ended its own members and a new burst go on with it, so that a flickering room is one event and not ten.

Pure: times are hub time in milliseconds, and the order in which things were heard of decides nothing.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

WINDOW_MS = 5_000
REST_MS = 60_000
LEAST, MOST_LEAST = 3, 4


class Family(enum.StrEnum):
    """What happened to the desks; the value is the room incident's `kind`."""

    EMPTIED = "room_emptied"
    GONE = "room_gone"
    FAULTS = "room_faults"


WORDS: dict[str, tuple[str, str]] = {
    Family.EMPTIED: ("Seats empty at once", "{n} seats empty at once"),
    Family.GONE: ("Desks gone at once", "{n} desks gone at once"),
    Family.FAULTS: ("Desks with the same fault at once", "{n} desks with the same fault at once"),
}
"""Each kind as a choice in a list, and with the number of its members."""


class Happened(NamedTuple):
    """One desk's part: which seat, what, from when until when (None: still). `what` is '' for an emptied seat and a
    desk that is gone, else the kind of fault: only the same faults belong together. `key` names it in the store."""

    seat: str
    family: Family
    what: str
    at_utc_ms: int
    until_utc_ms: int | None
    key: tuple[str, int]

    def stands_at(self, utc_ms: int) -> bool:
        return self.at_utc_ms <= utc_ms and (self.until_utc_ms is None or self.until_utc_ms > utc_ms)


class Group(NamedTuple):
    """One event: its members in order of time, several of one seat where that came and went."""

    family: Family
    what: str
    members: tuple[Happened, ...]

    @property
    def at_utc_ms(self) -> int:
        return self.members[0].at_utc_ms

    @property
    def seats(self) -> frozenset[str]:
        return frozenset(each.seat for each in self.members)


def is_room(kind: str) -> bool:
    """Whether an incident's kind is a room's."""
    return kind in WORDS


def words(kind: str, count: int) -> str:
    """`8 seats empty at once`."""
    return WORDS[kind][1].format(n=count)


def least(desks: int) -> int:
    """How many seats at once are one event in a room with so many seats that have a desk."""
    return max(LEAST, min(MOST_LEAST, -(-desks // 3)))


def groups(happened: Iterable[Happened], desks: int) -> list[Group]:
    """The events of one room, oldest first; what belongs to none is in none."""
    apart: dict[tuple[Family, str], list[Happened]] = {}
    for each in happened:
        apart.setdefault((each.family, each.what), []).append(each)
    found: list[Group] = []
    for (family, what), ones in apart.items():
        ordered = sorted(ones, key=_order)
        found += [Group(family, what, tuple(members)) for members in _gathered(ordered, least(desks))]
    return sorted(found, key=lambda group: (group.at_utc_ms, group.family, group.what))


def _order(one: Happened) -> tuple[int, str, tuple[str, int], float]:
    """By time, and never by which was heard of first: a desk that tells one thing twice, still standing and then ended,
    has told two that are alike in all but the end."""
    return one.at_utc_ms, one.seat, one.key, math.inf if one.until_utc_ms is None else one.until_utc_ms


def standing(members: Iterable[Happened], utc_ms: int) -> int:
    """How many seats of them are so at that moment."""
    return len({each.seat for each in members if each.stands_at(utc_ms)})


def _gathered(ordered: Sequence[Happened], needed: int) -> list[list[Happened]]:
    found: list[list[Happened]] = []
    at = 0
    while at < len(ordered):
        if found and (_goes_on(found[-1], ordered[at], needed) or _is_again(found[-1], ordered, at, needed)):
            found[-1].append(ordered[at])
            at += 1
        elif len(burst := _burst(ordered, at)) and len({one.seat for one in burst}) >= needed:
            if found and _rests(found[-1], ordered[at], needed):
                found[-1] += burst
            else:
                found.append(burst)
            at += len(burst)
        else:
            at += 1
    return found


def _burst(ordered: Sequence[Happened], at: int) -> list[Happened]:
    last = ordered[at].at_utc_ms + WINDOW_MS
    return [one for one in ordered[at:] if one.at_utc_ms <= last]


def _goes_on(members: Sequence[Happened], one: Happened, needed: int) -> bool:
    return standing(members, one.at_utc_ms) >= needed


def _is_again(members: Sequence[Happened], ordered: Sequence[Happened], at: int, needed: int) -> bool:
    """A member that was in and out comes again, while the event rests."""
    one = ordered[at]
    return one.seat in {each.seat for each in members} and _rests(members, one, needed)


def _rests(members: Sequence[Happened], one: Happened, needed: int) -> bool:
    ended = _ended_utc_ms(members, needed, one.at_utc_ms)
    return one.at_utc_ms - ended <= REST_MS


def _ended_utc_ms(members: Sequence[Happened], needed: int, before_utc_ms: int) -> int:
    """When the event last stood, `before_utc_ms` when it stands then: the latest end of a member at which there were
    still enough of them just before; the begin of its first burst, at least."""
    if standing(members, before_utc_ms) >= needed:
        return before_utc_ms
    ends = sorted({one.until_utc_ms for one in members if one.until_utc_ms is not None}, reverse=True)
    return next(
        (end for end in ends if end <= before_utc_ms and standing(members, end - 1) >= needed), members[0].at_utc_ms
    )
