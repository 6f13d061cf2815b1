"""The Live page as values: rows of the store in, tiles with state and words out, the worst first.

A tile has conditions. The worst gives its state, colour, icon and words; the others stand beside it. What a person may
have caused (alert) and what the equipment suffers (fault) are different states and never merge.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from agent.wire import AlertKind, FaultKind, GapCause, Heartbeat, Lamp
from hub.core import exam_day, room_events
from hub.core.conditions import Condition as Condition
from hub.core.conditions import State as State
from hub.core.conditions import bar_of_day, gravity, of_day, unknown
from hub.core.exam_day import Day
from hub.core.natural import natural as natural
from hub.core.presence import Presence, presence

Row = Mapping[str, Any]
GONE = (Presence.OFFLINE, Presence.NEVER_SEEN)
UNHEARD = (Presence.SILENT, *GONE)
"""What its last heartbeat said is not said to be so now."""
NOT_ANSWERING = "desk_not_answering"
"""A fault that no desk can tell: the hub sees it by the silence."""


ALERT_WORDS: dict[str, str] = {
    AlertKind.SEAT_EMPTY: "Nobody in view",
    AlertKind.FACE_NOT_VISIBLE: "Face not visible",
    AlertKind.MORE_THAN_ONE_FACE: "More than one face",
    AlertKind.CAMERA_COVERED: "Camera covered",
    AlertKind.CAMERA_MOVED: "Camera moved",
    AlertKind.HELP_REQUESTED: "Help requested",
}
FACE_KINDS = frozenset({AlertKind.SEAT_EMPTY, AlertKind.FACE_NOT_VISIBLE, AlertKind.MORE_THAN_ONE_FACE})
"""The alert kinds whose rule counts faces: a threshold and a score belong to them alone."""
FAULT_WORDS: dict[str, str] = {
    FaultKind.CAMERA_LOST: "Camera lost",
    FaultKind.CAMERA_FROZEN: "Camera frozen",
    FaultKind.RECORDING_STOPPED: "Recording stopped",
    FaultKind.ANALYSIS_STOPPED: "Analysis stopped",
    FaultKind.STORAGE_LOW: "Storage nearly full",
    FaultKind.STORAGE_SLOW: "Storage slow",
    FaultKind.STORAGE_FAILED: "Storage failed",
    FaultKind.CLOCK_UNSYNCED: "Clock not set",
    FaultKind.CLOCK_STEPPED: "Clock was set",
    FaultKind.POWER_LOW: "Power low",
    FaultKind.TOO_HOT: "Too hot",
    FaultKind.HUB_UNREACHABLE: "Hub unreachable",
    FaultKind.PLAN_REFUSED: "Plan refused",
    NOT_ANSWERING: "Desk not answering",
}
CAUSE_WORDS: dict[str, str] = {
    GapCause.RESTART: "Restart",
    GapCause.POWER_OR_CRASH: "Power cut or crash",
    GapCause.CAMERA_LOST: "Camera lost",
    GapCause.STORAGE_FAILED: "Storage failed",
    GapCause.STORAGE_FULL: "Storage full",
    GapCause.OVERLOAD: "Overload",
    GapCause.LATE_START: "Late start",
}


BY_HAND = "by_hand"
"""`incidents.kind` of one that a person opened, with no alert in it."""
OTHER_WORDS = {BY_HAND: "Opened by hand"}
INCIDENT_WORDS: dict[str, str] = (
    ALERT_WORDS | OTHER_WORDS | {kind: words for kind, (words, _counted) in room_events.WORDS.items()}
)
"""What an incident may be about; of a room incident without how many it struck."""
NO_DAY = Day()


def words_of(table: Mapping[str, str], kind: str) -> str:
    """The words of a kind; a later desk's kind, unknown here, in its own letters."""
    return table.get(kind) or OTHER_WORDS.get(kind) or kind.replace("_", " ").capitalize()


class Rows(Protocol):
    """What `build` reads: `hub.store.board.BoardRows`."""

    @property
    def seats(self) -> Sequence[Row]: ...
    @property
    def alerts(self) -> Sequence[Row]: ...
    @property
    def faults(self) -> Sequence[Row]: ...
    @property
    def incidents(self) -> Sequence[Row]: ...
    @property
    def sittings(self) -> Sequence[Row]: ...
    @property
    def newest_incident_utc_ms(self) -> int | None: ...
    @property
    def units_due(self) -> int: ...


