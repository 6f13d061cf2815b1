"""Who gets in: log-in, log-out, roles and forged requests, on every route that there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub import passwords
from hub.core import access
from hub.core.access import Action, Role
from hub.store import people
from hub.web import create_app
from hub.web.login import LIFE_MS
from tests.hub.seed import SEED
from tests.hub.website import PASSWORD, Site, log_in, settings, site, token

PUBLIC = {"static", "login.log_in", "login.log_out", "language.choose", "health.healthz", "health.metrics"}
"""Everything else needs an action."""
WALL = {"wall.page", "wall.enter", "wall.stream", "wall.stills", "wall.board_json"}
"""Let in by a wall's own cookie: tests/hub/test_web_wall.py."""
PUBLIC |= WALL


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as found:
        room = found.centre.room("Main hall")
        found.centre.seat(room, "A1", "c.d1")
        found.centre.heartbeat("c.d1")
        found.centre.alert("c.d1", still=1)
        found.centre.still("c.d1", 1)
        found.centre.request("34AC-79XY")
        found.centre.security_event("c.d1")
        found.centre.signed_report()
        found.centre.insert("wall_tokens", name="left", token_sha256="0" * 64, made_utc_ms=1, made_by="Root")
        found.centre.bundle({"incident_id": 1}, "waiting")
        storage = Path(found.app.extensions["ems"].settings.storage_path)
        found.centre.made(storage, found.centre.bundle({"incident_id": 1}, content=b"PK"), b"PK")
        found.centre.insert("holds", incident_id=1, reason="an appeal", placed_by="Ada", placed_utc_ms=1)
        plan = {"made_by": "Ada", "digest": "0" * 64, "item_count": 1, "kept": "[]", "is_whole": 1}
        found.centre.insert("purge_plans", **plan)
        found.centre.execute("insert into exams (exam) select distinct exam from sittings")
        found.centre.insert("candidates", sitting="sitting-1", number="17", seat="A1")
        ended = {"ended_utc_ms": 2, "statement": "{}", "signature": "0" * 128, "chain_pem": ""}
        found.centre.insert("purges", plan_id=1, began_by="Ada", **ended)
        yield found


def routes(place: Site) -> list[tuple[str, str, str]]:
    """(endpoint, method, path) of every route, its variables filled with things that exist."""
    sha256 = place.centre.store.database()["stills"].rows
    values = {"incident_id": "1", "seat_id": "1", "sha256": next(iter(sha256))["sha256"], "filename": "mark.svg"}
    values |= {"unit": "c.d1", "enrolment_id": "1", "event_id": "1", "sitting": "sitting-1"}
    values |= {"form": "csv", "job_id": "2", "room_id": "1", "candidate_id": "1", "closing_id": "1", "wall_id": "1"}
    values |= {"unit": "c.d1", "enrolment_id": "1", "event_id": "1", "hold_id": "1", "plan_id": "1", "number": "1"}
    found = []
    for rule in place.app.url_map.iter_rules():
        path = rule.build(values, append_unknown=False)
        assert path is not None
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            found.append((rule.endpoint, method, path[1]))
    return found


def test_every_route_asks_for_an_action_or_is_known_to_be_public(place: Site) -> None:
    for endpoint, _, _ in routes(place):
        view: Any = place.app.view_functions[endpoint]
        assert (endpoint in PUBLIC) != hasattr(view, "action"), endpoint


def test_nobody_gets_in_without_a_log_in(place: Site) -> None:
    for endpoint, method, path in routes(place):
        if endpoint in PUBLIC:
            continue
        client = place.client()
        headers = {"X-CSRFToken": token(client), "Referer": "http://localhost/"}
        response = client.open(path, method=method, headers=headers)
        is_asked_by_a_script = path.startswith("/live/") or method != "GET"
        assert response.status_code == (401 if is_asked_by_a_script else 302), (method, path)
        if response.status_code == 302:
            assert response.headers["Location"].startswith("/login?next=/")


def test_every_route_answers_each_role_as_the_table_says(place: Site) -> None:
    for name, role in (("Ada", Role.PROCTOR), ("Tim", Role.TECHNICIAN), ("Root", Role.ADMIN), ("Olga", Role.AUDITOR)):
        client = place.client(name)
        csrf = token(client, "/")
        for endpoint, method, path in routes(place):
            if endpoint in PUBLIC:
                continue
            response = client.open(path, method=method, headers={"X-CSRFToken": csrf}, buffered=False)
            view: Any = place.app.view_functions[endpoint]
            may = access.may(role, view.action) and not (endpoint == "bundles.cancel" and name in ("Grace", "Olga"))
            assert (response.status_code == 403) == (not may), (name, method, path)
            # What needs more than its address, a seat or a purpose, says so.
            fine = (200, 204, 303, 400, 403, 422, *((404,) if endpoint == "bundles.form" else ()))
            assert response.status_code in fine, (name, method, path, response.status_code)
            response.close()


