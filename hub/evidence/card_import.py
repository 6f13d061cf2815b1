"""A pulled card brought in: its records by the way all records take, its film as any that arrives.

Nothing on the card is changed, and its key is not looked at: what a record is worth says the signature, by the key that
the hub has of the unit. Film counts when it is what a signed record tells. What no record tells of is put aside, for
the card will be used again. Every step may be the last: brought in again, what is there is found and the rest follows.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
from msgspec import Struct, field

from agent import wire
from agent.wire import Record, SegmentClosed, Still, StillNote
from hub.config import Settings
from hub.core.audit import Deed
from hub.core.ledger import Conflict, KnownUnit
from hub.core.reconcile import SegmentRow
from hub.evidence.files import PIECE_BYTES, copy_whole, make_folder, sha256_of
from hub.evidence.storage import OpenStorage, StorageFull
from hub.store import Store, audit, card, intake, taking
from hub.store.audit import Actor
from hub.store.taking import Fate
from hub.store.uploads import CannotStore, IsPurged, store_segment

AT_ONCE = 500
"""Records in one transaction."""
STILL_TYPES = [int, int, int, str, int, int, bytes]
"""Of the columns of `card_stills`."""
MOST_REFUSALS = 1_000
"""Lines about what was refused."""

Tell = Callable[[int, int], None]
"""Called with how many files of film are done, of how many."""


class NoCard(Exception):
    """The folder holds no desk's storage; the text says what to give."""


class Told(NamedTuple):
    """What a signed record of the card says of a file of film."""

    unit: str
    sha256: str
    size_bytes: int


class Tally(Struct):
    """What was found, or done. `refused` and `aside` are lines with how often; `nowhere` names film that neither card
    nor hub has."""

    units: set[str] = field(default_factory=set)
    new_records: int = 0
    known_records: int = 0
    new_stills: int = 0
    known_stills: int = 0
    new_film: int = 0
    new_bytes: int = 0
    known_film: int = 0
    purged_film: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    aside: list[str] = field(default_factory=list)
    nowhere: list[str] = field(default_factory=list)

    def refuse(self, line: str) -> None:
        """Count what was refused; a card with millions of bad rows is not told row by row."""
        is_told = line in self.refused or len(self.refused) < MOST_REFUSALS
        self.refused[line if is_told else "more that is not as a desk writes it"] += 1


class Card:
    """A desk's STORAGE_PATH, wherever it is mounted, with what it retired when it became another unit. Links are not
    followed: a strange card must not have the hub's own files read and kept."""

    def __init__(self, folder: Path) -> None:
        """Raises NoCard, OSError."""
        self.folder = folder
        places = [folder, *(each for each in _inside(folder / "retired") if _is_folder(each))]
        inside = [path for place in places for path in _inside(place)]
        self.databases = [path for path in inside if path.match("records*.db") and _is_file(path)]
        self.films = [path for place in places for path in _inside(place / "segments") if _is_file(path)]
        if not self.databases and not self.films:
            raise NoCard(f"{folder} has neither records.db nor segments: give the desk's STORAGE_PATH on the card")
        self.told: dict[str, list[Told]] = {}


