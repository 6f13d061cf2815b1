"""The schedule: the plan and the time -> which sitting is on at this desk now."""

from __future__ import annotations

import msgspec

from agent.wire import Instant, Plan, PlannedSitting


def newer(old: Plan | None, new: Plan) -> Plan:
    """The plan that holds: the higher number. With equal numbers the old one, the same plan sent again."""
    return new if old is None or new.number > old.number else old


def current(
    plan: Plan | None,
    now: Instant,
    is_clock_trusted: bool,
    resumed: str | None = None,
    resumed_up_ms: int | None = None,
) -> PlannedSitting | None:
    """The sitting to record now, or None: no recording.

    A sitting runs from its start up to, and without, its end. Where two overlap the one that started last wins; of two
    that started together, the later in the plan.

    `is_clock_trusted`: the wall clock was set in this boot of the machine by a time server, the hub or a battery
    clock. It stays trusted when these go away, since boot time carries it on.

    `resumed`: the sitting the desk was in when it stopped without ending it, None without one. While the clock is not
    trusted it goes on at once, whatever the wall clock says, as long as the plan still has it and it has not run for
    its whole length since `resumed_up_ms` (when the desk took it up in this boot; None: no such limit): by then
    it is over in any case. In all other cases the wall clock decides, trusted or not: it is the only one there is.
    But for one: set back to before the start of the sitting that is being recorded, it does not stop the recording
    while that has not run for its whole length and no other sitting is on.
    """
    if plan is None:
        return None
    sittings = plan.sittings
    if not is_clock_trusted and resumed is not None:
        unfinished = next((sitting for sitting in sittings if sitting.sitting == resumed), None)
        if unfinished is not None and _may_go_on(unfinished, now, resumed_up_ms):
            return unfinished
        # a clock that runs late would begin the finished sitting a second time
        sittings = tuple(sitting for sitting in sittings if sitting.sitting != resumed)
    started = [sitting for sitting in sittings if sitting.start_utc_ms <= now.utc_ms < sitting.end_utc_ms]
    if not started and resumed_up_ms is not None:
        running = (sitting for sitting in sittings if sitting.sitting == resumed and now.utc_ms < sitting.start_utc_ms)
        return next((sitting for sitting in running if _may_go_on(sitting, now, resumed_up_ms)), None)
    return max(reversed(started), key=lambda sitting: sitting.start_utc_ms, default=None)


def _may_go_on(sitting: PlannedSitting, now: Instant, resumed_up_ms: int | None) -> bool:
    ran_ms = 0 if resumed_up_ms is None else now.up_ms - resumed_up_ms
    return ran_ms < sitting.end_utc_ms - sitting.start_utc_ms


def is_judged_alike(before: PlannedSitting, after: PlannedSitting) -> bool:
    """Whether a changed plan of a sitting leaves what stands and what dwells as it is: when it changes times, breaks,
    lamp or buzzer only. Alerts carry their rule, mode and seat, and masks change what is seen: those begin anew."""
    return before == msgspec.structs.replace(
        after,
        start_utc_ms=before.start_utc_ms,
        end_utc_ms=before.end_utc_ms,
        empty_from_utc_ms=before.empty_from_utc_ms,
        empty_until_utc_ms=before.empty_until_utc_ms,
        pauses=before.pauses,
        is_buzzer_allowed=before.is_buzzer_allowed,
        may_lamp_show_alerts=before.may_lamp_show_alerts,
    )


def seat_said_empty(plan: Plan | None, now_utc_ms: int, is_clock_trusted: bool) -> str | None:
    """The name of the sitting whose plan says that the seat is empty now; None when none does, or when the clock is not
    trusted: a person learned as the empty seat would hide every absence. Of several the one that said it last."""
    if plan is None or not is_clock_trusted:
        return None
    said = [
        (sitting.empty_from_utc_ms, sitting.sitting)
        for sitting in plan.sittings
        if sitting.empty_from_utc_ms is not None
        and sitting.empty_until_utc_ms is not None
        and sitting.empty_from_utc_ms <= now_utc_ms < sitting.empty_until_utc_ms
    ]
    return max(said)[1] if said else None
