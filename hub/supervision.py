"""What the service manager hears of a process of the hub: ready, a line of status, that its loop turns, that it stops.

A loop calls `ping_if_due` at every turn, also while it waits for a store or a broker that is away: what is restarted is
a loop that stands still, never one that reports trouble. Outside systemd nothing is said.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any

try:
    from systemd import daemon as _loaded  # type: ignore[attr-defined,unused-ignore]  # our folder hides it here
except ImportError:  # no systemd-python: its protocol is one datagram, written below
    _loaded = None
_daemon: Any = _loaded

PINGS_PER_LIMIT = 3
"""sd_watchdog_enabled(3) wants two at least; one may be lost to a busy moment."""


class Service:
    """sd_notify(3) to NOTIFY_SOCKET, if the environment has one. Never waits and raises nothing; safe to call from one
    thread."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        given = os.environ if environ is None else environ
        self._address = given.get("NOTIFY_SOCKET", "")
        self._is_own = environ is None
        is_ours = given.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        limit_us = given.get("WATCHDOG_USEC", "")
        is_watched = bool(self._address) and is_ours and limit_us.isdecimal()
        self._ping_every_ns: int | None = int(limit_us) * 1000 // PINGS_PER_LIMIT if is_watched else None
        self._ping_at_ns = 0
        self._status = ""

    def ready(self, status: str = "") -> None:
        """The process does its work from now on."""
        self._send("READY=1")
        if status:
            self.say(status)

    def say(self, status: str) -> None:
        """One line for people, in `systemctl status`; sent when it changes."""
        line = " ".join(status.split())
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def ping_if_due(self) -> None:
        """The loop turns. Cheap: to be called at every turn."""
        now_ns = time.perf_counter_ns()
        if self._ping_every_ns is not None and now_ns >= self._ping_at_ns:
            self._ping_at_ns = now_ns + self._ping_every_ns
            self._send("WATCHDOG=1")

    def stopping(self, status: str = "stopping") -> None:
        """The process has begun to end in order."""
        self._send("STOPPING=1")
        self.say(status)

    def _send(self, state: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError):  # nobody listens any more: there is nobody to tell
            if _daemon is not None and self._is_own:
                _daemon.notify(state)
                return
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.setblocking(False)
                name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
                line.sendto(state.encode(), name)


def set_at_signals(stop: threading.Event) -> None:
    """Set `stop` when the process is asked to end (SIGTERM, Ctrl-C). To be called on the main thread.

    By way of a pipe and a thread: `Event.set` takes a lock, and a signal that comes as the main thread begins to wait
    on the event finds that lock taken by the very thread that the signal has interrupted: it would wait for itself.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def wait() -> None:
        os.read(reader, 1)
        stop.set()

    def at_signal(*_: object) -> None:
        with contextlib.suppress(BlockingIOError):  # asked so often that the pipe is full
            os.write(writer, b"!")

    threading.Thread(target=wait, name="signals", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, at_signal)
