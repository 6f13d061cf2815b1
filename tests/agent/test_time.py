"""The desk's and the hub's time: SNTP against a real chronyd and against answers that no time server should give."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent import cli as agent_cli
from agent import time_service
from agent.time_service import TimeProblem, TimeService, ask, chrony_conf, server_of
from hub import cli as hub_cli
from hub import timing
from tests.brokers import REPOSITORY, free_port
from tests.support import wait_for

NTP_EPOCH = 2_208_988_800


def chronyd_path() -> str:
    """The real one; a failure that says what to install when there is none."""
    found = shutil.which("chronyd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail("these tests need a real time server: install it with `apt-get install chrony`", pytrace=False)
    return found


@contextmanager
def responder(answer: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """The port of a time server that answers each question in its own way, or not at all."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)
        stopping = threading.Event()

        def serve() -> None:
            while not stopping.is_set():
                try:
                    question, sender = server.recvfrom(512)
                except TimeoutError:
                    continue
                data = answer(question)
                if data is not None:
                    server.sendto(data, sender)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            stopping.set()
            thread.join()


def packet(
    question: bytes, *, leap: int = 0, mode: int = 4, stratum: int = 2, ahead_s: int = 0, ref: bytes = b"HUB\0"
) -> bytes:
    """A whole answer whose clock is `ahead_s` ahead of the asker's, by the asker's own stamp."""
    seconds, fraction = struct.unpack("!II", question[40:48])
    moment = struct.pack("!II", seconds + ahead_s, fraction)
    head = struct.pack("!BBbb", leap << 6 | 4 << 3 | mode, stratum, 6, -20)
    return head + bytes(8) + ref + moment + question[40:48] + moment + moment


def test_the_offset_is_the_servers_minus_ours() -> None:
    """A server forty seconds ahead says so, and the question took some time."""
    with responder(lambda question: packet(question, ahead_s=40)) as port:
        answer = ask("127.0.0.1", port)
    assert 39_000 < answer.offset_ms <= 40_000
    assert 0 <= answer.round_trip_ms < 3_000
    assert answer.stratum == 2


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda q: packet(q, stratum=0, ref=b"RATE"), "RATE"),
        (lambda q: packet(q, leap=3), "not set"),
        (lambda q: packet(q, stratum=16), "not set"),
        (lambda q: packet(q, mode=3), "mode 3"),
        (lambda q: b"garbage", "Invalid"),
        (lambda q: os.urandom(3), "Invalid"),
        (lambda q: packet(q)[:24] + bytes(24), "another question"),
        (lambda q: packet(bytes(48)), "another question"),
        (lambda q: None, "No response"),
    ],
    ids=["kiss-of-death", "leap-3", "stratum-16", "a-client", "garbage", "short", "no-stamps", "not-ours", "silent"],
)
def test_an_answer_that_no_server_should_give_is_none(answer: Callable[[bytes], bytes | None], why: str) -> None:
    """RFC 4330 section 5: it is discarded, and one line says why."""
    with responder(answer) as port, pytest.raises(TimeProblem, match=why):
        ask("127.0.0.1", port, timeout_s=0.5)


def test_a_silent_hub_is_no_fault_and_is_told_once() -> None:
    """The quality says that there is no offset; the log hears of it when it changes, not every 64 s."""
    told: list[str] = []
    replies = iter((None, None, packet))
    with responder(lambda question: reply(question) if (reply := next(replies, packet)) else None) as port:
        service = TimeService("127.0.0.1", port=port, on_trouble=told.append)
        for expected in ("", "", "hub"):
            service._ask_once()
            assert service.quality().source == expected
    assert [bool(words) for words in told] == [True, False]
    quality = service.quality()
    assert quality.offset_ms is not None
    assert abs(quality.offset_ms) < 3_000


def test_any_bytes_are_survived() -> None:
    """Ten thousand bits of noise end neither the thread nor the reading."""
    with responder(lambda _question: os.urandom(48)) as port:
        service = TimeService("127.0.0.1", port=port)
        for _ in range(50):
            service._ask_once()
    assert service.trouble == "" or "127.0.0.1" in service.trouble


def test_nobody_is_asked_on_one_machine() -> None:
    """Without a hub on another machine there is no time service to ask."""
    assert server_of("", "127.0.0.1") == ""
    assert server_of("", "localhost") == ""
    assert server_of("", "10.1.2.3") == "10.1.2.3"
    assert server_of("hub.local", "127.0.0.1") == "hub.local"
    service = TimeService("")
    service.start()
    assert not service._thread.is_alive()


