"""`ems-hub import`: what a desk recorded comes to the hub from its card as it would have come by itself, and
nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent import wire
from agent.records import Records
from hub.cli import main
from hub.config import Settings, load
from hub.evidence.storage import OpenStorage, open_storage
from hub.store import Store, intake, taking
from tests.brokers import REPOSITORY
from tests.hub.desk import START_UTC_MS, alert, at, jpeg, segment
from tests.hub.hubs import rows, value
from tests.support import wait_for

Run = Callable[..., Result]
UNIT = "c1.d1"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    environ = {
        "APP_ENV": "development",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'hub.db'}",
        "STORAGE_PATH": str(tmp_path / "storage"),
        "EMS_STORAGE_RESERVE_BYTES": "0",
    }
    for name, content in environ.items():
        monkeypatch.setenv(name, content)
    monkeypatch.chdir(tmp_path)
    return load(environ, None)


@pytest.fixture
def storage(settings: Settings) -> OpenStorage:
    return open_storage(settings)


@pytest.fixture
def run(settings: Settings) -> Run:
    return lambda *words: CliRunner().invoke(main, ["import", *words])


class Desk:
    """A real desk's records and film in a folder, as its card has them."""

    def __init__(self, folder: Path, unit: str = UNIT) -> None:
        self.folder = folder
        (folder / "segments").mkdir(parents=True)
        self.records = Records(folder, unit)
        self.unit = unit
        self.films: dict[str, bytes] = {}

    def say(self, body: wire.Body, seconds: float = 0.0, still: bytes | None = None) -> wire.Record:
        return self.records.append(body, at(seconds), True, still)

    def film(self, number: int, data: bytes | None = None, **changes: Any) -> str:
        data = data if data is not None else f"film {number} of {self.unit}".encode()
        told = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        body = segment(number, **(told | changes))
        self.say(body, 10 * number)
        (self.folder / "segments" / body.name).write_bytes(data)
        self.films[body.name] = data
        return body.name


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Two segments, an alert with its picture, a gap, and two segments more."""
    desk = Desk(tmp_path / "card")
    desk.film(1)
    desk.film(2)
    picture = jpeg("seat empty")
    desk.say(alert("a1", began_s=15, still_sha256=hashlib.sha256(picture).hexdigest()), 25, picture)
    desk.say(wire.Gap(sitting="s1", began=at(30), ended=at(33), cause=wire.GapCause.CAMERA_LOST, detail="cable"), 33)
    desk.film(3)
    desk.film(4)
    yield desk
    desk.records.close()


@pytest.fixture
def card(desk: Desk, store: Store) -> Path:
    """The card, pulled; the hub knows the unit."""
    desk.records.close()
    with store.write() as connection:
        intake.add_unit(connection, UNIT, desk.records.public_key, START_UTC_MS)
    return desk.folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_card_that_never_met_the_hub_comes_whole(
    run: Run, card: Path, desk: Desk, store: Store, storage: OpenStorage
) -> None:
    """Records, incident, gap, picture and film, as if the desk had sent them; the card is not changed, its key not
    copied; it stands in the audit log."""
    before = contents(card)
    result = run(str(card), "--yes")
    assert result.exit_code == 0, result.output
    assert "records: 6 new, 0 the hub has" in result.output
    assert "film: 4 segments new" in result.output
    assert value(store, "select count(*) from records") == 6
    assert [row["kind"] for row in rows(store, "select kind from incidents")] == ["seat_empty"]
    assert value(store, "select cause from gaps") == "camera_lost"
    assert value(store, "select jpeg from stills") == jpeg("seat empty")
    for name, data in desk.films.items():
        assert value(store, f"select stored_utc_ms from segments where name = '{name}'") is not None
        assert storage.read(hashlib.sha256(data).hexdigest()) == data
    assert contents(card) == before
    key = (card / "unit.key").read_bytes()
    assert not [path for path in Path("storage").rglob("*") if path.is_file() and key in path.read_bytes()]
    assert not list(Path("storage/importing").iterdir())
    entries = rows(store, "select detail from audit where deed = 'imported_card' order by audit_id")
    assert [json.loads(each["detail"])["state"] for each in entries] == ["begun", "done"]
    assert json.loads(entries[1]["detail"])["new_film"] == 4


def test_without_yes_nothing_changes(run: Run, card: Path, store: Store, storage: OpenStorage) -> None:
    """What would come is told, and that is all."""
    result = run(str(card))
    assert result.exit_code == 0
    assert "records: 6 new" in result.output
    assert "film: 4 segments new" in result.output
    assert "nothing was changed" in result.output
    assert value(store, "select count(*) from records") == 0
    assert value(store, "select count(*) from audit") == 0
    assert list(storage.names()) == []


def test_what_the_hub_has_does_not_come_twice(
    run: Run, card: Path, desk: Desk, store: Store, storage: OpenStorage
) -> None:
    """The desk had delivered two records; then the card is brought in twice."""
    with store.write() as connection:
        taking.take_records(connection, [(each, 1) for each in list(records_of(card))[:2]], 1)
    result = run(str(card), "--yes")
    assert "records: 4 new, 2 the hub has" in result.output.rpartition("brought in:")[2]
    before = rows(store, "select * from records order by boot, seq")
    result = run(str(card), "--yes")
    assert result.exit_code == 0
    told = result.output.rpartition("brought in:")[2]
    assert "records: 0 new, 6 the hub has" in told
    assert "stills: 0 new, 1 the hub has" in told
    assert "film: 0 segments new (0 bytes), 4 the hub has" in told
    assert rows(store, "select * from records order by boot, seq") == before
    assert len(list(storage.names())) == 4


def records_of(card: Path) -> Iterator[wire.Record]:
    connection = sqlite3.connect(card / "records.db")
    for header, body, signature in connection.execute("select header, body, signature from records"):
        yield wire.decode_up("record", json.dumps({"header": header, "body": body, "signature": signature}).encode())
    connection.close()


def test_a_journal_is_read_again_on_a_copy(run: Run, desk: Desk, store: Store, tmp_path: Path) -> None:
    """A card pulled in the middle of it all: what only the journal has is not lost, and the card stays as it is."""
    with store.write() as connection:
        intake.add_unit(connection, UNIT, desk.records.public_key, START_UTC_MS)
    pulled = tmp_path / "pulled"
    shutil.copytree(desk.folder, pulled)  # the desk runs: its journal is beside its database
    assert (pulled / "records.db-wal").stat().st_size > 0
    before = contents(pulled)
    assert "records: 6 new" in run(str(pulled), "--yes").output
    assert value(store, "select count(*) from records") == 6
    assert contents(pulled) == before


def test_a_foreign_card_is_refused(run: Run, tmp_path: Path, card: Path, store: Store) -> None:
    """A unit that the hub does not know, and one that uses a known name with another key."""
    for folder, unit in ((tmp_path / "foreign", "c9.d9"), (tmp_path / "posing", UNIT)):
        other = Desk(folder, unit)
        other.film(1, b"other film")
        other.records.close()
    result = run(str(tmp_path / "foreign"), "--yes")
    assert result.exit_code == 3
    assert "c9.d9 is no unit of this hub" in result.output
    result = run(str(tmp_path / "posing"), "--yes")
    assert result.exit_code == 3
    assert "record 1/1 of c1.d1: the signature is not the unit's" in result.output
    assert value(store, "select count(*) from records") == 0
    assert value(store, "select count(*) from segments") == 0


def test_a_revoked_unit_is_taken_when_a_person_says_so(run: Run, card: Path, store: Store) -> None:
    """Its card may be the only witness, and its key may be in other hands: a person decides."""
    with store.write() as connection:
        connection.execute("update units set is_revoked = 1, revoked_utc_ms = 1")
    result = run(str(card), "--yes")
    assert "c1.d1 is revoked: its records are taken with --revoked only (6 times)" in result.output
    assert value(store, "select count(*) from records") == 0
    assert run(str(card), "--yes", "--revoked").exit_code == 0
    assert value(store, "select count(*) from records") == 6


def test_changed_records_are_named_and_the_others_come(run: Run, card: Path, store: Store) -> None:
    """One byte of a body, and a record that is another than the one the hub holds under its name."""
    kept = list(records_of(card))
    database = sqlite3.connect(card / "records.db")
    database.execute("update records set body = replace(body, 'cable', 'table')")
    database.commit()
    database.close()
    with store.write() as connection:
        taking.take_records(connection, [(kept[0], 1)], 1)
        connection.execute("update records set hash = ?", ("0" * 64,))
    result = run(str(card), "--yes")
    assert result.exit_code == 3
    told = result.output.rpartition("brought in:")[2]
    assert "refused: record 1/4: the body is not the one whose hash the header carries" in told
    assert "record 1/1 of c1.d1: the hub holds another under this name: somebody tampers" in told
    assert "records: 4 new" in told
    assert value(store, "select count(*) from conflicts") == 1


def test_film_that_is_not_what_its_record_tells_is_refused(
    run: Run, card: Path, desk: Desk, store: Store, storage: OpenStorage
) -> None:
    """By its size at once, by its content when it is read; the other segments come."""
    first, second, *_ = (card / "segments" / name for name in desk.films)
    first.write_bytes(b"short")
    second.write_bytes(bytes([second.read_bytes()[0] ^ 1]) + second.read_bytes()[1:])
    result = run(str(card))
    assert f"refused: {first.name}: has another size than its record tells" in result.output
    result = run(str(card), "--yes")
    assert result.exit_code == 3
    told = result.output.rpartition("brought in:")[2]
    for path in (first, second):
        assert f"refused: {path.name}: its content is not the one that its record tells" in told
    assert "film: 2 segments new" in told
    assert len(list(storage.names())) == 2


def test_film_without_a_record_is_put_aside_and_named(run: Run, card: Path, store: Store, storage: OpenStorage) -> None:
    """The segment that was open when the power went, and one whose record was lost; again it is not put there twice,
    and another file of the same name takes no place away."""
    (card / "segments" / "b000001-000009-u1-t1-ss1.ts.part").write_bytes(b"open film")
    (card / "segments" / "b000001-000008-u1-t1-ss1.ts").write_bytes(b"lost film")
    for _ in range(2):
        result = run(str(card), "--yes")
        assert result.exit_code == 3
        assert "aside: b000001-000009-u1-t1-ss1.ts.part: no record tells of it" in result.output
    (card / "segments" / "b000001-000008-u1-t1-ss1.ts").write_bytes(b"other film")
    run(str(card), "--yes")
    aside = {path.name: path.read_bytes() for path in Path("storage/aside").iterdir()}
    assert aside == {
        "b000001-000009-u1-t1-ss1.ts.part": b"open film",
        "b000001-000008-u1-t1-ss1.ts": b"lost film",
        "b000001-000008-u1-t1-ss1.ts.1": b"other film",
    }
    assert len(list(storage.names())) == 4


def test_film_of_a_lost_database_is_known_by_what_the_hub_holds(
    run: Run, card: Path, store: Store, storage: OpenStorage
) -> None:
    """The records had arrived before the card's database was damaged beyond reading."""
    with store.write() as connection:
        taking.take_records(connection, [(each, 1) for each in records_of(card)], 1)
    (card / "records.db").rename(card / "records-damaged-1.db")
    (card / "records-damaged-1.db").write_bytes(b"no database at all" * 1000)
    result = run(str(card), "--yes")
    assert result.exit_code == 3
    assert "records-damaged-1.db: damaged" in result.output
    assert "film: 4 segments new" in result.output
    assert len(list(storage.names())) == 4