class Importer:
    """Brings one card in, or says what there is to bring (`is_trying`: nothing is written)."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        storage: OpenStorage,
        actor: Actor,
        now_utc_ms: Callable[[], int],
        *,
        is_trying: bool,
        may_be_revoked: bool = False,
    ) -> None:
        self._store = store
        self._storage = storage
        self._actor = actor
        self._now_utc_ms = now_utc_ms
        self._is_trying = is_trying
        self._may_be_revoked = may_be_revoked
        self._work = Path(settings.storage_path) / "importing"
        self._aside = Path(settings.storage_path) / "aside"
        self._reserve_bytes = settings.storage_reserve_bytes
        with store.read() as connection:
            self._known = intake.known_units(connection)

    def bring_in(self, the_card: Card, tell: Tell = lambda *_: None) -> Tally:
        """Records, stills, then film, so that each finds what it needs. Raises StorageProblem, OSError, sqlite3.Error:
        then what was brought in so far stays, and the rest comes by repeating it."""
        tally = Tally()
        if not self._is_trying:
            self._note(the_card, {"state": "begun"})
            self._clean()
        for path in the_card.databases:
            try:
                with card.opened(path) as database:
                    self._take_records(the_card, database, tally)
                    self._take_stills(database, tally)
                    if database.is_damaged:
                        tally.refuse(f"{path.name}: damaged, some of its rows cannot be read")
            except card.CannotRead as cannot:
                tally.refuse(str(cannot))
        units = sorted(tally.units) or sorted(self._known)
        for number, path in enumerate(the_card.films):
            tell(number, len(the_card.films))
            self._take_film(the_card, path, units, tally)
        self._name_what_is_nowhere(the_card, tally)
        if not self._is_trying:
            self._note(the_card, {"state": "done", **_counts(tally)})
        return tally

    def _note(self, the_card: Card, detail: dict[str, object]) -> None:
        folder = {"folder": str(the_card.folder)}
        audit.note(self._store, self._actor, Deed.IMPORTED_CARD, "card", self._now_utc_ms(), folder | detail)

    def _clean(self) -> None:
        """Remove copies that a killed command has left; what they are of is on its card."""
        for path in self._work.iterdir() if self._work.is_dir() else ():
            owner = path.name.rpartition(".")[2]
            if not (owner.isdecimal() and Path(f"/proc/{owner}").exists()):
                path.unlink(missing_ok=True)

    # --- records ------------------------------------------------------------------------------------------------------

    def _take_records(self, the_card: Card, database: card.CardDatabase, tally: Tally) -> None:
        batch: list[Record] = []
        for row in database.records():
            record = self._judged(row, tally)
            if record is None:
                continue
            tally.units.add(record.header.unit)
            if isinstance(record.body, SegmentClosed):
                told = Told(record.header.unit, record.body.sha256, record.body.size_bytes)
                the_card.told.setdefault(record.body.name, []).append(told)
            batch.append(record)
            if len(batch) == AT_ONCE:
                self._commit(batch, tally)
                batch = []
        self._commit(batch, tally)

    def _judged(self, row: sqlite3.Row, tally: Tally) -> Record | None:
        """The record of a row, when it is what its unit signed."""
        name = f"record {row['boot']}/{row['seq']}"
        try:
            texts = {"header": row["header"], "body": row["body"], "signature": row["signature"]}
            record: Record = wire.decode_up("record", msgspec.json.encode(texts))
        except wire.BadMessage as bad:
            tally.refuse(f"{name}: {bad}")
            return None
        unit = record.header.unit
        known: KnownUnit | None = self._known.get(unit)
        if known is None:
            tally.refuse(f"{unit} is no unit of this hub: its records are not taken")
        elif known.is_revoked and not self._may_be_revoked:
            tally.refuse(f"{unit} is revoked: its records are taken with --revoked only")
        elif not wire.is_signed_by(record, known.public_key):
            tally.refuse(f"{name} of {unit}: the signature is not the unit's")
        else:
            return record
        return None

    def _commit(self, records: Sequence[Record], tally: Tally) -> None:
        if not records:
            return
        now = self._now_utc_ms()
        if self._is_trying:
            with self._store.read() as connection:
                held = intake.hashes_of(connection, [record.key for record in records])
            for record in records:
                there = held.get(record.key)
                if there not in (None, record.hash):
                    self._refuse(record, tally)
                tally.new_records += there is None
                tally.known_records += there == record.hash
            return
        with self._store.write() as connection:
            fates = taking.take_records(connection, [(record, now) for record in records], now)
            for record, fate in zip(records, fates, strict=True):
                if isinstance(fate, Conflict):
                    key, payload = record.key, wire.encode(record)
                    intake.add_conflict(connection, *key, fate.reason, payload, now)
                    self._refuse(record, tally)
        tally.new_records += fates.count(Fate.NEW)
        tally.known_records += fates.count(Fate.KNOWN)

    @staticmethod
    def _refuse(record: Record, tally: Tally) -> None:
        unit, boot, seq = record.key
        tally.refuse(f"record {boot}/{seq} of {unit}: the hub holds another under this name: somebody tampers")

    def _take_stills(self, database: card.CardDatabase, tally: Tally) -> None:
        """Pictures count when a record carries their hash: they are not signed themselves."""
        for row in database.stills():
            jpeg, sha256 = row["jpeg"], row["sha256"]
            if [type(each) for each in row] != STILL_TYPES:
                tally.refuse("a still that is not as a desk writes it")
                continue
            if hashlib.sha256(jpeg).hexdigest() != sha256:
                tally.refuse(f"still of {row['boot']}/{row['seq']}: not the picture whose hash it has")
                continue
            with self._store.read() as connection:
                states = {unit: card.still_state(connection, unit, sha256) for unit in tally.units}
            unit = next((unit for unit, (is_told, _) in states.items() if is_told), None)
            if any(is_here for _, is_here in states.values()):
                tally.known_stills += 1
            elif self._is_trying:
                tally.new_stills += 1  # its record may come with the card
            elif unit is None:
                tally.refuse(f"still of {row['boot']}/{row['seq']}: no record carries its hash")
            else:
                at = wire.Instant(row["utc_ms"], row["up_ms"])
                still = Still(StillNote(boot=row["boot"], at=at, sha256=sha256, seq=row["seq"]), jpeg)
                with self._store.write() as connection:
                    intake.add_still(connection, unit, still, self._now_utc_ms())
                tally.new_stills += 1

    # --- film ---------------------------------------------------------------------------------------------------------

    def _take_film(self, the_card: Card, path: Path, units: list[str], tally: Tally) -> None:
        with self._store.read() as connection:
            rows = card.segments_named(connection, units, path.name)
        if any(row.is_purged for row in rows):
            tally.purged_film += 1
            return
        try:
            size_bytes = _size_of(path)
            if any(row.is_stored and self._storage.size_bytes(row.sha256) == row.size_bytes for row in rows):
                tally.known_film += 1
            elif self._is_trying:
                self._try(the_card, path, size_bytes, rows, tally)
            elif not rows:
                self._put_aside(path, size_bytes, tally)
            else:
                self._store_film(path, size_bytes, rows, tally)
        except card.CannotRead as cannot:
            tally.refuse(str(cannot))

    def _try(self, the_card: Card, path: Path, size_bytes: int, rows: list[SegmentRow], tally: Tally) -> None:
        sizes = {row.size_bytes for row in rows} | {told.size_bytes for told in the_card.told.get(path.name, ())}
        if not sizes:
            tally.aside.append(path.name)
        elif size_bytes not in sizes:
            tally.refuse(f"{path.name}: has another size than its record tells")
        else:
            tally.new_film += 1
            tally.new_bytes += size_bytes

    def _store_film(self, path: Path, size_bytes: int, rows: list[SegmentRow], tally: Tally) -> None:
        """A copy is made and hashed: what is hashed is what is kept."""
        with self._copy_of(path, size_bytes) as (copy, sha256):
            fitting = [row for row in rows if row.sha256 == sha256]
            if not fitting:
                tally.refuse(f"{path.name}: its content is not the one that its record tells")
                return
            try:
                row = fitting[0]
                store_segment(self._store, self._storage, row.unit, row.name, sha256, copy, self._now_utc_ms())
            except IsPurged:
                tally.purged_film += 1
            except CannotStore as cannot:
                tally.refuse(f"{path.name}: {cannot}")
            else:
                tally.new_film += 1
                tally.new_bytes += size_bytes

    def _put_aside(self, path: Path, size_bytes: int, tally: Tally) -> None:
        """Under its name; another file that has the name already keeps it."""
        with self._copy_of(path, size_bytes) as (copy, sha256):
            make_folder(self._aside)
            target, number = self._aside / path.name, 0
            while target.exists() and sha256_of(target) != sha256:
                number += 1
                target = self._aside / f"{path.name}.{number}"
            if not target.exists():
                copy_whole(copy, target)
        tally.aside.append(path.name)

    @contextmanager
    def _copy_of(self, path: Path, size_bytes: int) -> Iterator[tuple[Path, str]]:
        self._check_room(size_bytes)
        make_folder(self._work)
        copy = self._work / f"{path.name}.{os.getpid()}"
        try:
            yield copy, _copied(path, copy)
        finally:
            copy.unlink(missing_ok=True)

    def _check_room(self, size_bytes: int) -> None:
        folder = next(each for each in (self._work, *self._work.parents) if each.exists())
        space = os.statvfs(folder)
        if space.f_bavail * space.f_frsize < size_bytes + self._reserve_bytes:
            raise StorageFull(f"{folder} has no room left above the reserve: make room, then import again")

    def _name_what_is_nowhere(self, the_card: Card, tally: Tally) -> None:
        here = {path.name for path in the_card.films}
        for name, tellings in the_card.told.items():
            if name in here:
                continue
            with self._store.read() as connection:
                rows = card.segments_named(connection, {told.unit for told in tellings}, name)
            if not any(row.is_stored or row.is_purged for row in rows):
                tally.nowhere.append(name)


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if _is_folder(folder) else []


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise card.CannotRead(f"{path.name}: cannot be read: {error.strerror or error}") from None


def _copied(source: Path, target: Path) -> str:
    """Copy; answers the SHA-256 of what was read. Raises CannotRead for the card, OSError for the hub's own disk."""
    found = hashlib.sha256()
    with target.open("wb") as writing:
        try:
            reading = source.open("rb")
        except OSError as error:
            raise card.CannotRead(f"{source.name}: cannot be read: {error.strerror or error}") from None
        with reading:
            while piece := _piece_of(reading, source.name):
                found.update(piece)
                writing.write(piece)
    return found.hexdigest()


def _piece_of(reading: BinaryIO, name: str) -> bytes:
    try:
        return reading.read(PIECE_BYTES)
    except OSError as error:
        raise card.CannotRead(f"{name}: cannot be read: {error.strerror or error}") from None


def _counts(tally: Tally) -> dict[str, object]:
    numbers = ("new_records", "known_records", "new_stills", "new_film", "new_bytes", "known_film", "purged_film")
    counts: dict[str, object] = {name: getattr(tally, name) for name in numbers}
    return counts | {
        "units": sorted(tally.units),
        "refused": tally.refused.total(),
        "aside": len(tally.aside),
        "nowhere": len(tally.nowhere),
    }
