"""What stands around an incident: the seat's earlier ones, who sat there, the neighbours, what people did."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from hub.core.board import natural
from hub.core.moment import BREAK_WORDS, Done, seen_at
from hub.store import QUERIES, Store, film

EARLIER_ROWS = 10
MOST_NEIGHBOURS = 8


class Earlier(NamedTuple):
    """The newest EARLIER_ROWS incidents of the same seat, of `total`, of which `here` in the same sitting."""

    rows: list[dict[str, Any]]
    total: int
    here: int


class Neighbour(NamedTuple):
    """A seat beside, and how it was at the moment. `seen` is a key of `hub.core.timeline.SEEN_WORDS`, '' where nothing
    was told; `alerts` the kinds that stood."""

    seat_id: int
    label: str
    seen: str
    alerts: list[str]


def earlier(store: Store, row: dict[str, Any]) -> Earlier:
    place = {"room": row["room"], "seat": row["seat"], "incident_id": row["incident_id"]}
    with store.read() as connection:
        rows = [dict(each) for each in QUERIES.earlier_at_seat(connection, **place, limit=EARLIER_ROWS)]
        total, here = QUERIES.count_earlier_at_seat(connection, **place, sitting=row["sitting"])
        return Earlier(rows, int(total), int(here))


def sat_there(store: Store, row: dict[str, Any]) -> list[dict[str, Any]]:
    """The candidates who sat at the seat when it began; more than one where the roster says so of one moment."""
    wanted = {"sitting": row["sitting"], "seat": row["seat"], "at": row["began_utc_ms"]}
    with store.read() as connection:
        return [dict(each) for each in QUERIES.sat_there(connection, **wanted)]


def done(store: Store, row: dict[str, Any], since: int, until: int) -> list[Done]:
    """Presses, breaks and bookmarks at the seat in a stretch."""
    wanted = {"room": row["room"], "sitting": row["sitting"], "seat": row["seat"], "since": since, "until": until}
    with store.read() as connection:
        return [
            Done(each["kind"], _words(each["kind"], each["detail"]), each["since_utc_ms"], each["until_utc_ms"])
            for each in QUERIES.done_at_seat(connection, **wanted)
        ]


def _words(kind: str, detail: Any) -> str:
    if kind == "press":
        return "Button pressed: a signal was attended" if detail else "Button pressed: attended"
    if kind == "break":
        return BREAK_WORDS.get(str(detail), "Break")
    return f"Bookmark: {detail}" if detail else "Bookmark"


def neighbours(store: Store, row: dict[str, Any]) -> list[Neighbour]:
    """The seats around it on the room's map; without a map those whose labels come before and after."""
    with store.read() as connection:
        places = [dict(each) for each in QUERIES.places_of_room(connection, room=row["room"])]
    near = _near(places, row["seat"])
    units = [each["unit"] for each in near if each["unit"]]
    if not units:
        return [Neighbour(each["seat_id"], each["label"], "", []) for each in near]
    at = row["began_utc_ms"]
    with store.read() as connection:
        standing = [dict(each) for each in QUERIES.alerts_at(connection, units=json.dumps(units), at=at)]
    return [
        Neighbour(
            each["seat_id"],
            each["label"],
            seen_at(film.observed(store, [each["unit"]], at, at + 1), at) if each["unit"] else "",
            [alert["kind"] for alert in standing if alert["unit"] == each["unit"] and not alert["is_drill"]],
        )
        for each in near
    ]


def _near(places: list[dict[str, Any]], label: str) -> list[dict[str, Any]]:
    own = next((each for each in places if each["label"] == label), None)
    if own is None:
        return []
    if own["map_x"] is not None and own["map_y"] is not None:
        found = [
            each
            for each in places
            if each is not own
            and each["map_x"] is not None
            and each["map_y"] is not None
            and max(abs(each["map_x"] - own["map_x"]), abs(each["map_y"] - own["map_y"])) == 1
        ]
        return sorted(found, key=lambda each: (each["map_y"], each["map_x"]))[:MOST_NEIGHBOURS]
    ordered = sorted(places, key=lambda each: natural(each["label"]))
    at = ordered.index(own)
    return [*ordered[max(at - 1, 0) : at], *ordered[at + 1 : at + 2]]
