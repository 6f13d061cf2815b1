"""`ems-hub sitting list` and `cancel`: what is planned, and what no desk records after all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli import main
from hub.store import Store, audit, planning

START = 2_127_373_200_000
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command over a store with one sitting, ten years ahead."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/hub.db")
    monkeypatch.setenv("STORAGE_PATH", str(tmp_path))
    with store.write() as connection:
        planning.put_seat(connection, room="Hall", label="A1")
        planning.plan_sitting(
            connection,
            sitting="maths-1",
            exam="Maths",
            room="Hall",
            start_utc_ms=START,
            end_utc_ms=START + 3_600_000,
            now_utc_ms=1,
        )
    return lambda *words: CliRunner().invoke(main, ["sitting", *words])


def test_a_sitting_is_listed_until_it_is_cancelled(run: Run, store: Store) -> None:
    """Cancelled ones are listed on demand; the reason stands in the log."""
    listed = run("list")
    assert listed.output == ("maths-1  planned  2037-05-31T09:00Z  2037-05-31T10:00Z  Hall  0 candidates  Maths\n"), (
        listed.output
    )
    cancelled = run("cancel", "maths-1", "--reason", "no paper")
    assert (cancelled.exit_code, cancelled.output) == (0, "sitting maths-1 is cancelled\n")
    entry = audit.page(store, limit=1)[0]
    assert (entry.deed, entry.object, entry.role) == ("cancelled_sitting", "sitting maths-1", "terminal")
    assert "no paper" in entry.detail
    assert run("list").output == "no sitting is running or planned\n"
    assert "cancelled" in run("list", "--all").output


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("cancel", "other", "--reason", "x"), 1, "Error: There is no sitting of that name."),
        (("cancel", "maths-1", "--reason", " "), 1, "Error: Write a reason of at most 2000 characters."),
        (("cancel", "maths-1"), 2, "Missing option '--reason'"),
    ],
)
def test_what_cannot_be_cancelled_is_told_in_a_line(run: Run, words: tuple[str, ...], code: int, said: str) -> None:
    result = run(*words)
    assert result.exit_code == code
    assert said in result.output


def test_what_has_begun_is_not_cancelled(run: Run, store: Store) -> None:
    with store.write() as connection:
        connection.execute("update sittings set start_utc_ms = 1")
    result = run("cancel", "maths-1", "--reason", "x")
    assert (result.exit_code, result.output) == (1, "Error: The sitting has begun: end it now instead, and say why.\n")
