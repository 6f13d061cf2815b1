"""Audit log and bundles in a real browser, while another process (this one) writes the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from hub.core.audit import Deed
from hub.evidence import report
from hub.store import audit
from tests.browser.test_pages import CONTRAST, Visit
from tests.browser.test_units import EVIL
from tests.hub import test_report
from tests.hub.seed import Centre, jpeg
from tests.hub.website import served

PAGES = ("/audit/", "/audit/?who=nobody", "/bundles/", "/bundles/new?incident=1", "/bundles/new?seat=1", "/incidents/1")
LONG = "Examination board of the faculty of mechanical engineering, appeals section " * 2


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Centre, Path]]:
    folder = tmp_path_factory.mktemp("hub")
    with served(folder) as (address, centre):
        centre.seat(centre.room("Main hall"), "A1", "hall.desk-01")
        centre.alert("hall.desk-01", still=1)
        told = {"purpose": EVIL, "recipient": LONG + "x" * 100}
        centre.bundle({"incident_id": 1, **told}, "failed", note=EVIL)
        centre.bundle({"incident_id": 1, **told}, "done")
        who = audit.Actor(EVIL, "proctor", EVIL)
        audit.note(centre.store, who, Deed.HELD, f"incident {EVIL}", 1_800_000_000_000, {EVIL: EVIL, "reason": LONG})
        yield address, centre, folder


def test_a_bundle_is_asked_for_and_followed_to_its_download(hub: tuple[str, Centre, Path], browser: Browser) -> None:
    """From the incident's page by keyboard; how far it is moves without a reload, and the file comes down."""
    address, centre, folder = hub
    visit = Visit(browser, address)
    page = visit.open("Ada")
    page.goto(f"{address}/incidents/1")
    page.get_by_role("link", name="Make an evidence bundle").press("Enter")
    page.get_by_label("For whom").fill("Examination board")
    page.get_by_label("What for").fill("An appeal")
    page.get_by_role("button", name="Make it").press("Enter")
    row = page.locator("tr[data-id]").first
    expect(row).to_contain_text("Waits for the worker")
    number = int(row.get_attribute("data-id") or 0)
    centre.execute("update jobs set state = 'running', done = 3, total = 12 where job_id = :number", number=number)
    expect(row).to_contain_text("Being made, 25 %")
    expect(row.get_by_role("button", name="Cancel")).to_be_visible()
    centre.made(folder / "storage", number, b"PK evidence")
    centre.execute(
        "update jobs set state = 'done', ended_utc_ms = 1, result = :result where job_id = :number",
        result='{"file": "x.zip", "size_bytes": 11, "sha256": "5e"}',
        number=number,
    )
    with page.expect_download() as download:
        row.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == f"evidence-incident-1-bundle-{number}.zip"
    assert Path(download.value.path()).read_bytes() == b"PK evidence"
    assert visit.complaints == []
    visit.context.close()


def test_the_pages_asked_for_less_are_in_a_menu(hub: tuple[str, Centre, Path], browser: Browser) -> None:
    """By keyboard too; each role finds what it may see, and Escape closes it."""
    visit = Visit(browser, hub[0])
    page = visit.open("Olga")
    more = page.locator(".more summary")
    more.press("Enter")
    expect(page.locator(".more .sheet a")).to_have_text(["Bundles", "Holds", "Retention", "Audit", "People"])
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Audit", exact=True)).to_be_hidden()
    more.press("Enter")
    page.get_by_role("link", name="Audit", exact=True).press("Enter")
    expect(page.locator("h1")).to_have_text("Audit log")
    expect(page.locator(".seal")).to_contain_text("The chain is whole")
    assert visit.complaints == []
    visit.context.close()
    technician = Visit(browser, hub[0])
    expect(technician.open("Tim").locator(".more")).to_have_count(0)
    technician.context.close()


def test_the_header_of_who_sees_most_fits_a_laptop(hub: tuple[str, Centre, Path], browser: Browser) -> None:
    """With numbers of two digits in one line, with longer ones in a second, and never beside the page."""
    visit = Visit(browser, hub[0], 1280, 800)
    page = visit.open("Root")
    for text in ("31 to review, oldest 17 min", "131 to review, oldest 2 h 17 min, and more than that"):
        page.evaluate(
            "text => { document.querySelector('[data-bar=review] [data-bar-text]').textContent = text }", text
        )
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 1280, text
    visit.context.close()


def test_the_pages_hold_on_a_phone_and_run_nothing_of_what_people_typed(
    hub: tuple[str, Centre, Path], browser: Browser
) -> None:
    """No wider than the screen with long names, enough contrast in light and dark, and no text becomes a script."""
    visit = Visit(browser, hub[0], 360, 740)
    page = visit.open("Olga")
    for path in PAGES:
        page.goto(hub[0] + path)
        assert page.evaluate("document.documentElement.scrollWidth") == 360, path
        for theme in ("light", "dark"):
            page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            page.evaluate("() => Promise.all(document.getAnimations().map(animation => animation.finished))")
            assert page.evaluate(CONTRAST) == [], (path, theme)
        assert page.evaluate("window.owned") is None, path
    assert visit.complaints == []
    visit.context.close()


def test_a_report_opens_from_a_folder_alone(browser: Browser, tmp_path: Path) -> None:
    """With its picture, without a complaint of its own policy, and no wider than a phone or a sheet of A4."""
    (tmp_path / "stills").mkdir()
    (tmp_path / "stills" / f"{test_report.SHA256}.jpg").write_bytes(jpeg(1))
    (tmp_path / "report.html").write_text(report.render(test_report.VALUES._replace(purpose=EVIL, room=LONG)))
    for width in (1000, 680, 360):
        visit = Visit(browser, "", width, 900)
        visit.page.goto((tmp_path / "report.html").as_uri())
        assert visit.page.evaluate("[...document.images].map(each => each.naturalWidth)") == [320]
        assert visit.page.evaluate("document.documentElement.scrollWidth") == width
        assert visit.page.evaluate("window.owned") is None
        assert visit.page.evaluate(CONTRAST) == []
        assert visit.complaints == []
        visit.context.close()
