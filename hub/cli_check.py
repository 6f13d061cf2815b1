"""`ems-hub check`: the hub looked over, its film too; and what of it mends itself."""

from __future__ import annotations

import socket
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import click

from hub import cli_ca, cli_evidence
from hub.config import Settings
from hub.store import Store, audit
from hub.terminal import actor_here, fail, now_utc_ms, opened, read_settings

INCOMING_AFTER_S = 7 * 86_400
"""An unfinished upload that nobody has gone on with for so long is told."""
TELL_EVERY = 1_000


@click.command()
@click.option("--hash", "is_hashing", is_flag=True, help="Read every stored file and compare its SHA-256; takes long.")
@click.option("--repair", "is_repairing", is_flag=True, help="Bring database and storage together again.")
@click.option("--new-storage", "is_new", is_flag=True, help="With --repair: the film was lost, and its place is new.")
def check(is_hashing: bool, is_repairing: bool, is_new: bool) -> None:
    """Look the hub over: SQLite, the store, the desks' chains, the authority, the broker, and whether each stored
    segment's file is there, with its size (--hash: with its content). Exit code 3 when something is found.

    --repair takes up files that a record names, says of film that is gone that it is not stored and asks its desk for
    it once more, and removes what a purge has left. It never removes a file that a segment needs, nor one that no
    record names: that is named, and kept."""
    settings = read_settings()
    if is_new and not is_repairing:
        fail("--new-storage goes with --repair only")
    findings = []
    with opened(settings) as store:
        findings += _store(store)
        findings += cli_evidence.findings(store)
        findings += _film(settings, store, is_hashing=is_hashing, is_repairing=is_repairing, is_new=is_new)
    findings += _incoming(settings, now_utc_ms() // 1000)
    findings += cli_ca.findings(settings, now_utc_ms())
    findings += _broker(settings)
    for finding in findings:
        click.echo(finding, err=True)
    if findings:
        sys.exit(3)


def _store(store: Store) -> list[str]:
    from hub.store import checking

    race = "has the WAL-reset race; writers take turns" if checking.has_wal_reset_race() else "sound"
    click.echo(f"SQLite {sqlite3.sqlite_version}: {race}")
    damage = checking.damage(store)
    click.echo(f"store {store.path}: {'DAMAGED' if damage else 'sound'}")
    click.echo(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in checking.counts(store).items()))
    findings = [f"store: {line}" for line in damage]
    for chain in checking.chains(store):
        click.echo(f"{chain.unit}: {chain.records} records")
        for boot, seq in chain.begun_anew:
            click.echo(f"{chain.unit}: record {boot}/{seq}: the chain begins anew, the card had lost its records")
        findings += [
            f"{chain.unit}: record {boot}/{seq}: {what}"
            for names, what in (
                (chain.missing, "the record before it is not here"),
                (chain.forks, "a second record with the same predecessor"),
            )
            for boot, seq in names
        ]
    return findings


def _film(settings: Settings, store: Store, *, is_hashing: bool, is_repairing: bool, is_new: bool) -> list[str]:
    from hub.core.audit import Deed
    from hub.evidence import pairing, reconciling
    from hub.evidence.storage import StorageProblem, open_storage

    now, actor = now_utc_ms(), actor_here()
    try:
        storage = open_storage(settings)
        if is_new and pairing.pair_anew(settings, storage):
            audit.note(store, actor, Deed.REPAIRED_STORE, "storage", now, {"new": storage.place})
            click.echo(f"{storage.place} is this hub's storage from here on")
        if is_repairing:
            pairing.pair(settings, storage, now, store)
        report = reconciling.look(store, storage, now, is_hashing=is_hashing, tell=_tell())
        level = "and hashed" if is_hashing else "by name and size"
        click.echo(
            f"storage {storage.place}: {report.segments} segments, {report.files} files, {report.size_bytes} bytes, "
            f"compared {level}"
        )
        if not is_repairing:
            return [f"film: {line}" for line in report.lines()]
        done = reconciling.repair(store, storage, report, actor, now)
    except StorageProblem as problem:
        return [f"storage: {problem}"]
    for count, what in (
        (done.adopted, "segments are stored now: their files were there"),
        (done.counted, "files are in the list again"),
        (done.removed, "files that nothing needs are removed"),
        (done.cleaned, "unfinished copies are removed"),
    ):
        if count:
            click.echo(f"repaired: {count} {what}")
    lost = [each for each in report.findings if each.segment in done.lost]
    return [
        f"film: {each.told(is_held=each.is_of(report.held))}: it is not stored any more, and its desk is asked for it; "
        "if the desk has it no more, it is lost"
        for each in lost
    ] + [f"film: {line}; it stays where it is" for line in (*done.kept, *report.strangers)]


def _tell() -> Callable[[int, int], None]:
    def tell(number: int, of: int) -> None:
        if number % TELL_EVERY == 0 and of > TELL_EVERY:
            click.echo(f"hashed {number} of {of} files", err=True)

    return tell


def _incoming(settings: Settings, now_s: int) -> list[str]:
    """Uploads that nobody has gone on with."""
    found = []
    for path in sorted(Path(settings.storage_path, "incoming").rglob("*")):
        try:
            told = path.stat()
        except OSError:  # finished just now
            continue
        if path.is_file() and told.st_mtime < now_s - INCOMING_AFTER_S:
            found.append(f"incoming: {path.name}: {told.st_size} bytes of an upload that nobody goes on with")
    return found


def _broker(settings: Settings) -> list[str]:
    broker = f"{settings.broker_host}:{settings.broker_port}"
    try:
        socket.create_connection((settings.broker_host, settings.broker_port), timeout=5).close()
    except OSError as error:
        return [f"broker {broker}: not reachable ({error.strerror or error})"]
    click.echo(f"broker {broker}: reachable")
    return []
