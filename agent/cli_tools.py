"""The technician's commands, over SSH or at a keyboard: status, doctor, logs, support-bundle, drill, time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import NoReturn

import click
import msgspec

from agent import config, host, service_settings
from agent.wire import Instant

DRILL_WITHIN_S = 15.0
DRILL_EVERY_S = 0.1
MOOD_STYLES = {"good": "green", "bad": "bold red", "": ""}
LEVEL_STYLES = {"PASS": "green", "WARN": "yellow", "FAIL": "bold red"}


def _refuse(words: str, code: int = 2) -> NoReturn:
    click.echo(f"ems-agent: {words}", err=True)
    sys.exit(code)


def _given() -> tuple[config.Settings, dict[str, str]]:
    """(settings, the environment that they came from)."""
    try:
        return service_settings.load()
    except config.BadSetting as error:
        _refuse(str(error))


def _settings() -> config.Settings:
    return _given()[0]


def _now() -> Instant:
    return host.Clock().now()


def _show_rows(rows: list[tuple[str, str, str]], styles: dict[str, str]) -> None:
    """Lines of (name, words, style's name): in colours and wrapped on a terminal, one line each for a pipe."""
    width = max(len(name) for name, _, _ in rows)
    if not sys.stdout.isatty():
        for name, words, _ in rows:
            click.echo(f"{name:<{width}}  {words}")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, words, mood in rows:
        table.add_row(Text(name), Text(words, style=styles.get(mood, "")))
    Console().print(table)


@click.command()
@click.option("--json", "is_json", is_flag=True, help="the whole of it, for a program")
def status(is_json: bool) -> None:
    """What the running agent says of itself, on one screen. Exit code 0 when it runs and answers, else 1."""
    settings = _settings()
    from agent import status as screen
    from agent.core.local_status import Life

    now = _now()
    found, finding = screen.find(settings, now)
    if is_json:
        click.echo(msgspec.json.encode(screen.as_values(found, finding)).decode())
    else:
        _show_rows(list(screen.rows(found, finding, settings, now)), MOOD_STYLES)
    sys.exit(0 if finding.life is Life.RUNNING else 1)


def _examine(is_json: bool) -> None:
    settings = _settings()
    from agent import doctor as checks

    lines = checks.examine(checks.case_of(settings, _now()))
    if is_json:
        click.echo(msgspec.json.encode([line._asdict() for line in lines]).decode())
    elif sys.stdout.isatty():
        _show_rows([(f"{line.level}  {line.name}", line.words, line.level) for line in lines], LEVEL_STYLES)
    else:
        for line in lines:
            click.echo(f"{line.level}  {line.name:<11} {line.words}")
    sys.stdout.flush()
    # a check that hangs in a driver must not keep this process: its thread is a daemon, but libraries wait for it
    is_bad = any(line.level == "FAIL" for line in lines)
    if any(thread.name.startswith("doctor-") for thread in threading.enumerate()):
        os._exit(int(is_bad))
    sys.exit(int(is_bad))


@click.command()
@click.option("--json", "is_json", is_flag=True, help="a list of name, level, words")
def doctor(is_json: bool) -> None:
    """Try each part of this desk: PASS, WARN or FAIL with the remedy; exit code 1 if any failed."""
    _examine(is_json)


@click.command()
@click.option("--json", "is_json", is_flag=True, help="a list of name, level, words")
def check(is_json: bool) -> None:
    """The same as doctor."""
    _examine(is_json)


@click.command()
@click.option("-n", "lines", default=100, show_default=True, type=click.IntRange(0, 1_000_000), help="how many lines")
@click.option("-f", "is_followed", is_flag=True, help="go on with what comes, until Ctrl-C")
def logs(lines: int, is_followed: bool) -> None:
    """The agent's log: the journal's, newest last."""
    program = shutil.which("journalctl")
    if program is None or not Path("/run/systemd/system").is_dir():
        _refuse(
            "this machine has no systemd journal: the lines go to the standard output of `ems-agent run`, "
            "wherever that was sent (a container's log, a terminal)",
            1,
        )
    command = [program, "--unit=ems-agent", "--unit=ems-panel", "-n", str(lines)]
    command += ["--follow"] if is_followed else ["--no-pager"]
    sys.exit(subprocess.run(command, check=False).returncode)


@click.command("support-bundle")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="the file; else a name with the time")
def support_bundle(out: Path | None) -> None:
    """An archive for whoever helps from afar: state, checks, versions, logs; no secret, no picture."""
    settings, environ = _given()
    from agent import doctor as checks
    from agent.support_bundle import LEFT_OUT, make_bundle

    now = _now()
    case = checks.case_of(settings, now)
    unit = case.identity.unit or settings.unit or "desk"
    path = out or Path(f"ems-support-{unit}-{now.utc_ms // 1000}.tar.gz")
    click.echo("trying each part, this takes some seconds ...", err=True)
    try:
        made = make_bundle(path, case, checks.examine(case), environ, Path.cwd())
    except OSError as error:
        _refuse(f"{path} cannot be written: {error.strerror}; give another place with --out", 1)
    click.echo(f"{path}, {path.stat().st_size} bytes:")
    for name, size in made.members:
        click.echo(f"  {name:<14} {size} bytes")
    click.echo(f"left out: {'; '.join(LEFT_OUT)}")
    for words in made.dropped:
        click.echo(f"not in it: {words}")


@click.command()
@click.option("--force", "why", help="needed while a sitting is on: the reason, in a sentence")
@click.option("--end", "is_end", is_flag=True, help="clear the drill that is on")
def drill(why: str | None, is_end: bool) -> None:
    """An incident that never happened, from judge to lamp and hub, stamped and timed. Exit code 0: all arrived."""
    settings = _settings()
    from agent import drilling

    try:
        if is_end:
            click.echo(drilling.end(settings))
            return
        asked = drilling.begin(settings, why or "")
    except drilling.NoDrill as problem:
        _refuse(str(problem), 1)
    click.echo(f"DRILL {asked.alert}")
    is_passed = drilling.follow(settings, asked, DRILL_WITHIN_S, DRILL_EVERY_S, click.echo)
    click.echo("PASS" if is_passed else "FAIL")
    click.echo("the lamp goes back by itself after ten seconds; `ems-agent drill --end` does it now")
    sys.exit(0 if is_passed else 1)


@click.group("time")
def time_group() -> None:
    """The desk's clock."""


@time_group.command("config")
@click.option("--hub", help="the hub's name or address, else EMS_HUB or the broker's")
def time_config(hub: str | None) -> None:
    """Print chrony's configuration for this desk: sudo sh -c 'ems-agent time config > /etc/chrony/chrony.conf'."""
    from agent.time_service import chrony_conf, server_of

    server = hub
    if server is None:
        settings = _settings()
        from agent.identity_view import view_identity

        identity = view_identity(settings.storage_path)
        server = server_of(identity.hub or settings.hub, settings.broker_host)
    if not server:
        _refuse("EMS_HUB: no hub on another machine is set, so whose time? give it with --hub NAME")
    try:
        click.echo(chrony_conf(server), nl=False)
    except ValueError as error:
        _refuse(str(error))


COMMANDS = (status, doctor, check, logs, support_bundle, drill, time_group)
