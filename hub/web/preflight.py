"""The pre-flight of a sitting: every seat with what fails in words, the start, drills and lamps seen."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from hub.core import preflight as core
from hub.core import room_map
from hub.core.access import Action
from hub.core.preflight import Check, Level, SeatReport
from hub.store import preflight as store
from hub.store.preflight import CannotStart, Examined
from hub.web import deeds
from hub.web.clock import day_text, now_utc_ms, size_text
from hub.web.language import gettext as _
from hub.web.language import localised, tr
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("preflight", __name__, url_prefix="/sittings/<sitting>/preflight")


@functools.cache
def _software() -> str:
    return metadata.version("exam-monitoring-system")


def words(check: Check | Mapping[str, Any]) -> str:
    """How an item is, in the reader's language."""
    text, values = (check.words, check.values) if isinstance(check, Check) else (check["words"], {})
    shown = {name: _value(name, value) for name, value in values.items()}
    return tr(text).format(**shown) if shown else tr(text)


def _value(name: str, value: Any) -> str:
    if name.endswith("_bytes"):
        return localised(size_text(value))
    if name.endswith("_utc_ms"):
        return day_text(value, parts().zone)
    return tr(value) if name.startswith("tr_") else str(value)


@blueprint.get("/")
@may(Action.RUN_SITTING)
def page(sitting: str) -> ResponseReturnValue:
    return _show(sitting)


def _show(name: str, wrong: str = "", needed: tuple[str, ...] = (), typed: Mapping[str, str] | None = None) -> str:
    now = now_utc_ms()
    with parts().store.read() as connection:
        found = store.sitting_of(connection, name)
        if found is None:
            abort(404)
        examined = store.examine(connection, found, now, _software())
        overrides = store.overrides(connection, name)
        drilled = store.drills(connection, name, now)
    return render_template(
        "preflight.html",
        sitting=found,
        examined=examined,
        worst=sorted(examined.reports, key=_by_worst),
        counts={level: sum(report.level is level for report in examined.reports) for level in Level},
        desks=sum(report.unit is not None for report in examined.reports),
        grid=_grid(examined),
        overrides=overrides,
        drilled=drilled,
        is_running=found.start_utc_ms <= now < found.latest_end_utc_ms,
        is_over=found.latest_end_utc_ms <= now,
        items=core.ITEM_WORDS,
        items_of=core.items_of,
        say=words,
        wrong=wrong,
        needed=needed,
        typed=typed or {},
        most=store.MAX_REASON_CHARS,
    )


_ORDER = {Level.RED: 0, Level.AMBER: 1, Level.GREEN: 2}


def _by_worst(report: SeatReport) -> int:
    """Within a level in the order of the labels, as they are."""
    return _ORDER[report.level]


def _grid(examined: Examined) -> list[list[SeatReport | None]]:
    """The map, row by row."""
    layout = room_map.layout(examined.seats, examined.sitting.map_columns, examined.sitting.map_rows)
    by_number = {examined.places[report.label][0]: report for report in examined.reports}
    grid: list[list[SeatReport | None]] = [[None] * layout.columns for _row in range(layout.rows)]
    for seat_id, (x, y) in layout.cells.items():
        grid[y][x] = by_number.get(seat_id)
    return grid


def _typed(examined_places: Mapping[str, tuple[int, str]], prefix: str) -> dict[str, str]:
    """The form's fields `prefix` and a seat's number, by the seat's label."""
    return {
        label: request.form.get(f"{prefix}{seat_id}", "").strip()
        for label, (seat_id, _number) in examined_places.items()
    }


@blueprint.post("/start")
@may(Action.RUN_SITTING)
def start(sitting: str) -> ResponseReturnValue:
    now = now_utc_ms()
    with parts().store.read() as connection:
        found = store.sitting_of(connection, sitting)
        if found is None:
            abort(404)
        places = store.examine(connection, found, now, _software()).places
    own, for_all = _typed(places, "reason-"), request.form.get("reason-all", "").strip()
    reasons = {label: reason or for_all for label, reason in own.items()}
    typed = own | {"": for_all}
    try:
        with parts().store.write() as connection:
            examined = store.start(
                connection, sitting, reasons, _typed(places, "seen-"), deeds.actor(), now, _software()
            )
    except core.Missing as missing:
        wrong = _(
            "Not started: these seats are not green and have no reason, or something else fails there now: %(seats)s.",
            seats=", ".join(missing.labels),
        )
        return Response(_show(sitting, wrong, missing.labels, typed), 422)
    except CannotStart as cannot:
        return Response(_show(sitting, _("Not started: %(why)s.", why=tr(str(cannot))), (), typed), 422)
    if examined.sitting.opened_utc_ms is not None:
        flash(_("The sitting was started before, by %(name)s.", name=examined.sitting.opened_by))
    else:
        flash(_("Started. The desks are told; below is how many of them record."))
    return redirect(url_for("preflight.page", sitting=sitting), 303)


@blueprint.post("/drill")
@may(Action.RUN_SITTING)
def drill(sitting: str) -> ResponseReturnValue:
    seat = request.form.get("seat", "")
    try:
        with parts().store.write() as connection:
            asked = store.ask_for_drills(
                connection,
                sitting,
                frozenset([seat] if seat else []),
                request.form.get("reason", ""),
                deeds.actor(),
                now_utc_ms(),
            )
    except CannotStart as cannot:
        with parts().store.read() as connection:
            if store.sitting_of(connection, sitting) is None:
                abort(404)
        return Response(_show(sitting, _("No drill: %(why)s.", why=tr(str(cannot)))), 422)
    flash(
        _(
            "Drill asked for at %(seats)s. The lamps show it for ten seconds; a desk's button says that its was seen.",
            seats=", ".join(asked),
        )
    )
    return redirect(url_for("preflight.page", sitting=sitting, _anchor="drills"), 303)


@blueprint.post("/lamp")
@may(Action.RUN_SITTING)
def lamp(sitting: str) -> ResponseReturnValue:
    seat = request.form.get("seat", "")
    try:
        with parts().store.write() as connection:
            store.saw_lamp(connection, sitting, seat, deeds.actor(), now_utc_ms())
    except CannotStart as cannot:
        with parts().store.read() as connection:
            if store.sitting_of(connection, sitting) is None:
                abort(404)
        return Response(_show(sitting, f"{tr(str(cannot))}."), 422)
    flash(_("Kept: the lamp at %(seat)s was seen to work.", seat=seat))
    return redirect(url_for("preflight.page", sitting=sitting), 303)
