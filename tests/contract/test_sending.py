"""A desk's sender at the hub's real door: its own records and files, over TLS, ends of either side included."""

from __future__ import annotations

import hashlib
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import uploading, wire
from agent.records import Records
from agent.uploading import Doors, Sender, Work
from agent.wire import Alert, AlertKind, Instant, Plan, Receipt, Rule, SegmentClosed, Stretch
from hub.evidence import reconciling
from hub.evidence.storage import LocalStorage, open_storage
from hub.store import intake, planning
from hub.store.audit import Actor
from tests.contract.test_upload_door import kill_all
from tests.hub.doors import Hub, door_process
from tests.hub.hubs import rows, value
from tests.support import wait_for

START_MS = 1_800_000_000_000
SEGMENT_MS = 10_000
UNIT = "hall.desk-01"


def at(second: float) -> Instant:
    return Instant(START_MS + round(second * 1000), 50_000 + round(second * 1000))


class Card:
    """One desk's card with its records and films, and the hub that knows them. `now` moves as the test says."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        self.folder, self.hub = folder, hub
        (folder / "segments").mkdir(parents=True)
        self.records = Records(folder, UNIT)
        self.now = at(0)
        self.sitting = ""
        self.is_low = False
        self.senders: list[Sender] = []
        self.authorities = folder / "authorities.pem"
        self.authorities.write_text(hub.roots)
        with hub.store.write() as connection:
            intake.add_unit(connection, UNIT, self.records.public_key, START_MS)

    def put(self, body: Alert | SegmentClosed, *, is_received: bool = True) -> None:
        record = self.records.append(body, self.now, True)
        if is_received:
            with self.hub.store.write() as connection:
                intake.add_records(connection, [(record, record.hash, START_MS)])
                if isinstance(body, SegmentClosed):
                    intake.save_segments(connection, [(record.header, body)])
            key = (record.header.boot, record.header.seq)
            self.records.receipt(Receipt(records=(key,)), self.now)

    def film(self, number: int, sitting: str = "maths-1", size_bytes: int = 300_000, **how: Any) -> str:
        """The name of a new segment, ten seconds from `number` times ten on."""
        data = random.Random(f"{sitting} {number}").randbytes(size_bytes)
        name = f"{sitting}-{number:03}.ts"
        (self.folder / "segments" / name).write_bytes(data)
        self.put(
            SegmentClosed(
                sitting=sitting,
                name=name,
                began=at(number * 10),
                ended=at(number * 10 + 10),
                frames=100,
                size_bytes=size_bytes,
                sha256=hashlib.sha256(data).hexdigest(),
            ),
            **how,
        )
        return name

    def alert(self, began_s: float, cleared_s: float | None, sitting: str = "maths-1") -> None:
        self.put(
            Alert(
                alert=f"a-{began_s}",
                alert_kind=AlertKind.SEAT_EMPTY,
                state="raised" if cleared_s is None else "cleared",
                sitting=sitting,
                seat="A1",
                began=at(began_s),
                raised=at(began_s + 2),
                cleared=None if cleared_s is None else at(cleared_s),
                rule=Rule(kind=AlertKind.SEAT_EMPTY, raise_s=2, clear_s=1),
            )
        )

    def confirm(self, name: str) -> None:
        self.records.set_segment_state(name, "uploaded")

    def sender(self, bytes_per_s: int = 100_000_000) -> Sender:
        work = Work(
            now=lambda: self.now,
            plan=self.records.plan,
            sitting=lambda: self.sitting,
            is_card_low=lambda: self.is_low,
            confirm=self.confirm,
            want=lambda names: self.records.set_segment_states(names, "kept"),
        )
        doors = Doors(self.hub.place(), self.authorities, self.folder)
        self.senders.append(Sender(self.folder, UNIT, work, doors, bytes_per_s=bytes_per_s))
        return self.senders[-1]

    def uploaded(self) -> list[str]:
        return [segment.closed.name for segment in self.records.segments(state="uploaded")]

    def pass_ms(self, ms: int) -> None:
        self.now = Instant(self.now.utc_ms + ms, self.now.up_ms + ms)

    def run(self, sender: Sender, until: int) -> None:
        """Steps until so many films are confirmed, the pauses being made by the test's clock."""

        def is_done() -> bool:
            self.pass_ms(round(sender.step() * 1000) + 1)
            return len(self.uploaded()) >= until

        wait_for(is_done, every_s=0.001)

    def check(self) -> None:
        """What is confirmed is in the storage, byte by byte."""
        storage = LocalStorage(Path(self.hub.settings.storage_path) / "film")
        for name in self.uploaded():
            data = (self.folder / "segments" / name).read_bytes()
            assert storage.read(hashlib.sha256(data).hexdigest()) == data


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    hub = Hub(tmp_path / "hub")
    made = Card(tmp_path / "card", hub)
    yield made
    for sender in made.senders:
        sender.stop()
    made.records.close()
    hub.store.close()


