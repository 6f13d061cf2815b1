"""Playing film on the pages: who may, what is audited, range requests, and the states in which there is none to
play."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from agent.wire import Plan
from hub.core import audit as audit_words
from hub.evidence import cache
from hub.store import audit, film, planning
from hub.web import film as film_pages
from hub.worker import Worker
from tests.film import decoded
from tests.hub.seed import now_ms
from tests.hub.website import Site, film_storage, site, token


class Place:
    """A hall with a seat whose film of the last minutes is at the hub, and a sitting that runs."""

    def __init__(self, found: Site, folder: Path) -> None:
        self.site, self.centre, self.folder = found, found.centre, folder
        self.storage = film_storage(folder)
        room = self.centre.room("Main hall")
        self.seat = self.centre.seat(room, "A1", "c.d1")
        self.other = self.centre.seat(room, "A2", "c.d2")
        self.centre.heartbeat("c.d1", spool=0)
        self.began = now_ms() - 600_000

    def client(self, name: str | None = None) -> FlaskClient:
        """A browser's place that reads every answer to its end."""
        client = self.site.client(name)
        client.open = functools.partial(client.open, buffered=True)  # type: ignore[method-assign]
        return client

    def end_sitting(self) -> None:
        self.centre.execute("update sittings set end_utc_ms = :now", now=now_ms() - 1000)

    def film(self, seconds: float = 20, at_s: float = 0, **told: Any) -> None:
        self.centre.film(self.storage, "c.d1", self.began + round(at_s * 1000), seconds, **told)

    def video(self, from_s: float = 0, until_s: float = 20, seat: int = 0, **more: Any) -> str:
        begin, end = (self.began + round(s * 1000) for s in (from_s, until_s))
        extra = "".join(f"&{name}={value}" for name, value in more.items())
        return f"/seats/{seat or self.seat}/video?from={begin}&to={end}{extra}"

    def play(self, client: FlaskClient, from_s: float = 0, until_s: float = 20, **form: Any) -> Any:
        begin, end = (self.began + round(s * 1000) for s in (from_s, until_s))
        data = {"csrf_token": csrf(client), "from": begin, "to": end, **form}
        return client.post(f"/seats/{self.seat}/plays", data=data, headers={"X-Part": "1"})

    def played(self) -> list[tuple[str, str, dict[str, Any]]]:
        """(who, object, detail) of each play in the audit log, oldest first."""
        found = [each for each in audit.entries(self.centre.store) if each.deed == audit_words.Deed.PLAYED]
        return [(each.who, each.object, json.loads(each.detail)) for each in found]


def csrf(client: FlaskClient) -> str:
    with client.session_transaction() as session:
        if "csrf_token" not in session:
            session["csrf_token"] = "x"
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/").text)
    assert found
    return found[1]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with site(tmp_path) as found:
        yield Place(found, tmp_path)


def test_any_moment_of_a_seat_plays_as_mp4_with_ranges(place: Place, tmp_path: Path) -> None:
    """A browser asks for pieces and gets 206 with exactly those bytes; all of it decodes, as many pictures as there
    are."""
    place.film()
    client = place.client("Ada")
    whole = client.get(place.video())
    assert (whole.status_code, whole.mimetype, whole.headers["Accept-Ranges"]) == (200, "video/mp4", "bytes")
    (tmp_path / "clip.mp4").write_bytes(whole.data)
    assert len(decoded(tmp_path / "clip.mp4")) == 300
    size = len(whole.data)
    for asked, begin, end in (("bytes=0-", 0, size), ("bytes=100-299", 100, 300), ("bytes=-50", size - 50, size)):
        part = client.get(place.video(), headers={"Range": asked})
        assert part.status_code == 206
        assert part.headers["Content-Range"] == f"bytes {begin}-{end - 1}/{size}"
        assert part.data == whole.data[begin:end]
    assert client.get(place.video(), headers={"Range": f"bytes={size + 5}-"}).status_code == 416
    assert (cache.folder_of(str(tmp_path / "storage")).stat().st_mode & 0o777) == 0o700


def test_only_the_seats_own_film_is_in_it(place: Place, tmp_path: Path) -> None:
    """Another seat's film of the same time, and an old desk's without a seat in its records, each go where they
    belong."""
    place.film()
    place.centre.film(place.storage, "c.d2", place.began, 20, number=1)
    place.centre.film(place.storage, "c.d2", place.began + 20_000, 10, number=2, seat="")
    client = place.client("Ada")
    assert len(_pictures(client.get(place.video(0, 60)).data, tmp_path)) == 300
    assert len(_pictures(client.get(place.video(0, 60, seat=place.other)).data, tmp_path)) == 450


