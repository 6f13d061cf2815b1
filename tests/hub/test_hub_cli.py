"""`ems-hub` at the terminal: one clear line, the right exit code, and the store as asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from agent import wire
from agent.core.plans import read_plan
from hub.cli import main
from hub.passwords import is_right
from hub.store import Store, people, planning
from tests.brokers import Broker, free_port
from tests.hub.desk import Desk, segment
from tests.hub.hubs import rows, value

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `ems-hub` on a store of its own: run("user", "add", ..., input="...")."""
    monkeypatch.chdir(tmp_path)
    environ = {
        "APP_ENV": "development",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'hub.db'}",
        "EMS_BROKER_PORT": str(free_port()),
    }
    for name, content in environ.items():
        monkeypatch.setenv(name, content)
    return lambda *words, **more: CliRunner().invoke(main, list(words), **more)


def test_init_creates_once_and_finds_afterwards(run: Run) -> None:
    """A second init changes nothing and says so."""
    assert "created" in run("init").output
    again = run("init")
    assert again.exit_code == 0
    assert "found" in again.output


@pytest.mark.parametrize(
    "words",
    [
        "check",
        "backup {there}",
        "import {there}",
        "retention show",
        "hold list",
        "seal show",
        "audit show",
        "audit verify",
        "bundle incident 1 --why appeal --out bundle.zip",
        "user add ada --role admin",
        "unit list",
        "time accept",
        "rebuild --fill",
    ],
)
def test_without_a_store_a_command_says_so_and_makes_none(run: Run, tmp_path: Path, words: str) -> None:
    """Run with the wrong environment, it must not answer from an empty store that it has just made."""
    there = tmp_path / "there"
    there.mkdir()
    result = run(*words.format(there=there).split())
    assert (result.exit_code, result.output.count("\n")) == (1, 1), result.output
    assert f"there is no store at {tmp_path / 'hub.db'}: " in result.output
    assert not list(tmp_path.glob("hub.db*"))
    assert not list(there.iterdir())


def test_a_wrong_setting_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names the variable; nothing is created."""
    monkeypatch.setenv("EMS_BROKER_PORT", "no")
    result = run("init")
    assert result.exit_code == 1
    assert "EMS_BROKER_PORT" in result.output
    assert len(result.output.splitlines()) == 1


def test_users_are_added_with_given_or_made_passwords(run: Run, store: Store) -> None:
    """A password from standard input is taken, one that is made up is shown; only hashes are stored."""
    assert run("user", "add", "ada", "--role", "admin", "--password-stdin", input="correct horse b\n").exit_code == 0
    assert run("user", "add", "tim", "--role", "technician").output.startswith("added technician tim")
    made = run("user", "add", "ben", "--role", "proctor")
    password = made.output.split("password ")[1].split()[0]
    ada, ben = people.by_name(store, "ada"), people.by_name(store, "ben")
    assert ada is not None
    assert ben is not None
    assert is_right(ada.password_hash, "correct horse b")
    assert is_right(ben.password_hash, password)
    assert "correct" not in ada.password_hash


def test_a_role_is_changed_and_an_account_closed_and_reopened(run: Run, store: Store) -> None:
    """Each change ends the older log-ins (`epoch` rises); asking for what is so already changes nothing."""
    for name in ("ada", "ben"):
        run("user", "add", name, "--role", "admin")

    def after(*words: str) -> tuple[str, str, bool, int]:
        result = run("user", *words)
        assert result.exit_code == 0, result.output
        person = people.by_name(store, "ada")
        assert person is not None
        return result.output, person.role, person.is_active, person.epoch

    assert after("role", "ada", "--role", "proctor") == ("ada is proctor now; log in again\n", "proctor", True, 2)
    assert after("role", "ada", "--role", "proctor") == ("ada is proctor already\n", "proctor", True, 2)
    assert after("close", "ada") == ("the account of ada is closed now\n", "proctor", False, 3)
    assert after("close", "ada") == ("the account of ada is closed already\n", "proctor", False, 3)
    assert after("reopen", "ada") == ("the account of ada is open again\n", "proctor", True, 4)
    assert after("reopen", "ada") == ("the account of ada is open already\n", "proctor", True, 4)


def test_the_last_admin_is_named_as_the_reason(run: Run, store: Store) -> None:
    """Nobody locks a centre out of its own hub."""
    run("user", "add", "root", "--role", "admin")
    for words in (("close", "root"), ("role", "root", "--role", "proctor")):
        result = run("user", *words)
        assert (result.exit_code, result.output) == (
            1,
            "Error: this is the last active admin: make another one first\n",
        )
    root = people.by_name(store, "root")
    assert root is not None
    assert (root.role, root.is_active, root.epoch) == ("admin", True, 1)


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (("user", "add", "ada", "--role", "admin"), ""),
        (("user", "add", "eve", "--role", "admin", "--password-stdin"), "short\n"),
        (("user", "passwd", "nobody"), ""),
        (("user", "role", "nobody", "--role", "admin"), ""),
        (("user", "close", "nobody"), ""),
        (("user", "reopen", "nobody"), ""),
        (("user", "role", "root", "--role", "proctor"), ""),
        (("user", "close", "Root"), ""),
        (("unit", "add", "Not a unit", "--public-key", "0" * 64), ""),
        (("unit", "add", "c1.d1", "--public-key", "xyz"), ""),
        (("unit", "add", "c1.known", "--public-key", "1" * 64), ""),
        (("seat", "add", "Hall", "1", "--unit", "c1.unknown"), ""),
        (
            (
                "sitting",
                "plan",
                "Maths",
                "--room",
                "Nowhere",
                "--start",
                "2027-01-01T09:00Z",
                "--end",
                "2027-01-01T10:00Z",
            ),
            "",
        ),
        (
            (
                "sitting",
                "plan",
                "Maths",
                "--room",
                "Hall",
                "--start",
                "2027-01-01T11:00Z",
                "--end",
                "2027-01-01T10:00Z",
            ),
            "",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_1(run: Run, words: tuple[str, ...], given: str) -> None:
    """No traceback, no half-done thing."""
    run("user", "add", "ada", "--role", "proctor")
    run("user", "add", "root", "--role", "admin")
    run("unit", "add", "c1.known", "--public-key", "0" * 64)
    run("seat", "add", "Hall", "2")
    result = run(*words, input=given)
    assert result.exit_code == 1, result.output
    assert result.output.startswith("Error: ")
    assert len(result.output.splitlines()) == 1


def test_a_time_without_offset_is_refused(run: Run) -> None:
    """Nine o'clock somewhere is not a start."""
    result = run(
        "sitting", "plan", "Maths", "--room", "Hall", "--start", "2027-01-01T09:00", "--end", "2027-01-01T10:00"
    )
    assert result.exit_code == 2
    assert "offset" in result.output


