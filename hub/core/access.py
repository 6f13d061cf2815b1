"""Who may do what: the one table of roles and actions, asked by every page."""

from __future__ import annotations

import enum


class Role(enum.StrEnum):
    """What a person is to this hub; kept in `users.role`."""

    ADMIN = "admin"
    PROCTOR = "proctor"
    TECHNICIAN = "technician"


class Action(enum.StrEnum):
    """One thing a logged-in person may do on the pages."""

    SEE_LIVE = "see_live"
    SEE_INCIDENTS = "see_incidents"
    SEE_SEATS = "see_seats"
    REVIEW_INCIDENTS = "review_incidents"
    SEE_UNITS = "see_units"
    ENROL_UNITS = "enrol_units"
    REVOKE_UNITS = "revoke_units"
    SEE_CARD = "see_card"
    SEE_PEOPLE = "see_people"


_WATCH = frozenset({Action.SEE_LIVE, Action.SEE_SEATS, Action.SEE_UNITS, Action.SEE_CARD})
_REVIEW = frozenset({Action.SEE_INCIDENTS, Action.REVIEW_INCIDENTS})
_UPKEEP = frozenset({Action.ENROL_UNITS, Action.REVOKE_UNITS})

ALLOWED: dict[Role, frozenset[Action]] = {
    Role.PROCTOR: _WATCH | _REVIEW,
    Role.TECHNICIAN: _WATCH | _UPKEEP,
    Role.ADMIN: frozenset(Action),
}
"""Incidents are about candidates: who keeps the units alive does not need them. Who watches candidates sees how the
units are, and neither lets one in nor cuts one off."""


def may(role: str, action: Action) -> bool:
    """Whether someone with `role` may do `action`; an unknown role may do nothing."""
    return any(role == known and action in allowed for known, allowed in ALLOWED.items())
