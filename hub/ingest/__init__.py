"""Ingest: the hub's only process at the broker. Decode, ledger, one transaction a group, then receipts; plans and
commands on the way down.

Two threads: paho's, which only enqueues, and this one, which may fail and be seen to. A third hands on live video
(`hub.ingest.video`), past the ledger and the store. Nothing is receipted before it is
committed. When the store cannot be written nothing is acknowledged either: the broker's window closes, the desks keep
what they have and send it again.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent import wire
from agent.wire import Receipt
from hub.alone import AlreadyRuns, alone
from hub.config import Settings
from hub.ingest.broker import Link
from hub.ingest.commit import Arrival, Committer, Outcome, StoreUnwell, failpoint
from hub.ingest.cutting import Cutter
from hub.ingest.facts import Facts
from hub.ingest.sending import Sender
from hub.ingest.video import Video
from hub.live import LiveFolder
from hub.live_video import VideoFolder
from hub.store import Store, StoreProblem, hearing
from hub.supervision import Service

log = logging.getLogger(__name__)

MOST_IN_GROUP = 1_000
BEAT_MS = 100
"""How often the store is asked for something to send, and heartbeats and live stills are taken."""
NEWEST_EVERY_MS = 200
FACTS_EVERY_MS = 1_000
STOPPING_WAIT_S = 1.0
FIRST_RETRY_S, LONGEST_RETRY_S = 0.2, 5.0
MOST_IN_RECEIPT = 1_000
DESKS_BACK_MS = 10_000
"""After the broker was away desks come back one by one, each after a pause of its own."""


class IngestProblem(Exception):
    """Ingest cannot run; the text says why."""


def utc_ms() -> int:
    """The hub's wall clock."""
    return time.time_ns() // 1_000_000


