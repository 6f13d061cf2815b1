"""What the panel shows by what it hears from its agent: pure, for the process that holds the pins.

An agent that hangs or dies cannot say so. So each of its words holds for a time only; after that the lamp shows FAULT
without being told.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from agent.wire import Lamp, Text
from agent.wire_lamp import PatternName

HOLDS_MS = 3_000
"""The agent says each second what it wants, so two of its words may be lost or late."""
FIRST_WORD_WITHIN_MS = 10_000
"""A start takes some seconds on a Pi: the model is loaded, yesterday's files are made whole."""
STOPS_WITHIN_MS = 25_000
"""A stop closes segments, waits for the card and says farewell; systemd ends it by force sooner."""
Hold = Annotated[int, Meta(ge=0, le=60_000)]


class Wanted(Struct, frozen=True, kw_only=True, tag="wanted"):
    """The agent's word: show this, for `holds_ms` without another word. `is_last`: it has stopped in order, and what it
    wants holds until there is another agent."""

    pattern: PatternName
    is_buzzer_allowed: bool = False
    holds_ms: Hold = HOLDS_MS
    is_last: bool = False


class Shown(Struct, frozen=True, kw_only=True, tag="shown"):
    """The panel's answer to each word: what the lamp does, and what is wrong with it, '' if nothing."""

    lamp: Lamp
    problem: Text = ""


class Pressed(Struct, frozen=True, kw_only=True, tag="pressed"):
    """The button was pressed and let go, or held."""

    press: Literal["short", "long"]


class Showing(NamedTuple):
    pattern: PatternName
    is_buzzer_allowed: bool


class Vigil:
    """Follows one agent after the other. Times are `up_ms`."""

    def __init__(self, started_up_ms: int) -> None:
        self._wanted = Wanted(pattern=PatternName.BOOTING, holds_ms=FIRST_WORD_WITHIN_MS)
        self._heard_up_ms = started_up_ms
        self._is_lost = False

    def heard(self, wanted: Wanted, up_ms: int) -> None:
        self._wanted, self._heard_up_ms, self._is_lost = wanted, up_ms, False

    def lost(self) -> None:
        """The agent's end of the line is closed: its process has ended, in order only if it said so."""
        self._is_lost = True

    def is_silent(self, up_ms: int) -> bool:
        """Whether the agent is lost or its word holds no longer."""
        wanted = self._wanted
        is_due = up_ms - self._heard_up_ms >= wanted.holds_ms
        return not wanted.is_last and (self._is_lost or is_due)

    def shows(self, up_ms: int) -> Showing:
        wanted = self._wanted
        if self.is_silent(up_ms):
            return Showing(PatternName.FAULT, wanted.is_buzzer_allowed)
        return Showing(wanted.pattern, wanted.is_buzzer_allowed)
