"""`ems-hub time`: the centre's time service, and whether this hub's own clock may be believed."""

from __future__ import annotations

import sys

import click

from hub import timing
from hub.terminal import fail, now_utc_ms, opened, read_settings, who_is_here


@click.group("time")
def time_group() -> None:
    """The centre's time."""


@time_group.command("config")
@click.option("--network", "networks", multiple=True, help="Who may ask, as 192.168.7.0/24; else all private networks.")
@click.option("--source", "sources", multiple=True, help="A time server or pool to follow; else pool.ntp.org.")
@click.option("--alone", is_flag=True, help="Follow nobody: a centre without internet whose clock a person sets.")
def time_config(networks: tuple[str, ...], sources: tuple[str, ...], alone: bool) -> None:
    """Print chrony's configuration for this hub: sudo sh -c 'ems-hub time config > /etc/chrony/chrony.conf'."""
    if alone and sources:
        fail("--alone and --source exclude each other")
    try:
        allowed = timing.networks_of(networks or timing.DEFAULT_NETWORKS)
        text = timing.chrony_conf(allowed, () if alone else sources or timing.DEFAULT_SOURCES)
    except ValueError as error:
        fail(str(error))
    click.echo(text, nl=False)


@time_group.command("check")
def time_check() -> None:
    """Say whether this hub's clock can be trusted, and why not; exit code 3 when certificates would be refused."""
    settings = read_settings()
    from hub import clock
    from hub.store import certificates

    newest_utc_ms = 0
    if settings.database_path.exists():
        with opened(settings) as store, store.read() as connection:
            newest_utc_ms = certificates.newest_hub_time(connection)
    doubt = clock.doubt(now_utc_ms(), newest_utc_ms, is_vouched_for=settings.is_clock_trusted)
    click.echo(timing.in_words(timing.tracking()))
    if doubt:
        click.echo(f"not trusted, no certificate is issued: {doubt}")
        sys.exit(3)
    if not clock.is_synchronised():
        click.echo("trusted, because somebody vouches for it (EMS_IS_CLOCK_TRUSTED): no time server keeps it")
    else:
        click.echo("trusted: a time server keeps this clock")


@time_group.command("accept")
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
def time_accept(is_confirmed: bool) -> None:
    """Say that the present time is right, though certificates were issued at a later one: the clock was wrong then."""
    settings = read_settings()
    from hub import clock
    from hub.store import certificates

    with opened(settings) as store:
        with store.read() as connection:
            newest_utc_ms = certificates.newest_hub_time(connection)
        if why := clock.impossible(now_utc_ms()):
            fail(why)
        if now_utc_ms() >= newest_utc_ms:
            fail("there is nothing to accept: no certificate was issued later than now")
        if not is_confirmed:
            click.confirm(
                f"It is {clock.as_text(now_utc_ms())}, and the store has seen {clock.as_text(newest_utc_ms)} by a "
                "clock that was wrong. Certificates are then issued by this time, and your name is written down. "
                "Is the present time right?",
                abort=True,
            )
        with store.write() as connection:
            accepted_utc_ms, who = now_utc_ms(), who_is_here()
            certificates.accept_time(connection, who=who, now_utc_ms=accepted_utc_ms)
    click.echo(f"accepted by {who}: it is {clock.as_text(accepted_utc_ms)}")
