"""Ingest over TLS: every byte in order, a renewed certificate without a restart, and a broker that does not answer."""

from __future__ import annotations

import logging
import select
import socket
import ssl
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace
from paho.mqtt.enums import CallbackAPIVersion

from agent import wire
from hub import worker
from hub.alone import alone
from hub.enrolment import INGEST_NAME
from hub.ingest import IngestProblem, run
from hub.ingest.client import Client, ReadAhead
from hub.store import Store, intake
from hub.terminal import now_utc_ms
from hub.worker import WorkerProblem
from tests.authority import HOUR, Centre, Papers, right_now
from tests.brokers import mosquitto, secure_mosquitto
from tests.hub.desk import Desk, DeskLink, jpeg, segment
from tests.hub.hubs import ingesting, settings_for, value
from tests.support import wait_for


def test_records_and_big_stills_pass_over_tls(tmp_path: Path, store: Store) -> None:
    """Messages larger than a TLS record and many small ones arrive whole and are receipted."""
    centre, desk = Centre(tmp_path), Desk()
    stills = [jpeg(str(number) * (wire.MAX_MESSAGE_BYTES - 2_000)) for number in range(10)]
    for number in range(300):
        desk.seal(segment(number))
    with (
        secure_mosquitto(tmp_path / "broker", centre) as broker,
        ingesting(settings_for(tmp_path, broker, broker_tls=True, ca_path=str(centre.folder.path))),
        DeskLink(broker, desk, tls=centre.tls(centre.issue(desk.unit))) as link,
    ):
        wait_for(lambda: value(store, "select count(*) from units"))
        for still in stills:
            link.say("evidence", desk.still(still))
        link.send_all()
        wait_for(lambda: link.is_done() and len(link.still_receipts) == len(stills))
    assert value(store, "select count(*) from stills") == len(stills)
    assert value(store, "select count(*) from records") == 300
    assert value(store, "select count(*) from rejected") == 0


def test_a_renewed_certificate_needs_no_restart(tmp_path: Path, store: Store) -> None:
    """Ingest gets a new key and certificate, the old one is revoked, the broker restarts: ingest is back by itself."""
    centre, desk = Centre(tmp_path), Desk()
    settings = settings_for(tmp_path, broker_tls=True, ca_path=str(centre.folder.path), trust_new_units=False)
    with store.write() as connection:
        intake.add_unit(connection, desk.unit, desk.public_key, 1)
    first = centre.folder.ingest_certificate
    with secure_mosquitto(tmp_path / "broker", centre) as broker:
        tls = centre.tls(centre.issue(desk.unit))
        with ingesting(replace(settings, broker_port=broker.port)):
            wait_for(lambda: f"as {INGEST_NAME}" in broker.log())
            was = Papers(first, centre.folder.ingest_key, centre.serial_number(first))
            centre.issue_ingest()
            centre.revoke(was)
            broker.kill()
            broker.start()
            with DeskLink(broker, desk, tls=tls) as link:
                desk.seal(segment(1))
                wait_for(link.send_all)


def test_a_broker_that_refuses_ingest_is_said_once(
    tmp_path: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """An expired certificate: one line that leads to the check, however often it is tried."""
    centre = Centre(tmp_path)
    centre.issue_ingest(not_after=right_now() - HOUR / 2)
    with secure_mosquitto(tmp_path / "broker", centre) as broker, caplog.at_level(logging.ERROR, "hub.ingest.broker"):
        settings = settings_for(tmp_path, broker, broker_tls=True, ca_path=str(centre.folder.path))
        with ingesting(settings):
            wait_for(lambda: broker.log().count("certificate verify failed") >= 2)
    said = [record.getMessage() for record in caplog.records if "no connection to the broker" in record.getMessage()]
    assert 1 <= len(said) <= 3  # the alert, and a connection that was reset or closed before the alert was read
    assert "broker check" in said[0]


def test_a_broker_that_is_not_there_is_said_once_and_its_coming_too(
    tmp_path: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever starts the hub by hand reads where it tries, why in vain, and when it has worked."""
    broker = mosquitto(tmp_path / "broker")
    with caplog.at_level(logging.INFO, "hub.ingest.broker"), ingesting(settings_for(tmp_path, broker)):
        wait_for(lambda: "Connection refused" in caplog.text)
        with broker:
            wait_for(lambda: f"connected to the broker at 127.0.0.1:{broker.port}" in caplog.text)
    assert caplog.text.count("Connection refused") == 1


def test_a_second_ingest_or_worker_on_one_store_is_refused(tmp_path: Path, store: Store) -> None:
    """Two would take the broker's session from each other for ever."""
    broker = mosquitto(tmp_path / "broker")
    settings = settings_for(tmp_path, broker)
    with broker, ingesting(settings):
        wait_for(lambda: (tmp_path / "live" / "ingest.json").exists())
        with pytest.raises(IngestProblem, match="another `ems-hub ingest` runs"):
            run(settings, threading.Event())
    with alone(settings.database_path, "worker"), pytest.raises(WorkerProblem, match="another `ems-hub worker` runs"):
        worker.run(settings, threading.Event(), now_utc_ms)


def test_a_handshake_that_is_never_answered_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something listens and says nothing: the attempt ends by itself, with nothing left open."""
    monkeypatch.setattr("hub.ingest.client.HANDSHAKE_TIMEOUT_S", 0.2)
    refused: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(
            lambda *_: None,
            CallbackAPIVersion.VERSION2,
            make_context=ssl.create_default_context,
            when_refused=refused.append,
        )
        with pytest.raises(TimeoutError):
            client.connect("127.0.0.1", silent.getsockname()[1])
    assert len(refused) == 1


@pytest.mark.parametrize("read_ahead_bytes", [65_536, 1_000])
def test_reading_ahead_over_tls_blocks_and_holds_back_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_ahead_bytes: int
) -> None:
    """Without data a read says `not yet`, as a plain socket does; what TLS has decrypted already is counted."""
    monkeypatch.setattr("hub.ingest.client.READ_AHEAD_BYTES", read_ahead_bytes)
    centre = Centre(tmp_path)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(centre.folder.server_certificate, centre.folder.server_key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    context = ssl.create_default_context(cafile=str(centre.folder.authorities))
    incoming = context.wrap_socket(ours, server_hostname="localhost", do_handshake_on_connect=False)
    outgoing = server_side.wrap_socket(theirs, server_side=True, do_handshake_on_connect=False)
    for each in (incoming, outgoing):
        each.setblocking(False)
    is_done = {incoming: False, outgoing: False}
    while not all(is_done.values()):
        for each in is_done:
            try:
                each.do_handshake()
                is_done[each] = True
            except ssl.SSLWantReadError:
                pass
    ahead = ReadAhead(incoming)
    with incoming, outgoing:
        with pytest.raises(BlockingIOError):
            ahead.recv(1)
        data = bytes(range(256)) * 160  # three TLS records
        outgoing.sendall(data)
        got = wait_for(lambda: ahead.recv(1) if select.select([incoming], [], [], 0)[0] else b"")
        assert ahead.pending() == 16_384 - 1

        def read_all() -> bool:
            nonlocal got
            try:
                got += ahead.recv(10_000)
            except BlockingIOError:
                assert ahead.pending() == 0
            return len(got) == len(data)

        wait_for(read_all)
        assert got == data