def _pictures(data: bytes, folder: Path) -> Any:
    (folder / "some.mp4").write_bytes(data)
    return decoded(folder / "some.mp4")


def test_a_replaced_units_film_stays_with_the_seat(place: Place, tmp_path: Path) -> None:
    place.film(10)
    place.centre.insert("units", unit="c.d9", public_key="9" * 64, first_seen_utc_ms=1)
    place.centre.execute("update seats set unit = 'c.d9' where seat_id = :seat", seat=place.seat)
    place.centre.film(place.storage, "c.d9", place.began + 14_000, 6, seat="A1", number=4)
    answer = place.play(place.client("Ada")).json
    assert [len(each["pieces"]) for each in answer["takes"]] == [1, 1]  # each unit's in a file of its own
    assert [round((each["from"] - place.began) / 1000) for each in answer["takes"]] == [0, 14]


def test_an_hour_begins_at_once_and_is_whole(place: Place, tmp_path: Path) -> None:
    """More than two takes are sent while they are made, in bounded pieces and without ranges."""
    place.began = now_ms() - 900_000
    place.film(800)
    answer = place.site.client("Ada").get(place.video(0, 800))
    assert answer.headers["Accept-Ranges"] == "none"
    pieces: list[Any] = list(answer.response)
    assert len(pieces) > 300
    assert len(_pictures(b"".join(pieces), tmp_path)) == 800 * 15
    takes = place.play(place.client("Ada"), 0, 800).json["takes"]
    assert [round((take["until"] - take["from"]) / 1000) for take in takes] == [180, 180, 180, 180, 80]


def test_a_look_is_audited_once_however_a_browser_asks(place: Place) -> None:
    """One entry for a look, with the stretch; the pieces that follow belong to it. The incident it came from has one
    too."""
    place.film()
    number = place.centre.alert("c.d1", "seat_empty")
    client = place.client("Ada")
    answer = place.play(client, incident=number)
    assert answer.status_code == 200
    source = answer.json["takes"][0]["src"]
    for asked in ("bytes=0-", "bytes=1000-", "bytes=0-", "bytes=20000-"):
        assert client.get(source, headers={"Range": asked}).status_code == 206
    detail = {"from_utc_ms": place.began, "until_utc_ms": place.began + 20_000}
    assert place.played() == [("Ada", f"seat {place.seat}", detail), ("Ada", f"incident {number}", detail)]
    for asked in ("bytes=0-", "bytes=500-"):  # the same without asking for a look first
        assert client.get(place.video(), headers={"Range": asked}).status_code == 206
    assert len(place.played()) == 3
    assert place.client("Grace").get(place.video()).status_code == 200
    assert [who for who, _, _ in place.played()] == ["Ada", "Ada", "Ada", "Grace"]
    assert audit.verify(place.centre.store) == (len(list(audit.entries(place.centre.store))), [])


def test_a_look_is_no_ticket_for_another_person_seat_or_earlier_time(place: Place) -> None:
    place.film()
    ada, grace = place.client("Ada"), place.client("Grace")
    source = place.play(ada, 10, 20).json["takes"][0]["src"]
    ticket = source.partition("play=")[2]
    before = len(place.played())
    assert grace.get(source).status_code == 200
    assert place.played()[before:][0][0] == "Grace"  # her own look, under her own name
    assert ada.get(place.video(0, 10, play=ticket)).status_code == 200
    assert len(place.played()) == before + 2
    asked = f"from={place.began}&to={place.began + 20_000}&play={ticket}"
    assert ada.get(f"/seats/{place.seat}/takes?{asked}").status_code == 403
    assert ada.get(f"/seats/{place.other}/takes?{asked}").status_code == 403


def test_a_growing_film_is_followed_within_the_same_look(place: Place) -> None:
    place.film(10)
    client = place.client("Ada")
    ticket = place.play(client).json["play"]
    place.film(10, at_s=10, boot=1)
    more: Any = client.get(
        f"/seats/{place.seat}/takes?from={place.began + 10_000}&to={place.began + 60_000}&play={ticket}",
        headers={"X-Part": "1"},
    )
    assert [round((each["until"] - place.began) / 1000) for each in more.json["takes"]] == [20]
    assert len(place.played()) == 1


