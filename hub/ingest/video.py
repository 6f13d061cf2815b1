"""Live video through ingest: asks desks for it while somebody watches, and hands their newest pictures to the web.

A thread of its own. Nothing here touches the store: a picture that waited for a commit would be late, and is worth
nothing by then. Who is watched is told by the web's marks in the live folder.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from agent import wire
from agent.wire import Command, CommandKind
from hub.core import ledger
from hub.core.ledger import KnownUnit, Word
from hub.ingest.commit import Arrival
from hub.ingest.newest import Newest
from hub.live_video import VideoFolder

log = logging.getLogger(__name__)

LOOK_EVERY_MS = 500
"""How often the marks are looked at."""
ASK_EVERY_MS = 4_000
ASKED_MS = 10_000
"""How long a desk goes on after the last word: two words may be lost, and it stops by itself soon after the last
viewer left."""
STOP_WITHIN_S = 2.0
TROUBLE_PAUSE_S = 0.5


class Outlet(Protocol):
    """The part of the broker's link that this needs."""

    video: Newest

    def give_back(self, arrival: Arrival) -> None: ...

    def publish_all(self, messages: Iterable[tuple[str, bytes]]) -> None: ...


class Video:
    """`known` tells what the hub holds of a unit, from any thread. `start` once, `stop` once."""

    def __init__(
        self, link: Outlet, folder: VideoFolder, known: Callable[[str], KnownUnit | None], utc_ms: Callable[[], int]
    ) -> None:
        self._link, self._folder, self._known, self._utc_ms = link, folder, known, utc_ms
        self._watched: frozenset[str] = frozenset()
        self._asked_at: dict[str, int] = {}
        self._looked_at_ms: int | None = None
        self._trouble = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-video", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_WITHIN_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.turn(LOOK_EVERY_MS / 1000)
                self._trouble = ""
            except Exception as error:  # this thread must live on: the next picture or look may do
                if self._trouble != repr(error):
                    log.exception("live video cannot be shown; trying again")
                self._trouble = repr(error)
                self._stopping.wait(TROUBLE_PAUSE_S)

    def turn(self, timeout_s: float) -> None:
        """Hand on what came, after at most `timeout_s`; look at the marks when it is time."""
        for arrival in self._link.video.take(timeout_s):
            self._show(arrival)
        now_ms = self._utc_ms()
        if self._looked_at_ms is None or not 0 <= now_ms - self._looked_at_ms < LOOK_EVERY_MS:
            self._looked_at_ms = now_ms
            self._look(now_ms)

    def _show(self, arrival: Arrival) -> None:
        word = ledger.read(arrival.topic, arrival.payload)
        if not isinstance(word, Word) or ledger.judge(word, self._known(word.unit)) is not None:
            self._link.give_back(arrival)
        elif word.unit in self._watched:
            self._folder.put(word.unit, arrival.payload, arrival.received_utc_ms)

    def _look(self, now_ms: int) -> None:
        self._folder.make()  # whoever empties the folder, or starts before us, ends nothing
        watched = (unit for unit in self._folder.watched(now_ms) if self._counts(unit))
        self._watched = frozenset(watched)
        self._folder.keep_only(self._watched)
        asked = {unit: self._asked_at.get(unit, now_ms - ASK_EVERY_MS) for unit in self._watched}
        due = [unit for unit, at_ms in asked.items() if not 0 <= now_ms - at_ms < ASK_EVERY_MS]
        command = Command(number=0, name=CommandKind.SHOW_LIVE, expires_utc_ms=now_ms + ASKED_MS)
        self._link.publish_all((wire.down_topic(unit, "command"), wire.encode(command)) for unit in due)
        self._asked_at = asked | dict.fromkeys(due, now_ms)

    def _counts(self, unit: str) -> bool:
        known = self._known(unit)
        return known is not None and not known.is_revoked
