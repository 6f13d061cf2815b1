"""Work that takes longer than a request: asked for by people, done by the worker, its progress seen by all.

A job that the worker was doing when it died is taken up again by the next one, so each kind of work must be able to
go on from where it was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from hub.store import QUERIES, Row, Store


class Job(NamedTuple):
    """One row of `jobs`; `wish` and `result` decoded. `total` 0: not known yet."""

    job_id: int
    kind: str
    wish: dict[str, Any]
    asked_by: str
    asked_utc_ms: int
    state: str
    is_cancel_wanted: bool
    done: int
    total: int
    note: str
    result: dict[str, Any] | None
    started_utc_ms: int | None
    ended_utc_ms: int | None


class NoSuchJob(Exception):
    """No job has that number."""


def add(connection: sqlite3.Connection, kind: str, wish: Mapping[str, Any], who: str, now_utc_ms: int) -> int:
    """Ask for work, within the caller's transaction; answers its number."""
    text = msgspec.json.encode(dict(wish)).decode()
    return int(QUERIES.insert_job(connection, kind=kind, wish=text, who=who, now=now_utc_ms))


def one(store: Store, job_id: int) -> Job:
    """Raises NoSuchJob."""
    with store.read() as connection:
        row: Row | None = QUERIES.job_by_id(connection, job_id=job_id)
    if row is None:
        raise NoSuchJob(job_id)
    return of_row(row)


def open_for(connection: sqlite3.Connection, kind: str, field: str, value: int) -> int | None:
    """The job of that kind that waits or runs and whose wish has this value in this field."""
    row: Row | None = QUERIES.job_open_for(connection, kind=kind, path=f"$.{field}", value=value)
    return None if row is None else int(row["job_id"])


def newest(store: Store, kind: str = "", limit: int = 50) -> list[Job]:
    """The jobs asked for last, newest first; of one kind where given."""
    with store.read() as connection:
        return [of_row(row) for row in QUERIES.jobs_newest(connection, kind=kind, limit=limit)]


def take(store: Store, now_utc_ms: int) -> Job | None:
    """The next job, noted as running; None when there is none. One that nobody started and that was cancelled ends."""
    with store.read() as connection:
        if QUERIES.job_next(connection) is None:
            return None
    with store.write() as connection:
        while (row := QUERIES.job_next(connection)) is not None:
            if row["state"] == "waiting" and row["is_cancel_wanted"]:
                QUERIES.end_job(
                    connection, job_id=row["job_id"], state="cancelled", note="", result=None, now=now_utc_ms
                )
                continue
            QUERIES.start_job(connection, job_id=row["job_id"], now=now_utc_ms)
            return of_row(QUERIES.job_by_id(connection, job_id=row["job_id"]))
    return None


def tell(store: Store, job_id: int, done: int, total: int, note: str) -> bool:
    """Note how far a running job is; answers whether it is to go on: False when somebody cancelled it."""
    with store.write() as connection:
        QUERIES.tell_job(connection, job_id=job_id, done=done, total=total, note=note[:500])
        row: Row = QUERIES.job_by_id(connection, job_id=job_id)
    return not row["is_cancel_wanted"]


def end(
    connection: sqlite3.Connection,
    job_id: int,
    state: str,
    now_utc_ms: int,
    *,
    note: str = "",
    result: Mapping[str, Any] | None = None,
) -> None:
    """End a job as `done`, `failed` or `cancelled`."""
    text = None if result is None else msgspec.json.encode(dict(result)).decode()
    QUERIES.end_job(connection, job_id=job_id, state=state, note=note[:500], result=text, now=now_utc_ms)


def cancel(connection: sqlite3.Connection, job_id: int) -> bool:
    """Wish that a job ends; False when it has ended already. Who does it looks whenever it tells how far it is."""
    return bool(QUERIES.cancel_job(connection, job_id=job_id))


def of_row(row: Row) -> Job:
    """The job of a row of `jobs`, joined with others or not."""
    values = {field: row[field] for field in Job._fields}
    values["wish"] = msgspec.json.decode(values["wish"])
    values["result"] = None if values["result"] is None else msgspec.json.decode(values["result"])
    values["is_cancel_wanted"] = bool(values["is_cancel_wanted"])
    return Job(**values)
