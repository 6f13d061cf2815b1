"""Every look is recorded: each page notes what it shows or changes, or stands here with the reason why not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from agent import wire
from hub.core import profiles
from hub.core.audit import Deed, Entry
from hub.core.profiles import Profile
from hub.core.seat_pattern import Pattern, Scheme, propose
from hub.store import audit, rooms
from hub.web import clock, deeds
from tests.hub.website import PEOPLE, Site, log_in, site, token


class Act(NamedTuple):
    """What somebody does, and the entry that it leaves: its deed, object and who."""

    deed: Deed
    what: str
    path: str
    form: dict[str, str] | None = None
    who: str = "Ada"


PROFILE = profiles.typed(Profile())
AUDITED: dict[str, Act] = {
    "incidents.one": Act(Deed.VIEWED_INCIDENT, "incident 1", "/incidents/1"),
    "incidents.still": Act(Deed.VIEWED_STILL, "incident 1", "/incidents/1/still/{sha256}.jpg"),
    "incidents.act": Act(
        Deed.REVIEWED_INCIDENT,
        "incident 1",
        "/incidents/1/act",
        {"act": "close", "version": "1", "events": "1", "verdict": "refer", "text": "seen on the film"},
    ),
    "incidents.take_out": Act(
        Deed.REVIEWED_INCIDENT,
        "incident 2",
        "/incidents/2/members/take-out",
        {"unit": "c.d1", "what": "offline"},
    ),
    "budget.what_if_page": Act(
        Deed.VIEWED_COVERAGE, "seat 1", "/incidents/budget/what-if?sitting=sitting-1&seat=A1&kind=seat_empty"
    ),
    "seats.one": Act(Deed.VIEWED_SEAT, "seat 1", "/seats/1"),
    "video.watch": Act(Deed.WATCHED_LIVE, "seat 1", "/seats/1/live"),
    "units.approve": Act(
        Deed.APPROVED_UNIT,
        "unit c.d9",
        "/units/enrolments/1/approve",
        {"code": "34AC-79XY", "place": "", "room": "Main hall", "label": "Z9", "unit": "c.d9"},
        "Tim",
    ),
    "units.reject": Act(
        Deed.REJECTED_UNIT,
        "request 47CD-EFGH",
        "/units/enrolments/2/reject",
        {"code": "47CD-EFGH", "reason": "not ours"},
        "Tim",
    ),
    "audit.listing": Act(Deed.VIEWED_AUDIT, "the audit log", "/audit/?who=Ada", who="Root"),
    "audit.export": Act(Deed.EXPORTED_AUDIT, "the audit log", "/audit/export.jsonl", who="Root"),
    "bundles.ask": Act(
        Deed.ASKED_FOR_BUNDLE,
        "incident 1",
        "/bundles/",
        {"incident": "1", "purpose": "appeal", "recipient": "board"},
    ),
    "bundles.cancel": Act(Deed.CANCELLED_BUNDLE, "incident 1", "/bundles/1/cancel", {}),
    "bundles.download": Act(Deed.DOWNLOADED_BUNDLE, "incident 1", "/bundles/2/download"),
    "sittings.one": Act(Deed.VIEWED_COVERAGE, "sitting sitting-1", "/sittings/sitting-1"),
    "sittings.as_json": Act(Deed.VIEWED_COVERAGE, "sitting sitting-1", "/sittings/sitting-1/coverage.json"),
    "sittings.as_csv": Act(Deed.VIEWED_COVERAGE, "sitting sitting-1", "/sittings/sitting-1/coverage.csv"),
    "film_pages.of_seat": Act(Deed.VIEWED_COVERAGE, "seat 1", "/seats/1/film"),
    "film_pages.of_incident": Act(Deed.VIEWED_INCIDENT, "incident 1", "/incidents/1/film", who="Grace"),
    "holds.place": Act(Deed.HELD, "incident 1", "/holds/", {"incident": "1", "reason": "an appeal"}),
    "holds.release": Act(Deed.RELEASED, "incident 1", "/holds/1/release", {"why": "the appeal is decided"}),
    "retention.set_rule": Act(
        Deed.SET_RETENTION,
        "exam Structural Mechanics II",
        "/retention/rule",
        {"exam": "Structural Mechanics II", "after_sitting": "30", "after_results": ""},
        "Root",
    ),
    "retention.set_results": Act(
        Deed.ENTERED_RESULTS_DATE,
        "exam Structural Mechanics II",
        "/retention/results",
        {"exam": "Structural Mechanics II", "date": "2027-01-15"},
        "Root",
    ),
    "preflight.drill": Act(
        Deed.ASKED_FOR_DRILL, "sitting sitting-1", "/sittings/sitting-1/preflight/drill", {"reason": "a new lamp"}
    ),
    "seat_acts.panel": Act(Deed.VIEWED_SEAT, "seat 1", "/live/seats/1", who="Grace"),
    "seat_acts.begin_break": Act(Deed.GAVE_BREAK, "seat 1", "/seats/1/break", {"kind": "toilet"}),
    "seat_acts.extend_break": Act(Deed.GAVE_BREAK, "seat 1", "/seats/1/break/extend", {"break_id": "1"}),
    "seat_acts.end_break": Act(Deed.ENDED_BREAK, "seat 1", "/seats/1/break/end", {"break_id": "1"}),
    "seat_acts.resume_break": Act(Deed.GAVE_BREAK, "seat 1", "/seats/1/break/resume", {"break_id": "1"}),
    "seat_acts.signal": Act(Deed.SIGNALLED, "seat 1", "/seats/1/signal", {}),
    "seat_acts.end_signal": Act(Deed.SIGNALLED, "seat 1", "/seats/1/signal/end", {}),
    "seat_acts.bookmark": Act(Deed.BOOKMARKED, "seat 1", "/live/bookmark", {"seat_id": "1", "note": "a phone rang"}),
    "seat_acts.open_incident": Act(
        Deed.OPENED_INCIDENT, "incident 3", "/seats/1/incident", {"note": "a slip of paper"}
    ),
    "rooms.make": Act(Deed.SET_UP_ROOM, "room Annex", "/rooms/", {"name": "Annex"}, "Root"),
    "rooms.rename": Act(Deed.SET_UP_ROOM, "room Attic", "/rooms/3/rename", {"name": "Attic"}, "Root"),
    "rooms.add_seats": Act(
        Deed.SET_UP_ROOM,
        "room Attic",
        "/rooms/3/add",
        {"columns": "1", "rows": "1", "scheme": "number", "prefix": "", "start": "1", "digits": "1", "order": "left"}
        | {"seen": rooms.fingerprint(propose(Pattern(1, 1, Scheme.NUMBER), []))},
        "Root",
    ),
    "rooms.add_seat": Act(Deed.SET_UP_ROOM, "room Main hall", "/rooms/1/seat", {"label": "B2"}, "Root"),
    "rooms.save_map": Act(
        Deed.SET_UP_ROOM,
        "room Main hall",
        "/rooms/1/map",
        {"columns": "2", "rows": "1", "x-1": "2", "y-1": "1", "was-1": ""},
        "Root",
    ),
    "room_seats.draw_masks": Act(
        Deed.DREW_MASKS,
        "seat 1",
        "/rooms/1/1/masks",
        {"kind": "private", "points": "10 10; 20 10; 20 20", "seen": wire.sha256_hex(b"[]")},
        "Root",
    ),
    "room_seats.put_desk": Act(
        Deed.ASSIGNED_UNIT, "seat 1", "/rooms/1/1/desk", {"unit": "c.spare", "seen": "c.d1"}, "Root"
    ),
    "room_seats.rename": Act(Deed.SET_UP_ROOM, "seat 2", "/rooms/2/2/rename", {"label": "Z8"}, "Root"),
    "room_seats.remove": Act(Deed.SET_UP_ROOM, "seat 2", "/rooms/2/2/remove", {"really": "yes"}, "Root"),
    "rooms.delete": Act(Deed.SET_UP_ROOM, "room Cellar", "/rooms/2/delete", {"really": "yes"}, "Root"),
    "exams.add": Act(
        Deed.SET_UP_EXAM,
        "exam French",
        "/exams/",
        {"exam": "French", "day": "2027-05-31", "zone": "Europe/Berlin", "profile": "Standard"},
        "Root",
    ),
    "exams.change": Act(
        Deed.SET_UP_EXAM,
        "exam French",
        "/exams/change",
        {"exam": "French", "version": "1", "day": "2027-06-01", "zone": "UTC", "profile": "Standard"},
        "Root",
    ),
    "exams.plan": Act(
        Deed.PLANNED_SITTING,
        "sitting french-main-hall-20370601t0900z",
        "/exams/sittings",
        {"exam": "French", "room": "Main hall", "start": "2037-06-01T09:00", "end": "2037-06-01T12:00", "profile": ""},
        "Root",
    ),
    "exams.retime": Act(
        Deed.CHANGED_SITTING,
        "sitting french-main-hall-20370601t0900z",
        "/exams/sittings/french-main-hall-20370601t0900z/times",
        {"version": "1", "start": "2037-06-01T10:00", "end": "2037-06-01T12:00", "empty": "15"},
        "Root",
    ),
    "exams.cancel": Act(
        Deed.CANCELLED_SITTING,
        "sitting french-main-hall-20370601t0900z",
        "/exams/sittings/french-main-hall-20370601t0900z/cancel",
        {"version": "2", "reason": "the paper is not ready"},
        "Root",
    ),
    "profiles.add": Act(Deed.SET_UP_PROFILE, "profile Quiet", "/profiles/", PROFILE | {"name": "Quiet"}, "Root"),
    "profiles.change": Act(
        Deed.SET_UP_PROFILE,
        "profile Quiet",
        "/profiles/change",
        PROFILE | {"profile": "Quiet", "version": "1", "toilet": "7"},
        "Root",
    ),
    "roster.one": Act(Deed.VIEWED_ROSTER, "sitting sitting-1", "/sittings/sitting-1/roster"),
    "roster.as_csv": Act(Deed.VIEWED_ROSTER, "sitting sitting-1", "/sittings/sitting-1/roster.csv"),
    "candidates.one": Act(
        Deed.VIEWED_ROSTER, "sitting sitting-1", "/sittings/sitting-1/roster/candidates/1", who="Grace"
    ),
    "candidates.add": Act(
        Deed.CHANGED_ROSTER,
        "sitting sitting-1",
        "/sittings/sitting-1/roster/candidates/",
        {"number": "99", "seat": "A2", "name": "", "extra": "", "breaks": ""},
    ),
    "candidates.no_show": Act(
        Deed.CHANGED_ROSTER,
        "sitting sitting-1",
        "/sittings/sitting-1/roster/candidates/2/no-show",
        {"version": "1"},
    ),
    "candidates.move": Act(
        Deed.CHANGED_ROSTER,
        "sitting sitting-1",
        "/sittings/sitting-1/roster/candidates/1/move",
        {"version": "1", "seat": "A2"},
    ),
    "candidates.change": Act(
        Deed.CHANGED_ROSTER,
        "sitting sitting-1",
        "/sittings/sitting-1/roster/candidates/1/change",
        {"version": "2", "name": "Ida", "extra": "15", "breaks": ""},
    ),
    "exams.end": Act(
        Deed.CHANGED_SITTING,
        "sitting sitting-1",
        "/exams/sittings/sitting-1/end",
        {"version": "1", "reason": "a fire alarm"},
        "Root",
    ),
    "incidents.as_csv": Act(Deed.EXPORTED_INCIDENTS, "the list of incidents", "/incidents/list.csv?state="),
    "closing.page": Act(Deed.VIEWED_COVERAGE, "sitting sitting-1", "/sittings/sitting-1/close"),
    "report.page": Act(Deed.VIEWED_REPORT, "sitting sitting-1", "/sittings/sitting-1/report"),
    "report.as_csv": Act(Deed.VIEWED_REPORT, "sitting sitting-1", "/sittings/sitting-1/report.csv"),
    "report.as_json": Act(Deed.VIEWED_REPORT, "sitting sitting-1", "/sittings/sitting-1/report.json"),
    "report.signed": Act(Deed.VIEWED_REPORT, "sitting sitting-1", "/sittings/sitting-1/report/signed-1.json"),
    "closing.write_off": Act(
        Deed.WROTE_OFF, "sitting sitting-1", "/sittings/sitting-1/write-off", {"unit": "c.spare", "why": "stolen"}
    ),
    "walls.add": Act(Deed.SET_UP_WALL, "wall left", "/walls/", {"name": "left", "room": ""}, "Root"),
    "walls.revoke": Act(Deed.REVOKED_WALL, "wall left", "/walls/1/revoke", {}, "Root"),
    "units.revoke": Act(Deed.REVOKED_UNIT, "unit c.d1", "/units/c.d1/revoke", {"why": "stolen"}, "Tim"),
    "units.see": Act(Deed.SAW_SECURITY_EVENT, "security event 1", "/units/events/1/seen", {}, "Tim"),
}
"""By endpoint. In this order: what is revoked comes last."""

NOT_AUDITED = {
    "static": "the same for everybody",
    "health.healthz": "numbers about the hub, no candidate",
    "health.metrics": "numbers about the hub, no candidate",
    "login.log_in": "tested below: both outcomes",
    "login.log_out": "tested below",
    "language.choose": "changes a cookie of this browser alone; test_language",
    "closing.close": "tests/hub/test_web_closing.py: closed_sitting",
    "closing.reopen": "tests/hub/test_web_closing.py: reopened_sitting",
    "walls.listing": "which screens there are, no candidate",
    "wall.page": "what is now, by seat label, kept nowhere; the screen's log-in stands",
    "wall.board_json": "as the wall's page, asked by it",
    "wall.stills": "as the wall's page, asked by it",
    "wall.stream": "as the wall's page, asked by it",
    "wall.enter": "tests/hub/test_web_wall.py: a screen's log-in, which an admin made and the log has",
    "sittings.listing": "which sittings there are, and how much of each is recorded",
    "film.play": "tests/hub/test_web_film.py: played and downloaded",
    "film.again": "part of a look that film.play has noted",
    "film.video": "tests/hub/test_web_film.py: noted where film.play has not",
    "film_pages.fetch": "tests/hub/test_web_film.py: wished_for_film",
    "preflight.page": "equipment, and what is now at the seats, kept nowhere",
    "preflight.start": "tests/hub/test_web_preflight.py: the start, and each item that it overrides",
    "preflight.lamp": "tests/hub/test_preflight.py: kept with who saw it, no candidate",
    "budget.page": "numbers about rules and seats, no candidate",
    "live.page": "what is now, kept nowhere: the log-in stands for a day's watching",
    "live.people_json": "candidate numbers of the tiles, as the live page, asked by it",
    "live.board_json": "as the live page, asked by it",
    "live.stills": "as the live page, asked by it",
    "live.stream": "as the live page, asked by it",
    "incidents.listing": "which incidents there are; what one shows is on its own page",
    "units.listing": "equipment",
    "units.one": "equipment",
    "units.ask_to_revoke": "a question, nothing is changed",
    "bundles.listing": "what was asked for; the evidence is in the file",
    "bundles.form": "a question, nothing is shown or changed",
    "holds.listing": "which holds stand, no candidate",
    "holds.ask": "a question, nothing is changed",
    "rooms.listing": "equipment",
    "rooms.one": "equipment",
    "rooms.add_seats_form": "a question, nothing is changed",
    "room_seats.one": "equipment",
    "room_seats.masks": "a question; its picture is what is now",
    "room_seats.picture": "as the live page: what is now, kept nowhere",
    "retention.listing": "rules and sums, no candidate",
    "retention.exam": "rules and sums, no candidate",
    "retention.make_plan": "tests/hub: noted when the worker has made it",
    "retention.plan": "which files go, no candidate",
    "retention.ask_to_apply": "a question, nothing is changed",
    "retention.apply": "tests/hub: noted when the worker removes",
    "retention.certificate": "what went under which rule, no candidate",
    "exams.listing": "which exams there are, no candidate",
    "exams.ask": "a question, nothing is changed",
    "exams.one": "which sittings there are, no candidate",
    "exams.ask_to_plan": "a question, nothing is changed",
    "exams.sitting": "times, no candidate",
    "profiles.listing": "how exams are watched, no candidate",
    "profiles.ask": "a question, nothing is changed",
    "profiles.one": "how exams are watched, no candidate",
    "profiles.apply": "tests/hub/test_web_exams.py: noted with the sittings that it changes",
    "roster.upload": "tests/hub/test_web_roster.py: nothing counts before it is confirmed",
    "roster.preview": "tests/hub/test_web_roster.py: viewed_roster",
    "roster.reread": "tests/hub/test_web_roster.py: nothing counts before it is confirmed",
    "roster.confirm": "tests/hub/test_web_roster.py: changed_roster",
    "roster.discard": "tests/hub/test_web_roster.py: nothing of it ever counted",
    "card.page": "the same for everybody",
    "people.listing": "accounts, no candidate",
}
"""Endpoint: why it leaves no entry."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as found:
        room = found.centre.room("Main hall")
        found.centre.execute("insert into exams (exam) select distinct exam from sittings")
        found.centre.seat(room, "A1", "c.d1")
        found.centre.seat(found.centre.room("Cellar", None), "Z7")
        found.centre.insert("units", unit="c.spare", public_key="e" * 64, first_seen_utc_ms=1)
        found.centre.seat(room, "A2")
        found.centre.insert("candidates", sitting="sitting-1", number="17", seat="A1")
        found.centre.heartbeat("c.d1")
        found.centre.alert("c.d1", still=1)
        room_incident(found)
        found.centre.request("34AC-79XY")
        found.centre.request("47CD-EFGH")
        found.centre.security_event("c.d1")
        found.centre.signed_report()
        found.centre.bundle({"incident_id": 1}, "waiting")
        storage = Path(found.app.extensions["ems"].settings.storage_path)
        found.centre.made(storage, found.centre.bundle({"incident_id": 1}, content=b"PK"), b"PK")
        yield found


