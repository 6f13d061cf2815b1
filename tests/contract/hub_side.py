"""The other end of the wire for tests of the link: takes what desks send, and answers as a hub does."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent import wire
from tests.brokers import Broker
from tests.support import wait_for


class HubSide:
    """A client that keeps what it hears and, while `is_receipting`, answers each record and evidence still."""

    def __init__(self, broker: Broker, *, is_receipting: bool = True, keeps_session: bool = False) -> None:
        self.is_receipting = is_receipting
        self.records: dict[tuple[str, int, int], wire.Record] = {}
        self.arrivals: Counter[tuple[str, int, int]] = Counter()
        self.evidence: dict[str, wire.Still] = {}
        self.heard: list[tuple[str, Any, bool]] = []
        self.is_listening = threading.Event()
        self._broker = broker
        is_v5 = broker.protocol == 5
        self.client = Client(
            CallbackAPIVersion.VERSION2,
            client_id="hub",
            clean_session=None if is_v5 else not keeps_session,
            protocol=MQTTProtocolVersion.MQTTv5 if is_v5 else MQTTProtocolVersion.MQTTv311,
        )
        self.client.reconnect_delay_set(1, 2)
        self.client.on_connect = self._when_connected
        self.client.on_subscribe = lambda *_: self.is_listening.set()
        self.client.on_disconnect = lambda *_: self.is_listening.clear()
        self.client.on_message = self._when_message
        if is_v5:
            session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            session.SessionExpiryInterval = 3600 if keeps_session else 0
            self.client.connect_async("127.0.0.1", broker.port, clean_start=not keeps_session, properties=session)
        else:
            self.client.connect_async("127.0.0.1", broker.port)
        self.client.loop_start()
        wait_for(self.is_listening.is_set)

    def _when_connected(self, client: Client, *_: Any) -> None:
        client.subscribe(wire.UP_FILTER, qos=1)

    def _when_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        unit, _, kind = wire.parse_topic(message.topic)
        value = wire.decode_up(kind, bytes(message.payload))
        self.heard.append((kind, value, message.retain))
        if kind == "record":
            self.records[value.key] = value
            self.arrivals[value.key] += 1
            if self.is_receipting:
                self.tell(unit, "receipt", wire.Receipt(records=((value.header.boot, value.header.seq),)))
        elif kind == "evidence":
            self.evidence[value.note.sha256] = value
            if self.is_receipting:
                self.tell(unit, "receipt", wire.Receipt(stills=(value.note.sha256,)))

    def tell(self, unit: str, kind: str, message: wire.Message | bytes, *, is_retained: bool = False) -> None:
        """Publish to a desk."""
        data = message if isinstance(message, bytes) else wire.encode(message)
        self.client.publish(wire.down_topic(unit, kind), data, qos=1, retain=is_retained)

    def all_of(self, kind: str) -> list[Any]:
        """What was heard of one kind, in order."""
        return [value for heard, value, _ in self.heard if heard == kind]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
