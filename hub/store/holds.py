"""Holds: what they cover is never removed, by rule, by hand or by a full disk, until the last one is released.

A hold on an incident covers its seat's film from half a minute before it began to a quarter after it cleared, open
ended while it stands, in whole segments, and its pictures; one on a seat or a sitting all of it. The views
`hold_stretches` and `held_segments` of the schema say so in SQL, for the one function that deletes and for the plans of
the desks alike.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

from hub.core.audit import Deed
from hub.store import QUERIES, Row, Store, audit, planning
from hub.store.audit import Actor

log = logging.getLogger(__name__)

MOST_REASON = 2_000
MOST_LISTED = 500
_PAGE = 5_000


class CannotHold(Exception):
    """The hold cannot be placed or released; the text says why."""


class Place(NamedTuple):
    """What a hold is on: an incident, a whole sitting, or a seat of a sitting by its label."""

    incident_id: int | None = None
    sitting: str | None = None
    seat: str | None = None

    @property
    def object(self) -> str:
        """As the audit log names it."""
        if self.incident_id is not None:
            return f"incident {self.incident_id}"
        return f"sitting {self.sitting}"


class Hold(NamedTuple):
    """One row. `sitting` and `seat` are the incident's where the hold is on one; `merged_into` is where that went."""

    hold_id: int
    place: Place
    sitting: str
    seat: str
    incident_kind: str
    merged_into: int | None
    reason: str
    placed_by: str
    placed_utc_ms: int
    released_by: str | None
    released_utc_ms: int | None
    released_why: str | None


class HeldFile(NamedTuple):
    """A segment under hold `hold_id` whose file the hub must have."""

    unit: str
    name: str
    sitting: str
    seat: str
    sha256: str
    size_bytes: int
    hold_id: int


def place(connection: sqlite3.Connection, actor: Actor, on: Place, reason: str, now_utc_ms: int) -> int:
    """Place a hold, tell the desks, and note who did so, within the caller's write turn; answers its number. Raises
    CannotHold."""
    reason = _text(reason, "reason")
    _name(actor)
    _check(connection, on)
    number = int(
        QUERIES.insert_hold(
            connection,
            incident_id=on.incident_id,
            sitting=on.sitting,
            seat=on.seat,
            reason=reason,
            who=actor.who,
            now=now_utc_ms,
        )
    )
    detail: dict[str, Any] = {"hold": number, "reason": reason}
    audit.add(connection, actor, Deed.HELD, on.object, now_utc_ms, detail | ({"seat": on.seat} if on.seat else {}))
    _replan(connection, now_utc_ms)
    return number


def release(connection: sqlite3.Connection, actor: Actor, hold_id: int, why: str, now_utc_ms: int) -> Hold:
    """Release a hold, within the caller's write turn; others over the same film go on. Raises CannotHold."""
    why = _text(why, "reason for the release")
    _name(actor)
    row: Row | None = QUERIES.hold_by_id(connection, hold_id=hold_id)
    if row is None:
        raise CannotHold(f"there is no hold {hold_id}")
    hold = _hold(row)
    if hold.released_by is not None:
        raise CannotHold(f"hold {hold_id} was released already, by {hold.released_by}")
    QUERIES.release_hold(connection, hold_id=hold_id, who=actor.who, why=why, now=now_utc_ms)
    detail = {"hold": hold_id, "why": why}
    audit.add(connection, actor, Deed.RELEASED, hold.place.object, now_utc_ms, detail)
    _replan(connection, now_utc_ms)
    return hold


def listed(store: Store, *, is_standing: bool = False, limit: int = MOST_LISTED) -> list[Hold]:
    """The holds, those that stand first, newest first; `is_standing`: these alone."""
    with store.read() as connection:
        return [_hold(row) for row in QUERIES.holds_all(connection, is_standing=is_standing, limit=limit)]


def sittings(store: Store) -> list[tuple[str, str, str]]:
    """(sitting, exam, room) of those that may be held, the newest first."""
    with store.read() as connection:
        rows = QUERIES.holdable_sittings(connection, limit=MOST_LISTED)
        return [(row["sitting"], row["exam"], row["room"]) for row in rows]


