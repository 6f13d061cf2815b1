"""Rooms in a real browser: seats moved by pointer and by keys, masks drawn on the picture, a dead desk replaced."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from hub.store import desks, rooms
from tests.browser.test_pages import CONTRAST, Visit
from tests.hub.seed import Centre, now_ms
from tests.hub.website import served
from tests.support import wait_for


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Centre]]:
    """A hall of 60 placed seats, ten of them with desks, and a small room for each test that changes one."""
    with served(tmp_path_factory.mktemp("hub")) as (address, centre):
        hall = centre.room("Main hall")
        for number in range(60):
            unit = f"c.d{number}" if number < 10 else None
            seat = centre.seat(hall, f"{'ABCDEF'[number // 10]}{number % 10 + 1}", unit)
            centre.execute(
                "update seats set map_x = :x, map_y = :y where seat_id = :s", x=number % 10, y=number // 10, s=seat
            )
            if unit:
                centre.heartbeat(unit)
                centre.still(unit, number)
        centre.insert("units", unit="c.spare", public_key="e" * 64, first_seen_utc_ms=1)
        centre.heartbeat("c.spare")
        yield address, centre


@pytest.fixture
def visit(browser: Browser, hub: tuple[str, Centre]) -> Iterator[Visit]:
    found = Visit(browser, hub[0])
    yield found
    found.context.close()
    assert found.complaints == []


def small_room(centre: Centre, name: str) -> int:
    """Four columns, two rows, S1 to S3 in the first."""
    room = centre.room(name, None)
    for x in range(3):
        seat = centre.seat(room, f"S{x + 1}")
        centre.execute("update seats set map_x = :x, map_y = 0 where seat_id = :s", x=x, s=seat)
    centre.execute("update rooms set map_columns = 4, map_rows = 2 where room_id = :room", room=room)
    return room


def cells(centre: Centre, room: int) -> dict[str, tuple[int, int]]:
    found = rooms.read(centre.store, room, now_ms())
    assert found is not None
    return {each["label"]: (each["map_x"], each["map_y"]) for each in found.seats}


def place(page: Page, label: str) -> Locator:
    return page.locator(f'a.place[data-label="{label}"]')


def at(page: Page, x: int, y: int) -> Locator:
    return page.locator(f'td[data-x="{x}"][data-y="{y}"]')


def drag(page: Page, seat: Locator, target: Locator) -> None:
    start, end = seat.bounding_box(), target.bounding_box()
    assert start
    assert end
    page.mouse.move(start["x"] + 20, start["y"] + 20)
    page.mouse.down()
    page.mouse.move(end["x"] + 30, end["y"] + 30, steps=4)
    page.mouse.up()


def test_seats_are_moved_by_pointer_and_keys_and_kept_when_saved(hub: tuple[str, Centre], visit: Visit) -> None:
    """A step back is one click; who leaves with unsaved changes is asked; a screen reader hears where a seat is."""
    address, centre = hub
    room = small_room(centre, "Small")
    page = visit.log_in("Root")
    page.goto(f"{address}/rooms/{room}")
    place(page, "S1").click()
    expect(page.locator("h1")).to_contain_text("Seat S1")
    page.go_back()
    page.get_by_role("button", name="Move seats").click()
    drag(page, place(page, "S1"), at(page, 3, 1))
    expect(at(page, 3, 1).locator("a.place")).to_have_attribute("data-label", "S1")
    expect(page.locator("[data-say]")).to_have_text("Seat S1: column 4, row 2.")
    drag(page, place(page, "S2"), at(page, 2, 0))
    expect(page.locator("[data-say]")).to_have_text("Seats S2 and S3 have changed places.")
    page.get_by_role("button", name="Undo").click()
    expect(at(page, 2, 0).locator("a.place")).to_have_attribute("data-label", "S3")
    expect(page.locator("[data-unsaved]")).to_have_text("1 seat moved, not saved yet")
    place(page, "S2").focus()
    page.keyboard.press("ArrowRight")
    expect(at(page, 3, 0).locator("a.place")).to_have_attribute("data-label", "S2")
    expect(place(page, "S2")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.locator("[data-say]")).to_have_text("Seat S2: no free place in that direction.")
    page.keyboard.press("Control+z")
    page.keyboard.press("ArrowDown")
    expect(at(page, 1, 1).locator("a.place")).to_have_attribute("data-label", "S2")
    page.locator(".crumbs a").first.click(no_wait_after=True)
    wait_for(lambda: page.evaluate("1") and bool(visit.complaints))
    assert visit.complaints.pop().startswith("dialog:")
    assert cells(centre, room)["S1"] == (0, 0)
    page.get_by_role("button", name="Save the map").first.click()
    expect(page.locator(".notice.calm")).to_contain_text("2 seats were moved")
    assert cells(centre, room) == {"S1": (3, 1), "S2": (1, 1), "S3": (2, 0)}


def test_numbers_and_a_larger_map_are_followed_at_once(hub: tuple[str, Centre], visit: Visit) -> None:
    address, centre = hub
    room = small_room(centre, "Numbers")
    page = visit.log_in("Root")
    page.goto(f"{address}/rooms/{room}")
    page.get_by_text("Columns and rows as numbers").click()
    page.fill("#columns", "6")
    page.locator("#columns").blur()
    group = page.get_by_role("group", name="Seat S3")
    group.get_by_label("Column").fill("6")
    group.get_by_label("Column").blur()
    expect(at(page, 5, 0).locator("a.place")).to_have_attribute("data-label", "S3")
    page.locator(".numbers").get_by_role("button", name="Save the map").click()
    expect(page.locator(".notice.calm")).to_contain_text("1 seats were moved")
    assert cells(centre, room)["S3"] == (5, 0)


def test_masks_are_drawn_on_the_picture_and_by_keys(hub: tuple[str, Centre], visit: Visit) -> None:
    address, centre = hub
    page = visit.log_in("Root")
    page.goto(f"{address}/rooms/1/1/masks")
    expect(page.locator(".canvas img")).to_have_js_property("complete", True)
    assert page.locator(".canvas img").evaluate("image => image.naturalWidth") == 320
    page.get_by_role("button", name="Draw a mask").click()
    box = page.locator(".canvas").bounding_box()
    assert box
    for x, y in ((0.2, 0.2), (0.6, 0.2), (0.6, 0.7)):
        page.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
    expect(page.locator(".corner")).to_have_count(3)
    page.mouse.click(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.2)
    expect(page.locator("polygon")).to_have_count(1)
    page.get_by_label("What it does").select_option("private")
    expect(page.locator("polygon")).to_have_class("private")
    corner = page.locator('[data-corner="1-1"]')
    corner.focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(corner).to_be_focused()
    expect(corner).to_have_attribute(
        "aria-label", "Corner 2 of mask 1: 65 percent from the left, 21 percent from the top"
    )
    page.keyboard.press("Delete")
    expect(page.locator("[data-say]")).to_have_text("A mask needs at least three corners.")
    third = page.locator('[data-corner="1-2"]').bounding_box()
    assert third
    page.mouse.move(third["x"] + 12, third["y"] + 12)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.9, steps=3)
    page.mouse.up()
    page.get_by_role("button", name="Draw a mask").click()
    page.mouse.click(box["x"] + 5, box["y"] + 5)
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[data-mask]")).to_have_count(1)
    page.get_by_role("button", name="Save the masks").click()
    expect(page.locator(".notice.calm")).to_contain_text("1 masks are saved")
    with centre.store.read() as connection:
        [mask] = desks.masks_of(rooms.seat_called(connection, "Main hall", "A1"))
    assert mask.kind == "private"
    for found, wanted in zip(mask.points, ((0.2, 0.2), (0.65, 0.21), (0.5, 0.9)), strict=True):
        assert found == pytest.approx(wanted, abs=0.006)


def test_a_dead_desk_is_replaced_in_three_clicks(hub: tuple[str, Centre], visit: Visit) -> None:
    """From the seat's page: replace, the spare that is online is chosen already, put it there."""
    address, centre = hub
    centre.heartbeat("c.d4", is_online=False)
    page = visit.log_in("Root")
    page.goto(f"{address}/seats/5")
    page.get_by_role("link", name="Replace this desk").click()
    expect(page.get_by_label("c.spare")).to_be_checked()
    page.get_by_role("button", name="Put it at seat A5 instead of c.d4").click()
    expect(page.locator(".notice.calm")).to_contain_text("c.spare stands at seat A5 now")
    with centre.store.read() as connection:
        assert rooms.seat_called(connection, "Main hall", "A5").unit == "c.spare"
    page.get_by_role("link", name="History of this seat").click()
    expect(page.locator(".happened")).to_contain_text("Desk taken away")