def test_a_look_at_a_sitting_that_is_over_is_no_ticket_for_what_came_later(place: Place) -> None:
    """A second of it, with a reason, must not open all that was recorded at the seat since, without an entry."""
    place.film(60)
    place.end_sitting()
    client = place.client("Ada")
    ticket = place.play(client, 0, 1, reason="review").json["play"]
    later = f"from={place.began + 30_000}&to={place.began + 60_000}&play={ticket}"
    assert client.get(f"/seats/{place.seat}/takes?{later}").status_code == 403
    assert client.get(place.video(30, 60, play=ticket)).status_code == 422
    assert len(place.played()) == 1
    assert client.get(place.video(0, 1, play=ticket)).status_code == 200


def test_after_the_sitting_a_look_has_a_reason(place: Place) -> None:
    """Without one nothing is played and nothing said to be; `other` is told in words; the reason is in the audit
    log."""
    place.film()
    place.end_sitting()
    client = place.client("Ada")
    wrongs: tuple[dict[str, Any], ...] = ({}, {"reason": "fun"}, {"reason": "other", "why": " "})
    for wrong in wrongs:
        refused = place.play(client, **wrong)
        assert (refused.status_code, refused.json["title"]) == (422, "A reason is missing")
    assert client.get(place.video()).status_code == 422
    assert place.played() == []
    assert place.play(client, reason="other", why="The candidate asked").status_code == 200
    assert client.get(place.video(reason="appeal")).status_code == 200
    reasons = [{name: detail.get(name) for name in ("reason", "why")} for _, _, detail in place.played()]
    assert reasons == [{"reason": "other", "why": "The candidate asked"}, {"reason": "appeal", "why": None}]


def test_a_sitting_that_runs_is_no_way_round_the_reason_for_one_that_is_over(place: Place) -> None:
    """A stretch over both is a look at both."""
    place.film(60)
    place.centre.execute("update sittings set start_utc_ms = :at", at=place.began + 30_000)
    place.centre.execute(
        "insert into sittings (sitting, exam, room_id, start_utc_ms, end_utc_ms, mode, rules)"
        " select 'before', exam, room_id, :began, :ended, mode, rules from sittings limit 1",
        began=place.began - 60_000,
        ended=place.began + 20_000,
    )
    client = place.client("Ada")
    assert place.play(client, 0, 60).status_code == 422
    assert client.get(place.video(0, 60)).status_code == 422
    assert place.played() == []
    assert place.play(client, 30, 60).status_code == 200
    assert place.play(client, 0, 60, reason="review").status_code == 200


def test_who_may_not_play_does_not(place: Place) -> None:
    place.film()
    number = place.centre.alert("c.d1", "seat_empty")
    assert place.client().get(place.video()).status_code == 302
    for client, code in ((place.client("Tim"), 403), (place.client("Olga"), 200)):
        assert client.get(place.video()).status_code == code
        assert client.get(f"/seats/{place.seat}/film").status_code == code
        assert client.get(f"/incidents/{number}/film").status_code == code
        assert place.play(client).status_code == code
    assert {who for who, _, _ in place.played()} == {"Olga"}


def test_a_stretch_that_is_none_is_refused(place: Place) -> None:
    client = place.client("Ada")
    nines = "9" * 17
    for query in (
        "",
        "from=5",
        "from=5&to=4",
        "from=0&to=86400001",
        "from=-1&to=5",
        "from=x&to=9",
        f"from=1&to={nines}",
    ):
        assert client.get(f"/seats/{place.seat}/video?{query}").status_code == 400, query
    assert client.get("/seats/999/video?from=1&to=2").status_code == 404


def test_film_that_is_not_here_is_a_state_and_no_broken_clip(place: Place) -> None:
    """On the desk: not yet. Removed or never recorded: not there. Each as a page for people and JSON for scripts."""
    place.centre.film(None, "c.d1", place.began, 20)
    client = place.client("Ada")
    waiting = client.get(place.video())
    assert waiting.status_code == 409
    assert "still on the desk" in waiting.text
    told: Any = client.get(place.video(), headers={"X-Part": "1"}).json
    assert told["title"] == "The film is not here yet"
    place.centre.execute("update segments set stored_utc_ms = 1, purged_utc_ms = 2, purge_number = 3")
    gone = client.get(place.video())
    assert gone.status_code == 404
    assert "removed by rule" in gone.text
    assert "known to be recorded" in client.get(place.video(100, 120)).text
    assert place.played() == []


