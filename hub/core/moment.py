"""The two minutes around the moment an incident began, as bars on lanes: what the desk saw, how its rule came to raise
and to clear, and what people did there. Times are the desk's, places in per cent, as `hub.core.timeline` draws them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from agent.wire import Observed
from hub.core.film import Part, Where
from hub.core.timeline import Bar, Scale, Timeline, timeline, words_of_part

AROUND_MS = 60_000
BREAK_WORDS = {"toilet": "Break: toilet", "rest": "Break: rest"}


class Moment(NamedTuple):
    """`line` is the stretch as the film's timeline tells it. `dwells`: while the rule's condition held and was not
    raised yet; `clearing`: while it was gone and not cleared yet; `standing`: from raised to cleared.
    `missing`: no film. `people`: presses, breaks, bookmarks."""

    line: Timeline
    dwells: tuple[Bar, ...]
    standing: tuple[Bar, ...]
    clearing: tuple[Bar, ...]
    missing: tuple[Bar, ...]
    people: tuple[Bar, ...]


class Done(NamedTuple):
    """What people did at the seat: `kind` is 'press', 'break' or 'bookmark'. `until_utc_ms` None: still, or a moment
    where it equals the begin."""

    kind: str
    words: str
    from_utc_ms: int
    until_utc_ms: int | None


def stretch(began_utc_ms: int) -> tuple[int, int]:
    """From a minute before to a minute after."""
    return max(began_utc_ms - AROUND_MS, 0), began_utc_ms + AROUND_MS


def moment(
    began_utc_ms: int,
    parts: Sequence[Part],
    own: Sequence[Mapping[str, Any]],
    alerts: Iterable[Mapping[str, Any]],
    faults: Iterable[Mapping[str, Any]],
    observed: Iterable[Observed],
    done: Iterable[Done],
) -> Moment:
    """`own`: the incident's alerts, with `clear_ms` of their rule; `alerts` and `faults`: all of the seat's desks then;
    `parts`: the film, which need not reach to the end of the stretch."""
    begin, end = stretch(began_utc_ms)
    scale = Scale(begin, end)
    whole = [*parts] if parts else [Part(Where.UNTOLD, begin, end)]
    whole[0] = whole[0]._replace(from_utc_ms=begin)
    if whole[-1].until_utc_ms < end:
        whole.append(Part(Where.UNTOLD, whole[-1].until_utc_ms, end))
    raised = [row["raised_utc_ms"] for row in own]
    marks = [(began_utc_ms, "It began"), *((utc_ms, "Raised") for utc_ms in raised[:1])]
    line = timeline(whole, alerts, faults, observed, moments=marks)
    assert line is not None  # the parts reach from end to end
    return Moment(
        line=line,
        dwells=tuple(
            scale.bar("dwell", "Held, not raised yet", row["began_utc_ms"], row["raised_utc_ms"])
            for row in own
            if _is_seen(row["began_utc_ms"], row["raised_utc_ms"], begin, end)
        ),
        standing=tuple(
            scale.bar("alert", "Raised", row["raised_utc_ms"], row["cleared_utc_ms"])
            for row in own
            if _is_seen(row["raised_utc_ms"], row["cleared_utc_ms"], begin, end)
        ),
        clearing=tuple(
            scale.bar("clearing", "Gone, not cleared yet", gone, row["cleared_utc_ms"])
            for row in own
            if row["cleared_utc_ms"] is not None
            and _is_seen(
                gone := max(row["cleared_utc_ms"] - row["clear_ms"], row["raised_utc_ms"]),
                row["cleared_utc_ms"],
                begin,
                end,
            )
        ),
        missing=tuple(
            scale.bar(part.where.value, words_of_part(part), part.from_utc_ms, part.until_utc_ms)
            for part in parts
            if part.where in (Where.GAP, Where.UNKNOWN)
        ),
        people=tuple(
            scale.bar(each.kind, each.words, each.from_utc_ms, each.until_utc_ms)
            for each in done
            if _is_seen(each.from_utc_ms, each.until_utc_ms, begin, end)
        ),
    )


def _is_seen(from_utc_ms: int, until_utc_ms: int | None, begin: int, end: int) -> bool:
    return from_utc_ms <= end and (until_utc_ms is None or until_utc_ms >= begin)


def seen_at(observed: Iterable[Observed], utc_ms: int) -> str:
    """What a desk saw at that moment: a key of `hub.core.timeline.SEEN_WORDS`, '' when nothing was told of it."""
    for record in observed:
        for span in record.spans:
            begin = record.began.utc_ms + span.start_ms
            if begin <= utc_ms < begin + span.length_ms:
                return "many" if span.seat == "face" and span.faces > 1 else span.seat
    return ""
