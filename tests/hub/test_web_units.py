"""The pages about units: letting desks in, how they are, cutting one off, and texts that come from strangers."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from hub.store import enrolling
from tests.hub.seed import now_ms
from tests.hub.website import Site, site, token

EVIL = '"><img src=x onerror=alert(1)><script>alert(1)</script>{{7*7}}'
CODE = "34AC-79XY"
STAYS_MS = -600_000
"""The age of a heartbeat from the future: its desk stays online however slow the test's machine is."""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as found:
        room = found.centre.room("Main hall")
        found.centre.seat(room, "A1", "hall.desk-01")
        found.centre.heartbeat("hall.desk-01", age_ms=STAYS_MS)
        found.centre.certificate("hall.desk-01")
        found.centre.seat(room, "A2")
        found.centre.worker()
        yield found


def seat_id(place: Site, label: str) -> int:
    with place.store.read() as connection:
        return int(connection.execute("select seat_id from seats where label = ?", [label]).fetchone()[0])


def unit_at(place: Site, label: str) -> str | None:
    with place.store.read() as connection:
        found = connection.execute("select unit from seats where label = ?", [label]).fetchone()
        return None if found is None else found["unit"]


def state_of(place: Site, number: int) -> tuple[str, str]:
    with place.store.read() as connection:
        request = enrolling.request_of(connection, number)
        return request.state, request.decided_by


def send(client: FlaskClient, path: str, **form: str) -> TestResponse:
    return client.post(path, data={"csrf_token": token(client, "/"), **form})


def approve(client: FlaskClient, number: int, **form: str) -> TestResponse:
    values = {"code": CODE, "place": "", "room": "", "label": "", "unit": ""} | form
    return send(client, f"/units/enrolments/{number}/approve", **values)


# --- letting in -----------------------------------------------------------------------------------------------------


def test_a_waiting_desk_shows_its_code_and_what_it_says_of_itself(place: Site) -> None:
    """All that a person compares, and one sentence about how."""
    place.centre.request("34AC-79XY", wanted="hall.desk-07", replaces="hall.desk-01")
    text = place.client("Tim").get("/units/").text
    for words in (
        "34AC-79XY",
        "10000000a3f1c2d4",
        "Raspberry Pi 5",
        "10.4.0.31",
        "hall.desk-07",
        "very one that <code>ems-agent status</code>",
    ):
        assert words in text
    assert re.search(r'value="replace:hall.desk-01" selected', text)


def test_a_proctor_sees_the_units_and_neither_codes_nor_keys_to_change_them(place: Site) -> None:
    """How the desks are is no secret; who is let in is not a proctor's."""
    place.centre.request("34AC-79XY")
    place.centre.security_event("hall.desk-01")
    client = place.client("Ada")
    text = client.get("/units/").text + client.get("/units/hall.desk-01").text
    assert "hall.desk-01" in text
    assert "Two machines speak as hall.desk-01" in text
    for words in ("34AC-79XY", "10.4.0.31", "/approve", "/seen", "/revoke"):
        assert words not in text


@pytest.mark.parametrize(
    ("form", "label", "name"),
    [
        ({"place": "", "room": "Main hall", "label": "A9"}, "A9", "hall.desk-02"),
        ({"place": "", "room": "New room", "label": "1", "unit": "hall.front"}, "1", "hall.front"),
        ({"place": "seat:A2"}, "A2", "hall.desk-02"),
        ({"place": "replace:hall.desk-01"}, "A1", "hall.desk-02"),
    ],
)
def test_a_desk_is_let_in_where_the_person_says(place: Site, form: dict[str, str], label: str, name: str) -> None:
    """At a new seat, at a free one, in another unit's place; the hub names it unless somebody does."""
    number = place.centre.request("34AC-79XY")
    if form["place"] == "seat:A2":
        form = form | {"place": f"seat:{seat_id(place, 'A2')}"}
    client = place.client("Tim")
    response = approve(client, number, **form)
    assert response.status_code == 303, response.text
    assert unit_at(place, label) == name
    assert state_of(place, number) == ("approved", "Tim")
    text = client.get("/units/").text
    assert f"{name} is let in" in text
    assert "certificate is being made" in text
    if form["place"].startswith("replace"):
        assert "Revoked: 1" in text
        assert f"replaced by {name}" in text


