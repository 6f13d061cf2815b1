"""Film in a real browser: it plays, it seeks, the moment is marked, and it is there as soon as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect

from hub.evidence.storage import LocalStorage
from tests.browser.test_pages import CONTRAST, Visit
from tests.hub.seed import Centre, now_ms
from tests.hub.website import film_storage, served
from tests.support import wait_for


class Hall(NamedTuple):
    address: str
    centre: Centre
    storage: LocalStorage
    seat: int
    began: int

    def incident(self, began_s: float, cleared_s: float | None) -> int:
        number = self.centre.alert("c.d1", "seat_empty", still=1)
        cleared = None if cleared_s is None else self.began + round(cleared_s * 1000)
        for table in ("incidents", "alerts"):
            self.centre.execute(
                f"update {table} set began_utc_ms = :a, cleared_utc_ms = :b where incident_id = :n",
                a=self.began + round(began_s * 1000),
                b=cleared,
                n=number,
            )
        return number


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    """Seat A1: 60 s of film, a gap of 40 s, 60 s more."""
    with served(tmp_path) as (address, centre):
        room = centre.room("Main hall")
        seat = centre.seat(room, "A1", "c.d1")
        centre.heartbeat("c.d1", spool=0)
        began = now_ms() - 600_000
        centre.execute("update sittings set start_utc_ms = :a", a=began)
        storage = film_storage(tmp_path)
        centre.film(storage, "c.d1", began, 60, number=1)
        centre.gap("c.d1", "power_or_crash", 40_000, began_utc_ms=began + 60_000)
        centre.film(storage, "c.d1", began + 100_000, 60, number=2)
        yield Hall(address, centre, storage, seat, began)


@pytest.fixture
def page(browser: Browser, hall: Hall) -> Iterator[Page]:
    visit = Visit(browser, hall.address)
    yield visit.open("Ada")
    visit.context.close()
    assert visit.complaints == []


def video(page: Page, what: str) -> Any:
    return page.evaluate(f"() => document.querySelector('#film video').{what}")


def plays(page: Page, after_s: float = 0) -> None:
    """Pictures come: the time goes on, and the browser knows their size."""
    page.wait_for_function(
        """after => { const v = document.querySelector('#film video');
            return v.currentTime > after + 0.3 && v.readyState >= 2 && !v.seeking; }""",
        arg=after_s,
    )
    assert (video(page, "videoWidth"), video(page, "videoHeight")) == (320, 180)
    assert video(page, "error") is None


def shows(page: Page, from_utc_ms: int) -> None:
    """The file that begins then is the one in the player."""
    page.wait_for_function(f"() => document.querySelector('#film video').src.includes('from={from_utc_ms}')")


def test_an_incidents_film_plays_and_seeks_with_the_moment_marked(hall: Hall, page: Page) -> None:
    """From 30 s before it began; the mark leads to the moment; time on the wall is shown for what is shown."""
    number = hall.incident(40, 45)
    page.goto(f"{hall.address}/incidents/{number}")
    expect(page.locator("#film .moment text").first).to_have_text("It began")
    page.get_by_role("button", name="Play from 30 s before").click()
    plays(page)
    assert abs(video(page, "duration") - 50) < 0.2
    page.get_by_role("button", name="Moment it began").click()
    page.wait_for_function("() => Math.abs(document.querySelector('#film video').currentTime - 30) < 2")
    plays(page, 30)
    wall = page.locator("[data-wall]").inner_text()
    shown = page.evaluate(
        """utc => [0, 1, 2, 3, 4, 5].map(s => new Intl.DateTimeFormat("en-GB", {timeZone: "UTC", hour: "2-digit",
            minute: "2-digit", second: "2-digit"}).format(new Date(utc + s * 1000)))""",
        hall.began + 40_000,
    )
    assert wall in shown
    page.evaluate("() => { document.querySelector('#film video').currentTime = 5 }")  # the browser's own bar
    plays(page, 5)
    rows = [row["object"] for row in hall.centre.store.database()["audit"].rows if row["deed"] == "played"]
    assert rows == [f"seat {hall.seat}", f"incident {number}"]


def test_a_gap_is_told_and_playing_goes_on_behind_it(hall: Hall, page: Page) -> None:
    """The first file ends at the gap, the next begins behind it; what is missing is said over the picture."""
    page.goto(f"{hall.address}/seats/{hall.seat}/film?at={hall.began + 57_000}")
    page.get_by_role("button", name="Play").click()
    plays(page, 56)
    expect(page.locator("[data-over]")).to_contain_text("No film from")
    shows(page, hall.began + 100_000)
    plays(page)
    box = page.locator("[data-timeline] > svg").bounding_box()
    assert box is not None
    line = page.locator("[data-timeline]")
    begin, end = (int(line.get_attribute(f"data-{name}") or 0) for name in ("from", "until"))
    x = box["width"] * (hall.began + 20_000 - begin) / (end - begin)
    page.locator("[data-timeline] > svg").click(position={"x": x, "y": 42})
    shows(page, hall.began)
    plays(page, 18)
    assert page.locator("[data-playhead]").get_attribute("visibility") == "visible"


def test_a_moment_is_chosen_by_keyboard(hall: Hall, page: Page) -> None:
    page.goto(f"{hall.address}/seats/{hall.seat}/film")
    page.locator("[data-pick]").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    plays(page, 8)
    assert video(page, "currentTime") < 30


def test_after_the_sitting_a_reason_is_asked_for(hall: Hall, page: Page) -> None:
    hall.centre.execute("update sittings set end_utc_ms = :now", now=now_ms() - 1000)
    page.goto(f"{hall.address}/seats/{hall.seat}/film")
    page.get_by_role("button", name="Play").click()
    assert page.locator("[data-player]").is_hidden()
    page.get_by_label("Reason").select_option("appeal")
    page.get_by_role("button", name="Play").click()
    plays(page)
    assert (
        '"reason":"appeal"' in next(iter(hall.centre.store.database()["audit"].rows_where("deed = 'played'")))["detail"]
    )


def test_film_that_was_fetched_can_be_played_without_a_reload(hall: Hall, page: Page) -> None:
    """Still on the desk; asked for; there: each is shown by itself."""
    hall.centre.film(None, "c.d1", hall.began + 200_000, 100, number=3)
    number = hall.incident(240, 250)
    page.goto(f"{hall.address}/incidents/{number}")
    page.evaluate("window.isSamePage = true")
    expect(page.locator("#film")).to_contain_text("Still on the desk")
    expect(page.locator("#film [data-play]")).to_have_count(0)
    page.get_by_role("button", name="Fetch now").click()
    expect(page.locator("#film")).to_contain_text("Ada asked for it")
    wait_for(lambda: hall.centre.store.database()["wishes"].count == 1)
    hall.centre.execute("delete from segments where stored_utc_ms is null")
    hall.centre.film(hall.storage, "c.d1", hall.began + 200_000, 100, number=3)
    page.get_by_role("button", name="Play from 30 s before").click()
    plays(page)
    assert page.evaluate("window.isSamePage") is True


def test_a_film_goes_on_when_somebody_acts_on_the_incident(hall: Hall, page: Page) -> None:
    """Another person's act renews the page around the film, which keeps playing."""
    number = hall.incident(40, 45)
    page.goto(f"{hall.address}/incidents/{number}")
    page.get_by_role("button", name="Play from 30 s before").click()
    plays(page)
    page.evaluate("() => { window.film = document.querySelector('#film video') }")
    page.locator("#text").fill("I look at it")
    page.get_by_role("button", name="Add comment").click()
    expect(page.locator(".thread")).to_contain_text("I look at it")
    plays(page, video(page, "currentTime"))
    assert page.evaluate("() => window.film === document.querySelector('#film video')") is True


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_film_and_coverage_say_can_be_read(hall: Hall, page: Page, theme: str) -> None:
    """Contrast of every text, and nothing wider than a phone."""
    number = hall.incident(40, 45)
    page.set_viewport_size({"width": 390, "height": 844})
    for path in (f"/incidents/{number}", f"/seats/{hall.seat}/film", "/sittings/", "/sittings/sitting-1"):
        page.goto(f"{hall.address}{path}")
        expect(page.locator('body[data-feed="streaming"]')).to_be_attached()  # what comes by it changes colours too
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        page.evaluate("() => Promise.all(document.getAnimations().map(animation => animation.finished))")
        assert page.evaluate(CONTRAST) == [], path
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390, path
