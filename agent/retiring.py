"""A card begins anew: all that made it a unit moves to STORAGE_PATH/retired/<unit>-<boot>, and nothing is deleted.

`retiring.json` says that a move is under way: whatever cuts it off, the next start, or the same command, completes it.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from agent import host
from agent.identity import HubPlace, IdentityFolder, IdentityProblem
from agent.unit_key import sync_folder, write_synced

STAYS = frozenset({"retired", "run", "retiring.json", "retiring.json.part", "lost+found"})
"""What of STORAGE_PATH is not the unit's; the last is the file system's own."""


class Retiring(Struct, frozen=True, kw_only=True):
    """`folder` in `retired`; `hub` is where the new unit will ask, None without one."""

    folder: str
    hub: HubPlace | None
    roots: str


def retire(storage: Path, unit: str, boot: int, hub: HubPlace | None, roots: str, replaces: str) -> Path:
    """Move the unit away; its successor will ask `hub`, trusting `roots` (PEM), to take the place of `replaces`.
    Answers the folder. Raises IdentityProblem, OSError."""
    fixed = [path.name for path in _of_the_unit(storage) if path.is_dir() and not os.access(path, os.W_OK)]
    if fixed:
        raise IdentityProblem(f"{', '.join(fixed)} in {storage} cannot be moved: they belong to somebody else")
    name, number = f"{unit or 'unit'}-{boot}", 1
    while (storage / "retired" / name).exists():
        number += 1
        name = f"{unit or 'unit'}-{boot}-{number}"
    place = None if hub is None else msgspec.structs.replace(hub, replaces=replaces)
    plan = Retiring(folder=name, hub=place, roots=roots)
    write_synced(storage / "retiring.json", msgspec.json.encode(plan), 0o600)
    complete(storage)
    return storage / "retired" / name


def resume(storage: Path) -> None:
    """At a start: complete what was cut off, with nobody else at it. Raises IdentityProblem, OSError (BlockingIOError
    while the command itself, or an agent, is at it)."""
    if (storage / "retiring.json").exists():
        held = host.hold(storage)
        try:
            complete(storage)
        finally:
            os.close(held)


def complete(storage: Path) -> None:
    """Complete a move that was begun, if any. Raises IdentityProblem, OSError."""
    note = storage / "retiring.json"
    try:
        plan = msgspec.json.decode(note.read_bytes(), type=Retiring)
    except FileNotFoundError:
        return
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise IdentityProblem(f"{note} is damaged: delete it and run `ems-agent replace` again") from None
    target = storage / "retired" / plan.folder
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in _of_the_unit(storage):
        # what the successor was given by an earlier, cut off, try is made again below
        if not (target / path.name).exists():
            path.rename(target / path.name)
    sync_folder(target)
    sync_folder(target.parent)
    sync_folder(storage)
    if plan.hub is not None:  # without its roots they are fetched again, by the fingerprint
        IdentityFolder(storage).put_hub(plan.hub, plan.roots)
    note.unlink()
    sync_folder(storage)


def _of_the_unit(storage: Path) -> list[Path]:
    return sorted(path for path in storage.iterdir() if path.name not in STAYS)
