"""What happened at a seat over a stretch of time, as bars on lanes: places in per cent of the stretch, words, and
times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from agent.wire import Observed
from hub.core.board import ALERT_WORDS, CAUSE_WORDS, FAULT_WORDS, words_of
from hub.core.film import Part, Where

SEEN_BINS = 400
"""The finest that the lane of what was seen is drawn: on a phone less than a pixel."""
MOST_TICKS = 6
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 86_400)
LEAST_WIDTH = 0.4
"""Per cent: a bar that short in time can still be seen and hit."""
SEEN_WORDS = {
    "face": "A face",
    "many": "More than one face",
    "somebody": "Somebody, no face",
    "empty": "Nobody",
    "unknown": "Cannot tell",
}
WHERE_WORDS = {
    Where.STORED: "Recorded",
    Where.ON_DESK: "Recorded, still on the desk",
    Where.WRITTEN: "Being recorded now",
    Where.UNTOLD: "The desk has told nothing of this time yet",
    Where.UNKNOWN: "Not recorded, cause unknown",
    Where.OUTSIDE: "No sitting was on",
}


class Bar(NamedTuple):
    """One thing on a lane. `kind` chooses its look. `until_utc_ms` None: it still lasts."""

    kind: str
    words: str
    from_utc_ms: int
    until_utc_ms: int | None
    x: float
    width: float
    link: int | None = None


class Tick(NamedTuple):
    x: float
    utc_ms: int


class Timeline(NamedTuple):
    """`seen_s`: seconds of each state that the desk saw, by its words. `moments`: (x, words) of what is marked."""

    from_utc_ms: int
    until_utc_ms: int
    ticks: tuple[Tick, ...]
    has_seconds: bool
    film: tuple[Bar, ...]
    alerts: tuple[Bar, ...]
    faults: tuple[Bar, ...]
    seen: tuple[Bar, ...]
    seen_s: dict[str, int]
    moments: tuple[tuple[float, str], ...]


class Scale:
    """Places in per cent of a stretch."""

    def __init__(self, from_utc_ms: int, until_utc_ms: int) -> None:
        self.begin, self.end = from_utc_ms, max(until_utc_ms, from_utc_ms + 1)

    def x(self, utc_ms: int) -> float:
        """Per cent, within the stretch."""
        share = (min(max(utc_ms, self.begin), self.end) - self.begin) / (self.end - self.begin)
        return round(share * 100, 3)

    def bar(self, kind: str, words: str, begin: int, end: int | None, link: int | None = None) -> Bar:
        """What lies in the stretch of it, wide enough to be hit; `end` None: it still lasts."""
        x = self.x(begin)
        width = max(self.x(self.end if end is None else end) - x, LEAST_WIDTH)
        return Bar(kind, words, begin, end, min(x, 100 - width), round(width, 3), link)


def words_of_part(part: Part) -> str:
    """What became of a stretch of film, for people."""
    if part.where is Where.PURGED:
        return f"Removed under certificate {part.number}" if part.number else "Removed by rule"
    if part.gap is not None:
        return f"Not recorded: {words_of(CAUSE_WORDS, part.gap.cause).lower()}"
    return WHERE_WORDS[part.where]


def _drill(words: str) -> str:
    return f"Drill: {words}"


def timeline(
    parts: Sequence[Part],
    alerts: Iterable[Mapping[str, Any]],
    faults: Iterable[Mapping[str, Any]],
    observed: Iterable[Observed],
    *,
    moments: Iterable[tuple[int, str]] = (),
) -> Timeline | None:
    """The parts (from end to end, at least one, else None) give the stretch; the rest is drawn where it lies in it.
    `alerts` and `faults` are rows with `kind`, `began_utc_ms` and `cleared_utc_ms`."""
    if not parts:
        return None
    scale = Scale(parts[0].from_utc_ms, parts[-1].until_utc_ms)
    step_s = next((s for s in _STEPS_S if (scale.end - scale.begin) / 1000 / s <= MOST_TICKS), _STEPS_S[-1])
    first = -(-scale.begin // (step_s * 1000)) * step_s * 1000
    seen, seen_s = _seen(scale, observed)
    return Timeline(
        from_utc_ms=scale.begin,
        until_utc_ms=scale.end,
        ticks=tuple(Tick(scale.x(utc_ms), utc_ms) for utc_ms in range(first, scale.end, step_s * 1000)),
        has_seconds=step_s < 60,
        film=tuple(
            scale.bar(part.where.value, words_of_part(part), part.from_utc_ms, part.until_utc_ms) for part in parts
        ),
        alerts=tuple(
            scale.bar(
                "drill" if row["is_drill"] else "alert",
                _drill(words_of(ALERT_WORDS, row["kind"])) if row["is_drill"] else words_of(ALERT_WORDS, row["kind"]),
                row["began_utc_ms"],
                row["cleared_utc_ms"],
                row["incident_id"],
            )
            for row in alerts
        ),
        faults=tuple(
            scale.bar("fault", words_of(FAULT_WORDS, row["kind"]), row["began_utc_ms"], row["cleared_utc_ms"])
            for row in faults
        ),
        seen=seen,
        seen_s=seen_s,
        moments=tuple((scale.x(utc_ms), words) for utc_ms, words in moments if scale.begin <= utc_ms <= scale.end),
    )


def _seen(scale: Scale, observed: Iterable[Observed]) -> tuple[tuple[Bar, ...], dict[str, int]]:
    """Each bin shows what was seen for most of it, so that a sitting of hours is a few hundred bars."""
    bin_ms = max((scale.end - scale.begin) / SEEN_BINS, 1)
    shares: dict[int, dict[str, float]] = {}
    total: dict[str, float] = {}
    for record in observed:
        for span in record.spans:
            begin = max(record.began.utc_ms + span.start_ms, scale.begin)
            end = min(record.began.utc_ms + span.start_ms + span.length_ms, scale.end)
            state = "many" if span.seat == "face" and span.faces > 1 else span.seat if span.seat in SEEN_WORDS else ""
            if end <= begin or not state:
                continue
            total[state] = total.get(state, 0) + end - begin
            for number in range(int((begin - scale.begin) // bin_ms), int((end - 1 - scale.begin) // bin_ms) + 1):
                low, high = scale.begin + number * bin_ms, scale.begin + (number + 1) * bin_ms
                found = shares.setdefault(number, {})
                found[state] = found.get(state, 0) + min(high, end) - max(low, begin)
    bars: list[Bar] = []
    last = (-2, "")
    for number in sorted(shares):
        state = max(shares[number], key=lambda each: (shares[number][each], each))
        begin, end = int(scale.begin + number * bin_ms), int(scale.begin + (number + 1) * bin_ms)
        if last == (number - 1, state):
            begin = bars.pop().from_utc_ms
        bars.append(scale.bar(state, SEEN_WORDS[state], begin, end))
        last = (number, state)
    return tuple(bars), {SEEN_WORDS[state]: round(total[state] / 1000) for state in SEEN_WORDS if state in total}
