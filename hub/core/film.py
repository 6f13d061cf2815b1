"""The film of a seat as values: which segments show a stretch of time, in which order, and where there is none and why.

Time in a clip is time that passed: a hole in the recording is a hole in the clip, during which the last picture stands.
Within one start of a desk's agent the distances are those of its boot clock, which nobody sets; between two starts, or
two desk units, those of the wall clock. So nothing is doubled or lost when a clock was corrected in the middle.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hub.core import spans
from hub.core.spans import Span

PRE_ROLL_MS = 30_000
POST_ROLL_MS = 15_000
BORDER_MS = 250
"""Less than four pictures: between two segments no gap that anybody records (`agent.core.gaps`)."""
OPEN_TAIL_MS = 15_000
"""The newest recording that no desk has closed and told yet: a segment of 10 s, and its way here."""
TAKE_MS = 180_000
"""The longest stretch in one file for a page: made whole in 0.2 s (`python -m tests.bench remux`), begun at once, and
seekable; an hour takes some seconds."""
LONGEST_HOLE_MS = 5_000
"""A longer hole ends a take: the page says what is missing and goes on behind it, and nobody watches a still
picture."""


class Segment(NamedTuple):
    """A closed file of the recording, as the store has it."""

    unit: str
    boot: int
    seq: int
    name: str
    sitting: str
    began_utc_ms: int
    ended_utc_ms: int
    began_up_ms: int
    ended_up_ms: int
    frames: int
    size_bytes: int
    sha256: str
    is_stored: bool
    purge_number: int | None = None
    is_purged: bool = False

    @property
    def is_playable(self) -> bool:
        return self.is_stored and not self.is_purged

    @property
    def span(self) -> Span:
        return self.began_utc_ms, self.ended_utc_ms


class Placed(NamedTuple):
    """A segment and the clip's time of its first picture, counted from the first picture of the first segment."""

    segment: Segment
    at_ms: int

    @property
    def end_ms(self) -> int:
        return self.at_ms + self.segment.ended_up_ms - self.segment.began_up_ms


class Cut(NamedTuple):
    """What to put into one file: these segments, of which what lies in [from_ms, until_ms) of their time."""

    placed: tuple[Placed, ...]
    from_ms: int
    until_ms: int

    @property
    def from_utc_ms(self) -> int:
        return self.placed[0].segment.began_utc_ms + self.from_ms

    @property
    def until_utc_ms(self) -> int:
        last = self.placed[-1]
        return last.segment.began_utc_ms + self.until_ms - last.at_ms


class Piece(NamedTuple):
    """From `clip_ms` on, for `length_ms`, a clip shows the time from `utc_ms` on; between two pieces it shows
    nothing."""

    clip_ms: int
    utc_ms: int
    length_ms: int


def in_order(segments: Iterable[Segment]) -> list[Segment]:
    """As they were recorded. Of two desk units that recorded one seat at a time, the one that began first is shown for
    as long as it lasts."""
    by_unit: dict[str, list[Segment]] = {}
    for segment in segments:
        by_unit.setdefault(segment.unit, []).append(segment)
    if len(by_unit) == 1:
        return sorted(next(iter(by_unit.values())), key=lambda each: (each.boot, each.seq))
    ordered: list[Segment] = []
    for segment in sorted((s for each in by_unit.values() for s in each), key=lambda s: (s.began_utc_ms, s.unit)):
        last = ordered[-1] if ordered else None
        if last is None or segment.unit == last.unit or segment.began_utc_ms > last.ended_utc_ms - BORDER_MS:
            ordered.append(segment)
    return ordered


def place(segments: Sequence[Segment]) -> tuple[Placed, ...]:
    """Each with its time in a clip of all of them; they are in order."""
    placed: list[Placed] = []
    for segment in segments:
        at_ms = 0
        if placed:
            before = placed[-1]
            is_one_clock = (before.segment.unit, before.segment.boot) == (segment.unit, segment.boot)
            passed_ms = (
                segment.began_up_ms - before.segment.ended_up_ms
                if is_one_clock
                else segment.began_utc_ms - before.segment.ended_utc_ms
            )
            at_ms = before.end_ms + max(passed_ms, 0)
        placed.append(Placed(segment, at_ms))
    return tuple(placed)


