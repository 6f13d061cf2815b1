"""Marks that people put on moments of a sitting, and incidents that people open: both from what somebody saw."""

from __future__ import annotations

from hub.core import film
from hub.core.audit import Deed
from hub.core.board import BY_HAND
from hub.core.breaks import Refused
from hub.store import QUERIES, Row, Store, audit, breaks, planning
from hub.store.audit import Actor

MAX_NOTE_CHARS = 2000


def mark_seat(store: Store, seat_id: int, at_utc_ms: int, note: str, now_utc_ms: int, by: Actor) -> int:
    """Mark a moment of the sitting that is on at the seat; a moment to come is now. Raises Refused."""
    with store.write() as connection:
        here = breaks.sitting_at_seat(connection, seat_id, now_utc_ms)
        at = _moment(at_utc_ms, here.start_utc_ms, now_utc_ms)
        values = {"sitting": here.sitting, "seat": here.seat, "unit": here.unit}
        number = QUERIES.insert_bookmark(connection, **values, at=at, now=now_utc_ms, by=by.who, note=_checked(note))
        audit.add(connection, by, Deed.BOOKMARKED, f"seat {seat_id}", now_utc_ms, {"at_utc_ms": at})
        return int(number)


def mark_room(store: Store, room: str, at_utc_ms: int, note: str, now_utc_ms: int, by: Actor) -> int:
    """Mark a moment of the whole room. Raises Refused."""
    with store.write() as connection:
        found: Row | None = QUERIES.room_sitting(connection, room=room, now=now_utc_ms)
        if found is None:
            raise Refused(f"no sitting is on in {room} now" if room else "choose the room whose moment it is")
        at = _moment(at_utc_ms, found["start_utc_ms"], now_utc_ms)
        number = QUERIES.insert_bookmark(
            connection,
            sitting=found["sitting"],
            seat="",
            unit=None,
            at=at,
            now=now_utc_ms,
            by=by.who,
            note=_checked(note),
        )
        audit.add(connection, by, Deed.BOOKMARKED, f"sitting {found['sitting']}", now_utc_ms, {"at_utc_ms": at})
        return int(number)


def open_incident(store: Store, seat_id: int, at_utc_ms: int, note: str, now_utc_ms: int, by: Actor) -> int:
    """Open an incident about a moment of the seat, and ask its desk for the film around it; answers the incident's
    number. Raises Refused, planning.CannotPlan."""
    note = _checked(note)
    if not note:
        raise Refused("write what you saw: an incident by hand has no rule that says it")
    with store.write() as connection:
        here = breaks.sitting_at_seat(connection, seat_id, now_utc_ms)
        if here.unit is None:
            raise Refused("no desk unit stands at this seat, so there is no film: make a bookmark instead")
        at = _moment(at_utc_ms, here.start_utc_ms, now_utc_ms)
        place = {"unit": here.unit, "sitting": here.sitting, "room": here.room, "seat": here.seat}
        number = int(QUERIES.open_by_hand(connection, **place, kind=BY_HAND, now=now_utc_ms, at=at))
        thread = {"incident_id": number, "at": now_utc_ms, "who": by.who, "verdict": None}
        QUERIES.add_incident_act(connection, **thread, action="opened_by_hand", text=note)
        since, until = film.incident_stretch(at, at, now_utc_ms)
        wanted = {"unit": here.unit, "sitting": here.sitting, "since": since, "until": until}
        QUERIES.add_wish(connection, **wanted, who=by.who, now=now_utc_ms)
        told = {"seat": here.seat, "room": here.room}
        audit.add(connection, by, Deed.OPENED_INCIDENT, f"incident {number}", now_utc_ms, told)
        planning.replan(connection, now_utc_ms)
        return number


def _moment(at_utc_ms: int, start_utc_ms: int, now_utc_ms: int) -> int:
    if at_utc_ms < start_utc_ms:
        raise Refused("the moment lies before the sitting began")
    return min(at_utc_ms, now_utc_ms)


def _checked(note: str) -> str:
    note = note.strip()
    if len(note) > MAX_NOTE_CHARS:
        raise Refused(f"the note has {len(note)} characters, at most {MAX_NOTE_CHARS} can be kept")
    return note
