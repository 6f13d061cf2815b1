"""What lamp and buzzer say: the patterns as a table, and which of them holds.

Every pattern has a rhythm of its own besides its colour, for those who do not see the colour. A healthy lamp moves
too: one that is steady or dark is broken, or its desk is off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import cycle
from typing import NamedTuple

from msgspec import Struct

from agent.wire import AlertKind, FaultKind, Mode

HUB_PATIENCE_S = 30.0
"""Semi-automated mode waits for a proctor's word; without the hub none can come."""

FADE_STEP_MS = 80
"""12 steps a second look smooth enough on a diffuse lamp and cost a Pi next to nothing."""

GRAVE_FAULTS = frozenset(
    {
        FaultKind.STORAGE_FAILED,
        FaultKind.CAMERA_LOST,
        FaultKind.CAMERA_FROZEN,
        FaultKind.RECORDING_STOPPED,
        FaultKind.ANALYSIS_STOPPED,
    }
)
"""With these the desk has no proof or cannot see; an alert may be stale, so they come before it."""


class PatternName(StrEnum):
    BOOTING = "booting"
    ENROLLING = "enrolling"
    WAITING = "waiting"
    RECORDING = "recording"
    ATTENTION = "attention"
    FAULT = "fault"
    NO_HUB = "no_hub"
    HELP = "help"


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
        name=PatternName.ENROLLING,
        colour="#c0c0ff",
        rhythm=(Beat(0.9, 120), Beat(0.0, 120), Beat(0.9, 120), Beat(0.0, 120), Beat(0.9, 120), Beat(0.0, 1400)),
        meaning="The desk asks the hub to be let in.",
        what_to_do="Approve it at the hub: its claim code is in its log.",
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
)
PATTERNS: dict[PatternName, Pattern] = {pattern.name: pattern for pattern in _ROWS}


class ShownAlert(Struct, frozen=True):
    """One standing alert, and what a proctor said about it."""

    kind: AlertKind
    is_confirmed: bool = False
    is_dismissed: bool = False


class DeskState(Struct, frozen=True, kw_only=True):
    """All that lamp and buzzer depend on. `hub_away_s` is 0 while the hub is there; `is_sound_asked`: somebody wants
    the buzzer even in a sitting."""

    is_booting: bool = False
    is_sitting: bool = False
    mode: Mode = Mode.AUTOMATED
    alerts: tuple[ShownAlert, ...] = ()
    faults: tuple[FaultKind, ...] = ()
    hub_away_s: float = 0.0
    is_sound_asked: bool = False


def _has_help(state: DeskState) -> bool:
    """The candidate's own call needs nobody's confirmation, in any mode."""
    return any(alert.kind is AlertKind.HELP_REQUESTED and not alert.is_dismissed for alert in state.alerts)


def _has_grave_fault(state: DeskState) -> bool:
    return any(kind in GRAVE_FAULTS for kind in state.faults)


def _has_fault(state: DeskState) -> bool:
    return any(kind is not FaultKind.HUB_UNREACHABLE for kind in state.faults)


def _has_shown_alert(state: DeskState) -> bool:
    if state.mode is Mode.MANUAL:
        return False
    is_waiting_for_word = state.mode is Mode.SEMI_AUTOMATED and state.hub_away_s < HUB_PATIENCE_S
    return any(not alert.is_dismissed and (alert.is_confirmed or not is_waiting_for_word) for alert in state.alerts)


_PRECEDENCE: tuple[tuple[PatternName, Callable[[DeskState], bool]], ...] = (
    (PatternName.HELP, _has_help),
    (PatternName.FAULT, _has_grave_fault),
    (PatternName.ATTENTION, _has_shown_alert),
    (PatternName.FAULT, _has_fault),
    (PatternName.BOOTING, lambda state: state.is_booting),
    (PatternName.NO_HUB, lambda state: FaultKind.HUB_UNREACHABLE in state.faults),
    (PatternName.RECORDING, lambda state: state.is_sitting),
)


def choose(state: DeskState) -> PatternName:
    """The one pattern that holds. A person who waits comes first, then what endangers the proof, then alerts, then the
    other faults (dashboard and log have them all)."""
    return next((name for name, is_on in _PRECEDENCE if is_on(state)), PatternName.WAITING)


def is_buzzer_allowed(state: DeskState) -> bool:
    """No sound in a sitting, unless somebody asked for it."""
    return state.is_sound_asked or not state.is_sitting


class Moment(NamedTuple):
    """Lamp at `level` (0..1) and buzzer sounding or not, for `ms` milliseconds."""

    level: float
    is_buzzing: bool
    ms: int


def moments(pattern: Pattern, is_buzzer_allowed: bool, fade_step_ms: int = FADE_STEP_MS) -> Iterator[Moment]:
    """The pattern played from its beginning, without end: the rhythm over and over, the buzzer's once."""
    levels = cycle(_levels(pattern, fade_step_ms))
    sounds = iter(pattern.buzzer if is_buzzer_allowed else ())
    (level, level_ms), (is_buzzing, sound_ms) = next(levels), next(sounds, _SILENCE)
    while True:
        ms = level_ms if sound_ms == 0 else min(level_ms, sound_ms)
        yield Moment(level, is_buzzing, ms)
        level_ms -= ms
        if level_ms == 0:
            level, level_ms = next(levels)
        if sound_ms:
            sound_ms -= ms
            if sound_ms == 0:
                is_buzzing, sound_ms = next(sounds, _SILENCE)


_SILENCE = (False, 0)


def _levels(pattern: Pattern, fade_step_ms: int) -> list[tuple[float, int]]:
    """One round of the rhythm as (level, ms), fades cut into steps."""
    found: list[tuple[float, int]] = []
    level = pattern.rhythm[-1].level
    for beat in pattern.rhythm:
        if beat.is_fade:
            steps = max(1, beat.ms // fade_step_ms)
            ends = [beat.ms * n // steps for n in range(steps + 1)]
            rise = (beat.level - level) / steps
            found += [(level + rise * (n + 1), ends[n + 1] - ends[n]) for n in range(steps)]
        else:
            found.append((beat.level, beat.ms))
        level = beat.level
    return found
