"""Exams and their sittings: which there are, made, planned in rooms, their times changed, ended and cancelled."""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from hub.core import durations, local_time
from hub.core.access import Action
from hub.core.durations import NotALength
from hub.core.profiles import MODE_WORDS, STANDARD
from hub.core.said import Refusal, Said
from hub.core.sittings import STATE_WORDS
from hub.store import exams, profiles
from hub.store.exams import Exam, Sitting
from hub.store.planning import CannotPlan
from hub.store.profiles import Named, Overtaken
from hub.web.clock import now_utc_ms, zone_of
from hub.web.deeds import actor
from hub.web.language import gettext as _
from hub.web.language import ngettext, sentence
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("exams", __name__, url_prefix="/exams")

ICONS = {"planned": "waiting", "running": "recording", "over": "calm", "closed": "closed", "cancelled": "offline"}
MOST_EMPTY_MS = 12 * 3_600_000
Wrong = Mapping[str, Said | str]
"""What is wrong, by the form's field; '' for the whole form."""


@functools.cache
def _zones() -> list[str]:
    return sorted(name for name in zoneinfo.available_timezones() if "/" in name or name == "UTC")


def _shared() -> dict[str, Any]:
    return {"state_words": STATE_WORDS, "state_icons": ICONS, "mode_words": MODE_WORDS}


def at_in(zone: dt.tzinfo) -> Callable[[int], str]:
    """How a page writes moments in an exam's zone, to the minute."""
    return lambda utc_ms: f"{dt.datetime.fromtimestamp(utc_ms / 1000, zone):%Y-%m-%d %H:%M}"


# --- exams ----------------------------------------------------------------------------------------------------------


@blueprint.get("/")
@may(Action.SEE_ROSTER)
def listing() -> ResponseReturnValue:
    with parts().store.read() as connection:
        found = exams.listed(connection, now_utc_ms())
    return render_template("exams.html", exams=found, **_shared())


@blueprint.get("/new")
@may(Action.SET_UP_EXAMS)
def ask() -> ResponseReturnValue:
    return _ask({"zone": parts().settings.zone, "profile": STANDARD}, {})


def _ask(typed: Mapping[str, str], wrong: Wrong) -> str:
    return render_template("exam_new.html", typed=typed, wrong=wrong, profiles=_profiles(), zones=_zones())


def _profiles() -> list[Named]:
    with parts().store.read() as connection:
        return profiles.all_of(connection, parts().settings.proctoring_mode)


@blueprint.post("/")
@may(Action.SET_UP_EXAMS)
def add() -> ResponseReturnValue:
    form = request.form
    if "exam" not in form:
        abort(400)
    try:
        wanted, profile = _typed_exam(form)
        with parts().store.write() as connection:
            name = exams.add(connection, actor(), wanted, profile, now_utc_ms())
    except Refusal as refused:
        return Response(_ask(form, {refused.field: refused.said}), 422)
    flash(_("The exam is there. Plan its sittings here."))
    return redirect(url_for("exams.one", exam=name), 303)


def _typed_exam(form: Mapping[str, str]) -> tuple[Exam, Named]:
    """Raises Refusal."""
    zone = form.get("zone", "").strip() or parts().settings.zone
    if zone not in zoneinfo.available_timezones():
        raise Refusal("There is no time zone %(zone)s: choose one as Europe/Berlin.", field="zone", zone=zone[:40])
    with parts().store.read() as connection:
        profile = profiles.one(connection, form.get("profile", ""), parts().settings.proctoring_mode)
    if profile is None:
        raise Refusal("There is no profile of that name: choose one of the list.", field="profile")
    day = local_time.read_day(form.get("day", ""), "day")
    version = form.get("version", "")
    return Exam(
        exam=form["exam"],
        paper=form.get("paper", ""),
        day=day,
        zone=zone,
        profile=profile.name,
        version=int(version) if version.isdecimal() and len(version) < 16 else 0,
        has_rule=False,
    ), profile


@blueprint.get("/one")
@may(Action.SEE_ROSTER)
def one() -> ResponseReturnValue:
    """By its name in the query: exams are named freely, with any sign in them."""
    if "exam" not in request.args:
        return redirect(url_for("exams.listing"), 303)
    return _one(request.args["exam"])


