"""A centre as it is deployed, of real processes: authority, mosquitto with the generated configuration, ingest, worker,
door, pages, and desks that enrol. Only what a technician has is used: commands, settings, files."""

from __future__ import annotations

import getpass
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from agent.core.redact import writings_of
from agent.wire import Heartbeat
from hub import authority, enrolment
from hub.enrolment import CaFolder
from hub.store import Store, planning
from tests.brokers import REPOSITORY, free_port, mosquitto_path
from tests.support import wait_for

HUB_PROCESSES = ("ingest", "worker", "door", "web")
SECRET_KEY = "the-secret-key-of-the-tests-" * 2


def clean_environ() -> dict[str, str]:
    ours = {"APP_ENV", "SECRET_KEY", "DATABASE_URL", "STORAGE_PATH", "CAMERA_DEVICE", "LOG_LEVEL"}
    return {name: value for name, value in os.environ.items() if not name.startswith("EMS_") and name not in ours}


class TrustedCentre:
    """Everything lies in `folder`. `prefix` is put before each command of the hub, as to run it on another host."""

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", prefix: Sequence[str] = (), **settings: str) -> None:
        self.folder, self.host, self._prefix = folder, host, list(prefix)
        self.ports = {name: free_port() for name in ("broker", "door", "web")}
        self.environ = {
            **clean_environ(),
            "APP_ENV": "production",
            "SECRET_KEY": SECRET_KEY,
            "DATABASE_URL": f"sqlite:///{folder / 'hub' / 'hub.db'}",
            "STORAGE_PATH": str(folder / "hub" / "storage"),
            "EMS_LIVE_PATH": str(folder / "live"),
            "EMS_CA_PATH": str(folder / "hub" / "ca"),
            "EMS_HUB_NAMES": host,
            "EMS_BROKER_HOST": host,
            "EMS_BROKER_PORT": str(self.ports["broker"]),
            "EMS_BROKER_TLS": "true",
            "EMS_DOOR_HOST": host,
            "EMS_DOOR_PORT": str(self.ports["door"]),
            "EMS_WEB_HOST": host,
            "EMS_WEB_PORT": str(self.ports["web"]),
            "EMS_WEB_TLS": "true",
            "EMS_IS_CLOCK_TRUSTED": "true",
            **settings,
        }
        self.ca = CaFolder(self.environ["EMS_CA_PATH"])
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._closing = threading.Event()
        self.hub("init")
        threading.Thread(target=self._reload_broker, daemon=True).start()
        self.store = Store(folder / "hub" / "hub.db")
        self.fingerprint = self._fingerprint()

    # --- commands ---------------------------------------------------------------------------------------------------

    def hub(self, *words: str) -> str:
        """What `ems-hub` says to these words; it must succeed."""
        done = self.try_hub(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def try_hub(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [*self._prefix, sys.executable, "-m", "hub.cli", *words]
        return subprocess.run(command, cwd=REPOSITORY, env=self.environ, capture_output=True, text=True, check=False)

    def _fingerprint(self) -> str:
        digits = re.search(r"\b(?:[0-9a-f]{4} ){7}[0-9a-f]{4}\b", self.hub("ca", "show"))
        assert digits is not None
        return digits[0]

    def agent(self, desk: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agent.cli", *words]
        return subprocess.run(
            command, cwd=REPOSITORY, env=self.desk_environ(desk, **environ), capture_output=True, text=True, check=False
        )

    # --- processes --------------------------------------------------------------------------------------------------

    def log(self, name: str) -> str:
        path = self.folder / "log" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _start(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        path = self.folder / "log" / f"{name}.log"
        path.parent.mkdir(exist_ok=True)
        with path.open("ab") as log:
            self.processes[name] = subprocess.Popen(
                list(command), cwd=REPOSITORY, env=dict(environ), stdout=log, stderr=log
            )

    def start_broker(self) -> None:
        folder = self.folder / "broker"
        folder.mkdir(exist_ok=True)
        own = ["--user", getpass.getuser(), "--state", str(folder), "--host", self.host]
        self.hub("broker", "config", "--out", str(folder), "--port", self.environ["EMS_BROKER_PORT"], *own)
        command = [*self._prefix, mosquitto_path(), "-c", str(folder / "mosquitto.conf")]
        self._start("broker", command, clean_environ())

    def start_hub(self, *names: str) -> None:
        for name in names or HUB_PROCESSES:
            self._start(name, [*self._prefix, sys.executable, "-m", "hub.cli", name], self.environ)

    def start(self) -> None:
        """Broker and hub, and wait until all of them answer."""
        self.start_broker()
        self.start_hub()
        wait_for(lambda: '"is_connected": true' in self._live("ingest.json") or self._check_alive(), 60)
        wait_for(lambda: self._live("worker.json") or self._check_alive(), 60)

    def _live(self, name: str) -> str:
        path = self.folder / "live" / name
        text = path.read_text() if path.exists() else ""
        return text.replace('":', '": ').replace('":  ', '": ')

    def _check_alive(self) -> bool:
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} ended: {self.log(name)[-2000:]}"
        return False

    def desk_environ(self, desk: str, **environ: str) -> dict[str, str]:
        return {
            **clean_environ(),
            "APP_ENV": "production",
            "STORAGE_PATH": str(self.folder / desk),
            "EMS_HUB": self.host,
            "EMS_CA_FINGERPRINT": self.fingerprint,
            "EMS_DOOR_PORT": str(self.ports["door"]),
            "EMS_RECORD_WIDTH": "640",
            "EMS_RECORD_HEIGHT": "360",
            "EMS_RECORD_FPS": "10",
            "EMS_SEGMENT_S": "3",
            "EMS_STORAGE_LOW_BYTES": "0",
            "EMS_IS_CLOCK_TRUSTED": "true",
            **environ,
        }

    def start_desk(self, desk: str, camera: str, **environ: str) -> None:
        command = [sys.executable, "-m", "agent.cli", "run"]
        self._start(desk, command, self.desk_environ(desk, CAMERA_DEVICE=camera, **environ))

    def stop(self, name: str) -> int:
        """Ask it to end in order; its exit code."""
        self.processes[name].send_signal(signal.SIGTERM)
        return self.processes[name].wait(60)

    def _reload_broker(self) -> None:
        """What `ems-broker-reload.path` does: SIGHUP when a file that the broker reads has changed."""
        files = (self.ca.revoked, self.ca.authorities, self.ca.server_certificate)
        before = [path.stat().st_mtime_ns for path in files]
        while not self._closing.wait(0.1):
            now = [path.stat().st_mtime_ns for path in files]
            broker = self.processes.get("broker")
            if now != before and broker is not None and broker.poll() is None:
                broker.send_signal(signal.SIGHUP)
            before = now

    def close(self) -> None:
        self._closing.set()
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
        self.store.close()

    def expire_certificate(self, desk: str, unit: str) -> None:
        """Put a certificate that ended weeks ago in place of the desk's: as if it had lain in a cupboard."""
        identity = self.folder / desk / "identity"
        key = enrolment.read_key(identity / "tls.key")
        signer, weeks_ago_utc_ms = enrolment.issuing(self.ca), time.time_ns() // 1_000_000 - 40 * authority.DAY_MS
        public_key = self.rows("select public_key from units where unit = ?", unit)[0]["public_key"]
        leaf = authority.unit_certificate(signer, key.public_key(), unit, public_key, 1, weeks_ago_utc_ms)
        (identity / "tls.crt").write_bytes(authority.pem(leaf, signer.certificate))

    # --- what it holds ----------------------------------------------------------------------------------------------

    def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        with self.store.read() as connection:
            return [dict(row) for row in connection.execute(sql, values)]

    def is_at_broker(self, unit: str) -> bool:
        """Whether the broker holds a session of this unit, by its own log."""
        last = [line for line in self.log("broker").splitlines() if re.search(rf"\b{re.escape(unit)}\b", line)]
        return bool(last) and "New client connected" in last[-1]

    def refused(self) -> int:
        """How often the broker has turned a certificate away."""
        return len(re.findall(r"certificate|alert", self.log("broker")))

    def segments(self, desk: str) -> set[str]:
        """The finished files on the desk's card."""
        return {path.name for path in (self.folder / desk / "segments").rglob("*.ts")}

    def secrets(self) -> set[str]:
        """Every key of hub and desks and the key that signs log-ins, as it could stand in a text."""
        keys = [path.read_bytes() for path in self.folder.rglob("*.key")]
        keys += [
            load_pem_private_key(key, None).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            for key in keys
        ]
        return set().union(*map(writings_of, [*keys, SECRET_KEY.encode()]))

    def told(self) -> dict[str, str]:
        """All that anybody may read: logs, what processes tell of themselves in files, and the list of processes."""
        paths = [*self.folder.glob("log/*"), *self.folder.glob("live/*.json"), *self.folder.glob("*/run/*.json")]
        paths += [Path(f"/proc/{process.pid}/cmdline") for process in self.processes.values()]
        return {str(path): path.read_text(errors="replace") for path in paths if path.exists()}

    def heartbeat(self, unit: str) -> tuple[Heartbeat, int] | None:
        """(the unit's newest, when it came)."""
        with self.store.read() as connection:
            found = planning.heartbeats(connection).get(unit)
        return None if found is None or not found[0] else (msgspec.json.decode(found[0], type=Heartbeat), found[1])


@contextmanager
def trusted_centre(folder: Path, **named: Any) -> Iterator[TrustedCentre]:
    """Started, and every process ended at the end."""
    with ExitStack() as stack:
        made = TrustedCentre(folder, **named)
        stack.callback(made.close)
        made.start()
        yield made
