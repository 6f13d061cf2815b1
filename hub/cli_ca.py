"""`ems-hub init` and `ems-hub ca`: the centre's own certificate authority."""

from __future__ import annotations

import datetime
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from cryptography.x509 import Certificate

from agent import wire_door
from hub import authority, clock, enrolment, rotation
from hub.authority import HubNames
from hub.config import Settings
from hub.enrolment import AuthorityProblem, CaFolder
from hub.store import Store, certificates, planning
from hub.terminal import fail, now_utc_ms, opened, read_settings

SOON_MS = 30 * authority.DAY_MS

_ROOT = click.option(
    "--root",
    "root",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where root.key is; default: EMS_CA_PATH/root.",
)


@click.command()
def init() -> None:
    """Make the store and the centre's certificate authority, or what of them is missing; safe to repeat."""
    settings = read_settings()
    was_there = settings.database_path.exists()
    with opened(settings, may_make=True) as store, _telling():
        with store.read() as connection:
            version = connection.execute("pragma user_version").fetchone()[0]
        click.echo(f"store {store.path}: {'found' if was_there else 'created'}, schema version {version}")
        folder = CaFolder(settings.ca_path)
        for line in enrolment.init(folder, names_of(settings), lambda: _revoked(store), _sound_now(store)):
            click.echo(f"made: {line}")
        _tell_fingerprint(folder)


def names_of(settings: Settings) -> HubNames:
    """The names that the server's certificate holds for."""
    return authority.hub_names(settings.hub_names, socket.gethostname())


def _sound_now(store: Store) -> int:
    """The time, unless it cannot be right."""
    now = now_utc_ms()
    with store.read() as connection:
        why = clock.impossible(now, certificates.newest_hub_time(connection))
    if why:
        raise AuthorityProblem(why)
    return now


def _revoked(store: Store) -> list[tuple[str, str, int]]:
    with store.read() as connection:
        return [
            (each.serial_number, each.issuer, each.revoked_utc_ms)
            for each in certificates.revoked_certificates(connection)
        ]


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except AuthorityProblem as problem:
        fail(str(problem))


def _tell_fingerprint(folder: CaFolder) -> None:
    root = enrolment.roots(folder)[0]
    click.echo("fingerprint for `ems-agent setup --ca-fingerprint`:")
    click.echo(f"    {wire_door.fingerprint_for_people(authority.fingerprint(root))}")
    if folder.root.key.exists():
        click.echo(
            f"Copy {folder.root.folder} to a stick, put it in a safe and delete it here: it is needed only to make "
            "another issuing authority, and whoever has it can make themselves a hub that every desk believes."
        )


def findings(settings: Settings, now: int) -> list[str]:
    """What is wrong with the authority's public files, for `ems-hub check`; none where there is no authority."""
    folder = CaFolder(settings.ca_path)
    if not folder.path.is_dir():
        return []
    try:
        roots = enrolment.roots(folder)
        chain = enrolment.read_certificates(folder.server_certificate)
        evidence = enrolment.read_certificates(folder.evidence_certificate)[0]
    except AuthorityProblem as problem:
        return [f"authority: {problem}"]
    found = []
    if len(chain) < 2 or not any(authority.is_issued_by(chain[1], root) for root in roots):
        found.append(f"authority: {folder.server_certificate} does not lead to a trusted root: run `ems-hub init`")
    if authority.names_of(chain[0]) != names_of(settings):
        found.append("authority: the hub's names have changed: run `ems-hub ca certificates`, or let the worker run")
    for what, certificate in (
        ("the server's certificate", chain[0]),
        ("the certificate of the evidence key", evidence),
        ("the issuing authority", chain[1] if len(chain) > 1 else chain[0]),
    ):
        if authority.ends_utc_ms(certificate) - now < SOON_MS:
            found.append(f"authority: {what} ends within {SOON_MS // authority.DAY_MS} days")
    if not folder.revoked.exists():
        found.append(f"authority: {folder.revoked} is missing, and the broker refuses everybody: run `ems-hub init`")
    return found


@click.group()
def ca() -> None:
    """The centre's certificate authority."""


