"""Room incidents: what the watcher reads and writes, and the members that a page shows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, NamedTuple

from hub.core import room_events
from hub.core.audit import Deed
from hub.core.presence import Presence, presence
from hub.core.room_events import Family, Group, Happened
from hub.store import QUERIES, Row, Store, audit
from hub.store.audit import Actor

LOOK_BACK_MS = 120_000
"""What was over longer ago is part of no event that is still to be found: the longest dwell of a rule about an empty
seat, its wait and the way here are together below a minute."""
HONEST_LAG_MS = 10_000
"""A word that took no longer than this from the desk is placed by the hub's clock; an older one, sent by a desk that
was away, by the desk's own."""
OFFLINE = "offline"
NO_FAULT_OF_ROOM = frozenset({"hub_unreachable"})
"""Told by a desk when it is back: that it was away is `room_gone`."""


class Watched(NamedTuple):
    """A room in which a sitting runs, and how many of its seats have a desk."""

    room: str
    sitting: str
    desks: int


class Seen(NamedTuple):
    """All that the watcher needs, in one consistent read. `happened` by room. `known`: key -> the open room incident
    that has it as a member. `rooms`: the room incidents that nobody has closed."""

    watched: list[Watched]
    happened: dict[str, list[Happened]]
    known: dict[tuple[str, int], int]
    rooms: list[dict[str, Any]]


class NotAMember(Exception):
    """The desk is not, or no longer, a member of that room incident."""


def look(store: Store, now_utc_ms: int, well_since_utc_ms: int) -> Seen:
    """What has happened of late. A desk whose last word is older than `well_since_utc_ms` went away while the hub could
    not hear: nobody knows when, so it counts only where it is a member already."""
    since = now_utc_ms - LOOK_BACK_MS
    with store.read() as connection:
        watched: dict[str, Watched] = {}
        for row in QUERIES.rooms_watched(connection, now=now_utc_ms):
            watched.setdefault(row["room"], Watched(row["room"], row["sitting"], row["desks"]))
        equipment = [dict(row) for row in QUERIES.room_equipment(connection, since=since)]
        seen = Seen(
            list(watched.values()),
            {room: [] for room in watched},
            {},
            [dict(row) for row in QUERIES.room_incidents_standing(connection)],
        )
        _emptied(seen, QUERIES.room_alerts(connection, since=since), {row["incident_id"] for row in seen.rooms})
        _faults(seen, QUERIES.room_faults(connection, since=since), equipment)
        _gone(seen, QUERIES.room_presence(connection), equipment, now_utc_ms, well_since_utc_ms)
        return seen


def _placed(row: Row) -> tuple[int, int | None]:
    """(began, cleared) in hub time."""
    lag_ms = row["received_utc_ms"] - row["raised_utc_ms"]
    if abs(lag_ms) > HONEST_LAG_MS:
        lag_ms = 0
    cleared = row["cleared_utc_ms"]
    return row["began_utc_ms"] + lag_ms, None if cleared is None else cleared + lag_ms


def _emptied(seen: Seen, rows: Iterable[Row], open_rooms: set[int]) -> None:
    for row in rows:
        if row["room"] not in seen.happened:
            continue
        if row["part_of"] is not None and row["part_of"] not in open_rooms:
            continue  # its room incident is closed: it opens no other one
        key = (row["unit"], row["incident_id"])
        began, cleared = _placed(row)
        seen.happened[row["room"]].append(Happened(row["seat"], Family.EMPTIED, "", began, cleared, key))
        if row["part_of"] is not None:
            seen.known[key] = row["part_of"]


def _faults(seen: Seen, rows: Iterable[Row], equipment: Iterable[dict[str, Any]]) -> None:
    told = _members(equipment)
    for row in rows:
        if row["room"] not in seen.happened or row["kind"] in NO_FAULT_OF_ROOM:
            continue
        began, cleared = _placed(row)
        key = (f"{row['unit']} {row['kind']}", 0)
        if _is_new(seen, told.get((row["unit"], row["kind"])), key, began):
            seen.happened[row["room"]].append(Happened(row["seat"], Family.FAULTS, row["kind"], began, cleared, key))


def _gone(
    seen: Seen, rows: Iterable[Row], equipment: Iterable[dict[str, Any]], now_utc_ms: int, well_since_utc_ms: int
) -> None:
    told = _members(equipment)
    for row in rows:
        if row["room"] not in seen.happened:
            continue
        heard = row["heartbeat_utc_ms"] or row["status_utc_ms"]
        is_online = None if row["is_online"] is None else bool(row["is_online"])
        state = presence(is_online, row["status_utc_ms"], row["heartbeat_utc_ms"], now_utc_ms)
        is_gone = state in (Presence.SILENT, Presence.OFFLINE)
        key, member = (f"{row['unit']} {OFFLINE}", 0), told.get((row["unit"], OFFLINE))
        is_member = _is_standing_member(member)
        if not is_gone and not is_member:
            continue
        if not is_member and heard < well_since_utc_ms:
            continue
        at = member["at_utc_ms"] if member is not None and is_member else heard
        if _is_new(seen, member, key, at):
            until = None if is_gone else max(at + 1, min(heard, now_utc_ms))
            seen.happened[row["room"]].append(Happened(row["seat"], Family.GONE, "", at, until, key))


