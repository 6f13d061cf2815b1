"""Evidence bundles on the pages: asked for with a reason, followed, cancelled, fetched."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from hub import bundle_jobs
from hub.core.access import Role
from hub.core.audit import Deed
from hub.evidence import verify
from hub.jobs import JobRunner
from hub.store import audit, bundle_requests, jobs
from hub.store.bundle_requests import MOST_OPEN
from hub.web import create_app
from tests.bundles import START, recorded
from tests.hub import seed
from tests.hub.website import PASSWORD, Site, log_in, settings, site, token
from tests.support import wait_for


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as found:
        found.centre.seat(found.centre.room("Hall"), "A1", "c.d1")
        found.centre.alert("c.d1")
        yield found


def storage(place: Site) -> Path:
    return Path(place.app.extensions["ems"].settings.storage_path)


def ask(client: FlaskClient, **values: str) -> TestResponse:
    form = {"csrf_token": token(client, "/"), "purpose": "An appeal", "recipient": "The board", **values}
    return client.post("/bundles/", data=form)


def test_a_bundle_of_an_incident_is_asked_for_with_its_reason(place: Site) -> None:
    """What for and for whom go to the job, which the worker does, and to the audit log."""
    client = place.client("Ada")
    page = client.get("/incidents/1").text
    assert "/bundles/new?incident=1" in page
    assert "Incident 1" in client.get("/bundles/new?incident=1").text
    response = ask(client, incident="1", purpose="  An appeal,\r\n two lines ")
    assert (response.status_code, response.headers["Location"]) == (303, "/bundles/")
    job = jobs.newest(place.store, "bundle")[0]
    assert job.wish == {
        "incident_id": 1,
        "incident": 1,
        "purpose": "An appeal, two lines",
        "recipient": "The board",
        "why": "An appeal, two lines (for The board)",
    }
    assert (job.asked_by, job.state) == ("Ada", "waiting")
    entry = audit.page(place.store, deed=Deed.ASKED_FOR_BUNDLE)[0]
    assert entry.object == "incident 1"
    assert entry.detail == '{"bundle":1,"purpose":"An appeal, two lines","recipient":"The board"}'
    assert "Waits for the worker" in client.get("/bundles/").text


def test_a_bundle_of_a_seat_names_its_sitting(place: Site) -> None:
    """A sitting of the seat's room that has begun, and no other."""
    client = place.client("Ada")
    assert "/bundles/new?seat=1" in client.get("/seats/1").text
    assert 'value="sitting-1"' in client.get("/bundles/new?seat=1").text
    assert ask(client, seat="1", sitting="sitting-1").status_code == 303
    wish = jobs.newest(place.store)[0].wish
    assert (wish["sitting"], wish["seat_id"], wish["seat"]) == ("sitting-1", 1, "A1")
    elsewhere = place.centre.room("Library")
    for sitting in (f"sitting-{elsewhere}", "", "x" * 500):
        refused = ask(client, seat="1", sitting=sitting)
        assert refused.status_code == 422
        assert "Choose a sitting of this seat" in refused.text
    other = place.centre.seat(place.centre.room("Empty room", exam=None), "B1")
    assert "No sitting has begun in this room" in client.get(f"/bundles/new?seat={other}").text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"purpose": "  "}, "Say what it is for"),
        ({"purpose": "x" * 501}, "Say what it is for, in 1 to 500"),
        ({"recipient": ""}, "Say whom it is for"),
        ({"recipient": "x" * 201}, "Say whom it is for, in 1 to 200"),
    ],
)
def test_without_a_reason_nothing_is_made(place: Site, values: dict[str, str], said: str) -> None:
    """The form comes back with what was filled in and says what is missing."""
    response = ask(place.client("Ada"), **{"incident": "1", "purpose": "<b>kept</b>", **values})
    assert response.status_code == 422
    assert said in response.text
    assert "&lt;b&gt;kept" in response.text or "purpose" in values
    assert jobs.newest(place.store) == []
    assert audit.page(place.store, deed=Deed.ASKED_FOR_BUNDLE) == []


