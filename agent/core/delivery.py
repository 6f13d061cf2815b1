"""What to send next, and when to send it again.

The broker's word is no proof of arrival: an item is done when the spool has forgotten it on the hub's receipt, and
only then. Live items go first and at once; the backlog of a long silence follows in order, paced, so that sixty desks
that come back together do not drown the hub. Without receipt an item is sent again, later each time; a new connection
starts afresh.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct


class Item(NamedTuple):
    """One thing to deliver: the record (boot, seq), or the still that belongs to it. Sorts in the order of sending."""

    boot: int
    seq: int
    is_still: bool


class Pace(Struct, frozen=True, kw_only=True):
    """`window`: how many backlog items may be without receipt at a time. `per_s`: how many may start in a second.
    `live_s`: what was made so shortly before the link came up still counts as live."""

    first_wait_s: float = 10.0
    longest_wait_s: float = 300.0
    window: int = 32
    per_s: float = 50.0
    live_s: float = 60.0
    patience: int = 3
    """Sent so often without receipt, an item holds no place in the window: what the hub cannot take must not keep the
    rest from it."""


class _Sent(NamedTuple):
    again_up_ms: int
    times: int


class Delivery:
    """Remembers what is on its way on this connection. Times are boot-time milliseconds."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.pace = pace or Pace()
        self._sent: dict[Item, _Sent] = {}
        self._allowance = 0.0
        self._allowed_up_ms = 0
        self._is_held = False

    def reconnected(self, now_up_ms: int) -> None:
        """A new connection: all that has no receipt may be sent at once."""
        self._sent.clear()
        self._allowance = float(self.pace.window)
        self._allowed_up_ms = now_up_ms

    def page_size(self) -> int:
        """How many of its oldest items the spool should offer: the window, and those that wait beside it."""
        return self.pace.window * 4 + sum(sent.times >= self.pace.patience for sent in self._sent.values())

    def next(self, now_up_ms: int, live: Iterable[Item], backlog: Iterable[Item]) -> list[Item]:
        """The items to send now, in order, noted as sent. `live` and `backlog` are the oldest items without receipt."""
        live, backlog = list(live), list(backlog)
        offered = set(live) | set(backlog)
        for gone in [item for item in self._sent if item not in offered]:
            del self._sent[gone]
        return [*self._due(now_up_ms, live), *self._paced(now_up_ms, backlog)]

    def _due(self, now_up_ms: int, items: list[Item]) -> list[Item]:
        due = [item for item in items if item not in self._sent or self._sent[item].again_up_ms <= now_up_ms]
        for item in due:
            self._note(item, now_up_ms)
        return due

    def _paced(self, now_up_ms: int, backlog: list[Item]) -> list[Item]:
        pace = self.pace
        passed_s = max(0, now_up_ms - self._allowed_up_ms) / 1000
        self._allowance = min(float(pace.window), self._allowance + passed_s * pace.per_s)
        self._allowed_up_ms = now_up_ms
        places = pace.window - sum(
            1 for item in backlog if item in self._sent and self._sent[item].times < pace.patience
        )
        due: list[Item] = []
        self._is_held = False
        for item in backlog:
            if item not in self._sent:
                if places < 1:
                    continue
            elif self._sent[item].again_up_ms > now_up_ms:
                continue
            if self._allowance < 1:
                self._is_held = True
                break
            self._allowance -= 1
            places -= item not in self._sent
            self._note(item, now_up_ms)
            due.append(item)
        return due

    def wait_ms(self, now_up_ms: int, longest_ms: int = 1000) -> int:
        """How long there is nothing to send, if nothing new comes: 0..longest_ms."""
        if self._is_held:
            return min(longest_ms, 50)
        soonest = min((sent.again_up_ms for sent in self._sent.values()), default=now_up_ms + longest_ms)
        return max(0, min(longest_ms, soonest - now_up_ms))

    def _note(self, item: Item, now_up_ms: int) -> None:
        times = self._sent[item].times if item in self._sent else 0
        wait_s = min(self.pace.longest_wait_s, self.pace.first_wait_s * 2.0**times)
        self._sent[item] = _Sent(now_up_ms + round(wait_s * 1000), times + 1)
