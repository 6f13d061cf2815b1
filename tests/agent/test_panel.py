from __future__ import annotations

import itertools
import queue
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from gpiozero.pins.mock import MockFactory, MockPin, MockPWMPin

from agent import panel as panel_module
from agent.core.patterns import PATTERNS, PatternName
from agent.panel import Panel, PanelPins, PanelProblem, make_safe
from agent.wire import Lamp
from tests.support import wait_for

PINS = PanelPins()


@pytest.fixture
def panel() -> Iterator[Panel]:
    with_mock_pins = Panel(None)
    yield with_mock_pins
    with_mock_pins.close()


def states(panel: Panel, number: int | None) -> list[float]:
    """All states the pin went through, oldest first. (`assert_states` stops at the shorter of the two lists.)"""
    return [state.state for state in list(panel.factory.pin(number).states)]


def is_in_row(part: list[float], whole: list[float]) -> bool:
    return any(whole[at : at + len(part)] == part for at in range(len(whole)))


def test_the_lamp_plays_the_rhythm_in_its_colour(panel: Panel) -> None:
    """A fault is red on and off, without green or blue, over and over."""
    panel.show(PatternName.FAULT)
    wait_for(lambda: is_in_row([1.0, 0.0, 1.0], states(panel, PINS.red)))
    assert panel.factory.pin(PINS.green).state == 0
    assert panel.factory.pin(PINS.blue).state == 0
    assert panel.lamp() == Lamp(pattern="fault", colour="#ff0000")


def test_a_breathing_lamp_fades(panel: Panel) -> None:
    """Recording goes up and down in many small steps of green, never dark."""
    panel.show(PatternName.RECORDING)
    wait_for(lambda: len(states(panel, PINS.green)) > 40)
    breath = states(panel, PINS.green)[-25:]
    assert max(abs(later - earlier) for earlier, later in itertools.pairwise(breath)) < 0.05
    assert min(breath) > 0.1
    assert panel.factory.pin(PINS.red).state == 0


def test_a_new_pattern_comes_at_once(panel: Panel) -> None:
    """Not at the end of the long breath before it."""
    panel.show(PatternName.WAITING)
    wait_for(lambda: panel.factory.pin(PINS.blue).state > 0.5)
    panel.show(PatternName.ATTENTION)
    amber = int(PATTERNS[PatternName.ATTENTION].colour[3:5], 16) / 255
    wait_for(lambda: panel.factory.pin(PINS.green).state == amber, timeout_s=10)
    assert panel.lamp().pattern == "attention"


def test_showing_the_same_pattern_again_does_not_begin_it_anew(panel: Panel) -> None:
    """The desk says what it is several times a second; the rhythm must not stutter, nor the buzzer sound again."""
    panel.show(PatternName.ATTENTION, is_buzzer_allowed=True)
    wait_for(lambda: len(states(panel, PINS.buzzer)) == 5)
    before = len(states(panel, PINS.red))

    def show_again() -> bool:
        panel.show(PatternName.ATTENTION, is_buzzer_allowed=True)
        return len(states(panel, PINS.red)) > before + 4

    wait_for(show_again)
    assert states(panel, PINS.buzzer) == [0.0, 1.0, 0.0, 1.0, 0.0]


def test_the_buzzer_sounds_only_when_allowed(panel: Panel) -> None:
    """Forbidden, a whole round of the lamp passes without a sound."""
    panel.show(PatternName.ATTENTION)
    wait_for(lambda: states(panel, PINS.red).count(1.0) >= 4)
    assert states(panel, PINS.buzzer) == [0.0]
    panel.show(PatternName.FAULT, is_buzzer_allowed=True)
    wait_for(lambda: panel.lamp() == Lamp(pattern="fault", colour="#ff0000", is_buzzing=True))
    wait_for(lambda: states(panel, PINS.buzzer) == [0.0, 1.0, 0.0])
    assert not panel.lamp().is_buzzing


