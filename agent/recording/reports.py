"""What the recording has to tell, in order, until whoever is told has taken it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path

from agent.core.segments import OPEN, WHOLE, ClosedSegment
from agent.recording.repair import describe, repair_one
from agent.wire import GapCause

log = logging.getLogger(__name__)

RETRY_NS = 1_000_000_000
"""How long to wait after a failure, of the disk or of whoever is told."""


CALM_NS = 2_000_000_000
"""Drops closer together than this are one gap."""


class Drops:
    """Stretches in which pictures were dropped, joined when they lie close together. A stretch is its first and last
    instant in capture time."""

    def __init__(self) -> None:
        self._began_ns: int | None = None
        self._ended_ns: int | None = None

    @property
    def are_open(self) -> bool:
        """Whether the last thing that happened was a drop."""
        return self._began_ns is not None and self._ended_ns is None

    def begin(self, up_ns: int) -> None:
        """Pictures from `up_ns` on were dropped."""
        self._began_ns = up_ns if self._began_ns is None else self._began_ns
        self._ended_ns = None

    def picture(self, up_ns: int) -> tuple[int, int] | None:
        """A picture was kept; the stretch that is over for good, if one is."""
        if self.are_open:
            self._ended_ns = up_ns
        elif self._ended_ns is not None and up_ns - self._ended_ns > CALM_NS:
            return self.end(up_ns)
        return None

    def end(self, up_ns: int) -> tuple[int, int] | None:
        """The last stretch, up to `up_ns` if it lasts still."""
        began, ended = self._began_ns, up_ns if self._ended_ns is None else self._ended_ns
        self._began_ns = self._ended_ns = None
        return None if began is None or began >= ended else (began, ended)


class Reports:
    """`on_closed` and `on_gap` may raise: they are called again every second until they do not."""

    def __init__(
        self, on_closed: Callable[[ClosedSegment], None], on_gap: Callable[[int, int, GapCause], None]
    ) -> None:
        self._on_closed = on_closed
        self._on_gap = on_gap
        self._untold: deque[Callable[[], None]] = deque()
        self._leftovers: list[Path] = []
        self._next_ns = 0

    def closed(self, segment: ClosedSegment) -> None:
        """To tell: this segment is on the disk."""
        self._untold.append(lambda: self._on_closed(segment))

    def gap(self, began_up_ns: int, ended_up_ns: int, cause: GapCause) -> None:
        """To tell: between these instants of capture nothing was recorded."""
        self._untold.append(lambda: self._on_gap(began_up_ns, ended_up_ns, cause))

    def left_open(self, path: Path) -> None:
        """A failing disk left this .part; it is repaired and told when the disk works again."""
        self._leftovers.append(path)

    def deliver(self, now_ns: int, is_disk_well: bool) -> None:
        """Tell what can be told; never raises."""
        if now_ns < self._next_ns:
            return
        if self._leftovers and is_disk_well:
            self._leftovers = [path for path in self._leftovers if not self._recovered(path)]
            self._next_ns = now_ns + RETRY_NS if self._leftovers else 0
        while self._untold:
            try:
                self._untold[0]()
            except Exception:  # whoever is told has trouble of its own; the recording goes on and tells later
                log.exception("a segment or gap could not be reported; trying again")
                self._next_ns = now_ns + RETRY_NS
                return
            self._untold.popleft()

    def _recovered(self, path: Path) -> bool:
        whole = path.with_name(path.name.removesuffix(OPEN) + WHOLE)
        try:
            if path.exists():
                outcome = repair_one(path)
                if isinstance(outcome, ClosedSegment):
                    self.closed(outcome)
            elif whole.exists():  # it failed between the new name and the folder's sync
                self.closed(describe(whole))
        except OSError:
            return False
        return True
