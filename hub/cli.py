"""`ems-hub`: the hub's processes, and what an admin does at the terminal.

Exit codes: 0 done, 1 it cannot be done (one line says why), 2 wrong use, 3 `check` found something.
"""

from __future__ import annotations

import datetime
import logging
import re
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from agent.wire import UNIT_PATTERN, Mode
from hub import config
from hub.config import Settings
from hub.store import Store, StoreProblem


def _now_utc_ms() -> int:
    return time.time_ns() // 1_000_000


def _fail(text: str) -> NoReturn:
    raise click.ClickException(text)


def _settings() -> Settings:
    try:
        settings = config.load()
    except config.BadSetting as bad:
        _fail(str(bad))
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    return settings


@contextmanager
def _opened(settings: Settings) -> Iterator[Store]:
    try:
        store = Store(settings.database_path)
    except StoreProblem as problem:
        _fail(str(problem))
    try:
        yield store
    except sqlite3.Error as error:
        _fail(f"the store cannot do that: {error}")
    finally:
        store.close()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The hub of an exam centre."""


@main.command()
def init() -> None:
    """Create the store and bring it up to date; safe to repeat."""
    settings = _settings()
    was_there = settings.database_path.exists()
    with _opened(settings) as store, store.read() as connection:
        version = connection.execute("pragma user_version").fetchone()[0]
        click.echo(f"store {store.path}: {'found' if was_there else 'created'}, schema version {version}")


@main.command()
def ingest() -> None:
    """Take the desks' messages in, until SIGTERM or Ctrl-C."""
    settings = _settings()
    from hub.ingest import IngestProblem, run

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        run(settings, stop)
    except IngestProblem as problem:
        _fail(str(problem))


@main.command()
def web() -> None:
    """Serve the pages, until SIGTERM or Ctrl-C."""
    settings = _settings()
    from hub.web.server import serve

    sys.exit(serve(settings))


# --- people ---------------------------------------------------------------------------------------------------------


@main.group()
def user() -> None:
    """Who may log in."""


def _new_password(from_stdin: bool) -> tuple[str, bool]:
    """(password, whether it was generated): one line of standard input, else typed, else, when nothing is typed or
    nobody sits there, made up."""
    from hub.passwords import generate

    if from_stdin:
        return sys.stdin.readline().rstrip("\n"), False
    typed = ""
    if sys.stdin.isatty():
        typed = click.prompt(
            "password (empty: make one)", default="", show_default=False, hide_input=True, confirmation_prompt=True
        )
    return (typed, False) if typed else (generate(), True)


def _hashed(from_stdin: bool) -> tuple[str, str]:
    """(hash, what to say): a generated password is shown once."""
    from hub.passwords import WeakPassword, hash_password

    password, is_generated = _new_password(from_stdin)
    try:
        return hash_password(password), f", password {password} (shown only now)" if is_generated else ""
    except WeakPassword as weak:
        _fail(str(weak))


@user.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(["admin", "proctor"]), required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def user_add(name: str, role: str, password_stdin: bool) -> None:
    """Open an account."""
    settings = _settings()
    from hub.core.access import Role
    from hub.store import people

    password_hash, told = _hashed(password_stdin)
    with _opened(settings) as store:
        try:
            people.add(store, name=name, role=Role(role), password_hash=password_hash, now_utc_ms=_now_utc_ms())
        except people.NameTaken as taken:
            _fail(str(taken))
    click.echo(f"added {role} {name}{told}")


@user.command("passwd")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def user_passwd(name: str, password_stdin: bool) -> None:
    """Give an account a new password; its log-ins end."""
    settings = _settings()
    from hub.store import people

    password_hash, told = _hashed(password_stdin)
    with _opened(settings) as store:
        try:
            people.set_password(store, name, password_hash)
        except people.NobodyOfThatName as nobody:
            _fail(str(nobody))
    click.echo(f"new password for {name}{told}")


@user.command("role")
@click.argument("name")
@click.option("--role", type=click.Choice(["admin", "proctor"]), required=True)
def user_role(name: str, role: str) -> None:
    """Give an account another role; its log-ins end."""
    from hub.core.access import Role
    from hub.store import people

    is_changed = _change_person(lambda store: people.set_role(store, name, Role(role)))
    click.echo(f"{name} is {role} {'now; log in again' if is_changed else 'already'}")


@user.command("close")
@click.argument("name")
def user_close(name: str) -> None:
    """Close an account; its log-ins end. What the person did stays under their name."""
    from hub.store import people

    is_changed = _change_person(lambda store: people.set_active(store, name, False))
    click.echo(f"the account of {name} is closed {'now' if is_changed else 'already'}")


@user.command("reopen")
@click.argument("name")
def user_reopen(name: str) -> None:
    """Open a closed account again, with the password and role it had."""
    from hub.store import people

    is_changed = _change_person(lambda store: people.set_active(store, name, True))
    click.echo(f"the account of {name} is open {'again' if is_changed else 'already'}")


def _change_person(change: Callable[[Store], bool]) -> bool:
    from hub.store import people

    with _opened(_settings()) as store:
        try:
            return change(store)
        except (people.NobodyOfThatName, people.LastAdmin) as cannot:
            _fail(str(cannot))


# --- units, seats, sittings -----------------------------------------------------------------------------------------


@main.group()
def unit() -> None:
    """Desk units."""