def test_a_pattern_that_is_replaced_takes_its_sound_along(panel: Panel) -> None:
    """A buzzer is never left on."""
    panel.show(PatternName.FAULT, is_buzzer_allowed=True)
    wait_for(lambda: panel.factory.pin(PINS.buzzer).state == 1)
    panel.show(PatternName.WAITING, is_buzzer_allowed=True)
    wait_for(lambda: panel.factory.pin(PINS.buzzer).state == 0)


class ClockedFactory(MockFactory):  # type: ignore[misc]
    """Mock pins whose time a test sets."""

    now_s = 0.0

    def ticks(self) -> float:
        return self.now_s


def press(factory: ClockedFactory, for_s: float, number: int | None = PINS.button) -> None:
    """Push the button to ground and let it go after `for_s`."""
    factory.pin(number).drive_low()
    factory.now_s += for_s
    factory.pin(number).drive_high()


def test_each_short_press_is_enqueued_once() -> None:
    """When the button is let go; a contact that bounces for some milliseconds says nothing."""
    presses: queue.SimpleQueue[str] = queue.SimpleQueue()
    factory = ClockedFactory(pin_class=MockPWMPin)
    panel = Panel(PINS, presses.put, factory=factory)
    for for_s in (0.2, 0.004, 0.011, 1.4):
        press(factory, for_s)
    assert [presses.get_nowait() for _ in range(presses.qsize())] == ["short", "short"]
    panel.close()


