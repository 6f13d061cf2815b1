"""What evidence bundles may be asked for, and those that were: jobs of the kind `bundle`.

A job's wish names an incident (`incident_id`) or a seat of a sitting (`sitting`, `seat_id`), with `purpose` and
`recipient`. The builder is told the same in its own words: `incident`, or `sitting` and the seat's label `seat`, and
`why`. The result is `{"file": name, "size_bytes": n, "sha256": hash, "kept_until_utc_ms": n}`.
"""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

from hub.core.audit import Deed
from hub.store import QUERIES, Row, Store, audit, jobs
from hub.store.audit import Actor
from hub.store.jobs import Job

KIND = "bundle"
PAGE_ROWS = 50
MOST_SITTINGS = 50
MOST_OPEN = 20
"""Waiting or being made at a time: each takes minutes of a disk that serves others too."""


class CannotAsk(Exception):
    """The bundle cannot be asked for; the text says why, in a sentence without its capital and full stop."""


class Sitting(NamedTuple):
    sitting: str
    exam: str
    start_utc_ms: int
    end_utc_ms: int


class Seat(NamedTuple):
    seat_id: int
    label: str
    room: str


class Bundle(NamedTuple):
    """A job with what its wish names: '' for what is not known any more. `alert_kind` '' for a seat's."""

    job: Job
    seat: str
    room: str
    alert_kind: str
    exam: str

    @property
    def what(self) -> str:
        """As the audit log names it."""
        return object_of(self.job.wish)


def object_of(wish: dict[str, Any]) -> str:
    return f"incident {wish['incident_id']}" if "incident_id" in wish else f"seat {wish['seat_id']}"


def seat(store: Store, seat_id: int) -> Seat | None:
    with store.read() as connection:
        row: Row | None = QUERIES.request_seat(connection, seat_id=seat_id)
        return None if row is None else Seat(*row)


def sittings(store: Store, seat_id: int, now_utc_ms: int) -> list[Sitting]:
    """Those in the seat's room that have begun, newest first."""
    with store.read() as connection:
        rows = QUERIES.request_sittings(connection, seat_id=seat_id, now=now_utc_ms, limit=MOST_SITTINGS)
        return [Sitting(*row) for row in rows]


def ask(store: Store, wish: dict[str, Any], by: Actor, now_utc_ms: int) -> int:
    """Ask for a bundle, noted in the audit log; answers the job's number. Raises CannotAsk."""
    with store.write() as connection:
        _check(connection, wish, now_utc_ms)
        job_id = jobs.add(connection, KIND, wish | _for_builder(connection, wish), by.who, now_utc_ms)
        told = {key: value for key, value in wish.items() if key not in ("incident_id", "seat_id")}
        audit.add(connection, by, Deed.ASKED_FOR_BUNDLE, object_of(wish), now_utc_ms, told | {"bundle": job_id})
    return job_id


def _for_builder(connection: sqlite3.Connection, wish: dict[str, Any]) -> dict[str, Any]:
    why = f"{wish['purpose']} (for {wish['recipient']})"
    if "incident_id" in wish:
        return {"incident": wish["incident_id"], "why": why}
    row: Row = QUERIES.request_label(connection, seat_id=wish["seat_id"], sitting=wish["sitting"])
    return {"seat": row["label"], "why": why}


def _check(connection: sqlite3.Connection, wish: dict[str, Any], now_utc_ms: int) -> None:
    if QUERIES.requests_open(connection)[0] >= MOST_OPEN:
        raise CannotAsk(f"{MOST_OPEN} bundles are being made or wait already: wait for one, or cancel one")
    if "incident_id" in wish:
        row = QUERIES.incident_by_id(connection, incident_id=wish["incident_id"])
        if row is None:
            raise CannotAsk("there is no such incident")
        if row["merged_into"]:
            raise CannotAsk(f"the incident is part of incident {row['merged_into']} now: ask there")
        return
    row = QUERIES.request_sitting(connection, seat_id=wish["seat_id"], sitting=wish["sitting"])
    if row is None:
        raise CannotAsk("choose a sitting of this seat's room")
    if row["start_utc_ms"] > now_utc_ms:
        raise CannotAsk("that sitting has not begun")


def cancel(store: Store, bundle: Job, by: Actor, now_utc_ms: int) -> bool:
    """Have it end, noted in the audit log; False when it had ended already."""
    with store.write() as connection:
        is_wanted = not QUERIES.job_by_id(connection, job_id=bundle.job_id)["is_cancel_wanted"]
        is_changed = jobs.cancel(connection, bundle.job_id)
        if is_changed and is_wanted:
            audit.add(
                connection,
                by,
                Deed.CANCELLED_BUNDLE,
                object_of(bundle.wish),
                now_utc_ms,
                {"bundle": bundle.job_id},
            )
    return is_changed


def one(store: Store, job_id: int) -> Job:
    """Raises jobs.NoSuchJob, also for work of another kind."""
    found = jobs.one(store, job_id)
    if found.kind != KIND:
        raise jobs.NoSuchJob(job_id)
    return found


def listing(store: Store, below: int = 0) -> list[Bundle]:
    """The newest PAGE_ROWS, those numbered below `below` (0: from the newest)."""
    with store.read() as connection:
        rows = QUERIES.request_list(connection, below=below, limit=PAGE_ROWS)
        return [
            Bundle(jobs.of_row(row), row["seat"] or "", row["room"] or "", row["alert_kind"] or "", row["exam"] or "")
            for row in rows
        ]
