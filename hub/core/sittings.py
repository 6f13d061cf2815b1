"""What a sitting is at a moment, and how it is called. Pure."""

from __future__ import annotations

import datetime as dt
import enum
import re
from collections.abc import Collection


class State(enum.StrEnum):
    PLANNED = "planned"
    RUNNING = "running"
    OVER = "over"
    CLOSED = "closed"
    CANCELLED = "cancelled"


STATE_WORDS = {
    State.PLANNED: "Planned",
    State.RUNNING: "Running",
    State.OVER: "Over",
    State.CLOSED: "Closed",
    State.CANCELLED: "Cancelled",
}


def state(
    now_utc_ms: int,
    *,
    start_utc_ms: int,
    latest_end_utc_ms: int,
    closed_utc_ms: int | None,
    cancelled_utc_ms: int | None,
) -> State:
    """A sitting runs until the last candidate's extra time is over."""
    if cancelled_utc_ms is not None:
        return State.CANCELLED
    if closed_utc_ms is not None:
        return State.CLOSED
    if now_utc_ms < start_utc_ms:
        return State.PLANNED
    return State.RUNNING if now_utc_ms < latest_end_utc_ms else State.OVER


def of_exam(states: Collection[State]) -> State | None:
    """What an exam is by its sittings: running while one of them does, then planned, then over; closed when all are.
    None: it has none."""
    for each in (State.RUNNING, State.PLANNED, State.OVER, State.CLOSED, State.CANCELLED):
        if each in states:
            return each
    return None


def name_of(exam: str, room: str, start_utc_ms: int) -> str:
    """A name that people can read and desks can use as a folder: letters of exam and room, and the start in UTC."""
    start = dt.datetime.fromtimestamp(start_utc_ms / 1000, dt.UTC)
    words = re.sub("[^a-z0-9]+", "-", f"{exam[:24]} {room[:20]}".lower()).strip("-")
    return f"{words}-{start:%Y%m%dt%H%Mz}".strip("-")
