"""The hub's disk under film that comes: full, or kept free by the reserve. Nothing half is visible, and it goes on."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hub.evidence.storage import LocalStorage
from tests.hostile.test_records_disk import Card
from tests.hub.doors import Hub, door_process
from tests.hub.hubs import value
from tests.hub.senders import Sender, code_of, state_of

DATA = random.Random(2).randbytes(5_000_000)


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    made = Card(tmp_path, 24 * 2**20)
    try:
        yield made
    finally:
        subprocess.run(["umount", "-l", str(made.folder)], capture_output=True, check=False)


def hub_on(card: Card, folder: Path, reserve_bytes: int) -> Hub:
    hub = Hub(folder / "hub")
    hub.settings = msgspec.structs.replace(
        hub.settings, storage_path=str(card.folder / "storage"), storage_reserve_bytes=reserve_bytes
    )
    return hub


@pytest.mark.parametrize("reserve_bytes", [0, 4_000_000])
def test_a_full_disk_is_told_and_nothing_is_half(card: Card, tmp_path: Path, reserve_bytes: int) -> None:
    """507 while it is full, at the offer and in the middle of a film; when there is room it goes on from where it was
    and what is in the storage is the film, byte by byte."""
    hub = hub_on(card, tmp_path, reserve_bytes)
    sender = Sender(hub, "hall.desk-1")
    made, next_one = sender.film(DATA, 1), sender.film(DATA[:100_000], 2)
    storage = LocalStorage(card.folder / "storage" / "film")
    with door_process(hub):
        assert state_of(sender.send(made, 0, DATA[:1_000_000])).offset == 1_000_000
        filler = card.fill()
        assert code_of(sender.send(made, 1_000_000, DATA[1_000_000:2_000_000])) == (507, "hub_full")
        assert code_of(sender.offer(made)) == (507, "hub_full")
        assert code_of(sender.offer(next_one)) == (507, "hub_full")
        assert value(hub.store, "select count(*) from segments where stored_utc_ms is not null") == 0
        assert list(storage.names()) == []
        filler.unlink()
        assert state_of(sender.offer(made)).offset == 1_000_000
        assert sender.send_all(made).state == "confirmed"
        assert sender.send_all(next_one).state == "confirmed"
    assert storage.read(made.closed.sha256) == DATA
    hub.store.close()


def test_a_disk_that_fills_within_a_piece_keeps_none_of_it(card: Card, tmp_path: Path) -> None:
    """There was room for some of the piece: it is taken back, and the offset is where it was."""
    hub = hub_on(card, tmp_path, 0)
    sender = Sender(hub, "hall.desk-1")
    made = sender.film(DATA)
    with door_process(hub):
        sender.send(made, 0, DATA[:1_000_000])
        filler = card.fill()
        with filler.open("r+b") as file:
            file.truncate(filler.stat().st_size - 500_000)
        assert code_of(sender.send(made, 1_000_000, DATA[1_000_000:2_000_000])) == (507, "hub_full")
        filler.unlink()
        assert state_of(sender.offer(made)).offset == 1_000_000
        assert sender.send_all(made).state == "confirmed"
    assert LocalStorage(card.folder / "storage" / "film").read(made.closed.sha256) == DATA
    hub.store.close()


def test_a_disk_that_cannot_be_written_is_said_and_comes_back(card: Card, tmp_path: Path) -> None:
    """Read-only: 503, the log says why, no traceback; and on it goes."""
    hub = hub_on(card, tmp_path, 0)
    sender = Sender(hub, "hall.desk-1")
    made = sender.film(DATA[:300_000])
    with door_process(hub):
        sender.send(made, 0, made.data[:100_000])
        card.remount("ro")
        assert code_of(sender.send(made, 100_000, made.data[100_000:])) == (503, "hub_unwell")
        card.remount("rw")
        assert sender.send_all(made).state == "confirmed"
        assert "Read-only" in hub.log.read_text()
        assert "Traceback" not in hub.log.read_text()
    hub.store.close()
