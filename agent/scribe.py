"""The one thread that appends records: whoever has something to record puts it here and goes on at once.

A card may take seconds for a sync; the queue holds what happens meanwhile, each with the moment it happened.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol

from agent.wire import BadMessage, Body, Instant, Record

log = logging.getLogger(__name__)

RETRY_S = 1.0


class Ledger(Protocol):
    """What the scribe needs of `agent.records.Records`."""

    trouble: str | None

    def append(self, body: Body, now: Instant, is_clock_ok: bool, still: bytes | None = None) -> Record: ...

    def retry(self) -> bool: ...


class _Entry(NamedTuple):
    body: Body
    now: Instant
    is_clock_ok: bool
    still: bytes | None


class Scribe:
    """Appends in the order of `put`; `on_appended` is told after each."""

    def __init__(self, records: Ledger, on_appended: Callable[[], None]) -> None:
        self._records = records
        self._on_appended = on_appended
        self._entries: queue.Queue[_Entry | threading.Event | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="scribe", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, body: Body, now: Instant, is_clock_ok: bool, still: bytes | None = None) -> None:
        """Have `body` recorded as of `now`. Never waits."""
        self._entries.put(_Entry(body, now, is_clock_ok, still))

    def stop(self, timeout_s: float) -> bool:
        """Append what is in the queue and end; False when the card did not take it in time."""
        self._entries.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def flush(self, timeout_s: float) -> bool:
        """Wait until what was put so far is appended; False when the card did not take it in time."""
        mark = threading.Event()
        self._entries.put(mark)
        return mark.wait(timeout_s)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        while True:
            try:
                entry = self._entries.get(timeout=RETRY_S)
            except queue.Empty:
                if self._records.trouble is not None:
                    self._records.retry()
                continue
            if entry is None:
                return
            if isinstance(entry, threading.Event):
                entry.set()
            else:
                self._append(entry)

    def _append(self, entry: _Entry) -> None:
        try:
            self._records.append(entry.body, entry.now, entry.is_clock_ok, entry.still)
        except (BadMessage, ValueError):
            # a body that the language refuses must not end the thread that records all others
            log.exception("a record was refused: %s", entry.body)
        self._on_appended()
