"""Incidents on the pages: shown whole, and changed by people one after the other."""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from agent.wire import Command, CommandKind
from hub.core import review
from hub.store import incidents
from hub.web.clock import DASH, clock_text, signed_text
from tests.hub.website import Site, site


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as found:
        room = found.centre.room("Main hall", mode="semi-automated")
        found.centre.seat(room, "A1", "c.d1")
        found.centre.seat(room, "A2", "c.d2")
        found.centre.heartbeat("c.d1")
        yield found


def act(client: FlaskClient, number: int, seen: TestResponse, act_name: str, **form: str) -> TestResponse:
    """What the form on the page `seen` sends."""
    hidden = dict(re.findall(r'<input type="hidden" name="(csrf_token|version|events)" value="([^"]*)"', seen.text))
    return client.post(f"/incidents/{number}/act", data={**hidden, "act": act_name, **form})


def said(page: TestResponse) -> list[str]:
    """The page's thread: who did what, and the comment."""
    lines = re.findall(r"<li data-action=.*?</time>(.*?)</li>", page.text, flags=re.DOTALL)
    plain = [re.sub(r"<[^>]+>", "", line.replace("<blockquote", ": <blockquote")) for line in lines]
    return [" ".join(html.unescape(line).split()) for line in plain]


def commands(place: Site) -> list[Command]:
    rows: list[dict[str, Any]] = list(place.store.database()["commands"].rows)
    found = [msgspec.json.decode(row["payload"], type=Command) for row in rows]
    assert [command.number for command in found] == [row["number"] for row in rows]
    return found


def test_an_incident_is_shown_with_all_that_explains_it(place: Site) -> None:
    number = place.centre.alert("c.d1", mode="semi-automated", still=1)
    text = place.client("Ada").get(f"/incidents/{number}").text
    for fact in (
        "More than one face for 3 s raises, gone for 5 s clears",
        "desk clock",
        "hub clock, +0.2 s",
        "semi-automated",
        "0:40:00",
        "0.1.0",
        "c.d1",
        "sitting-1",
    ):
        assert fact in text, fact
    picture = re.search(r'<img src="([^"]+)"', text)
    assert picture
    response = place.client("Ada").get(picture[1])
    assert response.data.startswith(b"\xff\xd8")
    assert response.mimetype == "image/jpeg"


def test_a_picture_is_found_only_under_its_own_incident(place: Site) -> None:
    first, second = place.centre.alert("c.d1", still=1), place.centre.alert("c.d2", still=2)
    client = place.client("Ada")
    sha256 = re.findall(r"still/([0-9a-f]{64})", client.get(f"/incidents/{second}").text)[0]
    assert client.get(f"/incidents/{second}/still/{sha256}.jpg").status_code == 200
    assert client.get(f"/incidents/{first}/still/{sha256}.jpg").status_code == 404


def test_from_open_to_closed_and_back_with_its_history(place: Site) -> None:
    number = place.centre.alert("c.d1")
    client = place.client("Ada")
    page = f"/incidents/{number}"
    assert act(client, number, client.get(page), "acknowledge").status_code == 303
    assert act(client, number, client.get(page), "comment", text="It is the invigilator").status_code == 303
    assert act(client, number, client.get(page), "close", verdict="no_concern", text="explained").status_code == 303
    closed = incidents.one(place.store, number)
    assert (closed.row["state"], closed.row["verdict"], closed.row["acknowledged_by"]) == (
        "closed",
        "no_concern",
        "Ada",
    )
    assert act(client, number, client.get(page), "reopen").status_code == 303
    reopened = incidents.one(place.store, number)
    assert (reopened.row["state"], reopened.row["verdict"], reopened.row["version"]) == ("open", None, 5)
    assert [event.action for event in reopened.thread] == ["opened", "acknowledged", "commented", "closed", "reopened"]
    assert [event.text for event in reopened.thread][2:4] == ["It is the invigilator", "explained"]
    assert [event.verdict for event in reopened.thread] == [None, None, None, review.Verdict.NO_CONCERN, None]
    assert act(client, number, client.get(page), "close", verdict="refer").status_code == 303
    assert said(client.get(page)) == [
        "desk opened by the desk's rule",
        "Ada acknowledged",
        "Ada commented: It is the invigilator",
        "Ada closed: No concern: explained",
        "Ada reopened",
        "Ada closed: Refer",
    ]


