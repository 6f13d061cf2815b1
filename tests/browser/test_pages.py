"""The pages in a real browser, served by gunicorn, while another process (this one) writes the store."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Route, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.hub.seed import Centre
from tests.hub.website import PASSWORD, served
from tests.support import wait_for

PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)


class Visit:
    """One person's browser; everything the page complains about is collected."""

    def __init__(self, browser: Browser, address: str, width: int = 1366, height: int = 768) -> None:
        self.context: BrowserContext = browser.new_context(viewport={"width": width, "height": height})
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)
        self.page.on("dialog", self._refuse)
        self._address = address

    def _refuse(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def log_in(self, name: str, password: str = PASSWORD) -> Page:
        self.page.goto(f"{self._address}/login")
        self.page.fill("#name", name)
        self.page.fill("#password", password)
        self.page.click("button.primary")
        return self.page

    def open(self, name: str, feed: str = "streaming") -> Page:
        page = self.log_in(name)
        expect(page.locator(f'body[data-feed="{feed}"]')).to_be_attached()
        return page


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, Centre]]:
    with served(tmp_path) as (address, centre):
        room = centre.room("Main hall")
        for number in range(1, 4):
            centre.seat(room, f"A{number}", f"c.d{number}")
            centre.heartbeat(f"c.d{number}")
            centre.still(f"c.d{number}", number)
        yield address, centre


@pytest.fixture
def visit(browser: Browser, hub: tuple[str, Centre]) -> Iterator[Visit]:
    found = Visit(browser, hub[0])
    yield found
    found.context.close()
    assert found.complaints == []


def test_a_wrong_password_says_so_and_a_right_one_opens_the_live_page(
    browser: Browser, hub: tuple[str, Centre]
) -> None:
    visit = Visit(browser, hub[0])
    page = visit.log_in("Ada", "wrong password")
    expect(page.get_by_role("alert")).to_contain_text("do not match")
    expect(page.locator("#name")).to_have_value("Ada")
    page = visit.open("Ada")
    expect(page.locator(".tile")).to_have_count(3)
    expect(page.locator(".quiet-state")).to_contain_text("Nothing to review")
    expect(page.locator('[data-bar="recording"]')).to_contain_text("3 of 3 seats recording")
    in_view = page.locator('.tile[data-unit="c.d3"] .faces')
    expect(in_view).to_have_text("1 face")
    hub[1].heartbeat("c.d3", faces=0, seat="somebody")
    expect(in_view).to_have_text("Somebody")
    expect(in_view).to_have_attribute("title", "Somebody there, no face visible")
    hub[1].heartbeat("c.d3")
    expect(in_view).to_have_text("1 face")
    visit.context.close()


