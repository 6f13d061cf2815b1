"""The files of the observation log: what is on the card after a kill, a refusal, a hang."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent import observations
from agent.core.observation import Observation, Scene
from agent.core.obslog import BadLog, Ended, Entry, Header, JudgeBy, Log, Missed, read_log
from agent.observations import FLUSH_MS, MOST_QUEUED, LogWriter, ObservationLog
from agent.wire import DEFAULT_RULES, Instant
from tests.brokers import REPOSITORY
from tests.support import wait_for

HEADER = Header(sitting="maths-1", software="0.1.0", model_sha256="", began=Instant(5, 5), unit="a.b", boot=1)
BY = JudgeBy(rules=DEFAULT_RULES, first_n=1)


def looks(count: int, first: int = 1) -> list[Observation]:
    return [Observation(200 * n, 200 * n, (), Scene(100.0, 30.0, False)) for n in range(first, first + count)]


def read(path: Path) -> Log:
    return read_log(path.read_bytes())


def started(folder: Path) -> ObservationLog:
    log = ObservationLog(folder)
    log.start()
    return log


def test_a_sitting_is_one_file(tmp_path: Path) -> None:
    """Begun, added to, ended: whole on the card, and the thread writes the next one."""
    log = started(tmp_path / "observations")
    entries: list[Entry] = [BY, *looks(100), Ended(now=Instant(9, 9))]
    for name in ("maths-1_000001", "physics_000001"):
        log.begin(name, HEADER)
        for entry in entries:
            log.add(entry)
    assert log.stop(30)
    files = sorted((tmp_path / "observations").iterdir())
    assert [path.name for path in files] == ["maths-1_000001.obslog", "physics_000001.obslog"]
    assert all(list(read(path).entries) == [HEADER, *entries] for path in files)


def test_a_name_that_is_taken_is_not_written_over(tmp_path: Path) -> None:
    """A sitting taken off the plan and put back in one start of the agent."""
    log = started(tmp_path)
    for count in (1, 2, 3):
        log.begin("maths-1_000001", HEADER)
        for look in looks(count):
            log.add(look)
        log.end()
    assert log.stop(30)
    names = ["maths-1_000001.obslog", "maths-1_000001_2.obslog", "maths-1_000001_3.obslog"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert [len(read(tmp_path / name).entries) for name in names] == [2, 3, 4]


def test_nothing_is_written_without_a_sitting(tmp_path: Path) -> None:
    log = started(tmp_path / "observations")
    log.add(looks(1)[0])
    log.end()
    assert log.stop(30)
    assert not (tmp_path / "observations").exists()


def test_what_was_said_last_is_written_though_nothing_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that is lost sends no more looks; the alert before it must not wait for them."""
    monkeypatch.setattr(observations, "FLUSH_MS", 50)
    log = started(tmp_path)
    log.begin("maths-1", HEADER)
    log.add(BY)
    for look in looks(2):
        log.add(look)

    def is_written() -> bool:
        try:
            return len(read(tmp_path / "maths-1.obslog").entries) == 4
        except (FileNotFoundError, BadLog):  # it is there before its first byte is
            return False

    wait_for(is_written)
    assert log.stop(30)


WRITER = """
import sys
from pathlib import Path
from tests.agent.test_observations import BY, HEADER, looks
from agent.observations import LogWriter
writer = LogWriter(Path(sys.argv[1]), "maths-1", HEADER)
writer.add(BY)
for look in looks(1_000_000):
    writer.add(look)
    print(look.up_ms, flush=True)
"""


@pytest.mark.parametrize("seen", [1, 2, 26, 27, 52, 777])
def test_a_kill_between_any_two_writes_leaves_a_log_that_can_be_read(tmp_path: Path, seen: int) -> None:
    """kill -9 after so many looks: all up to the last flush are there, and none that was not written."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for _ in range(seen):
        last_ms = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (path,) = tmp_path.iterdir()
    log = read(path)
    assert not log.problem
    assert not log.is_ended
    assert log.entries[:2] == (HEADER, BY)
    kept = list(log.entries[2:])
    assert kept == looks(len(kept))
    newest = kept[-1]
    assert isinstance(newest, Observation)
    assert newest.up_ms >= last_ms - FLUSH_MS


def in_the_way(folder: Path) -> Path:
    """A file where the folder should be."""
    folder.write_text("in the way")
    return folder


def test_a_card_that_refuses_is_told_once_and_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Looking goes on, what was seen waits in memory, and all of it is written when the card works again."""
    folder = in_the_way(tmp_path / "observations")
    log = started(folder)
    with caplog.at_level(logging.INFO, "agent.observations"):
        log.begin("maths-1", HEADER)
        log.add(BY)
        for look in looks(200):
            log.add(look)
        wait_for(lambda: log._items.empty() and caplog.records)
        assert log.is_alive()
        folder.unlink()
        for look in looks(50, first=201):
            log.add(look)
        assert log.stop(30)
    words = [record.getMessage() for record in caplog.records]
    assert len(words) == 2
    assert words[0].startswith("the observation log cannot be written: ")
    assert words[1].startswith("the observation log is written again: ")
    assert list(read(folder / "maths-1.obslog").entries) == [HEADER, BY, *looks(250)]


