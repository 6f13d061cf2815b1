"""A desk at a real door: whom it believes, how it gets in, and how its certificate lives on."""

from __future__ import annotations

import datetime
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from agent import doctor, drilling, enrolling, host, status, wire
from agent.config import BadSetting, Settings
from agent.core.local_status import Finding, Life
from agent.enrolling import Enrolled, Renewer, enrol, read_provisioning
from agent.identity import HubPlace, Identity, IdentityFolder
from agent.messaging.enrol import DoorProblem, Rhythm, check_hub, fetch_root
from agent.records import Records
from agent.support_bundle import secrets_of
from hub import authority, enrolment
from hub.store import enrolling as store_enrolling
from hub.terminal import now_utc_ms
from tests.agent.test_agent_cli import agent, only_line
from tests.hub.doors import Hub, door_process
from tests.support import wait_for

QUICK = Rhythm(shortest_s=0.05, waiting_s=0.1, trouble_s=0.2, rejected_s=0.1)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    made = Hub(tmp_path_factory.mktemp("hub"))
    with door_process(made), made.working():
        yield made
    made.store.close()


def settings(storage: Path, hub: Hub, **changes: Any) -> Settings:
    fields: dict[str, Any] = {
        "hub": "127.0.0.1",
        "ca_fingerprint": hub.fingerprint,
        "door_port": hub.port,
        "storage_path": storage,
    }
    return Settings(**(fields | changes))


class Asking:
    """A desk that asks in a thread."""

    def __init__(self, given: Settings) -> None:
        self.stopping = threading.Event()
        self.given = given
        self.enrolled: Enrolled | None = None
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._ask, name="asking")

    def _ask(self) -> None:
        try:
            self.enrolled = enrol(self.given, self.stopping, QUICK)
        except Exception as error:
            self.failure = error

    def code(self) -> str:
        """The claim code that this desk shows."""
        storage = self.given.storage_path
        return wait_for(lambda: (storage.exists() and IdentityFolder(storage).claim_code()) or "")

    def result(self) -> Enrolled:
        self._thread.join(30)
        assert self.failure is None, self.failure
        assert self.enrolled is not None
        return self.enrolled


@contextmanager
def asking(given: Settings) -> Iterator[Asking]:
    made = Asking(given)
    made._thread.start()
    try:
        yield made
    finally:
        made.stopping.set()
        made._thread.join(30)


def waiting_code(hub: Hub, storage: Path) -> str:
    """The code that the hub shows for the desk whose key is in this folder."""
    wait_for((storage / "unit.key").exists)
    key = enrolling._record_key(storage)
    public_key = key.public_key().public_bytes_raw().hex()
    return wait_for(lambda: next((each.code for each in hub.waiting() if each.public_key == public_key), ""))


def enrolled(hub: Hub, storage: Path, **changes: Any) -> Enrolled:
    with asking(settings(storage, hub, **changes)) as desk:
        hub.approve(waiting_code(hub, storage))
        return desk.result()


# --- whom a desk believes -------------------------------------------------------------------------------------------


def test_the_root_with_the_fingerprint_is_believed(hub: Hub) -> None:
    """The whole fingerprint, or the half of it that people type."""
    for digits in (32, 40, 64):
        root = fetch_root(hub.place(ca_fingerprint=hub.fingerprint[:digits]))
        assert root.strip() == hub.roots.strip()
    check_hub(hub.place(), hub.roots)
    check_hub(hub.place(hub="localhost"), hub.roots)


def test_a_foreign_fingerprint_is_refused_and_both_are_shown(hub: Hub) -> None:
    """The person compares what the hub has with what was given, at the hub itself."""
    with pytest.raises(DoorProblem) as caught:
        fetch_root(hub.place(ca_fingerprint="ab" * 16))
    assert caught.value.code == "wrong_fingerprint"
    for part in ("abab abab", " ".join((hub.fingerprint[:4], hub.fingerprint[4:8])), "ems-hub ca show"):
        assert part in str(caught.value)


