"""Live video of one seat, while somebody watches. Asked for by this page alone: the desk shows nothing by itself."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, current_app, request
from flask.typing import ResponseReturnValue

from hub.config import Settings
from hub.core.access import Action
from hub.core.audit import Deed
from hub.core.board import GONE
from hub.live_video import VideoFolder
from hub.store import film as store
from hub.web import deeds
from hub.web.clock import now_utc_ms
from hub.web.film_asked import refuse
from hub.web.language import gettext as _
from hub.web.login import may, still_holds
from hub.web.parts import parts
from hub.web.security import Trouble
from hub.web.tail import Tail
from hub.web.watching import Watch, Watches, part

blueprint = Blueprint("video", __name__)

WORD_EVERY_S = 1.0
"""Without a picture the stream says so this often."""
LONGEST_MS = 10 * 60_000
"""A page at which somebody still sits opens the next stream by itself; one that nobody looks after does not."""
SEND_BUFFER_BYTES = 65_536
"""What the kernel may hold for one viewer (it doubles this: socket(7)). Left to itself it holds megabytes, which on a
slow line are pictures of long ago."""


def install(app: Flask, settings: Settings) -> None:
    tail: Tail = app.extensions["ems"].tail
    folder = VideoFolder(Path(settings.live_path))
    app.extensions["watches"] = Watches(folder, settings.max_video_viewers, lambda: tail.is_stopping)
    app.register_blueprint(blueprint)


@blueprint.get("/seats/<int:seat_id>/live")
@may(Action.WATCH_LIVE)
def watch(seat_id: int) -> ResponseReturnValue:
    """The stream that `hub.web.watching` describes."""
    try:
        seat = store.seat(parts().store, seat_id)
    except store.NoSuchSeat:
        abort(404)
    if not seat.unit:
        refuse(
            409,
            Trouble(
                _("There is no desk at this seat"),
                _("No desk unit is assigned to this seat, so there is nothing to watch."),
                _("Assign a desk unit to it."),
            ),
        )
    watches: Watches = current_app.extensions["watches"]
    place = watches.join(seat.unit)
    if place is None:
        refuse(
            503,
            Trouble(
                _("The hub is busy"),
                _("As many people watch live video as the hub serves at a time."),
                _("Wait until somebody has finished, or look at the pictures of the live page."),
            ),
        )
    watched, leave = place
    try:
        deeds.saw(Deed.WATCHED_LIVE, f"seat {seat_id}", seat=seat.label, room=seat.room)
        stream = _parts(watched, seat_id, parts().tail, still_holds())
        response = Response(stream, mimetype="application/octet-stream")
    except BaseException:
        leave()
        raise
    response.headers["X-Accel-Buffering"] = "no"  # nginx would hold pictures back
    response.call_on_close(leave)
    _hold_little()
    return response


def _hold_little() -> None:
    line = request.environ.get("gunicorn.socket")
    if isinstance(line, socket.socket):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


def _parts(watched: Watch, seat_id: int, tail: Tail, holds: Callable[[], bool]) -> Iterator[bytes]:
    began_ms, place = now_utc_ms(), 0
    yield part({"desk": _desk(tail, seat_id)})
    while not tail.is_stopping:
        place, data = watched.next(place, WORD_EVERY_S)
        if not holds():
            yield part({"end": "ended"})
            return
        if not 0 <= now_utc_ms() - began_ms < LONGEST_MS:
            yield part({"end": "long"})
            return
        if _unit_now(tail, seat_id) != watched.unit:
            yield part({"end": "moved"})
            return
        yield data or part({"desk": _desk(tail, seat_id)})
    yield part({"end": "stopping"})


def _unit_now(tail: Tail, seat_id: int) -> str:
    tile = tail.board.tiles.get(f"s{seat_id}")
    return "" if tile is None else str(tile["unit"])


def _desk(tail: Tail, seat_id: int) -> str:
    """Why no picture may come: 'offline', 'camera'; '' when nothing is known."""
    tile = tail.board.tiles.get(f"s{seat_id}")
    if tile is None:
        return ""
    if tile["presence"] in GONE:
        return "offline"
    is_lost = any(fault["id"] == f"s{seat_id}/camera_lost" for fault in tail.board.faults)
    return "camera" if is_lost else ""
