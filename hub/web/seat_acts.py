"""What a proctor does at a seat while the exam runs: breaks, a signal to the desk, a bookmark, an incident by hand.

Each act is one request. A script gets one sentence (`_said.html`) with what undoes it; a plain form comes back to the
Live page with the seat opened, and on a refusal with what was typed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from hub.core import breaks as core
from hub.core.access import Action
from hub.core.audit import Deed
from hub.core.breaks import Break, Kind
from hub.store import bookmarks, breaks, signals
from hub.store.planning import CannotPlan
from hub.store.signals import CannotSignal
from hub.web import deeds, live, seat_panel
from hub.web.clock import clock_text, now_utc_ms
from hub.web.language import gettext, sentence
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("seat_acts", __name__)


def _(words: str, **values: object) -> str:
    return str(gettext(words, **values))


@blueprint.get("/live/seats/<int:seat_id>")
@may(Action.SEE_SEATS)
def panel(seat_id: int) -> ResponseReturnValue:
    return render_template("_seat_panel.html", **seat_panel.values(seat_id))


@blueprint.post("/seats/<int:seat_id>/break")
@may(Action.RUN_SITTING)
def begin_break(seat_id: int) -> ResponseReturnValue:
    kind = _kind()
    return _break(
        seat_id,
        lambda: breaks.begin(parts().store, seat_id, kind, now_utc_ms(), deeds.actor()),
        lambda found: _until(_begun(kind), seat_id, found),
        undo="seat_acts.end_break",
    )


@blueprint.post("/seats/<int:seat_id>/break/end")
@may(Action.RUN_SITTING)
def end_break(seat_id: int) -> ResponseReturnValue:
    number = _number("break_id")
    return _break(
        seat_id,
        lambda: breaks.end(parts().store, seat_id, number, now_utc_ms(), deeds.actor()),
        lambda found: _("%(seat)s: the break is ended.", seat=_label(seat_id)),
        undo="seat_acts.resume_break",
    )


@blueprint.post("/seats/<int:seat_id>/break/resume")
@may(Action.RUN_SITTING)
def resume_break(seat_id: int) -> ResponseReturnValue:
    number = _number("break_id")
    return _break(
        seat_id,
        lambda: breaks.resume(parts().store, seat_id, number, now_utc_ms(), deeds.actor()),
        lambda found: _until(_("%(seat)s: the break goes on until %(time)s."), seat_id, found),
        undo="seat_acts.end_break",
    )


@blueprint.post("/seats/<int:seat_id>/break/extend")
@may(Action.RUN_SITTING)
def extend_break(seat_id: int) -> ResponseReturnValue:
    number = _number("break_id")
    return _break(
        seat_id,
        lambda: breaks.extend(parts().store, seat_id, number, now_utc_ms(), deeds.actor()),
        lambda found: _until(_("%(seat)s: the break may last until %(time)s."), seat_id, found),
    )


@blueprint.post("/seats/<int:seat_id>/signal")
@may(Action.RUN_SITTING)
def signal(seat_id: int) -> ResponseReturnValue:
    note = request.form.get("note", "")

    def give() -> str:
        with parts().store.write() as connection:
            signals.give(connection, seat_id, deeds.actor().who, note, now_utc_ms())
            deeds.add(connection, Deed.SIGNALLED, f"seat {seat_id}")
        return _("%(seat)s: the desk is asked to show its signal.", seat=_label(seat_id))

    return _act(seat_id, give, undo=url_for("seat_acts.end_signal", seat_id=seat_id))


@blueprint.post("/seats/<int:seat_id>/signal/end")
@may(Action.RUN_SITTING)
def end_signal(seat_id: int) -> ResponseReturnValue:
    unit = (parts().tail.board.tiles.get(f"s{seat_id}") or {}).get("unit", "")

    def end() -> str:
        with parts().store.write() as connection:
            signals.end(connection, unit, deeds.actor().who, now_utc_ms())
            deeds.add(connection, Deed.SIGNALLED, f"seat {seat_id}", act="ended")
        return _("%(seat)s: the signal is taken back.", seat=_label(seat_id))

    return _act(seat_id, end)


@blueprint.post("/live/bookmark")
@may(Action.RUN_SITTING)
def bookmark() -> ResponseReturnValue:
    """Of a seat (`seat_id`), or without one of a whole `room`."""
    now, note, store = now_utc_ms(), request.form.get("note", ""), parts().store
    at = _at(now)
    if not request.form.get("seat_id"):
        room = request.form.get("room", "")
        return _act(None, lambda: _marked(bookmarks.mark_room(store, room, at, note, now, deeds.actor()), room, at))
    seat_id = _number("seat_id")
    return _act(
        seat_id,
        lambda: _marked(bookmarks.mark_seat(store, seat_id, at, note, now, deeds.actor()), _label(seat_id), at),
    )


@blueprint.post("/seats/<int:seat_id>/incident")
@may(Action.RUN_SITTING)
def open_incident(seat_id: int) -> ResponseReturnValue:
    now, note = now_utc_ms(), request.form.get("note", "")
    at = _at(now)
    made: list[int] = []

    def open_it() -> str:
        made.append(bookmarks.open_incident(parts().store, seat_id, at, note, now, deeds.actor()))
        return _("%(seat)s: incident %(number)s is opened.", seat=_label(seat_id), number=made[0])

    answer = _act(seat_id, open_it, made=made)
    if made and not _is_script():
        return redirect(url_for("incidents.one", incident_id=made[0]), 303)
    return answer


# --- answers --------------------------------------------------------------------------------------------------------


def _is_script() -> bool:
    return request.headers.get("X-Part") == "1"


def _act(
    seat_id: int | None,
    do: Callable[[], str],
    *,
    undo: str = "",
    break_id: int | None = None,
    made: list[int] | None = None,
) -> ResponseReturnValue:
    """Do it, and say so, or why not."""
    try:
        said = do()
    except (core.Refused, CannotPlan, CannotSignal) as refused:
        return _refused(seat_id, sentence(refused))
    if _is_script():
        return render_template(
            "_said.html", said=said, undo=undo, break_id=break_id, incident=made[0] if made else None
        )
    flash(said)
    return redirect(url_for("live.page", seat=seat_id), 303)


def _break(seat_id: int, do: Callable[[], Break], words: Callable[[Break], str], undo: str = "") -> ResponseReturnValue:
    try:
        found = do()
    except (core.Refused, CannotPlan) as refused:
        return _refused(seat_id, sentence(refused))
    url = url_for(undo, seat_id=seat_id) if undo else ""
    return _act(seat_id, lambda: words(found), undo=url, break_id=found.break_id)


def _refused(seat_id: int | None, trouble: str) -> ResponseReturnValue:
    if _is_script():
        return Response(render_template("_said.html", said=trouble, undo="", break_id=None, incident=None), 422)
    return Response(live.render(seat_id, trouble=trouble, typed=request.form.get("note", "")), 422)


def _begun(kind: Kind) -> str:
    if kind is Kind.TOILET:
        return _("%(seat)s: toilet break until %(time)s.")
    return _("%(seat)s: rest break until %(time)s.")


def _until(words: str, seat_id: int, found: Break) -> str:
    return words % {"seat": _label(seat_id), "time": clock_text(found.limit_utc_ms, parts().zone)}


def _marked(number: int, what: str, at: int) -> str:
    return _("%(what)s: %(time)s is marked.", what=what, time=clock_text(at, parts().zone))


def _label(seat_id: int) -> str:
    tile = parts().tail.board.tiles.get(f"s{seat_id}")
    return _("Seat %(label)s", label=tile["label"] if tile else seat_id)


def _kind() -> Kind:
    try:
        return Kind(request.form.get("kind", ""))
    except ValueError:
        abort(400)


def _number(name: str) -> int:
    text = request.form.get(name, "")
    if not text.isdecimal() or len(text) > 15:
        abort(400)
    return int(text)


def _at(now: int) -> int:
    """The moment that a script names, else now."""
    text: Any = request.form.get("at_utc_ms", "")
    return int(text) if text.isdecimal() and len(text) < 16 else now
