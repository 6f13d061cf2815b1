"""`ems-hub broker`: the files it writes, the memory it moves aside, and what its check finds at a real broker."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from hub import broker as rules
from hub.broker import Place, access_rules, configuration
from hub.broker_files import BrokerProblem, set_aside_if_damaged, write_files
from hub.cli import main
from hub.enrolment import INGEST_NAME, CaFolder
from hub.live import LiveFolder
from tests.authority import DAY, HOUR, Centre, Papers, right_now
from tests.brokers import Broker, free_port, mosquitto, mosquitto_path, secure_mosquitto
from tests.callers import calling
from tests.hub.hubs import ingesting, settings_for
from tests.support import wait_for


def place_in(folder: Path, **changes: object) -> Place:
    fields = {"folder": folder, "ca": CaFolder("/ca"), "state": folder / "state", "user": getpass.getuser()}
    return Place(**(fields | changes))  # type: ignore[arg-type]


def options_of(text: str) -> dict[str, str]:
    lines = [line.partition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in lines}


def test_the_configuration_says_what_must_hold(tmp_path: Path) -> None:
    """TLS 1.3 with certificates for all, names from them, nobody anonymous, and every limit explicit."""
    options = options_of(configuration(place_in(tmp_path, plugin=Path("/plugin.so"))))
    wanted = {
        "listener": "8883",
        "allow_anonymous": "false",
        "require_certificate": "true",
        "use_identity_as_username": "true",
        "use_username_as_clientid": "true",
        "tls_version": "tlsv1.3",
        "set_tcp_nodelay": "true",
        "crlfile": "/ca/public/units.crl",
        "cafile": "/ca/public/authorities.pem",
        "keyfile": "/ca/server/server.key",
        "max_qos": "1",
        "plugin": "/plugin.so",
    }
    assert options.items() >= wanted.items()
    limits = {name for name in options if name.startswith("max_")}
    assert limits == {
        "max_connections",
        "max_inflight_messages",
        "max_keepalive",
        "max_packet_size",
        "max_qos",
        "max_queued_bytes",
        "max_queued_messages",
    }
    handed = options_of(configuration(place_in(tmp_path, host="10.0.0.1", port=9, credentials=Path("/run/c"))))
    assert (handed["listener"], handed["keyfile"], handed["certfile"]) == (
        "9 10.0.0.1",
        "/run/c/server.key",
        "/run/c/server.crt",
    )


def test_the_access_rules_are_these() -> None:
    """Three rights of ingest's, seven of everybody's, and not one more: a new right is a decision, not a slip."""
    lines = [line for line in access_rules().splitlines() if line and not line.startswith("#")]
    assert lines == [
        f"user {INGEST_NAME}",
        "topic read ems/1/+/up/+",
        "topic write ems/1/+/down/+",
        "topic write $CONTROL/dynamic-security/v1",
        "pattern write ems/1/%u/up/evidence",
        "pattern write ems/1/%u/up/heartbeat",
        "pattern write ems/1/%u/up/live",
        "pattern write ems/1/%u/up/record",
        "pattern write ems/1/%u/up/status",
        "pattern write ems/1/%u/up/still",
        "pattern read ems/1/%u/down/+",
    ]


def test_without_the_plugin_the_configuration_says_so(tmp_path: Path) -> None:
    """A comment tells what is lost, and no option names a file that is not there."""
    text = configuration(place_in(tmp_path))
    assert "plugin" not in options_of(text)
    assert "# The dynamic-security plugin is not installed here" in text


def test_the_plugin_is_found_where_distributions_put_it(tmp_path: Path) -> None:
    """In the machine's own library folder, and None without one."""
    assert rules.plugin_path(tmp_path) is None
    library = tmp_path / "usr" / "lib" / "aarch64-linux-gnu" / "mosquitto_dynamic_security.so"
    library.parent.mkdir(parents=True)
    library.touch()
    assert rules.plugin_path(tmp_path) == library


