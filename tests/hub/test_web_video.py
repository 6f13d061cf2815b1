"""A seat's live video over the pages: who may, how many, what is noted, and when it ends."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from agent import wire
from agent.wire import Instant
from hub.core.access import Role
from hub.core.audit import Deed
from hub.live_video import VideoFolder
from hub.store import audit, people
from hub.web import clock, video
from tests.hub.seed import SEED, jpeg, now_ms
from tests.hub.website import PASSWORD, Site, http_log_in, served, site
from tests.support import wait_for


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path, max_video_viewers=2) as found:
        room = found.centre.room("Main hall")
        found.centre.seat(room, "A1", "c.d1")
        found.centre.seat(room, "A2", "c.d2")
        found.centre.seat(room, "A3")
        for unit in ("c.d1", "c.d2"):
            found.centre.heartbeat(unit)
        found.settle()
        yield found


class Stream:
    """One open stream, part by part."""

    def __init__(self, client: FlaskClient, seat: int = 1) -> None:
        self.response = client.get(f"/seats/{seat}/live", buffered=False, headers={"X-Part": "1"})
        self.status = self.response.status_code
        self._chunks = self.response.iter_encoded() if self.status == 200 else iter(())

    def next(self) -> tuple[dict[str, Any], bytes]:
        line, _, rest = next(self._chunks).partition(b"\n")
        head = json.loads(line)
        assert len(rest) == head["size"]
        return head, rest

    def until(self, name: str, wanted: Any = None) -> tuple[dict[str, Any], bytes]:
        for _ in range(60):
            head, rest = self.next()
            if name in head and (wanted is None or head[name] == wanted):
                return head, rest
        raise AssertionError(f"no {name}")

    def is_over(self) -> bool:
        return next(self._chunks, None) is None

    def close(self) -> None:
        self.response.close()


class Desk:
    """Puts pictures of a unit into the folder, as ingest does, until it is stopped."""

    def __init__(self, place: Site, unit: str = "c.d1") -> None:
        self._folder = VideoFolder(place.centre.folder.path)
        self._folder.make()
        self._unit = unit
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def _send(self) -> None:
        number = 0
        while not self._is_over.wait(0.05):
            number += 1
            data = jpeg(1, number % 3)
            note = wire.StillNote(boot=1, at=Instant(now_ms() - 3_600_000, now_ms()), sha256=wire.sha256_hex(data))
            self._folder.put(self._unit, wire.encode(wire.Still(note, data)), now_ms())

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()


def counted(place: Site) -> int:
    count: int = place.app.extensions["watches"].count
    return count


def test_pictures_come_as_they_are_and_with_the_times_of_both_clocks(place: Site) -> None:
    """The picture's own time is the desk's, here an hour wrong; its age is by the hub's. The look is noted."""
    with Desk(place):
        stream = Stream(place.client("Ada"))
        assert stream.next()[0]["desk"] == ""
        head, data = stream.until("taken")
        assert data.startswith(b"\xff\xd8")
        assert abs(head["heard"] - head["now"]) < 5_000
        assert abs(head["now"] - head["taken"] - 3_600_000) < 5_000
        stream.until("taken")
        stream.close()
    entry = list(audit.entries(place.store))[-1]
    assert (entry.deed, entry.object, entry.who) == (Deed.WATCHED_LIVE, "seat 1", "Ada")
    assert counted(place) == 0