def test_a_revoked_desk_gets_its_old_seat_back(place: Site) -> None:
    """Its seat is free on Live and in the list, where the desk that replaces it has it chosen; both units say it."""
    client = place.client("Tim")
    assert send(client, "/units/hall.desk-01/revoke", why="card lost").status_code == 303
    place.settle()
    live = client.get("/").text
    assert "No desk unit" in live
    assert "Offline" not in live
    assert "it was at A1, Main hall, until it was revoked" in client.get("/units/hall.desk-01").text
    number = place.centre.request(CODE, replaces="hall.desk-01")
    text = client.get("/units/").text
    chosen = f"seat:{seat_id(place, 'A1')}"
    assert re.search(rf'value="{chosen}" selected>A1, where hall.desk-01 was<', text)
    assert approve(client, number, place=chosen).status_code == 303
    assert unit_at(place, "A1") == "hall.desk-02"
    assert "No desk waits" in client.get("/units/").text


def test_the_seat_of_a_revoked_unit_may_be_typed(place: Site) -> None:
    client = place.client("Tim")
    send(client, "/units/hall.desk-01/revoke", why="card lost")
    number = place.centre.request(CODE)
    assert approve(client, number, room="Main hall", label="A1").status_code == 303
    other = place.centre.request("HJKM-NPQR", replaces="hall.desk-01")
    assert not re.search(r'value="(seat|replace):[^"]*" selected', client.get("/units/").text)  # it is taken
    assert state_of(place, other)[0] == "waiting"


def test_from_approved_to_granted_as_the_page_tells_it(place: Site) -> None:
    """The same line goes on: being made, made."""
    number = place.centre.request("34AC-79XY")
    client = place.client("Tim")
    approve(client, number, room="Main hall", label="A9")
    assert "its certificate is being made" in client.get("/units/").text
    place.centre.execute("update enrolments set state = 'granted', certificate = 'pem'")
    assert "certificate made; it connects by itself" in client.get("/units/").text
    place.centre.heartbeat("hall.desk-02", age_ms=STAYS_MS)
    assert "certificate made, and it is online" in client.get("/units/").text


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({}, "Say which room the unit gets"),
        ({"room": "Main hall", "label": "A1"}, "has the unit hall.desk-01"),
        ({"room": "Main hall", "label": "A9", "unit": "Not A Name"}, "is not a unit&#39;s name"),
        ({"room": "Main hall", "label": "A9", "unit": "hall.desk-01"}, "is enrolled with another key"),
        ({"place": "replace:hall.desk-99"}, "no unit is called hall.desk-99"),
        ({"place": "seat:999"}, "That seat is no longer there"),
        ({"place": "seat:" + "9" * 400}, "That seat is no longer there"),
        ({"place": "seat:-1"}, "That seat is no longer there"),
    ],
)
def test_what_cannot_be_is_said_beside_the_form_and_what_was_typed_stays(
    place: Site, form: dict[str, str], words: str
) -> None:
    """Nothing is changed, and nobody types twice."""
    number = place.centre.request("34AC-79XY")
    response = approve(place.client("Tim"), number, **form)
    assert response.status_code == 422
    assert words.casefold() in response.text.casefold()
    for name in ("room", "label", "unit"):
        if form.get(name):
            assert f'value="{form[name]}"' in response.text
    assert state_of(place, number) == ("waiting", "")


def test_a_rejection_needs_a_reason_and_is_for_good(place: Site) -> None:
    """The desk shows why; who approves it afterwards is told who was first."""
    number = place.centre.request("34AC-79XY")
    tim, root = place.client("Tim"), place.client("Root")
    refused = send(tim, f"/units/enrolments/{number}/reject", code=CODE, reason="  ")
    assert refused.status_code == 422
    assert "Say why" in refused.text
    assert send(tim, f"/units/enrolments/{number}/reject", code=CODE, reason="not ours").status_code == 303
    assert state_of(place, number) == ("rejected", "Tim")
    late = approve(root, number, room="Main hall", label="A9")
    assert late.status_code == 409
    assert "was rejected already by Tim" in late.text
    assert unit_at(place, "A9") is None
    assert send(root, f"/units/enrolments/{number}/reject", code=CODE, reason="again").status_code == 409


