"""What people know of a running exam at each seat, beside what its desk tells: breaks, signals, who is expected, where
the seat stands on its room's map; and whether the hub hears its desks at all. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agent.wire import Heartbeat
from hub.core.breaks import KIND_WORDS, OVER_WORDS, Kind
from hub.core.presence import SILENT_AFTER_MS

Row = Mapping[str, Any]

INGEST_SILENT_MS = 5_000
"""Ingest tells of itself every second; five without a word, and what the hub knows of desks is no longer now."""
NOBODY_EXPECTED = "Nobody expected"
NO_SHOW = "No-show, empty as expected"


class Hearing(NamedTuple):
    """Whether the hub hears desks. `until_utc_ms`: when it last did; None while it does, or when that is not known.
    `is_broker`: ingest runs and its broker does not answer; else ingest itself does not."""

    is_on: bool = True
    until_utc_ms: int | None = None
    is_broker: bool = False


class Day(NamedTuple):
    """By seat_id: `breaks` and `signals` that stand, `expected` (rows with `no_show_utc_ms`, a seat without a row is
    free) in the rooms of `rostered`, and `cells` of the maps. `maps`: (columns, rows) by room. `coverage`: recorded and
    due of the sittings that run, milliseconds; None when not known."""

    breaks: Mapping[int, Row] = {}
    signals: Mapping[int, Row] = {}
    expected: Mapping[int, Row] = {}
    rostered: frozenset[str] = frozenset()
    roster_version: str = ""
    cells: Mapping[int, tuple[int, int]] = {}
    maps: Mapping[str, tuple[int, int]] = {}
    hearing: Hearing = Hearing()
    coverage: tuple[int, int] | None = None


def hearing(facts: Mapping[str, Any], newest_word_utc_ms: int | None, now_utc_ms: int) -> Hearing:
    """`facts`: ingest's newest figures (`hub.ingest.facts`), empty when it never ran since the machine started. A clock
    of the hub that was set back makes nobody late (`hub.core.presence`)."""
    beat_utc_ms: int | None = facts.get("beat_utc_ms")
    if beat_utc_ms is None or now_utc_ms - beat_utc_ms >= INGEST_SILENT_MS:
        return Hearing(False, beat_utc_ms or newest_word_utc_ms)
    is_quiet = newest_word_utc_ms is None or now_utc_ms - newest_word_utc_ms >= SILENT_AFTER_MS
    if facts.get("is_connected", True) or not is_quiet:
        return Hearing()
    return Hearing(False, newest_word_utc_ms, is_broker=True)


def per_cent(coverage: tuple[int, int] | None) -> float | None:
    """Of what is due, one digit, rounded down: 100 means all of it. None when not known, or nothing is due."""
    if coverage is None or not coverage[1]:
        return None
    recorded, due = coverage
    return recorded * 1000 // due / 10


def break_words(found: Row, now_utc_ms: int) -> tuple[bool, str]:
    """Whether a break that stands is past its limit, and its words."""
    is_over = now_utc_ms >= found["limit_utc_ms"]
    return is_over, (OVER_WORDS if is_over else KIND_WORDS)[Kind(found["kind"])]


def emptiness(day: Day, seat: Row, heartbeat: Heartbeat | None) -> tuple[str, int | None]:
    """(words, since when) of a seat that is empty as the roster says; '' for every other."""
    if seat["room"] not in day.rostered or heartbeat is None or heartbeat.state != "recording":
        return "", None
    if heartbeat.seat != "empty" and (heartbeat.seat or heartbeat.faces != 0):
        return "", None
    person = day.expected.get(seat["seat_id"])
    if person is None:
        return NOBODY_EXPECTED, None
    no_show: int | None = person["no_show_utc_ms"]
    return (NO_SHOW, no_show) if no_show is not None else ("", None)


def told_of(day: Day, seat_id: int | None, now_utc_ms: int) -> dict[str, Any]:
    """What a tile says of all this: `break`, `signal` and its cell on the map (`x`, `y`), None where there is none."""
    resting = day.breaks.get(seat_id) if seat_id is not None else None
    signal = day.signals.get(seat_id) if seat_id is not None else None
    x, y = day.cells.get(seat_id, (None, None)) if seat_id is not None else (None, None)
    told: dict[str, Any] = {"break": None, "signal": None, "x": x, "y": y}
    if resting is not None:
        is_over, words = break_words(resting, now_utc_ms)
        kept = ("break_id", "kind", "began_utc_ms", "limit_utc_ms", "given_by")
        told["break"] = {name: resting[name] for name in kept} | {"is_over": is_over, "words": words}
    if signal is not None:
        told["signal"] = {name: signal[name] for name in ("given_utc_ms", "given_by", "attended_utc_ms")}
    return told


def clock(sittings: Sequence[Row], now_utc_ms: int) -> list[dict[str, Any]]:
    """The sittings as the top bar tells them: those that run, else the next one. `last_utc_ms`: when the last seat with
    extra time ends."""
    running = [row for row in sittings if row["start_utc_ms"] <= now_utc_ms]
    names = ("sitting", "exam", "room", "start_utc_ms", "end_utc_ms", "mode")
    return [
        {name: row[name] for name in names} | {"last_utc_ms": row.get("last_utc_ms") or row["end_utc_ms"]}
        for row in (running or sittings[:1])
    ]
