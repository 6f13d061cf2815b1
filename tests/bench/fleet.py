"""`python -m tests.bench fleet`: a whole centre's desks over TLS, and how soon they are back when the broker was gone.

500 of the desk's own links (paho over TLS 1.3, each with a certificate of its own from the centre's authority), real
mosquitto with the generated configuration, real ingest. Every desk beats every 2 s and seals a record every 4 s, and
goes on with it while the broker is gone. The broker is killed (kill -9) and started again at once, ended in order and
started again, and killed and left away for a while, in which the desks' pauses between tries grow. Measured from the
moment it listens: until every desk is connected, and until the hub has receipted as much as was sealed by then.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub import authority, enrolment
from hub.store import intake
from tests.bench.peers import cpu_model
from tests.brokers import REPOSITORY
from tests.journey.trusted import TrustedCentre
from tests.support import wait_for

BACK_WITHIN_S = 30.0
PROCESSES = 4
PATIENCE_S = 90.0
RESTARTS = ((signal.SIGKILL, 0.0), (signal.SIGTERM, 0.0), (signal.SIGKILL, 30.0))
"""How the broker ends, and how long it stays away after every desk has noticed."""


def make_units(centre: TrustedCentre, names: Sequence[str]) -> None:
    """Keys and certificates as enrolment leaves them, and the units in the store."""
    signer, now_utc_ms = enrolment.issuing(centre.ca), time.time_ns() // 1_000_000
    with centre.store.write() as connection:
        for name in names:
            own = centre.folder / "desks" / name
            own.mkdir(parents=True)
            record_key, tls_key = Ed25519PrivateKey.generate(), authority.make_key()
            public_key = record_key.public_key().public_bytes_raw().hex()
            certificate = authority.unit_certificate(signer, tls_key.public_key(), name, public_key, 90, now_utc_ms)
            (own / "record.key").write_bytes(record_key.private_bytes_raw())
            (own / "tls.key").write_bytes(authority.key_pem(tls_key))
            (own / "tls.crt").write_bytes(authority.pem(certificate, signer.certificate))
            intake.add_unit(connection, name, public_key, now_utc_ms)


class Share:
    """One process with its part of the desks; `newest` is what it said last."""

    def __init__(self, centre: TrustedCentre, names: Sequence[str]) -> None:
        self.newest: dict[str, Any] = {"connected": 0, "waiting": 0, "sealed": 0}
        self.sealed: dict[str, int] = {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.fleet_desks", str(centre.folder), str(centre.ports["broker"]), *names],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            if "names" in told:
                self.sealed = told["names"]
            else:
                self.newest = told

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        print(word, file=self.process.stdin, flush=True)

    def finish(self) -> None:
        self.say("stop")
        self.process.wait(60)
        self._reader.join(10)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Fleet:
    """All shares together."""

    def __init__(self, centre: TrustedCentre, names: Sequence[str]) -> None:
        self.count = len(names)
        self.shares = [Share(centre, names[first::PROCESSES]) for first in range(PROCESSES)]

    def total(self, what: str) -> int:
        return sum(int(share.newest[what]) for share in self.shares)

    def is_whole(self) -> bool:
        return self.total("connected") == self.count


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def restart(centre: TrustedCentre, fleet: Fleet, how: signal.Signals, away_s: float) -> dict[str, float]:
    """End the broker, start it again after `away_s`, and time the return; seconds from the moment it listens."""
    broker = centre.processes["broker"]
    broker.send_signal(how)
    broker.wait(30)
    # Until the last desk has noticed: then the storm is of all of them, and no count of before is taken for after.
    wait_for(lambda: fleet.total("connected") == 0, 60)
    time.sleep(away_s)
    centre.start_broker()
    wait_for(lambda: _listens(centre.ports["broker"]), 30, every_s=0.005)
    began_s = time.perf_counter()
    wait_for(fleet.is_whole, PATIENCE_S, every_s=0.02)
    back_s = time.perf_counter() - began_s
    held, sealed = fleet.total("waiting"), fleet.total("sealed")
    wait_for(lambda: fleet.total("sealed") - fleet.total("waiting") >= sealed, PATIENCE_S, every_s=0.02)
    return {
        "back_s": back_s,
        "drained_s": time.perf_counter() - began_s,
        "held": held,
        "away_s": away_s,
        "broker_cpu_s": cpu_s(centre.processes["broker"].pid),
    }


def lost_and_doubled(centre: TrustedCentre, fleet: Fleet) -> tuple[int, int, int]:
    """(sealed, lost, doubled): what the desks sealed against the hub's rows."""
    sealed = {
        (unit, seq) for share in fleet.shares for unit, last in share.sealed.items() for seq in range(1, last + 1)
    }
    rows = [(row["unit"], row["seq"]) for row in centre.rows("select unit, seq from records")]
    return len(sealed), len(sealed - set(rows)), len(rows) - len(set(rows))


def measure(folder: Path, count: int) -> int:
    centre = TrustedCentre(folder)
    fleet = None
    try:
        names = [f"fleet.d{number:03}" for number in range(count)]
        make_units(centre, names)
        centre.start_broker()
        centre.start_hub("ingest")
        wait_for(lambda: _listens(centre.ports["broker"]), 30)
        began_s = time.perf_counter()
        fleet = Fleet(centre, names)
        wait_for(fleet.is_whole, PATIENCE_S)
        print(
            f"{count} desks connected for the first time, their programs' start included: "
            f"{time.perf_counter() - began_s:.1f} s"
        )
        found = [restart(centre, fleet, how, away_s) for how, away_s in RESTARTS]
        for share in fleet.shares:
            share.say("quiet")
        wait_for(lambda: fleet.total("waiting") == 0, PATIENCE_S)
        for share in fleet.shares:
            share.finish()
        sealed, lost, doubled = lost_and_doubled(centre, fleet)
    finally:
        for share in fleet.shares if fleet else ():
            share.kill()
        centre.close()
    for number, one in enumerate(found, 1):
        print(
            f"restart {number}, broker away for {one['away_s']:.0f} s more: all back after {one['back_s']:.1f} s, "
            f"all receipted after {one['drained_s']:.1f} s ({one['held']:.0f} records waited then); "
            f"broker {one['broker_cpu_s']:.1f} s of CPU"
        )
    worst_s = max(one["back_s"] for one in found)
    print(f"median {statistics.median(one['back_s'] for one in found):.1f} s, worst {worst_s:.1f} s")
    print(f"{sealed} records sealed, {lost} lost, {doubled} doubled")
    is_met = worst_s < BACK_WITHIN_S and lost == 0 and doubled == 0
    print(f"wanted: all back in < {BACK_WITHIN_S:.0f} s, nothing lost or doubled: {'met' if is_met else 'MISSED'}")
    return 0 if is_met else 1


def main(argv: Sequence[str]) -> int:
    """Run the bench; 0 when every figure is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench fleet", description=__doc__.splitlines()[0])
    parser.add_argument("--desks", type=int, default=500)
    given = parser.parse_args(argv)
    folder = REPOSITORY / "var" / "bench-fleet"
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{cpu_model()}; Python {platform.python_version()}, {given.desks} desks in {PROCESSES} processes")
    try:
        return measure(folder, given.desks)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
