"""The pages of holds and retention: what they say, who may change what, and that a removal needs its number."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from hub import purge_jobs
from hub.core import retention
from hub.core.access import Role
from hub.core.audit import Deed
from hub.evidence import cache, purging
from hub.jobs import JobRunner
from hub.store import audit, holds, jobs, purge_plans
from hub.store.holds import Place
from tests.hub.authorities import made_folder
from tests.hub.keeping import ADA, Hall
from tests.hub.website import PASSWORD, Site, settings, site, token
from tests.support import wait_for

LONG_NAME = "Advanced Structural Mechanics and the Theory of Plates & Shells <II>, resit for candidates of 2021/22"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as found:
        found.centre.person("Otto", PASSWORD, Role.AUDITOR)
        yield found


@pytest.fixture
def hall(place: Site, tmp_path: Path) -> Hall:
    """Two exams: one whose sitting is long over, with film and a picture of an incident, and one with a long name."""
    from hub.terminal import now_utc_ms

    hall = Hall(place.store, tmp_path, made_folder(tmp_path / "ca", now_utc_ms()))
    hall.now = now_utc_ms()
    hall.room("Hall", ["a1", "a2"])
    hall.sitting("one", start=1_700_000_000_000, end=1_700_010_000_000)
    hall.film("one", "a1", 5)
    hall.film("one", "a2", 5)
    hall.sitting("two", LONG_NAME, start=hall.now - 4_000_000, end=hall.now - 1_000_000)
    hall.film("two", "a1", 2)
    hall.incident("one", "a1", 12, 18, picture=b"jpeg")
    return hall


def post(client: FlaskClient, path: str, **form: object) -> TestResponse:
    return client.post(path, data={"csrf_token": token(client, "/"), **form})


def work(place: Site, hall: Hall) -> None:
    """What the worker does, in this process."""
    folder = hall.folder
    values = settings(folder, storage_path=str(folder / "storage"), ca_path=str(folder / "ca"), is_clock_trusted=True)
    doers = {purge_jobs.PLAN: purge_jobs.plan, purge_jobs.PURGE: purge_jobs.purge}
    runner = JobRunner(values, place.store, lambda: hall.now, doers)
    runner.start()
    wait_for(lambda: all(job.ended_utc_ms is not None for job in jobs.newest(place.store)))
    runner.stop()


def test_from_the_rule_to_the_certificate(place: Site, hall: Hall) -> None:
    """An admin sets rule and date, sees what is due, confirms by the number of files, and downloads the certificate."""
    client = place.client("Root")
    page = client.get("/retention/").text
    assert "for ever: no rule was set" in page
    assert "Nothing was ever removed" in page
    assert post(client, "/retention/rule", exam="Maths", after_sitting="30", after_results="5").status_code == 303
    assert "whose date is not known yet" in client.get("/retention/exam?exam=Maths").text
    assert post(client, "/retention/results", exam="Maths", date="2023-12-01").status_code == 303
    page = client.get("/retention/exam?exam=Maths").text
    assert "due now" in page
    assert "1 incident of this exam is not closed yet" in page
    assert post(client, "/retention/plans").status_code == 303
    assert "waits for the worker" in client.get("/retention/").text
    work(place, hall)
    assert "Plan 1" in client.get("/retention/").text
    page = client.get("/retention/plans/1").text
    assert "11" in page
    assert "no rule: kept for ever" in page
    assert "Remove 11 files for good?" in client.get("/retention/plans/1/apply").text
    refused = post(client, "/retention/plans/1/apply", items="12")
    assert (refused.status_code, "not the number of files" in refused.text) == (422, True)
    assert len(hall.files()) == 12
    assert post(client, "/retention/plans/1/apply", items="11").status_code == 303
    assert "waits for the worker" in client.get("/retention/plans/1").text
    clip = cache.folder_of(str(hall.folder / "storage")) / "some.mp4"
    clip.parent.mkdir(parents=True)
    clip.write_bytes(b"made of what goes now")
    work(place, hall)
    assert len(hall.files()) == 2
    followed = client.get("/retention/?follow=1").text
    assert "Purge 1" in followed
    assert 'id="exams-title"' not in followed
    assert not clip.exists()
    assert "purge 1 ended" in client.get("/retention/plans/1").text
    answer = client.get("/retention/certificates/1.json")
    assert json.loads(answer.text)["statement"]["items"] == 11
    assert answer.headers["Content-Disposition"] == "attachment; filename=purge-1.json"
    assert "certificate of purge 1 lists" in client.get("/incidents/1").text
    deeds = {entry.deed: entry for entry in audit.entries(place.store)}
    assert {Deed.SET_RETENTION, Deed.ENTERED_RESULTS_DATE, Deed.PLANNED_PURGE, Deed.PURGED} <= set(deeds)
    assert (deeds[Deed.PURGED].who, deeds[Deed.PURGED].role) == ("Root", "admin")


def test_a_refused_plan_says_on_its_page_what_changed(place: Site, hall: Hall) -> None:
    """And nothing went."""
    hall.rule()
    hall.planned()
    client = place.client("Root")
    post(client, "/retention/plans/1/apply", items=11)
    hall.hold(Place(sitting="one", seat="a1"))
    work(place, hall)
    page = client.get("/retention/plans/1").text
    assert "6 of 6 files are held now" in page
    assert "make a new plan" in page
    assert len(hall.files()) == 12


@pytest.mark.parametrize(
    ("path", "form", "words"),
    [
        ("/retention/rule", {"after_sitting": "soon", "after_results": ""}, "is not a number of days"),
        ("/retention/rule", {"after_sitting": "", "after_results": "-1"}, "is not a number of days"),
        ("/retention/results", {"date": "32.1.2026"}, "write it as 2026-05-04"),
    ],
)
def test_bad_input_comes_back_with_what_was_typed(
    place: Site, hall: Hall, path: str, form: dict[str, str], words: str
) -> None:
    client = place.client("Root")
    answer = post(client, path, exam=LONG_NAME, **form)
    assert answer.status_code == 422
    assert words in answer.text
    for typed in filter(None, form.values()):
        assert f'value="{typed}"' in answer.text
    assert post(client, path, exam="Chess", **form).status_code in (404, 422)


def test_an_unknown_exam_plan_or_certificate_is_not_there(place: Site, hall: Hall) -> None:
    client = place.client("Root")
    for path in ("/retention/exam?exam=Chess", "/retention/plans/9", "/retention/certificates/9.json"):
        assert client.get(path).status_code == 404
    assert client.get(f"/retention/plans/{2**70}").status_code == 404
    assert client.get("/retention/exam").status_code == 303


def test_film_of_no_exam_is_shown_and_has_no_rule_to_set(place: Site, hall: Hall) -> None:
    """Nobody planned its sitting here; it stays, and can be held."""
    hall.segment("unplanned", "a1", 0)
    client = place.client("Root")
    assert "No exam" in client.get("/retention/").text
    page = client.get("/retention/exam?exam=").text
    assert "not planned here: kept for ever" in page
    assert "unplanned" in page
    assert "Set the rule" not in page


def test_an_auditor_sees_all_of_it_and_changes_nothing(place: Site, hall: Hall) -> None:
    """No form, and no way past it; a proctor holds, and sees no rules."""
    hall.rule()
    hall.planned()
    auditor, proctor = place.client("Otto"), place.client("Ada")
    for path in ("/retention/", "/retention/exam?exam=Maths", "/retention/plans/1", "/holds/"):
        page = auditor.get(path)
        assert page.status_code == 200
        assert "<form method" not in page.text.partition("<main")[2].partition("</main>")[0]
    for path in ("/retention/rule", "/retention/results", "/retention/plans", "/retention/plans/1/apply", "/holds/"):
        assert post(auditor, path).status_code == 403
    assert proctor.get("/retention/").status_code == 403
    assert post(proctor, "/holds/", incident="1", reason="an appeal").status_code == 303


def test_an_incident_is_held_on_its_page_and_released_in_the_list(place: Site, hall: Hall) -> None:
    """With the reason as it was typed, whatever is in it."""
    client = place.client("Ada")
    assert "No hold." in client.get("/incidents/1").text
    reason = 'the candidate\'s <b>"appeal"</b>'
    assert post(client, "/holds/", incident="1", reason=reason).status_code == 303
    page = client.get("/incidents/1").text
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "Incident 1" in client.get("/holds/").text
    refused = post(client, "/holds/1/release", why=" ")
    assert (refused.status_code, "Give a reason for the release" in refused.text) == (422, True)
    assert post(client, "/holds/1/release", why="decided").status_code == 303
    page = client.get("/holds/").text
    assert "Nothing is held" in page
    assert "Released: 1" in page
    assert [hold.released_by for hold in holds.listed(place.store)] == ["Ada"]


def test_a_sitting_or_a_seat_is_held_from_a_page_of_its_own(place: Site, hall: Hall) -> None:
    client = place.client("Ada")
    page = client.get("/holds/new?sitting=one&seat=a2").text
    assert 'value="one" selected' in page
    assert 'value="a2"' in page
    wrong = post(client, "/holds/", sitting="one", seat="z9", reason="an appeal")
    assert wrong.status_code == 422
    assert "There is no seat" in wrong.text
    assert 'value="an appeal"' in wrong.text
    assert post(client, "/holds/", sitting="one", seat="a2", reason="an appeal").status_code == 303
    assert "Seat a2" in client.get("/holds/").text


def test_names_of_any_length_and_letters_are_shown_whole(place: Site, hall: Hall) -> None:
    """Escaped, and linked by a query that keeps every sign."""
    client = place.client("Root")
    assert "Plates &amp; Shells &lt;II&gt;" in client.get("/retention/").text
    page = client.get("/retention/exam", query_string={"exam": LONG_NAME})
    assert page.status_code == 200
    post(client, "/retention/rule", exam=LONG_NAME, after_sitting="1", after_results="", unless_refer="on")
    assert retention.words(retention.composed("1", "", is_refer_kept=True)) in client.get("/retention/").text


def test_a_purge_under_way_is_shown_as_such(place: Site, hall: Hall) -> None:
    """Begun and not ended: no certificate yet."""
    hall.rule()
    plan = hall.planned()
    with place.store.write() as connection:
        from hub.store import purging as purges

        purges.begin(connection, ADA, plan.plan_id, plan.digest, 1)
    client = place.client("Root")
    assert "under way" in client.get("/retention/").text
    assert client.get("/retention/certificates/1.json").status_code == 404
    assert purging.apply(hall.tools(), plan.plan_id, ADA).items == plan.item_count
    assert purge_plans.one(place.store, plan.plan_id).ended_utc_ms is not None
