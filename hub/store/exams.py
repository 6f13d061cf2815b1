"""Exams and their sittings, set up by people: each verb within the caller's transaction, plans follow, the audit log
has it."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from hub.core import sittings
from hub.core.audit import Deed
from hub.core.said import Refusal
from hub.core.sittings import State
from hub.store import QUERIES, Row, audit, planning, retention
from hub.store.audit import Actor
from hub.store.profiles import Named, Overtaken

MOST_NAME, MOST_PAPER, MOST_REASON = 100, 200, 2_000
MOST_SITTINGS = 500
"""Shown of one exam."""


class Exam(NamedTuple):
    """`state` None: it has no sitting; `counts` is how many are in each state."""

    exam: str
    paper: str
    day: str
    zone: str
    profile: str
    version: int
    has_rule: bool
    state: State | None = None
    counts: tuple[tuple[State, int], ...] = ()


class Sitting(NamedTuple):
    sitting: str
    exam: str
    room: str
    start_utc_ms: int
    end_utc_ms: int
    latest_end_utc_ms: int
    empty_from_utc_ms: int | None
    empty_until_utc_ms: int | None
    profile: str
    mode: str
    opened_utc_ms: int | None
    closed_utc_ms: int | None
    cancelled_utc_ms: int | None
    cancelled_by: str
    change_reason: str
    version: int
    candidates: int = 0
    seats: int = 0

    def state(self, now_utc_ms: int) -> State:
        return sittings.state(
            now_utc_ms,
            start_utc_ms=self.start_utc_ms,
            latest_end_utc_ms=self.latest_end_utc_ms,
            closed_utc_ms=self.closed_utc_ms,
            cancelled_utc_ms=self.cancelled_utc_ms,
        )


class Room(NamedTuple):
    room: str
    seats: int
    desks: int


# --- reading --------------------------------------------------------------------------------------------------------


def listed(connection: sqlite3.Connection, now_utc_ms: int) -> list[Exam]:
    """Every exam with what its sittings are now; the latest first, one without sittings before all."""
    states: defaultdict[str, list[State]] = defaultdict(list)
    for row in QUERIES.exams_states(connection):
        times = {name: row[name] for name in row.keys() if name not in ("exam", "sitting")}
        states[row["exam"]].append(sittings.state(now_utc_ms, **times))
    return [
        _exam(row)._replace(
            state=sittings.of_exam(found := states[row["exam"]]),
            counts=tuple((state, found.count(state)) for state in State if state in found),
        )
        for row in QUERIES.exams_listed(connection)
    ]


def _exam(row: Row) -> Exam:
    values = {name: row[name] for name in ("exam", "paper", "day", "zone", "profile", "version")}
    return Exam(**values, has_rule=row["retention"] is not None)


def one(connection: sqlite3.Connection, name: str) -> Exam | None:
    row: Row | None = QUERIES.exams_one(connection, exam=name)
    return None if row is None else _exam(row)


def sittings_of(connection: sqlite3.Connection, exam: str = "", limit: int = MOST_SITTINGS) -> list[Sitting]:
    """Of one exam, '' of all; the newest first."""
    return [_sitting(row) for row in QUERIES.exams_sittings(connection, exam=exam, limit=limit)]


def sitting(connection: sqlite3.Connection, name: str) -> Sitting | None:
    row: Row | None = QUERIES.exams_sitting(connection, sitting=name)
    return None if row is None else _sitting(row)


def _sitting(row: Row) -> Sitting:
    there = set(row.keys())
    return Sitting(**{name: row[name] for name in Sitting._fields if name in there})


def rooms(connection: sqlite3.Connection) -> list[Room]:
    return [Room(*row) for row in QUERIES.exams_rooms(connection)]


# --- exams ----------------------------------------------------------------------------------------------------------


def add(connection: sqlite3.Connection, actor: Actor, exam: Exam, profile: Named, now_utc_ms: int) -> str:
    """Answers the name as it is kept. Raises Refusal."""
    name = " ".join(exam.exam.split())
    if not 1 <= len(name) <= MOST_NAME or not name.isprintable():
        raise Refusal("Give the exam a name of at most %(most)s characters.", field="exam", most=MOST_NAME)
    if one(connection, name) is not None:
        raise Refusal("There is an exam %(name)s already: choose another name.", field="exam", name=name)
    QUERIES.exams_insert(connection, **_columns(exam) | {"exam": name})
    detail = {"after": _columns(exam) | {"exam": name}}
    audit.add(connection, actor, Deed.SET_UP_EXAM, f"exam {name}", now_utc_ms, detail)
    _keep_by(connection, actor, name, profile, now_utc_ms)
    return name


def change(connection: sqlite3.Connection, actor: Actor, exam: Exam, profile: Named, now_utc_ms: int) -> None:
    """Change all but the name, by which film and reports find the exam; planned sittings keep their times and values.
    Raises Refusal, Overtaken."""
    before = one(connection, exam.exam)
    if before is None:
        raise Refusal("There is no exam of that name.")
    if before.version != exam.version:
        raise Overtaken("Somebody else changed this exam while you were looking. Nothing of yours was kept.")
    if _columns(before) != _columns(exam):
        QUERIES.exams_update(connection, **_columns(exam))
        detail = {"before": _columns(before), "after": _columns(exam)}
        audit.add(connection, actor, Deed.SET_UP_EXAM, f"exam {exam.exam}", now_utc_ms, detail)
    _keep_by(connection, actor, exam.exam, profile, now_utc_ms)


def _columns(exam: Exam) -> dict[str, str]:
    paper = " ".join(exam.paper.split())
    if len(paper) > MOST_PAPER:
        raise Refusal("The paper is longer than %(most)s characters.", field="paper", most=MOST_PAPER)
    return {"exam": exam.exam, "paper": paper, "day": exam.day, "zone": exam.zone, "profile": exam.profile}


def _keep_by(connection: sqlite3.Connection, actor: Actor, exam: str, profile: Named, now_utc_ms: int) -> None:
    """The profile's retention rule, for an exam that has none."""
    found = one(connection, exam)
    if found is not None and not found.has_rule and profile.profile.retention is not None:
        retention.set_rule(connection, actor, exam, profile.profile.retention, now_utc_ms)


