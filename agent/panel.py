"""The desk's lamp, buzzer and button by gpiozero; on a PC its mock pins.

One thread of the panel's own plays the pattern: gpiozero's `blink` and `pulse` know one on and one off time only, and
its `source` polls 100 times a second for each device.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

from gpiozero import RGBLED, Button, Buzzer, TonalBuzzer
from gpiozero.pins.mock import MockFactory, MockPWMPin
from gpiozero.tones import Tone
from msgspec import Struct

from agent.core.patterns import PATTERNS, Pattern, PatternName, moments
from agent.wire import Lamp

log = logging.getLogger(__name__)

BOUNCE_S = 0.05
LEAST_PRESS_S = 0.03
"""Whatever ends sooner is a contact's bounce or a spark, no finger: lgpio has been seen to let some through."""
HOLD_S = 1.5
"""Held for so long the button asks for help: nobody does that by leaning on the desk for a moment."""
TONE = "A5"
"""A tonal buzzer's, the highest that gpiozero's gives without other settings: heard, not felt as an alarm."""
_STATES_KEPT = 1000


class PanelProblem(Exception):
    """The panel's pins cannot be used; the message says why, in one line."""


class PanelPins(Struct, frozen=True, kw_only=True):
    """BCM pin numbers and polarity. Without `buzzer` or `button` (None) the desk has none.

    `is_lamp_active_high` is False for a common-anode lamp. A tonal buzzer is passive: the pin gives it its tone. The
    button joins its pin to ground; with `is_button_to_ground=False` to 3.3 V.
    """

    red: int = 17
    green: int = 27
    blue: int = 22
    buzzer: int | None = 23
    button: int | None = 24
    is_lamp_active_high: bool = True
    is_buzzer_active_high: bool = True
    is_buzzer_tonal: bool = False
    is_button_to_ground: bool = True


Press = Literal["short", "long"]


class _Tonal(TonalBuzzer):  # type: ignore[misc]  # gpiozero has no types
    """A passive buzzer that goes on and off as an active one does."""

    def on(self) -> None:
        self.play(Tone(TONE))

    def off(self) -> None:
        self.stop()


class _PcPin(MockPWMPin):  # type: ignore[misc]  # gpiozero has no types
    """A mock pin that keeps its newest states only: gpiozero's keeps all, hundreds of megabytes a day of breathing."""

    def clear_states(self) -> None:
        super().clear_states()
        self.states: Any = deque(self.states, maxlen=_STATES_KEPT)


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _gpio_factory() -> Any:
    # Named outright: gpiozero's own search only warns when lgpio fails, and goes on to factories that do nothing.
    try:
        from gpiozero.pins.lgpio import LGPIOFactory

        return LGPIOFactory()
    except Exception as error:  # lgpio.error, ImportError, OSError, a board without a revision: all one answer
        raise PanelProblem(f"no GPIO for lamp, buzzer and button: {_in_words(error)}") from error


def _open_lamp(pins: PanelPins, factory: Any) -> Any:
    return RGBLED(pins.red, pins.green, pins.blue, active_high=pins.is_lamp_active_high, pin_factory=factory)


def _open_buzzer(pins: PanelPins, factory: Any) -> Any:
    if pins.buzzer is None:
        return None
    if pins.is_buzzer_tonal:
        return _Tonal(pins.buzzer, pin_factory=factory)
    return Buzzer(pins.buzzer, active_high=pins.is_buzzer_active_high, pin_factory=factory)


def make_safe(pins: PanelPins | None, *, factory: Any = None) -> None:
    """Switch lamp and buzzer off and free their pins, after whoever held them is gone. Raises PanelProblem."""
    own = factory or (MockFactory(pin_class=_PcPin) if pins is None else _gpio_factory())
    try:
        with contextlib.closing(own), contextlib.ExitStack() as stack:
            for open_device in (_open_lamp, _open_buzzer):  # gpiozero opens them switched off
                device = open_device(pins or PanelPins(), own)
                if device is not None:
                    stack.callback(device.close)
    except Exception as error:  # gpiozero's own, lgpio.error, OSError: they have no common parent
        raise PanelProblem(f"lamp and buzzer: {_in_words(error)}") from error


