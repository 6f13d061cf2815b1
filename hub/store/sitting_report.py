"""What the report of a sitting is made from, read in one view of the store; and the signed ones, kept for good."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from agent.wire import Heartbeat, Restart
from hub.core import countersign
from hub.core import sitting_report as core
from hub.core.board import heartbeat_of
from hub.core.coverage import together
from hub.core.preflight import ITEM_WORDS, Item
from hub.store import QUERIES, Row, Store, closing, countersigned, preflight
from hub.store.closing import Standing
from hub.store.coverage import SeatCoverage

Rows = list[dict[str, Any]]


class Signed(NamedTuple):
    """A signed report: `statement` is the exact text that is signed."""

    closing_id: int
    made_utc_ms: int
    statement: str
    signature: str
    chain_pem: str


def document(store: Store, sitting: str, now_utc_ms: int) -> dict[str, Any]:
    """The report as of now. Raises NoSuchSitting."""
    with store.read() as connection:
        return of_sitting(connection, sitting, now_utc_ms)


def of_sitting(connection: sqlite3.Connection, sitting: str, now_utc_ms: int) -> dict[str, Any]:
    """As `document`, within the caller's transaction."""
    standing = closing.standing(connection, sitting, now_utc_ms)
    row = standing.sitting
    units = json.dumps([unit.unit for unit in standing.units])
    until = max(row["last_end_utc_ms"], row["closed_utc_ms"] or 0)
    incidents = [dict(each) for each in QUERIES.report_incidents(connection, sitting=sitting)]
    alerts = [dict(each) for each in QUERIES.report_alerts(connection, sitting=sitting)]
    attended = [dict(each) for each in QUERIES.report_attended(connection, sitting=sitting)]
    stays = _stays(connection, sitting)
    roster = [dict(each) for each in QUERIES.report_roster(connection, sitting=sitting)]
    breaks = _breaks(connection, sitting, now_utc_ms)
    places = {unit.unit: unit.seat for unit in standing.units}
    faults = QUERIES.report_faults(connection, units=units, since=row["start_utc_ms"], until=until)
    sections: dict[str, Sequence[Mapping[str, Any]]] = {
        "reasons": _reasons(standing),
        "overrides": [
            {**each, "check": ITEM_WORDS[Item(each["item"])], "who": each["by"]}
            for each in preflight.overrides(connection, sitting)
        ],
        "roster": _roster(roster, stays, breaks, row["end_utc_ms"]),
        "breaks": breaks,
        "coverage": [_seat(seat) for seat in standing.seats],
        "gaps": [line for seat in standing.seats for line in _gaps(seat)],
        "incidents": [_incident(each, roster, stays) for each in incidents if not each["is_drill"]],
        "alerts": [each for each in alerts if not each["is_drill"]],
        "bookmarks": _dicts(QUERIES.report_bookmarks(connection, sitting=sitting)),
        "signals": _dicts(QUERIES.report_signals(connection, sitting=sitting)),
        "attended": [each for each in attended if not each["is_drill"]],
        "faults": [{**dict(each), "seat": places.get(each["unit"], "")} for each in faults],
        "units": _units(connection, standing, sitting, units),
        "write_offs": standing.write_offs,
        "staff": staff(connection, sitting, row["start_utc_ms"], until),
        "holds": _dicts(QUERIES.report_holds(connection, sitting=sitting)),
        "purges": _dicts(QUERIES.report_purges(connection, sitting=sitting)),
    }
    drills = {
        "drill_incidents": sum(each["is_drill"] for each in incidents),
        "drill_alerts": sum(each["count"] for each in alerts if each["is_drill"]),
        "drill_presses": sum(each["is_drill"] for each in attended),
    }
    return core.document({**_facts(connection, standing, sections, now_utc_ms), **drills}, sections)


def _dicts(rows: Any) -> Rows:
    return [dict(row) for row in rows]