def over_incident(connection: sqlite3.Connection, incident_id: int) -> list[Hold]:
    """The standing holds that cover an incident: on it, on one merged into it, on its seat or sitting."""
    return [_hold(row) for row in QUERIES.holds_over_incident(connection, incident_id=incident_id)]


def over_segment(connection: sqlite3.Connection, unit: str, name: str) -> list[int]:
    """The numbers of the standing holds over a segment; [] is free."""
    return [int(row["hold_id"]) for row in QUERIES.holds_over_segment(connection, unit=unit, name=name)]


def counts(store: Store) -> dict[int, tuple[int, int]]:
    """By standing hold: (segments, bytes) that it covers of what the hub has."""
    with store.read() as connection:
        rows = QUERIES.held_counts(connection)
        return {int(row["hold_id"]): (int(row["segments"]), int(row["size_bytes"])) for row in rows}


def held_files(store: Store) -> Iterator[HeldFile]:
    """Every file under a hold that the hub must have, for whoever compares that with the storage."""
    last = 0
    while True:
        with store.read() as connection:
            rows = list(QUERIES.held_files(connection, after=last, limit=_PAGE))
        for row in rows:
            yield HeldFile(**{field: row[field] for field in HeldFile._fields})
        if len(rows) < _PAGE:
            return
        last = int(rows[-1]["segment"])


def removed_rows(connection: sqlite3.Connection) -> list[str]:
    """A line for each segment that a signed record tells of and whose row somebody removed from the database: no rule
    does that, and what a hold covered of it is no longer guarded."""
    return [
        f"{row['unit']}: record {row['boot']}/{row['seq']} tells of segment {row['name']} of sitting {row['sitting']}"
        f"{', seat ' + row['seat'] if row['seat'] else ''} ({row['sha256']}), whose row was removed"
        for row in QUERIES.segment_records_without_row(connection)
    ]


def _check(connection: sqlite3.Connection, on: Place) -> None:
    if on.incident_id is not None:
        if on.sitting is not None or on.seat is not None:
            raise CannotHold("a hold is on an incident or on a sitting, not on both")
        if not 0 < on.incident_id < 2**63 or QUERIES.incident_by_id(connection, incident_id=on.incident_id) is None:
            raise CannotHold(f"there is no incident {on.incident_id}")
        return
    if not on.sitting:
        raise CannotHold("name the incident, or the sitting, that is to be held")
    known: Row = QUERIES.has_place(connection, sitting=on.sitting, seat=on.seat)
    if not known["has_sitting"]:
        raise CannotHold(f"there is no sitting {on.sitting!r}")
    if not known["has_seat"]:
        raise CannotHold(f"there is no seat {on.seat!r} in sitting {on.sitting!r}")


def _text(text: str, what: str) -> str:
    text = text.strip()
    if not 1 <= len(text) <= MOST_REASON:
        raise CannotHold(f"give a {what}, of up to {MOST_REASON} characters")
    return text.encode("utf-8", "backslashreplace").decode()


def _name(actor: Actor) -> None:
    if not actor.who.strip():
        raise CannotHold("a hold has the name of who placed or released it")


def _replan(connection: sqlite3.Connection, now_utc_ms: int) -> None:
    """A plan that cannot be written must not undo a hold: the hub's own copy is guarded by the row alone."""
    try:
        planning.replan(connection, now_utc_ms)
    except planning.CannotPlan as cannot:
        log.error("the desks cannot be told of the changed hold: %s", cannot)


def _hold(row: Row) -> Hold:
    on = Place(row["incident_id"], row["sitting"], row["seat"])
    return Hold(
        place=on,
        sitting=(row["sitting"] if on.incident_id is None else row["incident_sitting"]) or "",
        seat=(row["seat"] if on.incident_id is None else row["incident_seat"]) or "",
        incident_kind=row["incident_kind"] or "",
        **{field: row[field] for field in Hold._fields if field not in ("place", "sitting", "seat", "incident_kind")},
    )
