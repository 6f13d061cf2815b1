"""Presence: online, silent, offline, never seen, from birth, will and heartbeats."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.presence import Heard, Presence, heard_heartbeat, heard_status, presence
from tests.hub.desk import Desk

NOW_MS = 1_000_000


@pytest.mark.parametrize(
    ("is_online", "status_ms", "heartbeat_ms", "expected"),
    [
        (None, None, None, Presence.NEVER_SEEN),
        (True, NOW_MS, None, Presence.ONLINE),
        (True, NOW_MS - 90_000, NOW_MS - 3_499, Presence.ONLINE),
        (True, NOW_MS - 90_000, NOW_MS - 3_500, Presence.SILENT),
        (True, NOW_MS - 90_000, NOW_MS - 19_999, Presence.SILENT),
        (True, NOW_MS - 90_000, NOW_MS - 20_000, Presence.OFFLINE),
        (False, NOW_MS - 1, NOW_MS - 2, Presence.OFFLINE),
        (False, NOW_MS - 2, NOW_MS - 1, Presence.ONLINE),
        (False, NOW_MS, None, Presence.OFFLINE),
        (True, NOW_MS, NOW_MS - 90_000, Presence.ONLINE),
        (True, NOW_MS - 90_000, NOW_MS + 5_000, Presence.ONLINE),
    ],
)
def test_presence(is_online: bool | None, status_ms: int | None, heartbeat_ms: int | None, expected: Presence) -> None:
    """Silent after 3.5 s, offline after 20 s or by the will, unless a heartbeat came after the will."""
    assert presence(is_online, status_ms, heartbeat_ms, NOW_MS) is expected


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**5))
def test_silence_never_makes_it_better(status_ms: int, heartbeat_ms: int, more_ms: int) -> None:
    """As time passes without a word, the state only gets worse."""
    order = [Presence.ONLINE, Presence.SILENT, Presence.OFFLINE]
    now_ms = max(status_ms, heartbeat_ms)
    before = presence(True, status_ms, heartbeat_ms, now_ms)
    after = presence(True, status_ms, heartbeat_ms, now_ms + more_ms)
    assert order.index(after) >= order.index(before)


@given(st.permutations([(1, 10), (1, 20), (2, 5), (2, 15)]))
def test_the_newest_heartbeat_wins_in_any_order(order: list[tuple[int, int]]) -> None:
    """A later start counts more than a longer run; what comes late or twice changes nothing."""
    desk = Desk()
    heard: Heard | None = None
    for boot, seconds in [*order, order[0]]:
        heard = heard_heartbeat(heard, desk.heartbeat(seconds, boot=boot), f"{boot} {seconds}", 7) or heard
    assert heard is not None
    assert heard.heartbeat == "2 15"


def test_a_will_of_an_earlier_start_changes_nothing() -> None:
    """The broker may send it after the new start's birth."""
    desk = Desk()
    born = heard_status(None, desk.status(boot=5), 1_000)
    assert born is not None
    assert heard_status(born, desk.status(is_online=False, boot=4), 2_000) is None
    gone = heard_status(born, desk.status(is_online=False, boot=5), 2_000)
    assert gone is not None
    assert gone.is_online is False
