"""Who may send film to the hub now: so many desks at a time, and one piece of each. Pure: `now_ms` of any steady clock.

A desk takes a place with an offer and keeps it while its pieces come. Places beyond the common ones are for urgent film
only: what belongs to an incident never waits behind a room that empties its cards. When all are taken, a desk that has
just had one lets others come first.
"""

from __future__ import annotations

COMMON_PLACES = 16
URGENT_PLACES = 24
"""In all, the common ones included; the door has twice as many threads."""
FREE_AFTER_MS = 15_000
"""Without a piece: the desk has gone, or its network."""
REST_MS = 3_000
"""How long who has just finished stands back, while others were turned away."""
CROWDED_MS = 10_000
"""So long after the last one was turned away, others are believed to wait: a desk asks again within that time."""


class Turns:
    """Not safe between threads: the caller locks."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._sending: set[str] = set()
        self._rested_ms: dict[str, int] = {}
        self._crowded_until_ms: int | None = None

    def take(self, unit: str, now_ms: int, *, is_urgent: bool = False) -> bool:
        """Give `unit` a place, or let it keep the one it has; False: not now."""
        self._free(now_ms)
        if unit not in self._places and not self._has_room(unit, now_ms, is_urgent):
            self._crowded_until_ms = now_ms + CROWDED_MS
            return False
        self._places[unit] = now_ms
        return True

    def begin(self, unit: str, now_ms: int) -> bool:
        """A piece of `unit` begins to come; False while another one does, or when there is no place: nothing of it may
        be read then."""
        if unit in self._sending or not self.take(unit, now_ms, is_urgent=True):
            return False
        self._sending.add(unit)
        return True

    def end(self, unit: str, now_ms: int) -> None:
        """The piece has come, or will not."""
        self._sending.discard(unit)
        if unit in self._places:
            self._places[unit] = now_ms

    def leave(self, unit: str, now_ms: int) -> None:
        """A segment is finished: its place is free."""
        if self._places.pop(unit, None) is not None:
            self._rested_ms[unit] = now_ms

    def _has_room(self, unit: str, now_ms: int, is_urgent: bool) -> bool:
        if len(self._places) >= (URGENT_PLACES if is_urgent else COMMON_PLACES):
            return False
        is_crowded = self._crowded_until_ms is not None and now_ms < self._crowded_until_ms
        return is_urgent or not is_crowded or now_ms - self._rested_ms.get(unit, -REST_MS) >= REST_MS

    def _free(self, now_ms: int) -> None:
        for unit, used_ms in list(self._places.items()):
            if unit not in self._sending and now_ms - used_ms > FREE_AFTER_MS:
                del self._places[unit]
        self._rested_ms = {unit: ms for unit, ms in self._rested_ms.items() if now_ms - ms < REST_MS}
