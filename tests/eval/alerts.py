"""Alerts against truth: was each empty seat told in time, and was any alert false? Pure.

Truth is known at one instant of each second only, so nothing is held against the desk between two of them: a stretch
begins at its first instant that is surely so (or with the film), and an alert is false when an instant at which its
condition is surely not true lies within its dwell, or when it stands much longer than its clearing takes.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

import msgspec

from agent.core.judge import MAX_GAP_S, AlertChange, Judge, State
from agent.core.observation import Observation
from agent.core.seat import SeatState
from agent.wire import DEFAULT_RULES, AlertKind, Rule
from tests.eval.footage import Second

SCORED_DWELL_S = 3.0
ALLOWED_LATE_S = 1.0
_HALF_S = 0.5
_SEAT_KINDS = (AlertKind.SEAT_EMPTY, AlertKind.FACE_NOT_VISIBLE)

Instants = Sequence[tuple[Second, SeatState | None]]
"""The labelled instants of one film, in order, each with what is true of the seat."""


class Raised(msgspec.Struct, frozen=True):
    """An alert of one film, in seconds of it; `cleared_s` is None when it stood to the end."""

    kind: AlertKind
    began_s: float
    raised_s: float
    cleared_s: float | None


class Stretch(NamedTuple):
    """From `begin_s` to `end_s` something was surely true."""

    begin_s: float
    end_s: float


def scored_rules() -> tuple[Rule, ...]:
    """The rules about the seat at a dwell of 3 s, whether there is a reference or not, all else by default."""
    seat = next(rule for rule in DEFAULT_RULES if rule.kind is AlertKind.SEAT_EMPTY)
    witnesses = msgspec.structs.replace(seat.witnesses, unreferenced_s=0)
    quick = msgspec.structs.replace(
        seat, raise_s=SCORED_DWELL_S, clear_s=SCORED_DWELL_S, witnesses=witnesses, is_on=True
    )
    return tuple(msgspec.structs.replace(quick, kind=kind) for kind in _SEAT_KINDS)


def seat_rule() -> Rule:
    """The rule by whose thresholds the seat is told empty unless a plan says otherwise."""
    return next(rule for rule in DEFAULT_RULES if rule.kind is AlertKind.SEAT_EMPTY)


def judged(observations: Iterable[Observation], rules: Iterable[Rule], is_still: bool = False) -> list[Raised]:
    """What a desk with `rules` raises over one film."""
    judge = Judge(rules, is_still, max_gap_s=MAX_GAP_S)
    last: dict[int, AlertChange] = {}
    for observation in observations:
        for change in judge.step(observation):
            last[change.n] = change
    return [_as_raised(change) for _, change in sorted(last.items())]


def _as_raised(change: AlertChange) -> Raised:
    is_over = change.state is State.CLEARED and change.cleared is not None
    cleared_s = change.cleared.up_ms / 1000 if is_over and change.cleared else None
    return Raised(change.kind, change.began.up_ms / 1000, change.raised.up_ms / 1000, cleared_s)


def is_true(kind: AlertKind, second: Second, state: SeatState | None) -> bool | None:
    """Whether the condition of `kind` holds at this instant; None where the truth does not say.

    Where the camera is covered no rule about the seat or the faces may hold: it cannot tell.
    """
    if kind is AlertKind.CAMERA_COVERED:
        return second.covered is not None
    if kind in _SEAT_KINDS:
        wanted = SeatState.EMPTY if kind is AlertKind.SEAT_EMPTY else SeatState.SOMEBODY
        return False if second.covered else None if state is None else state is wanted
    if kind is AlertKind.MORE_THAN_ONE_FACE:
        return None if second.is_unsure else second.count > 1
    if kind is AlertKind.CAMERA_MOVED:
        return False if second.is_view_still else None
    return None


def stretches(kind: AlertKind, instants: Instants, duration_s: float) -> list[Stretch]:
    """The unbroken rows of seconds at which `kind` is surely true, in order."""
    found: list[Stretch] = []
    before_s: float | None = None
    for second, state in instants:
        if not is_true(kind, second, state):
            continue
        end_s = duration_s if second.t + 1 > duration_s else second.t
        if found and before_s is not None and second.t - before_s < 1.5:
            found[-1] = Stretch(found[-1].begin_s, end_s)
        else:
            found.append(Stretch(0.0 if second.t <= _HALF_S else second.t, end_s))
        before_s = second.t
    return found


def due(found: Iterable[Stretch], dwell_s: float) -> list[Stretch]:
    """Those that must be raised: longer than the dwell."""
    return [stretch for stretch in found if stretch.end_s - stretch.begin_s > dwell_s + 1e-6]


def raised_for(
    stretch: Stretch, kind: AlertKind, alerts: Iterable[Raised], false: Container[Raised] = ()
) -> float | None:
    """Seconds from the stretch's beginning until an alert of `kind` that is about it was raised; None: never. One that
    rightly stands from before, through the whole stretch, has told it already: 0. Of those in `false` none does."""
    mine = [alert for alert in alerts if alert.kind is kind]
    for alert in mine:
        is_standing = alert.raised_s < stretch.begin_s and (alert.cleared_s is None or alert.cleared_s >= stretch.end_s)
        if is_standing and alert not in false:
            return 0.0
    about = [a.raised_s for a in mine if stretch.begin_s <= a.raised_s <= stretch.end_s + _HALF_S]
    return min(about) - stretch.begin_s if about else None


def is_false(alert: Raised, instants: Instants, clear_s: float) -> bool:
    """Whether `alert` began, or stood for longer than its clearing takes, while its condition was surely not true."""
    untrue = [second.t for second, state in instants if is_true(alert.kind, second, state) is False]
    if any(alert.began_s <= t <= alert.raised_s for t in untrue):
        return True
    return _stood_untrue_s(alert, instants) > clear_s + ALLOWED_LATE_S


def _stood_untrue_s(alert: Raised, instants: Instants) -> float:
    """The longest unbroken row of instants, in seconds from its first to its last, over which `alert` stood although
    its condition was surely not true."""
    longest_s, since_s = 0.0, None
    for second, state in instants:
        if second.t <= alert.raised_s or (alert.cleared_s is not None and second.t > alert.cleared_s):
            continue
        if is_true(alert.kind, second, state) is not False:
            since_s = None
            continue
        since_s = second.t if since_s is None else since_s
        longest_s = max(longest_s, second.t - since_s)
    return longest_s


def is_known(alert: Raised, instants: Instants) -> bool:
    """Whether the truth says anything of the kind of `alert` during its dwell."""
    return any(
        alert.began_s <= second.t <= alert.raised_s and is_true(alert.kind, second, state) is not None
        for second, state in instants
    )


def untrue_seconds(kind: AlertKind, instants: Instants) -> int:
    """In how many labelled seconds an alert of `kind` would be false."""
    return sum(is_true(kind, second, state) is False for second, state in instants)