class Board(NamedTuple):
    """The whole page. `tiles` and `order` share their keys: `s<seat_id>`, or `u:<unit>` for a unit without a seat.
    Every value is plain JSON."""

    bar: dict[str, Any]
    tiles: dict[str, dict[str, Any]]
    order: list[str]
    queue: list[dict[str, Any]]
    faults: list[dict[str, Any]]


EMPTY_BOARD = Board(bar={}, tiles={}, order=[], queue=[], faults=[])


def presence_of(seat: Row, now_utc_ms: int) -> Presence:
    """How lately the seat's unit has been heard of. Times are the hub's own."""
    is_online = None if seat["is_online"] is None else bool(seat["is_online"])
    return presence(is_online, seat["status_utc_ms"], seat["heartbeat_utc_ms"], now_utc_ms)


def heartbeat_of(seat: Row) -> Heartbeat | None:
    """The unit's newest heartbeat, None when it has none that can be read."""
    return _decoded(seat["heartbeat"]) if seat["heartbeat"] else None


@functools.lru_cache(maxsize=4096)
def _decoded(text: str) -> Heartbeat | None:
    """Kept, as a board is built several times for each heartbeat of a desk; nobody changes what is kept."""
    try:
        return msgspec.json.decode(text, type=Heartbeat)
    except msgspec.MsgspecError:
        return None


def build(rows: Rows, now_utc_ms: int, day: Day = NO_DAY) -> Board:
    """The board at `now_utc_ms` of the hub's clock. While the hub does not hear its desks, each is as it was when it
    last did, and what it was then is not said to be so now."""
    heard_utc_ms = now_utc_ms if day.hearing.is_on else (day.hearing.until_utc_ms or 0)
    alerts, faults, incidents = (_by_unit(found) for found in (rows.alerts, rows.faults, rows.incidents))
    tiles: dict[str, dict[str, Any]] = {}
    ranks: dict[str, tuple[Any, ...]] = {}
    standing_faults: list[dict[str, Any]] = []
    for seat in rows.seats:
        key = f"s{seat['seat_id']}" if seat["seat_id"] is not None else f"u:{seat['unit']}"
        heartbeat = heartbeat_of(seat)
        present = presence_of(seat, min(heard_utc_ms, now_utc_ms))
        unit_faults = [*merged_faults(faults[seat["unit"]], heartbeat), *_silence(seat, present)]
        not_known = () if day.hearing.is_on or present in GONE or not seat["unit"] else (unknown(day),)
        of_people = of_day(day, seat, heartbeat, present, now_utc_ms)
        if not_known:
            present = Presence.SILENT
        conditions = _conditions(seat, heartbeat, present, alerts[seat["unit"]], unit_faults, incidents[seat["unit"]])
        conditions = sorted([*conditions, *not_known, *of_people], key=gravity)
        told = exam_day.told_of(day, seat["seat_id"], now_utc_ms)
        tiles[key] = _tile(key, seat, heartbeat, present, conditions) | told
        ranks[key] = (
            conditions[0].rank,
            conditions[0].since_utc_ms or 0,
            natural(seat["room"]),
            natural(seat["label"]),
        )
        standing_faults += [_fault_line(key, seat, fault) for fault in unit_faults]
    queue = _queue(rows.incidents, {(row["unit"], row["incident_id"]) for row in rows.alerts})
    return Board(
        bar=_bar(rows, tiles, queue, standing_faults, now_utc_ms) | bar_of_day(day),
        tiles=tiles,
        order=sorted(tiles, key=ranks.__getitem__),
        queue=queue,
        faults=sorted(standing_faults, key=lambda fault: (fault["began_utc_ms"], fault["id"])),
    )


def changes(old: Board, new: Board) -> dict[str, Any]:
    """What turns a page that shows `old` into one that shows `new`: only the parts that differ. A tile that is gone
    is null."""
    found: dict[str, Any] = {}
    tiles: dict[str, Any] = {key: tile for key, tile in new.tiles.items() if old.tiles.get(key) != tile}
    tiles.update({key: None for key in old.tiles if key not in new.tiles})
    if tiles:
        found["tiles"] = tiles
    for part in ("bar", "order", "queue", "faults"):
        if getattr(old, part) != getattr(new, part):
            found[part] = getattr(new, part)
    return found


