"""The button of a real desk: a short press says that somebody has come, a long one asks for help."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from agent import wire
from agent.core.patterns import DeskState
from agent.heartbeat import status_line
from agent.wire import FaultKind, StandingAlert
from agent.wire_lamp import PatternName
from tests.agent.test_app import heard, plan, running
from tests.brokers import Broker
from tests.support import wait_for


def test_attended_is_quiet_at_the_lamp_and_stands_at_the_hub(
    tmp_path: Path, mosquitto_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lamp goes back to recording; the alert stands, is told with every heartbeat, and only the hub closes its
    incident. A proctor who confirms it afterwards has the last word. Help is asked for by a long press, and ended by
    whoever comes, with a short one."""
    with running(tmp_path / "desk", mosquitto_broker) as desk:
        beats = heard(desk, monkeypatch)

        def shows(pattern: str) -> bool:
            return desk.panel.lamp().pattern == pattern  # type: ignore[union-attr]

        desk.records.save_plan(wire.encode(plan(1, threshold=1.0)))
        wait_for(lambda: shows("attention"))
        desk.attending.take_press("short")
        wait_for(lambda: shows("recording"))
        assert desk.sight.standing()
        told: StandingAlert = wait_for(lambda: beats[-1].alerts)[0]

        now = desk.clock.now()
        desk.attending.take_command(
            wire.Command(
                number=1,
                name=wire.CommandKind.CONFIRM_ALERT,
                alert=told.alert,
                expires_utc_ms=now.utc_ms + 60_000,
            )
        )
        wait_for(lambda: shows("attention"))

        desk.attending.take_press("long")
        wait_for(lambda: shows("help"))
        desk.attending.take_press("short")
        wait_for(lambda: shows("recording"))
        assert desk.sitting.help is None


def test_a_short_press_alone_asks_for_nothing(tmp_path: Path, mosquitto_broker: Broker) -> None:
    """An elbow on the button is no call for help, and quietens nothing that comes later."""
    with running(tmp_path / "desk", mosquitto_broker) as desk:
        desk.attending.take_press("short")
        wait_for(lambda: not desk.attending._presses)
        desk.records.save_plan(wire.encode(plan(1, threshold=1.0)))
        wait_for(lambda: desk.panel.lamp().pattern == "attention")  # type: ignore[union-attr]
        assert desk.sitting.help is None


def test_the_status_line_is_for_people() -> None:
    """What it does, whether the hub is there, what is wrong."""
    assert status_line(DeskState(is_booting=True), "") == "booting; hub connected; no faults"
    state = DeskState(is_sitting=True, hub_away_s=3.0, faults=(FaultKind.CAMERA_LOST, FaultKind.TOO_HOT))
    assert status_line(state, "maths-1") == "recording maths-1; no hub; faults: camera_lost, too_hot"


def test_the_buzzer_may_sound_in_a_sitting_only_when_the_plan_says_so(
    tmp_path: Path, mosquitto_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silent in the sitting of the first plan, allowed by the second, at a real desk."""
    asked: list[bool] = []
    with running(tmp_path / "desk", mosquitto_broker) as desk:
        show = desk.panel.show

        def listen(name: PatternName, may_sound: bool) -> None:
            asked.append(may_sound)
            show(name, may_sound)

        monkeypatch.setattr(desk.panel, "show", listen)
        silent = plan(1, threshold=0.5)
        loud = wire.Plan(number=2, sittings=tuple(_allowing(sitting) for sitting in silent.sittings))
        for given, may_sound in ((silent, False), (loud, True)):
            desk.records.save_plan(wire.encode(given))
            wait_for(lambda given=given: desk.sitting.current == given.sittings[0])  # type: ignore[misc]
            asked.clear()
            assert wait_for(lambda: asked[1:])[-1] is may_sound


def _allowing(sitting: wire.PlannedSitting) -> wire.PlannedSitting:
    return msgspec.structs.replace(sitting, is_buzzer_allowed=True)
