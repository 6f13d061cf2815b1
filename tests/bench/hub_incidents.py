"""How long the pages about incidents take with 500 desks and 100,000 incidents: `measure`, and the queries' plans.

`python -m tests.bench.hub_incidents` runs it alone.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from agent.wire import AlertKind
from hub.live import LiveFolder
from hub.room_watch import RoomWatch
from hub.store import QUERIES
from tests.hub.seed import Centre, now_ms
from tests.hub.website import Site, site

DESKS, INCIDENTS, SITTINGS = 500, 100_000, 40
LIMIT_MS = 300
KINDS = [AlertKind.SEAT_EMPTY, AlertKind.MORE_THAN_ONE_FACE, AlertKind.CAMERA_COVERED, AlertKind.CAMERA_MOVED]
HOUR_MS = 3_600_000
PAGES = {
    "list, not closed": "/incidents/",
    "list, all": "/incidents/?state=",
    "list, a room and kind, closed": "/incidents/?state=closed&room=Hall+3&kind=seat_empty",
    "list, assigned to somebody": "/incidents/?state=&assigned=Grace",
    "one incident": "/incidents/{one}",
    "one room incident": "/incidents/{room}",
    "how alerts turned out, all": "/incidents/budget?from=2020-01-01",
    "how alerts turned out, one sitting": "/incidents/budget?sitting=s39-3&from=2020-01-01",
    "what if": "/incidents/budget/what-if?sitting=s39-3&seat=S7&kind=seat_empty",
}


class Taken(NamedTuple):
    """A page's times in milliseconds: on the wall, and of the processor, which a busy machine stretches less."""

    name: str
    median_ms: float
    worst_ms: float
    cpu_ms: float


