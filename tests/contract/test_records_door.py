"""A card that lost its records gets them back at the hub's door: its own and nobody else's, as they were sealed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent import host, wire, wire_door
from agent.core.segments import SegmentName
from agent.messaging.enrol import Door
from agent.recording.repair import describe
from agent.records import Records
from agent.recovery import make_whole
from agent.restoring import Restoring
from agent.wire import Instant
from agent.wire_door import ENROLMENTS_PATH, MAX_PAGE_RECORDS, RECORDS_PATH, RecordsPage, RecordsRequest
from hub.store import intake
from tests.hub.doors import Card, Hub, door_process
from tests.support import wait_for

NOW = Instant(1_800_000_000_000, 50_000)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    made = Hub(tmp_path_factory.mktemp("hub"))
    with door_process(made):
        yield made
    made.store.close()


class Unit:
    """An enrolled desk unit: its card, and what the hub has heard of it."""

    def __init__(self, hub: Hub, storage: Path) -> None:
        self.hub, self.storage = hub, storage
        self.segments = storage / "segments"
        self.segments.mkdir(parents=True)
        card = Card()
        storage.joinpath("unit.key").write_bytes(_pem(card))
        self.card = card
        self.name = hub.approve(hub.post(ENROLMENTS_PATH, card.request(), card.key).state().code)

    def film(self, ordinal: int) -> str:
        name = SegmentName(1, ordinal, 1000 * ordinal, NOW.utc_ms + 1000 * ordinal, "maths-1").text()
        (self.segments / name).write_bytes(b"\x47" + ordinal.to_bytes(2, "big") + bytes(185))
        return name

    def record(self, records: Records, body: wire.Body, *, is_heard: bool = True) -> wire.Record:
        record = records.append(body, NOW, True)
        if is_heard:
            self.heard(record)
        return record

    def heard(self, *records: wire.Record) -> None:
        """As ingest keeps them."""
        with self.hub.store.write() as connection:
            intake.add_records(connection, [(record, record.hash, NOW.utc_ms) for record in records])
            closed = [(r.header, r.body) for r in records if isinstance(r.body, wire.SegmentClosed)]
            intake.save_segments(connection, closed)

    def stored(self, name: str) -> None:
        with self.hub.store.write() as connection:
            connection.execute("update segments set stored_utc_ms = 1 where unit = ? and name = ?", [self.name, name])

    def ask(self, boot: int = 0, seq: int = 0, **changes: object) -> wire_door.RecordsPage:
        request = RecordsRequest(unit=self.name, public_key=self.card.public_key, boot=boot, seq=seq)
        answer = self.hub.post(RECORDS_PATH, request, self.card.key)
        assert answer.status == 200, answer.body
        page: RecordsPage = wire_door.decode(RecordsPage, answer.body)
        return page

    def door(self) -> Door:
        return Door(self.hub.place(), self.hub.roots, self.card.key)

    def restoring(self, records: Records, door: Callable[[], Door | None] | None = None) -> Restoring:
        def put(body: wire.Body, now: Instant) -> None:
            self.heard(records.append(body, now, True))

        return Restoring(self.segments, self.name, records, host.Clock(), door or self.door, put)


def _pem(card: Card) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return card.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.fixture
def unit(hub: Hub, tmp_path: Path) -> Unit:
    return Unit(hub, tmp_path / "desk")


def fault(number: int, state: str = "raised", detail: str = "", boot: int = 1) -> wire.Fault:
    return wire.Fault(
        fault=f"{boot}-{number}",
        fault_kind=wire.FaultKind.TOO_HOT,
        state=state,
        began=NOW,
        raised=NOW,
        cleared=NOW if state == "cleared" else None,
        detail=detail,
    )


def segment(folder: Path, name: str) -> wire.SegmentClosed:
    closed = describe(folder / name)
    return wire.SegmentClosed(
        sitting=closed.sitting,
        name=name,
        began=Instant(closed.began_utc_ms, closed.began_up_ms),
        ended=Instant(closed.ended_utc_ms, closed.ended_up_ms),
        frames=closed.frames,
        size_bytes=closed.size_bytes,
        sha256=closed.sha256,
        seat="A1",
    )


# --- the hub's end --------------------------------------------------------------------------------------------------


def test_pages_follow_each_other_to_the_end(unit: Unit) -> None:
    """Oldest first, every record once, in the signed texts; bodies erased by rule come as such; a page is bounded in
    records and in bytes."""
    with Records(unit.storage, unit.name) as records:
        made = [unit.record(records, fault(n)) for n in range(MAX_PAGE_RECORDS + 5)]
        made += [unit.record(records, fault(n, detail="x" * 2000)) for n in range(150)]
        made += [unit.record(records, fault(n)) for n in range(3)]
    with unit.hub.store.write() as connection:
        connection.execute("update records set body = null where unit = ? and seq = 2", [unit.name])
    got: list[wire_door.SealedRecord] = []
    pages: list[RecordsPage] = []
    while not pages or not pages[-1].is_last:
        boot, seq = (1, len(got)) if got else (0, 0)
        pages.append(unit.ask(boot, seq))
        got += pages[-1].records
    assert [record.header for record in got] == [record.header_text for record in made]
    assert [record.signature for record in got] == [record.signature for record in made]
    assert [record.body for record in got if record.body] == [r.body_text for r in made if r.header.seq != 2]
    assert got[1].body is None
    assert len(pages[0].records) == MAX_PAGE_RECORDS
    assert all(len(wire_door.encode(page)) < 262_144 for page in pages)
    assert unit.ask(9, 9) == RecordsPage(records=(), is_last=True)


def test_a_segment_is_stored_whatever_record_it_came_by(unit: Unit) -> None:
    """Told again after a loss its file is the same; with other content it is not the one that the hub has."""
    with Records(unit.storage, unit.name) as records:
        names = [unit.film(n) for n in (1, 2, 3)]
        for name in names:
            unit.record(records, segment(unit.segments, name))
        unit.stored(names[0])
        unit.record(records, segment(unit.segments, names[0]))
        (unit.segments / names[1]).write_bytes(b"\x47" + b"another" * 20)
        unit.record(records, segment(unit.segments, names[1]))
        unit.stored(names[1])
    assert [record.is_stored for record in unit.ask().records] == [True, False, False, True, True]


def test_nobody_gets_the_records_of_another(unit: Unit, tmp_path: Path) -> None:
    """Another enrolled unit, a stranger, a wrong signature, a revoked unit: refused, each with its code."""
    with Records(unit.storage, unit.name) as records:
        unit.record(records, fault(1))
    other = Unit(unit.hub, tmp_path / "other")
    stranger = Card()
    for key in (other.card, stranger):
        request = RecordsRequest(unit=unit.name, public_key=key.public_key)
        answer = unit.hub.post(RECORDS_PATH, request, key.key)
        assert (answer.status, answer.trouble().code) == (403, "not_enrolled")
    request = RecordsRequest(unit=unit.name, public_key=unit.card.public_key)
    answer = unit.hub.post(RECORDS_PATH, request, other.card.key)
    assert (answer.status, answer.trouble().code) == (403, "bad_signature")
    assert other.ask() == RecordsPage(records=(), is_last=True)
    unit.hub.revoke(unit.name)
    answer = unit.hub.post(RECORDS_PATH, request, unit.card.key)
    assert (answer.status, answer.trouble().code) == (403, "revoked")


def test_too_many_pages_are_refused(unit: Unit) -> None:
    """A unit that asks without end is told to wait, and the others are answered."""
    request = RecordsRequest(unit=unit.name, public_key=unit.card.public_key)
    body = wire_door.encode(request)
    signature = wire_door.sign(RECORDS_PATH, body, unit.card.key.sign)
    answers = [unit.hub.call("POST", RECORDS_PATH, body, signature, source="127.0.0.9") for _ in range(245)]
    assert (answers[-1].status, answers[-1].trouble().code) == (429, "too_many")
    assert unit.ask().is_last


# --- both ends ------------------------------------------------------------------------------------------------------


def test_a_lost_database_is_rebuilt(unit: Unit) -> None:
    """Records come back from the hub, segments get the state that the hub knows, what it never heard is told by its
    file, what stood for ever is ended; the old chain and the new one are whole, and a later start asks no more."""
    names = [unit.film(n) for n in range(1, 41)]
    with Records(unit.storage, unit.name) as records:
        for name in names[:30]:
            unit.record(records, segment(unit.segments, name))
            unit.stored(name) if name in names[:10] else None
        for name in names[30:35]:
            unit.record(records, segment(unit.segments, name), is_heard=False)
        unit.heard(*(records.message(item) for item in records.pending(1000)))  # type: ignore[arg-type]
        unit.record(records, fault(1))
        unit.record(records, fault(2))
        unit.record(records, fault(2, "cleared"))
        made = [records.message(item) for item in records.pending(1000)]
    (unit.segments / names[0]).unlink()  # freed
    for suffix in ("", "-wal", "-shm"):
        (unit.storage / f"records.db{suffix}").unlink(missing_ok=True)
    with Records(unit.storage, unit.name) as records:
        restart = wire.Restart(os_boot="b", previous_boot=1, is_clean=False, software="test", is_chain_new=True)
        unit.record(records, restart)
        told: list[wire.Body] = []

        def put(body: wire.Body, now: Instant) -> None:
            told.append(body)
            unit.heard(records.append(body, now, True))

        left = make_whole(unit.segments, records, put, NOW)
        assert len(told) == 16
        assert len(left) == 39 - 16
        work = unit.restoring(records)
        work.start(left)
        wait_for(lambda: work.is_done)
        assert work.stop(10)
        assert records.verify() == []
        assert len(records.beginnings()) == 1
        states = records.segment_states()
        assert set(states) == set(names)
        assert [states[name] for name in names[:10]] == ["freed"] + ["uploaded"] * 9
        assert {states[name] for name in names[10:]} == {"kept"}
        rows = {row.closed.name: row.boot for row in records.segments()}
        assert [rows[name] for name in names] == [1] * 24 + [2] * 16
        back = {record.hash for item in made if (record := item) is not None and isinstance(record, wire.Record)}
        with unit.hub.store.read() as connection:
            hub_has = {row[0] for row in connection.execute("select hash from records where unit = ?", [unit.name])}
            seats = dict(connection.execute("select name, seat from segments where unit = ?", [unit.name]).fetchall())
        assert back <= hub_has
        assert {seats[name] for name in names[:35]} == {"A1"}  # told again without it, the newest keep their seat
        assert [body.fault for body in records.unfinished()] == []  # type: ignore[union-attr]
    with Records(unit.storage, unit.name) as records:
        asked = threading.Event()

        def door() -> Door:
            asked.set()
            return unit.door()

        work = unit.restoring(records, door)
        work.start(())
        wait_for(lambda: work.is_done)
        assert work.stop(10)
        assert not asked.is_set()


def test_a_hub_that_is_away_is_asked_again(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for it; when it is there the records come, and only then what is left on the card is told."""
    names = [unit.film(n) for n in range(1, 4)]
    with Records(unit.storage, unit.name) as records:
        for name in names[:2]:
            unit.record(records, segment(unit.segments, name))
    (unit.storage / "records.db").unlink()
    monkeypatch.setattr("agent.restoring.AGAIN_FIRST_S", 0.05)
    is_there = False
    tries: list[int] = []

    def door() -> Door:
        tries.append(1)
        return unit.door() if is_there else Door(unit.hub.place(door_port=1), unit.hub.roots, unit.card.key)

    with Records(unit.storage, unit.name) as records:
        restart = wire.Restart(os_boot="b", previous_boot=1, is_clean=False, software="test", is_chain_new=True)
        unit.record(records, restart)
        work = unit.restoring(records, door)
        work.start(names)
        wait_for(lambda: len(tries) >= 2)
        assert records.segment_states() == {}
        is_there = True
        wait_for(lambda: work.is_done)
        assert work.stop(10)
        assert {row.closed.name: row.boot for row in records.segments()} == {names[0]: 1, names[1]: 1, names[2]: 2}
        assert records.verify() == []


