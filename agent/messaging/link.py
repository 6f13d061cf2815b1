"""The desk's connection to the broker: what the spool holds goes up, receipts, plans and commands come down.

Two threads. The network thread owns one paho client for each connection and makes a new one whenever the last has
ended, for whatever reason; its callbacks only enqueue, for one exception in a callback ends paho's loop while it still
says that it is connected. The work thread decodes, answers and sends. If that one fails, `failure` says why,
`is_alive` turns false, and the connection is dropped so that the broker publishes the will.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import random
import socket
import threading
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Struct
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent import wire
from agent.core.delivery import Delivery, Item, Pace
from agent.messaging.line import hang_up, is_clear, send_at_once, serve
from agent.messaging.tls import Tls, context_of, refusal_in

_log = logging.getLogger(__name__)

_TICK_S = 1.0
_INBOX = 4096
"""Messages that may wait for the work thread; more are dropped and counted: what matters comes again."""
_UNACKNOWLEDGED = 256
"""Messages paho may hold without PUBACK; what is over is refused, and sent again later by Delivery."""
_PACKET_OVERHEAD_BYTES = 512


class LinkSettings(Struct, frozen=True, kw_only=True):
    """`protocol` 5 is for mosquitto; 4 (MQTT 3.1.1) only for the embedded broker, which knows no other and cannot say
    that it refused a message. With a keep-alive of 10 s a broker publishes the will of a dead desk within 15 s."""

    host: str
    port: int
    unit: str
    protocol: Literal[4, 5] = 5
    username: str = ""
    password: str = ""
    tls: Tls | None = None
    keepalive_s: int = 10
    shortest_pause_s: float = 1.0
    longest_pause_s: float = 10.0


class Spool(Protocol):
    """What the link needs of the desk's records."""

    def pending(self, limit: int, first: tuple[int, int] = ..., before: tuple[int, int] = ...) -> list[Item]:
        """The oldest items without receipt, first <= (boot, seq) < before."""

    def live_from(self, since_up_ms: int) -> tuple[int, int]:
        """(boot, seq) of this run's first record made since then, or of the next to come."""

    def message(self, item: Item) -> wire.Record | wire.Still | None:
        """What to send for an item."""

    def receipt(self, receipt: wire.Receipt, now: wire.Instant) -> None:
        """Forget what the hub has committed."""


class _Connected(NamedTuple):
    client: Client


class _Lost(NamedTuple):
    client: Client | None
    why: str


class _Message(NamedTuple):
    topic: str
    payload: bytes


class _Refused(NamedTuple):
    why: str


class _Wake(NamedTuple):
    pass


class _Stop(NamedTuple):
    timeout_s: float


