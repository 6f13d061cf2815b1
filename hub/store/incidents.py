"""Incidents as pages read them, and the one transaction in which a person changes one."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from agent.wire import CommandKind
from hub.core import review
from hub.core.access import Action, may
from hub.core.audit import Deed
from hub.store import QUERIES, Row, Store, audit, commands, room_incidents
from hub.store.audit import Actor


class Incident(NamedTuple):
    """One incident whole: its row, its alerts (oldest first, `body` decoded JSON) and its thread (oldest first)."""

    row: dict[str, Any]
    alerts: list[dict[str, Any]]
    thread: list[review.Event]


class NoSuchIncident(Exception):
    """No incident has that number."""


def one(store: Store, incident_id: int) -> Incident:
    """Raises NoSuchIncident."""
    with store.read() as connection:
        row = QUERIES.incident_by_id(connection, incident_id=incident_id)
        if row is None:
            raise NoSuchIncident(incident_id)
        alerts = [
            {**dict(alert), "body": msgspec.json.decode(alert["body"])}
            for alert in QUERIES.incident_alerts(connection, incident_id=incident_id)
        ]
        return Incident(dict(row), alerts, _thread(connection, incident_id))


def still(store: Store, unit: str, sha256: str) -> bytes | None:
    """The JPEG of an evidence still."""
    with store.read() as connection:
        row = QUERIES.evidence_still(connection, unit=unit, sha256=sha256)
        return None if row is None else bytes(row["jpeg"])


def reviewers(connection: Any) -> list[str]:
    """Who may be given an incident: the names of open accounts that may review, in their order."""
    return [
        row["name"]
        for row in QUERIES.people_all(connection)
        if row["is_active"] and may(row["role"], Action.REVIEW_INCIDENTS)
    ]


def who_may_review(store: Store) -> list[str]:
    with store.read() as connection:
        return reviewers(connection)


def act(store: Store, incident_id: int, wish: review.Wish, now_utc_ms: int, by: Actor) -> review.Change:
    """Do what a person asks, queue the command for the desk's standing alerts, and note it in the audit log as done by
    `by`, in one transaction. The words of a comment stand in the thread, and not in the log a second time. Closing a
    room incident closes its open members with it.
    Raises NoSuchIncident, review.Overtaken, review.Refused."""
    with store.write() as connection:
        row = QUERIES.incident_by_id(connection, incident_id=incident_id)
        if row is None:
            raise NoSuchIncident(incident_id)
        change = review.decide(_standing(connection, row), wish)
        QUERIES.review_incident(
            connection, incident_id=incident_id, seen=row["version"], **_fields(row, wish, change, now_utc_ms)
        )
        verdict = None if change.verdict is None else str(change.verdict)
        told = dict(incident_id=incident_id, at=now_utc_ms, who=wish.who)
        for action, text in change.also:
            QUERIES.add_incident_act(connection, **told, action=action, text=text, verdict=None)
        QUERIES.add_incident_act(connection, **told, action=change.event, text=change.text, verdict=verdict)
        detail = {"act": change.event} | ({"verdict": verdict} if verdict else {})
        audit.add(connection, by, Deed.REVIEWED_INCIDENT, f"incident {incident_id}", now_utc_ms, detail)
        if wish.act is review.Act.TAKE_OUT:
            room_incidents.was_taken_out(connection, row, wish.who, now_utc_ms)
        for member in sorted(change.members):
            _close_member(connection, member, incident_id, wish.who, str(verdict), now_utc_ms, by)
        if change.command is not None:
            _queue_commands(connection, incident_id, change, now_utc_ms)
        return change


def _standing(connection: Any, row: Row) -> review.Standing:
    incident_id = row["incident_id"]
    return review.Standing(
        state=review.State(row["state"]),
        version=row["version"],
        events=_thread(connection, incident_id),
        merged_into=row["merged_into"],
        is_drill=bool(row["is_drill"]),
        assigned_to=row["assigned_to"] or "",
        category=row["category"],
        proposed_by=row["proposed_by"] or "",
        part_of=row["part_of"],
        open_members=frozenset(room_incidents.open_members(connection, incident_id)),
        reviewers=frozenset(reviewers(connection)),
    )


def _close_member(connection: Any, member: int, room: int, who: str, verdict: str, now_utc_ms: int, by: Actor) -> None:
    QUERIES.close_member(connection, incident_id=member, verdict=verdict, who=who, now=now_utc_ms)
    QUERIES.add_incident_act(
        connection,
        incident_id=member,
        at=now_utc_ms,
        who=who,
        action="closed",
        text=f"closed with incident {room}, which it is part of",
        verdict=verdict,
    )
    detail = {"act": "closed", "verdict": verdict, "part_of": room}
    audit.add(connection, by, Deed.REVIEWED_INCIDENT, f"incident {member}", now_utc_ms, detail)
    for alert in list(QUERIES.standing_alerts_of_incident(connection, incident_id=member)):
        commands.queue(connection, alert["unit"], CommandKind.DISMISS_ALERT, now_utc_ms, alert=alert["alert"])


def _thread(connection: Any, incident_id: int) -> list[review.Event]:
    return [
        review.Event(
            row["at_utc_ms"],
            row["who"],
            row["action"],
            row["text"],
            None if row["verdict"] is None else review.Verdict(row["verdict"]),
        )
        for row in QUERIES.incident_thread(connection, incident_id=incident_id)
    ]


def _fields(row: Row, wish: review.Wish, change: review.Change, now_utc_ms: int) -> dict[str, Any]:
    is_closing = change.event == "closed"
    is_reopening = wish.act is review.Act.REOPEN
    is_first = change.state is not review.State.OPEN and row["acknowledged_by"] is None
    return {
        "state": str(change.state),
        "verdict": str(change.verdict) if change.verdict else (None if is_reopening else row["verdict"]),
        "acknowledged_utc_ms": None if is_reopening else now_utc_ms if is_first else row["acknowledged_utc_ms"],
        "acknowledged_by": None if is_reopening else wish.who if is_first else row["acknowledged_by"],
        "closed_utc_ms": now_utc_ms if is_closing else (None if is_reopening else row["closed_utc_ms"]),
        "assigned_to": change.assigned_to or None,
        "category": change.category,
        "proposed_by": change.proposed_by or None,
        "part_of": change.part_of,
    }


def _queue_commands(connection: Any, incident_id: int, change: review.Change, now_utc_ms: int) -> None:
    if change.command is None:
        return
    for alert in list(QUERIES.standing_alerts_of_incident(connection, incident_id=incident_id)):
        commands.queue(connection, alert["unit"], change.command, now_utc_ms, alert=alert["alert"])
