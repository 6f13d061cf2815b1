"""Revoked units are cut off: the session that one still has at the broker is ended, and one that speaks on is noted.

The list of revoked certificates keeps a unit out when it connects; the session that it has is left alone by mosquitto.
So ingest has the broker end it: when a unit turns revoked, again for as long as the broker may not have read the new
list yet, at each connect (whatever was missed meanwhile), whenever a revoked unit is heard, and once a minute all the
same: one that only listens is never heard.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Protocol

from hub.broker import CONTROL_TOPIC, end_sessions
from hub.store import Store, security

log = logging.getLogger(__name__)

AGAIN_AFTER_MS = 2_000
"""Between two attempts at one unit."""
INSIST_FOR_MS = 20_000
"""After it was revoked: it connects again within a second, until the broker has read the new list."""
ALL_EVERY_MS = 60_000
MOST_IN_MESSAGE = 200
GRACE_MS = 10_000
"""What a unit says so soon after it was revoked, or after ingest came back to a full queue, was on its way."""
NOTED_EVERY_MS = 10_000


class Outlet(Protocol):
    """The part of the broker's link that cutting needs."""

    @property
    def is_connected(self) -> bool: ...

    @property
    def connections(self) -> int: ...

    def publish(self, topic: str, payload: bytes, *, qos: int, is_retained: bool = False) -> int | None: ...


class Cutter:
    """Used by the work thread."""

    def __init__(self, store: Store, link: Outlet) -> None:
        self._store = store
        self._link = link
        self._connection = 0
        self._connected_utc_ms = 0
        self._all_utc_ms = 0
        self._tried_utc_ms: dict[str, int] = {}
        self._noted_utc_ms: dict[str, int] = {}

    def cut(self, revoked: Mapping[str, int], heard: Iterable[str], now_utc_ms: int) -> None:
        """End the sessions that may be there. `revoked`: every revoked unit and when, in hub time; `heard`: those of
        them that spoke just now."""
        if not self._link.is_connected:
            return
        speaking = set(heard)
        due = {unit for unit in speaking if self._is_due(unit, now_utc_ms)}
        due |= {
            unit
            for unit, revoked_utc_ms in revoked.items()
            if 0 <= now_utc_ms - revoked_utc_ms < INSIST_FOR_MS and self._is_due(unit, now_utc_ms)
        }
        if self._link.connections != self._connection:
            self._connection, self._connected_utc_ms = self._link.connections, now_utc_ms
            self._all_utc_ms = 0
        if not 0 <= now_utc_ms - self._all_utc_ms < ALL_EVERY_MS:
            self._all_utc_ms = now_utc_ms
            due |= set(revoked)
        self._tried_utc_ms = {unit: at for unit, at in self._tried_utc_ms.items() if unit in revoked}
        units = sorted(due)
        for first in range(0, len(units), MOST_IN_MESSAGE):
            part = units[first : first + MOST_IN_MESSAGE]
            self._link.publish(CONTROL_TOPIC, end_sessions(part), qos=1)
            self._tried_utc_ms.update(dict.fromkeys(part, now_utc_ms))
        self._note({unit: revoked.get(unit, 0) for unit in speaking}, now_utc_ms)

    def _is_due(self, unit: str, now_utc_ms: int) -> bool:
        return not 0 <= now_utc_ms - self._tried_utc_ms.get(unit, 0) < AGAIN_AFTER_MS

    def _note(self, speaking: Mapping[str, int], now_utc_ms: int) -> None:
        """Tell people that a unit speaks which should not be able to."""
        noted = [
            (unit, revoked_utc_ms)
            for unit, revoked_utc_ms in speaking.items()
            if now_utc_ms - max(revoked_utc_ms, self._connected_utc_ms) > GRACE_MS
            and not 0 <= now_utc_ms - self._noted_utc_ms.get(unit, 0) < NOTED_EVERY_MS
        ]
        if not noted:
            return
        with self._store.write() as connection:
            for unit, revoked_utc_ms in noted:
                since = f" {(now_utc_ms - revoked_utc_ms) // 1000} s after that" if revoked_utc_ms else ""
                detail = f"the unit was revoked and still speaks{since}; the broker lets it in: `ems-hub broker check`"
                if security.add_event(connection, unit, "revoked_unit_speaks", detail, now_utc_ms):
                    log.error("%s: %s", unit, detail)
                self._noted_utc_ms[unit] = now_utc_ms
