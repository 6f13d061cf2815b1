"""One host without credentials, or desks that stall, against the door: others still get through."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

from agent import wire_door
from agent.wire_door import AUTHORITY_PATH
from hub.core.turns import URGENT_PLACES
from tests.hub.doors import Hub, door_process
from tests.hub.senders import Sender, announced, code_of
from tests.support import wait_for


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


def test_desks_that_stall_in_the_middle_of_a_piece_are_cut(tmp_path: Path) -> None:
    """As many as may send at a time announce a piece, send half of it and say no more: others are answered meanwhile,
    and after some seconds the places are free again."""
    hub = Hub(tmp_path)
    stalled = [Sender(hub, f"slow.desk-{number}", f"127.0.2.{number + 1}") for number in range(URGENT_PLACES)]
    films = [sender.film(bytes(200_000)) for sender in stalled]
    other = Sender(hub, "quick.desk-1", "127.0.3.1")
    quick = other.film(bytes(1_000))
    with door_process(hub), contextlib.ExitStack() as held:
        for sender, made in zip(stalled, films, strict=True):
            path = wire_door.data_path(sender.piece(made, 0, made.data))
            line = held.enter_context(announced(hub, path, sender.signature(path), 200_000, sender.address))
            line.sendall(made.data[:100_000])
        wait_for(lambda: code_of(other.offer(quick, is_urgent=True)) == (429, "too_many"))
        assert hub.call("GET", AUTHORITY_PATH).status == 200
        wait_for(lambda: other.offer(quick).status == 200, 60, 0.2)
        assert other.send_all(quick).state == "confirmed"
    hub.store.close()


def test_who_does_not_hang_up_stops_nobody(tmp_path: Path) -> None:
    """Refused requests whose senders keep the line open: the next one is answered at once, not a second later for each
    of them."""
    hub = Hub(tmp_path)
    with door_process(hub), contextlib.ExitStack() as held:
        for _ in range(12):
            held.enter_context(announced(hub, wire_door.DATA_PATH, "00" * 64, 1000))
        asked_s = time.monotonic()
        assert hub.call("GET", AUTHORITY_PATH, source="127.0.0.3").status == 200
        assert time.monotonic() - asked_s < 10  # two seconds for each of them were 24
        assert "Traceback" not in hub.log.read_text()
    hub.store.close()
