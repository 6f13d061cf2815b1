"""A whole desk, the real process, on a card that is full or read-only: alerts still arrive, the fault is told, and the
recording goes on by itself when the card works again."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from agent.records import Records
from agent.wire import Header, Heartbeat
from tests.brokers import Broker
from tests.hostile.test_records_disk import Card, run
from tests.journey.centre import UNIT, Centre, centre, film
from tests.support import wait_for


class FailingCard(Card):
    """A card that can turn read-only under open files, as ext4 makes one that errs."""

    def mount(self, options: str = "loop,errors=remount-ro") -> None:
        super().mount(options)

    def turn_read_only(self) -> None:
        """As after an error of the card: nothing can be written until it was unmounted, checked and mounted again."""
        run("mount", "-o", "remount,abort", str(self.folder))

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Every write waits until the end."""
        run("fsfreeze", "--freeze", str(self.folder))
        try:
            yield
        finally:
            run("fsfreeze", "--unfreeze", str(self.folder))

    def mend(self) -> None:
        """What a reboot does."""
        self.unmount()
        subprocess.run(["e2fsck", "-p", "-f", str(self.image)], capture_output=True, check=False)
        self.mount()


class Place:
    """A centre whose one desk has the card as its storage."""

    def __init__(self, made: Centre, card: FailingCard, camera: Path) -> None:
        self.centre, self.card, self.camera = made, card, f"footage:{camera}"

    def start_desk(self) -> None:
        self.centre.start_desk(self.camera, STORAGE_PATH=str(self.card.folder / "desk"))

    def started(self) -> Place:
        """With hub and desk running, in a sitting, two segments on the card."""
        self.centre.start_ingest()
        self.start_desk()
        self.centre.plan()
        self.wait("select * from segments", 2)
        return self

    def wait(self, sql: str, count: int = 1) -> list[dict[str, object]]:
        return wait_for(lambda: rows if len(rows := self.centre.rows(sql)) >= count else [], 90)

    def wait_for_fault(self, kind: str, state: str = "raised") -> None:
        self.wait(f"select * from faults where kind = '{kind}' and state = '{state}'")

    def headers(self) -> list[Header]:
        """Every record's header at the hub, in the desk's order."""
        return [
            msgspec.json.decode(row["header"], type=Header)
            for row in self.centre.rows("select header from records order by boot, seq")
        ]

    def wait_for_alert(self, *, is_durable: bool) -> Header:
        """The next alert raised or cleared from now on whose header says so."""
        known = {header.seq for header in self.headers()}

        def newest() -> Header | None:
            return next(
                (
                    header
                    for header in self.headers()
                    if header.kind == "alert" and header.is_durable is is_durable and header.seq not in known
                ),
                None,
            )

        found = wait_for(newest, 60)
        assert found is not None
        return found

    def stopped_beat(self) -> Heartbeat | None:
        """The newest heartbeat, if it is of the second start and says that nothing is recorded."""
        beat = self.centre.heartbeat()
        return beat if beat is not None and beat.boot > 1 and beat.state == "stopped" else None

    def beat_with(self, fault: str, after_up_ms: int = 0) -> Heartbeat | None:
        """The newest heartbeat, if it is newer than that and names the fault."""
        beat = self.centre.heartbeat()
        if beat is None or beat.now.up_ms <= after_up_ms:
            return None
        return beat if fault in {standing.kind for standing in beat.faults} else None

    def check_all_arrived(self) -> None:
        """After a stop in order: the hub has what the card has, once, and the chain is whole."""
        assert self.centre.stop(UNIT) == 0
        with Records(self.card.folder / "desk", UNIT) as records:
            assert records.verify() == []
            assert records.depth() == 0
        headers = self.headers()
        for boot in {header.boot for header in headers}:
            seqs = [header.seq for header in headers if header.boot == boot]
            assert seqs == list(range(1, len(seqs) + 1))
        assert self.centre.rows("select * from rejected") == []


