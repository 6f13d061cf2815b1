"""Holds: which there are and what they cover, placed and released by people, each with a reason."""

from __future__ import annotations

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from hub.core.access import Action
from hub.core.board import ALERT_WORDS, words_of
from hub.store import holds
from hub.store.holds import CannotHold, Hold, Place
from hub.web.clock import now_utc_ms
from hub.web.deeds import actor
from hub.web.language import gettext as _
from hub.web.language import sentence, tr
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("holds", __name__, url_prefix="/holds")


def words(hold: Hold) -> str:
    """What a hold is on."""
    if hold.place.incident_id is not None:
        return _(
            "Incident %(number)s: %(words)s",
            number=hold.place.incident_id,
            words=tr(words_of(ALERT_WORDS, hold.incident_kind)),
        )
    return _("Seat %(seat)s", seat=hold.place.seat) if hold.place.seat else _("Whole sitting")


@blueprint.get("/")
@may(Action.SEE_INCIDENTS)
def listing() -> ResponseReturnValue:
    return _show()


def _show(wrong: str = "", at: int = 0, typed: str = "") -> str:
    found = holds.listed(parts().store)
    return render_template(
        "holds.html",
        standing=[hold for hold in found if hold.released_by is None],
        released=[hold for hold in found if hold.released_by is not None],
        counts=holds.counts(parts().store),
        words=words,
        wrong=wrong,
        at=at,
        typed=typed,
        most=holds.MOST_LISTED,
    )


@blueprint.get("/new")
@may(Action.HOLD)
def ask() -> ResponseReturnValue:
    return _ask(request.args.get("sitting", ""), request.args.get("seat", ""))


def _ask(sitting: str, seat: str, wrong: str = "", typed: str = "") -> str:
    return render_template(
        "hold.html",
        sittings=holds.sittings(parts().store),
        sitting=sitting,
        seat=seat,
        wrong=wrong,
        typed=typed,
    )


@blueprint.post("/")
@may(Action.HOLD)
def place() -> ResponseReturnValue:
    """From the incident's page, or from the page that asks for a sitting and a seat."""
    form = request.form
    if "reason" not in form or not ("incident" in form or "sitting" in form):
        abort(400)
    incident = form.get("incident", "")
    if "incident" in form and not (incident.isdecimal() and len(incident) < 16):
        abort(400)
    on = Place(int(incident)) if incident else Place(None, form["sitting"], form.get("seat", "").strip() or None)
    try:
        with parts().store.write() as connection:
            number = holds.place(connection, actor(), on, form["reason"], now_utc_ms())
    except CannotHold as cannot:
        if incident:
            flash(_("Not held: %(why)s.", why=tr(cannot)))
            return redirect(url_for("incidents.one", incident_id=int(incident)), 303)
        return Response(_ask(form["sitting"], form.get("seat", ""), sentence(cannot), form["reason"]), 422)
    flash(_("Hold %(number)s stands: nothing that it covers is removed until it is released.", number=number))
    if incident:
        return redirect(url_for("incidents.one", incident_id=int(incident)), 303)
    return redirect(url_for("holds.listing"), 303)


@blueprint.post("/<int:hold_id>/release")
@may(Action.HOLD)
def release(hold_id: int) -> ResponseReturnValue:
    why = request.form.get("why")
    if why is None:
        abort(400)
    try:
        with parts().store.write() as connection:
            holds.release(connection, actor(), hold_id, why, now_utc_ms())
    except CannotHold as cannot:
        return Response(_show(sentence(cannot), hold_id, why), 422)
    flash(_("Hold %(number)s is released. What another hold covers stays held.", number=hold_id))
    return redirect(url_for("holds.listing"), 303)
