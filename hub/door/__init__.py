"""What desks call over HTTPS: enrolment, the renewal of certificates, and film. The language is `agent.wire_door`.

The door decides nothing and signs nothing: it keeps requests in the store, where people approve them and the worker
makes the certificates, and answers what has become of them. It answers in JSON only; every refusal is a Trouble.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from agent import wire_door
from agent.wire_door import EnrolmentRequest, EnrolmentState, Grant, RenewalRequest, StateRequest
from hub.config import Settings
from hub.door.answers import Refused, address, answer, answer_errors, kept, refusal_of, signed
from hub.door.records import RECORDS_PER_ADDRESS, Records
from hub.door.uploads import Uploads
from hub.enrolment import CaFolder
from hub.evidence.storage import open_storage
from hub.live import LiveFolder
from hub.store import Store, enrolling, planning
from hub.store.enrolling import Request, Revoked

log = logging.getLogger(__name__)

ENROLMENTS_PER_ADDRESS = "60 per minute"
"""A desk asks once and then follows its request; a room of desks behind one address must still get through."""
RENEWALS_PER_ADDRESS, STATES_PER_ADDRESS = "60 per minute", "1200 per minute"
"""A desk renews once in two months; a room of sixty that waits asks for its state every few seconds."""
HEARD_AGAIN_AFTER_MS = 10_000
"""A desk that waits asks every few seconds; so often the store notes that it does. People read minutes."""
WORKER_SILENT_MS = 15_000
"""The worker says something every second; a certificate that is being made waits for it."""


OFFERS_PER_ADDRESS, PIECES_PER_ADDRESS = "2400 per minute", "24000 per minute"
"""A room behind one address: sixty desks with a segment each every other second, and pieces at 400 MB/s."""


def create_app(
    settings: Settings, store: Store, now_utc_ms: Callable[[], int], uploads: Uploads | None = None
) -> Flask:
    """The door's application; `uploads` when somebody else tidies behind it."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = wire_door.MAX_BODY_BYTES
    door = _Door(settings, store, now_utc_ms)
    film = uploads or uploads_of(settings, store, now_utc_ms)
    limiter = Limiter(get_remote_address, app=app, storage_uri="memory://", default_limits=[])
    app.add_url_rule(wire_door.AUTHORITY_PATH, "authority", door.authority, methods=["GET"])
    for path, name, view in (
        (wire_door.ENROLMENTS_PATH, "enrolments", limiter.limit(ENROLMENTS_PER_ADDRESS)(door.enrol)),
        (wire_door.STATE_PATH, "state", limiter.limit(STATES_PER_ADDRESS)(door.state)),
        (wire_door.RENEWALS_PATH, "renewals", limiter.limit(RENEWALS_PER_ADDRESS)(door.renew)),
        (wire_door.SEGMENTS_PATH, "segments", limiter.limit(OFFERS_PER_ADDRESS)(film.offer)),
        (wire_door.DATA_PATH, "data", limiter.limit(PIECES_PER_ADDRESS)(film.take)),
        (wire_door.RECORDS_PATH, "records", limiter.limit(RECORDS_PER_ADDRESS)(Records(store).page)),
    ):
        app.add_url_rule(path, name, view, methods=["POST"])
    answer_errors(app)
    return app


def uploads_of(settings: Settings, store: Store, now_utc_ms: Callable[[], int]) -> Uploads:
    """What takes film, into the storage of these settings."""
    return Uploads(settings, store, open_storage(settings), now_utc_ms)


