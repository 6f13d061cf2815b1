"""`ems-hub retention` and `ems-hub hold`: how long recordings are kept, what goes, and what stays whatever happens."""

from __future__ import annotations

import datetime as dt
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import click

from hub.core import purge_list, retention
from hub.core.retention import BadRule
from hub.store import Store, purge_plans
from hub.store.audit import Actor
from hub.store.holds import CannotHold, Place
from hub.store.purge_plans import NoSuchPlan, Plan
from hub.store.retention import NoSuchExam
from hub.terminal import fail, now_utc_ms, opened, read_settings, who_is_here

Answer = TypeVar("Answer")
LOOK_EVERY_S = 0.5
WORKER_WITHIN_S = 10
BY_TIMER = Actor("the daily timer", "hub")


def _here() -> Actor:
    return Actor(who_is_here(), "terminal")


def _write(change: Callable[[sqlite3.Connection], Answer]) -> Answer:
    with opened(read_settings()) as store, store.write() as connection:
        try:
            return change(connection)
        except (CannotHold, NoSuchExam, BadRule) as cannot:
            fail(str(cannot))


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.3f} GB"


def _seat(sitting: str, seat: str) -> str:
    return f"{sitting}, seat {seat}" if seat else sitting


# --- rules ----------------------------------------------------------------------------------------------------------


@click.group("retention")
def retention_group() -> None:
    """How long recordings are kept, and what goes when."""


@retention_group.command("show")
def show() -> None:
    """Each exam's rule and results, and when what the hub has falls due."""
    from hub.store import retention as store_retention

    settings = read_settings()
    zone = ZoneInfo(settings.zone)
    with opened(settings) as store:
        exams = store_retention.exams(store)
        with store.read() as connection:
            standings = store_retention.standings(connection, zone)
    for exam in exams:
        results = "not known" if exam.results_utc_ms is None else retention.day_of(exam.results_utc_ms, zone)
        click.echo(f"{exam.exam}: {exam.problem or retention.words(exam.rule)}; results: {results}")
        for each in standings:
            if each.place.exam == exam.exam:
                _show_place(each, zone)
    for each in standings:
        if each.place.exam is None:
            _show_place(each, zone)
    if not exams:
        click.echo("no exams yet: an exam is known from its first planned sitting on")


def _show_place(each: purge_list.Standing, zone: dt.tzinfo) -> None:
    place = each.place
    due = "never" if each.due_utc_ms is None else f"kept to {retention.last_day(each.due_utc_ms, zone)}"
    held = f"; {place.held} under {place.holds}" if place.held else ""
    files = f"{place.items} files, {_size(place.size_bytes)}{held}"
    click.echo(f"  {_seat(place.sitting, place.seat)}, {place.unit}: {files}: {due}: {each.why}")


@retention_group.command("rule")
@click.argument("exam")
@click.option("--after-sitting", default="", metavar="DAYS", help="Kept so many days after the sitting.")
@click.option("--after-results", default="", metavar="DAYS", help="Kept so many days after the results.")
@click.option("--unless-refer", is_flag=True, help="A seat with a referred or confirmed incident is kept.")
@click.option("--for-ever", is_flag=True, help="No rule: nothing of it is ever removed.")
def rule(exam: str, after_sitting: str, after_results: str, unless_refer: bool, for_ever: bool) -> None:
    """Set how long EXAM is kept. With both numbers of days the later one holds."""
    from hub.store import retention as store_retention

    try:
        wanted = retention.composed(after_sitting, after_results, is_refer_kept=unless_refer)
    except BadRule as bad:
        fail(str(bad))
    if (wanted is None) is not for_ever:
        raise click.UsageError("give --after-sitting, --after-results or both; or --for-ever alone")
    _write(lambda connection: store_retention.set_rule(connection, _here(), exam, wanted, now_utc_ms()))
    click.echo(f"{exam}: kept {retention.words(wanted)}")


@retention_group.command("results")
@click.argument("exam")
@click.argument("date", required=False)
@click.option("--unknown", is_flag=True, help="Take the date away: nothing that hangs on it falls due.")
def results(exam: str, date: str | None, unknown: bool) -> None:
    """Enter the DATE (2026-05-04) on which the results of EXAM were given out."""
    from hub.store import retention as store_retention

    if (date is None) is not unknown:
        raise click.UsageError("give the date, or --unknown")
    try:
        day = None if date is None else retention.read_day(date, ZoneInfo(read_settings().zone))
    except BadRule as bad:
        fail(str(bad))
    _write(
        lambda connection: store_retention.set_results(connection, _here(), exam, day, date or "unknown", now_utc_ms())
    )
    click.echo(f"{exam}: results {date or 'not known'}")


