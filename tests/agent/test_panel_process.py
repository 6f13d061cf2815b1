"""The process that holds the pins: what the lamp shows while its agent lives, hangs, dies and stops in order."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.core.vigil import FIRST_WORD_WITHIN_MS, HOLDS_MS, STOPS_WITHIN_MS, Vigil, Wanted
from agent.panel import Panel, PanelPins, PanelProblem
from agent.panel_link import PanelLink
from agent.panel_process import PanelProcess, listen
from agent.wire import Instant
from agent.wire_lamp import PatternName
from tests.brokers import REPOSITORY
from tests.support import wait_for

RECORDING, FAULT, STOPPED = PatternName.RECORDING, PatternName.FAULT, PatternName.STOPPED


# --- the decision ---


def test_an_agent_that_never_speaks_is_a_fault() -> None:
    """Booting for ten seconds, no longer."""
    vigil = Vigil(started_up_ms=1_000)
    assert FIRST_WORD_WITHIN_MS == 10_000
    assert vigil.shows(10_999).pattern is PatternName.BOOTING
    assert vigil.shows(11_000).pattern is FAULT


def test_a_word_holds_for_three_seconds() -> None:
    """Then the lamp shows a fault, as silent as the sitting was, until the next word."""
    vigil = Vigil(0)
    assert HOLDS_MS == 3_000
    vigil.heard(Wanted(pattern=RECORDING), 5_000)
    assert vigil.shows(7_999) == (RECORDING, False)
    assert vigil.shows(8_000) == (FAULT, False)
    vigil.heard(Wanted(pattern=PatternName.WAITING, is_buzzer_allowed=True), 9_000)
    assert vigil.shows(9_000) == (PatternName.WAITING, True)
    assert vigil.shows(99_000) == (FAULT, True)


def test_a_lost_agent_is_a_fault_at_once_unless_it_said_farewell() -> None:
    """A process that is gone does not come back by itself; one that stopped in order may stay away for ever."""
    vigil = Vigil(0)
    vigil.heard(Wanted(pattern=RECORDING), 5_000)
    vigil.lost()
    assert vigil.shows(5_001).pattern is FAULT
    vigil.heard(Wanted(pattern=STOPPED, is_last=True), 6_000)
    vigil.lost()
    assert vigil.shows(10**9).pattern is STOPPED


# --- the process ---


class Stage:
    """A panel process in a thread, whose clock stands until a test moves it."""

    def __init__(self, path: Path) -> None:
        self.path, self.now_ms = path, 0
        self.presses: list[str] = []
        self.process = PanelProcess(
            listen(path), lambda on_button: Panel(None, on_button), lambda: Instant(self.now_ms, self.now_ms)
        )
        self._thread = threading.Thread(target=self.process.run, name="panel-process")
        self._thread.start()

    def shows(self, name: PatternName) -> None:
        wait_for(lambda: self.process.panel.lamp().pattern == name)

    def agent(self) -> PanelLink:
        return PanelLink(self.path, self.presses.append)

    def end(self) -> None:
        self.process.stopping.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """A path short enough for a Unix socket, whatever the test's name."""
    with tempfile.TemporaryDirectory(prefix="ems-") as folder:
        yield Path(folder) / "panel.sock"


@pytest.fixture
def stage(socket_path: Path) -> Iterator[Stage]:
    made = Stage(socket_path)
    yield made
    made.end()


def say_until(agent: PanelLink, name: PatternName, is_true: object) -> None:
    """Tick as the desk's main loop does until the condition holds."""

    def ticked() -> bool:
        agent.show(name)
        return bool(is_true())  # type: ignore[operator]

    wait_for(ticked)


def test_the_lamp_shows_what_the_agent_wants_and_the_agent_learns_it(stage: Stage) -> None:
    """The heartbeat's lamp is what the panel really plays, not what was asked for."""
    agent = stage.agent()
    assert agent.lamp() is None
    say_until(agent, RECORDING, agent.lamp)
    say_until(agent, RECORDING, lambda: agent.lamp().pattern == "recording")  # type: ignore[union-attr]
    assert agent.problem is None
    agent.close()


