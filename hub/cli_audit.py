"""`ems-hub audit`: the log of every look and change: read it, check it, keep a copy elsewhere."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click
import msgspec

from hub.core import audit as core
from hub.core import audit_words
from hub.core.audit import Deed, Entry
from hub.core.visible import visible
from hub.store import Store, audit
from hub.terminal import actor_here, fail, now_utc_ms, opened, read_settings

MOST_LINE_BYTES = 1_000_000
LOG = "the audit log"


@click.group("audit")
def audit_group() -> None:
    """Who looked at what, and who changed what."""


def _since(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int:
    """A day, or a time with its offset, in UTC milliseconds; 0 when not given."""
    if text is None:
        return 0
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a day like 2027-05-31 nor a time with its offset") from None
    if moment.tzinfo is None:
        if len(text) > 10:
            raise click.BadParameter(f"{text!r} does not say its offset from UTC: write 2027-05-31T09:00+02:00")
        moment = moment.replace(tzinfo=datetime.UTC)
    return int(moment.timestamp() * 1000)


@audit_group.command("show")
@click.option("--who", default="", help="Of one person.")
@click.option("--deed", default="", type=click.Choice(["", *Deed]), help="Of one kind.", show_choices=False)
@click.option("--object", "what", default="", help="`incident 12`, `seat 7`, `user ada`; or all of `incident`.")
@click.option("--since", callback=_since, help="A day (UTC), or a time with its offset.")
@click.option("--limit", default=50, type=click.IntRange(1, 10_000), show_default=True, help="The newest so many.")
def show(who: str, deed: str, what: str, since: int, limit: int) -> None:
    """The newest entries, newest last. That you looked is an entry too."""
    with opened(read_settings()) as store:
        asked = {"who": who, "deed": deed, "object": what, "since_utc_ms": since}
        told = {key: value for key, value in asked.items() if value}
        found = audit.page(store, who=who, deed=deed, what=what, since=since, limit=limit)
        audit.note(store, actor_here(), Deed.VIEWED_AUDIT, LOG, now_utc_ms(), told)
    for entry in reversed(found):
        said = [f"{each.label} {each.value}".strip() for each in audit_words.details(entry, _moment)]
        line = f"{_moment(entry.at_utc_ms)}  {_who(entry)}: {audit_words.sentence(entry)}"
        click.echo(visible(f"{entry.audit_id:>7}  {line}{'; ' if said else ''}{', '.join(said)}"))
    if not found:
        click.echo("no entry matches" if told else "the log is empty")


def _moment(utc_ms: int) -> str:
    return f"{datetime.datetime.fromtimestamp(utc_ms / 1000, datetime.UTC):%Y-%m-%d %H:%M:%S}Z"


def _who(entry: Entry) -> str:
    return entry.who if entry.role == audit.TERMINAL else f"{entry.who} ({entry.role}, {entry.address})"


@audit_group.command("export")
@click.argument("file", type=click.File("wb"))
def export(file: IO[bytes]) -> None:
    """Write all entries to FILE (`-`: standard output) as JSON lines, for `ems-hub audit verify FILE`.

    Kept on another machine it proves later that nothing was changed, and that no end was cut off.
    """
    with opened(read_settings()) as store:
        audit.note(store, actor_here(), Deed.EXPORTED_AUDIT, LOG, now_utc_ms(), {"form": "jsonl"})
        try:
            count = 0
            for entry in audit.export(store, audit.Wanted()):
                file.write(audit.line_of(entry))
                count += 1
            file.flush()
        except OSError as error:
            fail(f"the export cannot be written: {error.strerror or error}")
    click.echo(f"{count} entries written", err=True)


@audit_group.command("verify")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def verify(file: Path | None) -> None:
    """Check the whole chain; with FILE, an export that was kept elsewhere, hold the log against it too.

    Exit code 3 when something is wrong, each finding on a line. Without FILE a cut end cannot show.
    """
    with opened(read_settings()) as store:
        count, last, found = audit.verify_after(store, None)
        newest = f", the newest {last.audit_id} of {_moment(last.at_utc_ms)}, {last.hash}" if last else ""
        click.echo(f"{count} entries{newest}: {'NOT whole' if found else 'whole'}")
        if file is not None:
            exported, differences = _hold_against(store, file)
            click.echo(f"{file}: {exported} entries, {'NOT as' if differences else 'all as'} in the log")
            found += differences
    for line in found:
        click.echo(line, err=True)
    if found:
        sys.exit(3)


def _hold_against(store: Store, file: Path) -> tuple[int, list[str]]:
    """How many entries the export has, and what is wrong with it or with the log beside it."""
    count = 0
    found: list[str] = []
    last: Entry | None = None
    for number, entry in _read(file, found):
        count += 1
        if core.hash_of(entry) != entry.hash:
            found.append(f"{file}, line {number}: entry {entry.audit_id} was changed in the export")
            continue
        if last is not None and entry.audit_id <= last.audit_id:
            found.append(f"{file}, line {number}: entry {entry.audit_id} comes after entry {last.audit_id}")
        elif last is not None and entry.audit_id == last.audit_id + 1 and entry.prev != last.hash:
            found.append(f"{file}, line {number}: entry {entry.audit_id} does not follow entry {last.audit_id}")
        last = entry
        difference = audit.against(store, entry)
        if difference:
            found.append(f"the log: {difference}")
    if not count and not found:
        found.append(f"{file} has no entry: it is no export of the audit log")
    return count, found


def _read(file: Path, found: list[str]) -> Iterator[tuple[int, Entry]]:
    try:
        with file.open("rb") as lines:
            number = 0
            while line := lines.readline(MOST_LINE_BYTES):
                number += 1
                try:
                    yield number, audit.entry_of(line)
                except msgspec.MsgspecError:
                    found.append(f"{file}, line {number}: this is no entry of an export")
                    if len(found) > 100:
                        found.append(f"{file}: not read further")
                        return
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror or error}")
