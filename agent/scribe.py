"""The one thread that appends records: whoever has something to record puts it here and goes on at once.

A card may take seconds for a sync; the queue holds what happens meanwhile, each with the moment it happened.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol

from agent.wire import Body, Head, Instant, Record

log = logging.getLogger(__name__)

RETRY_S = 1.0


class Ledger(Protocol):
    """What the scribe needs of `agent.records.Records`."""

    trouble: str | None

    def append(self, body: Body, now: Instant, is_clock_ok: bool, still: bytes | None = None) -> Record: ...

    def retry(self) -> bool: ...

    def depth(self) -> int: ...

    def head(self) -> Head | None: ...


class _Entry(NamedTuple):
    body: Body
    now: Instant
    is_clock_ok: bool
    still: bytes | None


class Scribe:
    """Appends in the order of `put`; `on_appended` is told after each.

    `depth` and `head` are those of the records as last seen by this thread: to ask the records themselves is to wait
    for the card.
    """

    def __init__(self, records: Ledger, on_appended: Callable[[], None]) -> None:
        self._records = records
        self._on_appended = on_appended
        self.depth = records.depth()
        self.head = records.head()
        self._entries: queue.SimpleQueue[_Entry | Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="scribe", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, body: Body, now: Instant, is_clock_ok: bool, still: bytes | None = None) -> None:
        """Have `body` recorded as of `now`. Never waits."""
        self._entries.put(_Entry(body, now, is_clock_ok, still))

    def do(self, work: Callable[[], object]) -> None:
        """Have `work`, another write to the card, done in its turn. Never waits."""
        self._entries.put(work)

    def stop(self, timeout_s: float) -> bool:
        """Append what is in the queue and end; False when the card did not take it in time."""
        self._entries.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def flush(self, timeout_s: float) -> bool:
        """Wait until what was put so far is appended; False when the card did not take it in time."""
        mark = threading.Event()
        self.do(mark.set)
        return mark.wait(timeout_s)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        while True:
            entry: _Entry | Callable[[], object] | None
            try:
                entry = self._entries.get(timeout=RETRY_S)
            except queue.Empty:
                entry = self._retry
            if entry is None:
                return
            try:
                self._take(entry)
                self.depth, self.head = self._records.depth(), self._records.head()
            except Exception:  # a body that the language refuses must not end the thread that records all others
                log.exception("the card's writer could not do: %s", entry)

    def _retry(self) -> None:
        if self._records.trouble is not None:
            self._records.retry()

    def _take(self, entry: _Entry | Callable[[], object]) -> None:
        if isinstance(entry, _Entry):
            self._records.append(entry.body, entry.now, entry.is_clock_ok, entry.still)
            self._on_appended()
        else:
            entry()
