"""Who watches which desk live: one thread a watched desk reads its newest picture for all its viewers.

A part of a stream is one line of JSON and, with a picture, the JPEG after it:

    {"now": hub ms, "size": bytes that follow, "taken": the picture's own time, by the desk's clock, "heard": the same
     moment by the hub's clock}
    {"now": hub ms, "size": 0, "desk": "" | "offline" | "camera"}     no picture has come for a second: why, if known
    {"now": hub ms, "size": 0, "end": "ended" | "long" | "moved" | "stopping"}     the last one

Every viewer is sent the newest part when it can take one: whoever is slow misses pictures and costs nobody memory.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from hub.live_video import MARK_EVERY_MS, Picture, VideoFolder
from hub.web.clock import now_utc_ms

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.02
"""A stat of a file in memory; half of it is what a picture is late for it."""
IMPLAUSIBLE_MS = 60_000
"""No picture is a minute late: a clock was set."""


def part(head: dict[str, Any], jpeg: bytes = b"") -> bytes:
    return msgspec.json.encode({"now": now_utc_ms(), "size": len(jpeg), **head}) + b"\n" + jpeg


class Reckoning:
    """When pictures were taken, by the hub's clock: as they came, less what each took longer on its way than the
    quickest. The desk's wall clock may be wrong; its time since boot is not, and a line that falls behind shows."""

    def __init__(self) -> None:
        self._boot = -1
        self._least_ms = 0

    def heard_utc_ms(self, picture: Picture) -> int:
        offset_ms = picture.received_utc_ms - picture.at.up_ms
        is_known = picture.boot == self._boot and offset_ms - self._least_ms < IMPLAUSIBLE_MS
        self._boot = picture.boot
        self._least_ms = min(self._least_ms, offset_ms) if is_known else offset_ms
        return picture.at.up_ms + self._least_ms


class Watch:
    """One desk that is watched. Made and ended by `Watches` alone."""

    def __init__(self, unit: str, folder: VideoFolder, is_stopping: Callable[[], bool]) -> None:
        self.unit = unit
        self.viewers = 0
        self._folder, self._is_stopping = folder, is_stopping
        self._news = threading.Condition()
        self._number = 0
        self._part = b""
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"watch-{unit}", daemon=True)
        self._marked_at_ms: int | None = None
        self._trouble = ""

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """The desk is not asked any more. Does not wait."""
        self._is_over.set()

    def next(self, place: int, timeout_s: float) -> tuple[int, bytes]:
        """(new place, the newest picture's part) once it is another than that at `place`; no bytes after `timeout_s`
        without one. A new viewer begins at 0."""
        with self._news:
            self._news.wait_for(lambda: self._number != place, timeout_s)
            return self._number, self._part if self._number != place else b""

    def _read(self) -> None:
        left = self._folder.newest(self.unit, 0)  # of those who watched before: not of now
        reckoning, received_utc_ms = Reckoning(), 0 if left is None else left.received_utc_ms
        while not self._is_over.wait(LOOK_EVERY_S) and not self._is_stopping():
            try:
                self._mark(now_utc_ms())
                picture = self._folder.newest(self.unit, received_utc_ms)
            except OSError as error:
                if self._trouble != str(error):
                    log.warning("live video cannot be asked for: %s", error)
                self._trouble = str(error)
                continue
            if picture is None:
                continue
            self._trouble, received_utc_ms = "", picture.received_utc_ms
            head = {"taken": picture.at.utc_ms, "heard": reckoning.heard_utc_ms(picture)}
            with self._news:
                self._number += 1
                self._part = part(head, picture.jpeg)
                self._news.notify_all()

    def _mark(self, now_ms: int) -> None:
        if self._marked_at_ms is None or not 0 <= now_ms - self._marked_at_ms < MARK_EVERY_MS:
            self._folder.make()
            self._folder.mark(self.unit, now_ms)
            self._marked_at_ms = now_ms


class Watches:
    """All desks that are watched now, by up to `most` viewers together. For any thread."""

    def __init__(self, folder: VideoFolder, most: int, is_stopping: Callable[[], bool]) -> None:
        self._folder, self._most, self._is_stopping = folder, most, is_stopping
        self._lock = threading.Lock()
        self._watches: dict[str, Watch] = {}
        self.count = 0

    def join(self, unit: str) -> tuple[Watch, Callable[[], None]] | None:
        """A place before `unit`, and what gives it back (once, however often it is called); None when all are taken."""
        with self._lock:
            if self.count >= self._most:
                return None
            self.count += 1
            watch = self._watches.get(unit)
            if watch is None:
                watch = self._watches[unit] = Watch(unit, self._folder, self._is_stopping)
                watch.start()
            watch.viewers += 1
        is_left = threading.Event()

        def leave() -> None:
            with self._lock:
                if not is_left.is_set():
                    is_left.set()
                    self._leave(watch)

        return watch, leave

    def _leave(self, watch: Watch) -> None:
        self.count -= 1
        watch.viewers -= 1
        if watch.viewers == 0:
            watch.end()
            del self._watches[watch.unit]
            try:
                self._folder.unmark(watch.unit)
            except OSError as error:
                log.warning("live video goes on for some seconds: %s", error)
