"""Which storage belongs to which store: both carry one label, so that a store is never used beside another's film, nor
beside an empty mount point where a disk should be.

The store's side lies beside the database as `hub.db.storage.json`, the film's in its folder or bucket as
`storage.json`.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import msgspec

from hub.config import Settings
from hub.evidence.files import write_whole
from hub.evidence.storage import LABEL_FILE, OpenStorage, StorageProblem, WrongStorage
from hub.store import Store, reconciling


class Label(msgspec.Struct, frozen=True):
    """`storage` names the pair for ever."""

    storage: str
    made_utc_ms: int


def label_path(database: Path) -> Path:
    """Where the store's side lies."""
    return database.with_name(f"{database.name}.{LABEL_FILE}")


def expected_label(settings: Settings) -> bytes | None:
    """The label that the film must carry; None while the store has none. Raises StorageProblem."""
    path = label_path(settings.database_path)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageProblem(f"{path}: {error.strerror or error}") from None


def pair(settings: Settings, storage: OpenStorage, now_utc_ms: int, store: Store) -> None:
    """Label store and storage where neither is yet, and where a store that knows no film meets film: a new store beside
    what an old one has left. Raises WrongStorage when they are not a pair, StorageProblem."""
    path = label_path(settings.database_path)
    ours, theirs = expected_label(settings), storage.label()
    if ours is not None and ours != theirs:
        raise WrongStorage(f"{storage.place} is not the storage that the store {settings.database_path} belongs to")
    if ours is None and theirs is not None and reconciling.has_film(store):
        raise WrongStorage(
            f"{storage.place} belongs to another store than {settings.database_path}, which has film of its own: "
            "correct STORAGE_PATH or S3_ENDPOINT"
        )
    if ours is not None:
        return
    label = theirs or msgspec.json.encode(Label(uuid.uuid4().hex, now_utc_ms))
    # The film's side first: a store that expects a label which was never written would refuse its own storage.
    if theirs is None:
        storage.set_label(label)
    try:
        write_whole(path, label)
    except OSError as error:
        raise StorageProblem(f"{path}: {error.strerror or error}") from None


def pair_anew(settings: Settings, storage: OpenStorage) -> bool:
    """The storage was lost and a new one stands in its place: give it the label that the store expects. False when they
    are a pair already. Raises WrongStorage for one that has a label of its own, StorageProblem."""
    ours, theirs = expected_label(settings), storage.label()
    if ours is None or theirs == ours:
        return False
    if theirs is not None:
        raise WrongStorage(f"{storage.place} belongs to another store: correct STORAGE_PATH or S3_ENDPOINT")
    storage.set_label(ours)
    return True


def adopt(settings: Settings, label: bytes) -> None:
    """Give the store the label that was kept with it. Raises OSError."""
    os.makedirs(settings.database_path.parent, exist_ok=True)
    write_whole(label_path(settings.database_path), label)
