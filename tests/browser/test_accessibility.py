"""Every page for everybody: WCAG 2.1 AA by axe in both themes, a phone's width, twice the size, and by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.accessibility import COLOURS, CUT, SCROLLING, addresses, violations
from tests.browser.keyboard import walk
from tests.browser.test_pages import Visit
from tests.hub.website import PASSWORD, served
from tests.hub.whole_centre import TOKEN, Filled, fill_centre

OPENED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("/", ("?",)),
    ("/", (".menu.more summary",)),
    ("/", (".menu:not(.more) summary",)),
    ("/", (".marking summary",)),
    ("/", ("l",)),
    ("/", (".queued a",)),
    ("/?seat=2", ("w",)),
    ("/incidents/1", ("v",)),
    ("/rooms/1/2/masks", ("[data-add]", "[data-close]")),
)
"""An address, and what is pressed or clicked there in turn."""
WALKED = (
    "/",
    "/?seat=2",
    "/incidents/",
    "/incidents/1",
    "/incidents/budget",
    "/seats/2/film",
    "/exams/new",
    "/profiles/one?profile=standard",
    "/sittings/sitting-1/roster",
    "/sittings/maths-1/preflight/",
    "/sittings/maths-1/close",
    "/sittings/old-1/report",
    "/rooms/1",
    "/rooms/1/2/masks",
    "/units/",
    "/retention/",
)
"""One page of each make."""


class Place(NamedTuple):
    address: str
    filled: Filled
    pages: list[str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("hub")
    with served(folder) as (address, centre):
        filled = fill_centre(centre, folder)
        yield Place(address, filled, addresses(folder, filled))


@pytest.fixture(scope="module")
def context(browser: Browser, place: Place) -> Iterator[BrowserContext]:
    """An admin's browser. It lets axe's script in, which the pages' own rules would not; nothing else differs."""
    visit = Visit(browser, place.address)
    visit.open("Root")
    made = browser.new_context(
        storage_state=visit.context.storage_state(),
        viewport={"width": 1366, "height": 768},
        bypass_csp=True,
        reduced_motion="reduce",
        color_scheme="light",
    )
    visit.context.close()
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    made = context.new_page()
    made.set_default_timeout(20_000)
    yield made
    made.close()


def wrong(page: Page) -> list[str]:
    """In both themes and three sizes."""
    page.set_viewport_size({"width": 1366, "height": 768})
    found = violations(page)
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {line}" for line in violations(page, COLOURS)]
    page.emulate_media(color_scheme="light")
    for width, height in ((683, 384), (360, 640)):
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{width} px: {line}" for line in page.evaluate(CUT) + violations(page, SCROLLING)]
    return found


def settle(page: Page) -> None:
    """Wait until what scripts draw stands there."""
    if page.locator(".tiles").count():
        expect(page.locator(".tile, .nothing").first).to_be_visible()
    if "seat=" in page.url and page.locator(".panel").count():
        expect(page.locator(".panel h1").first).to_be_visible()


@pytest.mark.parametrize("half", [0, 1])
def test_every_page(place: Place, page: Page, half: int) -> None:
    """Those of the app's map of addresses, so that a new one is looked at by itself."""
    found = []
    for path in place.pages[half::2]:
        page.goto(place.address + path)
        settle(page)
        found += [f"{path}: {line}" for line in wrong(page)]
    assert not found, "\n".join(found)


def test_what_is_opened_on_a_page(place: Place, page: Page) -> None:
    """Sheets, menus, folded parts and panels, each as it stands open."""
    found = []
    for path, clicks in OPENED:
        page.set_viewport_size({"width": 1366, "height": 768})
        page.goto(place.address + path)
        settle(page)
        for click in clicks:
            page.keyboard.press(click) if len(click) == 1 else page.locator(click).first.click()
        found += [f"{path} {clicks[-1]}: {line}" for line in wrong(page)]
    for path in (
        "/incidents/1",
        "/seats/2",
        "/units/",
        "/sittings/sitting-1",
        "/rooms/1",
        "/sittings/sitting-1/roster",
    ):
        page.set_viewport_size({"width": 1366, "height": 768})
        page.goto(place.address + path)
        page.evaluate("for (const each of document.querySelectorAll('main details')) each.open = true")
        found += [f"{path} unfolded: {line}" for line in wrong(page)]
    page.goto(f"{place.address}/sittings/old-1/report")
    page.emulate_media(media="print")
    found += [f"printed: {line}" for line in violations(page, COLOURS)]
    assert not found, "\n".join(found)


def test_the_doors(place: Place, page: Page, browser: Browser) -> None:
    """Who is not let in, the log-in, forms that were refused, the wall and its door."""
    found = []
    page.goto(f"{place.address}/sittings/sitting-1/roster")
    rows = "Number,Name,Seat\n101,Zoe Quiet,A1\n7,Ida,Z9\n"
    page.set_input_files("#file", {"name": "r.csv", "mimeType": "text/csv", "buffer": rows.encode()})
    page.get_by_role("button", name="Look at the file").click()
    expect(page.locator("table.problems")).to_be_visible()
    found += [f"a file with an error: {line}" for line in wrong(page)]
    for path in ("/exams/new", "/rooms/", "/holds/new?sitting=sitting-1"):
        page.goto(place.address + path)
        form = page.locator("main form[method=post]").last
        form.evaluate("form => { form.noValidate = true; }")
        form.locator("button").last.click()
        found += [f"{path} refused: {line}" for line in wrong(page)]
    outside = browser.new_context(bypass_csp=True, color_scheme="light", reduced_motion="reduce")
    door = outside.new_page()
    for path in ("/login", "/no/such/page", "/wall", f"/wall#{TOKEN}"):
        door.goto("about:blank")  # what follows a # alone is no new page
        door.goto(place.address + path)
        if TOKEN in path:
            expect(door.locator(".seat").first).to_be_visible()
        found += [f"{path}: {line}" for line in wrong(door)]
    door.goto(f"{place.address}/login")
    door.fill("#name", "Tim")
    door.fill("#password", "wrong password")
    door.click("button.primary")
    found += [f"a wrong password: {line}" for line in wrong(door)]
    door.fill("#password", PASSWORD)
    door.click("button.primary")
    expect(door.locator(".tile").first).to_be_visible()
    door.goto(f"{place.address}/people/")
    found += [f"not allowed: {line}" for line in wrong(door)]
    outside.close()
    assert not found, "\n".join(found)


def test_every_place_is_reached_by_the_keyboard(place: Place, page: Page) -> None:
    """Tab stops at everything that can be used, in the page's order, where it can be seen; and nothing holds it."""
    found = []
    for path in WALKED:
        page.set_viewport_size({"width": 1366, "height": 768})
        page.goto(place.address + path)
        settle(page)
        found += [f"{path}: {line}" for line in walk(page)]
    assert not found, "\n".join(found)


def test_the_bar_can_be_skipped_and_a_sheet_gives_the_focus_back(place: Place, page: Page) -> None:
    page.goto(f"{place.address}/incidents/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
    page.locator("main a").first.focus()
    page.keyboard.press("?")
    for _ in range(4):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    expect(page.locator("main a").first).to_be_focused()