def test_what_cannot_be_bundled_says_why(place: Site) -> None:
    """An incident that became part of another, and more than the worker should have waiting."""
    client = place.client("Ada")
    for _ in range(MOST_OPEN):
        place.centre.bundle({"incident_id": 1}, "waiting")
    assert f"{MOST_OPEN} bundles are being made" in ask(client, incident="1").text
    place.centre.execute("update jobs set is_cancel_wanted = 1, state = 'cancelled', ended_utc_ms = 1")
    place.centre.alert("c.d1")
    place.centre.execute("update incidents set state = 'closed', merged_into = 1 where incident_id = 2")
    assert "part of incident 1 now" in ask(client, incident="2").text
    assert "/bundles/new" not in client.get("/incidents/2").text
    assert client.post("/bundles/", data={"csrf_token": token(client, "/")}).status_code == 400


def test_the_list_shows_how_far_each_is(place: Site) -> None:
    """Waiting, being made, ready with its hash, failed with its reason, cancelled, gone: each in words."""
    ready = place.centre.bundle({"incident_id": 1}, content=b"PK one")
    place.centre.made(storage(place), ready, b"PK one")
    place.centre.bundle({"incident_id": 1}, content=b"gone")
    place.centre.bundle({"seat_id": 1, "sitting": "sitting-1"}, "failed", note="the storage does not answer")
    place.centre.bundle({"incident_id": 1, "purpose": "<script>x</script>"}, "running", done=3, total=8, note="film")
    place.centre.bundle({"incident_id": 1}, "cancelled")
    place.centre.bundle({"incident_id": 1}, "waiting", who="Grace")
    text = place.client("Ada").get("/bundles/").text
    for words in (
        "Ready, 6 B",
        "No longer kept",
        "the storage does not answer",
        "Being made, 37 %",
        'value="3" max="8"',
        "Cancelled",
        "Waits for the worker",
        "Seat A1</a>, whole sitting",
    ):
        assert words in text
    assert "<script>x" not in text
    assert text.count("/cancel") == 1, "Ada may cancel her own that runs, not Grace's"
    assert place.client("Root").get("/bundles/").text.count("/cancel") == 2
    assert "No bundle matches" not in text


def test_only_who_asked_and_admins_cancel(place: Site) -> None:
    """It is noted once, and the worker ends it when it looks."""
    number = place.centre.bundle({"incident_id": 1}, "waiting", who="Ada")
    for name in ("Grace", "Olga"):
        client = place.client(name)
        assert client.post(f"/bundles/{number}/cancel", data={"csrf_token": token(client, "/")}).status_code == 403
    ada = place.client("Ada")
    for _ in range(2):
        assert ada.post(f"/bundles/{number}/cancel", data={"csrf_token": token(ada, "/")}).status_code == 303
    assert bundle_requests.one(place.store, number).is_cancel_wanted
    assert "Being cancelled" in ada.get("/bundles/").text
    assert len(audit.page(place.store, deed=Deed.CANCELLED_BUNDLE)) == 1
    assert jobs.take(place.store, 1) is None
    assert "Cancelled" in ada.get("/bundles/").text
    ada.post(f"/bundles/{number}/cancel", data={"csrf_token": token(ada, "/")})
    assert "had ended already" in ada.get("/bundles/").text
    assert len(audit.page(place.store, deed=Deed.CANCELLED_BUNDLE)) == 1


