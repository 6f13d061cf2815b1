"""What stands around every page: response headers, and errors that say what happened and what to do."""

from __future__ import annotations

import logging
from typing import NamedTuple

from flask import Flask, Response, jsonify, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError

from hub.web.language import tr

log = logging.getLogger(__name__)

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Nothing from elsewhere, nothing inline, no frame around us, and no text that becomes markup in a script."""

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), display-capture=()",
}


class Trouble(NamedTuple):
    """An error page: what happened, what was kept, what to do."""

    title: str
    happened: str
    todo: str


TROUBLES = {
    400: Trouble(
        "The hub did not understand that",
        "The request was not complete or not in the expected form. Nothing was changed.",
        "Go back, load the page again and repeat it.",
    ),
    401: Trouble("You are not logged in", "Your log-in ended or was never there. Nothing was changed.", "Log in."),
    403: Trouble(
        "Your role does not include this",
        "You are logged in, but your role may not see or do this. Nothing was changed.",
        "Ask an admin of your centre if you need it.",
    ),
    404: Trouble(
        "There is nothing here",
        "The address is wrong, or what it named has been removed.",
        "Go to the live page, or find the incident in the list.",
    ),
    405: Trouble("That is not possible here", "The address exists, but not for this kind of request.", "Go back."),
    410: Trouble("This is no longer here", "It was here once and has been removed.", "Go to the live page."),
    413: Trouble("That is too much at once", "What was sent is larger than this page takes.", "Send less text."),
    429: Trouble(
        "Too many tries",
        "There were too many failed log-ins for this account or from this computer. The account itself is not locked.",
        "Wait a minute, then try again.",
    ),
    500: Trouble(
        "The hub made a mistake",
        "Something failed inside the hub. Recording at the desks does not depend on this page and goes on.",
        "Try again. If it stays like this, tell your technician the time at which it happened.",
    ),
    503: Trouble("The hub is busy", "It serves as many live viewers as it may.", "The page goes on by asking."),
}
CSRF_TROUBLE = Trouble(
    "This page was open for too long",
    "The page belongs to a log-in that has ended, so the hub did not accept what it sent. Nothing was changed.",
    "Load the page again (log in if asked) and repeat it.",
)


def wants_json() -> bool:
    """Whether a script asks, not a person."""
    return request.path.startswith("/live/") or request.headers.get("X-Part") == "1"


def install(app: Flask) -> None:
    app.after_request(_add_headers)
    app.register_error_handler(CSRFError, _csrf_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unforeseen)


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response


def page(code: int, trouble: Trouble) -> tuple[Response | str, int]:
    """The answer that says what happened, as the caller can read it."""
    if wants_json():
        return jsonify(error=code, title=tr(trouble.title), happened=tr(trouble.happened), todo=tr(trouble.todo)), code
    return render_template("trouble.html", code=code, trouble=trouble), code


def _asked() -> tuple[str, str, str]:
    return request.method, request.path, request.remote_addr or "unknown"


def _csrf_error(error: CSRFError) -> tuple[Response | str, int]:
    log.warning("refused: %s %s from %s without its token: %s", *_asked(), error.description)
    return page(400, CSRF_TROUBLE)


def _http_error(error: HTTPException) -> tuple[Response | str, int] | HTTPException:
    code = error.code or 500
    if code < 400:
        return error
    if code == 429:
        log.warning("refused: %s %s from %s, too many tries", *_asked())
    answer, code = page(code, TROUBLES.get(code, TROUBLES[400 if code < 500 else 500]))
    if isinstance(answer, str):
        answer = Response(answer, code)
    for name, value in error.get_headers():
        if name in ("Retry-After", "Allow"):
            answer.headers[name] = value
    answer.status_code = code
    return answer, code


def _unforeseen(error: Exception) -> tuple[Response | str, int]:
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return page(InternalServerError.code, TROUBLES[500])
