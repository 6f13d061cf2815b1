"""Incidents: one whole, its pictures, and what people do about it. The list is `hub.web.review_list`."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from hub.core import categories, explain, review, room_events
from hub.core.access import Action
from hub.core.audit import Deed
from hub.core.board import FACE_KINDS
from hub.store import holds, purging, room_incidents
from hub.store import incidents as store
from hub.web import audit, deeds, incident_view
from hub.web.clock import now_utc_ms
from hub.web.incident_view import Typed
from hub.web.language import gettext as _
from hub.web.language import sentence
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("incidents", __name__, url_prefix="/incidents")

VERDICTS = {
    review.Verdict.NO_CONCERN: ("No concern", "Records that a person looked and found nothing to follow up."),
    review.Verdict.REFER: ("Refer", "Records that the centre should look into it. It is no finding against anybody."),
    review.Verdict.CONFIRMED_BY_CENTRE: (
        "Confirmed by the centre",
        "Records that the centre looked into it and confirms it. Needs a second person: yours is a proposal.",
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


def _show(incident_id: int, notice: str = "", typed: Typed | None = None) -> str:
    try:
        incident = store.one(parts().store, incident_id)
    except store.NoSuchIncident:
        abort(404)
    looked_at = f"incident {incident_id}"
    deeds.saw(Deed.VIEWED_INCIDENT, looked_at)
    with parts().store.read() as connection:
        standing = holds.over_incident(connection, incident_id)
    row, around = incident.row, incident_view.context(incident)
    count = len({each["seat"] for each in [*around.members, *around.equipment]})
    return render_template(
        "_incident.html" if request.headers.get("X-Part") == "1" else "incident.html",
        incident=incident,
        row=row,
        acts=acts(row),
        verdicts=DRILL_VERDICTS if row["is_drill"] else VERDICTS,
        verdict_words=VERDICTS,
        thread=incident_view.thread(incident, VERDICTS),
        counts_faces=row["kind"] in FACE_KINDS,
        evidence=explain.numbers,
        words=incident_view.words(row, count),
        is_room=room_events.is_room(row["kind"]),
        around=around,
        what_words=incident_view.words_of_what,
        kind_words=incident_view.words_of_what,
        seen_words=incident_view.seen_words,
        categories=categories.CATEGORIES,
        category_words=incident_view.category_words,
        people=store.who_may_review(parts().store),
        notice=notice,
        typed=typed or Typed(),
        looks=audit.looks_at(looked_at) if current_user.may("see_audit") else [],
        looked_at=looked_at,
        holds=standing,
        purged=purging.purged_stills(parts().store, incident_id),
    )


def acts(row: dict[str, Any]) -> tuple[str, ...]:
    """What this person may do with the incident now."""
    if row["merged_into"]:
        return ()
    found = set(review.POSSIBLE[review.State(row["state"])])
    if not row["proposed_by"] or row["proposed_by"] == current_user.name:
        found -= {review.Act.CONFIRM, review.Act.REJECT}
    if row["part_of"] is None:
        found -= {review.Act.TAKE_OUT}
    return tuple(str(each) for each in review.Act if each in found)


@blueprint.post("/<int:incident_id>/act")
@may(Action.REVIEW_INCIDENTS)
def act(incident_id: int) -> ResponseReturnValue:
    wish = _wish(request.form)
    form = request.form
    typed = Typed(wish.text, form.get("verdict", ""), form.get("category"), form.get("assignee"))
    try:
        store.act(parts().store, incident_id, wish, now_utc_ms(), deeds.actor())
    except store.NoSuchIncident:
        abort(404)
    except review.Overtaken as first:
        return Response(_show(incident_id, incident_view.overtaken(first.event), typed), 409)
    except review.Refused as refused:
        return Response(_show(incident_id, sentence(refused), typed), 422)
    if request.headers.get("X-Part") == "1":
        return _show(incident_id)
    flash(_("Recorded."))
    return redirect(url_for("incidents.one", incident_id=incident_id), 303)


def _wish(form: Any) -> review.Wish:
    try:
        verdict, name = form.get("verdict", ""), form.get("act", "")
        is_mine = name == "take"
        return review.Wish(
            act=review.Act.ASSIGN if is_mine else review.Act(name),
            who=current_user.name,
            seen_version=int(form.get("version", "")[:15]),
            seen_events=int(form.get("events", "")[:9]),
            text=form.get("text", ""),
            verdict=review.Verdict(verdict) if verdict else None,
            category=form.get("category", "")[:100] or None,
            assignee=current_user.name if is_mine else form.get("assignee", "")[:100],
            seen_members=frozenset(int(n[:15]) for n in form.get("members", "")[:20_000].split(",") if n),
        )
    except ValueError:
        abort(400)


@blueprint.post("/<int:incident_id>/members/take-out")
@may(Action.REVIEW_INCIDENTS)
def take_out(incident_id: int) -> ResponseReturnValue:
    """Take one desk's equipment out of a room incident; a member that is an incident is taken out by its own act."""
    unit, what = request.form.get("unit", "")[:100], request.form.get("what", "")[:100]
    try:
        room_incidents.take_out(parts().store, incident_id, unit, what, now_utc_ms(), deeds.actor())
    except room_incidents.NotAMember:
        flash(_("That desk is not part of it any more. Nothing was changed."))
    else:
        flash(_("Taken out. It goes its own way from now on."))
    return redirect(url_for("incidents.one", incident_id=incident_id), 303)


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
