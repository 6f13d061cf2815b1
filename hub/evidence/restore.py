"""A backup put in place on a machine that has no store: each file by its hash, the database last.

Order of failure: film and authority first, each file whole under its name or not there; then the label; then, in one
step, the database. Cut off before that, the same command goes on: what is there and the same is left as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hub.config import Settings
from hub.core.audit import Deed
from hub.evidence import backup, pairing, reconciling
from hub.evidence.backup import BackupProblem, Manifest
from hub.evidence.files import copy_whole, make_folder, sha256_of
from hub.evidence.reconciling import Report
from hub.evidence.storage import OpenStorage
from hub.store import Store, audit, backing_up
from hub.store.audit import Actor

Tell = Callable[[int, int], None]


class Restored(NamedTuple):
    """What was put in place; `report` says what of the film is not there."""

    manifest: Manifest
    film: int
    report: Report


def restore(
    settings: Settings,
    storage: OpenStorage,
    folder: Path,
    actor: Actor,
    now_utc_ms: Callable[[], int],
    tell: Tell = lambda *_: None,
) -> Restored:
    """Put the backup in `folder` in place. Raises BackupProblem, StorageProblem, OSError, sqlite3.Error,
    hub.store.StoreProblem."""
    manifest = backup.read_manifest(folder)
    database = _check_all(settings, folder, manifest)
    film = backup.film_listed(folder, manifest)
    _check_storage(settings, storage, manifest)
    if (folder / "film").is_dir():
        _put_film(settings, storage, folder, film, tell)
    for each in manifest.files:
        target = _target_of(settings, each.path)
        _make_place(settings, target)
        copy_whole(folder / each.path, target, 0o600 if each.is_secret else 0o644)
    if manifest.label:
        if storage.label() is None:
            storage.set_label(manifest.label.encode())
        pairing.adopt(settings, manifest.label.encode())
    make_folder(settings.database_path.parent)
    copy_whole(database, settings.database_path, 0o600)
    store = Store(settings.database_path)  # an older schema is brought up to date here
    try:
        now = now_utc_ms()
        detail = {"made_utc_ms": manifest.made_utc_ms, "film": manifest.has_film, "keys": manifest.has_keys}
        audit.note(store, actor, Deed.RESTORED, "store", now, detail)
        return Restored(manifest, len(film), reconciling.look(store, storage, now))
    finally:
        store.close()


def _check_all(settings: Settings, folder: Path, manifest: Manifest) -> Path:
    """The database of the backup; everything but the film, which is checked as it is put, is as the manifest says, and
    nothing here stands in its way."""
    for suffix in ("", "-wal", "-journal"):
        path = Path(f"{settings.database_path}{suffix}")
        if path.exists():
            raise BackupProblem(f"there is a store at {path}: stop the hub, and move away what is there")
    database = backup.check_entry(folder, manifest.database)
    try:
        backing_up.examine(database)
    except backing_up.BadCopy as bad:
        raise BackupProblem(str(bad)) from None
    for each in manifest.files:
        backup.check_entry(folder, each)
        target = _target_of(settings, each.path)
        if target.exists() and sha256_of(target) != each.sha256:
            raise BackupProblem(f"{target} is there and is another file: move {settings.ca_path} away")
    return database


def _check_storage(settings: Settings, storage: OpenStorage, manifest: Manifest) -> None:
    """The film that lies here already must be that of the backup."""
    there = storage.label()
    label = manifest.label.encode() or None
    ours = pairing.expected_label(settings)
    if ours not in (None, label):
        raise BackupProblem(f"{pairing.label_path(settings.database_path)} is left of another store: move it away")
    if there == label and label is not None:
        return
    if there is not None or next(storage.names(), None) is not None:
        raise BackupProblem(f"{storage.place} has the film of another store: correct STORAGE_PATH or S3_ENDPOINT")


def _put_film(settings: Settings, storage: OpenStorage, folder: Path, film: list[tuple[str, int]], tell: Tell) -> None:
    """Each file by a copy that is hashed, for the storage may move what it is given."""
    work = Path(settings.storage_path) / "importing"
    make_folder(work)
    for number, (sha256, size_bytes) in enumerate(film):
        tell(number, len(film))
        source = folder / "film" / sha256[:2] / sha256
        if storage.size_bytes(sha256) == size_bytes or not source.exists():
            continue
        copy = work / f"{sha256}.{os.getpid()}"
        try:
            copy_whole(source, copy)
            if sha256_of(copy) != sha256:
                raise BackupProblem(f"{source} is not the film that was backed up: its hash is another")
            storage.put(sha256, copy)
        finally:
            copy.unlink(missing_ok=True)


def _target_of(settings: Settings, path: str) -> Path:
    top, *rest = Path(path).parts
    root = Path(settings.ca_path) if top.startswith("authority-") else Path(settings.storage_path) / "aside"
    return root.joinpath(*rest)


def _make_place(settings: Settings, target: Path) -> None:
    """The authority's folders are its owner's alone, but for what is public."""
    make_folder(target.parent)
    if Path(settings.ca_path) in target.parents and target.parent != Path(settings.ca_path):
        os.chmod(target.parent, 0o755 if target.parent.name == "public" else 0o700)
