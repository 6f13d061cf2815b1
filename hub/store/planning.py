"""Places, sittings and the plans that follow from them: the store's verbs, each within the caller's transaction.

A unit's plan is what its room has before it: made anew from seats and sittings, it gets a higher number only when
it differs. Numbers follow the hub's clock where that is further on, so that a hub whose store was lost is still obeyed
by desks that remember its earlier plans.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from agent import wire
from agent.wire import Mask, Mode, Pause, Plan, PlannedSitting, Rule
from hub.store import QUERIES, Row, Store

Stretch = tuple[int, int]
"""From and until, UTC milliseconds."""


QUIET_AHEAD_MS = 3_600_000


class CannotPlan(Exception):
    """The sitting or seat cannot be as asked; the text says why."""


def put_room(connection: sqlite3.Connection, room: str) -> int:
    """The room's number; it is made when there is none of that name."""
    QUERIES.insert_room(connection, name=room)
    return int(QUERIES.room_id_of(connection, name=room)["room_id"])


def put_seat(connection: sqlite3.Connection, *, room: str, label: str, unit: str | None = None) -> None:
    """Make the seat, and put `unit` there, away from where it was. Raises CannotPlan for a unit unknown or revoked."""
    known: Row | None = None if unit is None else QUERIES.unit_by_name(connection, unit=unit)
    if unit is not None and known is None:
        raise CannotPlan(f"no unit is called {unit}")
    if known is not None and known["is_revoked"]:
        raise CannotPlan(f"{unit} was revoked: it gets no seat")
    room_id = put_room(connection, room)
    QUERIES.insert_seat(connection, room_id=room_id, label=label)
    if unit is not None:
        QUERIES.unseat_unit(connection, unit=unit)
        QUERIES.seat_unit(connection, room_id=room_id, label=label, unit=unit)


def put_masks(connection: sqlite3.Connection, *, room: str, label: str, masks: Sequence[Mask]) -> None:
    """Give the seat these masks instead of those it has; `replan` brings them to its desk. Raises CannotPlan."""
    seat: Row | None = QUERIES.seat_of(connection, room=room, label=label)
    if seat is None:
        raise CannotPlan(f"there is no seat {label} in {room!r}")
    text = msgspec.json.encode(tuple(masks)).decode()
    QUERIES.put_masks(connection, room_id=seat["room_id"], label=label, masks=text)


def unseated(connection: sqlite3.Connection, units: Iterable[str]) -> set[str]:
    """Those of `units` that are enrolled and have no seat."""
    seated = {row["unit"] for row in QUERIES.seats_with_unit(connection)}
    known = {row["unit"] for row in QUERIES.units_all(connection) if not row["is_revoked"]}
    return (set(units) & known) - seated


def plan_sitting(
    connection: sqlite3.Connection,
    *,
    sitting: str,
    exam: str,
    room: str,
    start_utc_ms: int,
    end_utc_ms: int,
    now_utc_ms: int,
    mode: Mode = Mode.AUTOMATED,
    rules: Sequence[Rule] = wire.DEFAULT_RULES,
    empty: Stretch | None = None,
    is_buzzer_allowed: bool = False,
    may_lamp_show_alerts: bool = True,
    profile: str = "",
    toilet_ms: int = 600_000,
    may_overlap: bool = False,
) -> list[str]:
    """Make the sitting and plan it for every unit in its room; answers those units. In `empty` the room is set up and
    nobody admitted yet: it is over when the sitting starts. `profile`: the name of the one its values are from;
    `toilet_ms`: how long a toilet break may last. Raises CannotPlan, also when another sitting is on in the room,
    unless `may_overlap`."""
    check_times(start_utc_ms, end_utc_ms, empty)
    found: Row | None = QUERIES.room_id_of(connection, name=room)
    if found is None:
        raise CannotPlan(f"no room is called {room!r}")
    room_id = found["room_id"]
    if QUERIES.sitting_by_name(connection, sitting=sitting) is not None:
        raise CannotPlan(f"a sitting is called {sitting!r} already")
    QUERIES.insert_exam(connection, exam=exam)
    QUERIES.insert_sitting(
        connection,
        sitting=sitting,
        exam=exam,
        room_id=room_id,
        start_utc_ms=start_utc_ms,
        end_utc_ms=end_utc_ms,
        mode=mode.value,
        rules=msgspec.json.encode(tuple(rules)).decode(),
        is_buzzer_allowed=is_buzzer_allowed,
        may_lamp_show_alerts=may_lamp_show_alerts,
        profile=profile,
        toilet_ms=toilet_ms,
        **_empty_columns(empty),
    )
    if not may_overlap:
        check_room_free(connection, sitting)
    replan(connection, now_utc_ms)
    return [row["unit"] for row in QUERIES.seats_with_unit(connection) if row["room_id"] == room_id]