def test_of_two_people_who_approve_at_once_one_does(place: Site) -> None:
    """One unit, one seat; the other person is told who was first."""
    number = place.centre.request("34AC-79XY")
    clients = [place.client("Tim"), place.client("Root")]
    for client in clients:
        token(client, "/")
    answers: list[TestResponse] = []
    gate = threading.Barrier(2)

    def decide(client: FlaskClient, label: str) -> None:
        csrf = token(client, "/")
        gate.wait()
        form = {"csrf_token": csrf, "code": CODE, "place": "", "room": "Main hall", "label": label, "unit": ""}
        answers.append(client.post(f"/units/enrolments/{number}/approve", data=form))

    threads = [
        threading.Thread(target=decide, args=(client, label))
        for client, label in zip(clients, ("B1", "B2"), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [303, 409]
    state, first = state_of(place, number)
    assert state == "approved"
    second = next(answer for answer in answers if answer.status_code == 409)
    assert f"was approved already by {first}" in second.text
    assert sum(unit_at(place, label) is not None for label in ("B1", "B2")) == 1


def test_a_form_that_is_not_whole_is_refused(place: Site) -> None:
    """A request of somebody's own making does not decide anything."""
    number = place.centre.request("34AC-79XY")
    client = place.client("Tim")
    for path in (f"/units/enrolments/{number}/approve", f"/units/enrolments/{number}/reject"):
        assert send(client, path).status_code == 400
    assert send(client, "/units/hall.desk-01/revoke").status_code == 400
    assert state_of(place, number) == ("waiting", "")


@pytest.mark.parametrize("what", ["approve", "reject"])
def test_a_stale_page_decides_nothing_about_a_stranger(place: Site, what: str) -> None:
    """Were a forgotten request's number to come again, only the desk whose code the person saw is decided."""
    number = place.centre.request(CODE)
    client = place.client("Tim")
    seen = client.get("/units/").text
    assert seen.count(f'name="code" value="{CODE}"') == 2  # approve and reject
    place.centre.execute("delete from enrolments")
    place.centre.request("HJKM-NPQR")
    place.centre.execute("update enrolments set enrolment_id = :number", number=number)
    form = {"code": CODE, "place": "", "room": "Main hall", "label": "A9", "unit": "", "reason": "not ours"}
    answer = send(client, f"/units/enrolments/{number}/{what}", **form)
    assert answer.status_code == 409
    assert "That request is no longer the one you looked at: compare the code again." in answer.text
    assert 'value="A9"' not in answer.text
    assert state_of(place, number) == ("waiting", "")
    assert unit_at(place, "A9") is None
    assert send(client, f"/units/enrolments/{number}/{what}", **form | {"code": "HJKM-NPQR"}).status_code == 303


def test_a_request_that_has_gone_is_told(place: Site) -> None:
    response = approve(place.client("Tim"), 4711, room="Main hall", label="A9")
    assert response.status_code == 409
    assert "is no longer here" in response.text


# --- all units, and one ---------------------------------------------------------------------------------------------


def test_the_worst_unit_comes_first_with_what_is_wrong(place: Site) -> None:
    """Security, offline, not answering, faults and expired certificates, worth a look, well."""
    centre = place.centre
    room = centre.room("Annex")
    for number, age_days in ((2, 95.0), (3, 70.0), (4, 10.0), (5, 10.0), (6, 10.0)):
        unit = f"hall.desk-0{number}"
        centre.seat(room, f"B{number}", unit)
        centre.heartbeat(unit, age_ms={4: 60_000, 6: 5_000}.get(number, STAYS_MS))
        centre.certificate(unit, age_days=age_days)
    centre.security_event("hall.desk-05")
    text = place.client("Tim").get("/units/").text
    order = re.findall(r'<tr data-unit="([^"]+)"', text)
    assert order == [f"hall.desk-0{number}" for number in (5, 4, 6, 2, 3, 1)]
    for words in ("Certificate expired", "Certificate ends soon", "4 online, 1 not answering, 1 offline"):
        assert words in text


def test_hours_on_the_card_are_told_from_the_newest_segments(place: Site) -> None:
    """21 GB at 187 kB/s are 31 hours; a unit that has recorded nothing shows a dash."""
    centre = place.centre
    assert f'>{chr(0x2013)}<span class="sub">21.0 GB' in centre_text(place)
    for number in range(30):
        centre.segment("hall.desk-01", number)
    assert '31 h<span class="sub">21.0 GB' in centre_text(place)


def test_film_that_waits_at_a_desk_is_told(place: Site) -> None:
    """How much, and how fast it comes; nothing of it for a desk that sends none."""
    place.centre.heartbeat(
        "hall.desk-01",
        age_ms=STAYS_MS,
        waiting_segments=340,
        waiting_bytes=637_500_000,
        upload_bytes_per_s=1_950_000.0,
    )
    client = place.client("Tim")
    assert "340 segments of film (637.5 MB, 1.9 MB a second)" in client.get("/units/hall.desk-01").text
    assert "film: 637.5 MB" in client.get("/units/").text
    place.centre.heartbeat("hall.desk-01", age_ms=STAYS_MS)
    assert "of film" not in client.get("/units/hall.desk-01").text


def centre_text(place: Site) -> str:
    return place.client("Tim").get("/units/").text


def test_a_units_own_page_tells_its_story(place: Site) -> None:
    """Certificates, who let it in, what was strange, and who cut it off, when and why."""
    number = place.centre.request("34AC-79XY")
    client = place.client("Tim")
    approve(client, number, room="Main hall", label="A9")
    place.centre.certificate("hall.desk-02", age_days=0)
    place.centre.security_event("hall.desk-02", "boot_went_back", "start 4 after 9", count=3)
    text = client.get("/units/hall.desk-02").text
    for words in ("34AC-79XY", "Tim", "start 4 after 9", "3 times", "holds"):
        assert words in text
    assert text.count("went back to an earlier start") == 1
    assert "The unit's page" not in text
    assert client.get("/units/hall.desk-77").status_code == 404


def test_a_revocation_is_asked_twice_and_needs_a_reason(place: Site) -> None:
    """The page says what it does in plain words; afterwards who, when and why stand there."""
    client = place.client("Tim")
    assert "/units/hall.desk-01/revoke" in client.get("/units/hall.desk-01").text
    asked = client.get("/units/hall.desk-01/revoke").text
    for words in ("cut off within 10 seconds", "recordings stay on its card", "A sitting is on"):
        assert words in asked
    refused = send(client, "/units/hall.desk-01/revoke", why=" ")
    assert refused.status_code == 422
    assert "Say why" in refused.text
    assert send(client, "/units/hall.desk-01/revoke", why="card lost").status_code == 303
    text = client.get("/units/hall.desk-01").text
    for words in ("Revoked", "by <strong>Tim</strong>", "card lost", "Revoked: <bdi>card lost</bdi>"):
        assert words in text
    assert "/units/hall.desk-01/revoke" not in text
    assert client.get("/units/hall.desk-01/revoke").status_code == 302
    assert send(place.client("Root"), "/units/hall.desk-01/revoke", why="again").status_code == 303
    assert "card lost" in client.get("/units/hall.desk-01").text


def test_a_security_event_stands_there_until_somebody_has_seen_it(place: Site) -> None:
    """With who and when, and the second person is told."""
    number = place.centre.security_event("hall.desk-01", detail="serials 1a and 2b", count=4)
    tim, root = place.client("Tim"), place.client("Root")
    text = tim.get("/units/").text
    assert "Two machines speak as hall.desk-01" in text
    assert "serials 1a and 2b" in text
    place.settle()
    assert "data-bar-units >1<" in tim.get("/").text
    assert send(tim, f"/units/events/{number}/seen").status_code == 303
    assert "Two machines speak" not in tim.get("/units/").text
    send(root, f"/units/events/{number}/seen")
    assert "Tim has seen it already" in root.get("/units/").text
    assert "seen by Tim" in root.get("/units/hall.desk-01").text
    assert send(tim, "/units/events/4711/seen").status_code == 404


def test_a_hub_that_makes_no_certificates_says_so(place: Site) -> None:
    """No worker, a worker that fell silent, a clock that is not trusted, a trouble of its own."""
    client = place.client("Tim")
    assert "hub-trouble" not in client.get("/units/").text
    for values, words in (
        ({"beat_utc_ms": now_ms() - 60_000}, "worker does not run"),
        ({"is_clock_trusted": False, "clock": "no time server keeps it"}, "does not trust its clock"),
        ({"trouble": "the store cannot be used"}, "the store cannot be used"),
        ({"beat_utc_ms": "nonsense"}, "worker does not run"),
    ):
        place.centre.worker(**values)
        for path in ("/units/", "/units/hall.desk-01"):
            assert words in client.get(path).text, (path, words)
        is_told = words in client.get("/units/hall.desk-01/revoke").text
        assert is_told == ("does not run" in words), "who revokes needs the worker, and no clock"
    (place.centre.folder.path / "worker.json").unlink()
    assert "worker does not run" in client.get("/units/").text


def test_texts_of_strangers_stay_texts(place: Site) -> None:
    """A desk that nobody has let in yet may call itself anything, on every page that shows it."""
    number = place.centre.request("34AC-79XY", serial=EVIL, model=EVIL, software=EVIL, address=EVIL)
    place.centre.security_event("hall.desk-01", detail=EVIL)
    client = place.client("Tim")
    assert client.get("/units/").text.count("&lt;script&gt;") == 5
    assert approve(client, number, room=EVIL, label=EVIL).status_code == 303
    other = place.centre.request("79XY-34AC", serial=EVIL)
    send(client, f"/units/enrolments/{other}/reject", code="79XY-34AC", reason=EVIL)
    send(client, "/units/hall.desk-01/revoke", why=EVIL)
    for path in ("/units/", "/units/hall.desk-01", "/units/hall.desk-02", "/units/hall.desk-02/revoke", "/"):
        text = client.get(path).text
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
        assert ">49<" not in text, path
    failed = approve(client, other, code="79XY-34AC", place="replace:" + EVIL, room=EVIL, label=EVIL, unit=EVIL)
    assert "<script>alert" not in failed.text


def test_a_serial_cannot_be_written_so_that_it_reads_as_another(place: Site) -> None:
    """Characters that turn the direction, or that show nothing, are shown as what they are."""
    place.centre.request("34AC-79XY", serial="10\u202e34\u202c\u200b\n")
    assert "<bdi>10\ufffd34\ufffd\ufffd\ufffd</bdi>" in place.client("Tim").get("/units/").text


def test_an_empty_centre_says_what_would_be_there(tmp_path: Path) -> None:
    with site(tmp_path) as empty:
        text = empty.client("Tim").get("/units/").text
        assert "No desk waits" in text
        assert "No unit is enrolled yet" in text


def test_a_technician_gets_no_way_to_incidents(place: Site) -> None:
    """Neither the pages nor links to them; live, seats and units are theirs."""
    number = place.centre.alert("hall.desk-01")
    place.settle()
    client = place.client("Tim")
    assert client.get(f"/incidents/{number}").status_code == 403
    assert client.get("/incidents/").status_code == 403
    for path in ("/", "/seats/1", "/units/", "/card/"):
        page = client.get(path)
        assert page.status_code == 200
        visible = re.sub(
            r'<div class="queue" id="queue" hidden>.*?</section>|<template.*?</template>', "", page.text, flags=re.S
        )
        assert 'href="/incidents/' not in visible, path
    assert 'href="/incidents/' not in client.get("/nothing").text


# --- the card -------------------------------------------------------------------------------------------------------


def test_the_card_has_a_row_for_every_pattern(place: Site) -> None:
    """As the desk plays them: name, meaning, what to do, and a drawn rhythm."""
    from agent.wire_lamp import PATTERNS

    text = place.client("Ada").get("/card/").text
    for pattern in PATTERNS.values():
        assert f'data-pattern="{str(pattern.name).replace("_", " ")}"' in text
        assert pattern.what_to_do in text
    assert text.count("<polygon") == len(PATTERNS)
    assert "style=" not in text
