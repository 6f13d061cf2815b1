"""The audit log: one chain, appended with what it tells of, never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.core import audit as core
from hub.core.audit import Deed
from hub.store import Store, audit
from hub.store.audit import Actor

ADA = Actor("Ada", "proctor", "10.0.0.7")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "hub.db")
    yield opened
    opened.close()


def add(store: Store, count: int) -> None:
    for number in range(count):
        audit.note(store, ADA, Deed.PLAYED, f"seat {number}", 1_000 + number, {"why": "review", "from": number})


def test_entries_follow_one_another_and_verify(store: Store) -> None:
    """Entries are numbered without holes, each carries the hash of the one before, and the whole verifies."""
    add(store, 5)
    entries = list(audit.entries(store))
    assert [entry.audit_id for entry in entries] == [1, 2, 3, 4, 5]
    assert entries[0].prev == core.GENESIS
    assert [entry.prev for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]
    assert entries[3].detail == '{"from":3,"why":"review"}'
    assert audit.verify(store) == (5, [])


def test_an_entry_is_undone_with_its_deed(store: Store) -> None:
    """A deed that fails leaves no entry, and the chain goes on without a hole."""

    def fail() -> None:
        with store.write() as connection:
            audit.add(connection, ADA, Deed.HELD, "incident 1", 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    add(store, 1)
    assert audit.verify(store) == (1, [])


@pytest.mark.parametrize(
    "sql",
    [
        "update audit set who = 'Eve' where audit_id = 2",
        "delete from audit where audit_id = 3",
        "insert into audit select 9, at_utc_ms, who, role, deed, object, detail, address, prev, 'x' from audit limit 1",
        "insert or replace into audit"
        " select 2, at_utc_ms, who, role, deed, object, detail, address, prev, hash from audit",
    ],
)
def test_the_schema_refuses_every_change(store: Store, sql: str) -> None:
    """Even who writes SQL by hand cannot change, remove, replace or put in an entry."""
    add(store, 3)
    with pytest.raises(sqlite3.DatabaseError), store.write() as connection:
        connection.execute(sql)
    assert audit.verify(store) == (3, [])


@pytest.mark.parametrize("field", ["at_utc_ms", "who", "role", "deed", "object", "detail", "address", "prev"])
def test_who_goes_round_the_triggers_is_found(store: Store, field: str) -> None:
    """With the triggers dropped, a changed entry is named."""
    add(store, 3)
    with store.write() as connection:
        connection.execute("drop trigger audit_stays")
        value: object = 9 if field == "at_utc_ms" else '{"from":9}' if field == "detail" else "a" * 64
        connection.execute(f"update audit set {field} = ? where audit_id = 2", [value])
    count, found = audit.verify(store)
    assert count == 3
    assert any("entry 2 was changed" in line for line in found)


def test_a_removed_entry_is_found(store: Store) -> None:
    """With the triggers dropped, a hole is named with its numbers."""
    add(store, 4)
    with store.write() as connection:
        connection.execute("drop trigger audit_remains")
        connection.execute("delete from audit where audit_id in (2, 3)")
    assert audit.verify(store)[1] == ["entries 2 to 3 are missing"]


def test_a_page_is_of_one_person_object_or_deed(store: Store) -> None:
    """The newest come first; a page narrows to what is asked for."""
    add(store, 3)
    audit.note(store, Actor("Bob", "admin"), Deed.HELD, "seat 1", 5)
    assert [entry.audit_id for entry in audit.page(store)] == [4, 3, 2, 1]
    assert [entry.audit_id for entry in audit.page(store, what="seat 1")] == [4, 2]
    assert [entry.audit_id for entry in audit.page(store, who="Bob")] == [4]
    assert [entry.audit_id for entry in audit.page(store, deed="played", before=3)] == [2, 1]
    with store.read() as connection:
        assert [entry.audit_id for entry in audit.of_objects(connection, ["seat 1", "seat 2"])] == [2, 3, 4]
