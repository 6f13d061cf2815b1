"""`ems-agent setup` and `ems-agent replace`: which hub this desk is to enrol with, and the end of a unit."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
from cryptography import x509

from agent import config, host, service_settings
from agent.core import schedule
from agent.identity import HubPlace, IdentityFolder, IdentityProblem
from agent.unit_key import read_boot
from agent.wire import UNIT_PATTERN
from agent.wire_door import read_fingerprint


class _OneLine(click.ClickException):
    exit_code = 2

    def show(self, file: Any = None) -> None:
        click.echo(f"ems-agent: {self.message}", err=True)


def _settings() -> config.Settings:
    try:
        return service_settings.load(may_be_nobody=True)[0]
    except config.BadSetting as error:
        raise _OneLine(str(error)) from None


@click.command()
@click.option("--hub", default="", help="The hub's name or address, as its certificate has it.")
@click.option("--ca-fingerprint", default="", help="As `ems-hub ca show` prints it at the hub.")
@click.option("--door-port", type=click.IntRange(1, 65_535), help="Where the hub's door listens.  [default: 8443]")
@click.option("--find", "is_looking", is_flag=True, help="Look for the hub of this fingerprint on this network.")
def setup(hub: str, ca_fingerprint: str, door_port: int | None, is_looking: bool) -> None:
    """Say which hub this desk belongs to; without options, the one in the settings or the provisioning file.

    The hub is asked at once, and believed only if its authority has the fingerprint. Nothing else changes: the desk
    enrols when it is started.
    """
    settings = _settings()
    try:
        place = _found(ca_fingerprint) if is_looking else _place(settings, hub, ca_fingerprint, door_port)
        with _given_back(settings.storage_path):
            _set_up(settings.storage_path, place)
    except (config.BadSetting, IdentityProblem, OSError) as error:
        raise _OneLine(str(error)) from None


def _found(ca_fingerprint: str) -> HubPlace:
    """The hub near here whose authority has this fingerprint, by a name that its certificate holds for."""
    from agent.messaging.discovery import hubs_near
    from agent.messaging.enrol import DoorProblem, check_hub, fetch_root

    try:
        digits = read_fingerprint(ca_fingerprint)
    except ValueError as error:
        raise config.BadSetting(f"--find needs --ca-fingerprint, which decides who is believed: {error}") from None
    others = []
    for each in hubs_near():
        for name in each.names:
            try:
                place = msgspec.convert({"hub": name, "ca_fingerprint": digits, "door_port": each.port}, HubPlace)
                check_hub(place, fetch_root(place))
                return place
            except (DoorProblem, msgspec.ValidationError) as problem:
                others.append(f"{name}: {problem}")
    seen = f"; found, and not it: {'; '.join(others)}" if others else " (EMS_MDNS=true at the hub lets it answer)"
    raise config.BadSetting(f"no hub with that fingerprint answers on this network{seen}")


def _place(settings: config.Settings, hub: str, ca_fingerprint: str, door_port: int | None) -> HubPlace:
    from agent.enrolling import place_of

    if bool(hub) != bool(ca_fingerprint):
        raise config.BadSetting("--hub and --ca-fingerprint belong together: `ems-hub ca show` prints both at the hub")
    if not hub:
        found = place_of(settings, IdentityFolder(settings.storage_path).hub() if _has_identity(settings) else None)
        if found is None:
            raise config.BadSetting(
                "no hub is named: ems-agent setup --hub NAME --ca-fingerprint ..., or a file at EMS_PROVISIONING_PATH"
            )
        return found
    try:
        digits = read_fingerprint(ca_fingerprint)
        values = {"hub": hub, "ca_fingerprint": digits, "door_port": door_port or settings.door_port}
        return msgspec.convert(values, HubPlace)
    except ValueError as error:
        raise config.BadSetting(f"--hub and --ca-fingerprint: {error}") from None


def _has_identity(settings: config.Settings) -> bool:
    return (settings.storage_path / "identity").is_dir()


@contextlib.contextmanager
def _given_back(storage: Path) -> Iterator[None]:
    """What root makes in the block goes to the account that STORAGE_PATH belongs to: the service could not read it."""
    try:
        yield
    finally:
        if os.geteuid() == 0 and storage.exists() and (owner := storage.stat()).st_uid != 0:
            for path in storage.rglob("*"):
                if path.lstat().st_uid == 0 and path.name != "lost+found":
                    os.lchown(path, owner.st_uid, owner.st_gid)


def _set_up(storage: Path, place: HubPlace) -> None:
    from agent.messaging.enrol import DoorProblem, check_hub, fetch_root

    try:
        root = fetch_root(place)
        check_hub(place, root)
    except DoorProblem as problem:
        raise _OneLine(str(problem)) from None
    folder = IdentityFolder(storage)
    identity, kept = folder.identity(), folder.hub()
    if identity is not None and x509.load_pem_x509_certificate(root.encode()) not in _trusted(folder):
        raise IdentityProblem(
            f"this desk is unit {identity.unit} of another authority: begin anew with `ems-agent replace` first"
        )
    if kept is not None and kept.replaces:
        place = msgspec.structs.replace(place, replaces=kept.replaces)
    folder.put_hub(place, root)
    click.echo(f"the hub {place.hub} answers, and its fingerprint is the one that was given")
    if identity is not None:
        click.echo(f"this desk is enrolled as {identity.unit} and stays so")
    else:
        click.echo(
            "next: start the agent (`ems-agent run`); it shows a claim code, which a technician approves at the hub"
        )


def _trusted(folder: IdentityFolder) -> list[x509.Certificate]:
    roots = folder.roots()
    return x509.load_pem_x509_certificates(roots.encode()) if roots else []


# --- replace --------------------------------------------------------------------------------------------------------


@click.command()
@click.option(
    "--unit", "old", default="", help="The unit whose place the new one takes; default: the one of this card."
)
@click.option("--force", is_flag=True, help="Even in a sitting, or when it cannot be told whether one is on.")
def replace(old: str, force: bool) -> None:
    """Begin anew with this card: the next start enrols it as a new unit.

    Identity, key, records and recordings move to STORAGE_PATH/retired/<unit>-<boot>; nothing is deleted, and what the
    hub has not got stays there.
    """
    from agent import retiring

    settings = _settings()
    storage = settings.storage_path
    try:
        if old and re.fullmatch(UNIT_PATTERN, old) is None:
            raise IdentityProblem(
                f"--unit: {old!r} is not a unit's name: it is CENTRE.DESK, as the hub's Units page has it"
            )
        if not storage.is_dir():
            raise IdentityProblem(f"there is nothing at {storage} (STORAGE_PATH) to begin anew from")
        with _given_back(storage):
            retiring.resume(storage)
            _begin_anew(settings, old, force)
    except (IdentityProblem, OSError, ValueError) as error:
        raise _OneLine(str(error)) from None


def _begin_anew(settings: config.Settings, old: str, force: bool) -> None:
    from agent import retiring

    storage = settings.storage_path
    held = host.hold(storage)
    try:
        if not (storage / "identity").is_dir() and not (storage / "records.db").exists():
            raise IdentityProblem("this card has not been a unit yet: start the agent, there is nothing to replace")
        folder = IdentityFolder(storage)
        identity = folder.identity()
        unit = identity.unit if identity is not None else settings.unit
        if not force:
            _check_no_sitting(storage, unit, settings)
        hub, roots = folder.hub(), folder.roots()
        target = retiring.retire(storage, unit, _boot(storage), hub, roots, old or (unit if hub else ""))
    finally:
        os.close(held)
    click.echo(f"{unit or 'the unit of this card'} is now in {target}; nothing was deleted")
    if hub is not None:
        click.echo(f"next: start the agent; it asks {hub.hub} to take the place of {old or unit or 'no unit'}")
    else:
        click.echo("next: `ems-agent setup`, or another EMS_UNIT, and start the agent")


def _boot(storage: Path) -> int:
    try:
        return read_boot(storage / "unit.boot")
    except ValueError:
        return 0


def _check_no_sitting(storage: Path, unit: str, settings: config.Settings) -> None:
    from agent.records import Records, RecordsError

    if not (storage / "records.db").exists():
        return
    clock = host.Clock(is_trusted=settings.is_clock_trusted)
    try:
        with Records(storage, unit) as records:
            resumed = records.sitting()
            on = schedule.current(records.plan(), clock.now(), clock.is_ok(), resumed or None)
            if records.previous.is_clean:
                records.stop_cleanly()  # to look is no crash
    except RecordsError as error:
        raise IdentityProblem(
            f"whether a sitting is on cannot be told ({error}): --force begins anew even so"
        ) from None
    if on is not None:
        raise IdentityProblem(
            f"the sitting {on.sitting} is on at seat {on.seat}: begin anew when it is over, or with --force"
        )
