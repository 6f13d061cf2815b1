"""Power cuts of a working hub: `python -m tests.hostile.cut_hub --cuts 100`.

The real ingest keeps what a desk sends and receipts it; beside it film becomes the hub's by the one way there is. Both
lie on a disk that is cut (`cut_disk`). Every receipted record must be in the store of each cut, every file that was
called stored must be there whole, and no row may be without its file.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from hub import cli
from hub.evidence.storage import LocalStorage
from hub.store import Store, StoreProblem, uploads
from tests.brokers import REPOSITORY, Broker, mosquitto
from tests.hostile.cut_desk import Witness, end_with, make_slow
from tests.hostile.cut_disk import NoDisks, Pool
from tests.hub.desk import Desk, DeskLink, alert, segment
from tests.support import wait_for

FEED_S = 0.02
CUTS_A_HUB = 10
UNSTORED = "select name, sha256 from segments where unit = ? and stored_utc_ms is null order by name"


class Cut(NamedTuple):
    """A card, the records receipted by then, by (boot, seq), and the hashes of the film called stored by then."""

    image: Path
    receipts: set[tuple[int, int]]
    stored: set[str]


class Verdict(NamedTuple):
    """What the cuts took. `receipted` and `stored`: how many promises were looked after, over all cuts."""

    cuts: int
    receipted: int
    stored: int
    lost_acknowledged: int
    lost_film: int
    faults: list[str]

    @property
    def is_kept(self) -> bool:
        return not (self.lost_acknowledged or self.lost_film or self.faults)

    def line(self) -> str:
        return (
            f"hub cuts {self.cuts} receipted {self.receipted} stored {self.stored} lost_acknowledged "
            f"{self.lost_acknowledged} lost_film {self.lost_film} verdict {'kept' if self.is_kept else 'BROKEN'}"
        )


def content(number: int) -> bytes:
    """The film of the segment with this number."""
    chance = random.Random(number)
    return chance.randbytes(chance.randrange(2_000, 300_000))


# --- the hub's two processes, on the card ---------------------------------------------------------------------------


def make_unsynced() -> None:
    """No commit and no file of the hub's is brought to the disk before the kernel feels like it."""
    connect = Store._connection

    def unsynced(self: Store) -> object:
        is_new = getattr(self._local, "database", None) is None
        connection = connect(self)
        if is_new:
            connection.execute("pragma synchronous = off")
        return connection

    Store._connection = unsynced  # type: ignore[method-assign, assignment]
    os.fsync = os.fdatasync = lambda descriptor: None  # type: ignore[assignment]


def store_for_ever(card: Path, witness: Witness, unit: str) -> None:
    """Store the film of every segment that has a record, and say so."""
    store, storage, pause = Store(card / "hub.db"), LocalStorage(card / "film"), threading.Event()
    while True:
        with store.read() as connection:
            rows = connection.execute(UNSTORED, [unit]).fetchall()
        for row in rows:
            source = card / f"incoming-{row['name']}"
            source.write_bytes(content(int(row["name"][8:14])))
            uploads.store_segment(store, storage, unit, row["name"], row["sha256"], source, 1)
            witness.say("stored", row["sha256"])
        pause.wait(0.01)


def child(what: str, how: str, card: str, witness: str, unit: str) -> None:
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    if how == "unsynced":
        make_unsynced()
    else:
        make_slow(1)
    if what == "ingest":
        cli.main(["ingest"])
    else:
        store_for_ever(Path(card), Witness(Path(witness)), unit)


# --- the harness ----------------------------------------------------------------------------------------------------


