"""A client at a broker over TLS, for tests of what the broker lets it do: every answer of the broker is kept."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.messaging.tls import Tls
from tests.brokers import Broker
from tests.support import wait_for


class Caller:
    """One MQTT 5 client that does not connect again by itself. Answers are MQTT reason codes."""

    def __init__(
        self, broker: Broker, tls: Tls, client_id: str = "", *, will_topic: str = "", expiry_s: int = 0
    ) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.connected: int | None = None
        self.gone: int | None = None
        self._answers: dict[int, int] = {}
        self._changed = threading.Condition()
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        self._client.tls_set(str(tls.authority), str(tls.certificate), str(tls.key))
        if will_topic:
            self._client.will_set(will_topic, b"will", qos=1)
        self._client.on_connect = self._when_connected
        self._client.on_disconnect = self._when_gone
        self._client.on_message = self._when_message
        self._client.on_publish = self._when_published
        self._client.on_subscribe = self._when_subscribed
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = expiry_s
        try:
            self._client.connect("127.0.0.1", broker.port, clean_start=expiry_s == 0, properties=session)
        except OSError:
            self.gone = -1
        self._client.loop_start()
        wait_for(lambda: self.connected is not None or self.gone is not None)

    @property
    def is_connected(self) -> bool:
        return self.connected == 0 and self.gone is None

    def _when_connected(self, _client: Client, _userdata: Any, _flags: Any, reason: ReasonCode, _: Any) -> None:
        self.connected = reason.value

    def _when_gone(self, _client: Client, _userdata: Any, _flags: Any, reason: ReasonCode, _: Any) -> None:
        self.gone = reason.value

    def _when_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))

    def _when_published(self, _client: Client, _userdata: Any, mid: int, reason: ReasonCode, _: Any) -> None:
        with self._changed:
            self._answers[mid] = reason.value

    def _when_subscribed(self, _client: Client, _userdata: Any, mid: int, reasons: list[ReasonCode], _: Any) -> None:
        with self._changed:
            self._answers[mid] = reasons[0].value

    def _answer(self, mid: int) -> int | None:
        """None when the broker hung up instead."""
        wait_for(lambda: mid in self._answers or self.gone is not None)
        return self._answers.get(mid)

    def publish(self, topic: str, payload: bytes = b"x", *, is_retained: bool = False) -> int | None:
        return self._answer(self._client.publish(topic, payload, qos=1, retain=is_retained).mid)

    def subscribe(self, topic: str) -> int | None:
        _, mid = self._client.subscribe(topic, qos=1)
        assert mid is not None
        return self._answer(mid)

    def drop(self) -> None:
        """End the connection without a word, as when the power goes: the broker publishes the will."""
        connected = self._client.socket()
        assert isinstance(connected, socket.socket)
        connected.shutdown(socket.SHUT_RDWR)
        wait_for(lambda: self.gone is not None)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def calling(broker: Broker, tls: Tls, client_id: str = "", **changes: Any) -> Iterator[Caller]:
    caller = Caller(broker, tls, client_id, **changes)
    try:
        yield caller
    finally:
        caller.close()