def check_times(start_utc_ms: int, end_utc_ms: int, empty: Stretch | None) -> None:
    """Raises CannotPlan."""
    if end_utc_ms <= start_utc_ms:
        raise CannotPlan("the sitting must end after it starts")
    if empty is not None and empty[1] <= empty[0]:
        raise CannotPlan("the time of the empty seats must end after it begins")
    if empty is not None and empty[1] > start_utc_ms:
        # a desk would learn the candidate as its empty seat
        raise CannotPlan("the time of the empty seats must end before the sitting starts, or with it")


def check_room_free(connection: sqlite3.Connection, sitting: str) -> None:
    """A desk records one sitting at a time. Raises CannotPlan with both names when the sitting, from the time of its
    empty seats to its latest end, meets another in its room."""
    row: Row | None = QUERIES.sitting_in_the_way(connection, sitting=sitting)
    if row is not None:
        raise CannotPlan(
            f"sitting {sitting} and sitting {row['sitting']} ({row['exam']}) would be on in {row['room']} at once: "
            "choose other times, or another room"
        )


def _empty_columns(empty: Stretch | None) -> dict[str, int | None]:
    begin, end = (None, None) if empty is None else empty
    return {"empty_from_utc_ms": begin, "empty_until_utc_ms": end}


def replan(connection: sqlite3.Connection, now_utc_ms: int) -> list[str]:
    """Write the plan of every unit whose plan is no longer right; answers those units. Raises CannotPlan for one that
    no message holds."""
    seats: dict[str, Row] = {row["unit"]: row for row in QUERIES.seats_with_unit(connection)}
    planned = {row["unit"] for row in QUERIES.planned_units(connection)}
    sittings = {
        room_id: [
            (row, _Seats.read(connection, row["sitting"]))
            for row in list(QUERIES.sittings_not_over(connection, room_id=room_id, now=now_utc_ms))
        ]
        for room_id in {row["room_id"] for row in seats.values()}
    }
    changed = []
    for unit in sorted(seats.keys() | planned):
        seat = seats.get(unit)
        ahead = () if seat is None else tuple(_planned(row, own, seat) for row, own in sittings[seat["room_id"]])
        masks = () if seat is None else _masks_of(seat)  # with no sitting ahead too: live pictures are always taken
        holds = _within(QUERIES.holds_of_unit(connection, unit=unit))
        wanted = _within(QUERIES.wishes_of_unit(connection, unit=unit))
        known: Row | None = QUERIES.plan_of(connection, unit=unit)
        if known is not None and _says(known, Plan(number=0, sittings=ahead, masks=masks, holds=holds, wanted=wanted)):
            continue
        number = max((known["number"] if known is not None else 0) + 1, now_utc_ms // 1000)
        try:
            plan = Plan(number=number, sittings=ahead, masks=masks, holds=holds, wanted=wanted)
            payload = wire.encode(plan).decode()
        except wire.BadMessage as error:
            raise CannotPlan(
                f"the plan of {unit} has {len(ahead)} sittings and is too large ({error}): plan fewer of them ahead, "
                "or draw the seat's masks with fewer points"
            ) from None
        QUERIES.save_plan(connection, unit=unit, number=number, payload=payload)
        changed.append(unit)
    return changed


def plan_of(connection: sqlite3.Connection, unit: str) -> Plan | None:
    """The unit's newest plan; None when it has none."""
    row: Row | None = QUERIES.plan_of(connection, unit=unit)
    return None if row is None else msgspec.json.decode(row["payload"], type=Plan)


def _says(known: Row, wanted: Plan) -> bool:
    """Whether the plan that is known says the same, whatever their numbers."""
    plan = msgspec.json.decode(known["payload"], type=Plan)
    return msgspec.structs.replace(plan, number=0) == msgspec.structs.replace(wanted, number=0)


def _within(rows: Iterable[Row]) -> tuple[wire.Stretch, ...]:
    """The stretches as a plan carries them. More than it can carry become whole sittings: what is held stays held."""
    found = tuple(
        dict.fromkeys(
            wire.Stretch(sitting=row["sitting"], from_utc_ms=row["from_utc_ms"], until_utc_ms=row["until_utc_ms"])
            for row in rows
        )
    )
    if len(found) <= wire.MAX_STRETCHES:
        return found
    return tuple(wire.Stretch(sitting=name) for name in dict.fromkeys(each.sitting for each in found))[
        : wire.MAX_STRETCHES
    ]


def _masks_of(seat: Row) -> tuple[Mask, ...]:
    return msgspec.json.decode(seat["masks"], type=tuple[Mask, ...])


class _Seats(NamedTuple):
    """What is so at single seats of a sitting: ends of their own, UTC ms, and breaks."""

    ends: dict[str, int]
    pauses: defaultdict[str, list[Pause]]

    @classmethod
    def read(cls, connection: sqlite3.Connection, sitting: str) -> _Seats:
        pauses: defaultdict[str, list[Pause]] = defaultdict(list)
        for row in QUERIES.pauses_of_seats(connection, sitting=sitting):
            if row["until_utc_ms"] > row["began_utc_ms"]:
                pauses[row["seat"]].append(Pause(from_utc_ms=row["began_utc_ms"], until_utc_ms=row["until_utc_ms"]))
        ends = {row["seat"]: row["end_utc_ms"] for row in QUERIES.ends_of_seats(connection, sitting=sitting)}
        return cls(ends, pauses)


def _planned(sitting: Row, own: _Seats, seat: Row) -> PlannedSitting:
    return PlannedSitting(
        sitting=sitting["sitting"],
        exam=sitting["exam"],
        room=seat["room"],
        seat=seat["seat"],
        start_utc_ms=sitting["start_utc_ms"],
        end_utc_ms=own.ends.get(seat["seat"], sitting["end_utc_ms"]),
        mode=Mode(sitting["mode"]),
        rules=msgspec.json.decode(sitting["rules"], type=tuple[Rule, ...]),
        masks=_masks_of(seat),
        empty_from_utc_ms=sitting["empty_from_utc_ms"],
        empty_until_utc_ms=sitting["empty_until_utc_ms"],
        is_buzzer_allowed=bool(sitting["is_buzzer_allowed"]),
        may_lamp_show_alerts=bool(sitting["may_lamp_show_alerts"]),
        pauses=tuple(own.pauses[seat["seat"]][-wire.MAX_PAUSES :]),
    )


def is_quiet(connection: sqlite3.Connection, now_utc_ms: int) -> bool:
    """Whether no sitting is on in any room, and none begins within the next hour."""
    found: Row = QUERIES.has_sitting_between(connection, start=now_utc_ms, end=now_utc_ms + QUIET_AHEAD_MS)
    return not found["has_sitting"]


def sitting_at(store: Store, room: str, utc_ms: int) -> Row | None:
    """The sitting that is on in the room at that moment, None when there is none."""
    with store.read() as connection:
        found: Row | None = QUERIES.room_id_of(connection, name=room)
        rows = () if found is None else QUERIES.sittings_not_over(connection, room_id=found["room_id"], now=utc_ms)
        return next((row for row in rows if row["start_utc_ms"] <= utc_ms), None)


def keep_sitting(
    store: Store,
    *,
    room: str,
    exam: str,
    now_ms: int,
    length_ms: int,
    mode: Mode,
    rules: Sequence[Rule],
    empty: Stretch | None = None,
) -> None:
    """See to it that a sitting runs in `room` now, or from the end of `empty` on, and that its units have it in their
    plans; a sitting that it has to plan gets `empty` as the time of its empty seats. Writes only when something is
    missing, so that it may be asked every second."""
    begin_ms = now_ms if empty is None else max(now_ms, empty[1])
    with store.read() as connection:
        seated = [row for row in QUERIES.seats_with_unit(connection) if row["room"] == room]
        if not seated:
            return
        ahead = list(QUERIES.sittings_not_over(connection, room_id=seated[0]["room_id"], now=now_ms))
        is_kept = any(row["start_utc_ms"] <= begin_ms for row in ahead)
        lacking = [row["unit"] for row in seated if not _has_all(QUERIES.plan_of(connection, unit=row["unit"]), ahead)]
    if is_kept and not lacking:
        return
    with store.write() as connection:
        if is_kept:
            replan(connection, now_ms)
        else:
            plan_sitting(
                connection,
                sitting=f"sitting-{now_ms}",
                exam=exam,
                room=room,
                start_utc_ms=begin_ms,
                end_utc_ms=begin_ms + length_ms,
                now_utc_ms=now_ms,
                mode=mode,
                rules=rules,
                empty=empty,
                may_overlap=True,  # the seats are set up for the next while the last one ends
            )


def _has_all(plan: Row | None, ahead: Sequence[Row]) -> bool:
    if plan is None:
        return False
    planned = {each.sitting for each in msgspec.json.decode(plan["payload"], type=Plan).sittings}
    return planned >= {row["sitting"] for row in ahead}


def heartbeats(connection: sqlite3.Connection) -> dict[str, tuple[str, int]]:
    """Each unit's newest heartbeat: (JSON of `wire.Heartbeat`, when it came, hub time)."""
    return {row["unit"]: (row["heartbeat"], row["heartbeat_utc_ms"]) for row in QUERIES.heartbeats_all(connection)}
