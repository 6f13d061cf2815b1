"""How fast clips are made: against `ffmpeg -c copy` on the same segments, and how soon a page's clip begins.

    python -m tests.bench remux [--minutes N] [--seats N]

Ratios of one run. The film is 720 lines at 1.5 Mbit/s, as a desk records it, in segments of 10 s. Coverage is measured
too: a sitting of 60 seats and three hours.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.core import film
from hub.core.film import Segment
from hub.evidence import clips
from hub.evidence.storage import LocalStorage
from hub.store import Store
from hub.store import coverage as coverage_store
from tests.film import decoded, record

BEGAN = 1_700_000_000_000
SIZE, BITRATE_BPS, SEGMENT_S = (1280, 720), 1_500_000, 10.0
REPEATS = 3


def _noisy() -> Callable[[int], NDArray[np.uint8]]:
    """Pictures that cost what a camera's do."""
    rng = np.random.default_rng(1)
    grain = rng.integers(0, 40, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    return lambda number: np.roll(grain, number * 3, axis=1) + np.uint8(number % 90)


def _film(folder: Path, minutes: int) -> tuple[LocalStorage, list[Segment], list[Path]]:
    """A minute encoded once and taken again and again: what is measured is the muxing."""
    desk = folder / "desk"
    desk.mkdir()
    storage = LocalStorage(folder / "film")
    reel = list(record(desk, 60, segment_s=SEGMENT_S, size=SIZE, bitrate_bps=BITRATE_BPS, picture=_noisy()))
    for closed, path in reel:
        copy = folder / "copy"
        shutil.copyfile(path, copy)
        storage.put(closed.sha256, copy)
    segments, files = [], []
    for number in range(minutes * len(reel)):
        closed, path = reel[number % len(reel)]
        at, length = number * round(SEGMENT_S * 1000), closed.ended_up_ms - closed.began_up_ms
        began, up = BEGAN + at, 60_000 + at
        values = (f"{number}.ts", "s", began, began + length, up, up + length, closed.frames, closed.size_bytes)
        segments.append(Segment("c.d1", 1, number + 1, *values, closed.sha256, True))
        files.append(path)
    return storage, segments, files


def _best(act: Callable[[], Any]) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return min(times)


def _clip(segments: list[Segment], seconds: float) -> film.Cut:
    found = film.cut(segments, BEGAN, BEGAN + round(seconds * 1000))
    assert found is not None
    return found


def _against_ffmpeg(folder: Path, storage: LocalStorage, segments: list[Segment], files: list[Path]) -> None:
    seconds = len(segments) * SEGMENT_S
    cut, ours, theirs = _clip(segments, seconds), folder / "ours.mp4", folder / "theirs.mp4"
    size_mb = sum(each.size_bytes for each in segments) / 1e6
    own_s = _best(lambda: clips.build(storage, cut, ours))
    pictures = len(decoded(ours))
    recorded = sum(each.frames for each in segments)
    print(f"{seconds:.0f} s of film, {size_mb:.1f} MB")
    print(f"hub.evidence.clips   {own_s:6.3f} s, {size_mb / own_s:5.0f} MB/s; every file's SHA-256 checked on the way")
    print(f"                     {pictures} pictures decode, {recorded} were recorded")
    if shutil.which("ffmpeg") is None:
        print("ffmpeg is not installed: nothing to compare with (apt-get install ffmpeg)")
        return
    listed = folder / "list.txt"
    listed.write_text("".join(f"file '{path}'\n" for path in files))
    concat = ["-f", "concat", "-safe", "0", "-i", str(listed)]
    command: list[str | Path] = ["ffmpeg", "-v", "error", "-y", *concat, "-c", "copy"]
    their_s = _best(lambda: subprocess.run([*command, "-movflags", "+faststart", theirs], check=True))
    print(f"ffmpeg -c copy       {their_s:6.3f} s, {size_mb / their_s:5.0f} MB/s")
    print(f"ratio, ours to theirs, in time: {own_s / their_s:.2f}")


def _first_byte(storage: LocalStorage, segments: list[Segment], seconds: float) -> float:
    began = time.perf_counter()
    running = clips.stream(storage, _clip(segments, seconds))
    next(running)
    taken = time.perf_counter() - began
    running.close()
    return taken


def _coverage(folder: Path, seats: int) -> None:
    store = Store(folder / "hub.db")
    end = BEGAN + 3 * 3_600_000
    with store.write() as connection:
        connection.execute("insert into rooms (room_id, name) values (1, 'Hall')")
        connection.execute(
            """insert into sittings (sitting, exam, room_id, start_utc_ms, end_utc_ms, mode, rules)
            values ('s', 'Maths', 1, ?, ?, 'automated', '[]')""",
            [BEGAN, end],
        )
        for seat in range(seats):
            unit = f"c.d{seat}"
            connection.execute(
                "insert into units (unit, public_key, first_seen_utc_ms) values (?, ?, 1)", [unit, f"{seat:064x}"]
            )
            connection.execute("insert into seats (room_id, label, unit) values (1, ?, ?)", [f"A{seat}", unit])
            connection.executemany(
                """insert into segments (unit, name, sitting, began_utc_ms, began_up_ms, ended_utc_ms, ended_up_ms,
                    frames, size_bytes, sha256, is_cut, boot, seq, seat)
                values (?, ?, 's', ?, 0, ?, 0, 150, 1, ?, 0, 1, ?, ?)""",
                [
                    (unit, f"{n}.ts", BEGAN + n * 10_000, BEGAN + n * 10_000 + 10_000, f"{n:064x}", n + 1, f"A{seat}")
                    for n in range(1080)
                    if n % 97
                ],
            )
    found = coverage_store.sitting(store, "s")
    assert found is not None
    taken = _best(lambda: coverage_store.read(store, found, end + 60_000))
    rows, _ = coverage_store.size(store, "s")
    print(f"coverage of {seats} seats, {rows} segments: {taken * 1000:.0f} ms")
    store.close()


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench remux")
    parser.add_argument("--minutes", type=int, default=10, help="of film (default 10)")
    parser.add_argument("--seats", type=int, default=60, help="of the sitting whose coverage is measured (default 60)")
    wanted = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        storage, segments, files = _film(folder, max(wanted.minutes, 60))
        many = wanted.minutes * round(60 / SEGMENT_S)
        _against_ffmpeg(folder, storage, segments[:many], files[:many])
        for seconds in (60, film.TAKE_MS // 1000):
            taken = _best(lambda: clips.build(storage, _clip(segments, seconds), folder / "clip.mp4"))  # noqa: B023
            print(f"a clip of {seconds:4} s begins after {taken * 1000:5.0f} ms (made whole, then sent in ranges)")
        taken = min(_first_byte(storage, segments, 3600) for _ in range(REPEATS))
        print(f"film of 3600 s begins after {taken * 1000:5.0f} ms (sent while it is made)")
        _coverage(folder, wanted.seats)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
