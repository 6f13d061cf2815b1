"""`ems-hub`: the hub's processes, and what an admin does at the terminal.

Exit codes: 0 done, 1 it cannot be done (one line says why), 2 wrong use, 3 `check` found something,
4 `verify` found nothing wrong and cannot prove who signed.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import click

from hub import (
    cli_audit,
    cli_backup,
    cli_broker,
    cli_ca,
    cli_check,
    cli_evidence,
    cli_import,
    cli_plans,
    cli_report,
    cli_retention,
    cli_rooms,
    cli_sittings,
    cli_time,
    cli_units,
    cli_wall,
)
from hub.core.access import Role
from hub.store import Store
from hub.supervision import set_at_signals
from hub.terminal import actor_here, fail, now_utc_ms, opened, read_settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The hub of an exam centre."""


@main.command()
def ingest() -> None:
    """Take the desks' messages in, until SIGTERM or Ctrl-C."""
    settings = read_settings()
    from hub.ingest import IngestProblem, run

    stop = threading.Event()
    set_at_signals(stop)
    try:
        run(settings, stop)
    except IngestProblem as problem:
        fail(str(problem))


@main.command()
def worker() -> None:
    """Sign certificates and write the list of revoked ones, until SIGTERM or Ctrl-C."""
    settings = read_settings()
    from hub.worker import WorkerProblem, run

    stop = threading.Event()
    set_at_signals(stop)
    try:
        run(settings, stop, now_utc_ms)
    except WorkerProblem as problem:
        fail(str(problem))


@main.command()
def door() -> None:
    """Serve what desks call over HTTPS: enrolment and renewal, until SIGTERM or Ctrl-C."""
    settings = read_settings()
    from hub.door.server import serve

    sys.exit(serve(settings, now_utc_ms))


@main.command()
def web() -> None:
    """Serve the pages, until SIGTERM or Ctrl-C."""
    settings = read_settings()
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
        fail(str(weak))


@user.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def user_add(name: str, role: str, password_stdin: bool) -> None:
    """Open an account."""
    settings = read_settings()
    from hub.store import people

    password_hash, told = _hashed(password_stdin)
    with opened(settings) as store:
        try:
            people.add(
                store,
                name=name,
                role=Role(role),
                password_hash=password_hash,
                now_utc_ms=now_utc_ms(),
                by=actor_here(),
            )
        except people.NameTaken as taken:
            fail(str(taken))
    click.echo(f"added {role} {name}{told}")


@user.command("passwd")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def user_passwd(name: str, password_stdin: bool) -> None:
    """Give an account a new password; its log-ins end."""
    settings = read_settings()
    from hub.store import people

    password_hash, told = _hashed(password_stdin)
    with opened(settings) as store:
        try:
            people.set_password(store, name, password_hash, now_utc_ms(), actor_here())
        except people.NobodyOfThatName as nobody:
            fail(str(nobody))
    click.echo(f"new password for {name}{told}")


@user.command("role")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
def user_role(name: str, role: str) -> None:
    """Give an account another role; its log-ins end."""
    from hub.store import people

    is_changed = _change_person(lambda store: people.set_role(store, name, Role(role), now_utc_ms(), actor_here()))
    click.echo(f"{name} is {role} {'now; log in again' if is_changed else 'already'}")


@user.command("close")
@click.argument("name")
def user_close(name: str) -> None:
    """Close an account; its log-ins end. What the person did stays under their name."""
    from hub.store import people

    is_changed = _change_person(lambda store: people.set_active(store, name, False, now_utc_ms(), actor_here()))
    click.echo(f"the account of {name} is closed {'now' if is_changed else 'already'}")


@user.command("reopen")
@click.argument("name")
def user_reopen(name: str) -> None:
    """Open a closed account again, with the password and role it had."""
    from hub.store import people

    is_changed = _change_person(lambda store: people.set_active(store, name, True, now_utc_ms(), actor_here()))
    click.echo(f"the account of {name} is open {'again' if is_changed else 'already'}")


def _change_person(change: Callable[[Store], bool]) -> bool:
    from hub.store import people

    with opened(read_settings()) as store:
        try:
            return change(store)
        except (people.NobodyOfThatName, people.LastAdmin) as cannot:
            fail(str(cannot))


main.add_command(cli_ca.init)
main.add_command(cli_ca.ca)
main.add_command(cli_units.unit)
main.add_command(cli_plans.seat)
main.add_command(cli_rooms.room)
cli_plans.seat.add_command(cli_rooms.seat_list)
cli_plans.seat.add_command(cli_rooms.seat_swap)
main.add_command(cli_plans.sitting)
cli_plans.sitting.add_command(cli_sittings.sitting_list)
cli_plans.sitting.add_command(cli_sittings.sitting_cancel)
main.add_command(cli_broker.broker)
main.add_command(cli_time.time_group)
main.add_command(cli_audit.audit_group)
main.add_command(cli_check.check)
main.add_command(cli_import.import_card)
main.add_command(cli_backup.backup)
main.add_command(cli_backup.restore)
main.add_command(cli_backup.rebuild)
main.add_command(cli_retention.retention_group)
main.add_command(cli_retention.hold)
main.add_command(cli_evidence.seal)
main.add_command(cli_evidence.bundle)
main.add_command(cli_evidence.verify_bundle)
main.add_command(cli_report.report_group)
main.add_command(cli_wall.wall_group)
cli_plans.sitting.add_command(cli_report.sitting_report)


if __name__ == "__main__":
    main()