@pytest.fixture
def door(card: Card) -> Iterator[subprocess.Popen[bytes]]:
    with door_process(card.hub) as process:
        yield process


# --- what goes when -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("door")
def test_an_incident_goes_in_the_sitting_and_the_rest_after_it(card: Card) -> None:
    """Half a minute before it began to a quarter after it cleared, and nothing else while the sitting is on; then the
    oldest sitting first."""
    old = [card.film(number, "art-1", 50_000) for number in (0, 1)]
    names = [card.film(number) for number in range(10, 24)]
    card.alert(150, 165)
    card.sitting = "maths-1"
    sender = card.sender()
    incident = names[1:9]  # from 120 s to 180 s, and both that touch
    card.run(sender, len(incident))
    for _ in range(3):
        assert sender.step() == uploading.LOOK_EVERY_S
    assert card.uploaded() == incident
    card.sitting = ""
    card.run(sender, len(names) + 2)
    order = rows(card.hub.store, "select name from segments order by stored_utc_ms, rowid")
    assert [row["name"] for row in order][len(incident) :][:2] == old
    card.check()


@pytest.mark.usefixtures("door")
def test_an_alert_that_lasts_takes_all_that_comes(card: Card) -> None:
    """What is recorded while it stands goes as it is closed."""
    card.sitting = "maths-1"
    card.film(0)
    sender = card.sender()
    sender.step()
    assert card.uploaded() == []
    card.alert(5, None)
    card.run(sender, 1)
    card.film(1)
    card.run(sender, 2)


@pytest.mark.usefixtures("door")
def test_what_somebody_waits_for_goes_first(card: Card) -> None:
    """The plan says so; in the middle of a film of the rest as well, which goes on from where it was."""
    names = [card.film(number, size_bytes=2_000_000) for number in range(4)]
    sender = card.sender()
    sender.step()
    sender.step()
    assert card.uploaded() == []
    plan = Plan(number=1, wanted=(Stretch(sitting="maths-1", from_utc_ms=at(25).utc_ms, until_utc_ms=at(28).utc_ms),))
    card.records.save_plan(wire.encode(plan))
    card.run(sender, 1)
    assert card.uploaded() == [names[2]]
    part = Path(card.hub.settings.storage_path) / "incoming" / UNIT / "1-1.part"
    assert part.stat().st_size > 0
    card.run(sender, 4)
    card.check()


@pytest.mark.usefixtures("door")
def test_what_the_hub_has_lost_comes_again(card: Card) -> None:
    """Its disk lost two films that it had confirmed: the repair says so, its wish reaches the desk by the plan, and the
    desk, which has them still, sends both; what the hub has is answered at once and not sent."""
    names = [card.film(number) for number in range(4)]
    sender = card.sender()
    card.run(sender, 4)
    hub = card.hub
    storage = open_storage(hub.settings)
    lost = [value(hub.store, f"select sha256 from segments where name = '{name}'") for name in (names[0], names[2])]
    storage.delete_many(sorted(lost))
    with hub.store.write() as connection:  # the desk has a plan, as every desk with a seat
        planning.replan(connection, START_MS)
        connection.execute("insert into rooms (room_id, name) values (1, 'Hall')")
        connection.execute("insert into seats (room_id, label, unit) values (1, 'A1', ?)", (UNIT,))
    done = reconciling.repair(
        hub.store, storage, reconciling.look(hub.store, storage, START_MS), Actor("Ada", "admin"), START_MS
    )
    assert [row.name for row in done.lost] == [names[0], names[2]]
    payload = value(hub.store, f"select payload from plans where unit = '{UNIT}'")
    card.records.save_plan(payload.encode())
    sender.step()
    assert not {names[0], names[2]} & set(card.uploaded())  # else it could be freed before it is sent

    def is_back() -> bool:
        card.pass_ms(round(sender.step() * 1000) + 1)
        return bool(value(hub.store, "select count(*) from segments where stored_utc_ms is not null") == 4)

    wait_for(is_back, every_s=0.001)
    card.check()


@pytest.mark.usefixtures("door")
def test_a_card_that_gets_full_sends_in_the_sitting_too(card: Card) -> None:
    """Else nothing could be freed."""
    card.film(0)
    card.sitting, card.is_low = "maths-1", True
    card.run(card.sender(), 1)


@pytest.mark.usefixtures("door")
def test_nothing_before_its_record(card: Card) -> None:
    """A film whose record has no receipt waits for it; others go on. One whose record the hub has lost is offered
    again later."""
    name = card.film(0, is_received=False)
    other = card.film(1)
    sender = card.sender()
    card.run(sender, 1)
    assert card.uploaded() == [other]
    assert sender.step() == uploading.LOOK_EVERY_S
    card.records.receipt(Receipt(records=((1, 1),)), card.now)
    assert sender.step() == 0.0
    assert sender.step() == uploading.LOOK_EVERY_S
    assert name not in card.uploaded()
    assert sender.progress is not None
    assert sender.progress.waiting_segments == 1


