"""Faults of the equipment: readings -> conditions -> what is raised and cleared.

`conditions` says what is wrong at this moment; `FaultBoard` adds the time. Both are pure and walk a table.

Precedence. Every fault that is true is raised: a lost camera is `camera_lost` and, in a sitting, `recording_stopped`
as well, because the second is the hole in the coverage and the first only its cause; its detail names the cause.
`analysis_stopped` is not told while the camera is lost: without pictures nobody can say whether analysis works.
Where one must be shown, the order of FAULT_RULES decides: what stops the proof first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Literal

import msgspec
from msgspec import Struct

from agent.core.space import Look, why_low
from agent.wire import FaultKind, Instant


class FaultRule(Struct, frozen=True):
    """A fault is raised when its condition was wrong for `raise_s`, cleared when fine for `clear_s`; `reason` for these
    times."""

    kind: FaultKind
    raise_s: float
    clear_s: float
    reason: str


FAULT_RULES = (
    FaultRule(FaultKind.STORAGE_FAILED, 0, 5, "each failed write is true at once; a card that fails comes and goes"),
    FaultRule(FaultKind.CAMERA_LOST, 0, 2, "the condition itself is an age of 2.5 s; 5 s in all are promised"),
    FaultRule(FaultKind.RECORDING_STOPPED, 0, 2, "the condition itself is an age of 3 s; 5 s in all are promised"),
    FaultRule(FaultKind.ANALYSIS_STOPPED, 0, 4, "the condition looks 4 s back already"),
    FaultRule(FaultKind.CAMERA_FROZEN, 5, 2, "some cameras repeat a picture for a moment when exposure settles"),
    FaultRule(FaultKind.PLAN_REFUSED, 0, 0, "a plan is as it was sent; a better one ends it at once"),
    FaultRule(FaultKind.STORAGE_LOW, 0, 30, "free space moves slowly; purging a segment must not make it flap"),
    FaultRule(FaultKind.STORAGE_SLOW, 0, 30, "one slow sync has already put more than a second at risk"),
    FaultRule(FaultKind.POWER_LOW, 1, 60, "dips come in rows while the load changes"),
    FaultRule(FaultKind.TOO_HOT, 10, 30, "a short peak does no harm"),
    FaultRule(FaultKind.CLOCK_STEPPED, 0, 60, "an event: it stands for a minute so that somebody sees it"),
    FaultRule(FaultKind.CLOCK_UNSYNCED, 10, 2, "after a start the clock needs some seconds to be set"),
    FaultRule(FaultKind.HUB_UNREACHABLE, 10, 2, "a broker's restart is no fault, and nothing is lost meanwhile"),
)
"""Most urgent first."""
MAX_TOLD = 500
"""Characters of a detail: it rides on every heartbeat, and a person reads it."""


class FaultState(StrEnum):
    RAISED = "raised"
    CLEARED = "cleared"


class FaultChange(Struct, frozen=True, kw_only=True):
    """A fault was raised or cleared. `n` numbers the board's faults; `began` is when the condition was first seen
    wrong. In `up_ms` began <= raised <= cleared."""

    n: int
    kind: FaultKind
    state: FaultState
    began: Instant
    raised: Instant
    cleared: Instant | None = None
    detail: str = ""


class _Track:
    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self.standing: FaultChange | None = None
        self._since: Instant | None = None

    def step(self, now: Instant, detail: str | None, next_n: int) -> FaultChange | None:
        if (detail is None) is (self.standing is None):
            self._since = None
            if self.standing is not None and detail is not None:
                self.standing = msgspec.structs.replace(self.standing, detail=detail)
            return None
        self._since = self._since or now
        age_ms = now.up_ms - self._since.up_ms
        if self.standing is not None:
            return self._clear(now) if age_ms >= self.rule.clear_s * 1000 else None
        if age_ms < self.rule.raise_s * 1000:
            return None
        self.standing = FaultChange(
            n=next_n,
            kind=self.rule.kind,
            state=FaultState.RAISED,
            began=self._since,
            raised=now,
            detail=detail or "",
        )
        self._since = None
        return self.standing

    def _clear(self, now: Instant) -> FaultChange | None:
        standing, self.standing, self._since = self.standing, None, None
        return standing and msgspec.structs.replace(standing, state=FaultState.CLEARED, cleared=now)


class FaultBoard:
    """The faults of one desk over time. `first_n` is the number of the first fault raised."""

    def __init__(self, rules: Iterable[FaultRule] = FAULT_RULES, *, first_n: int = 1) -> None:
        self.next_n = first_n
        self._tracks = [_Track(rule) for rule in rules]
        self._last_up_ms = 0

    def step(self, now: Instant, conditions: Mapping[FaultKind, str | None]) -> list[FaultChange]:
        """What `conditions` change: a text says what is wrong now, None that it is fine.

        A missing kind cannot be told now; it neither begins, ends nor breaks a dwell: what was last told of it holds,
        because a fault must not hide behind a reading that fails. A time before the last one is ignored.
        """
        if now.up_ms < self._last_up_ms:
            return []
        self._last_up_ms = now.up_ms
        changes = []
        for track in self._tracks:
            if track.rule.kind not in conditions:
                continue
            change = track.step(now, conditions[track.rule.kind], self.next_n)
            if change is not None:
                changes.append(change)
                self.next_n += change.state is FaultState.RAISED
        return changes

    def standing(self) -> tuple[FaultChange, ...]:
        """The faults that stand, most urgent first, each with its newest detail."""
        return tuple(track.standing for track in self._tracks if track.standing is not None)


# --- readings -> conditions -----------------------------------------------------------------------------------------


class Limits(Struct, frozen=True, kw_only=True):
    """From where on a reading is wrong. With FAULT_RULES, a reading every half second and 15 frames a second, the
    first four faults are raised within 5 s of their cause."""

    frame_age_ms: int = 2_500
    written_age_ms: int = 3_000
    analysis_window_ms: int = 4_000
    observations_in_window: int = 4
    """One a second: below that a dwell of 3 s rests on too few looks."""
    free_bytes: int = 2_000_000_000
    """EMS_STORAGE_LOW_BYTES: about three hours of recording at 1.5 Mbit/s."""
    sync_ms: float = 1_000
    """A power cut may take at most one second of video."""
    temperature_c: float = 80.0
    """A Raspberry Pi begins to slow itself down at 80 to 85 degrees."""
    clock_step_ms: int = 1_000


class Readings(Struct, frozen=True, kw_only=True):
    """What the desk measures of itself, in one moment. None where a reading fails: cannot tell.

    `_since_up_ms` says since when something is wanted (not since the last try to get it), None when it is not wanted
    now: its fault is then fine. `_trouble` is the text of an error that stands, None without one.
    """

    up_ms: int
    camera_since_up_ms: int | None = None
    last_frame_up_ms: int | None = None
    camera_trouble: str | None = None
    is_frozen: bool | None = None
    sitting_since_up_ms: int | None = None
    last_written_up_ms: int | None = None
    """The capture instant, or the instant of the write, of the last frame that is in the file."""
    recording_trouble: str | None = None
    analysis_since_up_ms: int | None = None
    observations_in_window: int | None = None
    """Observations made in the last `Limits.analysis_window_ms`."""
    vision_trouble: str | None = None
    free_bytes: int | None = None
    space: Look | None = None
    storage_trouble: str | None = None
    records_trouble: str | None = None
    sync_ms_worst: float | None = None
    """The slowest sync since the readings before these, None without any; one that still runs counts with its age."""
    is_power_low: bool | None = None
    temperature_c: float | None = None
    is_clock_ok: bool | None = None
    clock_step_ms: int = 0
    """How far the wall clock was set since the readings before these."""
    disconnected_since_up_ms: int | None = None
    """None: connected to the broker, and receipts come."""
    plan_refusals: tuple[str, ...] = ()
    """What of the hub's newest plan is not followed, a line each."""


