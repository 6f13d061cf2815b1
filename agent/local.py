"""What the running desk offers on its own machine: `status.json`, the control socket.

Both lie in the run folder. The status is written by a thread of its own, newest wins, so that a folder on a card that
hangs makes nobody wait but that thread; it is replaced whole and never synced. The socket takes datagrams of whoever
may write to it, that is this unit's user and root. What is asked there is done by the tick.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import queue
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import Struct

from agent import host, wire
from agent.config import Settings
from agent.core.local_status import DrillNow, LinkNow, LocalStatus, SittingNow
from agent.drill import Drill
from agent.time_service import TimeService, server_of
from agent.wire import Instant, PlannedSitting

if TYPE_CHECKING:  # the technician's commands read this file too, and need no camera library for it
    from agent.recording.recorder import Progress
    from agent.sight import Seen

log = logging.getLogger(__name__)

STATUS, SOCKET = "status.json", "agent.sock"
MAX_DATAGRAM = 4096
ASK_WITHIN_MS = 3_000
WORST_KEPT = 400
"""Ten-second worsts of sync for about an hour."""
WORST_EVERY_MS = 10_000


def run_folder(settings: Settings) -> Path:
    return settings.run_path or settings.storage_path / "run"


class Ask(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command at the control socket: `drill` begins one, `drill_end` clears it, `drill_state` only asks. `why` is
    needed for a drill in a sitting. `up_ms`: when it was asked, in boot time; nobody waits for an answer longer than
    ASK_WITHIN_MS, so what a hung agent finds later is not done."""

    command: str
    up_ms: wire.Ms
    why: wire.Label = ""


class Reply(Struct, frozen=True, kw_only=True):
    """`refused` is one line when it was not done."""

    refused: str = ""
    drill: DrillNow | None = None
    is_sitting: bool = False
    up_ms: int = 0


class LinkView(Protocol):
    """What is read of `agent.messaging.link.Link`."""

    settings: Any
    connected_since: Instant | None
    disconnected_since: Instant | None
    trouble: str | None
    refused: int
    refusal: str | None
    rejected: int
    dropped: int


class RecordsView(Protocol):
    """What is read of `agent.records.Records`."""

    trouble: str | None

    def plan(self) -> wire.Plan | None: ...


