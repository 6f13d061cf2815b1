"""Breaks of the person at a seat: how long one may be, and what a person may do with it. Pure.

Until its limit the desk's rules about an absent person are suspended (`agent.wire.Pause`); past it they are back by
themselves, hub or no hub, and the page says loudly that the break runs over.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple


class Kind(enum.StrEnum):
    """`breaks.kind`."""

    TOILET = "toilet"
    REST = "rest"


KIND_WORDS = {Kind.TOILET: "Toilet break", Kind.REST: "Rest break"}
OVER_WORDS = {Kind.TOILET: "Toilet break over its time", Kind.REST: "Rest break over its time"}
REST_MS = 600_000
"""Without a word of the roster."""
MORE_MS = 300_000
"""What one extension adds."""
LONGEST_MS = 4 * 3_600_000
"""A break that is longer, with all its extensions, is no break any more: end it, and give another."""
RESUME_WITHIN_MS = 60_000
"""An end by mistake is undone within this time; the rules were back meanwhile."""


class Refused(Exception):
    """The break cannot be as wished; the text says why, to the person who wished."""


class Break(NamedTuple):
    """One break as kept; `ended_utc_ms` None: it stands, also past its limit."""

    break_id: int
    kind: Kind
    began_utc_ms: int
    limit_utc_ms: int
    ended_utc_ms: int | None
    given_by: str
    ended_by: str = ""


def taken_ms(breaks: Iterable[Break], kind: Kind, now_utc_ms: int) -> int:
    """How long the breaks of that kind have lasted together by now."""
    return sum(
        max((now_utc_ms if each.ended_utc_ms is None else each.ended_utc_ms) - each.began_utc_ms, 0)
        for each in breaks
        if each.kind is kind
    )


def length_ms(kind: Kind, before: Iterable[Break], granted_ms: int, toilet_ms: int, now_utc_ms: int) -> int:
    """How long a break that begins now may be. `granted_ms`: what the roster allows this candidate for rest in all, 0
    for no such word; `toilet_ms`: what the sitting allows for one walk to the toilet. Raises Refused when all of the
    rest is used up."""
    if kind is Kind.TOILET:
        return toilet_ms
    if not granted_ms:
        return REST_MS
    left_ms = granted_ms - taken_ms(before, Kind.REST, now_utc_ms)
    if left_ms < 1000:
        minutes = round(granted_ms / 60_000)
        raise Refused(f"all {minutes} min of rest that the roster allows are used up: extend the roster's, if you may")
    return left_ms


def longer(found: Break, by_ms: int, now_utc_ms: int) -> int:
    """The limit of the break once `by_ms` are added: to what was left, or to now where it ran over. Raises Refused."""
    if found.ended_utc_ms is not None:
        raise Refused(_over(found))
    limit = max(found.limit_utc_ms, now_utc_ms) + by_ms
    if limit - found.began_utc_ms > LONGEST_MS:
        raise Refused(f"a break lasts at most {LONGEST_MS // 3_600_000} h: end it, and give another")
    return limit


def check_end(found: Break) -> None:
    """Raises Refused where it has ended already."""
    if found.ended_utc_ms is not None:
        raise Refused(_over(found))


def check_resume(found: Break, is_other_on: bool, now_utc_ms: int) -> None:
    """Whether the end of this break may be undone. Raises Refused."""
    if found.ended_utc_ms is None:
        raise Refused("the break goes on already")
    if is_other_on:
        raise Refused("another break has begun at the seat meanwhile")
    if not 0 <= now_utc_ms - found.ended_utc_ms <= RESUME_WITHIN_MS:
        raise Refused("the break ended more than a minute ago: give a new one")


def _over(found: Break) -> str:
    return f"the break was ended already, by {found.ended_by}" if found.ended_by else "the break was ended already"
