"""The cheaper paho client: it reads ahead, and what it overrides is still what paho calls."""

from __future__ import annotations

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client as PlainClient
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from hub.ingest.client import Client, ReadAhead, parse_publish, publish_packet
from tests.brokers import Broker
from tests.support import wait_for


@given(st.text(min_size=1, max_size=50).filter(lambda text: "\0" not in text), st.binary(max_size=300), st.booleans())
def test_a_packet_made_is_read_as_it_was(topic: str, payload: bytes, is_5: bool) -> None:
    """What `publish_packet` makes `parse_publish` reads, behind the fixed header."""
    packet = publish_packet(topic, payload, is_5=is_5)
    digits = next(index for index in range(1, 5) if packet[index] < 128)
    length = sum((packet[index] & 127) << 7 * (index - 1) for index in range(1, digits + 1))
    body = packet[digits + 1 :]
    assert len(body) == length
    assert parse_publish(packet[0], body, is_5=is_5) == (topic.encode(), payload, None)


@given(st.integers(0x30, 0x3F), st.binary(max_size=40), st.booleans())
def test_any_packet_is_parsed_or_left_to_paho(command: int, packet: bytes, is_5: bool) -> None:
    """Arbitrary bytes never raise; what is answered is all within the packet."""
    parsed = parse_publish(command, packet, is_5=is_5)
    if parsed is not None:
        topic, payload, mid = parsed
        assert packet.startswith(topic, 2)
        assert packet.endswith(payload)
        assert len(topic) + len(payload) + 2 + (2 if mid is not None else 0) + is_5 == len(packet)


def test_reading_ahead_gives_every_byte_in_order() -> None:
    """Pieces of any size come out as they went in; an empty socket blocks, an ended one says so."""
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname()) as ours:
        theirs, _ = server.accept()
        ahead = ReadAhead(ours)
        ahead.setblocking(False)
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        with pytest.raises(BlockingIOError):
            ahead.recv(1)
        with theirs:
            theirs.sendall(b"abcdef")
            ahead.setblocking(True)
            assert [ahead.recv(1), ahead.recv(3), ahead.pending(), ahead.recv(9)] == [b"a", b"bcd", 2, b"ef"]
        assert ahead.recv(1) == b""
        ahead.close()


def test_plain_messages_pass_paho_by_and_others_do_not(broker: Broker) -> None:
    """Over a real broker: messages and their numbers arrive, pieces sent as one are taken one by one, and a message
    with a property takes paho's own way."""
    plain: list[tuple[bytes, bytes, int | None, bool]] = []
    other: list[bytes] = []
    is_listening = threading.Event()
    client = Client(
        lambda *parts: plain.append(parts),
        CallbackAPIVersion.VERSION2,
        client_id="ours",
        protocol=MQTTProtocolVersion(broker.protocol),
        manual_ack=True,
    )
    client.on_subscribe = lambda *_: is_listening.set()
    client.on_message = lambda _client, _userdata, message: other.append(bytes(message.payload))
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    client.subscribe("t/#", qos=1)
    wait_for(is_listening.is_set)
    peer = PlainClient(CallbackAPIVersion.VERSION2, client_id="peer", protocol=MQTTProtocolVersion(broker.protocol))
    peer.connect("127.0.0.1", broker.port)
    peer.loop_start()
    for number in range(300):
        peer.publish("t/one", b"%d" % number, qos=1)
    acknowledged: list[int | None] = []

    def acknowledge() -> bool:
        new = [mid for _, _, mid, _ in plain[len(acknowledged) :]]
        client.ack_all([mid for mid in new if mid is not None])
        acknowledged.extend(new)
        return len(acknowledged) == 300

    wait_for(acknowledge)  # mosquitto sends twenty and then waits for acknowledgements
    assert {(topic, payload) for topic, payload, *_ in plain} == {(b"t/one", b"%d" % number) for number in range(300)}
    client.publish_all([("t/two", b"x" * size) for size in (0, 1, 200, 20_000)])
    wait_for(lambda: len(plain) == 304)
    assert [(topic, len(payload)) for topic, payload, *_ in plain[300:]] == [
        (b"t/two", size) for size in (0, 1, 200, 20_000)
    ]
    if broker.protocol == 5:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = "text/plain"
        peer.publish("t/three", b"with a property", qos=1, properties=properties)
        wait_for(lambda: other == [b"with a property"])
    assert len(plain) == 304
    for each in (client, peer):
        each.disconnect()
        each.loop_stop()
