"""What the service manager hears of this process: ready, one line of status, that its loops turn, that it stops.

The watchdog follows the ticks of loops and never their results: a missing camera or broker is a fault, told by lamp and
hub, and no reason to be restarted in a sitting; a loop that stands still is. Outside systemd nothing is said.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from agent.wire import Instant

try:
    from systemd import daemon as _loaded  # type: ignore[attr-defined,unused-ignore]  # our folder hides it here
except ImportError:  # no systemd-python: its protocol is one datagram, written below
    _loaded = None
_daemon: Any = _loaded

log = logging.getLogger(__name__)

SIGHT_LIMIT_MS = 20_000
"""A camera that is opened may take ten seconds to say no; its thread ticks again every two."""
LINK_LIMIT_MS = 120_000
"""Its thread keeps receipts on the card, and a card may take long: a broker that is away does not stop it."""
PANEL_LIMIT_MS = 10_000
PINGS_PER_LIMIT = 3
"""sd_watchdog_enabled(3) wants two at least; one may be lost to a busy moment."""

BUSY_MS = 120_000
"""As the unit's TimeoutStartSec: what a start may take, a start that follows an enrolment may take too."""


class Notifier:
    """sd_notify(3) to NOTIFY_SOCKET, if the environment has one. Never waits and raises nothing."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        given = os.environ if environ is None else environ
        self._address = given.get("NOTIFY_SOCKET", "")
        self._is_own = environ is None
        is_ours = given.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        limit_us = given.get("WATCHDOG_USEC", "")
        self.watchdog_ms = int(limit_us) // 1000 if self._address and is_ours and limit_us.isdecimal() else None
        """Within this time a ping is wanted; None: no watchdog."""

    def send(self, *lines: str) -> None:
        """Send assignments such as READY=1."""
        if not self._address:
            return
        state = "\n".join(lines)
        with contextlib.suppress(OSError):  # nobody listens any more: there is nobody to tell
            if _daemon is not None and self._is_own:
                _daemon.notify(state)
                return
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.setblocking(False)
                name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
                line.sendto(state.encode(), name)


class Loop(NamedTuple):
    """A loop that is followed: `ticks` differs from one turn to the next; it may stand still for `limit_ms`."""

    name: str
    ticks: Callable[[], int]
    limit_ms: int


class Ticking(Protocol):
    """Has a thread that turns."""

    @property
    def ticks(self) -> int: ...


class Supervisor:
    """Called from the main loop, whose own turning it thereby shows; follows `loops` besides."""

    def __init__(self, loops: Sequence[Loop] = (), notifier: Notifier | None = None) -> None:
        self._loops = tuple(loops)
        self._notifier = notifier or Notifier()
        self._turned: dict[str, tuple[int, int]] = {}
        self._ping_at_up_ms = 0
        self._status = ""
        self.stuck: tuple[str, ...] = ()
        """The loops that stand still beyond their limit; with any, no ping is sent."""

    def ready(self) -> None:
        """The process does its work from now on."""
        limit_ms = self._notifier.watchdog_ms
        self._notifier.send("READY=1", *([] if limit_ms is None else [f"WATCHDOG_USEC={limit_ms * 1000}"]))

    def busy(self) -> None:
        """Loops will not be followed for a while, after a `ready` and before the next: models are loaded, files made
        whole."""
        if self._notifier.watchdog_ms is not None:
            self._notifier.send(f"WATCHDOG_USEC={BUSY_MS * 1000}", "WATCHDOG=1")

    def say(self, status: str) -> None:
        """One line for people, in `systemctl status`; sent when it changes."""
        line = " ".join(status.split())
        if line != self._status:
            self._status = line
            self._notifier.send(f"STATUS={line}")

    def step(self, now: Instant) -> None:
        """One turn of the main loop: ping when it is due and every loop turns."""
        stuck = tuple(loop.name for loop in self._loops if self._stands_ms(loop, now.up_ms) > loop.limit_ms)
        if stuck != self.stuck:
            self.stuck = stuck
            log.error("these loops stand still: %s", ", ".join(stuck)) if stuck else log.warning("all loops turn again")
        limit_ms = self._notifier.watchdog_ms
        if limit_ms is not None and not stuck and now.up_ms >= self._ping_at_up_ms:
            self._ping_at_up_ms = now.up_ms + limit_ms // PINGS_PER_LIMIT
            self._notifier.send("WATCHDOG=1")

    def _stands_ms(self, loop: Loop, up_ms: int) -> int:
        ticks = loop.ticks()
        seen, since_up_ms = self._turned.get(loop.name, (None, up_ms))
        if ticks != seen:
            since_up_ms = up_ms
            self._turned[loop.name] = (ticks, up_ms)
        return up_ms - since_up_ms

    def stopping(self, status: str) -> None:
        """The process has begun to end in order; a slow card may hold that up for longer than the watchdog waits."""
        self.busy()
        self._notifier.send("STOPPING=1")
        self.say(status)


def desk_loops(sight: Ticking, link_of: Callable[[], Ticking], panel: Ticking) -> tuple[Loop, ...]:
    """What is followed of a desk. Not the scribe and the recorder's writer: a card may make them wait for as long as it
    must."""
    return (
        Loop("sight", lambda: sight.ticks, SIGHT_LIMIT_MS),
        Loop("link", lambda: link_of().ticks, LINK_LIMIT_MS),
        Loop("panel", lambda: panel.ticks, PANEL_LIMIT_MS),
    )


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
