"""The units: valid, locked down, and naming commands that exist. What only a booted machine shows is not shown here."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

import agent.cli
import hub.cli
from agent.config import Settings, variable_of
from hub.enrolment import CaFolder

FOLDER = Path(__file__).parents[1] / "systemd"
SERVICES = sorted(path.name for path in FOLDER.glob("*.service"))
UNITS = sorted(path.name for path in FOLDER.iterdir() if path.suffix in (".service", ".timer", ".path", ".target"))
EXPOSURE_AT_MOST = 2.0
KIOSK = "ems-wall.service"
"""On a screen's own machine: a compositor and a browser, which tell systemd nothing and need more than our own do."""
KIOSK_EXPOSURE_AT_MOST = 6.0
INSTALLED = "/opt/ems/bin"
TO_COME: set[str] = set()
"""Commands that are being made; a name here that exists fails the test."""

analyze = shutil.which("systemd-analyze")


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units with this environment's commands in place of the installed ones, and a broker to drop ours in."""
    if analyze is None:
        pytest.fail("these tests need systemd-analyze: install it with `apt-get install systemd`", pytrace=False)
    folder = tmp_path_factory.mktemp("units")
    for path in [*FOLDER.glob("*.*"), *FOLDER.glob("mosquitto.service.d/*")]:
        if path.is_file() and path.suffix != ".md":
            target = folder / path.relative_to(FOLDER)
            target.parent.mkdir(exist_ok=True)
            text = path.read_text().replace(INSTALLED, str(Path(sys.executable).parent))
            target.write_text(text.replace("/usr/bin/cage", "/usr/bin/true"))  # not on every machine that tests
    (folder / "mosquitto.service").write_text(
        "[Unit]\nDescription=Debian's\n[Service]\nType=notify\nNotifyAccess=main\n"
        "ExecStart=/usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf\nExecReload=/bin/kill -HUP $MAINPID\n"
        "ExecStartPre=/bin/mkdir -m 740 -p /var/log/mosquitto\nExecStartPre=/bin/chown mosquitto /var/log/mosquitto\n"
    )
    return folder


