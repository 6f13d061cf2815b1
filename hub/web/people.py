"""The accounts, for admins to see who may log in. They are changed on the hub itself, by `ems-hub user`."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from hub.core.access import Action
from hub.store import people
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("people", __name__, url_prefix="/people")


@blueprint.get("/")
@may(Action.SEE_PEOPLE)
def listing() -> ResponseReturnValue:
    return render_template("people.html", everyone=people.everyone(parts().store))
