"""A seat's own page: how it is now, and what its unit has sent."""

from __future__ import annotations

from flask import Blueprint, abort, render_template
from flask.typing import ResponseReturnValue

from hub.core.access import Action
from hub.core.audit import Deed
from hub.core.board import ALERT_WORDS, CAUSE_WORDS, FAULT_WORDS, heartbeat_of
from hub.store import board as store
from hub.web import deeds
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("seats", __name__, url_prefix="/seats")


@blueprint.get("/<int:seat_id>")
@may(Action.SEE_SEATS)
def one(seat_id: int) -> ResponseReturnValue:
    history = store.read_seat(parts().store, seat_id)
    if history is None:
        abort(404)
    deeds.saw(Deed.VIEWED_SEAT, f"seat {seat_id}", seat=history.seat["label"], room=history.seat["room"])
    return render_template(
        "seat.html",
        history=history,
        seat=history.seat,
        heartbeat=heartbeat_of(history.seat),
        shown=parts().tail.board.tiles.get(f"s{seat_id}"),
        alert_words=ALERT_WORDS,
        fault_words=FAULT_WORDS,
        cause_words=CAUSE_WORDS,
        history_rows=store.HISTORY_ROWS,
    )