def test_a_button_that_is_held_asks_for_help_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told while it is still held, after 1.5 s; letting it go says nothing more, and the next press is a new one."""
    assert panel_module.HOLD_S == 1.5
    monkeypatch.setattr(panel_module, "HOLD_S", 0.05)
    presses: queue.SimpleQueue[str] = queue.SimpleQueue()
    factory = ClockedFactory(pin_class=MockPWMPin)
    panel = Panel(PINS, presses.put, factory=factory)
    factory.pin(PINS.button).drive_low()
    assert presses.get(timeout=30) == "long"
    factory.now_s += 5
    factory.pin(PINS.button).drive_high()
    assert presses.empty()
    panel.close()


def test_a_failing_callable_does_not_reach_the_pins_thread(caplog: pytest.LogCaptureFixture) -> None:
    """One exception there would end all button events; it is logged, and the next press still comes."""
    calls: list[str] = []

    def fail(kind: str) -> None:
        calls.append(kind)
        raise RuntimeError("queue closed")

    factory = ClockedFactory(pin_class=MockPWMPin)
    panel = Panel(PINS, fail, factory=factory)
    for _ in range(2):
        press(factory, 0.2)
    panel.close()
    assert calls == ["short", "short"]
    assert "queue closed" in caplog.text


def test_polarity_and_pins_are_the_settings() -> None:
    """A common-anode lamp, a low-active buzzer and a button to 3.3 V, on other pins."""
    presses: queue.SimpleQueue[str] = queue.SimpleQueue()
    pins = PanelPins(
        red=5,
        green=6,
        blue=13,
        buzzer=19,
        button=26,
        is_lamp_active_high=False,
        is_buzzer_active_high=False,
        is_button_to_ground=False,
    )
    factory = ClockedFactory(pin_class=MockPWMPin)
    panel = Panel(pins, presses.put, factory=factory)
    panel.show(PatternName.FAULT, is_buzzer_allowed=True)
    wait_for(lambda: factory.pin(19).state == 0)
    wait_for(lambda: factory.pin(5).state == 0)
    assert (factory.pin(6).state, factory.pin(13).state) == (1, 1)
    factory.pin(26).drive_high()
    factory.now_s += 0.2
    factory.pin(26).drive_low()
    assert presses.qsize() == 1
    panel.close()


def test_a_desk_may_have_neither_buzzer_nor_button() -> None:
    """The lamp alone works, and nothing claims to sound."""
    panel = Panel(PanelPins(buzzer=None, button=None), factory=MockFactory(pin_class=MockPWMPin))
    panel.show(PatternName.ATTENTION, is_buzzer_allowed=True)
    wait_for(lambda: 1.0 in states(panel, PINS.red))
    assert not panel.lamp().is_buzzing
    panel.close()


def test_a_tonal_buzzer_gets_its_tone_from_the_pin() -> None:
    """A passive buzzer is silent under a steady level: it hears 880 Hz while it sounds, and nothing afterwards."""
    factory = MockFactory(pin_class=MockPWMPin)
    panel = Panel(msgspec.structs.replace(PINS, is_buzzer_tonal=True), factory=factory)
    pin = factory.pin(PINS.buzzer)
    assert pin.state == 0
    panel.show(PatternName.FAULT, is_buzzer_allowed=True)
    wait_for(lambda: pin.frequency == 880 and pin.state == 0.5)
    wait_for(lambda: pin.state == 0)
    assert not panel.lamp().is_buzzing
    panel.close()


@pytest.mark.parametrize("is_high", [True, False])
def test_the_safe_state_is_dark_and_silent_and_frees_the_pins(is_high: bool) -> None:
    """After a panel that was killed with everything on: no colour, no sound, and the next one gets the pins."""
    factory = MockFactory(pin_class=MockPWMPin)
    pins = msgspec.structs.replace(PINS, is_lamp_active_high=is_high, is_buzzer_active_high=is_high)
    numbers = (pins.red, pins.green, pins.blue, pins.buzzer)
    for number in numbers:
        factory.pin(number).function = "output"
        factory.pin(number).state = int(is_high)
    driven = {number: factory.pin(number) for number in numbers}
    make_safe(pins, factory=factory)
    off = int(not is_high)
    assert all(off in [state.state for state in pin.states] for pin in driven.values())
    Panel(pins, factory=factory).close()


def test_closing_frees_the_pins_and_may_be_done_twice(panel: Panel) -> None:
    """A second panel can have the same pins, and the first one plays no more."""
    factory = panel.factory
    panel.show(PatternName.FAULT, is_buzzer_allowed=True)
    wait_for(lambda: panel.lamp().is_buzzing)
    panel.close()
    panel.close()
    assert not panel.lamp().is_buzzing
    again = Panel(PINS, factory=factory)
    assert again.factory.pin(PINS.buzzer).state == 0
    again.close()


def test_real_pins_that_cannot_be_had_are_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without GPIO a panel with pins is refused, not silently mocked."""
    monkeypatch.setitem(sys.modules, "gpiozero.pins.lgpio", None)  # a Pi has it
    with pytest.raises(PanelProblem) as refused:
        Panel(PINS)
    assert "no GPIO for lamp, buzzer and button" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_pins_that_cannot_be_used_are_one_clear_line_and_free_again() -> None:
    """Two devices on one pin, or pins without PWM: what was opened before is closed."""
    factory = MockFactory(pin_class=MockPWMPin)
    with pytest.raises(PanelProblem, match="GPIOPinInUse"):
        Panel(PanelPins(buzzer=17), factory=factory)
    Panel(PINS, factory=factory).close()
    with pytest.raises(PanelProblem, match="PinPWMUnsupported"):
        Panel(PINS, factory=MockFactory(pin_class=MockPin))


def test_a_lamp_that_breaks_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """When a pin fails while the pattern plays, the panel says so instead of ending unseen."""

    class Breaking(MockPWMPin):  # type: ignore[misc]
        def _set_state(self, value: Any) -> None:
            if value > 0.9:
                raise OSError("GPIO gone")
            super()._set_state(value)

    panel = Panel(PINS, factory=MockFactory(pin_class=Breaking))
    panel.show(PatternName.FAULT)
    assert "GPIO gone" in str(wait_for(lambda: panel.problem))
    panel.close()


def test_mock_pins_keep_a_bounded_history(panel: Panel) -> None:
    """A demo desk that breathes for days must not grow."""
    pin = panel.factory.pin(4)
    pin.function = "output"
    for n in range(5000):
        pin.state = n % 2
    assert len(pin.states) == 1000
