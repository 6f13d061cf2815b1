"""A wall screen's own log-in: a cookie of its own, that no other page takes, made from the token that an admin handed
out. It holds until the token is revoked; a stream asks every second."""

from __future__ import annotations

import hashlib
from pathlib import Path

from flask import Response, abort, current_app, request
from itsdangerous import BadSignature, URLSafeSerializer

import hub
from hub.store import walls
from hub.store.walls import Wall
from hub.web.parts import parts

PATH = "/wall"
LIFE_S = 400 * 86_400
"""As long as browsers keep any cookie; the token in the screen's start page makes another."""
_SALT = "ems-wall"


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(str(parts().settings.secret_key), salt=_SALT)


def _cookie() -> str:
    return "__Secure-ems-wall" if current_app.config["SESSION_COOKIE_SECURE"] else "ems_wall"


def let_in(response: Response, wall: Wall) -> Response:
    """Give the browser the wall's cookie."""
    response.set_cookie(
        _cookie(),
        _serializer().dumps([wall.wall_id, wall.token_sha256]),
        max_age=LIFE_S,
        path=PATH,
        secure=bool(current_app.config["SESSION_COOKIE_SECURE"]),
        httponly=True,
        samesite="Lax",
    )
    return response


def wall_here() -> Wall | None:
    """The wall that asks; None for everybody else."""
    try:
        number, token_sha256 = _serializer().loads(request.cookies.get(_cookie(), ""))
    except (BadSignature, ValueError, TypeError):
        return None
    if not isinstance(number, int) or not isinstance(token_sha256, str):
        return None
    return walls.standing(parts().store, number, token_sha256)


def the_wall() -> Wall:
    """As `wall_here`; answers 401 to everybody else."""
    wall = wall_here()
    if wall is None:
        abort(401)
    return wall


def version() -> str:
    """What a wall's page was made of: when it differs from what the hub serves now, the page loads itself again."""
    folder = Path(__file__).parent
    digest = hashlib.sha256(hub.__doc__.encode() if hub.__doc__ else b"")
    for name in (
        "static/js/wall.js",
        "static/js/base.js",
        "static/css/wall.css",
        "static/css/base.css",
        "templates/wall.html",
    ):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]