def fill(centre: Centre, desks: int, incidents: int, sittings: int, seed: int = 1) -> dict[str, int]:
    """Rooms of 50, sittings of three hours one after the other, incidents spread over them; answers the numbers of one
    incident of the newest sitting, and of a room incident there."""
    rng, now = random.Random(seed), now_ms()
    rooms = [f"Hall {n}" for n in range(max(desks // 50, 1))]
    places = [(f"c.d{n:03}", rooms[n // 50 % len(rooms)], f"S{n % 50}") for n in range(desks)]
    with centre.store.write() as connection:
        _places(connection, rooms, places, now)
        begin = now - sittings * 4 * HOUR_MS
        names = [
            (f"s{n}-{at}", f"Exam {n}", at + 1, begin + n * 4 * HOUR_MS, begin + n * 4 * HOUR_MS + 3 * HOUR_MS)
            for n in range(sittings)
            for at in range(len(rooms))
        ]
        connection.executemany(
            "insert into sittings (sitting, exam, room_id, start_utc_ms, end_utc_ms, mode, rules)"
            " values (?, ?, ?, ?, ?, 'automated', '[]')",
            names,
        )
        found = _incidents(connection, places, rooms, begin, incidents, sittings, rng)
        _observed(connection, places, begin + (sittings - 1) * 4 * HOUR_MS)
    return found


def _places(connection: sqlite3.Connection, rooms: list[str], places: list[tuple[str, str, str]], now: int) -> None:
    connection.executemany("insert into rooms (name) values (?)", [(name,) for name in rooms])
    connection.executemany(
        "insert into units (unit, public_key, first_seen_utc_ms) values (?, ?, ?)",
        [(unit, f"{n:064x}", now) for n, (unit, _, _) in enumerate(places)],
    )
    connection.executemany(
        "insert into seats (room_id, label, unit, map_x, map_y) values (?, ?, ?, ?, ?)",
        [(rooms.index(room) + 1, seat, unit, int(seat[1:]) % 10, int(seat[1:]) // 10) for unit, room, seat in places],
    )
    connection.executemany(
        "insert into presence (unit, is_online, status_utc_ms, boot, heartbeat_utc_ms) values (?, 1, ?, 1, ?)",
        [(unit, now, now + 600_000) for unit, _, _ in places],
    )


def _incidents(
    connection: sqlite3.Connection,
    places: list[tuple[str, str, str]],
    rooms: list[str],
    begin: int,
    count: int,
    sittings: int,
    rng: random.Random,
) -> dict[str, int]:
    made, alerts, events = [], [], []
    body = json.dumps({"rule": {"kind": "seat_empty", "raise_s": 10, "clear_s": 3}, "mode": "automated"})
    for number in range(1, count + 1):
        unit, room, seat = rng.choice(places)
        nth = number * sittings // (count + 1)
        began = begin + nth * 4 * HOUR_MS + rng.randrange(3 * HOUR_MS)
        kind, is_closed = rng.choice(KINDS).value, number < count - 300
        verdict = rng.choice(["no_concern", "no_concern", "refer"]) if is_closed else None
        sitting = f"s{nth}-{rooms.index(room)}"
        state = "closed" if is_closed else rng.choice(["open", "acknowledged"])
        who = rng.choice(["Ada", "Grace", None])
        made.append(
            (number, unit, kind, sitting, room, seat, state, began + 11_000, began, began + 40_000, verdict, who)
        )
        told = (began + 10_000, 10_001, began + 40_000, 40_000, body, began + 10_200, number)
        alerts.append((unit, f"a{number}", kind, sitting, room, seat, began, 1, *told))
        events.append((number, began + 11_000, "desk", "opened", f"a{number}"))
    connection.executemany(
        "insert into incidents (incident_id, unit, kind, sitting, room, seat, state, opened_utc_ms, began_utc_ms,"
        " cleared_utc_ms, verdict, assigned_to) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        made,
    )
    connection.executemany(
        "insert into alerts (unit, alert, kind, state, sitting, room, seat, began_utc_ms, began_up_ms, raised_utc_ms,"
        " raised_up_ms, cleared_utc_ms, cleared_up_ms, boot, seq, body, received_utc_ms, incident_id)"
        " values (?, ?, ?, 'cleared', ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 1, ?, ?, ?)",
        alerts,
    )
    connection.executemany(
        "insert into incident_events (incident_id, at_utc_ms, who, action, text) values (?, ?, ?, ?, ?)", events
    )
    newest = next(row for row in reversed(made) if row[4] == rooms[-1])
    room_id = count + 1
    connection.execute(
        "insert into incidents (incident_id, unit, kind, sitting, room, seat, opened_utc_ms, began_utc_ms)"
        " values (?, ?, 'room_emptied', ?, ?, '', ?, ?)",
        (room_id, newest[1], newest[3], newest[4], newest[7], newest[8]),
    )
    for member in [row[0] for row in made[-200:] if row[4] == newest[4]][:30]:
        connection.execute("update incidents set part_of = ? where incident_id = ?", (room_id, member))
    return {"one": int(newest[0]), "room": room_id}


def _observed(connection: sqlite3.Connection, places: list[tuple[str, str, str]], begin: int) -> None:
    """A record a minute of every desk, for the newest sitting of three hours."""
    rows = []
    for unit, room, _ in places:
        sitting = f"s{SITTINGS - 1}-{room.split()[-1]}"
        for minute in range(180):
            at, up = begin + minute * 60_000, minute * 60_000
            told = {
                "kind": "observed",
                "sitting": sitting,
                "began": [at, up],
                "ended": [at + 60_000, up + 60_000],
                "looks": 300,
                "spans": [[0, 40_000, "face", 1], [40_000, 12_000, "empty", 0], [52_000, 8_000, "face", 1]],
            }
            rows.append((unit, minute + 1, json.dumps(told), "0" * 128, "0" * 64, at + 60_500))
    connection.executemany(
        "insert into records (unit, boot, seq, kind, header, body, signature, hash, received_utc_ms)"
        " values (?, 1, ?, 'observed', '{}', ?, ?, ?, ?)",
        rows,
    )


def _time(name: str, act: Callable[[], None], rounds: int) -> Taken:
    """The first time is left out: it fills the caches."""
    act()
    walls, cpus = [], []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.thread_time()
        act()
        cpus.append((time.thread_time() - cpu) * 1000)
        walls.append((time.perf_counter() - wall) * 1000)
    return Taken(name, statistics.median(walls), max(walls), statistics.median(cpus))


def pages(place: Site, numbers: dict[str, int], rounds: int) -> list[Taken]:
    """Each page asked for again and again by one logged-in admin."""
    client = place.client("Root")

    def ask(path: str) -> None:
        assert client.get(path).status_code == 200, path

    return [_time(name, partial(ask, path.format(**numbers)), rounds) for name, path in PAGES.items()]


def watching(place: Site, rounds: int) -> Taken:
    """One look of the watcher for room incidents, while every room has a sitting."""
    place.centre.execute("update sittings set end_utc_ms = :later where sitting like 's39-%'", later=now_ms() + HOUR_MS)
    place.centre.facts()
    watch = RoomWatch(place.store, LiveFolder(place.centre.folder.path))

    def look() -> None:
        watch.turn(now_ms())

    return _time("a look of the room watch", look, rounds)


def measure(
    desks: int = DESKS, incidents: int = INCIDENTS, sittings: int = SITTINGS, rounds: int = 7
) -> tuple[list[Taken], list[str]]:
    """(times, whole-table scans of `incidents` that a page's query plan has) over a store of this size."""
    with tempfile.TemporaryDirectory() as folder, site(Path(folder)) as place:
        numbers = fill(place.centre, desks, incidents, sittings)
        found = [*pages(place, numbers, rounds), watching(place, rounds)]
        return found, scans(place)


def scans(place: Site) -> list[str]:
    """The steps of the plans of the budget's and the incident page's queries that go through a whole table."""
    names = ["budget_incidents", "budget_alerts", "earlier_at_seat", "count_earlier_at_seat", "incident_alerts"]
    names += ["room_incident_members", "board_incidents"]
    found = []
    with place.store.read() as connection:
        for name in names:
            sql = getattr(QUERIES, name).sql
            values = dict.fromkeys(("sittings", "kinds", "room", "seat", "incident_id", "limit", "sitting"), "[]")
            for step in connection.execute(f"explain query plan {sql}", values):
                if re.fullmatch(r"SCAN [a-z]", step["detail"]):
                    found.append(f"{name}: {step['detail']}")
    return found


def main(words: list[str]) -> int:
    options = argparse.ArgumentParser(prog="python -m tests.bench.hub_incidents")
    options.add_argument("--incidents", type=int, default=INCIDENTS)
    options.add_argument("--rounds", type=int, default=7)
    given = options.parse_args(words)
    found, scanned = measure(incidents=given.incidents, rounds=given.rounds)
    print(f"{DESKS} desks, {given.incidents} incidents; limit {LIMIT_MS} ms of the processor, {given.rounds} rounds")
    print(f"{'':40} {'processor':>11} {'median':>11} {'worst':>11}")
    for taken in found:
        times = "".join(f"{each:9.0f} ms" for each in (taken.cpu_ms, taken.median_ms, taken.worst_ms))
        print(f"{taken.name:40}{times}")
    for line in scanned:
        print(f"scans: {line}")
    return 0 if all(taken.cpu_ms < LIMIT_MS for taken in found) and not scanned else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
