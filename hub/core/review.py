"""What people may do with an incident: the states, the acts that lead from one to the next, and who came first.

    open --acknowledge--> acknowledged --close(verdict)--> closed --reopen--> open
      \\________________________close(verdict)______________/

"Confirmed by the centre" needs two people: the first one's choice is a proposal, with which the incident is
acknowledged and waits; a second person confirms it, which closes, or rejects it. One person alone closes with any other
verdict.

A comment is possible in every state. `version` rises by one with every change. An act names the version the person
saw; when somebody else has acted since, it is refused with what they did, so that nobody overwrites a judgement
unseen. What the desk did since (another alert joined, an alert cleared) is no judgement and refuses nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple

from agent.wire import CommandKind
from hub.core import categories

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
    ASSIGN = "assign"
    CATEGORISE = "categorise"
    CLOSE = "close"
    CONFIRM = "confirm"
    REJECT = "reject"
    REOPEN = "reopen"
    TAKE_OUT = "take_out"


class Verdict(enum.StrEnum):
    """What a person found; the system itself never judges."""

    NO_CONCERN = "no_concern"
    REFER = "refer"
    CONFIRMED_BY_CENTRE = "confirmed_by_centre"


EVENT_OF = {
    Act.ACKNOWLEDGE: "acknowledged",
    Act.COMMENT: "commented",
    Act.ASSIGN: "assigned",
    Act.CATEGORISE: "categorised",
    Act.CLOSE: "closed",
    Act.CONFIRM: "closed",
    Act.REJECT: "rejected",
    Act.REOPEN: "reopened",
    Act.TAKE_OUT: "taken_out",
}
"""`incident_events.action` of each act; closing with a verdict that needs a second person is 'proposed'."""

EVENT_WORDS = {
    "opened": "opened by the desk's rule",
    "opened_by_hand": "opened by hand",
    "joined": "another alert joined",
    "cleared": "alert cleared",
    "merged": "joined two incidents of one breach",
    "attended": "somebody came to the desk and pressed its button",
    "acknowledged": "acknowledged",
    "commented": "commented",
    "assigned": "assigned",
    "unassigned": "assigned to nobody",
    "categorised": "sorted",
    "proposed": "proposed: confirmed by the centre",
    "rejected": "did not confirm the proposal",
    "closed": "closed",
    "reopened": "reopened",
    "opened_room": "opened: several desks at once",
    "member": "desks joined",
    "part_of_room": "became part of a room incident",
    "taken_out": "taken out of the room incident",
    "member_taken_out": "took a desk out of the room incident",
}
"""How pages and reports say each `incident_events.action`, in a few words."""

_UNCLOSED = (Act.COMMENT, Act.ASSIGN, Act.CATEGORISE, Act.CLOSE, Act.TAKE_OUT)
POSSIBLE: dict[State, tuple[Act, ...]] = {
    State.OPEN: (Act.ACKNOWLEDGE, *_UNCLOSED),
    State.ACKNOWLEDGED: (*_UNCLOSED, Act.CONFIRM, Act.REJECT),
    State.CLOSED: (Act.COMMENT, Act.CATEGORISE, Act.REOPEN, Act.TAKE_OUT),
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
    part of that one, where people go on. `open_members`: of a room incident, those that closing it closes too.
    `reviewers`: who may be given an incident."""

    state: State
    version: int
    events: Sequence[Event]
    merged_into: int | None = None
    is_drill: bool = False
    assigned_to: str = ""
    category: str = ""
    proposed_by: str = ""
    part_of: int | None = None
    open_members: frozenset[int] = frozenset()
    reviewers: frozenset[str] = frozenset()


class Wish(NamedTuple):
    """What a person asks for, having seen `seen_version` with `seen_events` lines of its thread, and of a room incident
    the members `seen_members`. `category` None: leave it; with a close it is recorded too."""

    act: Act
    who: str
    seen_version: int
    seen_events: int
    text: str = ""
    verdict: Verdict | None = None
    category: str | None = None
    assignee: str = ""
    seen_members: frozenset[int] = frozenset()


class Change(NamedTuple):
    """What to write: the new state, the verdict (None unless closed), the event, and the command for the desk's
    standing alerts (None: no command). `also`: (action, text) of what is recorded before the event. The last four are
    how these fields are afterwards; `members` are closed with it, by the same verdict."""

    state: State
    verdict: Verdict | None
    event: str
    text: str
    command: CommandKind | None
    also: tuple[tuple[str, str], ...] = ()
    assigned_to: str = ""
    category: str = ""
    proposed_by: str = ""
    part_of: int | None = None
    members: frozenset[int] = frozenset()


class Refused(Exception):
    """The wish cannot be done; the text says why, to the person who wished."""


class Overtaken(Refused):
    """Somebody else acted first; `event` is what they did."""

    def __init__(self, event: Event) -> None:
        super().__init__("somebody else acted on this incident first")
        self.event = event