LOOKS = {Action.EXPORT_EVIDENCE, Action.PLAY_FILM}
"""What an auditor may post: asking to see, or for a copy."""


def test_an_auditor_changes_nothing(place: Site) -> None:
    """Whatever can be posted to change something is refused, and the pages offer nothing of it."""
    client = place.client("Olga")
    csrf = token(client, "/")
    refused = 0
    for endpoint, method, path in routes(place):
        if method == "GET" or endpoint in PUBLIC:
            continue
        view: Any = place.app.view_functions[endpoint]
        assert not access.may(Role.AUDITOR, view.action) or view.action in LOOKS, endpoint
        if view.action not in LOOKS:
            assert client.open(path, method=method, headers={"X-CSRFToken": csrf}).status_code == 403, path
            refused += 1
    assert refused >= 5
    for path in ("/incidents/1", "/units/", "/units/c.d1", "/seats/1"):
        text = client.get(path).text
        assert text.count('method="post"') == 2, (path, "the log-out and the language alone")
    assert 'href="/audit/"' in client.get("/").text
    assert 'href="/audit/"' not in place.client("Ada").get("/").text


def test_a_number_of_something_else_is_not_there(place: Site) -> None:
    """Work of another kind is no bundle, and what does not exist is not told apart from what is another's."""
    other = place.centre.insert("jobs", kind="purge", wish="{}", asked_by="Root", state="waiting")
    client = place.client("Root")
    csrf = token(client, "/")
    for number in (other, 999_999):
        assert client.get(f"/bundles/{number}/download").status_code == 404
        assert client.post(f"/bundles/{number}/cancel", headers={"X-CSRFToken": csrf}).status_code == 404
    for path in ("incident=999", "seat=999", "incident=x", "seat=-1", "", f"incident={'9' * 30}"):
        assert client.get(f"/bundles/new?{path}").status_code == 404, path


def test_a_change_without_its_token_is_refused_and_nothing_changes(place: Site) -> None:
    client = place.client("Root")
    before = place.store.database()["incident_events"].count
    for endpoint, method, path in routes(place):
        if method == "GET" or endpoint == "static":
            continue
        response = client.open(path, method=method, data={"act": "comment", "text": "x", "version": 1, "events": 1})
        assert response.status_code == 400, (method, path)
        assert "open for too long" in response.text
    assert place.store.database()["incident_events"].count == before


def test_wrong_and_unknown_names_get_the_same_answer(place: Site) -> None:
    wrong = log_in(place.client(), "Ada", "not the password")
    unknown = log_in(place.client(), "nobody", "not the password")
    assert wrong.status_code == unknown.status_code == 401
    said = [re.findall(r'role="alert".*?</p>', response.text) for response in (wrong, unknown)]
    assert said[0] == said[1] != []


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\n/evil.example"]
)
def test_a_log_in_leads_only_to_our_own_pages(place: Site, target: str) -> None:
    response = log_in(place.client(), "Ada", target=target)
    assert (response.status_code, response.headers["Location"]) == (303, "/")


def test_a_log_in_leads_to_where_one_wanted_to_go(place: Site) -> None:
    response = log_in(place.client(), "Ada", target="/incidents/?state=open")
    assert response.headers["Location"] == "/incidents/?state=open"


def test_a_log_in_begins_a_new_session(place: Site) -> None:
    """A session put into the browser before the log-in is worth nothing after it."""
    client = place.client()
    client.get("/login")
    before = client.get_cookie("ems")
    log_in(client, "Ada")
    after = client.get_cookie("ems")
    assert before
    assert after
    assert before.value != after.value
    with client.session_transaction() as first:
        token_before = first["login"]
    with place.client("Ada").session_transaction() as second:
        assert second["login"] != token_before


def test_a_copied_cookie_ends_with_the_log_out(place: Site) -> None:
    client, thief = place.client("Ada"), place.client()
    cookie = client.get_cookie("ems")
    assert cookie
    thief.set_cookie("ems", cookie.value)
    assert thief.get("/").status_code == 200
    assert client.post("/logout", data={"csrf_token": token(client, "/")}).status_code == 303
    assert thief.get("/").status_code == 302
    assert client.get("/").status_code == 302


def test_a_log_out_outlives_the_web_process(tmp_path: Path) -> None:
    """A copied cookie is refused by a fresh app on the same store; a log-in that nobody ended goes on."""
    with site(tmp_path) as place:
        ada, grace = place.client("Ada"), place.client("Grace")
        cookies = [client.get_cookie("ems") for client in (ada, grace)]
        ada.post("/logout", data={"csrf_token": token(ada, "/")})
        assert len(people.ended_log_ins(place.store)) == 1
        fresh = create_app(settings(tmp_path), place.store)
        try:
            codes = []
            for cookie in cookies:
                assert cookie
                client = fresh.test_client()
                client.set_cookie("ems", cookie.value)
                codes.append(client.get("/").status_code)
            assert codes == [302, 200]
        finally:
            fresh.extensions["ems"].tail.stop()


