"""Playing any moment of any seat.

A look is asked for once (`plays`), which writes it to the audit log with its reason and answers what can be played as
stretches of about three minutes, each a whole MP4 that a browser seeks in by range requests. Who asks for `video`
without that asks for a look all the same. More than a stretch at once is sent while it is made, without ranges.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    jsonify,
    redirect,
    request,
    send_file,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from itsdangerous import BadSignature, URLSafeTimedSerializer

from hub.config import Settings
from hub.core import film
from hub.core.access import Action
from hub.core.audit import Deed
from hub.core.film import Cut
from hub.evidence import cache, clips
from hub.evidence.cache import Busy, ClipCache
from hub.evidence.clips import FORMS, MP4, CannotCut
from hub.evidence.storage import Storage, StorageProblem, open_storage
from hub.store import film as store
from hub.store.film import Reel
from hub.web import deeds, film_asked, film_view
from hub.web.clock import clock_text, now_utc_ms
from hub.web.film_asked import Asked
from hub.web.film_view import REASONS
from hub.web.login import LIFE_MS, may
from hub.web.parts import Streams, parts

blueprint = Blueprint("film", __name__)

MOST_PLAYERS = 24
"""Answers with film at a time. The threads that serve them are beside those of the live streams (hub.web.server)."""

FOLLOWED_MS = 20_000
"""What comes after a look's end all the same: an incident is over a quarter of a minute after it cleared."""


class Projector(NamedTuple):
    """What playing needs, made once by `install`."""

    storage: Storage
    cache: ClipCache
    players: Streams
    signer: URLSafeTimedSerializer


def install(app: Flask, settings: Settings) -> None:
    app.extensions["projector"] = Projector(
        storage=open_storage(settings),
        cache=ClipCache(cache.folder_of(settings.storage_path), settings.clip_cache_bytes),
        players=Streams(MOST_PLAYERS),
        signer=URLSafeTimedSerializer(settings.secret_key, salt="play"),
    )
    app.jinja_env.globals.update(film_of_incident=film_view.of_incident, film_reasons=REASONS)
    app.register_blueprint(blueprint)


def _projector() -> Projector:
    found: Projector = current_app.extensions["projector"]
    return found


# --- looking --------------------------------------------------------------------------------------------------------


@blueprint.post("/seats/<int:seat_id>/plays")
@may(Action.PLAY_FILM)
def play(seat_id: int) -> ResponseReturnValue:
    """One look: audited, and answered with what can be played; without a script the browser is sent to the film."""
    asked, now = film_asked.read(seat_id, request.form), now_utc_ms()
    reel = store.reel(parts().store, asked.seat, asked.from_utc_ms, asked.until_utc_ms)
    detail = film_asked.check_reason(reel, request.form, now)
    found = film.takes(reel.segments, asked.from_utc_ms, asked.until_utc_ms)
    if not found:
        film_asked.nothing(reel, asked, now)
    is_download = request.form.get("download") == "1"
    told = _told(asked, detail, is_download)
    for what in asked.objects:
        deeds.note(Deed.PLAYED, what, **told)
    told_look = [session.get("login", ""), seat_id, asked.from_utc_ms, is_download, _grows_until(reel, asked, now)]
    token = _projector().signer.dumps(told_look)
    if request.headers.get("X-Part") == "1" and not is_download:
        return _takes(seat_id, found, token)
    return redirect(_video_url(seat_id, asked.from_utc_ms, asked.until_utc_ms, token, is_download), 303)


def _told(asked: Asked, detail: dict[str, str], is_download: bool) -> dict[str, Any]:
    told = {"from_utc_ms": asked.from_utc_ms, "until_utc_ms": asked.until_utc_ms, **detail}
    return told | ({"download": "yes"} if is_download else {})


def _video_url(seat_id: int, from_utc_ms: int, until_utc_ms: int, token: str, is_download: bool = False) -> str:
    values: dict[str, Any] = {"from": from_utc_ms, "to": until_utc_ms, "play": token}
    return url_for("film.video", seat_id=seat_id, **values | ({"download": 1} if is_download else {}))


@blueprint.get("/seats/<int:seat_id>/takes")
@may(Action.PLAY_FILM)
def again(seat_id: int) -> ResponseReturnValue:
    """What can be played now within a look that goes on: an incident's film grows while it lasts."""
    asked = film_asked.read(seat_id, request.args)
    if not _is_in_play(asked, False):
        abort(403)
    reel = store.reel(parts().store, asked.seat, asked.from_utc_ms, asked.until_utc_ms)
    return _takes(seat_id, film.takes(reel.segments, asked.from_utc_ms, asked.until_utc_ms), request.args["play"])


