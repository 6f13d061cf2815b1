"""The pre-flight in a real browser, while another process (this one) writes what desks tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_pages import CONTRAST, Visit
from tests.hub.preflights import WELL, hall
from tests.hub.seed import Centre
from tests.hub.website import served

PATH = "/sittings/maths-1/preflight/"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, Centre]]:
    with served(tmp_path) as (address, centre):
        hall(centre, 7, broken=1, columns=4)
        centre.facts()
        yield address, centre


def test_the_page_follows_the_desks_while_a_reason_is_typed(hub: tuple[str, Centre], browser: Browser) -> None:
    """What fails or is mended shows by itself and the reason stays; what failed after the page was shown is no part of
    what is overridden until the page has shown it."""
    address, centre = hub
    visit = Visit(browser, address)
    page = visit.open("Ada")
    page.goto(address + PATH)
    seat = page.locator('[data-seat="A1"]')
    expect(seat).to_have_attribute("data-level", "red")
    page.locator("#reason-1").fill("the lens is on order")
    page.locator("#reason-1").focus()
    centre.heartbeat("hall.desk-02", **(WELL | {"is_covered": True}))
    second = page.locator('[data-seat="A2"]')
    expect(second).to_have_attribute("data-level", "red")
    expect(second).to_contain_text("Covered or dark")
    expect(page.locator("#reason-2")).to_be_visible()
    expect(page.locator("#reason-1")).to_have_value("the lens is on order")
    expect(page.locator("#reason-1")).to_be_focused()
    expect(page.locator("[data-start]")).to_have_text("Start sitting with 3 overrides")
    page.locator("[data-start]").press("Enter")
    expect(page.locator("#wrong")).to_contain_text("A2, B3")
    expect(page.locator("#reason-1")).to_have_value("the lens is on order")
    centre.heartbeat("hall.desk-02", **WELL)
    expect(second).to_have_attribute("data-level", "green")
    page.locator("#reason-7").fill("nobody sits here")
    page.locator("[data-start]").press("Enter")
    expect(page.locator("[data-recording]")).to_have_text("0 of 6 recording")
    for desk in range(1, 6):
        centre.heartbeat(f"hall.desk-0{desk}", **(WELL | {"state": "recording", "sitting": "maths-1"}))
    expect(page.locator("[data-recording]")).to_have_text("5 of 6 recording")
    assert visit.complaints == [
        "Failed to load resource: the server responded with a status of 422 (UNPROCESSABLE ENTITY)"
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_phone_and_can_be_read(hub: tuple[str, Centre], browser: Browser, theme: str) -> None:
    """Nothing is wider than 360 px, and every text has its contrast."""
    address, _ = hub
    visit = Visit(browser, address, 360, 800)
    visit.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page = visit.open("Ada")
    page.goto(address + PATH)
    expect(page.locator('[data-seat="A1"]')).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate(CONTRAST) == []
    assert visit.complaints == []
