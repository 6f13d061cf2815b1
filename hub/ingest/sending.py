"""Plans and commands on their way down: what the store has and the broker has not taken yet."""

from __future__ import annotations

import logging
from typing import NamedTuple, Protocol

from agent import wire
from hub.ingest.facts import Facts
from hub.store import Store, intake

log = logging.getLogger(__name__)

TRY_AGAIN_AFTER_MS = 10_000


class Outlet(Protocol):
    """The part of the broker's link that sending needs."""

    @property
    def is_connected(self) -> bool: ...

    @property
    def connections(self) -> int: ...

    def publish(self, topic: str, payload: bytes, *, qos: int, is_retained: bool = False) -> int | None: ...

    def answers(self) -> list[tuple[int, bool]]: ...


class _Sent(NamedTuple):
    kind: str
    unit: str
    number: int


class Sender:
    """Publishes what is new in the store, and every plan at each connect. Used by the work thread."""

    def __init__(self, store: Store, link: Outlet, facts: Facts) -> None:
        self._store = store
        self._link = link
        self._facts = facts
        self._connection = 0
        self._data_version = -1
        self._underway: dict[int, _Sent] = {}
        self._again_at_utc_ms: int | None = None

    def is_store_changed(self) -> bool:
        """Whether another process has committed since this was last asked."""
        version = self._store.data_version()
        is_changed, self._data_version = version != self._data_version, version
        return is_changed

    def send(self, now_utc_ms: int, *, is_changed: bool) -> None:
        """Hear the broker's answers, then hand over what is due."""
        self._hear(now_utc_ms)
        if not self._link.is_connected:
            return
        is_new_connection = self._link.connections != self._connection
        is_due = self._again_at_utc_ms is not None and now_utc_ms >= self._again_at_utc_ms
        if not (is_changed or is_new_connection or is_due):
            return
        self._connection = self._link.connections
        self._again_at_utc_ms = None
        with self._store.read() as connection:
            plans = intake.plans_to_send(connection, is_everything=is_new_connection)
            commands = intake.commands_to_send(connection, now_utc_ms)
        for plan in plans:
            self._publish(_Sent("plan", plan["unit"], plan["number"]), plan["payload"], is_new_connection)
        for command in commands:
            self._publish(_Sent("command", command["unit"], command["number"]), command["payload"], False)

    def _publish(self, sent: _Sent, payload: str, is_again: bool) -> None:
        if sent in self._underway.values() and not is_again:
            return
        topic = wire.down_topic(sent.unit, sent.kind)
        mid = self._link.publish(topic, payload.encode(), qos=1, is_retained=sent.kind == "plan")
        if mid is not None:
            self._underway[mid] = sent

    def _hear(self, now_utc_ms: int) -> None:
        taken = []
        for mid, is_taken in self._link.answers():
            sent = self._underway.pop(mid, None)
            if sent is None:
                continue
            if is_taken:
                taken.append(sent)
            else:
                log.error("the broker refuses the %s of %s", sent.kind, sent.unit)
                self._again_at_utc_ms = now_utc_ms + TRY_AGAIN_AFTER_MS
        if taken:
            with self._store.write() as connection:
                for sent in taken:
                    if sent.kind == "plan":
                        intake.plan_sent(connection, sent.unit, sent.number)
                    else:
                        intake.command_sent(connection, sent.number, now_utc_ms)
            self._facts.plans_sent += sum(sent.kind == "plan" for sent in taken)
            self._facts.commands_sent += sum(sent.kind == "command" for sent in taken)