def room_incident(place: Site) -> None:
    """Incident 2: a room's, with one desk."""
    values = {"unit": "c.d1", "kind": "room_gone", "sitting": "sitting-1", "room": "Main hall", "seat": ""}
    number = place.centre.insert("incidents", **values, opened_utc_ms=1, began_utc_ms=1)
    place.centre.insert("room_members", incident_id=number, unit="c.d1", seat="A1", what="offline", at_utc_ms=1)


def newest(place: Site) -> Entry:
    return audit.page(place.store, limit=1)[0]


def count(place: Site) -> int:
    with place.store.read() as connection:
        return audit.head(connection)[0]


def test_every_page_is_audited_or_says_why_not(place: Site) -> None:
    """A page that somebody adds stands in one of the two tables, and none that is gone does."""
    endpoints = {rule.endpoint for rule in place.app.url_map.iter_rules()}
    assert endpoints == AUDITED.keys() | NOT_AUDITED.keys()
    assert not AUDITED.keys() & NOT_AUDITED.keys()
    changing = {rule.endpoint for rule in place.app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    for endpoint in changing - AUDITED.keys():
        assert "test" in NOT_AUDITED[endpoint], endpoint


@pytest.mark.parametrize("endpoint", AUDITED)
def test_each_deed_leaves_its_entry(place: Site, endpoint: str) -> None:
    """Who did it, in which role, from where, to what: one entry, and the chain is whole."""
    act = AUDITED[endpoint]
    stills = next(iter(place.store.database()["stills"].rows))
    client = place.client(act.who)
    path = act.path.format(sha256=stills["sha256"])
    form = None if act.form is None else {**act.form, "csrf_token": token(client, "/")}
    before = count(place)
    response = client.get(path) if form is None else client.post(path, data=form)
    assert response.status_code in (200, 303), response.text
    response.close()
    assert count(place) == before + 1
    entry = newest(place)
    assert (entry.deed, entry.object, entry.who) == (act.deed, act.what, act.who)
    assert entry.role == PEOPLE[act.who]
    assert entry.address == "127.0.0.1"
    assert audit.verify(place.store)[1] == []


def test_a_page_that_follows_is_one_look_whatever_it_says_of_itself(
    place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked again within a quarter of an hour a page leaves no second entry; later, or in another log-in, it does. That
    a script asks hides nothing."""
    client = place.client("Grace")
    before = count(place)
    client.get("/incidents/1", headers={"X-Part": "1"})
    assert count(place) == before + 1
    for headers in ({}, {"X-Part": "1"}):
        client.get("/incidents/1", headers=headers)
    assert count(place) == before + 1
    other = place.client("Grace")
    after_log_in = count(place)
    other.get("/incidents/1")
    assert count(place) == after_log_in + 1
    later = clock.now_utc_ms() + deeds.LOOK_MS
    monkeypatch.setattr(deeds, "now_utc_ms", lambda: later)
    client.get("/incidents/1")
    assert count(place) == after_log_in + 2


def test_what_is_not_shown_is_not_noted(place: Site) -> None:
    """Somebody who is refused, or names what is not there, has looked at nothing."""
    before = count(place)
    assert place.client("Tim").get("/incidents/1").status_code == 403
    assert place.client("Ada").get("/incidents/999").status_code == 404
    assert place.client("Ada").get(f"/incidents/1/still/{'0' * 64}.jpg").status_code == 404
    assert count(place) == before + 3  # the log-ins


def test_log_in_log_out_and_refused_log_ins_are_noted(place: Site) -> None:
    """A refusal keeps the name as typed, bounded and harmless, and never the password."""
    client = place.client("Root")
    assert (newest(place).deed, newest(place).who, newest(place).role) == (Deed.LOGGED_IN, "Root", "admin")
    client.post("/logout", data={"csrf_token": token(client, "/")})
    assert (newest(place).deed, newest(place).object) == (Deed.LOGGED_OUT, "user Root")
    assert log_in(place.client(), "Root", "a wrong password").status_code == 401
    refused = newest(place)
    assert (refused.deed, refused.object, refused.role) == (Deed.LOG_IN_REFUSED, "user Root", "none")
    assert refused.detail == '{"is_account":true}'
    log_in(place.client(), "x\n\x1b[31m\u202e" + "y" * 500, "a wrong password")
    assert newest(place).object == "user x\ufffd\ufffd[31m\ufffd" + "y" * 92
    assert newest(place).detail == '{"is_account":false}'


def test_who_guesses_cannot_fill_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals past the hour's bound are in the system's log only, and the last entry says so."""
    from limits import parse

    from hub.web import login

    monkeypatch.setattr(login, "NOTED_REFUSALS", parse("3 per hour"))
    with site(tmp_path) as place:
        for number in range(5):
            assert log_in(place.client(), f"guess {number}", "a wrong password").status_code == 401
        entries = audit.page(place.store, deed=Deed.LOG_IN_REFUSED)
        assert [entry.object for entry in entries] == ["user guess 2", "user guess 1", "user guess 0"]
        assert "system's log only" in entries[0].detail
        assert "system's log only" not in entries[1].detail


def test_behind_the_centres_tls_the_callers_own_address_is_noted(tmp_path: Path) -> None:
    """Not the proxy's, and not what the caller claims in front of it."""
    with site(tmp_path, app_env="production") as place:
        client = place.app.test_client()
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "6.6.6.6, 10.1.1.1", "Referer": "https://localhost"}
        page = client.get("/login", headers=headers, base_url="https://localhost").text
        csrf = page.partition('name="csrf_token" value="')[2].partition('"')[0]
        form = {"csrf_token": csrf, "name": "Ada", "password": "a wrong password"}
        client.post("/login", data=form, headers=headers, base_url="https://localhost")
        assert newest(place).deed == Deed.LOG_IN_REFUSED
        assert newest(place).address == "10.1.1.1"


def test_no_look_without_an_entry(tmp_path: Path) -> None:
    """While the store takes nothing, evidence is not shown and the page says why; a log-in still works, to see what the
    matter is, and pages about equipment do."""
    with site(tmp_path) as place:
        place.centre.seat(place.centre.room("Hall"), "A1", "c.d1")
        place.centre.alert("c.d1", still=1)
        place.settle()
        ada = place.client("Ada")
        with place.store.write() as connection:
            connection.execute(
                "create trigger full before insert on audit begin select raise(abort, 'database or disk is full'); end"
            )
        try:
            refused = ada.get("/incidents/1")
            assert refused.status_code == 503
            assert "could not be recorded, so it is not shown" in refused.text
            assert "disk is full" not in refused.text
            assert ada.get("/seats/1").status_code == 503
            assert ada.get("/incidents/1", headers={"X-Part": "1"}).get_json()["error"] == 503
            root = place.client("Root")
            assert root.get("/units/").status_code == 200
        finally:
            with place.store.write() as connection:
                connection.execute("drop trigger full")
        assert ada.get("/incidents/1").status_code == 200
        assert newest(place).deed == Deed.VIEWED_INCIDENT


def test_a_review_and_its_entry_are_one(tmp_path: Path) -> None:
    """A verdict that cannot be noted is not given."""
    with site(tmp_path) as place:
        place.centre.seat(place.centre.room("Hall"), "A1", "c.d1")
        place.centre.alert("c.d1")
        client = place.client("Ada")
        form = {"act": "acknowledge", "version": "1", "events": "1", "csrf_token": token(client, "/")}
        with place.store.write() as connection:
            connection.execute("create trigger full before insert on audit begin select raise(abort, 'full'); end")
        assert client.post("/incidents/1/act", data=form).status_code == 500
        with place.store.read() as connection:
            assert connection.execute("select state from incidents").fetchone()[0] == "open"
        with place.store.write() as connection:
            connection.execute("drop trigger full")
        assert client.post("/incidents/1/act", data=form).status_code == 303
        assert newest(place).detail == '{"act":"acknowledged"}'


def test_looks_are_remembered_within_bounds() -> None:
    """A process that shows much keeps no endless list, and forgets the oldest."""
    looks = deeds.Looks()
    for number in range(deeds.MOST_LOOKS + 1):
        looks.remember((str(number),), 1_000)
    assert not looks.is_noted(("0",), 1_001)
    assert looks.is_noted(("1",), 1_001)
    assert not looks.is_noted(("1",), 999), "a clock that was set back notes once more"


def test_an_entry_that_cannot_be_written_is_one_kind_of_trouble(place: Site) -> None:
    """Whatever the store says, the page learns that nothing was noted."""
    with place.store.write() as connection:
        connection.execute("create trigger full before insert on audit begin select raise(abort, 'full'); end")
    try:
        with pytest.raises(audit.CannotNote, match="full") as told:
            audit.note(place.store, audit.Actor("Ada", "proctor"), Deed.PLAYED, "seat 1", 1)
        assert isinstance(told.value.__cause__, sqlite3.Error)
    finally:
        with place.store.write() as connection:
            connection.execute("drop trigger full")
