"""Sittings and their coverage on the pages: the list, one whole, and the same for machines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.store import audit
from hub.store import coverage as store
from hub.web.sittings import CSV_HEAD, safe_cell
from tests.hub.seed import now_ms
from tests.hub.website import Site, site


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A sitting of 42 minutes so far: one seat whole, one with a gap, one without a desk, one with a name that
    calculates."""
    with site(tmp_path_factory.mktemp("site")) as found:
        centre = found.centre
        room = centre.room("Main hall", exam="=Maths & more")
        began = now_ms() - 42 * 60_000
        centre.execute("update sittings set start_utc_ms = :began", began=began)
        for label, unit in (("A1", "c.d1"), ("A2", "c.d2"), ("A3", None), ("=1+1", "c.d4")):
            centre.seat(room, label, unit)
        for unit in ("c.d1", "c.d2", "c.d4"):
            centre.heartbeat(unit, age_ms=0, spool=0)
        centre.film(None, "c.d1", began, 42 * 60)
        centre.film(None, "c.d2", began, 600)
        centre.film(None, "c.d2", began + 660_000, 42 * 60 - 660)
        centre.gap("c.d2", "camera_lost", 60_000, began_utc_ms=began + 600_000, detail="@cable")
        centre.fault("c.d2", "camera_lost", "cable")
        centre.execute(
            """update faults set began_utc_ms = :at, raised_utc_ms = :at + 4000, received_utc_ms = :at + 4500,
                cleared_utc_ms = :at + 60000, state = 'cleared'""",
            at=began + 600_000,
        )
        centre.film(None, "c.d4", began, 42 * 60)
        yield found


def test_the_list_tells_of_each_sitting_and_its_worst_seats(place: Site) -> None:
    text = " ".join(place.client("Ada").get("/sittings/").text.split())
    assert "=Maths &amp; more" in text
    assert "Main hall" in text
    worst = [part.partition("</strong>")[0] for part in text.split('<span class="worst"><strong>')[1:]]
    assert worst == ["A3", "A2"]
    assert "running, 3 h 0 min" in text or "running, 2 h 59 min" in text


def test_one_sitting_shows_every_seat_its_gaps_and_who_was_told(place: Site) -> None:
    text = " ".join(place.client("Tim").get("/sittings/sitting-1").text.split())
    seats = [part.partition('"')[0] for part in text.split('<tr data-seat="')[1:]]
    assert seats == ["A3", "A2", "=1+1", "A1"]  # the worst first
    row = text.split('<tr data-seat="A2"')[1].partition("</tr>")[0]
    assert "<strong>Camera lost</strong>" in row
    assert row.index("Lamp at the desk") < row.index("Dashboard")
    assert "97." in row
    assert "1 min" in row
    assert 'class="strip-missing"' in row
    assert "No desk unit" in text.split('<tr data-seat="A3"')[1].partition("</tr>")[0]
    assert "nothing" in text.split('<tr data-seat="A1"')[1].partition("</tr>")[0]
    assert "style=" not in text
    assert place.client("Tim").get("/sittings/none").status_code == 404


def test_a_technician_sees_coverage_and_gets_no_link_to_film(place: Site) -> None:
    """Coverage tells of equipment; film is of candidates."""
    assert "/film?sitting" not in place.client("Tim").get("/sittings/sitting-1").text
    assert "/film?sitting" in place.client("Ada").get("/sittings/sitting-1").text


def test_as_json_every_number_adds_up(place: Site) -> None:
    told: Any = place.client("Ada").get("/sittings/sitting-1/coverage.json").json
    assert (told["sitting"], told["room"], len(told["seats"])) == ("sitting-1", "Main hall", 4)
    for seat in told["seats"]:
        missing = sum(gap["until_utc_ms"] - gap["from_utc_ms"] for gap in seat["missing"])
        assert 0 <= seat["due_ms"] - seat["recorded_ms"] - missing < 1000
    (gap,) = next(seat["missing"] for seat in told["seats"] if seat["seat"] == "A2")
    assert (gap["cause"], gap["detail"], gap["until_utc_ms"] - gap["from_utc_ms"]) == ("camera_lost", "@cable", 60_000)
    assert [(each["where"], each["at_utc_ms"] - gap["from_utc_ms"]) for each in gap["told"]] == [
        ("lamp", 4000),
        ("dashboard", 4500),
    ]


def test_as_a_table_no_cell_calculates(place: Site) -> None:
    """A spreadsheet takes what begins like a formula for text, in names that people gave and in what a desk told."""
    answer = place.client("Ada").get("/sittings/sitting-1/coverage.csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="coverage-sitting-1.csv"'
    head, *rows = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert tuple(head) == CSV_HEAD
    cells = [cell for row in rows for cell in row]
    assert [cell for cell in cells if cell[:1] in ("=", "+", "-", "@")] == []
    assert {"'=Maths & more", "'=1+1", "'@cable"} <= set(cells)
    row = next(row for row in rows if row[3] == "A2")
    assert row[11:13] == ["60", "Camera lost"]
    assert row[14].startswith("lamp 20")
    assert next(row for row in rows if row[3] == "A1")[9:] == [""] * 6


@pytest.mark.parametrize("evil", ["=1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_what_calculates_gets_an_apostrophe(evil: str) -> None:
    assert safe_cell(evil) == f"'{evil}"
    assert safe_cell(f" {evil}") == f" {evil}"
    assert safe_cell("") == ""


def test_a_look_at_coverage_is_audited_and_its_renewal_is_not(place: Site) -> None:
    client = place.client("Grace")
    client.get("/sittings/sitting-1")
    client.get("/sittings/sitting-1", headers={"X-Part": "1"})
    found = [each for each in audit.entries(place.store) if each.who == "Grace"]
    assert [(each.deed, each.object) for each in found if each.deed == "viewed_coverage"] == [
        ("viewed_coverage", "sitting sitting-1")
    ]


def test_a_sitting_that_is_over_is_added_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of a year's sittings does not read all their segments each time, and is right when some are added."""
    with site(tmp_path) as found:
        room = found.centre.room("Main hall")
        found.centre.seat(room, "A1", "c.d1")
        began = now_ms() - 10 * 3_600_000
        found.centre.execute("update sittings set start_utc_ms = :a, end_utc_ms = :b", a=began, b=began + 600_000)
        found.centre.film(None, "c.d1", began, 300)
        read: list[object] = []
        real = store.read

        def counted(*wish: Any) -> Any:
            read.append(wish)
            return real(*wish)

        monkeypatch.setattr(store, "read", counted)
        client = found.client("Ada")
        assert "50.00 %" in client.get("/sittings/").text
        assert "50.00 %" in client.get("/sittings/").text
        assert len(read) == 1
        found.centre.film(None, "c.d1", began + 300_000, 150)
        assert "75.00 %" in client.get("/sittings/").text


def test_without_sittings_the_page_says_what_will_be_there(tmp_path: Path) -> None:
    with site(tmp_path) as found:
        assert "No sitting yet" in found.client("Ada").get("/sittings/").text
        room = found.centre.room("Main hall")
        found.centre.execute("update sittings set start_utc_ms = :a, end_utc_ms = :a + 1000", a=now_ms() + 600_000)
        assert "not begun" in found.client("Ada").get("/sittings/").text
        assert "No seats in this room" in found.client("Ada").get(f"/sittings/sitting-{room}").text
