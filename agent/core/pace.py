"""How often to look: as often as wanted when all is well, less often when the unit is hot or late, never silently.

Each step down is a latch of its own: it falls in at one reading and is let go only when the reading was better by a
margin for a while, so that the rate does not flap. The slowest step that holds decides. So a hotter unit never looks
more often than a cooler one that had the same past.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

LEAST_FPS = 1.25
"""Below this it does not go by its own choice: four seconds must hold four looks, else the fault `analysis_stopped` is
raised (`agent.core.faults.Limits`), and dwells of 3 s would rest on too few."""
LATE_SHARE = 0.5
"""A look may take this share of its period: one of the Pi's cores then is at most half taken, the rest is the
encoder's."""
EASED = 0.8
"""A step for lateness is let go when looks at the faster rate would take this much of LATE_SHARE."""
COOLER_C = 2.0
"""A step for heat is let go this much below where it fell in."""
LET_GO_MS = 10_000
"""As long as the fault `too_hot` waits: what is good for a moment is no news."""


class Step(NamedTuple):
    """A share of the wanted rate, and the temperature in degrees Celsius from which it is gone down to for heat."""

    share: float
    hot_c: float


STEPS = (Step(0.75, 75.0), Step(0.5, 77.0), Step(0.25, 79.0))
"""The last below 80: there a Raspberry Pi begins to slow itself down, and the fault `too_hot` is raised."""


class Pace(Struct, frozen=True):
    """Looks a second, and why they are fewer than wanted; '' when they are not."""

    fps: float
    wanted_fps: float
    reason: str = ""


class _Latch:
    def __init__(self) -> None:
        self.is_held = False
        self._better_since_up_ms: int | None = None

    def step(self, up_ms: int, is_wrong: bool, is_better: bool) -> bool:
        if is_wrong:
            self.is_held = True
        if is_wrong or not is_better:
            self._better_since_up_ms = None
        elif self._better_since_up_ms is None:
            self._better_since_up_ms = up_ms
        if self._better_since_up_ms is not None and up_ms - self._better_since_up_ms >= LET_GO_MS:
            self.is_held = False
        return self.is_held


class PaceKeeper:
    """`wanted_fps` is the setting; it is never exceeded, and may itself lie below LEAST_FPS."""

    def __init__(self, wanted_fps: float) -> None:
        self._wanted_fps = wanted_fps
        self._hot = tuple(_Latch() for _ in STEPS)
        self._late = tuple(_Latch() for _ in STEPS)

    def step(self, up_ms: int, vision_ms: float | None, temperature_c: float | None) -> Pace:
        """The rate from `up_ms` on, boot time. `vision_ms` is what looks take of late, on average; None for either:
        cannot tell, and what holds goes on holding."""
        hot = late = 0
        faster = 1.0
        for n, step in enumerate(STEPS, start=1):
            if temperature_c is not None:
                is_cooler = temperature_c < step.hot_c - COOLER_C
                self._hot[n - 1].step(up_ms, temperature_c >= step.hot_c, is_cooler)
            if vision_ms is not None:
                taken = vision_ms / 1000 * self._fps_at(faster) / LATE_SHARE
                self._late[n - 1].step(up_ms, taken > 1, taken < EASED)
            hot = n if self._hot[n - 1].is_held else hot
            late = n if self._late[n - 1].is_held else late
            faster = step.share
        slowest = max(hot, late)
        if slowest == 0:
            return Pace(self._wanted_fps, self._wanted_fps)
        fps = self._fps_at(STEPS[slowest - 1].share)
        is_slowed = fps < self._wanted_fps
        return Pace(fps, self._wanted_fps, _reason(hot, late, vision_ms, temperature_c) if is_slowed else "")

    def _fps_at(self, share: float) -> float:
        return min(self._wanted_fps, max(LEAST_FPS, self._wanted_fps * share))


def _reason(hot: int, late: int, vision_ms: float | None, temperature_c: float | None) -> str:
    reasons = []
    if hot >= late:
        reasons.append("hot" if temperature_c is None else f"hot: {temperature_c:.0f} degrees Celsius")
    if late >= hot:
        reasons.append("late" if vision_ms is None else f"late: a look takes {vision_ms:.0f} ms")
    return ", ".join(reasons)