def test_ended_log_ins_are_kept_as_long_as_their_cookies_live(tmp_path: Path) -> None:
    with site(tmp_path) as place:
        for login, at in (("first", 1000), ("second", 1001), ("second", 1500), ("third", 1001 + LIFE_MS)):
            people.end_log_in(place.store, login, at, LIFE_MS)
        assert people.ended_log_ins(place.store) == {"second", "third"}
        assert people.has_ended(place.store, "third")
        assert not people.has_ended(place.store, "first")


@pytest.mark.parametrize("change", ["password", "role", "closed"])
def test_a_changed_account_ends_its_older_log_ins(place: Site, change: str) -> None:
    name = f"changing-{change}"
    place.centre.person(name, PASSWORD, Role.PROCTOR)
    client = place.client(name)
    assert client.get("/").status_code == 200
    if change == "password":
        people.set_password(place.store, name, passwords.hash_password("another long one"), 1, SEED)
    elif change == "role":
        people.set_role(place.store, name, Role.ADMIN, 1, SEED)
    else:
        people.set_active(place.store, name, False, 1, SEED)
    assert client.get("/").status_code == 302
    if change == "closed":
        assert log_in(place.client(), name).status_code == 401


def test_the_last_admin_stays(tmp_path: Path) -> None:
    with site(tmp_path) as place:
        with pytest.raises(people.LastAdmin):
            people.set_active(place.store, "Root", False, 1, SEED)
        with pytest.raises(people.LastAdmin):
            people.set_role(place.store, "Root", Role.PROCTOR, 1, SEED)


def test_guessing_is_slowed_down_for_that_computer_only(tmp_path: Path) -> None:
    with site(tmp_path) as place:
        guesser, owner = place.client(), place.client()
        codes = [log_in(guesser, "Ada", f"guess {number}").status_code for number in range(6)]
        assert codes == [401] * 5 + [429]
        assert log_in(guesser, "Ada").status_code == 429
        form = {"csrf_token": token(owner), "name": "Ada", "password": PASSWORD}
        response = owner.post("/login", data=form, environ_base={"REMOTE_ADDR": "10.0.0.7"})
        assert response.status_code == 303


def test_too_many_tries_says_what_to_do(tmp_path: Path) -> None:
    with site(tmp_path) as place:
        client = place.client()
        response = [log_in(client, "Ada", "wrong guess") for _ in range(6)][-1]
        assert "Wait a minute" in response.text


def test_production_cookies_are_secure_and_pages_carry_their_headers(tmp_path: Path) -> None:
    with site(tmp_path, app_env="production") as place:
        response = place.client().get("/login", headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.1.1.1"})
        cookie = response.headers["Set-Cookie"]
        assert cookie.startswith("__Host-ems=")
        for flag in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
            assert flag in cookie
        policy = response.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "max-age" in response.headers["Strict-Transport-Security"]
        assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("path", "code"), [("/nothing", 404), ("/incidents/99999", 404), ("/seats/99999", 404)])
def test_what_is_not_there_says_so(place: Site, path: str, code: int) -> None:
    response = place.client("Ada").get(path)
    assert response.status_code == code
    assert "What to do:" in response.text


def test_a_mistake_of_ours_is_told_without_its_inside(tmp_path: Path) -> None:
    with site(tmp_path) as place:
        client = place.client("Ada")
        with place.store.write() as connection:
            connection.execute("alter table gaps rename to gone")
        room = place.centre.room("Hall")
        place.centre.seat(room, "A1", "c.d1")
        response = client.get("/seats/1")
        assert response.status_code == 500
        assert "Recording at the desks does not depend on this page" in response.text
        assert "sqlite" not in response.text.lower()
        with place.store.write() as connection:
            connection.execute("alter table gone rename to gaps")


def test_passwords_are_argon2id_and_weak_ones_are_refused() -> None:
    hashed = passwords.hash_password(PASSWORD)
    assert hashed.startswith("$argon2id$")
    assert passwords.is_right(hashed, PASSWORD)
    assert not passwords.is_right(hashed, PASSWORD + "x")
    assert not passwords.is_right(None, PASSWORD)
    assert not passwords.is_right("not a hash", PASSWORD)
    assert not passwords.is_right(hashed, "x" * 100_000)
    for password in ("short", "x" * 257):
        with pytest.raises(passwords.WeakPassword):
            passwords.hash_password(password)
    assert passwords.hash_password(passwords.generate())
