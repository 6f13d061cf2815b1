"""The worker: signs what people approved, writes the list of revoked certificates, and never stops for one desk."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.wire import SIGNAL_MS
from hub import authority, ca_files, clock, enrolment, rotation
from hub.cli import main
from hub.enrolment import CaFolder
from hub.live import LiveFolder
from hub.store import Store, certificates, enrolling, planning, signals
from hub.store.enrolling import Request
from hub.terminal import now_utc_ms
from hub.worker import Worker, WorkerProblem, certify, run
from tests.brokers import REPOSITORY
from tests.hub.authorities import NOW, csr
from tests.hub.hubs import settings_for
from tests.support import wait_for

DAY_MS = authority.DAY_MS


class Place:
    """A hub's store, authority and live folder, with a worker whose turns and time the test decides."""

    def __init__(self, folder: Path, store: Store, **changes: Any) -> None:
        fields: dict[str, Any] = {"is_clock_trusted": True, "hub_names": "hub.centre.example"}
        self.settings = settings_for(folder, ca_path=str(folder / "ca"), **(fields | changes))
        self.store = store
        self.folder = CaFolder(self.settings.ca_path)
        self.now = NOW
        self.names = authority.hub_names(self.settings.hub_names, socket.gethostname())
        enrolment.init(self.folder, self.names, list, NOW)
        # A store of its own, as another process has: its `data_version` changes when the test's store has committed.
        self.worker_store = Store(self.settings.database_path)
        self.worker = Worker(self.settings, self.worker_store, lambda: self.now)

    def turn(self) -> None:
        self.now += 1_000
        self.worker.turn()

    def told(self) -> dict[str, Any]:
        found = LiveFolder(Path(self.settings.live_path)).worker()
        assert found is not None
        return found


@pytest.fixture
def place(tmp_path: Path, store: Store) -> Iterator[Place]:
    made = Place(tmp_path, store)
    yield made
    made.worker_store.close()


def approved(store: Store, number: int = 1, text: str | None = None) -> str:
    with store.write() as connection:
        request = enrolling.ask(
            connection, public_key=f"{number:064x}", csr=csr() if text is None else text, now_utc_ms=NOW
        )
        return enrolling.approve(
            connection, request.enrolment_id, who="ada", now_utc_ms=NOW, room="Hall", label=f"{number}"
        )


def plan(store: Store, sitting: str, start_utc_ms: int) -> None:
    """A sitting of two hours."""
    with store.write() as connection:
        planning.put_room(connection, "Hall")
        planning.plan_sitting(
            connection,
            sitting=sitting,
            exam="Algebra",
            room="Hall",
            start_utc_ms=start_utc_ms,
            end_utc_ms=start_utc_ms + 7_200_000,
            now_utc_ms=NOW,
        )


def newest(store: Store, number: int = 1) -> Request:
    with store.read() as connection:
        found = enrolling.newest(connection, f"{number:064x}")
    assert found is not None
    return found


def revoke(store: Store, unit: str) -> None:
    with store.write() as connection:
        enrolling.revoke(connection, unit, who="ada", why="stolen", now_utc_ms=NOW)


# --- signing --------------------------------------------------------------------------------------------------------


def test_what_is_approved_is_signed(place: Place) -> None:
    """At its next turn, with the chain to the root; the store knows the certificate's number when it is revoked."""
    key = ec.generate_private_key(ec.SECP256R1())
    unit = approved(place.store, text=csr(key))
    place.turn()
    found = newest(place.store)
    assert found.state == "granted"
    leaf, issuing = x509.load_pem_x509_certificates(found.certificate.encode())
    assert leaf.public_key() == key.public_key()
    assert authority.is_issued_by(leaf, issuing)
    assert authority.is_issued_by(issuing, enrolment.roots(place.folder)[0])
    assert (place.told()["signed"], place.told()["waiting"], place.told()["trouble"]) == (1, 0, "")
    revoke(place.store, unit)
    place.turn()
    assert f"{leaf.serial_number:x}" in {
        f"{entry.serial_number:x}" for entry in x509.load_pem_x509_crl(place.folder.revoked.read_bytes())
    }


