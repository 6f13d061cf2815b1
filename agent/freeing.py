"""Keeps room on the card: frees what `agent.core.space` chooses, in a thread of its own. Nobody waits for it.

The order of failure. Whoever is killed between two steps leaves:
  1. unlink the file of an `uploaded` segment -> power may bring the file back or not; both are right, the hub has it
  2. fsync the folder                         -> the file is gone, its row says `uploaded`
  3. the row says `freed`                     -> done
`settle`, at the next start, makes rows and files agree: an `uploaded` segment whose file is gone is `freed`, a `freed`
one whose file is there is `uploaded`. Rows and records are never removed: they say what was recorded.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from agent import host
from agent.core import space
from agent.core.space import LogOnCard, Look
from agent.recording.place import Place
from agent.recording.segments import sync_folder
from agent.recording.writing import RESERVE_BYTES
from agent.records import Records
from agent.wire import Plan

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
AGAIN_AFTER_LOOKS = 30
"""When nothing could be freed: the list of a full card is long, and changes only as fast as film is sent."""
COUNT_AFTER_LOOKS = 30
"""What may be freed changes by the minute, and adding it up reads a long list."""
FILES_AT_ONCE = 32
"""So many are unlinked before the folder is synced and the rows are written."""


class Freeing:
    """`running` names the sitting that is on, '' for none; `low_bytes` is EMS_STORAGE_LOW_BYTES. `free_bytes` is the
    newest reading, for those who must not wait for a card: None when it cannot be read."""

    def __init__(
        self, segments: Path, logs: Path, records: Records, running: Callable[[], str], *, low_bytes: int
    ) -> None:
        self._segments, self._logs, self._records, self._running = segments, logs, records, running
        self._bounds, self._low_bytes = space.bounds(low_bytes, RESERVE_BYTES), low_bytes
        self._place = Place(segments)
        self._stopping = threading.Event()
        self._looks_left = self._count_left = 0
        self._trouble = ""
        self.free_bytes = host.free_bytes(segments)
        self.room_bytes: int | None = None
        """What recording may still take: free above the floor, and film that the hub has and nobody holds."""
        self.look: Look | None = None
        """What keeps the card full; None while it is not."""
        self._thread = threading.Thread(target=self._run, name="freeing", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """False when the card did not answer in time."""
        self._stopping.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            try:
                self.step()
                self._trouble = ""
            except OSError as error:
                self._say(f"no room can be made: {error}")
            except Exception:  # the next look may go well
                log.exception("no room can be made")

    def step(self) -> None:
        """Look once, and free what has to go. Raises OSError when the card refuses."""
        self.free_bytes = free_bytes = host.free_bytes(self._segments)
        self._count_left -= 1
        if self._count_left < 0:
            self._count_left = COUNT_AFTER_LOOKS
            self.room_bytes = None if free_bytes is None else max(0, free_bytes + self._may_go() - self._low_bytes)
        if free_bytes is None or free_bytes >= self._bounds.from_bytes:
            self.look, self._looks_left = None, 0
            return
        self._looks_left -= 1
        if self._looks_left < 0 and not self._make_room(free_bytes):
            self._looks_left = AGAIN_AFTER_LOOKS

    def _may_go(self) -> int:
        """Bytes of film that may be freed; none while nobody knows what is held."""
        plan = self._records.plan()
        if plan is None or self._records.is_plan_refused():
            return 0
        if not plan.holds:
            return self._records.uploaded_bytes()
        # also segments that are gone already: they say where the clock was set in a sitting held in part
        of_held = [each for name in {hold.sitting for hold in plan.holds} for each in self._records.segments(name)]
        held = space.held_names((each.closed for each in of_held), plan.holds)
        of_these = sum(e.closed.size_bytes for e in of_held if e.state == "uploaded" and e.closed.name in held)
        return self._records.uploaded_bytes() - of_these

    def _make_room(self, free_bytes: int) -> bool:
        """Whether anything was freed."""
        plan, records = self._records.plan(), self._records
        listed = records.segments(state="uploaded") + records.segments(state="kept")
        if plan is None or records.is_plan_refused():  # what is held now is not known
            waiting = sum(each.state == "kept" for each in listed)
            self.look = Look(waiting=waiting, held=0, is_plan_known=False)
            return False
        of_held = [each for name in {hold.sitting for hold in plan.holds} for each in records.segments(name, "freed")]
        choice = space.choose(listed + of_held, plan.holds, free_bytes, self._bounds)
        self.look = Look(waiting=choice.waiting, held=choice.held)
        sizes = {each.closed.name: each.closed.size_bytes for each in listed}
        freed = 0
        for names in _batches(choice.names):
            gone = self._unlink(self._segments, names, plan)
            records.set_segment_states(gone, "freed")
            freed += sum(sizes[name] for name in gone)
        needed = self._bounds.until_bytes - free_bytes - freed
        logs = space.choose_logs(self._logs_on_card(), self._running(), plan.holds, needed)
        gone_logs = self._unlink(self._logs, logs, plan)
        if freed or gone_logs:
            log.info("freed %.0f MB of film that the hub has, and %d observation logs", freed / 1e6, len(gone_logs))
        return bool(freed or gone_logs)

    def _unlink(self, folder: Path, names: Iterable[str], plan: Plan) -> list[str]:
        """Remove these files for good; those that were there no more count as well. Raises OSError, and what was
        removed until then is found by `settle`."""
        gone = []
        for name in names:
            if self._stopping.is_set() or self._records.plan() is not plan:
                break  # a newer plan may hold what the older one did not
            self._place.check()
            (folder / name).unlink(missing_ok=True)
            gone.append(name)
        if gone:
            sync_folder(folder)
        return gone

    def _logs_on_card(self) -> Iterator[LogOnCard]:
        try:
            entries = list(os.scandir(self._logs))
        except FileNotFoundError:
            return
        for entry in entries:
            yield LogOnCard(entry.name, entry.stat().st_size)

    def _say(self, words: str) -> None:
        """Once: the faults of the card are raised by those who cannot do without it."""
        if words != self._trouble:
            log.warning("%s", words)
        self._trouble = words


def _batches(names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for at in range(0, len(names), FILES_AT_ONCE):
        yield names[at : at + FILES_AT_ONCE]


def settle(on_card: Iterable[str], states: dict[str, str], records: Records) -> None:
    """Make the rows agree with the files that are `on_card`; `states` is that of each row by its name."""
    files = set(on_card)
    records.set_segment_states(
        [name for name, state in states.items() if state == "uploaded" and name not in files], "freed"
    )
    records.set_segment_states([name for name in files if states.get(name) == "freed"], "uploaded")
