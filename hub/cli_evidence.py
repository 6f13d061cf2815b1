"""`ems-hub seal`: what the hub has countersigned."""

from __future__ import annotations

import datetime

import click

from hub.core import countersign
from hub.store import Store, countersigned
from hub.terminal import fail, now_utc_ms, opened, read_settings

DAY_MS = 86_400_000


def findings(store: Store) -> list[str]:
    """What is wrong with the countersignatures, and which records are not those they stand for; for `ems-hub check`."""
    count, found = countersigned.faults(store)
    click.echo(f"{count} countersignatures")
    return found + countersigned.cut_off(store)


@click.group()
def seal() -> None:
    """The hub's countersignatures over the desks' chains, one a minute."""


def _moment(text: str) -> int:
    """UTC milliseconds of an ISO time; without an offset it is UTC."""
    try:
        at = datetime.datetime.fromisoformat(text)
    except ValueError:
        fail(f"{text!r} is no time: write it as 2026-06-01T09:30 (UTC) or 2026-06-01T09:30+02:00")
    return int((at if at.tzinfo else at.replace(tzinfo=datetime.UTC)).timestamp() * 1000)


def _told(utc_ms: int) -> str:
    return f"{datetime.datetime.fromtimestamp(utc_ms / 1000, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"


@seal.command()
@click.option(
    "--at", "at", default="", help="The newest that is not later than this time (ISO, UTC without an offset)."
)
def show(at: str) -> None:
    """The newest countersignature: its short code, as reports print it, and the whole root."""
    until_utc_ms = _moment(at) if at else None
    with opened(read_settings()) as store, store.read() as connection:
        stored = countersigned.newest(connection, until_utc_ms)
        if stored is None:
            fail("nothing was countersigned" + (" by then" if at else " yet: the worker does it, `ems-hub worker`"))
        minute = stored.minute
        last_utc_ms = until_utc_ms or now_utc_ms()
        pauses = countersigned.pauses(connection, minute.at_utc_ms - DAY_MS)
    click.echo(f"code {countersign.code(minute.root)}")
    click.echo(f"root {minute.root}")
    click.echo(f"countersignature {minute.number}, {_told(minute.at_utc_ms)}, {minute.leaves - 2} desks")
    click.echo(f"audit log up to entry {stored.audit_id}")
    for began, ended in pauses:
        if began < minute.at_utc_ms:
            click.echo(f"nothing was countersigned from {_told(began)} to {_told(ended)}")
    if last_utc_ms - minute.at_utc_ms > 2 * countersign.EVERY_MS:
        click.echo(f"nothing was countersigned since {_told(minute.at_utc_ms)}")
