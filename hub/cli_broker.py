"""`ems-hub broker`: the broker's configuration, what is done before it starts, and whether it does what it must."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

import click

from hub.broker import MAX_CONNECTIONS, PORT, STATE, USER, Place, plugin_path
from hub.broker_files import BrokerProblem, is_readable_by, must_be_read, set_aside_if_damaged, write_files
from hub.config import Settings
from hub.enrolment import CaFolder
from hub.live import LiveFolder
from hub.terminal import fail, now_utc_ms, read_settings

_FOLDER = click.Path(path_type=Path, file_okay=False)
FRESH_MS = 5_000
"""Ingest tells its figures every second; older ones are of one that has ended."""


@click.group()
def broker() -> None:
    """The centre's mosquitto."""


@broker.command("config")
@click.option("--out", "folder", type=_FOLDER, required=True, help="Where mosquitto.conf and the access rules go.")
@click.option("--port", type=click.IntRange(1, 65_535), default=PORT, show_default=True)
@click.option("--host", default="", help="The address to listen at. Default: all of this machine's.")
@click.option("--user", default=USER, show_default=True, help="The broker's own account.")
@click.option("--state", type=_FOLDER, default=STATE, show_default=True, help="The folder that the broker may write.")
@click.option("--credentials", type=_FOLDER, help="A folder with server.crt and server.key, instead of EMS_CA_PATH's.")
@click.option("--max-connections", type=click.IntRange(1), default=MAX_CONNECTIONS, show_default=True)
def config(
    folder: Path, port: int, host: str, user: str, state: Path, credentials: Path | None, max_connections: int
) -> None:
    """Write mosquitto.conf and access.acl into a folder, and the plugin's file into the broker's own; safe to repeat.

    Run it as root: the access rules and the plugin's file must be the broker's own. The broker reads a changed
    configuration when it is restarted, changed access rules and certificates at `systemctl reload`.
    """
    settings = read_settings()
    place = Place(
        folder=folder.resolve(),
        ca=CaFolder(Path(settings.ca_path).resolve()),
        port=port,
        host=host,
        user=user,
        state=state.resolve(),
        plugin=plugin_path(),
        credentials=credentials.resolve() if credentials is not None else None,
        max_connections=max_connections,
    )
    try:
        written = write_files(place)
    except BrokerProblem as problem:
        fail(str(problem))
    for path, mode, owner, is_changed in written:
        click.echo(f"{path}: {'written' if is_changed else 'as it was'}, owner {owner}, mode {mode:04o}")
    closed = [path for path in must_be_read(place) if not is_readable_by(place.user, path)]
    if place.plugin is None:
        click.echo("the dynamic-security plugin is not installed: a revoked unit keeps the session it has", err=True)
    if (settings.broker_tls, settings.broker_port) != (True, port):
        click.echo(
            f"ingest finds it with EMS_BROKER_TLS=true and EMS_BROKER_PORT={port}; EMS_BROKER_PORT is "
            f"{settings.broker_port} now",
            err=True,
        )
    if closed:
        fail(
            f"the broker cannot start like this: {place.user} cannot read {', '.join(map(str, closed))}; have the pair "
            "handed over by the service manager (--credentials, see systemd/README.md), or name their owner by --user"
        )


@broker.command("prepare")
@click.option("--state", type=_FOLDER, default=STATE, show_default=True, help="The folder that the broker may write.")
def prepare(state: Path) -> None:
    """Move a damaged memory of the broker aside, so that it starts; for ExecStartPre. Nothing depends on it.

    A memory that cannot be tried is left alone, and that is no failure: the broker says itself what keeps it down.
    """
    try:
        aside = set_aside_if_damaged(state / "mosquitto.db", now_utc_ms())
    except BrokerProblem as problem:
        click.echo(f"the broker's memory was not looked at: {problem}", err=True)
        return
    except OSError as error:
        fail(f"the broker's memory cannot be moved aside: {error}")
    if aside is not None:
        click.echo(f"the broker's memory was damaged and is now {aside}; desks and ingest send again what was in it")


@broker.command("check")
def check() -> None:
    """Call the running broker as ingest and as those it must refuse; one line each. Exit code 3 when one is a FAIL.

    While ingest is connected, its session is left alone, and the limits are not asked.
    """
    from hub.broker_check import all_findings

    settings = read_settings()
    if not settings.broker_tls:
        fail("EMS_BROKER_TLS is false: without TLS there is nothing to check, and anybody may speak for any desk")
    now_ms = now_utc_ms()
    findings = all_findings(
        CaFolder(settings.ca_path),
        settings.broker_host,
        settings.broker_port,
        may_connect=not _is_ingest_connected(settings, now_ms),
        now=datetime.datetime.fromtimestamp(now_ms / 1000, datetime.UTC),
    )
    for is_well, what, remedy in findings:
        click.echo(f"PASS {what}" if is_well else f"FAIL {what}: {remedy}")
    if not all(finding.is_well for finding in findings):
        sys.exit(3)


def _is_ingest_connected(settings: Settings, now_ms: int) -> bool:
    facts = LiveFolder(Path(settings.live_path)).facts() or {}
    return bool(facts.get("is_connected")) and abs(now_ms - facts.get("beat_utc_ms", 0)) < FRESH_MS
