"""What can be so at a seat: the states of a tile, how grave each is, and those that people bring about. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, NamedTuple

from agent.wire import Heartbeat
from hub.core import exam_day
from hub.core.exam_day import Day
from hub.core.presence import Presence

Row = Mapping[str, Any]


class State(enum.StrEnum):
    """What a tile is, each with its own colour, icon shape and word."""

    ALERT = "alert"
    UNKNOWN = "unknown"
    OVERRUN = "overrun"
    OFFLINE = "offline"
    FAULT = "fault"
    ATTENTION = "attention"
    DRILL = "drill"
    BREAK = "break"
    RECORDING = "recording"
    WAITING = "waiting"
    EMPTY = "empty"


class Condition(NamedTuple):
    """One thing that is so at a seat; a lower `rank` is worse. `since_utc_ms` None: not known."""

    rank: int
    state: State
    words: str
    since_utc_ms: int | None = None


def gravity(condition: Condition) -> tuple[int, int, str]:
    """A sort key: the worst first, of two alike the older."""
    return condition.rank, condition.since_utc_ms or 0, condition.words


def unknown(day: Day) -> Condition:
    """Of a desk that the hub cannot hear."""
    return Condition(1, State.UNKNOWN, "Not known", day.hearing.until_utc_ms)


def of_day(day: Day, seat: Row, heartbeat: Heartbeat | None, present: Presence, now_utc_ms: int) -> list[Condition]:
    """What people said of the seat: a break, and whether somebody is expected there at all."""
    found = []
    resting = day.breaks.get(seat["seat_id"])
    if resting is not None:
        is_over, words = exam_day.break_words(resting, now_utc_ms)
        at = resting["limit_utc_ms"] if is_over else resting["began_utc_ms"]
        found.append(Condition(1, State.OVERRUN, words, at) if is_over else Condition(5, State.BREAK, words, at))
    words, since = exam_day.emptiness(day, seat, heartbeat)
    if words and present is Presence.ONLINE and day.hearing.is_on:
        found.append(Condition(5, State.EMPTY, words, since))
    return found


def bar_of_day(day: Day) -> dict[str, Any]:
    """What the top bar says of it all. Plain JSON."""
    told: dict[str, Any] = {
        "is_hearing": day.hearing.is_on,
        "heard_until_utc_ms": day.hearing.until_utc_ms,
        "is_broker_away": day.hearing.is_broker,
        "coverage": exam_day.per_cent(day.coverage) if day.hearing.is_on else None,
        "roster": day.roster_version,
        "maps": {room: list(size) for room, size in day.maps.items()},
    }
    # What is not heard is not counted: a dash, never a zero.
    return told if day.hearing.is_on else told | {"recording": None, "offline": None}
