"""The pages of a roster: a file is looked at, named line by line, confirmed as it was shown; late changes by hand."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from hub.store import audit
from tests.hub.seed import now_ms
from tests.hub.website import Site, site, token

CSV = "Nr;Name;Platz;Zeitverlängerung;Pausen\n17;Ida Weiß;A1;25 %;10\n18;=cmd|' /C calc'!A0;A2;;\n"
ROSTER = "/sittings/sitting-1/roster"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    """A hall with four seats and a running sitting of three hours."""
    with site(tmp_path) as found:
        room = found.centre.room("Main hall")
        for number in (1, 2, 3, 4):
            found.centre.seat(room, f"A{number}", f"c.d{number}")
        found.centre.execute("insert into exams (exam) select distinct exam from sittings")
        yield found


def begins_later(place: Site) -> None:
    now = now_ms()
    place.centre.execute(
        "update sittings set start_utc_ms = :a, end_utc_ms = :b", a=now + 3_600_000, b=now + 14_400_000
    )


def send(client: FlaskClient, data: bytes, name: str = "roster.csv") -> TestResponse:
    file = FileStorage(io.BytesIO(data), name, "file")
    boundary, body = encode_multipart({"csrf_token": token(client, "/"), "file": file})
    sort = f"multipart/form-data; boundary={boundary}"
    return client.post(f"{ROSTER}/file", data=body, content_type=sort, follow_redirects=True)


def hidden(page: str) -> dict[str, str]:
    """The fields by which a preview is confirmed."""
    found = dict(re.findall(r'name="(digest|shown)" value="([0-9a-f]{64})"', page))
    assert set(found) == {"digest", "shown"}
    return found


def post(client: FlaskClient, path: str, form: Mapping[str, object]) -> TestResponse:
    return client.post(f"{ROSTER}{path}", data={**form, "csrf_token": token(client, "/")}, follow_redirects=True)


def rows(place: Site) -> list[tuple[str, str, int]]:
    with place.store.read() as connection:
        found = connection.execute("select number, seat, extra_ms from candidates order by number")
        return [tuple(row) for row in found]


def taken_in(place: Site, text: str = CSV) -> FlaskClient:
    client = place.client("Ada")
    response = post(client, "/confirm", hidden(send(client, text.encode()).text))
    assert response.status_code == 200, response.text
    return client


def test_a_file_is_kept_only_when_it_was_confirmed_as_it_was_shown(place: Site) -> None:
    """The preview survives a reload; who confirms is answered with what changed; a share is of this sitting."""
    client = place.client("Ada")
    shown = send(client, CSV.encode())
    assert "2 new, 0 changed, 0 unchanged, 0 no longer listed." in shown.text
    assert rows(place) == []
    again = client.get(f"{ROSTER}/preview")
    assert hidden(again.text) == hidden(shown.text)
    confirmed = post(client, "/confirm", hidden(again.text))
    assert "2 new, 0 changed, 0 unchanged, 0 removed." in confirmed.text
    assert rows(place) == [("17", "A1", 45 * 60_000), ("18", "A2", 0)]
    entry = audit.page(place.store, limit=1)[0]
    assert (entry.deed, entry.object) == ("changed_roster", "sitting sitting-1")
    assert '"file":"roster.csv"' in entry.detail
    assert client.get(f"{ROSTER}/preview").status_code == 303, "the file is forgotten"


def test_importing_the_same_file_again_changes_nothing(place: Site) -> None:
    client = taken_in(place)
    before = audit.page(place.store, deed="changed_roster")
    shown = send(client, CSV.encode("cp1252"))
    assert "0 new, 0 changed, 2 unchanged, 0 no longer listed." in shown.text
    assert "0 new, 0 changed, 2 unchanged" in post(client, "/confirm", hidden(shown.text)).text
    assert audit.page(place.store, deed="changed_roster") == before


def test_a_changed_file_shows_what_it_changes_and_keeps_whom_it_does_not_list(place: Site) -> None:
    begins_later(place)
    client = taken_in(place)
    shown = send(client, "Nr;Name;Platz\n17;Ida Weiß;A3\n19;Neu;A4\n".encode())
    assert "1 new, 1 changed, 0 unchanged, 1 no longer listed." in shown.text
    assert "<bdi>A1</bdi> → <bdi>A3</bdi>" in shown.text
    confirmed = post(client, "/confirm", hidden(shown.text))
    assert "0 removed" in confirmed.text
    assert [number for number, _, _ in rows(place)] == ["17", "18", "19"]
    shown = send(client, "Nr;Name;Platz\n17;Ida Weiß;A3\n19;Neu;A4\n".encode())
    assert "1 removed" in post(client, "/confirm", hidden(shown.text) | {"remove": "18"}).text
    assert [number for number, _, _ in rows(place)] == ["17", "19"]


def test_a_seat_of_somebody_whom_the_file_does_not_list_is_not_given_away(place: Site) -> None:
    begins_later(place)
    client = taken_in(place)
    shown = send(client, b"nr,seat\n20,A2\n")
    refused = post(client, "/confirm", hidden(shown.text))
    assert refused.status_code == 422
    assert "Seat A2 would have candidate 20 of the file and 18, whom it does not list." in refused.text
    assert "2 removed" in post(client, "/confirm", hidden(shown.text) | {"remove": ["17", "18"]}).text
    assert rows(place) == [("20", "A2", 0)]


def test_every_problem_is_shown_by_its_line_and_nothing_can_be_confirmed(place: Site) -> None:
    client = place.client("Ada")
    shown = send(client, b"nr,seat,extra time\n1,Z9,\n1,A1,soon\n2,<script>,\n")
    assert shown.status_code == 200
    assert "4 problems" in shown.text
    for line, words in ((2, "no seat Z9"), (3, "Candidate 1 is in line 2"), (3, "soon is no"), (4, "&lt;script&gt;")):
        assert re.search(rf">{line}</td><td><bdi>[^<]*{words}", shown.text), words
    assert "<script>," not in shown.text
    assert post(client, "/confirm", hidden(shown.text)).status_code == 422
    assert rows(place) == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "0 bytes"),
        (b"PK\x03\x04" + bytes(100), "save it as CSV"),
        (bytes(10_000_000), "10.0 MB"),
        (bytes(range(256)), "not a text file"),
    ],
)
def test_what_is_no_roster_is_refused_in_words(place: Site, data: bytes, words: str) -> None:
    response = send(place.client("Ada"), data)
    assert response.status_code == 422
    assert words in response.text


def test_only_who_may_send_a_file_may_send_much(place: Site) -> None:
    for who in ("Olga", "Tim"):
        assert send(place.client(who), bytes(200_000)).status_code == 413
    client = place.client("Ada")
    form = {"csrf_token": token(client, "/"), "number": "1" * 200_000, "seat": "A1"}
    assert client.post(f"{ROSTER}/candidates/", data=form).status_code == 413


def test_no_file_chosen_is_said(place: Site) -> None:
    response = send(place.client("Ada"), b"", "")
    assert (response.status_code, "Choose a file first." in response.text) == (422, True)


def test_a_change_by_somebody_else_in_between_is_told(place: Site) -> None:
    """Nothing is done of what was shown before it; the page shows the file against how it is now."""
    ada, grace = taken_in(place), place.client("Grace")
    shown = send(ada, "Nr;Name;Platz\n17;Ida Weiß;A3\n".encode())
    assert post(grace, "/candidates/2/move", {"version": "1", "seat": "A4"}).status_code == 200
    stale = post(ada, "/confirm", hidden(shown.text))
    assert stale.status_code == 409
    assert "Somebody changed the roster while you were looking" in stale.text
    assert [seat for _, seat, _ in rows(place)] == ["A1", "A4"]
    assert post(ada, "/confirm", hidden(stale.text)).status_code == 200
    assert [seat for _, seat, _ in rows(place)] == ["A3", "A4"]


def test_another_file_chosen_since_is_told(place: Site) -> None:
    client = place.client("Ada")
    first = hidden(send(client, CSV.encode()).text)
    send(client, b"nr,seat\n1,A1\n")
    response = post(client, "/confirm", first)
    assert (response.status_code, "another file since" in response.text) == (409, True)
    assert rows(place) == []


def test_a_person_may_say_in_which_encoding_names_are(place: Site) -> None:
    client = place.client("Ada")
    shown = send(client, "Nr;Name;Platz\n1;Łukasz;A1\n".encode("cp1250"))
    assert "a guess" in shown.text
    again = post(client, "/encoding", {"encoding": "cp1250"})
    assert "Łukasz" in again.text
    wrong = post(client, "/encoding", {"encoding": "utf-8"})
    assert (wrong.status_code, "cannot be read as Unicode" in wrong.text) == (422, True)
    post(client, "/confirm", hidden(again.text))
    assert "Łukasz" in client.get(ROSTER).text
    assert "discarded" in post(client, "/discard", {}).text


def test_the_exported_roster_calculates_nothing_and_comes_back_unchanged(place: Site) -> None:
    client = taken_in(place)
    text = client.get(f"{ROSTER}.csv").get_data()
    assert text.startswith(b"\xef\xbb\xbf")
    assert b"'=cmd" in text
    assert "0 new, 0 changed, 2 unchanged" in send(client, text).text


def test_a_late_seat_change_and_a_walk_in_and_extra_time_while_it_runs(place: Site) -> None:
    client = taken_in(place)
    taken = post(client, "/candidates/1/move", {"version": "1", "seat": "A2"})
    assert (taken.status_code, "Seat A2 is candidate 18&#39;s" in taken.text) == (422, True)
    assert post(client, "/candidates/1/move", {"version": "1", "seat": "A2", "swap": "on"}).status_code == 200
    assert [seat for _, seat, _ in rows(place)] == ["A2", "A1"]
    more = post(client, "/candidates/2/change", {"version": "2", "name": "Bo", "extra": "0:30", "breaks": ""})
    assert more.status_code == 200
    assert rows(place)[1] == ("18", "A1", 1_800_000)
    walk_in = post(client, "/candidates/", {"number": "99", "name": "", "seat": "A4", "extra": "", "breaks": ""})
    assert "Candidate 99 sits at A4." in walk_in.text
    assert "walk-in" in walk_in.text
    assert "did not come" in post(client, "/candidates/2/no-show", {"version": "3"}).text
    assert post(client, "/candidates/2/no-show", {"version": "4", "came": "yes"}).status_code == 200


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"extra": "soon"}, "soon is no extra time"),
        ({"breaks": "25 %"}, "25 % is no length of breaks"),
        ({"number": ""}, "Write a candidate number"),
        ({"number": "17"}, "on this roster already"),
        ({"seat": "A1"}, "choose a free one"),
        ({"name": "n" * 201}, "longer than 200"),
        ({"name": "a\u202eb"}, "control characters"),
    ],
)
def test_a_wrong_walk_in_comes_back_with_what_was_typed(place: Site, form: dict[str, str], words: str) -> None:
    client = taken_in(place)
    whole = {"number": "99", "name": "Someone", "seat": "A4", "extra": "", "breaks": ""} | form
    response = post(client, "/candidates/", whole)
    assert (response.status_code, words in response.text) == (422, True), response.text
    if "name" not in form:
        assert 'value="Someone"' in response.text
    assert len(rows(place)) == 2


def test_the_second_of_two_is_shown_what_the_first_did(place: Site) -> None:
    ada, grace = taken_in(place), place.client("Grace")
    assert post(grace, "/candidates/1/move", {"version": "1", "seat": "A3"}).status_code == 200
    second = post(ada, "/candidates/1/move", {"version": "1", "seat": "A4"})
    assert second.status_code == 409
    assert re.search(r"Grace changed this entry at [\d:]+, while you were looking: seat: A1 → A3", second.text)
    assert '<option value="A4" selected>' in second.text
    assert [seat for _, seat, _ in rows(place)] == ["A3", "A2"]


def test_an_auditor_reads_a_roster_and_changes_nothing(place: Site) -> None:
    taken_in(place)
    page = place.client("Olga").get(ROSTER)
    assert page.status_code == 200
    assert "Look at the file" not in page.text
    assert place.client("Tim").get(ROSTER).status_code == 403


def test_candidates_of_another_sitting_are_not_there(place: Site) -> None:
    client = taken_in(place)
    other = place.centre.room("Other")
    assert client.get(f"/sittings/sitting-{other}/roster/candidates/1").status_code == 404
    assert client.get("/sittings/nothing/roster").status_code == 404


def test_five_hundred_candidates_are_one_page(place: Site) -> None:
    """Each with the seat's natural order: A2 before A10."""
    for number in range(5, 501):
        place.centre.insert("seats", room_id=1, label=f"A{number}")
    client = place.client("Ada")
    lines = "".join(f"{n},Name {n},A{n}\n" for n in range(1, 501))
    shown = send(client, ("nr,name,seat\n" + lines).encode())
    assert "500 new" in shown.text
    page = post(client, "/confirm", hidden(shown.text)).text
    assert page.index("<bdi>A2</bdi>") < page.index("<bdi>A10</bdi>")
    assert page.count("<tr ") >= 500
