"""`ems-hub wall`: screens that show the wall, each by a token of its own."""

from __future__ import annotations

import datetime as dt
import html
import secrets

import click

from hub.terminal import actor_here, fail, now_utc_ms, opened, read_settings


@click.group("wall")
def wall_group() -> None:
    """Screens in the control room: read-only, without a person's log-in."""


@wall_group.command("add")
@click.argument("name")
@click.option("--url", required=True, help="The hub's pages as the screen reaches them, https://hub.example")
@click.option("--room", default="", help="Only this room; without it every room with a sitting.")
@click.option("--pictures", is_flag=True, help="Show the desks' pictures.")
@click.option("--page", "is_page", is_flag=True, help="Print a start page for systemd/ems-wall.service.")
def add(name: str, url: str, room: str, pictures: bool, is_page: bool) -> None:
    """Let the screen NAME in. Its address is printed once and kept nowhere; who has it sees the wall."""
    from hub.store import walls

    if not url.startswith(("https://", "http://")):
        fail(f"{url!r} is no address of the pages: write it as https://hub.example")
    token = secrets.token_urlsafe(32)
    with opened(read_settings()) as store:
        try:
            walls.add(store, name, token, room, pictures, actor_here(), now_utc_ms())
        except walls.CannotAdd as cannot:
            fail(str(cannot))
    address = f"{url.rstrip('/')}/wall#{token}"
    click.echo(start_page(address) if is_page else address)


def start_page(address: str) -> str:
    """A page that leads a browser to `address`: so the token stands in a file that only root reads, and on no command
    line."""
    target = html.escape(address, quote=True)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Wall</title>'
        f'<meta http-equiv="refresh" content="0; url={target}"><p>Going to the hub ...'
    )


@wall_group.command("list")
def list_walls() -> None:
    """Every screen, with when it was last there."""
    from hub.store import walls

    with opened(read_settings()) as store:
        found = walls.everyone(store)
    for each in found:
        seen = "never seen" if each.last_seen_utc_ms is None else f"last seen {_utc(each.last_seen_utc_ms)}"
        shut = f", revoked by {each.revoked_by} at {_utc(each.revoked_utc_ms)}" if each.revoked_utc_ms else ""
        room = each.room or "every room"
        click.echo(f"{each.wall_id}  {each.name}: {room}, made by {each.made_by}, {seen}{shut}")
    if not found:
        click.echo("no screens")


@wall_group.command("revoke")
@click.argument("number", type=click.IntRange(min=1))
def revoke(number: int) -> None:
    """Shut screen NUMBER out; what it shows ends within a second or two."""
    from hub.store import walls

    with opened(read_settings()) as store:
        try:
            wall = walls.revoke(store, number, actor_here(), now_utc_ms())
        except walls.NoSuchWall as cannot:
            fail(str(cannot))
    click.echo(f"{wall.name} is shut out")


def _utc(utc_ms: int) -> str:
    return f"{dt.datetime.fromtimestamp(utc_ms / 1000, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
