"""`make run`'s program, whole: it opens, records on every desk, stops on Ctrl-C, and goes on with the same data."""

from __future__ import annotations

import http.cookiejar
import os
import re
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from agent.wire import Heartbeat
from hub.store import Store, planning
from tests.brokers import REPOSITORY, free_port
from tests.support import wait_for


class Demo:
    """One run of the demonstration and what it has printed."""

    def __init__(self, var: Path, port: int, log: Path) -> None:
        self.var, self.address, self.log = var, f"http://127.0.0.1:{port}", log

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def password(self) -> str:
        pattern = r"log in as proctor with the password (\S+)"
        return str(wait_for(lambda: re.findall(pattern, self.said()), 90)[0])

    def heartbeats(self) -> list[Heartbeat]:
        store = Store(self.var / "hub" / "hub.db")
        try:
            with store.read() as connection:
                return [
                    msgspec.json.decode(text, type=Heartbeat) for text, _ in planning.heartbeats(connection).values()
                ]
        finally:
            store.close()


@contextmanager
def running(var: Path, broker: str, log: Path) -> Iterator[Demo]:
    """Started, and at the end stopped as Ctrl-C does it, in order and with exit code 0."""
    port = free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EMS_")}
    command = [sys.executable, "-m", "hub.demo", "--port", str(port), "--desks", "2", "--broker", broker]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--var", str(var)], cwd=REPOSITORY, env=environ, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield Demo(var, port, log)
        process.send_signal(signal.SIGINT)
        assert process.wait(90) == 0
    finally:
        process.kill()
        process.wait()


def log_in(demo: Demo, password: str) -> str:
    """The Live page of a proctor."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    with opener.open(f"{demo.address}/login", timeout=30) as answer:
        token = re.search(r'name="csrf_token" value="([^"]+)"', answer.read().decode())
    assert token is not None
    form = urllib.parse.urlencode({"name": "proctor", "password": password, "csrf_token": token[1], "next": "/"})
    with opener.open(f"{demo.address}/login", form.encode(), timeout=30) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize("broker", ["mosquitto", "embedded"])
def test_the_demo_opens_records_stops_and_goes_on(tmp_path: Path, broker: str) -> None:
    """With either broker both desks record; the second start goes on with the same sitting and more recorded time,
    and the first start's password is worth nothing any more."""
    var = tmp_path / "var"
    with running(var, broker, tmp_path / "first.log") as demo:
        first_password = demo.password()
        assert "Seats" in log_in(demo, first_password)
        wait_for(lambda: sum(beat.state == "recording" and beat.recorded_s > 3 for beat in demo.heartbeats()) == 2, 90)
        first = {beat.sitting for beat in demo.heartbeats()}
    assert "Stopped." in demo.said()
    with running(var, broker, tmp_path / "second.log") as demo:
        password = demo.password()
        assert password != first_password
        wait_for(lambda: {beat.boot for beat in demo.heartbeats() if beat.recorded_s > 6} == {2}, 90)
        assert {beat.sitting for beat in demo.heartbeats()} == first
    leftover = subprocess.run(["pgrep", "-f", str(var)], capture_output=True, text=True, check=False)
    assert leftover.stdout == ""
