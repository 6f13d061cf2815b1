"""`python -m tests.bench ingest`: durable intake, from the broker to the committed row, against two yardsticks.

All on one disk (the repository's `var/`), one after another in one run, the same signed records each time:
(a) the same ingest with a commit for each message; (b) the same rows put into the same tables by SQLite
alone, a thousand records a commit, nothing decoded, verified or judged. Then the storm: 500 desks each sending 50
records at once, until the last receipt is back at its desk.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import hub.ingest
from agent import wire
from hub.config import Settings
from hub.ingest.broker import CLIENT_ID
from hub.store import Store, intake
from tests.bench.peers import cpu_model
from tests.brokers import REPOSITORY, Broker, mosquitto
from tests.hub.desk import Desk, alert, segment
from tests.support import wait_for

STORM_DESKS, STORM_EACH = 500, 50
BROKER_SETTINGS = "max_inflight_messages 2000"
LEAST_OVER_SINGLE, LEAST_OF_BARE, STORM_LIMIT_S = 10.0, 0.25, 15.0


def make_desks(count: int, records_each: int) -> list[Desk]:
    """Desks with a morning's records: of each ten, eight closed segments and an alert raised and cleared."""
    desks = []
    for number in range(count):
        desk = Desk(f"bench.d{number}")
        for index in range(records_each):
            step, began_s = index % 10, 200 * (index // 10)
            if step == 4:
                desk.seal(alert(f"a{index // 10}", began_s=began_s), began_s + 10)
            elif step == 5:
                desk.seal(alert(f"a{index // 10}", "cleared", began_s=began_s, cleared_s=began_s + 30), began_s + 30)
            else:
                desk.seal(segment(index), 10 * index)
        desks.append(desk)
    return desks


def in_turns(desks: Sequence[Desk]) -> list[wire.Record]:
    """The records as they would come from all desks at once."""
    return [record for turn in zip(*(desk.records for desk in desks), strict=True) for record in turn]


def new_store(folder: Path, desks: Sequence[Desk], *, is_checkpointer: bool = False) -> Store:
    store = Store(folder / "hub.db", is_checkpointer=is_checkpointer)
    with store.write() as connection:
        for desk in desks:
            intake.add_unit(connection, desk.unit, desk.public_key, 1)
    return store


def committed(store: Store) -> int:
    with store.read() as connection:
        found: int = connection.execute("select coalesce(max(record_id), 0) from records").fetchone()[0]
    return found


@contextmanager
def ingest_process(folder: Path, broker: Broker, *, group: int) -> Iterator[None]:
    """Ingest in a process of its own with groups of at most `group` messages."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.ingest", "--worker", str(folder), str(broker.port), str(group)],
        cwd=REPOSITORY,
    )
    try:
        yield
        process.terminate()
        process.wait(30)
    finally:
        process.kill()
        process.wait()


def worker(folder: Path, port: int, group: int) -> int:
    """The body of `ingest_process`."""
    import signal

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    hub.ingest.MOST_IN_GROUP = group
    settings = Settings(
        app_env="development",
        database_url=f"sqlite:///{folder / 'hub.db'}",
        live_path=str(folder / "live"),
        broker_port=port,
    )
    hub.ingest.run(settings, stop)
    return 0


def queue_at_broker(broker: Broker, records: Sequence[wire.Record]) -> None:
    """Let the broker hold the records for ingest, as after a pause of it."""
    listening = threading.Event()
    session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    session.SessionExpiryInterval = 3_600
    hub_side = Client(CallbackAPIVersion.VERSION2, client_id=CLIENT_ID, protocol=MQTTProtocolVersion.MQTTv5)
    hub_side.on_subscribe = lambda *_: listening.set()
    hub_side.connect("127.0.0.1", broker.port, clean_start=True, properties=session)
    hub_side.subscribe(wire.UP_FILTER, qos=1)
    hub_side.loop_start()
    wait_for(listening.is_set)
    hub_side.disconnect()
    hub_side.loop_stop()
    taken: set[int] = set()
    sender = Client(CallbackAPIVersion.VERSION2, client_id="bench-sender", protocol=MQTTProtocolVersion.MQTTv5)
    sender.on_publish = lambda _client, _userdata, mid, *_: taken.add(mid)
    sender.connect("127.0.0.1", broker.port)
    sender.loop_start()
    for record in records:
        sender.publish(wire.up_topic(record.header.unit, "record"), wire.encode(record), qos=1)
    wait_for(lambda: len(taken) == len(records), 120)
    sender.disconnect()
    sender.loop_stop()


def rate_of_ingest(folder: Path, desks: Sequence[Desk], *, group: int, count: int) -> float:
    """Records a second, from the first one seen committed to the last of `count`."""
    folder.mkdir(parents=True)
    records = in_turns(desks)[:count]
    store = new_store(folder, desks)
    try:
        with mosquitto(folder / "broker", max_queued=200_000, more=BROKER_SETTINGS) as broker:
            queue_at_broker(broker, records)
            with ingest_process(folder, broker, group=group):
                first = wait_for(lambda: committed(store), every_s=0.002)
                started_s = time.perf_counter()
                wait_for(lambda: committed(store) == len(records), 300, every_s=0.01)
                took_s = time.perf_counter() - started_s
        return (len(records) - first) / took_s
    finally:
        store.close()


ROWS_OF_A_RECORD = ("records", "incidents", "alerts", "segments", "incident_events")
"""The tables that the bench's records fill."""


def rate_of_bare_commits(folder: Path, desks: Sequence[Desk], made_by_ingest: Path) -> float:
    """Records a second when all rows that ingest made of them are put into the same tables by executemany, durable,
    1000 records a commit, in ready values."""
    folder.mkdir(parents=True)
    # It checkpoints as ingest does: who only ever appends to the log leaves half of the work undone.
    source, store = Store(made_by_ingest / "hub.db"), new_store(folder, desks, is_checkpointer=True)
    try:
        with source.read() as connection:
            tables = {name: list(map(tuple, connection.execute(f"select * from {name}"))) for name in ROWS_OF_A_RECORD}
        count = len(tables["records"])
        commits = -(-count // 1_000)
        with store.read() as connection:
            connection.rollback()
            connection.execute("pragma foreign_keys = off")  # a thousandth may hold an alert before its incident
        started_s = time.perf_counter()
        for number in range(commits):
            with store.write() as connection:
                for name, rows in tables.items():
                    part = rows[len(rows) * number // commits : len(rows) * (number + 1) // commits]
                    if part:
                        connection.executemany(f"insert into {name} values ({', '.join('?' * len(part[0]))})", part)
        took_s = time.perf_counter() - started_s
        assert committed(store) == count
        return count / took_s
    finally:
        source.close()
        store.close()


def sync_ms(folder: Path) -> float:
    """The median of a 4 KiB write with fdatasync on this disk: a slower one favours groups more."""
    took_ms = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(200):
            started_s = time.perf_counter()
            file.write(b"x" * 4_096)
            os.fdatasync(file.fileno())
            took_ms.append((time.perf_counter() - started_s) * 1_000)
    return sorted(took_ms)[100]


# --- the storm ------------------------------------------------------------------------------------------------------


def _text(value: str) -> bytes:
    return len(value).to_bytes(2, "big") + value.encode()


def _packet(kind: int, body: bytes) -> bytes:
    length, digits = len(body), b""
    while True:
        length, digit = divmod(length, 128)
        digits += bytes([digit | (0x80 if length else 0)])
        if not length:
            return bytes([kind]) + digits + body


async def _read_packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    kind = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        digit = (await reader.readexactly(1))[0]
        length |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return kind, await reader.readexactly(length)


class StormDesk:
    """A desk as cheap as can be (MQTT 3.1.1 by hand), so that what is measured is the hub."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        topic = _text(wire.up_topic(desk.unit, "record"))
        self._packets = b"".join(
            _packet(0x32, topic + number.to_bytes(2, "big") + wire.encode(record))
            for number, record in enumerate(desk.records, 2)
        )
        self.receipts: set[tuple[int, int]] = set()

    async def connect(self, port: int) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        self._writer.write(_packet(0x10, _text("MQTT") + b"\x04\x02\x00\x3c" + _text(self.desk.unit)))
        await _read_packet(self._reader)
        self._writer.write(_packet(0x82, b"\x00\x01" + _text(wire.down_filter(self.desk.unit)) + b"\x00"))
        await _read_packet(self._reader)

    async def send_all(self) -> None:
        """Everything at once, then wait for the receipts of all."""
        self._writer.write(self._packets)
        while len(self.receipts) < len(self.desk.records):
            kind, body = await _read_packet(self._reader)
            if kind >> 4 == 3:
                start = 2 + int.from_bytes(body[:2], "big")
                self.receipts.update(wire.decode_down("receipt", body[start:]).records)
        self._writer.close()
        await self._writer.wait_closed()


async def _storm(port: int, desks: Sequence[StormDesk]) -> float:
    for desk in desks:
        await desk.connect(port)
    started_s = time.perf_counter()
    await asyncio.wait_for(asyncio.gather(*(desk.send_all() for desk in desks)), 120)
    return time.perf_counter() - started_s


def time_of_storm(folder: Path) -> float:
    """Seconds from the first byte sent to the last receipt at its desk; fails when a record is lost or doubled."""
    folder.mkdir(parents=True)
    desks = make_desks(STORM_DESKS, STORM_EACH)
    store = new_store(folder, desks)
    try:
        with (
            mosquitto(folder / "broker", max_queued=200_000, more=BROKER_SETTINGS) as broker,
            ingest_process(folder, broker, group=hub.ingest.MOST_IN_GROUP),
        ):
            wait_for(lambda: '"is_connected": true' in _facts(folder))
            took_s = asyncio.run(_storm(broker.port, [StormDesk(desk) for desk in desks]))
        with store.read() as connection:
            kept = connection.execute("select count(*) from records").fetchone()[0]
        assert kept == STORM_DESKS * STORM_EACH, f"{kept} records kept"
        print(f"  ingest said: {_facts(folder)}")
        return took_s
    finally:
        store.close()


def _facts(folder: Path) -> str:
    path = folder / "live" / "ingest.json"
    return path.read_text() if path.exists() else ""


def rate_of_verifying(desk: Desk) -> float:
    """Ed25519 signatures a second on one core: the floor under every record."""
    started_s = time.perf_counter()
    for _ in range(20):
        for record in desk.records:
            assert wire.is_signed_by(record, desk.public_key)
    return 20 * len(desk.records) / (time.perf_counter() - started_s)


def told(name: str, value: float, unit: str, wanted: str, is_met: bool) -> bool:
    print(f"{name:<52}{value:>10.2f} {unit:<8} wanted {wanted:<10} {'met' if is_met else 'MISSED'}")
    return is_met


def main(argv: Sequence[str]) -> int:
    """Run the bench; 0 when every figure is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench ingest", description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=20_000, help="how many, in hundreds (default 20000)")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.worker:
        return worker(Path(given.worker[0]), int(given.worker[1]), int(given.worker[2]))
    folder = REPOSITORY / "var" / "bench-ingest"
    shutil.rmtree(folder, ignore_errors=True)
    print(
        f"{cpu_model()}; Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, disk of {folder.parent}"
    )
    try:
        desks = make_desks(100, given.records // 100)
        verifying = rate_of_verifying(desks[0])
        grouped = rate_of_ingest(folder / "grouped", desks, group=hub.ingest.MOST_IN_GROUP, count=given.records)
        bare = rate_of_bare_commits(folder / "bare", desks, folder / "grouped")
        synced_ms = sync_ms(folder)
        single = rate_of_ingest(folder / "single", desks, group=1, count=min(given.records, 3_000))
        storm_s = time_of_storm(folder / "storm")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"fdatasync {synced_ms:.2f} ms; signatures verified {verifying:,.0f}/s a core: a floor under ingest;")
    print(f"bare batched commits of all rows that ingest made {bare:,.0f} records/s;")
    print(f"ingest {grouped:,.0f} records/s, each signature verified; a commit for each message {single:,.0f}/s")
    over, part = grouped / single, grouped / bare
    results = [
        told("ingest / a commit for each message", over, "x", f">= {LEAST_OVER_SINGLE}", over >= LEAST_OVER_SINGLE),
        told("ingest / bare batched commits", part, "x", f">= {LEAST_OF_BARE}", part >= LEAST_OF_BARE),
        told(
            "storm of 500 desks x 50, to the last receipt", storm_s, "s", f"< {STORM_LIMIT_S}", storm_s < STORM_LIMIT_S
        ),
    ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
