"""What lamp and buzzer say, as a table: the desk plays it, the hub prints it on the card for the room. Pure.

Every pattern has a rhythm of its own besides its colour, for those who do not see the colour. A healthy lamp moves
too: one that is steady or dark is broken, or its desk is off.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class PatternName(StrEnum):
    BOOTING = "booting"
    WAITING = "waiting"
    RECORDING = "recording"
    ATTENTION = "attention"
    FAULT = "fault"
    NO_HUB = "no_hub"
    HELP = "help"
    ENROLLING = "enrolling"
    DRILL = "drill"
    SIGNAL = "signal"
    STOPPED = "stopped"


class Beat(Struct, frozen=True):
    """For `ms` milliseconds the lamp is at `level` (0 dark, 1 full colour), or goes there evenly if `is_fade`."""

    level: float
    ms: int
    is_fade: bool = False


class Pattern(Struct, frozen=True, kw_only=True):
    """`colour` is #rrggbb. `rhythm` repeats; `buzzer` (sounding or silent, ms) plays once, when the pattern begins."""

    name: PatternName
    colour: str
    rhythm: tuple[Beat, ...]
    buzzer: tuple[tuple[bool, int], ...] = ()
    meaning: str
    what_to_do: str


def _breath(low: float, in_ms: int, out_ms: int, rest_ms: int = 0) -> tuple[Beat, ...]:
    breath = (Beat(1.0, in_ms, is_fade=True), Beat(low, out_ms, is_fade=True))
    return (*breath, Beat(low, rest_ms)) if rest_ms else breath


_ROWS = (
    Pattern(
        name=PatternName.BOOTING,
        colour="#ffffff",
        rhythm=(Beat(0.6, 250), Beat(0.1, 250)),
        meaning="The desk is starting.",
        what_to_do="Wait a few seconds.",
    ),
    Pattern(
        name=PatternName.WAITING,
        colour="#0040ff",
        rhythm=_breath(0.05, 1500, 1500, 3000),
        meaning="The desk is well. No sitting is on, nothing is recorded.",
        what_to_do="Nothing.",
    ),
    Pattern(
        name=PatternName.RECORDING,
        colour="#00c020",
        rhythm=_breath(0.3, 2000, 2000),
        meaning="The sitting is being recorded, all is well.",
        what_to_do="Nothing.",
    ),
    Pattern(
        name=PatternName.ATTENTION,
        colour="#ff9000",
        rhythm=(Beat(1.0, 150), Beat(0.0, 150), Beat(1.0, 150), Beat(0.0, 1050)),
        buzzer=((True, 100), (False, 100), (True, 100)),
        meaning="The camera sees something that a person should look at.",
        what_to_do="Look at the desk, quietly. The proctor sees the same.",
    ),
    Pattern(
        name=PatternName.FAULT,
        colour="#ff0000",
        rhythm=(Beat(1.0, 1000), Beat(0.0, 1000)),
        buzzer=((True, 800),),
        meaning="The equipment needs help. The candidate has done nothing.",
        what_to_do="Call the technician; the dashboard names the fault.",
    ),
    Pattern(
        name=PatternName.NO_HUB,
        colour="#a000ff",
        rhythm=(*_breath(0.1, 1000, 1000, 400), Beat(0.8, 200), Beat(0.1, 400)),
        meaning="The desk cannot reach the hub. It works on by itself and loses nothing.",
        what_to_do="Check network and hub. The sitting can go on.",
    ),
    Pattern(
        name=PatternName.HELP,
        colour="#00e0ff",
        rhythm=(Beat(1.0, 500), Beat(0.0, 250)),
        meaning="The candidate asks for help.",
        what_to_do="Go to the desk.",
    ),
    Pattern(
        name=PatternName.ENROLLING,
        colour="#ff00a0",
        rhythm=(Beat(1.0, 2200), Beat(0.0, 300)),
        meaning="The desk is new here and waits to be let in.",
        what_to_do="Approve it at the hub. Its code is in ems-agent status at the desk, and in its log.",
    ),
    Pattern(
        name=PatternName.DRILL,
        colour="#80a0ff",
        rhythm=(Beat(1.0, 200), Beat(0.0, 200), Beat(1.0, 200), Beat(0.0, 200), Beat(1.0, 800), Beat(0.0, 800)),
        buzzer=((True, 100),),
        meaning="Somebody tries this desk out. Nothing has happened.",
        what_to_do="Nothing.",
    ),
    Pattern(
        name=PatternName.SIGNAL,
        colour="#f0ff00",
        rhythm=_breath(0.0, 1000, 400),
        buzzer=((True, 100), (False, 300), (True, 100)),
        meaning="A proctor asks for somebody to come to this desk.",
        what_to_do="Go to the desk and press its button briefly.",
    ),
    Pattern(
        name=PatternName.STOPPED,
        colour="#ffd080",
        rhythm=(Beat(0.6, 200), Beat(0.0, 2800)),
        meaning="The desk was stopped in order. Nothing is recorded.",
        what_to_do="Start it before a sitting.",
    ),
)
PATTERNS: dict[PatternName, Pattern] = {pattern.name: pattern for pattern in _ROWS}
