"""Closing a sitting, its report on paper, and the Wall, in a real browser."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import Error as PlaywrightError
from pypdf import PdfReader

from hub.store import Store, walls
from tests.brokers import free_port
from tests.browser.test_pages import Visit
from tests.hub.seed import SEED, Centre, now_ms
from tests.hub.website import SERVE, served
from tests.support import wait_for

TOKEN = "w" * 43
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)


def hall(centre: Centre, seats: int) -> None:
    room = centre.room("Main hall")
    for number in range(1, seats + 1):
        centre.seat(room, f"{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[number // 20]}{number % 20}", f"c.d{number}")
        centre.heartbeat(f"c.d{number}")


# --- review, closing, report ----------------------------------------------------------------------------------------


def test_a_queue_is_worked_and_the_sitting_closed_and_its_report_printed(browser: Browser, tmp_path: Path) -> None:
    """By keyboard from one incident to the next; closed with a reason for what is open; the report has its parts on
    paper."""
    with served(tmp_path) as (address, centre):
        hall(centre, 3)
        first, second = centre.alert("c.d1", "seat_empty"), centre.alert("c.d2", "camera_covered", age_ms=5_000)
        centre.insert("candidates", sitting="sitting-1", number="1001", name="Zoe Quiet", seat="A1")
        visit = Visit(browser, address)
        page = visit.open("Ada")
        page.goto(f"{address}/incidents/?drills=none")
        expect(page.locator("tbody tr")).to_have_count(2)
        for key, number in (("Enter", first), ("j", second), ("k", first)):
            expect(page.locator('body[data-feed="streaming"]')).to_be_attached()
            if key == "Enter":
                page.keyboard.press("j")
            page.keyboard.press(key)
            expect(page).to_have_url(re.compile(rf"/incidents/{number}\?"))

        page.goto(f"{address}/sittings/sitting-1/close")
        expect(page.locator('[data-item="incidents"][data-done="no"] li')).to_have_count(2)
        page.get_by_role("button", name=re.compile("^Close sitting with")).click()
        expect(page.get_by_role("alert")).to_contain_text("Say for each open line why")
        for field in page.locator('[name^="reason-"]').all():
            field.fill("The head of centre decides tomorrow")
        page.get_by_role("button", name=re.compile("^Close sitting with")).click()
        expect(page.locator("dl.facts")).to_contain_text("by Ada at")
        expect(page.locator('[name^="reason-"]')).to_have_count(0)

        page.get_by_role("link", name="Report", exact=True).click()
        expect(page.locator(".draft")).to_contain_text("DRAFT, not signed")
        expect(page.locator('[data-section="roster"]')).to_contain_text("Zoe Quiet")
        text = printed(page, tmp_path)
        for part in ("Coverage by seat", "Incidents", "Roster", "Staff on duty", "Desk units", "DRAFT, not signed"):
            assert part in text
        assert "The head of centre decides tomorrow" in " ".join(text.split())
        assert "Log out" not in text
        page.get_by_role("link", name="Leave names out").click()
        expect(page.locator('[data-section="roster"]')).not_to_contain_text("Zoe Quiet")
        expect(page.locator('[data-section="roster"]')).to_contain_text("1001")
        assert [line for line in visit.complaints if "422" not in line] == []
        visit.context.close()


def printed(page: Page, folder: Path) -> str:
    """The words of the page on paper, A4."""
    path = folder / "report.pdf"
    page.pdf(path=str(path), format="A4", prefer_css_page_size=True)
    text = "\n".join(sheet.extract_text() for sheet in PdfReader(path).pages)
    return unicodedata.normalize("NFKC", text)  # two letters may be one sign


# --- the Wall -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def pages(folder: Path, port: int) -> Iterator[None]:
    """The hub's pages on this port, until the block ends."""
    environment = {
        "PATH": os.environ["PATH"],
        "APP_ENV": "development",
        "SECRET_KEY": "k" * 40,
        "DATABASE_URL": f"sqlite:///{folder}/hub.db",
        "EMS_LIVE_PATH": str(folder / "live"),
        "STORAGE_PATH": str(folder / "storage"),
        "EMS_WEB_PORT": str(port),
    }
    with (folder / "web.log").open("a") as log:
        process = subprocess.Popen([sys.executable, "-c", SERVE], env=environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    store = Store(tmp_path / "hub.db")
    yield Centre(store, tmp_path / "live")
    store.close()


def screen(browser: Browser, centre: Centre, address: str, *, may_show_pictures: bool = False) -> Page:
    """A browser of 1920x1080 on the wall, let in as a kiosk is: by the address alone."""
    walls.add(centre.store, "left", TOKEN, "", may_show_pictures, SEED, now_ms())
    page = browser.new_context(viewport={"width": 1920, "height": 1080}).new_page()
    wait_for(lambda: arrives(page, f"{address}/wall#{TOKEN}"))
    expect(page.locator(".seat").first).to_be_visible()
    return page


def arrives(page: Page, address: str) -> bool:
    with contextlib.suppress(PlaywrightError):  # the pages are still starting
        page.goto(address)
        return True
    return False


IS_FITTING = """() => {
  const inside = element => { const box = element.getBoundingClientRect();
    return box.width > 0 && box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight; };
  return document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth
    && [...document.querySelectorAll(".seat")].every(inside);
}"""


@pytest.mark.parametrize("may_show_pictures", [False, True])
def test_sixty_seats_fit_a_wall(browser: Browser, tmp_path: Path, centre: Centre, may_show_pictures: bool) -> None:
    """On 1920x1080 nothing is scrolled and nothing cut off; alerts stand by seat label; five hundred turn in pages."""
    hall(centre, 60)
    centre.alert("c.d7", "more_than_one_face")
    for number in range(1, 61):
        centre.still(f"c.d{number}", number)
    port = free_port()
    with pages(tmp_path, port):
        page = screen(browser, centre, f"http://127.0.0.1:{port}", may_show_pictures=may_show_pictures)
        assert page.url.endswith("/wall")
        expect(page.locator(".seat")).to_have_count(60)
        expect(page.locator(".alert strong")).to_have_text(["A7"])
        expect(page.locator("#review strong")).to_have_text("1")
        expect(page.locator("#recording strong")).to_have_text("60 of 60")
        assert page.evaluate(IS_FITTING)
        expect(page.locator("#pages")).to_be_hidden()
        if not may_show_pictures:
            hall_two = centre.insert("rooms", name="Annex")
            times = {"start_utc_ms": now_ms() - 1000, "end_utc_ms": now_ms() + 9_000_000, "mode": "manual"}
            centre.insert("sittings", sitting="other", exam="History", room_id=hall_two, rules="[]", **times)
            with centre.store.write() as connection:
                rows = [(hall_two, f"Z{number}") for number in range(440)]
                connection.executemany("insert into seats (room_id, label) values (?, ?)", rows)
            expect(page.locator("#pages")).to_have_text(re.compile(r"^1 of \d$"))
            assert page.evaluate(IS_FITTING)
            seats = page.locator(".seat").first.inner_text()
            expect(page.locator("#pages")).to_have_text(re.compile(r"^2 of \d$"))
            assert page.locator(".seat").first.inner_text() != seats
        page.context.close()


def test_a_wall_outlives_the_hub_and_ends_with_its_token(browser: Browser, tmp_path: Path, centre: Centre) -> None:
    """While the hub is away everything is grey and says since when; it comes back by itself, whatever was shown is new,
    and a revoked token empties the screen."""
    hall(centre, 3)
    port = free_port()
    with pages(tmp_path, port):
        page = screen(browser, centre, f"http://127.0.0.1:{port}")
        expect(page.locator("#recording strong")).to_have_text("3 of 3")
        page.evaluate("window.isSamePage = true")
    expect(page.locator("#lost")).to_have_text(re.compile(r"^No connection since \d\d:\d\d:\d\d$"))
    expect(page.locator("body[data-lost]")).to_be_attached()
    assert "grayscale" in page.locator("main").evaluate("main => getComputedStyle(main).filter")
    centre.heartbeat("c.d2", state="stopped")
    with pages(tmp_path, port):
        expect(page.locator("#lost")).to_be_hidden()
        expect(page.locator("#recording strong")).to_have_text("2 of 3")
        assert page.evaluate("window.isSamePage") is True
        walls.revoke(centre.store, 1, SEED, now_ms())
        expect(page.locator("#lost")).to_have_text("This screen is no longer let in")
        expect(page.locator(".seat")).to_have_count(0)
        page.reload()
        expect(page.get_by_label("Token")).to_be_visible()
    page.context.close()


def is_new(page: Page) -> bool:
    with contextlib.suppress(PlaywrightError):  # it is just being loaded
        return bool(page.evaluate("window.isSamePage === undefined"))
    return False


def test_another_version_of_the_page_is_loaded_by_itself(browser: Browser, tmp_path: Path, centre: Centre) -> None:
    """What a page knows as its version and what the hub says differ: it loads itself again, once."""
    hall(centre, 1)
    port = free_port()
    with pages(tmp_path, port):
        page = screen(browser, centre, f"http://127.0.0.1:{port}")
        page.evaluate("() => { window.isSamePage = true; document.body.dataset.version = 'older'; }")
        centre.alert("c.d1")
        wait_for(lambda: is_new(page))
        expect(page.locator(".alert strong")).to_have_text("A1")
        page.context.close()
