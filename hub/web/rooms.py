"""Rooms: which there are, each one's map, and seats made by a pattern that is looked at before it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from hub.core import seat_pattern
from hub.core.access import Action
from hub.core.board import presence_of
from hub.core.room_map import Cell, Layout, layout
from hub.core.seat_pattern import BadPattern, Order, Pattern, Scheme
from hub.store import desks, rooms
from hub.store.planning import CannotPlan
from hub.store.rooms import CannotSetUp, MapChanged, RoomRead
from hub.web.clock import now_utc_ms
from hub.web.deeds import actor
from hub.web.language import gettext as _
from hub.web.language import sentence
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("rooms", __name__, url_prefix="/rooms")

PATTERN_FIELDS = {"columns": "6", "rows": "5", "scheme": "row_letter", "prefix": "", "start": "1", "digits": "1"}
PATTERN_FIELDS |= {"order": "left"}
"""What stands in the form until somebody types."""


def room_or_404(room_id: int) -> RoomRead:
    found = rooms.read(parts().store, room_id, now_utc_ms())
    if found is None:
        abort(404)
    return found


def _form(*names: str) -> dict[str, str]:
    if any(name not in request.form for name in names):
        abort(400)
    return {name: request.form[name] for name in names}


# --- all rooms ------------------------------------------------------------------------------------------------------


@blueprint.get("/")
@may(Action.SEE_SEATS)
def listing() -> ResponseReturnValue:
    return _list()


def _list(wrong: str = "", typed: str = "") -> str:
    now = now_utc_ms()
    return render_template(
        "rooms.html",
        rooms=rooms.rooms(parts().store, now),
        spares=desks.spares(parts().store, now),
        wrong=wrong,
        typed=typed,
        most_name=rooms.MOST_NAME,
    )


@blueprint.post("/")
@may(Action.SET_UP_ROOMS)
def make() -> ResponseReturnValue:
    name = _form("name")["name"]
    try:
        with parts().store.write() as connection:
            room_id = rooms.make_room(connection, actor(), name, now_utc_ms())
    except CannotSetUp as cannot:
        return Response(_list(sentence(cannot), name), 422)
    return redirect(url_for("rooms.add_seats_form", room_id=room_id), 303)


# --- one room -------------------------------------------------------------------------------------------------------


@blueprint.get("/<int:room_id>")
@may(Action.SEE_SEATS)
def one(room_id: int) -> ResponseReturnValue:
    return _show(room_or_404(room_id))


def _show(room: RoomRead, wrong: str = "", at: str = "", typed: Mapping[str, str] | None = None) -> str:
    """The room's page; `wrong` is what could not be done by the form called `at`, `typed` what was filled in."""
    now = now_utc_ms()
    shown = layout(room.seats, room.columns, room.rows)
    return render_template(
        "room.html",
        room=room,
        shown=shown,
        grid=grid(room, shown),
        presences={seat["unit"]: str(presence_of(seat, now)) for seat in room.seats if seat["unit"]},
        spares=desks.spares(parts().store, now),
        wrong=wrong,
        at=at,
        typed=typed or {},
        most_name=rooms.MOST_NAME,
    )


def grid(room: RoomRead, shown: Layout, more: Mapping[int, Mapping[str, Any]] | None = None) -> list[list[Any]]:
    """The map row by row, each cell a seat or None."""
    by_id = {seat["seat_id"]: seat for seat in room.seats} | dict(more or {})
    found: list[list[Any]] = [[None] * shown.columns for _row in range(shown.rows)]
    for seat_id, (x, y) in shown.cells.items():
        found[y][x] = by_id[seat_id]
    return found


@blueprint.post("/<int:room_id>/rename")
@may(Action.SET_UP_ROOMS)
def rename(room_id: int) -> ResponseReturnValue:
    form = _form("name")
    room = room_or_404(room_id)
    try:
        with parts().store.write() as connection:
            rooms.rename_room(connection, actor(), room_id, form["name"], now_utc_ms())
    except (CannotSetUp, CannotPlan) as cannot:
        return Response(_show(room, sentence(cannot), "rename", form), 422)
    flash(_("The room is renamed. What was recorded under its earlier name is still found here."))
    return redirect(url_for("rooms.one", room_id=room_id), 303)


@blueprint.post("/<int:room_id>/delete")
@may(Action.SET_UP_ROOMS)
def delete(room_id: int) -> ResponseReturnValue:
    _form("really")
    room = room_or_404(room_id)
    try:
        with parts().store.write() as connection:
            name = rooms.delete_room(connection, actor(), room_id, now_utc_ms())
    except CannotSetUp as cannot:
        return Response(_show(room, sentence(cannot), "delete"), 422)
    flash(_("The room %(name)s is removed.", name=name))
    return redirect(url_for("rooms.listing"), 303)


