"""The audit log at the terminal: what is done there stands in it, and whoever doubts it can check it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli import main
from hub.core.audit import Deed
from hub.store import Store, audit
from tests.hub.hubs import rows
from tests.hub.seed import Centre

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `ems-hub` on a store of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("APP_ENV", "development")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'hub.db'}")
    return lambda *words, **more: CliRunner().invoke(main, list(words), **more)


def test_what_changes_people_at_the_terminal_is_noted(run: Run, store: Store) -> None:
    """Each change with who sat there; what changed nothing leaves no entry, and no entry holds a password."""
    for words in (
        ("user", "add", "ada", "--role", "auditor"),
        ("user", "add", "root", "--role", "admin"),
        ("user", "passwd", "ada"),
        ("user", "role", "ada", "--role", "proctor"),
        ("user", "role", "ada", "--role", "proctor"),
        ("user", "close", "ada"),
        ("user", "close", "ada"),
        ("user", "reopen", "ADA"),
    ):
        assert run(*words).exit_code == 0, words
    assert run("user", "close", "root").exit_code == 1
    entries = list(audit.entries(store))
    assert [(entry.deed, entry.object) for entry in entries] == [
        (Deed.ADDED_PERSON, "user ada"),
        (Deed.ADDED_PERSON, "user root"),
        (Deed.CHANGED_PASSWORD, "user ada"),
        (Deed.CHANGED_ROLE, "user ada"),
        (Deed.CLOSED_ACCOUNT, "user ada"),
        (Deed.REOPENED_ACCOUNT, "user ada"),
    ]
    assert entries[3].detail == '{"from":"auditor","to":"proctor"}'
    assert {(entry.role, entry.address) for entry in entries} == {("terminal", "terminal")}
    assert all(entry.who.endswith("terminal)") for entry in entries)
    assert not [entry for entry in entries if "argon2" in "".join(map(str, entry))]


def test_what_changes_units_at_the_terminal_is_noted(run: Run, store: Store, tmp_path: Path) -> None:
    """Letting in, by code and by key, refusing and revoking."""
    centre = Centre(store, tmp_path / "live")
    centre.request("34AC-79XY")
    centre.request("47CD-EFGH")
    for words in (
        ("unit", "approve", "34AC-79XY", "Hall", "A1", "--name", "c.d1"),
        ("unit", "reject", "47CD-EFGH", "--why", "not ours"),
        ("unit", "add", "c.d2", "--public-key", "ab" * 32),
        ("unit", "add", "c.d2", "--public-key", "ab" * 32),
        ("unit", "revoke", "c.d1", "--why", "stolen"),
        ("unit", "revoke", "c.d1", "--why", "stolen"),
    ):
        assert run(*words).exit_code == 0, words
    told = [(row["deed"], row["object"]) for row in rows(store, "select deed, object from audit order by audit_id")]
    assert told == [
        ("approved_unit", "unit c.d1"),
        ("rejected_unit", "request 47CD-EFGH"),
        ("approved_unit", "unit c.d2"),
        ("revoked_unit", "unit c.d1"),
    ]
