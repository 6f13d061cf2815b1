"""Where film lies: what was put is there for good, once, under its hash, and nothing else is."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from hub.evidence.storage import LocalStorage, Missing, Storage, StorageFull, StorageProblem


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return LocalStorage(tmp_path / "storage")


def put(storage: Storage, tmp_path: Path, data: bytes) -> str:
    source = tmp_path / "source"
    source.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    storage.put(sha256, source)
    return sha256


def test_what_was_put_is_read_again(storage: Storage, tmp_path: Path) -> None:
    """By its hash, whole; put twice it is there once."""
    sha256 = put(storage, tmp_path, b"film")
    assert put(storage, tmp_path, b"film") == sha256
    assert storage.read(sha256) == b"film"
    assert storage.size_bytes(sha256) == 4
    assert list(storage.names()) == [(sha256, 4)]


def test_what_is_not_there_is_told(storage: Storage) -> None:
    """Nothing is invented: no size, no bytes, nothing to delete."""
    absent = "ab" * 32
    assert storage.size_bytes(absent) is None
    assert storage.delete(absent) is False
    with pytest.raises(Missing):
        storage.read(absent)
    assert list(storage.names()) == []


def test_deleted_is_gone(storage: Storage, tmp_path: Path) -> None:
    """And only that one."""
    first, second = put(storage, tmp_path, b"one"), put(storage, tmp_path, b"two")
    assert storage.delete(first) is True
    assert [name for name, _ in storage.names()] == [second]


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "AB" * 32, "ab" * 31, "/" + "ab" * 32])
def test_only_a_hash_is_a_name(storage: Storage, name: str) -> None:
    """No path leads out of the storage."""
    with pytest.raises(StorageProblem):
        storage.read(name)


def test_a_reserve_is_left_free(tmp_path: Path) -> None:
    """The database lies on the same disk: film is refused before it takes that room, and leaves nothing behind."""
    space = os.statvfs(tmp_path)
    storage = LocalStorage(tmp_path / "storage", reserve_bytes=space.f_blocks * space.f_frsize)
    with pytest.raises(StorageFull):
        put(storage, tmp_path, b"film")
    assert (tmp_path / "source").exists()
    assert list(storage.names()) == []


def test_a_folder_that_cannot_be_is_a_problem_in_words(tmp_path: Path) -> None:
    """The text names the place."""
    (tmp_path / "storage").write_text("a file")
    with pytest.raises(StorageProblem, match="storage"):
        put(LocalStorage(tmp_path / "storage"), tmp_path, b"film")
