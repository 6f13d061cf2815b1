"""The pages about units, the card and drills in a real browser, while another process (this one) writes the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_pages import CONTRAST, Visit
from tests.hub.seed import Centre
from tests.hub.website import served

EVIL = '"><img src=x onerror="window.owned=1"><script>window.owned=1</script>{{7*7}}'
STAYS_MS = -600_000
"""The age of a heartbeat from the future: its desk stays online however slow the test's machine is."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, Centre]]:
    with served(tmp_path) as (address, centre):
        room = centre.room("Main hall")
        for number in range(1, 4):
            unit = f"hall.desk-0{number}"
            centre.seat(room, f"A{number}", unit)
            centre.heartbeat(unit, age_ms=STAYS_MS)
            centre.certificate(unit, age_days=10 if number < 3 else 70)
        centre.seat(room, "A4")
        yield address, centre


@pytest.fixture
def visit(browser: Browser, hub: tuple[str, Centre]) -> Iterator[Visit]:
    found = Visit(browser, hub[0])
    yield found
    found.context.close()
    assert found.complaints == []


def test_a_desk_is_let_in_while_the_page_follows(hub: tuple[str, Centre], visit: Visit) -> None:
    """It appears by itself, what is typed stays when another comes, and the line goes on to the certificate."""
    address, centre = hub
    page = visit.open("Tim")
    page.goto(f"{address}/units/")
    expect(page.locator(".waiting")).to_contain_text("No desk waits")
    first = centre.request("34AC-79XY")
    request = page.locator(f'.request[data-id="{first}"]')
    expect(request.locator(".code")).to_have_text("34AC-79XY")
    request.get_by_label("Name").fill("hall.window")
    centre.request("HJKM-NPQR")
    expect(page.locator(".request")).to_have_count(2)
    expect(request.get_by_label("Name")).to_have_value("hall.window")
    expect(request.get_by_label("Name")).to_be_focused()
    expect(page.locator("[data-bar-units]")).to_have_text("2")
    expect(request.get_by_label("Room")).to_be_visible()
    request.get_by_label("Seat", exact=True).select_option(label="A4")
    expect(request.get_by_label("Room")).to_be_hidden()
    request.get_by_role("button", name="Approve 34AC-79XY").click()
    expect(page.locator(".decided")).to_contain_text("its certificate is being made")
    page.evaluate("window.isSamePage = true")
    centre.execute("update enrolments set state = 'granted', certificate = 'pem' where state = 'approved'")
    expect(page.locator(".decided")).to_contain_text("certificate made; it connects by itself")
    assert page.evaluate("window.isSamePage") is True


def test_a_waiting_desk_is_heard_again(hub: tuple[str, Centre], visit: Visit) -> None:
    """The page's own count goes on from the desk's newest call, and the page stays as it is."""
    address, centre = hub
    centre.request("34AC-79XY", age_ms=600_000)
    centre.execute("update enrolments set heard_utc_ms = asked_utc_ms")
    page = visit.open("Tim")
    page.goto(f"{address}/units/")
    heard = page.locator(".request time").nth(1)
    expect(heard).to_contain_text("10 min")
    page.evaluate("document.querySelector('.request').isSame = true")
    centre.execute("update enrolments set heard_utc_ms = asked_utc_ms + 600000")
    expect(heard).not_to_contain_text("10 min")
    assert page.evaluate("document.querySelector('.request').isSame") is True


def test_what_was_wrong_stays_beside_the_form(hub: tuple[str, Centre], visit: Visit) -> None:
    """Also after the page has followed the hub: another desk comes, error and text are still there."""
    address, centre = hub
    centre.request("34AC-79XY")
    page = visit.open("Tim")
    page.goto(f"{address}/units/")
    page.get_by_label("Room").fill("Main hall")
    page.get_by_label("Seat's label").fill("A1")
    fonts = "fields => fields.map(field => getComputedStyle(field)).map(style => style.fontSize + style.fontWeight)"
    assert len(set(page.locator(".approve input:visible").evaluate_all(fonts))) == 1
    with page.expect_response(lambda response: response.status == 422):
        page.get_by_role("button", name="Approve").click()
    expect(page.locator(".error")).to_contain_text("has the unit hall.desk-01")
    centre.request("HJKM-NPQR")
    expect(page.locator(".request")).to_have_count(2)
    expect(page.locator(".error")).to_contain_text("has the unit hall.desk-01")
    expect(page.get_by_label("Seat's label").first).to_have_value("A1")
    visit.complaints[:] = [line for line in visit.complaints if "status of 422" not in line]  # Chromium notes each


def test_a_unit_is_revoked_in_two_steps(hub: tuple[str, Centre], visit: Visit) -> None:
    address, _ = hub
    page = visit.open("Tim")
    page.goto(f"{address}/units/hall.desk-02")
    page.get_by_role("link", name="Revoke this unit").click()
    expect(page.locator("main")).to_contain_text("cut off within 10 seconds")
    page.get_by_label("Reason").fill("card lost")
    page.get_by_role("button", name="Revoke hall.desk-02").click()
    expect(page.locator(".revoked-why")).to_contain_text("card lost")
    page.get_by_role("link", name="Units").last.click()
    page.get_by_text("Revoked: 1").click()
    expect(page.locator('.revoked tr[data-unit="hall.desk-02"]')).to_contain_text("card lost")


