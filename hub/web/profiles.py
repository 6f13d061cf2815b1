"""Profiles: how exams are watched, seen by who runs sittings and set up by admins."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from hub.core import profiles as core
from hub.core import retention
from hub.core.access import Action
from hub.core.board import ALERT_WORDS
from hub.core.profiles import BadProfile
from hub.core.said import Refusal, Said
from hub.store import profiles
from hub.store.planning import CannotPlan
from hub.store.profiles import Named, Overtaken
from hub.web.clock import now_utc_ms
from hub.web.deeds import actor
from hub.web.language import gettext as _
from hub.web.language import ngettext, sentence
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("profiles", __name__, url_prefix="/profiles")

Wrong = Mapping[str, Said | str]


@blueprint.get("/")
@may(Action.SEE_ROSTER)
def listing() -> ResponseReturnValue:
    with parts().store.read() as connection:
        found = profiles.all_of(connection, parts().settings.proctoring_mode)
    return render_template(
        "profiles.html", profiles=found, mode_words=core.MODE_WORDS, rule_words=retention.words, alert_words=ALERT_WORDS
    )


@blueprint.get("/new")
@may(Action.SET_UP_EXAMS)
def ask() -> ResponseReturnValue:
    """A new one begins as a copy: of the built-in one, or of another."""
    source = _one(request.args.get("copy", ""))
    return _show(None, core.typed(source.profile) | {"name": ""}, {})


def _one(name: str) -> Named:
    with parts().store.read() as connection:
        found = profiles.one(connection, name, parts().settings.proctoring_mode)
    if found is None:
        abort(404)
    return found


def _show(named: Named | None, typed: Mapping[str, str], wrong: Wrong) -> str:
    ahead: list[str] = []
    if named is not None:
        with parts().store.read() as connection:
            ahead = profiles.ahead(connection, named.name, now_utc_ms())
    return render_template(
        "profile.html",
        named=named,
        typed=typed,
        wrong=wrong,
        ahead=ahead,
        kinds=core.KINDS,
        alert_words=ALERT_WORDS,
        mode_words=core.MODE_WORDS,
        why=core.WHY,
        has_threshold=core.has_threshold,
        advanced_fields=core.advanced_fields,
    )


@blueprint.post("/")
@may(Action.SET_UP_EXAMS)
def add() -> ResponseReturnValue:
    form = request.form
    if "name" not in form:
        abort(400)
    try:
        profile = core.composed(form)
        with parts().store.write() as connection:
            profiles.add(connection, actor(), form["name"], profile, now_utc_ms())
    except BadProfile as bad:
        return Response(_show(None, form, bad.wrong), 422)
    except Refusal as refused:
        return Response(_show(None, form, {refused.field: refused.said}), 422)
    flash(_("The profile is there: choose it for an exam."))
    return redirect(url_for("profiles.listing"), 303)


@blueprint.get("/one")
@may(Action.SEE_ROSTER)
def one() -> ResponseReturnValue:
    """By its name in the query: profiles are named freely, with any sign in them."""
    if "profile" not in request.args:
        return redirect(url_for("profiles.listing"), 303)
    found = _one(request.args["profile"])
    return _show(found, core.typed(found.profile), {})


@blueprint.post("/change")
@may(Action.SET_UP_EXAMS)
def change() -> ResponseReturnValue:
    form = request.form
    if "profile" not in form or not form.get("version", "").isdecimal():
        abort(400)
    found = _one(form["profile"])
    try:
        profile = core.composed(form)
        with parts().store.write() as connection:
            ahead = profiles.change(connection, actor(), found.name, int(form["version"]), profile, now_utc_ms())
    except BadProfile as bad:
        return Response(_show(found, form, bad.wrong), 422)
    except Refusal as refused:
        return Response(_show(found, form, {refused.field: refused.said}), 422)
    except Overtaken as overtaken:
        now = _one(found.name)
        return Response(_show(now, core.typed(now.profile), {"": str(overtaken)}), 409)
    flash(_("The profile is changed. Sittings that are planned keep what it was."))
    if ahead:
        return redirect(url_for("profiles.one", profile=found.name), 303)
    return redirect(url_for("profiles.listing"), 303)


@blueprint.post("/apply")
@may(Action.SET_UP_EXAMS)
def apply() -> ResponseReturnValue:
    if "profile" not in request.form:
        abort(400)
    found = _one(request.form["profile"])
    try:
        with parts().store.write() as connection:
            changed = profiles.apply(connection, actor(), found.name, now_utc_ms())
    except Refusal as refused:
        return Response(_show(found, core.typed(found.profile), {"": refused.said}), 422)
    except CannotPlan as cannot:
        return Response(_show(found, core.typed(found.profile), {"": sentence(cannot)}), 422)
    flash(
        ngettext("%(num)d sitting has it now.", "%(num)d sittings have it now.", len(changed))
        if changed
        else _("No sitting that has not begun was planned with it.")
    )
    return redirect(url_for("profiles.listing"), 303)