# --- sittings -------------------------------------------------------------------------------------------------------


def plan(
    connection: sqlite3.Connection,
    actor: Actor,
    exam: str,
    chosen: Sequence[str],
    profile: Named,
    times: tuple[int, int],
    empty_ms: int,
    now_utc_ms: int,
) -> list[str]:
    """A sitting in each of the rooms, all or none; answers their names. `empty_ms`: how long before the start the seats
    are set up and empty. Raises Refusal, planning.CannotPlan."""
    start, end = times
    if not chosen:
        raise Refusal("Choose at least one room.", field="room")
    if end <= now_utc_ms:
        raise Refusal("This end is past already.", field="end")
    made = []
    for room in chosen:
        name = _free_name(connection, sittings.name_of(exam, room, start))
        values = profile.profile
        planning.plan_sitting(
            connection,
            sitting=name,
            exam=exam,
            room=room,
            start_utc_ms=start,
            end_utc_ms=end,
            now_utc_ms=now_utc_ms,
            mode=values.mode,
            rules=values.rules,
            empty=_empty(start, empty_ms),
            is_buzzer_allowed=values.is_buzzer_allowed,
            may_lamp_show_alerts=values.may_lamp_show_alerts,
            profile=profile.name,
            toilet_ms=values.toilet_ms,
        )
        detail = {"exam": exam, "room": room, "start_utc_ms": start, "end_utc_ms": end, "profile": profile.name}
        audit.add(connection, actor, Deed.PLANNED_SITTING, f"sitting {name}", now_utc_ms, detail)
        made.append(name)
    _keep_by(connection, actor, exam, profile, now_utc_ms)
    return made


def _empty(start_utc_ms: int, empty_ms: int) -> planning.Stretch | None:
    return (start_utc_ms - empty_ms, start_utc_ms) if empty_ms else None


def _free_name(connection: sqlite3.Connection, name: str) -> str:
    """A cancelled sitting keeps its name: the next one at its place and time gets a number."""
    wanted, number = name, 1
    while QUERIES.sitting_by_name(connection, sitting=wanted) is not None:
        number += 1
        wanted = f"{name}-{number}"
    return wanted


