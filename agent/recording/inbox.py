"""A row of things between two threads: bounded, and the one who puts never waits."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """First in, first out. `put` refuses when `limit` things wait; `put_always` is for the few that must get in."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[T] = deque()
        self._news = threading.Condition()
        self._is_closed = False

    def put(self, thing: T) -> bool:
        """False when it is full or closed; never waits for the reader."""
        with self._news:
            if self._is_closed or len(self._waiting) >= self._limit:
                return False
            self._waiting.append(thing)
            self._news.notify()
            return True

    def put_always(self, thing: T) -> None:
        """Put past the limit; nothing when closed."""
        with self._news:
            if not self._is_closed:
                self._waiting.append(thing)
                self._news.notify()

    def get(self, timeout_s: float) -> T | None:
        """The next thing, or None after `timeout_s`, or None at once when closed and empty."""
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._is_closed, timeout_s)
            return self._waiting.popleft() if self._waiting else None

    def close(self) -> None:
        """Nothing more gets in; what is in can still be taken."""
        with self._news:
            self._is_closed = True
            self._news.notify_all()

    @property
    def is_finished(self) -> bool:
        """Closed and empty."""
        with self._news:
            return self._is_closed and not self._waiting
