"""kill -9 of ingest at the worst moments, and of the broker: no record lost, none doubled, no receipt too early."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from hub.store import Store
from tests.brokers import Broker, mosquitto
from tests.hub.desk import Desk, DeskLink, alert, segment
from tests.hub.hubs import ingest_process, value
from tests.support import wait_for

RECORDS = 60


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "hub.db")
    yield opened
    opened.close()


@pytest.fixture
def desk(store: Store) -> Desk:
    """An enrolled desk with a morning's records."""
    made = Desk()
    with store.write() as connection:
        connection.execute(
            "insert into units (unit, public_key, first_seen_utc_ms) values (?, ?, 1)", (made.unit, made.public_key)
        )
    for number in range(RECORDS // 3):
        made.seal(alert(f"a{number}", began_s=200 * number), 200 * number + 10)
        made.seal(segment(number), 200 * number + 12)
        made.seal(alert(f"a{number}", "cleared", began_s=200 * number, cleared_s=200 * number + 20), 200 * number + 20)
    return made


def all_is_right(store: Store, desk: Desk) -> None:
    assert value(store, "select count(*) from records") == len(desk.records)
    assert value(store, "select count(distinct hash) from records") == len(desk.records)
    assert value(store, "select count(*) from alerts") == RECORDS // 3
    assert value(store, "select count(*) from incidents where merged_into is null") == RECORDS // 3
    assert value(store, "select count(*) from incident_events where action = 'opened'") == RECORDS // 3
    assert value(store, "select count(*) from conflicts") == 0
    assert value(store, "pragma integrity_check") == "ok"


def resend_until(store: Store, link: DeskLink, wanted: int) -> bool:
    """Send what has no receipt, once; whether the store holds `wanted` records."""
    link.send_all()
    return bool(value(store, "select count(*) from records") >= wanted)


@pytest.mark.parametrize("point", ["before_commit", "after_commit", "after_ack"])
def test_killed_at_a_failpoint(mosquitto_broker: Broker, tmp_path: Path, store: Store, desk: Desk, point: str) -> None:
    """Killed before the commit nothing is there; killed after it everything is; in neither case was a receipt sent.
    The next start, and the desk's sending again, end with every record once."""
    with (
        ingest_process(tmp_path, mosquitto_broker, EMS_FAILPOINT=point) as first,
        DeskLink(mosquitto_broker, desk, has_birth=False) as link,
    ):
        wait_for(lambda: first.poll() is not None or link.say("record", desk.records[0]) < 0, every_s=0.3)
        assert first.returncode == -signal.SIGKILL
        kept = value(store, "select count(*) from records")
        assert (kept == 0) == (point == "before_commit")
        assert not link.receipts
        with ingest_process(tmp_path, mosquitto_broker) as second:
            wait_for(link.send_all, every_s=1.0)
        assert second.returncode == 0
    all_is_right(store, desk)


def test_killed_again_and_again_while_records_come(
    mosquitto_broker: Broker, tmp_path: Path, store: Store, desk: Desk
) -> None:
    """Ten kills at ten different moments; at each one, whatever was receipted is committed."""
    with DeskLink(mosquitto_broker, desk) as link:
        for kill in range(10):
            wanted = min(RECORDS, 1 + 6 * kill)
            with ingest_process(tmp_path, mosquitto_broker) as process:
                wait_for(partial(resend_until, store, link, wanted), every_s=0.2)
                process.kill()
            assert process.returncode == -signal.SIGKILL
            for boot, seq in list(link.receipts):
                assert value(store, "select count(*) from records where boot = ? and seq = ?", boot, seq) == 1
        with ingest_process(tmp_path, mosquitto_broker) as process:
            wait_for(link.send_all, every_s=0.5)
    all_is_right(store, desk)


def test_the_broker_forgets_everything(tmp_path: Path, store: Store, desk: Desk) -> None:
    """kill -9 of a broker without persistence: what it had acknowledged and lost is sent again by the desk."""
    with mosquitto(tmp_path / "broker") as broker, DeskLink(broker, desk) as link:
        with ingest_process(tmp_path, broker) as process:
            try:
                link.say("record", desk.records[0])
                wait_for(lambda: link.receipts[(1, 1)] or link.say("record", desk.records[0]) < 0, every_s=0.5)
                process.send_signal(signal.SIGSTOP)
                link.send_all()
                broker.kill()
                broker.start()
                process.send_signal(signal.SIGCONT)
                wait_for(link.send_all, every_s=1.0)
            finally:
                process.send_signal(signal.SIGCONT)
        assert process.returncode == 0
    all_is_right(store, desk)


def test_the_broker_drops_past_its_queue_limit(tmp_path: Path, store: Store, desk: Desk) -> None:
    """A broker that queues ten messages, acknowledges all and drops the rest: nothing is lost in the end."""
    with mosquitto(tmp_path / "broker", max_queued=10) as broker, DeskLink(broker, desk) as link:
        with ingest_process(tmp_path, broker) as process:
            try:
                wait_for(lambda: link.receipts[(1, 1)] or link.say("record", desk.records[0]) < 0, every_s=0.5)
                process.send_signal(signal.SIGSTOP)
                last = [link.say("record", record) for record in desk.records][-1]
                wait_for(lambda: link.is_taken(last))
                process.send_signal(signal.SIGCONT)
                wait_for(link.send_all, every_s=1.0)
            finally:
                process.send_signal(signal.SIGCONT)
    all_is_right(store, desk)


def test_a_failpoint_is_refused_in_production(mosquitto_broker: Broker, tmp_path: Path) -> None:
    """No setting left over from a test can kill a centre's ingest."""
    with ingest_process(
        tmp_path, mosquitto_broker, EMS_FAILPOINT="after_ack", APP_ENV="production", SECRET_KEY="k" * 32
    ) as process:
        assert process.wait(30) == 1
