"""One seat as it is set up: its desk unit and the spares that could take its place, its label, and what its camera is
not to see."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from agent import wire
from hub.core import mask_fields
from hub.core.access import Action
from hub.core.board import heartbeat_of, presence_of
from hub.store import desks, rooms, seat_history
from hub.store.planning import CannotPlan
from hub.store.rooms import CannotSetUp, Seat
from hub.web.clock import now_utc_ms
from hub.web.deeds import actor
from hub.web.language import gettext as _
from hub.web.language import sentence
from hub.web.login import may
from hub.web.parts import parts
from hub.web.rooms import room_or_404

blueprint = Blueprint("room_seats", __name__, url_prefix="/rooms")

OVERTAKEN = (
    "Somebody else changed the masks of this seat meanwhile. Save again to put these in place of theirs, or load the "
    "page again to see theirs."
)


def _seat_or_404(room_id: int, seat_id: int) -> Seat:
    with parts().store.read() as connection:
        found = rooms.seat(connection, room_id, seat_id)
    if found is None:
        abort(404)
    return found


def _field(name: str) -> str:
    found = request.form.get(name)
    if found is None:
        abort(400)
    return found


@blueprint.get("/<int:room_id>/<int:seat_id>")
@may(Action.SET_UP_ROOMS)
def one(room_id: int, seat_id: int) -> ResponseReturnValue:
    return _show(_seat_or_404(room_id, seat_id))


def _show(seat: Seat, wrong: str = "", at: str = "", typed: str = "") -> str:
    """The seat's page; `wrong` is what could not be done by the form called `at`, `typed` what was filled in."""
    now = now_utc_ms()
    row = seat_history.seat_row(parts().store, seat.seat_id)
    return render_template(
        "room_seat.html",
        seat=seat,
        presence_now=str(presence_of(row, now)) if row and seat.unit else "",
        heartbeat=heartbeat_of(row) if row else None,
        heard_utc_ms=row["heartbeat_utc_ms"] if row else None,
        spares=desks.spares(parts().store, now),
        exam_on=room_or_404(seat.room_id).exam_on,
        masks=desks.masks_of(seat),
        wrong=wrong,
        at=at,
        typed=typed,
        most_name=rooms.MOST_NAME,
    )


@blueprint.post("/<int:room_id>/<int:seat_id>/desk")
@may(Action.SET_UP_ROOMS)
def put_desk(room_id: int, seat_id: int) -> ResponseReturnValue:
    """Another desk for the seat; with `unit` empty its desk is taken away. `seen`: the one that stood there."""
    seat, unit, seen = _seat_or_404(room_id, seat_id), _field("unit"), _field("seen")
    try:
        with parts().store.write() as connection:
            now = now_utc_ms()
            if unit:
                desks.put_desk(connection, actor(), seat, unit, now, seen)
            else:
                desks.take_away(connection, actor(), seat, now, seen)
    except CannotSetUp as cannot:
        return Response(_show(_seat_or_404(room_id, seat_id), sentence(cannot), "desk", unit), 422)
    if unit:
        told = _(
            "%(unit)s stands at seat %(label)s now. It has the seat's plan as soon as it is connected.",
            unit=unit,
            label=seat.label,
        )
    else:
        told = _("%(unit)s is a spare desk now, with nothing planned.", unit=seat.unit)
    flash(told)
    return redirect(url_for("room_seats.one", room_id=room_id, seat_id=seat_id), 303)


@blueprint.post("/<int:room_id>/<int:seat_id>/rename")
@may(Action.SET_UP_ROOMS)
def rename(room_id: int, seat_id: int) -> ResponseReturnValue:
    seat, label = _seat_or_404(room_id, seat_id), _field("label")
    try:
        with parts().store.write() as connection:
            label = rooms.rename_seat(connection, actor(), seat, label, now_utc_ms())
    except (CannotSetUp, CannotPlan) as cannot:
        return Response(_show(seat, sentence(cannot), "label", label), 422)
    flash(_("The seat is called %(label)s now.", label=label))
    return redirect(url_for("room_seats.one", room_id=room_id, seat_id=seat_id), 303)


