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


ADA = audit.Actor("Ada\x1b[2J", "proctor", "10.0.0.7")


def grow(store: Store, count: int) -> None:
    for number in range(count):
        audit.note(store, ADA, Deed.PLAYED, f"seat {number}", 1_000 + number, {"why": "a review"})


def test_the_log_is_shown_in_words_and_narrowed(run: Run, store: Store) -> None:
    """Newest last, whoever asks is noted, and no name steers the terminal."""
    grow(store, 12)
    shown = run("audit", "show", "--object", "seat 1")
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert len(lines) == 1, "seat 11 is another seat"
    assert lines[0].endswith("(proctor, 10.0.0.7): watched the recording of seat 1; why a review")
    assert "\x1b" not in shown.output
    assert len(run("audit", "show", "--object", "seat", "--limit", "5").stdout.splitlines()) == 5
    assert "no entry matches" in run("audit", "show", "--who", "nobody").output
    assert len(run("audit", "show", "--since", "1999-01-01").stdout.splitlines()) == 3
    told = [entry.detail for entry in audit.page(store, deed=Deed.VIEWED_AUDIT)]
    assert told[-1] == '{"object":"seat 1"}'
    assert len(told) == 4
    assert run("audit", "show", "--since", "2027-05-31T09:00").exit_code == 2
    assert run("audit", "show", "--deed", "sneezed").exit_code == 2


def test_a_whole_log_verifies_and_each_fault_is_named(run: Run, store: Store) -> None:
    """Exit code 0 for a whole one; 3 with a line for what was changed and what is missing."""
    assert "0 entries: whole" in run("audit", "verify").output
    grow(store, 6)
    sound = run("audit", "verify")
    assert (sound.exit_code, "6 entries, the newest 6 of" in sound.output) == (0, True)
    with store.write() as connection:
        connection.execute("drop trigger audit_stays")
        connection.execute("drop trigger audit_remains")
        connection.execute("update audit set who = 'Eve' where audit_id = 2")
        connection.execute("delete from audit where audit_id = 4")
    broken = run("audit", "verify")
    assert broken.exit_code == 3
    assert "NOT whole" in broken.stdout
    assert set(broken.stderr.splitlines()) == {"entry 2 was changed", "entries 4 to 4 are missing"}


def test_a_copy_that_was_kept_shows_a_cut_end_and_a_log_written_anew(run: Run, store: Store, tmp_path: Path) -> None:
    """What the chain alone cannot show: an end that was cut off, and a chain that somebody made anew."""
    grow(store, 5)
    kept = tmp_path / "kept.jsonl"
    assert run("audit", "export", str(kept)).exit_code == 0
    assert run("audit", "verify", str(kept)).exit_code == 0
    grow(store, 2)
    assert run("audit", "verify", str(kept)).exit_code == 0, "the log has grown since"
    with store.write() as connection:
        connection.execute("drop trigger audit_remains")
        connection.execute("delete from audit where audit_id > 4")
    assert run("audit", "verify").exit_code == 0
    cut = run("audit", "verify", str(kept))
    assert cut.exit_code == 3
    assert [line for line in cut.stderr.splitlines() if "cut off" in line] == [
        "the log: entry 5 was there and is gone: the end of the log was cut off",
        "the log: entry 6 was there and is gone: the end of the log was cut off",
    ]
    with store.write() as connection:
        connection.execute("delete from audit")
    grow(store, 3)
    audit.note(store, audit.Actor("Eve", "admin"), Deed.PLAYED, "seat 3", 1_003)
    anew = run("audit", "verify", str(kept))
    assert "the log: entry 4 is not what it was" in anew.stderr
    assert "the log: entry 3" not in anew.stderr


def test_a_changed_copy_is_named_and_accuses_nobody(run: Run, store: Store, tmp_path: Path) -> None:
    """A copy that somebody changed, reordered or spoiled says so by line; what is no copy at all too."""
    grow(store, 4)
    kept = tmp_path / "kept.jsonl"
    run("audit", "export", str(kept))
    lines = kept.read_bytes().splitlines(keepends=True)
    kept.write_bytes(b"".join([lines[1], lines[0].replace(b"seat 0", b"seat 9"), b"nothing\n", lines[3], lines[2]]))
    told = run("audit", "verify", str(kept))
    assert told.exit_code == 3
    assert f"{kept}, line 2: entry 1 was changed in the export" in told.stderr
    assert f"{kept}, line 3: this is no entry of an export" in told.stderr
    assert f"{kept}, line 5: entry 3 comes after entry 4" in told.stderr
    assert "the log:" not in told.stderr
    kept.write_bytes(b"")
    assert "has no entry" in run("audit", "verify", str(kept)).stderr
    kept.write_bytes(b"\x00\xff" * 3_000_000)
    assert run("audit", "verify", str(kept)).exit_code == 3
