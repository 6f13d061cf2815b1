"""The Live page, and what keeps it live: the stream of changes, the batch of pictures, and the board for polling."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flask import Blueprint, Response, abort, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import ServiceUnavailable

from hub.core.access import Action
from hub.web.login import may, still_holds
from hub.web.parts import parts
from hub.web.tail import Tail

blueprint = Blueprint("live", __name__)

CHECK_EVERY_S = 2.0
"""A quiet stream looks at its log-in this often; a beat a second makes it sooner."""
RETRY_AFTER_S = 30


@blueprint.get("/")
@may(Action.SEE_LIVE)
def page() -> ResponseReturnValue:
    board = parts().tail.board
    room = request.args.get("room", "")
    worker = parts().folder.worker()
    return render_template(
        "live.html",
        board=board,
        room=room,
        received=parts().tail.stills.received(),
        countersigned=worker.get("countersigned") if worker else None,
    )


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
    response = Response(_events(parts().tail, still_holds()), mimetype="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"  # nginx would hold events back
    response.call_on_close(streams.give_back)
    return response


def _events(tail: Tail, holds: Callable[[], bool]) -> Iterator[bytes]:
    place, data = tail.first()
    yield b"retry: 2000\n\n" + data
    while not tail.is_stopping:
        place, data = tail.next(place, CHECK_EVERY_S)
        if not holds():
            yield b"event: ended\ndata: {}\n\n"
            return
        yield data or b": quiet\n\n"