Told = str | Literal[False] | None
"""A condition's answer: what is wrong, None for fine, False for cannot tell."""
_CANNOT_TELL: Literal[False] = False


def _quiet_ms(now_up_ms: int, since_up_ms: int, last_up_ms: int | None) -> int:
    return now_up_ms - max(since_up_ms, last_up_ms or 0)


def _camera_lost(readings: Readings, limits: Limits) -> Told:
    if readings.camera_since_up_ms is None:
        return None
    if readings.camera_trouble is not None:
        return readings.camera_trouble
    quiet_ms = _quiet_ms(readings.up_ms, readings.camera_since_up_ms, readings.last_frame_up_ms)
    return f"no picture for {quiet_ms / 1000:.1f} s" if quiet_ms > limits.frame_age_ms else None


def _camera_frozen(readings: Readings, limits: Limits) -> Told:
    if readings.is_frozen is None or isinstance(_camera_lost(readings, limits), str):
        return _CANNOT_TELL
    return "the picture does not change" if readings.is_frozen else None


def _recording_stopped(readings: Readings, limits: Limits) -> Told:
    if readings.sitting_since_up_ms is None:
        return None
    quiet_ms = _quiet_ms(readings.up_ms, readings.sitting_since_up_ms, readings.last_written_up_ms)
    if quiet_ms <= limits.written_age_ms:
        return None
    trouble = None if readings.recording_trouble is None else _in_words(readings.recording_trouble)
    causes = [trouble, _camera_lost(readings, limits), _storage_failed(readings, limits)]
    cause = next((f": {cause}" for cause in causes if isinstance(cause, str)), "")
    return f"nothing recorded for {quiet_ms / 1000:.1f} s{cause}"


