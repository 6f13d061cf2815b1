"""The desk's one database: its records (chained, signed), what is still to be delivered, the segments and the plan.

A record is committed, with its place in the spool, in one synced transaction before anything is sent. When the card
cannot be written the record is sealed as not durable, kept in memory and delivered from there; every later write
tries again to bring the kept ones to the card, in their order. One lock, one connection: every method may be called
from any thread.

Files in the folder: `records.db`, `unit.key` (the Ed25519 key, never in the database), `unit.boot` (the counter of
agent starts; beside the key, so that a lost database can never make a (unit, boot, seq) come twice) and `unit.plan`.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from sqlite_utils import Database

from agent import plan_file, unit_key, wire
from agent import records_sql as sql
from agent.card import Work
from agent.core import chain, plans
from agent.core.delivery import Item
from agent.core.segments import parse_name
from agent.records_past import ChainDatabase
from agent.records_rows import Kept, Segment, forget, insert, segment_of

_START: tuple[int, int] = (0, 0)
_END: tuple[int, int] = (2**62, 0)


class RecordsError(Exception):
    """The folder cannot serve this unit; the text is one line for the person who starts the agent."""


class Previous(NamedTuple):
    """The start before this one; `boot` is 0 at the very first."""

    boot: int
    is_clean: bool


class Records(ChainDatabase):
    """The open database of one unit."""

    def __init__(self, folder: Path, unit: str) -> None:
        """Open or make the database in `folder` and count this start, on the card, before returning.

        A card that cannot be written is no error once the unit has its key: see `trouble`. Raises RecordsError when
        the folder belongs to another unit or a newer version, or the key is gone; OSError when there is no key yet and
        none can be written.
        """
        self._folder = folder
        self._unit = unit
        path = folder / "records.db"
        is_missing = not path.exists()
        try:
            self._key = unit_key.load_key(folder / "unit.key", may_make=is_missing)
            counted = unit_key.read_boot(folder / "unit.boot")
            super().__init__(path, sql.SCHEMA, sql.SCHEMA_VERSION, sql.TABLES)
        except ValueError as error:
            raise RecordsError(str(error)) from None
        self._sign = self._key.sign
        self._kept: dict[tuple[int, int], Kept] = {}
        self._done: set[Item] = set()
        self._seq = 0
        self._head: tuple[int, int, str] | None = None
        clean_boot = 0
        self._plan: wire.Plan | None = None
        self._refusal: plans.Refusal | None = None
        self._refused_rules: tuple[str, ...] = ()
        self._sitting = ""
        with self._reading() as db:
            is_lost = is_missing or db is None or self.damaged is not None
            if db is not None:
                clean_boot, self._sitting = db.execute("SELECT clean_boot, sitting FROM desk").fetchone()
                self._load_plan(db)
                self._head = db.execute(
                    "SELECT boot, seq, hash FROM records ORDER BY boot DESC, seq DESC LIMIT 1"
                ).fetchone()
        last = max(counted, self._head[0] if self._head else 0)
        self.previous = Previous(last, last > 0 and clean_boot == last)
        self.boot = self._raise_boot(last)
        self.is_chain_new = is_lost and counted > 0
        if self.is_chain_new:
            self._head = None
            if self._plan is None and (payload := plan_file.kept(folder)) is not None:
                self.save_plan(payload)

    def _load_plan(self, db: Database) -> None:
        for (body,) in db.execute("SELECT body FROM plan"):
            try:
                self._plan, self._refused_rules = plans.read_plan(body.encode())
            except wire.BadMessage as error:  # an older version took it: the hub sends it again at the next connect
                self._refusal = plans.Refusal("the plan on the card", str(error))

    def _fill(self, db: Database) -> None:
        db.execute("INSERT INTO desk (id, unit) VALUES (1, ?)", (self._unit,))

    def _check_owner(self, db: Database) -> None:
        owner = db.execute("SELECT unit FROM desk").fetchone()[0]
        if owner != self._unit:
            raise ValueError(f"{self._path} belongs to the desk unit {owner!r}, not to {self._unit!r}")

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

    def _write(self, work: Work | None) -> bool:
        is_written = super()._write(work)
        if is_written:
            self._kept.clear()
            self._done.clear()
        return is_written

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
            if not self._write(lambda db: insert(db, kept)):
                kept = self._sealed(body, now, is_clock_ok, still, is_durable=False)
                self._kept[self.boot, self._seq + 1] = kept
                self._waiting.append(lambda db: insert(db, kept))
            self._seq += 1
            self._head = (self.boot, self._seq, kept.record.hash)
            return kept.record

    def _sealed(
        self, body: wire.Body, now: wire.Instant, is_clock_ok: bool, still: bytes | None, *, is_durable: bool
    ) -> Kept:
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
            wire.encode(chain.still_of(record.header, still))
        return Kept(record, still)

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
            if kept is not None and (kept.still is not None or not item.is_still):
                return chain.still_of(kept.record.header, kept.still) if item.is_still and kept.still else kept.record
            if item.is_still:
                rows = self._rows(
                    "SELECT utc_ms, up_ms, sha256, jpeg FROM stills WHERE boot = ? AND seq = ?", (item.boot, item.seq)
                )
                for utc_ms, up_ms, sha256, jpeg in rows:
                    at = wire.Instant(utc_ms, up_ms)
                    return wire.Still(wire.StillNote(boot=item.boot, at=at, sha256=sha256, seq=item.seq), jpeg)
            for record in self._records("boot = ? AND seq = ?", (item.boot, item.seq)):
                return record
            return None

    def _records(self, condition: str, values: tuple[Any, ...] = ()) -> Iterator[wire.Record]:
        """Stored records in their order. A row that was tampered with or has rotted is passed over: nobody would take
        it, and `verify` names it."""
        query = f"SELECT header, body, signature FROM records WHERE {condition} ORDER BY boot, seq"  # noqa: S608
        for row in self._rows(query, values):
            with contextlib.suppress(wire.BadMessage):
                yield chain.record_of(*row)

    def receipt(self, receipt: wire.Receipt, now: wire.Instant) -> None:
        """Take what the hub has committed out of the spool; unknown names are ignored."""
        with self._lock:
            if not self._write_or_wait(lambda db: forget(db, receipt, now.utc_ms)):
                named = {Item(boot, seq, False) for boot, seq in receipt.records}
                named.update(self._stills_named(receipt.stills))
                self._done |= named.intersection(self.pending(10**9))

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

    # --- what a start has to know -----------------------------------------------------------------------------------

    def head(self) -> wire.Head | None:
        """The signed end of the chain; None before the very first record."""
        with self._lock:
            return wire.sign_head(*self._head, self._sign) if self._head else None

    def save_plan(self, payload: bytes) -> bool:
        """Keep a newer plan as the hub wrote it; False, and nothing changed, for one that is not newer than the one
        kept. Raises BadMessage for one that is refused as a whole: the one kept holds, told until one newer comes."""
        with self._lock:
            try:
                read = plans.read_plan(payload)
            except wire.BadMessage as error:
                self._refusal = plans.refusal_of(payload, str(error), self._plan, self._refusal)
                raise
            if self._refusal is not None and read.plan.number > self._refusal.number:
                self._refusal = None
            if self._plan is not None and read.plan.number <= self._plan.number:
                return False
            self._plan, self._refused_rules = read
            row = (read.plan.number, payload.decode())
            self._write_or_wait(
                lambda db: db.execute("INSERT OR REPLACE INTO plan (id, number, body) VALUES (1, ?, ?)", row)
            )
            plan_file.keep(self._folder, payload)
            return True

    def plan_refusals(self) -> tuple[str, ...]:
        """What of the hub's newest plan is not followed: all of it, or rules of the one that is."""
        whole = () if self._refusal is None else (self._refusal.told(self._plan),)
        return whole + self._refused_rules

    def is_plan_refused(self) -> bool:
        """Whether the hub's newest plan could not be read as a whole."""
        return self._refusal is not None

    def plan(self) -> wire.Plan | None:
        """The newest plan, None before the first."""
        return self._plan

    def set_sitting(self, sitting: str) -> None:
        """Remember the sitting that is being recorded, '' for none."""
        with self._lock:
            self._sitting = sitting
            self._write_or_wait(lambda db: db.execute("UPDATE desk SET sitting = ?", (sitting,)))

    def sitting(self) -> str:
        """The sitting that was being recorded when this was last said, across restarts; '' for none."""
        return self._sitting

    def segments(self, sitting: str | None = None, state: str | None = None) -> list[Segment]:
        """The segment list, oldest first; of one sitting, in one state, if given."""
        with self._lock:
            return [segment_of(row) for row in self._rows(sql.SEGMENTS, (sitting, state))]

    def uploaded_bytes(self) -> int:
        """The size of all film on the card that the hub has confirmed."""
        with self._lock:
            (found,) = self._rows("SELECT coalesce(sum(size_bytes), 0) FROM segments WHERE state = 'uploaded'", ())
            return int(found[0])

    def recorded(self, sitting: str) -> tuple[int, wire.Instant | None]:
        """Milliseconds in the sitting's segments, and where its last one ends (None: it has none)."""
        with self._lock:
            length_ms, last = 0, None
            for began_up_ms, ended_utc_ms, ended_up_ms in self._rows(
                "SELECT began_up_ms, ended_utc_ms, ended_up_ms FROM segments WHERE sitting = ? ORDER BY name",
                (sitting,),
            ):
                length_ms += ended_up_ms - began_up_ms
                last = wire.Instant(ended_utc_ms, ended_up_ms)
            return length_ms, last

    def os_boot_of(self, sitting: str) -> str:
        """The machine's boot in which the sitting's last segment was recorded, by the start that its name tells; ''
        when that is not known."""
        with self._lock:
            for (name,) in self._rows(
                "SELECT name FROM segments WHERE sitting = ? ORDER BY name DESC LIMIT 1", (sitting,)
            ):
                parsed = parse_name(name)
                for record in self._records("boot = ? AND kind = 'restart'", (parsed[0].boot if parsed else 0,)):
                    if isinstance(record.body, wire.Restart):
                        return record.body.os_boot
            return ""

    def unfinished(self) -> list[wire.Alert | wire.Fault]:
        """Alerts and faults whose newest record does not clear them, oldest first: a killed run leaves them so."""
        with self._lock:
            newest: dict[str, wire.Alert | wire.Fault] = {}
            for record in self._records("kind IN ('alert', 'fault')"):
                body = record.body
                if isinstance(body, wire.Alert | wire.Fault):
                    newest[body.alert if isinstance(body, wire.Alert) else f"fault {body.fault}"] = body
            return [body for body in newest.values() if body.state != "cleared"]

    def segment_states(self) -> dict[str, str]:
        """The state of each segment by its name."""
        with self._lock:
            return dict(self._rows("SELECT name, state FROM segments"))

    def set_segment_state(self, name: str, state: str) -> None:
        """Move a segment on: `kept` -> `uploaded` -> `freed`."""
        self.set_segment_states([name], state)

    def set_segment_states(self, names: Sequence[str], state: str) -> None:
        """Move these segments on, in one write."""
        if state not in ("kept", "uploaded", "freed"):
            raise ValueError(f"no segment is {state!r}")
        rows = [(state, name) for name in names]
        if rows:
            with self._lock:
                self._write_or_wait(
                    lambda db: db.conn.executemany("UPDATE segments SET state = ? WHERE name = ?", rows)
                )

    def stop_cleanly(self) -> None:
        """Note that this run ended in order: the last write before `close`."""
        with self._lock:
            self._write_or_wait(lambda db: db.execute("UPDATE desk SET clean_boot = ?", (self.boot,)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