def _by_unit(rows: Iterable[Row]) -> defaultdict[str | None, list[Row]]:
    found: defaultdict[str | None, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["unit"]].append(row)
    return found


def merged_faults(rows: Iterable[Row], heartbeat: Heartbeat | None) -> list[dict[str, Any]]:
    """Standing faults, one a kind: those on record, and those only the heartbeat tells of (a card that cannot be
    written keeps no record)."""
    found = {row["kind"]: {name: row[name] for name in ("kind", "began_utc_ms", "detail")} for row in rows}
    for fault in heartbeat.faults if heartbeat else ():
        found.setdefault(
            str(fault.kind), {"kind": str(fault.kind), "began_utc_ms": fault.began.utc_ms, "detail": fault.detail}
        )
    return sorted(found.values(), key=lambda fault: (fault["began_utc_ms"], fault["kind"]))


def _silence(seat: Row, present: Presence) -> list[dict[str, Any]]:
    if present is not Presence.SILENT:
        return []
    last_utc_ms = max(seat["heartbeat_utc_ms"] or 0, seat["status_utc_ms"] or 0)
    return [{"kind": NOT_ANSWERING, "began_utc_ms": last_utc_ms, "detail": "nothing is heard of it any more"}]


def _conditions(
    seat: Row,
    heartbeat: Heartbeat | None,
    present: Presence,
    alerts: Sequence[Row],
    faults: Sequence[Row],
    incidents: Sequence[Row],
) -> list[Condition]:
    if seat["unit"] is None:
        return [Condition(8, State.EMPTY, "No desk unit")]
    found = [_condition_of_alert(alert) for alert in alerts]
    if present in GONE:
        words = "Offline" if present is Presence.OFFLINE else "Never connected"
        heard = max(seat["heartbeat_utc_ms"] or 0, seat["status_utc_ms"] or 0)
        found.append(Condition(1, State.OFFLINE, words, heard or None))
    found += [Condition(2, State.FAULT, words_of(FAULT_WORDS, f["kind"]), f["began_utc_ms"]) for f in faults]
    if heartbeat and heartbeat.state == "stopped" and not any(c.state is State.FAULT for c in found):
        found.append(Condition(2, State.FAULT, "Not recording"))
    if heartbeat and heartbeat.is_low_light and not heartbeat.is_covered and present not in UNHEARD:
        found.append(Condition(4, State.ATTENTION, "Low light"))
    standing = {alert["incident_id"] for alert in alerts}
    found += [
        Condition(4, State.ATTENTION, "To review", row["began_utc_ms"])
        for row in incidents
        if row["state"] == "open"
        and row["incident_id"] not in standing
        and not row["is_drill"]
        and not room_events.is_room(row["kind"])
    ][:1]
    if present not in UNHEARD and not any(c.words == "Not recording" for c in found):
        is_recording = heartbeat is not None and heartbeat.state == "recording"
        found.append(
            Condition(6, State.RECORDING, "Recording") if is_recording else Condition(7, State.WAITING, "Waiting")
        )
    return sorted(found, key=gravity)


def _condition_of_alert(alert: Row) -> Condition:
    """A drill has a state of its own and never stands before trouble that is real."""
    if alert["is_drill"]:
        return Condition(4, State.DRILL, f"DRILL: {words_of(ALERT_WORDS, alert['kind'])}", alert["began_utc_ms"])
    rank = 0 if alert["incident_state"] == "open" else 3
    return Condition(rank, State.ALERT, words_of(ALERT_WORDS, alert["kind"]), alert["began_utc_ms"])


