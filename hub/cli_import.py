"""`ems-hub import`: a pulled card."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.terminal import actor_here, fail, now_utc_ms, opened, read_settings

if TYPE_CHECKING:
    from hub.evidence.card_import import Tally

TELL_EVERY = 100


@click.command("import")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Bring it in without asking.")
@click.option("--revoked", is_flag=True, help="Take the records of units that were revoked meanwhile, too.")
def import_card(folder: Path, yes: bool, revoked: bool) -> None:
    """Bring a pulled card in: FOLDER is the desk's STORAGE_PATH on it, mounted read-only if you like.

    First says what is new, what the hub has, and what it refuses and why; then asks. Records count by their signature,
    film by the hash in its record. May be repeated: nothing comes twice. Exit code 3 when something was refused, put
    aside, or is nowhere."""
    settings = read_settings()
    from hub.evidence.card_import import Card, Importer, NoCard
    from hub.evidence.storage import StorageProblem, open_storage

    with opened(settings) as store:
        actor = actor_here()

        def importing(*, is_trying: bool) -> Tally:
            storage = open_storage(settings)
            importer = Importer(
                settings, store, storage, actor, now_utc_ms, is_trying=is_trying, may_be_revoked=revoked
            )
            return importer.bring_in(Card(folder), (lambda *_: None) if is_trying else _tell)

        try:
            tally = importing(is_trying=True)
            click.echo("\n".join(lines_of(tally)))
            if not yes and not (sys.stdin.isatty() and click.confirm("Bring it in?")):
                click.echo("nothing was changed; bring it in with --yes")
                return
            tally = importing(is_trying=False)
        except NoCard as no_card:
            fail(str(no_card))
        except (StorageProblem, OSError, sqlite3.Error) as error:
            fail(f"{error}: what was brought in so far stays; repeat the command when that is mended")
    click.echo("brought in:")
    click.echo("\n".join(lines_of(tally)))
    if tally.refused or tally.aside or tally.nowhere:
        sys.exit(3)


def _tell(done: int, of: int) -> None:
    if done and done % TELL_EVERY == 0:
        click.echo(f"{done} of {of} files", err=True)


def lines_of(tally: Tally) -> Iterator[str]:
    """What people read of it, with nothing that a terminal would obey: a card's names are whose card it was."""
    for line in _said(tally):
        yield "".join(each if each.isprintable() else "?" for each in line)


def _said(tally: Tally) -> Iterator[str]:
    yield f"units: {', '.join(sorted(tally.units)) or 'none'}"
    yield f"records: {tally.new_records} new, {tally.known_records} the hub has"
    yield f"stills: {tally.new_stills} new, {tally.known_stills} the hub has"
    yield (
        f"film: {tally.new_film} segments new ({tally.new_bytes} bytes), {tally.known_film} the hub has, "
        f"{tally.purged_film} were purged by rule and stay so"
    )
    for line, count in tally.refused.items():
        yield f"refused: {line}{f' ({count} times)' if count > 1 else ''}"
    for name in tally.aside:
        yield f"aside: {name}: no record tells of it; kept in the folder aside of STORAGE_PATH"
    for name in tally.nowhere:
        yield f"nowhere: {name}: its record is here, its film neither on the card nor at the hub"
