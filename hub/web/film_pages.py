"""The pages of a seat's film: an incident's part, a seat's timeline, and fetching what is still on a desk."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from hub.core.access import Action
from hub.core.audit import Deed
from hub.store import film as store
from hub.store.planning import CannotPlan
from hub.web import deeds, film_asked, film_view
from hub.web.clock import now_utc_ms
from hub.web.film_view import REASONS
from hub.web.language import gettext as _
from hub.web.language import sentence
from hub.web.login import may
from hub.web.parts import parts
from hub.web.security import Trouble

blueprint = Blueprint("film_pages", __name__)


@blueprint.post("/seats/<int:seat_id>/wishes")
@may(Action.PLAY_FILM)
def fetch(seat_id: int) -> ResponseReturnValue:
    """Fetch now: the desk sends this stretch before all else."""
    asked, now = film_asked.read(seat_id, request.form), now_utc_ms()
    stretch = (asked.from_utc_ms, asked.until_utc_ms)
    try:
        count = store.wish(parts().store, deeds.actor(), asked.seat, stretch, asked.objects, now)
    except CannotPlan as cannot:
        film_asked.refuse(409, Trouble("It could not be asked for", sentence(cannot), "Tell your admin."))
    if request.headers.get("X-Part") != "1":
        flash(_("The desk is asked to send it before all else.") if count else _("There is nothing to fetch."))
    if asked.incident_id is not None:
        if request.headers.get("X-Part") == "1":
            return of_incident(incident_id=asked.incident_id)
        return redirect(url_for("incidents.one", incident_id=asked.incident_id), 303)
    sitting = request.form.get("sitting", "")
    return redirect(url_for("film_pages.of_seat", seat_id=seat_id, sitting=sitting), 303)


@blueprint.get("/incidents/<int:incident_id>/film")
@may(Action.PLAY_FILM)
def of_incident(incident_id: int) -> str:
    """An incident's film alone: the part of the page that renews itself."""
    row = store.incident(parts().store, incident_id)
    if row is None:
        abort(404)
    deeds.saw(Deed.VIEWED_INCIDENT, f"incident {incident_id}")
    return render_template("_film.html", view=film_view.of_incident(row), reasons=REASONS)


@blueprint.get("/seats/<int:seat_id>/film")
@may(Action.PLAY_FILM)
def of_seat(seat_id: int) -> ResponseReturnValue:
    """A seat's film in a chosen sitting: the newest that has begun unless one is named."""
    try:
        seat = store.seat(parts().store, seat_id)
    except store.NoSuchSeat:
        abort(404)
    sittings, now = store.sittings(parts().store, seat), now_utc_ms()
    name, at = request.args.get("sitting", ""), request.args.get("at", "")
    begun = [each for each in sittings if each.start_utc_ms <= now]
    chosen = next((each for each in sittings if each.sitting == name), None) or next(iter(begun), None)
    deeds.saw(Deed.VIEWED_COVERAGE, f"seat {seat_id}", sitting=chosen.sitting if chosen else "")
    at_utc_ms = int(at) if at.isdecimal() and len(at) < 16 else None
    return render_template(
        "seat_film.html",
        seat=seat,
        sittings=sittings,
        chosen=chosen,
        view=None if chosen is None else film_view.of_sitting(seat, chosen, at_utc_ms),
        reasons=REASONS,
    )
