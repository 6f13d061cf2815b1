"""`ems-hub check` on film: each loss is named, what mends itself is mended, and nothing that anybody
needs is removed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli import main
from hub.config import Settings
from hub.evidence.storage import OpenStorage, open_storage
from hub.store import Store
from hub.store.uploads import store_segment
from tests import s3_service
from tests.brokers import Broker
from tests.hub.desk import START_UTC_MS, Desk
from tests.hub.films import Film, film
from tests.hub.hubs import rows, value
from tests.s3_service import Service

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with s3_service.running() as running:
        yield running


@pytest.fixture(params=["local", "s3"])
def settings(
    request: pytest.FixtureRequest, tmp_path: Path, mosquitto_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Those of a hub in `tmp_path`, in the environment too."""
    environ = {
        "APP_ENV": "development",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'hub.db'}",
        "STORAGE_PATH": str(tmp_path / "storage"),
        "EMS_BROKER_PORT": str(mosquitto_broker.port),
    }
    if request.param == "s3":
        service: Service = request.getfixturevalue("service")
        environ |= {
            "S3_ENDPOINT": service.endpoint,
            "EMS_S3_BUCKET": service.new_bucket(),
            "EMS_S3_ACCESS_KEY": s3_service.ACCESS_KEY,
            "EMS_S3_SECRET_KEY": s3_service.SECRET_KEY,
        }
    monkeypatch.chdir(tmp_path)
    for name, content in environ.items():
        monkeypatch.setenv(name, content)
    from hub import config

    return config.load(environ, None)


@pytest.fixture
def run(settings: Settings) -> Run:
    return lambda *words: CliRunner().invoke(main, ["check", *words])


@pytest.fixture
def storage(settings: Settings) -> OpenStorage:
    return open_storage(settings)


@pytest.fixture
def films(store: Store, storage: OpenStorage, tmp_path: Path) -> list[Film]:
    """Four segments of one desk, the last two with the same content; all are stored."""
    desk = Desk()
    made = [film(store, desk, data, number) for number, data in enumerate((b"one", b"two", b"same", b"same"), 1)]
    for each in made:
        store_segment(
            store, storage, desk.unit, each.closed.name, each.closed.sha256, each.file(tmp_path), START_UTC_MS
        )
    return made


def damage(storage: OpenStorage, sha256: str, data: bytes) -> None:
    """Other bytes under a name, past the storage's own care."""
    from hub.evidence.storage import LocalStorage

    if isinstance(storage, LocalStorage):
        path = Path(storage.place) / sha256[:2] / sha256
        path.chmod(0o640)
        path.write_bytes(data)
    else:
        import obstore

        obstore.put(storage._store(), storage._path(sha256), data)  # type: ignore[attr-defined]


def is_stored(store: Store, each: Film) -> bool:
    found = value(store, f"select stored_utc_ms from segments where name = '{each.closed.name}'")
    return found is not None


def test_a_sound_hub_is_sound_at_every_level(run: Run, films: list[Film]) -> None:
    """By name and size, and by content."""
    for words in ((), ("--hash",), ("--hash", "--repair")):
        result = run(*words)
        assert result.exit_code == 0, result.output
        assert "4 segments, 3 files, 10 bytes" in result.output


def test_a_missing_file_is_named_and_asked_for(run: Run, films: list[Film], store: Store, storage: OpenStorage) -> None:
    """By sitting, seat, unit and name; a look changes nothing; repaired, it is not stored any more, its desk is wished
    for it, and it is in the audit log."""
    storage.delete(films[0].closed.sha256)
    for _ in range(2):
        result = run()
        assert result.exit_code == 3
        assert "sitting s1, seat ?, c1.d1: segment-000001.ts is stored, but its file is not there" in result.output
        assert is_stored(store, films[0])
    result = run("--repair")
    assert result.exit_code == 3
    assert "its desk is asked for it" in result.output
    assert not is_stored(store, films[0])
    assert is_stored(store, films[1])
    wish = rows(store, "select unit, sitting, from_utc_ms, until_utc_ms from wishes")
    began, ended = films[0].closed.began.utc_ms, films[0].closed.ended.utc_ms
    assert [tuple(each.values()) for each in wish] == [("c1.d1", "s1", began, ended)]
    entries = rows(store, "select object, detail from audit where deed = 'repaired_store' order by audit_id")
    assert [each["object"] for each in entries] == ["sitting s1", "storage"]
    assert json.loads(entries[0]["detail"])["segments"] == ["c1.d1 segment-000001.ts"]
    assert run().exit_code == 0