def test_the_thread_shows_times_and_no_names_of_the_machine(place: Site) -> None:
    """What the desk did is told with the alert's time; its internal name is nobody's comment."""
    number = place.centre.alert("c.d1")
    place.centre.join(number, "c.d1")
    page = place.client("Ada").get(f"/incidents/{number}")
    began = incidents.one(place.store, number).alerts[-1]["began_utc_ms"]
    assert said(page) == [
        "desk opened by the desk's rule",
        f"desk another alert joined, began {clock_text(began, dt.UTC)}",
    ]
    assert "alert-1" not in page.text


def test_only_the_first_picture_is_large(place: Site) -> None:
    """The moment of opening is shown large; every later one is a small link, not another screenful."""
    number = place.centre.alert("c.d1", still=1)
    for still in range(2, 9):
        place.centre.join(number, "c.d1", still=still)
    text = place.client("Ada").get(f"/incidents/{number}").text
    assert text.count("<figure>") == 1
    first = incidents.one(place.store, number).alerts[0]["still_sha256"]
    assert first in text[text.index("<figure>") : text.index("</figure>")]
    later = re.findall(r'<li><a href="([^"]+\.jpg)" target="_blank"><img [^>]*loading="lazy"', text)
    assert len(later) == 7
    assert place.client("Ada").get(later[-1]).mimetype == "image/jpeg"


@pytest.mark.parametrize(
    ("kind", "has_threshold", "has_faces"),
    [("more_than_one_face", True, True), ("seat_empty", True, False), ("camera_covered", False, False)],
)
def test_a_threshold_is_shown_where_faces_count(place: Site, kind: str, has_threshold: bool, has_faces: bool) -> None:
    """How many faces says something only where faces are counted: an empty seat has its witnesses' evidence."""
    number = place.centre.alert("c.d1", kind)
    text = place.client("Ada").get(f"/incidents/{number}").text
    assert ("<dt>Threshold</dt>" in text) == has_threshold
    assert ("<dt>Faces</dt>" in text) == has_faces


def test_the_evidence_of_an_empty_seat_is_on_its_page(place: Site) -> None:
    """What each witness said, beside the limit from which on it would have said somebody."""
    number = place.centre.alert("c.d1", "seat_empty")
    place.centre.execute(
        "update alerts set body = json_set(body, '$.evidence', json('{\"person\": 0.004, \"change\": 0.013}'))"
    )
    text = place.client("Ada").get(f"/incidents/{number}").text
    assert "<dt>Evidence</dt>" in text
    assert "somebody from 2.0% on" in text
    assert "1.3%" in text


def test_a_threshold_that_the_desk_did_not_tell_is_a_dash(place: Site) -> None:
    number = place.centre.alert("c.d1", "seat_empty")
    place.centre.execute("update alerts set body = json_remove(body, '$.rule.threshold')")
    assert f"<dt>Threshold</dt><dd>{DASH} " in place.client("Ada").get(f"/incidents/{number}").text


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.2, "+0.2"), (-1.44, "-1.4"), (-0.02, "0.0"), (0.04, "0.0"), (0.0, "0.0")]
)
def test_a_difference_of_nothing_has_no_sign(seconds: float, told: str) -> None:
    assert signed_text(seconds) == told


def test_the_zone_is_named_alike_everywhere(tmp_path: Path) -> None:
    """The head's clock and every moment below it carry the same letters."""
    with site(tmp_path, zone="Etc/UTC") as found:
        room = found.centre.room("Main hall")
        found.centre.seat(room, "A1", "c.d1")
        number = found.centre.alert("c.d1")
        text = found.client("Ada").get(f"/incidents/{number}").text
        assert re.search(r'data-clock>[\d:]+</time><span class="note">UTC</span>', text)
        assert re.search(r"Began</dt><dd><span class=\"number\">[\d. :-]+ UTC</span>", text)


def test_acknowledging_confirms_and_closing_dismisses_at_the_desk(place: Site) -> None:
    number = place.centre.alert("c.d1")
    client = place.client("Ada")
    act(client, number, client.get(f"/incidents/{number}"), "acknowledge")
    act(client, number, client.get(f"/incidents/{number}"), "close", verdict="refer")
    assert [(c.name, c.alert) for c in commands(place)] == [
        (CommandKind.CONFIRM_ALERT, "alert-1"),
        (CommandKind.DISMISS_ALERT, "alert-1"),
    ]


def test_a_cleared_alert_gets_no_command(place: Site) -> None:
    number = place.centre.alert("c.d1")
    place.centre.clear(number)
    client = place.client("Ada")
    act(client, number, client.get(f"/incidents/{number}"), "acknowledge")
    assert commands(place) == []


