"""paho's client, made cheaper where thousands of messages a second pass.

By itself paho reads the socket byte by byte, builds a table of all MQTT 5 properties twice for each message, and wakes
its thread for every acknowledgement. What is overridden here is paho's own and private, so `pyproject.toml` holds paho
to one minor version; before that is raised, `tests/hub/test_ingest_client.py` must pass and the bench show the same.
"""

from __future__ import annotations

import logging
import socket
import ssl
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MessageType, MQTTErrorCode, MQTTProtocolVersion

log = logging.getLogger(__name__)

READ_AHEAD_BYTES = 65_536
MOST_AT_ONCE = 200
"""Packets handled between two looks at the keep-alive and at what is to be sent."""


HANDSHAKE_TIMEOUT_S = 5.0


class ReadAhead:
    """A connected socket, plain or TLS, that reads in large pieces, and hands out what was asked for.

    TLS answers at most one of its records (16 KiB) a read, and may hold the rest of it back: `pending` counts that too.
    """

    def __init__(self, connected: socket.socket, when_refused: Callable[[str], None] | None = None) -> None:
        """`when_refused` hears why the other side ended TLS: in 1.3 it judges a certificate after the handshake."""
        self._socket = connected
        self._when_refused = when_refused
        self._held = b""
        self._at = 0
        # What we send is small and waited for: receipts would stand 40 ms behind the broker's delayed acknowledgement.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def recv(self, count: int) -> bytes:
        """At most `count` bytes, b"" at the end. Raises BlockingIOError when there is none yet."""
        if self._at == len(self._held):
            self._held, self._at = self._read(), 0
        start, self._at = self._at, min(self._at + count, len(self._held))
        return self._held[start : self._at]

    def _read(self) -> bytes:
        try:
            return self._socket.recv(READ_AHEAD_BYTES)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as none_yet:
            raise BlockingIOError from none_yet
        except ssl.SSLError as refused:
            if self._when_refused is not None:
                self._when_refused(str(refused))
            raise

    def pending(self) -> int:
        """How many bytes are held, of which `select` knows nothing; paho asks before it waits."""
        below = self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0
        return len(self._held) - self._at + below

    def send(self, data: bytes | bytearray) -> int:
        """How many bytes went out. Raises BlockingIOError when none can now."""
        try:
            return self._socket.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as none_now:
            raise BlockingIOError from none_now

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
    """paho's client over TCP or TLS. Plain messages go to `when_arrived` as `parse_publish` answers them and whether
    the broker had kept them (retained), all others to `on_message`; both on paho's thread, which no exception of theirs
    ends when `suppress_exceptions` is set.

    `make_context` is asked at every connect, so that a certificate that was renewed meanwhile is used; it may raise
    OSError. `when_refused` hears why a connection, or TLS on it, did not come about.
    """

    _ahead: ReadAhead | None = None

    def __init__(
        self,
        when_arrived: Callable[[bytes, bytes, int | None, bool], None],
        *args: Any,
        make_context: Callable[[], ssl.SSLContext] | None = None,
        when_refused: Callable[[str], None] | None = None,
        **named: Any,
    ) -> None:
        super().__init__(*args, **named)
        self._when_arrived = when_arrived
        self._make_context = make_context
        self._when_refused = when_refused

    def _create_socket(self) -> ReadAhead:
        try:
            connected = self._create_socket_connection()
        except OSError as error:
            if self._when_refused is not None:
                self._when_refused(error.strerror or str(error))
            raise
        try:
            if self._make_context is not None:
                connected = self._secured(connected, self._make_context())
        except OSError as error:
            connected.close()
            if self._when_refused is not None:
                self._when_refused(str(error))
            raise
        self._ahead = ReadAhead(connected, self._when_refused)
        return self._ahead

    def _secured(self, connected: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        """The connection under TLS. paho's own way would leave the socket of a failed handshake to the garbage
        collector, and keep the certificate it was first given."""
        secured = context.wrap_socket(connected, server_hostname=self._host, do_handshake_on_connect=False)
        try:
            secured.settimeout(HANDSHAKE_TIMEOUT_S)
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        return secured

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
            self._when_arrived(*plain, bool(packet["command"] & 0x01))
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
