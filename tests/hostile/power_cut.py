"""Power cuts of a working desk, and what each of them took: `python -m tests.hostile.power_cut --cuts 500`.

A real agent with camera, face model, records and link writes on a card (`cut_disk`); a real broker and ingest receipt
what it sends. At random instants the card is copied as a cut at that instant leaves it. What the agent had promised
(`cut_desk`) is read before the copy is made. Each copy is mounted, made whole by the agent's own code, and compared.
Each desk starts from the last cut of the one before, so that a card goes through many cuts.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.records import Records
from tests.brokers import REPOSITORY, mosquitto
from tests.hostile.cut_disk import NoDisks, Pool
from tests.hostile.cut_verdict import Cut, Outcome, Promise, Verdict, judge, rows_in, void
from tests.journey.centre import UNIT, Centre, centre, film
from tests.support import wait_for

FPS = 15
START_S = 3.0
"""Within this time of its start a desk makes its key and database, repairs, and takes the sitting up."""
CUTS_A_WRITER = 15
CUTS_A_CARD = 30
MOST_HOLE_MS = 1_000
BURST = 3
"""Cuts at one closing of a segment."""


class Writer:
    """A desk at work on a mounted card."""

    def __init__(self, place: Centre, card: Path, before: Promise, camera: Path, seed: int, how: str) -> None:
        self._before = before
        self._folder = card / "desk"
        self._first = self._touched_ns()
        self._witness = place.folder / f"witness-{seed}-{how}"
        self._witness.unlink(missing_ok=True)
        environ = {name: value for name, value in os.environ.items() if not name.startswith("EMS_")} | {
            "APP_ENV": "development",
            "LOG_LEVEL": "ERROR",
            "STORAGE_PATH": str(card / "desk"),
            "CAMERA_DEVICE": f"footage:{camera}",
            "EMS_UNIT": UNIT,
            "EMS_BROKER_PORT": str(place.broker.port),
            "EMS_RECORD_WIDTH": "640",
            "EMS_RECORD_HEIGHT": "360",
            "EMS_RECORD_FPS": str(FPS),
            "EMS_SEGMENT_S": "2",
            "EMS_STORAGE_LOW_BYTES": "0",
            "EMS_IS_CLOCK_TRUSTED": "true",
        }
        # a desk has its machine for itself; here it would wait for what else the machine does
        first = ["nice", "-n", "-10"]
        command = [*first, sys.executable, "-m", "tests.hostile.cut_desk", str(self._witness), str(seed), how]
        self.process = subprocess.Popen(command, cwd=REPOSITORY, env=environ)

    def _touched_ns(self) -> int:
        return self._folder.stat().st_mtime_ns if self._folder.exists() else 0

    def wait_for_start(self) -> None:
        """Return as soon as it writes its key, or counts this start, on the card."""
        wait_for(lambda: self.process.poll() is not None or self._touched_ns() != self._first, every_s=0.001)

    def lines(self) -> list[str]:
        """What it has said so far."""
        text = self._witness.read_text() if self._witness.exists() else ""
        return text.splitlines()[: text.count("\n")]

    def promise(self) -> Promise:
        return self._before.and_then(self.lines())

    def wait_for_closing(self) -> None:
        """Return as soon as the next segment is being closed."""
        count = self.lines().count("closing")
        wait_for(lambda: self.process.poll() is not None or self.lines().count("closing") > count, every_s=0.001)
        self.check()

    def check(self) -> None:
        assert self.process.poll() is None, f"the desk ended by itself: {self.process.returncode}"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def cuts_of(pool: Pool, image: Path, writer: Writer, chance: random.Random, count: int) -> Iterator[Cut]:
    """Cut again and again while it works: at its start, at any moment, and while a segment is being closed."""
    pause, number = threading.Event(), 0

    def cut(least_s: float, most_s: float) -> Cut:
        nonlocal number
        pause.wait(chance.uniform(least_s, most_s))
        writer.check()
        number += 1
        promise = writer.promise()
        return Cut(pool.cut(image, f"{image.stem}-cut-{number}.img"), promise)

    writer.wait_for_start()
    for _ in range(count // 5):
        yield cut(0, 0.04)
    for _ in range(count // 8):
        yield cut(0, 2 * START_S / (count // 8))
    wait_for(lambda: "closing" in writer.lines())
    while number < count - 1:
        if chance.random() < 0.2:
            writer.wait_for_closing()
            for _ in range(min(BURST, count - 1 - number)):
                yield cut(0, 0.03)
        else:
            yield cut(0.05, 0.7)
    # from the last one the next desk starts: nothing may be sent to the hub behind it
    pause.wait(chance.uniform(0.05, 0.7))
    writer.check()
    writer.process.send_signal(signal.SIGSTOP)
    yield cut(0, 0)


@contextmanager
def hub(folder: Path) -> Iterator[Centre]:
    """A running broker and ingest, outside the card."""
    with mosquitto(folder / "broker") as broker, centre(folder, broker) as place:
        place.start_ingest(LOG_LEVEL="ERROR")
        yield place


def run_writer(
    pool: Pool,
    place: Centre,
    image: Path,
    before: Promise,
    camera: Path,
    seed: int,
    count: int,
    *,
    how: str = "synced",
    is_deaf: bool = False,
) -> list[Cut]:
    """The cuts of one desk at work on `image`. `is_deaf`: the hub answers nothing during the first half of them, and
    the spool drains during the rest."""
    chance = random.Random(seed)
    cuts: list[Cut] = []
    ingest = place.processes["ingest"]
    with pool.mounted(image) as card:
        writer = Writer(place, card, before, camera, seed, how)
        try:
            if is_deaf:
                ingest.send_signal(signal.SIGSTOP)
            planning = threading.Thread(target=place.plan)
            if not place.rows("select 1 from sittings"):
                planning.start()
            for cut in cuts_of(pool, image, writer, chance, count):
                cuts.append(cut)
                if is_deaf and len(cuts) > count // 2:
                    ingest.send_signal(signal.SIGCONT)
            if planning.ident is not None:
                planning.join()
        finally:
            ingest.send_signal(signal.SIGCONT)
            writer.end()
    return cuts


def run_life(
    pool: Pool, image: Path, folder: Path, seed: int, count: int, tell: Callable[[str], None]
) -> list[Outcome]:
    """One card, an empty `image`, from its very first start: desk after desk works on it, each from the last cut of the
    one before. The last one is let drain and stopped in order: the hub and the card must have the same records then,
    and every moment since the first picture must be in a segment or a gap."""
    outcomes: list[Outcome] = []
    folder.mkdir()
    camera = film(folder / "film.mp4", [(True, 4), (False, 5)], fps=FPS)
    with hub(folder) as place:
        before, name = Promise.nothing(), image.stem
        while len(outcomes) < count:
            wanted = min(CUTS_A_WRITER, count - len(outcomes))
            is_deaf = len(outcomes) // CUTS_A_WRITER % 2 == 1
            cuts = run_writer(pool, place, image, before, camera, seed + len(outcomes), wanted, is_deaf=is_deaf)
            image.unlink()
            image, before = pool.cut(cuts[-1].image, f"{name}-{len(outcomes) + wanted}.img"), cuts[-1].promise
            for cut in cuts:
                outcomes.append(judge(pool, cut))
                cut.image.unlink()
                tell(f"cut {len(outcomes)}: {outcomes[-1]}")
        faults = drain(pool, place, image, before, camera)
        image.unlink()
    return [*outcomes[:-1], outcomes[-1]._replace(faults=outcomes[-1].faults + faults)]


def drain(pool: Pool, place: Centre, image: Path, before: Promise, camera: Path) -> list[str]:
    """Let a desk hand over all that was promised before the last cut; what hub and card do not agree on then."""
    with pool.mounted(image) as card:
        last = Writer(place, card, before, camera, 0, "synced")
        try:
            wait_for(lambda: before.records.keys() <= last.promise().receipts, 60)
            last.process.send_signal(signal.SIGTERM)
            last.process.wait(60)
        finally:
            last.end()
        on_card = rows_in(card / "desk" / "records.db")
    at_hub = {(row["boot"], row["seq"]): row["hash"] for row in place.rows("select boot, seq, hash from records")}
    only_here = [key for key, (_, receipted) in on_card.items() if receipted is not None and key not in at_hub]
    differ = [key for key, digest in at_hub.items() if on_card.get(key, ("", None))[0] != digest]
    faults = [f"record {key} has a receipt and is not at the hub" for key in only_here]
    faults += [f"record {key} at the hub is not the card's" for key in differ]
    faults += [
        f"the hub's {table}: {row}"
        for table in ("rejected", "conflicts")
        for row in place.rows(f"select * from {table}")
    ]
    return faults + holes(place)


def holes(place: Centre) -> list[str]:
    """The stretches of the sitting that are neither in a segment nor in a gap, by what the hub was told."""
    stretches = sorted(
        (row["began_utc_ms"], row["ended_utc_ms"])
        for table in ("segments", "gaps")
        for row in place.rows(f"select began_utc_ms, ended_utc_ms from {table}")
    )
    found, until = [], stretches[0][1]
    for began, ended in stretches:
        if began - until > MOST_HOLE_MS:
            found.append(f"{began - until} ms before {began} are neither film nor gap")
        until = max(until, ended)
    return found


def run(cuts: int, seed: int, folder: Path, tell: Callable[[str], None] = void) -> Verdict:
    """So many cuts, on as many cards as they need; every second card forgets what it was not told to flush."""
    outcomes: list[Outcome] = []
    with Pool() as pool:
        while len(outcomes) < cuts:
            wanted = min(CUTS_A_CARD, cuts - len(outcomes))
            make = pool.new_forgetful_image if len(outcomes) // CUTS_A_CARD % 2 else pool.new_image
            image = make(f"card-{len(outcomes)}.img")
            outcomes += run_life(pool, image, folder / image.stem, seed + len(outcomes), wanted, tell)
    return Verdict(outcomes)


def run_control(seed: int, folder: Path) -> Verdict:
    """A desk that was set up in order and then never syncs, cut at a few moments: what the harness must see."""
    camera = film(folder / "film.mp4", [(True, 4), (False, 5)], fps=FPS)
    with Pool() as pool, hub(folder) as place:
        image = pool.new_image("card-0.img")
        with pool.mounted(image) as card:
            (card / "desk").mkdir()
            Records(card / "desk", UNIT).close()
        cuts = run_writer(pool, place, image, Promise.nothing(), camera, seed, 12, how="unsynced")
        return Verdict([judge(pool, cut) for cut in cuts])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true", help="only the desk that does not sync")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)  # of what is set aside after each cut
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what is running and mounted goes first
    with tempfile.TemporaryDirectory(prefix="ems-cuts-") as folder:
        try:
            if arguments.control:
                verdict = run_control(arguments.seed, Path(folder))
            else:
                verdict = run(arguments.cuts, arguments.seed, Path(folder), print)
        except NoDisks as problem:
            print(f"no power can be cut here: {problem}", file=sys.stderr)
            return 2
    for fault in verdict.faults:
        print(fault)
    print(verdict.line())
    return 0 if verdict.is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