def test_the_second_of_two_people_is_shown_what_the_first_did(place: Site) -> None:
    number = place.centre.alert("c.d1")
    ada, grace = place.client("Ada"), place.client("Grace")
    seen = grace.get(f"/incidents/{number}")
    act(ada, number, ada.get(f"/incidents/{number}"), "close", verdict="refer", text="see camera 4")
    response = act(grace, number, seen, "close", verdict="no_concern", text="I saw nothing")
    assert response.status_code == 409
    assert re.search(r"Ada closed this at \d\d:\d\d:\d\d, before you", response.text)
    assert "see camera 4" in response.text
    assert "I saw nothing" in response.text, "what was typed is kept"
    assert incidents.one(place.store, number).row["verdict"] == "refer"


def test_what_the_desk_did_meanwhile_stops_nobody(place: Site) -> None:
    number = place.centre.alert("c.d1")
    client = place.client("Ada")
    seen = client.get(f"/incidents/{number}")
    place.centre.clear(number)
    assert act(client, number, seen, "acknowledge").status_code == 303


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"act": "close"}, 422),
        ({"act": "comment", "text": "   "}, 422),
        ({"act": "reopen"}, 422),
        ({"act": "comment", "text": "x" * 4001}, 422),
        ({"act": "purge"}, 400),
        ({"act": "close", "verdict": "guilty"}, 400),
        ({"act": "acknowledge", "version": "none"}, 400),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(place: Site, form: dict[str, str], code: int) -> None:
    number = place.centre.alert("c.d1")
    client = place.client("Ada")
    seen = client.get(f"/incidents/{number}")
    response = act(client, number, seen, form.pop("act"), **form)
    assert response.status_code == code
    assert len(re.findall("Nothing (of yours )?was recorded", response.text)) == (1 if code == 422 else 0)
    assert incidents.one(place.store, number).row["version"] == 1
    assert commands(place) == []


def test_an_incident_that_joined_another_leads_there_and_takes_no_verdict(place: Site) -> None:
    first, second = place.centre.alert("c.d1"), place.centre.alert("c.d1")
    client = place.client("Ada")
    seen = client.get(f"/incidents/{second}")
    place.centre.execute(
        "update incidents set state = 'closed', merged_into = :first, closed_utc_ms = 1, version = version + 1"
        " where incident_id = :second",
        first=first,
        second=second,
    )
    response = act(client, second, seen, "acknowledge")
    assert response.status_code == 422
    assert f"part of incident {first}" in response.text
    assert 'name="act"' not in response.text
    assert f'href="/incidents/{first}"' in response.text


def test_the_list_is_filtered_by_its_address(place: Site) -> None:
    first = place.centre.alert("c.d1", "seat_empty")
    second = place.centre.alert("c.d2", "camera_covered")
    client = place.client("Ada")
    act(client, first, client.get(f"/incidents/{first}"), "close", verdict="no_concern")

    def numbers(query: str) -> list[int]:
        return [int(found) for found in re.findall(r'<tr data-id="(\d+)"', client.get(f"/incidents/{query}").text)]

    assert numbers("") == [second]
    assert numbers("?state=") == [second, first]
    assert numbers("?state=closed") == [first]
    assert numbers("?state=&kind=camera_covered") == [second]
    assert numbers("?state=&room=Nowhere") == []
    assert numbers("?state='%3B--&before=x") == [second]


def test_an_empty_list_says_what_would_be_there(place: Site) -> None:
    assert "None has been opened on this hub yet" in place.client("Ada").get("/incidents/").text


def test_texts_from_desks_and_people_stay_texts(place: Site) -> None:
    evil = "<script>alert(1)</script>"
    room = place.centre.room(f"Room {evil}", exam=None)
    seat = place.centre.seat(room, f'"><img src=x onerror=alert(1)> {evil}', "c.evil")
    place.centre.heartbeat("c.evil")
    number = place.centre.alert("c.evil")
    place.centre.fault("c.evil", "camera_lost", evil)
    client = place.client("Ada")
    act(client, number, client.get(f"/incidents/{number}"), "comment", text=evil)
    place.settle()
    for path in ("/", "/incidents/", f"/incidents/{number}", f"/seats/{seat}"):
        text = client.get(path).text
        assert evil not in text, path
        assert "<img src=x" not in text, path


def test_a_seat_shows_recording_gaps_alerts_and_faults(place: Site) -> None:
    for number in range(3):
        place.centre.segment("c.d1", number)
    place.centre.gap("c.d1")
    place.centre.alert("c.d1")
    place.centre.fault("c.d1", "too_hot", "81 °C", is_cleared=True)
    text = place.client("Ada").get("/seats/1").text
    for fact in ("0:00:30</span> in 3 closed segments, 5.6 MB", "Power cut or crash", "0:00:14", "Too hot", "81 °C"):
        assert fact in text, fact
