"""A drill as the running desk makes it: begun, shown, recorded and delivered like an alert, with the time of each step.

The link reads the records through this, so that it is seen when the drill's record goes to the broker and when the
hub's receipt comes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from agent import wire
from agent.core import bodies
from agent.core.drill import DRILL_MS, raise_drill
from agent.core.local_status import DrillNow
from agent.wire import Instant, PlannedSitting

log = logging.getLogger(__name__)

IS_ON = "a drill is on already"
NEEDS_REASON = "a sitting is on: a drill in it needs a reason"


class SpoolView(Protocol):
    """The records as the link uses them."""

    def pending(self, limit: int, first: tuple[int, int] = ..., before: tuple[int, int] = ...) -> list[Any]: ...

    def live_from(self, since_up_ms: int) -> tuple[int, int]: ...

    def message(self, item: Any) -> wire.Record | wire.Still | None: ...

    def receipt(self, receipt: wire.Receipt, now: Instant) -> None: ...


class Drill:
    """The newest drill. `put` has a body recorded and `do` work done after it, both without waiting; the tick calls all
    but the spool's methods, which the link calls."""

    def __init__(
        self,
        now_of: Callable[[], Instant],
        maker: bodies.Maker,
        records: SpoolView,
        put: Callable[[wire.Body, Instant], None],
        do: Callable[[Callable[[], object]], object],
    ) -> None:
        self._now_of, self._maker, self._records, self._put, self._do = now_of, maker, records, put, do
        self.now: DrillNow | None = None
        self._lock = threading.Lock()
        self._alert: wire.Alert | None = None
        self._key: tuple[int, int] | None = None

    @property
    def is_on(self) -> bool:
        """Whether a drill's alert stands."""
        return self._alert is not None

    @property
    def standing(self) -> list[str]:
        """The name of the alert that stands, if one does."""
        return [] if self._alert is None else [self._alert.alert]

    def step(self, now: Instant) -> None:
        """Clear a drill that has lasted long enough."""
        if self._alert is not None and now.up_ms - self._alert.raised.up_ms >= DRILL_MS:
            self.clear(now)

    def begin(self, why: str, now: Instant, current: PlannedSitting | None) -> str:
        """Begin; the answer is why not, '' when it was begun. `why` is needed in a sitting."""
        if self._alert is not None:
            return IS_ON
        if current is not None and not why.strip():
            return NEEDS_REASON
        alert = raise_drill(current, self._maker, now)
        with self._lock:
            self._key, self._alert = None, alert
            self.now = DrillNow(alert=alert.alert, asked_up_ms=now.up_ms, raised_up_ms=self._up_ms())
        log.warning("DRILL %s%s", alert.alert, f": {why}" if why else "")
        self._put(alert, now)
        self._do(lambda: self._note(recorded_up_ms=self._up_ms()))
        return ""

    def clear(self, now: Instant) -> None:
        """End it, if one is on."""
        if self._alert is None:
            return
        self._put(bodies.cleared(self._alert, now), now)
        self._alert = None
        self._note(cleared_up_ms=now.up_ms)

    def shown(self, lamp: wire.Lamp | None) -> None:
        """What the lamp shows now."""
        drill = self.now
        if drill is not None and self._alert is not None and lamp is not None and drill.lamp != lamp.pattern:
            self._note(lamp=lamp.pattern, lamp_up_ms=self._up_ms())

    def _up_ms(self) -> int:
        return self._now_of().up_ms

    def _note(self, **seen: Any) -> None:
        with self._lock:
            if self.now is not None:
                self.now = msgspec.structs.replace(self.now, **seen)

    # --- the records, as the link sees them -------------------------------------------------------------------------

    def pending(self, limit: int, first: tuple[int, int] = (0, 0), before: tuple[int, int] = (2**62, 0)) -> list[Any]:
        return self._records.pending(limit, first, before)

    def live_from(self, since_up_ms: int) -> tuple[int, int]:
        return self._records.live_from(since_up_ms)

    def message(self, item: Any) -> wire.Record | wire.Still | None:
        message = self._records.message(item)
        drill = self.now
        if drill is not None and drill.sent_up_ms is None and isinstance(message, wire.Record):
            body = message.body
            if isinstance(body, wire.Alert) and body.alert == drill.alert:
                self._key = (message.header.boot, message.header.seq)
                self._note(sent_up_ms=self._up_ms())
        return message

    def receipt(self, receipt: wire.Receipt, now: Instant) -> None:
        self._records.receipt(receipt, now)
        if self._key is not None and self._key in receipt.records:
            self._key = None
            self._note(receipted_up_ms=now.up_ms)
