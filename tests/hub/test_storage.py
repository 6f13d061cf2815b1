"""Where film lies: what was put is there for good, once, under its hash, and nothing else is; on a disk and at an S3
service alike."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub.evidence.storage import (
    LEFT_AFTER_MS,
    LocalStorage,
    Missing,
    OpenStorage,
    StorageFull,
    StorageProblem,
    WrongStorage,
    open_storage,
)
from hub.terminal import now_utc_ms
from tests import s3_service
from tests.authority import Centre
from tests.s3_service import Service

Make = Callable[..., OpenStorage]
"""Makes one more client of the same storage."""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """An S3 service over plain HTTP on this machine."""
    with s3_service.running() as running:
        yield running


@pytest.fixture(params=["local", "s3"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Both kinds of storage, empty."""
    if request.param == "local":
        return lambda **named: LocalStorage(tmp_path / "storage", **named)
    from hub.evidence.s3 import S3Storage

    service: Service = request.getfixturevalue("service")
    bucket = service.new_bucket()
    return lambda **named: S3Storage(service.settings(s3_bucket=bucket), **named)


@pytest.fixture
def storage(make: Make) -> OpenStorage:
    return make()


def put(storage: OpenStorage, tmp_path: Path, data: bytes) -> str:
    sha256 = hashlib.sha256(data).hexdigest()
    source = tmp_path / f"source-{threading.get_ident()}"
    source.write_bytes(data)
    storage.put(sha256, source)
    return sha256


def test_what_was_put_is_read_again(storage: OpenStorage, tmp_path: Path) -> None:
    """By its hash, whole; put twice it is there once."""
    sha256 = put(storage, tmp_path, b"film")
    (tmp_path / f"source-{threading.get_ident()}").unlink(missing_ok=True)
    assert put(storage, tmp_path, b"film") == sha256
    assert storage.read(sha256) == b"film"
    assert storage.size_bytes(sha256) == 4
    assert list(storage.names()) == [(sha256, 4)]
    assert list(storage.strangers()) == []


def test_an_empty_file_is_a_file(storage: OpenStorage, tmp_path: Path) -> None:
    """Zero bytes are there, which is not the same as not there."""
    sha256 = put(storage, tmp_path, b"")
    assert storage.size_bytes(sha256) == 0
    assert storage.read(sha256) == b""


def test_what_is_not_there_is_told(storage: OpenStorage) -> None:
    """Nothing is invented: no size, no bytes, nothing to delete."""
    absent = "ab" * 32
    assert storage.size_bytes(absent) is None
    assert storage.delete(absent) is False
    with pytest.raises(Missing):
        storage.read(absent)
    assert list(storage.names()) == []


def test_deleted_is_gone(storage: OpenStorage, tmp_path: Path) -> None:
    """And only that one."""
    first, second = put(storage, tmp_path, b"one"), put(storage, tmp_path, b"two")
    assert storage.delete(first) is True
    assert [name for name, _ in storage.names()] == [second]


def test_many_deleted_are_gone_and_no_others(storage: OpenStorage, tmp_path: Path) -> None:
    """Those that were not there are no mistake: a purge that was killed deletes them again."""
    names = [put(storage, tmp_path, b"film %d" % number) for number in range(20)]
    storage.delete_many([*names[:15], "0" * 64])
    storage.delete_many(names[:15])
    assert {name for name, _ in storage.names()} == set(names[15:])


def test_many_go_at_once(storage: OpenStorage, tmp_path: Path) -> None:
    """Those that are there; one that is not is no trouble."""
    first, second, third = (put(storage, tmp_path, data) for data in (b"one", b"two", b"three"))
    storage.delete_many(sorted([first, second, "ab" * 32]))
    assert list(storage.names()) == [(third, 5)]


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "AB" * 32, "ab" * 31, "/" + "ab" * 32])
def test_only_a_hash_is_a_name(storage: OpenStorage, name: str) -> None:
    """No path leads out of the storage."""
    with pytest.raises(StorageProblem):
        storage.read(name)


def test_damage_is_mended_by_putting_it_again(storage: OpenStorage, tmp_path: Path) -> None:
    """A file that lies there with other bytes of the same length is not taken for the one that is brought."""
    sha256 = put(storage, tmp_path, b"film")
    damage(storage, sha256, b"flim")
    assert storage.read(sha256) == b"flim"
    put(storage, tmp_path, b"film")
    assert storage.read(sha256) == b"film"


def damage(storage: OpenStorage, sha256: str, data: bytes) -> None:
    """Put other bytes under a name, past the storage's own care."""
    if isinstance(storage, LocalStorage):
        path = Path(storage.place) / sha256[:2] / sha256
        path.chmod(0o640)
        path.write_bytes(data)
    else:
        import obstore

        obstore.put(storage._store(), storage._path(sha256), data)  # type: ignore[attr-defined]


