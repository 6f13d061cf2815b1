"""How long what was recorded for each exam is kept: its rule and the date of its results, set by people."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from hub.core import retention
from hub.core.audit import Deed
from hub.core.purge_list import Place, Standing, standing
from hub.core.retention import BadRule, Rule
from hub.store import QUERIES, Row, Store, audit
from hub.store.audit import Actor


class NoSuchExam(Exception):
    """No sitting of that exam was ever planned; the text says so."""


class Exam(NamedTuple):
    """One exam. `rule` None: kept for ever; `problem` says why a rule that is kept cannot be read."""

    exam: str
    rule: Rule | None
    problem: str
    results_utc_ms: int | None
    sittings: int
    first_utc_ms: int | None
    last_utc_ms: int | None


def exams(store: Store) -> list[Exam]:
    """Every exam, the newest first."""
    with store.read() as connection:
        return [_exam(row) for row in QUERIES.exams_all(connection)]


DAY_AND_A_HALF_MS = 129_600_000
"""From a day's noon to the end of the next: no zone moves a sitting further."""


def _exam(row: Row) -> Exam:
    try:
        rule, problem = retention.read(row["retention"]), ""
    except BadRule as bad:
        rule, problem = None, str(bad)
    return Exam(
        row["exam"], rule, problem, row["results_utc_ms"], row["sittings"], row["first_utc_ms"], row["last_utc_ms"]
    )


def set_rule(connection: sqlite3.Connection, actor: Actor, exam: str, rule: Rule | None, now_utc_ms: int) -> bool:
    """Set an exam's rule, None: for ever; answers whether that changed anything. Raises NoSuchExam."""
    known = _known(connection, exam)
    text = retention.written(rule)
    if known["retention"] == text:
        return False
    QUERIES.set_exam_rule(connection, exam=exam, rule=text)
    detail = {"rule": retention.words(rule), "before": known["retention"] or ""}
    audit.add(connection, actor, Deed.SET_RETENTION, f"exam {exam}", now_utc_ms, detail)
    return True


def set_results(
    connection: sqlite3.Connection, actor: Actor, exam: str, results_utc_ms: int | None, day: str, now_utc_ms: int
) -> bool:
    """Enter the day of an exam's results (its noon), None: not known; `day` is its text for the record. A slip of the
    pen in the year would have film fall due at once. Raises NoSuchExam, BadRule."""
    known = _known(connection, exam)
    first_utc_ms: int | None = known["first_utc_ms"]
    if results_utc_ms is not None and results_utc_ms + DAY_AND_A_HALF_MS < (first_utc_ms or 0):
        raise BadRule(f"{day} lies before the exam's first sitting, so its results cannot be of that day")
    if known["results_utc_ms"] == results_utc_ms:
        return False
    QUERIES.set_exam_results(connection, exam=exam, results=results_utc_ms)
    audit.add(connection, actor, Deed.ENTERED_RESULTS_DATE, f"exam {exam}", now_utc_ms, {"day": day})
    return True


def _known(connection: sqlite3.Connection, exam: str) -> Row:
    row: Row | None = QUERIES.exam_by_name(connection, exam=exam)
    if row is None:
        raise NoSuchExam(f"there is no exam {exam[:100]!r}: an exam is known from its first planned sitting on")
    return row


def standings(connection: sqlite3.Connection, zone: dt.tzinfo) -> list[Standing]:
    """Everything that the hub has, by unit and seat of each sitting: when it falls due and why."""
    rows: Iterable[Row] = QUERIES.kept_places(connection)
    return [standing(_place(row), zone) for row in rows]


def standing_of(connection: sqlite3.Connection, sitting: str, unit: str, seat: str, zone: dt.tzinfo) -> Standing:
    """The same of one place, without its amounts."""
    return standing(_place(QUERIES.place_of(connection, sitting=sitting, unit=unit, seat=seat)), zone)


def _place(row: Row) -> Place:
    values = {field: row[field] for field in Place._fields}
    values["is_referred"] = bool(values["is_referred"])
    values["holds"] = _holds(values["holds"])
    return Place(**values)


def _holds(numbers: str) -> str:
    """`hold 3`, `holds 3, 7`: the numbers as SQL has gathered them."""
    found = sorted({int(each) for each in numbers.split(",") if each})
    return f"hold{'s' if len(found) > 1 else ''} {', '.join(map(str, found))}" if found else ""