@pytest.mark.parametrize("reason", ["no hub", "a hub that never answers", "revoked"])
def test_what_is_on_the_card_is_told_without_a_hub_too(
    unit: Unit, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """No hub at all, one that never answers, one that has cut this unit off: not for ever does film go unlisted."""
    names = [unit.film(n) for n in range(1, 4)]
    with Records(unit.storage, unit.name) as records:
        unit.record(records, fault(1))
    (unit.storage / "records.db").unlink()
    monkeypatch.setattr("agent.restoring.AGAIN_FIRST_S", 0.01)
    monkeypatch.setattr("agent.restoring.AGAIN_LONGEST_S", 0.01)
    doors: dict[str, Callable[[], Door | None]] = {
        "no hub": lambda: None,
        "a hub that never answers": lambda: Door(unit.hub.place(door_port=1), unit.hub.roots, unit.card.key),
        "revoked": unit.door,
    }
    if reason == "revoked":
        unit.hub.revoke(unit.name)
    with Records(unit.storage, unit.name) as records:
        records.append(
            wire.Restart(os_boot="b", previous_boot=1, is_clean=False, software="test", is_chain_new=True), NOW, True
        )
        work = unit.restoring(records, doors[reason])
        work.start(names)
        wait_for(lambda: list(records.segment_states()) == names)
        assert work.stop(10)


def test_a_hub_that_lies_is_not_believed(unit: Unit, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A record that this unit did not sign never gets into its chain."""
    other = Unit(unit.hub, tmp_path / "other")
    with Records(other.storage, other.name) as records:
        foreign = other.record(records, fault(1))
    with Records(unit.storage, unit.name) as records:
        unit.record(records, fault(1))
    (unit.storage / "records.db").unlink()
    sealed = wire_door.SealedRecord(header=foreign.header_text, body=foreign.body_text, signature=foreign.signature)

    class Liar:
        public_key = unit.card.public_key

        def post(self, path: str, message: object, answer: type[RecordsPage]) -> RecordsPage:
            return RecordsPage(records=(sealed,), is_last=True)

    with Records(unit.storage, unit.name) as records:
        work = unit.restoring(records, lambda: Liar())  # type: ignore[arg-type,return-value]
        assert not work._try()
        assert "not signed by this unit" in caplog.text
        assert records.pending(10) == []
        assert records.verify() == []