def _one(name: str, typed: Mapping[str, str] | None = None, wrong: Wrong | None = None) -> str:
    exam = _exam(name)
    now, zone = now_utc_ms(), zone_of(exam.zone or parts().settings.zone)
    with parts().store.read() as connection:
        found = exams.sittings_of(connection, name)
    return render_template(
        "exam.html",
        exam=exam,
        sittings=[(each, each.state(now)) for each in found],
        at=at_in(zone),
        exam_zone=exam.zone or parts().settings.zone,
        typed=typed or exam._asdict() | {"profile": exam.profile or STANDARD},
        wrong=wrong or {},
        profiles=_profiles(),
        zones=_zones(),
        **_shared(),
    )


def _exam(name: str) -> Exam:
    with parts().store.read() as connection:
        found = exams.one(connection, name)
    if found is None:
        abort(404)
    return found


@blueprint.post("/change")
@may(Action.SET_UP_EXAMS)
def change() -> ResponseReturnValue:
    form = request.form
    if any(name not in form for name in ("exam", "version")):
        abort(400)
    name = _exam(form["exam"]).exam
    try:
        wanted, profile = _typed_exam(form)
        with parts().store.write() as connection:
            exams.change(connection, actor(), wanted, profile, now_utc_ms())
    except Refusal as refused:
        return Response(_one(name, form, {refused.field: refused.said}), 422)
    except Overtaken as overtaken:
        return Response(_one(name, wrong={"": str(overtaken)}), 409)
    flash(_("The exam is changed. Sittings that are planned keep their times and how they are watched."))
    return redirect(url_for("exams.one", exam=name), 303)


# --- sittings -------------------------------------------------------------------------------------------------------


@blueprint.get("/sittings/new")
@may(Action.SET_UP_EXAMS)
def ask_to_plan() -> ResponseReturnValue:
    if "exam" not in request.args:
        return redirect(url_for("exams.listing"), 303)
    exam = _exam(request.args["exam"])
    day = f"{exam.day}T" if exam.day else ""
    typed = {"start": f"{day}09:00" if day else "", "end": f"{day}12:00" if day else "", "empty": "15"}
    return _ask_to_plan(exam, typed | {"profile": exam.profile or STANDARD}, [], {})


def _ask_to_plan(exam: Exam, typed: Mapping[str, str], chosen: list[str], wrong: Wrong) -> str:
    with parts().store.read() as connection:
        rooms = exams.rooms(connection)
    return render_template(
        "sitting_new.html",
        exam=exam,
        exam_zone=exam.zone or parts().settings.zone,
        rooms=rooms,
        chosen=chosen,
        typed=typed,
        wrong=wrong,
        profiles=_profiles(),
    )


@blueprint.post("/sittings")
@may(Action.SET_UP_EXAMS)
def plan() -> ResponseReturnValue:
    form = request.form
    if any(name not in form for name in ("exam", "start", "end")):
        abort(400)
    exam, chosen = _exam(form["exam"]), form.getlist("room")
    try:
        times, empty_ms = _typed_times(form, exam.zone)
        with parts().store.write() as connection:
            profile = profiles.one(connection, form.get("profile", ""), parts().settings.proctoring_mode)
            if profile is None:
                raise Refusal("There is no profile of that name: choose one of the list.", field="profile")
            made = exams.plan(connection, actor(), exam.exam, chosen, profile, times, empty_ms, now_utc_ms())
    except Refusal as refused:
        return Response(_ask_to_plan(exam, form, chosen, {refused.field: refused.said}), 422)
    except CannotPlan as cannot:
        return Response(_ask_to_plan(exam, form, chosen, {"": sentence(cannot)}), 422)
    flash(ngettext("%(num)d sitting is planned.", "%(num)d sittings are planned.", len(made)))
    return redirect(url_for("exams.one", exam=exam.exam), 303)


