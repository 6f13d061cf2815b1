"""What people ask of a seat's film: the stretch, the reason, and the answers when there is none to give."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

from flask import abort, current_app, jsonify, make_response, render_template, request

from hub.core.film import Where
from hub.store import film as store
from hub.store.film import Reel, Seat
from hub.web import film_view
from hub.web.film_view import REASONS
from hub.web.language import tr
from hub.web.parts import parts
from hub.web.security import Trouble, wants_json

LONGEST_MS = 86_400_000


class Asked(NamedTuple):
    seat: Seat
    from_utc_ms: int
    until_utc_ms: int
    incident_id: int | None

    @property
    def objects(self) -> list[str]:
        """What the audit log names."""
        return [f"seat {self.seat.seat_id}"] + ([f"incident {self.incident_id}"] if self.incident_id else [])


def read(seat_id: int, values: Any) -> Asked:
    try:
        seat = store.seat(parts().store, seat_id)
    except store.NoSuchSeat:
        abort(404)
    told = [values.get(name, "") for name in ("from", "to")]
    if not all(text.isdecimal() and len(text) < 16 for text in told):
        abort(400)
    begin, end = int(told[0]), int(told[1])
    if not begin < end <= begin + LONGEST_MS:
        abort(400)
    number = values.get("incident", "")
    is_number = number.isdecimal() and len(number) < 16
    found = store.incident(parts().store, int(number)) if is_number else None
    is_here = found is not None and (found["room"], found["seat"]) == (seat.room, seat.label)
    return Asked(seat, begin, end, int(number) if is_here else None)


def refuse(code: int, trouble: Trouble) -> NoReturn:
    if wants_json() or request.accept_mimetypes.best == "application/json":
        answer = jsonify(error=code, title=tr(trouble.title), happened=tr(trouble.happened), todo=tr(trouble.todo))
    else:
        answer = make_response(render_template("trouble.html", code=code, trouble=trouble))
    answer.status_code = code
    abort(answer)


def check_reason(reel: Reel, values: Any, now: int) -> dict[str, str]:
    """The reason of a look, as the audit log keeps it; a sitting that is over is not looked at without one."""
    reason, why = values.get("reason", ""), values.get("why", "").strip()[:500]
    told = ({"reason": reason} if reason in REASONS else {}) | ({"why": why} if why else {})
    if film_view.needs_reason(reel, now) and ("reason" not in told or (reason == "other" and not why)):
        refuse(
            422,
            Trouble(
                "A reason is missing",
                "The sitting is over. Whoever looks at its film says why, and that is recorded. Nothing was played.",
                "Choose a reason; with Other, write it down.",
            ),
        )
    return told


def nothing(reel: Reel, asked: Asked, now: int) -> NoReturn:
    """There is nothing to play: which state that is."""
    found = {part.where for part in film_view.parts_of(reel, asked.from_utc_ms, asked.until_utc_ms, now)}
    if found & {Where.ON_DESK, Where.WRITTEN}:
        happened = (
            "The film of that time has not come to the hub yet: the desk is recording it now."
            if Where.ON_DESK not in found
            else "The film of that time is still on the desk and has not come to the hub yet."
        )
        refuse(409, Trouble("The film is not here yet", happened, "Wait, or choose Fetch now on the page of the seat."))
    happened = (
        "The film of that time was removed by rule. The certificate about it and the signed records are kept."
        if Where.PURGED in found
        else "Nothing is known to be recorded at that seat at that time."
    )
    refuse(
        404,
        Trouble("There is no film of that time", happened, "The seat's timeline shows what is recorded, and why not."),
    )


def damaged(problem: str) -> NoReturn:
    current_app.logger.error("film cannot be played: %s", problem)
    todo = "Tell your technician: `ems-hub check` on the hub names every file that is missing or damaged."
    refuse(409, Trouble("The film cannot be played", f"{problem[:1].upper()}{problem[1:]}.", todo))


def busy(happened: str) -> NoReturn:
    refuse(503, Trouble("The hub is busy", happened, "Try again in a moment."))
