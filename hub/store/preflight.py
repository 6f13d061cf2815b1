"""The pre-flight of a sitting in the store: what is known of its seats, its start with what was overridden, and drills.
Each verb takes the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from agent.wire import CommandKind
from hub.core import preflight as core
from hub.core.audit import Deed
from hub.core.board import heartbeat_of, merged_faults, natural, presence_of
from hub.core.preflight import Common, SeatFacts, SeatReport
from hub.core.presence import Presence
from hub.store import QUERIES, Row, audit, commands, planning, roster
from hub.store.audit import Actor

MAX_REASON_CHARS = 500
MAX_SHOWN_DRILL_MS = 3_600_000


class CannotStart(Exception):
    """The sitting, or a drill of it, cannot be started; the text says why."""


class Sitting(NamedTuple):
    sitting: str
    exam: str
    room: str
    room_id: int
    start_utc_ms: int
    end_utc_ms: int
    empty_from_utc_ms: int | None
    empty_until_utc_ms: int | None
    opened_utc_ms: int | None
    opened_by: str
    closed_utc_ms: int | None
    cancelled_utc_ms: int | None
    latest_end_utc_ms: int
    map_columns: int
    map_rows: int


class Examined(NamedTuple):
    """`places`: (seat number, candidate's number or '') of each seat by its label; `seats`: the rows that the
    room's map is laid out from. `recording`: how many of the room's desks record this sitting now."""

    sitting: Sitting
    reports: tuple[SeatReport, ...]
    places: Mapping[str, tuple[int, str]]
    seats: tuple[Mapping[str, Any], ...]
    recording: int


class Drilled(NamedTuple):
    """A drill that was asked for here; times of the hub's clock, None: not yet. `came`: its alert was committed.
    `refusal`: why the desk did not begin it, in its own words, '' for none."""

    unit: str
    seat: str
    asked_utc_ms: int
    asked_by: str
    came_utc_ms: int | None
    pressed_utc_ms: int | None
    refusal: str


def sitting_of(connection: sqlite3.Connection, name: str) -> Sitting | None:
    row: Row | None = QUERIES.preflight_sitting(connection, sitting=name)
    return None if row is None else Sitting(**{field: row[field] for field in Sitting._fields})


def examine(connection: sqlite3.Connection, sitting: Sitting, now_utc_ms: int, hub_software: str) -> Examined:
    """Look at every seat of the sitting's room, in the order of their labels."""
    rows = [dict(row) for row in QUERIES.preflight_seats(connection, sitting=sitting.sitting)]
    rows.sort(key=lambda row: natural(row["label"]))
    beats = {row["label"]: heartbeat_of(row) for row in rows}
    faults: dict[str, list[dict[str, Any]]] = {}
    for row in QUERIES.preflight_faults(connection, sitting=sitting.sitting):
        faults.setdefault(row["unit"], []).append(dict(row))
    people = roster.at_seats(connection, sitting.sitting)
    heard = [beats[row["label"]] for row in rows if presence_of(row, now_utc_ms) is Presence.ONLINE]
    common = Common(
        now_utc_ms=now_utc_ms,
        start_utc_ms=sitting.start_utc_ms,
        empty_until_utc_ms=sitting.empty_until_utc_ms,
        is_said_empty=_is_within(sitting.empty_from_utc_ms, sitting.empty_until_utc_ms, now_utc_ms),
        model_sha256=core.most_common(beat.model_sha256 for beat in heard if beat is not None),
        software=core.most_common(beat.software for beat in heard if beat is not None),
        hub_software=hub_software,
    )
    reports = []
    for row in rows:
        beat = beats[row["label"]]
        facts = SeatFacts(
            label=row["label"],
            unit=row["unit"],
            presence=presence_of(row, now_utc_ms),
            heartbeat=beat,
            plan=row["plan"],
            faults=[fault["kind"] for fault in merged_faults(faults.get(row["unit"], []), beat)],
            is_expected=_is_expected(people, row["label"]),
            end_utc_ms=row["end_utc_ms"],
            lamp_seen_utc_ms=row["lamp_seen_utc_ms"],
            drill_utc_ms=row["drill_utc_ms"],
        )
        reports.append(core.examine(facts, common))
    recording = sum(
        beat is not None and beat.state == "recording" and beat.sitting == sitting.sitting for beat in heard
    )
    places = {
        row["label"]: (int(row["seat_id"]), people[row["label"]].number if row["label"] in people else "")
        for row in rows
    }
    return Examined(sitting, tuple(reports), places, tuple(rows), recording)


def _is_within(begin: int | None, end: int | None, now_utc_ms: int) -> bool:
    return begin is not None and end is not None and begin <= now_utc_ms < end


def _is_expected(people: Mapping[str, Any], label: str) -> bool | None:
    """None where there is no roster at all."""
    if not people:
        return None
    return label in people and not people[label].is_no_show


def start(
    connection: sqlite3.Connection,
    name: str,
    reasons: Mapping[str, str],
    seen: Mapping[str, str],
    by: Actor,
    now_utc_ms: int,
    hub_software: str,
) -> Examined:
    """Open the sitting: whoever is early brings its start forward to now, and the desks begin at once. Asked again, it
    changes nothing. `reasons` and `seen` by seat, as `hub.core.preflight.overrides` has them.

    Raises CannotStart, or core.Missing with the seats that need a reason or another look; nothing is changed then.
    """
    sitting = sitting_of(connection, name)
    if sitting is None:
        raise CannotStart(f"no sitting is called {name}")
    examined = examine(connection, sitting, now_utc_ms, hub_software)
    if sitting.opened_utc_ms is not None:
        return examined
    _check_startable(sitting, now_utc_ms)
    if not examined.reports:
        raise CannotStart(f"{sitting.room} has no seats")
    if any(len(reason) > MAX_REASON_CHARS for reason in reasons.values()):
        raise CannotStart(f"a reason may have {MAX_REASON_CHARS} characters")
    overridden = core.overrides(examined.reports, reasons, seen)
    for each in overridden:
        values = each._asdict()
        QUERIES.preflight_override(connection, sitting=name, **values, now=now_utc_ms, by=by.who)
        override = {"seat": each.seat, "item": each.item, "reason": each.reason}
        audit.add(connection, by, Deed.OVERRODE_CHECK, f"sitting {name}", now_utc_ms, override)
    QUERIES.preflight_open(connection, sitting=name, now=now_utc_ms, by=by.who)
    early_ms = max(0, sitting.start_utc_ms - now_utc_ms)
    told = {"brought_forward_s": early_ms // 1000} if early_ms else {}
    audit.add(connection, by, Deed.OPENED_SITTING, f"sitting {name}", now_utc_ms, told)
    try:
        if early_ms:
            planning.check_room_free(connection, name)
        planning.replan(connection, now_utc_ms)
    except planning.CannotPlan as cannot:
        raise CannotStart(str(cannot)) from None
    return examined


def _check_startable(sitting: Sitting, now_utc_ms: int) -> None:
    if sitting.cancelled_utc_ms is not None:
        raise CannotStart("the sitting is cancelled")
    if sitting.latest_end_utc_ms <= now_utc_ms:
        raise CannotStart("the sitting is over")
    if sitting.closed_utc_ms is not None:
        raise CannotStart("the sitting is closed")


def overrides(connection: sqlite3.Connection, name: str) -> list[dict[str, Any]]:
    """What the sitting was started in spite of: seat, item, level, words (English, unfilled), reason, at_utc_ms, by."""
    return [dict(row) for row in QUERIES.preflight_overrides_of(connection, sitting=name)]


def ask_for_drills(
    connection: sqlite3.Connection, name: str, seats: frozenset[str], reason: str, by: Actor, now_utc_ms: int
) -> list[str]:
    """Have the desks at these seats (empty: at all) run a drill; answers the seats that were asked. While the sitting
    is on a drill needs a reason: its lamp is seen by who is examined. Raises CannotStart."""
    sitting = sitting_of(connection, name)
    if sitting is None:
        raise CannotStart(f"no sitting is called {name}")
    reason = reason.strip()
    is_on = sitting.start_utc_ms <= now_utc_ms < sitting.latest_end_utc_ms and sitting.cancelled_utc_ms is None
    if is_on and not reason:
        raise CannotStart("the sitting is on: say why a drill is needed now")
    if len(reason) > MAX_REASON_CHARS:
        raise CannotStart(f"the reason may have {MAX_REASON_CHARS} characters")
    asked = []
    for row in list(QUERIES.preflight_seats(connection, sitting=name)):
        is_wanted = not seats or row["label"] in seats
        if not is_wanted or row["unit"] is None or presence_of(row, now_utc_ms) is not Presence.ONLINE:
            continue
        number = commands.queue(connection, row["unit"], CommandKind.DRILL, now_utc_ms, reason=reason)
        values = {"unit": row["unit"], "command": number, "reason": reason}
        QUERIES.preflight_ask_drill(connection, **values, now=now_utc_ms, by=by.who)
        asked.append(row["label"])
    if not asked:
        raise CannotStart("no desk is there to run it: they are offline or do not answer")
    what = f"sitting {name}"
    audit.add(connection, by, Deed.ASKED_FOR_DRILL, what, now_utc_ms, {"seats": ", ".join(asked), "reason": reason})
    return asked


def drills(connection: sqlite3.Connection, name: str, now_utc_ms: int) -> list[Drilled]:
    """The newest drill of each of the room's desks that was asked for within the last hour."""
    since = now_utc_ms - MAX_SHOWN_DRILL_MS
    return [
        Drilled(**{field: row[field] for field in Drilled._fields})
        for row in QUERIES.preflight_drills(connection, sitting=name, since=since)
    ]


def saw_lamp(connection: sqlite3.Connection, name: str, seat: str, by: Actor, now_utc_ms: int) -> None:
    """Somebody has seen the lamp of the desk at this seat work. Raises CannotStart."""
    for row in list(QUERIES.preflight_seats(connection, sitting=name)):
        if row["label"] == seat and row["unit"] is not None:
            QUERIES.preflight_saw_lamp(connection, unit=row["unit"], now=now_utc_ms, by=by.who)
            return
    raise CannotStart(f"no desk unit stands at seat {seat}")
