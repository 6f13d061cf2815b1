"""The whole way: a scene before a camera, a real desk, broker, ingest and web server, and a proctor's real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.journey.centre import Centre
from tests.support import CHROMIUM_ARGUMENTS, chromium_path, wait_for

PATIENCE_MS = 60_000


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of the machine's own Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_ARGUMENTS)
        made = browser.new_page()
        made.set_default_timeout(PATIENCE_MS)
        yield made
        browser.close()


def test_an_alert_comes_to_the_page_is_acknowledged_and_clears(place: Centre, leaving_once: Path, page: Page) -> None:
    """Nobody reloads anything: the empty seat appears in the proctor's queue by itself with its picture, the keyboard
    acknowledges it, and it is shown as cleared when the candidate is back."""
    place.start_ingest()
    address = place.start_web()
    page.goto(address)
    page.fill("#name", "proctor")
    page.fill("#password", place.password)
    page.keyboard.press("Enter")
    expect(page.locator('[data-empty="tiles"]')).to_be_visible(timeout=PATIENCE_MS)
    loads: list[str] = []
    page.on("framenavigated", lambda frame: loads.append(frame.url))

    place.start_desk(f"footage:{leaving_once}")
    place.plan()
    opened = page.locator('[data-list="open"] > li')
    expect(opened).to_have_count(1, timeout=PATIENCE_MS)
    expect(opened).to_contain_text("Nobody in view")
    expect(opened).to_contain_text("A1")
    assert loads == []

    page.keyboard.press("j")
    page.keyboard.press("Enter")
    incident = page.locator("#incident")
    expect(incident).to_be_visible(timeout=PATIENCE_MS)
    page.keyboard.press("a")
    expect(page.locator('[data-list="acknowledged"] > li')).to_have_count(1, timeout=PATIENCE_MS)
    expect(opened).to_have_count(0)
    row = wait_for(lambda: place.rows("select * from incidents where state = 'acknowledged'"))[0]
    assert row["acknowledged_by"] == "proctor"

    page.goto(f"{address}/incidents/{row['incident_id']}")
    cleared = page.locator("#incident dt", has_text="Cleared").locator(
        "xpath=following-sibling::dd[1]/*[@class='number']"
    )
    expect(cleared).to_be_visible(timeout=PATIENCE_MS)
    picture = page.locator("#incident img").first
    expect(picture).to_be_visible(timeout=PATIENCE_MS)
    assert picture.evaluate("image => image.complete && image.naturalWidth") == 640
