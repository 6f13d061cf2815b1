"""The pre-flight's page: what it says, and what its buttons do and refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from hub.core.audit import Deed
from tests.hub.preflights import hall
from tests.hub.website import Site, site, token

PATH = "/sittings/maths-1/preflight/"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as found:
        hall(found.centre, 6, broken=2, columns=3)
        found.settle()
        yield found


def form(client: FlaskClient, **typed: str) -> dict[str, str]:
    """The start's form as the page has it now, with what was typed."""
    text = client.get(PATH).text
    fields = dict(re.findall(r'name="(seen-\d+)" value="([^"]*)"', text))
    return {"csrf_token": token(client, PATH), **fields, **typed}


def test_the_page_names_what_fails_in_words(place: Site) -> None:
    """Each failing item of each seat, the counts, and that the desks begin by themselves."""
    text = place.client("Ada").get(PATH).text
    for words in (
        "Blurred: clean the lens",
        "Covered or dark",
        "No desk unit stands here",
        "Start sitting with 3 overrides",
    ):
        assert words in text
    assert "0 of 5 recording" not in text  # it has not begun
    assert re.search(r'data-level="red">.*?<strong class="number">3</strong>', text, re.S)


def test_it_is_started_with_a_reason_for_each_seat_that_is_not_ready(place: Site) -> None:
    """Without, nothing is changed and what was typed stays; with, it says how many record."""
    client = place.client("Ada")
    refused = client.post(f"{PATH}start", data=form(client, **{"reason-1": "lens is on order"}))
    assert refused.status_code == 422
    assert "Not started" in refused.text
    assert "A2, B3" in refused.text
    assert 'value="lens is on order"' in refused.text
    started = client.post(
        f"{PATH}start", data=form(client, **{"reason-1": "lens is on order", "reason-all": "spare is coming"})
    )
    assert started.status_code == 303
    text = client.get(PATH).text
    assert "Started by Ada" in text
    assert "0 of 5 recording" in text
    assert "lens is on order" in text
    with place.store.read() as connection:
        found = [row["reason"] for row in connection.execute("select reason from preflight_overrides")]
        assert sorted(set(found)) == ["lens is on order", "spare is coming"]
        deeds = [row["deed"] for row in connection.execute("select deed from audit order by audit_id")]
    assert deeds.count(Deed.OPENED_SITTING) == 1
    assert Deed.OVERRODE_CHECK in deeds
    again = client.post(f"{PATH}start", data={"csrf_token": token(client, PATH)}, follow_redirects=True)
    assert "started before, by Ada" in again.text


def test_a_forged_sight_of_the_page_starts_nothing(place: Site) -> None:
    """A reason counts for the items that the form says were shown; a form without them is refused."""
    client = place.client("Ada")
    fields = {"csrf_token": token(client, PATH), "reason-all": "all well"}
    assert client.post(f"{PATH}start", data=fields).status_code == 422


def test_drills_and_lamps(place: Site) -> None:
    """A drill is asked of the desks that are there, a lamp seen is kept, and an unknown seat is refused in words."""
    client = place.client("Ada")
    csrf = token(client, PATH)
    asked = client.post(f"{PATH}drill", data={"csrf_token": csrf, "seat": ""}, follow_redirects=True)
    assert "A1, A2, A3, B1, B2" in asked.text
    assert "not yet" in asked.text
    seen = client.post(f"{PATH}lamp", data={"csrf_token": csrf, "seat": "A1"}, follow_redirects=True)
    assert "seen to work" in seen.text
    for act in ("drill", "lamp"):
        assert client.post(f"{PATH}{act}", data={"csrf_token": csrf, "seat": "Z9"}).status_code == 422
    with place.store.read() as connection:
        assert connection.execute("select count(*) from drills").fetchone()[0] == 5


def test_there_is_no_preflight_of_a_sitting_that_is_not(place: Site) -> None:
    """Not found, whatever is asked."""
    client = place.client("Ada")
    csrf = token(client, PATH)
    assert client.get("/sittings/none/preflight/").status_code == 404
    for act in ("start", "drill", "lamp"):
        assert client.post(f"/sittings/none/preflight/{act}", data={"csrf_token": csrf}).status_code == 404