class Panel:
    """Lamp, buzzer and button of this desk.

    `pins` None means mock pins, for a PC. `on_button` is told of each press, from a thread of gpiozero's: it must only
    enqueue. A short one is told when the button is let go, a long one as soon as it is long. `factory` is a gpiozero
    pin factory to use instead; the panel closes it. Raises PanelProblem when real pins are asked for and cannot be had.
    `problem` is the text of an error that ended the playing, else None. `ticks` counts the moments played.
    """

    def __init__(
        self, pins: PanelPins | None, on_button: Callable[[Press], None] | None = None, *, factory: Any = None
    ) -> None:
        self.problem: str | None = None
        self.ticks = 0
        self.factory = factory or (MockFactory(pin_class=_PcPin) if pins is None else _gpio_factory())
        self._on_button = on_button
        self._pressed_s: float | None = None
        self._devices: list[Any] = []
        try:
            self._open(pins or PanelPins())
        except Exception as error:  # gpiozero's own, lgpio.error, OSError: they have no common parent
            self._close_devices()
            raise PanelProblem(f"lamp, buzzer and button: {_in_words(error)}") from error
        self._pattern = PATTERNS[PatternName.BOOTING]
        self._is_buzzer_allowed = False
        self._is_buzzing = False
        self._is_closing = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="panel", daemon=True)
        self._thread.start()

    def _open(self, pins: PanelPins) -> None:
        self._lamp = _open_lamp(pins, self.factory)
        self._devices.append(self._lamp)
        self._buzzer = _open_buzzer(pins, self.factory)
        if self._buzzer is not None:
            self._devices.append(self._buzzer)
        if pins.button is not None:
            button = Button(
                pins.button,
                pull_up=pins.is_button_to_ground,
                bounce_time=BOUNCE_S,
                hold_time=HOLD_S,
                pin_factory=self.factory,
            )
            self._devices.append(button)
            button.when_pressed = self._push
            button.when_held = self._hold
            button.when_released = self._let_go

    def _push(self) -> None:
        self._pressed_s = self.factory.ticks()

    def _hold(self) -> None:
        self._pressed_s = None  # told now: letting go says nothing more
        self._tell("long")

    def _let_go(self) -> None:
        pressed_s, self._pressed_s = self._pressed_s, None
        if pressed_s is not None and self.factory.ticks() - pressed_s >= LEAST_PRESS_S:
            self._tell("short")

    def _tell(self, press: Press) -> None:
        try:
            if self._on_button is not None:
                self._on_button(press)
        except Exception:  # lgpio's one notify thread ends with the first exception, and every later press is lost
            log.exception("the button's callable failed")

    def show(self, name: PatternName, is_buzzer_allowed: bool = False) -> None:
        """Play this pattern from its beginning until another is shown; the pattern already playing goes on."""
        with self._news:
            self._is_buzzer_allowed = is_buzzer_allowed
            self._pattern = PATTERNS[name]
            self._news.notify_all()

    def stopping(self) -> None:
        """The agent has begun to end: the pattern goes on until `close`."""

    def lamp(self) -> Lamp:
        """What lamp and buzzer do now: the pattern's own colour, whatever the moment of its rhythm."""
        with self._news:
            return Lamp(pattern=self._pattern.name, colour=self._pattern.colour, is_buzzing=self._is_buzzing)

    def close(self) -> None:
        """End the pattern, lamp and buzzer off, pins free. May be called twice."""
        with self._news:
            self._is_closing = True
            self._news.notify_all()
        self._thread.join()
        self._close_devices()

    def _close_devices(self) -> None:
        try:
            for device in reversed(self._devices):
                device.close()
            self.factory.close()
        except Exception:  # the desk is stopping: a pin that resists must not keep the recording from being closed
            log.exception("the panel's pins were not freed")
        self._devices.clear()

    # --- the panel's thread ---

    def _run(self) -> None:
        try:
            while not self._is_closing:
                with self._news:
                    pattern, is_sounding = self._pattern, self._is_buzzer_allowed
                self._play(pattern, is_sounding)
        except Exception as error:
            self.problem = f"the panel stopped: {_in_words(error)}"
            log.exception("the panel stopped")

    def _play(self, pattern: Pattern, is_sounding: bool) -> None:
        """Play `pattern` until another is shown or the panel closes."""
        red, green, blue = (int(pattern.colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        for moment in moments(pattern, is_sounding and self._buzzer is not None):
            self.ticks += 1
            self._lamp.value = (red * moment.level, green * moment.level, blue * moment.level)
            self._sound(moment.is_buzzing and self._is_buzzer_allowed)
            if self._is_over(pattern, moment.ms):
                break
        self._sound(False)

    def _sound(self, is_buzzing: bool) -> None:
        if self._buzzer is not None and is_buzzing is not self._is_buzzing:
            (self._buzzer.on if is_buzzing else self._buzzer.off)()
            self._is_buzzing = is_buzzing

    def _is_over(self, pattern: Pattern, ms: int) -> bool:
        """Wait, but no longer than `pattern` is the one to play."""
        with self._news:
            return self._news.wait_for(lambda: self._is_closing or self._pattern is not pattern, ms / 1000)
