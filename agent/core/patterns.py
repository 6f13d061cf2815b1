"""What lamp and buzzer say: which pattern of the table in `agent.wire_lamp` holds, and how it is played."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import NamedTuple

from msgspec import Struct

from agent.wire import AlertKind, FaultKind, Mode
from agent.wire_lamp import PATTERNS as PATTERNS  # for whoever plays them
from agent.wire_lamp import Beat as Beat
from agent.wire_lamp import Pattern as Pattern
from agent.wire_lamp import PatternName as PatternName

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


class ShownAlert(Struct, frozen=True):
    """One standing alert, and what a proctor said about it."""

    kind: AlertKind
    is_confirmed: bool = False
    is_dismissed: bool = False


class DeskState(Struct, frozen=True, kw_only=True):
    """All that lamp and buzzer depend on. `hub_away_s` is 0 while the hub is there; `is_sound_asked`: the plan wants
    the buzzer even in the sitting; without `may_show_alerts` it wants no alert on the lamp but the call for help."""

    is_booting: bool = False
    is_enrolling: bool = False
    is_drill: bool = False
    is_signalled: bool = False
    is_sitting: bool = False
    mode: Mode = Mode.AUTOMATED
    alerts: tuple[ShownAlert, ...] = ()
    faults: tuple[FaultKind, ...] = ()
    hub_away_s: float = 0.0
    is_sound_asked: bool = False
    may_show_alerts: bool = True


def _has_help(state: DeskState) -> bool:
    """The candidate's own call needs nobody's confirmation, in any mode."""
    return any(alert.kind is AlertKind.HELP_REQUESTED and not alert.is_dismissed for alert in state.alerts)


def _has_grave_fault(state: DeskState) -> bool:
    return any(kind in GRAVE_FAULTS for kind in state.faults)


def _has_fault(state: DeskState) -> bool:
    return any(kind is not FaultKind.HUB_UNREACHABLE for kind in state.faults)


def _has_shown_alert(state: DeskState) -> bool:
    if state.mode is Mode.MANUAL or not state.may_show_alerts:
        return False
    is_waiting_for_word = state.mode is Mode.SEMI_AUTOMATED and state.hub_away_s < HUB_PATIENCE_S
    return any(not alert.is_dismissed and (alert.is_confirmed or not is_waiting_for_word) for alert in state.alerts)


_PRECEDENCE: tuple[tuple[PatternName, Callable[[DeskState], bool]], ...] = (
    (PatternName.HELP, _has_help),
    (PatternName.FAULT, _has_grave_fault),
    (PatternName.SIGNAL, lambda state: state.is_signalled),
    (PatternName.DRILL, lambda state: state.is_drill),
    (PatternName.ATTENTION, _has_shown_alert),
    (PatternName.FAULT, _has_fault),
    (PatternName.ENROLLING, lambda state: state.is_enrolling),
    (PatternName.BOOTING, lambda state: state.is_booting),
    (PatternName.NO_HUB, lambda state: FaultKind.HUB_UNREACHABLE in state.faults),
    (PatternName.RECORDING, lambda state: state.is_sitting),
)


def choose(state: DeskState) -> PatternName:
    """The one pattern that holds. A person who waits comes first, then what endangers the proof, then a person's wish,
    then alerts, then the other faults (dashboard and log have them all)."""
    return next((name for name, is_on in _PRECEDENCE if is_on(state)), PatternName.WAITING)


def is_buzzer_allowed(state: DeskState) -> bool:
    """No sound in a sitting, unless its plan asks for it."""
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