def test_an_alert_comes_by_itself_and_is_worked_by_keyboard(hub: tuple[str, Centre], visit: Visit) -> None:
    """From the row in the store to the closed incident without a reload and without a mouse."""
    centre, page = hub[1], visit.open("Ada")
    page.evaluate("window.isSamePage = true")
    number = centre.alert("c.d2", "more_than_one_face", still=2)
    first = page.locator(".tile").first
    expect(first).to_have_attribute("data-state", "alert")
    expect(first.locator(".label")).to_have_text("A2")
    expect(first.locator(".words")).to_have_text("More than one face")
    expect(page.locator('[data-bar="review"]')).to_contain_text("1 to review")
    page.keyboard.press("j")
    expect(page.locator('.queued[aria-current="true"] .label')).to_have_text("A2")
    page.keyboard.press("Enter")
    expect(page.locator("#panel h1")).to_have_text("More than one face")
    page.keyboard.press("a")
    expect(page.locator("#panel .where")).to_contain_text("Acknowledged by Ada")
    expect(page.locator('[data-list="acknowledged"] .by')).to_have_text("Ada is on it")
    centre.clear(number)
    expect(first).not_to_have_attribute("data-state", "alert")
    page.keyboard.press("v")
    page.keyboard.press("ArrowDown")
    expect(page.locator('input[value="refer"]')).to_be_checked()
    page.locator("#panel textarea").fill("Passed to the head of centre")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Close with this verdict").click()
    expect(page.locator("#panel .where")).to_contain_text("Refer")
    expect(page.locator("#panel blockquote")).to_have_text("Passed to the head of centre")
    expect(page.locator(".queued")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    assert page.evaluate("window.isSamePage") is True


def test_a_script_that_comes_late_misses_nothing(hub: tuple[str, Centre], visit: Visit) -> None:
    """On a slow machine the feed may be there before the page that listens to it: the board is not lost."""
    centre, page = hub[1], visit.log_in("Ada")
    held: list[Route] = []
    page.route("**/js/live.js", lambda route: held.append(route))
    page.goto(hub[0], wait_until="commit")
    with contextlib.suppress(PlaywrightTimeout):
        page.wait_for_selector('body[data-feed="streaming"]', timeout=2_000)
    assert len(held) == 1
    held[0].continue_()
    expect(page.locator('body[data-feed="streaming"]')).to_be_attached()
    centre.alert("c.d2", "more_than_one_face", still=2)
    expect(page.locator(".queued .label")).to_have_text("A2")


def test_two_people_at_once_do_not_overwrite_each_other(browser: Browser, hub: tuple[str, Centre]) -> None:
    address, centre = hub
    number = centre.alert("c.d1", "seat_empty", still=1)
    ada, grace = Visit(browser, address), Visit(browser, address)
    ada.log_in("Ada").goto(f"{address}/incidents/{number}")
    grace_page = grace.log_in("Grace")
    grace_page.route("**/live/stream", lambda route: route.abort())  # she has not heard yet what Ada did
    grace_page.route("**/live/board.json", lambda route: route.abort())
    grace_page.goto(f"{address}/incidents/{number}")
    ada.page.keyboard.press("v")
    ada.page.locator('input[value="no_concern"]').check()
    ada.page.get_by_role("button", name="Close with this verdict").click()
    expect(ada.page.locator(".where")).to_contain_text("No concern")
    grace_page.locator("textarea").fill("I was first, I thought")
    grace_page.locator('input[value="refer"]').check()
    grace_page.get_by_role("button", name="Close with this verdict").click()
    expect(grace_page.get_by_role("alert")).to_contain_text("Ada closed this at")
    expect(grace_page.locator(".where")).to_contain_text("No concern")
    expect(grace_page.locator("textarea")).to_have_value("I was first, I thought")
    assert ada.complaints == []
    for visit in (ada, grace):
        visit.context.close()


def test_what_one_types_stays_when_another_acts(browser: Browser, hub: tuple[str, Centre]) -> None:
    address, centre = hub
    number = centre.alert("c.d1", "seat_empty")
    ada, grace = Visit(browser, address), Visit(browser, address)
    for visit, name in ((ada, "Ada"), (grace, "Grace")):
        visit.open(name).goto(f"{address}/incidents/{number}")
        expect(visit.page.locator('body[data-feed="streaming"]')).to_be_attached()
    grace.page.locator("textarea").fill("half a sen")
    ada.page.keyboard.press("a")
    expect(grace.page.locator(".where")).to_contain_text("Acknowledged by Ada")
    expect(grace.page.locator("textarea")).to_have_value("half a sen")
    expect(grace.page.locator("textarea")).to_be_focused()
    for visit in (ada, grace):
        assert visit.complaints == []
        visit.context.close()


@pytest.mark.parametrize(("width", "height", "screens"), [(360, 740, 2), (1366, 768, 1)])
def test_many_pictures_do_not_push_the_verdict_away(
    browser: Browser, hub: tuple[str, Centre], width: int, height: int, screens: int
) -> None:
    """With eight alerts the verdict stands where it stands with one, and nothing is wider than the screen."""
    address, centre = hub
    one, eight = centre.alert("c.d1", still=1), centre.alert("c.d2", still=2)
    for still in range(3, 10):
        centre.join(eight, "c.d2", still=still)
    visit = Visit(browser, address, width, height)
    page = visit.open("Ada")
    tops = []
    for number in (one, eight):
        page.goto(f"{address}/incidents/{number}")
        box = page.locator("fieldset.verdict").bounding_box()
        assert box
        tops.append(box["y"])
        assert page.evaluate("document.documentElement.scrollWidth") == width
    assert tops[0] == tops[1] < screens * height
    expect(page.locator(".more li")).to_have_count(7)
    page.locator(".facts summary").click()
    centre.join(eight, "c.d2", still=10)
    expect(page.locator(".more li")).to_have_count(8)
    expect(page.locator(".facts details")).to_have_attribute("open", "")
    assert visit.complaints == []
    visit.context.close()


def test_an_old_picture_is_greyed_and_says_how_old_it_is(hub: tuple[str, Centre], visit: Visit) -> None:
    centre = hub[1]
    centre.still("c.d3", 3, age_ms=12_000)
    page = visit.open("Ada")
    stale = page.locator('.tile[data-unit="c.d3"]')
    expect(stale).to_have_attribute("data-stale", "")
    expect(stale.locator(".stale")).to_have_text(re.compile(r"^No picture for \d+ s$"))
    assert "grayscale" in stale.locator("canvas").evaluate("canvas => getComputedStyle(canvas).filter")
    centre.still("c.d3", 3)
    expect(stale.locator(".stale")).to_be_hidden()
    is_drawn = """canvas => canvas.getContext("2d").getImageData(160, 90, 1, 1).data[3] === 255"""
    wait_for(lambda: stale.locator("canvas").evaluate(is_drawn))


def test_a_hidden_seat_comes_back_when_it_alerts(hub: tuple[str, Centre], visit: Visit) -> None:
    centre = hub[1]
    annex = centre.room("Annex", exam=None)
    centre.seat(annex, "Z9", "c.z9")
    centre.heartbeat("c.z9")
    page = visit.open("Ada")
    expect(page.locator(".tile")).to_have_count(4)
    page.locator("#room").select_option("Main hall")
    assert page.url.endswith("?room=Main+hall")
    hidden = page.locator('.tile[data-unit="c.z9"]')
    expect(hidden).to_be_hidden()
    expect(page.locator("#hidden-count")).to_have_text("1 seat hidden by the filter")
    centre.alert("c.z9", "camera_covered")
    expect(hidden).to_be_visible()


def test_a_fault_stands_apart_from_alerts(hub: tuple[str, Centre], visit: Visit) -> None:
    centre, page = hub[1], visit.open("Ada")
    centre.fault("c.d1", "camera_lost", "/dev/video0 does not answer")
    centre.alert("c.d1", "seat_empty")
    first = page.locator(".tile").first
    expect(first.locator(".words")).to_have_text("Nobody in view")
    expect(first.locator(".also .chip")).to_have_text("Camera lost")
    expect(page.locator("#faults")).to_contain_text("/dev/video0 does not answer")
    expect(page.locator("#queue")).not_to_contain_text("Camera lost")
    colours = page.evaluate(
        """() => [".tile .line .icon", ".also .chip .icon"]
            .map(query => getComputedStyle(document.querySelector(query)).color)"""
    )
    assert colours[0] != colours[1]


def test_hostile_texts_run_nothing(hub: tuple[str, Centre], visit: Visit) -> None:
    address, centre = hub
    evil = '"><img src=x onerror="window.owned=1"><script>window.owned=1</script>{{7*7}}'
    room = centre.room(evil, exam=evil)
    seat = centre.seat(room, evil, "c.evil")
    centre.heartbeat("c.evil")
    page = visit.open("Ada")
    number = centre.alert("c.evil", "seat_empty")
    centre.fault("c.evil", "camera_lost", evil)
    centre.insert("incident_events", incident_id=number, at_utc_ms=1, who=evil, action="commented", text=evil)
    label = page.locator('.tile[data-unit="c.evil"] .label')
    expect(label).to_have_text(evil)
    expect(page.locator("#faults .detail")).to_have_text(evil)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#panel blockquote")).to_have_text(evil)
    for path in ("/incidents/", f"/incidents/{number}", f"/seats/{seat}"):
        page.goto(f"{address}{path}")
        expect(page.locator("main")).to_contain_text("<script>")
        assert page.evaluate("window.owned") is None


def test_with_every_stream_taken_the_page_asks_instead(browser: Browser, tmp_path: Path) -> None:
    with served(tmp_path, EMS_MAX_STREAMS="1") as (address, centre):
        room = centre.room("Main hall")
        centre.seat(room, "A1", "c.d1")
        centre.heartbeat("c.d1")
        first, second = Visit(browser, address), Visit(browser, address)
        first.open("Ada")
        page = second.open("Grace", feed="polling")
        expect(page.locator("#connection")).to_contain_text("as many live viewers as it may")
        centre.alert("c.d1", "seat_empty")
        expect(page.locator(".tile").first).to_have_attribute("data-state", "alert")
        for visit in (first, second):
            visit.context.close()


def test_a_log_out_elsewhere_is_told_at_once(browser: Browser, hub: tuple[str, Centre]) -> None:
    visit = Visit(browser, hub[0])
    page = visit.open("Ada")
    hub[1].execute("update users set is_active = 0, epoch = epoch + 1 where name = 'Ada'")
    expect(page.locator("#connection")).to_contain_text("You are logged out")
    visit.context.close()


def test_the_appearance_is_kept(visit: Visit) -> None:
    page = visit.open("Ada")
    page.get_by_label("Account and settings").click()
    page.get_by_label("Dark").check()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_has_contrast(hub: tuple[str, Centre], visit: Visit, theme: str) -> None:
    """WCAG's 4.5:1, measured on what is really on the page, over its real background."""
    centre = hub[1]
    centre.alert("c.d1", "seat_empty")
    centre.fault("c.d2", "camera_lost", "cable")
    page = visit.open("Ada")
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    expect(page.locator(".queued")).to_have_count(1)
    page.evaluate("() => Promise.all(document.getAnimations().map(animation => animation.finished))")
    assert page.evaluate(CONTRAST) == []


CONTRAST = """() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.5) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const a = light(rgb(getComputedStyle(element).color)), b = light(ground(element));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push([element.className, element.textContent.slice(0, 30), ratio.toFixed(2)]);
  }
  return poor;
}"""