def test_an_agent_that_hangs_is_a_fault_and_one_that_goes_on_is_none(stage: Stage) -> None:
    """Its line is open and nothing comes: after three seconds the lamp says so by itself; a word ends it."""
    agent = stage.agent()
    agent.show(RECORDING)
    stage.shows(RECORDING)
    stage.now_ms += HOLDS_MS
    stage.shows(FAULT)
    agent.show(PatternName.WAITING)
    stage.shows(PatternName.WAITING)
    agent.close()


def test_the_panel_logs_when_its_desk_falls_silent_and_comes_back(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """One line each, and none for every turn in between."""
    caplog.set_level(logging.INFO, "agent.panel_process")
    agent = stage.agent()
    say_until(agent, RECORDING, agent.lamp)

    def falls_silent(times: int) -> bool:
        stage.now_ms += HOLDS_MS  # again and again: a word may still be under way
        return caplog.text.count("showing FAULT: the desk is silent") == times

    wait_for(lambda: falls_silent(1))
    say_until(agent, RECORDING, lambda: "the desk is back" in caplog.text)
    wait_for(lambda: falls_silent(2))
    assert caplog.text.count("the desk is back") == 1
    agent.close()


def test_a_clean_stop_is_no_fault_and_no_dead_lamp(stage: Stage) -> None:
    """While it stops the lamp stays as it is, and then says stopped, for as long as it takes."""
    agent = stage.agent()
    agent.show(RECORDING)
    stage.shows(RECORDING)
    say_until(agent, RECORDING, agent.lamp)
    agent.stopping()
    wait_for(lambda: stage.process._vigil._wanted.holds_ms == STOPS_WITHIN_MS)
    stage.now_ms += STOPS_WITHIN_MS - 1
    stage.shows(RECORDING)
    agent.close()
    agent.close()
    stage.shows(STOPPED)
    stage.now_ms += 10**9
    stage.shows(STOPPED)


def test_a_farewell_is_heard_though_the_word_before_cannot_be_answered(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent that says farewell and ends while its word before is just being answered has stopped in order."""
    agent = stage.agent()
    show = stage.process.panel.show

    def show_and_be_left(name: PatternName, is_buzzer_allowed: bool = False) -> None:
        show(name, is_buzzer_allowed)
        if name is RECORDING:
            agent.close()

    monkeypatch.setattr(stage.process.panel, "show", show_and_be_left)
    agent.show(RECORDING)
    stage.shows(STOPPED)


def test_presses_find_their_way_to_the_agent(stage: Stage) -> None:
    """Short and told once; with no agent there it is only logged."""
    agent = stage.agent()
    say_until(agent, RECORDING, agent.lamp)
    stage.process._presses.append("short")
    say_until(agent, RECORDING, lambda: stage.presses)
    assert stage.presses == ["short"]
    agent.close()


def test_the_next_agent_has_the_panel(stage: Stage) -> None:
    """One that was started again speaks while the old line is not closed yet: closing it is no fault then."""
    old = stage.agent()
    old.show(RECORDING)
    stage.shows(RECORDING)
    new = stage.agent()
    new.show(PatternName.WAITING)
    stage.shows(PatternName.WAITING)
    assert old._line is not None
    old._line.close()
    say_until(new, PatternName.WAITING, new.lamp)
    stage.shows(PatternName.WAITING)
    new.close()


def test_who_only_looks_changes_nothing_and_rubbish_harms_nobody(stage: Stage) -> None:
    """`ems-agent check` opens the socket and closes it; bytes of any kind are refused by a line in the log."""
    agent = stage.agent()
    agent.show(RECORDING)
    stage.shows(RECORDING)
    for data in (
        None,
        b"{",
        b'{"type":"wanted","pattern":"disco"}',
        b'{"type":"wanted","pattern":"fault","holds_ms":-1}',
    ):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
            line.connect(str(stage.path))
            if data is not None:
                line.send(data)
    agent.show(RECORDING)
    say_until(agent, RECORDING, agent.lamp)
    stage.shows(RECORDING)
    agent.close()


def test_an_agent_without_a_panel_goes_on_and_finds_it_when_it_comes(socket_path: Path) -> None:
    """Nothing waits; the trouble is told, and ends by itself. A panel that goes away is found again as well."""
    agent = PanelLink(socket_path, lambda press: None)
    agent.show(RECORDING)
    assert "no panel at" in str(agent.problem)
    for _ in range(2):
        stage = Stage(socket_path)
        say_until(agent, RECORDING, agent.lamp)
        stage.shows(RECORDING)
        assert agent.problem is None
        stage.end()
        say_until(agent, RECORDING, lambda: agent.problem)
        assert agent.lamp() is None
    agent.close()


def test_a_second_panel_is_refused_and_a_dead_ones_socket_is_taken_over(stage: Stage, socket_path: Path) -> None:
    """Two would fight for the pins; the name that a killed one left is nobody's."""
    with pytest.raises(PanelProblem, match="another panel runs at"):
        listen(socket_path)
    left = socket_path.with_name("left.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
        dead.bind(str(left))
    listen(left).close()
    with pytest.raises(PanelProblem, match="EMS_PANEL_SOCKET"):
        listen(socket_path / "below-a-file")


# --- the command ---


def run_panel(folder: Path, *words: str, **environ: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EMS_")}
    return subprocess.Popen(
        [sys.executable, "-m", "agent.cli", "panel", *words],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(REPOSITORY), "EMS_UNIT": "test.desk-01", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_serves_until_it_is_told_to_stop(socket_path: Path) -> None:
    """The socket is for its own user only, and gone afterwards."""
    process = run_panel(socket_path.parent, EMS_PANEL_SOCKET=str(socket_path))
    wait_for(socket_path.exists)
    assert socket_path.stat().st_mode & 0o777 == 0o600
    agent = PanelLink(socket_path, lambda press: None)
    say_until(agent, RECORDING, agent.lamp)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert not socket_path.exists()
    agent.close()


def test_the_command_says_in_one_line_what_it_lacks(tmp_path: Path) -> None:
    """No socket, two things on one pin, pins that are not there; and the safe state needs no socket."""
    commands = [
        (run_panel(tmp_path), 2, "EMS_PANEL_SOCKET"),
        (run_panel(tmp_path, "--safe", EMS_BUZZER_PIN="17"), 2, "EMS_BUZZER_PIN: pin 17 is taken by EMS_LAMP_RED_PIN"),
        (run_panel(tmp_path, "--safe", EMS_PANEL="gpio"), 2, "no GPIO for lamp, buzzer and button"),
        (run_panel(tmp_path, "--safe"), 0, ""),
    ]
    for process, code, words in commands:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == code, errors
        assert words in errors
        assert errors.count("\n") == (1 if code else 0)


def test_pins_of_a_desk_are_those_of_its_settings() -> None:
    """Every setting of the panel reaches it."""
    from agent.config import Settings
    from agent.devices import panel_pins

    settings = Settings(
        unit="test.desk-01",
        panel="gpio",
        lamp_red_pin=5,
        lamp_green_pin=6,
        lamp_blue_pin=13,
        is_lamp_active_high=False,
        buzzer_pin=19,
        buzzer="tonal",
        is_buzzer_active_high=False,
        button_pin=26,
        is_button_to_ground=False,
    )
    assert panel_pins(settings) == PanelPins(
        red=5,
        green=6,
        blue=13,
        buzzer=19,
        button=26,
        is_lamp_active_high=False,
        is_buzzer_active_high=False,
        is_buzzer_tonal=True,
        is_button_to_ground=False,
    )
    silent = panel_pins(Settings(unit="test.desk-01", panel="gpio", buzzer="none"))
    assert silent is not None
    assert silent.buzzer is None