def test_one_bad_request_stops_nobody(place: Place) -> None:
    """It is rejected with the reason; those before and behind it are granted, over more than one batch."""
    for number in range(1, 60):
        approved(place.store, number, "not a request" if number == 30 else None)
    place.turn()
    states = [newest(place.store, number).state for number in range(1, 60)]
    assert states == ["rejected" if number == 30 else "granted" for number in range(1, 60)]
    assert "certificate request cannot be read" in newest(place.store, 30).reason
    assert newest(place.store, 30).decided_by == "hub"


def test_a_request_that_breaks_the_signer_is_rejected(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its bytes bring about, the loop goes on."""
    right = authority.read_csr

    def read(text: str, record_key: str) -> authority.TlsKey:
        if record_key.endswith("2"):
            raise RuntimeError("a fault in the library")
        return right(text, record_key)

    monkeypatch.setattr(authority, "read_csr", read)
    for number in (1, 2, 3):
        approved(place.store, number)
    place.turn()
    assert [newest(place.store, number).state for number in (1, 2, 3)] == ["granted", "rejected", "granted"]
    assert "RuntimeError" in newest(place.store, 2).reason


# --- the clock ------------------------------------------------------------------------------------------------------


def test_no_certificate_by_a_clock_that_nobody_keeps(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request waits, the reason is there to read; once the clock is kept the certificate is made."""
    is_kept = False
    monkeypatch.setattr(clock, "is_synchronised", lambda: is_kept)
    place = Place(tmp_path, store, is_clock_trusted=False)
    approved(store)
    place.turn()
    assert newest(store).state == "approved"
    told = place.told()
    assert (told["is_clock_trusted"], told["waiting"]) == (False, 1)
    assert "no time server" in told["clock"]
    is_kept = True
    place.now += 10_000
    place.turn()
    assert (newest(store).state, place.told()["is_clock_trusted"], place.told()["clock"]) == ("granted", True, "")
    place.worker_store.close()


def test_a_clock_set_back_signs_nothing_but_revokes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though somebody vouches for it: the store has seen a later time. Cutting a unit off cannot wait for a clock."""
    monkeypatch.setattr(clock, "is_synchronised", lambda: False)
    unit = approved(place.store)
    place.turn()
    place.now = NOW - 10 * DAY_MS
    approved(place.store, 2)
    revoke(place.store, unit)
    place.turn()
    assert newest(place.store, 2).state == "approved"
    assert "the store has seen" in place.told()["clock"]
    assert enrolment.count_revoked(place.folder) == 1


@pytest.mark.parametrize("way", ["time server", "accepted"])
def test_a_clock_that_was_in_2040_issues_again(place: Place, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Set right, by a time server or by a person who says so once; also after the worker has begun anew."""
    is_kept = False
    monkeypatch.setattr(clock, "is_synchronised", lambda: is_kept)
    approved(place.store)
    place.now = 2_208_988_800_000
    with place.store.write() as connection:
        request = enrolling.approved(connection)[0]
        _, issued = certify(enrolment.issuing(place.folder), request, 90, NOW)
        assert enrolling.grant(connection, request, "PEM", issued, place.now)
    place.now = NOW
    approved(place.store, 2)
    place.turn()
    assert newest(place.store, 2).state == "approved"
    assert "the store has seen 2040" in place.told()["clock"]
    if way == "time server":
        is_kept = True
        place.now += 11_000
    else:
        with place.store.write() as connection:
            certificates.accept_time(connection, who="ada", now_utc_ms=place.now)
    place.turn()
    assert newest(place.store, 2).state == "granted"
    place.worker = Worker(place.settings, place.worker_store, lambda: place.now)
    approved(place.store, 3)
    place.turn()
    assert newest(place.store, 3).state == "granted"


# --- upkeep ---------------------------------------------------------------------------------------------------------


def test_the_hubs_own_certificates_are_renewed_in_time(place: Place) -> None:
    before = place.folder.server_certificate.read_bytes()
    place.turn()
    assert place.folder.server_certificate.read_bytes() == before
    place.now += 250 * DAY_MS
    place.turn()
    assert place.folder.server_certificate.read_bytes() != before


def test_no_certificate_of_the_hubs_own_is_renewed_in_an_exam(place: Place) -> None:
    """Broker, ingest, door and pages would start again: neither in the hour before a sitting nor in it, but after it;
    and at once when a tenth of its life is left."""
    before = place.folder.server_certificate.read_bytes()
    place.now += 250 * DAY_MS
    late = NOW + authority.SERVER_LIFE_MS * 9 // 10 + 60_000
    for number, start in enumerate((place.now + 1_800_000, late)):
        plan(place.store, f"exam {number}", start)
    place.turn()
    place.now += 3_600_000
    place.turn()
    assert place.folder.server_certificate.read_bytes() == before
    place.now = late - 30_000 - 60_000
    place.turn()
    assert place.folder.server_certificate.read_bytes() == before
    place.now = late + 30_000
    place.turn()
    renewed = place.folder.server_certificate.read_bytes()
    assert renewed != before
    place.now = late + 250 * DAY_MS
    place.turn()
    assert place.folder.server_certificate.read_bytes() != renewed


def test_names_that_changed_wait_for_the_end_of_the_sitting(place: Place) -> None:
    plan(place.store, "exam", NOW)
    place.worker = Worker(
        msgspec.structs.replace(place.settings, hub_names="other.example"), place.worker_store, lambda: place.now
    )
    before = place.folder.server_certificate.read_bytes()
    place.turn()
    assert place.folder.server_certificate.read_bytes() == before
    place.now += 2 * 3_600_000
    place.turn()
    assert place.folder.server_certificate.read_bytes() != before


def test_the_authoritys_end_is_told_while_there_is_time(place: Place) -> None:
    """Before it shortens units' certificates; in its last day nothing is signed."""
    place.now = NOW + authority.ISSUING_LIFE_MS - 100 * DAY_MS
    approved(place.store)
    place.turn()
    assert "ends in 99 days: bring the root's key" in place.told()["trouble"]
    assert newest(place.store).state == "granted"
    place.now = NOW + authority.ISSUING_LIFE_MS - DAY_MS
    approved(place.store, 2)
    place.turn()
    assert newest(place.store, 2).state == "approved"


def test_an_authority_that_is_not_there_is_told(place: Place) -> None:
    """And when it is back, all goes on."""
    place.folder.path.rename(place.folder.path.with_name("away"))
    approved(place.store)
    place.turn()
    assert "ems-hub init" in place.told()["trouble"]
    shutil.rmtree(place.folder.path)  # the lock is all that is there
    place.folder.path.with_name("away").rename(place.folder.path)
    place.turn()
    assert newest(place.store).state == "granted"
    assert place.told()["trouble"] == ""


def test_a_store_that_cannot_be_read_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:

        def fail(_: Store) -> int:
            raise sqlite3.OperationalError("disk I/O error")

        broken.setattr(Store, "data_version", fail)
        place.turn()
        assert "disk I/O error" in place.told()["trouble"]
    place.turn()
    assert place.told()["trouble"] == ""


def test_a_rotation_that_was_cut_off_is_completed(place: Place) -> None:
    """The next pair lay there whole: the worker signs with it."""
    root = enrolment.read_signer(place.folder.root)
    key = enrolment.kept_key(place.folder.issuing.next.key)
    made = authority.issuing_certificate(root, key.public_key(), NOW)
    ca_files.put_file(place.folder.issuing.next.certificate, authority.pem(made))
    approved(place.store)
    place.turn()
    assert enrolment.issuing(place.folder).certificate == made
    assert authority.pem(made).decode() in newest(place.store).certificate


def test_after_a_rotation_the_new_authority_signs(place: Place) -> None:
    place.turn()
    rotation.rotate(place.folder, place.folder.root.folder, place.names, list, NOW)
    approved(place.store)
    place.turn()
    assert newest(place.store).certificate.endswith(place.folder.issuing_certificate.read_text())


def test_it_cannot_run_without_a_store(tmp_path: Path) -> None:
    """One line, as the terminal shows it."""
    (tmp_path / "hub.db").write_text("not a database, and long enough to be taken for one by nobody" * 20)
    with pytest.raises(WorkerProblem, match="cannot open the store"):
        run(settings_for(tmp_path, ca_path=str(tmp_path / "ca")), threading.Event(), lambda: NOW)


# --- the process ----------------------------------------------------------------------------------------------------


def _environ(folder: Path) -> dict[str, str]:
    return {
        "APP_ENV": "development",
        "DATABASE_URL": f"sqlite:///{folder / 'hub.db'}",
        "EMS_CA_PATH": str(folder / "ca"),
        "EMS_LIVE_PATH": str(folder / "live"),
        "EMS_IS_CLOCK_TRUSTED": "true",
    }


@contextmanager
def worker_process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "hub.cli", "worker"], cwd=REPOSITORY, env=os.environ | _environ(folder)
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


