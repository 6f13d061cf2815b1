"""The report of a sitting: one document of plain values, which page, CSV and JSON all show, so that they cannot differ.

A document is a JSON object: `format`, `facts` (one value a name), and for each of SECTIONS a list of rows. Times are
UTC milliseconds, lengths milliseconds; what is not known is null and never 0. What a section is and how its values are
written stands in SECTIONS, once. A document is signed as its canonical JSON (`hub.core.purge_list.canonical`).
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from hub.core.board import CAUSE_WORDS, FAULT_WORDS, INCIDENT_WORDS, words_of
from hub.core.closing import ITEMS
from hub.core.coverage import CAUSES

FORMAT = "ems-sitting-report-1"
DOMAIN = b"ems-sitting-report-v1\n"

VERDICTS = {"no_concern": "No concern", "refer": "Refer", "confirmed_by_centre": "Confirmed by the centre"}
STATES = {"open": "Not looked at", "acknowledged": "Being looked at", "closed": "Closed"}
WORDS: dict[str, Mapping[str, str]] = {
    "alert": INCIDENT_WORDS,
    "fault": FAULT_WORDS,
    "cause": {**CAUSE_WORDS, **CAUSES},
    "verdict": VERDICTS,
    "state": STATES,
    "break": {"toilet": "Toilet", "rest": "Rest"},
    "mode": {"automated": "Automated", "semi-automated": "Semi-automated", "manual": "Manual"},
    "item": ITEMS,
}
"""Words of codes, by the form of a column."""


class Column(NamedTuple):
    """`form`: text, number, percent, flag, time, length, or a name in WORDS."""

    key: str
    label: str
    form: str = "text"

    @property
    def is_number(self) -> bool:
        return self.form in ("number", "percent", "length")


class Section(NamedTuple):
    name: str
    title: str
    columns: tuple[Column, ...]


FACTS = (
    Column("made_utc_ms", "As of", "time"),
    Column("exam", "Exam"),
    Column("paper", "Paper"),
    Column("day", "Day"),
    Column("zone", "Zone of the exam"),
    Column("room", "Room"),
    Column("sitting", "Sitting"),
    Column("mode", "Mode", "mode"),
    Column("profile", "Profile"),
    Column("start_utc_ms", "Planned start", "time"),
    Column("end_utc_ms", "Planned end", "time"),
    Column("last_end_utc_ms", "End with extra time", "time"),
    Column("opened_utc_ms", "Opened", "time"),
    Column("opened_by", "Opened by"),
    Column("first_recorded_utc_ms", "First recording", "time"),
    Column("last_recorded_utc_ms", "Last recording", "time"),
    Column("closed_utc_ms", "Closed", "time"),
    Column("closed_by", "Closed by"),
    Column("cancelled_utc_ms", "Cancelled", "time"),
    Column("candidates", "Candidates", "number"),
    Column("no_shows", "No-shows", "number"),
    Column("seats", "Seats", "number"),
    Column("due_ms", "Due to be recorded", "length"),
    Column("recorded_ms", "Recorded", "length"),
    Column("per_cent", "Coverage", "percent"),
    Column("incidents", "Incidents", "number"),
    Column("incidents_without_verdict", "Incidents without a verdict", "number"),
    Column("drill_incidents", "Drills: incidents, not counted above", "number"),
    Column("drill_alerts", "Drills: alerts", "number"),
    Column("drill_presses", "Drills: presses of a button", "number"),
    Column("segments", "Pieces of film", "number"),
    Column("segments_pending", "of these not collected", "number"),
    Column("segments_purged", "of these removed by rule", "number"),
    Column("countersignature", "Newest countersignature of the hub"),
)

SECTIONS = (
    Section("reasons", "Closed in spite of", (
        Column("key", "What", "item"), Column("open", "Open then", "number"), Column("reason", "Reason"),
    )),
    Section("overrides", "Started in spite of a check", (
        Column("seat", "Seat"), Column("check", "Check"), Column("reason", "Reason"), Column("who", "Who"),
        Column("at_utc_ms", "When", "time"),
    )),
    Section("roster", "Roster", (
        Column("number", "Candidate"), Column("name", "Name"), Column("seat", "Seat"),
        Column("moves", "Earlier seats"), Column("is_walk_in", "Walk-in", "flag"),
        Column("no_show_utc_ms", "No-show since", "time"), Column("extra_ms", "Extra time", "length"),
        Column("end_utc_ms", "Ends", "time"), Column("breaks", "Breaks", "number"),
        Column("break_ms", "In breaks", "length"), Column("over_ms", "Over time", "length"),
    )),
    Section("breaks", "Breaks", (
        Column("seat", "Seat"), Column("candidate", "Candidate"), Column("kind", "Kind", "break"),
        Column("began_utc_ms", "Began", "time"), Column("ended_utc_ms", "Ended", "time"),
        Column("length_ms", "Length", "length"), Column("over_ms", "Over time", "length"),
        Column("given_by", "Given by"), Column("ended_by", "Ended by"),
    )),
    Section("coverage", "Coverage by seat", (
        Column("seat", "Seat"), Column("units", "Desk units"), Column("due_ms", "Due", "length"),
        Column("recorded_ms", "Recorded", "length"), Column("missing_ms", "Missing", "length"),
        Column("per_cent", "Coverage", "percent"), Column("gaps", "Gaps", "number"),
    )),
    Section("gaps", "Gaps", (
        Column("seat", "Seat"), Column("from_utc_ms", "From", "time"), Column("until_utc_ms", "Until", "time"),
        Column("length_ms", "Length", "length"), Column("cause", "Cause", "cause"), Column("detail", "Detail"),
        Column("told", "Told at"), Column("told_utc_ms", "First told", "time"),
    )),
    Section("incidents", "Incidents", (
        Column("number", "Number", "number"), Column("seat", "Seat"), Column("candidate", "Candidate"),
        Column("kind", "What", "alert"), Column("rule", "Rule"), Column("alerts", "Alerts", "number"),
        Column("began_utc_ms", "Began", "time"), Column("raised_utc_ms", "Raised", "time"),
        Column("cleared_utc_ms", "Cleared", "time"), Column("opened_utc_ms", "Opened", "time"),
        Column("to_acknowledge_ms", "Until acknowledged", "length"), Column("acknowledged_by", "Acknowledged by"),
        Column("to_close_ms", "Until closed", "length"), Column("closed_by", "Closed by"),
        Column("category", "Category"), Column("verdict", "Verdict", "verdict"), Column("state", "State", "state"),
        Column("part_of", "Part of", "number"),
    )),
    Section("alerts", "Alerts by kind", (
        Column("kind", "Kind", "alert"), Column("count", "Alerts", "number"),
        Column("standing", "Not cleared", "number"),
    )),
    Section("bookmarks", "Bookmarks", (
        Column("at_utc_ms", "Moment", "time"), Column("seat", "Seat"), Column("made_by", "By"), Column("note", "Note"),
    )),
    Section("signals", "Signals to desks", (
        Column("given_utc_ms", "Given", "time"), Column("seat", "Seat"), Column("given_by", "By"),
        Column("note", "Note"), Column("ended_utc_ms", "Ended", "time"), Column("ended_by", "Ended by"),
    )),
    Section("attended", "Presses of the button", (
        Column("at_utc_ms", "When", "time"), Column("seat", "Seat"), Column("unit", "Desk unit"),
        Column("is_signal", "Answered a signal", "flag"), Column("alerts", "Alerts attended", "number"),
    )),
    Section("faults", "Equipment faults", (
        Column("unit", "Desk unit"), Column("seat", "Seat"), Column("kind", "What", "fault"),
        Column("began_utc_ms", "Began", "time"), Column("cleared_utc_ms", "Cleared", "time"),
        Column("detail", "Detail"),
    )),
    Section("units", "Desk units", (
        Column("unit", "Desk unit"), Column("seat", "Seat"), Column("software", "Software"),
        Column("models", "Models"), Column("model_sha256", "Models, SHA-256"), Column("starts", "Starts", "number"),
        Column("clock_offset_ms", "Clock off by, ms", "number"),
        Column("clock_error_ms", "Clock's own bound, ms", "number"),
        Column("clock_source", "Clock set by"), Column("pending", "Film not collected", "number"),
        Column("spool", "Records waiting", "number"), Column("heard_utc_ms", "Last heard of", "time"),
    )),
    Section("write_offs", "Written off", (
        Column("unit", "Desk unit"), Column("segments", "Pieces of film", "number"),
        Column("length_ms", "Length", "length"), Column("reason", "Reason"), Column("by_whom", "By"),
        Column("at_utc_ms", "When", "time"),
    )),
    Section("staff", "Staff on duty", (
        Column("who", "Who"), Column("role", "Role"), Column("first_utc_ms", "First act", "time"),
        Column("last_utc_ms", "Last act", "time"), Column("acts", "Acts", "number"),
        Column("acts_here", "About this sitting", "number"),
    )),
    Section("holds", "Holds", (
        Column("number", "Hold", "number"), Column("seat", "Seat"), Column("reason", "Reason"),
        Column("placed_by", "Placed by"), Column("placed_utc_ms", "When", "time"),
    )),
    Section("purges", "Removed by rule", (
        Column("certificate", "Certificate", "number"), Column("segments", "Pieces of film", "number"),
    )),
)  # fmt: skip
"""In the order of the report."""


def document(facts: Mapping[str, Any], sections: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """The document: every fact of FACTS (null where it is not given), and every section with exactly its columns."""
    told = {column.key: facts.get(column.key) for column in FACTS}
    found: dict[str, Any] = {"format": FORMAT, "facts": told}
    for section in SECTIONS:
        keys = [column.key for column in section.columns]
        found[section.name] = [{key: row.get(key) for key in keys} for row in sections.get(section.name, ())]
    return found


def rule_text(rule: Mapping[str, Any]) -> str:
    """`after 10 s, cleared after 3 s, threshold 0.5` of a wire.Rule's JSON."""
    return f"after {rule['raise_s']:g} s, cleared after {rule['clear_s']:g} s, threshold {rule.get('threshold', 0.5):g}"