@pytest.mark.parametrize(
    ("data", "words", "told"), [(b"on", (), "another size"), (b"eno", ("--hash",), "another content")]
)
def test_damage_is_found_at_its_level(
    run: Run, films: list[Film], store: Store, storage: OpenStorage, data: bytes, words: tuple[str, ...], told: str
) -> None:
    """A size is seen by a look, a content by hashing; once it is said, the film can come again and is whole."""
    damage(storage, films[0].closed.sha256, data)
    if words:
        assert run().exit_code == 0
    result = run(*words)
    assert result.exit_code == 3
    assert told in result.output
    assert run("--repair", *words).exit_code == 3
    assert not is_stored(store, films[0])
    source = Path("again")
    source.write_bytes(films[0].data)
    store_segment(store, storage, "c1.d1", films[0].closed.name, films[0].closed.sha256, source, START_UTC_MS)
    assert run("--hash").exit_code == 0


@pytest.mark.parametrize("hold", ["sitting", "seat", "incident"])
def test_what_is_held_and_gone_is_named_as_such(
    run: Run, films: list[Film], store: Store, storage: OpenStorage, hold: str
) -> None:
    """Whatever the hold is on; what it does not cover is not called held."""
    began = films[0].closed.began.utc_ms
    with store.write() as connection:
        connection.execute("update segments set seat = '12'")
        connection.execute(
            """insert into incidents (incident_id, unit, kind, sitting, room, seat, opened_utc_ms, began_utc_ms,
            cleared_utc_ms) values (7, 'c1.d1', 'seat_empty', 's1', 'Hall', '12', ?, ?, ?)""",
            (began, began - 14_000, began - 12_000),
        )
        connection.execute(
            """insert into holds (incident_id, sitting, seat, reason, placed_by, placed_utc_ms)
            values (?, ?, ?, 'appeal', 'ada', 1)""",
            {"sitting": (None, "s1", None), "seat": (None, "s1", "12"), "incident": (7, None, None)}[hold],
        )
    for each in films:
        storage.delete(each.closed.sha256)
    lines = [line for line in run().output.splitlines() if "its file is not there" in line]
    assert len(lines) == 4
    held = [line for line in lines if line.startswith("film: HELD: ")]
    assert len(held) == (1 if hold == "incident" else 4)
    assert "segment-000001.ts" in held[0]


def test_a_file_that_a_record_names_is_taken_up(
    run: Run, films: list[Film], store: Store, storage: OpenStorage
) -> None:
    """Its row was lost, or the process died between file and row; nothing is sent again."""
    with store.write() as connection:
        connection.execute("update segments set stored_utc_ms = null")
        connection.execute("delete from blobs")
    result = run()
    assert result.exit_code == 3
    assert result.output.count("is not stored, but its file is there") == 4
    result = run("--repair")
    assert result.exit_code == 0, result.output
    assert "4 segments are stored now" in result.output
    assert value(store, "select count(*) from blobs") == 3
    assert all(is_stored(store, each) for each in films)
    assert run("--hash").exit_code == 0


def test_a_file_of_another_content_is_not_taken_up(
    run: Run, films: list[Film], store: Store, storage: OpenStorage
) -> None:
    """Its name alone does not make it the film."""
    damage(storage, films[0].closed.sha256, b"eno")
    with store.write() as connection:
        connection.execute("update segments set stored_utc_ms = null where name = 'segment-000001.ts'")
    result = run("--repair")
    assert result.exit_code == 3
    assert "another content than its name" in result.output
    assert not is_stored(store, films[0])
    assert storage.size_bytes(films[0].closed.sha256) == 3