def test_a_purged_clip_is_not_played_from_the_cache(place: Place) -> None:
    place.film()
    client = place.client("Ada")
    source = place.play(client).json["takes"][0]["src"]
    assert client.get(source).status_code == 200
    place.centre.execute("update segments set purged_utc_ms = 2, purge_number = 3")
    assert client.get(source).status_code == 404


def test_a_damaged_file_is_told_with_what_to_do(place: Place) -> None:
    place.film()
    path = next((place.folder / "storage" / "film").glob("??/*"))
    path.chmod(0o600)
    path.write_bytes(b"x" * path.stat().st_size)
    answer = place.client("Ada").get(place.video())
    assert answer.status_code == 409
    assert "was changed" in answer.text
    assert "ems-hub check" in answer.text


def test_a_download_comes_in_the_centres_form(tmp_path: Path) -> None:
    with site(tmp_path, recording_format="mkv") as found:
        place = Place(found, tmp_path)
        place.film()
        client = place.client("Ada")
        begin, end = place.began, place.began + 20_000
        form = {"csrf_token": csrf(client), "from": begin, "to": end, "download": "1"}
        answer = client.post(f"/seats/{place.seat}/plays", data=form, follow_redirects=True)
        assert answer.mimetype == "video/x-matroska"
        assert answer.data[:4] == b"\x1a\x45\xdf\xa3"
        assert re.search(r'attachment; filename="seat-A1-[\d-]+\.mkv"', answer.headers["Content-Disposition"])
        assert [detail.get("download") for _, _, detail in place.played()] == ["yes"]
        assert client.get(place.video()).mimetype == "video/mp4"  # the page's


