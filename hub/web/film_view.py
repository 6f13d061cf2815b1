"""A seat's film as a page shows it: what can be played, what is missing and why, and the timeline."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from agent.wire import Heartbeat
from hub.core import film
from hub.core.board import CAUSE_WORDS, words_of
from hub.core.coverage import EDGE_MS
from hub.core.film import Part, Where
from hub.core.presence import OFFLINE_AFTER_MS, SILENT_AFTER_MS
from hub.core.timeline import Timeline, timeline, words_of_part
from hub.store import film as store
from hub.store.film import Reel, Seat
from hub.web.clock import now_utc_ms, short_text, size_text
from hub.web.language import gettext as _
from hub.web.parts import parts

REASONS = {
    "review": "Review of what happened",
    "appeal": "Appeal",
    "technical": "Technical check",
    "other": "Other",
}
"""Why somebody looks at a sitting that is over."""


class Line(NamedTuple):
    """A stretch without film to play, in words; `icon` names a shape of `icons.svg`."""

    icon: str
    from_utc_ms: int
    until_utc_ms: int
    words: str
    detail: str


class View(NamedTuple):
    """`moment_utc_ms` is the marked one, None without; `at_utc_ms` where playing begins. `is_pending`: more may come by
    itself. `may_fetch`: something is on the desk that nobody has asked for."""

    seat: Seat
    from_utc_ms: int
    until_utc_ms: int
    at_utc_ms: int
    moment_utc_ms: int | None
    incident_id: int | None
    sitting: str
    lines: tuple[Line, ...]
    has_film: bool
    is_pending: bool
    needs_reason: bool
    may_fetch: bool
    asked_by: str
    timeline: Timeline | None


def of_incident(row: dict[str, Any]) -> View | None:
    """The film of an incident; None when its seat is there no more."""
    seat = store.seat_of_incident(parts().store, row)
    if seat is None:
        return None
    now = now_utc_ms()
    begin, end = film.incident_stretch(row["began_utc_ms"], row["cleared_utc_ms"], now)
    moments = [(row["began_utc_ms"], _("It began"))]
    if row["raised_utc_ms"] is not None:
        moments.append((row["raised_utc_ms"], "Raised"))
    if row["cleared_utc_ms"] is not None:
        moments.append((row["cleared_utc_ms"], _("It was over")))
    view = _view(seat, begin, end, now, moments=moments)
    return view._replace(
        incident_id=row["incident_id"],
        moment_utc_ms=row["began_utc_ms"],
        is_pending=view.is_pending or row["cleared_utc_ms"] is None or end > now,
    )


def of_sitting(seat: Seat, sitting: store.Sitting, at_utc_ms: int | None) -> View:
    """The film of a seat in a whole sitting; playing begins at `at_utc_ms`."""
    now = now_utc_ms()
    view = _view(seat, sitting.start_utc_ms, sitting.end_utc_ms, now, at_utc_ms=at_utc_ms)
    return view._replace(sitting=sitting.sitting, is_pending=view.is_pending or sitting.end_utc_ms > now)


def is_over(reel: Reel, now: int) -> bool:
    """Whether every sitting of the stretch has ended: then a look has a reason."""
    return all(each.end_utc_ms <= now for each in reel.sittings)


def needs_reason(reel: Reel, now: int) -> bool:
    """Whether any sitting of the stretch has ended: that another one runs is no reason to look at it without one."""
    return not reel.sittings or any(each.end_utc_ms <= now for each in reel.sittings)


def parts_of(reel: Reel, begin: int, end: int, now: int) -> list[Part]:
    """The stretch up to now, each moment with what became of it."""
    end = min(end, now)
    open_from = now - film.OPEN_TAIL_MS if _records(reel, now) else end
    found = film.parts(begin, end, reel.segments, reel.gaps, open_from, _told_until(reel))
    return film.outside_told(found, [(each.start_utc_ms, each.end_utc_ms) for each in reel.sittings])


def _told_until(reel: Reel) -> int:
    """Until when the seat's desk has told all it had to tell: its newest word with nothing waiting."""
    beat = _heartbeat(reel)
    return 0 if beat is None or beat.spool or reel.heard_utc_ms is None else reel.heard_utc_ms - SILENT_AFTER_MS


def _records(reel: Reel, now: int) -> bool:
    beat = _heartbeat(reel)
    return beat is not None and _is_heard(reel, now) and beat.state == "recording" and not is_over(reel, now)


def _is_heard(reel: Reel, now: int) -> bool:
    return reel.heard_utc_ms is not None and now - reel.heard_utc_ms < OFFLINE_AFTER_MS


def _heartbeat(reel: Reel) -> Heartbeat | None:
    try:
        return msgspec.json.decode(reel.heartbeat, type=Heartbeat) if reel.heartbeat else None
    except msgspec.MsgspecError:
        return None


