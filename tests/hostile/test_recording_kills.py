"""kill -9 between any two steps of a desk's first start, of writing and closing its segments, of recording them, and of
the recovery after such a kill: files and records agree at the next start, nothing is thrown away, nothing doubled."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.recording.repair import closed_segments
from agent.wire import SegmentClosed
from tests.agent.test_recording import numbers_in
from tests.brokers import REPOSITORY
from tests.hostile.kill_points import PICTURES, start

MOST_CALLS = 400


class Killer:
    """The process that forks; see `kill_points`."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.hostile.kill_points"]
        self._process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def order(self, what: str, folder: Path, point: int | str) -> str:
        """The call before which it was killed; "" when it came to its end."""
        assert self._process.stdin
        assert self._process.stdout
        print(what, folder, f"{folder}.log", point, file=self._process.stdin, flush=True)
        answer, _, told = self._process.stdout.readline().strip().partition(" ")
        assert answer in ("killed", "done"), "the forked process ended in another way"
        return told if answer == "killed" else ""

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    made = Killer()
    yield made
    made.close()


def written(folder: Path) -> int:
    """How many pictures had been written for certain."""
    log = Path(f"{folder}.log")
    return len(log.read_text().splitlines()) if log.exists() else 0


def check(folder: Path) -> None:
    """Start once more, and compare: records with files, files with what was written; twice, for the second changes
    nothing."""
    folder.mkdir(exist_ok=True)
    counts = []
    for _ in range(2):
        with start(folder) as records:
            assert records.trouble is None
            assert records.damaged is None
            assert records.verify() == []
            segments = [segment.closed for segment in records.segments()]
            items = [record for record in records._records("1") if isinstance(record.body, SegmentClosed)]
            counts.append(len(items))
    assert counts[0] == counts[1] == len(segments)
    names = closed_segments(folder / "segments")
    assert sorted(segment.name for segment in segments) == names
    for segment in segments:
        data = (folder / "segments" / segment.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (segment.size_bytes, segment.sha256)
    others = [path for path in (folder / "segments").iterdir() if path.name not in names]
    assert [path.name for path in others if path.stat().st_size] == []
    numbers = [number for name in names for number in numbers_in(folder / "segments" / name)]
    # one more may have got in: killed between its writing and the note of it
    assert numbers in (list(range(1, written(folder) + 1)), list(range(1, written(folder) + 2)))


def test_killed_before_any_step_of_recording(killer: Killer, tmp_path: Path) -> None:
    """At each call in turn: after the next start every picture written is in a segment with its record, once."""
    died: Counter[str] = Counter()
    for number in range(1, MOST_CALLS):
        folder = tmp_path / f"card-{number}"
        folder.mkdir()
        call = killer.order("live", folder, number)
        check(folder)
        if not call:
            assert written(folder) == PICTURES
            break
        died[call] += 1
        shutil.rmtree(folder)
    else:
        pytest.fail(f"not at its end after {MOST_CALLS} calls")
    assert {"open", "write", "fsync", "fdatasync", "rename", "replace", "append", "close"} <= set(died)
    assert died["rename"] == 2, "each closing was killed before its rename"
    assert died.total() >= 60


@pytest.mark.parametrize("point", ["write:20", "fdatasync:3", "rename:2", "append:2"])
def test_killed_before_any_step_of_the_recovery(killer: Killer, tmp_path: Path, point: str) -> None:
    """A recording killed, then the start after it killed at each call in turn: the start that is let through makes all
    whole."""
    base = tmp_path / "base"
    base.mkdir()
    assert killer.order("live", base, point) == point.partition(":")[0]
    died: list[str] = []
    for number in range(1, MOST_CALLS):
        folder = tmp_path / f"card-{number}"
        shutil.copytree(base, folder)
        shutil.copy(f"{base}.log", f"{folder}.log")
        call = killer.order("recover", folder, number)
        check(folder)
        if not call:
            break
        died.append(call)
        shutil.rmtree(folder)
    assert "append" in died, "what no record named was told"