@blueprint.post("/<int:room_id>/map")
@may(Action.SET_UP_ROOMS)
def save_map(room_id: int) -> ResponseReturnValue:
    """From the page, moved by pointer or keys, or typed as numbers: columns and rows of people begin with 1."""
    room = room_or_404(room_id)
    form = request.form.to_dict()
    if "columns" not in form or "rows" not in form:
        abort(400)
    try:
        size = (_number(form["columns"], _("columns")), _number(form["rows"], _("rows")))
        moves = {seat["seat_id"]: _move(seat, form) for seat in room.seats if f"x-{seat['seat_id']}" in form}
        with parts().store.write() as connection:
            moved = rooms.save_map(connection, actor(), room_id, size, moves, now_utc_ms())
    except CannotSetUp as cannot:
        return Response(_show(room, sentence(cannot), "map", form), 409 if isinstance(cannot, MapChanged) else 422)
    flash(_("The map is saved; %(count)s seats were moved.", count=moved))
    return redirect(url_for("rooms.one", room_id=room_id), 303)


def _number(text: str, what: str) -> int:
    if not (text.strip().isascii() and text.strip().isdigit() and len(text.strip()) <= 6):
        raise CannotSetUp(_("%(what)s: %(text)s is not a number", what=what, text=repr(text[:20])))
    return int(text)


def _move(seat: Mapping[str, Any], form: Mapping[str, str]) -> tuple[Cell | None, Cell | None]:
    """(where it was seen, where it is to be)."""
    number = seat["seat_id"]
    return (
        _cell(form.get(f"was-{number}", "").partition(" ")[::2], seat["label"]),
        _cell((form[f"x-{number}"], form.get(f"y-{number}", "")), seat["label"]),
    )


def _cell(texts: tuple[str, str], label: str) -> Cell | None:
    x, y = (text.strip() for text in texts)
    if not x and not y:
        return None
    if not x or not y:
        raise CannotSetUp(_("seat %(label)s needs both a column and a row, or neither", label=label))
    what = _("seat %(label)s", label=label)
    return _number(x, what) - 1, _number(y, what) - 1


# --- seats by a pattern ---------------------------------------------------------------------------------------------


@blueprint.get("/<int:room_id>/add")
@may(Action.SET_UP_ROOMS)
def add_seats_form(room_id: int) -> ResponseReturnValue:
    """The form, and with its fields in the address what they would add."""
    return _pattern_page(room_or_404(room_id), request.args)


def _pattern_page(room: RoomRead, given: Mapping[str, str], wrong: str = "") -> str:
    typed = {field: given.get(field, default) for field, default in PATTERN_FIELDS.items()}
    errors: dict[str, str] = {}
    proposal, shown, cells = None, None, []
    if "columns" in given:
        try:
            proposal = seat_pattern.propose(_pattern(typed), room.seats, list(room.former_labels))
            shown = seat_pattern.preview(proposal, room.seats)
            new = {-n: {"seat_id": -n, "label": label} for n, (label, _at) in enumerate(proposal.added, 1)}
            cells = grid(room, shown, new)
        except BadPattern as bad:
            errors[bad.field] = sentence(bad)
    return render_template(
        "room_add.html",
        room=room,
        typed=typed,
        errors=errors,
        wrong=wrong,
        proposal=proposal,
        placed={seat_id for seat_id, _label, _at in proposal.placed} if proposal else set(),
        seen=rooms.fingerprint(proposal) if proposal else "",
        grid=cells,
        schemes=seat_pattern.SCHEME_WORDS,
        orders=seat_pattern.ORDER_WORDS,
    )


def _pattern(typed: Mapping[str, str]) -> Pattern:
    """Raises BadPattern."""
    numbers = {}
    for field in ("columns", "rows", "start", "digits"):
        text = typed[field].strip()
        if not (text.isascii() and text.isdigit() and len(text) <= 6):
            raise BadPattern(field, _("write a whole number"))
        numbers[field] = int(text)
    try:
        scheme, order = Scheme(typed["scheme"]), Order(typed["order"])
    except ValueError:
        raise BadPattern("scheme", _("choose one of the list")) from None
    return Pattern(scheme=scheme, order=order, prefix=typed["prefix"].lstrip(), **numbers)


@blueprint.post("/<int:room_id>/add")
@may(Action.SET_UP_ROOMS)
def add_seats(room_id: int) -> ResponseReturnValue:
    form = _form(*PATTERN_FIELDS, "seen")
    room = room_or_404(room_id)
    try:
        with parts().store.write() as connection:
            made = rooms.add_seats(connection, actor(), room_id, _pattern(form), form["seen"], now_utc_ms())
    except BadPattern:
        return Response(_pattern_page(room, form), 422)
    except CannotSetUp as cannot:
        return Response(_pattern_page(room_or_404(room_id), form, sentence(cannot)), 409)
    flash(_("%(count)s seats were added to the room.", count=len(made.added)))
    return redirect(url_for("rooms.one", room_id=room_id), 303)


@blueprint.post("/<int:room_id>/seat")
@may(Action.SET_UP_ROOMS)
def add_seat(room_id: int) -> ResponseReturnValue:
    """A single one, with a label of its own."""
    form = _form("label")
    room = room_or_404(room_id)
    try:
        with parts().store.write() as connection:
            rooms.add_seat(connection, actor(), room_id, form["label"], now_utc_ms())
    except CannotSetUp as cannot:
        return Response(_show(room, sentence(cannot), "seat", form), 422)
    flash(_("The seat is added. It stands below the others until it is moved to its place."))
    return redirect(url_for("rooms.one", room_id=room_id), 303)
