"""`python -m tests.bench purge`: how fast a large centre's film is purged, and how long another writer waits.

The store is a real one, and the storage is the local one with real files, one for each segment; they are of a few
bytes, so that making them takes minutes and not a day: deleting a file of megabytes is dearer by the freeing of its
blocks, which the file system does behind the call. What is asked is what the hub does: rows, files, certificate.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import shutil
import statistics
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.core import retention
from hub.evidence import purging
from hub.evidence.purging import Tools
from hub.evidence.storage import LocalStorage
from hub.store import Store, purge_plans
from hub.store import retention as rules
from hub.store.audit import Actor

START = 1_700_000_000_000
SEATS = 60
UTC = ZoneInfo("UTC")
ADMIN = Actor("bench", "admin")


class BareKey:
    """A seal without a certificate: what the signature costs is the same."""

    chain_pem = ""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()

    def sign(self, domain: bytes, message: bytes) -> str:
        return self._key.sign(domain + message).hex()


def write_on(path: Path, stop: Event, answers: Connection) -> None:
    """Another process's share, as ingest has it: a small transaction every 20 ms, and the checkpoints. Whatever is sent
    to it, it answers with how long each took since the last answer, from the wish to the commit, in milliseconds."""
    store, waits_ms = Store(path, is_checkpointer=True), []
    while not stop.wait(0.02):
        began = time.perf_counter()
        with store.write() as connection:
            connection.execute(
                "insert into rejected (topic, reason, size_bytes, payload, received_utc_ms)"
                " values ('t', 'r', 0, x'', 1)",
            )
        waits_ms.append((time.perf_counter() - began) * 1000)
        if answers.poll():
            answers.recv()
            answers.send(waits_ms)
            waits_ms = []
    store.close()


class Writer:
    """That process."""

    def __init__(self, path: Path) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._stop = spawn.Event()
        self._answers, theirs = spawn.Pipe()
        self._process = spawn.Process(target=write_on, args=(path, self._stop, theirs))

    def __enter__(self) -> Writer:
        self._process.start()
        self.told()  # it is at work
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._process.join()

    def told(self) -> str:
        """How long it waited since it was asked last."""
        self._answers.send(None)
        waits = sorted(self._answers.recv())
        p99 = waits[int(len(waits) * 0.99)]
        return f"median {statistics.median(waits):.1f} ms, p99 {p99:.1f} ms, worst {waits[-1]:.1f} ms of {len(waits)}"


def fill(store: Store, storage: Path, count: int, held: int) -> None:
    """`count` segments of SEATS seats, a sitting each 1,080 of a seat; `held` holds on incidents of other seats."""
    with store.write() as connection:
        connection.execute("insert into rooms (name) values ('Hall')")
        connection.executemany(
            "insert into units (unit, public_key, first_seen_utc_ms) values (?, ?, 1)",
            [(f"c.d{seat}", hashlib.sha256(b"%d" % seat).hexdigest()) for seat in range(SEATS)],
        )
        connection.execute("insert into exams (exam) values ('Maths')")
    sittings = -(-count // (SEATS * 1080))
    with store.write() as connection:
        for number in range(sittings):
            connection.execute(
                "insert into sittings (sitting, exam, room_id, start_utc_ms, end_utc_ms, mode, rules)"
                " values (?, 'Maths', 1, ?, ?, 'automated', '[]')",
                [f"s{number}", START, START + 10_800_000],
            )
    for first in range(0, count, 20_000):
        rows = [_row(number) for number in range(first, min(first + 20_000, count))]
        for row in rows:
            path = storage / row[9][:2] / row[9]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"film %d" % row[12])
        with store.write() as connection:
            connection.executemany(f"insert into segments values ({','.join('?' * 17)})", rows)
            connection.executemany("insert into blobs values (?, 10, 1)", [(row[9],) for row in rows])
    with store.write() as connection:
        for number in range(held):
            connection.execute(
                "insert into incidents (unit, kind, sitting, room, seat, opened_utc_ms, began_utc_ms, cleared_utc_ms)"
                " values (?, 'seat_empty', 's0', 'Hall', ?, 1, ?, ?)",
                [f"c.d{number % SEATS}", f"d{number % SEATS}", START + 600_000, START + 620_000],
            )
            connection.execute(
                "insert into holds (incident_id, reason, placed_by, placed_utc_ms)"
                " select max(incident_id), 'bench', 'bench', 1 from incidents"
            )


def _row(number: int) -> tuple[Any, ...]:
    sitting, rest = divmod(number, SEATS * 1080)
    seat, at = rest % SEATS, rest // SEATS * 10_000
    sha256 = hashlib.sha256(b"film %d" % number).hexdigest()
    began = START + at
    return (
        f"c.d{seat}", f"{number:07d}.ts", f"s{sitting}", began, at, began + 10_000, at + 10_000, 150, 1_870_000, sha256,
        0, 1, number, f"d{seat}", began, None, None,
    )  # fmt: skip


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench purge")
    parser.add_argument("--segments", type=int, default=360_000)
    parser.add_argument("--holds", type=int, default=50)
    parser.add_argument("--folder", type=Path, help="on the file system to be measured; default: the temporary one")
    asked = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="ems-purge-", dir=asked.folder))
    try:
        _measure(folder, asked.segments, asked.holds)
    finally:
        shutil.rmtree(folder)
    return 0


def _measure(folder: Path, count: int, held: int) -> None:
    store = Store(folder / "hub.db")
    began = time.perf_counter()
    fill(store, folder / "film", count, held)
    print(f"{count} segments, each with a file of its own, {held} holds; made in {time.perf_counter() - began:.0f} s")
    with store.write() as connection:
        rules.set_rule(connection, ADMIN, "Maths", retention.AfterSitting(days=30), START)
    storage = LocalStorage(folder / "film")
    rest = threading.Event().wait
    tools = Tools(store, storage, BareKey(), UTC, lambda: time.time_ns() // 1_000_000, rest)
    with Writer(folder / "hub.db") as writer:
        began = time.perf_counter()
        plan = purge_plans.make(store, UTC, ADMIN, time.time_ns() // 1_000_000)
        took = time.perf_counter() - began
        assert plan is not None
        print(f"plan: {plan.item_count} files in {took:.1f} s; another writer waited {writer.told()}")
        began = time.perf_counter()
        result = purging.apply(tools, plan.plan_id, ADMIN)
        took = time.perf_counter() - began
        print(f"purge: {result.items} files in {took:.1f} s, {result.items / took:.0f} a second")
        print(f"another writer, every 20 ms, waited {writer.told()}")
    left = sum(1 for _ in storage.names())
    print(f"left: {left} files, {count - result.items} rows unpurged; database {_size(folder / 'hub.db') / 1e6:.0f} MB")
    store.close()
    if left != count - result.items:
        sys.exit("the storage is not what the certificate says")


def _size(path: Path) -> int:
    return path.stat().st_size


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