def test_from_request_to_revocation_by_the_terminal(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ems-hub init`, a real worker, and a technician at the terminal: a desk asks, is approved, granted and revoked;
    the worker survives being killed, and ends in order when asked."""
    for name, value in _environ(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def hub(*words: str) -> str:
        done = CliRunner().invoke(main, list(words))
        assert done.exit_code == 0, done.output
        return done.output

    assert "fingerprint" in hub("init")
    folder = CaFolder(tmp_path / "ca")
    with store.write() as connection:
        asked = enrolling.ask(
            connection, public_key=f"{1:064x}", csr=csr(), now_utc_ms=now_utc_ms(), model="Pi\x1b[2J", wanted="c.a"
        )
    listed = hub("unit", "requests")
    assert asked.code in listed
    assert "\x1b" not in listed
    with worker_process(tmp_path) as first:
        wait_for(LiveFolder(tmp_path / "live").worker)
        assert "unit c.a approved" in hub("unit", "approve", asked.code, "Hall", "A1")
        wait_for(lambda: newest(store).state == "granted")
        assert "Hall, seat A1  certificate until" in hub("unit", "list")
        first.send_signal(signal.SIGKILL)
        first.wait(30)
    hub("unit", "revoke", "c.a", "--why", "stolen")
    with worker_process(tmp_path) as second:
        wait_for(lambda: enrolment.count_revoked(folder) == 1)
        second.terminate()
        assert second.wait(30) == 0
    assert "revoked on" in hub("unit", "list")
    assert "revoked certificates: 1" in hub("ca", "show")


def test_a_private_key_is_never_in_the_store_or_the_live_folder(place: Place) -> None:
    """What others read holds certificates, never a key."""
    approved(place.store)
    place.turn()
    for path in (place.folder.issuing_key, place.folder.root_key, place.folder.server_key, place.folder.ingest_key):
        key = enrolment.read_key(path)
        secret = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        lines = [line for line in path.read_bytes().splitlines() if not line.startswith(b"-")]
        for file in Path(place.settings.database_path).parent.rglob("*"):
            if file.is_file() and file.suffix != ".key":
                data = file.read_bytes()
                assert secret not in data
                assert not any(line in data for line in lines[1:2]), file


def test_a_signal_that_nobody_attended_to_is_noted_as_over(place: Place) -> None:
    """By time alone, when nothing else happens in the store."""
    unit = approved(place.store)
    place.turn()
    with place.store.write() as connection:
        connection.execute(
            "insert into signals (unit, sitting, room, seat, given_utc_ms, given_by) values (?, '', '', '', ?, 'ada')",
            (unit, place.now),
        )
    place.turn()
    with place.store.read() as connection:
        assert signals.standing(connection, place.now)
    place.now += SIGNAL_MS
    place.turn()
    with place.store.read() as connection:
        rows = connection.execute("select ended_by, ended_utc_ms - given_utc_ms from signals").fetchall()
    assert [tuple(row) for row in rows] == [("time", SIGNAL_MS)]
