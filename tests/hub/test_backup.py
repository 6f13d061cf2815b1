"""Backup and restore: made while the hub works, and on another machine everything that had a receipt is there again."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli import main
from hub.config import Settings, load
from hub.core.access import Role
from hub.evidence import files, pairing
from hub.evidence.storage import open_storage
from hub.store import Store, audit, checking, intake, migrations, taking
from hub.store.uploads import store_segment
from hub.web import create_app
from tests.brokers import Broker
from tests.hub.desk import START_UTC_MS, Desk, alert, segment
from tests.hub.films import film
from tests.hub.hubs import rows, value
from tests.hub.seed import Centre
from tests.hub.website import PASSWORD, Site
from tests.support import wait_for


class Machine:
    """One hub's folders, and its commands."""

    def __init__(self, folder: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.environ = {
            "APP_ENV": "development",
            "SECRET_KEY": "k" * 40,
            "DATABASE_URL": f"sqlite:///{folder / 'hub.db'}",
            "STORAGE_PATH": str(folder / "storage"),
            "EMS_CA_PATH": str(folder / "ca"),
            "EMS_LIVE_PATH": str(folder / "live"),
            "EMS_BROKER_PORT": str(broker.port),
            "EMS_STORAGE_RESERVE_BYTES": "0",
        }
        self._monkeypatch = monkeypatch

    @property
    def settings(self) -> Settings:
        return load(self.environ, None)

    def run(self, *words: str) -> Result:
        with self._monkeypatch.context() as patch:
            patch.chdir(self.folder.parent)
            for name, content in self.environ.items():
                patch.setenv(name, content)
            return CliRunner().invoke(main, list(words))


Make = Callable[[str], Machine]


@pytest.fixture
def make(tmp_path: Path, mosquitto_broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Make:
    return lambda name: Machine(tmp_path / name, mosquitto_broker, monkeypatch)


@pytest.fixture
def hub(make: Make) -> Machine:
    """A hub with its authority, a person, a desk's film and an incident; store and storage know each other."""
    machine = make("first")
    assert machine.run("init").exit_code == 0
    settings = machine.settings
    store = Store(settings.database_path)
    storage = open_storage(settings)
    pairing.pair(settings, storage, START_UTC_MS, store)
    storage = open_storage(settings)
    Centre(store, machine.folder / "live").person("Ada", PASSWORD, Role.PROCTOR)
    desk = Desk()
    for number in range(1, 4):
        each = film(store, desk, f"film {number}".encode(), number)
        source = each.file(machine.folder)
        store_segment(store, storage, desk.unit, each.closed.name, each.closed.sha256, source, START_UTC_MS)
    with store.write() as connection:
        taking.take_records(connection, [(desk.seal(alert("a1"), 40), START_UTC_MS)], START_UTC_MS)
    store.close()
    return machine


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@contextmanager
def opened(machine: Machine) -> Iterator[Store]:
    store = Store(machine.settings.database_path)
    try:
        yield store
    finally:
        store.close()


def test_what_had_a_receipt_before_is_there_after(hub: Machine, make: Make, backup: Path) -> None:
    """A writer goes on all the time; restored elsewhere, chains and audit log verify, check is clean, pages open."""
    store = Store(hub.settings.database_path)
    desk = Desk("c1.d2")
    with store.write() as connection:
        intake.add_unit(connection, desk.unit, desk.public_key, START_UTC_MS)
    receipts: list[tuple[int, int]] = []
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            record = desk.seal(segment(len(desk.records) + 1))
            with store.write() as connection:
                taking.take_records(connection, [(record, START_UTC_MS)], START_UTC_MS)
            receipts.append((record.header.boot, record.header.seq))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        wait_for(lambda: len(receipts) > 20)
        had = list(receipts)
        made = hub.run("backup", str(backup), "--film", "--with-keys")
        count = len(receipts)
        wait_for(lambda: len(receipts) > count)
    finally:
        stop.set()
        writer.join(30)
        store.close()
    assert made.exit_code == 0, made.output

    spare = make("spare")
    restored = spare.run("restore", str(backup))
    assert restored.exit_code == 0, restored.output
    with opened(spare) as again:
        kept = {(row["boot"], row["seq"]) for row in rows(again, "select boot, seq from records where unit = 'c1.d2'")}
        assert set(had) <= kept
        assert len(kept) < len(receipts)
        assert not [chain for chain in checking.chains(again) if chain.missing or chain.forks]
        assert audit.verify(again)[1] == []
        deeds = [row["deed"] for row in rows(again, "select deed from audit order by audit_id")]
        assert deeds[-2:] == ["backed_up", "restored"]
        checked = spare.run("check", "--hash")
        assert checked.exit_code == 0, checked.output
        app = create_app(spare.settings, again)
        try:
            client = Site(app, Centre(again, spare.folder / "live")).client("Ada")
            for page in ("/", "/incidents/", f"/incidents/{value(again, 'select incident_id from incidents')}"):
                assert client.get(page).status_code == 200
        finally:
            app.extensions["ems"].tail.stop()


def test_keys_go_only_where_a_person_says_so(hub: Machine, make: Make, backup: Path) -> None:
    """Without --with-keys no private key is in the backup, nor after a restore; with it, each has its own rights
    again."""
    assert hub.run("backup", str(backup)).exit_code == 0
    assert not [path for path in backup.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    spare = make("spare")
    assert "no keys" in spare.run("restore", str(backup)).output
    assert (spare.folder / "ca" / "public" / "authorities.pem").exists()
    assert not list((spare.folder / "ca").rglob("*.key"))

    assert hub.run("backup", str(backup), "--with-keys").exit_code == 0
    other = make("other")
    assert other.run("restore", str(backup)).exit_code == 3  # the film was only listed
    for path in (hub.folder / "ca").rglob("*.key"):
        again = other.folder / "ca" / path.relative_to(hub.folder / "ca")
        assert again.read_bytes() == path.read_bytes()
        assert again.stat().st_mode & 0o777 == 0o600
        assert again.parent.stat().st_mode & 0o777 == 0o700


def test_a_backup_is_taken_again_into_its_folder(hub: Machine, make: Make, backup: Path) -> None:
    """Film is copied once, what was purged meanwhile goes from the backup too, and only the newest is left."""
    assert "3 copied now" in hub.run("backup", str(backup), "--film").output
    with opened(hub) as store:
        storage = open_storage(hub.settings)
        gone = value(store, "select sha256 from segments order by name")
        with store.write() as connection:
            connection.execute("update segments set purged_utc_ms = 1 where sha256 = ?", (gone,))
            connection.execute("delete from blobs where sha256 = ?", (gone,))
        storage.delete(gone)
    assert "0 copied now" in hub.run("backup", str(backup), "--film").output
    assert not (backup / "film" / gone[:2] / gone).exists()
    assert len(list(backup.glob("hub-*.db"))) == len(list(backup.glob("film-*.txt"))) == 1
    spare = make("spare")
    assert spare.run("restore", str(backup)).exit_code == 0
    assert spare.run("check", "--hash").exit_code == 0


def test_a_list_alone_finds_the_film_where_it_still_is(hub: Machine, make: Make, backup: Path) -> None:
    """The database was lost, the film's disk was not: the backup's store and the film know each other."""
    assert hub.run("backup", str(backup)).exit_code == 0
    for path in hub.folder.glob("hub.db*"):
        path.unlink()
    restored = hub.run("restore", str(backup))
    assert restored.exit_code == 0, restored.output
    assert hub.run("check", "--hash").exit_code == 0


def test_nothing_is_overwritten(hub: Machine, make: Make, backup: Path, tmp_path: Path) -> None:
    """Neither a store, nor beside the film of another one, nor another authority's files."""
    assert hub.run("backup", str(backup), "--film", "--with-keys").exit_code == 0
    result = hub.run("restore", str(backup))
    assert result.exit_code == 1
    assert "there is a store" in result.output

    beside_film = make("film")
    shutil.copytree(hub.folder / "storage", beside_film.folder / "storage")
    (beside_film.folder / "storage" / "film" / "storage.json").write_text('{"storage":"other","made_utc_ms":1}')
    result = beside_film.run("restore", str(backup))
    assert result.exit_code == 1
    assert "has the film of another store" in result.output
    (beside_film.folder / "storage" / "film" / "storage.json").unlink()
    assert "has the film of another store" in beside_film.run("restore", str(backup)).output

    beside_authority = make("authority")
    (beside_authority.folder / "ca" / "public").mkdir(parents=True)
    (beside_authority.folder / "ca" / "public" / "authorities.pem").write_text("other")
    result = beside_authority.run("restore", str(backup))
    assert result.exit_code == 1
    assert "another file" in result.output
    for machine in (beside_film, beside_authority):
        assert not machine.settings.database_path.exists()


@pytest.mark.parametrize("what", ["hub-*.db", "film-*.txt", "film/*/*", "authority-*/*/*.crt"])
def test_a_changed_backup_is_not_restored(hub: Machine, make: Make, backup: Path, what: str) -> None:
    """Whatever was changed in it is named, and there is no store after it."""
    assert hub.run("backup", str(backup), "--film").exit_code == 0
    path = sorted(backup.glob(what))[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    spare = make("spare")
    result = spare.run("restore", str(backup))
    assert result.exit_code == 1
    assert path.name in result.output
    assert not spare.settings.database_path.exists()


def test_a_restore_that_was_cut_off_goes_on(
    hub: Machine, make: Make, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Film and authority are there, the store is not yet: the same command completes it."""
    assert hub.run("backup", str(backup), "--film", "--with-keys").exit_code == 0
    spare = make("spare")
    with monkeypatch.context() as patch:

        def failing(*_: object) -> None:
            raise OSError(5, "Input/output error")

        patch.setattr(pairing, "adopt", failing)
        assert spare.run("restore", str(backup)).exit_code == 1
    result = spare.run("restore", str(backup))
    assert result.exit_code == 0, result.output
    assert spare.run("check", "--hash").exit_code == 0


def test_a_backup_that_was_cut_off_leaves_the_earlier_one(
    hub: Machine, make: Make, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is written but the manifest: what the folder had before can be restored, and the next backup is whole."""
    assert hub.run("backup", str(backup), "--film", "--with-keys").exit_code == 0
    before = (backup / "manifest.json").read_bytes()
    (hub.folder / "ca" / "public" / "units.crl").write_text("newer")
    write_whole = files.write_whole

    def failing(path: Path, data: bytes, mode: int = 0o640) -> None:
        if path.name == "manifest.json":
            raise OSError(28, "No space left on device")
        write_whole(path, data, mode)

    with monkeypatch.context() as patch:
        patch.setattr("hub.evidence.backup.write_whole", failing)
        result = hub.run("backup", str(backup), "--film", "--with-keys")
    assert result.exit_code == 1
    assert "No space left" in result.output
    assert (backup / "manifest.json").read_bytes() == before
    spare = make("spare")
    assert spare.run("restore", str(backup)).exit_code == 0
    assert hub.run("backup", str(backup), "--film", "--with-keys").exit_code == 0
    names = sorted(path.name.partition("-")[0] for path in backup.iterdir())
    assert names == ["authority", "film", "film", "hub", "manifest.json"]  # nothing is left of the one that was cut off
    other = make("other")
    assert other.run("restore", str(backup)).exit_code == 0
    assert (other.folder / "ca" / "public" / "units.crl").read_text() == "newer"


def test_film_that_is_gone_is_named_by_both(hub: Machine, make: Make, backup: Path) -> None:
    """The backup says what it could not copy, the restore what is not there."""
    with opened(hub) as store:
        gone = value(store, "select sha256 from segments order by name")
    open_storage(hub.settings).delete(gone)
    result = hub.run("backup", str(backup), "--film")
    assert result.exit_code == 3
    assert f"{gone}: not in the storage" in result.output
    spare = make("spare")
    result = spare.run("restore", str(backup))
    assert result.exit_code == 3
    assert "segment-000001.ts is stored, but its file is not there" in result.output


def test_an_older_store_is_brought_up_to_date(hub: Machine, make: Make, backup: Path) -> None:
    """Its schema is migrated; a newer one is refused before anything is put in place."""
    assert hub.run("backup", str(backup)).exit_code == 0
    from hub.evidence.backup import MANIFEST, entry_of, read_manifest

    old = backup / "hub-1.db"
    connection = sqlite3.connect(old, isolation_level=None)
    migrations.migrate(connection, upto=9)
    connection.close()

    import msgspec

    def as_backup() -> None:
        manifest = msgspec.structs.replace(read_manifest(backup), database=entry_of(backup, old))
        (backup / MANIFEST).write_bytes(msgspec.json.encode(manifest))

    as_backup()
    spare = make("spare")
    assert spare.run("restore", str(backup)).exit_code == 0
    with opened(spare) as store:
        assert migrations.version(store.database().conn) == len(migrations.STEPS)

    connection = sqlite3.connect(old)
    connection.execute("pragma user_version = 999")
    connection.close()
    as_backup()
    other = make("other")
    result = other.run("restore", str(backup))
    assert result.exit_code == 1
    assert "install the newer hub" in result.output
    assert not other.settings.database_path.exists()


def test_a_folder_with_something_else_is_refused(hub: Machine, backup: Path) -> None:
    """A backup removes what an earlier one left, so it wants a folder of its own."""
    backup.mkdir()
    (backup / "thesis.txt").write_text("mine")
    result = hub.run("backup", str(backup))
    assert result.exit_code == 1
    assert "is no backup" in result.output
    assert len(result.output.splitlines()) == 1
