"""How film becomes the hub's: the one way, safe to repeat, and never lost to a purge that runs at the same time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent import wire
from hub.evidence.storage import LocalStorage, StorageProblem
from hub.store import Store, uploads
from tests.hub.desk import Desk
from tests.hub.films import Film, film, keep
from tests.hub.hubs import rows, value

NOW = 1_900_000_000_000


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "film")


def put(store: Store, storage: uploads.Keeping, made: Film, folder: Path, now: int = NOW) -> None:
    source = made.file(folder)
    uploads.store_segment(store, storage, "c1.d1", made.closed.name, made.closed.sha256, source, now)


def purge(store: Store, made: Film, *, is_finished: bool, storage: LocalStorage | None = None) -> None:
    """What a purge does with the only segment of this content: up to its row, or to its end."""
    with store.write() as connection:
        connection.execute("update segments set purged_utc_ms = ? where name = ?", [NOW, made.closed.name])
        connection.execute("delete from blobs where sha256 = ?", [made.closed.sha256])
        connection.execute("insert into garbage values (?, ?)", [made.closed.sha256, NOW])
    if is_finished and storage is not None:
        finish(store, made, storage)


def finish(store: Store, made: Film, storage: LocalStorage) -> None:
    storage.delete(made.closed.sha256)
    with store.write() as connection:
        connection.execute("delete from garbage where sha256 = ?", [made.closed.sha256])


class Between(LocalStorage):
    """A storage in which something happens right after a file was put, once."""

    def __init__(self, folder: Path, then: Callable[[], object]) -> None:
        super().__init__(folder)
        self._then: Callable[[], object] | None = then

    def put(self, sha256: str, source: Path) -> None:
        super().put(sha256, source)
        then, self._then = self._then, None
        if then is not None:
            then()


def test_a_checked_file_becomes_the_hubs(store: Store, storage: LocalStorage, tmp_path: Path) -> None:
    """Stored once; again changes nothing, not even the time."""
    made = film(store, Desk(), b"film")
    put(store, storage, made, tmp_path)
    put(store, storage, made, tmp_path, NOW + 5)
    assert storage.read(made.closed.sha256) == b"film"
    assert rows(store, "select stored_utc_ms from segments") == [{"stored_utc_ms": NOW}]
    assert rows(store, "select * from blobs") == [{"sha256": made.closed.sha256, "size_bytes": 4, "stored_utc_ms": NOW}]


def test_equal_films_share_one_file(store: Store, storage: LocalStorage, tmp_path: Path) -> None:
    """Two segments, one blob, one file."""
    desk = Desk()
    one, other = film(store, desk, b"same", 1), film(store, desk, b"same", 2)
    put(store, storage, one, tmp_path)
    put(store, storage, other, tmp_path)
    assert value(store, "select count(*) from segments where stored_utc_ms is not null") == 2
    assert value(store, "select count(*) from blobs") == 1
    assert list(storage.names()) == [(one.closed.sha256, 4)]


def test_what_is_not_recorded_so_is_not_taken(store: Store, storage: LocalStorage, tmp_path: Path) -> None:
    """No record, another content, purged: each its own refusal, and nothing is in the storage."""
    desk = Desk()
    made = film(store, desk, b"film")
    source = made.file(tmp_path)
    with pytest.raises(uploads.NotRecorded):
        uploads.store_segment(store, storage, "c1.d1", "another.ts", made.closed.sha256, source, NOW)
    with pytest.raises(uploads.OtherSegment):
        uploads.store_segment(store, storage, "c1.d1", made.closed.name, "ab" * 32, source, NOW)
    purge(store, made, is_finished=True, storage=storage)
    with pytest.raises(uploads.IsPurged):
        put(store, storage, made, tmp_path)
    assert list(storage.names()) == []


def test_nothing_is_stored_while_its_like_is_removed(store: Store, storage: LocalStorage, tmp_path: Path) -> None:
    """The purge of an equal film has its row and may delete the file at any moment; when it is done, all is well."""
    desk = Desk()
    one, other = film(store, desk, b"same", 1), film(store, desk, b"same", 2)
    put(store, storage, one, tmp_path)
    purge(store, one, is_finished=False)
    with pytest.raises(uploads.BeingRemoved):
        put(store, storage, other, tmp_path)
    finish(store, one, storage)
    put(store, storage, other, tmp_path)
    assert storage.read(other.closed.sha256) == b"same"


@pytest.mark.parametrize("is_finished", [False, True])
def test_a_purge_between_file_and_row_loses_nothing(store: Store, tmp_path: Path, is_finished: bool) -> None:
    """It has seen the equal film as the last one: whether it has its row only or is all done when ours is written, no
    segment is called stored without its file; and what is sent again is kept."""
    desk = Desk()
    one, other = film(store, desk, b"same", 1), film(store, desk, b"same", 2)
    put(store, LocalStorage(tmp_path / "film"), one, tmp_path)
    storage = Between(
        tmp_path / "film", lambda: purge(store, one, is_finished=is_finished, storage=LocalStorage(tmp_path / "film"))
    )
    if is_finished:
        put(store, storage, other, tmp_path)
    else:
        with pytest.raises(uploads.BeingRemoved):
            put(store, storage, other, tmp_path)
        assert value(store, "select stored_utc_ms from segments where name = ?", other.closed.name) is None
        finish(store, one, storage)
        put(store, storage, other, tmp_path)
    assert storage.read(other.closed.sha256) == b"same"
    assert value(store, "select count(*) from blobs") == 1


def test_a_file_that_went_with_its_source_is_not_called_stored(store: Store, tmp_path: Path) -> None:
    """The source was moved into the storage and taken from there as rubbish: the desk has to send it again."""
    made = film(store, Desk(), b"film")
    storage = Between(tmp_path / "film", lambda: LocalStorage(tmp_path / "film").delete(made.closed.sha256))
    with pytest.raises(uploads.BeingRemoved):
        put(store, storage, made, tmp_path)
    assert value(store, "select stored_utc_ms from segments") is None
    assert value(store, "select count(*) from blobs") == 0
    put(store, storage, made, tmp_path)
    assert storage.read(made.closed.sha256) == b"film"


def test_a_segment_purged_while_it_came_leaves_its_file_to_purge(store: Store, tmp_path: Path) -> None:
    """Nobody needs the file that was just put: it is noted as such, and not forgotten in the storage."""
    made = film(store, Desk(), b"film")

    def purged_unstored() -> None:
        with store.write() as connection:
            connection.execute("update segments set purged_utc_ms = ?", [NOW])

    with pytest.raises(uploads.IsPurged):
        put(store, Between(tmp_path / "film", purged_unstored), made, tmp_path)
    assert rows(store, "select sha256 from garbage") == [{"sha256": made.closed.sha256}]


def test_a_storage_that_fails_leaves_nothing_stored(store: Store, tmp_path: Path) -> None:
    """It says why; no row says that the film is there."""
    made = film(store, Desk(), b"film")
    (tmp_path / "film").write_bytes(b"a file where the folder should be")
    with pytest.raises(StorageProblem):
        put(store, LocalStorage(tmp_path / "film"), made, tmp_path)
    assert value(store, "select stored_utc_ms from segments") is None


def test_a_record_tells_its_segment(store: Store) -> None:
    """By (unit, boot, seq); a record of another kind, none at all, and one that was told again otherwise are told
    apart. An erased body does not hide its segment."""
    desk = Desk()
    made = film(store, desk, b"film")
    with store.read() as connection:
        found = uploads.segment_of(connection, "c1.d1", *made.key)
        assert (found.name, found.size_bytes, found.sha256) == (made.closed.name, 4, made.closed.sha256)
        assert (found.is_stored, found.is_purged) == (False, False)
        with pytest.raises(uploads.NotRecorded):
            uploads.segment_of(connection, "c1.d1", 1, 99)
    with store.write() as connection:
        connection.execute("update records set body = null")
    with store.read() as connection:
        assert uploads.segment_of(connection, "c1.d1", *made.key) == found
    again = film(store, desk, b"repaired")
    state = wire.SittingState(sitting="s1", seat="12", state="ended", plan=1)
    keep(store, desk, desk.seal(state))
    with store.read() as connection:
        assert uploads.segment_of(connection, "c1.d1", *again.key).sha256 == again.closed.sha256
        with pytest.raises(uploads.OtherSegment):
            uploads.segment_of(connection, "c1.d1", 1, 3)


def test_stored_is_asked_of_the_storage_too(store: Store, storage: LocalStorage, tmp_path: Path) -> None:
    """A row alone is not believed when the desk offers the film again: what the storage has lost is wanted anew."""
    made = film(store, Desk(), b"film")
    put(store, storage, made, tmp_path)
    with store.read() as connection:
        found = uploads.segment_of(connection, "c1.d1", *made.key)
    assert uploads.is_kept(store, storage, "c1.d1", found)
    storage.delete(made.closed.sha256)
    assert not uploads.is_kept(store, storage, "c1.d1", found)
    assert value(store, "select stored_utc_ms from segments") is None


def test_film_that_the_hub_has_stays_where_it_was_told(store: Store, storage: LocalStorage, tmp_path: Path) -> None:
    """Who has a desk's key must not move film that the hub has out of its sitting and its time, and so from under a
    hold; nor have it replaced by other content. A new record of the same content finds the film all the same."""
    desk = Desk()
    made = film(store, desk, b"film")
    put(store, storage, made, tmp_path)
    before = rows(store, "select * from segments")
    again = film(store, desk, b"film", sitting="older", seat="99", began=wire.Instant(1, 1), ended=wire.Instant(2, 2))
    assert again.closed.name == made.closed.name
    assert rows(store, "select * from segments") == before
    with store.read() as connection:
        assert uploads.segment_of(connection, "c1.d1", *again.key).is_stored
    other = film(store, desk, b"other")
    assert rows(store, "select * from segments") == before
    with store.read() as connection, pytest.raises(uploads.OtherSegment):
        uploads.segment_of(connection, "c1.d1", *other.key)
