"""One identity, one machine: what a unit's births say about a card that was copied.

Pure. The boot counter lies beside the unit's key and rises at each start of the agent. A copy of the card takes key and
counter along, so the copies count on from the same number: sooner or later one says a number that the other has said,
or a lower one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from agent.wire import Status

MOST_BIRTHS = 16
"""Births remembered of a unit: more than any queue or broker's memory hands out again."""


class Birth(NamedTuple):
    """One start of an agent; texts are empty when the agent is too old to say."""

    boot: int
    os_boot: str
    machine: str

    def differs(self, other: Birth) -> bool:
        """Whether both say where they are, and it is not the same place. What is not said differs from nothing."""
        pairs = ((self.os_boot, other.os_boot), (self.machine, other.machine))
        return any(one and two and one != two for one, two in pairs)


class Suspicion(NamedTuple):
    """What the store calls it, and why, in words."""

    kind: Literal["two_machines", "boot_went_back"]
    detail: str


def birth_of(status: Status) -> Birth:
    return Birth(status.boot, status.os_boot, status.machine)


def suspect(births: Sequence[Birth], status: Status, *, is_retained: bool) -> Suspicion | None:
    """Whether this word of a unit with these earlier `births` means that its card was copied.

    A will is the broker's word and may come late: it means nothing here. A birth that was heard before, or that the
    broker had kept, may come again after a restart of broker or ingest: only a contradiction counts then, or that it
    comes after another machine's.
    """
    if not status.is_online:
        return None
    birth = birth_of(status)
    other = next((each for each in births if each.boot == birth.boot and each.differs(birth)), None)
    if other is not None:
        return Suspicion("two_machines", f"start {birth.boot} was said by {_place(other)} and by {_place(birth)}")
    newest = max(births, key=lambda each: each.boot, default=birth)
    if birth.boot >= newest.boot or is_retained:
        return None
    if birth not in births:
        return Suspicion("boot_went_back", f"start {birth.boot} by {_place(birth)} came after start {newest.boot}")
    if birth.machine and newest.machine and birth.machine != newest.machine:
        detail = f"start {birth.boot} by {_place(birth)} goes on beside start {newest.boot} by {_place(newest)}"
        return Suspicion("two_machines", detail)
    return None


def remembered(births: Sequence[Birth], status: Status) -> tuple[Birth, ...]:
    """The births after this word. One that goes back is not remembered: it stays suspicious each time it comes."""
    birth = birth_of(status)
    newest = max((each.boot for each in births), default=0)
    if not status.is_online or birth in births or birth.boot < newest:
        return tuple(births)
    return (*births, birth)[-MOST_BIRTHS:]


def _place(birth: Birth) -> str:
    machine = f"machine {birth.machine}" if birth.machine else "a machine that does not say which"
    return f"{machine} (power-on {birth.os_boot[:8]})" if birth.os_boot else machine
