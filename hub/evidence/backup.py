"""A backup: the store as of one moment, the authority's files, and the film or a list of it, under one manifest.

    manifest.json         what belongs to it, each with bytes and SHA-256; written last, and replaced whole
    hub-<ms UTC>.db       the store
    film-<ms UTC>.txt     `HASH BYTES` of each file of film that the store lists
    film/ab/abcdef...     the film, with --film; taken again into the same folder, only what is new is copied
    authority-<ms UTC>/   files of EMS_CA_PATH; keys only with --with-keys
    aside-<ms UTC>/       what was put aside, with --film

Order of failure: all is written under names that the manifest of an earlier backup in the folder does not know; the new
manifest takes its place; then what only the earlier one knew goes. So a folder that had a backup always has one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import msgspec

from hub.config import Settings
from hub.core.audit import Deed
from hub.evidence import pairing
from hub.evidence.files import PIECE_BYTES, copy_whole, make_folder, sha256_of, sync, write_whole
from hub.evidence.storage import Missing, OpenStorage, StorageProblem
from hub.store import Store, audit, backing_up
from hub.store.audit import Actor

MANIFEST = "manifest.json"
FORMAT = 1
_KEY_MARK = b"PRIVATE KEY-----"
_OURS = re.compile(r"(hub-\d+\.db|film-\d+\.txt|(authority|aside)-\d+)")
_SPARE_BYTES = 64 << 20

Tell = Callable[[int, int], None]
"""Called with how many files of film are done, of how many."""


class BackupProblem(Exception):
    """It cannot be done; the text says why and what to do."""


class Entry(msgspec.Struct, frozen=True):
    """One file of the backup, by its path in the folder."""

    path: str
    sha256: str
    size_bytes: int
    is_secret: bool = False


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`label`: of the pair that store and storage are; '' when they had none. `schema`: the store's version."""

    format: int
    made_utc_ms: int
    software: str
    schema: int
    label: str
    database: Entry
    film_list: Entry
    has_film: bool
    has_keys: bool
    files: tuple[Entry, ...]


class Made(NamedTuple):
    """What a backup holds. `missing` are files of film that the storage had not got."""

    manifest: Manifest
    film: int
    film_bytes: int
    copied: int
    missing: list[str]


def make(
    settings: Settings,
    store: Store,
    storage: OpenStorage,
    folder: Path,
    actor: Actor,
    now_utc_ms: int,
    *,
    is_with_film: bool,
    is_with_keys: bool,
    tell: Tell = lambda *_: None,
) -> Made:
    """Back up into `folder`, empty or with an earlier backup. The hub may run. Raises BackupProblem, StorageProblem,
    OSError, sqlite3.Error."""
    earlier = _begin(folder)
    detail = {"folder": str(folder), "film": is_with_film, "keys": is_with_keys}
    audit.note(store, actor, Deed.BACKED_UP, "store", now_utc_ms, detail)
    database = folder / f"hub-{now_utc_ms}.db"
    backing_up.copy_to(store, database)
    os.chmod(database, 0o600)
    sync(database)
    try:
        schema = backing_up.examine(database)
    except backing_up.BadCopy as bad:
        raise BackupProblem(f"the store cannot be backed up: {bad}") from None
    film = backing_up.film_of(database)
    film_list = folder / f"film-{now_utc_ms}.txt"
    write_whole(film_list, "".join(f"{sha256} {size_bytes}\n" for sha256, size_bytes in film).encode(), 0o600)
    copied, missing = _copy_film(storage, folder / "film", film, tell) if is_with_film else (0, [])
    files = list(_copy_files(Path(settings.ca_path), folder, f"authority-{now_utc_ms}", is_with_keys=is_with_keys))
    if is_with_film:
        files += _copy_files(Path(settings.storage_path) / "aside", folder, f"aside-{now_utc_ms}", is_with_keys=True)
    manifest = Manifest(
        format=FORMAT,
        made_utc_ms=now_utc_ms,
        software=version("exam-monitoring-system"),
        schema=schema,
        label=(pairing.expected_label(settings) or b"").decode(),
        database=entry_of(folder, database, is_secret=True),
        film_list=entry_of(folder, film_list),
        has_film=is_with_film,
        has_keys=is_with_keys,
        files=tuple(files),
    )
    write_whole(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1), 0o600)
    _forget(folder, earlier, manifest, {sha256 for sha256, _ in film})
    return Made(manifest, len(film), sum(size_bytes for _, size_bytes in film), copied, missing)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup. Raises BackupProblem."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise BackupProblem(f"{folder} is no backup: it has no {MANIFEST}") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise BackupProblem(f"{folder / MANIFEST} cannot be read: {error}") from None
    if manifest.format != FORMAT:
        raise BackupProblem(f"{folder} was written by another version of the hub (format {manifest.format})")
    for each in (manifest.database, manifest.film_list, *manifest.files):
        if Path(each.path).is_absolute() or ".." in Path(each.path).parts:
            raise BackupProblem(f"{folder / MANIFEST} names a file outside of its folder: {each.path}")
    return manifest


