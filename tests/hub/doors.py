"""A real door for tests: the process that `ems-hub door` starts, its store, its authority, and a worker by hand."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from agent import wire_door
from agent.identity import HubPlace
from agent.wire_door import EnrolmentRequest, EnrolmentState
from hub import authority, enrolment
from hub.config import Settings
from hub.enrolment import CaFolder
from hub.store import Store, enrolling
from hub.terminal import now_utc_ms
from hub.worker import Worker
from tests.brokers import REPOSITORY, free_port
from tests.hub.authorities import csr
from tests.hub.hubs import settings_for
from tests.support import wait_for

NAMES = authority.hub_names("hub.centre.example", "examhub")


class Answer(NamedTuple):
    status: int
    body: bytes
    kind: str

    def trouble(self) -> wire_door.Trouble:
        assert self.kind == "application/json"
        found: wire_door.Trouble = wire_door.decode(wire_door.Trouble, self.body)
        return found

    def state(self) -> EnrolmentState:
        assert self.status == 200, self.body
        found: EnrolmentState = wire_door.decode(EnrolmentState, self.body)
        return found


class Hub:
    """The hub behind one door, and what its people and its worker do."""

    def __init__(self, folder: Path, broker_port: int = 8883) -> None:
        self.folder = folder
        self.ca = CaFolder(folder / "ca")
        enrolment.init(self.ca, NAMES, list, now_utc_ms())
        self.port = free_port()
        self.log = folder / "door.log"
        self.settings: Settings = settings_for(
            folder,
            ca_path=str(self.ca.path),
            door_port=self.port,
            broker_port=broker_port,
            is_clock_trusted=True,
            hub_names="hub.centre.example",
        )
        self.store = Store(self.settings.database_path)
        self.worker = Worker(self.settings, self.store, now_utc_ms)
        self.fingerprint = authority.fingerprint(enrolment.roots(self.ca)[0])
        self.roots = self.ca.authorities.read_text()

    def place(self, **changes: Any) -> HubPlace:
        fields: dict[str, Any] = {"hub": "127.0.0.1", "ca_fingerprint": self.fingerprint[:32], "door_port": self.port}
        return HubPlace(**(fields | changes))

    def work(self) -> None:
        """The worker's next turn."""
        self.worker.turn()

    @contextmanager
    def working(self) -> Iterator[None]:
        """The worker runs."""
        stop = threading.Event()
        thread = threading.Thread(target=self.worker.run, args=(stop,), name="worker")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(30)

    def approve(self, code: str, **where: str) -> str:
        with self.store.write() as connection:
            request = enrolling.by_code(connection, code)
            where = {"room": "Hall", "label": f"S{request.enrolment_id}"} | where
            return enrolling.approve(connection, request.enrolment_id, who="ada", now_utc_ms=now_utc_ms(), **where)

    def waiting(self) -> list[enrolling.Request]:
        with self.store.read() as connection:
            return enrolling.waiting(connection)

    def revoke(self, unit: str) -> None:
        with self.store.write() as connection:
            enrolling.revoke(connection, unit, who="ada", why="lost", now_utc_ms=now_utc_ms())

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        signature: str | None = None,
        source: str = "127.0.0.1",
    ) -> Answer:
        """One request as a desk that trusts this hub makes it."""
        context = ssl.create_default_context(cadata=self.roots)
        line = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=20, context=context, source_address=(source, 0)
        )
        headers = {} if signature is None else {wire_door.SIGNATURE_HEADER: signature}
        try:
            line.request(method, path, body, headers)
            response = line.getresponse()
            return Answer(response.status, response.read(), response.headers["Content-Type"])
        finally:
            line.close()

    def post(self, path: str, message: Struct, key: Ed25519PrivateKey, source: str = "127.0.0.1") -> Answer:
        body = wire_door.encode(message)
        return self.call("POST", path, body, wire_door.sign(path, body, key.sign), source)


class Card:
    """A desk's two keys."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.public_key = self.key.public_key().public_bytes_raw().hex()
        self.tls_key = ec.generate_private_key(ec.SECP256R1())
        self.csr = csr(self.tls_key)

    def request(self, **fields: Any) -> EnrolmentRequest:
        return EnrolmentRequest(csr=self.csr, public_key=self.public_key, **fields)

    def state(self) -> wire_door.StateRequest:
        return wire_door.StateRequest(public_key=self.public_key)

    def renewal(self, unit: str) -> wire_door.RenewalRequest:
        return wire_door.RenewalRequest(unit=unit, public_key=self.public_key, csr=csr())


@contextmanager
def door_process(hub: Hub) -> Iterator[subprocess.Popen[bytes]]:
    """`ems-hub door`, answering; it is asked to end at the end, and must."""
    settings = hub.settings
    with hub.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hub.cli", "door"],
            cwd=REPOSITORY,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("EMS_")},
                "APP_ENV": "development",
                "DATABASE_URL": settings.database_url,
                "STORAGE_PATH": settings.storage_path,
                "EMS_STORAGE_RESERVE_BYTES": str(settings.storage_reserve_bytes),
                "EMS_LIVE_PATH": settings.live_path,
                "EMS_CA_PATH": settings.ca_path,
                "EMS_HUB_NAMES": settings.hub_names,
                "EMS_DOOR_PORT": str(hub.port),
                "EMS_BROKER_PORT": str(settings.broker_port),
                "S3_ENDPOINT": settings.s3_endpoint,
                "EMS_S3_BUCKET": settings.s3_bucket,
                "EMS_S3_ACCESS_KEY": settings.s3_access_key,
                "EMS_S3_SECRET_KEY": settings.s3_secret_key,
            },
            stderr=log,
        )
    try:
        wait_for(lambda: process.poll() is not None or _is_open(hub.port))
        assert process.poll() is None, hub.log.read_text()
        yield process
        if process.poll() is None:
            process.terminate()
            assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def _is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
