"""Retention: each exam's rule and results, what falls due when and why, plans of purge, and what went."""

from __future__ import annotations

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from hub import purge_jobs
from hub.core import keeping, retention
from hub.core.access import Action
from hub.core.retention import BadRule
from hub.evidence import purge_certificate
from hub.store import jobs, purge_plans, purging
from hub.store import retention as store
from hub.store.jobs import Job
from hub.store.purge_plans import NoSuchPlan, Plan
from hub.store.retention import Exam, NoSuchExam
from hub.web.clock import now_utc_ms
from hub.web.deeds import actor
from hub.web.language import gettext as _
from hub.web.language import sentence, tr
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("retention", __name__, url_prefix="/retention")

PLACES_NAMED = 6


@blueprint.get("/")
@may(Action.SEE_RETENTION)
def listing() -> ResponseReturnValue:
    now, zone = now_utc_ms(), parts().zone
    is_followed = "follow" in request.args  # only what a removal changes: to add up all film takes a moment
    with parts().store.read() as connection:
        standings = [] if is_followed else store.standings(connection, zone)
    sums = keeping.sums(standings, now)
    return render_template(
        "retention.html",
        is_followed=is_followed,
        exams=store.exams(parts().store),
        sums=sums,
        nothing=keeping.Sum(),
        foreign=sums.get(""),
        rule_words=retention.words,
        day=lambda utc_ms: retention.day_of(utc_ms, zone),
        planning=_newest_job(purge_jobs.PLAN),
        purging=_newest_job(purge_jobs.PURGE),
        plans=purge_plans.newest(parts().store),
        purges=purging.newest(parts().store),
        is_auto=parts().settings.retention_auto,
        zone_label_long=parts().settings.zone,
    )


def _newest_job(kind: str, plan_id: int | None = None) -> Job | None:
    found = jobs.newest(parts().store, kind)
    return next((job for job in found if plan_id is None or job.wish.get("plan_id") == plan_id), None)


# --- one exam -------------------------------------------------------------------------------------------------------


@blueprint.get("/exam")
@may(Action.SEE_RETENTION)
def exam() -> ResponseReturnValue:
    """By its name in the query: exams are named freely, with any sign in them."""
    if "exam" not in request.args:
        return redirect(url_for("retention.listing"), 303)
    return _show_exam(request.args["exam"])


def _show_exam(name: str, wrong: str = "", at: str = "") -> str:
    now, zone = now_utc_ms(), parts().zone
    found = _exam(name)
    with parts().store.read() as connection:
        standings = store.standings(connection, zone)
    sitting_days, result_days, is_refer_kept = retention.fields(found.rule)
    results = "" if found.results_utc_ms is None else retention.day_of(found.results_utc_ms, zone)
    return render_template(
        "retention_exam.html",
        exam=found,
        rule_words=retention.words,
        sum=keeping.sums(standings, now).get(name, keeping.Sum()),
        lines=keeping.lines(standings, name, now, zone),
        results=results,
        typed={
            "after_sitting": request.form.get("after_sitting", sitting_days),
            "after_results": request.form.get("after_results", result_days),
            "unless_refer": "unless_refer" in request.form if at == "rule" else is_refer_kept or found.rule is None,
            "date": request.form.get("date", results),
        },
        wrong=wrong,
        at=at,
        named=PLACES_NAMED,
    )


def _exam(name: str) -> Exam:
    found = next((each for each in store.exams(parts().store) if each.exam == name), None)
    if found is None and not name:
        return Exam("", None, "", None, 0, None, None)  # film of sittings that were not planned here
    if found is None:
        abort(404)
    return found


@blueprint.post("/rule")
@may(Action.SET_RETENTION)
def set_rule() -> ResponseReturnValue:
    form = request.form
    if any(name not in form for name in ("exam", "after_sitting", "after_results")):
        abort(400)
    try:
        is_refer_kept = "unless_refer" in form
        rule = retention.composed(form["after_sitting"], form["after_results"], is_refer_kept=is_refer_kept)
        with parts().store.write() as connection:
            store.set_rule(connection, actor(), form["exam"], rule, now_utc_ms())
    except NoSuchExam:
        abort(404)
    except BadRule as bad:
        return Response(_show_exam(form["exam"], sentence(bad), "rule"), 422)
    flash(_("Kept %(rule)s.", rule=tr(retention.words(rule))))
    return redirect(url_for("retention.exam", exam=form["exam"]), 303)


