"""The card for the room: what each rhythm of the lamp means and what to do, on one sheet of paper."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from hub.core import card
from hub.core.access import Action
from hub.web.login import may

blueprint = Blueprint("card", __name__, url_prefix="/card")


@blueprint.get("/")
@may(Action.SEE_CARD)
def page() -> ResponseReturnValue:
    return render_template("card.html", rows=card.rows(), shown_s=card.SHOWN_MS // 1000)
