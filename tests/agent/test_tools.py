"""The technician's commands as they are typed: status, doctor, logs, support-bundle; with a real agent and without."""

from __future__ import annotations

import base64
import datetime
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent import broker_probe, check, doctor, drilling, host, machine, service_settings
from agent.config import Settings
from agent.core.local_status import DrillNow, Finding, Life, LocalStatus, conclude
from agent.core.redact import writings_of
from agent.identity_view import view_identity
from agent.records import Records
from agent.records_view import RecordsProblem, faults_of_chain, view_records
from agent.status import find, read_status
from agent.status import rows as screen_rows
from agent.support_bundle import make_bundle, secrets_of
from agent.unit_key import load_key
from agent.wire import Instant
from tests.authority import Centre, right_now
from tests.brokers import REPOSITORY, Broker, secure_mosquitto
from tests.support import wait_for

UNIT = "test.desk-01"
NOW = Instant(1_790_000_000_000, 50_000)


def environ_of(folder: Path, **more: str) -> dict[str, str]:
    own = ("APP_ENV", "STORAGE_PATH", "CAMERA_DEVICE", "LOG_LEVEL", "SECRET_KEY")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EMS_") and name not in own}
    return {
        **clean,
        "PYTHONPATH": str(REPOSITORY),
        "EMS_UNIT": UNIT,
        "STORAGE_PATH": str(folder / "desk"),
        "CAMERA_DEVICE": "demo:steady",
        "EMS_IS_CLOCK_TRUSTED": "true",
        "EMS_STORAGE_LOW_BYTES": "0",
        "EMS_RECORD_WIDTH": "320",
        "EMS_RECORD_HEIGHT": "180",
        **more,
    }


