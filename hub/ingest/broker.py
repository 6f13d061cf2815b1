"""The hub's one connection to the broker. Its callbacks only enqueue; nothing here decodes or decides."""

from __future__ import annotations

import logging
import ssl
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent import wire
from hub.config import Settings
from hub.enrolment import INGEST_NAME, CaFolder
from hub.ingest.client import Client
from hub.ingest.commit import Arrival
from hub.ingest.newest import Newest

log = logging.getLogger(__name__)

CLIENT_ID = INGEST_NAME
"""Over TLS the broker takes the certificate's name for it in any case."""
SESSION_EXPIRY_S = 86_400
KEEPALIVE_S = 15
MOST_IN_FLIGHT = 2_000
"""Messages the broker may have sent without our acknowledgement: the back-pressure of MQTT 5, told at connect."""
MOST_QUEUED = 4_000
MOST_QUEUED_BYTES = 64 * 1024 * 1024
MOST_NEWEST = 2_000
"""Topics whose newest message is kept until the next beat: two for each of a large centre's desks, with room."""
FULL_WAIT_S = 5.0
"""How long paho's thread stands still before a full queue: the network pushes back, and the keep-alive still holds."""
NEWEST_WINS = ("/up/heartbeat", "/up/still")
LIVE_VIDEO = "/up/live"
MOST_LIVE = 64
"""Desks whose newest picture of live video waits to be shown."""


def tls_context(ca: CaFolder) -> ssl.SSLContext:
    """TLS 1.3 with ingest's own certificate, trusting the centre's authorities alone. Raises OSError."""
    context = ssl.create_default_context(cafile=str(ca.authorities))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(ca.ingest_certificate, ca.ingest_key)
    return context


