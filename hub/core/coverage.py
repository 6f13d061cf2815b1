"""Proof of coverage: of a seat's sitting, what was recorded, what was not and why, and whether a person was told.

Every millisecond that is due is either recorded or missing, once: two desk units that recorded at a time count once,
and a gap that was told where there is film after all does not count. Missing time that no desk has explained is named
as that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agent.wire import FaultKind
from hub.core import spans
from hub.core.film import BORDER_MS, OPEN_TAIL_MS, Gap
from hub.core.spans import Span

EDGE_MS = 1_000
"""A first picture within a second of the start, and a last one within a second of the end, are in time
(agent.core.gaps)."""
UNKNOWN = "unknown"
NOT_TOLD = "not_told_yet"
NO_DESK = "no_desk"
CAUSES = {
    UNKNOWN: "Cause unknown",
    NOT_TOLD: "Not told yet",
    NO_DESK: "No desk unit",
}
"""Beside the desks' own causes: the unit was heard of since and has no more to tell; it may still tell; nobody was
there."""
STOPS_RECORDING = frozenset(
    {
        FaultKind.CAMERA_LOST,
        FaultKind.CAMERA_FROZEN,
        FaultKind.RECORDING_STOPPED,
        FaultKind.STORAGE_LOW,
        FaultKind.STORAGE_SLOW,
        FaultKind.STORAGE_FAILED,
        FaultKind.POWER_LOW,
        FaultKind.PLAN_REFUSED,
    }
)
"""Faults by which a person learns that recording is at risk; a wrong clock or a silent network is another matter."""


class Fault(NamedTuple):
    """A fault at the seat: on the lamp from `raised_utc_ms` (desk clock), on the dashboard from `received_utc_ms`."""

    kind: str
    began_utc_ms: int
    raised_utc_ms: int
    cleared_utc_ms: int | None
    received_utc_ms: int


class Absence(NamedTuple):
    """The dashboard showed the seat's desk as offline or not answering; None: it still does."""

    from_utc_ms: int
    until_utc_ms: int | None


class Told(NamedTuple):
    """That a person could see it: `where` is `lamp` or `dashboard`; `what` is a fault's kind, or
    `desk_not_answering`."""

    where: str
    at_utc_ms: int
    what: str


class Missing(NamedTuple):
    """A stretch without recording. `told` is empty when nobody was told."""

    from_utc_ms: int
    until_utc_ms: int
    cause: str
    detail: str
    is_length_known: bool
    told: tuple[Told, ...]


class Coverage(NamedTuple):
    """`due_ms` is what should have been recorded by now, of `planned_ms`; recorded and missing add up to it. `missing`
    names every stretch of it but breaks of less than four pictures."""

    planned_ms: int
    due_ms: int
    recorded_ms: int
    recorded: tuple[Span, ...]
    missing: tuple[Missing, ...]

    @property
    def missing_ms(self) -> int:
        return self.due_ms - self.recorded_ms

    @property
    def per_cent(self) -> float | None:
        """Of what is due, two digits, rounded down: 100 means all of it. None while nothing is due."""
        return None if not self.due_ms else self.recorded_ms * 10_000 // self.due_ms / 100


class Known(NamedTuple):
    """What the hub knows of a seat in a sitting. `recorded` in any order. `told_until_utc_ms`: until when its desk has
    told all it had to tell; None when it was never heard of. `has_desk`: whether there is or was a unit."""

    recorded: Sequence[Span]
    gaps: Sequence[Gap] = ()
    faults: Sequence[Fault] = ()
    absences: Sequence[Absence] = ()
    told_until_utc_ms: int | None = None
    has_desk: bool = True


