"""One host without credentials against the door: others still get through."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from agent.wire_door import AUTHORITY_PATH
from tests.hub.doors import Hub, door_process


def test_one_address_cannot_keep_others_out(tmp_path: Path) -> None:
    """600 idle connections and 40 that begin TLS byte by byte from one address; another address is answered."""
    hub = Hub(tmp_path)
    with door_process(hub), contextlib.ExitStack() as held:
        lines = []
        for _ in range(640):
            with contextlib.suppress(OSError):
                line = socket.create_connection(("127.0.0.1", hub.port), timeout=20, source_address=("127.0.0.2", 0))
                lines.append(held.enter_context(line))
        for byte in (b"\x16", b"\x03", b"\x01"):
            for line in lines[:16] + lines[600:]:
                with contextlib.suppress(OSError):
                    line.send(byte)
            assert hub.call("GET", AUTHORITY_PATH).status == 200
    hub.store.close()
