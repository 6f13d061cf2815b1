"""A desk's side of the door for film, spoken by hand: offers and pieces, right ones and wrong ones."""

from __future__ import annotations

import hashlib
import socket
import ssl
from typing import Any

from agent import wire_door
from agent.wire_door import Piece, SegmentOffer, SegmentState
from tests.hub.desk import Desk
from tests.hub.doors import Answer, Hub
from tests.hub.films import Film, film


class Sender:
    """One enrolled unit at one door."""

    def __init__(self, hub: Hub, unit: str, address: str = "127.0.0.1") -> None:
        self.hub, self.desk, self.address = hub, Desk(unit), address

    def film(self, data: bytes, number: int = 1, **changes: Any) -> Film:
        """A segment whose record the hub has."""
        return film(self.hub.store, self.desk, data, number, **changes)

    def offer(self, made: Film, **changes: Any) -> Answer:
        boot, seq = made.key
        fields: dict[str, Any] = {
            "unit": self.desk.unit,
            "public_key": self.desk.public_key,
            "boot": boot,
            "seq": seq,
            "name": made.closed.name,
            "size_bytes": made.closed.size_bytes,
            "sha256": made.closed.sha256,
        }
        return self.hub.post(wire_door.SEGMENTS_PATH, SegmentOffer(**(fields | changes)), self.desk.key, self.address)

    def piece(self, made: Film, offset: int, data: bytes, **changes: Any) -> Piece:
        boot, seq = made.key
        fields: dict[str, Any] = {
            "unit": self.desk.unit,
            "boot": boot,
            "seq": seq,
            "offset": offset,
            "size_bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        return Piece(**(fields | changes))

    def send(self, made: Film, offset: int, data: bytes, **changes: Any) -> Answer:
        path = wire_door.data_path(self.piece(made, offset, data, **changes))
        return self.hub.call("POST", path, data, self.signature(path), self.address)

    def signature(self, path: str) -> str:
        return wire_door.sign(path, b"", self.desk.key.sign)

    def send_all(self, made: Film, piece_bytes: int = wire_door.MAX_PIECE_BYTES) -> SegmentState:
        """The hub's last word, from wherever it stands."""
        state = state_of(self.offer(made))
        while state.state == "wanted":
            data = made.data[state.offset : state.offset + piece_bytes]
            state = state_of(self.send(made, state.offset, data))
        return state


def announced(hub: Hub, path: str, signature: str, size_bytes: int, source: str = "127.0.0.1") -> ssl.SSLSocket:
    """A connection on which a piece was announced, and nothing of it has come yet."""
    context = ssl.create_default_context(cadata=hub.roots)
    line = context.wrap_socket(
        socket.create_connection(("127.0.0.1", hub.port), timeout=20, source_address=(source, 0)),
        server_hostname="127.0.0.1",
    )
    head = f"POST {path} HTTP/1.1\r\nHost: hub\r\n{wire_door.SIGNATURE_HEADER}: {signature}\r\n"
    line.sendall(f"{head}Content-Length: {size_bytes}\r\n\r\n".encode())
    return line


def state_of(answer: Answer) -> SegmentState:
    assert answer.status == 200, answer.body
    found: SegmentState = wire_door.decode(SegmentState, answer.body)
    return found


def code_of(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.trouble().code
