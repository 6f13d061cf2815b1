"""What the desk tells the service manager: its loops turn, whatever its parts find."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent import supervision
from agent.supervision import Loop, Notifier, Supervisor
from agent.wire import Instant
from tests.agent.test_app import running
from tests.brokers import REPOSITORY, Broker, free_port
from tests.notified import Ear, ear
from tests.support import wait_for

UNIT = "test.desk-01"


@pytest.fixture
def manager() -> Iterator[Ear]:
    with ear() as made:
        yield made


def at(ms: int) -> Instant:
    return Instant(1_000 + ms, ms)


# --- the protocol ---


def test_outside_a_service_manager_nothing_is_said() -> None:
    """No socket in the environment, no word, no watchdog."""
    notifier = Notifier({})
    assert notifier.watchdog_ms is None
    Supervisor(notifier=notifier).ready()


def test_the_words_are_systemds(manager: Ear) -> None:
    """READY, STATUS in one line and only when it changes, WATCHDOG three times in its limit, STOPPING."""
    supervisor = Supervisor(notifier=Notifier(manager.environ(15)))
    supervisor.ready()
    for text in ("waiting;\n no faults", "waiting; no faults", "recording"):
        supervisor.say(text)
    for ms in range(0, 15_000, 200):
        supervisor.step(at(ms))
    supervisor.stopping("stopping")
    assert manager.heard("")[:4] == [
        "READY=1",
        "WATCHDOG_USEC=15000000",
        "STATUS=waiting; no faults",
        "STATUS=recording",
    ]
    assert manager.pings() == 4  # the last one gives the stop its time
    assert manager.heard("")[-2:] == ["STOPPING=1", "STATUS=stopping"]


def test_the_start_after_an_enrolment_has_the_time_of_a_start(manager: Ear) -> None:
    """The unit was ready while it waited to be let in; then it loads its models, and nothing pings. Ready again, the
    old limit holds. Without a watchdog none is asked for."""
    supervisor = Supervisor(notifier=Notifier(manager.environ(15)))
    supervisor.ready()
    supervisor.busy()
    supervisor.ready()
    limits = [int(line.partition("=")[2]) for line in manager.heard("WATCHDOG_USEC=")]
    assert limits == [15_000_000, 120_000_000, 15_000_000]
    before = len(manager.heard(""))
    Supervisor(notifier=Notifier({"NOTIFY_SOCKET": str(manager.path)})).busy()
    assert len(manager.heard("")) == before


def test_an_abstract_socket_and_one_that_is_gone() -> None:
    """A container's manager may use a name without a file; and a manager that went away costs nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0ems-test-notify")
        Notifier({"NOTIFY_SOCKET": "@ems-test-notify"}).send("READY=1")
        assert listening.recv(100) == b"READY=1"
    Notifier({"NOTIFY_SOCKET": "@ems-test-notify"}).send("READY=1")


def test_the_watchdog_of_another_process_is_not_ours(manager: Ear) -> None:
    """A child inherits the environment; the pings are the main process's."""
    environ = {**manager.environ(15), "WATCHDOG_PID": str(os.getpid() + 1)}
    assert Notifier(environ).watchdog_ms is None
    assert Notifier({**environ, "WATCHDOG_PID": str(os.getpid())}).watchdog_ms == 15_000


def test_one_loop_that_stands_still_ends_the_pings(manager: Ear, caplog: pytest.LogCaptureFixture) -> None:
    """Beyond its own limit, named in the log; they come again when it turns again."""
    ticks = {"sight": 0, "link": 0}
    loops = (Loop("sight", lambda: ticks["sight"], 2_000), Loop("link", lambda: ticks["link"], 60_000))
    supervisor = Supervisor(loops, Notifier(manager.environ(3)))
    with caplog.at_level(logging.WARNING):
        for ms in range(0, 10_000, 500):
            ticks["sight"] += ms < 2_000
            supervisor.step(at(ms))
    pings = manager.pings()
    assert pings == 4  # at 0, 1, 2 and 3 s: it stood since 1.5 s
    assert supervisor.stuck == ("sight",)
    assert caplog.messages == ["these loops stand still: sight"]
    ticks["sight"] += 1
    supervisor.step(at(10_000))
    assert manager.pings() == pings + 1
    assert not supervisor.stuck


# --- a real desk ---


@pytest.fixture
def start(tmp_path: Path, manager: Ear) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a real desk process under the manager's environment with a watchdog of 1.5 s."""
    processes: list[subprocess.Popen[bytes]] = []

    def begin(**environ: str) -> subprocess.Popen[bytes]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("EMS_")}
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "agent.cli", "run"],
                cwd=REPOSITORY,
                env={
                    **clean,
                    "EMS_UNIT": UNIT,
                    "STORAGE_PATH": str(tmp_path / "desk"),
                    "EMS_STORAGE_LOW_BYTES": "0",
                    "EMS_BROKER_PORT": str(free_port()),
                    **manager.environ(1.5),
                    **environ,
                },
            )
        )
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.wait()


def test_a_desk_without_camera_and_broker_keeps_ticking_and_one_that_hangs_does_not(
    start: Callable[..., subprocess.Popen[bytes]], manager: Ear
) -> None:
    """Both are faults that its status names; the pings go on. Stopped by SIGSTOP it is silent; going on, it pings
    again; a clean stop is said, and at its end that the recording is closed."""
    process = start(CAMERA_DEVICE="/dev/video-none")
    wait_for(lambda: manager.heard("READY=1"))
    wait_for(lambda: "camera_lost" in manager.status())
    assert manager.status().startswith("waiting for a sitting; no hub; faults: ")
    before = manager.pings()
    wait_for(lambda: manager.pings() >= before + 6)

    process.send_signal(signal.SIGSTOP)
    wait_for(lambda: state_of(process.pid) == "T")
    silent = manager.pings()
    pause = threading.Event()
    pause.wait(2)
    assert manager.pings() == silent
    process.send_signal(signal.SIGCONT)
    wait_for(lambda: manager.pings() > silent)

    process.terminate()
    assert process.wait(60) == 0
    assert manager.heard("STOPPING=1") == ["STOPPING=1"]
    assert manager.status() == "stopped: the recording is closed"


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_looking_thread_that_hangs_ends_the_pings_while_the_main_loop_ticks(
    tmp_path: Path, mosquitto_broker: Broker, manager: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that never returns: the desk still tells its heartbeats, but it is started again for it."""
    monkeypatch.setattr(supervision, "SIGHT_LIMIT_MS", 1_500)
    for name, value in manager.environ(1.5).items():
        monkeypatch.setenv(name, value)
    go_on = threading.Event()
    with running(tmp_path / "desk", mosquitto_broker) as desk:
        wait_for(lambda: desk.sight.seen().look)
        wait_for(lambda: manager.pings() >= 3)
        observe = desk.sight._observe
        desk.sight._observe = lambda *given: (go_on.wait(60), observe(*given))[1]
        wait_for(lambda: desk.supervisor.stuck == ("sight",))
        silent, turns = manager.pings(), desk.panel.ticks
        beats: list[object] = []
        with monkeypatch.context() as patch:
            patch.setattr(desk.link, "publish_heartbeat", beats.append)
            wait_for(lambda: len(beats) >= 2)
        assert desk.panel.ticks > turns
        assert manager.pings() == silent
        go_on.set()
        wait_for(lambda: manager.pings() > silent)
