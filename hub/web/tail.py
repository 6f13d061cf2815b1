"""One thread that watches the store for all viewers: it builds the board once, encodes each change once, and everybody
who streams sends the same bytes.

The mailbox of all viewers is one bounded ring: each keeps only its place in it. Whoever falls out of the ring, because
a browser is slow, gets the whole board again; nobody waits for anybody. Whoever has everything is written to at once,
by this thread (`lines`).
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from hub.core import board
from hub.core.exam_day import Day
from hub.live import LiveFolder
from hub.store import Store, exam_day, people
from hub.store import board as board_store
from hub.web.clock import now_utc_ms
from hub.web.lines import Line, Lines
from hub.web.stills import Stills
from hub.web.strips import Strips

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.02
"""A look is one pragma, 3 us of a core."""
BEAT_MS = 1000
BUILD_AT_MOST_EVERY_MS = 50
"""So much a change may wait for the board before it; a storm of commits costs no more than twenty boards a second."""
RING_EVENTS = 64
ADD_UP_EVERY_MS = 4000
"""How often it is added up how much is recorded: a segment lasts ten seconds."""


class Standing(NamedTuple):
    """What decides whether a log-in still holds."""

    epoch: int
    is_active: bool
    role: str


class Tail:
    """Start it once a process; ask from any thread."""

    def __init__(self, store: Store, stills: Stills, folder: LiveFolder) -> None:
        self._store = store
        self._folder = folder
        self.stills = stills
        self.strips = Strips()
        self._running = exam_day.Running()
        self._coverage: tuple[int, int] | None = None
        self._added_up_utc_ms = 0
        self._news = threading.Condition()
        self._lines = Lines()
        self._ring: deque[tuple[int, bytes]] = deque(maxlen=RING_EVENTS)
        self._number = 0
        self._full: tuple[int, bytes] | None = None
        self._is_stopping = threading.Event()
        self._should_stop: Callable[[], bool] = lambda: False
        self._thread: threading.Thread | None = None
        self._data_version = -1
        self._beat_utc_ms = 0
        self._built_utc_ms = 0
        self._newest_event = -1
        self.board = board.EMPTY_BOARD
        self.vision_ms: list[float] = []
        """Analysis time of the desks' newest heartbeats."""
        self.people: dict[int, Standing] = {}
        self.ended_log_ins: frozenset[str] = frozenset()
        self.read_utc_ms = 0
        """When the store was last read, hub time."""
        self.is_store_readable = True

    def start(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Read the board once, so that the first page is right, and watch from then on."""
        self._should_stop = should_stop
        self._read(now_utc_ms())
        self._thread = threading.Thread(target=self._watch, name="tail", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._is_stopping.set()
        self._wake_all()
        if self._thread is not None:
            self._thread.join(timeout=10)

    @property
    def is_stopping(self) -> bool:
        return self._is_stopping.is_set() or self._should_stop()

    @property
    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def whole(self) -> dict[str, Any]:
        """The whole board as plain JSON values, with the hub's time."""
        return {
            "now": now_utc_ms(),
            "read_utc_ms": self.read_utc_ms,
            "is_store_readable": self.is_store_readable,
            "beat": self.stills.beat,
            "strips": self.strips.whole,
            **self.board._asdict(),
        }

    def first(self) -> tuple[int, bytes]:
        """(place in the ring, the event that shows the whole board)."""
        with self._news:
            number = self._number
            if self._full is None or self._full[0] != number:
                self._full = (number, _event("board", self.whole()))
            return self._full

    def next(self, place: int, timeout_s: float, line: Line | None = None) -> tuple[int, bytes]:
        """(new place, the events after `place`, joined); no bytes when nothing came within `timeout_s`. With a `line`
        the tail writes to it meanwhile, and what it wrote is not answered. Raises OSError when the viewer is gone."""
        if line is not None:
            place = self._rest(place, timeout_s, line)
        with self._news:
            if line is None:
                self._news.wait_for(lambda: self._number > place or self._is_stopping.is_set(), timeout_s)
            if not self._ring or self._number == place:
                return place, b""
            if place >= self._ring[0][0] - 1:
                return self._number, b"".join(data for number, data in self._ring if number > place)
        return self.first()

    def _rest(self, place: int, timeout_s: float, line: Line) -> int:
        with self._news:
            if self._number > place or self._is_stopping.is_set():
                return place
            self._lines.add(line, place)
        line.woken.wait(timeout_s)
        with self._news:
            self._lines.remove(line)
        line.finish()
        return line.place

    def _wake_all(self) -> None:
        with self._news:
            self._lines.wake()
            self._news.notify_all()

    def _watch(self) -> None:
        while not self._is_stopping.wait(LOOK_EVERY_S):
            if self._should_stop():
                break
            try:
                self._look(now_utc_ms())
            except Exception:
                log.exception("the board could not be built; trying again")
        self._is_stopping.set()
        self._wake_all()

    def _look(self, now: int) -> None:
        is_beat = abs(now - self._beat_utc_ms) >= BEAT_MS
        is_due = abs(now - self._built_utc_ms) >= BUILD_AT_MOST_EVERY_MS
        if is_beat:
            self._beat_utc_ms = now
            self.stills.refresh()
        is_changed = (is_beat or is_due) and self._is_changed()
        if is_beat or is_changed:
            self._read(now)
        if is_beat:
            beat = {
                "now": now_utc_ms(),
                "beat": self.stills.beat,
                "is_store_readable": self.is_store_readable,
                "read_utc_ms": self.read_utc_ms,
            }
            self._say(_event("beat", beat))
            bins = self.strips.look(self.board.tiles, now) if self.is_store_readable else None
            if bins:
                self._say(_event("strips", bins))

    def _is_changed(self) -> bool:
        try:
            with board_store.telling_trouble():
                version = self._store.data_version()
        except board_store.Unreadable:
            return False
        is_changed = version != self._data_version
        self._data_version = version
        return is_changed

    def _read(self, now: int) -> None:
        self._built_utc_ms = now
        try:
            with board_store.telling_trouble():
                rows = board_store.read_board(self._store, now, self._newest_event)
                day = self._read_day(now)
                self.people = {p.user_id: Standing(p.epoch, p.is_active, p.role) for p in people.everyone(self._store)}
                self.ended_log_ins = people.ended_log_ins(self._store)
        except board_store.Unreadable as error:
            if self.is_store_readable:
                log.error("cannot read the store: %s", error)
            self.is_store_readable = False
            return
        self.is_store_readable = True
        new = board.build(rows, now, day)
        changed = board.changes(self.board, new)
        if rows.touched and self._newest_event >= 0:
            changed["touched"] = rows.touched
        self._newest_event = rows.newest_event
        beats = [board.heartbeat_of(seat) for seat in rows.seats]
        self.vision_ms = [beat.vision_ms for beat in beats if beat is not None and beat.vision_ms is not None]
        self.read_utc_ms = now
        with self._news:
            self.board = new
        if changed:
            self._say(_event("change", {"now": now, **changed}))

    def _read_day(self, now: int) -> Day:
        facts = self._folder.facts() or {}
        if abs(now - self._added_up_utc_ms) >= ADD_UP_EVERY_MS:
            self._coverage = self._running.look(self._store, now)
            self._added_up_utc_ms = now
        return exam_day.read(self._store, facts, now)._replace(coverage=self._coverage)

    def _say(self, data: bytes) -> None:
        with self._news:
            self._number += 1
            self._ring.append((self._number, data))
            self._lines.send(self._number, data)
            self._news.notify_all()


def _event(name: str, value: Any) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"
