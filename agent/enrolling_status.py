"""What a desk that enrols says of itself on its own machine: `enrolling.json` in the run folder, gone when it ends.

Written by a thread of its own: a folder that hangs makes nobody wait. An earlier unit's status is taken away first.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from agent import host
from agent.core.local_status import EnrollingNow
from agent.local import STATUS, replace_file

log = logging.getLogger(__name__)

ENROLLING = "enrolling.json"
WRITE_EVERY_S = 1.0
MAX_BYTES = 65_536
STOP_WITHIN_S = 2.0


def read_enrolling(folder: Path) -> EnrollingNow | None:
    """None when no desk enrols here, or what it wrote cannot be read."""
    try:
        with (folder / ENROLLING).open("rb") as file:
            return msgspec.json.decode(file.read(MAX_BYTES), type=EnrollingNow)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def forget(folder: Path) -> None:
    """Take away what a desk that was killed while it enrolled has left."""
    with contextlib.suppress(OSError):
        (folder / ENROLLING).unlink(missing_ok=True)


@contextlib.contextmanager
def telling(folder: Path, now: Callable[[], EnrollingNow]) -> Iterator[None]:
    """What `now` answers is kept written while the block runs."""
    ended = threading.Event()

    def write() -> None:
        with contextlib.suppress(OSError):
            (folder / STATUS).unlink(missing_ok=True)  # of the unit that this desk was before
        is_well, is_first = True, True
        while is_first or not ended.wait(WRITE_EVERY_S):
            is_first = False
            try:
                replace_file(folder, ENROLLING, msgspec.json.encode(now()))
                is_well = True
            except OSError as error:
                if is_well:
                    log.warning("no status in %s: %s", folder, error)
                is_well = False
        forget(folder)

    thread = threading.Thread(target=write, name="enrolling-status", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(STOP_WITHIN_S)


def now_of(hub: str, clock: host.Clock, stage: str, code: str, why: str) -> EnrollingNow:
    return EnrollingNow(hub=hub, os_boot=host.os_boot_id(), written=clock.now(), stage=stage, code=code, why=why[:1000])
