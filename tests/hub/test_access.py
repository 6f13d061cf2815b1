"""Who may do what."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.core.access import ALLOWED, Action, Role, may


def test_every_role_has_its_row() -> None:
    """A role without a row in the table could do nothing, and nobody would know why."""
    assert set(ALLOWED) == set(Role)


def test_an_admin_may_do_all_that_a_proctor_may() -> None:
    assert ALLOWED[Role.PROCTOR] < ALLOWED[Role.ADMIN]


def test_a_technician_lets_units_in_and_sees_no_incident() -> None:
    """Who keeps the desks alive decides about desks and about nothing that concerns candidates."""
    allowed = ALLOWED[Role.TECHNICIAN]
    assert {Action.SEE_LIVE, Action.SEE_SEATS, Action.SEE_UNITS, Action.ENROL_UNITS, Action.REVOKE_UNITS} <= allowed
    assert not allowed & {Action.SEE_INCIDENTS, Action.REVIEW_INCIDENTS, Action.SEE_PEOPLE}
    assert not ALLOWED[Role.PROCTOR] & {Action.ENROL_UNITS, Action.REVOKE_UNITS}


def test_a_proctor_does_not_see_the_accounts() -> None:
    assert not may("proctor", Action.SEE_PEOPLE)
    assert may("admin", Action.SEE_PEOPLE)


@given(st.text().filter(lambda name: name not in list(Role)), st.sampled_from(Action))
def test_an_unknown_role_may_do_nothing(role: str, action: Action) -> None:
    assert not may(role, action)
