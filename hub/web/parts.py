"""What every page of this process shares, and where a page finds it."""

from __future__ import annotations

import datetime as dt
import threading
from typing import NamedTuple

from flask import current_app

from hub.config import Settings
from hub.live import LiveFolder
from hub.store import Store
from hub.web.tail import Tail


class Streams:
    """How many viewers stream now, never more than allowed: one past that is told to ask instead of hanging."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self.count = 0

    def take(self) -> bool:
        with self._lock:
            if self.count >= self._most:
                return False
            self.count += 1
            return True

    def give_back(self) -> None:
        with self._lock:
            self.count -= 1


class Parts(NamedTuple):
    """Made once by `create_app`."""

    settings: Settings
    store: Store
    tail: Tail
    folder: LiveFolder
    zone: dt.tzinfo
    streams: Streams


def parts() -> Parts:
    found: Parts = current_app.extensions["ems"]
    return found
