"""A seat's own page: how it is now, who sits there, and what happened there, whichever desk unit that was."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from hub.core.access import Action
from hub.core.audit import Deed
from hub.core.board import heartbeat_of
from hub.core.seat_history import KIND_WORDS, Kind
from hub.store import seat_history as store
from hub.web import deeds
from hub.web.clock import now_utc_ms
from hub.web.login import may
from hub.web.parts import parts

ABOUT_CANDIDATES = (Kind.BREAK, Kind.BOOKMARK, Kind.SIGNAL)
"""What people noted of a candidate: who keeps the units alive does not need it."""

blueprint = Blueprint("seats", __name__, url_prefix="/seats")


@blueprint.get("/<int:seat_id>")
@may(Action.SEE_SEATS)
def one(seat_id: int) -> ResponseReturnValue:
    only = request.args.get("only", "")
    may_see = [kind for kind in Kind if kind not in ABOUT_CANDIDATES or current_user.may("see_incidents")]
    kinds = [kind for kind in may_see if kind == only] or may_see
    history = store.read(parts().store, seat_id, now_utc_ms(), kinds)
    if history is None:
        abort(404)
    deeds.saw(Deed.VIEWED_SEAT, f"seat {seat_id}", seat=history.seat["label"], room=history.seat["room"])
    return render_template(
        "seat.html",
        history=history,
        seat=history.seat,
        heartbeat=heartbeat_of(history.seat),
        shown=parts().tail.board.tiles.get(f"s{seat_id}"),
        candidates=history.candidates if current_user.may("see_roster") else [],
        kind_words={kind: KIND_WORDS[kind] for kind in may_see},
        only=only if len(kinds) == 1 else "",
        history_rows=store.HISTORY_ROWS,
    )