def _view(
    seat: Seat,
    begin: int,
    end: int,
    now: int,
    *,
    moments: list[tuple[int, str]] | None = None,
    at_utc_ms: int | None = None,
) -> View:
    reel = store.reel(parts().store, seat, begin, end)
    marks = store.marks(parts().store, seat, reel.units, begin, end)
    found = parts_of(reel, begin, end, now)
    is_on_desk = any(part.where is Where.ON_DESK for part in found)
    is_untold = any(part.where is Where.UNTOLD for part in found)
    to_come = [
        part for part in found if part.where is Where.ON_DESK or (part.where is Where.UNTOLD and bool(seat.unit))
    ]
    asked = [wish for wish in reel.wishes if any(_is_asked(wish, part) for part in to_come)]
    unasked = [part for part in to_come if not any(_is_asked(wish, part) for wish in reel.wishes)]
    return View(
        seat=seat,
        from_utc_ms=begin,
        until_utc_ms=max(min(end, now), begin + 1000),
        at_utc_ms=begin if at_utc_ms is None else min(max(at_utc_ms, begin), end),
        moment_utc_ms=None,
        incident_id=None,
        sitting="",
        lines=tuple(_line(reel, part, now) for part in found if part.where is not Where.STORED and not _is_edge(part)),
        has_film=any(part.where is Where.STORED for part in found),
        is_pending=is_on_desk or any(part.where is Where.WRITTEN for part in found) or (is_untold and bool(seat.unit)),
        needs_reason=needs_reason(reel, now),
        may_fetch=bool(unasked),
        asked_by=asked[0]["asked_by"] if asked else "",
        timeline=timeline(found, marks.alerts, marks.faults, marks.observed, moments=moments or ()),
    )


def _is_asked(wish: dict[str, Any], part: Part) -> bool:
    """A desk closes further segments after it was asked, so the end of a part that grows need not be in the wish."""
    return bool(wish["from_utc_ms"] <= part.from_utc_ms < wish["until_utc_ms"])


def _is_edge(part: Part) -> bool:
    """The moment that a recording takes to begin: drawn, and not worth a line."""
    return part.where in (Where.UNTOLD, Where.UNKNOWN, Where.OUTSIDE) and part.until_utc_ms - part.from_utc_ms < EDGE_MS


def _line(reel: Reel, part: Part, now: int) -> Line:
    span = (part.from_utc_ms, part.until_utc_ms)
    words = words_of_part(part)
    if part.where is Where.WRITTEN:
        return Line("recording", *span, "Still being written", "The desk is recording it now. It can be played soon.")
    if part.where is Where.ON_DESK:
        return Line("attention", *span, "Still on the desk", _estimate(reel, part, now))
    if part.where is Where.PURGED:
        return Line("gap", *span, words, "It was recorded, and is gone for good. Its signed record stays.")
    if part.gap is not None:
        length = "" if part.gap.is_length_known else "The desk had no clock to trust: how long is not known. "
        detail = f"{length}{part.gap.detail}".strip()
        return Line("fault", *span, f"Never recorded: {words_of(CAUSE_WORDS, part.gap.cause).lower()}", detail)
    if part.where is Where.OUTSIDE:
        return Line("waiting", *span, "No sitting was on", "Desks record sittings only. Nothing is missing here.")
    if not reel.units:
        return Line("empty", *span, "Never recorded", "There was no desk unit at this seat.")
    if part.where is Where.UNKNOWN:
        return Line("gap", *span, "Never recorded: cause unknown", "The desk has told of neither film nor gap.")
    return Line("offline", *span, "Not told yet", "The desk has sent no record of this time, neither film nor gap.")


def _estimate(reel: Reel, part: Part, now: int) -> str:
    """How much there is to come, and how long that takes at the desk's own rate."""
    waiting = [s for s in reel.segments if not s.is_stored and not s.is_purged and s.unit == reel.seat.unit]
    size_bytes = sum(
        s.size_bytes for s in waiting if s.began_utc_ms < part.until_utc_ms and s.ended_utc_ms > part.from_utc_ms
    )
    beat = _heartbeat(reel)
    if beat is None or not _is_heard(reel, now):
        return "The desk cannot be reached. It sends the film when it is back, or its card can be imported."
    told = [f"{size_text(size_bytes)} to come"] if size_bytes else []
    if beat.upload_bytes_per_s and size_bytes:
        told.append(f"about {short_text(max(size_bytes / beat.upload_bytes_per_s, 1))} once it is its turn")
    if beat.waiting_segments:
        all_of_it = f"{beat.waiting_segments} files ({size_text(beat.waiting_bytes)}) wait at the desk"
        if beat.upload_bytes_per_s and beat.waiting_bytes:
            all_of_it += f", about {short_text(beat.waiting_bytes / beat.upload_bytes_per_s)} for all"
        told.append(all_of_it)
    text = "; ".join(told) if told else "it is sent when the desk has time for it"
    return f"{text[0].upper()}{text[1:]}."
