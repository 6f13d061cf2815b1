"""Who may do what: the one table of roles and actions, asked by every page."""

from __future__ import annotations

import enum


class Role(enum.StrEnum):
    """What a person is to this hub; kept in `users.role`."""

    ADMIN = "admin"
    PROCTOR = "proctor"
    TECHNICIAN = "technician"
    AUDITOR = "auditor"


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
    PLAY_FILM = "play_film"
    SEE_COVERAGE = "see_coverage"
    HOLD = "hold"
    EXPORT_EVIDENCE = "export_evidence"
    SEE_RETENTION = "see_retention"
    SET_RETENTION = "set_retention"
    PURGE = "purge"
    SEE_AUDIT = "see_audit"
    SET_UP_ROOMS = "set_up_rooms"
    SET_UP_EXAMS = "set_up_exams"
    SEE_ROSTER = "see_roster"
    CHANGE_ROSTER = "change_roster"
    RUN_SITTING = "run_sitting"
    WATCH_LIVE = "watch_live"
    SEE_REPORT = "see_report"
    SEE_BUDGET = "see_budget"
    SET_UP_WALLS = "set_up_walls"


_WATCH = frozenset({Action.SEE_LIVE, Action.SEE_SEATS, Action.SEE_UNITS, Action.SEE_CARD})
_REVIEW = frozenset({Action.SEE_INCIDENTS, Action.REVIEW_INCIDENTS})
_UPKEEP = frozenset({Action.ENROL_UNITS, Action.REVOKE_UNITS})
_EXAM_DAY = frozenset(
    {
        Action.SEE_ROSTER,
        Action.CHANGE_ROSTER,
        Action.RUN_SITTING,
        Action.WATCH_LIVE,
        Action.SEE_REPORT,
        Action.SEE_BUDGET,
    }
)
_EVIDENCE = frozenset({Action.PLAY_FILM, Action.SEE_COVERAGE, Action.HOLD, Action.EXPORT_EVIDENCE})
_AUDIT = frozenset(
    {
        Action.SEE_LIVE,
        Action.SEE_SEATS,
        Action.SEE_UNITS,
        Action.SEE_INCIDENTS,
        Action.PLAY_FILM,
        Action.SEE_COVERAGE,
        Action.EXPORT_EVIDENCE,
        Action.SEE_RETENTION,
        Action.SEE_AUDIT,
        Action.SEE_PEOPLE,
        Action.SEE_ROSTER,
        Action.SEE_REPORT,
        Action.SEE_BUDGET,
    }
)

ALLOWED: dict[Role, frozenset[Action]] = {
    Role.PROCTOR: _WATCH | _REVIEW | _EVIDENCE | _EXAM_DAY,
    Role.TECHNICIAN: _WATCH | _UPKEEP | {Action.SEE_COVERAGE},
    Role.AUDITOR: _AUDIT,
    Role.ADMIN: frozenset(Action),
}
"""Incidents are about candidates: who keeps the units alive does not need them. Who watches candidates sees how the
units are, and neither lets one in nor cuts one off. An auditor changes nothing, and takes
copies along."""


def may(role: str, action: Action) -> bool:
    """Whether someone with `role` may do `action`; an unknown role may do nothing."""
    return any(role == known and action in allowed for known, allowed in ALLOWED.items())
