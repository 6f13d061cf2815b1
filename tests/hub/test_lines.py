"""Lines of viewers that the tail writes to itself: what arrives, in which order, and that nobody waits for anybody."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.store import people
from hub.web.lines import Line, Lines, framed, line_of
from tests.hub.seed import SEED
from tests.hub.website import PASSWORD, http_log_in, served, site
from tests.support import wait_for


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(10)
        yield ours, theirs


def everything(theirs: socket.socket, size_bytes: int) -> bytes:
    found = b""
    while len(found) < size_bytes:
        found += theirs.recv(2**20)
    return found


def test_a_resting_line_is_written_to_and_its_thread_sleeps_on(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    line, lines = Line(ours, lambda: True), Lines()
    lines.add(line, 1)
    lines.send(2, b"event: x\n\n")
    assert theirs.recv(100) == b"A\r\nevent: x\n\n\r\n"
    assert (line.place, line.left, line.woken.is_set()) == (2, b"", False)


def test_nothing_is_written_once_the_log_in_has_ended(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    line, lines = Line(ours, lambda: False), Lines()
    lines.add(line, 1)
    lines.send(2, b"secret")
    assert line.woken.is_set()
    assert line.place == 1
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)


def test_a_line_that_is_full_keeps_the_rest_for_its_own_thread(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    line, lines = Line(ours, lambda: True), Lines()
    events: list[bytes] = []
    lines.add(line, 0)
    while not line.woken.is_set():
        events.append(b"%06d" % len(events) * 5000)
        lines.send(len(events), events[-1])
    lines.send(len(events) + 1, b"not for a line that was woken")
    assert line.place == len(events)
    finishing = threading.Thread(target=line.finish)
    finishing.start()
    wanted = b"".join(framed(each) for each in events)
    assert everything(theirs, len(wanted)) == wanted
    finishing.join(10)
    assert not finishing.is_alive()


def test_a_viewer_who_is_gone_is_found_by_its_own_thread(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    line, lines = Line(ours, lambda: True), Lines()
    lines.add(line, 0)
    theirs.close()
    lines.send(1, b"x")
    assert line.woken.is_set()
    with pytest.raises(BrokenPipeError):
        line.finish()


@pytest.mark.parametrize(
    "environ", [{}, {"gunicorn.socket": None, "SERVER_PROTOCOL": "HTTP/1.1"}, {"SERVER_PROTOCOL": "HTTP/1.1"}]
)
def test_only_a_plain_socket_of_the_server_makes_a_line(environ: dict[str, Any]) -> None:
    assert line_of(environ, lambda: True) is None


def test_no_line_where_what_a_stream_yields_is_not_sent_in_chunks(pair: tuple[socket.socket, socket.socket]) -> None:
    assert line_of({"gunicorn.socket": pair[0], "SERVER_PROTOCOL": "HTTP/1.0"}, lambda: True) is None
    assert line_of({"gunicorn.socket": pair[0], "SERVER_PROTOCOL": "HTTP/1.1"}, lambda: True) is not None


def test_the_tail_and_the_thread_of_a_line_send_each_event_once(
    tmp_path: Path, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Events that come while the thread is awake are answered to it, those that come while it rests are written."""
    ours, theirs = pair
    with site(tmp_path) as place:
        tail, line, got = place.tail, Line(ours, lambda: True), []
        start, _ = tail.first()
        stopping = threading.Event()

        def stream() -> None:
            at = start
            while not stopping.is_set():
                at, data = tail.next(at, 0.05, line)
                if data:
                    ours.sendall(framed(data))

        def read() -> None:
            theirs.settimeout(0.5)
            while not stopping.is_set():
                try:
                    got.append(theirs.recv(2**16))
                except TimeoutError:
                    continue

        threads = [threading.Thread(target=stream), threading.Thread(target=read)]
        for thread in threads:
            thread.start()
        for number in range(200):
            tail._say(b"<%d>" % number)
            time.sleep(0.002)
        wait_for(lambda: b"<199>" in b"".join(got))
        stopping.set()
        for thread in threads:
            thread.join(10)
        told = b"".join(got)
        assert [told.count(b"<%d>" % number) for number in range(200)] == [1] * 200
        places = [told.index(b"<%d>" % number) for number in range(200)]
        assert places == sorted(places)


def test_a_line_wakes_when_the_server_goes_down(tmp_path: Path, pair: tuple[socket.socket, socket.socket]) -> None:
    with site(tmp_path) as place:
        line, began = Line(pair[0], lambda: True), time.monotonic()
        ended = threading.Thread(target=lambda: place.tail.next(place.tail.first()[0], 30, line))
        ended.start()
        place.tail.stop()
        ended.join(10)
        assert not ended.is_alive()
        assert time.monotonic() - began < 10


def test_served_streams_are_whole_and_end_with_the_log_in(tmp_path: Path) -> None:
    """By the real server: every chunk reads, a change arrives at each, and a closed account hears the end, no more."""
    with served(tmp_path) as (address, centre):
        room = centre.room("Main hall")
        centre.seat(room, "A1", "c.d1")
        port = int(address.rpartition(":")[2])
        cookie = http_log_in(port, "Ada", PASSWORD)
        answers, connections = [], []
        for _ in range(3):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connections.append(connection)
            connection.request("GET", "/live/stream", headers={"Cookie": cookie})
            answers.append(connection.getresponse())
        for faces in (4, 5):
            centre.heartbeat("c.d1", faces=faces)
            for answer in answers:
                assert until(answer, lambda name, data, n=faces: tile_faces(data) == [n])
        people.set_active(centre.store, "Ada", False, 1, SEED)
        for answer in answers:
            assert until(answer, lambda name, data: name == "ended")
            assert answer.read() == b""
            answer.close()
        for connection in connections:
            connection.close()


def tile_faces(data: Any) -> Any:
    return [tile.get("faces") for tile in data.get("tiles", {}).values()]


def until(answer: http.client.HTTPResponse, wanted: Any) -> bool:
    name = ""
    while line := answer.readline():
        if line.startswith(b"event: "):
            name = line[7:].strip().decode()
        if line.startswith(b"data: ") and wanted(name, json.loads(line[6:])):
            answer.readline()
            return True
    return False