def _analysis_stopped(readings: Readings, limits: Limits) -> Told:
    if readings.analysis_since_up_ms is None:
        return None
    is_new = readings.up_ms - readings.analysis_since_up_ms < limits.analysis_window_ms
    if is_new or readings.observations_in_window is None or isinstance(_camera_lost(readings, limits), str):
        return _CANNOT_TELL
    if readings.observations_in_window >= limits.observations_in_window:
        return None
    cause = f": {readings.vision_trouble}" if readings.vision_trouble else ""
    return f"{readings.observations_in_window} looks in {limits.analysis_window_ms / 1000:.0f} s{cause}"


def _storage_low(readings: Readings, limits: Limits) -> Told:
    if readings.free_bytes is None:
        return _CANNOT_TELL
    return why_low(readings.free_bytes, readings.space) if readings.free_bytes < limits.free_bytes else None


def _storage_slow(readings: Readings, limits: Limits) -> Told:
    worst_ms = readings.sync_ms_worst
    return f"a sync took {worst_ms:.0f} ms" if worst_ms is not None and worst_ms > limits.sync_ms else None


DISK_TROUBLES = {
    "full": "the card is full",
    "read-only": "the card can be read but not written",
    "gone": "the card is gone: taken out, unmounted, or its folder removed",
    "io": "the card answers with errors",
    "encoder": "the encoder failed",
}
"""The recorder's words for its troubles, for people; any other text stands for itself."""


def _in_words(trouble: str) -> str:
    return DISK_TROUBLES.get(trouble, trouble)


def _storage_failed(readings: Readings, limits: Limits) -> Told:
    found = (readings.storage_trouble, readings.records_trouble)
    troubles = [_in_words(text) for text in found if text is not None]
    return "; ".join(dict.fromkeys(troubles)) if troubles else None


def _clock_unsynced(readings: Readings, limits: Limits) -> Told:
    if readings.is_clock_ok is None:
        return _CANNOT_TELL
    return None if readings.is_clock_ok else "the wall clock is not set by a time server or the hub"


def _clock_stepped(readings: Readings, limits: Limits) -> Told:
    step_ms = readings.clock_step_ms
    return f"the wall clock was set by {step_ms / 1000:+.1f} s" if abs(step_ms) > limits.clock_step_ms else None


def _power_low(readings: Readings, limits: Limits) -> Told:
    if readings.is_power_low is None:
        return _CANNOT_TELL
    return "the supply voltage is too low" if readings.is_power_low else None


def _too_hot(readings: Readings, limits: Limits) -> Told:
    if readings.temperature_c is None:
        return _CANNOT_TELL
    return f"{readings.temperature_c:.0f} degrees Celsius" if readings.temperature_c >= limits.temperature_c else None


def _hub_unreachable(readings: Readings, limits: Limits) -> Told:
    since_up_ms = readings.disconnected_since_up_ms
    return None if since_up_ms is None else f"no hub for {(readings.up_ms - since_up_ms) / 1000:.0f} s"


def _plan_refused(readings: Readings, limits: Limits) -> Told:
    told = "; ".join(readings.plan_refusals)
    return (told if len(told) <= MAX_TOLD else f"{told[:MAX_TOLD]} ...") if told else None


CONDITIONS: dict[FaultKind, Callable[[Readings, Limits], Told]] = {
    FaultKind.CAMERA_LOST: _camera_lost,
    FaultKind.CAMERA_FROZEN: _camera_frozen,
    FaultKind.RECORDING_STOPPED: _recording_stopped,
    FaultKind.ANALYSIS_STOPPED: _analysis_stopped,
    FaultKind.STORAGE_LOW: _storage_low,
    FaultKind.STORAGE_SLOW: _storage_slow,
    FaultKind.STORAGE_FAILED: _storage_failed,
    FaultKind.CLOCK_UNSYNCED: _clock_unsynced,
    FaultKind.CLOCK_STEPPED: _clock_stepped,
    FaultKind.POWER_LOW: _power_low,
    FaultKind.TOO_HOT: _too_hot,
    FaultKind.HUB_UNREACHABLE: _hub_unreachable,
    FaultKind.PLAN_REFUSED: _plan_refused,
}


def conditions(readings: Readings, limits: Limits) -> dict[FaultKind, str | None]:
    """What is wrong (a text) or fine (None) by these readings; a kind that cannot be told is left out."""
    told = {kind: condition(readings, limits) for kind, condition in CONDITIONS.items()}
    return {kind: text for kind, text in told.items() if text is not False}
