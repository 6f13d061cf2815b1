"""May the hub's clock be believed?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import clock

NOW = 1_800_000_000_000


def test_this_version_was_released_in_the_past() -> None:
    """Or every hub would refuse to work."""
    from hub.terminal import now_utc_ms

    assert clock.impossible(now_utc_ms()) == ""


@pytest.mark.parametrize(
    ("now", "newest", "words"),
    [
        (0, 0, "1970-01-01 00:00 UTC, which is before this program was made"),
        (NOW, NOW + 61_000, "but the store has seen"),
        (NOW, NOW + 59_000, ""),
        (NOW, 0, ""),
    ],
)
def test_a_clock_that_cannot_be_right(monkeypatch: pytest.MonkeyPatch, now: int, newest: int, words: str) -> None:
    """Before the release, or before what the hub has written down: no setting can vouch for that."""
    monkeypatch.setattr(clock, "is_synchronised", lambda: False)
    found = clock.impossible(now, newest)
    assert (words in found) if words else not found
    assert clock.doubt(now, newest, is_vouched_for=True) == found


@pytest.mark.parametrize("is_synchronised", [True, False])
def test_else_the_kernel_or_a_person_decides(monkeypatch: pytest.MonkeyPatch, is_synchronised: bool) -> None:
    monkeypatch.setattr(clock, "is_synchronised", lambda: is_synchronised)
    assert clock.doubt(NOW, NOW, is_vouched_for=True) == ""
    assert (clock.doubt(NOW, NOW, is_vouched_for=False) == "") == is_synchronised


def test_a_time_server_knows_better_than_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that was in the future once does not keep the hub from issuing; one of 1970 stays impossible."""
    monkeypatch.setattr(clock, "is_synchronised", lambda: True)
    assert clock.doubt(NOW, 2 * NOW, is_vouched_for=False) == ""
    assert "set it" in clock.doubt(0, 0, is_vouched_for=True)


def test_the_kernel_answers() -> None:
    assert clock.is_synchronised() in (True, False)


@given(st.integers(0, 10**14), st.integers(0, 10**14))
def test_any_two_times_have_an_answer(now: int, newest: int) -> None:
    assert "\n" not in clock.impossible(now, newest)