def _facts(
    connection: sqlite3.Connection,
    standing: Standing,
    sections: Mapping[str, Sequence[Mapping[str, Any]]],
    now_utc_ms: int,
) -> dict[str, Any]:
    row = standing.sitting
    exam: Row | None = QUERIES.report_exam(connection, exam=row["exam"])
    film = dict(QUERIES.report_film(connection, sitting=row["sitting"]))
    recorded, due = together(seat.report for seat in standing.seats)
    newest = countersigned.newest(connection)
    return {
        **row,
        "made_utc_ms": now_utc_ms,
        **(dict(exam) if exam is not None else {}),
        **film,
        "candidates": len(sections["roster"]),
        "no_shows": sum(each["no_show_utc_ms"] is not None for each in sections["roster"]),
        "seats": len(standing.seats),
        "due_ms": due,
        "recorded_ms": recorded,
        "per_cent": recorded * 10_000 // due / 100 if due else None,
        "incidents": len(sections["incidents"]),
        "incidents_without_verdict": sum(each["verdict"] is None for each in sections["incidents"]),
        "countersignature": f"{newest.minute.number}, code {countersign.code(newest.minute.root)}" if newest else None,
    }


def _reasons(standing: Standing) -> Rows:
    if not standing.is_closed or not standing.closings:
        return []
    items = standing.closings[-1]["items"]
    return [{**item, "open": len(item["open"])} for item in items if not item["is_done"]]


class _Stay(NamedTuple):
    candidate_id: int
    seat: str
    from_utc_ms: int | None
    until_utc_ms: int | None


def _stays(connection: sqlite3.Connection, sitting: str) -> list[_Stay]:
    return [_Stay(*row) for row in QUERIES.report_stays(connection, sitting=sitting)]


def _roster(roster: Rows, stays: Sequence[_Stay], breaks: Rows, end_utc_ms: int) -> Rows:
    earlier: defaultdict[int, list[str]] = defaultdict(list)
    for stay in stays:
        if stay.until_utc_ms is not None:
            earlier[stay.candidate_id].append(stay.seat)
    found = []
    for each in roster:
        own = [one for one in breaks if one["candidate_id"] == each["candidate_id"]]
        more = {
            "moves": ", ".join(earlier[each["candidate_id"]]),
            "end_utc_ms": end_utc_ms + each["extra_ms"],
            "is_walk_in": bool(each["is_walk_in"]),
            "breaks": len(own),
            "break_ms": sum(one["length_ms"] for one in own),
            "over_ms": sum(one["over_ms"] for one in own),
        }
        found.append({**each, **more})
    return found


def _breaks(connection: sqlite3.Connection, sitting: str, now_utc_ms: int) -> Rows:
    found = []
    for row in QUERIES.report_breaks(connection, sitting=sitting):
        until = row["ended_utc_ms"] if row["ended_utc_ms"] is not None else max(now_utc_ms, row["began_utc_ms"])
        over_ms = max(until - row["limit_utc_ms"], 0)
        found.append({**dict(row), "length_ms": until - row["began_utc_ms"], "over_ms": over_ms})
    return found


def _seat(seat: SeatCoverage) -> dict[str, Any]:
    report = seat.report
    return {
        "seat": seat.label,
        "units": ", ".join(seat.units),
        "due_ms": report.due_ms,
        "recorded_ms": report.recorded_ms,
        "missing_ms": report.missing_ms,
        "per_cent": report.per_cent,
        "gaps": len(report.missing),
    }


def _gaps(seat: SeatCoverage) -> Rows:
    return [
        {
            **gap._asdict(),
            "seat": seat.label,
            "length_ms": gap.until_utc_ms - gap.from_utc_ms if gap.is_length_known else None,
            "told": ", ".join(dict.fromkeys(told.where for told in gap.told)) or "nobody",
            "told_utc_ms": min((told.at_utc_ms for told in gap.told), default=None),
        }
        for gap in seat.report.missing
    ]


def _incident(row: dict[str, Any], roster: Rows, stays: Sequence[_Stay]) -> dict[str, Any]:
    def since_opened(until: int | None) -> int | None:
        return None if until is None else max(until - row["opened_utc_ms"], 0)

    rule = json.loads(row["rule"]) if row["rule"] else None
    return {
        **row,
        "candidate": _at(row["seat"], row["began_utc_ms"], roster, stays),
        "rule": "" if rule is None else core.rule_text(rule),
        "to_acknowledge_ms": since_opened(row["acknowledged_utc_ms"]),
        "to_close_ms": since_opened(row["closed_utc_ms"]),
        "closed_by": row["closed_by"] if row["closed_utc_ms"] is not None else None,
    }


