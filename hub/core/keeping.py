"""Retention as people see it: what each exam has here, until when it is kept, and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

from hub.core import retention
from hub.core.purge_list import Kept, Part, Standing


class Amount(NamedTuple):
    """So many files, so large."""

    items: int = 0
    size_bytes: int = 0

    def plus(self, items: int, size_bytes: int) -> Amount:
        return Amount(self.items + items, self.size_bytes + size_bytes)


class Sum(NamedTuple):
    """What an exam has here. `is_due` has fallen due and is not held; `next_utc_ms` is when more falls due by what is
    known now, None: nothing does."""

    here: Amount = Amount()
    is_due: Amount = Amount()
    held: Amount = Amount()
    next_utc_ms: int | None = None
    unjudged: int = 0


class Line(NamedTuple):
    """The seats of one sitting that share a day and a reason."""

    sitting: str
    seats: list[str]
    here: Amount
    held: Amount
    holds: list[str]
    until: str
    is_due: bool
    why: str
    unjudged: int


class Going(NamedTuple):
    """What of one exam a plan removes for one reason."""

    exam: str
    why: str
    sittings: int
    seats: int
    amount: Amount


def sums(standings: Iterable[Standing], now_utc_ms: int) -> dict[str, Sum]:
    """By exam; '' is film of sittings that nobody planned here."""
    found: dict[str, Sum] = {}
    for each in standings:
        place = each.place
        before = found.get(place.exam or "", Sum())
        is_due = each.is_due(now_utc_ms)
        free = (place.items - place.held, place.size_bytes - place.held_bytes) if is_due else (0, 0)
        soonest = [utc_ms for utc_ms in (before.next_utc_ms, None if is_due else each.due_utc_ms) if utc_ms is not None]
        found[place.exam or ""] = Sum(
            here=before.here.plus(place.items, place.size_bytes),
            is_due=before.is_due.plus(*free),
            held=before.held.plus(place.held, place.held_bytes),
            next_utc_ms=min(soonest, default=None),
            unjudged=before.unjudged + place.unjudged,
        )
    return found


def lines(standings: Iterable[Standing], exam: str, now_utc_ms: int, zone: dt.tzinfo) -> list[Line]:
    """What there is of one exam, the seats with the same fate together, in the order of their sittings."""
    found: dict[tuple[str, str, bool, str], Line] = {}
    for each in standings:
        place = each.place
        if (place.exam or "") != exam:
            continue
        is_due = each.is_due(now_utc_ms)
        until = "" if each.due_utc_ms is None else retention.last_day(each.due_utc_ms, zone)
        name = (place.sitting, until, is_due, each.why)
        line = found.get(name)
        if line is None:
            line = Line(place.sitting, [], Amount(), Amount(), [], until, is_due, each.why, 0)
        if place.seat not in line.seats:
            line.seats.append(place.seat)
        if place.holds and place.holds not in line.holds:
            line.holds.append(place.holds)
        found[name] = line._replace(
            here=line.here.plus(place.items, place.size_bytes),
            held=line.held.plus(place.held, place.held_bytes),
            unjudged=line.unjudged + place.unjudged,
        )
    return list(found.values())


def going(parts: Iterable[Part]) -> list[Going]:
    """What a plan removes, by exam and reason."""
    found: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        found.setdefault((part.exam, part.why), []).append(part)
    return [
        Going(
            exam,
            why,
            sittings=len({part.sitting for part in those}),
            seats=len({(part.sitting, part.seat) for part in those}),
            amount=Amount(sum(part.item_count for part in those), sum(part.size_bytes for part in those)),
        )
        for (exam, why), those in found.items()
    ]


def staying(kept: Iterable[Kept]) -> list[tuple[str, str, list[str], Amount]]:
    """(exam, why, places, amount) of what a plan leaves, by exam and reason."""
    found: dict[tuple[str, str], tuple[list[str], Amount]] = {}
    for each in kept:
        places, amount = found.get((each.exam, each.why), ([], Amount()))
        place = f"{each.sitting}, seat {each.seat}" if each.seat else each.sitting
        found[each.exam, each.why] = ([*places, place], amount.plus(each.items, each.size_bytes))
    return [(exam, why, places, amount) for (exam, why), (places, amount) in found.items()]
