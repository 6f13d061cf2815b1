"""What keeps pages live: the watching thread, the pictures, the streams, and the health of it all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from hub.live import LiveFolder
from hub.store import people
from hub.web.stills import KEPT_BEATS, Stills
from hub.web.tail import RING_EVENTS, Tail
from tests.hub.seed import SEED, Centre, jpeg, now_ms
from tests.hub.website import Site, site, token
from tests.support import wait_for


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path, max_streams=3) as found:
        room = found.centre.room("Main hall")
        for number in range(1, 4):
            found.centre.seat(room, f"A{number}", f"c.d{number}")
            found.centre.heartbeat(f"c.d{number}")
        found.settle()
        yield found


def got(client: FlaskClient, path: str) -> Any:
    """The JSON at `path`."""
    return client.get(path).get_json()


def events(data: bytes) -> list[tuple[str, Any]]:
    found = []
    for block in data.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


class Viewer:
    """One open stream."""

    def __init__(self, client: FlaskClient) -> None:
        self.response = client.get("/live/stream", buffered=False)
        self._chunks = self.response.iter_encoded() if self.response.status_code == 200 else iter(())

    def until(self, kind: str, wanted: Any = None) -> Any:
        """The next event of this kind for which `wanted(data)` holds."""
        deadline = now_ms() + 30_000
        for chunk in self._chunks:
            assert now_ms() < deadline, f"no such {kind} within 30 s"
            for found, data in events(chunk):
                if found == kind and (wanted is None or wanted(data)):
                    return data
        raise AssertionError(f"the stream ended before {kind}")

    def rest(self) -> list[str]:
        return [kind for chunk in self._chunks for kind, _ in events(chunk)]

    def close(self) -> None:
        self.response.close()


def test_the_bar_names_its_exam_before_any_script_runs(place: Site) -> None:
    """Its link has words for whoever has it read out, with a sitting and without one."""
    client = place.client("Ada")
    assert "data-bar-exam>Structural Mechanics II</span>" in client.get("/").text
    place.centre.execute("update sittings set start_utc_ms = 1, end_utc_ms = 2")
    place.settle()
    assert "data-bar-exam>No sitting now</span>" in client.get("/").text


def test_a_viewer_gets_the_board_and_then_only_what_changes(place: Site) -> None:
    viewer = Viewer(place.client("Ada"))
    board = viewer.until("board")
    assert [board["tiles"][key]["label"] for key in board["order"]] == ["A1", "A2", "A3"]
    place.centre.heartbeat("c.d2", faces=2)
    change = viewer.until("change", lambda data: "tiles" in data)
    assert list(change["tiles"]) == ["s2"]
    assert change["tiles"]["s2"]["faces"] == 2
    number = place.centre.alert("c.d3")
    change = viewer.until("change", lambda data: number in data.get("touched", []))
    viewer.close()


@pytest.mark.parametrize(
    ("faces", "seat", "short", "words"),
    [
        (2, "face", "2 faces", "2 faces"),
        (0, "somebody", "Somebody", "Somebody there, no face visible"),
        (0, "empty", "Nobody", "Nobody in view"),
        (0, "unknown", "Cannot tell", "Cannot tell"),
        (0, "", "0 faces", "0 faces"),
        (1, "lying down", "1 face", "1 face"),
        (None, "", "\N{EN DASH} faces", "\N{EN DASH} faces"),
    ],
)
def test_what_is_in_view_is_said_as_the_desk_means_it(
    place: Site, faces: int | None, seat: str, short: str, words: str
) -> None:
    """No visible face is not nobody, and a covered camera tells neither; an older desk, or a later one's word, leaves
    the count."""
    place.centre.heartbeat("c.d2", faces=faces, seat=seat)
    place.settle()
    client = place.client("Ada")
    assert f'<span class="faces" title="{words}">{short}</span>' in client.get("/").text
    assert f"<dt>In view</dt><dd>{words}</dd>" in client.get("/seats/2").text


def test_a_desk_that_looks_less_often_says_why(place: Site) -> None:
    """On its page, beside the rate that it was asked for; nothing while all is well."""
    page = place.client("Ada")
    assert "Looks less often" not in page.get("/seats/2").text
    place.centre.heartbeat("c.d2", vision_wanted_fps=5.0, vision_slowed="hot: 78 degrees Celsius")
    place.settle()
    text = page.get("/seats/2").text
    assert "<dt>Looks less often</dt><dd>hot: 78 degrees Celsius" in text
    assert "5.0/s wanted" in text


def test_everybody_sends_the_same_bytes(place: Site) -> None:
    tail: Tail = place.tail
    start = tail.first()
    assert tail.first()[1] is start[1] or tail.first()[0] > start[0]
    place.centre.heartbeat("c.d1", faces=5)
    wait_for(lambda: tail.board.tiles["s1"]["faces"] == 5)
    assert tail.next(start[0], 5)[1]


def test_who_falls_out_of_the_ring_gets_the_whole_board_again(place: Site) -> None:
    """The mailbox of a slow browser is bounded; what it missed is in the newest board."""
    tail: Tail = place.tail
    place_then, _ = tail.first()
    for number in range(RING_EVENTS + 2):
        tail._say(b"event: beat\ndata: {}\n\n" + b" " * number)
    _, data = tail.next(place_then, 5)
    assert events(data)[0][0] == "board"
    assert len(tail._ring) == RING_EVENTS


def test_a_slow_viewer_holds_nobody_up(place: Site) -> None:
    """One who never reads does not keep another from hearing within a moment."""
    slow, quick = Viewer(place.client("Ada")), Viewer(place.client("Grace"))
    slow.until("board")
    for faces in range(2, 9):
        place.centre.heartbeat("c.d1", faces=faces)
        quick.until("change", lambda data, n=faces: data.get("tiles", {}).get("s1", {}).get("faces") == n)
    slow.close()
    quick.close()


def test_past_the_cap_a_viewer_is_told_to_ask_instead(place: Site) -> None:
    viewers = [Viewer(place.client("Ada")) for _ in range(3)]
    refused = place.client("Grace").get("/live/stream")
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    board = got(place.client("Grace"), "/live/board.json")
    assert set(board["tiles"]) == {"s1", "s2", "s3"}
    viewers[0].close()
    again = Viewer(place.client("Grace"))
    assert again.until("board")
    for viewer in [*viewers[1:], again]:
        viewer.close()
    assert place.app.extensions["ems"].streams.count == 0


@pytest.mark.parametrize("end", ["log-out", "closed", "role"])
def test_a_stream_ends_with_its_log_in_within_five_seconds(place: Site, end: str) -> None:
    client = place.client("Ada")
    viewer = Viewer(client)
    viewer.until("board")
    if end == "log-out":
        client.post("/logout", data={"csrf_token": token(client, "/")})
    elif end == "closed":
        people.set_active(place.store, "Ada", False, 1, SEED)
    else:
        place.centre.execute("update users set role = 'admin', epoch = epoch + 1 where name = 'Ada'")
    began = now_ms()
    assert viewer.rest()[-1] == "ended"
    assert now_ms() - began < 5000
    viewer.close()


def test_streams_end_when_the_server_goes_down(place: Site) -> None:
    viewer = Viewer(place.client("Ada"))
    viewer.until("board")
    stopper = threading.Thread(target=place.tail.stop)
    stopper.start()
    viewer.rest()
    stopper.join()
    viewer.close()


def test_silence_makes_a_desk_a_fault_and_then_offline_without_any_row_changing(place: Site) -> None:
    place.centre.heartbeat("c.d1", age_ms=2_500)
    place.centre.heartbeat("c.d2", age_ms=19_000)
    viewer = Viewer(place.client("Ada"))
    for seat, words in (("s1", "Desk not answering"), ("s2", "Offline")):
        if place.tail.board.tiles[seat]["words"] != words:
            viewer.until("change", lambda data, s=seat, w=words: data.get("tiles", {}).get(s, {}).get("words") == w)
    viewer.close()


def test_the_board_outlives_a_store_that_cannot_be_read(place: Site) -> None:
    place.centre.execute("alter table rooms rename to gone")
    wait_for(lambda: not place.tail.is_store_readable)
    board = got(place.client("Ada"), "/live/board.json")
    assert board["is_store_readable"] is False
    assert set(board["tiles"]) == {"s1", "s2", "s3"}
    place.centre.execute("alter table gone rename to rooms")
    wait_for(lambda: place.tail.is_store_readable)


# --- pictures -------------------------------------------------------------------------------------------------------


def unpack(batch: bytes) -> tuple[int, dict[str, tuple[int, bytes]]]:
    head, _, data = batch.partition(b"\n")
    index = json.loads(head)
    found, start = {}, 0
    for unit, at, size in index["stills"]:
        found[unit] = (at, data[start : start + size])
        start += size
    assert start == len(data)
    return index["beat"], found


def test_a_batch_holds_what_changed_since_and_is_made_once(tmp_path: Path) -> None:
    folder = LiveFolder(tmp_path / "live")
    centre = Centre.__new__(Centre)
    centre.folder = folder
    folder.make()
    stills = Stills(folder)
    assert stills.batch(0) is None
    centre.still("c.d1", 1)
    centre.still("c.d2", 2)
    stills.refresh()
    batch = stills.batch(0)
    assert batch
    beat, found = unpack(batch)
    assert {unit: data for unit, (_, data) in found.items()} == {"c.d1": jpeg(1), "c.d2": jpeg(2)}
    assert stills.batch(0) is batch
    assert stills.batch(beat) is None
    centre.still("c.d2", 2, step=1, age_ms=-5)
    stills.refresh()
    newer = stills.batch(beat)
    assert newer
    assert list(unpack(newer)[1]) == ["c.d2"]
    for step in range(KEPT_BEATS + 1):
        centre.still("c.d1", 1, age_ms=-100 - step)
        stills.refresh()
    late = stills.batch(beat)
    assert late
    assert set(unpack(late)[1]) == {"c.d1", "c.d2"}, "who is far behind gets all"


def test_what_is_not_a_picture_is_not_passed_on(tmp_path: Path) -> None:
    folder = LiveFolder(tmp_path / "live")
    folder.make()
    (tmp_path / "live" / "stills" / "c.d1").write_bytes(b"no picture")
    stills = Stills(folder)
    stills.refresh()
    assert stills.received() == {}


def test_pictures_are_fetched_by_beat(place: Site) -> None:
    place.centre.still("c.d1", 1)
    wait_for(lambda: place.tail.stills.beat)
    client = place.client("Ada")
    response = client.get("/live/stills?since=0")
    beat, found = unpack(response.data)
    assert found["c.d1"][1] == jpeg(1)
    assert client.get(f"/live/stills?since={beat}").status_code == 204
    assert client.get("/live/stills?since=-1").status_code == 400


# --- health ---------------------------------------------------------------------------------------------------------


def test_health_is_red_until_ingest_is_there(place: Site) -> None:
    client = place.client()
    response = client.get("/healthz")
    assert response.status_code == 503
    assert got(client, "/healthz")["checks"]["ingest"] is False
    place.centre.facts()
    response = client.get("/healthz")
    assert (response.status_code, got(client, "/healthz")["is_well"]) == (200, True)


def test_health_asks_for_the_worker_where_one_was_started(place: Site) -> None:
    """A silent or troubled worker, or a clock that is not trusted, needs a person; a hub without one is well."""
    place.centre.facts()
    client, now = place.client(), now_ms()
    assert set(got(client, "/healthz")["checks"]) & {"worker", "clock"} == set()
    well = {"beat_utc_ms": now, "is_clock_trusted": True, "trouble": ""}
    for told, expected in (
        (well, (True, True)),
        (well | {"beat_utc_ms": now - 60_000}, (False, True)),
        (well | {"trouble": "no key"}, (False, True)),
        (well | {"is_clock_trusted": False}, (True, False)),
    ):
        place.centre.folder.put_worker(told, now)
        checks = got(client, "/healthz")["checks"]
        assert (checks["worker"], checks["clock"]) == expected


def test_the_newest_countersignature_is_shown(place: Site) -> None:
    """Its short code stands on the Live page and in the health report, with its time; without one there is nothing."""
    client = place.client("Ada")
    assert "Countersigned" not in client.get("/").text
    told = {"number": 7, "at_utc_ms": 1_800_000_000_000, "code": "7ZK4-0QXW"}
    place.centre.worker(countersigned=told)
    page = client.get("/").text
    assert "Countersigned at" in page
    assert "<code>7ZK4-0QXW</code>" in page
    assert got(client, "/healthz")["countersigned"] == told


def test_metrics_tell_the_state_and_no_names(place: Site) -> None:
    place.centre.facts()
    place.centre.alert("c.d1", "camera_covered")
    place.centre.fault("c.d2", "too_hot")
    place.settle()
    text = place.client().get("/metrics").text
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples[("ems_desks", "alert")] == 1
    assert samples[("ems_desks", "fault")] == 1
    assert samples[("ems_desks", "recording")] == 1
    assert samples[("ems_alerts_total", "camera_covered")] == 1
    assert samples[("ems_faults_standing", "too_hot")] == 1
    assert samples[("ems_sittings_running",)] == 1
    assert samples[("ems_ingest_messages_total", "heartbeat")] == 400
    assert samples[("ems_ingest_lag_ms", "p95")] == 6.4
    assert samples[("ems_vision_milliseconds", "p50")] == 6.2
    for name in ("Main hall", "A1", "c.d1", "Ada", "Structural"):
        assert name not in text
