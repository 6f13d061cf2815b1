"""Rosters as they stand: who is examined in a sitting, who sat where when, and files that nobody has confirmed yet.
Changes are made by `roster_changes`."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from hub.core.roster import Candidate
from hub.store import QUERIES, Row, Store

DRAFT_KEPT_MS = 86_400_000
"""A file that nobody confirms is forgotten after a day: it names candidates."""


class Sitting(NamedTuple):
    """The sitting of a roster. `end_utc_ms` is the sitting's own, `latest_end_utc_ms` that of who has extra time."""

    sitting: str
    exam: str
    room: str
    start_utc_ms: int
    end_utc_ms: int
    latest_end_utc_ms: int
    cancelled_utc_ms: int | None
    closed_utc_ms: int | None


class Seat(NamedTuple):
    seat_id: int
    label: str
    unit: str | None


class Stay(NamedTuple):
    """Where a candidate sat. From None: since before the sitting began; until None: still."""

    stay_id: int
    candidate_id: int
    number: str
    seat: str
    from_utc_ms: int | None
    until_utc_ms: int | None


# --- reading --------------------------------------------------------------------------------------------------------


def candidate_in(row: Row) -> Candidate:
    return Candidate(**{name: row[name] for name in Candidate._fields} | {"is_walk_in": bool(row["is_walk_in"])})


def candidates(connection: sqlite3.Connection, sitting: str) -> list[Candidate]:
    """All of them, no-shows included, by seat."""
    return [candidate_in(row) for row in QUERIES.roster_candidates(connection, sitting=sitting)]


def at_seats(connection: sqlite3.Connection, sitting: str) -> dict[str, Candidate]:
    """Who is expected or sits at each seat now, by label. A no-show is there only while nobody else has the seat."""
    found: dict[str, Candidate] = {}
    for each in candidates(connection, sitting):
        if each.seat not in found or found[each.seat].is_no_show:
            found[each.seat] = each
    return found


def who_sat(connection: sqlite3.Connection, sitting: str, seat: str, at_utc_ms: int) -> Candidate | None:
    """Who sat at the seat at that moment; None: nobody that the roster knows of."""
    row: Row | None = QUERIES.roster_who_sat(connection, sitting=sitting, seat=seat, at=at_utc_ms)
    return None if row is None else candidate_in(row)


def stays(connection: sqlite3.Connection, sitting: str) -> list[Stay]:
    """Every stay, in the order in which they were entered."""
    return [Stay(*row) for row in QUERIES.roster_stays(connection, sitting=sitting)]


def seats(connection: sqlite3.Connection, sitting: str) -> list[Seat]:
    """The seats of the sitting's room."""
    return [Seat(*row) for row in QUERIES.roster_seats(connection, sitting=sitting)]


def sitting_of(connection: sqlite3.Connection, name: str) -> Sitting | None:
    row: Row | None = QUERIES.exams_sitting(connection, sitting=name)
    return None if row is None else Sitting(**{field: row[field] for field in Sitting._fields})


# --- drafts ---------------------------------------------------------------------------------------------------------


class Draft(NamedTuple):
    """A file that somebody looks at. `encoding` '': recognise it."""

    digest: str
    file_name: str
    encoding: str
    content: bytes
    made_utc_ms: int


def draft(store: Store, sitting: str, who: str) -> Draft | None:
    with store.read() as connection:
        row: Row | None = QUERIES.roster_draft(connection, sitting=sitting, who=who)
        return None if row is None else Draft(*row)


def put_draft(store: Store, sitting: str, who: str, drafted: Draft) -> None:
    """Instead of the one that this person had of this sitting; and forget old ones."""
    values = drafted._asdict()
    now = values.pop("made_utc_ms")
    with store.write() as connection:
        QUERIES.roster_drop_old_drafts(connection, before=now - DRAFT_KEPT_MS)
        QUERIES.roster_put_draft(connection, sitting=sitting, who=who, now=now, **values)


def drop_draft(connection: sqlite3.Connection, sitting: str, who: str) -> None:
    QUERIES.roster_drop_draft(connection, sitting=sitting, who=who)