def coverage(start_utc_ms: int, end_utc_ms: int, now_utc_ms: int, known: Known) -> Coverage:
    """The report at `now_utc_ms`. What a desk is just writing and has not told is not due yet."""
    newest = max((end for _, end in known.recorded), default=start_utc_ms)
    horizon = min(end_utc_ms, max(newest, now_utc_ms - OPEN_TAIL_MS))
    due = [(start_utc_ms, horizon)] if horizon > start_utc_ms else []
    recorded = spans.within(spans.union(known.recorded, closing_ms=BORDER_MS), due)
    missing = [
        part
        for hole in spans.without(due, recorded)
        if hole[1] - hole[0] >= (EDGE_MS if hole[0] == start_utc_ms or hole[1] == end_utc_ms else BORDER_MS)
        for part in _explained(hole, known)
    ]
    return Coverage(
        planned_ms=end_utc_ms - start_utc_ms,
        due_ms=spans.length_ms(due),
        recorded_ms=spans.length_ms(recorded),
        recorded=tuple(recorded),
        missing=tuple(missing),
    )


def _explained(hole: Span, known: Known) -> list[Missing]:
    """The hole in stretches of one cause each."""
    left, found = [hole], []
    for gap in sorted(known.gaps, key=lambda each: (each.began_utc_ms, each.ended_utc_ms)):
        for begin, end in spans.within(left, [(gap.began_utc_ms, gap.ended_utc_ms)]):
            found.append((begin, end, gap.cause, gap.detail, gap.is_length_known))
        left = spans.without(left, [(gap.began_utc_ms, gap.ended_utc_ms)])
    if not known.has_desk:
        found += [(begin, end, NO_DESK, "", True) for begin, end in left]
    else:
        until = known.told_until_utc_ms or 0
        found += [(begin, end, UNKNOWN, "", True) for begin, end in spans.within(left, [(0, until)])]
        found += [(begin, end, NOT_TOLD, "", True) for begin, end in spans.without(left, [(0, until)])]
    return [Missing(*each, told=_told(each[0], each[1], known)) for each in _whole(sorted(found))]


def _whole(found: Sequence[tuple[int, int, str, str, bool]]) -> list[tuple[int, int, str, str, bool]]:
    """Crumbs at the ends of a gap's record, which no two clocks agree on, count to the stretch beside them."""
    kept: list[tuple[int, int, str, str, bool]] = []
    for each in found:
        if kept and (each[1] - each[0] < BORDER_MS or kept[-1][2:] == each[2:]):
            kept[-1] = (kept[-1][0], each[1], *kept[-1][2:])
        elif kept and kept[-1][1] - kept[-1][0] < BORDER_MS:
            kept[-1] = (kept[-1][0], *each[1:])
        else:
            kept.append(each)
    return kept


def _told(begin: int, end: int, known: Known) -> tuple[Told, ...]:
    """What stood on the lamp or the dashboard at some time of the stretch, the first of each kind."""
    told: list[Told] = []
    for fault in known.faults:
        stood = fault.began_utc_ms <= end and (fault.cleared_utc_ms is None or fault.cleared_utc_ms >= begin)
        if stood and fault.kind in STOPS_RECORDING:
            told.append(Told("lamp", fault.raised_utc_ms, fault.kind))
            told.append(Told("dashboard", fault.received_utc_ms, fault.kind))
    for absence in known.absences:
        if absence.from_utc_ms <= end and (absence.until_utc_ms is None or absence.until_utc_ms >= begin):
            told.append(Told("dashboard", absence.from_utc_ms, "desk_not_answering"))
    if not known.has_desk:
        told.append(Told("dashboard", begin, NO_DESK))
    elif known.told_until_utc_ms is None and not known.recorded and not known.gaps:
        told.append(Told("dashboard", begin, "desk_not_answering"))
    first: dict[tuple[str, str], Told] = {}
    for each in sorted(told, key=lambda one: one.at_utc_ms):
        first.setdefault((each.where, each.what), each)
    return tuple(first.values())


def together(reports: Iterable[Coverage]) -> tuple[int, int]:
    """(recorded, due) of all of them, milliseconds."""
    found = list(reports)
    return sum(each.recorded_ms for each in found), sum(each.due_ms for each in found)