def film_listed(folder: Path, manifest: Manifest) -> list[tuple[str, int]]:
    """(hash, bytes) of each file of film. Raises BackupProblem when the list is not the one of the manifest."""
    check_entry(folder, manifest.film_list)
    lines = (folder / manifest.film_list.path).read_text().splitlines()
    return [(line.split()[0], int(line.split()[1])) for line in lines]


def check_entry(folder: Path, entry: Entry) -> Path:
    """The path of a file that is as the manifest says. Raises BackupProblem."""
    path = folder / entry.path
    try:
        found = sha256_of(path)
    except OSError as error:
        raise BackupProblem(f"{path}: {error.strerror or error}") from None
    if found != entry.sha256:
        raise BackupProblem(f"{path} is not the file that was backed up: its hash is another")
    return path


def entry_of(folder: Path, path: Path, *, is_secret: bool = False) -> Entry:
    return Entry(str(path.relative_to(folder)), sha256_of(path), path.stat().st_size, is_secret)


def _begin(folder: Path) -> Manifest | None:
    """The earlier backup in the folder, which is made when it is missing."""
    if folder.exists() and any(folder.iterdir()):
        return read_manifest(folder)
    make_folder(folder)
    os.chmod(folder, 0o700)
    return None


def _copy_film(storage: OpenStorage, folder: Path, film: list[tuple[str, int]], tell: Tell) -> tuple[int, list[str]]:
    """Read, hash and write what is not there yet; (how many were copied, what the storage has not got)."""
    copied, missing = 0, []
    for number, (sha256, size_bytes) in enumerate(film):
        tell(number, len(film))
        target = folder / sha256[:2] / sha256
        if target.exists() and target.stat().st_size == size_bytes:
            continue
        try:
            data = storage.read(sha256)
        except Missing:
            missing.append(f"{sha256}: not in the storage")
            continue
        if hashlib.sha256(data).hexdigest() != sha256:
            missing.append(f"{sha256}: damaged in the storage")
            continue
        room = os.statvfs(folder.parent)
        if room.f_bavail * room.f_frsize < size_bytes + _SPARE_BYTES:
            raise StorageProblem(f"{folder} has no room left after {copied} files: make room, then repeat the command")
        make_folder(target.parent)
        write_whole(target, data, 0o400)
        copied += 1
    return copied, missing


def _copy_files(source: Path, folder: Path, name: str, *, is_with_keys: bool) -> Iterator[Entry]:
    for path in sorted(source.rglob("*")) if source.is_dir() else ():
        if not path.is_file() or path.name.startswith("."):
            continue
        is_secret = _is_key(path)
        if is_secret and not is_with_keys:
            continue
        target = folder / name / path.relative_to(source)
        make_folder(target.parent)
        copy_whole(path, target, 0o400)
        yield entry_of(folder, target, is_secret=is_secret)


def _is_key(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix == ".key" or _KEY_MARK in file.read(PIECE_BYTES)


def _forget(folder: Path, earlier: Manifest | None, now: Manifest, film: set[str]) -> None:
    """Remove what earlier backups in this folder had and this one has not, those that were cut off included: film that
    was purged does not live on in it."""
    if earlier is None:
        return
    kept = {each.path for each in (now.database, now.film_list, *now.files)}
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
        name = path.relative_to(folder)
        if _OURS.fullmatch(name.parts[0]) is None or str(name) in kept:
            continue
        with contextlib.suppress(OSError):  # a folder that is needed is not empty
            path.rmdir() if path.is_dir() else path.unlink()
    for path in (folder / "film").glob("*/*"):
        if path.name not in film:
            path.unlink(missing_ok=True)