def _at(seat: str, at_utc_ms: int, roster: Rows, stays: Sequence[_Stay]) -> str:
    """The number of who sat there then."""
    numbers_of = {each["candidate_id"]: each["number"] for each in roster}
    for stay in stays:
        is_on = (stay.from_utc_ms or 0) <= at_utc_ms and (stay.until_utc_ms is None or at_utc_ms < stay.until_utc_ms)
        if stay.seat == seat and is_on and stay.candidate_id in numbers_of:
            return str(numbers_of[stay.candidate_id])
    return ""


def _units(connection: sqlite3.Connection, standing: Standing, sitting: str, units: str) -> Rows:
    starts: defaultdict[str, list[Restart]] = defaultdict(list)
    counts: defaultdict[str, int] = defaultdict(int)
    for row in QUERIES.report_starts(connection, sitting=sitting):
        counts[row["unit"]] += 1
        if row["body"]:
            starts[row["unit"]].append(msgspec.json.decode(row["body"], type=Restart))
    heard = {row["unit"]: row for row in QUERIES.report_heard(connection, units=units)}
    found = []
    for unit in standing.units:
        row = heard.get(unit.unit)
        beat = heartbeat_of(row) if row is not None else None
        told = _software(starts[unit.unit], beat)
        clock = beat.clock if beat is not None else None
        found.append(
            {
                "unit": unit.unit,
                "seat": unit.seat,
                **told,
                "starts": counts[unit.unit],
                "clock_offset_ms": clock.offset_ms if clock else None,
                "clock_error_ms": clock.error_ms if clock else None,
                "clock_source": (clock.source if clock else "") or None,
                "pending": unit.pending,
                "spool": unit.spool if row is not None else None,
                "heard_utc_ms": row["heartbeat_utc_ms"] if row is not None else None,
            }
        )
    return found


def _software(starts: Sequence[Restart], beat: Heartbeat | None) -> dict[str, str]:
    """By the starts that recorded the sitting, newest first; by the newest heartbeat where those are not known."""
    if starts:
        software = ", ".join(dict.fromkeys(each.software for each in starts))
        models = ", ".join(model.name for model in starts[0].models)
        return {"software": software, "models": models, "model_sha256": starts[0].model_sha256}
    return {"software": beat.software, "models": "", "model_sha256": beat.model_sha256} if beat else {}


def staff(connection: sqlite3.Connection, sitting: str, since: int, until: int) -> Rows:
    """Who did anything from `since` until `until` (UTC ms), or was logged in, by the audit log."""
    first = _first_entry(connection, since - 12 * 3600 * 1000)
    wanted = {"since": since, "until": until, "object": f"sitting {sitting}"}
    return _dicts(QUERIES.report_staff(connection, first=first, **wanted))


def _first_entry(connection: sqlite3.Connection, at_utc_ms: int) -> int:
    """The number of the audit log's first entry not before that time, by halving: the log has no index by time."""
    low, high = 1, int(QUERIES.report_audit_newest(connection)[0]) + 1
    while low < high:
        middle = (low + high) // 2
        row: Row | None = QUERIES.report_audit_at(connection, audit_id=middle)
        if row is not None and row["at_utc_ms"] >= at_utc_ms:
            high = middle
        else:
            low = middle + 1
    return low


# --- signed ---------------------------------------------------------------------------------------------------------


def keep(connection: sqlite3.Connection, signed: Signed) -> None:
    """Keep a report with its signature; one closing has one."""
    QUERIES.report_keep(
        connection,
        closing_id=signed.closing_id,
        made=signed.made_utc_ms,
        statement=signed.statement,
        signature=signed.signature,
        chain=signed.chain_pem,
    )


def kept(store: Store, sitting: str, closing_id: int = 0) -> Signed | None:
    """The signed report of a closing of the sitting, 0: of the one that stands; None when there is none (yet)."""
    with store.read() as connection:
        row: Row | None = QUERIES.report_kept(connection, sitting=sitting, closing_id=closing_id)
    return None if row is None else Signed(*row)