def test_a_card_that_refuses_for_hours_takes_no_more_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound looks are left out, and the log says how many."""
    monkeypatch.setattr(observations, "MOST_PENDING_BYTES", 2_000)
    folder = in_the_way(tmp_path / "observations")
    writer = LogWriter(folder, "maths-1", HEADER)
    refused = 0
    for look in looks(5_000):
        try:
            writer.add(look)
        except OSError:
            refused += 1
    assert refused > 100
    assert len(writer._pending) < 3_000
    folder.unlink()
    for look in looks(100, first=5_001):
        try:
            writer.add(look)
        except OSError as error:
            pytest.fail(f"the card works again: {error}")
    writer.close()
    log = read(folder / "maths-1.obslog")
    kept = [entry for entry in log.entries if isinstance(entry, Observation)]
    (missed,) = [entry for entry in log.entries if isinstance(entry, Missed)]
    assert len(kept) + missed.observations == 5_100
    assert kept[-1] == looks(1, first=5_100)[0]


def test_a_card_that_hangs_makes_nobody_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`add` returns at once, the queue is bounded, and what was left out is counted when the card goes on."""
    is_hanging, may_go_on = threading.Event(), threading.Event()
    write = observations.LogFile.write

    def hang(file: observations.LogFile, data: bytes) -> None:
        is_hanging.set()
        may_go_on.wait(60)
        write(file, data)

    monkeypatch.setattr(observations.LogFile, "write", hang)
    log = started(tmp_path)
    log.begin("maths-1", HEADER)
    log.add(looks(1)[0])
    assert is_hanging.wait(30)
    for look in looks(MOST_QUEUED + 100, first=2):
        log.add(look)
    assert log._items.qsize() == MOST_QUEUED
    may_go_on.set()
    wait_for(log._items.empty)
    log.add(Ended(now=Instant(9, 9)))
    assert log.stop(30)
    *entries, missed, ended = read(tmp_path / "maths-1.obslog").entries
    assert entries == [HEADER, *looks(MOST_QUEUED + 1)]
    assert (missed, ended) == (Missed(observations=100), Ended(now=Instant(9, 9)))


def test_a_stop_does_not_wait_for_a_card_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent must end in time for its own restart."""
    is_hanging, may_go_on = threading.Event(), threading.Event()

    def hang(_file: observations.LogFile, _data: bytes) -> None:
        is_hanging.set()
        may_go_on.wait(60)

    monkeypatch.setattr(observations.LogFile, "write", hang)
    log = started(tmp_path)
    log.begin("maths-1", HEADER)
    log.add(looks(1)[0])
    assert is_hanging.wait(30)
    assert not log.stop(0.01)
    may_go_on.set()
    wait_for(lambda: not log.is_alive())


def test_half_a_write_is_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes some bytes and then refuses leaves no hole and no damage."""
    whole_write, calls = os.pwrite, 0

    def short(descriptor: int, data: memoryview, at: int) -> int:
        nonlocal calls
        calls += 1
        if calls % 3 == 0:
            raise OSError(28, "No space left on device")
        return whole_write(descriptor, data[: max(1, len(data) // 2)], at)

    monkeypatch.setattr(os, "pwrite", short)
    writer = LogWriter(tmp_path, "maths-1", HEADER)
    refused = 0
    for look in looks(400):
        try:
            writer.add(look)
        except OSError:
            refused += 1
    monkeypatch.undo()
    writer.close()
    assert refused > 3
    assert list(read(tmp_path / "maths-1.obslog").entries) == [HEADER, *looks(400)]