def test_two_writers_of_one_file_both_succeed(make: Make, tmp_path: Path) -> None:
    """Whoever is first: it is there once and whole."""
    data = os.urandom(300_000)
    failures: list[Exception] = []

    def bring() -> None:
        try:
            put(make(), tmp_path, data)
        except Exception as error:
            failures.append(error)

    writers = [threading.Thread(target=bring) for _ in range(6)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert failures == []
    sha256 = hashlib.sha256(data).hexdigest()
    assert make().read(sha256) == data
    assert list(make().names()) == [(sha256, len(data))]
    assert list(make().strangers()) == []


def test_a_label_names_the_pair(make: Make, tmp_path: Path) -> None:
    """Without the expected one nothing is put, and nothing is told to be missing: the disk may not be mounted."""
    storage = make()
    assert storage.label() is None
    storage.set_label(b"mine")
    assert make(expected_label=b"mine").label() == b"mine"
    sha256 = put(make(expected_label=b"mine"), tmp_path, b"film")
    other = make(expected_label=b"other")
    with pytest.raises(WrongStorage):
        put(other, tmp_path, b"more")
    with pytest.raises(WrongStorage):
        other.size_bytes("ab" * 32)
    with pytest.raises(WrongStorage):
        list(other.names())
    assert list(storage.names()) == [(sha256, 4)]


def test_what_others_left_there_is_named_and_kept(storage: OpenStorage, tmp_path: Path) -> None:
    """A stranger's file is no film."""
    sha256 = put(storage, tmp_path, b"film")
    if isinstance(storage, LocalStorage):
        (Path(storage.place) / "notes.txt").write_text("mine")
    else:
        import obstore

        obstore.put(storage._store(), "notes.txt", b"mine")  # type: ignore[attr-defined]
    assert list(storage.strangers()) == ["notes.txt"]
    assert list(storage.names()) == [(sha256, 4)]


# --- the folder -----------------------------------------------------------------------------------------------------


def test_a_reserve_is_left_free(tmp_path: Path) -> None:
    """The database lies on the same disk: film is refused before it takes that room, and leaves nothing behind."""
    space = os.statvfs(tmp_path)
    storage = LocalStorage(tmp_path / "storage", reserve_bytes=space.f_blocks * space.f_frsize)
    with pytest.raises(StorageFull):
        put(storage, tmp_path, b"film")
    assert (tmp_path / f"source-{threading.get_ident()}").exists()
    assert list(storage.names()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_puts_belongs_to_the_hub(tmp_path: Path) -> None:
    """A command at the terminal leaves nothing behind that the hub's own account cannot read."""
    folder = tmp_path / "storage"
    folder.mkdir()
    os.chown(folder, 12_345, 12_346)
    storage = LocalStorage(folder)
    sha256 = put(storage, tmp_path, b"film")
    storage.set_label(b"label")
    for path in (folder / sha256[:2], folder / sha256[:2] / sha256, folder / "storage.json"):
        assert (path.stat().st_uid, path.stat().st_gid) == (12_345, 12_346)


def test_a_folder_that_cannot_be_is_a_problem_in_words(tmp_path: Path) -> None:
    """The text names the place."""
    (tmp_path / "storage").write_text("a file")
    with pytest.raises(StorageProblem, match="storage"):
        put(LocalStorage(tmp_path / "storage"), tmp_path, b"film")


def test_what_cannot_be_kept_stays_with_who_brought_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails while the file gets its name takes nothing away: it can be put again."""

    def failing(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    storage = LocalStorage(tmp_path / "storage")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(StorageProblem, match="Input/output error"):
            put(storage, tmp_path, b"film")
    source = tmp_path / f"source-{threading.get_ident()}"
    storage.put(hashlib.sha256(b"film").hexdigest(), source)
    assert [size for _, size in storage.names()] == [4]


def test_film_from_another_file_system_is_copied_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card or a memory file system: the copy has its name when it is complete, and nothing lies beside it."""
    replace = Path.replace

    def across(self: Path, target: Path) -> Path:
        if self.name.startswith("source"):
            raise OSError(18, "Invalid cross-device link")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", across)
    storage = LocalStorage(tmp_path / "storage")
    sha256 = put(storage, tmp_path, b"film")
    assert storage.read(sha256) == b"film"
    assert list(storage.strangers()) == []


def test_copies_of_the_dead_are_cleaned_and_of_the_living_not(tmp_path: Path) -> None:
    """A copy that never got its name goes after an hour; before, somebody may be writing it."""
    storage = LocalStorage(tmp_path / "storage")
    sha256 = put(storage, tmp_path, b"film")
    left = Path(storage.place) / sha256[:2] / f".{sha256}.123.abcdef01"
    left.write_bytes(b"fi")
    assert list(storage.strangers()) == [f"{sha256[:2]}/{left.name}"]
    assert storage.clean(now_utc_ms()) == 0
    assert storage.clean(now_utc_ms() + LEFT_AFTER_MS + 60_000) == 1
    assert list(storage.strangers()) == []
    assert storage.read(sha256) == b"film"


# --- the service ----------------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(service: Service) -> OpenStorage:
    from hub.evidence.s3 import S3Storage

    return S3Storage(service.settings(s3_bucket=service.new_bucket()))


def test_a_large_file_goes_in_parts(bucket: OpenStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the size of a part it is sent in several, and is there whole and right."""
    from hub.evidence import s3

    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)
    data = os.urandom(12 << 20)
    sha256 = put(bucket, tmp_path, data)
    assert bucket.read(sha256) == data


def test_parts_that_were_changed_there_are_found(
    bucket: OpenStorage, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent in parts is read back before it counts."""
    from hub.evidence import s3

    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)
    service.fail("flip")
    with pytest.raises(StorageProblem, match="other bytes"):
        put(bucket, tmp_path, os.urandom(6 << 20))


def test_half_a_file_does_not_count(bucket: OpenStorage, service: Service, tmp_path: Path) -> None:
    """The service said yes and kept less: that is a problem, and putting it again mends it."""
    service.fail("short")
    with pytest.raises(StorageProblem, match="2 bytes"):
        put(bucket, tmp_path, b"film")
    assert bucket.read(put(bucket, tmp_path, b"film")) == b"film"


def test_only_the_named_file_is_sent(bucket: OpenStorage, tmp_path: Path) -> None:
    """A source that has changed since it was checked does not get the name."""
    (tmp_path / "source").write_bytes(b"flim")
    with pytest.raises(StorageProblem, match="not the file"):
        bucket.put(hashlib.sha256(b"film").hexdigest(), tmp_path / "source")
    assert list(bucket.names()) == []


def test_a_busy_service_is_asked_again(bucket: OpenStorage, service: Service, tmp_path: Path) -> None:
    """Two refusals for the moment are nobody's business."""
    service.fail("busy", 2)
    assert bucket.read(put(bucket, tmp_path, b"film")) == b"film"


def test_a_full_service_is_told_as_full(bucket: OpenStorage, service: Service, tmp_path: Path) -> None:
    """So that uploads wait at the desks."""
    service.fail("full", 20)
    try:
        with pytest.raises(StorageFull, match="make room"):
            put(bucket, tmp_path, b"film")
    finally:
        service.fail("full", 0)


def test_more_files_than_a_page_are_all_named(bucket: OpenStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service answers by pages of a thousand at most."""
    import asyncio

    import obstore

    store = bucket._store()  # type: ignore[attr-defined]
    wanted = {f"{number:064x}" for number in range(1_050)}

    async def fill() -> None:
        await asyncio.gather(*(obstore.put_async(store, f"film/{name}", b"x") for name in wanted))

    asyncio.run(fill())
    assert {name for name, _ in bucket.names()} == wanted


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"s3_bucket": "not-there"}, "EMS_S3_BUCKET"),
        ({"s3_access_key": "WRONG"}, "EMS_S3_ACCESS_KEY"),
        ({"s3_endpoint": "http://127.0.0.1:1"}, "S3_ENDPOINT"),
    ],
)
def test_what_is_wrong_is_told_without_the_keys(
    service: Service, tmp_path: Path, changed: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question answers what to do; neither key is in the text nor in what the storage says of itself."""
    from hub.evidence import s3

    monkeypatch.setattr(s3, "RETRIES", 1)
    settings = service.settings(**changed)
    storage = open_storage(settings)
    (tmp_path / "source").write_bytes(b"film")
    questions: list[Callable[[], object]] = [
        lambda: storage.put(hashlib.sha256(b"film").hexdigest(), tmp_path / "source"),
        lambda: storage.read("ab" * 32),
        lambda: storage.size_bytes("ab" * 32),
        lambda: storage.delete("ab" * 32),
        lambda: list(storage.names()),
        storage.label,
    ]
    for ask in questions:
        with pytest.raises(StorageProblem, match=words) as caught:
            ask()
        assert not isinstance(caught.value, Missing)
        for told in (str(caught.value), repr(storage), storage.place, repr(settings)):
            assert s3_service.SECRET_KEY not in told
            assert s3_service.ACCESS_KEY not in told


def test_a_service_without_answer_is_a_problem_in_time(
    service: Service, bucket: OpenStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for ever."""
    from hub.evidence import s3

    monkeypatch.setattr(s3, "SILENT_S", 0.5)
    monkeypatch.setattr(s3, "RETRIES", 0)
    service.fail("silent")
    with pytest.raises(StorageProblem, match="in time"):
        bucket.size_bytes("ab" * 32)


def test_tls_needs_a_known_authority(tmp_path: Path) -> None:
    """With the file of the authority it works; without, it is refused and told."""
    from hub.evidence.s3 import S3Storage

    centre = Centre(tmp_path)
    papers = centre.issue("localhost", is_server=True)
    with s3_service.running(papers.certificate, papers.key, centre.folder.authorities) as service:
        settings = service.settings(s3_bucket=service.new_bucket())
        storage = S3Storage(settings)
        assert storage.read(put(storage, tmp_path, b"film")) == b"film"
        with pytest.raises(StorageProblem, match="EMS_S3_CA_PATH"):
            S3Storage(service.settings(s3_ca_path="")).size_bytes("ab" * 32)
    with pytest.raises(StorageProblem, match="EMS_S3_CA_PATH"):
        open_storage(service.settings(s3_ca_path=str(tmp_path / "not-there")))
