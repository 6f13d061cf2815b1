"""A lost database comes back: the records that the hub holds, and the segments that lie on the card without a record.

Works in the background, after recording has begun, and gives way to it. What the hub has comes first: it says most of
the segments, with their seats, and which of them it has got. Only what is on the card and in no record then is told by
its file. While the hub is away nobody would read those records, so they wait for it; but not for ever, and not when it
has nothing to give.

The order of failure. A page of records is one transaction, and what is there already stays: a kill between two pages
loses nothing, and the next start asks again from the beginning. `unit.restored`, beside the key, holds the start whose
chain is complete, and is written last.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import msgspec

from agent import host, wire
from agent.core import bodies, chain
from agent.messaging.enrol import DoorProblem
from agent.records import Records
from agent.records_rows import Restored
from agent.recovery import tell
from agent.unit_key import read_boot, write_synced
from agent.wire_door import RECORDS_PATH, RecordsPage, RecordsRequest, SealedRecord

log = logging.getLogger(__name__)

AGAIN_FIRST_S, AGAIN_LONGEST_S = 5.0, 600.0
TRIES = 10
"""So often the hub is asked, over half an hour, before what is on the card is told without it."""
SHARE = 3
"""How long the card is left to the recording after each file, as a multiple of what reading it took."""
NOTHING_TO_GIVE = frozenset({"not_found", "not_enrolled", "revoked"})
"""What the door says when no later answer will be another: it is older than this desk, or cuts it off."""


class Door(Protocol):
    """What is needed of `agent.messaging.enrol.Door`."""

    public_key: str

    def post(self, path: str, message: msgspec.Struct, answer: type[RecordsPage]) -> RecordsPage:
        """Raises DoorProblem."""


class Restoring:
    """`segments` is the folder of the recording; `door` gives the hub's door, None for a desk without a hub; `put` has
    a body recorded."""

    def __init__(
        self,
        segments: Path,
        unit: str,
        records: Records,
        clock: host.Clock,
        door: Callable[[], Door | None],
        put: Callable[[wire.Body, wire.Instant], None],
    ) -> None:
        self._segments, self._unit, self._records = segments, unit, records
        self._clock, self._door, self._put = clock, door, put
        self._mark = segments.parent / "unit.restored"
        self._stopping = threading.Event()
        self._left: tuple[str, ...] = ()
        self.is_done = False
        self._thread = threading.Thread(target=self._run, name="restoring", daemon=True)

    def start(self, left: Iterable[str]) -> None:
        """`left` are the segments that no record names and that were not told at the start."""
        self._left = tuple(left)
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """False when card or hub did not answer in time."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause_s, tries = AGAIN_FIRST_S, 0
        while not self._stopping.is_set():
            is_over = self._try()
            tries += 1
            if is_over or tries >= TRIES:
                self._tell_left()
            if is_over:
                self.is_done = not self._stopping.is_set()
                return
            self._stopping.wait(pause_s)
            pause_s = min(AGAIN_LONGEST_S, pause_s * 2)

    def _try(self) -> bool:
        """Whether there is nothing more to be had from the hub."""
        try:
            return self._restore()
        except DoorProblem as problem:
            log.warning("the lost records are not back yet: %s", problem)
            return problem.code in NOTHING_TO_GIVE
        except (OSError, ValueError, wire.BadMessage) as error:
            log.warning("the lost records are not back yet: %s", error)
        except Exception:
            log.exception("the lost records are not back yet")
        return False

    # --- from the hub -----------------------------------------------------------------------------------------------

    def _restore(self) -> bool:
        begun = self._records.lost_before()
        if not begun or read_boot(self._mark) >= begun:
            return True
        door = self._door()
        if door is None:
            return True
        log.warning("the card's records were lost: asking the hub for them")
        count, last = 0, (0, 0)
        while not self._stopping.is_set():
            request = RecordsRequest(unit=self._unit, public_key=door.public_key, boot=last[0], seq=last[1])
            page = door.post(RECORDS_PATH, request, RecordsPage)
            if self._stopping.is_set():
                break  # the records are about to be closed
            lost, newest = self._of_lost_starts(page.records, begun)
            if page.records and newest <= last:
                raise ValueError("the hub sends the same records again: update it")
            if not self._records.restore(lost, self._on_card(), self._clock.now()):
                raise OSError(self._records.trouble or "the card cannot be written")
            count, last = count + len(lost), newest
            if page.is_last or last[0] >= begun:
                self._finish(begun, count)
                return True
        return False

    def _of_lost_starts(self, sealed: Iterable[SealedRecord], begun: int) -> tuple[list[Restored], tuple[int, int]]:
        """The records of starts before `begun`, and the place of the page's last record. One whose body was erased by
        rule stays at the hub: it cannot be checked here."""
        found, newest = [], (0, 0)
        for each in sealed:
            header = msgspec.json.decode(each.header, type=wire.Header)
            newest = (header.boot, header.seq)
            if header.boot < begun and each.body is not None:
                found.append(Restored(chain.record_of(each.header, each.body, each.signature), each.is_stored))
        return found, newest

    def _on_card(self) -> dict[str, int]:
        with os.scandir(self._segments) as entries:
            return {entry.name: entry.stat().st_size for entry in entries}

    def _finish(self, begun: int, count: int) -> None:
        now = self._clock.now()
        for standing in self._records.unfinished():  # their ends were lost with the card
            name = standing.alert if isinstance(standing, wire.Alert) else standing.fault
            if not name.startswith(f"{self._records.boot}-"):
                self._put(bodies.cleared(standing, now), now)
        write_synced(self._mark, f"{begun}\n".encode(), 0o644)
        log.warning("%d records are back from the hub", count)

    # --- from the card ----------------------------------------------------------------------------------------------

    def _tell_left(self) -> None:
        states = self._records.segment_states()
        left, self._left = [name for name in self._left if name not in states], ()
        if left:
            log.warning("%d segments without a record are told by their files", len(left))
        for name in left:
            if self._stopping.is_set():
                return
            began_ns = self._clock.up_ns()
            tell(self._segments, [name], self._records, lambda body: self._put(body, self._clock.now()))
            self._stopping.wait(SHARE * (self._clock.up_ns() - began_ns) / 1e9)
