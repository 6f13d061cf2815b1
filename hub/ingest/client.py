"""paho's client, made cheaper where thousands of messages a second pass.

By itself paho reads the socket byte by byte, builds a table of all MQTT 5 properties twice for each message, and wakes
its thread for every acknowledgement. What is overridden here is paho's own and private, so `pyproject.toml` holds paho
to one minor version; before that is raised, `tests/hub/test_ingest_client.py` must pass and the bench show the same.
"""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MessageType, MQTTErrorCode, MQTTProtocolVersion

log = logging.getLogger(__name__)

READ_AHEAD_BYTES = 65_536
MOST_AT_ONCE = 200
"""Packets handled between two looks at the keep-alive and at what is to be sent."""


class ReadAhead:
    """A connected socket that reads in large pieces, and hands out what was asked for."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._held = b""
        self._at = 0
        # What we send is small and waited for: receipts would stand 40 ms behind the broker's delayed acknowledgement.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def recv(self, count: int) -> bytes:
        """At most `count` bytes, b"" at the end. Raises BlockingIOError when there is none yet."""
        if self._at == len(self._held):
            self._held, self._at = self._socket.recv(READ_AHEAD_BYTES), 0
        start, self._at = self._at, min(self._at + count, len(self._held))
        return self._held[start : self._at]

    def pending(self) -> int:
        """How many bytes are held, of which `select` knows nothing; paho asks before it waits."""
        return len(self._held) - self._at

    def send(self, data: bytes | bytearray) -> int:
        return self._socket.send(data)

    def fileno(self) -> int:
        return self._socket.fileno()

    def setblocking(self, flag: bool) -> None:
        self._socket.setblocking(flag)

    def close(self) -> None:
        self._socket.close()


def parse_publish(command: int, packet: bytes | bytearray, *, is_5: bool) -> tuple[bytes, bytes, int | None] | None:
    """(topic, payload, message number or None at QoS 0) of a PUBLISH whose first byte is `command`; None when it is
    not one of the plain kind that desks send: QoS 0 or 1, a topic, no properties."""
    topic_end = 2 + int.from_bytes(packet[:2], "big")
    payload_start = topic_end + (2 if command & 0x02 else 0)
    if command & 0x04 or topic_end == 2 or payload_start + is_5 > len(packet):
        return None
    if is_5:
        if packet[payload_start]:
            return None
        payload_start += 1
    mid = int.from_bytes(packet[topic_end : topic_end + 2], "big") if command & 0x02 else None
    return bytes(packet[2:topic_end]), bytes(packet[payload_start:]), mid


def publish_packet(topic: str, payload: bytes, *, is_5: bool) -> bytes:
    """A PUBLISH at QoS 0."""
    name = topic.encode()
    body = len(name).to_bytes(2, "big") + name + (b"\0" if is_5 else b"") + payload
    length, digits = len(body), bytearray()
    while length > 127:
        digits.append(length % 128 | 128)
        length //= 128
    return bytes([MessageType.PUBLISH, *digits, length]) + body


class Client(mqtt.Client):
    """paho's client over TCP. Plain messages go to `when_arrived` as `parse_publish` answers them, all others to
    `on_message`; both on paho's thread, which no exception of theirs ends when `suppress_exceptions` is set."""

    _ahead: ReadAhead | None = None

    def __init__(self, when_arrived: Callable[[bytes, bytes, int | None], None], *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._when_arrived = when_arrived

    def _create_socket(self) -> ReadAhead:
        self._ahead = ReadAhead(self._create_socket_connection())
        return self._ahead

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Handle what is held too, and not one packet a turn of the loop."""
        result = super().loop_read(max_packets)
        for _ in range(MOST_AT_ONCE):
            if result or self._ahead is None or not self._ahead.pending():
                break
            result = super().loop_read(max_packets)
        return result

    def _handle_publish(self) -> MQTTErrorCode:
        packet = self._in_packet
        plain = parse_publish(packet["command"], packet["packet"], is_5=self._protocol == MQTTProtocolVersion.MQTTv5)
        if plain is None:
            return super()._handle_publish()
        try:
            self._when_arrived(*plain)
        except Exception:
            if not self.suppress_exceptions:
                raise
            log.exception("a message was lost")
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def publish_all(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Send these messages of (topic, payload) at QoS 0, in one piece; nothing is said when they are gone."""
        is_5 = self._protocol == MQTTProtocolVersion.MQTTv5
        packets = b"".join(publish_packet(topic, payload, is_5=is_5) for topic, payload in messages)
        if packets:
            # For a PUBLISH at QoS 0 paho would make a reason and a table of properties, for callbacks nobody wants.
            self._packet_queue(MessageType.PUBLISH, packets, 0, 1)

    def ack_all(self, mids: Sequence[int]) -> None:
        """Acknowledge these QoS 1 messages, in this order, in one piece."""
        if mids:
            packets = b"".join(struct.pack("!BBH", MessageType.PUBACK, 2, mid) for mid in mids)
            self._packet_queue(MessageType.PUBACK, packets, mids[-1], 1)
