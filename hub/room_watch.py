"""Watches for what strikes a whole room, once a second, on a thread of the worker.

The rules stand in `hub.core.room_events`. While ingest does not hear (its facts in the live folder are old, or it has
no broker) nothing is looked at: silence then says nothing about desks. And what desks said last before it could hear
again says nothing either, see `hub.store.room_incidents.look`.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

from hub.core import room_events
from hub.core.room_events import Group, Happened
from hub.live import LiveFolder
from hub.store import Store, room_incidents
from hub.store.room_incidents import Seen, Watched

log = logging.getLogger(__name__)

EVERY_S = 1.0
FACTS_OLD_MS = 5_000
"""What the web calls an ingest that stands still (`hub.web.health`)."""


class RoomWatch:
    """`turn` is called again and again, on one thread."""

    def __init__(self, store: Store, live: LiveFolder) -> None:
        self._store = store
        self._live = live
        self._well_since_utc_ms: int | None = None

    def turn(self, now_utc_ms: int) -> int:
        """Find, open and fill room incidents; answers how many there are to work on. Raises sqlite3.Error."""
        if not self._hears(now_utc_ms):
            return 0
        seen = room_incidents.look(self._store, now_utc_ms, self._well_since_utc_ms or now_utc_ms)
        found = [
            (room, group) for room in seen.watched for group in room_events.groups(seen.happened[room.room], room.desks)
        ]
        wanted = [
            (room, group, _target(seen, group))
            for room, group in found
            if any(_is_loose(seen, m) for m in group.members)
        ]
        cleared = self._cleared(seen, now_utc_ms)
        if wanted or cleared:
            self._write(seen, wanted, cleared, now_utc_ms)
        return len(seen.rooms)

    def _hears(self, now_utc_ms: int) -> bool:
        facts = self._live.facts()
        is_well = (
            facts is not None
            and abs(now_utc_ms - facts.get("beat_utc_ms", 0)) < FACTS_OLD_MS
            and bool(facts.get("is_connected"))
            and bool(facts.get("is_store_well"))
        )
        if not is_well:
            self._well_since_utc_ms = None
        elif self._well_since_utc_ms is None or now_utc_ms < self._well_since_utc_ms:
            self._well_since_utc_ms = now_utc_ms
        return is_well

    @staticmethod
    def _cleared(seen: Seen, now_utc_ms: int) -> dict[int, int | None]:
        """room incident -> when it was over (None: it stands again), where that is news."""
        standing: dict[int, list[Happened]] = {}
        for happened in seen.happened.values():
            for one in happened:
                if one.key in seen.known:
                    standing.setdefault(seen.known[one.key], []).append(one)
        news: dict[int, int | None] = {}
        for row in seen.rooms:
            if row["room"] not in seen.happened:
                is_so = False  # the sitting is over: nobody looks at its desks any more
            else:
                is_so = room_events.standing(standing.get(row["incident_id"], ()), now_utc_ms) > 0
            if is_so != (row["cleared_utc_ms"] is None):
                news[row["incident_id"]] = None if is_so else now_utc_ms
        return news

    def _write(
        self,
        seen: Seen,
        wanted: list[tuple[Watched, Group, int | None]],
        cleared: dict[int, int | None],
        now_utc_ms: int,
    ) -> None:
        rows: dict[int, dict[str, Any]] = {row["incident_id"]: row for row in seen.rooms}
        with self._store.write() as connection:
            for room, group, target in wanted:
                number = target
                if number is None:
                    number = room_incidents.open_incident(connection, room, group, now_utc_ms)
                    log.info(
                        "incident %d: %s in %s", number, room_events.words(group.family, len(group.seats)), room.room
                    )
                elif not room_incidents.is_open(connection, number):
                    continue  # a person was faster: the next look knows
                room_incidents.join(connection, number, _new_of(seen, group), now_utc_ms)
                if target is not None and target not in cleared:
                    room_incidents.touch(connection, rows[target], rows[target]["cleared_utc_ms"], now_utc_ms)
            for number, cleared_utc_ms in cleared.items():
                room_incidents.touch(connection, rows[number], cleared_utc_ms, now_utc_ms)


def _is_loose(seen: Seen, one: Happened) -> bool:
    return one.key not in seen.known


def _target(seen: Seen, group: Group) -> int | None:
    """The oldest open room incident that has members of the group."""
    return min((seen.known[one.key] for one in group.members if one.key in seen.known), default=None)


def _new_of(seen: Seen, group: Group) -> list[Happened]:
    return list({one.key: one for one in group.members if _is_loose(seen, one)}.values())


class RoomWatchThread:
    """One thread. `start`, then `stop`. `trouble`: one sentence, '' when all is well."""

    def __init__(self, store: Store, live: LiveFolder, now_utc_ms: Callable[[], int]) -> None:
        self._watch = RoomWatch(store, live)
        self._now_utc_ms = now_utc_ms
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rooms", daemon=True)
        self.trouble = ""

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        self._stop.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._watch.turn(self._now_utc_ms())
                self.trouble = ""
            except sqlite3.Error as error:
                self._say(f"rooms cannot be watched: {error}")
            except Exception as error:  # a mistake of ours here must not end the watching for good
                self._say(f"rooms cannot be watched ({type(error).__name__}): the log says why")
                log.exception("the rooms cannot be looked at")
            self._stop.wait(EVERY_S)

    def _say(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.error("%s", trouble)
        self.trouble = trouble
