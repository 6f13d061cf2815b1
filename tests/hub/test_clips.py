"""Clips from stored segments, made by the desk's own encoder: whole, in time, playable, and never other than sealed."""

from __future__ import annotations

import hashlib
import io
import struct
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import av
import pytest

from hub.core import film
from hub.core.film import Segment
from hub.evidence import cache, clips
from hub.evidence.cache import Busy, ClipCache
from hub.evidence.clips import FORMS, CannotCut
from hub.evidence.storage import LocalStorage
from tests.film import FPS, decoded, record

BEGAN = 1_700_000_000_000


class Reel(NamedTuple):
    storage: LocalStorage
    segments: list[Segment]


def stored(folder: Path, made: list[tuple[object, Path]], storage: LocalStorage, unit: str = "c.d1") -> list[Segment]:
    segments = []
    for number, (closed, path) in enumerate(made):
        values = {name: getattr(closed, name) for name in Segment._fields if hasattr(closed, name)}
        storage.put(values["sha256"], path)
        segments.append(Segment(**values, unit=unit, seq=number + 1, is_stored=True))
    return segments


@pytest.fixture(scope="module")
def reel(tmp_path_factory: pytest.TempPathFactory) -> Reel:
    """Ten seconds in five files."""
    folder = tmp_path_factory.mktemp("reel")
    (folder / "desk").mkdir()
    storage = LocalStorage(folder / "film")
    made = list(record(folder / "desk", 10, began_utc_ms=BEGAN))
    return Reel(storage, stored(folder, list(made), storage))


def wanted(segments: list[Segment], from_s: float, until_s: float) -> film.Cut:
    found = film.cut(segments, BEGAN + round(from_s * 1000), BEGAN + round(until_s * 1000))
    assert found is not None
    return found


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("is_running", [False, True])
def test_every_picture_is_in_the_clip_once_and_in_time(reel: Reel, tmp_path: Path, form: str, is_running: bool) -> None:
    """Over four borders of segments, in each form, as a finished file and as one that is sent while it is made:
    decoded, as many pictures as were captured, at the distances at which they were captured."""
    cut, path = wanted(reel.segments, 0, 10), tmp_path / f"clip.{form}"
    if is_running:
        path.write_bytes(b"".join(clips.stream(reel.storage, cut, FORMS[form])))
    else:
        written = clips.build(reel.storage, cut, path, FORMS[form])
        assert written == clips.Written(150, 0, 9_933)
    times = decoded(path)
    assert len(times) == 150
    assert all(abs(later - earlier - 1 / FPS) < 0.002 for earlier, later in pairwise(times))


def test_a_clip_begins_with_the_key_picture_before_and_ends_where_it_was_asked(reel: Reel, tmp_path: Path) -> None:
    """3.5 s lies between the key pictures of 3 and 4 s: the clip begins at 3, and `pieces` says so."""
    cut = wanted(reel.segments, 3.5, 6.2)
    written = clips.build(reel.storage, cut, tmp_path / "clip.mp4")
    begin = clips.key_before(reel.storage, cut)
    assert abs(begin - 1000) <= 1  # of the cut's time, which begins with the segment of 2 s
    assert written.begin_ms == begin
    times = decoded(tmp_path / "clip.mp4")
    assert len(times) == written.pictures == 48
    assert times[0] == 0
    ((clip_ms, utc_ms, length_ms),) = film.pieces(cut, begin)
    assert (clip_ms, abs(utc_ms - BEGAN - 3000) <= 1, abs(length_ms - 3200) <= 1) == (0, True, True)


def test_a_browser_can_play_it_as_it_comes(reel: Reel, tmp_path: Path) -> None:
    """The index lies before the pictures, and the decoder's configuration in it is the stream's own: its SPS and PPS
    are those of the pictures, byte for byte, not those of another encoder."""
    path = tmp_path / "clip.mp4"
    clips.build(reel.storage, wanted(reel.segments, 0, 4), path)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert b"avc1" in data
    begin = data.index(b"avcC") + 4
    config = data[begin : begin + 400]
    sps_length = struct.unpack(">H", config[6:8])[0]
    sps = config[8 : 8 + sps_length]
    pps_length = struct.unpack(">H", config[9 + sps_length : 11 + sps_length])[0]
    pps = config[11 + sps_length : 11 + sps_length + pps_length]
    first = reel.storage.read(reel.segments[0].sha256)
    container: Any
    with av.open(io.BytesIO(first), format="mpegts") as container:
        picture = next(bytes(packet) for packet in container.demux(video=0))
    assert b"\0\0\1" + sps in picture
    assert b"\0\0\1" + pps in picture
    assert config[1:4] == sps[1:4]  # profile and level


def test_a_hole_in_the_recording_is_a_hole_in_the_clip(reel: Reel, tmp_path: Path) -> None:
    cut = wanted([each for number, each in enumerate(reel.segments) if number != 2], 0, 10)
    clips.build(reel.storage, cut, tmp_path / "clip.mp4")
    times = decoded(tmp_path / "clip.mp4")
    assert len(times) == 120
    assert abs(times[-1] - 149 / FPS) < 0.01
    gaps = [(earlier, later) for earlier, later in pairwise(times) if later - earlier > 0.1]
    assert [(round(earlier, 2), round(later, 2)) for earlier, later in gaps] == [(3.93, 6.0)]
    assert film.pieces(cut, 0) == (film.Piece(0, BEGAN, 4000), film.Piece(6000, BEGAN + 6000, 4000))


