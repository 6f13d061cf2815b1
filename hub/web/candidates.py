"""One candidate of a roster, by hand: a walk-in, another seat, what is granted, not come. The second of two who change
the same entry is shown what the first did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from hub.core import durations, roster_file
from hub.core.access import Action
from hub.core.audit import Deed
from hub.core.board import natural
from hub.core.roster import Candidate
from hub.core.said import Refusal
from hub.store import roster, roster_changes
from hub.store.roster_changes import CannotChange
from hub.web import deeds
from hub.web.clock import now_utc_ms
from hub.web.language import gettext as _
from hub.web.language import sentence
from hub.web.login import may
from hub.web.parts import parts
from hub.web.roster import place, show, sitting_named

blueprint = Blueprint("candidates", __name__, url_prefix="/sittings/<sitting>/roster/candidates")


@blueprint.post("/")
@may(Action.CHANGE_ROSTER)
def add(sitting: str) -> ResponseReturnValue:
    """A walk-in, or before the sitting somebody whom no file lists."""
    found, form = sitting_named(sitting), request.form
    if any(name not in form for name in ("number", "seat")):
        abort(400)
    try:
        entry = roster_file.one(form, found.end_utc_ms - found.start_utc_ms)
        with parts().store.write() as connection:
            now = now_utc_ms()
            is_walk_in = now >= found.start_utc_ms
            roster_changes.add(connection, deeds.actor(), sitting, entry, now, is_walk_in=is_walk_in)
    except Refusal as refused:
        return Response(show(sitting, {refused.field or "add": refused.said}, form), 422)
    except CannotChange as cannot:
        return Response(show(sitting, {"add": sentence(cannot)}, form), 422)
    flash(_("Candidate %(number)s sits at %(seat)s.", number=entry.number, seat=entry.seat))
    return redirect(url_for("roster.one", sitting=sitting), 303)


@blueprint.get("/<int:candidate_id>")
@may(Action.CHANGE_ROSTER)
def one(sitting: str, candidate_id: int) -> ResponseReturnValue:
    deeds.saw(Deed.VIEWED_ROSTER, f"sitting {sitting}")
    return _show_candidate(sitting, candidate_id, {}, {})


def _show_candidate(
    sitting: str, candidate_id: int, typed: Mapping[str, str], wrong: Mapping[str, Any], now: Candidate | None = None
) -> str:
    found = sitting_named(sitting)
    with parts().store.read() as connection:
        known = roster.candidates(connection, sitting)
        seats = sorted((each.label for each in roster.seats(connection, sitting)), key=natural)
        stays = [each for each in roster.stays(connection, sitting) if each.candidate_id == candidate_id]
    who = next((each for each in known if each.candidate_id == candidate_id), None)
    if who is None:
        abort(404)
    kept = {
        "name": who.name,
        "seat": who.seat,
        "extra": durations.write(who.extra_ms),
        "breaks": durations.write(who.break_ms),
    }
    return render_template(
        "roster_candidate.html",
        candidate=who,
        seats=seats,
        holders={each.seat: each for each in known if not each.is_no_show},
        stays=stays,
        typed=kept | {name: typed[name] for name in ("name", "seat", "extra", "breaks", "swap") if name in typed},
        wrong=wrong,
        overtaken=now,
        **place(found),
    )


def _changed(sitting: str, candidate_id: int, act: Callable[[int], None], done: str) -> ResponseReturnValue:
    """Do it, or show the page with what was typed and why not: to the second of two what the first has changed."""
    sitting_named(sitting)
    version = request.form.get("version", "")
    if not version.isdecimal() or len(version) > 15:
        abort(400)
    try:
        act(int(version))
    except Refusal as refused:
        return Response(_show_candidate(sitting, candidate_id, request.form, {refused.field: refused.said}), 422)
    except CannotChange as cannot:
        return Response(_show_candidate(sitting, candidate_id, request.form, {"": sentence(cannot)}), 422)
    except roster_changes.Overtaken as overtaken:
        if overtaken.now is None:
            abort(404)
        return Response(_show_candidate(sitting, candidate_id, request.form, {}, overtaken.now), 409)
    flash(done)
    return redirect(url_for("roster.one", sitting=sitting), 303)


@blueprint.post("/<int:candidate_id>/move")
@may(Action.CHANGE_ROSTER)
def move(sitting: str, candidate_id: int) -> ResponseReturnValue:
    seat = request.form.get("seat", "")

    def act(version: int) -> None:
        with parts().store.write() as connection:
            roster_changes.move(
                connection,
                deeds.actor(),
                sitting,
                candidate_id,
                version,
                seat,
                now_utc_ms(),
                is_swap="swap" in request.form,
            )

    return _changed(sitting, candidate_id, act, _("The seat is changed, and the desks' plans follow."))


@blueprint.post("/<int:candidate_id>/change")
@may(Action.CHANGE_ROSTER)
def change(sitting: str, candidate_id: int) -> ResponseReturnValue:
    found, form = sitting_named(sitting), request.form

    def act(version: int) -> None:
        name, extra_ms, break_ms = roster_file.granted(form, found.end_utc_ms - found.start_utc_ms)
        with parts().store.write() as connection:
            roster_changes.change(
                connection,
                deeds.actor(),
                sitting,
                candidate_id,
                version,
                now_utc_ms(),
                name=name,
                extra_ms=extra_ms,
                break_ms=break_ms,
            )

    return _changed(sitting, candidate_id, act, _("The entry is changed, and the desk's plan follows."))


@blueprint.post("/<int:candidate_id>/no-show")
@may(Action.CHANGE_ROSTER)
def no_show(sitting: str, candidate_id: int) -> ResponseReturnValue:
    is_no_show = request.form.get("came", "") != "yes"

    def act(version: int) -> None:
        with parts().store.write() as connection:
            who, now = deeds.actor(), now_utc_ms()
            roster_changes.mark_no_show(connection, who, sitting, candidate_id, version, now, is_no_show=is_no_show)

    done = _("The candidate is marked as not having come.") if is_no_show else _("The candidate is here after all.")
    return _changed(sitting, candidate_id, act, done)
