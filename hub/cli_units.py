"""`ems-hub unit`: which desk units there are, who wants to be one, and who no longer is."""

from __future__ import annotations

import datetime
import re
import sqlite3
from collections.abc import Callable
from typing import TypeVar

import click

from hub.core.audit import Deed
from hub.core.enrolment import is_unit_name
from hub.core.visible import visible
from hub.store import audit
from hub.store.enrolling import CannotEnrol
from hub.store.units import UnitRow
from hub.terminal import actor_here, fail, now_utc_ms, opened, read_settings, who_is_here

Answer = TypeVar("Answer")


@click.group()
def unit() -> None:
    """Desk units."""


@unit.command("add")
@click.argument("name")
@click.option("--public-key", required=True, help="Ed25519, 64 hexadecimal digits, as `ems-agent doctor` shows it.")
def unit_add(name: str, public_key: str) -> None:
    """Enrol a unit with its key. A second key for the same name is refused."""
    settings = read_settings()
    from hub.store import intake

    if not is_unit_name(name):
        fail(f"{name!r} is not a unit's name: it is CENTRE.DESK in small letters, digits and dashes")
    key = public_key.lower()
    if re.fullmatch("[0-9a-f]{64}", key) is None:
        fail("the public key must be 64 hexadecimal digits")
    with opened(settings) as store, store.write() as connection:
        known = intake.known_units(connection).get(name)
        if known is not None and known.public_key != key:
            fail(f"{name} is enrolled with another key; a card with a new key gets a new name")
        intake.add_unit(connection, name, key, now_utc_ms())
        if known is None:
            _note(connection, Deed.APPROVED_UNIT, f"unit {name}", public_key=key)
    click.echo(f"unit {name} {'was enrolled already' if known else 'enrolled'}")


@unit.command("list")
def unit_list() -> None:
    """Every unit: where it stands and until when its certificate holds."""
    from hub.store import units

    with opened(read_settings()) as store, store.read() as connection:
        rows = units.units(connection)
    for row in rows:
        place = f"{row.room}, seat {row.seat}" if row.seat else "no seat"
        click.echo(f"{row.unit}  {place}  {_standing(row)}")
    if not rows:
        click.echo("no units yet: desks ask to be let in with `ems-agent setup`, see `ems-hub unit requests`")


def _standing(row: UnitRow) -> str:
    if row.is_revoked:
        when = f" on {_day(row.revoked_utc_ms)} by {row.revoked_by}" if row.revoked_utc_ms is not None else ""
        return f"revoked{when}: {row.revoked_why}"
    if row.certificate_ends_utc_ms is None:
        return "no certificate yet"
    return f"certificate until {_day(row.certificate_ends_utc_ms)}"


def _day(utc_ms: int) -> str:
    return f"{datetime.datetime.fromtimestamp(utc_ms / 1000, datetime.UTC):%Y-%m-%d}"


@unit.command("requests")
def unit_requests() -> None:
    """Desks that wait to be let in, with the code that each shows."""
    from hub.store import enrolling

    with opened(read_settings()) as store, store.read() as connection:
        waiting = enrolling.waiting(connection)
    for each in waiting:
        wishes = [
            f"wants the name {each.wanted}" if each.wanted else "",
            f"replaces {each.replaces}" if each.replaces else "",
        ]
        told = [
            each.model,
            f"serial {each.serial}" if each.serial else "",
            each.software,
            f"from {each.address}",
            *wishes,
        ]
        # What a desk tells of itself must not steer the terminal.
        click.echo("  ".join([each.code, *(visible(text) for text in told if text)]))
    if not waiting:
        click.echo("no desk waits")


@unit.command("approve")
@click.argument("code")
@click.argument("room", required=False, default="")
@click.argument("seat", required=False, default="")
@click.option("--name", default="", help="Default: the name it wants, else the next free one.")
@click.option(
    "--replaces",
    default="",
    help="The unit whose place it takes; that one is revoked. Default, without a seat: the one that it names itself.",
)
def unit_approve(code: str, room: str, seat: str, name: str, replaces: str) -> None:
    """Let the desk that shows CODE in, at a seat. ROOM and SEAT may be left out when it takes another unit's place."""
    from hub.store import enrolling

    def approve(connection: sqlite3.Connection) -> tuple[str, str]:
        request = enrolling.by_code(connection, code)
        old = replaces or ("" if room or seat else enrolling.replaced_by(connection, request))
        approved = enrolling.approve(
            connection,
            request.enrolment_id,
            who=who_is_here(),
            now_utc_ms=now_utc_ms(),
            room=room,
            label=seat,
            unit=name,
            replaces=old,
            code=request.code,
        )
        _note(
            connection, Deed.APPROVED_UNIT, f"unit {approved}", code=request.code, **({"replaces": old} if old else {})
        )
        return approved, old

    unit_name, old = _write(approve)
    click.echo(f"unit {unit_name} approved{f', {old} revoked' if old else ''}; the worker makes its certificate")


@unit.command("reject")
@click.argument("code")
@click.option("--why", required=True, help="The desk shows it.")
def unit_reject(code: str, why: str) -> None:
    """Refuse the desk that shows CODE."""
    from hub.store import enrolling

    def reject(connection: sqlite3.Connection) -> str:
        request = enrolling.by_code(connection, code)
        enrolling.reject(connection, request.enrolment_id, reason=why, who=who_is_here(), now_utc_ms=now_utc_ms())
        _note(connection, Deed.REJECTED_UNIT, f"request {request.code}", reason=why)
        return request.code

    click.echo(f"request {_write(reject)} rejected")


@unit.command("revoke")
@click.argument("name")
@click.option("--why", required=True)
def unit_revoke(name: str, why: str) -> None:
    """Cut a unit off for good. Its records stay; the card comes back only with a new key and name."""
    from hub.store import enrolling

    def revoke(connection: sqlite3.Connection) -> bool:
        is_changed = enrolling.revoke(connection, name, who=who_is_here(), why=why, now_utc_ms=now_utc_ms())
        if is_changed:
            _note(connection, Deed.REVOKED_UNIT, f"unit {name}", why=why)
        return is_changed

    is_changed = _write(revoke)
    click.echo(f"unit {name} is revoked {'now' if is_changed else 'already'}; the worker puts it on the list")


def _write(change: Callable[[sqlite3.Connection], Answer]) -> Answer:
    with opened(read_settings()) as store, store.write() as connection:
        try:
            return change(connection)
        except CannotEnrol as cannot:
            fail(str(cannot))


def _note(connection: sqlite3.Connection, deed: Deed, what: str, **detail: str) -> None:
    audit.add(connection, actor_here(), deed, what, now_utc_ms(), detail)
