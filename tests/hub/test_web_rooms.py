"""The pages that set up rooms: looked at before anything is kept, and what was typed stays when it cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from agent import wire
from hub.store import desks, rooms
from hub.store.audit import Actor
from tests.hub.seed import now_ms
from tests.hub.website import Site, site, token

PATTERN = {"columns": "3", "rows": "2", "scheme": "row_letter", "prefix": "", "start": "1", "digits": "1"}
PATTERN |= {"order": "left"}
EVIL = "<img src=x onerror=alert(1)>\u202e"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    """A hall with A1 and A2, a desk at A1, no sitting, and a spare."""
    with site(tmp_path) as found:
        room = found.centre.room("Hall", None)
        found.centre.seat(room, "A1", "c.d1")
        found.centre.seat(room, "A2")
        found.centre.insert("units", unit="c.spare", public_key="e" * 64, first_seen_utc_ms=1)
        found.centre.heartbeat("c.d1")
        found.centre.still("c.d1", 1)
        yield found


def post(client: FlaskClient, path: str, **form: str | list[str]) -> TestResponse:
    return client.post(path, data={"csrf_token": token(client, "/"), **form})


def seats(place: Site) -> list[tuple[str, int | None, int | None]]:
    found = rooms.read(place.store, 1, now_ms())
    assert found is not None
    return [(each["label"], each["map_x"], each["map_y"]) for each in found.seats]


def test_a_pattern_is_shown_and_then_kept_as_shown(place: Site) -> None:
    """With what is there already; the button says how many, and after somebody's change it is asked again."""
    root = place.client("Root")
    text = root.get("/rooms/1/add", query_string=PATTERN).text
    for said in ("4 new seats: <bdi>A3</bdi>", "2 seats that are there already get a place", "Add 4 seats"):
        assert said in text, said
    assert seats(place) == [("A1", None, None), ("A2", None, None)], "nothing is kept by looking"
    seen = text.partition('name="seen" value="')[2].partition('"')[0]
    post(root, "/rooms/1/seat", label="B1")
    overtaken = post(root, "/rooms/1/add", seen=seen, **PATTERN)
    assert overtaken.status_code == 409
    assert "look at what would be added now" in overtaken.text
    seen = overtaken.text.partition('name="seen" value="')[2].partition('"')[0]
    assert post(root, "/rooms/1/add", seen=seen, **PATTERN).status_code == 303
    assert seats(place) == [
        *(("A1", 0, 0), ("A2", 1, 0), ("A3", 2, 0)),
        *(("B1", 0, 1), ("B2", 1, 1), ("B3", 2, 1)),
    ]


@pytest.mark.parametrize(("field", "value"), [("columns", "99"), ("rows", "x"), ("start", "-1"), ("scheme", "runes")])
def test_a_wrong_field_is_told_beside_it(place: Site, field: str, value: str) -> None:
    text = place.client("Root").get("/rooms/1/add", query_string=PATTERN | {field: value}).text
    assert f'id="{field}-wrong"' in text
    assert field == "scheme" or f'value="{value}"' in text


def test_seats_are_moved_by_a_plain_form(place: Site) -> None:
    """Columns and rows begin with 1; what cannot be comes back as it was typed, and nothing has moved."""
    root = place.client("Root")
    good = {"columns": "2", "rows": "1", "x-1": "2", "y-1": "1", "was-1": "", "x-2": "1", "y-2": "1", "was-2": ""}
    for change, why in (
        ({"x-2": "2"}, "would lie on each other"),
        ({"x-2": ""}, "needs both a column and a row"),
        ({"x-2": "two"}, "is not a number"),
        ({"rows": "0"}, "1 to 60"),
    ):
        refused = post(root, "/rooms/1/map", **good | change)
        assert refused.status_code == 422
        assert why in refused.text
        assert 'name="x-1" inputmode="numeric" maxlength="6" autocomplete="off" value="2"' in refused.text
    assert seats(place)[0] == ("A1", None, None)
    assert post(root, "/rooms/1/map", **good).status_code == 303
    assert seats(place) == [("A1", 1, 0), ("A2", 0, 0)]
    assert post(root, "/rooms/1/map", **good | {"x-1": "1", "x-2": ""} | {"y-2": ""}).status_code == 409


def test_a_desk_is_put_and_taken_away(place: Site) -> None:
    """The spare that is online is chosen beforehand; of two who do it at once the second is told who stands there."""
    place.centre.heartbeat("c.spare")
    root = place.client("Root")
    assert 'value="c.spare" required checked' in root.get("/rooms/1/1").text
    assert post(root, "/rooms/1/1/desk", unit="c.spare", seen="c.d1").status_code == 303
    second = post(root, "/rooms/1/1/desk", unit="c.d1", seen="c.d1")
    assert second.status_code == 422
    assert "Somebody was quicker: c.spare stands there now." in second.text
    assert post(root, "/rooms/1/1/desk", unit="", seen="c.spare").status_code == 303
    assert [each.unit for each in desks.spares(place.store, now_ms())] == ["c.d1", "c.spare"]
    assert "No desk" in root.get("/rooms/1").text


