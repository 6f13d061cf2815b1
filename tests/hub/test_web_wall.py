"""The Wall: what its token opens and what not, what it shows, and how soon a revocation counts."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from hub import cli
from hub.core import wall as core
from hub.core.board import EMPTY_BOARD
from hub.store import Store, audit, walls
from tests.hub.seed import SEED, Centre, now_ms
from tests.hub.test_web_access import WALL, routes
from tests.hub.website import Site, site, token
from tests.support import wait_for

TOKEN = "t" * 43
FEEDS = ("/wall/board.json", "/wall/stream", "/wall/stills")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as found:
        hall, annex = found.centre.room("Main hall"), found.centre.room("Annex")
        for room, label, unit in ((hall, "A2", "c.d2"), (hall, "A1", "c.d1"), (annex, "B1", "c.d3")):
            found.centre.seat(room, label, unit)
            found.centre.heartbeat(unit)
            found.centre.still(unit, 1)
        number = found.centre.alert("c.d1", still=1)
        found.centre.insert("candidates", sitting="sitting-1", number="1001", name="Zoe Quiet", seat="A1")
        found.centre.execute("update incidents set seat = 'A1' where incident_id = :n", n=number)
        found.centre.signed_report()
        found.settle()
        wait_for(lambda: len(found.tail.stills.received()) == 3)
        yield found


def let_in(place: Site, name: str, room: str = "", may_show_pictures: bool = False) -> tuple[FlaskClient, walls.Wall]:
    """A screen's browser, with the wall's cookie."""
    secret = f"{name}-{TOKEN}"
    wall = walls.add(place.store, name, secret, room, may_show_pictures, SEED, now_ms())
    client = place.client()
    answer = client.post("/wall/enter", data={"csrf_token": token(client, "/wall"), "token": secret})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/wall")
    return client, wall


def test_the_token_opens_the_wall_and_nothing_else(place: Site) -> None:
    """Every route of the hub, tried with the wall's cookie: all but its own behave as for nobody."""
    client, _ = let_in(place, "routes")
    assert client.get("/wall").text.count('id="seats"') == 1
    csrf = token(place.client())
    tried = 0
    for endpoint, method, path in routes(place):
        view: Any = place.app.view_functions[endpoint]
        if not hasattr(view, "action"):
            continue
        answer = client.open(path, method=method, headers={"X-CSRFToken": csrf})
        assert answer.status_code in ((302, 401) if method == "GET" else (400, 401)), (method, path)
        if answer.status_code == 302:
            assert answer.headers["Location"].startswith("/login")
        tried += 1
    assert tried > 50
    for path in ("/wall", *FEEDS):
        assert client.post(path).status_code in (400, 405)


def test_nobody_elses_log_in_opens_the_walls_feeds(place: Site) -> None:
    """A person's log-in is no screen's; a cookie that nobody signed, or of another hub's key, is none either."""
    for client in (place.client(), place.client("Root")):
        assert 'name="token"' in client.get("/wall").text
        for path in FEEDS:
            assert client.get(path).status_code == 401
    client, _ = let_in(place, "forged")
    cookie = client.get_cookie("ems_wall", path="/wall")
    assert cookie
    for value in ("", "x", cookie.value + "x", cookie.value[::-1], "WzEsIiJd.x"):
        client.set_cookie("ems_wall", value, path="/wall")
        assert client.get("/wall/board.json").status_code == 401


def test_a_wrong_token_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    with site(tmp_path) as place:
        client = place.client()
        answer = client.post("/wall/enter", data={"csrf_token": token(client, "/wall"), "token": "guess"})
        assert answer.status_code == 401
        assert "An admin can make another" in answer.text
        assert client.get_cookie("ems_wall", path="/wall") is None
        form = {"csrf_token": token(client, "/wall"), "token": "guess"}
        elsewhere = {"REMOTE_ADDR": "10.9.9.9"}  # the limit is the process's: other tests let screens in
        codes = {client.post("/wall/enter", data=form, environ_base=elsewhere).status_code for _ in range(40)}
        assert 429 in codes


def test_it_shows_seats_by_label_and_names_nobody(place: Site) -> None:
    client, _ = let_in(place, "shown")
    text = client.get("/wall/board.json").text
    shown = json.loads(text)
    assert [tile["label"] for tile in shown["tiles"]] == ["B1", "A1", "A2"]
    assert [(alert["label"], alert["words"]) for alert in shown["alerts"]] == [("A1", "More than one face")]
    assert (shown["unreviewed"], shown["seats"], shown["is_running"]) == (1, 3, True)
    assert {each["per_cent"] for each in shown["sittings"]} == {0.0}
    for secret in ("Zoe", "1001", "c.d1"):
        assert secret not in text


def test_a_wall_of_one_room_sees_that_room(place: Site) -> None:
    client, _ = let_in(place, "annex", room="Annex", may_show_pictures=True)
    shown = client.get("/wall/board.json").get_json()
    assert [tile["label"] for tile in shown["tiles"]] == ["B1"]
    assert shown["alerts"] == []
    head, _, pictures = client.get("/wall/stills?since=0").data.partition(b"\n")
    told = json.loads(head)["stills"]
    assert [unit for unit, _, _ in told] == ["c.d3"]
    assert len(pictures) == told[0][2]
    assert pictures.startswith(b"\xff\xd8")
    assert client.get("/wall/stills?since=x").status_code == 400


