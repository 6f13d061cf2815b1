"""The desk's records on a card that is full, read-only or failing: alerts still go out, marked as not durable."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import wire
from agent.core.delivery import Item
from agent.records import Previous, Records
from tests.brokers import Broker
from tests.contract.desk_side import SMALL_STILL, UNIT, Desk, alert, fault, now
from tests.contract.hub_side import HubSide
from tests.support import wait_for

_EXT4_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2


def run(*command: str) -> None:
    """Run a command of the system, or fail with its words: these tests need a real file system of their own."""
    if os.geteuid() != 0:
        pytest.fail("these tests mount a small ext4 file system: run them as root", pytrace=False)
    if shutil.which(command[0], path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
        pytest.fail(f"{command[0]} is missing: apt-get install e2fsprogs mount", pytrace=False)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)}: {done.stderr or done.stdout}", pytrace=False)


class Card:
    """A small ext4 file system in a file, mounted by loop at `folder`."""

    def __init__(self, base: Path, size_bytes: int = 6 * 2**20) -> None:
        self.image = base / "card.img"
        self.folder = base / "card"
        self.folder.mkdir()
        with self.image.open("wb") as image:
            image.truncate(size_bytes)
        run("mkfs.ext4", "-q", "-F", "-m", "0", "-b", "1024", str(self.image))
        self.mount()

    def mount(self, options: str = "loop") -> None:
        run("mount", "-o", options, str(self.image), str(self.folder))

    def remount(self, mode: str) -> None:
        run("mount", "-o", f"remount,{mode}", str(self.folder))

    def unmount(self) -> None:
        run("umount", str(self.folder))

    def fill(self) -> Path:
        """Use every free byte; removing the returned file frees it again."""
        filler = self.folder / "filler"
        with filler.open("wb", buffering=0) as file:
            for size in (65536, 1024, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue
        return filler

    def break_down(self) -> None:
        """Every access to the card that is not cached fails with an input/output error from now on."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _EXT4_SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    made = Card(tmp_path)
    try:
        yield made
    finally:
        subprocess.run(["umount", "-l", str(made.folder)], capture_output=True, check=False)


def until_not_durable(records: Records) -> list[wire.Record]:
    """Append until the first record that the card refused, that one included."""
    made: list[wire.Record] = []
    while not made or made[-1].header.is_durable:
        assert len(made) < 5000, "the card never became full"
        made.append(records.append(fault(len(made)), now(), True))
    return made


def test_full_card_still_gives_records_and_takes_them_when_there_is_space(card: Card) -> None:
    """On a full card append goes on, not durable, chained, and deliverable from memory; with space again the kept
    records reach the card in their order and the chain verifies."""
    with Records(card.folder, UNIT) as records:
        before = [records.append(fault(n), now(), True) for n in range(3)]
        filler = card.fill()
        made = before + until_not_durable(records)
        made.append(records.append(alert(SMALL_STILL), now(), True, SMALL_STILL))
        made.append(records.append(fault(9), now(), True))
        assert "disk is full" in (records.trouble or "")
        kept = [record for record in made if not record.header.is_durable]
        assert len(kept) >= 3
        assert [record.header.prev for record in made[1:]] == [record.hash for record in made[:-1]]
        waiting = records.pending(10_000)
        assert [item.seq for item in waiting if not item.is_still] == [record.header.seq for record in made]
        assert [records.message(item) for item in waiting if not item.is_still] == made
        assert isinstance(records.message(Item(1, made[-2].header.seq, True)), wire.Still)
        assert records.depth() == len(made)
        assert not records.retry()

        records.receipt(wire.Receipt(records=((1, kept[0].header.seq), (1, 1))), now())
        assert records.depth() == len(made) - 2
        assert Item(1, 1, False) not in records.pending(10_000)
        records.set_sitting("maths-1")
        assert records.save_plan(wire.encode(wire.Plan(number=4)))

        filler.unlink()
        assert records.retry()
        assert records.trouble is None
        assert records.append(fault(10), now(), True).header.is_durable
        assert records.verify() == []
        assert records.depth() == len(made) - 1
    with Records(card.folder, UNIT) as records:
        assert (records.previous, records.sitting()) == (Previous(1, False), "maths-1")
        assert records.plan() == wire.Plan(number=4)
        assert records.depth() == len(made) - 1
        stored = [records.message(Item(1, record.header.seq, False)) for record in made]
        assert stored == made
        assert Item(1, made[-2].header.seq, True) in records.pending(10_000)