def test_a_man_in_the_middle_gets_nothing(hub: Hub, tmp_path: Path) -> None:
    """Who has the hub's public root but a server of his own authority is refused before anything is said to him."""
    evil = Hub(tmp_path / "evil")
    shutil.copy(hub.ca.authorities, evil.ca.authorities)  # he can show the true roots, they are public
    with door_process(evil):
        place = hub.place(door_port=evil.port)
        root = fetch_root(place)
        with pytest.raises(DoorProblem, match="not the hub that this desk trusts") as caught:
            check_hub(place, root)
        assert caught.value.code == "untrusted"
        with asking(settings(tmp_path / "desk", hub, door_port=evil.port)) as desk:
            wait_for(lambda: "CERTIFICATE_UNKNOWN" in evil.log.read_text() or "UNKNOWN_CA" in evil.log.read_text())
            assert desk.enrolled is None
        assert evil.waiting() == []
    evil.store.close()


@contextmanager
def serving(context: ssl.SSLContext | None) -> Iterator[int]:
    """Something else on a port: TLS with this context, or plain bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                try:
                    if context is None:
                        line.sendall(b"220 mail\r\n")
                    else:
                        line = context.wrap_socket(line, server_side=True)
                        line.recv(1000)
                        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<ht>")
                except OSError:
                    pass
                line.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def server_context(hub: Hub, folder: Path, names: str, begins_days: int, ends_days: int) -> ssl.SSLContext:
    """TLS as this hub serves it, with other names or dates in its certificate."""
    signer, key = enrolment.issuing(hub.ca), authority.make_key()
    now = datetime.datetime.now(datetime.UTC)
    made = authority.server_certificate(signer, key.public_key(), authority.hub_names("", names), now_utc_ms())
    builder = x509.CertificateBuilder(
        made.issuer,
        made.subject,
        made.public_key(),
        made.serial_number,
        now + datetime.timedelta(days=begins_days),
        now + datetime.timedelta(days=ends_days),
    )
    for extension in made.extensions:
        value: Any = extension.value
        if isinstance(value, x509.SubjectAlternativeName):
            value = x509.SubjectAlternativeName([x509.DNSName(names)])
        builder = builder.add_extension(value, extension.critical)
    leaf = builder.sign(signer.key, hashes.SHA256())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "s.crt").write_bytes(authority.pem(leaf, signer.certificate))
    (folder / "s.key").write_bytes(authority.key_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "s.crt", folder / "s.key")
    return context


@pytest.mark.parametrize(
    ("name", "begins_days", "ends_days", "words"),
    [
        ("other.example", -1, 9, "EMS_HUB_NAMES"),
        ("localhost", -9, -1, "clock"),
        ("localhost", 1, 9, "clock"),
    ],
    ids=["another name", "expired", "not yet valid"],
)
def test_what_is_wrong_with_the_hubs_certificate_is_said(
    hub: Hub, tmp_path: Path, name: str, begins_days: int, ends_days: int, words: str
) -> None:
    """Each with what to do about it."""
    with serving(server_context(hub, tmp_path, name, begins_days, ends_days)) as port:
        with pytest.raises(DoorProblem, match=words) as caught:
            check_hub(hub.place(hub="localhost", door_port=port), hub.roots)
    assert caught.value.code == "untrusted"


def test_a_desk_in_1970_takes_the_hubs_certificate(hub: Hub, tmp_path: Path) -> None:
    """A desk without a clock must be able to enrol: the whole chain holds a minute after the epoch."""
    openssl = shutil.which("openssl")
    assert openssl is not None
    (tmp_path / "roots.pem").write_text(hub.roots)
    done = subprocess.run(
        [openssl, "verify", "-attime", "60", "-purpose", "sslserver", "-x509_strict", "-CAfile", tmp_path / "roots.pem",
         "-untrusted", hub.ca.server_certificate, hub.ca.server_certificate],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_what_is_no_hub_is_told_apart(hub: Hub, tmp_path: Path) -> None:
    """Nobody there, an unknown name, another service, another web server: each its own sentence."""
    with serving(None) as port, pytest.raises(DoorProblem, match="no TLS") as caught:
        fetch_root(hub.place(door_port=port))
    assert caught.value.code == "not_a_hub"
    with (
        serving(server_context(hub, tmp_path, "localhost", -1, 9)) as port,
        pytest.raises(DoorProblem, match="does not speak") as caught,
    ):
        fetch_root(hub.place(door_port=port))
    with pytest.raises(DoorProblem, match="ems-hub door") as caught:
        fetch_root(hub.place(door_port=1))
    assert caught.value.code == "unreachable"
    with pytest.raises(DoorProblem, match=r"no host is known as nowhere\.invalid"):
        fetch_root(hub.place(hub="nowhere.invalid"))


# --- the way in -----------------------------------------------------------------------------------------------------


def test_a_desk_enrols(hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It shows the code that the hub shows, says what machine it is, and becomes what it was approved as."""
    storage = tmp_path / "desk"
    with asking(settings(storage, hub, unit="hall.desk-17")) as desk:
        code = waiting_code(hub, storage)
        assert desk.code() == code
        request = next(each for each in hub.waiting() if each.code == code)
        assert (request.wanted, request.serial) == ("hall.desk-17", host.machine_serial())
        unit = hub.approve(code)
        became = desk.result()
    assert f"claim code {code}" in caplog.text
    assert unit == "hall.desk-17"
    assert (became.settings.unit, became.settings.broker_host, became.settings.broker_port) == (unit, "127.0.0.1", 8883)
    assert became.plan is not None
    with Records(storage, unit) as records:
        assert records.save_plan(became.plan)
    leaf = x509.load_pem_x509_certificates(became.identity.certificate.read_bytes())[0]
    assert authority.ends_utc_ms(leaf) == became.identity.ends_utc_ms


