"""How long the hub takes to confirm a record: the records as the link sees them, with a look at the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent import wire
from agent.drill import SpoolView
from agent.wire import Instant

MOST_WAITING = 1_000
"""Records whose sending is remembered; older ones get their receipt unmeasured."""


class ReceiptTimes:
    """A spool for the link before another one. `ms`: from the newest sending of the newest record answered to its
    receipt, in this run; None before the first."""

    def __init__(self, records: SpoolView, now_of: Callable[[], Instant]) -> None:
        self._records, self._now_of = records, now_of
        self._sent_up_ms: dict[tuple[int, int], int] = {}
        self.ms: float | None = None

    def pending(self, limit: int, first: tuple[int, int] = (0, 0), before: tuple[int, int] = (2**62, 0)) -> list[Any]:
        return self._records.pending(limit, first, before)

    def live_from(self, since_up_ms: int) -> tuple[int, int]:
        return self._records.live_from(since_up_ms)

    def message(self, item: Any) -> wire.Record | wire.Still | None:
        message = self._records.message(item)
        if isinstance(message, wire.Record):
            name = (message.header.boot, message.header.seq)
            self._sent_up_ms.pop(name, None)  # sent again: it goes to the end
            self._sent_up_ms[name] = self._now_of().up_ms
            if len(self._sent_up_ms) > MOST_WAITING:
                del self._sent_up_ms[next(iter(self._sent_up_ms))]
        return message

    def receipt(self, receipt: wire.Receipt, now: Instant) -> None:
        known = [name for name in receipt.records if name in self._sent_up_ms]
        if known:
            self.ms = float(max(0, now.up_ms - self._sent_up_ms[max(known)]))
        for name in known:
            del self._sent_up_ms[name]
        self._records.receipt(receipt, now)
