"""Incidents: one whole, its pictures, and what people do about it. The list is `hub.web.review_list`."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from hub.core import explain, review
from hub.core.access import Action
from hub.core.audit import Deed
from hub.core.board import ALERT_WORDS, FACE_KINDS, words_of
from hub.store import holds, purging
from hub.store import incidents as store
from hub.web import audit, deeds
from hub.web.clock import clock_text, now_utc_ms
from hub.web.login import may
from hub.web.parts import parts
from hub.web.texts import text

blueprint = Blueprint("incidents", __name__, url_prefix="/incidents")

VERDICTS = {
    review.Verdict.NO_CONCERN: ("No concern", "Records that a person looked and found nothing to follow up."),
    review.Verdict.REFER: ("Refer", "Records that the centre should look into it. It is no finding against anybody."),
    review.Verdict.CONFIRMED_BY_CENTRE: (
        "Confirmed by the centre",
        "Records that the centre looked into it and confirms it.",
    ),
}
DRILL_VERDICTS = {
    review.Verdict.NO_CONCERN: (
        "No concern",
        "Records that the drill's alert came and was worked on. Nothing happened.",
    ),
}


@blueprint.get("/<int:incident_id>")
@may(Action.SEE_INCIDENTS)
def one(incident_id: int) -> ResponseReturnValue:
    return _show(incident_id)


def _show(incident_id: int, notice: str = "", typed: str = "") -> str:
    try:
        incident = store.one(parts().store, incident_id)
    except store.NoSuchIncident:
        abort(404)
    looked_at = f"incident {incident_id}"
    deeds.saw(Deed.VIEWED_INCIDENT, looked_at)
    with parts().store.read() as connection:
        standing = holds.over_incident(connection, incident_id)
    is_part = request.headers.get("X-Part") == "1"
    return render_template(
        "_incident.html" if is_part else "incident.html",
        incident=incident,
        row=incident.row,
        acts=() if incident.row["merged_into"] else review.POSSIBLE[review.State(incident.row["state"])],
        verdicts=DRILL_VERDICTS if incident.row["is_drill"] else VERDICTS,
        verdict_words=VERDICTS,
        event_words=review.EVENT_WORDS,
        desk=review.DESK,
        began={alert["alert"]: alert["began_utc_ms"] for alert in incident.alerts},
        counts_faces=incident.row["kind"] in FACE_KINDS,
        evidence=explain.numbers,
        words=words_of(ALERT_WORDS, incident.row["kind"]),
        notice=notice,
        typed=typed,
        looks=audit.looks_at(looked_at) if current_user.may("see_audit") else [],
        looked_at=looked_at,
        holds=standing,
        purged=purging.purged_stills(parts().store, incident_id),
    )


@blueprint.post("/<int:incident_id>/act")
@may(Action.REVIEW_INCIDENTS)
def act(incident_id: int) -> ResponseReturnValue:
    wish = _wish(request.form)
    try:
        store.act(parts().store, incident_id, wish, now_utc_ms(), deeds.actor())
    except store.NoSuchIncident:
        abort(404)
    except review.Overtaken as first:
        time = clock_text(first.event.at_utc_ms, parts().zone)
        notice = text(f"overtaken_{first.event.action}", name=first.event.who, time=time)
        return Response(_show(incident_id, notice, wish.text), 409)
    except review.Refused as refused:
        reason = str(refused)
        return Response(_show(incident_id, f"{reason[:1].upper()}{reason[1:]}.", wish.text), 422)
    if request.headers.get("X-Part") == "1":
        return _show(incident_id)
    flash("Recorded.")
    return redirect(url_for("incidents.one", incident_id=incident_id), 303)


def _wish(form: Any) -> review.Wish:
    try:
        verdict = form.get("verdict", "")
        return review.Wish(
            act=review.Act(form.get("act", "")),
            who=current_user.name,
            seen_version=int(form.get("version", "")[:15]),
            seen_events=int(form.get("events", "")[:9]),
            text=form.get("text", ""),
            verdict=review.Verdict(verdict) if verdict else None,
        )
    except ValueError:
        abort(400)


@blueprint.get("/<int:incident_id>/still/<sha256>.jpg")
@may(Action.SEE_INCIDENTS)
def still(incident_id: int, sha256: str) -> ResponseReturnValue:
    """Only the pictures of this incident's own alerts: the hash is looked for among them."""
    try:
        alerts = store.one(parts().store, incident_id).alerts
    except store.NoSuchIncident:
        abort(404)
    unit = next((alert["unit"] for alert in alerts if alert["still_sha256"] == sha256), None)
    jpeg = store.still(parts().store, unit, sha256) if unit else None
    if jpeg is None:
        abort(404)
    deeds.saw(Deed.VIEWED_STILL, f"incident {incident_id}", still=sha256)
    return Response(jpeg, mimetype="image/jpeg", headers={"Cache-Control": "private, max-age=3600, immutable"})