@blueprint.post("/<int:room_id>/<int:seat_id>/remove")
@may(Action.SET_UP_ROOMS)
def remove(room_id: int, seat_id: int) -> ResponseReturnValue:
    seat, _really = _seat_or_404(room_id, seat_id), _field("really")
    try:
        with parts().store.write() as connection:
            rooms.remove_seat(connection, actor(), seat, now_utc_ms())
    except CannotSetUp as cannot:
        return Response(_show(seat, sentence(cannot), "remove"), 422)
    flash(_("Seat %(label)s is removed.", label=seat.label))
    return redirect(url_for("rooms.one", room_id=room_id), 303)


# --- masks ----------------------------------------------------------------------------------------------------------


@blueprint.get("/<int:room_id>/<int:seat_id>/masks")
@may(Action.SET_UP_ROOMS)
def masks(room_id: int, seat_id: int) -> ResponseReturnValue:
    seat = _seat_or_404(room_id, seat_id)
    known = desks.masks_of(seat)
    return _masks(seat, [mask.kind for mask in known], [mask_fields.text_of(mask) for mask in known])


def _masks(
    seat: Seat, kinds: Sequence[str], corners: Sequence[str], wrong: dict[int, str] | None = None, refused: str = ""
) -> str:
    still = parts().folder.still(seat.unit) if seat.unit else None
    return render_template(
        "room_masks.html",
        seat=seat,
        fields=list(zip(kinds, corners, strict=True)),
        wrong=wrong or {},
        refused=refused,
        seen=_fingerprint(seat),
        still_utc_ms=still.received_utc_ms if still else None,
        most=wire.MAX_MASKS,
        most_corners=mask_fields.MOST_CORNERS,
    )


def _fingerprint(seat: Seat) -> str:
    return wire.sha256_hex(seat.masks.encode())


@blueprint.post("/<int:room_id>/<int:seat_id>/masks")
@may(Action.SET_UP_ROOMS)
def draw_masks(room_id: int, seat_id: int) -> ResponseReturnValue:
    seat = _seat_or_404(room_id, seat_id)
    kinds, corners = request.form.getlist("kind"), request.form.getlist("points")
    if len(kinds) != len(corners) or "seen" not in request.form:
        abort(400)
    found = mask_fields.read(kinds, corners)
    if found.wrong:
        wrong = {at: sentence(ValueError(why)) for at, why in found.wrong.items()}
        return Response(_masks(seat, kinds, corners, wrong), 422)
    if request.form["seen"] != _fingerprint(seat):
        return Response(_masks(seat, kinds, corners, refused=_(OVERTAKEN)), 409)
    try:
        with parts().store.write() as connection:
            desks.draw_masks(connection, actor(), seat, found.masks, now_utc_ms())
    except CannotPlan as cannot:
        return Response(_masks(seat, kinds, corners, refused=sentence(cannot)), 422)
    flash(_("%(count)s masks are saved; the desk has them as soon as it is connected.", count=len(found.masks)))
    return redirect(url_for("room_seats.masks", room_id=room_id, seat_id=seat_id), 303)


@blueprint.get("/<int:room_id>/<int:seat_id>/picture.jpg")
@may(Action.SET_UP_ROOMS)
def picture(room_id: int, seat_id: int) -> ResponseReturnValue:
    """The newest live picture of the seat's desk, which is kept nowhere."""
    seat = _seat_or_404(room_id, seat_id)
    still = parts().folder.still(seat.unit) if seat.unit else None
    if still is None:
        abort(404)
    return Response(still.jpeg, mimetype="image/jpeg", headers={"Cache-Control": "no-store"})