def cut(segments: Sequence[Segment], from_utc_ms: int, until_utc_ms: int) -> Cut | None:
    """All that can be played of the stretch as one clip, its holes kept; None when nothing can."""
    playable = [s for s in segments if s.is_playable and s.ended_utc_ms > from_utc_ms and s.began_utc_ms < until_utc_ms]
    return _cut(in_order(playable), from_utc_ms, until_utc_ms) if playable else None


def takes(segments: Sequence[Segment], from_utc_ms: int, until_utc_ms: int) -> list[Cut]:
    """The stretch in files of TAKE_MS or a little more, each of one desk unit and without a long hole."""
    whole = cut(segments, from_utc_ms, until_utc_ms)
    runs: list[list[Placed]] = []
    for placed in whole.placed if whole is not None else ():
        if not runs or _is_apart(runs[-1], placed):
            runs.append([])
        runs[-1].append(placed)
    return [_cut([placed.segment for placed in run], from_utc_ms, until_utc_ms) for run in runs]


def _is_apart(run: Sequence[Placed], placed: Placed) -> bool:
    return (
        run[0].segment.unit != placed.segment.unit
        or placed.at_ms - run[-1].end_ms > LONGEST_HOLE_MS
        or placed.at_ms - run[0].at_ms >= TAKE_MS
    )


def _cut(ordered: Sequence[Segment], from_utc_ms: int, until_utc_ms: int) -> Cut:
    placed = place(ordered)
    first, last = placed[0], placed[-1]
    from_ms = max(from_utc_ms - first.segment.began_utc_ms, 0)
    until_ms = last.at_ms + min(until_utc_ms, last.segment.ended_utc_ms) - last.segment.began_utc_ms
    return Cut(placed, from_ms, until_ms)


def pieces(found: Cut, begin_ms: int) -> tuple[Piece, ...]:
    """When what is shown. `begin_ms` is the key picture that the clip really begins with, at or before `from_ms`."""
    told: list[Piece] = []
    for segment, at_ms in found.placed:
        begin = max(at_ms, begin_ms)
        end = min(at_ms + segment.ended_up_ms - segment.began_up_ms, found.until_ms)
        if end <= begin:
            continue
        piece = Piece(begin - begin_ms, segment.began_utc_ms + begin - at_ms, end - begin)
        if told and _follows(told[-1], piece):
            last = told[-1]
            piece = last._replace(length_ms=piece.clip_ms + piece.length_ms - last.clip_ms)
            told.pop()
        told.append(piece)
    return tuple(told)


def _follows(last: Piece, piece: Piece) -> bool:
    clip_ms, utc_ms = piece.clip_ms - last.clip_ms, piece.utc_ms - last.utc_ms
    return clip_ms - last.length_ms < BORDER_MS and abs(clip_ms - utc_ms) < BORDER_MS


# --- what is where --------------------------------------------------------------------------------------------------


class Where(enum.StrEnum):
    """What became of a moment. `untold`: the desk may still tell of it; `unknown`: it has told all it had to, and not
    this; `outside`: no sitting was on, so that nothing was due."""

    STORED = "stored"
    ON_DESK = "on_desk"
    PURGED = "purged"
    WRITTEN = "written"
    GAP = "gap"
    UNTOLD = "untold"
    UNKNOWN = "unknown"
    OUTSIDE = "outside"


class Gap(NamedTuple):
    """A stretch that a desk has told it did not record."""

    began_utc_ms: int
    ended_utc_ms: int
    cause: str
    is_length_known: bool = True
    detail: str = ""
    received_utc_ms: int | None = None
    unit: str = ""


