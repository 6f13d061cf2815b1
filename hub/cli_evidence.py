"""`ems-hub seal`, `bundle` and `verify`: what the hub has countersigned, and evidence for others."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from hub.core import countersign
from hub.core.audit import Deed
from hub.enrolment import AuthorityProblem, CaFolder
from hub.evidence.seal import open_seal
from hub.store import Store, audit, countersigned
from hub.terminal import actor_here, fail, now_utc_ms, opened, read_settings, who_is_here

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


# --- bundles --------------------------------------------------------------------------------------------------------


@click.group()
def bundle() -> None:
    """Evidence for others: an incident or a seat of a sitting in one file that verifies offline."""


_OUT = click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file, a .zip.")
_WHY = click.option("--why", required=True, help="What it is for; stands in the bundle and in the audit log.")


@bundle.command("incident")
@click.argument("number", type=click.IntRange(min=1))
@_WHY
@_OUT
def bundle_incident(number: int, why: str, out: Path) -> None:
    """From 30 s before the incident began to 15 s after it was cleared."""
    _build({"incident": number, "why": why}, out)


@bundle.command("seat")
@click.argument("sitting")
@click.argument("seat")
@_WHY
@_OUT
def bundle_seat(sitting: str, seat: str, why: str, out: Path) -> None:
    """All of one seat's sitting."""
    _build({"sitting": sitting, "seat": seat, "why": why}, out)


def _build(wish: dict[str, object], out: Path) -> None:
    from hub import bundle_jobs
    from hub.evidence.bundle import Builder, CannotBuild
    from hub.evidence.bundle_extras import Asked
    from hub.evidence.storage import StorageProblem, open_storage
    from hub.evidence.timestamp import CannotStamp

    settings, who = read_settings(), who_is_here()
    if not out.parent.is_dir():
        fail(f"there is no folder {out.parent}")
    zone = ZoneInfo(settings.zone)
    with opened(settings) as store:
        try:
            scope = bundle_jobs.scope_of(store, wish, now_utc_ms())
            seal, storage = open_seal(CaFolder(settings.ca_path)), open_storage(settings)
            audit.note(store, actor_here(), Deed.ASKED_FOR_BUNDLE, scope.objects[0], now_utc_ms(), wish)
            stamp = bundle_jobs.stamp_of(settings)
            builder = Builder(store, storage, seal, scope, now_utc_ms(), _tell, zone, stamp)
            made = builder.build(out, Asked(who, str(wish["why"])))
        except (CannotBuild, CannotStamp, StorageProblem, AuthorityProblem) as problem:
            fail(str(problem))
        except OSError as error:
            fail(f"{error.filename or out}: {error.strerror or error}")
    click.echo(f"{out}: {made.size_bytes} bytes, {made.segments} pieces of film, {made.absent} things absent", err=True)
    click.echo(f"sha256 {made.sha256}")


def _tell(done: int, total: int, what: str) -> None:
    if what and sys.stderr.isatty():
        click.echo(f"\r{what}: {done // 1_000_000} of {total // 1_000_000} MB ", err=True, nl=False)


@click.command("verify")
@click.argument("bundle", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--ca", type=click.Path(path_type=Path, dir_okay=False), help="The centre's own certificate (PEM).")
@click.option("--tsa", type=click.Path(path_type=Path, dir_okay=False), help="Who vouches for time stamps (PEM).")
@click.option("--json", "is_json", is_flag=True, help="The same as JSON.")
def verify_bundle(bundle: Path, ca: Path | None, tsa: Path | None, is_json: bool) -> None:
    """Verify an evidence bundle, offline; the same as the verify.py inside it.

    Exit code: 0 verified, 4 consistent but signer unproven (no --ca), 1 something is wrong, 2 wrong use.
    """
    from hub.evidence import verify

    words = [str(bundle), *(["--ca", str(ca)] if ca else []), *(["--tsa", str(tsa)] if tsa else [])]
    words += ["--json"] if is_json else []
    sys.exit(verify.main(words))
