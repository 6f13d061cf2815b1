"""The pages: a Flask application made by a factory, one blueprint a page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, request
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from hub.config import Settings
from hub.core import board as board_words
from hub.core.visible import visible
from hub.live import LiveFolder
from hub.store import Store
from hub.web import (
    audit,
    budget,
    bundles,
    candidates,
    card,
    clock,
    closing,
    deeds,
    exams,
    film,
    film_pages,
    health,
    holds,
    incidents,
    language,
    live,
    login,
    people,
    preflight,
    profiles,
    report,
    retention,
    review_list,
    room_seats,
    rooms,
    roster,
    seat_acts,
    seats,
    security,
    sittings,
    texts,
    units,
    video,
    wall,
    walls,
)
from hub.web.parts import Parts, Streams
from hub.web.stills import Stills
from hub.web.tail import Tail

MAX_REQUEST_BYTES = 64 * 1024
"""The largest thing anybody sends to these pages is a comment; a roster file alone may be larger (hub.web.roster)."""

_PAGES = (
    live,
    seat_acts,
    incidents,
    budget,
    seats,
    film_pages,
    exams,
    profiles,
    roster,
    candidates,
    sittings,
    preflight,
    closing,
    report,
    rooms,
    room_seats,
    units,
    card,
    people,
    health,
    bundles,
    holds,
    retention,
    wall,
    walls,
)


def create_app(settings: Settings, store: Store, should_stop: Callable[[], bool] = lambda: False) -> Flask:
    """The application, its watching thread started. `should_stop` ends the streams when the server is going down;
    stop the thread with `app.extensions["ems"].tail.stop()`."""
    app = Flask(__name__)
    is_production = settings.app_env == "production"
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SESSION_COOKIE_NAME="__Host-ems" if is_production else "ems",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=is_production,
        SESSION_COOKIE_PATH="/",
        PERMANENT_SESSION_LIFETIME=dt.timedelta(milliseconds=login.LIFE_MS),
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the log-in: a page may stand open for a whole exam
        RATELIMIT_HEADERS_ENABLED=True,
    )
    if is_production and not settings.web_tls:
        # The centre's TLS stands in front; its word about the caller counts.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]
    folder = LiveFolder(Path(settings.live_path))
    tail = Tail(store, Stills(folder), folder)
    zone = clock.zone_of(settings.zone)
    app.extensions["ems"] = Parts(settings, store, tail, folder, zone, Streams(settings.max_streams))
    CSRFProtect(app)
    language.install(app, settings)
    security.install(app)
    login.install(app)
    deeds.install(app)
    audit.install(app)
    for page in _PAGES:
        app.register_blueprint(page.blueprint)
    film.install(app, settings)
    video.install(app, settings)
    _dress(app, settings, zone, tail)
    tail.start(should_stop)
    return app


def _dress(app: Flask, settings: Settings, zone: dt.tzinfo, tail: Tail) -> None:
    """What every template may use."""
    app.jinja_env.filters.update(
        clock=lambda utc_ms: clock.clock_text(utc_ms, zone),
        moment=lambda utc_ms: clock.moment_text(utc_ms, zone),
        day=lambda utc_ms: clock.day_text(utc_ms, zone),
        length=clock.length_text,
        length_short=clock.short_text,
        signed=lambda seconds: language.localised(clock.signed_text(seconds)),
        size=lambda size_bytes: language.localised(clock.size_text(size_bytes)),
        words=lambda table, kind: language.tr(board_words.words_of(table, kind)),
        visible=visible,
    )
    # Globals, not context: macros that a template imports see only these.
    app.jinja_env.globals.update(review_walk=review_list.walk)
    app.jinja_env.globals.update(t=texts.text, counted=texts.counted, in_view=texts.in_view, DASH=clock.DASH)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    def shared() -> dict[str, Any]:
        theme = request.cookies.get("ems_theme", "auto")
        now = clock.now_utc_ms()
        return {
            "texts": texts.of_page(),
            "bar": tail.board.bar,
            "now": now,
            "zone_name": settings.zone,
            "zone_label": clock.zone_text(now, zone),
            "theme": theme if theme in login.THEMES else "auto",
        }

    app.context_processor(shared)