def tool(environ: dict[str, str], folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent.cli", *words],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def running_agent(environ: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real agent that has written its first status."""
    status = folder / "desk" / "run" / "status.json"
    with (folder / "agent.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "agent.cli", "run"], cwd=folder, env=environ, stdout=log, stderr=log
        )
    try:
        wait_for(lambda: status.exists() or process.poll() is not None)
        assert process.poll() is None, (folder / "agent.log").read_text()
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(60)


def life(environ: dict[str, str], folder: Path) -> tuple[int, dict[str, Any]]:
    done = tool(environ, folder, "status", "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def test_status_and_doctor_beside_a_running_agent(tmp_path: Path, mosquitto_broker: Broker) -> None:
    """Running, it says so in one screen and by exit code; the doctor takes its word on camera and lamp instead of
    taking them away; the file holds no key; after a stop and after a kill each is told apart."""
    environ = environ_of(tmp_path, EMS_BROKER_PORT=str(mosquitto_broker.port))
    assert life(environ, tmp_path)[1]["life"] == "never started"
    with running_agent(environ, tmp_path) as process:
        wait_for(lambda: life(environ, tmp_path)[1]["status"]["link"]["connected_since"])
        code, found = life(environ, tmp_path)
        assert (code, found["life"], found["status"]["pid"]) == (0, "running", process.pid)
        assert wait_for(lambda: life(environ, tmp_path)[1]["status"]["heartbeat"]["capture_fps"])
        screen = tool(environ, tmp_path, "status").stdout
        assert len(screen.splitlines()) < 25
        assert f"connected to 127.0.0.1:{mosquitto_broker.port}" in screen
        assert "\x1b" not in screen
        lines = {row["name"]: row for row in json.loads(tool(environ, tmp_path, "doctor", "--json").stdout)}
        assert list(lines) == list(doctor.CHECKS)
        assert lines["camera"]["level"] == "PASS", lines["camera"]
        for name in ("camera", "panel", "broker"):
            assert "the agent says" in lines[name]["words"]
        mode = (tmp_path / "desk" / "run" / "agent.sock").stat().st_mode
        assert mode & 0o777 == 0o600
    assert (life(environ, tmp_path)[0], life(environ, tmp_path)[1]["life"]) == (1, "stopped")
    with running_agent(environ, tmp_path) as process:
        wait_for(lambda: life(environ, tmp_path)[1]["life"] == "running")
        process.kill()
        process.wait()
    assert life(environ, tmp_path)[1]["life"] == "died"


def test_a_hung_agent_is_said_to_hang() -> None:
    """It holds the desk and says nothing: since when, and never as if it were well."""
    found = told(is_held=True, age_ms=60_000)
    assert found.life is Life.HUNG
    assert "since THEN" in found.words
    assert told(is_held=True, age_ms=3_500).life is Life.RUNNING
    assert told(is_held=True, age_ms=4_500).life is Life.HUNG
    assert told(is_held=False, age_ms=1_000).life is Life.DIED
    assert told(is_held=True, age_ms=1_000, os_boot="another").life is Life.HUNG


def a_status(age_ms: int) -> LocalStatus:
    from agent.core.local_status import LinkNow
    from agent.wire import Heartbeat

    written = Instant(NOW.utc_ms - age_ms, max(0, NOW.up_ms - age_ms))
    return LocalStatus(
        unit=UNIT,
        pid=1,
        os_boot="boot",
        started=written,
        written=written,
        heartbeat=Heartbeat(boot=1, now=written, is_clock_ok=True, state="waiting"),
        link=LinkNow(broker="hub:8883"),
    )


def test_the_screen_says_that_the_lamp_is_gone_and_nothing_that_nobody_knows(tmp_path: Path) -> None:
    """A panel's process that has ended takes the lamp with it; no temperature, no line of one."""
    settings = Settings(unit=UNIT, storage_path=tmp_path, panel_socket=tmp_path / "panel.sock")
    shown = {row[0]: row for row in screen_rows(a_status(0), Finding(Life.RUNNING, "running", 0), settings, NOW)}
    assert shown["lamp"][1:] == (f"NONE: no panel at {tmp_path}/panel.sock; look at ems-panel and the wiring", "bad")
    assert shown["machine"][1] == "0 pictures dropped"


def test_the_key_is_told_with_the_name_that_the_hub_knows(tmp_path: Path) -> None:
    """Of an enrolled desk the identity's; only a desk without a hub is added by hand."""
    settings = Settings(unit="set.by-hand", storage_path=tmp_path)
    assert "ems-hub unit add set.by-hand" in check.key(settings).words
    assert "with the enrolment" in check.key(msgspec.structs.replace(settings, hub="hub.example")).words
    identity = tmp_path / "identity"
    identity.mkdir()
    (identity / "unit.json").write_text('{"unit": "hall.desk-17"}')
    (identity / "tls.key").write_text("only looked for")
    (identity / "tls.crt").write_bytes(Centre(tmp_path / "centre").issue("hall.desk-17").certificate.read_bytes())
    found = check.key(settings)
    assert found.words.startswith("known to the hub as hall.desk-17, public key ")


def test_a_revoked_desk_is_recognised(tmp_path: Path) -> None:
    """Status, doctor and drill say what the hub's door said, over whatever the broker's library makes of it."""
    words = "the hub at hub says: x was revoked: set the desk up anew with `ems-agent replace`"
    link = msgspec.structs.replace(a_status(0).link, trouble="Unspecified error")
    status = msgspec.structs.replace(a_status(0), link=link, door_refusal=words)
    finding = Finding(Life.RUNNING, "running", 0)
    settings = Settings(unit=UNIT, storage_path=tmp_path)
    hub = next(row for row in screen_rows(status, finding, settings, NOW) if row[0] == "hub")
    assert (words in hub[1], hub[2]) == (True, "bad")
    assert "Unspecified" not in hub[1]
    given = doctor.Case(settings, NOW, status, finding, view_identity(tmp_path))
    line = doctor.CHECKS["broker"](given)
    assert (line.level, words in line.words) == ("FAIL", True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "status.json").write_bytes(msgspec.json.encode(status))
    said: list[str] = []
    asked = DrillNow(alert="1-drill-1", asked_up_ms=0, raised_up_ms=1, recorded_up_ms=2)
    assert not drilling.follow(settings, asked, 0.0, 0.1, said.append)
    assert any(words in line for line in said)
    assert not any("ems-hub ingest" in line for line in said)


def told(*, is_held: bool, age_ms: int, os_boot: str = "boot") -> Finding:
    return conclude(a_status(min(age_ms, 50_000)), "", is_held=is_held, now=NOW, os_boot=os_boot, since="THEN")


def test_a_stopped_agent_that_is_held_again_is_starting() -> None:
    """The status of the run before says nothing of the one that begins."""
    status = msgspec.structs.replace(a_status(1_000), is_stopped=True)
    found = conclude(status, "", is_held=True, now=NOW, os_boot="boot", since="THEN")
    assert found.life is Life.SILENT


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"unit": 3}', b"\xff\xfe", b"null"])
def test_a_damaged_status_is_said_to_be_damaged(tmp_path: Path, data: bytes) -> None:
    """Any bytes: one line, no traceback, and not taken for an agent that is well."""
    (tmp_path / "desk" / "run").mkdir(parents=True)
    (tmp_path / "desk" / "run" / "status.json").write_bytes(data)
    done = tool(environ_of(tmp_path), tmp_path, "status")
    assert done.returncode == 1
    assert done.stderr == ""
    assert "damaged" in done.stdout
    status, trouble = read_status(tmp_path / "desk" / "run")
    assert status is None
    assert trouble


def test_who_holds_the_desk_is_seen_without_touching_the_lock(tmp_path: Path) -> None:
    """Asking never refuses an agent that starts at that moment."""
    assert not host.is_held(tmp_path)
    held = host.hold(tmp_path)
    assert host.is_held(tmp_path)
    os.close(held)
    assert not host.is_held(tmp_path)
    settings = Settings(unit=UNIT, storage_path=tmp_path)
    assert find(settings, NOW)[1].life is Life.NEVER


def test_the_tools_find_the_services_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typed over SSH, in a home folder without a word about a desk, they speak of the desk that systemd runs; where
    the caller has settings of his own, of that one."""
    (tmp_path / "systemctl").write_text(
        '#!/bin/sh\necho "STORAGE_PATH=/var/lib/ems-agent EMS_RUN_PATH=/run/ems-agent EMS_UNIT=over.ruled"\n'
    )
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    file = tmp_path / "agent.env"
    file.write_text(f"EMS_UNIT={UNIT}\nEMS_PANEL=gpio\n")
    home = tmp_path / "home"
    home.mkdir()
    settings, environ = service_settings.load({"HOME": str(home)}, home, file)
    assert (settings.unit, settings.panel) == (UNIT, "gpio")
    assert (str(settings.storage_path), str(settings.run_path)) == ("/var/lib/ems-agent", "/run/ems-agent")
    assert environ["EMS_UNIT"] == UNIT
    own, _ = service_settings.load({"EMS_UNIT": "own.desk"}, home, file)
    assert (own.unit, own.run_path) == ("own.desk", None)
    (home / ".env").write_text("EMS_UNIT=dotted.desk\n")
    assert service_settings.load({}, home, file)[0].unit == "dotted.desk"


# --- doctor ---------------------------------------------------------------------------------------------------------


def case(folder: Path, **more: Any) -> doctor.Case:
    return doctor.case_of(Settings(unit=UNIT, storage_path=folder, storage_low_bytes=0, **more), NOW)


def test_a_check_that_breaks_or_hangs_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its line, in order, within its bound."""
    import threading

    never = threading.Event()

    def breaks(_: doctor.Case) -> doctor.Line:
        raise RuntimeError("what nobody\nforesaw")

    def hangs(_: doctor.Case) -> doctor.Line:
        never.wait(30)
        return doctor.Line("hangs", "PASS", "")

    checks = {"breaks": breaks, "hangs": hangs, "memory": doctor.CHECKS["memory"]}
    monkeypatch.setattr(doctor, "CHECKS", checks)
    lines = doctor.examine(case(tmp_path), limit_s=0.2)
    never.set()
    assert [line.name for line in lines] == ["breaks", "hangs", "memory"]
    assert [line.level for line in lines[:2]] == ["FAIL", "FAIL"]
    assert "foresaw" in lines[0].words
    assert "\n" not in lines[0].words
    assert "hangs" in lines[1].words


def test_the_card_is_measured_and_its_errors_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred real syncs; and an error that the file system has noted is a failure whatever the speed."""
    found = machine.measure_sync_ms(tmp_path)
    assert 1 <= len(found) <= machine.SYNCS
    assert found == sorted(found)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(machine, "measure_sync_ms", lambda _folder: [1.0] * 100)
    for errors, syncs, level in ((0, 1.0, "PASS"), (3, 1.0, "FAIL"), (0, 300.0, "WARN"), (None, 2000.0, "FAIL")):
        monkeypatch.setattr(machine, "file_system_errors", lambda _device, errors=errors: errors)
        monkeypatch.setattr(machine, "measure_sync_ms", lambda _folder, syncs=syncs: [syncs] * 100)
        assert doctor.CHECKS["card"](case(tmp_path)).level == level


def test_the_machines_files_are_read_as_they_are(tmp_path: Path) -> None:
    """From a copy of what the kernel shows; nothing there means not known, never zero."""
    (tmp_path / "fs/ext4/mmcblk0p2").mkdir(parents=True)
    (tmp_path / "fs/ext4/mmcblk0p2/errors_count").write_text("2\n")
    (tmp_path / "fs/ext4/mmcblk0p2/lifetime_write_kbytes").write_text("1000\n")
    (tmp_path / "class/block/sda1").mkdir(parents=True)
    (tmp_path / "class/block/sda1/stat").write_text("1 2 3 4 5 6 70 8 9\n")
    assert machine.file_system_errors("mmcblk0p2", tmp_path / "fs/ext4") == 2
    assert machine.bytes_written("mmcblk0p2", tmp_path) == 1_024_000
    assert machine.bytes_written("sda1", tmp_path) == 70 * 512
    assert machine.bytes_written("sdb", tmp_path) is None
    assert machine.bytes_written("", tmp_path) is None
    assert machine.file_system_errors("", tmp_path) is None
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(
        "22 1 179:2 / / rw,noatime - ext4 /dev/root rw\n"
        f"30 22 179:3 / {tmp_path} ro,relatime shared:1 - ext4 /dev/mmcblk0p3 ro,errors=remount-ro\n"
    )
    mount = machine.mount_of(tmp_path / "desk", mountinfo)
    assert mount is not None
    assert (mount.source, mount.is_read_only) == ("/dev/mmcblk0p3", True)
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 500 kB\n")
    assert machine.memory_bytes(meminfo) == (1_024_000, 512_000)
    assert machine.watchdog(tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("said", "level", "words"),
    [
        ("0x0", "PASS", "no under-voltage"),
        ("0x50005", "FAIL", "under-voltage now"),
        ("0x50000", "WARN", "since the start"),
    ],
)
def test_the_power_supply_is_judged_by_the_firmware(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, level: str, words: str
) -> None:
    """`vcgencmd get_throttled`, asked for real."""
    program = tmp_path / "vcgencmd"
    program.write_text(f'#!/bin/sh\n[ "$1" = get_throttled ] && echo throttled={said}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = doctor.CHECKS["power"](case(tmp_path))
    assert (found.level, words in found.words) == (level, True)


def test_room_for_the_planned_sittings_is_asked_of_the_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hours that do not fit are a failure before the sitting, not a full card in it."""
    plan = {
        "number": 1,
        "sittings": [
            {"sitting": "maths-1", "exam": "e", "room": "r", "seat": "A1"}
            | {"start_utc_ms": NOW.utc_ms + 1000, "end_utc_ms": NOW.utc_ms + 3 * 3_600_000}
        ],
    }
    with Records(tmp_path, UNIT) as records:
        records.save_plan(json.dumps(plan).encode())
    for free, level in ((3_000_000_000, "PASS"), (1_000_000_000, "FAIL")):
        monkeypatch.setattr(host, "free_bytes", lambda _folder, free=free: free)
        found = doctor.CHECKS["storage"](case(tmp_path))
        assert (found.level, "3.0 hours are planned" in found.words) == (level, True), found


def test_records_that_were_tampered_with_are_a_failure(tmp_path: Path) -> None:
    """One changed body is named; whole ones pass; the reader never writes."""
    from agent.wire import ClockStep

    with Records(tmp_path, UNIT) as records:
        for step in range(5):
            records.append(ClockStep(step_ms=step, is_synced=True), NOW, True)
    assert faults_of_chain(tmp_path, UNIT) == (5, [], [])
    view = view_records(tmp_path)
    assert (view.kinds, view.spool, view.head_seq) == ({"clock_step": 5}, 5, 5)
    assert doctor.CHECKS["records"](case(tmp_path)).level == "PASS"
    import sqlite3

    with sqlite3.connect(tmp_path / "records.db") as db:
        db.execute("UPDATE records SET body = replace(body, '3', '4') WHERE seq = 4")
    db.close()
    found = doctor.CHECKS["records"](case(tmp_path))
    assert (found.level, "record 1/4" in found.words) == ("FAIL", True)
    with pytest.raises(RecordsProblem):
        view_records(tmp_path / "none")


def test_an_identity_in_any_state_is_described(tmp_path: Path) -> None:
    """Absent, waiting, damaged: each in words, none a traceback."""
    assert doctor.CHECKS["certificate"](case(tmp_path)).level == "WARN"
    assert "setup" in doctor.CHECKS["certificate"](case(tmp_path, hub="hub.local")).words
    folder = tmp_path / "identity"
    folder.mkdir()
    (folder / "hub.json").write_text('{"hub": "hub.local", "door_port": 8443, "ca_fingerprint": ""}')
    (folder / "pending.json").write_text('{"csr": "", "code": "ABCD-EFGH"}')
    found = doctor.CHECKS["certificate"](case(tmp_path))
    assert ("approval" in found.words, "ABCD" in found.words) == (True, False)
    (folder / "tls.crt").write_text("not a certificate")
    (folder / "unit.json").write_text("[1")
    identity = view_identity(tmp_path)
    assert len(identity.trouble) == 2
    assert doctor.CHECKS["certificate"](case(tmp_path)).level == "FAIL"


def test_what_answers_but_is_no_broker_is_said_so() -> None:
    """TCP alone is not enough where TLS is wanted; a closed port is an error of the system's own."""
    import ssl
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(broker_probe.Refused, match=r"no encrypted connection|closed"):
            broker_probe.knock("127.0.0.1", port, ssl.create_default_context(), UNIT)
        thread.join()
    with pytest.raises(OSError, match="refused"):
        broker_probe.knock("127.0.0.1", port, None)


def test_the_broker_lets_this_unit_in_or_says_why_not(tmp_path: Path) -> None:
    """Against the broker as a hub sets it up: a good certificate is let in, and why another is not is told in
    words."""
    hub = Centre(tmp_path)
    ended = right_now() - datetime.timedelta(hours=1)
    papers = {
        "lets this unit in": hub.issue("c1.d1"),
        "revoked": hub.issue("c1.d2"),
        "expired": hub.issue("c1.d3", not_before=ended - datetime.timedelta(days=1), not_after=ended),
    }
    hub.revoke(papers["revoked"])
    with secure_mosquitto(tmp_path / "broker", hub) as broker:
        for words, one in papers.items():
            context = broker_probe.context_of(hub.folder.authorities, one.certificate, one.key)
            try:
                said = broker_probe.knock("127.0.0.1", broker.port, context, "c1.d1")
            except broker_probe.Refused as refused:
                said = str(refused)
            assert words in said
        (tmp_path / "elsewhere").mkdir()
        stranger = broker_probe.context_of(Centre(tmp_path / "elsewhere").folder.authorities)
        with pytest.raises(broker_probe.Refused, match="not the hub's"):
            broker_probe.knock("127.0.0.1", broker.port, stranger)
    (tmp_path / "broken.pem").write_text("broken")
    with pytest.raises(broker_probe.Refused, match="enrol again"):
        broker_probe.context_of(tmp_path / "broken.pem")


def test_logs_says_where_the_lines_go_without_a_journal(tmp_path: Path) -> None:
    """No journal, no traceback: one line."""
    if Path("/run/systemd/system").is_dir():
        pytest.skip("this machine has a journal")
    done = tool(environ_of(tmp_path), tmp_path, "logs", "-n", "5")
    assert done.returncode == 1
    assert "standard output" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# --- support bundle -------------------------------------------------------------------------------------------------


def put_secrets(folder: Path) -> dict[str, bytes]:
    """Every secret that a desk can have, in its place."""
    desk = folder / "desk"
    key = load_key(desk / "unit.key", may_make=True)
    identity = desk / "identity"
    identity.mkdir()
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (identity / "tls.key").write_bytes(pem)
    (identity / "pending.json").write_text('{"csr": "x", "code": "QX7K-93WM"}')
    (folder / ".env").write_text("EMS_BROKER_PASSWORD=a long pass phrase\n")
    return {
        "unit.key": (desk / "unit.key").read_bytes(),
        "seed": key.private_bytes_raw(),
        "tls.key": pem,
        "SECRET_KEY": b"k3y-of-a-hub-that-shares-this-machine",
        "password": b"a long pass phrase",
        "claim code": b"QX7K-93WM",
    }


def test_a_support_bundle_holds_no_secret(tmp_path: Path, mosquitto_broker: Broker) -> None:
    """Each secret is put into place and into the log besides; a real agent runs; no member of the archive has any of
    them in any writing, and there is no picture, film or database in it."""
    secrets = put_secrets(tmp_path)
    raw_log = b"\n".join(
        (b"key " + value, b"hex " + value.hex().encode(), b"b64 " + base64.b64encode(value))[number % 3]
        for number, value in enumerate(secrets.values())
    )
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "said").write_bytes(raw_log + b"\n" + secrets["unit.key"] + secrets["seed"].hex().encode() + b"\n")
    (programs / "journalctl").write_text(f"#!/bin/sh\ncat {tmp_path}/said\n")
    (programs / "journalctl").chmod(0o755)
    environ = environ_of(
        tmp_path,
        EMS_BROKER_PORT=str(mosquitto_broker.port),
        SECRET_KEY=secrets["SECRET_KEY"].decode(),
        PATH=f"{programs}:{os.environ['PATH']}",
    )
    out = tmp_path / "bundle.tar.gz"
    with running_agent(environ, tmp_path):
        done = tool(environ, tmp_path, "support-bundle", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "left out: keys" in done.stdout
    assert out.stat().st_mode & 0o777 == 0o600
    with tarfile.open(out) as archive:
        members = {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]
    names = {name.removeprefix("ems-support/") for name in members}
    assert {"status.json", "doctor.json", "settings.json", "versions.json", "log.txt", "records.json"} <= names
    assert b"[redacted]" in members["ems-support/log.txt"]
    known = {writing for value in secrets.values() for writing in writings_of(value)}
    for name, data in [*members.items(), ("archive", out.read_bytes())]:
        for secret in (*(writing.encode() for writing in known), *secrets.values()):
            assert secret not in data, f"{name} holds {secret[:20]!r}"
        assert b"\xff\xd8\xff" not in data
        assert b"PRIVATE KEY-----\n" not in data
    status = json.loads(members["ems-support/status.json"])
    assert status["status"]["unit"] == UNIT


def test_every_writing_of_a_key_is_known(tmp_path: Path) -> None:
    """The seed of the unit's key and the scalar of the certificate's are known, not only their files."""
    (tmp_path / "desk").mkdir()
    secrets = put_secrets(tmp_path)
    known = secrets_of(Settings(unit=UNIT, storage_path=tmp_path / "desk"), {}, tmp_path)
    assert secrets["seed"].hex() in known
    assert base64.b64encode(secrets["seed"]).decode() in known
    key: Any = serialization.load_pem_private_key(secrets["tls.key"], password=None)
    assert key.private_numbers().private_value.to_bytes(32, "big").hex() in known
    assert "QX7K93WM" in known


def test_a_bundle_is_a_new_private_file_with_the_last_known_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the mode nor the target of what has its name already counts; the service's secrets are known; a setting
    that is not set is empty; of a desk that ended, its last word is in it."""
    service = tmp_path / "agent.env"
    service.write_text("EMS_BROKER_PASSWORD=of-the-service-only\n")
    monkeypatch.setattr(service_settings, "ENVIRONMENT_FILE", service)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "status.json").write_bytes(msgspec.json.encode(a_status(60_000)))
    target = tmp_path / "target"
    target.write_text("of somebody else")
    target.chmod(0o666)
    out = tmp_path / "bundle.tar.gz"
    out.symlink_to(target)
    (tmp_path / "bundle.tar.gz.part").symlink_to(target)
    given = case(tmp_path)
    assert given.status is None
    assert "of-the-service-only" in secrets_of(given.settings, {}, tmp_path)
    make_bundle(out, given, [], {}, tmp_path)
    assert target.read_text() == "of somebody else"
    assert not out.is_symlink()
    assert out.stat().st_mode & 0o777 == 0o600
    with tarfile.open(out) as archive:
        status = json.load(archive.extractfile("ems-support/status.json"))  # type: ignore[arg-type]
        settings = json.load(archive.extractfile("ems-support/settings.json"))  # type: ignore[arg-type]
    assert status["status"]["unit"] == UNIT
    assert status["life"] == "died"
    assert settings["EMS_RUN_PATH"] == ""
