"""How soon a browser shows the Live page of a room of sixty seats: the first thing painted, in Chromium, from the
asking for the page on, with an empty cache each time. For `python -m tests.bench hub`."""

from __future__ import annotations

from collections.abc import Sequence

from playwright.sync_api import sync_playwright

from tests.support import CHROMIUM_ARGUMENTS, chromium_path

FIRST = "() => performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)[0] ?? null"


def paints(address: str, cookies: Sequence[tuple[str, str]], path: str, rounds: int) -> list[float]:
    """Seconds of each of `rounds`."""
    found = []
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_ARGUMENTS)
        for _ in range(rounds):
            context = chromium.new_context(viewport={"width": 1366, "height": 768})
            context.add_cookies([{"name": name, "value": value, "url": address} for name, value in cookies])
            page = context.new_page()
            page.goto(f"{address}{path}", wait_until="load")
            page.wait_for_function(f"({FIRST})() !== null")
            assert page.locator("[data-tile], .tile").count() >= 60
            found.append(float(page.evaluate(FIRST)) / 1000)
            context.close()
        chromium.close()
    return found