@pytest.mark.usefixtures("door")
def test_only_the_rest_is_throttled(card: Card) -> None:
    """A second's worth at once, then it waits; an incident does not."""
    card.film(0, size_bytes=300_000)
    sender = card.sender(bytes_per_s=50_000)
    began_ms = card.now.up_ms
    card.run(sender, 1)
    assert card.now.up_ms - began_ms >= 4_000
    card.film(1, size_bytes=300_000)
    card.alert(12, 14)
    began_ms = card.now.up_ms
    card.run(sender, 2)
    assert card.now.up_ms - began_ms < 1_000


@pytest.mark.usefixtures("door")
def test_zero_sends_incidents_only(card: Card) -> None:
    """The rest is fetched by hand, or when somebody asks for it."""
    card.film(50)
    name = card.film(0)
    card.alert(5, 6)
    sender = card.sender(bytes_per_s=0)
    card.run(sender, 1)
    assert sender.step() == uploading.LOOK_EVERY_S
    assert card.uploaded() == [name]


# --- both sides may end ---------------------------------------------------------------------------------------------


def test_a_door_that_is_killed_costs_a_piece(card: Card) -> None:
    """The sender waits longer each time, says so, and goes on from where the hub has it."""
    names = [card.film(number, size_bytes=3_000_000) for number in range(2)]
    sender = card.sender()
    with door_process(card.hub) as process:
        for _ in range(3):
            sender.step()
        kill_all(process)
    pauses = [sender.step() for _ in range(6)]
    assert pauses[-1] > pauses[0] >= 1
    assert max(pauses) <= 60
    assert sender.progress is not None
    assert "does not answer" in sender.progress.trouble
    with door_process(card.hub):
        card.run(sender, 2)
        assert sender.progress.trouble == ""
    assert card.uploaded() == names
    card.check()


@pytest.mark.usefixtures("door")
def test_a_desk_that_is_killed_goes_on_from_there(card: Card) -> None:
    """Between any two steps, and when the hub had confirmed and the card did not know it yet."""
    names = [card.film(number, size_bytes=1_500_000) for number in range(3)]
    for steps in (1, 2, 3, 4):
        sender = card.sender()
        for _ in range(steps):
            sender.step()
    card.run(card.sender(), 1)
    with card.hub.store.read() as connection:
        stored = connection.execute("select name from segments where stored_utc_ms is not null").fetchone()[0]
    card.records.set_segment_state(stored, "kept")
    card.run(card.sender(), 3)
    assert card.uploaded() == names
    card.check()


# --- what is wrong with it ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("door")
def test_a_film_that_is_gone_or_another_is_told_and_left(card: Card) -> None:
    """Not for ever offered; the rest goes."""
    gone, short, changed, good = (card.film(number) for number in range(4))
    folder = card.folder / "segments"
    (folder / gone).unlink()
    (folder / short).write_bytes(b"short")
    (folder / changed).write_bytes(bytes(300_000))
    sender = card.sender()
    card.run(sender, 1)
    assert card.uploaded() == [good]
    for _ in range(3):
        sender.step()
    assert sender.progress is not None
    assert "3 are not sent" in sender.progress.trouble
    assert sender.progress.waiting_segments == 3
    assert value(card.hub.store, "select count(*) from segments where stored_utc_ms is not null") == 1
    assert value(card.hub.store, "select count(*) from security_events") == 0


def test_a_card_that_is_gone_gives_nothing_up(card: Card) -> None:
    """Its folder is not there: all of it waits."""
    card.film(0)
    sender = card.sender()
    with door_process(card.hub):
        (card.folder / "segments").rename(card.folder / "away")
        sender.step()
        assert sender.progress is not None
        assert "card" in sender.progress.trouble
        (card.folder / "away").rename(card.folder / "segments")
        card.pass_ms(60_000)
        card.run(sender, 1)


@pytest.mark.usefixtures("door")
def test_a_revoked_desk_asks_seldom(card: Card) -> None:
    """It is told, and the hub is left alone."""
    card.film(0)
    card.hub.revoke(UNIT)
    sender = card.sender()
    assert sender.step() >= 180
    assert sender.progress is not None
    assert "revoked" in sender.progress.trouble


@pytest.mark.usefixtures("door")
def test_new_authorities_are_followed(card: Card) -> None:
    """A renewal may bring them at any time: what was trusted before is trusted no more."""
    names = [card.film(number, size_bytes=1_000) for number in range(2)]
    sender = card.sender()
    card.run(sender, 1)
    roots = card.authorities.read_text()
    card.authorities.write_text("none")
    assert sender.step() > 1
    assert sender.progress is not None
    assert "authorities cannot be read" in sender.progress.trouble
    assert card.uploaded() == names[:1]
    card.authorities.write_text(roots)
    card.run(sender, 2)
