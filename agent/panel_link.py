"""The agent's line to the process that holds the panel's pins: what the lamp shall show, presses of the button back.

No thread: what is wanted is said from the main loop's own tick, so that a loop that hangs falls silent here too, and
the panel shows it. No call waits: a panel that is away is tried again once a second.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from agent.core.vigil import FIRST_WORD_WITHIN_MS, HOLDS_MS, STOPS_WITHIN_MS, Pressed, Shown, Wanted
from agent.wire import Lamp
from agent.wire_lamp import PatternName

log = logging.getLogger(__name__)

SAY_EVERY = 3
"""Of the calls of `show` that say nothing new: with a tick of 0.2 s that is more than once a second."""
TRY_EVERY = 5
MAX_MESSAGE_BYTES = 8_192


class PanelLink:
    """In place of `agent.panel.Panel`, over the Unix socket at `path`. `on_button` is called from `show`."""

    def __init__(self, path: Path, on_button: Callable[[Literal["short", "long"]], None]) -> None:
        self._path, self._on_button = path, on_button
        self._line: socket.socket | None = None
        self._shown: Shown | None = None
        self._said: Wanted | None = None
        self.ticks = 0
        """Calls of `show`."""
        self.problem: str | None = None
        """Why the panel shows nothing of us; None while all is well."""
        self._say(Wanted(pattern=PatternName.BOOTING, holds_ms=FIRST_WORD_WITHIN_MS))

    def show(self, name: PatternName, is_buzzer_allowed: bool = False) -> None:
        """Have this pattern shown; to be called at each tick. Takes in what the panel has said meanwhile."""
        self.ticks += 1
        wanted = Wanted(pattern=name, is_buzzer_allowed=is_buzzer_allowed, holds_ms=HOLDS_MS)
        if wanted != self._said or self.ticks % SAY_EVERY == 0:
            self._say(wanted)
        self._listen()

    def stopping(self) -> None:
        """The agent has begun to end: what is shown stays for as long as that may take."""
        if self._said is not None:
            self._say(msgspec.structs.replace(self._said, holds_ms=STOPS_WITHIN_MS))

    def lamp(self) -> Lamp | None:
        """What the lamp does, by the panel's own word; None when nobody answers."""
        return None if self._shown is None else self._shown.lamp

    def close(self) -> None:
        """Say that the agent has stopped in order. May be called twice."""
        if self._line is not None:
            self._say(Wanted(pattern=PatternName.STOPPED, is_last=True))
        self._hang_up("closed")

    def _say(self, wanted: Wanted) -> None:
        self._said = wanted
        if self._line is None and self.ticks % TRY_EVERY == 0:
            self._connect()
        if self._line is None:
            return
        try:
            self._line.send(msgspec.json.encode(wanted))
        except BlockingIOError:  # the panel does not read: it hangs, and its own watchdog ends it
            self._hang_up("does not read")
        except OSError as error:
            self._hang_up(error.strerror or str(error))

    def _connect(self) -> None:
        line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line.setblocking(False)
        try:
            line.connect(str(self._path))
        except OSError as error:
            line.close()
            self._tell_problem(f"no panel at {self._path}: {error.strerror or error}")
            return
        self._line = line
        self._tell_problem(None)

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._line is not None:
                self._hear(self._line)

    def _hear(self, line: socket.socket) -> None:
        try:
            data = line.recv(MAX_MESSAGE_BYTES)
        except BlockingIOError:
            raise
        except OSError as error:
            self._hang_up(error.strerror or str(error))
            return
        if not data:
            self._hang_up("has ended")
            return
        try:
            message = msgspec.json.decode(data, type=Shown | Pressed)
        except msgspec.MsgspecError as error:
            log.warning("the panel's word is not understood: %s", error)
            return
        if isinstance(message, Pressed):
            self._on_button(message.press)
        else:
            self._shown = message
            self._tell_problem(message.problem or None)

    def _hang_up(self, why: str) -> None:
        if self._line is not None:
            self._line.close()
            self._tell_problem(f"the panel at {self._path}: {why}" if why != "closed" else None)
        self._line, self._shown = None, None

    def _tell_problem(self, problem: str | None) -> None:
        if problem != self.problem and problem is not None:
            log.error("%s", problem)
        self.problem = problem
