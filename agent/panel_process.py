"""`ems-agent panel`: the process that holds lamp, buzzer and button, and shows FAULT by itself when its agent falls
silent. It keeps no state and looks at nothing but its socket, so there is little in it that could hang.

The socket is a Unix one of whole messages (SOCK_SEQPACKET): the end of a killed agent is seen at once, and presses find
their way back without a second name.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from agent.core.vigil import Pressed, Shown, Vigil, Wanted
from agent.panel import Panel, PanelProblem, Press
from agent.panel_link import MAX_MESSAGE_BYTES
from agent.supervision import Loop, Supervisor
from agent.wire import Instant

log = logging.getLogger(__name__)

TURN_S = 0.2
LAMP_LIMIT_MS = 10_000
"""The longest beat of a pattern is three seconds."""
MOST_LINES = 8
"""One agent, and who looks whether the panel is there."""


def listen(path: Path) -> socket.socket:
    """The panel's socket, readable for its own user. Raises PanelProblem when another panel answers there, and when it
    cannot be made."""
    with (
        contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)) as probe,
        contextlib.suppress(OSError),
    ):
        probe.connect(str(path))
        raise PanelProblem(f"another panel runs at {path}: stop it first, or set EMS_PANEL_SOCKET")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # left by one that was killed: nobody answers there
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(MOST_LINES)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise PanelProblem(f"EMS_PANEL_SOCKET: {path}: {error.strerror or error}") from error
    return listener


class PanelProcess:
    """Owns `listener` and the panel that `open_panel` makes. `run` until `stopping` is set."""

    def __init__(
        self,
        listener: socket.socket,
        open_panel: Callable[[Callable[[Press], None]], Panel],
        now: Callable[[], Instant],
    ) -> None:
        """Raises PanelProblem, and closes the listener then."""
        self.stopping = threading.Event()
        self._listener, self._now = listener, now
        self._agent: socket.socket | None = None
        self._lines: set[socket.socket] = set()
        self._vigil = Vigil(now().up_ms)
        self._is_silent = False
        self._presses: list[Press] = []
        try:
            self.panel = open_panel(self._presses.append)
        except PanelProblem:
            listener.close()
            raise
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._supervisor = Supervisor((Loop("lamp", lambda: self.panel.ticks, LAMP_LIMIT_MS),))

    def run(self) -> None:
        """Serve one agent after the other; at the end lamp and buzzer are off and the pins free."""
        self._supervisor.ready()
        log.info("the panel waits for its desk")
        try:
            while not self.stopping.is_set():
                self._turn()
        finally:
            self._supervisor.stopping("stopping: lamp off")
            self._close()
            log.info("the panel has ended: lamp off")

    def _turn(self) -> None:
        for key, _ in self._selector.select(TURN_S):
            line = key.fileobj
            if line is self._listener:
                self._accept()
            elif isinstance(line, socket.socket):
                self._hear(line)
        while self._presses:
            self._answer(Pressed(press=self._presses.pop(0)))
        now = self._now()
        showing = self._vigil.shows(now.up_ms)
        self._note(self._vigil.is_silent(now.up_ms))
        self.panel.show(showing.pattern, showing.is_buzzer_allowed)
        self._supervisor.say(f"{showing.pattern}; {'an agent is there' if self._agent else 'no agent'}")
        if self.panel.problem is None:  # else its thread has ended: no ping, and systemd starts us afresh
            self._supervisor.step(now)

    def _note(self, is_silent: bool) -> None:
        if is_silent == self._is_silent:
            return
        self._is_silent = is_silent
        if is_silent:
            log.warning("showing FAULT: the desk is silent")
        else:
            log.info("the desk is back")

    def _accept(self) -> None:
        line, _ = self._listener.accept()
        line.setblocking(False)
        if len(self._lines) >= MOST_LINES:
            line.close()
            return
        self._lines.add(line)
        self._selector.register(line, selectors.EVENT_READ)

    def _hear(self, line: socket.socket) -> None:
        try:
            data = line.recv(MAX_MESSAGE_BYTES)
        except (BlockingIOError, ConnectionResetError):
            return  # reset: it ended with answers unread; what it said before that, and its end, come next
        except OSError:
            data = b""
        if not data:
            self._end(line)
            return
        try:
            wanted = msgspec.json.decode(data, type=Wanted)
        except msgspec.MsgspecError as error:
            log.warning("an agent's word is not understood: %s", error)
            return
        self._agent = line  # the newest who speaks: of an agent that was started again the old line may still be open
        now = self._now()
        self._vigil.heard(wanted, now.up_ms)
        showing = self._vigil.shows(now.up_ms)
        self.panel.show(showing.pattern, showing.is_buzzer_allowed)
        self._answer(Shown(lamp=self.panel.lamp(), problem=self.panel.problem or ""))

    def _answer(self, message: Shown | Pressed) -> None:
        if self._agent is None:
            log.warning("nobody to tell: %s", message)
            return
        try:
            self._agent.send(msgspec.json.encode(message))
        except BlockingIOError:
            log.warning("the agent does not read")
        except OSError as error:  # it has ended; what it said before that, a farewell above all, is still to be read
            log.info("the agent does not hear: %s", error.strerror or error)

    def _end(self, line: socket.socket) -> None:
        self._selector.unregister(line)
        self._lines.discard(line)
        line.close()
        if line is self._agent:
            self._agent = None
            self._vigil.lost()

    def _close(self) -> None:
        self.panel.close()
        for line in (*self._lines, self._listener):
            line.close()
        self._selector.close()


def remove(path: Path) -> None:
    """Take the socket's name away after `run`."""
    with contextlib.suppress(OSError):
        os.unlink(path)
