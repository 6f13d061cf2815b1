"""The opened seat: what its panel on the Live page shows."""

from __future__ import annotations

from typing import Any

from flask import abort
from flask_login import current_user

from hub.core import breaks as core
from hub.core.access import Action
from hub.core.audit import Deed
from hub.store import seat_now
from hub.web import deeds
from hub.web.clock import now_utc_ms
from hub.web.parts import parts


def values(seat_id: int) -> dict[str, Any]:
    """For `_seat_panel.html`; ends with 404 where there is no such seat, and notes the look."""
    now = now_utc_ms()
    found = seat_now.read(parts().store, seat_id, now)
    if found is None:
        abort(404)
    deeds.saw(Deed.VIEWED_SEAT, f"seat {seat_id}", seat=found.seat["label"], room=found.seat["room"])
    return {
        "opened": found,
        "person": found.person if current_user.may(Action.SEE_ROSTER) else None,
        "shown": parts().tail.board.tiles.get(f"s{seat_id}"),
        "break_words": core.KIND_WORDS,
        "toilet_min": None if found.at is None else found.at.toilet_ms // 60_000,
        "rest_min": _rest_min(found, now),
        "more_min": core.MORE_MS // 60_000,
    }


def _rest_min(found: seat_now.SeatNow, now: int) -> int | None:
    """How long a rest break given now may be; None when all is used up, or no sitting is on."""
    if found.at is None:
        return None
    try:
        return core.length_ms(core.Kind.REST, found.past, found.at.break_ms, found.at.toilet_ms, now) // 60_000
    except core.Refused:
        return None
