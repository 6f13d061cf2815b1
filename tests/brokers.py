"""Real private brokers for tests: mosquitto and the embedded amqtt, on loopback, with faults on demand."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

import pytest

from agent.wire import MAX_MESSAGE_BYTES
from hub.broker import Place, plugin_path
from hub.broker_files import write_files
from tests.authority import Centre
from tests.support import wait_for

REPOSITORY = Path(__file__).parents[1]


def mosquitto_path() -> str:
    """The mosquitto binary; a failure that says what to install when there is none."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail("these tests need a real broker: install it with `apt-get install mosquitto`", pytrace=False)
    return found


_PORTS, _PORTS_OF_A_PROCESS = range(10_000, 32_600), 200
"""From 32768 on Linux gives ports to connections, and to whoever asks for any."""


@functools.cache
def _ports_of_this_process() -> tuple[socket.socket, Iterator[int]]:
    """Ports that no other process of any test run on this machine hands out, and the name that keeps them: a socket
    without a file, which the kernel lets only one process have and takes back when it ends."""
    for first in _PORTS[::_PORTS_OF_A_PROCESS]:
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind(f"\0ems-test-ports-{first}")
        except OSError:
            name.close()
        else:
            return name, itertools.cycle(range(first, first + _PORTS_OF_A_PROCESS))
    raise AssertionError("every port for tests is taken: are hundreds of test runs at work?")


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A loopback port that nobody listens on now, and that nobody else takes before its test does, or while its server
    is away: neither another test process, nor the kernel for a connection or for who asks it for any port."""
    for port in itertools.islice(_ports_of_this_process()[1], _PORTS_OF_A_PROCESS):
        with socket.socket(type=kind) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("somebody listens on every port of this process")


class Broker:
    """One broker process on a port that stays the same through restarts.

    `protocol` is the MQTT version its clients use: 5, or 4 for 3.1.1.
    """

    def __init__(self, name: str, command: list[str], port: int, protocol: Literal[4, 5], log: Path) -> None:
        self.name = name
        self.port = port
        self.protocol = protocol
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"{self.name} on port {self.port}"

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and return when it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, cwd=REPOSITORY, stdout=log, stderr=log)
        wait_for(self._is_listening)

    def _is_listening(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            pytest.fail(f"{self.name} ended by itself:\n{self._log.read_text()}", pytrace=False)
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def reload(self) -> None:
        """SIGHUP: the broker reads certificates, revoked ones and access rules anew."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def log(self) -> str:
        """What it has said since it was first started."""
        return self._log.read_text()

    def kill(self) -> None:
        """kill -9: nothing is saved, nobody is told."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end in order, as a service manager does."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def mosquitto(folder: Path, *, has_persistence: bool = False, max_queued: int = 1000, more: str = "") -> Broker:
    """A mosquitto that is not started yet. `more` is added to its configuration file."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "mosquitto.conf"
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        f"persistence {str(has_persistence).lower()}",
        f"persistence_location {folder}/",
        f"max_queued_messages {max_queued}",
        f"message_size_limit {MAX_MESSAGE_BYTES}",
        "set_tcp_nodelay true",
        *(["user root"] if os.geteuid() == 0 else []),
        more,
    ]
    config.write_text("\n".join(lines) + "\n")
    return Broker("mosquitto", [mosquitto_path(), "-c", str(config)], port, 5, folder / "broker.log")


def secure_mosquitto(folder: Path, centre: Centre, **changes: Any) -> Broker:
    """A mosquitto as `ems-hub broker config` sets it up, with the centre's certificates; not started yet.

    `changes` are fields of `hub.broker.Place`. It runs under the account of the test.
    """
    port = free_port()
    state = folder / "state"
    state.mkdir(parents=True, exist_ok=True)
    fields: dict[str, Any] = {
        "folder": folder,
        "ca": centre.folder,
        "host": "127.0.0.1",
        "port": port,
        "user": pwd.getpwuid(os.geteuid()).pw_name,
        "state": state,
        "plugin": plugin_path(),
    }
    place = Place(**(fields | changes))
    write_files(place)
    command = [mosquitto_path(), "-c", str(place.configuration_file)]
    return Broker("mosquitto over TLS", command, port, 5, folder / "broker.log")


def embedded(folder: Path) -> Broker:
    """The embedded broker, as the one-command centre runs it; not started yet."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "hub.demo.embedded_broker", "--port", str(port)]
    return Broker("amqtt", command, port, 4, folder / "broker.log")


@contextmanager
def running(kind: str, folder: Path) -> Iterator[Broker]:
    """A started broker of this kind (`mosquitto` or `amqtt`), ended at the end."""
    with mosquitto(folder) if kind == "mosquitto" else embedded(folder) as broker:
        yield broker


@pytest.fixture(params=["mosquitto", "amqtt"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """A running broker, each kind in turn."""
    with running(request.param, tmp_path / "broker") as started:
        yield started


@pytest.fixture
def mosquitto_broker(tmp_path: Path) -> Iterator[Broker]:
    """A running mosquitto."""
    with mosquitto(tmp_path / "broker") as started:
        yield started