_COMMAND = {
    Act.ACKNOWLEDGE: CommandKind.CONFIRM_ALERT,
    Act.CLOSE: CommandKind.DISMISS_ALERT,
    Act.CONFIRM: CommandKind.DISMISS_ALERT,
}
_NEXT = {
    Act.ACKNOWLEDGE: State.ACKNOWLEDGED,
    Act.CLOSE: State.CLOSED,
    Act.CONFIRM: State.CLOSED,
    Act.REOPEN: State.OPEN,
}


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
    same = Change(
        state=_NEXT.get(wish.act, now.state),
        verdict=None,
        event=EVENT_OF[wish.act],
        text=text,
        command=_COMMAND.get(wish.act),
        assigned_to=now.assigned_to,
        category=now.category,
        proposed_by=now.proposed_by,
        part_of=now.part_of,
    )
    return _DECIDED.get(wish.act, _unchanged)(now, wish, same)


def _check_unseen(now: Standing, wish: Wish) -> None:
    if wish.seen_version == now.version:
        return
    unseen = [event for event in now.events[max(wish.seen_events, 0) :] if event.who != DESK]
    if unseen:
        raise Overtaken(unseen[-1])


def _unchanged(now: Standing, wish: Wish, same: Change) -> Change:
    return same


def _assign(now: Standing, wish: Wish, same: Change) -> Change:
    if wish.assignee and wish.assignee not in now.reviewers:
        raise Refused(f"{wish.assignee} has no open account that may review incidents: choose somebody from the list")
    if wish.assignee == now.assigned_to:
        raise Refused(f"it is assigned to {wish.assignee} already" if wish.assignee else "it is assigned to nobody")
    event = "assigned" if wish.assignee else "unassigned"
    return _told(same, event, wish.assignee)._replace(assigned_to=wish.assignee)


def _categorise(now: Standing, wish: Wish, same: Change) -> Change:
    category = wish.category or ""
    if not categories.is_category(category):
        raise Refused("choose a category from the list")
    if category == now.category:
        raise Refused("it is sorted like this already")
    return _told(same, "categorised", category)._replace(category=category)


def _told(same: Change, event: str, text: str) -> Change:
    """An event whose text is a value of its own: a comment typed beside it is a line before it, and is not lost."""
    also = (("commented", same.text),) if same.text else ()
    return same._replace(event=event, text=text, also=also)


def _close(now: Standing, wish: Wish, same: Change) -> Change:
    if wish.verdict is None:
        raise Refused("choose a verdict before closing")
    if now.is_drill and wish.verdict is not Verdict.NO_CONCERN:
        raise Refused("a drill is closed with no concern: nothing has happened")
    same = _sorted_too(now, wish, same)
    _check_members(now, wish)
    if wish.verdict is not Verdict.CONFIRMED_BY_CENTRE:
        return same._replace(verdict=wish.verdict, proposed_by="", members=now.open_members)
    if now.proposed_by:
        raise Refused(
            "you have proposed this already: a second person must confirm it"
            if now.proposed_by == wish.who
            else f"{now.proposed_by} has proposed this: confirm it or reject it"
        )
    is_new = now.state is State.OPEN
    return same._replace(
        state=State.ACKNOWLEDGED,
        event="proposed",
        proposed_by=wish.who,
        command=CommandKind.CONFIRM_ALERT if is_new else None,
    )


def _sorted_too(now: Standing, wish: Wish, same: Change) -> Change:
    if not wish.category or wish.category == now.category:
        return same
    if not categories.is_category(wish.category):
        raise Refused("choose a category from the list")
    return same._replace(category=wish.category, also=(("categorised", wish.category),))


def _check_members(now: Standing, wish: Wish) -> None:
    """Nobody closes what they have not been shown."""
    unseen = len(now.open_members - wish.seen_members)
    if unseen:
        raise Refused(
            f"{unseen} more joined while you were looking: the list shows them now"
            if unseen > 1
            else "one more joined while you were looking: the list shows it now"
        )


def _confirm(now: Standing, wish: Wish, same: Change) -> Change:
    _check_second(now, wish)
    _check_members(now, wish)
    same = _sorted_too(now, wish, same)
    return same._replace(verdict=Verdict.CONFIRMED_BY_CENTRE, proposed_by="", members=now.open_members)


def _reject(now: Standing, wish: Wish, same: Change) -> Change:
    _check_second(now, wish)
    return same._replace(proposed_by="")


def _check_second(now: Standing, wish: Wish) -> None:
    if not now.proposed_by:
        raise Refused("nobody has proposed a verdict that needs a second person")
    if now.proposed_by == wish.who:
        raise Refused("you have proposed this yourself: a second person must confirm or reject it")


def _reopen(now: Standing, wish: Wish, same: Change) -> Change:
    return same._replace(proposed_by="")


def _take_out(now: Standing, wish: Wish, same: Change) -> Change:
    if now.part_of is None:
        raise Refused("it is not part of a room incident")
    return _told(same, "taken_out", str(now.part_of))._replace(part_of=None)


_DECIDED = {
    Act.ASSIGN: _assign,
    Act.CATEGORISE: _categorise,
    Act.CLOSE: _close,
    Act.CONFIRM: _confirm,
    Act.REJECT: _reject,
    Act.REOPEN: _reopen,
    Act.TAKE_OUT: _take_out,
}
