"""A revoked unit: its session is cut, it does not come back, and what it says counts for nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import wire
from hub.broker import CONTROL_TOPIC, end_sessions
from hub.ingest import cutting
from hub.ingest.commit import Arrival, Committer
from hub.store import Store, intake
from tests.authority import Centre, Papers
from tests.brokers import Broker, secure_mosquitto
from tests.callers import Caller, calling
from tests.hub.desk import Desk, segment
from tests.hub.hubs import ingesting, rows, settings_for, value
from tests.support import wait_for

pytestmark = pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")


class Scene:
    """A centre with a store and a broker over TLS, and two enrolled units that are at the broker."""

    def __init__(self, folder: Path) -> None:
        self.centre = Centre(folder)
        self.broker: Broker = secure_mosquitto(folder / "broker", self.centre)
        self.store = Store(folder / "hub.db")
        self.settings = settings_for(
            folder, self.broker, broker_tls=True, ca_path=str(self.centre.folder.path), trust_new_units=False
        )
        self.bad, self.good = Desk("c1.bad"), Desk("c1.good")
        self.papers: dict[str, Papers] = {}
        with self.store.write() as connection:
            for desk in (self.bad, self.good):
                self.papers[desk.unit] = self.centre.issue(desk.unit)
                intake.add_unit(connection, desk.unit, desk.public_key, 1)

    @contextmanager
    def caller(self, desk: Desk) -> Iterator[Caller]:
        with calling(self.broker, self.centre.tls(self.papers[desk.unit])) as caller:
            yield caller

    def revoke_in_store(self, desk: Desk, *, seconds_ago: int = 0) -> None:
        with self.store.write() as connection:
            connection.execute(
                "update units set is_revoked = 1, revoked_utc_ms = ?, revoked_by = 'admin' where unit = ?",
                (time.time_ns() // 1_000_000 - 1000 * seconds_ago, desk.unit),
            )

    def revoke(self, desk: Desk, *, seconds_ago: int = 0) -> None:
        """As the hub does: in the store, on the list, and the broker is told to read it."""
        self.revoke_in_store(desk, seconds_ago=seconds_ago)
        self.centre.revoke(self.papers[desk.unit])
        self.broker.reload()

    def close(self) -> None:
        self.broker.kill()
        self.store.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    made.broker.start()
    yield made
    made.close()


def connected(scene: Scene) -> bool:
    return bool(value(scene.store, "select count(*) from presence"))


def test_a_live_session_is_cut_within_ten_seconds_and_stays_out(scene: Scene) -> None:
    """Revoked while it is connected: it is cut off, its old certificate is refused, and its neighbour stays."""
    with ingesting(scene.settings), scene.caller(scene.bad) as bad, scene.caller(scene.good) as good:
        for caller, desk in ((bad, scene.bad), (good, scene.good)):
            caller.publish(wire.up_topic(desk.unit, "status"), wire.encode(desk.status()), is_retained=True)
        wait_for(lambda: value(scene.store, "select count(*) from presence") == 2)
        scene.revoke(scene.bad)
        wait_for(lambda: bad.gone is not None, timeout_s=10)
        with scene.caller(scene.bad) as again:
            assert not again.is_connected
        assert good.is_connected
    assert rows(scene.store, "select * from security_events") == []


def test_a_unit_that_was_revoked_while_ingest_was_down_is_cut_when_it_comes_back(scene: Scene) -> None:
    """A silent session that nobody ended is ended at ingest's first connect; a kept birth is no alarm."""
    with scene.caller(scene.bad) as bad:
        bad.publish(wire.up_topic(scene.bad.unit, "status"), wire.encode(scene.bad.status()), is_retained=True)
        scene.revoke(scene.bad, seconds_ago=3_600)
        assert bad.is_connected
        with ingesting(scene.settings):
            wait_for(lambda: bad.gone is not None, timeout_s=10)
            wait_for(lambda: value(scene.store, "select count(*) from rejected"))
    assert rows(scene.store, "select * from security_events") == []


def test_a_revoked_unit_that_the_broker_lets_in_is_cut_each_time_refused_and_noted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list did not reach the broker: what the unit says is refused, its session is ended when it speaks, and people
    are told, once."""
    monkeypatch.setattr(cutting, "GRACE_MS", 0)
    monkeypatch.setattr(cutting, "AGAIN_AFTER_MS", 100)
    payload = wire.encode(scene.bad.seal(segment(1)))
    with ingesting(scene.settings):
        with scene.caller(scene.good) as good:
            good.publish(wire.up_topic(scene.good.unit, "status"), wire.encode(scene.good.status()), is_retained=True)
            wait_for(lambda: connected(scene))
        scene.revoke_in_store(scene.bad)
        for number in range(2):
            with scene.caller(scene.bad) as bad:
                assert bad.connected == 0
                bad.publish(wire.up_topic(scene.bad.unit, "record"), payload)
                wait_for(lambda bad=bad: bad.gone == 0x98, timeout_s=10)  # type: ignore[misc]
            wait_for(lambda number=number: value(scene.store, "select count(*) from rejected") > number)  # type: ignore[misc]
        wait_for(lambda: rows(scene.store, "select * from security_events"))
    events = rows(scene.store, "select unit, kind, count from security_events")
    assert events == [{"unit": scene.bad.unit, "kind": "revoked_unit_speaks", "count": 1}]
    assert value(scene.store, "select reason from rejected") == "the unit is revoked"
    assert value(scene.store, "select count(*) from records") == 0


def test_a_revoked_unit_that_only_listens_is_cut_again_and_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list did not reach the broker, and the unit was revoked long ago and says nothing: each session is ended."""
    monkeypatch.setattr(cutting, "ALL_EVERY_MS", 300)
    scene.revoke_in_store(scene.bad, seconds_ago=3_600)
    with ingesting(scene.settings), scene.caller(scene.good) as good:
        for _ in range(2):
            with scene.caller(scene.bad) as bad:
                assert bad.connected == 0
                wait_for(lambda bad=bad: bad.gone == 0x98, timeout_s=10)  # type: ignore[misc]
        assert good.is_connected


