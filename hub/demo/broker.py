"""The broker of the one-command centre: a private mosquitto on loopback when installed, else the embedded amqtt."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path

from agent.wire import MAX_MESSAGE_BYTES

_CONFIG = """\
# Made by the one-command centre for this machine alone; a centre's own broker is configured elsewhere.
listener {port} 127.0.0.1
allow_anonymous true
persistence false
{user}
set_tcp_nodelay true
max_queued_messages 10000
message_size_limit {limit}
max_packet_size {packet_limit}
log_type error
log_type warning
log_dest stdout
"""


def mosquitto_path() -> str | None:
    """Where mosquitto is; Debian puts it in /usr/sbin, which is not on everybody's PATH."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class NoBroker(Exception):
    """The broker that was asked for is not installed."""


def command(folder: Path, port: int, wanted: str = "any") -> tuple[list[str], int, str]:
    """(command line, MQTT protocol version to use, name for people) of the broker to run.

    `wanted` is `mosquitto`, `embedded`, or `any`: mosquitto if it is installed. Raises NoBroker.
    """
    mosquitto = None if wanted == "embedded" else mosquitto_path()
    if mosquitto is None and wanted == "mosquitto":
        raise NoBroker("mosquitto is not installed; on Debian: apt-get install mosquitto")
    if mosquitto is None:
        return [sys.executable, "-m", "hub.demo.embedded_broker", "--port", str(port)], 4, "embedded amqtt"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "mosquitto.conf"
    config.write_text(
        _CONFIG.format(
            port=port,
            user="user root" if os.geteuid() == 0 else "",
            limit=MAX_MESSAGE_BYTES,
            packet_limit=MAX_MESSAGE_BYTES + 1024,
        )
    )
    return [mosquitto, "-c", str(config)], 5, "mosquitto"
