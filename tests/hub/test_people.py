"""Accounts, as far as no page or command already tests them."""

from __future__ import annotations

import pytest

from hub.core.access import Role
from hub.store import Store, people
from tests.hub.seed import SEED


@pytest.mark.parametrize("name", ["desk", "Desk", " DESK "])
def test_nobody_is_called_like_the_machine(store: Store, name: str) -> None:
    """What a person did must never read as what the desk did."""
    with pytest.raises(people.NameTaken, match="another name"):
        people.add(store, name=name, role=Role.PROCTOR, password_hash="x", now_utc_ms=1, by=SEED)
    assert people.everyone(store) == []


def test_names_differ_by_more_than_their_case(store: Store) -> None:
    """Two accounts that a person could confuse cannot be."""
    people.add(store, name="Ada", role=Role.PROCTOR, password_hash="x", now_utc_ms=1, by=SEED)
    with pytest.raises(people.NameTaken):
        people.add(store, name="ADA", role=Role.ADMIN, password_hash="x", now_utc_ms=1, by=SEED)
