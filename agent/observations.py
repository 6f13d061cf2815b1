"""The files of the observation log, and the one thread that writes them.

Whoever looks puts an entry here and goes on at once. A card that refuses or hangs costs nobody else anything: what
happens meanwhile waits in memory up to a bound, then observations are left out and the log says how many.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from pathlib import Path
from typing import NamedTuple

from agent.core.observation import Observation
from agent.core.obslog import SUFFIX, Encoder, Entry, Header, Missed

log = logging.getLogger(__name__)

FLUSH_MS = 5_000
"""A kill or a power cut takes at most the last five seconds of the log. More often would cost size: each block pays for
its own code tables."""
MOST_QUEUED = 4_096
"""Observations that wait for a card that hangs: 13 minutes at 5 a second."""
MOST_PENDING_BYTES = 1_000_000
"""Blocks that wait for a card that refuses: hours."""


class LogFile:
    """One new log in `folder`, which is made; a name that is taken gets a number. Raises OSError."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._end = 0
        self._descriptor, self.path = _create(folder, name)
        try:
            _sync_folder(folder)
        except OSError:
            self.close()
            raise

    def write(self, data: bytes) -> None:
        """Add `data` and sync it. After an OSError the next call writes over what may be left of this one."""
        at = self._end
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, at)
            view, at = view[written:], at + written
        os.fdatasync(self._descriptor)
        self._end = at

    def close(self) -> None:
        os.close(self._descriptor)


def _create(folder: Path, name: str) -> tuple[int, Path]:
    number = 1
    while True:
        path = folder / (f"{name}{SUFFIX}" if number == 1 else f"{name}_{number}{SUFFIX}")
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640), path
        except FileExistsError:
            number += 1


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LogWriter:
    """Entries to one log after the other, without a thread; `flush` and `close` raise OSError and may be tried again.
    What could not be written yet is kept, up to MOST_PENDING_BYTES."""

    def __init__(self, folder: Path, name: str, header: Header) -> None:
        self._folder, self._name = folder, name
        self._encoder = Encoder()
        self._encoder.add(header)
        self._pending = Encoder.head
        self._file: LogFile | None = None
        self._missed = 0
        self._flushed_up_ms: int | None = None

    def add(self, entry: Entry) -> None:
        """Written when FLUSH_MS of observations have come since the last flush. Raises OSError when that fails."""
        if not isinstance(entry, Observation):
            self._encoder.add(entry)
            return
        if len(self._pending) > MOST_PENDING_BYTES:
            self._missed += 1
        else:
            self._encoder.add(entry)
        if self._flushed_up_ms is None or entry.up_ms - self._flushed_up_ms >= FLUSH_MS:
            self._flushed_up_ms = entry.up_ms
            self.flush()

    @property
    def is_behind(self) -> bool:
        """Whether something could not be written, or nothing was yet."""
        return bool(self._pending)

    @property
    def path(self) -> Path | None:
        """The file, once there is one."""
        return None if self._file is None else self._file.path

    def flush(self) -> None:
        """Write and sync all that was added."""
        self._pending += self._encoder.block()
        if not self._pending:
            return
        if self._file is None:
            self._file = LogFile(self._folder, self._name)
        self._file.write(self._pending)
        self._pending = b""
        if self._missed:
            self._encoder.add(Missed(observations=self._missed))
            self._missed = 0

    def close(self) -> None:
        try:
            self.flush()  # the first may bring the news of what was missed
            self.flush()
        finally:
            if self._file is not None:
                self._file.close()
                self._file = None


class _Begin(NamedTuple):
    name: str
    header: Header


class _End(NamedTuple):
    is_last: bool


class ObservationLog:
    """The desk's logs in `folder`: `begin` a sitting's, `add` to it, `end` it. None of them waits."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._items: queue.SimpleQueue[_Begin | Entry | _End] = queue.SimpleQueue()
        self._missed = 0
        self._writer: LogWriter | None = None
        self._is_refused = False
        self._thread = threading.Thread(target=self._run, name="observations", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def begin(self, name: str, header: Header) -> None:
        """A new log called `name`; the one before is ended."""
        self._items.put(_Begin(name, header))

    def add(self, entry: Entry) -> None:
        """To the log begun last; nothing without one."""
        if isinstance(entry, Observation) and self._items.qsize() >= MOST_QUEUED:
            self._missed += 1
            return
        if self._missed:
            self._items.put(Missed(observations=self._missed))
            self._missed = 0
        self._items.put(entry)

    def end(self) -> None:
        """Write and close the log."""
        self._items.put(_End(is_last=False))

    def stop(self, timeout_s: float) -> bool:
        """End the log and the thread; False when the card did not take it in time."""
        self._items.put(_End(is_last=True))
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            item: _Begin | Entry | _End | None
            try:
                item = self._items.get(timeout=FLUSH_MS / 1000)
            except queue.Empty:
                item = None  # no camera, no observations; what was said last is still to be written
            try:
                self._take(item)
            except OSError as error:
                self._tell_refusal(error)
            except Exception:  # an entry that cannot be kept must not end the thread that keeps the others
                log.exception("the observation log could not take: %s", item)
            if isinstance(item, _End) and item.is_last:
                return

    def _take(self, item: _Begin | Entry | _End | None) -> None:
        writer = self._writer
        if isinstance(item, _Begin | _End):
            self._writer = LogWriter(self._folder, item.name, item.header) if isinstance(item, _Begin) else None
            if writer is not None:
                writer.close()
        elif writer is not None:
            if item is None:
                writer.flush()
            else:
                writer.add(item)
            if self._is_refused and not writer.is_behind:
                log.info("the observation log is written again: %s", writer.path)
                self._is_refused = False

    def _tell_refusal(self, error: OSError) -> None:
        """Once: the fault of the card is raised by those who cannot do without it."""
        if not self._is_refused:
            log.warning("the observation log cannot be written: %s", error)
        self._is_refused = True