def _typed_times(form: Mapping[str, str], zone_name: str) -> tuple[tuple[int, int], int]:
    """((start, end) in UTC ms, how long before the start the seats are empty in ms). Raises Refusal."""
    zone = zone_of(zone_name or parts().settings.zone)
    start, end = (local_time.read(form.get(name, ""), zone, name) for name in ("start", "end"))
    if end <= start:
        raise Refusal("The sitting must end after it starts.", field="end")
    try:
        empty_ms = durations.read(form.get("empty", ""))
    except NotALength:
        empty_ms = -1
    if not 0 <= empty_ms <= MOST_EMPTY_MS:
        raise Refusal("Write minutes from 0 to 720, as 15 or 0:15.", field="empty")
    return (start, end), empty_ms


@blueprint.get("/sittings/<sitting>")
@may(Action.SET_UP_EXAMS)
def sitting(sitting: str) -> ResponseReturnValue:
    return _show(_sitting(sitting), {}, {})


def _sitting(name: str) -> Sitting:
    with parts().store.read() as connection:
        found = exams.sitting(connection, name)
    if found is None:
        abort(404)
    return found


def _show(found: Sitting, typed: Mapping[str, str], wrong: Wrong) -> str:
    exam = _exam(found.exam)
    zone = zone_of(exam.zone or parts().settings.zone)
    empty_ms = 0 if found.empty_from_utc_ms is None else found.start_utc_ms - found.empty_from_utc_ms
    kept = {
        "start": local_time.written(found.start_utc_ms, zone),
        "end": local_time.written(found.end_utc_ms, zone),
        "empty": durations.write(empty_ms),
        "reason": "",
    }
    return render_template(
        "sitting_times.html",
        sitting=found,
        state=found.state(now_utc_ms()),
        exam=exam,
        exam_zone=exam.zone or parts().settings.zone,
        at=at_in(zone),
        typed=kept | dict(typed),
        wrong=wrong,
        **_shared(),
    )


def _changed(name: str, act: Callable[[Sitting], None], done: str) -> ResponseReturnValue:
    """Do it, or show the page with what was typed and why not."""
    found = _sitting(name)
    if not request.form.get("version", "").isdecimal():
        abort(400)
    try:
        act(found)
    except Refusal as refused:
        return Response(_show(found, request.form, {refused.field: refused.said}), 422)
    except CannotPlan as cannot:
        return Response(_show(found, request.form, {"": sentence(cannot)}), 422)
    except Overtaken as overtaken:
        return Response(_show(_sitting(name), {}, {"": str(overtaken)}), 409)
    flash(done)
    return redirect(url_for("exams.one", exam=found.exam), 303)


@blueprint.post("/sittings/<sitting>/times")
@may(Action.SET_UP_EXAMS)
def retime(sitting: str) -> ResponseReturnValue:
    form = request.form

    def act(found: Sitting) -> None:
        (start, end), empty_ms = _typed_times(form, _exam(found.exam).zone)
        minute = 60_000
        if start == found.start_utc_ms // minute * minute:  # the form writes minutes; a sitting may begin between two
            start = found.start_utc_ms
        if end == found.end_utc_ms // minute * minute:
            end = found.end_utc_ms
        with parts().store.write() as connection:
            exams.retime(
                connection,
                actor(),
                sitting,
                int(form["version"]),
                (start, end),
                empty_ms,
                form.get("reason", ""),
                now_utc_ms(),
            )

    return _changed(sitting, act, _("The sitting has its new times, and the desks' plans follow."))


@blueprint.post("/sittings/<sitting>/end")
@may(Action.SET_UP_EXAMS)
def end(sitting: str) -> ResponseReturnValue:
    def act(found: Sitting) -> None:
        with parts().store.write() as connection:
            version, reason = int(request.form["version"]), request.form.get("reason", "")
            exams.end_now(connection, actor(), sitting, version, reason, now_utc_ms())

    return _changed(sitting, act, _("The sitting is ended."))


@blueprint.post("/sittings/<sitting>/cancel")
@may(Action.SET_UP_EXAMS)
def cancel(sitting: str) -> ResponseReturnValue:
    def act(found: Sitting) -> None:
        with parts().store.write() as connection:
            version, reason = int(request.form["version"]), request.form.get("reason", "")
            exams.cancel(connection, actor(), sitting, version, reason, now_utc_ms())

    return _changed(sitting, act, _("The sitting is cancelled: no desk records it."))
