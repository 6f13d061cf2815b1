"""A desk's half of the wire for tests of the hub: seals real records, and speaks through a real broker."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from agent import wire
from agent.messaging.tls import Tls
from agent.wire import Instant
from tests.brokers import Broker
from tests.support import wait_for

START_UTC_MS = 1_800_000_000_000


def at(seconds: float) -> Instant:
    """The moment `seconds` after the tests' beginning of time, on both clocks."""
    return Instant(START_UTC_MS + int(seconds * 1000), int(seconds * 1000))


def jpeg(text: str = "picture") -> bytes:
    return b"\xff\xd8" + text.encode() + b"\xff\xd9"


class Desk:
    """Keys and chain of one unit; `records` are all it sealed."""

    def __init__(self, unit: str = "c1.d1", boot: int = 1) -> None:
        self.unit = unit
        self.boot = boot
        self.key = Ed25519PrivateKey.generate()
        self.records: list[wire.Record] = []

    @property
    def public_key(self) -> str:
        return self.key.public_key().public_bytes_raw().hex()

    def seal(self, body: wire.Body, seconds: float = 0.0, **changes: Any) -> wire.Record:
        fields: dict[str, Any] = {
            "unit": self.unit,
            "boot": self.boot,
            "seq": len(self.records) + 1,
            "prev": self.records[-1].hash if self.records else wire.GENESIS,
            "is_clock_ok": True,
        }
        record = wire.seal(body, now=at(seconds), sign=self.key.sign, **(fields | changes))
        self.records.append(record)
        return record

    def status(self, *, is_online: bool = True, boot: int | None = None) -> wire.Status:
        return wire.Status(boot=boot or self.boot, is_online=is_online, public_key=self.public_key)

    def heartbeat(self, seconds: float = 0.0, **changes: Any) -> wire.Heartbeat:
        fields: dict[str, Any] = {"boot": self.boot, "now": at(seconds), "is_clock_ok": True, "state": "recording"}
        return wire.Heartbeat(**(fields | changes))

    def still(self, data: bytes, seq: int | None = None) -> wire.Still:
        return wire.Still(
            wire.StillNote(boot=self.boot, at=at(0), sha256=wire.sha256_hex(data), seq=seq),
            data,
        )


def alert(
    name: str,
    state: str = "raised",
    *,
    began_s: float = 0.0,
    cleared_s: float | None = None,
    kind: wire.AlertKind = wire.AlertKind.SEAT_EMPTY,
    mode: wire.Mode = wire.Mode.AUTOMATED,
    **changes: Any,
) -> wire.Alert:
    fields: dict[str, Any] = {
        "alert": name,
        "alert_kind": kind,
        "state": state,
        "sitting": "s1",
        "seat": "12",
        "began": at(began_s),
        "raised": at(began_s + 10),
        "cleared": at(cleared_s) if cleared_s is not None else None,
        "rule": wire.Rule(kind=kind, raise_s=10, clear_s=3),
        "mode": mode,
    }
    return wire.Alert(**(fields | changes))


def segment(number: int, **changes: Any) -> wire.SegmentClosed:
    fields: dict[str, Any] = {
        "sitting": "s1",
        "name": f"segment-{number:06}.ts",
        "began": at(10 * number),
        "ended": at(10 * number + 10),
        "frames": 150,
        "size_bytes": 1_900_000,
        "sha256": wire.sha256_hex(str(number).encode()),
    }
    return wire.SegmentClosed(**(fields | changes))


class DeskLink:
    """A plain client at the broker that speaks for one desk and counts its receipts."""

    def __init__(self, broker: Broker, desk: Desk, *, has_birth: bool = True, tls: Tls | None = None) -> None:
        self.desk = desk
        self.receipts: Counter[tuple[int, int]] = Counter()
        self.still_receipts: Counter[str] = Counter()
        self.plans: list[tuple[wire.Plan, bool]] = []
        self.commands: list[wire.Command] = []
        self._is_listening = threading.Event()
        self._published: set[int] = set()
        self.client = Client(
            CallbackAPIVersion.VERSION2, client_id=desk.unit, protocol=MQTTProtocolVersion(broker.protocol)
        )
        if tls is not None:
            self.client.tls_set(str(tls.authority), str(tls.certificate), str(tls.key))
        self.client.reconnect_delay_set(1, 2)
        self.client.on_connect = self._when_connected
        self.client.on_subscribe = lambda *_: self._is_listening.set()
        self.client.on_message = self._when_message
        self.client.on_publish = lambda _client, _userdata, mid, *_: self._published.add(mid)
        self.client.connect_async("127.0.0.1", broker.port)
        self.client.loop_start()
        wait_for(self._is_listening.is_set)
        if has_birth:
            self.say("status", desk.status(), is_retained=True)

    def _when_connected(self, client: Client, *_: Any) -> None:
        client.subscribe(wire.down_filter(self.desk.unit), qos=1)

    def _when_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        _, direction, kind = wire.parse_topic(message.topic)
        if direction == "up":
            return  # amqtt hands retained messages to filters that do not match them
        value = wire.decode_down(kind, bytes(message.payload))
        if isinstance(value, wire.Receipt):
            self.receipts.update(value.records)
            self.still_receipts.update(value.stills)
        elif isinstance(value, wire.Plan):
            self.plans.append((value, message.retain))
        else:
            self.commands.append(value)

    def say(self, kind: str, message: wire.Message, *, is_retained: bool = False) -> int:
        qos = 0 if kind in ("heartbeat", "still") else 1
        return self.say_raw(wire.up_topic(self.desk.unit, kind), wire.encode(message), qos=qos, is_retained=is_retained)

    def say_raw(self, topic: str, payload: bytes, *, qos: int = 1, is_retained: bool = False) -> int:
        return self.client.publish(topic, payload, qos=qos, retain=is_retained).mid

    def is_taken(self, mid: int) -> bool:
        """Whether the broker has acknowledged this publication."""
        return mid in self._published

    def send_all(self) -> bool:
        """Send every record without a receipt, once, as the desk's re-sending does; whether there was none."""
        for record in self.desk.records:
            if not self.receipts[(record.header.boot, record.header.seq)]:
                self.say("record", record)
        return self.is_done()

    def is_done(self) -> bool:
        """Whether every record has its receipt."""
        return all(self.receipts[(record.header.boot, record.header.seq)] for record in self.desk.records)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
