"""A store that cannot be opened: one clear problem, nothing left open."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.store import Store, StoreProblem


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """The problem names the file; warnings are errors here, so a leaked connection or lock would fail this test."""
    path = tmp_path / "hub.db"
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(StoreProblem, match=r"hub\.db"):
        Store(path)


def test_a_later_version_is_refused(tmp_path: Path) -> None:
    """A store of a newer hub is left alone."""
    store = Store(tmp_path / "hub.db")
    with store.write() as connection:
        connection.execute("pragma user_version = 999")
    store.close()
    with pytest.raises(StoreProblem, match="newer hub"):
        Store(tmp_path / "hub.db")


def test_a_block_that_raises_leaves_nothing(tmp_path: Path) -> None:
    """What the block wrote is undone, and the next writer gets its turn."""
    store = Store(tmp_path / "hub.db")

    def fail_half_way() -> None:
        with store.write() as connection:
            connection.execute("insert into rooms (name) values ('Hall A')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    with store.write() as connection:
        assert connection.execute("select count(*) from rooms").fetchone()[0] == 0
    store.close()
