"""Incidents as pages read them, and the one transaction in which a person changes one."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from hub.core import review
from hub.core.audit import Deed
from hub.store import QUERIES, Row, Store, audit, commands
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


def act(store: Store, incident_id: int, wish: review.Wish, now_utc_ms: int, by: Actor) -> review.Change:
    """Do what a person asks, queue the command for the desk's standing alerts, and note it in the audit log as done by
    `by`, in one transaction. The words of a comment stand in the thread, and not in the log a second time.
    Raises NoSuchIncident, review.Overtaken, review.Refused."""
    with store.write() as connection:
        row = QUERIES.incident_by_id(connection, incident_id=incident_id)
        if row is None:
            raise NoSuchIncident(incident_id)
        if row["is_drill"] and wish.verdict not in (None, review.Verdict.NO_CONCERN):
            raise review.Refused("a drill is closed with no concern: nothing has happened")
        thread = _thread(connection, incident_id)
        standing = review.Standing(review.State(row["state"]), row["version"], thread, row["merged_into"])
        change = review.decide(standing, wish)
        QUERIES.review_incident(
            connection, incident_id=incident_id, seen=row["version"], **_fields(row, wish, change, now_utc_ms)
        )
        QUERIES.add_incident_act(
            connection,
            incident_id=incident_id,
            at=now_utc_ms,
            who=wish.who,
            action=change.event,
            text=change.text,
            verdict=None if change.verdict is None else str(change.verdict),
        )
        told = {"act": change.event} | ({"verdict": str(change.verdict)} if change.verdict else {})
        audit.add(connection, by, Deed.REVIEWED_INCIDENT, f"incident {incident_id}", now_utc_ms, told)
        if change.command is not None:
            _queue_commands(connection, incident_id, change, now_utc_ms)
        return change


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
    is_closing = wish.act is review.Act.CLOSE
    is_acknowledging = wish.act is review.Act.ACKNOWLEDGE or (is_closing and row["acknowledged_by"] is None)
    is_reopening = wish.act is review.Act.REOPEN
    return {
        "state": str(change.state),
        "verdict": str(change.verdict) if change.verdict else (None if is_reopening else row["verdict"]),
        "acknowledged_utc_ms": None if is_reopening else now_utc_ms if is_acknowledging else row["acknowledged_utc_ms"],
        "acknowledged_by": None if is_reopening else wish.who if is_acknowledging else row["acknowledged_by"],
        "closed_utc_ms": now_utc_ms if is_closing else (None if is_reopening else row["closed_utc_ms"]),
    }


def _queue_commands(connection: Any, incident_id: int, change: review.Change, now_utc_ms: int) -> None:
    if change.command is None:
        return
    for alert in list(QUERIES.standing_alerts_of_incident(connection, incident_id=incident_id)):
        commands.queue(connection, alert["unit"], change.command, now_utc_ms, alert=alert["alert"])