class _Door:
    def __init__(self, settings: Settings, store: Store, now_utc_ms: Callable[[], int]) -> None:
        self._settings = settings
        self._store = store
        self._now_utc_ms = now_utc_ms
        self._ca = CaFolder(settings.ca_path)
        self._live = LiveFolder(Path(settings.live_path))

    def authority(self) -> Response:
        name = next((part.strip() for part in self._settings.hub_names.split(",") if part.strip()), "")
        return answer(wire_door.Authority(authorities=self._authorities(), hub=name[:200]))

    def enrol(self) -> Response:
        asked = signed(EnrolmentRequest)
        with self._store.write() as connection:
            wishes = {"wanted": asked.wanted, "replaces": asked.replaces}
            found = kept(lambda: enrolling.ask(connection, **self._told(asked), **wishes))
        return self._state_of(found)

    def renew(self) -> Response:
        asked = signed(RenewalRequest)
        with self._store.read() as connection:  # a stranger must not take the turn to write from ingest
            kept(lambda: enrolling.check_enrolled(connection, asked.unit, asked.public_key))
        with self._store.write() as connection:
            found = kept(lambda: enrolling.ask_renewal(connection, unit=asked.unit, **self._told(asked)))
        return self._state_of(found)

    def _told(self, asked: EnrolmentRequest | RenewalRequest) -> dict[str, Any]:
        """What both kinds of request say of the desk."""
        return {
            "public_key": asked.public_key,
            "csr": asked.csr,
            "serial": asked.serial,
            "model": asked.model,
            "software": asked.software,
            "address": address(),
            "now_utc_ms": self._now_utc_ms(),
        }

    def state(self) -> Response:
        asked = signed(StateRequest)
        with self._store.read() as connection:
            known = enrolling.unit_of(connection, asked.public_key)
            found = enrolling.newest(connection, asked.public_key)
        if known is not None and known.is_revoked:
            raise refusal_of(Revoked(enrolling.revoked_words(known.unit)))
        self._hear(found)
        return self._state_of(found)

    def _hear(self, found: Request | None) -> None:
        now = self._now_utc_ms()
        if found is not None and found.state == "waiting" and abs(now - found.heard_utc_ms) >= HEARD_AGAIN_AFTER_MS:
            with self._store.write() as connection:
                enrolling.hear(connection, found.enrolment_id, now)

    # --- answers ---

    def _state_of(self, found: Request | None) -> Response:
        now = self._now_utc_ms()
        if found is None:
            return answer(EnrolmentState(state="unknown", hub_utc_ms=now))
        is_news = found.state in ("granted", "rejected") or request.path != wire_door.STATE_PATH
        level = logging.INFO if is_news else logging.DEBUG  # who waits asks every few seconds
        log.log(level, "%s: %s %s, from %s", found.unit or found.code, found.kind, found.state, address())
        reason = self._what_keeps_it(now) if found.state == "approved" else found.reason
        grant = self._grant(found) if found.state == "granted" else None
        return answer(
            EnrolmentState(state=found.state, code=found.code, reason=reason[:2000], grant=grant, hub_utc_ms=now)
        )

    def _what_keeps_it(self, now: int) -> str:
        """One sentence why the certificate is not made yet; '' when it should come within a moment."""
        told = self._live.worker()
        beat = told.get("beat_utc_ms") if told is not None else None
        if told is None or not isinstance(beat, int) or abs(now - beat) > WORKER_SILENT_MS:
            return "the hub's worker, which makes certificates, does not run: start `ems-hub worker` at the hub"
        if told.get("is_clock_trusted") is not True:
            return f"the hub makes no certificate while its clock is not trusted: {told.get('clock') or 'unknown'}"
        return str(told.get("trouble") or "")

    def _grant(self, found: Request) -> Grant:
        with self._store.read() as connection:
            plan = planning.plan_of(connection, found.unit)
        return Grant(
            unit=found.unit,
            certificate=found.certificate,
            authorities=self._authorities(),
            broker_port=self._settings.broker_port,
            plan=plan,
        )

    def _authorities(self) -> str:
        try:
            return self._ca.authorities.read_text()
        except (OSError, ValueError):
            log.error("%s cannot be read: run `ems-hub init`", self._ca.authorities)
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE, "hub_unwell", "the hub has no authority yet: run `ems-hub init` there"
            ) from None