def test_a_look_that_cannot_be_noted_is_not_shown(place: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise audit.CannotNote("the disk is full")

    client = place.client("Ada")
    monkeypatch.setattr(audit, "note", fails)
    stream = Stream(client)
    assert stream.status == 503
    assert counted(place) == 0


def test_one_more_than_the_hub_serves_is_told_so(place: Site) -> None:
    """Over all seats together; and a place that was given back is free."""
    client = place.client("Ada")
    first, second = Stream(client), Stream(client, 2)
    third = Stream(client)
    assert third.status == 503
    assert "As many people watch live video" in third.response.get_json()["happened"]
    first.close()
    again = Stream(client)
    assert again.status == 200
    again.close()
    second.close()
    assert counted(place) == 0


@pytest.mark.parametrize(("seat", "status"), [(99, 404), (3, 409)])
def test_where_there_is_no_desk_there_is_nothing_to_watch(place: Site, seat: int, status: int) -> None:
    assert Stream(place.client("Ada"), seat).status == status
    assert counted(place) == 0


def test_a_page_without_a_script_is_told_in_words(place: Site) -> None:
    answer = place.client("Ada").get("/seats/3/live")
    assert answer.status_code == 409
    assert "There is no desk at this seat" in answer.text


def test_who_may_not_watch_live_is_refused_and_sees_no_button(place: Site) -> None:
    """A technician keeps units alive and an auditor reads what was done: neither watches candidates."""
    for name in ("Tim", "Olga"):
        client = place.client(name)
        assert Stream(client).status == 403
        assert 'class="video"' not in client.get("/seats/1").text
    assert 'class="video"' in place.client("Ada").get("/seats/1").text


def test_it_ends_with_the_log_in(place: Site) -> None:
    stream = Stream(place.client("Ada"))
    people.set_role(place.store, "Ada", Role.AUDITOR, by=SEED, now_utc_ms=now_ms())
    stream.until("end", "ended")
    assert stream.is_over()
    stream.close()


def test_it_ends_when_another_desk_takes_the_seat(place: Site) -> None:
    stream = Stream(place.client("Ada"))
    stream.next()
    place.centre.execute("update seats set unit = null where seat_id = 1")
    stream.until("end", "moved")
    assert stream.is_over()
    stream.close()


def test_it_ends_after_ten_minutes_and_a_page_with_somebody_before_it_opens_the_next(
    place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream(place.client("Ada"))
    stream.next()
    monkeypatch.setattr(video, "now_utc_ms", lambda: clock.now_utc_ms() + video.LONGEST_MS)
    stream.until("end", "long")
    assert stream.is_over()
    stream.close()


def test_why_no_picture_comes_is_said(place: Site) -> None:
    """A desk that is offline, and one that has lost its camera: each in a word of its own, every second."""
    stream = Stream(place.client("Ada"))
    place.centre.heartbeat("c.d1", is_online=False)
    stream.until("desk", "offline")
    place.centre.heartbeat("c.d1")
    place.centre.fault("c.d1", "camera_lost")
    stream.until("desk", "camera")
    stream.close()


def test_a_desk_is_asked_only_while_somebody_watches(place: Site) -> None:
    folder = VideoFolder(place.centre.folder.path)
    assert folder.watched(now_ms()) == frozenset()
    client = place.client("Ada")
    client.get("/seats/1")
    assert folder.watched(now_ms()) == frozenset()
    stream = Stream(client)
    wait_for(lambda: folder.watched(now_ms()) == {"c.d1"})
    stream.close()
    assert folder.watched(now_ms()) == frozenset()


def test_a_log_in_is_needed(place: Site) -> None:
    client = place.client()
    assert client.get("/seats/1/live", headers={"X-Part": "1"}).status_code == 401
    assert PASSWORD not in client.get("/seats/1/live").text


def test_a_slow_viewer_is_behind_by_few_pictures_only(tmp_path: Path) -> None:
    """Served by gunicorn to a viewer that reads nothing for a while: what waits for it in the kernel is bounded, so it
    is soon shown what is now, and not all that it has missed."""
    with served(tmp_path) as (address, centre):
        centre.seat(centre.room("Main hall"), "A1", "c.d1")
        centre.heartbeat("c.d1")
        port = int(address.rpartition(":")[2])
        cookie = http_log_in(port, "Ada", PASSWORD)
        folder = VideoFolder(centre.folder.path)
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        line.settimeout(30)
        line.connect(("127.0.0.1", port))
        line.sendall(f"GET /seats/1/live HTTP/1.0\r\nCookie: {cookie}\r\n\r\n".encode())
        wait_for(lambda: folder.watched(now_ms()) == {"c.d1"})
        for number in range(200):
            data = b"\xff\xd8" + bytes([number]) * 40_000
            note = wire.StillNote(boot=1, at=Instant(number, now_ms()), sha256=wire.sha256_hex(data))
            folder.put("c.d1", wire.encode(wire.Still(note, data)), now_ms() + number)
            threading.Event().wait(0.03)  # the pace of pictures, not a wait for something
        with line.makefile("rb") as stream:
            while stream.readline() not in (b"\r\n", b""):
                pass
            taken: list[int] = []
            while not taken or taken[-1] < 199:
                head = json.loads(stream.readline())
                stream.read(head["size"])
                taken += [head["taken"]] if "taken" in head else []
        line.close()
    assert len(taken) < 50
    assert taken == sorted(taken)
