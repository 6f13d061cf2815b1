"""Lines of viewers that the tail writes to itself, without waking the thread that each stream has.

Waking 300 threads for one change costs each of them Python's lock three times over; one thread that writes the same
bytes into 300 sockets is done in a tenth of that. While a stream has all there is, its thread rests and the line is the
tail's. As soon as a line does not take everything at once, its own thread is woken, sends what is left and catches
up: nobody waits for a slow browser.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any


class Line:
    """One viewer's socket. `place` and `left` are its thread's while that is awake, the tail's while it rests."""

    def __init__(self, connection: socket.socket, holds: Callable[[], bool]) -> None:
        self.connection = connection
        self.holds = holds
        self.place = 0
        self.left = b""
        self.woken = threading.Event()

    def send(self, number: int, chunk: bytes) -> bool:
        """Write `chunk`, the event of that number, without ever waiting. False: its own thread must go on."""
        if not self.holds():
            return False
        self.place = number
        try:
            sent = self.connection.send(chunk, socket.MSG_DONTWAIT)
        except OSError:  # full, or gone: its own thread finds out which
            sent = 0
        self.left = chunk[sent:]
        return not self.left

    def finish(self) -> None:
        """Send what was left, however long it takes. For its own thread; raises OSError when the viewer is gone."""
        if self.left:
            left, self.left = self.left, b""
            self.connection.sendall(left)


class Lines:
    """The lines that are at rest. The caller holds its own lock around `add`, `remove` and `send`."""

    def __init__(self) -> None:
        self._resting: set[Line] = set()

    def add(self, line: Line, place: int) -> None:
        line.place = place
        line.woken.clear()
        self._resting.add(line)

    def remove(self, line: Line) -> None:
        self._resting.discard(line)

    def send(self, number: int, data: bytes) -> None:
        chunk = framed(data)
        for line in [each for each in self._resting if not each.send(number, chunk)]:
            self._resting.discard(line)
            line.woken.set()

    def wake(self) -> None:
        for line in self._resting:
            line.woken.set()


def framed(data: bytes) -> bytes:
    """A chunk of HTTP/1.1, as the server itself frames what a stream yields."""
    return b"%X\r\n%b\r\n" % (len(data), data)


def line_of(environ: Mapping[str, Any], holds: Callable[[], bool]) -> Line | None:
    """The line of a request, or None where only the server can write to it: TLS, HTTP/1.0, HTTP/2, another server."""
    connection = environ.get("gunicorn.socket")
    is_plain = type(connection) is socket.socket and environ.get("SERVER_PROTOCOL") == "HTTP/1.1"
    return Line(connection, holds) if is_plain and connection is not None else None