def test_a_sitting_is_planned_for_the_units_of_its_room(run: Run, store: Store) -> None:
    """Each unit of the room gets a plan with its seat; a unit moved away loses it, with a higher number."""
    for name in ("c1.d1", "c1.d2", "c1.d3"):
        run("unit", "add", name, "--public-key", wire.sha256_hex(name.encode()))
    run("seat", "add", "Hall A", "1", "--unit", "c1.d1")
    run("seat", "add", "Hall A", "2", "--unit", "c1.d2")
    run("seat", "add", "Hall B", "1", "--unit", "c1.d3")
    words = ("--room", "Hall A", "--start", "2037-05-31T09:00+02:00", "--end", "2037-05-31T12:00+02:00")
    result = run("sitting", "plan", "Maths: 1", *words, "--mode", "manual")
    assert result.exit_code == 0, result.output
    assert "2 units" in result.output
    plans = {
        row["unit"]: wire.decode_down("plan", row["payload"].encode()) for row in rows(store, "select * from plans")
    }
    assert [each.seat for each in plans["c1.d2"].sittings] == ["2"]
    assert plans["c1.d1"].sittings[0].mode is wire.Mode.MANUAL
    assert plans["c1.d3"].sittings == ()
    run("seat", "add", "Hall B", "9", "--unit", "c1.d1")
    moved = wire.decode_down("plan", value(store, "select payload from plans where unit = 'c1.d1'").encode())
    assert moved.sittings == ()
    assert moved.number > plans["c1.d1"].number


MASKS = """
[[masks]]
kind = "ignore"
points = [[0, 0], [0.2, 0], [0.2, 0.4], [0, 0.4]]

[[masks]]
kind = "private"
points = [[0.7, 0.1], [1, 0.1], [0.85, 0.6]]
"""
RULES = """
[[rules]]
kind = "seat_empty"
raise_s = 20
clear_s = 4
threshold = 0.55
witnesses = { unreferenced_s = 30 }

[[rules]]
kind = "more_than_one_face"
raise_s = 3
clear_s = 5
is_on = false
"""
TIMES = ("--room", "Hall", "--start", "2037-05-31T09:00Z", "--end", "2037-05-31T12:00Z")
LATER = ("--room", "Hall", "--start", "2037-06-01T09:00Z", "--end", "2037-06-01T12:00Z")
START_MS = 2_127_373_200_000