def test_a_damaged_database_gives_what_can_be_read(run: Run, tmp_path: Path, store: Store) -> None:
    """Some pages in the middle are gone: what lies before and behind comes."""
    desk = Desk(tmp_path / "card")
    for number in range(1, 301):
        desk.say(segment(number), 10 * number)
    desk.records.close()
    with store.write() as connection:
        intake.add_unit(connection, UNIT, desk.records.public_key, START_UTC_MS)
    path = desk.folder / "records.db"
    connection = sqlite3.connect(path)
    page, header_of_150 = (
        connection.execute("pragma page_size").fetchone()[0],
        "select header from records where seq = 150",
    )
    text = connection.execute(header_of_150).fetchone()[0].encode()
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()
    data = bytearray(path.read_bytes())
    begin = data.index(text) // page * page
    data[begin : begin + page] = b"\xff" * page
    path.write_bytes(data)
    result = run(str(desk.folder), "--yes")
    assert "records.db: damaged" in result.output
    kept = {row["seq"] for row in rows(store, "select seq from records")}
    assert 150 not in kept
    assert {1, 2, 3, 298, 299, 300} <= kept
    assert len(kept) > 280


def test_film_that_nobody_has_is_named(run: Run, card: Path, desk: Desk, store: Store) -> None:
    """Its record came with the card, its file did not."""
    name = next(iter(desk.films))
    (card / "segments" / name).unlink()
    result = run(str(card), "--yes")
    assert result.exit_code == 3
    assert f"nowhere: {name}" in result.output


