"""What people say at the desk and from the hub: presses of the button, a proctor's word on an alert, a signal, a drill.

Taken in any thread, which goes on at once; acted on in the tick.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping

from agent import host
from agent.core import bodies
from agent.core.local_status import Refused
from agent.drill import Drill
from agent.panel import Press
from agent.sight import Sight
from agent.sitting import SittingKeeper
from agent.wire import SIGNAL_MS, Attended, Body, Command, CommandKind, Instant

log = logging.getLogger(__name__)

_ABOUT_AN_ALERT = frozenset({CommandKind.CONFIRM_ALERT, CommandKind.DISMISS_ALERT})
_DONE_IN_THE_TICK = frozenset({CommandKind.SIGNAL, CommandKind.END_SIGNAL, CommandKind.DRILL})
MOST_ALERTS = 32
"""As `wire.Attended` has it."""
COMMANDS_REMEMBERED = 64
"""The broker may deliver a command twice, within seconds: a signal that was attended to must not come back by it."""
SAME_PRESS_MS = 1_000
"""A contact that chatters fills no card: the same thing said again within a second is one press."""


class Attending:
    """`judged` is what was last said of alerts, by their names; `put` has a body recorded and does not wait.
    `refused` is the newest command not done, None when a later one was."""

    def __init__(self, clock: host.Clock, boot: int, put: Callable[[Body, Instant], None]) -> None:
        self._clock, self._boot, self._put = clock, boot, put
        self._presses: deque[Press] = deque()
        self._commands: deque[Command] = deque()
        self._known: deque[tuple[int, int]] = deque(maxlen=COMMANDS_REMEMBERED)
        self._judged: dict[str, CommandKind] = {}
        self.judged: Mapping[str, CommandKind] = self._judged
        self.refused: Refused | None = None
        self._signal_until_up_ms: int | None = None
        self._said: tuple[Attended, int] | None = None

    @property
    def is_signalled(self) -> bool:
        """Whether a proctor's signal is to be shown."""
        return self._signal_until_up_ms is not None

    def take_press(self, press: Press) -> None:
        self._presses.append(press)

    def take_command(self, command: Command) -> None:
        name = (command.number, command.expires_utc_ms)
        if name in self._known:
            return
        self._known.append(name)
        late_ms = self._clock.now().utc_ms - command.expires_utc_ms
        if late_ms > 0 and self._clock.is_ok():
            if command.name in _DONE_IN_THE_TICK:
                self._refuse(command, f"it came to the desk {late_ms / 1000:.1f} s too late")
        elif command.name in _ABOUT_AN_ALERT:
            self._judged[command.alert] = command.name
        elif command.name in _DONE_IN_THE_TICK:
            self._commands.append(command)

    def step(self, now: Instant, sitting: SittingKeeper, sight: Sight, drill: Drill) -> None:
        """Do what was pressed and commanded since the last step. Presses first: who presses has not seen yet what a
        command of the same moment shows."""
        if self._signal_until_up_ms is not None and now.up_ms >= self._signal_until_up_ms:
            log.info("the signal is over: nobody came")
            self._signal_until_up_ms = None
        while self._presses:
            self._pressed(self._presses.popleft(), now, sitting, sight, drill)
        while self._commands:
            self._obey(self._commands.popleft(), now, sitting, drill)

    def _obey(self, command: Command, now: Instant, sitting: SittingKeeper, drill: Drill) -> None:
        reason = " ".join(command.reason.split())  # one line of the log
        match command.name:
            case CommandKind.SIGNAL:
                log.info("a proctor asks for somebody to come to this desk%s", f": {reason}" if reason else "")
                self._signal_until_up_ms = now.up_ms + SIGNAL_MS
            case CommandKind.END_SIGNAL:
                log.info("the proctor's signal is ended")
                self._signal_until_up_ms = None
            case CommandKind.DRILL:
                why_not = drill.begin(reason, now, sitting.current)
                if why_not:
                    self._refuse(command, why_not)
                    return
        self.refused = None

    def _refuse(self, command: Command, why: str) -> None:
        log.warning("command %d, %s, is not done: %s", command.number, command.name, why)
        self.refused = Refused(command.number, why)

    def _pressed(self, press: Press, now: Instant, sitting: SittingKeeper, sight: Sight, drill: Drill) -> None:
        """A long press asks for help. A short one says that somebody has come: it is recorded, help and the proctor's
        signal end, and the lamp no longer points at what stands now; a proctor's later word still counts."""
        judged, call = sight.standing(), sitting.help
        if press == "long" or call is not None:
            sitting.press(now)
        if press == "short":
            log.info("attended: the button was pressed")
            self._record(now, sitting, [each.alert for each in bodies.standing_alerts(judged, call, self._boot)], drill)
            self._signal_until_up_ms = None
            for alert in bodies.standing_alerts(judged, None, self._boot):
                self._judged[alert.alert] = CommandKind.DISMISS_ALERT

    def _record(self, now: Instant, sitting: SittingKeeper, alerts: list[str], drill: Drill) -> None:
        current = sitting.current
        attended = Attended(
            sitting="" if current is None else current.sitting,
            seat="" if current is None else current.seat,
            alerts=tuple(alerts + drill.standing)[:MOST_ALERTS],
            is_signal=self.is_signalled,
            is_drill=drill.is_on,
        )
        if self._said is not None and self._said[0] == attended and now.up_ms - self._said[1] < SAME_PRESS_MS:
            return
        self._said = (attended, now.up_ms)
        self._put(attended, now)