@blueprint.post("/results")
@may(Action.SET_RETENTION)
def set_results() -> ResponseReturnValue:
    form = request.form
    if "exam" not in form or "date" not in form:
        abort(400)
    text = form["date"].strip()
    try:
        day = retention.read_day(text, parts().zone) if text else None
        with parts().store.write() as connection:
            store.set_results(connection, actor(), form["exam"], day, text or "unknown", now_utc_ms())
    except NoSuchExam:
        abort(404)
    except BadRule as bad:
        return Response(_show_exam(form["exam"], sentence(bad), "results"), 422)
    flash(_("The results are dated %(day)s.", day=text) if text else _("The date of the results is not known."))
    return redirect(url_for("retention.exam", exam=form["exam"]), 303)


# --- plans and purges -----------------------------------------------------------------------------------------------


@blueprint.post("/plans")
@may(Action.PURGE)
def make_plan() -> ResponseReturnValue:
    """By the worker: a large centre's film takes seconds to go through, and these pages are many people's."""
    with parts().store.write() as connection:
        who = actor()
        jobs.add(connection, purge_jobs.PLAN, purge_jobs.wish_of(who), who.who, now_utc_ms())
    return redirect(url_for("retention.listing"), 303)


@blueprint.get("/plans/<int:plan_id>")
@may(Action.SEE_RETENTION)
def plan(plan_id: int) -> ResponseReturnValue:
    found = _plan(plan_id)
    return render_template(
        "purge_plan.html",
        plan=found,
        going=keeping.going(purge_plans.parts(parts().store, plan_id)),
        staying=keeping.staying(found.kept),
        job=_newest_job(purge_jobs.PURGE, plan_id),
        named=PLACES_NAMED,
    )


def _plan(plan_id: int) -> Plan:
    try:
        return purge_plans.one(parts().store, plan_id)
    except NoSuchPlan:
        abort(404)


@blueprint.get("/plans/<int:plan_id>/apply")
@may(Action.PURGE)
def ask_to_apply(plan_id: int) -> ResponseReturnValue:
    found = _plan(plan_id)
    if found.ended_utc_ms is not None:
        return redirect(url_for("retention.plan", plan_id=plan_id), 303)
    return _ask(found)


def _ask(found: Plan, wrong: str = "") -> str:
    going = keeping.going(purge_plans.parts(parts().store, found.plan_id))
    return render_template("purge_apply.html", plan=found, going=going, wrong=wrong)


@blueprint.post("/plans/<int:plan_id>/apply")
@may(Action.PURGE)
def apply(plan_id: int) -> ResponseReturnValue:
    """Only with the number of files that the page showed: a plan is confirmed by who has seen it."""
    if "items" not in request.form:
        abort(400)
    found = _plan(plan_id)
    if request.form["items"].replace(" ", "").replace(",", "") != str(found.item_count):
        return Response(_ask(found, _("That is not the number of files. Nothing was removed.")), 422)
    if found.ended_utc_ms is None:
        with parts().store.write() as connection:
            purge_jobs.ask(connection, plan_id, actor(), now_utc_ms())
    return redirect(url_for("retention.plan", plan_id=plan_id), 303)


@blueprint.get("/certificates/<int:number>.json")
@may(Action.SEE_RETENTION)
def certificate(number: int) -> ResponseReturnValue:
    try:
        pieces = purge_certificate.exported(parts().store, purging.one(parts().store, number))
    except (purging.NoSuchPurge, purge_certificate.NotEnded):
        abort(404)
    name = f"purge-{number}.json"
    return Response(
        pieces, mimetype="application/json", headers={"Content-Disposition": f"attachment; filename={name}"}
    )
