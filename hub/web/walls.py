"""Wall screens: an admin lets one in, sees when it was last there, and shuts it out."""

from __future__ import annotations

import secrets

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from hub.core.access import Action
from hub.store import walls as store
from hub.store.walls import CannotAdd, NoSuchWall
from hub.web import deeds
from hub.web.clock import now_utc_ms
from hub.web.language import gettext as _
from hub.web.language import sentence
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("walls", __name__, url_prefix="/walls")


@blueprint.get("/")
@may(Action.SET_UP_WALLS)
def listing() -> ResponseReturnValue:
    return _show()


def _show(wrong: str = "", made: str = "") -> str:
    """The page; `made` is the address of a screen just let in, shown this once."""
    found = store.everyone(parts().store)
    return render_template(
        "walls.html", walls=found, rooms=store.rooms(parts().store), wrong=wrong, made=made, typed=request.form
    )


@blueprint.post("/")
@may(Action.SET_UP_WALLS)
def add() -> ResponseReturnValue:
    if "name" not in request.form:
        abort(400)
    token = secrets.token_urlsafe(32)
    name, room = request.form["name"], request.form.get("room", "")
    try:
        store.add(parts().store, name, token, room, "pictures" in request.form, deeds.actor(), now_utc_ms())
    except CannotAdd as cannot:
        return Response(_show(wrong=sentence(cannot)), 422)
    # What follows # is sent to no server and stands in no log.
    return _show(made=f"{url_for('wall.page', _external=True)}#{token}")


@blueprint.post("/<int:wall_id>/revoke")
@may(Action.SET_UP_WALLS)
def revoke(wall_id: int) -> ResponseReturnValue:
    try:
        wall = store.revoke(parts().store, wall_id, deeds.actor(), now_utc_ms())
    except NoSuchWall:
        abort(404)
    flash(_("%(name)s is shut out.", name=wall.name))
    return redirect(url_for("walls.listing"), 303)
