"""Migrations: from version 1 every time, to the very schema of a fresh store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hub.store import migrations
from tests.hub.hubs import opening


def schema(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    return list(connection.execute("select type, name, tbl_name, sql from sqlite_master order by type, name"))


def test_steps_are_numbered_without_a_hole() -> None:
    """Step n brings the schema to version n."""
    assert [int(step.name[:4]) for step in migrations.STEPS] == list(range(1, len(migrations.STEPS) + 1))


@pytest.mark.parametrize("start", range(1, len(migrations.STEPS) + 1))
def test_every_version_grows_into_todays_schema(start: int) -> None:
    """A store left at any version, with rows in it, becomes what a fresh one is, and keeps its rows."""
    with closing(sqlite3.connect(":memory:")) as old, closing(sqlite3.connect(":memory:")) as fresh:
        migrations.migrate(old, start)
        old.execute("insert into units (unit, public_key, first_seen_utc_ms) values ('c.d', ?, 1)", ("0" * 64,))
        old.commit()
        migrations.migrate(old)
        migrations.migrate(fresh)
        assert schema(old) == schema(fresh)
        assert migrations.version(old) == len(migrations.STEPS)
        assert old.execute("select count(*) from units").fetchone()[0] == 1


def test_the_seat_of_a_unit_that_was_revoked_before_is_freed_and_remembered() -> None:
    """Those of other units stay as they are."""
    before = next(number for number, step in enumerate(migrations.STEPS) if step.name == "0007_last_seat.sql")
    with closing(sqlite3.connect(":memory:")) as old:
        migrations.migrate(old, before)
        old.executescript(
            f"""insert into rooms (name) values ('Hall');
            insert into units (unit, public_key, first_seen_utc_ms, is_revoked)
            values ('c.gone', '{"0" * 64}', 1, 1), ('c.well', '{"1" * 64}', 1, 0), ('c.none', '{"2" * 64}', 1, 1);
            insert into seats (room_id, label, unit) values (1, 'A1', 'c.gone'), (1, 'A2', 'c.well');"""
        )
        migrations.migrate(old)
        assert old.execute("select label, unit from seats order by label").fetchall() == [
            ("A1", None),
            ("A2", "c.well"),
        ]
        assert old.execute("select unit, last_room, last_seat from units order by unit").fetchall() == [
            ("c.gone", "Hall", "A1"),
            ("c.none", "", ""),
            ("c.well", "", ""),
        ]


def test_every_table_is_strict_and_sound() -> None:
    """STRICT everywhere, so that a text never sits in a number's place."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        migrations.migrate(fresh)
        tables = fresh.execute(
            "select sql from sqlite_master where type = 'table' and name not like 'sqlite_%'"
        ).fetchall()
        assert all(sql.rstrip().endswith("strict") for (sql,) in tables)
        assert fresh.execute("pragma foreign_key_check").fetchall() == []


def test_a_later_versions_store_is_refused(tmp_path: Path) -> None:
    """An older hub says what to do, and touches nothing."""
    path = tmp_path / "hub.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma user_version = 999")
    assert "install the newer hub" in opening(path)


def test_a_step_that_fails_leaves_the_version_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each step is one transaction."""
    step = tmp_path / "9999_bad.sql"
    step.write_text("create table half (a integer) strict; create table half (a integer) strict;")
    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, step))
    with closing(sqlite3.connect(":memory:")) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrations.migrate(connection, len(migrations.STEPS))
        connection.rollback()
        assert migrations.version(connection) == len(migrations.STEPS) - 1
        assert connection.execute("select count(*) from sqlite_master where name = 'half'").fetchone()[0] == 0


def test_a_requests_number_is_never_used_again() -> None:
    """Requests from before the step keep their numbers, and the number of a deleted one is not given again."""
    with closing(sqlite3.connect(":memory:")) as store:
        migrations.migrate(store, 5)
        insert = (
            "insert into enrolments (kind, state, public_key, code, csr, serial, model, software, wanted, replaces,"
            " address, asked_utc_ms, heard_utc_ms) values ('enrolment', 'waiting', ?, 'c', '', '', '', '', '', '',"
            " '', 1, 1)"
        )
        store.execute(insert, ("0" * 64,))
        store.execute(insert, ("1" * 64,))
        store.commit()
        migrations.migrate(store)
        store.execute("delete from enrolments where enrolment_id = 2")
        store.execute(insert, ("2" * 64,))
        assert [row[0] for row in store.execute("select enrolment_id from enrolments order by 1")] == [1, 3]
