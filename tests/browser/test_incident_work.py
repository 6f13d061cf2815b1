"""Incidents worked in a real browser: by keyboard alone, by two people, and a whole room at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from hub.core.review_list import Filter
from hub.live import LiveFolder
from hub.room_watch import RoomWatch
from hub.store import incidents, review_list
from tests.browser.test_pages import CONTRAST, Visit
from tests.hub.seed import Centre, now_ms
from tests.hub.website import served

ARABIC = "المراقب كان بجانب المقعد"
LONG = "C" * 40


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, Centre]]:
    with served(tmp_path) as (address, centre):
        room = centre.room("Main hall")
        for n in range(1, 7):
            centre.seat(room, f"A{n}", f"c.d{n}")
            centre.heartbeat(f"c.d{n}")
        values = {"sitting": "sitting-1", "number": LONG, "name": "ليلى", "seat": "A1"}
        candidate = centre.insert("candidates", **values)
        centre.insert("stays", candidate_id=candidate, sitting="sitting-1", seat="A1")
        yield address, centre


@pytest.fixture
def visit(browser: Browser, hub: tuple[str, Centre]) -> Iterator[Visit]:
    found = Visit(browser, hub[0])
    yield found
    found.context.close()
    assert found.complaints == []


def emptied(centre: Centre, count: int = 5) -> int:
    """That many seats empty at once, and what the worker makes of it; answers the room incident's number."""
    for n in range(1, count + 1):
        centre.alert(f"c.d{n}", "seat_empty", age_ms=1_000, still=n)
    centre.facts()
    RoomWatch(centre.store, LiveFolder(centre.folder.path)).turn(now_ms())
    return int(review_list.page(centre.store, Filter(state="unfinished")).rows[0]["incident_id"])


def is_within(page: Page) -> bool:
    """Whether nothing makes the page wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_an_incident_is_worked_by_keyboard_alone(hub: tuple[str, Centre], visit: Visit) -> None:
    """Acknowledge, mine, sort, comment, hold, verdict, reopen: not one click, and the sheet lists the keys."""
    address, centre = hub
    number = centre.alert("c.d1", "seat_empty", still=1)
    page = visit.open("Ada")
    page.goto(f"{address}/incidents/{number}")
    page.keyboard.press("?")
    for words in ("Assign to me", "Sort: choose a category", "Hold: its film is kept", "Reopen", "Write a comment"):
        expect(page.locator("#keys")).to_contain_text(words)
    page.keyboard.press("?")
    page.keyboard.press("a")
    expect(page.locator(".where")).to_contain_text("Acknowledged by Ada")
    page.keyboard.press("g")
    expect(page.locator(".sorted")).to_contain_text("Assigned to Ada")
    page.keyboard.press("c")
    page.keyboard.type(ARABIC)
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    expect(page.locator("#category")).to_be_focused()
    for _ in range(9):
        page.keyboard.press("ArrowDown")
    expect(page.locator("#category")).to_have_value("candidate.unwell")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".sorted")).to_contain_text("Candidate: Unwell")
    expect(page.locator(".thread")).to_contain_text(ARABIC)
    assert page.locator(".thread blockquote").first.evaluate("it => getComputedStyle(it).direction") == "rtl"
    page.keyboard.press("h")
    expect(page.locator("#hold-reason")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("v")
    page.keyboard.press("2")
    expect(page.locator('input[value="refer"]')).to_be_checked()
    page.keyboard.press("Enter")
    expect(page.locator(".where")).to_contain_text("Refer")
    page.keyboard.press("o")
    expect(page.locator(".where")).to_contain_text("To review")
    assert incidents.one(centre.store, number).row["category"] == "candidate.unwell"


def test_the_second_person_confirms_and_what_the_first_typed_stays(
    browser: Browser, hub: tuple[str, Centre], visit: Visit
) -> None:
    address, centre = hub
    number = centre.alert("c.d1", still=1)
    mine, other = visit.open("Ada"), Visit(browser, address)
    theirs = other.open("Grace")
    for page in (mine, theirs):
        page.goto(f"{address}/incidents/{number}")
        expect(page.locator('body[data-feed="streaming"]')).to_be_attached()
    theirs.locator("#text").fill("I look, too")
    theirs.locator("#category").select_option("other.unclear")
    mine.keyboard.press("v")
    mine.keyboard.press("3")
    mine.keyboard.press("Enter")
    expect(mine.locator(".second")).to_contain_text("Somebody else has to confirm it")
    expect(theirs.locator(".second").first).to_contain_text("Ada proposed")
    expect(theirs.locator("#text")).to_have_value("I look, too")
    expect(theirs.locator("#category")).to_have_value("other.unclear")
    theirs.get_by_role("button", name="Confirm: confirmed by the centre").press("Enter")
    expect(theirs.locator(".where")).to_contain_text("Confirmed by the centre")
    expect(mine.locator(".thread")).to_contain_text("Grace closed: Confirmed by the centre")
    expect(mine.locator(".thread")).to_contain_text("I look, too")
    other.context.close()
    assert other.complaints == []


def test_a_room_is_one_line_in_the_queue_and_closes_with_its_members(hub: tuple[str, Centre], visit: Visit) -> None:
    """The Live page shows one line for five seats; its panel shows the members, and one verdict closes all."""
    address, centre = hub
    page = visit.open("Ada")
    number = emptied(centre)
    expect(page.locator('[data-list="open"] .queued')).to_have_count(1)
    expect(page.locator('[data-list="open"] .words')).to_have_text("5 seats empty at once")
    expect(page.locator('[data-list="open"] .label')).to_have_text("Main hall")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#panel .members tbody tr")).to_have_count(5)
    page.keyboard.press("v")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("#panel .where")).to_contain_text("No concern")
    expect(page.locator('[data-list="open"] .queued')).to_have_count(0)
    page.goto(f"{address}/incidents/?state=closed")
    expect(page.locator("tbody tr")).to_have_count(6)
    assert number == 6


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_readable_narrow_and_dark(browser: Browser, hub: tuple[str, Centre], theme: str) -> None:
    """At 360 px nothing is wider than the window, and every text has contrast."""
    address, centre = hub
    number = centre.alert("c.d1", "seat_empty", still=7, age_ms=90_000)
    began = incidents.one(centre.store, number).row["began_utc_ms"]
    centre.observed("c.d1", began - 30_000, (30, "face", 1), (20, "empty", 0), (40, "somebody", 0))
    room = emptied(centre, 6)
    what_if = "/incidents/budget/what-if?sitting=sitting-1&seat=A1&kind=seat_empty"
    for width in (360, 1366):
        visit = Visit(browser, address, width=width, height=740)
        visit.context.add_cookies([{"name": "ems_theme", "value": theme, "url": address}])
        page = visit.open("Ada")
        for path in (f"/incidents/{number}", f"/incidents/{room}", "/incidents/", "/incidents/budget", what_if):
            page.goto(f"{address}{path}")
            assert is_within(page), (path, width)
            assert page.evaluate(CONTRAST) == [], (path, width)
        page.goto(f"{address}/incidents/{number}")
        expect(page.locator(".candidate")).to_have_text(LONG)
        visit.context.close()
        assert visit.complaints == []
