"""Signals: what proctors ask of a desk, and what the presses of its button answer. Each verb is the store's, within the
caller's transaction.

A signal stands until somebody presses the desk's button, a person ends it, or SIGNAL_MS are over: the desk shows it no
longer then, hub or no hub, so neither does a page.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import msgspec

from agent.wire import SIGNAL_MS, Attended, CommandKind, Record
from hub.core.presence import Presence, presence
from hub.core.review import DESK
from hub.store import QUERIES, Row, Store, commands, intake

MAX_NOTE_CHARS = 2000
"""What the column and the command's `reason` take."""
ATTENDED = "attended"
"""The action in an incident's thread."""
BY_TIME = "time"
"""`ended_by` of a signal that nobody attended to."""


class CannotSignal(Exception):
    """The desk cannot be signalled, or has no signal to end; the text says why, to who wished it."""


class Signal(NamedTuple):
    """One that stands. `sitting`, `room` and `seat` as they were when it was given, '' for none."""

    signal_id: int
    unit: str
    sitting: str
    room: str
    seat: str
    given_utc_ms: int
    given_by: str
    note: str

    @property
    def ends_utc_ms(self) -> int:
        """When the desk shows it no longer by itself."""
        return self.given_utc_ms + SIGNAL_MS


def give(connection: sqlite3.Connection, place: int | str, by: str, note: str, now_utc_ms: int) -> Signal:
    """Have the desk at a seat (its number) or a unit (its name) show that `by` asks for somebody to come to it. Raises
    CannotSignal."""
    found, name = _place(connection, place)
    unit = found["unit"]
    note = note.strip()
    if len(note) > MAX_NOTE_CHARS:
        raise CannotSignal(f"the note has {len(note)} characters, at most {MAX_NOTE_CHARS} can be kept")
    lapse(connection, now_utc_ms)
    for signal in standing(connection, now_utc_ms):
        if signal.unit == unit:
            raise CannotSignal(f"{name} is signalled already, by {signal.given_by}")
    _check_there(connection, unit, name, now_utc_ms)
    sitting = _sitting_at(connection, found["room_id"], now_utc_ms)
    values = {"unit": unit, "sitting": sitting, "room": found["room"], "seat": found["seat"]}
    number = int(QUERIES.insert_signal(connection, **values, now=now_utc_ms, by=by, note=note))
    commands.queue(connection, unit, CommandKind.SIGNAL, now_utc_ms, reason=note)
    return Signal(number, **values, given_utc_ms=now_utc_ms, given_by=by, note=note)


def end(connection: sqlite3.Connection, unit: str, by: str, now_utc_ms: int) -> None:
    """End the unit's signal, as `by` wishes. The desk is told even if it does not answer now. Raises CannotSignal when
    none stands."""
    lapse(connection, now_utc_ms)
    if not QUERIES.end_signals_of(connection, unit=unit, given_until=now_utc_ms, now=now_utc_ms, by=by):
        raise CannotSignal("the desk is signalled no longer: somebody came, or ended it, or it was over")
    commands.queue(connection, unit, CommandKind.END_SIGNAL, now_utc_ms)


def tell_again(connection: sqlite3.Connection, unit: str, now_utc_ms: int) -> bool:
    """The unit's agent was started anew and knows of no signal: tell it of the one that stands. Answers whether one
    does."""
    own = [signal for signal in standing(connection, now_utc_ms) if signal.unit == unit]
    for signal in own:
        commands.queue(connection, unit, CommandKind.SIGNAL, now_utc_ms, reason=signal.note)
    return bool(own)


def standing(connection: sqlite3.Connection, now_utc_ms: int) -> list[Signal]:
    """Every signal that stands, the oldest first."""
    return [Signal(**dict(row)) for row in QUERIES.signals_standing(connection, since=now_utc_ms - SIGNAL_MS)]


def lapse(connection: sqlite3.Connection, now_utc_ms: int) -> int:
    """Note of those that stood for SIGNAL_MS that time has ended them; answers how many. Their desks are told: one that
    was told again (`tell_again`) would show it longer."""
    for row in list(QUERIES.signals_lapsing(connection, since=now_utc_ms - SIGNAL_MS)):
        commands.queue(connection, row["unit"], CommandKind.END_SIGNAL, now_utc_ms)
    return int(QUERIES.lapse_signals(connection, since=now_utc_ms - SIGNAL_MS, shown=SIGNAL_MS))