def _takes(seat_id: int, found: list[Cut], token: str) -> Response:
    try:
        begins = [clips.key_before(_projector().storage, each) for each in found]
    except (CannotCut, StorageProblem) as problem:
        film_asked.damaged(str(problem))
    return jsonify(
        play=token,
        takes=[
            {
                "src": _video_url(seat_id, cut.from_utc_ms, cut.until_utc_ms, token),
                "from": cut.from_utc_ms,
                "until": cut.until_utc_ms,
                "pieces": film.pieces(cut, begin),
            }
            for cut, begin in zip(found, begins, strict=True)
        ],
    )


def _grows_until(reel: Reel, asked: Asked, now: int) -> int:
    """How far a look may be followed on: to the end of a sitting that runs, and no further than was asked for, and is
    audited, where none does."""
    running = [each.end_utc_ms for each in reel.sittings if each.start_utc_ms <= now < each.end_utc_ms]
    return max([asked.until_utc_ms, *running]) + FOLLOWED_MS


def _is_in_play(asked: Asked, is_download: bool) -> bool:
    """Whether this person asked for that already, and it is audited. A look may be followed on: its film grows."""
    try:
        told = _projector().signer.loads(request.args.get("play", ""), max_age=LIFE_MS // 1000)
    except BadSignature:
        return False
    is_own: bool = (
        len(told) == 5 and told[:2] == [session.get("login", ""), asked.seat.seat_id] and told[3] == is_download
    )
    return is_own and told[2] <= asked.from_utc_ms and asked.until_utc_ms <= told[4]


@blueprint.get("/seats/<int:seat_id>/video")
@may(Action.PLAY_FILM)
def video(seat_id: int) -> ResponseReturnValue:
    """Film of [from, to), UTC in ms; `download=1` gives it in the centre's RECORDING_FORMAT as a file."""
    asked, now = film_asked.read(seat_id, request.args), now_utc_ms()
    reel = store.reel(parts().store, asked.seat, asked.from_utc_ms, asked.until_utc_ms)
    cut = film.cut(reel.segments, asked.from_utc_ms, asked.until_utc_ms)
    is_download = request.args.get("download") == "1"
    if not _is_in_play(asked, is_download):
        told = _told(asked, film_asked.check_reason(reel, request.args, now), is_download)
        if cut is None:
            film_asked.nothing(reel, asked, now)
        for what in asked.objects:  # a browser asks in pieces, which is one look
            deeds.saw(Deed.PLAYED, what, **told)
    if cut is None:
        film_asked.nothing(reel, asked, now)
    form = FORMS[parts().settings.recording_format] if is_download else MP4
    players = _projector().players
    if not players.take():
        film_asked.busy("As many films are being played as the hub serves at a time.")
    try:
        answer = _film(cut, form, now)
    except BaseException:
        players.give_back()
        raise
    answer.direct_passthrough = False  # an answer that is passed through does not tell when it is closed
    answer.call_on_close(_once(players.give_back))
    if is_download:
        began = clock_text(asked.from_utc_ms, parts().zone).replace(":", "-")
        label = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in asked.seat.label)[:40]
        answer.headers["Content-Disposition"] = f'attachment; filename="seat-{label}-{began}.{form.name}"'
    return answer


def _film(cut: Cut, form: clips.Form, now: int) -> Response:
    projector = _projector()
    try:
        if cut.until_ms - cut.from_ms <= 2 * film.TAKE_MS:
            path = projector.cache.clip(projector.storage, cut, form, now)
            return send_file(path, mimetype=form.mimetype, conditional=True, max_age=0)
        running = clips.stream(projector.storage, cut, form)
        first = next(running)  # what cannot be played is said, not begun
    except (CannotCut, StorageProblem) as problem:
        film_asked.damaged(str(problem))
    except Busy:
        film_asked.busy("Other clips are being made just now.")
    except OSError as error:
        film_asked.damaged(f"the hub cannot write to its cache: {error.strerror}")

    def whole() -> Any:
        try:
            yield first
            yield from running
        finally:
            running.close()

    answer = Response(whole(), mimetype=form.mimetype)
    answer.headers["Accept-Ranges"] = "none"
    return answer


def _once(act: Callable[[], None]) -> Callable[[], None]:
    done = threading.Event()

    def first() -> None:
        if not done.is_set():
            done.set()
            act()

    return first