@unit.command("add")
@click.argument("name")
@click.option("--public-key", required=True, help="Ed25519, 64 hexadecimal digits, as `ems-agent check` shows it.")
def unit_add(name: str, public_key: str) -> None:
    """Enrol a unit with its key. A second key for the same name is refused."""
    settings = _settings()
    from hub.store import intake

    if re.fullmatch(UNIT_PATTERN, name) is None or name.endswith("\n"):
        _fail(f"{name!r} is not a unit's name: it is CENTRE.DESK in small letters, digits and dashes")
    key = public_key.lower()
    if re.fullmatch("[0-9a-f]{64}", key) is None:
        _fail("the public key must be 64 hexadecimal digits")
    with _opened(settings) as store, store.write() as connection:
        known = intake.known_units(connection).get(name)
        if known is not None and known.public_key != key:
            _fail(f"{name} is enrolled with another key; a card with a new key gets a new name")
        intake.add_unit(connection, name, key, _now_utc_ms())
    click.echo(f"unit {name} {'was enrolled already' if known else 'enrolled'}")


@main.group()
def seat() -> None:
    """Rooms and their seats."""


@seat.command("add")
@click.argument("room")
@click.argument("label")
@click.option("--unit", "unit_name", help="The unit that stands there.")
def seat_add(room: str, label: str, unit_name: str | None) -> None:
    """Make a seat, or put another unit there; plans follow."""
    settings = _settings()
    from hub.store import planning

    with _opened(settings) as store, store.write() as connection:
        try:
            planning.put_seat(connection, room=room, label=label, unit=unit_name)
        except planning.CannotPlan as cannot:
            _fail(str(cannot))
        changed = planning.replan(connection, _now_utc_ms())
    click.echo(f"seat {label} in {room}{f', unit {unit_name}' if unit_name else ''}; {len(changed)} plans changed")


@main.group()
def sitting() -> None:
    """Sittings and the desks' plans."""


def _moment(text: str) -> int:
    """An ISO 8601 time with its offset, as milliseconds UTC."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time like 2027-05-31T09:00+02:00") from None
    if moment.tzinfo is None:
        raise click.BadParameter(f"{text!r} does not say its offset from UTC: write 2027-05-31T09:00+02:00 or ...Z")
    return int(moment.timestamp() * 1000)


@sitting.command("plan")
@click.argument("exam")
@click.option("--room", required=True)
@click.option("--start", "start_utc_ms", type=_moment, required=True, help="2027-05-31T09:00+02:00")
@click.option("--end", "end_utc_ms", type=_moment, required=True)
@click.option("--mode", type=click.Choice([mode.value for mode in Mode]), help="Default: PROCTORING_MODE.")
def sitting_plan(exam: str, room: str, start_utc_ms: int, end_utc_ms: int, mode: str | None) -> None:
    """Plan a sitting of EXAM for every unit of a room."""
    settings = _settings()
    from hub.store import planning

    name = _sitting_name(exam, room, start_utc_ms)
    with _opened(settings) as store, store.write() as connection:
        try:
            units = planning.plan_sitting(
                connection,
                sitting=name,
                exam=exam,
                room=room,
                start_utc_ms=start_utc_ms,
                end_utc_ms=end_utc_ms,
                now_utc_ms=_now_utc_ms(),
                mode=Mode(mode) if mode else settings.proctoring_mode,
            )
        except planning.CannotPlan as cannot:
            _fail(str(cannot))
    click.echo(f"sitting {name}, planned for {len(units)} units")


def _sitting_name(exam: str, room: str, start_utc_ms: int) -> str:
    """A name that people can read and desks can use as a folder: letters of exam and room, and the start."""
    start = datetime.datetime.fromtimestamp(start_utc_ms / 1000, datetime.UTC)
    words = re.sub("[^a-z0-9]+", "-", f"{exam[:24]} {room[:20]}".lower()).strip("-")
    return f"{words}-{start:%Y%m%dt%H%Mz}".strip("-")


# --- check ----------------------------------------------------------------------------------------------------------


@main.command()
def check() -> None:
    """Look the hub over: SQLite, the store, the desks' chains, the broker."""
    settings = _settings()
    from hub.store import checking

    if not settings.database_path.exists():
        _fail(f"there is no store at {settings.database_path}: run `ems-hub init`")
    findings = []
    race = "has the WAL-reset race; writers take turns" if checking.has_wal_reset_race() else "sound"
    click.echo(f"SQLite {sqlite3.sqlite_version}: {race}")
    with _opened(settings) as store:
        damage = checking.damage(store)
        findings += [f"store: {line}" for line in damage]
        click.echo(f"store {store.path}: {'DAMAGED' if damage else 'sound'}")
        click.echo(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in checking.counts(store).items()))
        for chain in checking.chains(store):
            click.echo(f"{chain.unit}: {chain.records} records")
            for (boot, seq), what in [(name, "the record before it is not here") for name in chain.missing] + [
                (name, "a second record with the same predecessor") for name in chain.forks
            ]:
                findings.append(f"{chain.unit}: record {boot}/{seq}: {what}")
    broker = f"{settings.broker_host}:{settings.broker_port}"
    try:
        socket.create_connection((settings.broker_host, settings.broker_port), timeout=5).close()
        click.echo(f"broker {broker}: reachable")
    except OSError as error:
        findings.append(f"broker {broker}: not reachable ({error.strerror or error})")
    for finding in findings:
        click.echo(finding, err=True)
    if findings:
        sys.exit(3)


if __name__ == "__main__":
    main()