def on_day(number: int) -> tuple[str, ...]:
    """A desk records one sitting at a time: each on a day of its own, from 1 June on."""
    day = f"2037-06-{number:02}"
    return ("--room", "Hall", "--start", f"{day}T09:00Z", "--end", f"{day}T12:00Z")


@pytest.fixture
def hall(run: Run) -> Run:
    """A hub with one seat and its unit."""
    run("init")
    run("unit", "add", "c1.d1", "--public-key", "0" * 64)
    run("seat", "add", "Hall", "1", "--unit", "c1.d1")
    return run


def plan_of(store: Store) -> wire.Plan:
    """The unit's plan, read as its desk reads it: nothing in it is refused."""
    read = read_plan(value(store, "select payload from plans where unit = 'c1.d1'").encode())
    assert read.refused == ()
    return read.plan


def file_of(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_sitting_carries_its_rules_and_the_time_of_the_empty_seats(hall: Run, store: Store, tmp_path: Path) -> None:
    """Rules from TOML and JSON alike; the time as two instants, or as minutes before the start; without, the default
    rules and no such time."""
    rules = file_of(tmp_path, "rules.toml", RULES)
    result = hall("sitting", "plan", "Maths", *TIMES, "--rules", rules, "--empty-minutes", "15")
    assert result.exit_code == 0, result.output
    (sitting,) = plan_of(store).sittings
    empty, double = sitting.rules
    assert (empty.kind, empty.raise_s, empty.witnesses.unreferenced_s) == ("seat_empty", 20, 30)
    assert not double.is_on
    assert sitting.start_utc_ms == START_MS
    assert (sitting.empty_from_utc_ms, sitting.empty_until_utc_ms) == (START_MS - 900_000, START_MS)
    given = file_of(tmp_path, "rules.json", '[{"kind": "camera_covered", "raise_s": 1, "clear_s": 1}]')
    words = ("--empty-from", "2037-05-31T08:30Z", "--empty-until", "2037-05-31T08:40Z")
    early = ("--room", "Hall", "--start", "2037-05-31T08:40Z", "--end", "2037-05-31T08:45Z")
    assert hall("sitting", "plan", "Art", *early, "--rules", given, *words).exit_code == 0
    assert hall("sitting", "plan", "Music", *LATER).exit_code == 0
    art, _, music = plan_of(store).sittings
    assert [rule.kind for rule in art.rules] == ["camera_covered"]
    assert art.empty_from_utc_ms == START_MS - 1_800_000
    assert art.empty_until_utc_ms == START_MS - 1_200_000
    assert (music.rules, music.empty_from_utc_ms) == (wire.DEFAULT_RULES, None)


def test_masks_stay_with_the_seat(hall: Run, store: Store, tmp_path: Path) -> None:
    """They are in the plan of whatever unit stands there, for every sitting, until they are taken away."""
    hall("sitting", "plan", "Maths", *TIMES)
    before = plan_of(store)
    result = hall("seat", "masks", "Hall", "1", file_of(tmp_path, "masks.toml", MASKS))
    assert (result.exit_code, result.output) == (0, "seat 1 in Hall, 2 masks; 1 plans changed\n")
    hall("sitting", "plan", "Art", *LATER)
    plan = plan_of(store)
    assert plan.number > before.number
    assert [[mask.kind for mask in sitting.masks] for sitting in plan.sittings] == [["ignore", "private"]] * 2
    assert plan.sittings[0].masks[1].points == ((0.7, 0.1), (1.0, 0.1), (0.85, 0.6))
    hall("unit", "add", "c1.d2", "--public-key", "1" * 64)
    hall("seat", "add", "Hall", "1", "--unit", "c1.d2")
    moved = wire.decode_down("plan", value(store, "select payload from plans where unit = 'c1.d2'").encode())
    assert len(moved.sittings[0].masks) == 2
    assert hall("seat", "masks", "Hall", "1", "--none").exit_code == 0
    bare = wire.decode_down("plan", value(store, "select payload from plans where unit = 'c1.d2'").encode())
    assert (bare.sittings[0].masks, bare.masks) == ((), ())


def test_masks_need_no_sitting(hall: Run, store: Store, tmp_path: Path) -> None:
    """They reach the desk's plan with no sitting ahead, change it by themselves, stay when the sittings are over, and
    leave with the unit."""
    before = plan_of(store)
    assert before.sittings == ()
    assert hall("seat", "masks", "Hall", "1", file_of(tmp_path, "masks.toml", MASKS)).exit_code == 0
    plan = plan_of(store)
    assert plan.number > before.number
    assert (plan.sittings, [mask.kind for mask in plan.masks]) == ((), ["ignore", "private"])
    again = hall("seat", "masks", "Hall", "1", file_of(tmp_path, "masks.toml", MASKS))
    assert "0 plans changed" in again.output
    hall("sitting", "plan", "Maths", *TIMES)
    assert plan_of(store).sittings[0].masks == plan_of(store).masks == plan.masks
    with store.write() as connection:
        planning.replan(connection, START_MS * 2)
    assert (plan_of(store).sittings, plan_of(store).masks) == ((), plan.masks)
    assert hall("seat", "masks", "Hall", "1", "--none").exit_code == 0
    assert plan_of(store).masks == ()
    hall("seat", "masks", "Hall", "1", file_of(tmp_path, "masks.toml", MASKS))
    hall("unit", "add", "c1.d2", "--public-key", "1" * 64)
    hall("seat", "add", "Hall", "1", "--unit", "c1.d2")
    assert plan_of(store).masks == ()


@pytest.mark.parametrize(
    "text",
    [
        "[[rules]]\nkind = 'yawning'\nraise_s = 1\nclear_s = 1",
        "[[rules]]\nkind = 'seat_empty'\nraise_s = nan\nclear_s = 1",
        "[[rules]]\nkind = 'seat_empty'\nraise_s = -1\nclear_s = 1",
        "[[rules]]\nkind = 'seat_empty'\nraise_s = 1\nclear_s = 1\nthreshold = 2",
        "[[rules]]\nkind = 'seat_empty'\nraise = 1\nclear_s = 1",
        "[[rules]]\nkind = 'help_requested'\nraise_s = 1\nclear_s = 1",
        2 * "[[rules]]\nkind = 'seat_empty'\nraise_s = 1\nclear_s = 1\n",
        "rules = 3",
        "[[rule",
    ],
)
def test_rules_that_cannot_be_are_refused_before_anything_is_saved(
    hall: Run, store: Store, tmp_path: Path, text: str
) -> None:
    """One line that names the file, exit code 1, no sitting."""
    result = hall("sitting", "plan", "Maths", *TIMES, "--rules", file_of(tmp_path, "rules.toml", text))
    assert result.exit_code == 1, result.output
    assert result.output.startswith("Error: ")
    assert "rules.toml: " in result.output
    assert len(result.output.splitlines()) == 1
    assert rows(store, "select * from sittings") == []


@pytest.mark.parametrize(
    "text",
    [
        MASKS.replace("private", "secret"),
        MASKS.replace("[1, 0.1], ", ""),
        MASKS.replace("0.85", "1.85"),
        MASKS.replace("0.85", "nan"),
        MASKS.replace("[0.85, 0.6]", "[0.8, 0.1]"),
        MASKS.replace("kind", "sort"),
        MASKS * 9,
        "",
        "[[masks",
    ],
)
def test_masks_that_cannot_be_leave_the_seats_own(hall: Run, store: Store, tmp_path: Path, text: str) -> None:
    """One line that names the file, exit code 1, and what was hidden stays hidden."""
    hall("seat", "masks", "Hall", "1", file_of(tmp_path, "masks.toml", MASKS))
    before = value(store, "select masks from seats")
    result = hall("seat", "masks", "Hall", "1", file_of(tmp_path, "broken.toml", text))
    assert result.exit_code == 1, result.output
    assert "broken.toml: " in result.output
    assert len(result.output.splitlines()) == 1
    assert value(store, "select masks from seats") == before


def test_a_time_of_empty_seats_that_cannot_be_is_refused(hall: Run, store: Store) -> None:
    """Half of it, both ways of saying it at once, an end before its begin or after the sitting's start, when a desk
    would learn the candidate; and a seat that is not there."""
    early, late = "2037-05-31T08:30Z", "2037-05-31T08:40Z"
    for words, code in (
        (("--empty-from", early), 2),
        (("--empty-until", late), 2),
        (("--empty-minutes", "5", "--empty-until", late), 2),
        (("--empty-minutes", "0"), 2),
        (("--empty-from", late, "--empty-until", early), 1),
        (("--empty-from", early, "--empty-until", "2037-05-31T09:01Z"), 1),
        (("--rules", "none.toml"), 2),
    ):
        assert hall("sitting", "plan", "Maths", *TIMES, *words).exit_code == code, words
    assert rows(store, "select * from sittings") == []
    assert hall("seat", "masks", "Hall", "9", "--none").exit_code == 1
    assert hall("seat", "masks", "Hall", "1").exit_code == 2


def test_a_plan_that_no_message_holds_is_refused(hall: Run, store: Store, tmp_path: Path) -> None:
    """Many sittings with the finest masks: the line says what to do, and the sitting is not half there."""
    points = [[round(0.1 + n / 100, 17), 0.1 + n % 2 / 3] for n in range(32)]
    masks = file_of(tmp_path, "masks.json", json.dumps([{"kind": "ignore", "points": points}] * 16))
    assert hall("seat", "masks", "Hall", "1", masks).exit_code == 0
    number, result = 0, hall("sitting", "plan", "Exam 0", *on_day(1))
    while result.exit_code == 0:
        number += 1
        result = hall("sitting", "plan", f"Exam {number}", *on_day(number + 1))
    assert "fewer points" in result.output
    assert len(result.output.splitlines()) == 1
    assert len(rows(store, "select * from sittings")) == len(plan_of(store).sittings) == number > 1


def test_check_finds_a_sound_hub_sound(run: Run, mosquitto_broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite, store, counts and broker, each on its line, exit code 0."""
    monkeypatch.setenv("EMS_BROKER_PORT", str(mosquitto_broker.port))
    run("init")
    result = run("check")
    assert result.exit_code == 0, result.output
    assert "SQLite" in result.output
    assert "reachable" in result.output


def test_check_names_a_broken_chain_and_a_missing_broker(run: Run, store: Store) -> None:
    """A record whose predecessor is not here is named, as is a broker that does not answer."""
    from hub.store import intake

    desk = Desk()
    for number in range(4):
        desk.seal(segment(number))
    with store.write() as connection:
        intake.add_unit(connection, desk.unit, desk.public_key, 1)
        intake.add_records(connection, [(record, record.hash, 1) for record in desk.records[:2] + desk.records[3:]])
    result = run("check")
    assert result.exit_code == 3
    assert "record 1/4: the record before it is not here" in result.output
    assert "not reachable" in result.output


def test_check_tells_a_chain_that_begins_anew_and_finds_no_damage_in_it(run: Run, store: Store) -> None:
    """A desk whose card lost its records says so in a signed restart: named, and no finding. A second beginning that
    no restart announces is one."""
    from hub.store import intake

    desk = Desk()
    desk.seal(segment(1))
    desk.boot = 2
    fields = {"os_boot": "b", "previous_boot": 1, "is_clean": False, "software": "test"}
    desk.seal(wire.Restart(**fields, is_chain_new=True), seq=1, prev=wire.GENESIS)  # type: ignore[arg-type]
    desk.seal(wire.Restart(**fields), seq=1, boot=3, prev=wire.GENESIS)  # type: ignore[arg-type]
    with store.write() as connection:
        intake.add_unit(connection, desk.unit, desk.public_key, 1)
        intake.add_records(connection, [(record, record.hash, 1) for record in desk.records])
    result = run("check")
    assert "record 2/1: the chain begins anew" in result.output
    assert "record 2/1: a second record" not in result.output
    assert "record 3/1: a second record with the same predecessor" in result.output


def test_every_command_has_help() -> None:
    """`--help` works everywhere, without any setting."""
    commands: list[tuple[str, ...]] = [()]
    while commands:
        path = commands.pop()
        result = CliRunner().invoke(main, [*path, "--help"])
        assert result.exit_code == 0
        command: click.Command = main
        for word in path:
            assert isinstance(command, click.Group)
            command = command.commands[word]
        if isinstance(command, click.Group):
            commands += [(*path, name) for name in command.commands]


def test_a_seat_made_at_the_terminal_is_in_the_audit_log(run: Run, store: Store) -> None:
    """As one that is made on the page is."""
    assert run("seat", "add", "Hall", "1").exit_code == 0
    (noted,) = [
        row for row in rows(store, "select * from audit where deed = 'set_up_room'") if row["object"] == "room Hall"
    ]
    assert '"seat":"1"' in noted["detail"].replace(" ", "")