class LocalDesk:
    """Status and control socket of one desk; the tick calls `step` and `tell`."""

    def __init__(self, settings: Settings, clock: host.Clock, drill: Drill) -> None:
        self._settings, self._clock, self.drill = settings, clock, drill
        self.folder = run_folder(settings)
        self.time = TimeService(server_of(settings.hub, settings.broker_host), on_trouble=_tell_time_trouble)
        self._started = clock.now()
        self._os_boot = host.os_boot_id()
        self._written: queue.SimpleQueue[LocalStatus | None] = queue.SimpleQueue()
        self._asked: deque[tuple[Ask, Any]] = deque()
        self._worst: deque[float] = deque(maxlen=WORST_KEPT)
        self._worst_due_up_ms = 0
        self._newest: LocalStatus | None = None
        self._door_refusal = ""
        self.film_trouble = ""
        self._socket: socket.socket | None = None
        self._writer = threading.Thread(target=self._write_newest, name="local-status", daemon=True)
        self._ear = threading.Thread(target=self._listen, name="local-socket", daemon=True)

    # --- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the folder and start the threads. A run folder that cannot be used costs the technician's tools, never
        the sitting: it is logged."""
        self.time.start()
        self._writer.start()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._socket = _bound(self.folder)
        except OSError as error:
            log.warning("no control socket in %s: %s", self.folder, error)
            return
        self._ear.start()

    def stop(self, timeout_s: float) -> None:
        """Say in the status that the stop was in order, and end."""
        self.time.stop()
        if self._newest is not None:
            self._written.put(msgspec.structs.replace(self._newest, written=self._clock.now(), is_stopped=True))
        self._written.put(None)
        self._writer.join(timeout_s)
        if self._socket is not None:
            with contextlib.suppress(OSError):
                (self.folder / SOCKET).unlink()
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._ear.join(timeout_s)
            self._socket.close()

    # --- status -----------------------------------------------------------------------------------------------------

    def tell(
        self,
        heartbeat: wire.Heartbeat,
        link: LinkView,
        records: RecordsView,
        current: PlannedSitting | None,
        seen: Seen,
        progress: Progress,
    ) -> None:
        """Have the state of this moment written."""
        plan, sync_ms_worst = records.plan(), progress.sync_ms_worst
        if heartbeat.now.up_ms >= self._worst_due_up_ms:
            self._worst_due_up_ms = heartbeat.now.up_ms + WORST_EVERY_MS
            self._worst.append(sync_ms_worst)
        ranked = sorted(self._worst)
        coming = [each for each in (plan.sittings if plan else ()) if each.start_utc_ms > heartbeat.now.utc_ms]
        self._newest = LocalStatus(
            unit=self._settings.unit,
            pid=os.getpid(),
            os_boot=self._os_boot,
            started=self._started,
            written=heartbeat.now,
            heartbeat=heartbeat,
            link=_link_now(link),
            sitting=_sitting_now(current),
            next_sitting=_sitting_now(min(coming, key=lambda each: each.start_utc_ms, default=None)),
            segment=progress.open_segment,
            camera=self._settings.camera_device,
            panel=self._settings.panel,
            sync_ms_worst=round(sync_ms_worst, 1),
            sync_ms_p99=round(ranked[min(len(ranked) - 1, len(ranked) * 99 // 100)], 1) if ranked else None,
            python=platform.python_version(),
            drill=self.drill.now,
            door_refusal=self._door_refusal,
            film_trouble=self.film_trouble,
            camera_trouble=seen.camera_trouble or "",
            vision_trouble=seen.vision_trouble or "",
            recording_trouble=progress.trouble or "",
            records_trouble=records.trouble or "",
        )
        self._written.put(self._newest)

    def take_refusal(self, words: str) -> None:
        """Why the hub refuses this unit, '' when it does no longer: told from the next status on. Any thread."""
        self._door_refusal = words[:1000]

    def _write_newest(self) -> None:
        is_well = True
        while True:
            status = self._written.get()
            is_last = False
            while not self._written.empty():  # a folder that hung: only the newest counts
                newer = self._written.get()
                is_last = is_last or newer is None
                status = status if newer is None else newer
            if status is not None:
                try:
                    replace_file(self.folder, STATUS, msgspec.json.encode(status))
                    is_well = True
                except OSError as error:
                    if is_well:
                        log.warning("no status in %s: %s", self.folder, error)
                    is_well = False
            if is_last or status is None:
                return

    # --- control socket ---------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        assert self._socket is not None
        while True:
            try:
                data, sender = self._socket.recvfrom(MAX_DATAGRAM)
            except OSError:
                return
            if not data:  # the socket was shut down
                return
            try:
                self._asked.append((msgspec.json.decode(data, type=Ask), sender))
            except msgspec.MsgspecError as error:
                self._answer(Reply(refused=f"not understood: {error}; are agent and tools of one version?"), sender)

    def _answer(self, reply: Reply, sender: Any) -> None:
        # who asked may be gone, or never bound a name to answer to
        with contextlib.suppress(OSError, TypeError):
            if self._socket is not None and sender:
                self._socket.sendto(msgspec.json.encode(reply), socket.MSG_DONTWAIT, sender)

    # --- done by the tick -------------------------------------------------------------------------------------------

    def step(self, now: Instant, current: PlannedSitting | None) -> None:
        """Do what was asked, and clear a drill that has lasted long enough."""
        while self._asked:
            ask, sender = self._asked.popleft()
            if now.up_ms - ask.up_ms > ASK_WITHIN_MS:
                log.warning("%s was asked for too long ago", ask.command[:40])
                continue
            refused = self._obey(ask, now, current)
            reply = Reply(refused=refused, drill=self.drill.now, is_sitting=current is not None, up_ms=now.up_ms)
            self._answer(reply, sender)
        self.drill.step(now)

    def _obey(self, ask: Ask, now: Instant, current: PlannedSitting | None) -> str:
        match ask.command:
            case "drill_state":
                return ""
            case "drill_end":
                self.drill.clear(now)
                return ""
            case "drill":
                return self.drill.begin(ask.why, now, current)
        return f"no command is called {ask.command[:40]!r}; are agent and tools of one version?"


def _link_now(link: LinkView) -> LinkNow:
    return LinkNow(
        broker=f"{link.settings.host}:{link.settings.port}",
        connected_since=link.connected_since,
        disconnected_since=link.disconnected_since,
        trouble=(link.trouble or "")[:500],
        refused=link.refused,
        refusal=(link.refusal or "")[:500],
        rejected=link.rejected,
        dropped=link.dropped,
    )


def _sitting_now(sitting: PlannedSitting | None) -> SittingNow | None:
    if sitting is None:
        return None
    return SittingNow(
        sitting=sitting.sitting,
        room=sitting.room,
        seat=sitting.seat,
        start_utc_ms=sitting.start_utc_ms,
        end_utc_ms=sitting.end_utc_ms,
    )


def _tell_time_trouble(trouble: str) -> None:
    log.info("the hub's time service: %s", trouble or "answers")


def replace_file(folder: Path, name: str, data: bytes) -> None:
    """Replace a small file whole, never synced. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.part"
    part.write_bytes(data)
    part.replace(folder / name)


@contextmanager
def short_path(folder: Path, name: str) -> Iterator[str]:
    """A path of `name` that fits into a socket's address, 107 bytes, however deep the folder lies."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


def _bound(folder: Path) -> socket.socket:
    """Whoever holds the storage may take the name of a socket that the last run left."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        (folder / SOCKET).unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            with short_path(folder, SOCKET) as path:
                made.bind(path)
        finally:
            os.umask(mask)
    except OSError:
        made.close()
        raise
    return made