def test_next_append_brings_the_kept_records_along(card: Card) -> None:
    """No tick is needed: the first append after space came back is durable, and all before it are on the card."""
    with Records(card.folder, UNIT) as records:
        filler = card.fill()
        until_not_durable(records)
        filler.unlink()
        record = records.append(fault(1), now(), True)
        assert record.header.is_durable
        assert records.verify() == []
    with Records(card.folder, UNIT) as records:
        assert records.verify() == []
        assert [item.seq for item in records.pending(10_000)] == list(range(1, record.header.seq + 1))


def test_alerts_reach_the_hub_from_a_full_card(card: Card, mosquitto_broker: Broker) -> None:
    """Over a real broker: records and still of a full card arrive marked as not durable, are receipted, and are on the
    card once it has space."""
    with HubSide(mosquitto_broker) as hub, Desk.at(mosquitto_broker, card.folder).connected() as desk:
        filler = card.fill()
        until_not_durable(desk.records)
        record = desk.append(alert(SMALL_STILL), SMALL_STILL)
        wait_for(lambda: record.key in hub.records and hub.evidence)
        assert not hub.records[record.key].header.is_durable
        wait_for(lambda: not desk.records.pending(1))
        assert desk.link.is_alive
        filler.unlink()
        assert desk.records.retry()
        assert desk.records.verify() == []
        assert desk.records.pending(1) == []


def test_failing_card_still_gives_records(card: Card) -> None:
    """A card that answers with input/output errors: append, receipt, plan and close raise nothing; the next start
    follows on the last record that was on the card, and what was promised is there."""
    with Records(card.folder, UNIT) as records:
        safe = [records.append(fault(n), now(), True) for n in range(5)]
        card.break_down()
        lost = [records.append(fault(n), now(), True) for n in range(3)]
        assert [record.header.is_durable for record in lost] == [False] * 3
        assert [records.message(Item(1, record.header.seq, False)) for record in lost] == lost
        assert records.trouble is not None
        records.receipt(wire.Receipt(records=((1, 6),)), now())
        assert Item(1, 6, False) not in records.pending(10_000)
        assert Item(1, 7, False) in records.pending(10_000)
        assert records.save_plan(wire.encode(wire.Plan(number=2)))
        assert records.plan() == wire.Plan(number=2)
        assert not records.retry()
        records.stop_cleanly()
    card.unmount()
    card.mount()
    with Records(card.folder, UNIT) as records:
        assert records.verify() == []
        assert [records.message(Item(1, record.header.seq, False)) for record in safe] == safe
        head = records.append(fault(9), now(), True)
        assert (head.key, head.header.prev) == ((UNIT, 2, 1), safe[-1].hash)


def test_start_on_a_read_only_card(card: Card) -> None:
    """The agent starts on a card it cannot write: it knows chain, plan and sitting, its records go on not durable under
    a start's number that cannot come again, and reach the card when it can be written."""
    with Records(card.folder, UNIT) as records:
        last = records.append(fault(1), now(), True)
        records.save_plan(wire.encode(wire.Plan(number=2)))
        records.set_sitting("maths-1")
        key = records.public_key
    card.remount("ro")
    boots = set()
    for _ in range(2):
        with Records(card.folder, UNIT) as records:
            assert (records.previous.boot, records.public_key, records.sitting()) == (1, key, "maths-1")
            assert records.plan() == wire.Plan(number=2)
            assert records.trouble is not None
            record = records.append(fault(2), now(), True)
            assert (record.header.is_durable, record.header.prev) == (False, last.hash)
            assert Item(records.boot, 1, False) in records.pending(10)
            boots.add(records.boot)
    assert len(boots) == 2
    with Records(card.folder, UNIT) as records:
        record = records.append(fault(3), now(), True)
        card.remount("rw")
        assert records.retry()
        assert records.verify() == []
        assert records.append(fault(4), now(), True).header.is_durable
        boot = records.boot
    with Records(card.folder, UNIT) as records:
        assert records.boot == boot + 1
        assert records.verify() == []
        assert records.depth() == 3


def test_first_start_on_a_read_only_card_is_refused(card: Card) -> None:
    """Without a key on the card there is no unit: an error of the system says why."""
    card.remount("ro")
    with pytest.raises(OSError, match="Read-only file system"):
        Records(card.folder / "desk", UNIT)
