"""`ems-hub backup`, `ems-hub restore` and `ems-hub rebuild`."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import click

from hub.store import StoreProblem
from hub.terminal import actor_here, fail, now_utc_ms, opened, read_settings

TELL_EVERY = 1_000


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--film", is_flag=True, help="Copy the film too, not only a list of it.")
@click.option("--with-keys", is_flag=True, help="The authority's keys too: guard the backup as you guard them.")
def backup(folder: Path, film: bool, with_keys: bool) -> None:
    """Back the hub up into FOLDER, empty or with an earlier backup, which is replaced when the new one is whole. The
    hub may run. Exit code 3 when film is missing or damaged."""
    settings = read_settings()
    from hub.evidence import backup as backups
    from hub.evidence.storage import StorageProblem, open_storage

    with opened(settings) as store:
        try:
            made = backups.make(
                settings,
                store,
                open_storage(settings),
                folder,
                actor_here(),
                now_utc_ms(),
                is_with_film=film,
                is_with_keys=with_keys,
                tell=_tell,
            )
        except (backups.BackupProblem, StorageProblem, OSError, sqlite3.Error) as error:
            fail(f"no backup was made: {error}")
    click.echo(f"the store: {made.manifest.database.size_bytes} bytes, schema version {made.manifest.schema}")
    click.echo(f"film: {made.film} files, {made.film_bytes} bytes, {f'{made.copied} copied now' if film else 'listed'}")
    click.echo(f"the authority: {len(made.manifest.files)} files, {'with' if with_keys else 'without'} keys")
    for line in made.missing:
        click.echo(f"film {line}", err=True)
    if made.missing:
        sys.exit(3)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def restore(folder: Path) -> None:
    """Put the backup in FOLDER in place, on a machine without a store. Every file is hashed first. Exit code 3 when
    film that the store lists is not there."""
    settings = read_settings()
    from hub.evidence import restore as restoring
    from hub.evidence.backup import BackupProblem
    from hub.evidence.storage import StorageProblem, open_storage

    try:
        actor = actor_here()
        done = restoring.restore(settings, open_storage(settings), folder, actor, now_utc_ms, _tell)
    except (BackupProblem, StorageProblem, StoreProblem, OSError, sqlite3.Error) as error:
        fail(f"not restored: {error}")
    click.echo(f"the store of {_day(done.manifest.made_utc_ms)} is at {settings.database_path}")
    click.echo(f"film: {done.report.files} files are there, the store lists {done.film}")
    if not done.manifest.has_keys:
        click.echo("the backup has no keys: bring the authority's with the root's key, `ems-hub ca rotate --root DIR`")
    lines = done.report.lines()
    for line in lines:
        click.echo(f"film: {line}", err=True)
    if lines:
        click.echo(
            "`ems-hub rebuild --fill` brings what the journal beside the film has of the time after the backup; then "
            "`ems-hub check --repair` asks the desks for film that is gone",
            err=True,
        )
        sys.exit(3)


@click.command()
@click.option("--fill", is_flag=True, help="Into a store that is there: what it has not got.")
def rebuild(fill: bool) -> None:
    """Make the store anew from the journal beside the film, when the database is lost. Exit code 3 when something could
    not be put back.

    People, verdicts, comments and pictures of alerts are not in the journal: with a backup, `restore` it first, then
    `rebuild --fill` brings what came after it."""
    settings = read_settings()
    from hub.evidence import pairing
    from hub.evidence import rebuild as rebuilding
    from hub.evidence.storage import StorageProblem, open_storage

    is_there = settings.database_path.exists()
    if is_there and not fill:
        fail(f"there is a store at {settings.database_path}: stop the hub and move it away, or add to it with --fill")
    if fill and not is_there:
        fail(f"there is no store at {settings.database_path}: leave --fill out")
    try:
        storage = open_storage(settings)
        label = storage.label()
        with opened(settings, may_make=not fill) as store:
            actor = actor_here()
            done = rebuilding.rebuild(
                settings, store, storage, actor, now_utc_ms(), is_filling=fill, tell=_tell_records
            )
        if not fill and label is not None:
            pairing.adopt(settings, label)
    except (rebuilding.CannotRebuild, StorageProblem, OSError) as problem:
        if not is_there:
            _remove_empty(settings.database_path)
        fail(f"not rebuilt: {problem}")
    click.echo(f"units: {done.units}, records: {done.records} put back, {done.known} were there")
    click.echo(f"audit log: {done.audit} entries, countersigned minutes: {done.minutes}")
    click.echo(f"film: {done.files} files, {done.stored} segments stored by them, {done.purged} purged by rule before")
    if not fill:
        click.echo("nobody has an account yet: `ems-hub user add NAME --role admin`")
    for hold in done.holds:
        click.echo(f"held again: {hold}")
    for line, count in done.troubles.items():
        click.echo(f"{line}{f' ({count} times)' if count > 1 else ''}", err=True)
    if done.troubles:
        sys.exit(3)


def _remove_empty(database: Path) -> None:
    """What was made before it turned out that there is nothing to put in it."""
    for path in database.parent.glob(f"{database.name}*"):
        if path.name != f"{database.name}.storage.json":
            path.unlink(missing_ok=True)


def _tell_records(done: int) -> None:
    click.echo(f"{done} records", err=True)


def _day(utc_ms: int) -> str:
    import datetime as dt

    return dt.datetime.fromtimestamp(utc_ms / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _tell(done: int, of: int) -> None:
    if done and done % TELL_EVERY == 0:
        click.echo(f"{done} of {of} files", err=True)
