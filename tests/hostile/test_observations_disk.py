"""The observation log on a real card that is full, or fails under it: nobody else is disturbed, and the log goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.core.obslog import read_log
from agent.observations import ObservationLog
from tests.agent.test_observations import HEADER, looks
from tests.hostile.test_desk_disk import FailingCard
from tests.support import wait_for


@pytest.fixture
def card(tmp_path: Path) -> Iterator[FailingCard]:
    made = FailingCard(tmp_path)
    try:
        yield made
    finally:
        subprocess.run(["umount", "-l", str(made.folder)], capture_output=True, check=False)


@pytest.fixture
def log(card: FailingCard) -> Iterator[ObservationLog]:
    made = ObservationLog(card.folder / "observations")
    made.start()
    yield made
    made.stop(30)
    assert not made.is_alive()


def see(log: ObservationLog, count: int, first: int) -> None:
    for look in looks(count, first):
        log.add(look)
    wait_for(log._items.empty)


@pytest.mark.parametrize("is_full_at_first", [True, False])
def test_a_full_card(card: FailingCard, log: ObservationLog, is_full_at_first: bool) -> None:
    """No byte is free, before the file is made or after: what was seen meanwhile is written when there is space."""
    filler = card.fill() if is_full_at_first else None
    log.begin("maths-1", HEADER)
    see(log, 500, 1)
    filler = filler or card.fill()
    see(log, 3_000, 501)
    filler.unlink()
    see(log, 100, 3_501)
    assert log.stop(30)
    (path,) = (card.folder / "observations").iterdir()
    kept = read_log(path.read_bytes())
    assert kept.problem == ""
    assert list(kept.entries) == [HEADER, *looks(3_600)]


def test_a_card_that_turns_read_only(card: FailingCard, log: ObservationLog) -> None:
    """As ext4 does after an error: looking goes on, and what reached the card before can be read."""
    log.begin("maths-1", HEADER)
    see(log, 500, 1)
    card.turn_read_only()
    see(log, 500, 501)
    assert log.is_alive()
    assert log.stop(30)
    (path,) = (card.folder / "observations").iterdir()
    entries = read_log(path.read_bytes()).entries
    assert list(entries) == [HEADER, *looks(len(entries) - 1)]
    assert len(entries) >= 470
