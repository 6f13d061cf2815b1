"""What the hub's processes tell the service manager, and where their log goes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.brokers import REPOSITORY, free_port
from tests.notified import Ear, ear
from tests.support import wait_for


@pytest.fixture
def manager() -> Iterator[Ear]:
    with ear() as made:
        yield made


@pytest.fixture
def start(tmp_path: Path, manager: Ear) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a process of the hub, without a broker and without an authority, watched every 3 s."""
    processes: list[subprocess.Popen[str]] = []

    def begin(command: str, **environ: str) -> subprocess.Popen[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("EMS_")}
        given = {
            **clean,
            "APP_ENV": "development",
            "SECRET_KEY": "k" * 32,
            "DATABASE_URL": f"sqlite:///{tmp_path / 'hub.db'}",
            "EMS_LIVE_PATH": str(tmp_path / "live"),
            "EMS_CA_PATH": str(tmp_path / "ca"),
            "EMS_IS_CLOCK_TRUSTED": "true",
            "EMS_BROKER_PORT": str(free_port()),
            "EMS_WEB_PORT": str(free_port()),
            "EMS_DOOR_PORT": str(free_port()),
            **environ,
        }
        program = [sys.executable, "-m", "hub.cli"]
        if command == "door":  # it serves with the authority's certificate
            subprocess.run([*program, "init"], cwd=REPOSITORY, env=given, check=True, capture_output=True)
        processes.append(
            subprocess.Popen(
                [*program, command],
                cwd=REPOSITORY,
                env={**given, **manager.environ(3)},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("command", "status"),
    [("ingest", "no broker; store well"), ("worker", "ems-hub init"), ("web", "serving"), ("door", "serving")],
)
def test_a_process_of_the_hub_is_ready_ticks_and_stops(
    command: str, status: str, start: Callable[..., subprocess.Popen[str]], manager: Ear
) -> None:
    """Trouble is told in its status and does not end the pings; a clean stop is said before it happens."""
    process = start(command)
    wait_for(lambda: any(line.startswith("READY=1") for line in manager.heard("")))
    wait_for(lambda: status in manager.status())
    before = manager.pings()
    wait_for(lambda: manager.pings() >= before + 2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert "STOPPING=1" in manager.heard("")


def test_a_web_worker_that_hangs_ends_the_pings(start: Callable[..., subprocess.Popen[str]], manager: Ear) -> None:
    """gunicorn's master process lives on beside it; who follows the master alone sees nothing."""
    process = start("web")
    wait_for(lambda: manager.pings() >= 1)
    (child,) = wait_for(lambda: Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())
    os.kill(int(child), signal.SIGSTOP)
    pause = threading.Event()
    pause.wait(3)  # its last touch is seen at one of the next turns
    silent = manager.pings()
    pause.wait(3)
    assert manager.pings() == silent
    os.kill(int(child), signal.SIGCONT)
    wait_for(lambda: manager.pings() > silent)


def test_the_log_is_json_when_asked(start: Callable[..., subprocess.Popen[str]]) -> None:
    """Without a journal: one object a line on standard error, for whatever collects a container's output."""
    process = start("worker", EMS_LOG_FORMAT="json")
    assert process.stderr is not None
    line = json.loads(process.stderr.readline())
    assert set(line) == {"time", "level", "logger", "message"}
    assert line["level"] in ("WARNING", "ERROR", "INFO")
    assert line["time"].endswith("+00:00")


INTERRUPTED = """
import os, signal, sys, threading
from {side}.supervision import set_at_signals
stop = threading.Event()
set_at_signals(stop)
with stop._cond:  # as the main thread holds it for a moment in every wait
    os.kill(os.getpid(), signal.SIGTERM)
assert stop.wait(30)
"""


@pytest.mark.parametrize("side", ["hub", "agent"])
def test_a_signal_that_interrupts_the_wait_for_it_is_heard(side: str) -> None:
    """Whatever the main thread was about when the signal came, the process ends."""
    code = INTERRUPTED.format(side=side)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
