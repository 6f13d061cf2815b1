"""The desk's one database: its records (chained, signed), what is still to be delivered, the segments and the plan.

A record is committed, with its place in the spool, in one synced transaction before anything is sent. When the card
cannot be written the record is sealed as not durable, kept in memory and delivered from there; every later write
tries again to bring the kept ones to the card, in their order. One lock, one connection: every method may be called
from any thread.

Files in the folder: `records.db`, `unit.key` (the Ed25519 key, never in the database) and `unit.boot` (the counter
of agent starts; beside the key, so that a lost database can never make a (unit, boot, seq) come twice).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
from cryptography.hazmat.primitives import serialization
from sqlite_utils import Database

from agent import records_sql as sql
from agent import unit_key, wire
from agent.core.delivery import Item

_START: tuple[int, int] = (0, 0)
_END: tuple[int, int] = (2**62, 0)


class RecordsError(Exception):
    """The folder cannot serve this unit; the text is one line for the person who starts the agent."""


class Previous(NamedTuple):
    """The start before this one; `boot` is 0 at the very first."""

    boot: int
    is_clean: bool


class Segment(NamedTuple):
    """One row of the segment list. `state` is `kept`, `uploaded` (the hub has confirmed it) or `freed`."""

    closed: wire.SegmentClosed
    state: str
    boot: int
    seq: int


class _Kept(NamedTuple):
    record: wire.Record
    still: bytes | None


class Records:
    """The open database of one unit."""

    def __init__(self, folder: Path, unit: str) -> None:
        """Open or make the database in `folder` and count this start, on the card, before returning.

        A card that cannot be written is no error once the unit has its key: see `trouble`. Raises RecordsError when
        the folder belongs to another unit or a newer version, or the key is gone; OSError when there is no key yet and
        none can be written.
        """
        self._lock = threading.RLock()
        self._folder = folder
        self._unit = unit
        self._path = folder / "records.db"
        self._db: Database | None = None
        self._waiting: list[Callable[[Database], None]] = []
        self._kept: dict[tuple[int, int], _Kept] = {}
        self._done: set[Item] = set()
        self.trouble: str | None = None
        """Why the card cannot be written now, in one line; None while it can."""
        self.damaged: Path | None = None
        """Where a database that failed its integrity check at this start was put aside."""
        try:
            self._key = unit_key.load_key(folder / "unit.key", may_make=not self._path.exists())
            counted = unit_key.read_boot(folder / "unit.boot")
        except ValueError as error:
            raise RecordsError(str(error)) from None
        self._sign = self._key.sign
        self._open()
        self._seq = 0
        self._head: tuple[int, int, str] | None = None
        clean_boot = 0
        self._plan: wire.Plan | None = None
        self._sitting = ""
        with self._reading() as db:
            if db is not None:
                clean_boot, self._sitting = db.execute("SELECT clean_boot, sitting FROM desk").fetchone()
                self._plan = _load_plan(db)
                self._head = db.execute(
                    "SELECT boot, seq, hash FROM records ORDER BY boot DESC, seq DESC LIMIT 1"
                ).fetchone()
        last = max(counted, self._head[0] if self._head else 0)
        self.previous = Previous(last, last > 0 and clean_boot == last)
        self.boot = self._raise_boot(last)

    # --- opening ----------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        try:
            self._db = self._checked(_connect(self._path))
        except sqlite3.OperationalError as error:
            self.trouble = f"the card cannot be written: {error}"
        except sqlite3.DatabaseError:
            self._put_aside()
            self._db = self._checked(_connect(self._path))
            if self.damaged is not None:
                _salvage(self.damaged, self._db)

    def _checked(self, db: Database) -> Database:
        """The database with its schema, if it is whole and this unit's."""
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > sql.SCHEMA_VERSION:
                raise RecordsError(f"{self._path} was written by a newer version (schema {version})")
            if version == 0:
                _make(db, self._unit)
            fault = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if fault != "ok":
                raise sqlite3.DatabaseError(fault)
            owner = db.execute("SELECT unit FROM desk").fetchone()[0]
            if owner != self._unit:
                raise RecordsError(f"{self._path} belongs to the desk unit {owner!r}, not to {self._unit!r}")
        except BaseException:
            db.close()
            raise
        return db

    def _put_aside(self) -> None:
        """A broken file must not stop the desk: what can be read of it goes on in a new one, and if records are lost
        the break in the chain says so."""
        number = 1
        while (aside := self._folder / f"records-damaged-{number}.db").exists():
            number += 1
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self._path}{suffix}", f"{aside}{suffix}")
        Path(f"{self._path}-shm").unlink(missing_ok=True)
        unit_key.sync_folder(self._folder)
        self.damaged = aside

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Database | None]:
        """The open database; on a read-only card, where SQLite cannot open a journal, a private copy of it."""
        if self._db is not None:
            yield self._db
            return
        with tempfile.TemporaryDirectory(prefix="ems-records-") as name:
            db = None
            try:
                for suffix in ("", "-wal"):
                    with contextlib.suppress(FileNotFoundError):
                        shutil.copy(f"{self._path}{suffix}", f"{name}/records.db{suffix}")
                if Path(name, "records.db").exists():
                    db = self._checked(_connect(Path(name, "records.db")))
            except (OSError, sqlite3.Error):
                db = None
            try:
                yield db
            finally:
                if db is not None:
                    db.close()

    def _raise_boot(self, last: int) -> int:
        """Count this start on the card before anything can be sent under its number."""
        path = self._folder / "unit.boot"
        try:
            unit_key.write_synced(path, f"{last + 1}\n".encode(), 0o644)
            return last + 1
        except OSError as error:
            self.trouble = f"the card cannot be written: {error}"
            # The next start may read the same counter: a far, random number keeps the names of the two apart.
            boot = last + 2 + secrets.randbelow(2**32)
            self._waiting.append(lambda _db: unit_key.write_synced(path, f"{boot}\n".encode(), 0o644))
            return boot

    # --- writing ----------------------------------------------------------------------------------------------------

    def _write(self, work: Callable[[Database], None] | None) -> bool:
        """Do all that waits, then `work`, in one synced transaction. False, and nothing done, if the card refuses."""
        if self._db is None:
            self._open()
        db = self._db
        if db is None:
            return False
        try:
            with _transaction(db):
                for step in self._waiting:
                    step(db)
                if work is not None:
                    work(db)
        except (OSError, sqlite3.Error) as error:
            self.trouble = f"the card cannot be written: {error}"
            return False
        self._waiting.clear()
        self._kept.clear()
        self._done.clear()
        self.trouble = None
        return True

    def _write_or_wait(self, work: Callable[[Database], None]) -> None:
        if not self._write(work):
            self._waiting.append(work)

    def retry(self) -> bool:
        """Try to bring what waits to the card; True when nothing waits any more. For a tick while `trouble` is set."""
        with self._lock:
            return self._write(None) if self._waiting or self.trouble else True

    def append(self, body: wire.Body, now: wire.Instant, is_clock_ok: bool, still: bytes | None = None) -> wire.Record:
        """Seal `body` as the next record and commit it with its place in the spool.

        `still` is the JPEG whose SHA-256 the alert carries as `still_sha256`. Never fails for the card's sake: look at
        `record.header.is_durable`. Raises ValueError when still and hash differ, BadMessage for a body that the hub
        would refuse (too large, a field out of its range); nothing is appended then.
        """
        if (wire.sha256_hex(still) if still else None) != (getattr(body, "still_sha256", None) if still else None):
            raise ValueError("the still is not the one whose hash the body carries")
        with self._lock:
            kept = self._sealed(body, now, is_clock_ok, still, is_durable=True)
            if not self._write(lambda db: _insert(db, kept)):
                kept = self._sealed(body, now, is_clock_ok, still, is_durable=False)
                self._kept[self.boot, self._seq + 1] = kept
                self._waiting.append(lambda db: _insert(db, kept))
            self._seq += 1
            self._head = (self.boot, self._seq, kept.record.hash)
            return kept.record

    def _sealed(
        self, body: wire.Body, now: wire.Instant, is_clock_ok: bool, still: bytes | None, *, is_durable: bool
    ) -> _Kept:
        record = wire.seal(
            body,
            unit=self._unit,
            boot=self.boot,
            seq=self._seq + 1,
            now=now,
            is_clock_ok=is_clock_ok,
            prev=self._head[2] if self._head else wire.GENESIS,
            sign=self._sign,
            is_durable=is_durable,
        )
        wire.decode_up("record", wire.encode(record))
        if still is not None:
            wire.encode(_still_of(record.header, still))
        return _Kept(record, still)

    # --- delivery ---------------------------------------------------------------------------------------------------

    def live_from(self, since_up_ms: int) -> tuple[int, int]:
        """(boot, seq) of this run's first record made at or after `since_up_ms`, or of the next one to come."""
        with self._lock:
            kept = [seq for (_, seq), entry in self._kept.items() if entry.record.header.up_ms >= since_up_ms]
            rows = self._rows(
                """SELECT min(seq) FROM records
                WHERE boot = ? AND receipted_utc_ms IS NULL AND json_extract(header, '$.up_ms') >= ?""",
                (self.boot, since_up_ms),
            )
            found = [row[0] for row in rows if row[0] is not None]
            return self.boot, min([*kept, *found, self._seq + 1])

    def pending(self, limit: int, first: tuple[int, int] = _START, before: tuple[int, int] = _END) -> list[Item]:
        """The oldest items without receipt with first <= (boot, seq) < before, at most `limit`; a still follows its
        record."""
        with self._lock:
            rows = self._rows(sql.PENDING, (*first, *before, *first, *before, limit + len(self._done)))
            items = [Item(boot, seq, bool(is_still)) for boot, seq, is_still in rows]
            for (boot, seq), kept in self._kept.items():
                if first <= (boot, seq) < before:
                    items.append(Item(boot, seq, False))
                    if kept.still is not None:
                        items.append(Item(boot, seq, True))
            return [item for item in items if item not in self._done][:limit]

    def message(self, item: Item) -> wire.Record | wire.Still | None:
        """What to send for a pending item; None if the card cannot be read now."""
        with self._lock:
            kept = self._kept.get((item.boot, item.seq))
            if kept is not None:
                return _still_of(kept.record.header, kept.still) if item.is_still and kept.still else kept.record
            if item.is_still:
                rows = self._rows(
                    "SELECT utc_ms, up_ms, sha256, jpeg FROM stills WHERE boot = ? AND seq = ?", (item.boot, item.seq)
                )
                for utc_ms, up_ms, sha256, jpeg in rows:
                    at = wire.Instant(utc_ms, up_ms)
                    return wire.Still(wire.StillNote(boot=item.boot, at=at, sha256=sha256, seq=item.seq), jpeg)
            for row in self._rows(
                "SELECT header, body, signature FROM records WHERE boot = ? AND seq = ?", (item.boot, item.seq)
            ):
                return _record_of(*row)
            return None

    def receipt(self, receipt: wire.Receipt, now: wire.Instant) -> None:
        """Take what the hub has committed out of the spool; unknown names are ignored."""
        with self._lock:
            self._write_or_wait(lambda db: _forget(db, receipt, now.utc_ms))
            if self._waiting:
                self._done.update(Item(boot, seq, False) for boot, seq in receipt.records)
                self._done.update(self._stills_named(receipt.stills))

    def _stills_named(self, hashes: tuple[str, ...]) -> Iterator[Item]:
        for (boot, seq), kept in self._kept.items():
            if kept.still is not None and wire.sha256_hex(kept.still) in hashes:
                yield Item(boot, seq, True)
        for sha256 in hashes:
            for boot, seq in self._rows("SELECT boot, seq FROM stills WHERE sha256 = ?", (sha256,)):
                yield Item(boot, seq, True)

    def depth(self) -> int:
        """The number of records without receipt."""
        with self._lock:
            rows = self._rows("SELECT count(*) FROM records WHERE receipted_utc_ms IS NULL", ())
            waiting = (rows[0][0] if rows else 0) + len(self._kept)
            return int(waiting) - sum(not item.is_still for item in self._done)

    def _rows(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        """The rows of a query; none, and `trouble`, when the card cannot be read."""
        if self._db is None:
            return []
        try:
            return list(self._db.execute(query, values).fetchall())
        except sqlite3.Error as error:
            self.trouble = f"the card cannot be read: {error}"
            return []

    # --- what a start has to know -----------------------------------------------------------------------------------

    @property
    def public_key(self) -> str:
        """The unit's Ed25519 public key, 64 hex digits."""
        raw = self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return raw.hex()

    def head(self) -> wire.Head | None:
        """The signed end of the chain; None before the very first record."""
        with self._lock:
            return wire.sign_head(*self._head, self._sign) if self._head else None

    def save_plan(self, plan: wire.Plan) -> bool:
        """Keep a newer plan; False, and nothing changed, for one that is not newer than the one kept."""
        with self._lock:
            if self._plan is not None and plan.number <= self._plan.number:
                return False
            self._plan = plan
            row = (plan.number, msgspec.json.encode(plan).decode())
            self._write_or_wait(
                lambda db: _ignore(db.execute("INSERT OR REPLACE INTO plan (id, number, body) VALUES (1, ?, ?)", row))
            )
            return True

    def plan(self) -> wire.Plan | None:
        """The newest plan, None before the first."""
        return self._plan

    def set_sitting(self, sitting: str) -> None:
        """Remember the sitting that is being recorded, '' for none."""
        with self._lock:
            self._sitting = sitting
            self._write_or_wait(lambda db: _ignore(db.execute("UPDATE desk SET sitting = ?", (sitting,))))

    def sitting(self) -> str:
        """The sitting that was being recorded when this was last said, across restarts; '' for none."""
        return self._sitting

    def segments(self, sitting: str | None = None, state: str | None = None) -> list[Segment]:
        """The segment list, oldest first; of one sitting, in one state, if given."""
        with self._lock:
            return [
                Segment(_record_of(header, body, signature).body, row_state, boot, seq)  # type: ignore[arg-type]
                for header, body, signature, row_state, boot, seq in self._rows(
                    """SELECT r.header, r.body, r.signature, s.state, s.boot, s.seq
                    FROM segments s JOIN records r USING (boot, seq)
                    WHERE s.sitting = coalesce(?, s.sitting) AND s.state = coalesce(?, s.state)
                    ORDER BY s.boot, s.seq""",
                    (sitting, state),
                )
            ]

    def recorded(self, sitting: str) -> tuple[int, wire.Instant | None]:
        """Milliseconds in the sitting's segments, and where its last one ends (None: it has none)."""
        with self._lock:
            length_ms, last = 0, None
            for began_up_ms, ended_utc_ms, ended_up_ms in self._rows(
                "SELECT began_up_ms, ended_utc_ms, ended_up_ms FROM segments WHERE sitting = ? ORDER BY boot, seq",
                (sitting,),
            ):
                length_ms += ended_up_ms - began_up_ms
                last = wire.Instant(ended_utc_ms, ended_up_ms)
            return length_ms, last

    def unfinished(self) -> list[wire.Alert | wire.Fault]:
        """Alerts and faults whose newest record does not clear them, oldest first: a killed run leaves them so."""
        with self._lock:
            newest: dict[str, wire.Alert | wire.Fault] = {}
            for row in self._rows(
                "SELECT header, body, signature FROM records WHERE kind IN ('alert', 'fault') ORDER BY boot, seq", ()
            ):
                body = _record_of(*row).body
                if isinstance(body, wire.Alert | wire.Fault):
                    newest[body.alert if isinstance(body, wire.Alert) else f"fault {body.fault}"] = body
            return [body for body in newest.values() if body.state != "cleared"]

    def set_segment_state(self, name: str, state: str) -> None:
        """Move a segment on: `kept` -> `uploaded` -> `freed`."""
        if state not in ("kept", "uploaded", "freed"):
            raise ValueError(f"no segment is {state!r}")
        with self._lock:
            self._write_or_wait(
                lambda db: _ignore(db.execute("UPDATE segments SET state = ? WHERE name = ?", (state, name)))
            )

    def stop_cleanly(self) -> None:
        """Note that this run ended in order: the last write before `close`."""
        with self._lock:
            self._write_or_wait(lambda db: _ignore(db.execute("UPDATE desk SET clean_boot = ?", (self.boot,))))

    def close(self) -> None:
        """Close the database; what the card still refuses is lost with the process."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def verify(self) -> list[str]:
        """Walk the chain on the card: a line for each record that is changed, missing or out of its place; [] is
        whole."""
        with self._lock:
            rows = self._rows("SELECT boot, seq, header, body, signature, hash FROM records ORDER BY boot, seq", ())
            return _faults_of(rows, self._unit, self.public_key)


def _ignore(_: object) -> None:
    """Throw a result away, in a lambda."""


def _faults_of(rows: list[Any], unit: str, public_key: str) -> list[str]:
    faults: list[str] = []
    prev, last = wire.GENESIS, (0, 0)
    for boot, seq, header, body, signature, row_hash in rows:
        name = f"record {boot}/{seq}"
        if (boot, seq) != (boot, last[1] + 1 if boot == last[0] else 1):
            faults.append(f"{name}: the record before it is missing")
        try:
            record = _record_of(header, body, signature)
        except wire.BadMessage as error:
            faults.append(f"{name}: {error}")
        else:
            if record.key != (unit, boot, seq) or record.hash != row_hash:
                faults.append(f"{name}: the row is not the record's")
            if record.header.prev != prev:
                faults.append(f"{name}: does not follow on the record before it")
            if not wire.is_signed_by(record, public_key):
                faults.append(f"{name}: not signed by this unit")
        prev, last = wire.hash_of(header), (boot, seq)
    return faults


# --- rows -----------------------------------------------------------------------------------------------------------


def _record_of(header: str, body: str, signature: str) -> wire.Record:
    envelope = msgspec.json.encode({"header": header, "body": body, "signature": signature})
    record: wire.Record = wire.decode_up("record", envelope)
    return record


def _still_of(header: wire.Header, jpeg: bytes) -> wire.Still:
    at = wire.Instant(header.utc_ms, header.up_ms)
    return wire.Still(wire.StillNote(boot=header.boot, at=at, sha256=wire.sha256_hex(jpeg), seq=header.seq), jpeg)


def _insert(db: Database, kept: _Kept) -> None:
    record, header = kept.record, kept.record.header
    key = (header.boot, header.seq)
    texts = (header.kind, record.header_text, record.body_text, record.signature, record.hash)
    db.execute(sql.ADD_RECORD, (*key, *texts, int(header.is_durable)))
    if kept.still is not None:
        at = (header.utc_ms, header.up_ms)
        db.execute(sql.ADD_STILL, (*key, wire.sha256_hex(kept.still), *at, kept.still))
    body = record.body
    if isinstance(body, wire.SegmentClosed):
        sizes = (body.frames, body.size_bytes, body.sha256, int(body.is_cut))
        db.execute(sql.ADD_SEGMENT, (body.name, *key, body.sitting, *body.began, *body.ended, *sizes))


def _forget(db: Database, receipt: wire.Receipt, utc_ms: int) -> None:
    for boot, seq in receipt.records:
        db.execute(
            "UPDATE records SET receipted_utc_ms = ? WHERE boot = ? AND seq = ? AND receipted_utc_ms IS NULL",
            (utc_ms, boot, seq),
        )
    for sha256 in receipt.stills:
        db.execute(
            "UPDATE stills SET receipted_utc_ms = ? WHERE sha256 = ? AND receipted_utc_ms IS NULL", (utc_ms, sha256)
        )


def _load_plan(db: Database) -> wire.Plan | None:
    row = db.execute("SELECT body FROM plan").fetchone()
    plan: wire.Plan | None = wire.decode_down("plan", row[0].encode()) if row else None
    return plan


# --- the database ---------------------------------------------------------------------------------------------------


def _connect(path: Path) -> Database:
    connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    try:
        db = Database(connection, execute_plugins=False)
        # FULL: a commit is on the card when it returns. With NORMAL 58 of 60 simulated power cuts lost rows.
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            db.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return db


@contextlib.contextmanager
def _transaction(db: Database) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.conn.in_transaction:
            db.execute("ROLLBACK")
        raise


def _make(db: Database, unit: str) -> None:
    with _transaction(db):
        for statement in sql.SCHEMA.split(";\n"):
            if statement.strip():
                db.execute(statement)
        db.execute("INSERT INTO desk (id, unit) VALUES (1, ?)", (unit,))
        db.execute(f"PRAGMA user_version = {sql.SCHEMA_VERSION}")


def _salvage(damaged: Path, db: Database) -> None:
    """Take over every row that can be read from either end of each table of a damaged database."""
    try:
        old = _connect(damaged)
    except sqlite3.Error:
        return
    try:
        with _transaction(db):
            for table in ("records", "stills", "segments", "plan", "desk"):
                for row in {**_readable(old, table, "ASC"), **_readable(old, table, "DESC")}.values():
                    with contextlib.suppress(sqlite3.IntegrityError):  # a still whose record is lost
                        places = ", ".join("?" * len(row))
                        db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({places})", row)  # noqa: S608
    finally:
        old.close()


def _readable(db: Database, table: str, order: str) -> dict[int, tuple[Any, ...]]:
    rows: dict[int, tuple[Any, ...]] = {}
    with contextlib.suppress(sqlite3.Error):
        for number, *row in db.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid {order}"):  # noqa: S608
            rows[number] = tuple(row)
    return rows
