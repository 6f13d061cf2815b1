"""`ems-hub init`, `ca` and `unit` at the terminal: what they say, and that they refuse in one line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent import wire_door
from hub import authority, cli_ca, cli_check, clock, enrolment
from hub.cli import main
from hub.enrolment import CaFolder
from hub.store import Store, enrolling, planning
from hub.terminal import now_utc_ms
from tests.hub.authorities import csr

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `ems-hub` on a store and an authority of its own."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "APP_ENV": "development",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'hub.db'}",
        "EMS_CA_PATH": str(tmp_path / "ca"),
        "EMS_LIVE_PATH": str(tmp_path / "live"),
    }.items():
        monkeypatch.setenv(name, value)
    return lambda *words: CliRunner().invoke(main, list(words))


@pytest.fixture
def folder(tmp_path: Path) -> CaFolder:
    return CaFolder(tmp_path / "ca")


def refused(result: Result) -> str:
    """The one line of a refusal."""
    assert result.exit_code == 1, result.output
    assert len(result.output.splitlines()) == 1
    return result.output


def test_init_says_what_to_give_to_desks_and_to_the_safe(run: Run, folder: CaFolder) -> None:
    """The fingerprint in the form that `ems-agent setup` takes; the word about the root as long as it lies there."""
    first, second = run("init"), run("init")
    print_of_root = authority.fingerprint(enrolment.roots(folder)[0])
    for result in (first, second):
        assert result.exit_code == 0
        line = result.output.split("--ca-fingerprint`:\n")[1].splitlines()[0]
        assert print_of_root.startswith(wire_door.read_fingerprint(line))
        assert f"Copy {folder.root.folder} to a stick, put it in a safe" in result.output
    assert ("made: root" in first.output, "made:" in second.output) == (True, False)
    shutil.rmtree(folder.root.folder)
    assert "stick" not in run("init").output


def test_init_needs_a_clock_that_can_be_right(run: Run, folder: CaFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A root made in 1970 would have ended in 1990."""
    monkeypatch.setattr(cli_ca, "now_utc_ms", lambda: 0)
    result = run("init")
    assert result.exit_code == 1
    assert "1970-01-01" in result.output.splitlines()[-1]
    assert not folder.root_key.exists()