@ca.command()
def show() -> None:
    """Fingerprints, how long what holds, and in which files."""
    settings = read_settings()
    folder = CaFolder(settings.ca_path)
    with _telling():
        for root in enrolment.roots(folder):
            _tell("root", folder.authorities, root)
        _tell("issuing authority", folder.issuing.certificate)
        for older in sorted(folder.issuing.older.glob("*.crt")):
            _tell("older issuing authority", older)
        _tell("server", folder.server_certificate)
        names = authority.names_of(enrolment.read_certificates(folder.server_certificate)[0])
        click.echo(f"    for {', '.join(sorted(names.dns) + sorted(map(str, names.addresses)))}")
        _tell("ingest", folder.ingest_certificate)
        _tell("evidence", folder.evidence_certificate)
        click.echo(f"revoked certificates: {enrolment.count_revoked(folder)}\n    {folder.revoked}")
        _tell_fingerprint(folder)


def _tell(what: str, path: Path, *found: Certificate) -> None:
    certificate = found[0] if found else enrolment.read_certificates(path)[0]
    ends = datetime.datetime.fromtimestamp(authority.ends_utc_ms(certificate) / 1000, datetime.UTC)
    click.echo(f"{what}, until {ends:%Y-%m-%d}\n    {authority.fingerprint(certificate)}\n    {path}")


@ca.command()
@_ROOT
@click.confirmation_option(prompt="Make another issuing authority now? The broker starts again for it.")
def rotate(root: Path | None) -> None:
    """Make another issuing authority, and new certificates of the hub; what the old one signed still holds."""
    _change(
        lambda folder, names, store, now: rotation.rotate(
            folder, root or folder.root.folder, names, lambda: _revoked(store), now
        )
    )


@ca.command("new-root")
@_ROOT
@click.confirmation_option(prompt="Make a new root now? The broker starts again for it.")
def new_root(root: Path | None) -> None:
    """Make a new root beside the old one, whose key must be there; desks learn it when they renew.

    Until `ems-hub ca retire-root` a desk that knows only one of both roots believes this hub.
    """
    _change(
        lambda folder, names, store, now: rotation.new_root(
            folder, root or folder.root.folder, names, lambda: _revoked(store), now
        )
    )


@ca.command("retire-root")
@click.option("--force", "is_forced", is_flag=True, help="Lock out units that have no certificate under it.")
def retire_root(is_forced: bool) -> None:
    """Trust the newest root alone, once every unit has a certificate under it."""
    _change(
        lambda folder, names, store, now: rotation.retire_root(
            folder, lambda: _standing(store, now), names, now, is_forced=is_forced
        )
    )


@ca.command("certificates")
@click.option("--now", "is_at_once", is_flag=True, help="Also while a sitting is on, or begins within the hour.")
def renew(is_at_once: bool) -> None:
    """Renew the certificates of server, ingest and evidence when a third of their time is left or EMS_HUB_NAMES has
    changed.

    While a sitting is on, or begins within the hour, only one that has less than a tenth of its time left: broker,
    ingest, door and pages start again for it.
    """

    def change(folder: CaFolder, names: HubNames, store: Store, now: int) -> list[str]:
        with folder.alone():
            with store.read() as connection:
                is_quiet = planning.is_quiet(connection, now)
            if not (is_quiet or is_at_once):
                click.echo("a sitting is on or begins within the hour: what can wait is left as it is, unless --now")
            return enrolment.renew(folder, names, now, is_quiet=is_quiet or is_at_once)

    _change(change)


def _standing(store: Store, now: int) -> list[tuple[str, str, bool]]:
    with store.read() as connection:
        return [(each.unit, each.issuer, each.is_in_use) for each in certificates.standing(connection, now)]


def _change(change: Callable[[CaFolder, HubNames, Store, int], list[str]]) -> None:
    settings = read_settings()
    with opened(settings) as store, _telling():
        made = change(CaFolder(settings.ca_path), names_of(settings), store, _sound_now(store))
    for line in made:
        click.echo(f"made: {line}")
    click.echo(
        "now restart the broker, ingest, door and pages, unless systemd does it: they read it at their start"
        if made
        else "nothing to do"
    )
