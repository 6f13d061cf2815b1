"""What a proctor does at a seat while the exam runs: by one request, as a script asks and as a plain form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.hub.seed import now_ms
from tests.hub.website import Site, site, token


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as found:
        room = found.centre.room("Main hall")
        found.centre.execute("insert into exams (exam) select distinct exam from sittings")
        for number in (1, 2):
            found.centre.seat(room, f"A{number}", f"c.d{number}")
            found.centre.heartbeat(f"c.d{number}")
        found.settle()
        yield found


def post(place: Site, path: str, form: dict[str, Any], *, is_script: bool = True, who: str = "Ada") -> TestResponse:
    client = place.client(who)
    headers = {"X-Part": "1"} if is_script else {}
    return client.post(path, data={**form, "csrf_token": token(client, "/")}, headers=headers)


def test_a_key_gives_a_break_and_the_answer_says_what_undoes_it(place: Site) -> None:
    """The tile shows it; the undo ends that break and no other."""
    answer = post(place, "/seats/1/break", {"kind": "toilet"})
    assert answer.status_code == 200
    assert re.search(r"Seat A1: toilet break until \d\d:\d\d:\d\d\.", answer.text)
    assert 'data-undo="/seats/1/break/end"' in answer.text
    number = re.search(r'data-break="(\d+)"', answer.text)
    assert number
    place.settle()
    assert place.tail.board.tiles["s1"]["words"] == "Toilet break"
    assert post(place, "/seats/1/break/end", {"break_id": number[1]}).status_code == 200
    place.settle()
    assert place.tail.board.tiles["s1"]["words"] == "Recording"


def test_a_second_break_is_refused_with_who_gave_the_first(place: Site) -> None:
    post(place, "/seats/1/break", {"kind": "rest"}, who="Grace")
    answer = post(place, "/seats/1/break", {"kind": "toilet"})
    assert answer.status_code == 422
    assert "Rest break goes on at A1 already, given by Grace." in answer.text
    plain = post(place, "/seats/1/break", {"kind": "toilet"}, is_script=False)
    assert plain.status_code == 422
    assert "given by Grace" in plain.text
    assert 'id="tiles"' in plain.text, "the page, with the seat opened"
    assert post(place, "/seats/1/break", {"kind": "lunch"}).status_code == 400
    assert post(place, "/seats/1/break/end", {"break_id": "x"}).status_code == 400


def test_a_plain_form_comes_back_to_the_opened_seat(place: Site) -> None:
    answer = post(place, "/seats/1/break", {"kind": "rest"}, is_script=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/?seat=1")
    page = place.client("Ada").get("/?seat=1").text
    assert "Rest break" in page
    assert 'action="/seats/1/break/end"' in page
    assert 'action="/seats/1/break/end"' not in place.client("Olga").get("/?seat=1").text


def test_what_was_typed_stays_when_an_incident_is_refused(place: Site) -> None:
    long = "x" * 2001
    answer = post(place, "/seats/1/incident", {"note": long}, is_script=False)
    assert answer.status_code == 422
    assert "2001 characters" in answer.text
    assert long in answer.text
    made = post(place, "/seats/1/incident", {"note": "a slip of paper"}, is_script=False)
    assert (made.status_code, made.headers["Location"]) == (303, "/incidents/1")
    assert "Opened by hand" in place.client("Ada").get("/incidents/1").text
    place.settle()
    (queued,) = place.tail.board.queue
    assert (queued["words"], queued["opened_by"]) == ("Opened by hand", "Ada")


def test_a_mark_has_the_moment_that_the_page_names(place: Site) -> None:
    at = now_ms() - 30_000
    answer = post(place, "/live/bookmark", {"seat_id": "2", "at_utc_ms": str(at), "note": "a phone rang"})
    assert answer.status_code == 200
    assert "is marked" in answer.text
    with place.store.read() as connection:
        row = connection.execute("select seat, at_utc_ms, made_by from bookmarks").fetchone()
    assert tuple(row) == ("A2", at, "Ada")
    refused = post(place, "/live/bookmark", {"room": "Nowhere", "note": "typed"}, is_script=False)
    assert refused.status_code == 422
    assert "No sitting is on in Nowhere now." in refused.text
    assert ">typed</textarea>" in refused.text


def test_a_signal_is_shown_and_taken_back(place: Site) -> None:
    assert post(place, "/seats/1/signal", {}).status_code == 200
    place.settle()
    assert place.tail.board.tiles["s1"]["signal"]["given_by"] == "Ada"
    assert "is signalled already, by Ada" in post(place, "/seats/1/signal", {}, who="Grace").text
    assert post(place, "/seats/1/signal/end", {}).status_code == 200
    place.settle()
    assert place.tail.board.tiles["s1"]["signal"] is None


def test_candidate_numbers_are_for_who_may_see_the_roster(place: Site) -> None:
    """The feed that everybody reads tells none."""
    place.centre.insert("candidates", sitting="sitting-1", number="C-4711", name="Ibn Sina", seat="A1")
    place.settle()
    assert place.client("Ada").get("/live/people.json").get_json() == {"1": "C-4711"}
    assert place.client("Tim").get("/live/people.json").status_code == 403
    tim = place.client("Tim")
    for path in ("/live/board.json", "/?seat=1", "/live/seats/1"):
        assert "C-4711" not in tim.get(path).text, path
    assert "Ibn Sina" in place.client("Ada").get("/live/seats/1").text


def test_what_is_noted_of_a_candidate_is_not_for_who_keeps_the_units_alive(place: Site) -> None:
    """In the opened seat as on the seat's page: neither what proctors wrote nor the breaks that were."""
    times = {"began_utc_ms": now_ms() - 9_000, "limit_utc_ms": now_ms() - 6_000, "ended_utc_ms": now_ms() - 3_000}
    place.centre.insert("breaks", sitting="sitting-1", seat="A1", kind="toilet", given_by="Ada", **times)
    mark = {"sitting": "sitting-1", "seat": "A1", "at_utc_ms": now_ms(), "made_utc_ms": now_ms(), "made_by": "Ada"}
    place.centre.insert("bookmarks", note="whispers", **mark)
    for who, is_shown in (("Ada", True), ("Tim", False)):
        text = place.client(who).get("/live/seats/1").text
        assert ("whispers" in text, "Toilet break" in text) == (is_shown, is_shown), who


def test_the_page_says_that_the_hub_hears_nobody(place: Site) -> None:
    """One line about the hub, dashes for what is counted, and no desk that fails."""
    place.centre.heartbeat("c.d1", age_ms=10_000)
    place.centre.heartbeat("c.d2", age_ms=10_000)
    place.centre.folder.put_facts({"beat_utc_ms": now_ms() - 9_000}, now_ms())
    place.settle()
    place.settle()
    page = place.client("Ada").get("/").text
    assert re.search(r"ingest is not running, nothing is heard of desks since \d\d:\d\d:\d\d", page)
    assert len(re.findall(r"Not known since \d\d:", page)) == 2
    assert "Desk not answering" not in page
    assert "\N{EN DASH} of 2 seats recording" in page
    assert "ems_seats_recording NaN" in place.client().get("/metrics").text
