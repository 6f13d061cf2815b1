"""`ems-hub sitting list` and `ems-hub sitting cancel`."""

from __future__ import annotations

import datetime as dt

import click

from hub.core.said import Refusal
from hub.core.sittings import STATE_WORDS, State
from hub.terminal import actor_here, fail, now_utc_ms, opened, read_settings


@click.command("list")
@click.option("--all", "is_all", is_flag=True, help="Those that are over or cancelled too.")
def sitting_list(is_all: bool) -> None:
    """List sittings, one a line: name, state, start and latest end (UTC), room, candidates, exam."""
    from hub.store import exams

    now = now_utc_ms()
    with opened(read_settings()) as store, store.read() as connection:
        found = exams.sittings_of(connection)
    shown = [each for each in found if is_all or each.state(now) in (State.PLANNED, State.RUNNING)]
    for each in reversed(shown):
        times = f"{_moment(each.start_utc_ms)}  {_moment(each.latest_end_utc_ms)}"
        state = STATE_WORDS[each.state(now)].lower()
        click.echo(f"{each.sitting}  {state}  {times}  {each.room}  {each.candidates} candidates  {each.exam}")
    if not shown:
        click.echo("no sitting is running or planned" if found else "no sitting was ever planned")


def _moment(utc_ms: int) -> str:
    return f"{dt.datetime.fromtimestamp(utc_ms / 1000, dt.UTC):%Y-%m-%dT%H:%MZ}"


@click.command("cancel")
@click.argument("name")
@click.option("--reason", required=True, help="Kept with your name in the audit log.")
def sitting_cancel(name: str, reason: str) -> None:
    """Cancel a sitting that has not begun: it leaves the desks' plans, its roster stays."""
    from hub.store import exams, profiles

    with opened(read_settings()) as store, store.write() as connection:
        try:
            found = exams.sitting(connection, name)
            exams.cancel(connection, actor_here(), name, found.version if found else 0, reason, now_utc_ms())
        except (Refusal, profiles.Overtaken) as cannot:
            fail(str(cannot))
    click.echo(f"sitting {name} is cancelled")
