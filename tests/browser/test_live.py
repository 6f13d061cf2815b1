"""The Live page of a running exam in a real browser: one key an act, the room as a map, and nothing said of now that is
not known."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_pages import Visit
from tests.hub.seed import Centre, now_ms
from tests.hub.website import served
from tests.support import wait_for


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Centre]]:
    with served(tmp_path_factory.mktemp("live")) as (address, centre):
        room = centre.room("Main hall")
        centre.execute("insert into exams (exam) select distinct exam from sittings")
        for number in range(1, 5):
            seat = centre.seat(room, f"A{number}", f"c.d{number}")
            centre.execute(
                "update seats set map_x = :x, map_y = :y where seat_id = :id",
                x=(number - 1) % 2,
                y=(number - 1) // 2,
                id=seat,
            )
            centre.heartbeat(f"c.d{number}")
            centre.still(f"c.d{number}", number)
        centre.insert("candidates", sitting="sitting-1", number="C-4711", seat="A1", extra_ms=900_000)
        yield address, centre


@pytest.fixture
def visit(browser: Browser, hub: tuple[str, Centre]) -> Iterator[Visit]:
    address, centre = hub
    for number in range(1, 5):
        centre.heartbeat(f"c.d{number}")
    found = Visit(browser, address)
    yield found
    found.context.close()
    assert found.complaints == []
    centre.execute("update breaks set ended_utc_ms = began_utc_ms where ended_utc_ms is null")


def rows(centre: Centre, sql: str) -> list[tuple[Any, ...]]:
    with centre.store.read() as connection:
        return [tuple(row) for row in connection.execute(sql)]


def test_a_break_by_one_key_and_a_wrong_key_undone_by_one(hub: tuple[str, Centre], visit: Visit) -> None:
    """T at the focused tile; Z ends it; R gives another; B ends that, and Z lets it go on. All without a mouse."""
    page = visit.open("Ada")
    tile = page.locator('.tile[data-unit="c.d2"]')
    expect(page.locator('.tile[data-unit="c.d1"] .candidate')).to_have_text("C-4711")
    expect(page.locator('[data-bar="exam"]')).to_contain_text("last")
    tile.locator(".face").focus()
    page.keyboard.press("t")
    expect(page.locator("#done")).to_contain_text("Seat A2: toilet break until")
    expect(tile).to_have_attribute("data-state", "break")
    page.keyboard.press("z")
    expect(page.locator("#done")).to_contain_text("Seat A2: the break is ended")
    expect(tile).to_have_attribute("data-state", "recording")
    page.keyboard.press("r")
    expect(tile.locator(".words")).to_have_text("Rest break")
    page.keyboard.press("Enter")
    expect(page.locator("#opened")).to_have_attribute("data-seat", "2")
    assert page.url.endswith("seat=2")
    page.keyboard.press("b")
    expect(page.locator('#opened [data-renew="acts"]')).to_have_attribute("data-break", "")
    page.keyboard.press("z")
    expect(page.locator("#opened [data-timer]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(tile.locator(".face")).to_be_focused()


def test_a_break_that_runs_over_is_loud(hub: tuple[str, Centre], visit: Visit) -> None:
    """By itself, without a row changing, and in the panel too."""
    centre, page = hub[1], visit.open("Ada")
    now = now_ms()
    values = {"sitting": "sitting-1", "seat": "A3", "kind": "toilet", "given_by": "Ada"}
    centre.insert("breaks", **values, began_utc_ms=now - 60_000, limit_utc_ms=now + 2_500)
    tile = page.locator('.tile[data-unit="c.d3"]')
    expect(tile).to_have_attribute("data-state", "overrun")
    expect(tile.locator(".words")).to_have_text("Toilet break over its time")
    expect(page.locator("#tiles > .tile").first).to_have_attribute("data-unit", "c.d3")
    tile.locator(".face").click()
    expect(page.locator("#opened [data-timer]")).to_have_attribute("data-over", "")
    expect(page.locator("#opened [data-lasts]")).to_contain_text("over")


def test_a_mark_has_the_moment_of_the_key(hub: tuple[str, Centre], visit: Visit) -> None:
    """M, some time to write, Enter: kept is when M was pressed."""
    centre, page = hub[1], visit.open("Ada")
    page.locator('.tile[data-unit="c.d4"] .face').focus()
    before = now_ms()
    page.keyboard.press("m")
    expect(page.locator("#mark-note")).to_be_focused()
    after = now_ms()
    expect(page.locator("[data-mark-what]")).to_contain_text("at seat A4")
    wait_for(lambda: now_ms() > after + 1500)
    page.keyboard.type("t, r and b are letters here")
    page.keyboard.press("Enter")
    expect(page.locator("#done")).to_contain_text("is marked")
    ((seat, at, made, note),) = rows(centre, "select seat, at_utc_ms, made_utc_ms, note from bookmarks")
    assert (seat, note) == ("A4", "t, r and b are letters here")
    assert before - 1500 <= at <= after + 1500 <= made + 1500
    assert made - at >= 1000
    assert rows(centre, "select count(*) from breaks where seat = 'A4'") == [(0,)]


def test_an_incident_by_hand_opens_beside_the_map(hub: tuple[str, Centre], visit: Visit) -> None:
    centre, page = hub[1], visit.open("Ada")
    page.locator('.tile[data-unit="c.d1"] .face').click()
    page.locator("#opened .by-hand summary").click()
    page.locator("#by-hand-note").fill("a slip of paper")
    page.get_by_role("button", name="Open the incident").click()
    expect(page.locator("#panel h1")).to_have_text("Opened by hand")
    expect(page.locator(".queued .words").first).to_have_text("Opened by hand")
    expect(page.locator(".queued .by").first).to_have_text("Ada opened it")
    centre.execute("update incidents set state = 'closed', verdict = 'no_concern'")


def test_the_room_is_a_map_or_a_grid_as_one_left_it(hub: tuple[str, Centre], visit: Visit) -> None:
    """G; the seats stand as in the room, the arrow keys go as one sees it, and the choice is there again."""
    page = visit.open("Ada")
    page.keyboard.press("l")
    expect(page.locator("#tiles")).to_have_attribute("data-view", "map")
    boxes = {n: page.locator(f'.tile[data-unit="c.d{n}"]').bounding_box() for n in (1, 2, 3, 4)}
    one, two, three = boxes[1], boxes[2], boxes[3]
    assert one
    assert two
    assert three
    assert one["x"] < two["x"]
    assert one["y"] == two["y"] < three["y"]
    assert one["x"] == three["x"]
    page.locator('.tile[data-unit="c.d1"] .face').focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator('.tile[data-unit="c.d3"] .face')).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator('.tile[data-unit="c.d4"] .face')).to_be_focused()
    page.reload()
    expect(page.locator("#tiles")).to_have_attribute("data-view", "map")
    expect(page.locator(".room-name h2")).to_have_text("Main hall")


def test_when_ingest_is_away_the_page_says_so_and_no_desk_fails(hub: tuple[str, Centre], visit: Visit) -> None:
    """One line about the hub; the tiles say since when nothing is known; and all is well again when it is back."""
    centre, page = hub[1], visit.open("Ada")
    for number in range(1, 5):
        centre.heartbeat(f"c.d{number}", age_ms=9_000)
    centre.folder.put_facts({"beat_utc_ms": now_ms() - 8_000}, now_ms())
    try:
        expect(page.locator("#hearing")).to_contain_text("ingest is not running")
        expect(page.locator('.tile[data-state="unknown"]')).to_have_count(4)
        expect(page.locator(".tile .words").first).to_contain_text("Not known since")
        expect(page.locator('[data-bar="recording"]')).to_contain_text("\N{EN DASH} of 4 seats")
        expect(page.locator("#faults")).to_be_hidden()
    finally:
        centre.folder.put_facts({"beat_utc_ms": now_ms() + 86_400_000}, now_ms())
    for number in range(1, 5):
        centre.heartbeat(f"c.d{number}")
    expect(page.locator("#hearing")).to_be_hidden()
    expect(page.locator('.tile[data-state="recording"]')).to_have_count(4)


def _is_at_most_0(page: Page, asked: str) -> bool:
    return int(page.evaluate(asked)) <= 0


def test_sixty_seats_fit_a_wall_and_thirty_a_laptop(browser: Browser, tmp_path: Path) -> None:
    """Without scrolling, as a grid."""
    for seats, width, height in ((30, 1366, 768), (60, 1920, 1080)):
        with served(tmp_path / str(seats)) as (address, centre):
            room = centre.room("Main hall")
            for number in range(seats):
                centre.seat(room, f"S{number}", f"c.d{number}")
                centre.heartbeat(f"c.d{number}")
            visit = Visit(browser, address, width, height)
            page = visit.open("Ada")
            expect(page.locator("#tiles > .tile")).to_have_count(seats)
            hall = "(() => { const it = document.querySelector('.hall'); return it.scrollHeight - it.clientHeight })()"
            wait_for(functools.partial(_is_at_most_0, page, hall))
            last = page.locator("#tiles > .tile").last.bounding_box()
            assert last
            assert last["y"] + last["height"] <= height
            visit.context.close()
