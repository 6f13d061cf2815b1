"""Desk units: who asks to be let in, how all of them are, and the end of one.

Serial, model, software and name come from machines that nobody has let in yet: they are shown, never believed.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from hub.core import upkeep
from hub.core.access import Action
from hub.core.audit import Deed
from hub.store import enrolling, security, unit_pages
from hub.store.enrolling import AnotherRequest, CannotEnrol
from hub.store.unit_pages import UnitsRead
from hub.web import deeds
from hub.web.clock import clock_text, now_utc_ms
from hub.web.language import gettext as _
from hub.web.language import sentence
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("units", __name__, url_prefix="/units")

DECIDED_FOR_MS = 10 * 60_000
"""So long the page shows what became of a request: a desk comes to the broker within a minute of its certificate."""
FIELDS = ("code", "place", "room", "label", "unit", "reason")


class Wrong(Exception):
    """A form asks for something that cannot be; the text is a sentence for the person."""


@blueprint.get("/")
@may(Action.SEE_UNITS)
def listing() -> ResponseReturnValue:
    return _show()


def _show(wrong: str = "", at: int = 0, typed: dict[str, str] | None = None) -> str:
    """The page; `wrong` is what could not be done with the request numbered `at`, `typed` what was filled in."""
    now = now_utc_ms()
    read = unit_pages.read_units(parts().store, now - DECIDED_FOR_MS)
    views = _views(read, now)
    may_enrol = current_user.may("enrol_units")
    return render_template(
        "units.html",
        views=[one for one in views if not one.row.is_revoked],
        revoked=[one for one in views if one.row.is_revoked],
        counts=upkeep.counted(one for one in views if not one.row.is_revoked),
        events=read.events,
        event_words=upkeep.event_words,
        waiting=read.waiting if may_enrol else [],
        decided=read.decided if may_enrol else [],
        names=read.names,
        online={one.row.unit for one in views if one.presence == "online"},
        troubles=upkeep.hub_troubles(parts().folder.worker(), now),
        wrong=wrong,
        at=at if any(each.enrolment_id == at for each in read.waiting) else 0,
        typed=typed or {},
        **_places(read),
    )


def _views(read: UnitsRead, now: int) -> list[upkeep.UnitView]:
    return upkeep.sorted_views(
        upkeep.view(row, read.told.get(row.unit), [e for e in read.events if e["unit"] == row.unit], now)
        for row in read.units
    )


def _places(read: UnitsRead) -> dict[str, Any]:
    """Where a new unit may be put: free seats, with the revoked unit that was there last, and units whose place it may
    take. `takes_of`: by request, what is chosen until somebody chooses: the place of the unit that it replaces."""
    free = [place for place in read.places if place["unit"] is None]
    last = _last_units(read)
    for place in free:
        place["last"] = last.get((place["room"], place["label"]), "")
    places = {row.unit: f"replace:{row.unit}" for row in read.units if not row.is_revoked and row.seat}
    seats = {(place["room"], place["label"]): f"seat:{place['seat_id']}" for place in free}
    places |= {row.unit: seats.get((row.last_room, row.last_seat), "") for row in read.units if row.is_revoked}
    return {
        "free": free,
        "takes_of": {each.enrolment_id: places.get(each.replaces, "") for each in read.waiting},
        "rooms": sorted({place["room"] for place in read.places}),
        "replaceable": [row for row in read.units if not row.is_revoked and row.seat],
    }


def _last_units(read: UnitsRead) -> dict[tuple[str, str], str]:
    """The unit that was revoked last at each (room, seat)."""
    revoked = sorted((row for row in read.units if row.is_revoked), key=lambda row: row.revoked_utc_ms or 0)
    return {(row.last_room, row.last_seat): row.unit for row in revoked}


@blueprint.post("/enrolments/<int:enrolment_id>/approve")
@may(Action.ENROL_UNITS)
def approve(enrolment_id: int) -> ResponseReturnValue:
    form = _form("code", "place", "room", "label", "unit")
    try:
        place = _place(form)
        with parts().store.write() as connection:
            unit = enrolling.approve(
                connection, enrolment_id, code=form["code"], who=current_user.name, now_utc_ms=now_utc_ms(), **place
            )
            replaced = {"replaces": place["replaces"]} if "replaces" in place else {}
            deeds.add(connection, Deed.APPROVED_UNIT, f"unit {unit}", code=form["code"], **replaced)
    except (CannotEnrol, Wrong) as cannot:
        return _refused(cannot, enrolment_id, form)
    flash(_("%(unit)s is let in. Its certificate is being made.", unit=unit))
    return redirect(url_for("units.listing"), 303)


def _place(form: dict[str, str]) -> dict[str, str]:
    """What the form asks for, as `enrolling.approve` takes it: a seat of the list, another unit's place, or a new seat.
    Raises Wrong."""
    kind, _, which = form["place"].partition(":")
    if kind == "replace":
        return {"replaces": which, "unit": form["unit"]}
    if kind == "seat":
        found = unit_pages.seat_of_number(parts().store, int(which)) if which.isdecimal() and len(which) < 10 else None
        if found is None:
            raise Wrong("that seat is no longer there: choose another")
        return {"room": found[0], "label": found[1], "unit": form["unit"]}
    return {"room": form["room"], "label": form["label"], "unit": form["unit"]}


@blueprint.post("/enrolments/<int:enrolment_id>/reject")
@may(Action.ENROL_UNITS)
def reject(enrolment_id: int) -> ResponseReturnValue:
    form = _form("code", "reason")
    try:
        with parts().store.write() as connection:
            enrolling.reject(
                connection,
                enrolment_id,
                code=form["code"],
                reason=form["reason"],
                who=current_user.name,
                now_utc_ms=now_utc_ms(),
            )
            deeds.add(connection, Deed.REJECTED_UNIT, f"request {form['code']}", reason=form["reason"])
    except CannotEnrol as cannot:
        return _refused(cannot, enrolment_id, form)
    flash(_("Rejected. The desk shows the reason."))
    return redirect(url_for("units.listing"), 303)


def _refused(cannot: Exception, enrolment_id: int, form: dict[str, str]) -> Response:
    """The page again, with why. 409 when somebody else has decided meanwhile, or the form was of a request that
    is gone, else 422 and what was filled in."""
    if isinstance(cannot, AnotherRequest):
        return Response(_show(sentence(cannot)), 409)  # what was filled in is not meant for this desk
    with parts().store.read() as connection:
        is_waiting = any(each.enrolment_id == enrolment_id for each in enrolling.waiting(connection))
    return Response(_show(sentence(cannot), enrolment_id, form), 422 if is_waiting else 409)


def _form(*names: str) -> dict[str, str]:
    if any(name not in request.form for name in names):
        abort(400)
    return {name: request.form.get(name, "") for name in FIELDS}


# --- one unit -------------------------------------------------------------------------------------------------------


def _view_of(unit: str) -> tuple[upkeep.UnitView, UnitsRead]:
    now = now_utc_ms()
    read = unit_pages.read_units(parts().store, now)
    found = next((one for one in _views(read, now) if one.row.unit == unit), None)
    if found is None:
        abort(404)
    return found, read


@blueprint.get("/<unit>")
@may(Action.SEE_UNITS)
def one(unit: str) -> ResponseReturnValue:
    found, _read = _view_of(unit)
    return render_template(
        "unit.html",
        one=found,
        row=found.row,
        beat=found.heartbeat,
        history=unit_pages.read_history(parts().store, unit),
        event_words=upkeep.event_words,
        level_of=upkeep.certificate_level,
        troubles=upkeep.hub_troubles(parts().folder.worker(), now_utc_ms()),
        history_rows=unit_pages.HISTORY_ROWS,
    )


@blueprint.get("/<unit>/revoke")
@may(Action.REVOKE_UNITS)
def ask_to_revoke(unit: str) -> ResponseReturnValue:
    found, _read = _view_of(unit)
    if found.row.is_revoked:
        return redirect(url_for("units.one", unit=unit))
    return _ask(found)


def _ask(found: upkeep.UnitView, wrong: str = "", typed: str = "") -> str:
    is_silent = upkeep.is_worker_silent(parts().folder.worker(), now_utc_ms())
    troubles = [upkeep.SILENT_WORDS] if is_silent else []
    return render_template("revoke.html", one=found, row=found.row, wrong=wrong, typed=typed, troubles=troubles)


@blueprint.post("/<unit>/revoke")
@may(Action.REVOKE_UNITS)
def revoke(unit: str) -> ResponseReturnValue:
    why = request.form.get("why")
    if why is None:
        abort(400)
    found, _read = _view_of(unit)
    try:
        with parts().store.write() as connection:
            is_changed = enrolling.revoke(connection, unit, who=current_user.name, why=why, now_utc_ms=now_utc_ms())
            if is_changed:
                deeds.add(connection, Deed.REVOKED_UNIT, f"unit {unit}", why=why)
    except CannotEnrol as cannot:
        return Response(_ask(found, sentence(cannot), why), 422)
    already = _("%(unit)s was revoked already, by %(name)s.", unit=unit, name=found.row.revoked_by)
    flash(_("%(unit)s is revoked.", unit=unit) if is_changed else already)
    return redirect(url_for("units.one", unit=unit), 303)


@blueprint.post("/events/<int:event_id>/seen")
@may(Action.REVOKE_UNITS)
def see(event_id: int) -> ResponseReturnValue:
    try:
        with parts().store.write() as connection:
            now = now_utc_ms()
            who, at = security.see(connection, event_id, who=current_user.name, now_utc_ms=now)
            if (who, at) == (current_user.name, now):
                deeds.add(connection, Deed.SAW_SECURITY_EVENT, f"security event {event_id}")
    except security.NoSuchEvent:
        abort(404)
    if who != current_user.name:
        flash(_("%(name)s has seen it already, at %(time)s.", name=who, time=clock_text(at, parts().zone)))
    return redirect(url_for("units.listing"), 303)
