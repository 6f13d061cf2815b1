"""After whatever ended the last run: records and files are brought together before a new run begins."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from agent.core import bodies
from agent.recording.repair import closed_segments, describe, repair
from agent.records import Records
from agent.sitting import seat_in
from agent.wire import Body, Instant

log = logging.getLogger(__name__)


def make_whole(folder: Path, records: Records, put: Callable[[Body, Instant], None], now: Instant) -> None:
    """Repair the segments in `folder`, `put` those that no record names yet, and end the alerts and faults that the
    last run left standing. Never raises OSError: one file that cannot be read must not keep a desk from recording."""
    repaired = repair(folder)
    for aside in repaired.set_aside:
        log.warning("%s is no segment (%s) and is kept aside", aside.name, aside.reason)
    if repaired.trouble:
        log.warning("some segments could not be repaired: %s", repaired.trouble)
    if records.trouble is None:  # else the list may be unreadable, and every old segment would be told a second time
        _tell_unknown(folder, records, put, now)
    for left in records.unfinished():
        # the run that raised it is gone: what it saw is over, and what goes on is raised anew
        put(bodies.cleared(left, now), now)


def _tell_unknown(folder: Path, records: Records, put: Callable[[Body, Instant], None], now: Instant) -> None:
    known = {segment.closed.name for segment in records.segments()}
    try:
        unknown = [name for name in closed_segments(folder) if name not in known]
    except OSError as error:
        log.warning("the segments cannot be listed: %s", error)
        return
    for name in unknown:
        try:
            segment = describe(folder / name)
            put(bodies.segment_body(segment, seat_in(records.plan(), None, segment.sitting)), now)
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read and is told at a later start: %s", name, error)