PAGES = (
    "/rooms/",
    "/rooms/1",
    "/rooms/1/add?columns=10&rows=7&scheme=row_letter",
    "/rooms/1/2",
    "/rooms/1/2/masks",
    "/seats/2",
)


@pytest.mark.parametrize(("width", "theme"), [(360, "light"), (1920, "dark")])
def test_every_page_fits_and_can_be_read(browser: Browser, hub: tuple[str, Centre], width: int, theme: str) -> None:
    """Nothing but the map is wider than a phone, every text has its contrast, and 60 seats stand on one screen."""
    address, centre = hub
    visit = Visit(browser, address, width, 1080)
    page = visit.log_in("Root")
    triangle = '[{"kind":"ignore","points":[[0.1,0.1],[0.4,0.1],[0.3,0.5]]}]'
    centre.execute("update seats set masks = :masks where seat_id = 2", masks=triangle)
    for path in PAGES:
        page.goto(f"{address}{path}")
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        page.evaluate("() => Promise.all(document.getAnimations().map(animation => animation.finished))")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.evaluate(CONTRAST) == [], path
    if width == 1920:
        page.goto(f"{address}/rooms/1")
        last = place(page, "F10").bounding_box()
        assert last
        assert last["y"] + last["height"] < 1080
        assert last["x"] + last["width"] < 1920
    visit.context.close()
    assert visit.complaints == []


def test_without_a_script_the_forms_do_the_same(browser: Browser, hub: tuple[str, Centre]) -> None:
    address, centre = hub
    room = small_room(centre, "Plain")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/login")
    page.fill("#name", "Root")
    page.fill("#password", "correct horse battery")
    page.click("button.primary")
    page.goto(f"{address}/rooms/{room}")
    page.get_by_text("Columns and rows as numbers").click()
    page.get_by_role("group", name="Seat S1").get_by_label("Row").fill("2")
    page.locator(".numbers").get_by_role("button", name="Save the map").click()
    assert cells(centre, room)["S1"] == (0, 1)
    page.goto(f"{address}/rooms/1/3/masks")
    page.get_by_label("Corners").last.fill("10 10; 50 10; 50 50")
    page.get_by_role("button", name="Save the masks").click()
    expect(page.locator(".notice.calm")).to_contain_text("1 masks are saved")
    context.close()
