"""The desk's own link and the real ingest under the centre's broker rules: all that both need is allowed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from agent import wire
from hub.store import Store, planning
from tests.authority import Centre
from tests.brokers import secure_mosquitto
from tests.contract.desk_side import SMALL_STILL, UNIT, Desk, alert, fault, now
from tests.hub.hubs import ingesting, settings_for, value
from tests.support import wait_for


# paho leaves the socket of a failed handshake to the garbage collector, which closes it at once, with a warning
@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_desk_and_ingest_under_the_rules_until_the_desk_is_revoked(tmp_path: Path) -> None:
    """Birth, records, evidence, receipts and plans pass, also after kill -9 of the broker, and nothing is refused. Once
    revoked, the desk is cut off, is refused again and again, keeps what it has, and the hub takes no more of it."""
    centre, store = Centre(tmp_path), Store(tmp_path / "hub.db")
    papers = centre.issue(UNIT)
    with secure_mosquitto(tmp_path / "broker", centre) as broker:
        settings = settings_for(tmp_path, broker, broker_tls=True, ca_path=str(centre.folder.path))
        with ingesting(settings), Desk.at(broker, tmp_path / "desk", tls=centre.tls(papers)).connected() as desk:
            wait_for(lambda: value(store, "select count(*) from presence where is_online"))
            with store.write() as connection:
                planning.put_seat(connection, room="Hall", label="1", unit=UNIT)
                planning.replan(connection, 5_000)
            desk.append(alert(SMALL_STILL), SMALL_STILL)
            for number in range(50):
                desk.append(fault(number))
            broker.kill()
            broker.start()
            for number in range(50):
                desk.append(fault(100 + number))
            wait_for(lambda: desk.plans and desk.records.depth() == 0)
            assert value(store, "select count(*) from records") == 101
            assert desk.link.refused == 0

            with store.write() as connection:
                connection.execute("update units set is_revoked = 1, revoked_utc_ms = 1 where unit = ?", (UNIT,))
            centre.revoke(papers)
            broker.reload()
            desk.append(fault(1_000))
            wait_for(lambda: desk.link.connected_since is None, timeout_s=10)
            refused = broker.log().count("certificate verify failed")
            wait_for(lambda: broker.log().count("certificate verify failed") >= refused + 2)
            assert desk.link.connected_since is None
            assert desk.records.depth() == 1
    assert value(store, "select count(*) from records") == 101
    assert value(store, "select count(*) from conflicts") == 0
    store.close()


def test_the_socket_is_touched_by_one_thread_only(tmp_path: Path) -> None:
    """Live stills from the desk's main thread, records from the link's own: OpenSSL takes one thread at a connection,
    and two of them end it with a damaged record."""
    centre = Centre(tmp_path)
    papers = centre.issue(UNIT)
    data = b"\xff\xd8" + bytes(range(256)) * 180 + b"\xff\xd9"
    with secure_mosquitto(tmp_path / "broker", centre) as broker:
        with Desk.at(broker, tmp_path / "desk", tls=centre.tls(papers)).connected() as desk:
            since = desk.link.connected_since
            note = wire.StillNote(boot=1, at=now(), sha256=wire.sha256_hex(data))
            speakers = [
                threading.Thread(target=lambda: [desk.link.publish_still(wire.Still(note, data)) for _ in range(400)])
                for _ in range(2)
            ]
            for speaker in speakers:
                speaker.start()
            for number in range(30):
                desk.append(fault(number))
            for speaker in speakers:
                speaker.join()
            wait_for(lambda: desk.link.ticks > 3)
            assert (desk.link.connected_since, desk.link.trouble) == (since, None)
        assert "bad record mac" not in broker.log()