def test_more_players_than_the_hub_serves_are_asked_to_wait(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.film()
    client = place.client("Ada")
    players = place.site.app.extensions["projector"].players
    taken = [players.take() for _ in range(film_pages.MOST_PLAYERS)]
    assert all(taken)
    assert client.get(place.video()).status_code == 503
    for _ in taken:
        players.give_back()
    answer = client.get(place.video())
    assert answer.status_code == 200
    answer.close()
    assert players.count == 0


# --- incidents ------------------------------------------------------------------------------------------------------


def incident(place: Place, began_s: float = 60, cleared_s: float | None = 70) -> int:
    number = place.centre.alert("c.d1", "seat_empty")
    began = place.began + round(began_s * 1000)
    cleared = None if cleared_s is None else place.began + round(cleared_s * 1000)
    values = {"began": began, "cleared": cleared, "number": number}
    for table in ("incidents", "alerts"):
        place.centre.execute(
            f"update {table} set began_utc_ms = :began, cleared_utc_ms = :cleared where incident_id = :number", **values
        )
    return number


def part(place: Place, number: int, name: str = "Ada") -> str:
    return " ".join(place.client(name).get(f"/incidents/{number}/film").text.split())


def test_an_incident_plays_from_half_a_minute_before_to_a_quarter_after(place: Place) -> None:
    place.film(200)
    text = part(place, incident(place))
    assert f'data-from="{place.began + 30_000}" data-until="{place.began + 85_000}"' in text
    assert f'data-moment="{place.began + 60_000}"' in text
    assert "Play from 30 s before" in text
    assert "All of it is here." in text
    assert "It began</text>" in text
    assert "data-pending" not in text


def test_film_on_its_way_is_a_state_with_an_estimate(place: Place) -> None:
    """What the desk is writing, what waits at the desk and how long that takes, and how to have it first."""
    place.film(40)
    place.centre.film(None, "c.d1", place.began + 40_000, 100)
    place.centre.heartbeat("c.d1", waiting_segments=50, waiting_bytes=80_000_000, upload_bytes_per_s=400_000.0, spool=0)
    text = part(place, incident(place))
    assert "Still on the desk" in text
    estimate = (
        r"MB to come; about \d s once it is its turn; 50 files \(80.0 MB\) wait at the desk, about 3 min for all\."
    )
    assert re.search(estimate, text)
    assert "Fetch now" in text
    assert "data-pending" in text
    assert "Play from 30 s before" in text  # what is here already
    place.began = now_ms() - 60_000
    assert "Still being written" in part(place, incident(place, 20, None))
    place.centre.heartbeat("c.d1", age_ms=60_000, is_online=False)
    assert "The desk cannot be reached" in part(place, incident(place, -480, -470))


def test_film_that_will_never_come_says_why(place: Place) -> None:
    place.film(200)
    place.centre.execute("update segments set purged_utc_ms = 1, purge_number = 12")
    assert "Removed under certificate 12" in part(place, incident(place))
    place.centre.execute("delete from segments")
    place.centre.gap("c.d1", "power_or_crash", 200_000, began_utc_ms=place.began)
    text = part(place, incident(place))
    assert "Never recorded: power cut or crash" in text
    assert "Fetch now" not in text
    place.centre.execute("delete from gaps")
    assert "Never recorded: cause unknown" in part(place, incident(place))
    place.centre.heartbeat("c.d1", spool=5)
    assert "Not told yet" in part(place, incident(place))
    place.centre.execute("update seats set label = 'Z9' where seat_id = :seat", seat=place.seat)
    assert "not on the map any more" in part(place, incident(place))


def test_the_time_before_a_sitting_is_not_called_missing(place: Place) -> None:
    place.film(200)
    place.centre.execute("update sittings set start_utc_ms = :began", began=place.began)
    text = part(place, incident(place, 5, 10))
    assert "No sitting was on" in text
    assert "Never recorded" not in text


def test_the_incident_page_carries_its_film_for_who_may_play(place: Place) -> None:
    place.film(200)
    number = incident(place)
    assert 'id="film"' in place.client("Ada").get(f"/incidents/{number}").text
    client = place.client("Ada")
    asked = client.get(f"/incidents/{number}", headers={"X-Part": "1"})
    assert 'id="film"' in asked.text


# --- wishes ---------------------------------------------------------------------------------------------------------


def wish(place: Place, number: int | None = None) -> Any:
    client = place.client("Ada")
    form = {
        "csrf_token": csrf(client),
        "from": place.began + 30_000,
        "to": place.began + 85_000,
        "incident": number or "",
    }
    return client.post(f"/seats/{place.seat}/wishes", data=form)


def plan(place: Place) -> Plan:
    with place.centre.store.read() as connection:
        found = planning.plan_of(connection, "c.d1")
    assert found is not None
    return found


def test_fetch_now_has_the_desk_send_it_first_until_it_has_come(place: Place) -> None:
    """Written once however often it is asked for, into the desk's plan and the audit log; done when all has come."""
    place.centre.film(None, "c.d1", place.began, 200)
    number = incident(place)
    for _ in range(2):
        assert wish(place, number).status_code == 303
    rows = list(place.centre.store.database()["wishes"].rows)
    assert [(row["unit"], row["asked_by"], row["done_utc_ms"]) for row in rows] == [("c.d1", "Ada", None)]
    assert [each.from_utc_ms for each in plan(place).wanted] == [place.began + 30_000]
    text = part(place, number)
    assert "Ada asked for it" in text
    assert "Fetch now" not in text
    wished = [each.object for each in audit.entries(place.centre.store) if each.deed == "wished_for_film"]
    assert wished[:2] == [f"seat {place.seat}", f"incident {number}"]
    assert film.settle_wishes(place.centre.store, now_ms()) == 0
    place.centre.execute("update segments set stored_utc_ms = 1 where began_utc_ms < :a", a=place.began + 80_000)
    assert film.settle_wishes(place.centre.store, now_ms()) == 0
    place.centre.execute("update segments set stored_utc_ms = 1")
    assert film.settle_wishes(place.centre.store, now_ms()) == 1
    assert plan(place).wanted == ()
    assert film.settle_wishes(place.centre.store, now_ms()) == 0


def test_who_asks_in_a_running_sitting_is_told_so(place: Place) -> None:
    """The desk records on, so the film grows beyond what was asked for: that does not undo the asking."""
    place.centre.film(None, "c.d1", place.began, 200)
    number, client = incident(place, 60, None), place.client("Ada")
    form = {"csrf_token": csrf(client), "from": place.began + 30_000, "to": place.began + 85_000, "incident": number}
    text = client.post(f"/seats/{place.seat}/wishes", data=form, headers={"X-Part": "1"}).text
    assert "Ada asked for it" in text
    assert "Fetch now" not in text
    place.centre.execute("update segments set stored_utc_ms = 1 where began_utc_ms < :a", a=place.began + 90_000)
    text = part(place, number)
    assert "Ada asked for it" not in text
    assert "Fetch now" in text


def test_a_script_that_asks_gets_the_film_as_it_stands(place: Place) -> None:
    place.centre.film(None, "c.d1", place.began, 200)
    number, client = incident(place), place.client("Ada")
    form = {"csrf_token": csrf(client), "from": place.began + 30_000, "to": place.began + 85_000, "incident": number}
    answer = client.post(f"/seats/{place.seat}/wishes", data=form, headers={"X-Part": "1"})
    assert answer.status_code == 200
    assert "Ada asked for it" in answer.text


def test_a_wish_that_can_never_be_granted_ends(place: Place) -> None:
    """The unit was revoked, or the desk has told all it had to tell after the sitting: it stands in no plan for
    ever."""
    place.centre.heartbeat("c.d1", spool=4)
    assert wish(place).status_code == 303
    assert len(plan(place).wanted) == 1
    assert film.settle_wishes(place.centre.store, now_ms()) == 0
    place.centre.execute("update sittings set end_utc_ms = :end", end=now_ms() - 70_000)
    place.centre.heartbeat("c.d1", spool=0)
    assert film.settle_wishes(place.centre.store, now_ms()) == 1
    place.centre.heartbeat("c.d1", spool=4)
    assert wish(place).status_code == 303
    place.centre.execute("update units set is_revoked = 1 where unit = 'c.d1'")
    assert film.settle_wishes(place.centre.store, now_ms()) == 1


def test_the_worker_ends_wishes(place: Place, tmp_path: Path) -> None:
    place.centre.film(None, "c.d1", place.began, 200)
    wish(place)
    place.centre.execute("update segments set stored_utc_ms = 1")
    settings = place.site.app.extensions["ems"].settings
    Worker(settings, place.centre.store, now_ms).turn()
    assert [row["done_utc_ms"] is None for row in place.centre.store.database()["wishes"].rows] == [False]


def test_nothing_to_fetch_is_no_wish(place: Place) -> None:
    place.film(200)
    assert wish(place).status_code == 303
    assert place.centre.store.database()["wishes"].count == 0


# --- the seat's film and timeline -----------------------------------------------------------------------------------


def test_a_seats_timeline_shows_what_happened_as_shapes_and_as_a_table(place: Place) -> None:
    place.film(100)
    place.centre.gap("c.d1", "camera_lost", 20_000, began_utc_ms=place.began + 100_000)
    place.centre.film(None, "c.d1", place.began + 120_000, 60)
    number = incident(place)
    place.centre.fault("c.d1", "camera_lost", age_ms=500_000, is_cleared=True)
    place.centre.observed("c.d1", place.began, (40, "face", 1), (20, "face", 3), (30, "empty", 0), (5, "later", 0))
    client = place.client("Ada")
    text = client.get(f"/seats/{place.seat}/film").text
    for shape in (
        'class="film-stored"',
        'class="film-gap"',
        'class="film-on_desk"',
        'class="bar-alert"',
        'class="bar-fault"',
    ):
        assert shape in text
    for seen in ('class="seen-face"', 'class="seen-many"', 'class="seen-empty"'):
        assert seen in text
    table = text.partition("<table>")[2].partition("</table>")[0]
    for words in (
        "Film: Recorded",
        "Film: Not recorded: camera lost",
        "Alert: Nobody in view",
        "Fault: Camera lost",
        "Seen: A face",
    ):
        assert words in table
    assert f'href="/incidents/{number}"' in table
    assert "style=" not in text
    assert "0:00:40" in text


def test_a_seat_without_a_sitting_says_so(place: Place) -> None:
    room = place.centre.room("Empty room", exam=None)
    seat = place.centre.seat(room, "B1")
    assert "No sitting has begun" in place.client("Ada").get(f"/seats/{seat}/film").text
    assert place.client("Ada").get("/seats/999/film").status_code == 404


def test_a_later_desks_observations_do_not_break_the_page(place: Place) -> None:
    place.film(20)
    place.centre.observed("c.d1", place.began, (40, "face", 1))
    place.centre.execute('update records set body = replace(body, \'"looks":200\', \'"looks":"many"\')')
    assert place.client("Ada").get(f"/seats/{place.seat}/film").status_code == 200


def test_log_in_is_asked_for_before_anything_is_told(place: Place) -> None:
    client = place.client()
    form = {"csrf_token": token(client), "from": place.began, "to": place.began + 1000}
    assert client.post(f"/seats/{place.seat}/plays", data=form, headers={"X-Part": "1"}).status_code == 401
