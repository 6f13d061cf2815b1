"""What people say at the desk and from the hub: presses of the button, a proctor's word on an alert.

Taken in any thread, which goes on at once; acted on in the tick.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping

from agent import host
from agent.core import bodies
from agent.panel import Press
from agent.sight import Sight
from agent.sitting import SittingKeeper
from agent.wire import Command, CommandKind, Instant

log = logging.getLogger(__name__)

_ABOUT_AN_ALERT = frozenset({CommandKind.CONFIRM_ALERT, CommandKind.DISMISS_ALERT})


class Attending:
    """`judged` is what was last said of alerts, by their names."""

    def __init__(self, clock: host.Clock, boot: int) -> None:
        self._clock, self._boot = clock, boot
        self._presses: deque[Press] = deque()
        self._judged: dict[str, CommandKind] = {}
        self.judged: Mapping[str, CommandKind] = self._judged

    def take_press(self, press: Press) -> None:
        self._presses.append(press)

    def take_command(self, command: Command) -> None:
        if command.expires_utc_ms < self._clock.now().utc_ms and self._clock.is_ok():
            return
        if command.name in _ABOUT_AN_ALERT:
            self._judged[command.alert] = command.name

    def step(self, now: Instant, sitting: SittingKeeper, sight: Sight) -> None:
        """Do what was pressed since the last step."""
        while self._presses:
            self._pressed(self._presses.popleft(), now, sitting, sight)

    def _pressed(self, press: Press, now: Instant, sitting: SittingKeeper, sight: Sight) -> None:
        """A long press asks for help. A short one says that somebody has come: help ends, and the lamp no longer points
        at what stands now; a proctor's later word still counts."""
        if press == "long" or sitting.help is not None:
            sitting.press(now)
        if press == "short":
            log.info("attended: the button was pressed")
            for alert in bodies.standing_alerts(sight.standing(), None, self._boot):
                self._judged[alert.alert] = CommandKind.DISMISS_ALERT