def _members(equipment: Iterable[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """The newest part that each unit has had, by (unit, what)."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(equipment, key=lambda row: (row["at_utc_ms"], row["incident_id"])):
        found[(row["unit"], row["what"])] = row
    return found


def _is_standing_member(member: dict[str, Any] | None) -> bool:
    return member is not None and member["state"] != "closed" and member["taken_out_utc_ms"] is None


def _is_new(seen: Seen, member: dict[str, Any] | None, key: tuple[str, int], at_utc_ms: int) -> bool:
    """Whether it may open or join one; what is a member of an open one is noted as such."""
    if member is None:
        return True
    if _is_standing_member(member):
        seen.known[key] = member["incident_id"]
        return True
    return bool(at_utc_ms > member["at_utc_ms"])


# --- writing --------------------------------------------------------------------------------------------------------


def open_incident(connection: sqlite3.Connection, room: Watched, group: Group, now_utc_ms: int) -> int:
    """Open the incident of this group, without its members; answers its number."""
    number = int(
        QUERIES.open_room_incident(
            connection,
            unit=unit_of(group.members[0]),
            kind=str(group.family),
            sitting=room.sitting,
            room=room.room,
            now=now_utc_ms,
            began=group.at_utc_ms,
        )
    )
    QUERIES.add_desk_event(connection, incident_id=number, now=now_utc_ms, action="opened_room", text=group.what)
    return number


def unit_of(one: Happened) -> str:
    return one.key[0].split(" ", 1)[0]


def is_open(connection: sqlite3.Connection, incident_id: int) -> bool:
    row: Row | None = QUERIES.incident_by_id(connection, incident_id=incident_id)
    return row is not None and row["state"] != "closed"


def join(connection: sqlite3.Connection, incident_id: int, members: Iterable[Happened], now_utc_ms: int) -> None:
    """Make these members of it, with the lines in the threads that say so."""
    seats: dict[str, None] = {}
    for one in members:
        if one.family is Family.EMPTIED:
            member = one.key[1]
            if not QUERIES.set_part_of(connection, incident_id=member, part_of=incident_id):
                continue  # a person closed it or took it out meanwhile
            QUERIES.add_desk_event(
                connection, incident_id=member, now=now_utc_ms, action="part_of_room", text=str(incident_id)
            )
        else:
            what = one.what or OFFLINE
            QUERIES.add_room_member(
                connection, incident_id=incident_id, unit=unit_of(one), seat=one.seat, what=what, at=one.at_utc_ms
            )
        seats[one.seat] = None
    if seats:
        text = ", ".join(seats)[:4000]
        QUERIES.add_desk_event(connection, incident_id=incident_id, now=now_utc_ms, action="member", text=text)


def touch(connection: sqlite3.Connection, row: dict[str, Any], cleared_utc_ms: int | None, now_utc_ms: int) -> None:
    """Its version rises, and it is over or stands again. The thread says once that it was over."""
    QUERIES.touch_room_incident(connection, incident_id=row["incident_id"], cleared=cleared_utc_ms)
    if cleared_utc_ms is not None and row["cleared_utc_ms"] is None:
        thread = QUERIES.incident_thread(connection, incident_id=row["incident_id"])
        if not any(event["action"] == "cleared" for event in thread):
            QUERIES.add_desk_event(
                connection, incident_id=row["incident_id"], now=now_utc_ms, action="cleared", text=""
            )


# --- people ---------------------------------------------------------------------------------------------------------


def open_members(connection: sqlite3.Connection, incident_id: int) -> list[int]:
    """The members that closing it closes too: incidents that nobody has worked on."""
    rows = QUERIES.room_incident_members(connection, incident_id=incident_id)
    return [row["incident_id"] for row in rows if row["is_untouched"]]


def members(store: Store, incident_id: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(incidents, equipment) that are members of it."""
    with store.read() as connection:
        return (
            [dict(row) for row in QUERIES.room_incident_members(connection, incident_id=incident_id)],
            [dict(row) for row in QUERIES.room_equipment_of(connection, incident_id=incident_id)],
        )


def was_taken_out(connection: sqlite3.Connection, member: Row, who: str, now_utc_ms: int) -> None:
    """Say in the room incident's thread that a person took this one out."""
    QUERIES.add_incident_act(
        connection,
        incident_id=member["part_of"],
        at=now_utc_ms,
        who=who,
        action="member_taken_out",
        text=f"{member['seat']}, incident {member['incident_id']}",
        verdict=None,
    )


def take_out(store: Store, incident_id: int, unit: str, what: str, now_utc_ms: int, by: Actor) -> None:
    """Take a desk's equipment out of a room incident again. Raises NotAMember."""
    with store.write() as connection:
        found = [
            row
            for row in QUERIES.room_equipment_of(connection, incident_id=incident_id)
            if (row["unit"], row["what"]) == (unit, what)
        ]
        if not found:
            raise NotAMember(unit)
        wanted = {"incident_id": incident_id, "unit": unit, "what": what, "now": now_utc_ms, "who": by.who}
        QUERIES.take_out_member(connection, **wanted)
        told = {"incident_id": incident_id, "at": now_utc_ms, "who": by.who, "verdict": None}
        QUERIES.add_incident_act(connection, **told, action="member_taken_out", text=found[0]["seat"])
        detail = {"act": "member_taken_out", "seat": found[0]["seat"]}
        audit.add(connection, by, Deed.REVIEWED_INCIDENT, f"incident {incident_id}", now_utc_ms, detail)


def totals(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """For the metrics: kind -> (all, not closed)."""
    found = {str(kind): (0, 0) for kind in room_events.WORDS}
    found |= {row["kind"]: (row["total"], row["standing"]) for row in QUERIES.count_room_incidents(connection)}
    return found