def test_what_was_purged_does_not_come_back(run: Run, card: Path, store: Store, storage: OpenStorage) -> None:
    """The rule that removed it holds for its copies too."""
    run(str(card), "--yes")
    with store.write() as connection:
        connection.execute("update segments set purged_utc_ms = 1")
        connection.execute("delete from blobs")
    for sha256, _ in list(storage.names()):
        storage.delete(sha256)
    result = run(str(card), "--yes")
    assert "4 were purged by rule and stay so" in result.output
    assert list(storage.names()) == []


def test_what_was_cut_off_goes_on(
    run: Run, card: Path, store: Store, storage: OpenStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storage fails after two segments: what came stays, one line says so, and repeating it brings the rest."""
    from hub.evidence.storage import LocalStorage, StorageProblem

    put, count = LocalStorage.put, 0

    def failing(self: LocalStorage, sha256: str, source: Path) -> None:
        nonlocal count
        count += 1
        if count > 2:
            raise StorageProblem("the disk went")
        put(self, sha256, source)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "put", failing)
        result = run(str(card), "--yes")
    assert result.exit_code == 1
    assert "the disk went: what was brought in so far stays" in result.output
    assert len(list(storage.names())) == 2
    result = run(str(card), "--yes")
    assert result.exit_code == 0
    assert "film: 2 segments new" in result.output.rpartition("brought in:")[2]
    assert len(list(storage.names())) == 4


def test_a_killed_import_goes_on(run: Run, tmp_path: Path, store: Store, storage: OpenStorage) -> None:
    """kill -9 in the middle of the film: nothing half is anywhere, and the same command brings the rest."""
    desk = Desk(tmp_path / "card")
    for number in range(1, 121):
        desk.film(number, f"film {number} ".encode() * 20_000)
    desk.records.close()
    with store.write() as connection:
        intake.add_unit(connection, UNIT, desk.records.public_key, START_UTC_MS)
    command = [sys.executable, "-m", "hub.cli", "import", str(desk.folder), "--yes"]
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        stored = "select count(*) from segments where stored_utc_ms is not null"
        wait_for(lambda: value(store, stored) >= 10, every_s=0.001)
        process.kill()
    count = value(store, stored)
    assert 10 <= count < 120
    (tmp_path / "storage" / "importing" / "left.ts.4194305").write_bytes(b"half")
    result = run(str(desk.folder), "--yes")
    assert result.exit_code == 0, result.output
    assert f"film: {120 - count} segments new" in result.output.rpartition("brought in:")[2]
    assert value(store, stored) == 120
    for sha256, _ in storage.names():
        assert hashlib.sha256(storage.read(sha256)).hexdigest() == sha256
    assert list(storage.strangers()) == []
    assert not list((tmp_path / "storage" / "importing").iterdir())


def test_a_folder_that_is_no_card_is_refused_in_one_line(run: Run, tmp_path: Path, store: Store) -> None:
    """The line says what to give."""
    (tmp_path / "empty").mkdir()
    result = run(str(tmp_path / "empty"), "--yes")
    assert result.exit_code == 1
    assert "STORAGE_PATH" in result.output
    assert len(result.output.splitlines()) == 1


def test_a_picture_that_was_purged_stays_so(card: Path, run: Run, store: Store) -> None:
    """As the film does: what a rule removed does not come back with an old card."""
    assert run(str(card), "--yes").exit_code == 0
    with store.write() as connection:
        connection.execute("insert into purge_plans values (1, 1, 'Ada', ?, 1, 1, '[]', 1)", ["0" * 64])
        connection.execute("insert into purges (number, plan_id, began_utc_ms, began_by) values (1, 1, 1, 'Ada')")
        connection.execute("insert into purged_stills select unit, sha256, 1 from stills")
        connection.execute("delete from stills")
    assert run(str(card), "--yes").exit_code == 0
    assert rows(store, "select * from stills") == []


def test_links_on_a_card_are_not_followed(card: Path, run: Run, settings: Settings, tmp_path: Path) -> None:
    """Who imports may be root: a strange card must not have the hub's keys read and laid where others look."""
    secret = tmp_path / "issuing.key"
    secret.write_bytes(b"the authority's key")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "other.key").write_bytes(b"another key")
    (card / "segments" / "stolen.ts").symlink_to(secret)
    (card / "records-2.db").symlink_to(settings.database_path)
    (card / "retired" / "old").mkdir(parents=True)
    (card / "retired" / "old" / "segments").symlink_to(tmp_path / "keys")
    answer = run(str(card), "--yes")
    assert answer.exit_code == 0, answer.output
    aside = Path(settings.storage_path) / "aside"
    assert not aside.exists()
    assert "stolen" not in answer.output


