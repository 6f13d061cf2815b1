"""`ems-hub seat` and `ems-hub sitting`: where desks stand, what they watch for, and when."""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from agent import wire
from agent.wire import AlertKind, BadMessage, Mask, Mode, Rule
from hub.core.sittings import name_of
from hub.terminal import actor_here, fail, now_utc_ms, opened, read_settings

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group()
def seat() -> None:
    """Rooms and their seats."""


@seat.command("add")
@click.argument("room")
@click.argument("label")
@click.option("--unit", "unit_name", help="The unit that stands there.")
def seat_add(room: str, label: str, unit_name: str | None) -> None:
    """Make a seat, or put another unit there; plans follow."""
    settings = read_settings()
    from hub.core.audit import Deed
    from hub.store import audit, planning

    with opened(settings) as store, store.write() as connection:
        try:
            planning.put_seat(connection, room=room, label=label, unit=unit_name)
            changed = planning.replan(connection, now_utc_ms())
            detail = {"act": "added a seat", "seat": label, **({"unit": unit_name} if unit_name else {})}
            audit.add(connection, actor_here(), Deed.SET_UP_ROOM, f"room {room}", now_utc_ms(), detail)
        except planning.CannotPlan as cannot:
            fail(str(cannot))
    click.echo(f"seat {label} in {room}{f', unit {unit_name}' if unit_name else ''}; {len(changed)} plans changed")


@seat.command("masks")
@click.argument("room")
@click.argument("label")
@click.argument("file", type=_FILE, required=False)
@click.option("--none", "is_none", is_flag=True, help="Take the seat's masks away.")
def seat_masks(room: str, label: str, file: Path | None, is_none: bool) -> None:
    """Give a seat the masks in FILE (JSON or TOML) instead of those it has; plans follow.

    Each has a `kind`, "ignore" (faces there do not count) or "private" (black in every picture and recording), and
    `points`, 3 to 32 pairs [x, y] as fractions 0 to 1 of the picture's width and height, from its top left corner.
    """
    if (file is None) is not is_none:
        raise click.UsageError("name a file of masks, or --none")
    masks = () if file is None else _read_masks(file)
    settings = read_settings()
    from hub.store import desks, planning, rooms

    with opened(settings) as store, store.write() as connection:
        try:
            seat = rooms.seat_called(connection, room, label)
            changed = desks.draw_masks(connection, actor_here(), seat, masks, now_utc_ms())
        except (planning.CannotPlan, rooms.CannotSetUp) as cannot:
            fail(str(cannot))
    click.echo(f"seat {label} in {room}, {len(masks)} masks; {len(changed)} plans changed")


def _read_masks(file: Path) -> tuple[Mask, ...]:
    try:
        return wire.masks_in(file.read_bytes(), is_toml=file.suffix.lower() == ".toml")
    except (OSError, BadMessage) as error:
        fail(f"{file}: {error}")


@click.group()
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
@click.option("--rules", "rules_file", type=_FILE, help="JSON or TOML, as `ems-agent analyse --rules` has it.")
@click.option("--empty-from", "empty_from_utc_ms", type=_moment, help="The room is set up and nobody admitted yet ...")
@click.option("--empty-until", "empty_until_utc_ms", type=_moment, help="... until now: desks learn their empty seats.")
@click.option("--empty-minutes", type=click.IntRange(1, 24 * 60), help="The same, so long before the start.")
def sitting_plan(
    exam: str,
    room: str,
    start_utc_ms: int,
    end_utc_ms: int,
    mode: str | None,
    rules_file: Path | None,
    empty_from_utc_ms: int | None,
    empty_until_utc_ms: int | None,
    empty_minutes: int | None,
) -> None:
    """Plan a sitting of EXAM for every unit of a room.

    Without rules of its own it is judged by the default ones. Desks that are told when their seats are empty tell a
    bowed head from an empty seat more surely.
    """
    rules = wire.DEFAULT_RULES if rules_file is None else _read_rules(rules_file)
    empty = _empty_time(start_utc_ms, empty_from_utc_ms, empty_until_utc_ms, empty_minutes)
    settings = read_settings()
    from hub.store import planning

    name = name_of(exam, room, start_utc_ms)
    with opened(settings) as store, store.write() as connection:
        try:
            units = planning.plan_sitting(
                connection,
                sitting=name,
                exam=exam,
                room=room,
                start_utc_ms=start_utc_ms,
                end_utc_ms=end_utc_ms,
                now_utc_ms=now_utc_ms(),
                mode=Mode(mode) if mode else settings.proctoring_mode,
                rules=rules,
                empty=empty,
            )
        except planning.CannotPlan as cannot:
            fail(str(cannot))
    click.echo(f"sitting {name}, planned for {len(units)} units")


def _read_rules(file: Path) -> tuple[Rule, ...]:
    try:
        rules = wire.rules_in(file.read_bytes(), is_toml=file.suffix.lower() == ".toml")
    except (OSError, BadMessage) as error:
        fail(f"{file}: {error}")
    if any(rule.is_on and rule.kind is AlertKind.HELP_REQUESTED for rule in rules):
        fail(f"{file}: help_requested is the button's and is not judged from pictures: leave it out")
    return rules


def _empty_time(start: int, begin: int | None, until: int | None, minutes: int | None) -> tuple[int, int] | None:
    if minutes is not None:
        if begin is not None or until is not None:
            raise click.UsageError(
                "--empty-minutes counts back from the start: leave out --empty-from and --empty-until"
            )
        return start - minutes * 60_000, start
    if begin is None and until is None:
        return None
    if begin is None or until is None:
        raise click.UsageError("--empty-from and --empty-until belong together")
    return begin, until
