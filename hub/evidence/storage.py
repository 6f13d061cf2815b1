"""Where film lies: files known by their SHA-256, on a file system or at an S3 service.

One small interface, so that nothing else knows which. What `put` has answered for is there after a power cut. Nobody
but `hub.evidence.purging` may call `delete` and `delete_many`.

A storage and the store that knows what lies in it belong together: both carry the same label (`hub.evidence.pairing`).
With a label expected, a storage without it is not used: a disk that is not mounted would look like an empty one.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from hub.config import Settings
from hub.evidence.files import copy_whole, ends_a_line, make_folder, settle, sha256_of, sync, write_whole

NAME = re.compile(r"[0-9a-f]{64}")
LABEL_FILE = "storage.json"
JOURNAL = "records"
"""The folder of the journal (`hub.evidence.journal`), beside the film."""
JOURNAL_TAIL_BYTES = 16 << 20
LEFT_AFTER_MS = 3_600_000
"""A copy that has not got its name after an hour was left by somebody who died."""
DELETING_THREADS = 4
"""Each in folders of its own, which a file system locks one by one: twice the rate of one thread (ext4, 2 cores)."""


class StorageProblem(Exception):
    """The storage cannot do it now; the text says why and what to do."""


class StorageFull(StorageProblem):
    """There is no room left."""


class Missing(StorageProblem):
    """It has no file of that hash."""


class WrongStorage(StorageProblem):
    """It is not the storage that belongs to this hub's store."""


class Storage(Protocol):
    """All methods may be called from any thread and process; all raise StorageProblem."""

    def put(self, sha256: str, source: Path) -> None:
        """Keep the file `source`, whose hash the caller has checked, for good; `source` may be moved away. Safe to
        repeat; what lies there damaged is replaced. Raises StorageFull."""

    def read(self, sha256: str) -> bytes:
        """The whole file; a segment is a few megabytes. Raises Missing."""

    def size_bytes(self, sha256: str) -> int | None:
        """None when it is not there."""

    def delete(self, sha256: str) -> bool:
        """Remove it for good; False when it was not there."""

    def delete_many(self, names: Sequence[str]) -> None:
        """Remove these for good, those that are there; quick when they are next to each other in order of name."""

    def names(self) -> Iterator[tuple[str, int]]:
        """(hash, bytes) of every file that is there, in any order."""

    def free_bytes(self) -> int | None:
        """Room left; None where nobody can tell."""


class OpenStorage(Storage, Protocol):
    """What `open_storage` answers: a storage with what the hub's care for it needs."""

    @property
    def place(self) -> str:
        """Where it is, for people; without credentials."""

    def label(self) -> bytes | None:
        """The bytes by which it was labelled; None when it never was."""

    def set_label(self, label: bytes) -> None:
        """Label it."""

    @property
    def journal_every_s(self) -> float:
        """How often the journal may be added to."""

    def add_to_journal(self, day: str, now_utc_ms: int, piece: bytes) -> None:
        """Append to the journal, for good; `day` as 2027-01-31."""

    def journal(self) -> Iterator[bytes]:
        """All pieces in their order."""

    def journal_tail(self) -> bytes:
        """The newest of it, whole lines or not; b'' when there is none."""

    def strangers(self) -> Iterator[str]:
        """Names of what lies there and is no film of ours: copies that were never completed, and files somebody put
        there."""

    def clean(self, now_utc_ms: int) -> int:
        """Remove copies that somebody who died has left; answers how many."""


def open_storage(settings: Settings) -> OpenStorage:
    """The storage of this hub: S3 when S3_ENDPOINT is set, else the folder `film` in STORAGE_PATH. Nothing is asked of
    it yet: a service that is down now may be up when it is needed. Raises StorageProblem."""
    from hub.evidence import pairing

    expected = pairing.expected_label(settings)
    if settings.s3_endpoint:
        try:
            from hub.evidence.s3 import S3Storage
        except ImportError:
            raise StorageProblem(
                "S3_ENDPOINT: install the package with its extra, exam-monitoring-system[s3]"
            ) from None
        return S3Storage(settings, expected)
    return LocalStorage(Path(settings.storage_path) / "film", settings.storage_reserve_bytes, expected)