def test_pictures_only_where_the_token_allows_them(place: Site) -> None:
    client, _ = let_in(place, "blind")
    assert client.get("/wall/stills?since=0").status_code == 403
    assert {tile["unit"] for tile in client.get("/wall/board.json").get_json()["tiles"]} == {""}


def test_a_revocation_ends_what_is_open_at_once(place: Site) -> None:
    """The stream says that it ended, and every feed is refused from then on."""
    client, wall = let_in(place, "revoked")
    stream = client.get("/wall/stream", buffered=False)
    events = iter(stream.response)
    first = b"".join(bytes(next(events)) for _ in range(2))  # type: ignore[arg-type]
    assert b"event: wall" in first
    root = place.client("Root")
    answer = root.post(f"/walls/{wall.wall_id}/revoke", data={"csrf_token": token(root, "/walls/")})
    assert answer.status_code == 303
    began = time.monotonic()
    rest = b"".join(bytes(each) for each in events)  # type: ignore[arg-type]
    assert rest.endswith(b"event: ended\ndata: {}\n\n")
    assert time.monotonic() - began < 20
    stream.close()
    for path in FEEDS:
        assert client.get(path).status_code == 401
    assert 'name="token"' in client.get("/wall").text
    again = {"csrf_token": token(client, "/wall"), "token": f"revoked-{TOKEN}"}
    assert client.post("/wall/enter", data=again).status_code == 401
    entry = audit.page(place.store, limit=1)[0]
    assert (entry.deed, entry.object, entry.who) == ("revoked_wall", "wall revoked", "Root")


def test_an_admin_gets_the_address_once_and_only_the_hash_is_kept(place: Site) -> None:
    root = place.client("Root")
    form = {"csrf_token": token(root, "/walls/"), "name": "control room", "room": "Annex", "pictures": "on"}
    made = root.post("/walls/", data=form)
    address = re.search(r'value="(http://localhost/wall#[\w-]{43})"', made.text)
    assert address
    secret = address[1].partition("#")[2]
    assert secret not in root.get("/walls/").text
    assert secret.encode() not in place.store.path.read_bytes()
    entry = audit.page(place.store, limit=1)[0]
    assert (entry.deed, entry.detail) == ("set_up_wall", '{"pictures":true,"room":"Annex"}')
    assert walls.by_token(place.store, secret) is not None
    twice = root.post("/walls/", data=form)
    assert twice.status_code == 422
    assert 'value="control room"' in twice.text
    for name, room in ((" ", ""), ("x" * 101, ""), ("other", "no such room")):
        assert root.post("/walls/", data={**form, "name": name, "room": room}).status_code == 422
    assert root.post("/walls/9999/revoke", data=form).status_code == 404


def test_the_walls_endpoints_are_known(place: Site) -> None:
    """A route that is added to the wall is either tried above or asks for a person's action."""
    found = {rule.endpoint for rule in place.app.url_map.iter_rules() if rule.endpoint.startswith("wall.")}
    assert found == WALL


@given(st.text(max_size=40), st.dictionaries(st.sampled_from(["candidate", "name", "number"]), st.text(max_size=9)))
def test_nothing_that_a_tile_comes_to_say_reaches_the_wall_by_itself(secret: str, more: dict[str, str]) -> None:
    """Fields of tile, queue and bar that are not named are left out, whatever they are called."""
    tile = dict.fromkeys(("id", "label", "state", "words", "since_utc_ms", "is_seen", "unit", "presence"), "")
    seat = {**tile, "room": "R", "is_recording": False}
    row = dict.fromkeys(("id", "label", "words", "opened_utc_ms"), 0) | {
        "room": "R",
        "state": "open",
        "is_drill": False,
    }
    sitting = {"sitting": "s", "exam": "E", "room": "R", "start_utc_ms": 0, "end_utc_ms": 9}

    def seen(extra: dict[str, str]) -> dict[str, Any]:
        board = EMPTY_BOARD._replace(
            tiles={"a": {**seat, **extra}},
            order=["a"],
            queue=[{**row, **extra}],
            bar={**EMPTY_BOARD.bar, "sittings": [{**sitting, **extra}], "is_running": True, **extra},
        )
        return core.view(board, "", False, {}, 5)

    assert seen({**more, "secret": secret}) == seen({})


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`wall add` prints an address or a kiosk's start page; `list` and `revoke` work on it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/hub.db")
    monkeypatch.setenv("APP_ENV", "development")
    opened = Store(tmp_path / "hub.db")
    Centre(opened, tmp_path / "live").room("Annex")
    run = CliRunner().invoke
    assert run(cli.main, ["wall", "list"]).output.endswith("no screens\n")
    made = run(cli.main, ["wall", "add", "left", "--url", "https://hub.example/", "--room", "Annex", "--page"])
    address = re.search(r"0; url=https://hub\.example/wall#([\w-]{43})\"", made.output)
    assert address, made.output
    assert walls.by_token(opened, address[1])
    assert "called 'left' already" in run(cli.main, ["wall", "add", "left", "--url", "https://hub.example"]).output
    assert "is no address" in run(cli.main, ["wall", "add", "right", "--url", "hub.example"]).output
    assert "left: Annex" in run(cli.main, ["wall", "list"]).output
    assert run(cli.main, ["wall", "revoke", "1"]).output.endswith("left is shut out\n")
    assert walls.by_token(opened, address[1]) is None
    assert run(cli.main, ["wall", "revoke", "1"]).exit_code == 1
    opened.close()
