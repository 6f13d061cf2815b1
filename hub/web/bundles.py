"""Evidence bundles: asking for one, how far it is, and fetching it. The worker makes them.

Each says what for and for whom; both go into the bundle's manifest and the audit log, as does every download.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from hub import bundle_jobs
from hub.core.access import Action, Role
from hub.core.audit import Deed
from hub.core.board import ALERT_WORDS
from hub.store import bundle_requests as store
from hub.store import incidents, jobs
from hub.store.bundle_requests import CannotAsk
from hub.store.jobs import Job
from hub.web import deeds
from hub.web.clock import now_utc_ms
from hub.web.language import gettext as _
from hub.web.language import sentence
from hub.web.login import may
from hub.web.parts import parts
from hub.web.security import Trouble, page

blueprint = Blueprint("bundles", __name__, url_prefix="/bundles")

MOST_PURPOSE = 500
MOST_RECIPIENT = 200
GONE = Trouble(
    "This bundle is no longer kept",
    "It was made, and its file has been removed since. What it was made of is kept as long as the rules say.",
    "Ask for it again: the same evidence gives the same files.",
)


@blueprint.get("/")
@may(Action.EXPORT_EVIDENCE)
def listing() -> ResponseReturnValue:
    before = request.args.get("before", "0")
    rows = store.listing(parts().store, int(before) if before.isdecimal() and len(before) < 16 else 0)
    return render_template(
        "bundles.html",
        rows=rows,
        states={row.job.job_id: _state(row.job) for row in rows},
        may_cancel={row.job.job_id for row in rows if _may_cancel(row.job)},
        words_of_kind=ALERT_WORDS,
        page_rows=store.PAGE_ROWS,
    )


def _state(job: Job) -> str:
    """The job's state, and `expired` for one whose file is gone, `cancelling` for one that was told to end."""
    if job.state == "done" and _file(job) is None:
        return "expired"
    return "cancelling" if job.is_cancel_wanted and job.state in ("waiting", "running") else job.state


def _file(job: Job) -> Path | None:
    """Where the finished bundle lies, as long as it does."""
    path = bundle_jobs.path_of(parts().settings, job.job_id).absolute()
    return path if path.is_file() and not path.is_symlink() else None


def _may_cancel(job: Job) -> bool:
    """Who asked, and admins: an auditor who may take copies stops nobody else's."""
    return bool(current_user.name == job.asked_by or current_user.role == Role.ADMIN)


@blueprint.get("/new")
@may(Action.EXPORT_EVIDENCE)
def form() -> ResponseReturnValue:
    return _form(request.args)


def _form(given: Any, wrong: str = "") -> str:
    """The form, of an incident (`incident`) or of a sitting at a seat (`seat`, `sitting`)."""
    incident = seat = None
    sittings: list[store.Sitting] = []
    if (number := _number(given.get("incident", ""))) is not None:
        try:
            incident = incidents.one(parts().store, number).row
        except incidents.NoSuchIncident:
            abort(404)
    else:
        number = _number(given.get("seat", ""))
        seat = None if number is None else store.seat(parts().store, number)
        if seat is None:
            abort(404)
        sittings = store.sittings(parts().store, seat.seat_id, now_utc_ms())
    return render_template(
        "bundle_new.html",
        incident=incident,
        seat=seat,
        sittings=sittings,
        words_of_kind=ALERT_WORDS,
        typed=given,
        wrong=wrong,
        most_purpose=MOST_PURPOSE,
        most_recipient=MOST_RECIPIENT,
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None


@blueprint.post("/")
@may(Action.EXPORT_EVIDENCE)
def ask() -> ResponseReturnValue:
    given = request.form
    if not {"purpose", "recipient"} <= given.keys() or not {"incident", "seat"} & given.keys():
        abort(400)
    try:
        store.ask(parts().store, _wish(given), deeds.actor(), now_utc_ms())
    except CannotAsk as cannot:
        return Response(_form(given, sentence(cannot)), 422)
    flash(_("Asked for. It is made in the background; this page shows how far it is."))
    return redirect(url_for("bundles.listing"), 303)


def _wish(given: Any) -> dict[str, Any]:
    """The job's wish. Raises CannotAsk."""
    purpose, recipient = (" ".join(given[name].split()) for name in ("purpose", "recipient"))
    for name, text, most in (
        (_("what it is for"), purpose, MOST_PURPOSE),
        (_("whom it is for"), recipient, MOST_RECIPIENT),
    ):
        if not 1 <= len(text) <= most:
            raise CannotAsk(_("say %(name)s, in 1 to %(most)s characters", name=name, most=most))
    told = {"purpose": purpose, "recipient": recipient}
    if (number := _number(given.get("incident", ""))) is not None:
        return {"incident_id": number, **told}
    number = _number(given.get("seat", ""))
    if number is None:
        abort(400)
    return {"sitting": given.get("sitting", "")[:64], "seat_id": number, **told}


@blueprint.post("/<int:job_id>/cancel")
@may(Action.EXPORT_EVIDENCE)
def cancel(job_id: int) -> ResponseReturnValue:
    job = _one(job_id)
    if not _may_cancel(job):
        abort(403)
    is_changed = store.cancel(parts().store, job, deeds.actor(), now_utc_ms())
    told = _("Bundle %(number)s is being cancelled.", number=job_id)
    flash(told if is_changed else _("Bundle %(number)s had ended already.", number=job_id))
    return redirect(url_for("bundles.listing"), 303)


@blueprint.get("/<int:job_id>/download")
@may(Action.EXPORT_EVIDENCE)
def download(job_id: int) -> ResponseReturnValue:
    """The file, by range where the browser asks so: a large one goes on where it was cut off."""
    job = _one(job_id)
    if job.state != "done" or job.result is None:
        abort(404)
    path = _file(job)
    if path is None:
        return page(410, GONE)
    sha256 = str(job.result.get("sha256", ""))
    deeds.saw(Deed.DOWNLOADED_BUNDLE, store.object_of(job.wish), bundle=job_id, sha256=sha256)
    response = send_file(path, mimetype="application/zip", as_attachment=True, download_name=_name(job), etag=sha256)
    response.headers["Cache-Control"] = "no-store"
    return response


def _name(job: Job) -> str:
    """`evidence-incident-12-bundle-4.zip`: what a person finds again among their files."""
    return f"evidence-{store.object_of(job.wish).replace(' ', '-')}-bundle-{job.job_id}.zip"


def _one(job_id: int) -> Job:
    try:
        return store.one(parts().store, job_id)
    except jobs.NoSuchJob:
        abort(404)