def test_a_real_chronyd_serves_the_desk(tmp_path: Path) -> None:
    """The hub's own file, on a high port: chronyd takes it, and without internet it answers the desk all the same."""
    port = free_port(socket.SOCK_DGRAM)
    text = timing.chrony_conf(("127.0.0.0/8",), ()).replace(
        "driftfile /var/lib/chrony/chrony.drift", f"driftfile {tmp_path}/drift"
    )
    text += f"port {port}\nbindaddress 127.0.0.1\npidfile {tmp_path}/chronyd.pid\nbindcmdaddress /\n"
    file = tmp_path / "chrony.conf"
    file.write_text(text.replace("rtcsync\n", ""))
    log = (tmp_path / "log").open("wb")
    with log, subprocess.Popen([chronyd_path(), "-x", "-d", "-U", "-f", str(file)], stdout=log, stderr=log) as chronyd:
        try:

            def answered() -> time_service.Answer | None:
                assert chronyd.poll() is None, (tmp_path / "log").read_text()
                try:
                    return ask("127.0.0.1", port, timeout_s=0.5)
                except TimeProblem:
                    return None

            answer = wait_for(answered)
            assert answer is not None
        finally:
            chronyd.terminate()
    assert answer.stratum == timing.LOCAL_STRATUM
    assert abs(answer.offset_ms) < 1_000


@pytest.mark.parametrize(
    "text",
    [
        chrony_conf("hub.local"),
        chrony_conf("10.1.2.3"),
        timing.chrony_conf(timing.DEFAULT_NETWORKS),
        timing.chrony_conf(("192.168.7.0/24",), ()),
    ],
    ids=["desk", "desk-address", "hub", "hub-alone"],
)
def test_chrony_takes_the_files(tmp_path: Path, text: str) -> None:
    """chronyd itself reads each of them without complaint."""
    file = tmp_path / "chrony.conf"
    file.write_text(text)
    done = subprocess.run([chronyd_path(), "-x", "-p", "-f", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cmdport 0" in text


def test_a_host_can_carry_no_directive() -> None:
    """What is written into the file is one word."""
    for bad in ("", "hub\nallow all", "hub minpoll", "#hub"):
        with pytest.raises(ValueError, match="no host"):
            chrony_conf(bad)
        with pytest.raises(ValueError, match="no host"):
            timing.chrony_conf((), (bad,))
    with pytest.raises(ValueError, match="no network"):
        timing.networks_of(["all"])


def test_the_desks_command_prints_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the hub of the settings, or the one given; without either, one line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMS_UNIT", "test.desk-01")
    monkeypatch.setenv("EMS_HUB", "hub.local")
    monkeypatch.setenv("EMS_CA_FINGERPRINT", "ab" * 16)
    assert "server hub.local iburst" in CliRunner().invoke(agent_cli.main, ["time", "config"]).output
    monkeypatch.delenv("EMS_HUB")
    found = CliRunner().invoke(agent_cli.main, ["time", "config"])
    assert (found.exit_code, "--hub" in found.output) == (2, True)
    assert "server 10.9.8.7" in CliRunner().invoke(agent_cli.main, ["time", "config", "--hub", "10.9.8.7"]).output


def test_the_hubs_command_prints_its_file() -> None:
    """Networks and sources as given; a wrong network is one line."""
    run = CliRunner().invoke
    found = run(hub_cli.main, ["time", "config", "--network", "192.168.7.9/24", "--alone"])
    assert found.exit_code == 0
    assert "allow 192.168.7.0/24" in found.output
    assert "pool" not in found.output
    assert (
        "pool time.example.org iburst" in run(hub_cli.main, ["time", "config", "--source", "time.example.org"]).output
    )
    assert run(hub_cli.main, ["time", "config", "--network", "hall"]).exit_code == 1


@pytest.mark.parametrize(("is_vouched", "code"), [(True, 0), (False, 3)])
def test_the_hub_says_whether_its_clock_can_be_trusted(tmp_path: Path, is_vouched: bool, code: int) -> None:
    """Exit code 3 exactly when no certificate would be issued, with the reason."""
    from hub import clock

    if not is_vouched and clock.is_synchronised():
        code = 0  # this machine's clock is kept: trusted without a word for it
    done = subprocess.run(
        [sys.executable, "-m", "hub.cli", "time", "check"],
        cwd=tmp_path,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("EMS_")},
            "PYTHONPATH": str(REPOSITORY),
            "APP_ENV": "development",
            "EMS_IS_CLOCK_TRUSTED": str(is_vouched).lower(),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert ("not trusted" in done.stdout) is (code == 3)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "install"),
        ({"Leap status": "Not synchronised"}, "no source"),
        ({"Leap status": "Normal", "Stratum": "10", "Reference ID": "7F7F0101 ()"}, "by itself"),
        ({"Leap status": "Normal", "Stratum": "3", "Reference ID": "0A000001 (gate)"}, "gate"),
    ],
)
def test_chronys_own_word_in_a_sentence(found: dict[str, str] | None, words: str) -> None:
    """Each state of the time service is told apart."""
    assert words in timing.in_words(found)


def test_chrony_that_does_not_answer_is_none(tmp_path: Path) -> None:
    """Not installed, or it fails: nothing is made up."""
    assert timing.tracking("no-such-program") is None
    broken = tmp_path / "chronyc"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    assert timing.tracking(str(broken)) is None