def run(units: Path, *words: str) -> subprocess.CompletedProcess[str]:
    assert analyze is not None
    return subprocess.run(
        [analyze, *words],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_every_unit_is_valid(units: Path) -> None:
    """systemd itself reads them without a word: no unknown setting, no missing command, no cycle."""
    found = [str(units / name) for name in (*UNITS, "mosquitto.service")]
    done = run(units, "verify", "--man=no", *found)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", [*SERVICES, "mosquitto.service"])
def test_every_service_is_locked_down(units: Path, name: str) -> None:
    """Its exposure, by systemd's own count, is at most 2.0."""
    done = run(units, "security", "--offline=yes", "--no-pager", str(units / name))
    found = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stderr
    assert float(found[1]) <= (KIOSK_EXPOSURE_AT_MOST if name == KIOSK else EXPOSURE_AT_MOST)


def test_the_kiosk_keeps_its_token_to_itself_and_starts_again_for_ever() -> None:
    """The token is no setting and on no command line: the browser opens a page that root alone can read otherwise. The
    browser has an account of its own and nothing of the hub's."""
    unit = settings_of(FOLDER / KIOSK)
    (start,) = unit["ExecStart"]
    assert start.endswith(" file://%d/start.html")
    assert unit["LoadCredential"] == ["start.html:/etc/ems-wall/start.html"]
    assert "EnvironmentFile" not in unit
    assert (unit["Restart"], unit["StartLimitIntervalSec"], unit["User"]) == (["always"], ["0"], ["ems-wall"])
    assert "--no-sandbox" not in start
    assert "--remote-debugging" not in start
    assert "sh" not in [Path(word).name for word in start.split()]


def test_the_worker_is_locked_down_with_its_network_for_s3_too(units: Path, tmp_path: Path) -> None:
    """The drop-in opens addresses that are named, and the count stays at most 2.0."""
    for name in ("ems-hub-worker.service", "ems-hub-worker.service.d/s3.conf"):
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        source = units / name if (units / name).exists() else FOLDER / name
        target.write_text(source.read_text().replace("#IPAddressAllow", "IPAddressAllow"))
    done = run(tmp_path, "security", "--offline=yes", "--no-pager", str(tmp_path / "ems-hub-worker.service"))
    found = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stderr
    plain = run(units, "security", "--offline=yes", "--no-pager", str(units / "ems-hub-worker.service"))
    before = re.search(r"exposure level for \S+: ([\d.]+)", plain.stdout)
    assert before
    assert float(before[1]) < float(found[1]) <= EXPOSURE_AT_MOST


def settings_of(path: Path) -> dict[str, list[str]]:
    """Every assignment of a unit, in order, by name."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        name, is_assigned, value = line.partition("=")
        if is_assigned and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def commands() -> list[tuple[str, str, list[str]]]:
    """(file, ems-agent or ems-hub, words) of every line that runs one of ours."""
    found = []
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix not in (".service", ".conf"):
            continue
        for name, values in settings_of(path).items():
            for value in values:
                program, _, words = value.lstrip("-+!@:").partition(" ")
                if name.startswith("Exec") and program.startswith(INSTALLED):
                    found.append((path.name, Path(program).name, words.split()))
    return found


def resolve(program: str, words: list[str]) -> bool:
    """Whether the command line is one that click would run: the command exists, and so does each option."""
    command: click.Command = {"ems-agent": agent.cli.main, "ems-hub": hub.cli.main}[program]
    rest = list(words)
    while isinstance(command, click.Group) and rest:
        next_command = command.commands.get(rest.pop(0))
        if next_command is None:
            return False
        command = next_command
    options = {option for parameter in command.params for option in parameter.opts}
    return not isinstance(command, click.Group) and all(word in options for word in rest)


def test_every_command_of_a_unit_exists() -> None:
    """A renamed command must not be found out at the first boot; what is still being made is named above."""
    found = commands()
    assert len(found) >= 9
    missing = {" ".join(words) for _, program, words in found if not resolve(program, words)}
    assert missing == TO_COME


def test_the_desks_environment_names_real_settings() -> None:
    """A misspelt variable would be ignored without a word."""
    known = {variable_of(field) for field in Settings.__struct_fields__} | {"GPIOZERO_PIN_FACTORY"}
    for name in ("ems-agent.service", "ems-panel.service"):
        given = settings_of(FOLDER / name)["Environment"]
        assert given
        assert {value.partition("=")[0] for value in given} <= known


def test_camera_and_pins_stay_usable() -> None:
    """What hardening would take away from picamera2, V4L2 and lgpio is not taken; each gets its own devices only."""
    desk, panel = (settings_of(FOLDER / name) for name in ("ems-agent.service", "ems-panel.service"))
    for unit in (desk, panel):
        assert not {"PrivateDevices", "ProcSubset", "MemoryDenyWriteExecute", "PrivateUsers"} & set(unit)
        assert unit["DevicePolicy"] == ["closed"]
    assert desk["DeviceAllow"] == ["char-video4linux rw", "char-media rw", "char-dma_heap rw"]
    assert "AF_NETLINK" in desk["RestrictAddressFamilies"][0]
    assert panel["DeviceAllow"] == ["char-gpiochip rw"]
    assert panel["WorkingDirectory"] == [f"/run/{panel['RuntimeDirectory'][0]}"]  # lgpio writes there
    assert panel["ExecStopPost"] == [f"-{INSTALLED}/ems-agent panel --safe"]
    loaded = (FOLDER / "modules-load.d" / "ems-agent.conf").read_text().splitlines()
    assert {"mc", "videodev"} <= set(loaded)


@pytest.mark.parametrize("name", [name for name in SERVICES if "ExecStart=/opt/ems" in (FOLDER / name).read_text()])
def test_whoever_asks_the_kernel_about_its_clock_may(name: str) -> None:
    """ProtectClock forbids adjtimex even to read: each desk would say that its clock is not set, and the hub would
    issue no certificate. Nobody may set it: no unit has the capability."""
    unit = settings_of(FOLDER / name)
    if name != "ems-panel.service":
        assert "ProtectClock" not in unit
        assert unit["SystemCallFilter"][-1] == "adjtimex clock_adjtime"
    assert "CAP_SYS_TIME" not in unit["CapabilityBoundingSet"][0]


def test_supervised_services_start_again_for_ever() -> None:
    """Each long-lived one is watched, notified and restarted without a limit, and a stop has its time."""
    for name in SERVICES:
        unit = settings_of(FOLDER / name)
        if unit["Type"] == ["oneshot"] or name == KIOSK:
            continue
        assert (unit["Type"], unit["Restart"], unit["StartLimitIntervalSec"]) == (["notify"], ["always"], ["0"]), name
        assert int(unit["WatchdogSec"][0]) >= 15, name
        assert unit["TimeoutStopSec"], name


def test_only_the_worker_can_read_the_issuing_key() -> None:
    """Every other process of the hub is shut out of the authority's folders, gets at most its own pair as credentials,
    and the root's key is open to nobody."""
    for name in (*SERVICES, "mosquitto.service.d/ems.conf"):
        unit = settings_of(FOLDER / name)
        if "ems-hub" not in str(unit.get("EnvironmentFile")) and not name.startswith("mosquitto"):
            continue
        closed = {Path(path.lstrip("-")).name for path in unit["InaccessiblePaths"][0].split()}
        signs = name in ("ems-hub-worker.service", "ems-hub-certificates.service")
        assert closed == ({"root"} if signs else {"root", "issuing", "server", "ingest", "evidence"}), name
        handed = {value.partition(":")[0] for value in unit.get("LoadCredential", [])}
        own = "ingest" if name == "ems-hub-ingest.service" else "server"
        needs_none = signs or name == "ems-hub-retention.service"
        assert handed == (set() if needs_none else {f"{own}.key", f"{own}.crt"}), name


def test_only_the_pages_know_what_signs_log_ins() -> None:
    """The file with SECRET_KEY is read for one process; the broker, which strangers talk to, gets no settings."""
    readers = {name for name in (*SERVICES, "mosquitto.service.d/ems.conf") if "web.env" in (FOLDER / name).read_text()}
    assert readers == {"ems-hub-web.service"}
    assert "EnvironmentFile" not in settings_of(FOLDER / "mosquitto.service.d/ems.conf")


def test_a_pair_that_is_handed_over_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What LoadCredential= lays into CREDENTIALS_DIRECTORY comes before the authority's folder; half a pair is not."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    ca = tmp_path / "ca"
    (tmp_path / "server.key").touch()
    assert CaFolder(ca).server_key == ca / "server" / "server.key"
    (tmp_path / "server.crt").touch()
    assert (CaFolder(ca).server_key, CaFolder(ca).server_certificate) == (
        tmp_path / "server.key",
        tmp_path / "server.crt",
    )
    assert CaFolder(ca).ingest_key == ca / "ingest" / "ingest.key"


def test_our_drop_ins_are_read_after_raspberry_pi_oss() -> None:
    """systemd sorts drop-ins by file name over all folders: 40-rpi-... must come first, and ours win."""
    for path in [*FOLDER.glob("system.conf.d/*"), *FOLDER.glob("journald.conf.d/*")]:
        assert path.name > "40-rpi-volatile-storage.conf"
        parser = configparser.ConfigParser(strict=True)
        parser.read(path)
    watchdog = settings_of(FOLDER / "system.conf.d" / "90-ems-watchdog.conf")
    assert watchdog == {"RuntimeWatchdogSec": ["1min"], "RebootWatchdogSec": ["2min"]}


def test_accounts_and_folders_can_be_made(tmp_path: Path) -> None:
    """sysusers and tmpfiles read their files and make what they say, below a root of their own."""
    (tmp_path / "etc").mkdir()
    for program, sub in (("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")):
        words = [program, f"--root={tmp_path}", *(["--create"] if sub == "tmpfiles.d" else [])]
        for path in sorted((FOLDER / sub).iterdir()):
            done = subprocess.run([*words, str(path)], capture_output=True, text=True, check=False, timeout=60)
            if os.geteuid() == 0:
                assert done.returncode == 0, done.stderr
    if os.geteuid() == 0:
        accounts = (tmp_path / "etc" / "passwd").read_text()
        assert re.search(r"^ems-agent:.*:/var/lib/ems-agent:", accounts, flags=re.MULTILINE)
        assert re.search(r"^ems-hub:", accounts, flags=re.MULTILINE)
        folder = tmp_path / "var" / "lib" / "ems-hub"
        assert folder.stat().st_mode & 0o777 == 0o711


def test_the_broker_reads_again_after_a_change_that_the_path_could_not_see() -> None:
    """The service that the path starts begins the timer whatever became of it, and the timer's does the same, once."""
    first, timer, again = (
        settings_of(FOLDER / f"ems-broker-reload{rest}") for rest in (".service", "-again.timer", "-again.service")
    )
    assert first["ExecStopPost"] == ["/usr/bin/systemctl restart --no-block ems-broker-reload-again.timer"]
    assert timer["OnActiveSec"] == ["5s"]
    assert timer["OnCalendar"]
    assert timer["StartLimitIntervalSec"] == again["StartLimitIntervalSec"] == ["0"]
    assert again["ExecStart"] == first["ExecStart"]
    assert "ExecStopPost" not in again