def test_all_revoked_units_are_named_once_a_minute(scene: Scene) -> None:
    """One message at the connect, none until a minute has gone, then one with all of them; at once after a connect."""

    class Outbox:
        is_connected, connections = True, 1

        def __init__(self) -> None:
            self.said: list[bytes] = []

        def publish(self, topic: str, payload: bytes, *, qos: int, is_retained: bool = False) -> int:
            assert topic == CONTROL_TOPIC
            self.said.append(payload)
            return 1

    outbox, revoked = Outbox(), {"c1.a": 1, "c1.b": 0}
    cutter = cutting.Cutter(scene.store, outbox)
    counts = []
    for now_utc_ms in (1_000_000, 1_059_999, 1_060_000, 1_060_100):
        cutter.cut(revoked, (), now_utc_ms)
        counts.append(len(outbox.said))
    outbox.connections = 2
    cutter.cut(revoked, (), 1_060_200)
    assert [*counts, len(outbox.said)] == [1, 1, 2, 2, 3]
    assert set(outbox.said) == {end_sessions(["c1.a", "c1.b"])}


def test_what_means_that_a_revoked_unit_speaks(scene: Scene) -> None:
    """A record or a birth does, and what nobody can decode; a will does not, nor what the broker had kept."""
    scene.revoke_in_store(scene.bad)
    committer = Committer(scene.store, may_trust=False)
    topic, unit = wire.up_topic(scene.bad.unit, "status"), scene.bad.unit

    def speaking(status: wire.Status, *, is_retained: bool = False) -> dict[str, int]:
        arrival = Arrival(topic, wire.encode(status), 7, is_retained=is_retained)
        return committer.commit([arrival], 8).revoked

    assert speaking(scene.bad.status()) == {unit: 7}
    assert speaking(scene.bad.status(), is_retained=True) == {}
    assert speaking(scene.bad.status(is_online=False)) == {}
    record = Arrival(wire.up_topic(unit, "record"), wire.encode(scene.bad.seal(segment(1))), 9)
    good = Arrival(wire.up_topic(scene.good.unit, "record"), wire.encode(scene.good.seal(segment(1))), 9)
    assert committer.commit([record, good, Arrival("ems/1/odd", b"", 9)], 9).revoked == {unit: 9}
    for kind in (*wire.UP, "novel"):
        assert committer.commit([Arrival(wire.up_topic(unit, kind), b"\x00no message", 9)], 9).revoked == {unit: 9}
    garbage = Arrival(topic, b"\x00no message", 9, is_retained=True)
    assert committer.commit([garbage, Arrival(wire.up_topic("c1.nobody", "record"), b"", 9)], 9).revoked == {}
    committer.close()


def test_each_issuing_authority_has_its_list_in_one_file(scene: Scene) -> None:
    """After a rotation, units of either issuing authority are let in, and the revoked ones of either are not."""
    old, old_revoked = scene.centre.issue("c1.old"), scene.centre.issue("c1.old-revoked")
    scene.centre.rotate_issuing()
    new, new_revoked = scene.centre.issue("c1.new"), scene.centre.issue("c1.new-revoked")
    scene.centre.revoke(old_revoked, new_revoked)
    scene.broker.kill()
    scene.broker.start()
    let_in = []
    for papers in (old, new, old_revoked, new_revoked):
        with calling(scene.broker, scene.centre.tls(papers)) as caller:
            let_in.append(caller.is_connected)
    assert let_in == [True, True, False, False]


def test_ingest_may_command_the_broker_and_a_unit_may_not(scene: Scene) -> None:
    """Only ingest's word on the control topic has an effect: a unit's own is refused, and ends nobody's session."""
    ingest = Papers(scene.centre.folder.ingest_certificate, scene.centre.folder.ingest_key, 0)
    with (
        scene.caller(scene.bad) as bad,
        scene.caller(scene.good) as good,
        calling(scene.broker, scene.centre.tls(ingest)) as hub,
    ):
        assert bad.publish(CONTROL_TOPIC, end_sessions([scene.good.unit])) == 0x87
        assert bad.publish(wire.up_topic(scene.bad.unit, "record")) == 0x10  # nobody listens, and it may
        assert good.is_connected
        assert hub.publish(CONTROL_TOPIC, end_sessions([scene.good.unit])) == 0
        wait_for(lambda: good.gone == 0x98)
        assert bad.is_connected
        # Between the two commands of an ending, and after them, the access rules decide alone.
        assert bad.publish(wire.up_topic(scene.good.unit, "record")) == 0x87