def test_texts_of_strangers_run_nothing(hub: tuple[str, Centre], visit: Visit) -> None:
    """Nor after the page has fetched itself anew."""
    address, centre = hub
    page = visit.open("Tim")
    page.goto(f"{address}/units/")
    centre.request("34AC-79XY", serial=EVIL, model=EVIL, software=EVIL, address=EVIL)
    centre.security_event("hall.desk-01", detail=EVIL)
    expect(page.locator(".request")).to_contain_text("<script>")
    expect(page.locator(".security")).to_contain_text("<script>")
    page.goto(f"{address}/units/hall.desk-01")
    expect(page.locator(".security")).to_contain_text("<script>")
    assert page.evaluate("window.owned") is None


def test_a_technicians_live_page_leads_to_no_incident(hub: tuple[str, Centre], visit: Visit) -> None:
    """The tile shows that something is so; queue and keys of the review are not there, and nothing fails."""
    _, centre = hub
    page = visit.open("Tim")
    centre.alert("hall.desk-01", "seat_empty")
    expect(page.locator(".tile").first).to_have_attribute("data-state", "alert")
    expect(page.locator("#queue")).to_be_hidden()
    for key in ("j", "Enter", "a", "v"):
        page.keyboard.press(key)
    expect(page.locator("#panel")).to_be_hidden()
    expect(page.locator('[data-bar="review"]')).to_have_count(0)


def test_a_drill_comes_as_a_drill(hub: tuple[str, Centre], visit: Visit) -> None:
    """On tile, queue and opened incident; what waits for review is not touched by it."""
    _, centre = hub
    page = visit.open("Ada")
    number = centre.alert("hall.desk-02", "seat_empty", is_drill=True)
    tile = page.locator('.tile[data-unit="hall.desk-02"]')
    expect(tile).to_have_attribute("data-state", "drill")
    expect(tile.locator(".words")).to_have_text("DRILL: Nobody in view")
    expect(page.locator('[data-list="drills"] .stamp')).to_be_visible()
    expect(page.locator('[data-empty="open"]')).to_be_visible()
    expect(page.locator('[data-bar="review"]')).to_contain_text("Nothing to review")
    page.locator(f'.queued[data-id="{number}"]').click()
    expect(page.locator("#panel .drill-banner")).to_contain_text("DRILL")
    real = centre.alert("hall.desk-01", "seat_empty")
    expect(page.locator(f'.queued[data-id="{real}"] .stamp')).to_be_hidden()
    expect(page.locator('[data-bar="review"]')).to_contain_text("1 to review")


PAGES = ("/", "/units/", "/units/hall.desk-01", "/units/hall.desk-01/revoke", "/card/", "/incidents/{drill}")


def _troubled(centre: Centre) -> int:
    centre.request("34AC-79XY", serial="0123456789" * 20, wanted="hall.desk-07")
    centre.security_event("hall.desk-01", detail="serials 1a and 2b")
    centre.heartbeat("hall.desk-02", age_ms=60_000)
    centre.execute("update units set is_revoked = 1, revoked_why = 'lost' where unit = 'hall.desk-03'")
    return centre.alert("hall.desk-02", "seat_empty", is_drill=True)


def test_every_text_has_contrast(hub: tuple[str, Centre], visit: Visit) -> None:
    """WCAG's 4.5:1 on all that is new here, light and dark."""
    address, centre = hub
    drill = _troubled(centre)
    page = visit.open("Root")
    for path in PAGES:
        page.goto(address + path.format(drill=drill))
        for theme in ("light", "dark"):
            page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            page.evaluate("() => Promise.all(document.getAnimations().map(animation => animation.finished))")
            assert page.evaluate(CONTRAST) == [], (path, theme)


def test_nothing_is_wider_than_a_phone(browser: Browser, hub: tuple[str, Centre]) -> None:
    address, centre = hub
    drill = _troubled(centre)
    centre.seat(centre.room("Examination hall of the natural sciences, second floor, " * 3), "L1")
    visit = Visit(browser, address, 360, 740)
    page = visit.open("Root")
    for path in PAGES:
        page.goto(address + path.format(drill=drill))
        assert page.evaluate("document.documentElement.scrollWidth") == 360, path
    assert visit.complaints == []
    visit.context.close()


def test_the_card_fits_on_one_sheet(hub: tuple[str, Centre], visit: Visit) -> None:
    """A4 as the style sheet says, every pattern on it."""
    page = visit.open("Ada")
    page.goto(f"{hub[0]}/card/")
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    pdf = page.pdf(prefer_css_page_size=True, print_background=False)
    assert pdf.count(b"/Type /Page\n") == 1
