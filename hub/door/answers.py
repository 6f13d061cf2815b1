"""How the door understands and answers: signed requests in, JSON out, and every refusal a Trouble."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Flask, Response, request
from msgspec import Struct
from werkzeug.exceptions import HTTPException

from agent import wire, wire_door
from agent.wire_door import Trouble
from hub.store.enrolling import CannotEnrol, NotEnrolled, Revoked, TooMany

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_CODES = {
    HTTPStatus.BAD_REQUEST: ("bad_request", "the request is not understood"),
    HTTPStatus.NOT_FOUND: ("not_found", "the door has nothing at this path"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("bad_request", "this path wants another method"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        "too_large",
        f"a request has at most {wire_door.MAX_BODY_BYTES} bytes",
    ),
    HTTPStatus.TOO_MANY_REQUESTS: ("too_many", "too many requests from this address: ask again in a minute"),
}


class Refused(Exception):
    """Answered as a Trouble with this HTTP status."""

    def __init__(self, status: HTTPStatus, code: str, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.trouble = Trouble(code=code, words=words[:2000])


def answer_errors(app: Flask) -> None:
    """Whatever goes wrong in `app` is answered as a Trouble."""
    app.register_error_handler(Refused, _when_refused)
    app.register_error_handler(HTTPException, _when_http)
    app.register_error_handler(Exception, _when_unwell)


def signed(kind: type[Any]) -> Any:
    """The request's body as a message of this kind, signed by the key that it names. Raises Refused."""
    if request.content_length is None:  # a body without an end would be read up to the limit, and cut
        raise Refused(HTTPStatus.LENGTH_REQUIRED, "bad_request", "a request must say its length")
    body = request.get_data()
    try:
        message = wire_door.decode(kind, body)
    except wire.BadMessage as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "bad_request", f"the request is not understood: {error}") from None
    signature = request.headers.get(wire_door.SIGNATURE_HEADER, "")
    if not wire_door.is_signed_by(message.public_key, request.path, body, signature):
        raise Refused(
            HTTPStatus.FORBIDDEN, "bad_signature", "the request is not signed by the key that it names, for this path"
        )
    return message


def kept(ask: Callable[[], Answer]) -> Answer:
    """What the store answers; what it refuses is a refusal of the door. Raises Refused."""
    try:
        return ask()
    except CannotEnrol as cannot:
        raise refusal_of(cannot) from None


def refusal_of(cannot: CannotEnrol) -> Refused:
    status, code = HTTPStatus.BAD_REQUEST, "bad_request"
    if isinstance(cannot, Revoked):
        status, code = HTTPStatus.FORBIDDEN, "revoked"
    elif isinstance(cannot, NotEnrolled):
        status, code = HTTPStatus.FORBIDDEN, "not_enrolled"
    elif isinstance(cannot, TooMany):
        status, code = HTTPStatus.TOO_MANY_REQUESTS, "too_many"
    return Refused(status, code, str(cannot))


def address() -> str:
    return (request.remote_addr or "")[:200]


def answer(message: Struct, status: int = HTTPStatus.OK) -> Response:
    return Response(
        wire_door.encode(message), status, headers={"Cache-Control": "no-store"}, content_type="application/json"
    )


def _refusal(status: int, trouble: Trouble) -> Response:
    known = request.path if request.path.startswith("/door/") else "another path"
    log.warning("%s refused: %d %s, from %s", known[:40], status, trouble.code, address())
    return answer(trouble, status)


def _when_refused(refused: Refused) -> Response:
    return _refusal(refused.status, refused.trouble)


def _when_http(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or 500)
    code, words = _CODES.get(status, ("bad_request" if status < 500 else "hub_unwell", error.name))
    return _refusal(status, Trouble(code=code, words=words))


def _when_unwell(error: Exception) -> Response:
    log.error("a request failed", exc_info=error)
    trouble = Trouble(code="hub_unwell", words="the hub cannot do that now: its log says why; ask again later")
    return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, trouble)