def _tile(
    key: str, seat: Row, heartbeat: Heartbeat | None, present: Presence, conditions: Sequence[Condition]
) -> dict[str, Any]:
    first, *rest = conditions
    also = [c for c in rest if c.rank < 6 and c.state is not State.EMPTY]
    is_known = heartbeat is not None and present not in UNHEARD
    return {
        "id": key,
        "seat_id": seat["seat_id"],
        "label": seat["label"],
        "room": seat["room"],
        "unit": seat["unit"] or "",
        "presence": str(present) if seat["unit"] else "",
        "state": str(first.state),
        "words": first.words,
        "since_utc_ms": first.since_utc_ms,
        "is_seen": first.rank == 3,
        "also": [{"state": str(c.state), "words": c.words} for c in also],
        "faces": heartbeat.faces if is_known and heartbeat else None,
        "seat": heartbeat.seat if is_known and heartbeat else "",
        "fps": round(heartbeat.capture_fps) if is_known and heartbeat and heartbeat.capture_fps is not None else None,
        "recorded_s": int(heartbeat.recorded_s) if heartbeat else None,
        "is_recording": bool(is_known and heartbeat and heartbeat.state == "recording"),
        "lamp": _lamp(heartbeat.lamp if is_known and heartbeat else None),
    }


def _lamp(lamp: Lamp | None) -> dict[str, Any] | None:
    if lamp is None:
        return None
    return {"words": lamp.pattern.replace("_", " "), "colour": lamp.colour, "is_buzzing": lamp.is_buzzing}


def _fault_line(key: str, seat: Row, fault: Row) -> dict[str, Any]:
    return {
        "id": f"{key}/{fault['kind']}",
        "tile": key,
        "seat_id": seat["seat_id"],
        "label": seat["label"],
        "room": seat["room"],
        "words": words_of(FAULT_WORDS, fault["kind"]),
        "detail": fault["detail"],
        "began_utc_ms": fault["began_utc_ms"],
    }


def incident_words(kind: str, member_count: int = 0) -> str:
    """What an incident is about: its alert's kind, or how many desks of a room it struck."""
    return room_events.words(kind, member_count) if room_events.is_room(kind) else words_of(ALERT_WORDS, kind)


def _what(row: Row) -> dict[str, str]:
    """A room incident has no seat: its room takes that place."""
    is_room = room_events.is_room(row["kind"])
    return {
        "label": row["room"] if is_room else row["seat"],
        "room": "" if is_room else row["room"],
        "words": incident_words(row["kind"], row["member_count"] if is_room else 0),
    }


def _is_standing(row: Row, standing: set[tuple[str, int]]) -> bool:
    if room_events.is_room(row["kind"]):
        return row["cleared_utc_ms"] is None
    return (row["unit"], row["incident_id"]) in standing


def _queue(incidents: Iterable[Row], standing: set[tuple[str, int]]) -> list[dict[str, Any]]:
    """What waits for people: unreviewed first, the oldest first; then what somebody has taken on; then drills."""
    found = [
        {
            "id": row["incident_id"],
            "unit": row["unit"],
            **_what(row),
            "state": row["state"],
            "is_standing": _is_standing(row, standing),
            "opened_utc_ms": row["opened_utc_ms"],
            "began_utc_ms": row["began_utc_ms"],
            "acknowledged_by": row["acknowledged_by"] or "",
            "opened_by": row.get("opened_by") or "",
            "version": row["version"],
            "is_drill": bool(row["is_drill"]),
        }
        for row in incidents
    ]
    return sorted(found, key=lambda row: (row["is_drill"], row["state"] != "open", row["opened_utc_ms"], row["id"]))


def _bar(
    rows: Rows,
    tiles: Mapping[str, Mapping[str, Any]],
    queue: Sequence[Mapping[str, Any]],
    faults: Sequence[Mapping[str, Any]],
    now_utc_ms: int,
) -> dict[str, Any]:
    running = [row for row in rows.sittings if row["start_utc_ms"] <= now_utc_ms]
    rooms = {row["room"] for row in running}
    due = [tile for tile in tiles.values() if tile["unit"] and (not rooms or tile["room"] in rooms)]
    waiting = [row for row in queue if row["state"] == "open" and not row["is_drill"]]
    return {
        "sittings": exam_day.clock(rows.sittings, now_utc_ms),
        "is_running": bool(running),
        "seats": len(due),
        "recording": sum(tile["is_recording"] for tile in due),
        "unreviewed": len(waiting),
        "oldest_utc_ms": waiting[0]["opened_utc_ms"] if waiting else None,
        "offline": sum(tile["presence"] in GONE for tile in tiles.values()),
        "faults": len(faults),
        "units_due": rows.units_due,
        "newest_incident_utc_ms": rows.newest_incident_utc_ms,
        "rooms": sorted({tile["room"] for tile in tiles.values() if tile["room"]}, key=natural),
    }