def test_a_wrong_time_in_the_store_is_accepted_by_a_person(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said first, done when confirmed, and only where there is something to accept."""
    monkeypatch.setattr(clock, "is_synchronised", lambda: False)
    run("init")
    assert "nothing to accept" in refused(run("time", "accept"))
    with store.write() as connection:
        connection.execute("insert into units (unit, public_key, first_seen_utc_ms) values ('c.d', ?, 1)", ["a" * 64])
        connection.execute(
            "insert into certificates (serial_number, unit, issuer, not_before_utc_ms, not_after_utc_ms, issued_utc_ms)"
            " values ('1', 'c.d', 'f', 0, 1, 2208988800000)"
        )
    assert "ems-hub time accept" in refused(run("ca", "certificates"))
    assert run("time", "accept").exit_code == 1  # nobody answered
    assert "the store has seen 2040-01-01 00:00 UTC" in run("time", "accept").output
    assert "ems-hub time accept" in refused(run("ca", "certificates"))
    assert "accepted by " in run("time", "accept", "--yes").output
    assert "nothing to do" in run("ca", "certificates").output


def test_a_wrong_name_of_the_hub_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMS_HUB_NAMES", "hub.example, two words")
    assert "EMS_HUB_NAMES: 'two words' is neither" in refused(run("init"))


def test_the_authority_by_its_commands(run: Run, folder: CaFolder, tmp_path: Path) -> None:
    """Rotation, a new root, its predecessor's retirement; every command says what it made, and what is in force."""
    run("init")
    first = folder.authorities.read_text()
    assert "nothing to do" in run("ca", "certificates").output
    assert "made: issuing authority" in run("ca", "rotate", "--yes").output
    assert "older issuing authority" in run("ca", "show").output
    stick = tmp_path / "stick"
    shutil.move(folder.root.folder, stick)
    assert "no root.key in" in refused(run("ca", "rotate", "--yes"))
    assert f"made: root {stick}" in run("ca", "new-root", "--yes", "--root", str(stick)).output
    assert run("ca", "show").output.count("\nroot, until") == 1  # the first of two stands at the very beginning
    assert "two roots are trusted already" in refused(run("ca", "new-root", "--yes", "--root", str(stick)))
    run("unit", "add", "c.desk-01", "--public-key", "ab" * 32)
    assert "(c.desk-01)" in refused(run("ca", "retire-root"))
    assert "made: the newest root is trusted alone" in run("ca", "retire-root", "--force").output
    assert "only one root" in refused(run("ca", "retire-root"))
    assert first not in folder.authorities.read_text()


def test_names_that_changed_make_a_new_certificate(run: Run, folder: CaFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    run("init")
    monkeypatch.setenv("EMS_HUB_NAMES", "hub.example")
    assert "made: server certificate" in run("ca", "certificates").output
    assert "hub.example" in run("ca", "show").output


def test_names_that_changed_wait_while_a_sitting_is_on(run: Run, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Services would start again for a new certificate; --now does it all the same."""
    run("init")
    monkeypatch.setenv("EMS_HUB_NAMES", "hub.example")
    with store.write() as connection:
        planning.put_room(connection, "Hall")
        now = now_utc_ms()
        planning.plan_sitting(
            connection,
            sitting="exam",
            exam="Algebra",
            room="Hall",
            start_utc_ms=now,
            end_utc_ms=now + 7_200_000,
            now_utc_ms=now,
        )
    told = run("ca", "certificates").output
    assert ("a sitting is on" in told, "nothing to do" in told, "hub.example" in run("ca", "show").output) == (
        True,
        True,
        False,
    )
    assert "made: server certificate" in run("ca", "certificates", "--now").output


def test_check_looks_at_the_certificates(run: Run, folder: CaFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound after init; each thing that would keep desks out is a line that says what to do."""

    def told() -> list[str]:
        return [line for line in run("check").output.splitlines() if line.startswith("authority:")]

    run("init")
    assert told() == []
    run("ca", "new-root", "--yes")
    assert told() == []
    monkeypatch.setenv("EMS_HUB_NAMES", "hub.example")
    folder.revoked.unlink()
    assert [("names have changed" in told()[0]), ("is missing" in told()[1]), len(told())] == [True, True, 2]
    run("init")
    assert told() == []
    now = now_utc_ms()
    monkeypatch.setattr(cli_check, "now_utc_ms", lambda: now + 340 * authority.DAY_MS)
    assert told() == [
        "authority: the server's certificate ends within 30 days",
        "authority: the certificate of the evidence key ends within 30 days",
    ]
    monkeypatch.setattr(cli_check, "now_utc_ms", lambda: now + 5 * 365 * authority.DAY_MS)
    assert len(told()) == 3
    folder.authorities.write_bytes(folder.issuing_certificate.read_bytes())
    assert "does not lead to a trusted root" in told()[0]
    folder.authorities.unlink()
    assert "ems-hub init" in told()[0]


@pytest.mark.parametrize("words", [("ca", "show"), ("ca", "rotate", "--yes"), ("ca", "certificates")])
def test_nothing_there_is_one_line(run: Run, words: tuple[str, ...]) -> None:
    assert "ems-hub init" in refused(run(*words))


def test_requests_at_the_terminal(run: Run, store: Store) -> None:
    """A wrong code, an occupied seat and a second decision are one line each."""
    assert "no units yet" in run("unit", "list").output
    assert "no desk waits" in run("unit", "requests").output
    codes = []
    for number in range(3):
        with store.write() as connection:
            asked = enrolling.ask(connection, public_key=f"{number:064x}", csr=csr(), now_utc_ms=now_utc_ms())
            codes.append(asked.code)
    assert "unit centre.desk-01 approved" in run("unit", "approve", codes[0].lower(), "Hall", "A1").output
    assert "choose another seat" in refused(run("unit", "approve", codes[1], "Hall", "A1"))
    assert "is not a claim code" in refused(run("unit", "approve", "xx", "Hall", "A1"))
    assert "no request with the code" in refused(run("unit", "reject", codes[0], "--why", "no"))
    replaced = run("unit", "approve", codes[1], "--replaces", "centre.desk-01")
    assert "unit centre.desk-02 approved, centre.desk-01 revoked" in replaced.output
    assert f"request {codes[2]} rejected" in run("unit", "reject", codes[2], "--why", "not ours").output
    assert "revoked already" in run("unit", "revoke", "centre.desk-01", "--why", "lost").output
    assert "no unit is called c.d" in refused(run("unit", "revoke", "c.d", "--why", "lost"))
    listed = run("unit", "list").output.splitlines()
    assert listed[0] == "centre.desk-02  Hall, seat A1  no certificate yet"
    assert "replaced by centre.desk-02" in listed[1]


def test_a_desk_that_says_whom_it_replaces_needs_no_seat(run: Run, store: Store) -> None:
    """Nor the unit's name again, also after that unit was revoked; an unknown one, and a seat, count as ever."""
    codes = []
    for number, replaces in enumerate(("", "centre.desk-01", "c.never", "centre.desk-02")):
        with store.write() as connection:
            told = {"public_key": f"{number:064x}", "csr": csr(), "replaces": replaces}
            codes.append(enrolling.ask(connection, now_utc_ms=now_utc_ms(), **told).code)
    run("unit", "approve", codes[0], "Hall", "A1")
    run("unit", "revoke", "centre.desk-01", "--why", "lost")
    assert "unit centre.desk-02 approved, centre.desk-01 revoked" in run("unit", "approve", codes[1]).output
    assert "say which room" in refused(run("unit", "approve", codes[2]))
    assert "unit centre.desk-03 approved;" in run("unit", "approve", codes[3], "Hall", "A2").output
    listed = run("unit", "list").output.splitlines()
    assert [line[:29] for line in listed[:2]] == ["centre.desk-02  Hall, seat A1", "centre.desk-03  Hall, seat A2"]
