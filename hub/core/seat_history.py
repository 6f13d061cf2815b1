"""What happened at a seat, whichever desk unit stood there: one list, the newest first. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from hub.core.board import ALERT_WORDS, CAUSE_WORDS, FAULT_WORDS, words_of

Row = Mapping[str, Any]


class Kind(enum.StrEnum):
    """What an entry is about. People and equipment are never mixed."""

    INCIDENT = "incident"
    ALERT = "alert"
    FAULT = "fault"
    GAP = "gap"
    BREAK = "break"
    BOOKMARK = "bookmark"
    SIGNAL = "signal"
    ATTENDED = "attended"
    DESK = "desk"


KIND_WORDS = {
    Kind.INCIDENT: "Incidents",
    Kind.ALERT: "Alerts without an incident",
    Kind.FAULT: "Faults",
    Kind.GAP: "Gaps in the recording",
    Kind.BREAK: "Breaks",
    Kind.BOOKMARK: "Bookmarks",
    Kind.SIGNAL: "Signals to the desk",
    Kind.ATTENDED: "Presses of the desk's button",
    Kind.DESK: "Desk units",
}
BREAK_WORDS = {"toilet": "Toilet break", "rest": "Rest break"}
ATTENDED_WORDS = {
    (0, 0): "Attended at the desk",
    (1, 0): "Signal answered at the desk",
    (0, 1): "Drill seen at the desk",
}
DESK_CAME, DESK_LEFT = "Desk put here", "Desk taken away"
SIGNAL_WORDS, BOOKMARK_WORDS = "Signal given", "Bookmark"


class Entry(NamedTuple):
    """One thing that happened. Times are UTC milliseconds; `until_utc_ms` None: one moment, or not known.
    `is_standing`: it is still so. `length_ms` None: not known, or it has none."""

    at_utc_ms: int
    kind: Kind
    words: str
    until_utc_ms: int | None = None
    unit: str = ""
    who: str = ""
    detail: str = ""
    sitting: str = ""
    incident_id: int | None = None
    state: str = ""
    verdict: str = ""
    is_drill: bool = False
    is_standing: bool = False
    has_length: bool = True
    has_run_over: bool = False


def merged(found: Mapping[Kind, Iterable[Row]], unit: str, now_utc_ms: int, most: int) -> list[Entry]:
    """The newest `most` entries of all kinds, the newest first. `unit`: the one there now, '' for none: what another
    left standing is over for the seat."""
    entries = [entry for kind, rows in found.items() for row in rows for entry in _entries(kind, row, unit, now_utc_ms)]
    entries.sort(key=lambda entry: (-entry.at_utc_ms, entry.kind, entry.words, entry.detail))
    return entries[:most]


def _entries(kind: Kind, row: Row, unit: str, now_utc_ms: int) -> Iterable[Entry]:
    if kind is Kind.DESK:
        return _desk(row)
    fields: dict[str, Any] = {
        name: row[name]
        for name in ("until_utc_ms", "unit", "who", "detail", "sitting", "incident_id", "state", "verdict")
        if name in row and row[name] is not None
    }
    fields["is_drill"] = bool(row.get("is_drill"))
    is_here = bool(unit) and row.get("unit") == unit
    match kind:
        case Kind.INCIDENT | Kind.ALERT:
            words = words_of(ALERT_WORDS, row["what"])
            fields["is_standing"] = row["until_utc_ms"] is None and is_here and row.get("state") != "closed"
        case Kind.FAULT:
            words = words_of(FAULT_WORDS, row["what"])
            fields["is_standing"] = row["until_utc_ms"] is None and is_here and row["left_utc_ms"] is None
        case Kind.GAP:
            words = words_of(CAUSE_WORDS, row["what"])
            fields["has_length"] = bool(row["is_length_known"])
        case Kind.BREAK:
            words = words_of(BREAK_WORDS, row["what"])
            fields["is_standing"] = row["until_utc_ms"] is None
            fields["has_run_over"] = (row["until_utc_ms"] or now_utc_ms) > row["limit_utc_ms"]
        case Kind.BOOKMARK:
            words = BOOKMARK_WORDS
        case Kind.SIGNAL:
            words = SIGNAL_WORDS
            fields["is_standing"] = row["until_utc_ms"] is None and is_here
        case Kind.ATTENDED:
            words = ATTENDED_WORDS.get((row["is_signal"], row["is_drill"]), ATTENDED_WORDS[0, 0])
    return [Entry(row["at_utc_ms"], kind, words, **fields)]


def _desk(row: Row) -> list[Entry]:
    """Its coming and its going; when one came that was there before anybody kept this is not known."""
    found = []
    if row["from_utc_ms"]:
        found.append(Entry(row["from_utc_ms"], Kind.DESK, DESK_CAME, unit=row["unit"]))
    if row["until_utc_ms"] is not None:
        found.append(Entry(row["until_utc_ms"], Kind.DESK, DESK_LEFT, unit=row["unit"]))
    return found