def test_a_download_goes_on_where_it_was_cut_off(place: Site) -> None:
    """By range, as one entry in the log; and the file is the one whose hash the page shows."""
    content = bytes(range(256)) * 64
    number = place.centre.bundle({"incident_id": 1}, content=content)
    place.centre.made(storage(place), number, content)
    client = place.client("Olga")
    whole = client.get(f"/bundles/{number}/download")
    assert whole.data == content
    assert "attachment; filename=evidence-incident-1-bundle-1.zip" in whole.headers["Content-Disposition"]
    assert whole.headers["Cache-Control"] == "no-store"
    rest = client.get(
        f"/bundles/{number}/download", headers={"Range": "bytes=16000-", "If-Range": whole.headers["ETag"]}
    )
    assert (rest.status_code, rest.data) == (206, content[16000:])
    whole.close()
    rest.close()
    entries = audit.page(place.store, deed=Deed.DOWNLOADED_BUNDLE)
    assert [(entry.who, entry.object) for entry in entries] == [("Olga", "incident 1")]
    assert bundle_requests.one(place.store, number).result["sha256"] in entries[0].detail  # type: ignore[index]


@pytest.mark.parametrize("is_linked", [False, True])
def test_a_file_that_is_not_kept_says_so_and_nothing_else_is_handed_out(
    place: Site, tmp_path: Path, is_linked: bool
) -> None:
    """A bundle that was removed is gone, and a link in its place leads nowhere; nothing is noted for either."""
    number = place.centre.bundle({"incident_id": 1}, content=b"PK")
    if is_linked:
        secret = tmp_path / "secret"
        secret.write_bytes(b"PK")
        path = storage(place) / "bundles" / f"{number}.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(secret)
    response = place.client("Ada").get(f"/bundles/{number}/download")
    assert response.status_code == 410
    assert "no longer kept" in response.text
    assert audit.page(place.store, deed=Deed.DOWNLOADED_BUNDLE) == []


def test_a_bundle_that_is_not_ready_cannot_be_fetched(place: Site) -> None:
    """Half a bundle is no bundle."""
    for state in ("waiting", "running", "failed", "cancelled"):
        number = place.centre.bundle({"incident_id": 1}, state)
        assert place.client("Ada").get(f"/bundles/{number}/download").status_code == 404


def test_from_the_request_to_a_bundle_that_verifies(tmp_path: Path) -> None:
    """Asked for on the page, made by the worker's job, fetched from the page: it verifies offline against the centre's
    authority, its report names the recipient, and its audit extract has the request itself."""
    centre = recorded(tmp_path / "centre")
    seed.Centre(centre.store, tmp_path / "live").person("Ada", PASSWORD, Role.PROCTOR)
    storage = str(centre.path / "storage")
    app = create_app(settings(centre.path, storage_path=storage, ca_path=str(centre.folder.path)), centre.store)
    doers = {bundle_requests.KIND: bundle_jobs.build}
    runner = JobRunner(app.extensions["ems"].settings, centre.store, lambda: START + 700_000, doers)
    try:
        client = app.test_client()
        assert log_in(client, "Ada").status_code == 303
        assert ask(client, incident="1", recipient="The <board>").status_code == 303
        runner.start()
        wait_for(lambda: jobs.newest(centre.store)[0].state not in ("waiting", "running"))
        job = jobs.newest(centre.store)[0]
        assert job.state == "done", job.note
        page = client.get("/bundles/").text
        response = client.get(f"/bundles/{job.job_id}/download")
        fetched = tmp_path / "fetched.zip"
        fetched.write_bytes(response.data)
        response.close()
    finally:
        runner.stop()
        app.extensions["ems"].tail.stop()
        centre.close()
    assert str((job.result or {})["sha256"]) in page
    roots = verify.certificates_in(centre.root.read_bytes())
    lines = verify.verify(str(fetched), roots)
    assert verify.verdict(lines)[0] == 0, lines
    with zipfile.ZipFile(fetched) as archive:
        report = archive.read("report.html").decode()
        looks = archive.read("audit.json").decode()
    assert "The &lt;board&gt;" in report
    assert "An appeal" in report
    assert "asked_for_bundle" in looks