class Part(NamedTuple):
    """A stretch and what became of it: `number` of the certificate when purged, `gap` when there is none."""

    where: Where
    from_utc_ms: int
    until_utc_ms: int
    number: int | None = None
    gap: Gap | None = None


def parts(
    from_utc_ms: int,
    until_utc_ms: int,
    segments: Sequence[Segment],
    gaps: Sequence[Gap],
    open_from_utc_ms: int,
    told_until_utc_ms: int = 0,
) -> list[Part]:
    """The stretch from end to end, each moment once. What was recorded is so, whatever else was told of that time; from
    `open_from_utc_ms` on a desk is still writing what it has not told; until `told_until_utc_ms` it has told all."""
    left: list[Span] = [(from_utc_ms, until_utc_ms)] if until_utc_ms > from_utc_ms else []
    found: list[Part] = []

    def take(there: Iterable[Span], where: Where, number: int | None = None, gap: Gap | None = None) -> None:
        nonlocal left
        taken = spans.union(there, closing_ms=BORDER_MS)
        found.extend(Part(where, begin, end, number, gap) for begin, end in spans.within(taken, left))
        left = spans.without(left, taken)

    take((s.span for s in segments if s.is_playable), Where.STORED)
    take((s.span for s in segments if not s.is_playable and not s.is_purged), Where.ON_DESK)
    for number in sorted({s.purge_number or 0 for s in segments if s.is_purged}):
        take((s.span for s in segments if s.is_purged and (s.purge_number or 0) == number), Where.PURGED, number)
    for gap in sorted(gaps, key=lambda each: (each.began_utc_ms, each.ended_utc_ms, each.cause)):
        take([(gap.began_utc_ms, gap.ended_utc_ms)], Where.GAP, gap=gap)
    take([(open_from_utc_ms, until_utc_ms)], Where.WRITTEN)
    take([(from_utc_ms, told_until_utc_ms)], Where.UNKNOWN)
    take(list(left), Where.UNTOLD)
    return _without_crumbs(sorted(found, key=lambda part: part.from_utc_ms))


def outside_told(found: Sequence[Part], sittings: Sequence[Span]) -> list[Part]:
    """The same parts, where what nobody has told of a time without a sitting is OUTSIDE: nothing was missed then."""
    told: list[Part] = []
    for part in found:
        if part.where not in (Where.UNTOLD, Where.UNKNOWN):
            told.append(part)
            continue
        whole = [(part.from_utc_ms, part.until_utc_ms)]
        due = spans.within(spans.union(sittings), whole)
        told += [part._replace(from_utc_ms=begin, until_utc_ms=end) for begin, end in due]
        told += [Part(Where.OUTSIDE, begin, end) for begin, end in spans.without(whole, due)]
    return _without_crumbs(sorted(told, key=lambda part: part.from_utc_ms))


def _without_crumbs(found: Sequence[Part]) -> list[Part]:
    """What is shorter than four pictures and belongs to nothing is drawn as part of what lies before it."""
    kept: list[Part] = []
    for part in found:
        is_crumb = part.where in (Where.UNTOLD, Where.UNKNOWN) and part.until_utc_ms - part.from_utc_ms < BORDER_MS
        if kept and (
            is_crumb or kept[-1]._replace(until_utc_ms=part.until_utc_ms, from_utc_ms=part.from_utc_ms) == part
        ):
            kept[-1] = kept[-1]._replace(until_utc_ms=part.until_utc_ms)
        else:
            kept.append(part)
    return kept


def incident_stretch(began_utc_ms: int, cleared_utc_ms: int | None, now_utc_ms: int) -> Span:
    """An incident's film: half a minute before it began, to a quarter after it was over, or until now."""
    begin = max(began_utc_ms - PRE_ROLL_MS, 0)
    return begin, max(now_utc_ms if cleared_utc_ms is None else cleared_utc_ms + POST_ROLL_MS, begin + 1000)
