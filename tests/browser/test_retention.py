"""Holds and retention in a real browser: what is typed stays, a removal is followed, and names of any length fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from hub.core.review import Act, Wish
from hub.store import incidents, jobs
from hub.store.audit import Actor
from hub.store.holds import Place
from tests.browser.test_pages import CONTRAST, Visit
from tests.hub.keeping import Hall
from tests.hub.seed import now_ms
from tests.hub.website import served

LONG_NAME = "Advanced Structural Mechanics and the Theory of Plates & Shells, resit for candidates of 2021/22"
LONG_SITTING = "structural-mechanics-plates-shells-resit-2021-22-morning-1"


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[tuple[str, Hall]]:
    """Film of two exams, one fallen due, an incident, and a hold with one very long word as its reason."""
    with served(tmp_path) as (address, centre):
        hall = Hall(centre.store, tmp_path)
        hall.now = now_ms()
        hall.room("Hall", ["a1", "Window seat at the very back, next to the radiator"])
        hall.sitting("maths-1", start=1_700_000_000_000, end=1_700_010_000_000)
        hall.film("maths-1", "a1", 4)
        hall.sitting(LONG_SITTING, LONG_NAME, start=hall.now - 4_000_000, end=hall.now - 1_000_000)
        hall.film(LONG_SITTING, "Window seat at the very back, next to the radiator", 2)
        hall.incident("maths-1", "a1", 500, 518)
        hall.rule()
        hall.planned()
        hall.hold(Place(sitting=LONG_SITTING), "x" * 300)
        yield address, hall


def test_what_is_typed_as_a_reason_outlives_anothers_act(browser: Browser, hall: tuple[str, Hall]) -> None:
    """A comment of somebody else renews the page; the open form and its words stay, and the hold is placed."""
    visit = Visit(browser, hall[0])
    page = visit.open("Ada")
    page.goto(f"{hall[0]}/incidents/1")
    page.get_by_text("Hold this incident").click()
    page.fill("#hold-reason", "the candidate appealed")
    expect(page.locator("body[data-feed=streaming]")).to_be_attached()
    wish = Wish(act=Act.COMMENT, who="Grace", seen_version=1, seen_events=0, text="I look at it too", verdict=None)
    incidents.act(hall[1].store, 1, wish, now_ms(), Actor("Grace", "proctor"))
    expect(page.get_by_text("I look at it too")).to_be_visible()
    expect(page.locator("#hold-reason")).to_have_value("the candidate appealed")
    page.get_by_role("button", name="Hold", exact=True).click()
    expect(page.get_by_text("stands: nothing that it covers is removed")).to_be_visible()
    expect(page.locator(".holding .reason")).to_have_text("the candidate appealed")
    visit.context.close()
    assert visit.complaints == []


def test_a_removal_is_confirmed_and_followed_without_a_reload(browser: Browser, hall: tuple[str, Hall]) -> None:
    """Its progress appears by itself, as the worker tells it."""
    visit = Visit(browser, hall[0])
    page = visit.open("Root")
    page.goto(f"{hall[0]}/retention/plans/1/apply")
    page.fill("#items", "4")
    page.get_by_role("button", name="Remove 4 files").click()
    expect(page.get_by_text("waits for the worker")).to_be_visible()
    store = hall[1].store
    job = jobs.take(store, now_ms())
    assert job is not None
    jobs.tell(store, job.job_id, 3, 4, "Maths: maths-1, seat a1")
    expect(page.locator("progress")).to_have_attribute("value", "3")
    with store.write() as connection:
        jobs.end(connection, job.job_id, "failed", now_ms(), note="the storage gives no answer")
    expect(page.get_by_text("the storage gives no answer")).to_be_visible()
    expect(page.get_by_role("link", name="Apply")).to_be_visible()
    visit.context.close()
    assert visit.complaints == []


def test_everything_fits_a_phone_and_can_be_read(browser: Browser, hall: tuple[str, Hall]) -> None:
    """No page is wider than the screen, whatever the names in it, and no text is faint, by day or by night."""
    visit = Visit(browser, hall[0], 390, 800)
    page = visit.open("Root")
    for path in (
        "/retention/",
        "/retention/exam?exam=Maths",
        f"/retention/exam?exam={LONG_NAME.replace('&', '%26')}",
        "/retention/plans/1",
        "/retention/plans/1/apply",
        "/holds/",
        "/holds/new",
        "/incidents/1",
    ):
        assert page.goto(hall[0] + path).status == 200  # type: ignore[union-attr]
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, path
        for theme in ("light", "dark"):
            page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            page.evaluate("() => Promise.all(document.getAnimations().map(animation => animation.finished))")
            assert page.evaluate(CONTRAST) == [], (path, theme)
    visit.context.close()
    assert visit.complaints == []
