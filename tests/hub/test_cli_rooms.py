"""Rooms and seats at the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli import main
from hub.store import Store, audit, intake, planning
from tests.hub.seed import now_ms


@pytest.fixture
def run(store: Store, tmp_path: Path):  # type: ignore[no-untyped-def]
    """A hall of two seats, one with a desk, and two spares."""
    now = now_ms()
    with store.write() as connection:
        for unit in ("c.d1", "c.spare", "c.gone"):
            intake.add_unit(connection, unit, f"{len(unit):x}{unit.encode().hex()}".ljust(64, "0"), now)
        planning.put_seat(connection, room="Hall", label="A10")
        planning.put_seat(connection, room="Hall", label="A2", unit="c.d1")
        connection.execute("update units set is_revoked = 1 where unit = 'c.gone'")
        planning.plan_sitting(
            connection,
            sitting="m",
            exam="M",
            room="Hall",
            start_utc_ms=now - 1,
            end_utc_ms=now + 60_000,
            now_utc_ms=now,
        )
    environ = {"APP_ENV": "development", "DATABASE_URL": f"sqlite:///{tmp_path}/hub.db", "COLUMNS": "100"}

    def ran(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, env=environ)

    return ran


def test_rooms_seats_and_spares_are_listed(run) -> None:  # type: ignore[no-untyped-def]
    assert [line.split() for line in run("room", "list").output.splitlines()][1] == ["Hall", "2", "1", "yes"]
    lines = [line.split() for line in run("seat", "list", "--room", "Hall").output.splitlines()]
    assert lines[1:] == [["Hall", "A2", "c.d1", "never", "connected"], ["Hall", "A10"]]
    spares = run("seat", "list", "--spares").output.splitlines()
    assert [line.split()[0] for line in spares[1:]] == ["c.spare"]
    unknown = run("seat", "list", "--room", "Attic")
    assert (unknown.exit_code, unknown.output) == (1, "Error: no room is called 'Attic'\n")


def test_a_spare_takes_a_place_at_the_terminal(run, store: Store) -> None:  # type: ignore[no-untyped-def]
    """Plans follow, and the log says who did it; what cannot be is one line."""
    for arguments, why in (
        (("Hall", "A3", "--unit", "c.spare"), "there is no seat A3 in 'Hall'"),
        (("Hall", "A2", "--unit", "c.none"), "no unit is called c.none"),
        (("Hall", "A2", "--unit", "c.gone"), "c.gone was revoked: it gets no seat"),
        (("Hall", "A10", "--unit", "c.d1"), "c.d1 stands at seat A2 in Hall"),
    ):
        refused = run("seat", "swap", *arguments)
        assert refused.exit_code == 1
        assert why in refused.output
    done = run("seat", "swap", "Hall", "A2", "--unit", "c.spare")
    said = "c.spare stands at seat A2 in Hall instead of c.d1, which has nothing planned now; 2 plans changed\n"
    assert (done.exit_code, done.output) == (0, said)
    with store.read() as connection:
        plan = planning.plan_of(connection, "c.spare")
    assert plan is not None
    assert plan.sittings[0].seat == "A2"
    entry = audit.page(store, limit=1)[0]
    assert (entry.deed, entry.role) == ("assigned_unit", "terminal")