@pytest.mark.parametrize(
    "hostile",
    [
        "drop table stills; drop table records; create view records as with recursive n (x) as (select 1 union all"
        " select x + 1 from n) select x as rowid, 1 as boot, x as seq, 1 as header, 2 as body, 3 as signature"
        " from n;"
        " create table stills (boot, seq, sha256, utc_ms, up_ms, jpeg);",
        "drop table stills; create table stills (boot, seq, sha256, utc_ms, up_ms, jpeg);"
        " insert into stills values (1, 1, 'x', 'y', 1, 300000000000), ('\x1b[2J', 1, 1, 1, 1, 'text');",
        "drop table stills; create table stills (boot, seq, sha256, utc_ms, up_ms, jpeg as (zeroblob(900000000)));"
        " insert into stills values (1, 1, 'x', 1, 1);",
    ],
)
def test_a_card_made_to_harm_is_refused(card: Path, run: Run, hostile: str) -> None:
    """Rows without an end, numbers that would be read as lengths, words that a terminal obeys: each in a line."""
    with sqlite3.connect(card / "records.db") as database:
        database.executescript(hostile)
    database.close()
    answer = run(str(card), "--yes")
    assert answer.exit_code == 3, answer.output
    assert "refused: " in answer.output
    assert "\x1b" not in answer.output


def test_what_is_refused_is_not_told_row_by_row(card: Path, run: Run) -> None:
    """Of a million forged rows the first ones are named, and the others counted."""
    with sqlite3.connect(card / "records.db") as database:
        database.execute("drop table records")
        database.execute("create table records (boot, seq, header, body, signature)")
        database.executemany("insert into records values (1, ?, '', '', '')", [(n,) for n in range(3_000)])
    database.close()
    answer = run(str(card), "--yes")
    assert answer.exit_code == 3
    assert "more that is not as a desk writes it (2000 times)" in answer.output