def retime(
    connection: sqlite3.Connection,
    actor: Actor,
    name: str,
    version: int,
    times: tuple[int, int],
    empty_ms: int,
    reason: str,
    now_utc_ms: int,
) -> None:
    """Other times: all of them before it begins, a later end for everybody while it runs. Raises Refusal, Overtaken,
    planning.CannotPlan."""
    found = _seen(connection, name, version, now_utc_ms)
    start, end = times
    is_running = found.state(now_utc_ms) == State.RUNNING
    if is_running and start != found.start_utc_ms:
        raise Refusal("The sitting has begun: its start can no longer be changed.", field="start")
    if is_running and end < found.end_utc_ms:
        raise Refusal("The sitting is running: to end it sooner, end it now and say why.", field="end")
    if end <= now_utc_ms:
        raise Refusal("This end is past already.", field="end")
    empty = _empty(start, empty_ms)
    if is_running and found.empty_from_utc_ms is not None and found.empty_until_utc_ms is not None:
        empty = (found.empty_from_utc_ms, found.empty_until_utc_ms)
    planning.check_times(start, end, empty)
    _save(connection, actor, found, start, end, empty, reason, now_utc_ms)
    planning.check_room_free(connection, name)
    planning.replan(connection, now_utc_ms)


def end_now(
    connection: sqlite3.Connection, actor: Actor, name: str, version: int, reason: str, now_utc_ms: int
) -> None:
    """End a running sitting now, with a reason; a seat with extra time goes on for it. Raises Refusal, Overtaken."""
    found = _seen(connection, name, version, now_utc_ms)
    if found.state(now_utc_ms) != State.RUNNING:
        raise Refusal("The sitting has not begun: cancel it instead.")
    if now_utc_ms >= found.end_utc_ms:
        raise Refusal("The sitting has ended; what goes on are seats with extra time. Take that away on the roster.")
    empty = None
    if found.empty_from_utc_ms is not None and found.empty_until_utc_ms is not None:
        empty = (found.empty_from_utc_ms, found.empty_until_utc_ms)
    end = max(now_utc_ms, found.start_utc_ms + 1)
    _save(connection, actor, found, found.start_utc_ms, end, empty, _reason(reason), now_utc_ms)
    planning.replan(connection, now_utc_ms)


def cancel(connection: sqlite3.Connection, actor: Actor, name: str, version: int, reason: str, now_utc_ms: int) -> None:
    """Cancel a sitting that has not begun, with a reason: it leaves all plans, its roster stays. Raises Refusal,
    Overtaken."""
    found = _seen(connection, name, version, now_utc_ms)
    if found.state(now_utc_ms) != State.PLANNED:
        raise Refusal("The sitting has begun: end it now instead, and say why.")
    QUERIES.exams_cancel(connection, sitting=name, now=now_utc_ms, who=actor.who, reason=_reason(reason))
    detail = {"reason": reason.strip(), "exam": found.exam, "room": found.room}
    audit.add(connection, actor, Deed.CANCELLED_SITTING, f"sitting {name}", now_utc_ms, detail)
    planning.replan(connection, now_utc_ms)


def _save(
    connection: sqlite3.Connection,
    actor: Actor,
    found: Sitting,
    start: int,
    end: int,
    empty: planning.Stretch | None,
    reason: str,
    now_utc_ms: int,
) -> None:
    begin, until = empty or (None, None)
    now = {"start_utc_ms": start, "end_utc_ms": end, "empty_from_utc_ms": begin, "empty_until_utc_ms": until}
    QUERIES.exams_retime(connection, sitting=found.sitting, reason=reason.strip()[:MOST_REASON], **now)
    before = {name: getattr(found, name) for name in now}
    changed = {name: value for name, value in now.items() if before[name] != value}
    detail = {"before": {name: before[name] for name in changed}, "after": changed, "reason": reason.strip()}
    audit.add(connection, actor, Deed.CHANGED_SITTING, f"sitting {found.sitting}", now_utc_ms, detail)


def _seen(connection: sqlite3.Connection, name: str, version: int, now_utc_ms: int) -> Sitting:
    found = sitting(connection, name)
    if found is None:
        raise Refusal("There is no sitting of that name.")
    if found.version != version:
        raise Overtaken("Somebody else changed this sitting while you were looking. Nothing of yours was kept.")
    if found.state(now_utc_ms) in (State.OVER, State.CLOSED, State.CANCELLED):
        raise Refusal("The sitting is over or cancelled: its times stay as they are.")
    return found


def _reason(text: str) -> str:
    text = text.strip()
    if not 1 <= len(text) <= MOST_REASON:
        raise Refusal("Write a reason of at most %(most)s characters.", field="reason", most=MOST_REASON)
    return text
