"""`ems-hub room list`, `ems-hub seat list` and `ems-hub seat swap`: what an admin needs at the terminal mid-exam."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table

from hub.core.board import presence_of
from hub.core.visible import visible
from hub.terminal import actor_here, fail, now_utc_ms, opened, read_settings

PRESENCE_WORDS = {"online": "online", "silent": "not answering", "offline": "offline", "never_seen": "never connected"}


def _print(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(visible(cell) for cell in row))
    Console(soft_wrap=False, markup=False, highlight=False, emoji=False).print(table)


@click.group()
def room() -> None:
    """Rooms; they are made and laid out on the pages."""


@room.command("list")
def room_list() -> None:
    """Every room with its seats and desks."""
    settings = read_settings()
    from hub.store import rooms

    with opened(settings) as store:
        found = rooms.rooms(store, now_utc_ms())
    if not found:
        click.echo("no rooms yet")
        return
    rows = [(each.name, str(each.seats), str(each.units), "yes" if each.is_on else "") for each in found]
    _print(("room", "seats", "desks", "sitting on"), rows)


@click.command("list")
@click.option("--room", "room_name", help="Only this room's.")
@click.option("--spares", "is_spares", is_flag=True, help="The spare desks instead: units that stand at no seat.")
def seat_list(room_name: str | None, is_spares: bool) -> None:
    """Every seat with the desk unit that stands there."""
    if is_spares and room_name is not None:
        raise click.UsageError("a spare desk stands in no room: leave out --room or --spares")
    settings = read_settings()
    from hub.store import desks, rooms

    now = now_utc_ms()
    with opened(settings) as store:
        if is_spares:
            rows: list[tuple[str, ...]] = [
                (spare.unit, PRESENCE_WORDS[spare.presence], spare.software, spare.last_place)
                for spare in desks.spares(store, now)
            ]
            columns: tuple[str, ...] = ("spare desk", "state", "software", "stood last at")
        else:
            known = rooms.rooms(store, now)
            if room_name is not None and all(each.name != room_name for each in known):
                fail(f"no room is called {room_name!r}")
            found = [rooms.read(store, each.room_id, now) for each in known if room_name in (None, each.name)]
            rows = [
                (
                    each.name,
                    seat["label"],
                    seat["unit"] or "",
                    PRESENCE_WORDS[presence_of(seat, now)] if seat["unit"] else "",
                )
                for each in found
                if each is not None
                for seat in each.seats
            ]
            columns = ("room", "seat", "desk", "state")
    if not rows:
        click.echo("no spare desks" if is_spares else "no seats yet")
        return
    _print(columns, rows)


@click.command("swap")
@click.argument("room")
@click.argument("label")
@click.option("--unit", required=True, help="The spare desk that takes the place.")
def seat_swap(room: str, label: str, unit: str) -> None:
    """Put a spare desk at seat LABEL of ROOM instead of the one that stands there; plans follow.

    The seat keeps its history, its masks and its candidate. Only a desk that stands at no seat can take a place: see
    `ems-hub seat list --spares`.
    """
    settings = read_settings()
    from hub.store import desks, rooms

    with opened(settings) as store, store.write() as connection:
        try:
            seat = rooms.seat_called(connection, room, label)
            changed = desks.put_desk(connection, actor_here(), seat, unit, now_utc_ms())
        except rooms.CannotSetUp as cannot:
            fail(str(cannot))
    before = f" instead of {seat.unit}, which has nothing planned now" if seat.unit else ""
    click.echo(f"{unit} stands at seat {label} in {room}{before}; {len(changed)} plans changed")
