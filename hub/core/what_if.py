"""What would have been raised with another dwell: a sitting's spans of what its desk saw, judged again. Pure.

The desk judges single looks (`agent.core.judge`); the hub has their summary, spans in which one thing was seen, without
what lasted less than a second (`FLICKER_MS` of the desk). So this follows the judge's rules on spans: a dwell is an
unbroken row of spans that tell the same; spans that cannot tell do not count and end it only when they last longer than
MAX_GAP_MS; a time in which nobody looked ends it.

With the rule's own dwell it finds what the desk raised, where nothing lasts less than a second: as many, each begun
and raised within TOLERANCE_MS, unless the condition lasted just as long as the dwell, give or take TOLERANCE_MS. What
flickers faster is joined into its longer neighbour in the summary, so that a dwell which the desk began anew goes on
here. Thresholds, masks and witnesses cannot be judged again here at all: the numbers they are compared with stay at the
desk (`ems-agent replay`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agent.wire import AlertKind, Observed

MAX_GAP_MS = 2_000
"""As the desk's judge has it (`agent.core.judge.MAX_GAP_S`): a test holds them equal."""
TOLERANCE_MS = 1_000
"""One flicker, in which the summary may differ from the looks."""

CAN_JUDGE = frozenset({AlertKind.SEAT_EMPTY, AlertKind.FACE_NOT_VISIBLE, AlertKind.MORE_THAN_ONE_FACE})
"""The rules about the person at the seat; of the camera's view the summary tells nothing."""
SUSPENDED_BY_BREAKS = frozenset({AlertKind.SEAT_EMPTY, AlertKind.FACE_NOT_VISIBLE})


class Seen(NamedTuple):
    """A stretch in which one thing was seen: on the desk's wall clock and on its boot clock, which alone is counted."""

    utc_ms: int
    up_ms: int
    length_ms: int
    seat: str
    faces: int


class Would(NamedTuple):
    """One alert as it would have been; `cleared_utc_ms` None: it stood at the end."""

    began_utc_ms: int
    raised_utc_ms: int
    cleared_utc_ms: int | None


def seen_of(observed: Iterable[Observed], sitting: str, pauses: Sequence[tuple[int, int]] = ()) -> list[list[Seen]]:
    """The spans of one desk in a sitting, in order; a list for each start of its machine. What lies in a pause (UTC)
    is nothing seen: the rules about an absent person were suspended."""
    starts: list[list[Seen]] = []
    end_up_ms = end_utc_ms = -1
    records = sorted(
        (each for each in observed if each.sitting == sitting), key=lambda each: (each.began.utc_ms, each.began.up_ms)
    )
    for record in records:
        is_again = record.began.up_ms < end_up_ms and record.began.utc_ms >= end_utc_ms  # not the same one told twice
        if not starts or is_again:
            starts.append([])
            end_up_ms = -1
        for span in record.spans:
            seen = Seen(
                record.began.utc_ms + span.start_ms,
                record.began.up_ms + span.start_ms,
                span.length_ms,
                span.seat,
                span.faces,
            )
            if seen.up_ms < end_up_ms or seen.length_ms <= 0:
                continue
            if starts[-1] and seen.up_ms > end_up_ms:
                starts[-1][-1] = _looked_at(starts[-1][-1])
            starts[-1].append(seen)
            end_up_ms, end_utc_ms = seen.up_ms + seen.length_ms, seen.utc_ms + seen.length_ms
    return [[left for seen in spans for left in _without(seen, pauses)] for spans in starts]


def _looked_at(last: Seen) -> Seen:
    """The desk lets its last look before a silence hold for MAX_GAP_MS. Nobody looked then: it counts for nothing."""
    return last._replace(length_ms=max(last.length_ms - MAX_GAP_MS, 0))


def _without(seen: Seen, pauses: Sequence[tuple[int, int]]) -> list[Seen]:
    left = [(seen.utc_ms, seen.utc_ms + seen.length_ms)]
    for begin, end in pauses:
        left = [
            part for low, high in left for part in ((low, min(high, begin)), (max(low, end), high)) if part[1] > part[0]
        ]
    return [seen._replace(utc_ms=low, up_ms=seen.up_ms + low - seen.utc_ms, length_ms=high - low) for low, high in left]


def _tells(kind: AlertKind, seen: Seen) -> bool | None:
    """Whether the rule's condition holds in this stretch; None: it cannot be told."""
    if seen.seat == "unknown":
        return None
    if kind is AlertKind.SEAT_EMPTY:
        return seen.seat == "empty"
    if kind is AlertKind.FACE_NOT_VISIBLE:
        return seen.seat == "somebody"
    return seen.seat == "face" and seen.faces > 1


class _Dwell:
    """One rule over the spans of one start of a machine."""

    def __init__(self, kind: AlertKind, raise_ms: int, clear_ms: int) -> None:
        self._kind, self._raise_ms, self._clear_ms = kind, raise_ms, clear_ms
        self._standing: Would | None = None
        self._told_up_ms = self._end_up_ms = -MAX_GAP_MS
        self._began_utc_ms: int | None = None
        self._counted_ms = 0
        self.found: list[Would] = []

    def step(self, seen: Seen) -> None:
        if seen.up_ms > self._end_up_ms:
            self._began_utc_ms = None
        self._end_up_ms = seen.up_ms + seen.length_ms
        told = _tells(self._kind, seen)
        if told is None:
            return
        if seen.up_ms - self._told_up_ms > MAX_GAP_MS:
            self._began_utc_ms = None
        self._told_up_ms = seen.up_ms + seen.length_ms
        at_ms = 0
        while at_ms < seen.length_ms:
            if told is (self._standing is not None):
                self._began_utc_ms = None
                return
            needed_ms = self._clear_ms if self._standing else self._raise_ms
            if self._began_utc_ms is None:
                self._began_utc_ms, self._counted_ms = seen.utc_ms + at_ms, 0
            missing_ms = needed_ms - self._counted_ms
            if seen.length_ms - at_ms < missing_ms:
                self._counted_ms += seen.length_ms - at_ms
                return
            at_ms += max(missing_ms, 0)
            self._turn(seen.utc_ms + at_ms)

    def _turn(self, utc_ms: int) -> None:
        began, self._began_utc_ms = self._began_utc_ms, None
        if self._standing is None:
            self._standing = Would(utc_ms if began is None else began, utc_ms, None)
        else:
            self.found.append(self._standing._replace(cleared_utc_ms=utc_ms))
            self._standing = None

    def end(self) -> list[Would]:
        return [*self.found, *([self._standing] if self._standing else [])]


def judge(
    starts: Iterable[Sequence[Seen]], kind: AlertKind, raise_s: float, clear_s: float, wait_s: float = 0.0
) -> list[Would]:
    """What would have been raised, oldest first. `wait_s` comes on top of `raise_s`: the longer dwell of a desk that
    has no picture of its empty seat. Raises ValueError for a kind that is not in CAN_JUDGE."""
    if kind not in CAN_JUDGE:
        raise ValueError(f"{kind} cannot be judged from what was seen")
    found: list[Would] = []
    for spans in starts:
        dwell = _Dwell(kind, round((raise_s + wait_s) * 1000), round(clear_s * 1000))
        for seen in spans:
            dwell.step(seen)
        found += dwell.end()
    return found


def watched_ms(starts: Iterable[Sequence[Seen]]) -> int:
    """How long something was seen."""
    return sum(seen.length_ms for spans in starts for seen in spans)