def test_writing_twice_changes_nothing_and_spares_the_plugins_file(tmp_path: Path) -> None:
    """The second time all is as it was; what the plugin wrote stays, and what was changed by hand does not."""
    place = place_in(tmp_path / "out")
    assert [written.is_changed for written in write_files(place)] == [True, True, True]
    place.control_file.write_text("the plugin's own")
    assert [written.is_changed for written in write_files(place)] == [False, False]
    place.access_file.write_text("topic readwrite #")
    assert [written.is_changed for written in write_files(place)] == [False, True]
    assert place.access_file.read_text() == access_rules()
    assert place.control_file.read_text() == "the plugin's own"
    assert [
        path.stat().st_mode & 0o777 for path in (place.configuration_file, place.access_file, place.control_file)
    ] == [
        0o644,
        0o600,
        0o600,
    ]


def test_an_account_that_is_not_there_is_named(tmp_path: Path) -> None:
    """One line that says what to do, and nothing is written."""
    with pytest.raises(BrokerProblem, match="there is no account 'nobody-here': install mosquitto"):
        write_files(place_in(tmp_path / "out", user="nobody-here"))
    assert not (tmp_path / "out").exists()


# --- prepare --------------------------------------------------------------------------------------------------------


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """What a real mosquitto has written of 200 retained messages."""
    with mosquitto(tmp_path / "broker", has_persistence=True) as broker:
        client = Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        for number in range(200):
            message = client.publish(f"plan/{number}", b"x" * 100, qos=1, retain=True)
        message.wait_for_publish(10)
        client.disconnect()
        client.loop_stop()
        broker.stop()
    found = tmp_path / "broker" / "mosquitto.db"
    assert found.stat().st_size > 20_000
    return found


