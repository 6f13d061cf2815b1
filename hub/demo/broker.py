"""The broker of the one-command centre: mosquitto as a centre runs it, on loopback, when installed; else the embedded
amqtt, without encryption."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import sys
from pathlib import Path
from typing import NamedTuple

from hub import broker
from hub.broker_files import write_files
from hub.enrolment import CaFolder


class NoBroker(Exception):
    """The broker that was asked for is not installed."""


class Broker(NamedTuple):
    """`protocol` is the MQTT version. `is_trusted`: with TLS, certificates and access rules, so that desks enrol."""

    command: list[str]
    protocol: int
    name: str
    is_trusted: bool


def mosquitto_path() -> str | None:
    """Where mosquitto is; Debian puts it in /usr/sbin, which is not on everybody's PATH."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def is_free(port: int) -> bool:
    """Whether nobody listens at this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def choose(folder: Path, ca: CaFolder, port: int, wanted: str = "any") -> Broker:
    """The broker to run. `wanted`: `mosquitto`, `embedded`, or `any`: mosquitto if installed. Raises NoBroker."""
    mosquitto = None if wanted == "embedded" else mosquitto_path()
    if mosquitto is None and wanted == "mosquitto":
        raise NoBroker("mosquitto is not installed; on Debian: apt-get install mosquitto")
    if mosquitto is None:
        embedded = [sys.executable, "-m", "hub.demo.embedded_broker", "--port", str(port)]
        return Broker(embedded, 4, "embedded amqtt", False)
    folder.mkdir(parents=True, exist_ok=True)
    place = broker.Place(
        folder=folder,
        ca=ca,
        port=port,
        host="127.0.0.1",
        user=pwd.getpwuid(os.getuid()).pw_name,  # it reads this person's files, and nobody else's
        state=folder,
        plugin=broker.plugin_path(),
    )
    write_files(place)
    return Broker([mosquitto, "-c", str(place.configuration_file)], 5, "mosquitto", True)
