"""The desk's own link and the real ingest under the centre's broker rules: all that both need is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.store import Store, planning
from tests.authority import Centre
from tests.brokers import secure_mosquitto
from tests.contract.desk_side import SMALL_STILL, UNIT, Desk, alert, fault
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
