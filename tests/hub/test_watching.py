"""One reader a watched desk, its marks, and when pictures were taken by the hub's clock."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import wire
from agent.wire import Instant
from hub.live_video import WATCHED_MS, Picture, VideoFolder
from hub.web.watching import Reckoning, Watch, Watches
from tests.hub.seed import jpeg, now_ms
from tests.support import wait_for

UNIT = "c.d1"


@pytest.fixture
def folder(tmp_path: Path) -> VideoFolder:
    made = VideoFolder(tmp_path / "live")
    made.make()
    return made


@pytest.fixture
def watches(folder: VideoFolder) -> Iterator[Watches]:
    is_over = threading.Event()
    yield Watches(folder, 3, is_over.is_set)
    is_over.set()


def put(folder: VideoFolder, number: int, received_utc_ms: int | None = None, unit: str = UNIT) -> None:
    data = jpeg(number)
    note = wire.StillNote(boot=1, at=Instant(1_000 + number, number), sha256=wire.sha256_hex(data))
    folder.put(unit, wire.encode(wire.Still(note, data)), now_ms() if received_utc_ms is None else received_utc_ms)


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    line, _, rest = data.partition(b"\n")
    head = json.loads(line)
    assert len(rest) == head["size"]
    return head, rest


# --- the folder -----------------------------------------------------------------------------------------------------


def test_a_mark_counts_for_seconds(folder: VideoFolder) -> None:
    """A web process that died leaves nobody watched, and a clock that was set leaves nobody watched for long."""
    folder.mark(UNIT, 1_000_000)
    assert folder.watched(1_000_000 + WATCHED_MS) == {UNIT}
    assert folder.watched(1_000_000 + WATCHED_MS + 1) == frozenset()
    assert folder.watched(1_000_000 - WATCHED_MS - 1) == frozenset()
    folder.mark(UNIT, 2_000_000)
    assert folder.watched(2_000_000) == {UNIT}
    folder.unmark(UNIT)
    folder.unmark(UNIT)
    assert folder.watched(2_000_000) == frozenset()


def test_a_picture_is_read_once_and_whole(folder: VideoFolder) -> None:
    put(folder, 1, 5_000)
    found = folder.newest(UNIT, 0)
    assert found == Picture(1, Instant(1_001, 1), 5_000, jpeg(1))
    assert folder.newest(UNIT, 5_000) is None
    put(folder, 2, 5_001)
    assert (found := folder.newest(UNIT, 5_000)) is not None
    assert found.jpeg == jpeg(2)
    folder.keep_only(["c.d2"])
    assert folder.newest(UNIT, 0) is None


# --- reckoning ------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(40, 200), st.integers(0, 5_000)), min_size=1, max_size=40), st.integers(0, 2**40))
def test_what_a_picture_takes_longer_than_the_quickest_is_its_age(steps: list[tuple[int, int]], hub_ms: int) -> None:
    """Whatever the desk's clocks say, a picture that came `late_ms` later than the line can carry it is that old."""
    reckoning, up_ms, least = Reckoning(), 0, 10**9
    for step_ms, late_ms in steps:
        up_ms += step_ms
        least = min(least, late_ms)
        received = hub_ms + up_ms + late_ms
        heard = reckoning.heard_utc_ms(Picture(1, Instant(77, up_ms), received, b""))
        assert received - heard == late_ms - least


def test_a_desk_that_started_again_or_a_clock_that_was_set_is_reckoned_anew() -> None:
    reckoning = Reckoning()
    assert reckoning.heard_utc_ms(Picture(1, Instant(0, 900_000), 1_000_000, b"")) == 1_000_000
    assert reckoning.heard_utc_ms(Picture(2, Instant(0, 100), 1_000_100, b"")) == 1_000_100
    assert reckoning.heard_utc_ms(Picture(2, Instant(0, 200), 4_600_200, b"")) == 4_600_200


# --- viewers --------------------------------------------------------------------------------------------------------


def test_one_reader_serves_all_viewers_the_same_bytes(folder: VideoFolder, watches: Watches) -> None:
    places = [watches.join(UNIT) for _ in range(3)]
    assert watches.join(UNIT) is None
    joined = [place for place in places if place is not None]
    assert len({id(watch) for watch, _ in joined}) == 1
    wait_for(lambda: folder.watched(now_ms()) == {UNIT})
    put(folder, 1)
    found = [watch.next(0, 10) for watch, _ in joined]
    assert all(data is found[0][1] for _, data in found)
    head, data = split(found[0][1])
    assert data == jpeg(1)
    assert head["taken"] == 1_001
    assert abs(head["heard"] - now_ms()) < 10_000
    for _, leave in joined:
        leave()
        leave()
    assert watches.count == 0
    wait_for(lambda: folder.watched(now_ms()) == frozenset())


def test_a_slow_viewer_misses_pictures(folder: VideoFolder, watches: Watches) -> None:
    """What came while it was busy is not kept for it: it gets the newest, and then waits for the next."""
    place = watches.join(UNIT)
    assert place is not None
    watch, leave = place
    put(folder, 1)
    seen, data = watch.next(0, 10)
    for number in range(2, 6):
        put(folder, number)
        wait_for(lambda n=number: _newest(watch)[1].endswith(jpeg(n)))  # type: ignore[misc]
    seen, data = watch.next(seen, 10)
    assert split(data)[1] == jpeg(5)
    assert watch.next(seen, 0.05) == (seen, b"")
    leave()


def _newest(watch: Watch) -> tuple[int, bytes]:
    return watch.next(-1, 0)


def test_watching_again_asks_again(folder: VideoFolder, watches: Watches) -> None:
    """Who comes after the last one left begins anew, at once, whatever the reader before is still doing."""
    for number in range(3):
        place = watches.join(UNIT)
        assert place is not None
        wait_for(lambda: folder.watched(now_ms()) == {UNIT})
        put(folder, number)
        assert split(place[0].next(0, 10)[1])[1] == jpeg(number)
        place[1]()


def test_a_folder_that_cannot_be_written_ends_nothing(
    tmp_path: Path, watches: Watches, folder: VideoFolder, caplog: pytest.LogCaptureFixture
) -> None:
    """No mark can be set where a file is in the way; when it is gone the desk is asked."""
    (tmp_path / "live" / "watch").rmdir()
    (tmp_path / "live" / "watch").write_text("in the way")
    place = watches.join(UNIT)
    assert place is not None
    wait_for(lambda: "live video cannot be asked for" in caplog.text)
    (tmp_path / "live" / "watch").unlink()
    wait_for(lambda: folder.watched(now_ms()) == {UNIT})
    place[1]()
