"""The newest message of each topic, between paho's thread and one other: bounded, and who puts never waits."""

from __future__ import annotations

import threading
from collections import OrderedDict

from hub.ingest.commit import Arrival


class Newest:
    """What is not taken in time is replaced by the next of its topic; with `most` topics the oldest goes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._news = threading.Condition()
        self._waiting: OrderedDict[str, Arrival] = OrderedDict()
        self.dropped = 0

    def put(self, arrival: Arrival) -> None:
        with self._news:
            if self._waiting.pop(arrival.topic, None) is not None:
                self.dropped += 1
            elif len(self._waiting) >= self._most:
                self._waiting.popitem(last=False)
                self.dropped += 1
            self._waiting[arrival.topic] = arrival
            self._news.notify()

    def take(self, timeout_s: float) -> list[Arrival]:
        """All that waits, the longest waiting first; after `timeout_s` without any, an empty list."""
        with self._news:
            self._news.wait_for(lambda: self._waiting, timeout_s)
            found = list(self._waiting.values())
            self._waiting.clear()
            return found
