"""Who may do what: the one table of roles and actions, asked by every page."""

from __future__ import annotations

import enum


class Role(enum.StrEnum):
    """What a person is to this hub; kept in `users.role`."""

    ADMIN = "admin"
    PROCTOR = "proctor"


class Action(enum.StrEnum):
    """One thing a logged-in person may do on the pages."""

    SEE_LIVE = "see_live"
    SEE_INCIDENTS = "see_incidents"
    SEE_SEATS = "see_seats"
    REVIEW_INCIDENTS = "review_incidents"
    SEE_PEOPLE = "see_people"


_WATCH = frozenset({Action.SEE_LIVE, Action.SEE_INCIDENTS, Action.SEE_SEATS, Action.REVIEW_INCIDENTS})

ALLOWED: dict[Role, frozenset[Action]] = {
    Role.PROCTOR: _WATCH,
    Role.ADMIN: _WATCH | {Action.SEE_PEOPLE},
}


def may(role: str, action: Action) -> bool:
    """Whether someone with `role` may do `action`; an unknown role may do nothing."""
    return any(role == known and action in allowed for known, allowed in ALLOWED.items())
