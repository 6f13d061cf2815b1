"""Closing a sitting: the checklist, closing with reasons, writing a desk off that is gone, and opening it again."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from hub.core import closing as core
from hub.core.access import Action
from hub.core.audit import Deed
from hub.core.board import INCIDENT_WORDS
from hub.core.closing import Changed, Refused
from hub.core.coverage import together
from hub.store import closing as store
from hub.store.closing import NoSuchSitting
from hub.web import deeds
from hub.web.clock import now_utc_ms
from hub.web.language import gettext as _
from hub.web.language import sentence
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("closing", __name__, url_prefix="/sittings")


@blueprint.get("/<sitting>/close")
@may(Action.RUN_SITTING)
def page(sitting: str) -> ResponseReturnValue:
    return _show(sitting)


def _show(sitting: str, notice: str = "", typed: Mapping[str, str] | None = None, wanted: tuple[str, ...] = ()) -> str:
    """The page; `typed` is what somebody wrote into a form that was refused, `wanted` which items want a reason."""
    try:
        found = store.read(parts().store, sitting, now_utc_ms())
    except NoSuchSitting:
        abort(404)
    deeds.saw(Deed.VIEWED_COVERAGE, f"sitting {sitting}", page="closing")
    recorded, due = together(each.report for each in found.seats)
    return render_template(
        "closing.html",
        found=found,
        sitting=found.sitting,
        digest=core.digest(found.items),
        open_count=sum(not item.is_done for item in found.items),
        titles=core.ITEMS,
        kinds=INCIDENT_WORDS,
        per_cent=recorded * 10_000 // due / 100 if due else None,
        gone=[each for each in found.units if not each.write_off and (each.pending or each.is_recording or each.spool)],
        notice=notice,
        typed=typed or {},
        wanted=wanted,
    )


@blueprint.post("/<sitting>/close")
@may(Action.RUN_SITTING)
def close(sitting: str) -> ResponseReturnValue:
    _expect("seen")
    reasons = {key: request.form.get(f"reason-{key}", "") for key in core.ITEMS}
    try:
        store.close(parts().store, sitting, request.form.get("seen", ""), reasons, deeds.actor(), now_utc_ms())
    except NoSuchSitting:
        abort(404)
    except Changed as changed:
        return Response(_show(sitting, sentence(changed), request.form), 409)
    except Refused as refused:
        return Response(_show(sitting, sentence(refused), request.form, refused.keys), 422)
    flash(_("The sitting is closed. Its report is being signed."))
    return redirect(url_for("closing.page", sitting=sitting), 303)


@blueprint.post("/<sitting>/write-off")
@may(Action.RUN_SITTING)
def write_off(sitting: str) -> ResponseReturnValue:
    _expect("unit", "why")
    unit, reason = request.form.get("unit", ""), request.form.get("why", "")
    try:
        store.write_off(parts().store, sitting, unit, reason, deeds.actor(), now_utc_ms())
    except NoSuchSitting:
        abort(404)
    except Refused as refused:
        return Response(_show(sitting, sentence(refused), request.form), 422)
    flash(_("Recorded."))
    return redirect(url_for("closing.page", sitting=sitting), 303)


@blueprint.post("/<sitting>/reopen")
@may(Action.SET_UP_EXAMS)
def reopen(sitting: str) -> ResponseReturnValue:
    _expect("closing", "why")
    number, why = request.form.get("closing", ""), request.form.get("why", "")
    closing_id = int(number) if number.isascii() and number.isdecimal() and len(number) < 16 else 0
    try:
        store.reopen(parts().store, sitting, closing_id, why, deeds.actor(), now_utc_ms())
    except NoSuchSitting:
        abort(404)
    except Changed as changed:
        return Response(_show(sitting, sentence(changed), request.form), 409)
    except Refused as refused:
        return Response(_show(sitting, sentence(refused), request.form), 422)
    flash(_("The sitting is open again."))
    return redirect(url_for("closing.page", sitting=sitting), 303)


def _expect(*names: str) -> None:
    if any(name not in request.form for name in names):
        abort(400)