# --- plans ----------------------------------------------------------------------------------------------------------


@retention_group.command("plan")
def make_plan() -> None:
    """Look what is due, and keep the list. Nothing is removed."""
    settings = read_settings()
    zone = ZoneInfo(settings.zone)
    with opened(settings) as store:
        plan = purge_plans.make(store, zone, _here(), now_utc_ms())
        if plan is None:
            click.echo("nothing is due: `ems-hub retention show` says when what is")
            return
        _show_plan(store, plan, zone)


def _show_plan(store: Store, plan: Plan, zone: dt.tzinfo) -> None:
    for part in purge_plans.parts(store, plan.plan_id):
        since = retention.day_of(part.due_utc_ms, zone)
        what = f"{part.item_count} files, {_size(part.size_bytes)}"
        click.echo(f"goes   {part.exam}: {_seat(part.sitting, part.seat)}: {what}: due since {since}: {part.why}")
    for kept in plan.kept:
        what = f"{kept.items} files, {_size(kept.size_bytes)}"
        click.echo(f"stays  {kept.exam or 'no exam'}: {_seat(kept.sitting, kept.seat)}: {what}: {kept.why}")
    click.echo(
        f"plan {plan.plan_id}: {plan.item_count} files, {_size(plan.size_bytes)}, digest {plan.digest}; nothing was "
        f"removed: `ems-hub retention apply --plan {plan.plan_id}`"
    )


@retention_group.command("apply")
@click.option("--plan", "plan_id", type=click.IntRange(min=1), required=True)
@click.option("--detach", is_flag=True, help="Leave it to the worker and do not wait.")
def apply(plan_id: int, detach: bool) -> None:
    """Remove what the plan lists, for good, by the worker. Refused when anything of it changed since."""
    with opened(read_settings()) as store:
        try:
            plan = purge_plans.one(store, plan_id)
        except NoSuchPlan as nothing:
            fail(str(nothing))
        if plan.ended_utc_ms is not None:
            fail(f"plan {plan_id} was applied already: certificate {plan.number} lists what went")
        job_id = _ask(store, plan_id, _here())
        if detach:
            click.echo(f"asked for: job {job_id}, done by the worker")
            return
        _wait(store, job_id)


def _ask(store: Store, plan_id: int, actor: Actor) -> int:
    from hub import purge_jobs

    with store.write() as connection:
        return purge_jobs.ask(connection, plan_id, actor, now_utc_ms())


def _wait(store: Store, job_id: int) -> None:
    from hub.store import jobs

    told, began = "", now_utc_ms()
    while (job := jobs.one(store, job_id)).state in ("waiting", "running"):
        said = f"{job.done} of {job.total}: {job.note}" if job.total else ""
        if said and said != told:
            click.echo(said)
            told = said
        if job.state == "waiting" and now_utc_ms() - began > WORKER_WITHIN_S * 1000:
            fail(f"the worker has not begun job {job_id}: is `ems-hub worker` running? It is done when it is")
        time.sleep(LOOK_EVERY_S)
    if job.state != "done" or job.result is None:
        fail(f"job {job_id} {job.state}: {job.note}" if job.note else f"job {job_id} was {job.state}")
    number, items, size_bytes, kept = (job.result[name] for name in ("number", "items", "size_bytes", "kept"))
    stay = f"; {kept} of the plan stay, held or kept by what changed meanwhile" if kept else ""
    click.echo(
        f"purge {number}: {items} files, {_size(size_bytes)} went{stay}; see `ems-hub retention certificate {number}`"
    )