class Link:
    """The connection of one desk unit; `start` once, `stop` once."""

    def __init__(
        self,
        settings: LinkSettings,
        *,
        birth: wire.Status,
        spool: Spool,
        on_plan: Callable[[bytes], object],
        on_command: Callable[[wire.Command], object],
        now: Callable[[], wire.Instant],
        pace: Pace | None = None,
    ) -> None:
        """`birth` is published, retained, at each connect; the same with `is_online=False` is will and farewell.
        `on_plan` gets a plan's bytes and may raise BadMessage, which counts as rejected: how much of a plan can be
        followed is for whoever follows it to say. `on_plan` and `on_command` are called on the work thread and must
        neither block nor raise anything else."""
        self.settings = settings
        self.connected_since: wire.Instant | None = None
        self.disconnected_since: wire.Instant | None = None
        self.ticks = 0
        """Rounds of the work thread; stands still when that thread hangs."""
        self.refused = 0
        """Messages and subscriptions that the broker refused, by its own word."""
        self.refusal: str | None = None
        """The newest refusal's reason."""
        self.rejected = 0
        """Messages from the hub's side that were not of this language."""
        self.dropped = 0
        """Messages thrown away because the work thread did not keep up."""
        self.trouble: str | None = None
        """Why there is no connection; None while there is one."""
        self.failure: str | None = None
        """What ended the work thread, if anything but `stop` did."""
        self._birth = birth
        self._spool = spool
        self._on_plan = on_plan
        self._on_command = on_command
        self._now = now
        self._delivery = Delivery(pace)
        self._live_from = (0, 0)
        self._client: Client | None = None
        self._inbox: queue.SimpleQueue[_Connected | _Lost | _Message | _Refused | _Wake | _Stop] = queue.SimpleQueue()
        self._refused_entry: str | None = None
        self._ended: str | None = None
        self._was_let_in = False
        self._stopping = threading.Event()
        self._is_waking = threading.Event()
        self._network = threading.Thread(target=self._keep_connected, name="link-network", daemon=True)
        self._work = threading.Thread(target=self._work_until_stopped, name="link-work", daemon=True)

    # --- for the agent ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start both threads. A missing broker is no error: the link keeps trying, every 1 to 10 s."""
        self.disconnected_since = self._now()
        self._work.start()
        self._network.start()

    def wake(self) -> None:
        """A record was appended: look at the spool now."""
        if not self._is_waking.is_set():
            self._is_waking.set()
            self._inbox.put(_Wake())

    @property
    def is_alive(self) -> bool:
        """Whether both threads run."""
        return self._work.is_alive() and self._network.is_alive() and self.failure is None

    def publish_heartbeat(self, heartbeat: wire.Heartbeat) -> bool:
        """Send it now, QoS 0; False, and it is gone, while there is no connection."""
        return self._publish_now("heartbeat", heartbeat)

    def publish_still(self, still: wire.Still) -> bool:
        """Send a live still now, QoS 0; False, and it is gone, while there is no connection."""
        return self._publish_now("still", still)

    def publish_live(self, still: wire.Still) -> bool:
        """Send a picture of live video now, QoS 0; False, and it is gone, without a connection or behind others."""
        client = self._client
        return client is not None and is_clear(client) and self._publish_now("live", still)

    def _publish_now(self, kind: str, message: wire.Message) -> bool:
        client = self._client
        if client is None:
            return False
        sent = client.publish(wire.up_topic(self.settings.unit, kind), wire.encode(message), qos=0)
        return sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Say farewell, disconnect and end both threads; False if they did not end in time (they are daemons)."""
        self._stopping.set()
        if self._work.ident is None:
            return True
        self._inbox.put(_Stop(timeout_s / 2))
        self._work.join(timeout_s * 0.7)
        self._network.join(timeout_s * 0.2)  # what was said last is on its way: hung up now, the will would follow it
        self._hang_up()
        self._network.join(timeout_s * 0.1)
        return not (self._work.is_alive() or self._network.is_alive())

    # --- network thread ---------------------------------------------------------------------------------------------

    def _keep_connected(self) -> None:
        settings = self.settings
        pause_s = settings.shortest_pause_s
        while not self._stopping.is_set():
            client = None
            self._refused_entry, self._ended, self._was_let_in = None, None, False
            why = "the broker closed the connection"
            try:
                client = self._make_client()
                self._connect(client)
                serve(client, settings.unit)
                why = self._ended or why
            except Exception as error:
                # Whatever paho stumbles over, a new client starts afresh; a dead network thread would be final.
                why = f"{type(error).__name__}: {error}"
            self._inbox.put(_Lost(client, self._refused_entry or why))
            del client
            pause_s = settings.shortest_pause_s if self._was_let_in else min(settings.longest_pause_s, pause_s * 2)
            # Spread, so that the desks of a whole centre do not come back in step.
            self._stopping.wait(pause_s * random.uniform(0.5, 1))  # noqa: S311

    def _make_client(self) -> Client:
        settings = self.settings
        is_v5 = settings.protocol == 5
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.unit,
            clean_session=None if is_v5 else True,
            protocol=MQTTProtocolVersion.MQTTv5 if is_v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.max_queued_messages_set(_UNACKNOWLEDGED)
        farewell = msgspec.structs.replace(self._birth, is_online=False)
        client.will_set(wire.up_topic(settings.unit, "status"), wire.encode(farewell), qos=1, retain=True)
        if settings.username:
            client.username_pw_set(settings.username, settings.password or None)
        if settings.tls is not None:
            client.tls_set_context(context_of(settings.tls))
        client.on_socket_open = send_at_once
        client.on_log = self._when_logged
        client.on_connect = self._when_connected
        client.on_disconnect = self._when_disconnected
        client.on_message = self._when_message
        client.on_publish = self._when_published
        client.on_subscribe = self._when_subscribed
        return client

    def _connect(self, client: Client) -> None:
        settings = self.settings
        if settings.protocol == 5:
            limit = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            limit.MaximumPacketSize = wire.MAX_MESSAGE_BYTES + _PACKET_OVERHEAD_BYTES
            client.connect(settings.host, settings.port, settings.keepalive_s, clean_start=True, properties=limit)
        else:
            client.connect(settings.host, settings.port, settings.keepalive_s)

    def _when_connected(self, client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._refused_entry = f"the broker refuses the connection: {reason}"
        else:
            self._was_let_in = True
            self._inbox.put(_Connected(client))

    def _when_disconnected(self, _client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._ended = f"connection ended: {reason}"

    def _when_logged(self, _client: Client, _userdata: Any, _level: int, text: str) -> None:
        self._refused_entry = self._refused_entry or refusal_in(text)

    def _when_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        if self._inbox.qsize() < _INBOX:
            self._inbox.put(_Message(message.topic, bytes(message.payload)))
        else:
            self.dropped += 1

    def _when_published(self, _client: Client, _userdata: Any, _mid: int, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._inbox.put(_Refused(f"publishing: {reason}"))

    def _when_subscribed(self, _client: Client, _userdata: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        for reason in reasons:
            if reason.is_failure:
                self._inbox.put(_Refused(f"subscribing: {reason}"))

    # --- work thread ------------------------------------------------------------------------------------------------

    def _work_until_stopped(self) -> None:
        try:
            while self._take_all():
                self._send_due()
                self.ticks += 1
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
            _log.exception("the link's work thread has failed")
            self._hang_up()

    def _take_all(self) -> bool:
        """Wait for something to do, then take all there is; False after `stop`."""
        wait_s = self._delivery.wait_ms(self._now().up_ms) / 1000 if self._client is not None else _TICK_S
        with contextlib.suppress(queue.Empty):
            event = self._inbox.get(timeout=max(0.005, wait_s))
            while self._take(event):
                event = self._inbox.get_nowait()
            return False
        return True

    def _take(self, event: _Connected | _Lost | _Message | _Refused | _Wake | _Stop) -> bool:
        match event:
            case _Connected(client):
                self._begin(client)
            case _Lost(client, why):
                self._end(client, why)
            case _Message(topic, payload):
                self._read(topic, payload)
            case _Refused(why):
                self.refused += 1
                self.refusal = why
                _log.warning("the broker refused: %s", why)
            case _Wake():
                self._is_waking.clear()
            case _Stop(timeout_s):
                self._say_farewell(timeout_s)
                return False
        return True

    def _begin(self, client: Client) -> None:
        now = self._now()
        unit = self.settings.unit
        self._live_from = self._spool.live_from(now.up_ms - round(self._delivery.pace.live_s * 1000))
        self._delivery.reconnected(now.up_ms)
        client.subscribe(wire.down_filter(unit), qos=1)
        client.publish(wire.up_topic(unit, "status"), wire.encode(self._birth), qos=1, retain=True)
        self._client = client
        self.connected_since, self.disconnected_since, self.trouble = now, None, None
        _log.info("connected to %s:%d", self.settings.host, self.settings.port)

    def _end(self, client: Client | None, why: str) -> None:
        if self._client is not None and client is not self._client:
            return
        if self._client is not None:
            self._client, self.connected_since, self.disconnected_since = None, None, self._now()
        if self.trouble != why:
            _log.warning("no connection to %s:%d: %s", self.settings.host, self.settings.port, why)
        self.trouble = why

    def _read(self, topic: str, payload: bytes) -> None:
        try:
            unit, direction, kind = wire.parse_topic(topic)
            if (unit, direction) != (self.settings.unit, "down"):
                raise wire.BadMessage("not addressed to this unit")
            if kind == "plan":
                self._on_plan(payload)
                return
            message = wire.decode_down(kind, payload)
        except wire.BadMessage as error:
            self.rejected += 1
            _log.warning("a message on %s is not understood: %s", topic[:80], error)
            return
        match message:
            case wire.Receipt():
                self._spool.receipt(message, self._now())
            case wire.Command():
                self._on_command(message)

    def _send_due(self) -> None:
        client = self._client
        if client is None:
            return
        page = self._delivery.page_size()
        live = self._spool.pending(page, first=self._live_from)
        backlog = self._spool.pending(page, before=self._live_from)
        for item in self._delivery.next(self._now().up_ms, live, backlog):
            message = self._spool.message(item)
            if message is not None:
                kind = "evidence" if item.is_still else "record"
                client.publish(wire.up_topic(self.settings.unit, kind), wire.encode(message), qos=1)

    def _say_farewell(self, timeout_s: float) -> None:
        client = self._client
        if client is None:
            return
        farewell = msgspec.structs.replace(self._birth, is_online=False)
        topic = wire.up_topic(self.settings.unit, "status")
        sent = client.publish(topic, wire.encode(farewell), qos=1, retain=True)
        with contextlib.suppress(RuntimeError, ValueError):  # not sent any more: the will says the same
            sent.wait_for_publish(timeout_s)
        client.disconnect()

    def _hang_up(self) -> None:
        """Drop the connection without a word, if it still stands."""
        client = self._client
        self._client = None
        line = client.socket() if client is not None else None
        if isinstance(line, socket.socket):
            hang_up(line)
