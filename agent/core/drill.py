"""The drill: an incident that never happened, judged like any other and stamped as a drill. Pure."""

from __future__ import annotations

import msgspec

from agent.core import bodies
from agent.core.judge import Judge
from agent.core.observation import Observation, Scene, Seat
from agent.wire import Alert, AlertKind, Instant, PlannedSitting, Rule

DRILL_MS = 10_000
"""After this long a drill is cleared by itself: time enough to walk around the desk and look at the lamp."""
_RULE = Rule(kind=AlertKind.SEAT_EMPTY, raise_s=0, clear_s=0)
_EMPTY_SEAT = Seat(person=0.0, pose=0.0, change=0.0)


def raise_drill(sitting: PlannedSitting | None, maker: bodies.Maker, now: Instant) -> Alert:
    """The alert of an observation that nobody made, a well-lit empty seat, by a judge of its own with no dwell. Outside
    a sitting its `sitting` and `seat` are ''. `is_drill` and the name say what it is."""
    seen = Observation(now.up_ms, now.utc_ms, (), Scene(128.0, 40.0, False), seat=_EMPTY_SEAT)
    (change,) = Judge((_RULE,), is_still=True).step(seen)
    nowhere = PlannedSitting(
        sitting="drill", exam="", room="", seat="", start_utc_ms=now.utc_ms, end_utc_ms=now.utc_ms + DRILL_MS
    )
    alert = bodies.alert_body(change, sitting or nowhere, maker, None)
    name = f"{maker.boot}-drill-{now.up_ms}"
    return msgspec.structs.replace(alert, alert=name, sitting=sitting.sitting if sitting else "", is_drill=True)
