"""What people may do with an incident: the states, the acts that lead from one to the next, and who came first.

    open --acknowledge--> acknowledged --close(verdict)--> closed --reopen--> open
      \\________________________close(verdict)______________/

A comment is possible in every state. `version` rises by one with every change. An act names the version the person
saw; when somebody else has acted since, it is refused with what they did, so that nobody overwrites a judgement
unseen. What the desk did since (another alert joined, an alert cleared) is no judgement and refuses nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple

from agent.wire import CommandKind

DESK = "desk"
"""`who` of an event that no person caused."""
MAX_TEXT_CHARS = 4000


class State(enum.StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


class Act(enum.StrEnum):
    """What a person may do."""

    ACKNOWLEDGE = "acknowledge"
    COMMENT = "comment"
    CLOSE = "close"
    REOPEN = "reopen"


class Verdict(enum.StrEnum):
    """What a person found; the system itself never judges."""

    NO_CONCERN = "no_concern"
    REFER = "refer"
    CONFIRMED_BY_CENTRE = "confirmed_by_centre"


EVENT_OF = {
    Act.ACKNOWLEDGE: "acknowledged",
    Act.COMMENT: "commented",
    Act.CLOSE: "closed",
    Act.REOPEN: "reopened",
}
"""`incident_events.action` of each act."""

EVENT_WORDS = {
    "opened": "opened by the desk's rule",
    "joined": "another alert joined",
    "cleared": "alert cleared",
    "merged": "joined two incidents of one breach",
    "attended": "somebody came to the desk and pressed its button",
    "acknowledged": "acknowledged",
    "commented": "commented",
    "closed": "closed",
    "reopened": "reopened",
}
"""How pages and reports say each `incident_events.action`."""

POSSIBLE: dict[State, tuple[Act, ...]] = {
    State.OPEN: (Act.ACKNOWLEDGE, Act.COMMENT, Act.CLOSE),
    State.ACKNOWLEDGED: (Act.COMMENT, Act.CLOSE),
    State.CLOSED: (Act.COMMENT, Act.REOPEN),
}


class Event(NamedTuple):
    """One line of an incident's thread, as kept. `verdict`: the one it was closed with; None for every other action."""

    at_utc_ms: int
    who: str
    action: str
    text: str
    verdict: Verdict | None = None


class Standing(NamedTuple):
    """An incident as it is now, with its whole thread, oldest first. `merged_into`: late records showed that it is
    part of that one, where people go on."""

    state: State
    version: int
    events: Sequence[Event]
    merged_into: int | None = None


class Wish(NamedTuple):
    """What a person asks for, having seen `seen_version` with `seen_events` lines of its thread."""

    act: Act
    who: str
    seen_version: int
    seen_events: int
    text: str = ""
    verdict: Verdict | None = None


class Change(NamedTuple):
    """What to write: the new state, the verdict (None unless closed), the event, and the command for the desk's
    standing alerts (None: no command)."""

    state: State
    verdict: Verdict | None
    event: str
    text: str
    command: CommandKind | None


class Refused(Exception):
    """The wish cannot be done; the text says why, to the person who wished."""


class Overtaken(Refused):
    """Somebody else acted first; `event` is what they did."""

    def __init__(self, event: Event) -> None:
        super().__init__("somebody else acted on this incident first")
        self.event = event


_COMMAND = {Act.ACKNOWLEDGE: CommandKind.CONFIRM_ALERT, Act.CLOSE: CommandKind.DISMISS_ALERT}
_NEXT = {Act.ACKNOWLEDGE: State.ACKNOWLEDGED, Act.CLOSE: State.CLOSED, Act.REOPEN: State.OPEN}


def decide(now: Standing, wish: Wish) -> Change:
    """What `wish` changes. Raises Overtaken when a person acted since they looked, Refused when it makes no sense."""
    if now.merged_into is not None:
        raise Refused(f"it is part of incident {now.merged_into} now, go on there")
    text = wish.text.strip()
    if len(text) > MAX_TEXT_CHARS:
        raise Refused(f"the text has {len(text)} characters, at most {MAX_TEXT_CHARS} can be kept")
    if wish.act is not Act.COMMENT:
        _check_unseen(now, wish)
    if wish.act not in POSSIBLE[now.state]:
        raise Refused(f"an incident that is {now.state} cannot be changed like this")
    if wish.act is Act.COMMENT and not text:
        raise Refused("the comment is empty")
    if wish.act is Act.CLOSE and wish.verdict is None:
        raise Refused("choose a verdict before closing")
    return Change(
        state=_NEXT.get(wish.act, now.state),
        verdict=wish.verdict if wish.act is Act.CLOSE else None,
        event=EVENT_OF[wish.act],
        text=text,
        command=_COMMAND.get(wish.act),
    )


def _check_unseen(now: Standing, wish: Wish) -> None:
    if wish.seen_version == now.version:
        return
    unseen = [event for event in now.events[max(wish.seen_events, 0) :] if event.who != DESK]
    if unseen:
        raise Overtaken(unseen[-1])