def lapse_due(store: Store, now_utc_ms: int) -> int:
    """`lapse`, in a transaction of its own, taken only when there is something to note: it may be asked often."""
    with store.read() as connection:
        if not QUERIES.has_lapsed_signals(connection, since=now_utc_ms - SIGNAL_MS)["has_any"]:
            return 0
    with store.write() as connection:
        return lapse(connection, now_utc_ms)


# --- the button's answer --------------------------------------------------------------------------------------------


def take_press(connection: sqlite3.Connection, record: Record, body: Attended, now_utc_ms: int) -> None:
    """Let a new record of a press change what the hub shows. It ends the unit's signal if that was given before the
    press, and stands in the thread of each unfinished incident that holds one of its alerts."""
    header = record.header
    room, seat = intake.place_of(connection, header.unit, body.sitting, body.seat, header.utc_ms)
    alerts = msgspec.json.encode(body.alerts).decode()
    QUERIES.insert_attended(
        connection,
        unit=header.unit,
        boot=header.boot,
        seq=header.seq,
        sitting=body.sitting,
        room=room,
        seat=seat,
        at=header.utc_ms,
        now=now_utc_ms,
        is_signal=int(body.is_signal),
        is_drill=int(body.is_drill),
        alerts=alerts,
    )
    lapse(connection, now_utc_ms)
    if header.is_clock_ok or body.is_signal:
        # without a trusted clock nobody knows what was first, but the desk knows whether it showed a signal
        until = header.utc_ms if header.is_clock_ok else now_utc_ms
        QUERIES.end_signals_of(connection, unit=header.unit, given_until=until, now=now_utc_ms, by=DESK)
    for row in list(QUERIES.incidents_with_alerts(connection, unit=header.unit, alerts=alerts)):
        _note_attended(connection, row["incident_id"], now_utc_ms)


def note_presses_of(connection: sqlite3.Connection, unit: str, alert: str, now_utc_ms: int) -> None:
    """Put the presses that came before the alert they name into its incident's thread: records come in any order."""
    presses = QUERIES.presses_for_alert(connection, unit=unit, alert=alert)["presses"]
    if not presses:
        return
    names = msgspec.json.encode([alert]).decode()
    for row in list(QUERIES.incidents_with_alerts(connection, unit=unit, alerts=names)):
        for _ in range(presses):
            _note_attended(connection, row["incident_id"], now_utc_ms)


def _note_attended(connection: sqlite3.Connection, incident_id: int, now_utc_ms: int) -> None:
    QUERIES.add_desk_event(connection, incident_id=incident_id, now=now_utc_ms, action=ATTENDED, text="")


# --- where it is ----------------------------------------------------------------------------------------------------


def _place(connection: sqlite3.Connection, place: int | str) -> tuple[Row, str]:
    """The row of the unit there, and what to call it to a person."""
    if isinstance(place, str):
        found: Row | None = QUERIES.signal_place_of_unit(connection, unit=place)
        if found is None:
            raise CannotSignal(f"no unit that works is called {place}")
        return found, f"seat {found['seat']}" if found["seat"] else place
    found = QUERIES.signal_place_of_seat(connection, seat_id=place)
    if found is None:
        raise CannotSignal("there is no such seat")
    if found["unit"] is None:
        raise CannotSignal(f"seat {found['seat']} has no desk unit: go there, or assign one")
    return found, f"seat {found['seat']}"


def _check_there(connection: sqlite3.Connection, unit: str, name: str, now_utc_ms: int) -> None:
    row: Row | None = QUERIES.signal_presence_of(connection, unit=unit)
    is_online = None if row is None or row["is_online"] is None else bool(row["is_online"])
    status_utc_ms, heartbeat_utc_ms = (None, None) if row is None else (row["status_utc_ms"], row["heartbeat_utc_ms"])
    if presence(is_online, status_utc_ms, heartbeat_utc_ms, now_utc_ms) in (Presence.OFFLINE, Presence.NEVER_SEEN):
        raise CannotSignal(f"{name} is offline, its lamp cannot be reached: send somebody there")


def _sitting_at(connection: sqlite3.Connection, room_id: int | None, now_utc_ms: int) -> str:
    """The sitting that is on in the room, '' for none."""
    if room_id is None:
        return ""
    for row in list(QUERIES.sittings_not_over(connection, room_id=room_id, now=now_utc_ms)):
        if row["start_utc_ms"] <= now_utc_ms:
            return str(row["sitting"])
    return ""
