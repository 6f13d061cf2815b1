"""The journal beside the film, and the store made anew from it: lose the database, rebuild, compare."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent import wire
from hub.cli import main
from hub.config import Settings, load
from hub.core import purge_list
from hub.core.audit import Deed
from hub.evidence import journal, pairing
from hub.evidence.journal import Journal, JournalThread
from hub.evidence.storage import LocalStorage, OpenStorage, open_storage
from hub.store import Store, audit, taking
from hub.store import journal as journal_tables
from hub.store.audit import Actor
from hub.store.uploads import store_segment
from tests import s3_service
from tests.hub.desk import START_UTC_MS, Desk, alert, at, segment
from tests.hub.films import film
from tests.hub.hubs import rows, value
from tests.s3_service import Service
from tests.support import wait_for

Run = Callable[..., Result]
ADA = Actor("Ada", "admin")
COMPARED = {
    "units": "*",
    "rooms": "*",
    "seats": "*",
    "sittings": "*",
    "exams": "*",
    "certificates": "*",
    "records": "unit, boot, seq, kind, header, body, signature, hash, received_utc_ms",
    "alerts": "*",
    "faults": "*",
    "gaps": "*",
    "incidents": "*",
    "segments": "unit, name, sitting, seat, began_utc_ms, sha256, stored_utc_ms is null, purged_utc_ms, purge_number",
    "blobs": "sha256, size_bytes",
    "seals": "*",
    "minutes": "*",
    "leaves": "*",
    "purges": "*",
    "purge_items": "*",
    "holds": "incident_id, sitting, seat, reason, placed_by, placed_utc_ms",
}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with s3_service.running() as running:
        yield running


@pytest.fixture(params=["local", "s3"])
def environ(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    environ = {
        "APP_ENV": "development",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'hub.db'}",
        "STORAGE_PATH": str(tmp_path / "storage"),
        "EMS_STORAGE_RESERVE_BYTES": "0",
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
    return environ


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    return load(environ, None)


@pytest.fixture
def storage(settings: Settings) -> OpenStorage:
    return open_storage(settings)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


class Hub:
    """A store with two desks' records and film, people's holds, an audit log, a countersigned minute and a purge."""

    def __init__(self, settings: Settings, storage: OpenStorage) -> None:
        self.settings, self.storage = settings, storage
        self.open_again()
        pairing.pair(settings, storage, START_UTC_MS, self.store)
        self.storage = open_storage(settings)
        self.desks = [Desk("c1.d1"), Desk("c1.d2")]
        for number, desk in enumerate(self.desks, 1):
            with self.store.write() as connection:
                connection.execute(
                    "insert into units (unit, public_key, first_seen_utc_ms) values (?, ?, 7)",
                    (desk.unit, desk.public_key),
                )
                connection.execute("insert or ignore into rooms (room_id, name) values (1, 'Hall')")
                connection.execute(
                    "insert into seats (room_id, label, unit) values (1, ?, ?)", (str(11 + number), desk.unit)
                )
        with self.store.write() as connection:
            connection.execute(
                """insert into sittings (sitting, exam, room_id, start_utc_ms, end_utc_ms, mode, rules)
                values ('s1', 'Maths', 1, ?, ?, 'automated', '[]')""",
                (START_UTC_MS, START_UTC_MS + 3_600_000),
            )
            connection.execute("insert or ignore into exams (exam) values ('Maths')")
            connection.execute(
                """insert into certificates (serial_number, unit, issuer, not_before_utc_ms, not_after_utc_ms,
                issued_utc_ms, revoked_utc_ms) values ('ab', 'c1.d2', 'issuer', 1, 2, 1, 5)"""
            )

    def film(self, desk: Desk, number: int, data: bytes) -> str:
        each = film(self.store, desk, data, number)
        source = Path(f"source-{number}")
        source.write_bytes(data)
        store_segment(self.store, self.storage, desk.unit, each.closed.name, each.closed.sha256, source, START_UTC_MS)
        return each.closed.sha256

    def say(self, desk: Desk, body: wire.Body, seconds: float) -> None:
        record = desk.seal(body, seconds)
        with self.store.write() as connection:
            taking.take_records(connection, [(record, START_UTC_MS + 1)], START_UTC_MS + 1)

    def live_through(self) -> None:
        for desk in self.desks:
            for number in range(1, 4):
                self.film(desk, number, f"film {number} of {desk.unit}".encode())
            self.say(desk, alert("a1", began_s=12), 22)
            self.say(desk, alert("a1", "cleared", began_s=12, cleared_s=25), 26)
            self.say(
                desk, wire.Gap(sitting="s1", began=at(30), ended=at(33), cause=wire.GapCause.CAMERA_LOST, detail=""), 33
            )
        self.purge(self.desks[1], 3)
        with self.store.write() as connection:
            connection.executemany(
                """insert into holds (incident_id, sitting, seat, reason, placed_by, placed_utc_ms)
                values (?, ?, ?, ?, 'Ada', 9)""",
                [(1, None, None, "appeal"), (None, "s1", "13", "complaint"), (None, "s1", None, "fire alarm")],
            )
            connection.execute("insert into seals values (1, ?, 'PEM')", ("f" * 64,))
            connection.execute(
                "insert into minutes values (1, 60, ?, 1, 1, ?, 1, ?)", (b"r" * 32, b"\x00\xff" * 16, b"s" * 64)
            )
            connection.execute("insert into leaves values ('c1.d1', 1, 1, 3, ?)", (b"h" * 32,))
        audit.note(self.store, ADA, Deed.HELD, "incident 1", 9, {"why": "appeal"})
        audit.note(self.store, ADA, Deed.VIEWED_AUDIT, "audit", 10)

    def purge(self, desk: Desk, number: int) -> None:
        name = f"segment-{number:06}.ts"
        sha256 = value(self.store, f"select sha256 from segments where unit = '{desk.unit}' and name = '{name}'")
        item = purge_list.Item("segment", desk.unit, name, "s1", "13", sha256, 4, 1, 2)
        with self.store.write() as connection:
            connection.execute("insert into purge_plans values (1, 1, 'Ada', ?, 1, 4, '[]', 1)", ("d" * 64,))
            connection.execute("insert into purges (number, plan_id, began_utc_ms, began_by) values (1, 1, 3, 'Ada')")
            connection.execute(
                "update purges set ended_utc_ms = 4, statement = '{}', signature = ?, chain_pem = 'PEM'", ("a" * 128,)
            )
            connection.execute(
                "insert into purge_items values (1, 1, 1, 4, ?)", (purge_list.deflated(purge_list.lines([item])),)
            )
            connection.execute(
                "update segments set purged_utc_ms = 4, purge_number = 1 where unit = ? and name = ?", (desk.unit, name)
            )
            connection.execute("delete from blobs where sha256 = ?", (sha256,))
        self.storage.delete(sha256)

    def contents(self) -> dict[str, list[Any]]:
        found = {}
        for table, columns in COMPARED.items():
            found[table] = sorted(map(str, rows(self.store, f"select {columns} from {table}")))
        return found

    def lose(self) -> None:
        """The database is gone, with all that lay beside it."""
        self.close()
        for path in self.settings.database_path.parent.glob("hub.db*"):
            path.unlink()

    def open_again(self) -> None:
        self.store = Store(self.settings.database_path)
        self._is_open = True

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self.store.close()


@pytest.fixture
def hub(settings: Settings, storage: OpenStorage) -> Iterator[Hub]:
    hub = Hub(settings, storage)
    hub.live_through()
    yield hub
    hub.close()


def test_a_lost_database_is_made_anew(hub: Hub) -> None:
    """Units, places, records, alerts, incidents, gaps, film, what was purged, holds, countersignatures and the audit
    log are as they were; the audit log goes on, and the check of the film is clean."""
    Journal(hub.store, hub.storage).turn(START_UTC_MS + 2)
    before, log = hub.contents(), list(audit.entries(hub.store))
    hub.lose()
    result = run("rebuild")
    assert result.exit_code == 0, result.output
    assert "records: 12 put back" in result.output
    assert "5 segments stored by them, 1 purged" in result.output
    hub.open_again()
    after = hub.contents()
    for table in COMPARED:
        assert after[table] == before[table], table
    count, faults = audit.verify(hub.store)
    assert (count, faults) == (len(log) + 1, [])
    assert list(audit.entries(hub.store))[:-1] == log
    assert value(hub.store, "select deed from audit order by audit_id desc limit 1") == "rebuilt_index"
    checked = run("check", "--hash").output
    assert not [line for line in checked.splitlines() if line.startswith(("film: ", "storage: "))]
    assert "6 segments, 5 files" in checked


def test_former_labels_and_the_roster_of_an_open_sitting_come_back(store: Store, tmp_path: Path) -> None:
    """Else a lost database would end the recording of who has extra time, and give a label of old to another seat."""
    with store.write() as connection:
        connection.executescript(
            "insert into rooms (room_id, name) values (1, 'Hall');"
            "insert into seats (seat_id, room_id, label) values (1, 1, 'A1');"
            "insert into former_names values (1, 'Old hall', 5); insert into former_labels values (1, 1, 'Z1', 5);"
            "insert into exams (exam) values ('Maths');"
        )
        for sitting in ("open", "closed"):
            connection.execute(
                "insert into sittings (sitting, exam, room_id, start_utc_ms, end_utc_ms, mode, rules)"
                " values (?, 'Maths', 1, 5, 9, 'automated', '[]')",
                (sitting,),
            )
            connection.execute(
                "insert into candidates (sitting, number, seat, extra_ms) values (?, '17', 'A1', 60000)", (sitting,)
            )
        connection.execute("update sittings set closed_utc_ms = 20, closed_by = 'Ada' where sitting = 'closed'")
        connection.execute(
            "insert into stays (candidate_id, sitting, seat) select candidate_id, sitting, seat from candidates"
        )
    with store.read() as connection:
        told = journal_tables.whole(connection)
    other = Store(tmp_path / "other.db")
    with other.write() as connection:
        for name in journal_tables.WHOLE:
            journal_tables.put_back(connection, name, told[name])
        ends = [tuple(row) for row in connection.execute("select sitting, end_utc_ms from seat_ends")]
        assert ends == [("open", 60009)]
        assert [row[0] for row in connection.execute("select sitting from stays")] == ["open"]
        assert [row[0] for row in connection.execute("select label from former_labels")] == ["Z1"]
        assert [row[0] for row in connection.execute("select name from former_names")] == ["Old hall"]
    other.close()


def test_the_journal_goes_on_where_it_ended(hub: Hub) -> None:
    """Nothing twice over restarts of the worker, and nothing without a change."""
    first = Journal(hub.store, hub.storage)
    assert first.turn(START_UTC_MS + 2) > 12
    assert first.turn(START_UTC_MS + 3) == 0
    hub.say(hub.desks[0], segment(9), 90)
    assert first.turn(START_UTC_MS + 4) == 1
    hub.say(hub.desks[0], segment(10), 100)
    assert Journal(hub.store, hub.storage).turn(START_UTC_MS + 5) == 1
    lines = [line for line in journal.read(hub.storage) if line is not None]
    assert [line["kind"] for line in lines].count("begun") == 1
    keys = [line["row"]["seq"] for line in lines if line["kind"] == "row" and line["table"] == "records"]
    assert len(keys) == 14


def test_what_came_after_the_last_piece_is_missing_and_only_that(hub: Hub) -> None:
    """The limit, as documented: its film is there and unknown, until the desk or its card brings the record."""
    Journal(hub.store, hub.storage).turn(START_UTC_MS + 2)
    sha256 = hub.film(hub.desks[0], 9, b"the last film")
    records = list(hub.desks[0].records)
    hub.lose()
    assert run("rebuild").exit_code == 0
    hub.open_again()
    assert value(hub.store, "select count(*) from records where unit = 'c1.d1'") == len(records) - 1
    assert f"the file {sha256} (13 bytes) is named by no record" in run("check").output
    with hub.store.write() as connection:
        taking.take_records(connection, [(records[-1], 1)], 1)
    assert "1 segments are stored now" in run("check", "--repair").output


def test_a_restored_backup_is_filled_up(hub: Hub, tmp_path: Path) -> None:
    """What people did is in the backup, what desks said after it in the journal."""
    from hub.core.access import Role
    from hub.store import people
    from tests.hub.seed import SEED

    people.add(hub.store, name="Ada", role=Role.ADMIN, password_hash="x", now_utc_ms=1, by=SEED)
    assert run("backup", str(tmp_path / "backup")).exit_code == 0
    hub.film(hub.desks[0], 9, b"after the backup")
    Journal(hub.store, hub.storage).turn(START_UTC_MS + 2)
    hub.lose()
    result = run("restore", str(tmp_path / "backup"))
    assert "is named by no record" in result.output
    assert "rebuild --fill" in result.output
    result = run("rebuild", "--fill")
    assert result.exit_code == 0, result.output
    assert "records: 1 put back, 12 were there" in result.output
    assert "1 segments stored" in result.output
    hub.open_again()
    assert value(hub.store, "select name from users") == "Ada"
    assert value(hub.store, "select count(*) from holds") == 3
    assert audit.verify(hub.store)[1] == []
    result = run("rebuild", "--fill")
    assert "records: 0 put back, 13 were there" in result.output
    assert value(hub.store, "select count(*) from holds") == 3


def test_a_rule_that_was_changed_after_the_backup_is_told(hub: Hub, tmp_path: Path) -> None:
    """Else the older and shorter one of the backup lets film go that people had decided to keep."""
    assert run("backup", str(tmp_path / "backup")).exit_code == 0
    with hub.store.write() as connection:
        connection.execute("update exams set results_utc_ms = 1800000000000 where exam = 'Maths'")
    Journal(hub.store, hub.storage).turn(START_UTC_MS + 2)
    hub.lose()
    run("restore", str(tmp_path / "backup"))
    result = run("rebuild", "--fill")
    assert result.exit_code == 3
    assert (
        "exam Maths: its rule, or the date of its results, was another one last: for ever, results 18" in result.output
    )


def test_a_purge_after_the_backup_keeps_its_number_and_its_certificate(hub: Hub, tmp_path: Path) -> None:
    """Else the next purge got its number, and what went under the first stood on the certificate of the second."""
    with hub.store.write() as connection:
        for table in ("purge_items", "purges", "purge_plans"):
            connection.execute(f"drop trigger if exists {table}_remain")
            connection.execute(f"delete from {table}")
        connection.execute("update segments set purged_utc_ms = null, purge_number = null, stored_utc_ms = null")
        connection.execute("delete from sqlite_sequence where name in ('purges', 'purge_plans')")
    assert run("backup", str(tmp_path / "backup")).exit_code == 0
    hub.film(hub.desks[1], 8, b"purged after the backup")
    hub.purge(hub.desks[1], 8)
    Journal(hub.store, hub.storage).turn(START_UTC_MS + 2)
    before = {table: rows(hub.store, f"select * from {table}") for table in ("purges", "purge_plans", "purge_items")}
    hub.lose()
    run("restore", str(tmp_path / "backup"))
    result = run("rebuild", "--fill")
    assert "1 purged by rule before" in result.output
    hub.open_again()
    for table, found in before.items():
        assert rows(hub.store, f"select * from {table}") == found, table
    assert value(hub.store, "select purge_number from segments where name = 'segment-000008.ts'") == 1


def test_a_journal_of_several_stores_gives_all_their_records(hub: Hub) -> None:
    """Somebody let the hub run on an empty store first: what the lost one had said is not forgotten for it."""
    Journal(hub.store, hub.storage).turn(START_UTC_MS + 2)
    hub.lose()
    hub.open_again()
    desk = Desk("c1.d3")
    film(hub.store, desk, b"new film", 1)
    Journal(hub.store, hub.storage).turn(START_UTC_MS + 3)
    hub.lose()
    result = run("rebuild")
    assert "units: 3, records: 13 put back" in result.output
    hub.open_again()
    assert value(hub.store, "select count(*) from records") == 13
    assert value(hub.store, "select count(*) from certificates") == 1
    assert value(hub.store, "select count(*) from holds where released_utc_ms is null") == 3
    assert value(hub.store, "select count(*) from sittings") == 1
    assert value(hub.store, "select count(*) from segments where purge_number = 1") == 1


def test_a_clock_that_was_ahead_hides_nothing_that_came_after_it(hub: Hub) -> None:
    """What was written while it was ahead must not count as the newest for years: a hold placed since would be gone. A
    worker that starts anew in between knows it too."""
    ahead = START_UTC_MS + 4 * 365 * 86_400_000
    Journal(hub.store, hub.storage).turn(START_UTC_MS + 2)
    hub.say(hub.desks[0], segment(9), 90)
    Journal(hub.store, hub.storage).turn(ahead)
    with hub.store.write() as connection:
        connection.execute(
            "insert into holds (sitting, reason, placed_by, placed_utc_ms) values ('s1', 'appeal, late', 'Ada', 10)"
        )
    log = Journal(hub.store, hub.storage)
    assert log.turn(START_UTC_MS + 3) == 0
    hub.lose()
    assert run("rebuild").exit_code == 0
    hub.open_again()
    assert value(hub.store, "select count(*) from holds where reason = 'appeal, late'") == 1


def test_a_hold_that_a_later_store_released_does_not_come_back(hub: Hub) -> None:
    """The one that was made anew from the journal, and lost again."""
    Journal(hub.store, hub.storage).turn(START_UTC_MS + 2)
    hub.lose()
    assert run("rebuild").exit_code == 0
    hub.open_again()
    log = Journal(hub.store, hub.storage)
    log.turn(START_UTC_MS + 3)
    with hub.store.write() as connection:
        connection.execute(
            "update holds set released_by = 'Ada', released_utc_ms = 11, released_why = 'over' where reason = 'appeal'"
        )
    log.turn(START_UTC_MS + 4)
    hub.lose()
    assert run("rebuild").exit_code == 0
    hub.open_again()
    assert sorted(row["reason"] for row in rows(hub.store, "select reason from holds")) == ["complaint", "fire alarm"]


def test_changed_lines_are_named_and_not_believed(hub: Hub) -> None:
    """A record whose body was changed, one signed by somebody else, and a line that is none: the others come."""
    Journal(hub.store, hub.storage).turn(START_UTC_MS + 2)
    stranger = Desk("c1.d1")
    forged = stranger.seal(segment(77), seq=77)
    lines = b"".join(hub.storage.journal()).splitlines()
    row = {"boot": 1, "seq": 77, "unit": "c1.d1", "received_utc_ms": 1}
    row |= {"header": forged.header_text, "body": forged.body_text, "signature": forged.signature}
    extra = [json.dumps({"kind": "row", "table": "records", "row": row}).encode(), b'{"kind":"row","ta']
    changed = [line.replace(b"camera_lost", b"camera_lots") for line in lines] + extra
    _replace_journal(hub, b"\n".join(changed) + b"\n")
    hub.lose()
    result = run("rebuild")
    assert result.exit_code == 3
    assert "records: 10 put back" in result.output
    assert "record 1/6 of c1.d1: the body is not the one" in result.output
    assert "record 1/77 of c1.d1: the signature is not the unit's" in result.output
    assert "lines of the journal that were cut off or changed" in result.output


def _replace_journal(hub: Hub, data: bytes) -> None:
    if isinstance(hub.storage, LocalStorage):
        shutil.rmtree(Path(hub.storage.place) / "records")
    else:
        import obstore

        store = hub.storage._store()  # type: ignore[attr-defined]
        for page in obstore.list(store, prefix="records"):
            obstore.delete(store, [each["path"] for each in page])
    hub.storage.add_to_journal("2027-01-15", START_UTC_MS, data)


def test_a_piece_that_was_cut_off_is_written_again(hub: Hub) -> None:
    """Power went while it was appended: the next one begins on a line of its own and says all of it once more."""
    if not isinstance(hub.storage, LocalStorage):
        pytest.skip("a service has a piece whole or not at all")
    Journal(hub.store, hub.storage).turn(START_UTC_MS + 2)
    path = next((Path(hub.storage.place) / "records").iterdir())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    assert Journal(hub.store, hub.storage).turn(START_UTC_MS + 3) > 12
    hub.lose()
    result = run("rebuild")
    assert "records: 12 put back" in result.output
    assert "cut off or changed" in result.output


def test_the_worker_keeps_the_journal(hub: Hub) -> None:
    """On a thread of its own, from the start on, and once more when it ends."""
    thread = JournalThread(hub.settings, hub.store, lambda: START_UTC_MS + 2)
    thread.start()
    wait_for(lambda: hub.storage.journal_tail() != b"")
    hub.say(hub.desks[0], segment(9), 90)
    thread.stop()
    assert thread.trouble == ""
    seqs = [line["row"]["seq"] for line in journal.read(hub.storage) if line and line.get("table") == "records"]
    assert len(seqs) == 13


def test_without_a_journal_nothing_is_made(settings: Settings, hub: Hub) -> None:
    """One line says what to do, and no empty store stands in the way of a restore."""
    hub.lose()
    result = run("rebuild")
    assert result.exit_code == 1
    assert "has no journal: restore a backup" in result.output
    assert not settings.database_path.exists()


def test_a_store_is_not_overwritten(hub: Hub) -> None:
    """One that is there is added to only when a person says so."""
    Journal(hub.store, hub.storage).turn(START_UTC_MS + 2)
    result = run("rebuild")
    assert result.exit_code == 1
    assert "there is a store" in result.output


def test_a_missing_entry_of_the_audit_log_is_told(hub: Hub) -> None:
    """The log cannot grow over a hole: what lies behind it is left out, and said."""
    audit.note(hub.store, ADA, Deed.VIEWED_AUDIT, "audit", 11)
    Journal(hub.store, hub.storage).turn(START_UTC_MS + 2)
    lines = b"".join(hub.storage.journal()).splitlines()
    kept = [line for line in lines if b'"audit_id":2,"at_utc_ms"' not in line]
    assert len(kept) == len(lines) - 1
    _replace_journal(hub, b"\n".join(kept) + b"\n")
    hub.lose()
    result = run("rebuild")
    assert result.exit_code == 3
    assert "audit: 1 rows behind one that the journal lacks are left out" in result.output
    with sqlite3.connect(hub.settings.database_path) as connection:
        deeds = [row[0] for row in connection.execute("select deed from audit order by audit_id")]
    connection.close()
    assert deeds == ["held", "rebuilt_index"]
