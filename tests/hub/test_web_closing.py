"""The closing page: what it lists, what it refuses, and what closing and reopening leave in the log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from hub.core.closing import ITEMS
from hub.store import audit
from tests.hub.seed import now_ms
from tests.hub.website import Site, site, token

PAGE = "/sittings/sitting-1/close"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as found:
        room = found.centre.room("Main hall")
        for number in (1, 2):
            found.centre.seat(room, f"A{number}", f"c.d{number}")
            found.centre.heartbeat(f"c.d{number}", state="waiting")
        found.centre.execute("update sittings set end_utc_ms = :now", now=now_ms() - 60_000)
        yield found


def seen(client: FlaskClient) -> str:
    found = re.search(r'name="seen" value="(\w+)"', client.get(PAGE).text)
    assert found
    return found[1]


def post(client: FlaskClient, path: str, **form: str) -> TestResponse:
    return client.post(path, data={"csrf_token": token(client, "/"), **form})


def close(client: FlaskClient, name: str, reason: str = "checked by hand") -> TestResponse:
    return post(client, PAGE, seen=name, **{f"reason-{key}": reason for key in ITEMS})


def test_what_is_missing_is_listed_with_its_link_and_asks_for_a_reason(place: Site) -> None:
    """Nothing is closed without the reason, and what was typed stays."""
    number = place.centre.alert("c.d1")
    place.centre.film(None, "c.d2", now_ms() - 600_000, 6)
    client = place.client("Ada")
    page = client.get(PAGE).text
    assert f'href="/incidents/{number}"' in page
    assert "3 pieces of film" in page
    refused = post(client, PAGE, seen=seen(client), **{"reason-incidents": "the head looks at it tomorrow"})
    assert refused.status_code == 422
    assert 'value="the head looks at it tomorrow"' in refused.text
    assert "This line needs a reason" in refused.text
    assert close(client, seen(client)).status_code == 303
    done = client.get(PAGE).text
    assert "by Ada at" in done
    assert "checked by hand" in done
    assert 'name="reason-' not in done
    deeds = [entry.deed for entry in audit.page(place.store, what="sitting sitting-1")]
    assert "closed_sitting" in deeds


def test_what_changed_meanwhile_is_shown_first(place: Site) -> None:
    client = place.client("Ada")
    name = seen(client)
    number = place.centre.alert("c.d1")
    answer = close(client, name)
    assert answer.status_code == 409
    assert "Something changed since this list was shown" in answer.text
    assert f'href="/incidents/{number}"' in answer.text
    assert 'value="checked by hand"' in answer.text


def test_only_an_admin_opens_it_again_and_says_why(place: Site) -> None:
    ada, root = place.client("Ada"), place.client("Root")
    assert close(ada, seen(ada)).status_code == 303
    assert "Open this sitting again" not in ada.get(PAGE).text
    assert post(ada, "/sittings/sitting-1/reopen", closing="1", why="x").status_code == 403
    assert post(root, "/sittings/sitting-1/reopen", closing="1", why=" ").status_code == 422
    assert post(root, "/sittings/sitting-1/reopen", closing="nothing", why="x").status_code == 409
    assert post(root, "/sittings/sitting-1/reopen", closing="1", why="a late incident").status_code == 303
    entry = next(each for each in audit.page(place.store) if each.deed == "reopened_sitting")
    assert (entry.who, entry.object, entry.detail) == ("Root", "sitting sitting-1", '{"why":"a late incident"}')
    assert "Close sitting" in ada.get(PAGE).text
    assert "a late incident" in ada.get(PAGE).text


def test_late_records_are_told(place: Site) -> None:
    ada = place.client("Ada")
    close(ada, seen(ada))
    place.centre.segment("c.d1", 1)
    values = {"header": "{}", "body": "{}", "signature": "0" * 128, "hash": "0" * 64, "received_utc_ms": now_ms()}
    place.centre.insert("records", unit="c.d1", boot=1, seq=2, kind="segment_closed", **values)
    assert "1 record came after it was closed" in ada.get(PAGE).text
    assert "1 record came after it was closed" in ada.get("/sittings/sitting-1/report").text


def test_a_wrong_write_off_keeps_what_was_typed(place: Site) -> None:
    place.centre.film(None, "c.d2", now_ms() - 600_000, 6)
    ada = place.client("Ada")
    answer = post(ada, "/sittings/sitting-1/write-off", unit="c.none", why="it was stolen")
    assert answer.status_code == 422
    assert "No desk unit called c.none" in answer.text
    assert 'value="it was stolen"' in answer.text
    assert post(ada, "/sittings/sitting-1/write-off", unit="c.d2", why="it was stolen").status_code == 303
    assert "it was stolen" in ada.get(PAGE).text
    assert close(ada, seen(ada)).status_code == 303
    assert post(ada, "/sittings/sitting-1/write-off", unit="c.d1", why="x").status_code == 422