@retention_group.command("daily")
def daily() -> None:
    """What the timer does: make the day's plan; apply it only where EMS_RETENTION_AUTO is true."""
    from hub import purge_jobs
    from hub.store import purging

    settings = read_settings()
    with opened(settings) as store:
        if purging.garbage_left(store):
            with store.write() as connection:
                purge_jobs.ask_to_sweep(connection, BY_TIMER, now_utc_ms())
        for purge, _, _ in purging.newest(store):
            if purge.ended_utc_ms is None:  # the storage failed then: what was begun is brought to its end
                _ask(store, purge.plan_id, BY_TIMER)
                click.echo(f"purge {purge.number} goes on")
        plan = purge_plans.make(store, ZoneInfo(settings.zone), BY_TIMER, now_utc_ms())
        if plan is None:
            click.echo("nothing is due")
        elif settings.retention_auto:
            job_id = _ask(store, plan.plan_id, BY_TIMER)
            click.echo(
                f"plan {plan.plan_id}: {plan.item_count} files, {_size(plan.size_bytes)}; applied by job {job_id}"
            )
        else:
            click.echo(f"plan {plan.plan_id}: {plan.item_count} files, {_size(plan.size_bytes)}; it waits for a person")


# --- certificates ---------------------------------------------------------------------------------------------------


@retention_group.command("certificate")
@click.argument("number", type=click.IntRange(min=1))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it there instead of printing it.")
def certificate(number: int, out: Path | None) -> None:
    """The signed list of what purge NUMBER removed, as JSON."""
    from hub.evidence import purge_certificate
    from hub.store import purging

    with opened(read_settings()) as store:
        try:
            pieces = purge_certificate.exported(store, purging.one(store, number))
        except (purging.NoSuchPurge, purge_certificate.NotEnded) as cannot:
            fail(str(cannot))
        if out is None:
            for piece in pieces:
                click.echo(piece.decode(), nl=False)
            return
        try:
            with out.open("xb") as file:
                file.writelines(pieces)
        except OSError as error:
            fail(f"{out}: {error.strerror or error}")
    click.echo(f"certificate {number} is in {out}")


@retention_group.command("check-certificate")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--ca", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="The centre's authority, PEM.")
def check_certificate(file: Path, ca: Path | None) -> None:
    """See whether a certificate is whole and signed; with --ca, by this centre. Needs no hub."""
    from hub.evidence import purge_certificate

    try:
        found = purge_certificate.faults(file.read_bytes(), [] if ca is None else [ca.read_bytes()])
    except (OSError, ValueError) as error:
        fail(str(error))
    for line in found:
        click.echo(line, err=True)
    if found:
        raise SystemExit(3)
    click.echo("whole, and signed by the centre" if ca is not None else "consistent, signer unproven: give --ca")


# --- holds ----------------------------------------------------------------------------------------------------------


@click.group()
def hold() -> None:
    """Holds: what they cover is never removed."""


@hold.command("place")
@click.option("--incident", "incident_id", type=click.IntRange(min=1), help="An incident's film, pictures and seat.")
@click.option("--sitting", help="A whole sitting; with --seat that seat of it.")
@click.option("--seat", help="The seat's label.")
@click.option("--why", required=True)
def place(incident_id: int | None, sitting: str | None, seat: str | None, why: str) -> None:
    """Hold an incident, a sitting, or a seat of a sitting."""
    from hub.store import holds

    on = Place(incident_id, sitting, seat)
    number = _write(lambda connection: holds.place(connection, _here(), on, why, now_utc_ms()))
    click.echo(f"hold {number} stands")


@hold.command("release")
@click.argument("number", type=click.IntRange(min=1))
@click.option("--why", required=True)
def release(number: int, why: str) -> None:
    """Release hold NUMBER. What others cover stays held."""
    from hub.store import holds

    _write(lambda connection: holds.release(connection, _here(), number, why, now_utc_ms()))
    click.echo(f"hold {number} is released")


@hold.command("list")
@click.option("--all", "is_all", is_flag=True, help="Released ones too.")
def list_holds(is_all: bool) -> None:
    """The standing holds, with who placed them and why."""
    from hub.store import holds

    with opened(read_settings()) as store:
        found = holds.listed(store, is_standing=not is_all)
        counts = holds.counts(store)
    for each in found:
        on = f"incident {each.place.incident_id}" if each.place.incident_id is not None else "sitting"
        segments, size_bytes = counts.get(each.hold_id, (0, 0))
        end = f"; released by {each.released_by}: {each.released_why}" if each.released_by is not None else ""
        click.echo(
            f"{each.hold_id}  {on}: {_seat(each.sitting, each.seat)}: {segments} segments here, {_size(size_bytes)}; "
            f"{each.placed_by}: {each.reason}{end}"
        )
    if not found:
        click.echo("no holds")
