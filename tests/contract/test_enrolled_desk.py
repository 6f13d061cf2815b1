"""`ems-agent run` with a hub, as a process: door, worker, and a mosquitto that wants certificates."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from agent import host, wire
from agent.identity import IdentityFolder
from tests.agent.vision_kit import files_folder
from tests.brokers import REPOSITORY, mosquitto
from tests.hub.doors import Hub, door_process
from tests.support import wait_for


class Heard:
    """What desks say, to a client with the hub's own certificate."""

    def __init__(self, hub: Hub, port: int) -> None:
        self.messages: dict[str, Any] = {}
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.tls_set(str(hub.ca.authorities), str(hub.ca.ingest_certificate), str(hub.ca.ingest_key))
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("ems/1/+/up/#", qos=1)
        self._client.loop_start()

    def _take(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        unit, _, kind = wire.parse_topic(message.topic)
        self.messages[f"{unit} {kind}"] = wire.decode_up(kind, bytes(message.payload))

    def wait_for(self, what: str) -> Any:
        """The newest message of this unit and kind."""
        wait_for(lambda: what in self.messages)
        return self.messages[what]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def agent_process(storage: Path, log: Path, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "agent.cli", "run"],
            cwd=REPOSITORY,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("EMS_")},
                "STORAGE_PATH": str(storage),
                "CAMERA_DEVICE": "demo:steady",
                "EMS_MODELS_PATH": str(files_folder()),
                "EMS_RECORD_WIDTH": "320",
                "EMS_RECORD_HEIGHT": "180",
                "EMS_STORAGE_LOW_BYTES": "0",
                **environ,
            },
            stdout=file,
            stderr=file,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def service_manager(folder: Path) -> Iterator[tuple[list[str], dict[str, str]]]:
    """What a service manager hears, and the variables by which a process finds it."""
    told: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(folder / "notify.sock"))

        def listen() -> None:
            while text := line.recv(4096).decode():
                told.extend(text.splitlines())

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield told, {"NOTIFY_SOCKET": str(folder / "notify.sock"), "WATCHDOG_USEC": "3000000"}
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
                end.sendto(b"", str(folder / "notify.sock"))
            thread.join(10)


def test_a_desk_enrols_and_speaks_for_itself_over_tls(tmp_path: Path) -> None:
    """From a name and a fingerprint to a desk that speaks for itself at the broker, over TLS, with its own certificate;
    while it asks, the service manager knows that it is well and what it waits for; stopped then it ends at once, and
    asks with the same code at the next start; enrolled it starts without the door."""
    storage, log = tmp_path / "desk", tmp_path / "agent.log"
    hub = Hub(tmp_path / "hub")
    more = [
        f"cafile {hub.ca.authorities}",
        f"certfile {hub.ca.server_certificate}",
        f"keyfile {hub.ca.server_key}",
        "require_certificate true",
        "use_identity_as_username true",
        "tls_version tlsv1.3",
    ]
    with mosquitto(tmp_path / "broker", more="\n".join(more)) as broker:
        hub.settings = msgspec.structs.replace(hub.settings, broker_port=broker.port)
        environ = {
            "EMS_HUB": "localhost",
            "EMS_CA_FINGERPRINT": hub.fingerprint[:32],
            "EMS_DOOR_PORT": str(hub.port),
        }
        with door_process(hub):
            with (
                service_manager(tmp_path) as (told, notify),
                agent_process(storage, log, **environ, **notify) as process,
            ):
                (code, *_) = wait_for(lambda: re.findall(r"claim code (\S{9})", log.read_text()))
                wait_for(lambda: f"STATUS=enrolling: claim code {code}" in "\n".join(told))
                wait_for(lambda: {"READY=1", "WATCHDOG=1"} <= set(told))
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0
            with hub.working(), agent_process(storage, log, **environ) as process:
                wait_for(lambda: log.read_text().count(f"claim code {code}") >= 2)
                assert len(hub.waiting()) == 1
                unit = hub.approve(code)
                heard = Heard(hub, broker.port)
                try:
                    status = heard.wait_for(f"{unit} status")
                    beat = heard.wait_for(f"{unit} heartbeat")
                finally:
                    heard.close()
                identity = IdentityFolder(storage).identity()
                assert identity is not None
                assert status.is_online
                assert (status.machine, status.os_boot) == (host.machine_serial(), host.os_boot_id())
                assert beat.certificate_ends_utc_ms == identity.ends_utc_ms
                wait_for(lambda: (storage / "records.db").exists())
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0
        with agent_process(storage, log, **environ) as _:
            heard = Heard(hub, broker.port)
            try:
                wait_for(lambda: heard.wait_for(f"{unit} status").boot > status.boot)
            finally:
                heard.close()
    hub.store.close()
    for secret in ("BEGIN", "PRIVATE", "Traceback"):
        assert secret not in log.read_text()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    wait_for(lambda: threading.active_count() <= before)