def test_a_file_that_is_gone_or_changed_is_named_and_not_shown(reel: Reel, tmp_path: Path) -> None:
    """One flipped byte: the clip is refused; sent while it is made, it ends before that segment."""
    (tmp_path / "film").mkdir()
    storage = LocalStorage(tmp_path / "film")
    for number, each in enumerate(reel.segments):
        data = bytearray(reel.storage.read(each.sha256))
        data[3000] ^= 1 if number == 3 else 0
        (tmp_path / "file").write_bytes(data)
        storage.put(each.sha256, tmp_path / "file")
    cut = wanted(reel.segments, 0, 10)
    with pytest.raises(CannotCut, match="was changed: run `ems-hub check`"):
        clips.build(storage, cut, tmp_path / "clip.mp4")
    (tmp_path / "part.mp4").write_bytes(b"".join(clips.stream(storage, cut)))
    assert len(decoded(tmp_path / "part.mp4")) == 90
    storage.delete(reel.segments[0].sha256)
    with pytest.raises(CannotCut, match="is gone"):
        next(clips.stream(storage, cut))
    with pytest.raises(CannotCut, match="is gone"):
        clips.build(storage, cut, tmp_path / "clip.mp4")


def test_bytes_that_are_no_film_are_refused_in_one_line(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "film")
    (tmp_path / "file").write_bytes(b"nothing" * 3000)
    sha256 = hashlib.sha256(b"nothing" * 3000).hexdigest()
    storage.put(sha256, tmp_path / "file")
    cut = wanted([Segment("c.d1", 1, 1, "x.ts", "s", BEGAN, BEGAN + 2000, 0, 2000, 30, 21_000, sha256, True)], 0, 2)
    with pytest.raises(CannotCut, match="no film that can be read"):
        clips.build(storage, cut, tmp_path / "clip.mp4")


def test_film_of_another_encoding_does_not_get_into_the_same_file(reel: Reel, tmp_path: Path) -> None:
    """An MP4 has one decoder configuration: the clip ends where the picture's size changes, and says where."""
    (tmp_path / "desk").mkdir()
    made = record(tmp_path / "desk", 4, began_utc_ms=BEGAN + 10_000, began_up_ms=70_000, first=5, size=(640, 360))
    larger = stored(tmp_path, list(made), reel.storage)
    cut = wanted([*reel.segments, *[each._replace(seq=each.seq + 5) for each in larger]], 0, 14)
    written = clips.build(reel.storage, cut, tmp_path / "clip.mp4")
    assert (written.pictures, written.changes_at_ms) == (150, 10_000)
    assert len(decoded(tmp_path / "clip.mp4")) == 150


def test_a_viewer_who_goes_away_ends_the_work(reel: Reel) -> None:
    read = []

    class Counting(LocalStorage):
        def read(self, sha256: str) -> bytes:
            read.append(sha256)
            return reel.storage.read(sha256)

    running = clips.stream(Counting(Path("unused")), wanted(reel.segments, 0, 10))
    assert next(running)
    running.close()
    assert set(read) == {reel.segments[0].sha256}


# --- the cache ------------------------------------------------------------------------------------------------------


def test_the_cache_is_private_made_once_and_bounded(reel: Reel, tmp_path: Path) -> None:
    folder = cache.folder_of(str(tmp_path))
    kept = ClipCache(folder, limit_bytes=250_000)
    first = kept.clip(reel.storage, wanted(reel.segments, 0, 4), FORMS["mp4"], BEGAN)
    made_ns = first.stat().st_ctime_ns
    inode = first.stat().st_ino
    assert kept.clip(reel.storage, wanted(reel.segments, 0, 4), FORMS["mp4"], BEGAN + 1000) == first
    assert first.stat().st_ino == inode
    assert first.stat().st_ctime_ns >= made_ns
    assert (first.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    second = kept.clip(reel.storage, wanted(reel.segments, 2, 6), FORMS["mp4"], BEGAN + 2000)
    kept.clip(reel.storage, wanted(reel.segments, 0, 4), FORMS["mp4"], BEGAN + 3000)
    third = kept.clip(reel.storage, wanted(reel.segments, 4, 8), FORMS["mp4"], BEGAN + 4000)
    left = {path.name for path in folder.iterdir()}
    assert third.name in left
    assert second.name not in left  # not asked for longest
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 250_000
    assert cache.forget(str(tmp_path)) == len(left)
    assert list(folder.iterdir()) == []
    assert cache.forget(str(tmp_path / "none")) == 0


def test_two_who_want_one_clip_make_it_once(reel: Reel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    real = clips.build
    may_go = threading.Event()

    def slow(*wish: object) -> object:
        built.append(wish)
        assert may_go.wait(20)
        return real(*wish)  # type: ignore[arg-type]

    monkeypatch.setattr(clips, "build", slow)
    kept = ClipCache(tmp_path, 10_000_000)
    found: list[Path] = []
    cut = wanted(reel.segments, 0, 4)
    threads = [
        threading.Thread(target=lambda: found.append(kept.clip(reel.storage, cut, FORMS["mp4"], BEGAN)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    may_go.set()
    for thread in threads:
        thread.join(20)
    assert len(set(found)) == 1
    assert len(found) == 4
    assert len(built) == 1


def test_too_many_clips_at_once_is_said_and_a_failed_one_leaves_nothing(
    reel: Reel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "PATIENCE_S", 0.05)
    kept = ClipCache(tmp_path, 10_000_000)
    monkeypatch.setattr(kept, "_turns", threading.BoundedSemaphore(1))
    kept._turns.acquire()
    with pytest.raises(Busy):
        kept.clip(reel.storage, wanted(reel.segments, 0, 4), FORMS["mp4"], BEGAN)
    kept._turns.release()
    with pytest.raises(CannotCut):
        kept.clip(LocalStorage(tmp_path / "empty"), wanted(reel.segments, 0, 4), FORMS["mp4"], BEGAN)
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []
