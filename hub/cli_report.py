"""`ems-hub sitting report` and `ems-hub report verify`: the report of a sitting, at the terminal and offline."""

from __future__ import annotations

from pathlib import Path

import click

from hub.core.audit import Deed
from hub.terminal import actor_here, fail, now_utc_ms, opened, read_settings


@click.command("report")
@click.argument("sitting")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write.")
@click.option("--form", type=click.Choice(["signed", "json", "csv"]), default="signed", show_default=True)
@click.option("--without-names", is_flag=True, help="Candidate numbers only; not with --form signed.")
def sitting_report(sitting: str, out: Path, form: str, without_names: bool) -> None:
    """Write the report of SITTING: the signed one of its closing, or as it stands now as JSON or CSV, unsigned."""
    from hub.core import purge_list
    from hub.core import sitting_report as core
    from hub.evidence import sitting_report as evidence
    from hub.store import audit
    from hub.store import sitting_report as store
    from hub.store.closing import NoSuchSitting

    if form == "signed" and without_names:
        raise click.UsageError("a signed report is whole: leave --without-names out, or take --form json or csv")
    with opened(read_settings()) as opened_store:
        audit.note(opened_store, actor_here(), Deed.VIEWED_REPORT, f"sitting {sitting}", now_utc_ms(), {"form": form})
        if form == "signed":
            signed = store.kept(opened_store, sitting)
            if signed is None:
                fail(f"{sitting} has no signed report: it is made by the worker when the sitting is closed")
            data = evidence.exported(signed)
        else:
            try:
                document = store.document(opened_store, sitting, now_utc_ms())
            except NoSuchSitting as gone:
                fail(str(gone))
            document = core.without_names(document) if without_names else document
            text = core.as_csv(document)
            data = ("\ufeff" + text).encode() if form == "csv" else purge_list.canonical(document) + b"\n"
    try:
        with out.open("xb") as file:
            file.write(data)
    except OSError as error:
        fail(f"{out}: {error.strerror or error}")
    click.echo(f"the report of {sitting} is in {out}")


@click.group("report")
def report_group() -> None:
    """Signed reports of sittings."""


@report_group.command("verify")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--ca", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="The centre's authority, PEM.")
def verify(file: Path, ca: Path | None) -> None:
    """See whether a signed report is as the hub made it; with --ca, whether this centre's hub did. Needs no hub.

    Exit code: 0 verified, 4 consistent but signer unproven (no --ca), 1 something is wrong, 2 wrong use.
    """
    from hub.evidence import sitting_report

    try:
        found = sitting_report.faults(file.read_bytes(), [] if ca is None else [ca.read_bytes()])
    except (OSError, ValueError) as error:
        fail(str(error))
    if found:
        fail("; ".join(found))
    if ca is None:
        click.echo("consistent, signer unproven: give --ca")
        raise SystemExit(4)
    click.echo("whole, and signed by this centre's hub")
