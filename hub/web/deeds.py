"""What people do on the pages, noted in the audit log. Every page that shows candidates or evidence, or changes
anything, says so here; a test holds a table of all pages and what they note.

`add` for a change, within its own transaction. `note` for something that is not repeated by a page itself: a download,
a refused log-in. `saw` for a look: a page that follows what happens asks again and again, a film is asked for piece by
piece, and all that is one look. So one log-in's same look at the same object is one entry each LOOK_MS, whatever the
request says of itself. Where the entry cannot be written, nothing is shown: the request ends with 503.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from flask import Flask, Response, current_app, request, session
from flask_login import current_user

from hub.core import audit as core
from hub.core.audit import Deed
from hub.store import audit
from hub.store.audit import Actor, CannotNote
from hub.web.clock import now_utc_ms
from hub.web.parts import parts
from hub.web.security import Trouble, page

log = logging.getLogger(__name__)

LOOK_MS = 15 * 60_000
MOST_LOOKS = 10_000
"""Remembered; the oldest is forgotten first, which costs an entry more and never one less."""
NOBODY = Actor("(nobody logged in)", "none", "")
TROUBLE = Trouble(
    "This could not be recorded, so it is not shown",
    "The hub keeps a record of who looks at evidence, and its store takes nothing just now: its disk may be full. "
    "Nothing was changed. Recording at the desks goes on.",
    "Try again in a minute. If it stays like this, tell your technician the time at which it happened.",
)


class Looks:
    """Which looks stand in the log already. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: dict[tuple[str, ...], int] = {}

    def is_noted(self, look: tuple[str, ...], now_utc_ms: int) -> bool:
        with self._lock:
            at = self._at.get(look)
            return at is not None and 0 <= now_utc_ms - at < LOOK_MS

    def remember(self, look: tuple[str, ...], now_utc_ms: int) -> None:
        with self._lock:
            self._at.pop(look, None)
            self._at[look] = now_utc_ms
            while len(self._at) > MOST_LOOKS:
                del self._at[next(iter(self._at))]


def install(app: Flask) -> None:
    app.extensions["ems_looks"] = Looks()
    app.register_error_handler(CannotNote, _not_noted)


def _not_noted(problem: CannotNote) -> tuple[Response | str, int]:
    log.error("%s %s refused: %s", request.method, request.path, problem)
    return page(503, TROUBLE)


def address() -> str:
    """Where the request comes from: behind the centre's TLS what that says, see `create_app`."""
    return request.remote_addr or "unknown"


def actor() -> Actor:
    """Who asks, for the log."""
    return Actor(current_user.name, current_user.role, address())


def add(connection: Any, deed: Deed, what: str, /, **detail: Any) -> None:
    """Note a change that this person makes, within its transaction (`store.write()`)."""
    audit.add(connection, actor(), deed, what, now_utc_ms(), detail)


def note(deed: Deed, what: str, /, **detail: Any) -> None:
    """Note what this person does, in a transaction of its own. Raises CannotNote, which ends the request."""
    audit.note(parts().store, actor(), deed, what, now_utc_ms(), detail)


def saw(deed: Deed, what: str, /, **detail: Any) -> None:
    """Note a look, once each LOOK_MS a log-in, deed, object and detail. Raises CannotNote, which ends the request: call
    it before anything is shown."""
    now = now_utc_ms()
    looks: Looks = current_app.extensions["ems_looks"]
    look = (session.get("login", ""), deed, what, core.detail_text(detail))
    if not looks.is_noted(look, now):
        audit.note(parts().store, actor(), deed, what, now, detail)
        looks.remember(look, now)
