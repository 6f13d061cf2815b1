"""The wiring table and drawing say what the settings' defaults are, pin for pin."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory

import agent
from agent.config import Settings, variable_of

FOLDER = Path(agent.__file__).parent
PINS = ("lamp_red_pin", "lamp_green_pin", "lamp_blue_pin", "buzzer_pin", "button_pin")
DEFAULTS = Settings(unit="test.desk-01")


def header() -> dict[str, list[int]]:
    """The numbers on the Raspberry Pi's 40-pin header by the pins' names, as gpiozero has them."""
    found: dict[str, list[int]] = {}
    for number, pin in MockFactory().board_info.headers["J8"].pins.items():
        found.setdefault(pin.name, []).append(number)
    return found


@pytest.mark.parametrize("field", PINS)
def test_the_table_has_each_pin(field: str) -> None:
    """The default's GPIO number and the header's number stand in the setting's own row."""
    name = f"GPIO{getattr(DEFAULTS, field)}"
    (number,) = header()[name]
    (row,) = [line for line in (FOLDER / "README.md").read_text().splitlines() if f"`{variable_of(field)}`" in line]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert re.match(rf"{name}\b", cells[2])
    assert cells[3] == str(number)


def test_the_drawing_has_each_pin_and_only_pins_that_are_so() -> None:
    """Every GPIO of the defaults is drawn, and each label of the header stands beside its own number."""
    drawing = (FOLDER / "wiring.svg").read_text()
    labels = re.findall(r">(GPIO\d+|GND|5V|3V3)</text>\n<text[^>]*>pin (\d+)<", drawing)
    assert len(labels) == 10
    for name, number in labels:
        assert int(number) in header()[name], name
    assert {name for name, _ in labels if name.startswith("GPIO")} == {f"GPIO{getattr(DEFAULTS, f)}" for f in PINS}
    for words in ("EMS_IS_LAMP_ACTIVE_HIGH=true", "EMS_IS_LAMP_ACTIVE_HIGH=false", "EMS_IS_BUTTON_TO_GROUND=true"):
        assert words in drawing
    assert (DEFAULTS.is_lamp_active_high, DEFAULTS.is_button_to_ground, DEFAULTS.buzzer) == (True, True, "active")
