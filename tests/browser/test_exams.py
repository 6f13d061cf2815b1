"""An exam prepared in a real browser, its roster taken in with errors and then right; and 500 candidates on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from hub.core.roster import Entry, compare
from hub.store import roster_changes
from hub.store.audit import Actor
from tests.browser.test_pages import CONTRAST, Visit
from tests.hub.seed import Centre, now_ms
from tests.hub.website import served

LONG = "Advanced Structural Mechanics & Plates II"
ARABIC = "\u0645\u062d\u0645\u062f \u0628\u0646 \u0639\u0628\u062f \u0627\u0644\u0644\u0647"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, Centre]]:
    """A hall of thirty seats and a second room, nothing planned."""
    with served(tmp_path) as (address, centre):
        hall = centre.room("Main hall", exam=None)
        for number in range(1, 31):
            centre.seat(hall, f"A{number}", f"c.d{number}")
        centre.seat(centre.room("Room 204", exam=None), "B1", "c.d99")
        yield address, centre


def choose(page: Page, text: str, name: str = "roster.csv") -> None:
    page.set_input_files("#file", {"name": name, "mimeType": "text/csv", "buffer": text.encode("utf-16")})
    page.get_by_role("button", name="Look at the file").click()


def test_an_exam_is_prepared(browser: Browser, hub: tuple[str, Centre]) -> None:
    visit = Visit(browser, hub[0])
    page = visit.open("Root")
    page.get_by_role("link", name="Exams", exact=True).click()
    page.get_by_role("link", name="New exam").click()
    page.fill("#exam", LONG)
    page.fill("#day", "2037-06-01")
    page.fill("#zone", "Europe/Berlin")
    page.get_by_role("button", name="Make the exam").click()
    page.get_by_role("link", name="Plan sittings").click()
    page.get_by_label("Main hall").check()
    page.fill("#start", "2037-06-01T09:00")
    page.fill("#end", "2037-06-01T12:00")
    page.get_by_role("button", name="Plan", exact=True).click()
    expect(page.get_by_text("1 sitting is planned.")).to_be_visible()
    page.get_by_role("link", name="0 candidates").click()
    lines = [f"{n},Candidate {n},A{n},{'25 %' if n == 7 else ''}\n" for n in range(1, 31)]
    wrong = [*lines[:4], "5,Candidate 5,Z5,\n", "6,Candidate 6,A1,\n", *lines[6:]]
    choose(page, "Number,Name,Seat,Extra time\n" + "".join(wrong))
    expect(page.get_by_role("heading", name="2 problems")).to_be_visible()
    expect(page.get_by_role("row", name="6 The room has no seat Z5.")).to_be_visible()
    expect(page.get_by_role("row", name="7 Seat A1 is in line 2 already.")).to_be_visible()
    expect(page.get_by_role("button", name="Confirm")).to_have_count(0)
    page.get_by_role("link", name="Roster").click()
    choose(page, "Number,Name,Seat,Extra time\n" + "".join(lines))
    expect(page.get_by_text("30 new, 0 changed, 0 unchanged, 0 no longer listed.")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("30 new, 0 changed, 0 unchanged, 0 removed.")).to_be_visible()
    page.get_by_role("link", name="Change 7", exact=True).click()
    page.select_option("#seat", "A8")
    page.get_by_role("button", name="Change the seat").click()
    expect(page.get_by_role("alert")).to_contain_text("Seat A8 is candidate 8's")
    page.get_by_label("Change places with whoever sits there").check()
    page.get_by_role("button", name="Change the seat").click()
    row = page.get_by_role("row").filter(has=page.get_by_text("A8", exact=True))
    expect(row).to_contain_text("Candidate 7")
    expect(row).to_contain_text("12:45")
    visit.context.close()
    assert [each for each in visit.complaints if "422" not in each] == []


def filled(centre: Centre) -> str:
    """A running sitting of 500 candidates, names of any length; answers its name."""
    room = centre.room("A room with a name of forty characters!!", exam=LONG)
    centre.execute("insert into exams (exam, zone, day) values (:e, 'Europe/Berlin', '2037-06-01')", e=LONG)
    labels = [f"Row {n // 20} seat {n % 20}" for n in range(500)]
    names = [ARABIC if n % 3 else "N" * 40 for n in range(500)]
    numbers = [f"{'9' * 38}{n:02}" if n < 20 else str(n) for n in range(500)]
    entries = [Entry(*each) for each in zip(numbers, names, labels, strict=True)]
    with centre.store.write() as connection:
        seats = [(room, label) for label in labels]
        connection.executemany("insert into seats (room_id, label) values (?, ?)", seats)
        actor = Actor("Root", "admin")
        roster_changes.import_all(connection, actor, f"sitting-{room}", compare(entries, ()), now_ms())
    return f"sitting-{room}"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_fits_a_phone_and_can_be_read(browser: Browser, hub: tuple[str, Centre], theme: str) -> None:
    """At 360 px no page is wider than the screen, and no text is faint."""
    sitting = filled(hub[1])
    visit = Visit(browser, hub[0], 360, 800)
    page = visit.open("Root")
    visit.context.add_cookies([{"name": "ems_theme", "value": theme, "url": hub[0]}])
    for path in (
        "/exams/",
        "/exams/new",
        f"/exams/one?exam={LONG.replace('&', '%26')}",
        f"/exams/sittings/new?exam={LONG.replace('&', '%26')}",
        f"/exams/sittings/{sitting}",
        "/profiles/",
        "/profiles/new",
        "/profiles/one?profile=Standard",
        f"/sittings/{sitting}/roster",
        f"/sittings/{sitting}/roster/candidates/1",
    ):
        assert page.goto(f"{hub[0]}{path}").status == 200, path  # type: ignore[union-attr]
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        assert page.evaluate(CONTRAST) == [], path
    page.goto(f"{hub[0]}/sittings/{sitting}/roster")
    page.set_input_files(
        "#file", {"name": "x" * 90 + ".csv", "mimeType": "text/csv", "buffer": b"nr,seat,what\n1,Z9,x\n"}
    )
    page.get_by_role("button", name="Look at the file").click()
    expect(page.get_by_role("heading", name="1 problem")).to_be_visible()
    page.wait_for_load_state("load")  # its style sheets too
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate(CONTRAST) == []
    visit.context.close()
    assert visit.complaints == []
