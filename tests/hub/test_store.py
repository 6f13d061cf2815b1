"""The store's laws: writers take turns, between processes too; a failed turn leaves nothing; readers see one moment."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hub.store import Store, checking
from tests.brokers import REPOSITORY
from tests.hub.hubs import opening, value

WRITER = """
import sys
from pathlib import Path
from hub.store import Store
store = Store(Path(sys.argv[1]), is_checkpointer=sys.argv[2] == "0")
for number in range(100):
    with store.write() as connection:
        count = connection.execute("select count(*) from rooms").fetchone()[0]
        connection.execute("insert into rooms (name) values (?)", (f"{sys.argv[2]} {number} after {count}",))
store.close()
"""


def test_four_processes_write_without_one_lock_error(tmp_path: Path) -> None:
    """400 read-then-write turns of four processes: each sees all before it, none fails, the file stays sound."""
    path = tmp_path / "hub.db"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(number)], cwd=REPOSITORY) for number in range(4)
    ]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0, 0]
    store = Store(path)
    try:
        assert value(store, "select count(*) from rooms") == 400
        seen = value(store, "select count(distinct substr(name, instr(name, 'after'))) from rooms")
        assert seen == 400
        assert checking.damage(store) == []
    finally:
        store.close()


def test_threads_take_turns_too(store: Store) -> None:
    """Eight threads of one process, one Store."""
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for each in range(25):
                with store.write() as connection:
                    connection.execute("insert into rooms (name) values (?)", (f"{number} {each}",))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert value(store, "select count(*) from rooms") == 200


def test_a_turn_that_fails_leaves_nothing_and_the_next_one_works(store: Store) -> None:
    """All of a turn or none of it."""

    def half() -> None:
        with store.write() as connection:
            connection.execute("insert into rooms (name) values ('half')")
            connection.execute("insert into rooms (name) values ('')")

    with pytest.raises(sqlite3.IntegrityError):
        half()
    with store.write() as connection:
        connection.execute("insert into rooms (name) values ('whole')")
    assert value(store, "select group_concat(name) from rooms") == "whole"


def test_a_reader_sees_one_moment(tmp_path: Path, store: Store) -> None:
    """What another process commits meanwhile shows in the next reading, and in `data_version`."""
    other = Store(tmp_path / "hub.db")
    try:
        before = store.data_version()
        with store.read() as connection:
            assert connection.execute("select count(*) from rooms").fetchone()[0] == 0
            with other.write() as writing:
                writing.execute("insert into rooms (name) values ('new')")
            assert connection.execute("select count(*) from rooms").fetchone()[0] == 0
        assert value(store, "select count(*) from rooms") == 1
        assert store.data_version() != before
    finally:
        other.close()


def test_what_was_done_about_an_incident_stays(store: Store) -> None:
    """No one changes or deletes an event, whatever code asks."""
    with store.write() as connection:
        connection.execute("insert into units (unit, public_key, first_seen_utc_ms) values ('c.d', ?, 1)", ("0" * 64,))
        connection.execute(
            "insert into incidents (unit, kind, sitting, room, seat, opened_utc_ms, began_utc_ms)"
            " values ('c.d', 'seat_empty', 's', 'r', '1', 1, 1)"
        )
        connection.execute(
            "insert into incident_events (incident_id, at_utc_ms, who, action) values (1, 1, 'desk', 'opened')"
        )
    for statement in ("update incident_events set who = 'x'", "delete from incident_events"):
        with pytest.raises(sqlite3.IntegrityError, match="never"), store.write() as connection:
            connection.execute(statement)


def test_a_file_that_is_no_store_is_one_clear_line(tmp_path: Path) -> None:
    """Nothing of it is overwritten."""
    path = tmp_path / "hub.db"
    path.write_bytes(b"this is a letter, not a database" * 200)
    told = opening(path)
    assert told.startswith(f"cannot open the store {path}: ")
    assert path.read_bytes() == b"this is a letter, not a database" * 200


@pytest.mark.parametrize(
    ("version", "has_race"),
    [
        ((3, 6, 23), False), ((3, 7, 0), True), ((3, 40, 1), True), ((3, 44, 5), True), ((3, 44, 6), False),
        ((3, 46, 1), True), ((3, 50, 6), True), ((3, 50, 7), False), ((3, 51, 2), True), ((3, 51, 3), False),
        ((4, 0, 0), False),
    ],
)  # fmt: skip
def test_the_wal_reset_race_is_known_by_version(version: tuple[int, int, int], has_race: bool) -> None:
    """3.7.0 to 3.51.2 have it, but for the repaired 3.44.6 and 3.50.7 and what follows them in their branches."""
    assert checking.has_wal_reset_race(version) is has_race