class LocalStorage:
    """A folder: `ab/abcdef...`, each file 0440 and complete from the moment it has its name."""

    def __init__(self, folder: Path, reserve_bytes: int = 0, expected_label: bytes | None = None) -> None:
        """`reserve_bytes` are left free on the file system: the hub's database lies there too."""
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._expected_label = expected_label

    @property
    def place(self) -> str:
        return str(self._folder)

    def put(self, sha256: str, source: Path) -> None:
        target = self._path(sha256)
        try:
            self._recognise()
            size_bytes = source.stat().st_size
            if target.exists() and target.stat().st_size == size_bytes and sha256_of(target) == sha256:
                return
            if (free := self.free_bytes()) is not None and free < size_bytes:
                raise StorageFull(f"{self._folder}: {max(free, 0)} bytes are free above the reserve")
            make_folder(target.parent)
            _put_in_place(source, target)
        except OSError as error:
            raise _problem(error, self._folder) from None

    def read(self, sha256: str) -> bytes:
        try:
            return self._path(sha256).read_bytes()
        except FileNotFoundError:
            self._recognise()
            raise Missing(f"{self._folder} has no file {sha256}") from None
        except OSError as error:
            raise _problem(error, self._folder) from None

    def size_bytes(self, sha256: str) -> int | None:
        try:
            return self._path(sha256).stat().st_size
        except FileNotFoundError:
            self._recognise()
            return None
        except OSError as error:
            raise _problem(error, self._folder) from None

    def delete(self, sha256: str) -> bool:
        path = self._path(sha256)
        try:
            path.unlink()
            sync(path.parent)
        except FileNotFoundError:
            self._recognise()
            return False
        except OSError as error:
            raise _problem(error, self._folder) from None
        return True

    def delete_many(self, names: Sequence[str]) -> None:
        try:
            self._recognise()
            folders: dict[Path, list[Path]] = {}
            for sha256 in names:
                path = self._path(sha256)
                folders.setdefault(path.parent, []).append(path)
            with ThreadPoolExecutor(DELETING_THREADS) as several:
                list(several.map(_unlink_in, folders, folders.values()))
        except OSError as error:
            raise _problem(error, self._folder) from None

    def names(self) -> Iterator[tuple[str, int]]:
        for each in self._entries():
            if _is_film(each):
                yield each.name, each.stat().st_size

    def free_bytes(self) -> int | None:
        try:
            self._recognise()
            make_folder(self._folder)
            space = os.statvfs(self._folder)
        except OSError as error:
            raise _problem(error, self._folder) from None
        return space.f_bavail * space.f_frsize - self._reserve_bytes

    def label(self) -> bytes | None:
        try:
            return (self._folder / LABEL_FILE).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _problem(error, self._folder) from None

    def set_label(self, label: bytes) -> None:
        try:
            make_folder(self._folder)
            write_whole(self._folder / LABEL_FILE, label)
        except OSError as error:
            raise _problem(error, self._folder) from None
        self._expected_label = label

    @property
    def journal_every_s(self) -> float:
        return 5.0

    def add_to_journal(self, day: str, now_utc_ms: int, piece: bytes) -> None:
        self._recognise()
        try:
            path = self._folder / JOURNAL / f"{day}.jsonl"
            is_new = not path.exists()
            make_folder(path.parent)
            with path.open("ab") as file:
                if not is_new and not ends_a_line(path):
                    piece = b"\n" + piece  # the piece before was cut off: it is one bad line
                file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            if is_new:
                settle(path, 0o640)
                sync(path.parent)
        except OSError as error:
            raise _problem(error, self._folder) from None

    def journal(self) -> Iterator[bytes]:
        self._recognise()
        try:
            for path in sorted((self._folder / JOURNAL).glob("*.jsonl")):
                yield path.read_bytes()
        except OSError as error:
            raise _problem(error, self._folder) from None

    def journal_tail(self) -> bytes:
        self._recognise()
        try:
            paths = sorted((self._folder / JOURNAL).glob("*.jsonl"))
            if not paths:
                return b""
            with paths[-1].open("rb") as file:
                file.seek(max(paths[-1].stat().st_size - JOURNAL_TAIL_BYTES, 0))
                return file.read()
        except OSError as error:
            raise _problem(error, self._folder) from None

    def strangers(self) -> Iterator[str]:
        for each in self._entries():
            if not _is_film(each):
                yield str(Path(each.path).relative_to(self._folder))

    def clean(self, now_utc_ms: int) -> int:
        removed = 0
        for each in self._entries():
            is_copy = each.name.startswith(".") and NAME.fullmatch(each.name[1:65]) is not None
            if is_copy and each.stat().st_ctime_ns // 1_000_000 < now_utc_ms - LEFT_AFTER_MS:
                Path(each.path).unlink(missing_ok=True)
                removed += 1
        return removed

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        """Every file, and every folder where no folder of ours can be."""
        self._recognise()
        try:
            if not self._folder.exists():
                return
            with os.scandir(self._folder) as found:
                top = sorted(found, key=lambda each: each.name)
            for folder in top:
                if len(folder.name) == 2 and folder.is_dir(follow_symlinks=False):
                    with os.scandir(folder) as found:
                        yield from found
                elif not folder.name.startswith(LABEL_FILE) and folder.name != JOURNAL:
                    yield folder
        except OSError as error:
            raise _problem(error, self._folder) from None

    def _recognise(self) -> None:
        if self._expected_label is not None and self.label() != self._expected_label:
            raise WrongStorage(
                f"{self._folder} is not the folder that this hub's store belongs to: is its disk mounted, and is "
                "STORAGE_PATH right? After a disk was replaced: `ems-hub check --repair --new-storage`"
            )

    def _path(self, sha256: str) -> Path:
        return self._folder / checked(sha256)[:2] / sha256


def checked(sha256: str) -> str:
    """The name, when it is one. Raises StorageProblem: no path leads out of a storage."""
    if not NAME.fullmatch(sha256):
        raise StorageProblem(f"{sha256[:80]!r} is no SHA-256")
    return sha256


def _unlink_in(folder: Path, paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
    if folder.is_dir():
        sync(folder)


def _put_in_place(source: Path, target: Path) -> None:
    """Until the file has its name, `source` stays: whatever fails can be tried again."""
    settle(source, 0o440, target.parent)
    sync(source)
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy_whole(source, target)  # another file system
        source.unlink(missing_ok=True)
    sync(target.parent)


def _is_film(entry: os.DirEntry[str]) -> bool:
    folder = Path(entry.path).parent.name
    return (
        NAME.fullmatch(entry.name) is not None
        and entry.name.startswith(folder)
        and entry.is_file(follow_symlinks=False)
    )


def _problem(error: OSError, folder: Path) -> StorageProblem:
    kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StorageProblem
    return kind(f"{error.filename or folder}: {error.strerror or error}")
