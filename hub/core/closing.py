"""Closing a sitting: the list of what must be done first, made from facts, and whether it may be closed. Pure.

Each item is done, or a person gives a reason why the sitting is closed all the same. Facts move while somebody reads:
`digest` names the list as it was shown, and a closing that was asked for on another list is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hub.core.presence import Presence

MAX_REASON_CHARS = 2000


class UnitFact(NamedTuple):
    """A desk unit of the sitting. `is_recording`: its newest heartbeat says that it records this sitting. `pending` and
    `pending_ms`: closed segments that the hub has not got, and how long they are. `spool`: records it has not sent, as
    of its newest heartbeat. `write_off`: why nobody waits for it any more, '' when nobody said so."""

    unit: str
    seat: str
    presence: Presence
    is_recording: bool
    pending: int
    pending_ms: int
    spool: int
    write_off: str = ""


class IncidentFact(NamedTuple):
    """A real incident of the sitting without a verdict."""

    incident_id: int
    seat: str
    kind: str
    state: str


class OpenFact(NamedTuple):
    """Something that still stands at a seat: a break or a signal (its kind), or a hold (its number as `kind`)."""

    seat: str
    kind: str
    since_utc_ms: int


class CoverageFact(NamedTuple):
    """What of the sitting is recorded, in milliseconds, and the seats of which a desk has not told all yet."""

    recorded_ms: int
    due_ms: int
    untold: tuple[str, ...]


class Facts(NamedTuple):
    """All that the list is made from. `end_utc_ms`: when the last seat ends. `unseen`: (candidate number, seat) of
    those who are not marked as a no-show and whom no desk ever saw at their seat."""

    end_utc_ms: int
    units: Sequence[UnitFact]
    incidents: Sequence[IncidentFact]
    breaks: Sequence[OpenFact]
    signals: Sequence[OpenFact]
    holds: Sequence[OpenFact]
    coverage: CoverageFact
    unseen: Sequence[tuple[str, str]]


class Line(NamedTuple):
    """One thing of an item that is not done. `what` is a unit, an incident's number, a seat or a candidate's number;
    `quantity` and `length_ms` where they are known."""

    what: str
    seat: str = ""
    kind: str = ""
    quantity: int = 0
    length_ms: int = 0


class Item(NamedTuple):
    """One line of the checklist. `key` is one of ITEMS; `open` is what it takes, [] when it is done. `noted` is said
    and asks for nothing: what is written off, and holds, which may stand for months."""

    key: str
    open: tuple[Line, ...] = ()
    noted: tuple[Line, ...] = ()

    @property
    def is_done(self) -> bool:
        return not self.open


ITEMS = {
    "over": "The sitting is over",
    "stopped": "Every desk has stopped recording it",
    "segments": "All film is collected",
    "records": "No records wait at the desks",
    "coverage": "Coverage is known",
    "incidents": "Every incident has a verdict",
    "standing": "No break and no signal is open",
    "no_shows": "No-shows are confirmed",
    "holds": "Holds are known",
}
"""In the order of the page."""


class Refused(Exception):
    """It cannot be closed so; the text says why, `keys` names the items that want a reason."""

    def __init__(self, text: str, keys: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.keys = tuple(keys)


class Changed(Refused):
    """Something is no longer as it was shown."""


def checklist(facts: Facts, now_utc_ms: int) -> list[Item]:
    """Every item, in the order of ITEMS."""
    left_ms = facts.end_utc_ms - now_utc_ms
    waited_for = [unit for unit in facts.units if not unit.write_off]
    given_up = [unit for unit in facts.units if unit.write_off]
    found = {
        "over": Item("over", (Line("", length_ms=left_ms),) if left_ms > 0 else ()),
        "stopped": Item(
            "stopped",
            tuple(_running(unit) for unit in waited_for if unit.is_recording),
            tuple(_running(unit) for unit in waited_for if not unit.is_recording and _is_unheard(unit)),
        ),
        "segments": Item(
            "segments",
            tuple(_pending(unit) for unit in waited_for if unit.pending),
            tuple(_pending(unit) for unit in given_up),
        ),
        "records": Item("records", tuple(Line(u.unit, u.seat, quantity=u.spool) for u in waited_for if u.spool)),
        "coverage": _coverage(facts),
        "incidents": Item(
            "incidents", tuple(Line(str(i.incident_id), i.seat, f"{i.kind} {i.state}") for i in facts.incidents)
        ),
        "standing": Item(
            "standing",
            tuple(Line("break", each.seat, each.kind) for each in facts.breaks)
            + tuple(Line("signal", each.seat, each.kind) for each in facts.signals),
        ),
        "no_shows": Item("no_shows", tuple(Line(number, seat) for number, seat in facts.unseen)),
        "holds": Item("holds", noted=tuple(Line(each.kind, each.seat) for each in facts.holds)),
    }
    return [found[key] for key in ITEMS]


def _is_unheard(unit: UnitFact) -> bool:
    return unit.presence is not Presence.ONLINE


def _running(unit: UnitFact) -> Line:
    return Line(unit.unit, unit.seat, "unheard" if _is_unheard(unit) else "recording")


def _pending(unit: UnitFact) -> Line:
    return Line(unit.unit, unit.seat, "unheard" if _is_unheard(unit) else "", unit.pending, unit.pending_ms)


def _coverage(facts: Facts) -> Item:
    if facts.coverage.due_ms <= 0:
        return Item("coverage", (Line("", kind="nothing_due"),))
    given_up = {unit.seat for unit in facts.units if unit.write_off}
    return Item("coverage", tuple(Line(seat, seat, "untold") for seat in facts.coverage.untold if seat not in given_up))


def digest(items: Sequence[Item]) -> str:
    """What names a list as somebody saw it: what is open and noted, without what only time moves."""
    told = [
        [
            item.key,
            *([[one.what, one.seat, one.kind, one.quantity] for one in part] for part in (item.open, item.noted)),
        ]
        for item in items
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def decide(items: Sequence[Item], seen: str, reasons: Mapping[str, str]) -> list[dict[str, object]]:
    """What is kept of a closing: each item as JSON values with the reason given. `seen`: the digest of the list that
    the person saw. Raises Changed; Refused when a reason is missing or too long."""
    if seen != digest(items):
        raise Changed("something changed since this list was shown: look at it again, then close")
    given = {key: " ".join(reasons.get(key, "").split()) for key in ITEMS}
    missing = [item.key for item in items if not item.is_done and not given[item.key]]
    if missing:
        raise Refused("say for each open line why the sitting is closed all the same", missing)
    long = [key for key, text in given.items() if len(text) > MAX_REASON_CHARS]
    if long:
        raise Refused(f"a reason has at most {MAX_REASON_CHARS} characters", long)
    return [
        {
            "key": item.key,
            "is_done": item.is_done,
            "open": [line._asdict() for line in item.open],
            "noted": [line._asdict() for line in item.noted],
            "reason": "" if item.is_done else given[item.key],
        }
        for item in items
    ]