class Feeder:
    """A desk that sends segments and alerts without an end."""

    def __init__(self, broker: Broker) -> None:
        self.desk = Desk()
        self.link = DeskLink(broker, self.desk)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._feed)
        self._thread.start()

    def _feed(self) -> None:
        number = 0
        while not self._stopping.wait(FEED_S):
            number += 1
            data = content(number)
            body = segment(number, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
            self.link.say("record", self.desk.seal(body, 10 * number))
            self.link.say("record", self.desk.seal(alert(f"a{number}", began_s=10 * number), 10 * number + 1))

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self.link.close()


@contextmanager
def children(broker: Broker, card: Path, witness: Path, unit: str, how: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EMS_")} | {
        "APP_ENV": "development",
        "LOG_LEVEL": "ERROR",
        "DATABASE_URL": f"sqlite:///{card / 'hub.db'}",
        "STORAGE_PATH": str(card / "storage"),
        "EMS_LIVE_PATH": str(witness.parent / "live"),
        "EMS_TRUST_NEW_UNITS": "true",
        "EMS_BROKER_PORT": str(broker.port),
    }
    made: list[subprocess.Popen[bytes]] = []
    try:
        for what in ("ingest", "film"):
            command = [sys.executable, "-m", "tests.hostile.cut_hub", "child", what, how, str(card), str(witness), unit]
            made.append(subprocess.Popen(command, cwd=REPOSITORY, env=environ))
        yield made
    finally:
        for process in made:
            process.kill()
            process.wait()


def run(cuts: int, seed: int, folder: Path, how: str = "synced") -> Verdict:
    """So many cuts, of as many hubs as that needs; the disk of every second one forgets what it was not told to flush.
    Raises NoDisks."""
    verdict = Verdict(0, 0, 0, 0, 0, [])
    with Pool() as pool:
        while verdict.cuts < cuts:
            of_hub = folder / f"hub-{verdict.cuts}"
            of_hub.mkdir()
            count = min(CUTS_A_HUB, cuts - verdict.cuts)
            make = pool.new_forgetful_image if verdict.cuts // CUTS_A_HUB % 2 else pool.new_image
            image = make(f"{of_hub.name}.img")
            made, hashes = cuts_of(pool, image, of_hub, random.Random(seed + verdict.cuts), count, how)
            for cut in made:
                verdict = judge(pool, cut, hashes, verdict)
                cut.image.unlink()
    return verdict


def cuts_of(
    pool: Pool, image: Path, folder: Path, chance: random.Random, count: int, how: str
) -> tuple[list[Cut], dict[tuple[int, int], str]]:
    """Cut a hub at work; with the hash of every record that was sent."""
    pause, made, witness = threading.Event(), list[Cut](), folder / "witness"
    with pool.mounted(image) as card, mosquitto(folder / "broker") as broker, closing(Feeder(broker)) as feeder:
        with children(broker, card, witness, feeder.desk.unit, how) as processes:
            wait_for(lambda: feeder.link.receipts and witness.exists() and witness.stat().st_size)
            for number in range(count):
                pause.wait(chance.uniform(0.02, 0.4))
                assert [process.poll() for process in processes] == [None, None], "the hub ended by itself"
                receipts = set(dict(feeder.link.receipts))
                stored = {line.split()[1] for line in witness.read_text().splitlines()}
                made.append(Cut(pool.cut(image, f"{folder.name}-cut-{number}.img"), receipts, stored))
    image.unlink()
    return made, {(record.header.boot, record.header.seq): record.hash for record in feeder.desk.records}


def judge(pool: Pool, cut: Cut, hashes: dict[tuple[int, int], str], so_far: Verdict) -> Verdict:
    """Open the store of a cut card as a hub's process does, and compare."""
    with pool.mounted(cut.image) as card:
        storage = LocalStorage(card / "film")
        try:
            rows, blobs, named, faults = read_store(card / "hub.db")
        except (StoreProblem, sqlite3.Error) as problem:
            rows, blobs, named, faults = {}, set(), set(), [str(problem)]
        files = {name: hashlib.sha256(storage.read(name)).hexdigest() for name, _ in storage.names()}
        faults += [f"{name} is named and holds something else" for name, digest in files.items() if name != digest]
        faults += [f"a row without its file: {name}" for name in (blobs | named) - files.keys()]
        faults += [f"a stored segment without its row: {name}" for name in named - blobs]
    lost = sum(rows.get(key) != hashes[key] for key in cut.receipts)
    return Verdict(
        so_far.cuts + 1,
        so_far.receipted + len(cut.receipts),
        so_far.stored + len(cut.stored),
        so_far.lost_acknowledged + lost,
        so_far.lost_film + len(cut.stored - (files.keys() & blobs & named)),
        so_far.faults + faults,
    )


def read_store(path: Path) -> tuple[dict[tuple[int, int], str], set[str], set[str], list[str]]:
    """The hash of each record, the film that has a row, the film that segments are stored as, what is wrong."""
    store = Store(path)
    try:
        with store.read() as connection:
            found = connection.execute("pragma integrity_check").fetchone()[0]
            rows = {(row[0], row[1]): row[2] for row in connection.execute("select boot, seq, hash from records")}
            blobs = {row[0] for row in connection.execute("select sha256 from blobs")}
            named = {row[0] for row in connection.execute("select sha256 from segments where stored_utc_ms > 0")}
    finally:
        store.close()
    return rows, blobs, named, [] if found == "ok" else [f"the store: {found}"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true", help="a hub that does not sync")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what is running and mounted goes first
    with tempfile.TemporaryDirectory(prefix="ems-cuts-") as folder:
        try:
            how = "unsynced" if arguments.control else "synced"
            verdict = run(arguments.cuts, arguments.seed, Path(folder), how)
        except NoDisks as problem:
            print(f"no power can be cut here: {problem}", file=sys.stderr)
            return 2
    for fault in verdict.faults:
        print(fault)
    print(verdict.line())
    return 0 if verdict.is_kept else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
    else:
        sys.exit(main())
