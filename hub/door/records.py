"""Records that go back to the unit that made them: its card has lost them, and it asks with its key."""

from __future__ import annotations

import logging

from flask import Response

from agent.wire_door import RecordsRequest
from hub.door.answers import address, answer, kept, signed
from hub.store import Store, enrolling, returning

log = logging.getLogger(__name__)

RECORDS_PER_ADDRESS = "240 per minute"
"""Pages: a year of one desk in an hour, and a room of desks that ask at once gets through."""


class Records:
    """The view. A unit gets its own records and no other's; a stranger and a revoked unit get none."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def page(self) -> Response:
        asked: RecordsRequest = signed(RecordsRequest)
        with self._store.read() as connection:
            kept(lambda: enrolling.check_enrolled(connection, asked.unit, asked.public_key))
            page = returning.page_after(connection, asked.unit, asked.boot, asked.seq)
        level = logging.INFO if page.is_last or (asked.boot, asked.seq) == (0, 0) else logging.DEBUG
        log.log(level, "%s: %d records returned, from %s", asked.unit, len(page.records), address())
        return answer(page)