class Ingest:
    """The work thread's state. `run` returns when `stop` is set."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._facts = Facts(utc_ms())
        self._live = LiveFolder(Path(settings.live_path))
        self._live.make()
        self._committer = Committer(store, may_trust=settings.trust_new_units)
        self._link = Link(settings, utc_ms)
        self._sender = Sender(store, self._link, self._facts)
        self._video = Video(self._link, VideoFolder(self._live.path), self._committer.known, utc_ms)
        self._cutter = Cutter(store, self._link) if settings.broker_tls else None
        self._newest_at_ms = self._facts_at_ms = 0
        self._service = Service()
        self._connections = 0
        self._has_commands = False
        self._heard_utc_ms = utc_ms()

    def run(self, stop: threading.Event) -> None:
        self._live.keep_only(self._committer.units)
        hearing.note_resumed(self._store, (self._live.facts() or {}).get("beat_utc_ms"), utc_ms())
        self._link.start()
        self._video.start()
        self._service.ready()
        try:
            while not stop.is_set():
                self._turn(stop)
                if not self._link.is_alive:
                    raise IngestProblem("the broker's thread has ended")
        finally:
            self._service.stopping()
            self._video.stop()
            self._link.stop()
            self._committer.close()

    def _turn(self, stop: threading.Event) -> None:
        self._service.ping_if_due()
        group = self._link.take(MOST_IN_GROUP, BEAT_MS / 1000)
        now_ms = utc_ms()
        if not 0 <= now_ms - self._newest_at_ms < NEWEST_EVERY_MS:
            self._newest_at_ms = now_ms
            group += self._link.take_newest()
        self._note_hearing(utc_ms())
        is_changed = self._is_store_changed()
        heard = self._keep(group, stop) if group else {}
        try:
            self._sender.send(utc_ms(), is_changed=is_changed or self._has_commands)
            self._has_commands = False
            if self._cutter is not None:
                self._cutter.cut(self._committer.revoked, heard, utc_ms())
        except Exception:
            log.exception("plans, commands or an end of sessions could not be sent; they will be")
        self._tell()

    def _note_hearing(self, now_utc_ms: int) -> None:
        """Once the broker is back: until then no desk could be heard. Before anything of them is kept."""
        connections = self._link.connections
        if connections != self._connections:
            try:
                hearing.note(self._store, self._heard_utc_ms, now_utc_ms + DESKS_BACK_MS)
            except sqlite3.Error as error:
                log.warning("that the broker was away cannot be noted yet: %s", error)
                return
            self._connections = connections
        if self._link.is_connected:
            self._heard_utc_ms = now_utc_ms

    def _is_store_changed(self) -> bool:
        """Whether others have written; then the units are read anew. A store that cannot be read ends the process:
        what starts it again opens it afresh."""
        is_changed = self._sender.is_store_changed()
        if is_changed:
            self._committer.refresh()
            self._live.keep_only(self._committer.units)
        return is_changed

    def _keep(self, group: Sequence[Arrival], stop: threading.Event) -> Mapping[str, int]:
        """Commit the group, however long the store takes to be well again; then say so to broker and desks. Answers
        which revoked units spoke in it."""
        retry_s = FIRST_RETRY_S
        while True:
            started_ns = time.perf_counter_ns()
            try:
                outcome = self._committer.commit(group, utc_ms())
                break
            except StoreUnwell as unwell:
                if self._facts.trouble != str(unwell):
                    log.error("the store cannot be written, nothing is receipted: %s", unwell)
                self._facts.trouble = str(unwell)
                self._tell()
                self._service.ping_if_due()  # it waits for the store, and says so: no reason to be started again
            if stop.wait(retry_s):
                return {}
            retry_s = min(2 * retry_s, LONGEST_RETRY_S)
        if self._facts.trouble:
            log.warning("the store can be written again")
            self._facts.trouble = ""
        self._link.acknowledge(group)
        failpoint("after_ack")
        self._has_commands |= outcome.has_commands
        self._receipt(outcome)
        self._facts.committed(group, outcome, (time.perf_counter_ns() - started_ns) / 1e6, utc_ms())
        self._show(outcome)
        return outcome.revoked

    def _receipt(self, outcome: Outcome) -> None:
        """QoS 0: a receipt that is lost is asked for again by the record that comes again."""
        messages = []
        for unit, receipts in outcome.receipts.items():
            topic = wire.down_topic(unit, "receipt")
            for first in range(0, max(len(receipts.records), len(receipts.stills)), MOST_IN_RECEIPT):
                part = slice(first, first + MOST_IN_RECEIPT)
                receipt = Receipt(records=tuple(receipts.records[part]), stills=tuple(receipts.stills[part]))
                messages.append((topic, wire.encode(receipt)))
        self._link.publish_all(messages)

    def _show(self, outcome: Outcome) -> None:
        try:
            for unit, arrival in outcome.live.items():
                self._live.put_still(unit, arrival.payload, arrival.received_utc_ms)
        except OSError as error:
            log.warning("live pictures cannot be shown: %s", error)

    def _tell(self) -> None:
        now_ms = utc_ms()
        if 0 <= now_ms - self._facts_at_ms < FACTS_EVERY_MS:
            return
        self._facts_at_ms = now_ms
        self._facts.is_connected = self._link.is_connected
        broker = "broker connected" if self._facts.is_connected else "no broker"
        self._service.say(f"{broker}; {self._facts.trouble or 'store well'}")
        try:
            told = self._facts.told(queue=self._link.waiting, dropped=self._link.dropped, now_utc_ms=now_ms)
            self._live.put_facts(told, now_ms)
        except OSError as error:
            log.warning("ingest's figures cannot be shown: %s", error)


def run(settings: Settings, stop: threading.Event) -> None:
    """Run ingest until `stop` is set. Raises IngestProblem when it cannot run."""
    if os.environ.get("EMS_FAILPOINT") and settings.app_env == "production":
        raise IngestProblem("EMS_FAILPOINT is for tests; it is refused in production")
    try:
        store = Store(settings.database_path, is_checkpointer=True)
    except StoreProblem as problem:
        raise IngestProblem(str(problem)) from None
    try:
        with alone(settings.database_path, "ingest"):
            Ingest(settings, store).run(stop)
    except AlreadyRuns as problem:
        raise IngestProblem(str(problem)) from None
    except OSError as error:
        raise IngestProblem(f"{error}") from error
    finally:
        store.close()