class Link:
    """paho behind a queue. `take`, `acknowledge`, `publish` are for the work thread."""

    def __init__(self, settings: Settings, utc_ms: Callable[[], int]) -> None:
        self._settings = settings
        self._utc_ms = utc_ms
        self._changed = threading.Condition()
        self._queue: deque[Arrival] = deque()
        self._queue_bytes = 0
        self._newest: OrderedDict[str, Arrival] = OrderedDict()
        self.video = Newest(MOST_LIVE)
        self._answers: deque[tuple[int, bool]] = deque()
        self._connections = 0
        self._is_connected = False
        self._is_shedding = False
        self._troubles: set[str] = set()
        self.dropped = 0
        self._client = self._new_client()

    def _new_client(self) -> Client:
        is_5 = self._settings.broker_protocol == 5
        client = Client(
            self._when_arrived,
            CallbackAPIVersion.VERSION2,
            client_id=CLIENT_ID,
            protocol=MQTTProtocolVersion(self._settings.broker_protocol),
            clean_session=None if is_5 else False,
            manual_ack=True,
            make_context=self._tls_context if self._settings.broker_tls else None,
            when_refused=self._when_refused,
        )
        client.reconnect_delay_set(1, 5)
        client.max_inflight_messages_set(200)
        client.suppress_exceptions = True  # an exception in a callback would end paho's thread, unseen
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    @property
    def _place(self) -> str:
        tls = "TLS" if self._settings.broker_tls else "no TLS"
        return f"{self._settings.broker_host}:{self._settings.broker_port} ({tls})"

    def _tls_context(self) -> ssl.SSLContext:
        return tls_context(CaFolder(self._settings.ca_path))

    def _when_refused(self, why: str) -> None:
        """Said once until the next connect, not at every attempt."""
        if why not in self._troubles:
            log.error("no connection to the broker at %s: %s; `ems-hub broker check` says more", self._place, why)
        self._troubles.add(why)

    def start(self) -> None:
        """Begin to connect, now and again until `stop`; a broker that is not there yet is no error."""
        host, port = self._settings.broker_host, self._settings.broker_port
        if self._settings.broker_protocol == 5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_EXPIRY_S
            properties.ReceiveMaximum = MOST_IN_FLIGHT
            self._client.connect_async(host, port, keepalive=KEEPALIVE_S, clean_start=False, properties=properties)
        else:
            self._client.connect_async(host, port, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def is_connected(self) -> bool:
        return self._is_connected

    @property
    def connections(self) -> int:
        """Counts the connects: everything retained is published again when it rises."""
        return self._connections

    @property
    def is_alive(self) -> bool:
        """Whether paho's thread runs; when it does not, the process must end and be started again."""
        name = f"paho-mqtt-client-{CLIENT_ID}"
        return any(thread.name == name for thread in threading.enumerate())

    # --- paho's thread -----------------------------------------------------------------------------------------------

    def _on_connect(
        self, client: mqtt.Client, userdata: Any, flags: Any, reason_code: ReasonCode, properties: Any
    ) -> None:
        if reason_code.is_failure:
            log.error("the broker refuses the hub: %s", reason_code)
            return
        client.subscribe(wire.UP_FILTER, qos=1)
        self._troubles.clear()
        log.info("connected to the broker at %s", self._place)
        with self._changed:
            self._connections += 1
            self._is_connected = True
            self._changed.notify_all()

    def _on_disconnect(
        self, client: mqtt.Client, userdata: Any, flags: Any, reason_code: ReasonCode, properties: Any
    ) -> None:
        if self._is_connected:
            log.warning("the broker is gone: %s", reason_code)
        else:
            self._when_refused(f"it hangs up ({reason_code})")
        with self._changed:
            self._is_connected = False
            self._changed.notify_all()

    def _on_message(self, client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
        """A message that `Client` leaves to paho's own reading."""
        try:
            topic = message.topic.encode()
        except UnicodeDecodeError:
            topic = b"\xff"
        self._when_arrived(topic, bytes(message.payload), message.mid if message.qos else None, message.retain)

    def _when_arrived(self, topic_bytes: bytes, payload: bytes, mid: int | None, is_retained: bool) -> None:
        try:
            topic = topic_bytes.decode()
        except UnicodeDecodeError:
            topic = "(not UTF-8)"
        token = None if mid is None else (self._connections, mid)
        arrival = Arrival(topic, payload, self._utc_ms(), token, is_retained)
        if token is None and not is_retained and topic.endswith(LIVE_VIDEO):
            self.video.put(
                arrival
            )  # a thread of its own shows it: it must not wait for the store, nor the store for it
            return
        with self._changed:
            if token is None and topic.endswith((*NEWEST_WINS, LIVE_VIDEO)):
                self._put_newest(arrival)
            elif self._is_room_made():
                self._queue.append(arrival)
                self._queue_bytes += len(arrival.payload)
                if len(self._queue) == 1:
                    self._changed.notify_all()
            else:
                # Not receipted, so the desk sends it again; but acknowledged, or the broker would hold its window shut
                # until the next connect.
                self.dropped += 1
                if mid is not None:
                    self._client.ack(mid, 1)

    def _has_room(self) -> bool:
        return len(self._queue) < MOST_QUEUED and self._queue_bytes < MOST_QUEUED_BYTES

    def _is_room_made(self) -> bool:
        """Wait a little for room. MQTT 5's window should make this needless, but mosquitto 2.0 sends a kept session's
        whole queue at once, and 3.1.1 has no window. Once it was in vain, later messages do not wait until there is
        room again: a store that stays unwell must not cost the connection too."""
        if not self._has_room() and not self._is_shedding:
            self._changed.wait_for(self._has_room, FULL_WAIT_S)
        self._is_shedding = not self._has_room()
        return not self._is_shedding

    def _put_newest(self, arrival: Arrival) -> None:
        if arrival.topic in self._newest:
            self._newest.pop(arrival.topic)
        elif len(self._newest) >= MOST_NEWEST:
            self._newest.popitem(last=False)
            self.dropped += 1
        self._newest[arrival.topic] = arrival

    def _on_publish(
        self, client: mqtt.Client, userdata: Any, mid: int, reason_code: ReasonCode, properties: Any
    ) -> None:
        with self._changed:
            self._answers.append((mid, not reason_code.is_failure))

    # --- the work thread ---------------------------------------------------------------------------------------------

    def take(self, most: int, timeout_s: float) -> list[Arrival]:
        """The oldest waiting messages, `most` at the most; after `timeout_s` without any, an empty list."""
        with self._changed:
            if not self._queue:
                self._changed.wait(timeout_s)
            count = min(most, len(self._queue))
            group = [self._queue.popleft() for _ in range(count)]
            self._queue_bytes -= sum(len(arrival.payload) for arrival in group)
            if group:
                self._changed.notify_all()
            return group

    def take_newest(self) -> list[Arrival]:
        """The newest heartbeat and still of each desk since the last call."""
        with self._changed:
            group = list(self._newest.values())
            self._newest.clear()
            return group

    def give_back(self, arrival: Arrival) -> None:
        """What may not be shown: the ledger says why, as of any message, no more often than `take_newest` is called."""
        with self._changed:
            self._put_newest(arrival)

    @property
    def waiting(self) -> int:
        return len(self._queue) + len(self._newest)

    def acknowledge(self, group: Sequence[Arrival]) -> None:
        """Tell the broker. A number of an earlier connection is not sent: now it may mean another message."""
        tokens = (arrival.token for arrival in group)
        self._client.ack_all([token[1] for token in tokens if token is not None and token[0] == self._connections])

    def publish(self, topic: str, payload: bytes, *, qos: int, is_retained: bool = False) -> int | None:
        """Hand a message to paho; its number, by which `answers` tells of it. None without a connection."""
        if not self._is_connected:
            return None
        return self._client.publish(topic, payload, qos=qos, retain=is_retained).mid

    def publish_all(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Hand QoS 0 messages of (topic, payload) to paho, for whoever listens now."""
        if self._is_connected:
            self._client.publish_all(messages)

    def answers(self) -> list[tuple[int, bool]]:
        """(number, whether the broker took it) of what was published since the last call."""
        with self._changed:
            found = list(self._answers)
            self._answers.clear()
            return found