@pytest.fixture(scope="module")
def leaving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A candidate who is there for four seconds and away for five, over and over."""
    return film(tmp_path_factory.mktemp("films") / "leaving.mp4", [(True, 4), (False, 5)])


@pytest.fixture
def place(tmp_path: Path, mosquitto_broker: Broker, leaving: Path) -> Iterator[Place]:
    card = FailingCard(tmp_path, 48 * 2**20)
    (tmp_path / "hub").mkdir()
    try:
        with centre(tmp_path / "hub", mosquitto_broker) as made:
            yield Place(made, card, leaving)
    finally:
        subprocess.run(["umount", "-l", str(card.folder)], capture_output=True, check=False)


def test_a_card_that_fills_up_in_a_sitting(place: Place) -> None:
    """Alerts go on arriving, marked as not durable, and so does the fault; with space again the recording goes on, the
    gap is told with its cause, and nothing of it all is lost or doubled."""
    place.started()
    filler = place.card.fill()
    place.wait_for_fault("storage_failed")
    place.wait_for_fault("recording_stopped")
    place.wait_for_alert(is_durable=False)
    filler.unlink()
    (gap, *_) = place.wait("select * from gaps where cause = 'storage_full'")
    place.wait(f"select * from segments where began_utc_ms >= {gap['ended_utc_ms']} - 1000", 2)
    place.wait_for_fault("storage_failed", "cleared")
    place.wait_for_alert(is_durable=True)
    place.check_all_arrived()


def test_a_card_that_turns_read_only_in_a_sitting(place: Place) -> None:
    """As ext4 does to a card that errs: alerts and fault arrive, the desk stops in order when it is asked to, and after
    a reboot it takes up the sitting and tells the gap."""
    place.started()
    place.card.turn_read_only()
    place.wait_for_fault("storage_failed")
    place.wait_for_fault("recording_stopped")
    place.wait_for_alert(is_durable=False)
    assert place.centre.stop(UNIT) == 0
    place.card.mend()
    place.start_desk()
    (gap,) = place.wait("select * from gaps where cause = 'power_or_crash'")
    place.wait(f"select * from segments where began_utc_ms >= {gap['ended_utc_ms']}")
    place.wait_for_alert(is_durable=True)
    assert place.centre.rows("select * from rejected") == []
    assert place.centre.stop(UNIT) == 0


def test_a_card_that_is_unmounted_in_a_sitting(place: Place) -> None:
    """Nothing is written to the disk below; the fault is told, and with the card back the recording goes on, what was
    synced before is told as well, and nothing is lost or doubled."""
    place.started()
    subprocess.run(["umount", "-l", str(place.card.folder)], check=True)
    place.wait_for_fault("storage_failed")
    place.wait_for_fault("recording_stopped")
    assert [path.name for path in (place.card.folder / "desk").iterdir()] == ["run"]  # the newest state, as in /run
    place.card.mount()
    (gap, *_) = place.wait("select * from gaps where cause = 'storage_failed'")
    place.wait(f"select * from segments where began_utc_ms >= {gap['ended_utc_ms']} - 1000", 2)
    place.wait("select * from segments where is_cut = 1")
    place.check_all_arrived()


def test_a_desk_that_starts_on_a_read_only_card(place: Place) -> None:
    """It runs: the lamp, the alerts and the heartbeat are there and say that nothing is recorded; no old segment is
    told a second time; when the card can be written it records."""
    place.started()
    assert place.centre.stop(UNIT) == 0
    before = len(place.centre.rows("select * from segments"))
    place.card.remount("ro")
    place.start_desk()
    place.wait_for_fault("storage_failed")
    place.wait_for_alert(is_durable=False)
    beat = wait_for(place.stopped_beat, 60)
    assert beat is not None
    assert beat.lamp is not None
    assert "storage_failed" in {fault.kind for fault in beat.faults}
    assert len(place.centre.rows("select * from segments")) == before
    place.card.remount("rw")
    place.wait("select * from segments", before + 2)
    place.wait_for_alert(is_durable=True)
    place.check_all_arrived()


def test_a_card_that_hangs_in_a_sitting(place: Place) -> None:
    """No write returns: heartbeats go on and name the fault, though no record can be made durable; when the card
    answers again everything arrives, and nothing is missing."""
    place.started()
    with place.card.hanging():
        beat = wait_for(lambda: place.beat_with("recording_stopped"), 60)
        assert beat is not None
        later = wait_for(lambda: place.beat_with("recording_stopped", after_up_ms=beat.now.up_ms), 60)
        assert later is not None
        assert wait_for(lambda: place.beat_with("storage_slow"), 60)
    place.wait_for_fault("recording_stopped", "cleared")
    place.check_all_arrived()