@pytest.mark.parametrize("damage", ["none", "empty", "nul", "half", "garbage", "nul tail"])
def test_after_preparing_mosquitto_starts_whatever_its_memory_was(tmp_path: Path, memory: Path, damage: str) -> None:
    """A sound file stays; a damaged one with which mosquitto does not start is set aside whole; then it starts."""
    good = memory.read_bytes()
    bad = {
        "none": good,
        "empty": b"",
        "nul": bytes(len(good)),
        "half": good[: len(good) // 2 - 7],
        "garbage": good[:100] + b"\xff" * 5_000,
        "nul tail": good[: len(good) // 2] + bytes(len(good) - len(good) // 2),
    }[damage]
    memory.write_bytes(bad)
    aside = set_aside_if_damaged(memory, 1_234)
    if damage == "none":
        assert aside is None
    if damage == "nul":
        assert aside is not None
    if aside is not None:
        assert (aside.name, aside.read_bytes(), memory.exists()) == ("mosquitto.db.damaged-1234", bad, False)
    (tmp_path / "broker" / "broker.log").unlink()
    with mosquitto(tmp_path / "broker", has_persistence=True) as broker:
        wait_for(lambda: " running" in broker.log())


def test_the_command_says_what_it_moved(tmp_path: Path) -> None:
    """Nothing when all is well or nothing is there; one line when a file was set aside."""
    assert invoke({}, "broker", "prepare", "--state", str(tmp_path)).output == ""
    (tmp_path / "mosquitto.db").write_bytes(bytes(4_096))
    done = invoke({}, "broker", "prepare", "--state", str(tmp_path))
    assert done.exit_code == 0
    assert f"the broker's memory was damaged and is now {tmp_path}/mosquitto.db.damaged-" in done.output
    assert not (tmp_path / "mosquitto.db").exists()


def test_preparing_never_keeps_the_broker_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a trial is not possible the file stays, one line says so, and the start goes on."""
    (tmp_path / "mosquitto.db").write_bytes(b"x")
    program = tmp_path / "mosquitto"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    done = invoke({}, "broker", "prepare", "--state", str(tmp_path))
    assert done.exit_code == 0
    assert "was not looked at: mosquitto does not start with an empty memory either" in done.output
    assert (tmp_path / "mosquitto.db").read_bytes() == b"x"


# --- commands -------------------------------------------------------------------------------------------------------


def invoke(environ: dict[str, str], *words: str) -> Result:
    return CliRunner().invoke(main, words, env={"APP_ENV": "development", **environ})


def test_config_writes_files_with_which_mosquitto_runs(tmp_path: Path) -> None:
    """From the command line to a broker that lets a desk in."""
    centre = Centre(tmp_path)
    port, out = free_port(), tmp_path / "etc"
    words = ["--out", str(out), "--port", str(port), "--host", "127.0.0.1", "--user", getpass.getuser()]
    environ = {"EMS_CA_PATH": str(centre.folder.path)}
    done = invoke(environ, "broker", "config", *words, "--state", str(tmp_path / "state"))
    assert done.exit_code == 0, done.output
    assert f"{out}/access.acl: written, owner {pwd.getpwuid(out.stat().st_uid).pw_name}, mode 0600" in done.output
    assert f"EMS_BROKER_TLS=true and EMS_BROKER_PORT={port}" in done.output
    command = [mosquitto_path(), "-c", str(out / "mosquitto.conf")]
    with Broker("mosquitto", command, port, 5, tmp_path / "log") as broker:
        with calling(broker, centre.tls(centre.issue("c1.d1"))) as desk:
            assert desk.is_connected


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, which alone can start a broker under another account")
def test_started_by_root_the_broker_runs_under_its_own_account() -> None:
    """Its rules, its memory and the plugin's file are its own; the key is handed to it; a session can be ended."""
    account = pwd.getpwnam(rules.USER)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        centre = Centre(folder)
        centre.folder.path.chmod(0o755)
        handed = folder / "credentials"
        handed.mkdir()
        for path in (centre.folder.server_certificate, centre.folder.server_key):
            shutil.copy(path, handed)
            os.chown(handed / path.name, account.pw_uid, account.pw_gid)
        changes = {"user": rules.USER, "state": folder / "own", "credentials": handed}
        with secure_mosquitto(folder / "broker", centre, **changes) as broker:
            ingest = Papers(centre.folder.ingest_certificate, centre.folder.ingest_key, 0)
            with (
                calling(broker, centre.tls(centre.issue("c1.d1"))) as desk,
                calling(broker, centre.tls(ingest)) as hub,
            ):
                assert desk.is_connected
                assert hub.publish(rules.CONTROL_TOPIC, rules.end_sessions(["c1.d1"])) == 0
                wait_for(lambda: desk.gone == 0x98)
            broker.stop()
        made = {path.name: (path.owner(), path.stat().st_mode & 0o777) for path in (folder / "own").iterdir()}
        assert made["mosquitto.db"] == (rules.USER, 0o600)
        assert made["dynamic-security.json"] == (rules.USER, 0o600)
        assert (folder / "broker" / "access.acl").owner() == rules.USER


@pytest.fixture
def centre(tmp_path: Path) -> Centre:
    return Centre(tmp_path)


@pytest.fixture
def broker(tmp_path: Path, centre: Centre) -> Iterator[Broker]:
    with secure_mosquitto(tmp_path / "broker", centre) as started:
        yield started


def check(folder: Path, centre: Centre, broker: Broker) -> tuple[int, list[str]]:
    environ = {
        "EMS_CA_PATH": str(centre.folder.path),
        "EMS_BROKER_TLS": "true",
        "EMS_BROKER_PORT": str(broker.port),
        "EMS_LIVE_PATH": str(folder / "live"),
    }
    done = invoke(environ, "broker", "check")
    return done.exit_code, done.output.splitlines()


def failures(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("PASS ")]


def test_a_sound_broker_passes_every_check(tmp_path: Path, centre: Centre, broker: Broker) -> None:
    """All lines are PASS, those about limits and refusals too."""
    code, lines = check(tmp_path, centre, broker)
    expected = [
        "list of revoked",
        "lets ingest in",
        "limits are set",
        "refuses TLS 1.2",
        "without a cert",
        "without TLS",
    ]
    assert failures(lines) == []
    assert code == 0
    assert all(any(word in line for line in lines) for word in expected)


def test_while_ingest_is_connected_its_session_is_left_alone(tmp_path: Path, centre: Centre, broker: Broker) -> None:
    """The check passes without limits, and ingest was never sent away."""
    live = LiveFolder(tmp_path / "live")
    settings = settings_for(tmp_path, broker, broker_tls=True, ca_path=str(centre.folder.path))
    with ingesting(settings):
        wait_for(lambda: (live.facts() or {}).get("is_connected"))
        code, lines = check(tmp_path, centre, broker)
        assert broker.log().count(f"as {INGEST_NAME}") == 1
    assert code == 0
    assert not any("limits" in line for line in lines)


def test_each_trouble_has_its_line_with_the_remedy(
    tmp_path: Path, centre: Centre, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Near its end, over, of the future, missing: FAIL, what, and what to do; the exit code is 3."""
    centre.write_revoked(ends=right_now() - HOUR / 2)
    centre.issue_ingest(not_after=right_now() + 2 * DAY)
    monkeypatch.setattr("hub.broker_check.plugin_path", lambda: None)
    code, lines = check(tmp_path, centre, broker)
    assert code == 3
    found = failures(lines)
    assert [line.partition(":")[0].partition(" on ")[0] for line in found] == [
        "FAIL ingest's certificate ends in 1 days,",
        "FAIL the list of revoked certificates ended",
        "FAIL the dynamic-security plugin is missing",
    ]
    assert "ems-hub ca certificates" in found[0]
    assert "ems-hub worker" in found[1]
    centre.folder.revoked.write_bytes(b"nothing")
    centre.folder.ingest_key.unlink()
    found = failures(check(tmp_path, centre, broker)[1])
    assert any("empty or damaged" in line for line in found)
    assert any("cannot be used" in line for line in found)


def test_a_broker_with_a_list_that_ended_refuses_all_and_the_check_says_why(tmp_path: Path, centre: Centre) -> None:
    """mosquitto refuses every client then: the line about the list says what is behind it."""
    centre.write_revoked(ends=right_now() - HOUR / 2)
    with secure_mosquitto(tmp_path / "broker", centre) as broker:
        code, lines = check(tmp_path, centre, broker)
    assert code == 3
    found = failures(lines)
    assert "list of revoked certificates ended" in found[0]
    assert "does not let ingest in" in found[1]


def test_a_broker_without_rules_fails_the_check(tmp_path: Path, centre: Centre) -> None:
    """A broker somebody set up by hand, with TLS and nothing else: what it should refuse it does not."""
    ca = centre.folder
    more = f"cafile {ca.authorities}\ncertfile {ca.server_certificate}\nkeyfile {ca.server_key}\ntls_version tlsv1.2"
    with mosquitto(tmp_path / "broker", more=more) as broker:
        code, lines = check(tmp_path, centre, broker)
    assert code == 3
    text = "\n".join(failures(lines))
    assert "takes TLS 1.2" in text
    assert "takes a client without a certificate" in text
    assert "limits are not those" in text
    with mosquitto(tmp_path / "plain") as plain:
        assert "does not let ingest in" in "\n".join(failures(check(tmp_path, centre, plain)[1]))


def test_the_check_needs_tls(tmp_path: Path) -> None:
    """Without it there is one line that says what that means."""
    done = invoke({}, "broker", "check")
    assert done.exit_code == 1
    assert "EMS_BROKER_TLS is false" in done.output