def test_an_enrolled_desk_needs_no_hub_to_start(hub: Hub, tmp_path: Path) -> None:
    """With the hub gone, and with a certificate that has ended long ago."""
    first = enrolled(hub, tmp_path)
    gone = settings(tmp_path, hub, door_port=1)
    second = enrol(gone, threading.Event(), QUICK)
    assert second is not None
    assert second.identity == first.identity
    first.identity.certificate.write_bytes(b"torn")
    third = enrol(gone, threading.Event(), QUICK)
    assert third is not None
    assert third.identity.ends_utc_ms == 0


def test_a_desk_that_lost_its_identity_is_known_by_its_key(hub: Hub, tmp_path: Path) -> None:
    """The same unit again, without a person; as after a card was repaired."""
    first = enrolled(hub, tmp_path)
    shutil.rmtree(tmp_path / "identity")
    again = enrol(settings(tmp_path, hub), threading.Event(), QUICK)
    assert again is not None
    assert again.settings.unit == first.settings.unit


def reject(hub: Hub, code: str, reason: str) -> None:
    with hub.store.write() as connection:
        request = store_enrolling.by_code(connection, code)
        store_enrolling.reject(connection, request.enrolment_id, reason=reason, who="ada", now_utc_ms=now_utc_ms())


def test_a_rejected_desk_says_why_and_asks_anew(hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody may have mistaken it for another: it can still be approved, by a new code."""
    with asking(settings(tmp_path, hub)) as desk:
        code = waiting_code(hub, tmp_path)
        reject(hub, code, "which desk is this?")
        new = waiting_code(hub, tmp_path)
        assert new != code
        hub.approve(new)
        desk.result()
    assert "which desk is this?" in caplog.text


def told_by(given: Settings) -> Finding:
    return status.find(given, host.Clock().now())[1]


def test_status_says_what_an_enrolling_desk_waits_for(hub: Hub, tmp_path: Path) -> None:
    """The claim code, or why it was rejected; no line of the unit that the card was before; the drill and the doctor
    say it too, a bundle knows the code as a secret; when it ends nothing is left of it."""
    given = settings(tmp_path, hub)
    run = tmp_path / "run"
    run.mkdir()
    (run / "status.json").write_text("of another unit")
    with asking(given) as desk:
        code = waiting_code(hub, tmp_path)
        wait_for(lambda: code in told_by(given).words)
        found, finding = status.find(given, host.Clock().now())
        assert (found, finding.life) == (None, Life.ENROLLING)
        assert finding.words == f"enrolling at 127.0.0.1, claim code {code}"
        rows = list(status.rows(found, finding, given, host.Clock().now()))
        assert [row[0] for row in rows] == ["agent", "unit"]
        with pytest.raises(drilling.NoDrill, match="still enrolling at"):
            drilling.begin(given, "")
        case = doctor.case_of(given, host.Clock().now())
        lines = {name: doctor.CHECKS[name](case) for name in ("agent", "broker", "panel")}
        assert code in lines["agent"].words
        assert [line.level for line in lines.values()] == ["WARN", "WARN", "PASS"]
        assert code in secrets_of(given, {}, tmp_path)
        reject(hub, code, "nobody knows it")
        wait_for(lambda: "rejected: nobody knows it" in told_by(given).words)
        desk.stopping.set()
        wait_for(lambda: not list(run.iterdir()))
    assert told_by(given).life is Life.NEVER


def test_status_says_that_the_door_does_not_answer(hub: Hub, tmp_path: Path) -> None:
    """And, of one that was killed meanwhile, that it is gone."""
    given = settings(tmp_path, hub, door_port=1)
    with asking(given):
        wait_for(lambda: "enrolling at 127.0.0.1, the door does not answer" in told_by(given).words)
        left = (tmp_path / "run" / "enrolling.json").read_bytes()
    (tmp_path / "run" / "enrolling.json").write_bytes(left)
    assert told_by(given).life is Life.DIED


def test_it_asks_until_the_hub_is_there_and_stops_when_told(
    hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost by a hub that comes later, and SIGTERM ends the waiting."""
    with asking(settings(tmp_path, hub, door_port=1)) as desk:
        wait_for(lambda: "is `ems-hub door` running" in caplog.text)
        desk.stopping.set()
        desk._thread.join(10)
        assert (desk.enrolled, desk.failure) == (None, None)


def test_another_fingerprint_given_to_a_desk_that_waits(hub: Hub, tmp_path: Path) -> None:
    """A person who mistyped it, or made the authority anew, corrects it; what was trusted before is forgotten."""
    folder = IdentityFolder(tmp_path)
    folder.put_hub(hub.place(ca_fingerprint="ab" * 16), _other_root())
    with asking(settings(tmp_path, hub)) as desk:
        hub.approve(waiting_code(hub, tmp_path))
        assert desk.result().identity.ends_utc_ms > 0


def _other_root() -> str:
    return authority.pem(authority.root_certificate(authority.make_key(), now_utc_ms())).decode()


# --- the certificate's life -----------------------------------------------------------------------------------------


class FakeClock:
    """A clock that stands where the test puts it."""

    def __init__(self, utc_ms: int, up_ms: int = 1_000_000) -> None:
        self.utc_ms, self.up_ms = utc_ms, up_ms

    def now(self) -> wire.Instant:
        return wire.Instant(self.utc_ms, self.up_ms)


def renewer(
    desk: Enrolled,
    clock: FakeClock,
    trouble: Callable[[], tuple[int, str] | None] = lambda: None,
    on_renewed: Callable[[Identity, bytes | None], object] = lambda *_: None,
) -> Renewer:
    return Renewer(desk, clock, trouble, on_renewed, QUICK)  # type: ignore[arg-type]


def test_when_a_certificate_is_renewed(hub: Hub, tmp_path: Path) -> None:
    """With a third of its life left, after its end, and when the broker seems to refuse it; not when it is away."""
    desk = enrolled(hub, tmp_path)
    begins, ends = desk.identity.begins_utc_ms, desk.identity.ends_utc_ms
    assert not renewer(desk, FakeClock(begins + 60_000)).why()
    assert not renewer(desk, FakeClock(0)).why()  # a clock in 1970 knows nothing of it
    assert renewer(desk, FakeClock(ends - (ends - begins) // 3)).why()
    assert "has ended" in renewer(desk, FakeClock(ends + 1)).why()
    young = FakeClock(begins + 60_000)
    assert renewer(desk, young, lambda: (31_000, "connection ended: MQTT_ERR_CONN_LOST")).why()
    assert not renewer(desk, young, lambda: (5_000, "connection ended: MQTT_ERR_CONN_LOST")).why()
    assert not renewer(desk, young, lambda: (90_000, "ConnectionRefusedError: [Errno 111]")).why()


def test_a_certificate_is_renewed_while_the_desk_runs(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself, after weeks off: a new key and certificate, new authorities, and not again at once."""
    monkeypatch.setattr(enrolling, "LOOK_EVERY_S", 0.05)
    desk = enrolled(hub, tmp_path)
    before = desk.identity.key.read_bytes()
    clock = FakeClock(desk.identity.ends_utc_ms + 30 * 86_400_000)
    told: list[Identity] = []
    renewing = renewer(desk, clock, on_renewed=lambda identity, plan: told.append(identity))
    renewing.start()
    try:
        wait_for(lambda: told)
    finally:
        renewing.stop()
    assert desk.identity.key.read_bytes() != before
    assert IdentityFolder(tmp_path).identity() == told[0]
    assert told[0].unit == desk.identity.unit
    assert renewing.why() == ""


def test_a_renewal_that_fails_waits_longer_and_longer(
    hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The reason stands in the log; nothing is asked again before the pause is over."""
    desk = enrolled(hub, tmp_path)
    hub.revoke(desk.settings.unit)
    clock = FakeClock(desk.identity.ends_utc_ms)
    renewing = renewer(desk, clock)
    with pytest.raises(DoorProblem, match="ems-agent replace") as caught:
        renewing._renew()
    assert caught.value.code == "revoked"
    renewing._wait_longer(str(caught.value))
    assert renewing.why() == ""
    clock.up_ms += enrolling.RETRY_FIRST_MS
    assert renewing.why()
    assert "was revoked" in caplog.text


def test_a_revoked_desk_is_told_what_to_do_until_the_hub_takes_it_again(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The door's own sentence is handed on, and taken back once the broker lets the desk in."""
    monkeypatch.setattr(enrolling, "LOOK_EVERY_S", 0.05)
    desk = enrolled(hub, tmp_path)
    hub.revoke(desk.settings.unit)
    away: list[tuple[int, str] | None] = [(60_000, "connection refused: Unspecified error")]
    told: list[str] = []
    clock = FakeClock(desk.identity.begins_utc_ms + 60_000)
    renewing = Renewer(desk, clock, lambda: away[0], lambda *_: None, QUICK, told.append)  # type: ignore[arg-type]
    renewing.start()
    try:
        wait_for(lambda: told)
        assert "was revoked" in told[0]
        assert "ems-agent replace" in told[0]
        away[0] = None
        wait_for(lambda: told[-1] == "")
    finally:
        renewing.stop()


# --- settings and commands ------------------------------------------------------------------------------------------


def test_a_provisioning_file(tmp_path: Path) -> None:
    """Two lines of TOML say the hub; anything else is one line that names the file."""
    path = tmp_path / "ems.toml"
    path.write_text(f'hub = "hub.example"\nca_fingerprint = "{"AB " * 16}"\n')
    assert read_provisioning(path).hub == "hub.example"
    nameless = f'hub = ""\nca_fingerprint = "{"ab" * 16}"'
    for text in ("", "hub = 1", 'hub = "h"', 'hub = "h"\nca_fingerprint = "short"', "[", nameless):
        path.write_text(text)
        with pytest.raises(BadSetting, match=r"^EMS_PROVISIONING_PATH: .*ems\.toml"):
            read_provisioning(path)
    with pytest.raises(BadSetting, match="No such file"):
        read_provisioning(tmp_path / "none.toml")


def test_setup_checks_the_hub_and_tells_what_comes_next(hub: Hub, tmp_path: Path) -> None:
    """By options, and by a provisioning file; nothing is written for a hub that is not the one."""
    fingerprint, port = hub.fingerprint[:32], str(hub.port)
    words = ["setup", "--hub", "127.0.0.1", "--door-port", port, "--ca-fingerprint"]
    wrong = only_line(agent(tmp_path, *words, "ab" * 16))
    assert "has the fingerprint" in wrong
    assert list(tmp_path.iterdir()) == []
    assert "belong together" in only_line(agent(tmp_path, "setup", "--hub", "127.0.0.1"))
    assert "no hub is named" in only_line(agent(tmp_path, "setup"))
    nearly = hub.fingerprint[:33] + ("0" if hub.fingerprint[33] != "0" else "1")
    told = only_line(agent(tmp_path, *words, nearly))
    assert f" {nearly[32:]} was given" in told  # the digit that is wrong is shown, not cut off
    done = agent(tmp_path, *words, fingerprint.upper(), STORAGE_PATH="a")
    assert done.returncode == 0, done.stderr
    assert "claim code" in done.stdout
    assert IdentityFolder(tmp_path / "a").hub() == hub.place(ca_fingerprint=fingerprint)
    again = agent(tmp_path, "setup", STORAGE_PATH="a")
    assert "the hub 127.0.0.1 answers" in again.stdout
    (tmp_path / "ems.toml").write_text(f'hub = "localhost"\nca_fingerprint = "{fingerprint}"\ndoor_port = {port}\n')
    done = agent(tmp_path, "setup", STORAGE_PATH="b", EMS_PROVISIONING_PATH="ems.toml")
    assert done.returncode == 0, done.stderr
    kept = IdentityFolder(tmp_path / "b").hub()
    assert kept is not None
    assert kept.hub == "localhost"


def plan_payload(start_utc_ms: int) -> bytes:
    return wire.encode(
        wire.Plan(
            number=2**40,
            sittings=(
                wire.PlannedSitting(
                    sitting="maths-1",
                    exam="Maths",
                    room="Hall",
                    seat="A1",
                    start_utc_ms=start_utc_ms,
                    end_utc_ms=start_utc_ms + 3_600_000,
                ),
            ),
        )
    )


def test_a_card_begins_anew(hub: Hub, tmp_path: Path) -> None:
    """Not in a sitting and not while an agent runs; then all of the old unit is kept aside, and the next start asks to
    take its place."""
    storage = tmp_path / "desk"
    desk = enrolled(hub, storage)
    unit = desk.settings.unit
    clock = {"EMS_IS_CLOCK_TRUSTED": "true", "STORAGE_PATH": "desk"}
    with Records(storage, unit) as records:
        records.save_plan(plan_payload(now_utc_ms() - 60_000))
    assert "maths-1 is on at seat A1" in only_line(agent(tmp_path, "replace", **clock))
    held = host.hold(storage)
    assert "another agent runs" in only_line(agent(tmp_path, "replace", "--force", **clock))
    os.close(held)
    old_key = (storage / "unit.key").read_bytes()
    done = agent(tmp_path, "replace", "--force", **clock)
    assert done.returncode == 0, done.stderr
    (target,) = (storage / "retired").iterdir()
    assert target.name.startswith(f"{unit}-")
    assert (target / "unit.key").read_bytes() == old_key
    assert (target / "records.db").exists()
    given = Settings(storage_path=storage)
    with asking(given) as again:
        code = waiting_code(hub, storage)
        request = next(each for each in hub.waiting() if each.code == code)
        assert request.replaces == unit
        with hub.store.write() as connection:
            new = store_enrolling.approve(
                connection, request.enrolment_id, who="ada", now_utc_ms=now_utc_ms(), replaces=request.replaces
            )
        assert again.result().settings.unit == new != unit


def test_a_slip_of_the_pen_begins_nothing(hub: Hub, tmp_path: Path) -> None:
    """A name that is none, and a card that is no unit yet, are said before anything is moved."""
    storage = tmp_path / "desk"
    enrolled(hub, storage)
    before = sorted(path.name for path in storage.iterdir())
    told = only_line(agent(tmp_path, "replace", "--unit", "nope", "--force", STORAGE_PATH="desk"))
    assert "CENTRE.DESK" in told
    assert sorted(path.name for path in storage.iterdir()) == before
    (tmp_path / "new").mkdir()
    assert "nothing to replace" in only_line(agent(tmp_path, "replace", STORAGE_PATH="new"))
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_root_leaves_nothing_that_the_service_cannot_read(hub: Hub, tmp_path: Path) -> None:
    """`sudo ems-agent setup` makes its files for the account that the folder belongs to."""
    storage = tmp_path / "desk"
    storage.mkdir()
    nobody = pwd.getpwnam("nobody")
    os.chown(storage, nobody.pw_uid, nobody.pw_gid)
    words = ["--hub", "127.0.0.1", "--door-port", str(hub.port), "--ca-fingerprint", hub.fingerprint]
    done = agent(tmp_path, "setup", *words, STORAGE_PATH=str(storage))
    assert done.returncode == 0, done.stderr
    assert {path.stat().st_uid for path in storage.rglob("*")} == {nobody.pw_uid}


def test_a_place_that_has_no_hub_is_nobody() -> None:
    """What a hub's file must say."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"hub": "", "ca_fingerprint": "ab" * 16}, HubPlace)
