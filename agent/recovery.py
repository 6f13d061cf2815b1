"""After whatever ended the last run: records and files are brought together before a new run begins.

Recording waits for this, so it stays short: where a lost database leaves thousands of files without a record, the
newest few are told now, as the running sitting needs them, and the rest is left to `agent.restoring`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from agent.core import bodies
from agent.freeing import settle
from agent.recording.repair import closed_segments, describe, repair
from agent.records import Records
from agent.sitting import seat_in
from agent.wire import Body, Instant

log = logging.getLogger(__name__)

MOST_AT_START = 16
"""Files that are read and hashed before recording begins: some 30 MB, a second on a slow card."""


def make_whole(folder: Path, records: Records, put: Callable[[Body, Instant], None], now: Instant) -> tuple[str, ...]:
    """Repair the segments in `folder`, `put` those that no record names yet, and end the alerts and faults that the
    last run left standing. Never raises OSError: one file that cannot be read must not keep a desk from recording.
    Returns the names of segments that were too many to be told now, in their order."""
    repaired = repair(folder)
    for aside in repaired.set_aside:
        log.warning("%s is no segment (%s) and is kept aside", aside.name, aside.reason)
    if repaired.trouble:
        log.warning("some segments could not be repaired: %s", repaired.trouble)
    left: tuple[str, ...] = ()
    if records.trouble is None:  # else the list may be unreadable, and every old segment would be told a second time
        left = _tell_unknown(folder, records, put, now)
    for standing in records.unfinished():
        # the run that raised it is gone: what it saw is over, and what goes on is raised anew
        put(bodies.cleared(standing, now), now)
    return left


def _tell_unknown(
    folder: Path, records: Records, put: Callable[[Body, Instant], None], now: Instant
) -> tuple[str, ...]:
    try:
        names = closed_segments(folder)
    except OSError as error:
        log.warning("the segments cannot be listed: %s", error)
        return ()
    states = records.segment_states()
    settle(names, states, records)
    unknown = [name for name in names if name not in states]
    tell(folder, unknown[-MOST_AT_START:], records, lambda body: put(body, now))
    return tuple(unknown[:-MOST_AT_START])


def tell(folder: Path, names: Iterable[str], records: Records, put: Callable[[Body], None]) -> None:
    """Have segments recorded that no record names, as their files tell them."""
    for name in names:
        try:
            segment = describe(folder / name)
            put(bodies.segment_body(segment, seat_in(records.plan(), None, segment.sitting)))
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read and is told at a later start: %s", name, error)