def test_what_no_record_names_is_kept_and_named(run: Run, films: list[Film], storage: OpenStorage) -> None:
    """It may be the only copy of something: people decide."""
    import hashlib

    sha256 = hashlib.sha256(b"whose").hexdigest()
    Path("whose").write_bytes(b"whose")
    storage.put(sha256, Path("whose"))
    result = run("--repair")
    assert result.exit_code == 3
    assert f"{sha256} (5 bytes) is named by no record; it stays" in result.output
    assert storage.read(sha256) == b"whose"


def test_what_a_purge_left_is_removed_and_shared_film_stays(
    run: Run, films: list[Film], store: Store, storage: OpenStorage
) -> None:
    """One of two segments of a file is purged: the file stays. Both are: it goes, as does garbage."""
    shared, other = films[2].closed, films[1].closed
    purge = "update segments set purged_utc_ms = 1 where name = ?"
    with store.write() as connection:
        connection.execute(purge, (shared.name,))
        connection.execute(purge, (other.name,))
        connection.execute("delete from blobs where sha256 = ?", (other.sha256,))
        connection.execute("insert into garbage values (?, 1)", (other.sha256,))
        connection.execute("insert into garbage values (?, 1)", (films[0].closed.sha256,))  # and it is needed
    assert "waits for its removal" in run().output
    assert run("--repair").exit_code == 0
    assert storage.size_bytes(other.sha256) is None
    assert storage.read(shared.sha256) == b"same"
    assert storage.read(films[0].closed.sha256) == b"one"
    assert value(store, "select count(*) from garbage") == 0
    with store.write() as connection:
        connection.execute(purge, (films[3].closed.name,))
        connection.execute("delete from blobs where sha256 = ?", (shared.sha256,))
    result = run()
    assert "was purged, but its file is still there" in result.output
    assert run("--repair").exit_code == 0
    assert storage.size_bytes(shared.sha256) is None


def test_another_storage_is_not_taken_for_an_empty_one(
    run: Run, films: list[Film], store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A disk that is not mounted, a bucket of another hub: no segment is called lost, nothing is repaired."""
    assert run("--repair").exit_code == 0  # the pair knows each other from here on
    if settings.s3_endpoint:
        service: Service = Service(int(settings.s3_endpoint.rpartition(":")[2]), None)
        service.buckets = 1_000
        monkeypatch.setenv("EMS_S3_BUCKET", service.new_bucket())
    else:
        monkeypatch.setenv("STORAGE_PATH", str(tmp_path / "elsewhere"))
    for words in ((), ("--repair",)):
        result = run(*words)
        assert result.exit_code == 3
        assert "storage: " in result.output
        assert "its file is not there" not in result.output
    assert all(is_stored(store, each) for each in films)
    result = run("--repair", "--new-storage")  # somebody says that it was replaced
    assert result.exit_code == 3
    assert "this hub's storage from here on" in result.output
    assert result.output.count("its desk is asked for it") == 4
    assert not any(is_stored(store, each) for each in films)
    assert run("--repair").exit_code == 0


def test_the_storage_of_another_store_is_never_taken(
    run: Run, films: list[Film], store: Store, storage: OpenStorage
) -> None:
    """Whoever says that it is new: it has a label of its own."""
    assert run("--repair").exit_code == 0
    storage.set_label(b'{"storage":"other","made_utc_ms":1}')
    result = run("--repair", "--new-storage")
    assert result.exit_code == 3
    assert "belongs to another store" in result.output
    assert all(is_stored(store, each) for each in films)


def test_an_upload_that_nobody_goes_on_with_is_named(run: Run, films: list[Film], settings: Settings) -> None:
    """After a week; a younger one is going on."""
    folder = Path(settings.storage_path) / "incoming"
    folder.mkdir(parents=True)
    for name in ("old", "young"):
        (folder / name).write_bytes(b"half")
    os.utime(folder / "old", (1, 1))
    result = run()
    assert result.exit_code == 3
    assert "incoming: old: 4 bytes" in result.output
    assert "young" not in result.output
