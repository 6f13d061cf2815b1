"""The Live page, and what keeps it live: the stream of changes, the batch of pictures, and the board for polling."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flask import Blueprint, Response, abort, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.exceptions import ServiceUnavailable

from hub.core.access import Action
from hub.store import exam_day
from hub.web import seat_panel
from hub.web.clock import now_utc_ms
from hub.web.lines import Line, line_of
from hub.web.login import may, still_holds
from hub.web.parts import parts
from hub.web.tail import Tail

blueprint = Blueprint("live", __name__)

CHECK_EVERY_S = 2.0
"""A quiet stream looks at its log-in this often; a beat a second makes it sooner."""
RETRY_AFTER_S = 30


VIEWS = ("grid", "map")


@blueprint.get("/")
@may(Action.SEE_LIVE)
def page() -> ResponseReturnValue:
    seat = request.args.get("seat", "")
    is_seat = seat.isdecimal() and len(seat) < 16 and current_user.may(Action.SEE_SEATS)
    return render(int(seat) if is_seat else None)


def render(seat_id: int | None, trouble: str = "", typed: str = "") -> str:
    """The page, with that seat opened; `trouble` says why an act at it, or a mark of a room, was refused."""
    tail = parts().tail
    worker = parts().folder.worker()
    cookie = f"ems_view_{current_user.user_id}"
    view = request.cookies.get(cookie, "")
    return render_template(
        "live.html",
        board=tail.board,
        room=request.args.get("room", ""),
        view=view if view in VIEWS else VIEWS[0],
        view_cookie=cookie,
        countersigned=worker.get("countersigned") if worker else None,
        trouble=trouble,
        typed=typed,
        **({} if seat_id is None else seat_panel.values(seat_id)),
    )


@blueprint.get("/live/people.json")
@may(Action.SEE_ROSTER)
def people_json() -> ResponseReturnValue:
    """Candidate numbers by seat, for the tiles: not for everybody who sees the room."""
    return jsonify({str(seat): number for seat, number in exam_day.numbers(parts().store, now_utc_ms()).items()})


@blueprint.get("/live/board.json")
@may(Action.SEE_LIVE)
def board_json() -> ResponseReturnValue:
    _, event = parts().tail.first()
    data = event.partition(b"data: ")[2].rstrip()
    return Response(data, mimetype="application/json")


@blueprint.get("/live/stills")
@may(Action.SEE_LIVE)
def stills() -> ResponseReturnValue:
    since = request.args.get("since", "0")
    if not since.isdecimal() or len(since) > 15:
        abort(400)
    batch = parts().tail.stills.batch(int(since))
    if batch is None:
        return Response(status=204)
    return Response(batch, mimetype="application/octet-stream")


@blueprint.get("/live/stream")
@may(Action.SEE_LIVE)
def stream() -> ResponseReturnValue:
    streams = parts().streams
    if not streams.take():
        raise ServiceUnavailable(retry_after=RETRY_AFTER_S)
    holds = still_holds()
    response = Response(_events(parts().tail, holds, line_of(request.environ, holds)), mimetype="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"  # nginx would hold events back
    response.call_on_close(streams.give_back)
    return response


def _events(tail: Tail, holds: Callable[[], bool], line: Line | None) -> Iterator[bytes]:
    place, data = tail.first()
    yield b"retry: 2000\n\n" + data
    while not tail.is_stopping:
        place, data = tail.next(place, CHECK_EVERY_S, line)
        if not holds():
            yield b"event: ended\ndata: {}\n\n"
            return
        yield data or b": quiet\n\n"