def test_masks_are_saved_whole_or_not_at_all(place: Site) -> None:
    """A wrong one is named beside its field and the right ones stay typed; a plan that would be too large says so."""
    root = place.client("Root")
    seen = wire.sha256_hex(b"[]")
    good = "10 10; 40 10; 40 40"
    wrong = post(root, "/rooms/1/1/masks", kind=["private", "ignore"], points=[good, "1 2; 3"], seen=seen)
    assert wrong.status_code == 422
    assert 'id="mask-2-wrong"' in wrong.text
    assert good in wrong.text
    assert "1 2; 3" in wrong.text
    now = now_ms()
    for number in range(40):
        values = {"sitting": f"s{number}", "exam": "E", "room_id": 1, "mode": "automated", "rules": "[]"}
        place.centre.insert("sittings", **values, start_utc_ms=now + number, end_utc_ms=now + 9_000_000 + number)
    many = "; ".join(f"{n * 3 + 0.11} {n * n / 10.7:.2f}" for n in range(32))
    large = post(root, "/rooms/1/1/masks", kind=["ignore"] * 16, points=[many] * 16, seen=seen)
    assert large.status_code == 422
    assert "draw the seat&#39;s masks with fewer points" in large.text
    with place.store.read() as connection:
        assert rooms.seat_called(connection, "Hall", "A1").masks == "[]"
    assert post(root, "/rooms/1/1/masks", kind=["private"], points=[good], seen=seen).status_code == 303
    late = post(root, "/rooms/1/1/masks", kind=["ignore"], points=[good], seen=seen)
    assert late.status_code == 409
    assert "Somebody else changed the masks" in late.text


def test_the_picture_is_the_desks_newest_and_is_kept_nowhere(place: Site) -> None:
    root = place.client("Root")
    picture = root.get("/rooms/1/1/picture.jpg")
    assert picture.data.startswith(b"\xff\xd8")
    assert picture.headers["Cache-Control"] == "no-store"
    assert root.get("/rooms/1/2/picture.jpg").status_code == 404
    assert "there is no picture" in root.get("/rooms/1/2/masks").text


def test_names_are_never_markup(place: Site) -> None:
    """A name that shows nothing or turns text round is refused, and one with markup is shown as it is written."""
    root = place.client("Root")
    refused = post(root, "/rooms/", name=EVIL)
    assert refused.status_code == 422
    assert "visible characters" in refused.text
    evil = EVIL[:-1]
    assert post(root, "/rooms/", name=evil).status_code == 303
    assert post(root, "/rooms/2/seat", label=evil).status_code == 303
    for path in ("/rooms/", "/rooms/2", "/rooms/2/3", "/rooms/2/3/masks", "/seats/3", "/rooms/2/add?columns=1&rows=1"):
        page = root.get(path)
        assert page.status_code == 200, path
        assert "<img src=x" not in page.text, path
    assert post(root, "/rooms/", name="x" * 201).status_code == 422


def test_a_rooms_seats_are_its_own(place: Site) -> None:
    """A seat is not reached through another room, and what is not there says so."""
    other = place.centre.room("Annex", None)
    root = place.client("Root")
    for path in (
        f"/rooms/{other}/1",
        f"/rooms/{other}/1/masks",
        f"/rooms/{other}/1/picture.jpg",
        "/rooms/9",
        "/rooms/1/9",
    ):
        assert root.get(path).status_code == 404, path
    assert post(root, f"/rooms/{other}/1/desk", unit="", seen="c.d1").status_code == 404
    assert post(root, "/rooms/9/seat", label="x").status_code == 404


def test_who_may_not_change_a_room_sees_its_map(place: Site) -> None:
    """Without a form, and each seat leads to its history."""
    text = place.client("Ada").get("/rooms/1").text
    assert 'href="/seats/1"' in text
    assert text.count('method="post"') == 2, "the log-out and the language alone"
    assert "/rooms/1/1" not in text


def test_what_is_removed_is_gone_and_what_is_used_stays(place: Site) -> None:
    root = place.client("Root")
    assert post(root, "/rooms/1/1/remove", really="yes").status_code == 422
    assert post(root, "/rooms/1/2/remove", really="yes").status_code == 303
    assert post(root, "/rooms/1/delete", really="yes").status_code == 422
    with place.store.write() as connection:
        number = rooms.make_room(connection, Actor("Root", "admin"), "Attic", now_ms())
    assert post(root, f"/rooms/{number}/delete", really="yes").status_code == 303
    assert root.get(f"/rooms/{number}").status_code == 404