def without_names(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same without the candidates' names; their numbers stay."""
    return {**document, "roster": [{**row, "name": None} for row in document["roster"]]}


def shown(document: Mapping[str, Any]) -> list[tuple[Section, list[Mapping[str, Any]]]]:
    """The sections that this document has, each with its rows."""
    return [(section, list(document[section.name])) for section in SECTIONS if section.name in document]


def text_of(value: Any, form: str, moment: Callable[[int], str], length: Callable[[int], str]) -> str:
    """A value as people read it; '' when it is not known. `moment` writes UTC ms, `length` ms."""
    if value is None or value == "":
        return ""
    if form == "time":
        return moment(int(value))
    if form == "length":
        return length(int(value))
    if form == "percent":
        return f"{value:.2f}"
    if form == "flag":
        return "yes" if value else ""
    return words_of(WORDS[form], str(value)) if form in WORDS else str(value)


def as_csv(document: Mapping[str, Any]) -> str:
    """One table below the other: each row begins with its section's name, each section with a row of its columns. Times
    in ISO 8601, UTC; lengths in seconds."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["facts", "what", "value"])
    for column in FACTS:
        writer.writerow(["facts", column.label, _cell(document["facts"][column.key], column.form)])
    for section, rows in shown(document):
        writer.writerow([])
        writer.writerow(
            [
                section.name,
                *(f"{column.label}, s" if column.form == "length" else column.label for column in section.columns),
            ]
        )
        for row in rows:
            writer.writerow([section.name, *(_cell(row[column.key], column.form) for column in section.columns)])
    return text.getvalue()


def _cell(value: Any, form: str) -> str:
    text = text_of(value, form, _utc, _seconds)
    is_own = form in ("number", "percent", "length", "time")  # made here: a minus is a minus
    return text if is_own else safe_cell(text)


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.3f}".rstrip("0").rstrip(".")


def safe_cell(text: str) -> str:
    """Text that a spreadsheet takes for text: what it would calculate gets an apostrophe before it."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _utc(utc_ms: int) -> str:
    return dt.datetime.fromtimestamp(utc_ms / 1000, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
