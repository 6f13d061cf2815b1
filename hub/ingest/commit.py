"""A group of messages in, one transaction, and what is to be said after it."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import msgspec
from msgspec import Struct, field

from agent import wire
from agent.wire import Heartbeat, Record, Status, Still
from hub.core import identity, ledger, presence
from hub.core.ledger import Conflict, KnownUnit, Refusal, Word
from hub.store import Store, heads, intake, security, signals, taking
from hub.store.taking import Fate

log = logging.getLogger(__name__)

VERIFYING_THREADS = 2
"""Signatures are checked outside Python's lock, and the smallest hub has two cores."""


class StoreUnwell(Exception):
    """The store cannot be written now (disk full, input/output error): nothing of the group is kept or receipted."""


class Arrival(NamedTuple):
    """One message as it came; `token` is the broker's, for the acknowledgement, None when none is expected.
    `is_retained`: the broker had kept it, and nobody says it now."""

    topic: str
    payload: bytes
    received_utc_ms: int
    token: tuple[int, int] | None = None
    is_retained: bool = False


class Receipts(Struct):
    """What of one unit is committed."""

    records: list[tuple[int, int]] = field(default_factory=list)
    stills: list[str] = field(default_factory=list)


class Outcome(Struct):
    """What became of a group."""

    receipts: dict[str, Receipts] = field(default_factory=dict)
    live: dict[str, Arrival] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    revoked: dict[str, int] = field(default_factory=dict)
    """Revoked units that spoke just now, with the hub's time of their newest word."""
    rejected: int = 0
    conflicts: int = 0
    repeated: int = 0
    has_commands: bool = False
    """Whether something is to be sent to a desk because of it."""

    def of(self, unit: str) -> Receipts:
        return self.receipts.setdefault(unit, Receipts())


class _Item(NamedTuple):
    """One message with what it was found to be, before anything is written."""

    arrival: Arrival
    word: Word | None
    finding: Refusal | Conflict | None


def failpoint(name: str) -> None:
    """Die here, as by kill -9, when EMS_FAILPOINT says so: for tests; `hub.ingest.run` refuses it in production."""
    if os.environ.get("EMS_FAILPOINT") == name:
        os.kill(os.getpid(), signal.SIGKILL)


def is_environment(error: BaseException) -> bool:
    """Whether the machine failed, and not the message: then it is tried again, and no message is blamed."""
    if isinstance(error, OSError | MemoryError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return (
        isinstance(error, sqlite3.Error)
        and code is not None
        and (code & 0xFF)
        in {
            sqlite3.SQLITE_BUSY,
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_FULL,
            sqlite3.SQLITE_IOERR,
            sqlite3.SQLITE_LOCKED,
            sqlite3.SQLITE_NOMEM,
            sqlite3.SQLITE_NOTADB,
            sqlite3.SQLITE_PERM,
            sqlite3.SQLITE_PROTOCOL,
            sqlite3.SQLITE_READONLY,
        }
    )


class Committer:
    """Writes groups to the store. Used by one thread."""

    def __init__(self, store: Store, *, may_trust: bool) -> None:
        self._store = store
        self._may_trust = may_trust
        self._pool = ThreadPoolExecutor(VERIFYING_THREADS, thread_name_prefix="verify")
        self._units: dict[str, KnownUnit] = {}
        self.refresh()

    @property
    def units(self) -> Iterable[str]:
        """The units whose word counts."""
        return [unit for unit, known in self._units.items() if not known.is_revoked]

    def known(self, unit: str) -> KnownUnit | None:
        """For any thread."""
        return self._units.get(unit)

    @property
    def revoked(self) -> dict[str, int]:
        """The units whose word does not count any more, with the hub's time of that, 0 where nobody knows it."""
        return {unit: known.revoked_utc_ms for unit, known in self._units.items() if known.is_revoked}

    def refresh(self) -> None:
        """Read again which units there are: somebody else has written to the store."""
        with self._store.read() as connection:
            self._units = intake.known_units(connection)

    def close(self) -> None:
        self._pool.shutdown()

    def commit(self, arrivals: Sequence[Arrival], now_utc_ms: int) -> Outcome:
        """Keep what is to be kept of `arrivals`, in one transaction. Raises StoreUnwell, and then nothing is kept."""
        items, enrolled = self._sifted(arrivals)
        try:
            outcome = self._write(items, enrolled, now_utc_ms)
        except (sqlite3.Error, OSError, MemoryError) as error:
            if is_environment(error):
                raise StoreUnwell(str(error)) from error
            outcome = self._write_guarded(items, enrolled, now_utc_ms)
        except Exception:
            log.exception("a message cannot be kept; its group is taken one by one")
            outcome = self._write_guarded(items, enrolled, now_utc_ms)
        if enrolled:
            self.refresh()
        spoke = ((self._speaker(item), item.arrival.received_utc_ms) for item in items)
        outcome.revoked = {
            unit: at_utc_ms for unit, at_utc_ms in spoke if unit in self._units and self._units[unit].is_revoked
        }
        return outcome

    def _speaker(self, item: _Item) -> str:
        """The unit that says this now, by the topic, which the broker answers for, whatever the bytes; '' for nobody: a
        will is the broker's word, and what the broker had kept was said before."""
        message = item.word.message if item.word is not None else None
        if item.arrival.is_retained or (isinstance(message, Status) and not message.is_online):
            return ""
        try:
            return wire.parse_topic(item.arrival.topic)[0]
        except wire.BadMessage:
            return ""

    def _sifted(self, arrivals: Sequence[Arrival]) -> tuple[list[_Item], dict[str, str]]:
        """Decode and judge everything before the turn to write is taken: signatures cost more than the writing."""
        words = [ledger.read(arrival.topic, arrival.payload) for arrival in arrivals]
        units = dict(self._units)
        enrolled: dict[str, str] = {}
        known_then: list[KnownUnit | None] = []
        for word in words:
            known = units.get(word.unit) if isinstance(word, Word) else None
            known_then.append(known)
            if known is None and self._may_trust and isinstance(word, Word) and isinstance(word.message, Status):
                units[word.unit] = KnownUnit(word.message.public_key)
                enrolled[word.unit] = word.message.public_key
        findings = self._judged(words, known_then)
        return [
            _Item(arrival, word if isinstance(word, Word) else None, finding)
            for arrival, word, finding in zip(arrivals, words, findings, strict=True)
        ], enrolled

    def _judged(
        self, words: Sequence[Word | Refusal], known: Sequence[KnownUnit | None]
    ) -> list[Refusal | Conflict | None]:
        def judged(part: slice) -> list[Refusal | Conflict | None]:
            return [
                word if isinstance(word, Refusal) else ledger.judge(word, of, may_trust=self._may_trust)
                for word, of in zip(words[part], known[part], strict=True)
            ]

        if len(words) < 2 * VERIFYING_THREADS:
            return judged(slice(0, None))
        parts = [slice(first, None, VERIFYING_THREADS) for first in range(VERIFYING_THREADS)]
        findings: list[Refusal | Conflict | None] = [None] * len(words)
        for part, found in zip(parts, self._pool.map(judged, parts), strict=True):
            findings[part] = found
        return findings

    def _write(self, items: Sequence[_Item], enrolled: dict[str, str], now_utc_ms: int) -> Outcome:
        def keep_all(connection: sqlite3.Connection, outcome: Outcome) -> None:
            _keep(connection, items, outcome, now_utc_ms)

        return self._in_one_turn(keep_all, enrolled, now_utc_ms)

    def _write_guarded(self, items: Sequence[_Item], enrolled: dict[str, str], now_utc_ms: int) -> Outcome:
        """The same, each message under a savepoint of its own: one that cannot be kept is rejected, its neighbours
        are not touched, and it is still one commit."""

        def keep_each(connection: sqlite3.Connection, outcome: Outcome) -> None:
            for item in items:
                own = Outcome()
                connection.execute("savepoint message")
                try:
                    _keep(connection, [item], own, now_utc_ms)
                except Exception as error:
                    connection.execute("rollback to message")
                    if is_environment(error):
                        raise
                    own = Outcome()
                    _reject(connection, item.arrival, f"cannot be kept: {error}", own)
                connection.execute("release message")
                _add(outcome, own)

        try:
            return self._in_one_turn(keep_each, enrolled, now_utc_ms)
        except (sqlite3.Error, OSError, MemoryError) as error:
            raise StoreUnwell(str(error)) from error

    def _in_one_turn(
        self, keep: Callable[[sqlite3.Connection, Outcome], None], enrolled: dict[str, str], now_utc_ms: int
    ) -> Outcome:
        outcome = Outcome()
        turn: sqlite3.Connection | None = None
        try:
            with self._store.write() as turn:
                for unit, public_key in enrolled.items():
                    intake.add_unit(turn, unit, public_key, now_utc_ms)
                keep(turn, outcome)
                if outcome.rejected:
                    intake.trim_rejected(turn)
                failpoint("before_commit")
        except BaseException:
            # A commit that failed for want of space leaves its transaction open.
            if turn is not None and turn.in_transaction:
                turn.rollback()
            raise
        failpoint("after_commit")
        return outcome


def _add(outcome: Outcome, own: Outcome) -> None:
    for unit, receipts in own.receipts.items():
        outcome.of(unit).records.extend(receipts.records)
        outcome.of(unit).stills.extend(receipts.stills)
    outcome.live.update(own.live)
    for kind, count in own.kinds.items():
        outcome.kinds[kind] = outcome.kinds.get(kind, 0) + count
    outcome.rejected += own.rejected
    outcome.conflicts += own.conflicts
    outcome.repeated += own.repeated
    outcome.has_commands |= own.has_commands


def _reject(connection: sqlite3.Connection, arrival: Arrival, reason: str, outcome: Outcome) -> None:
    intake.add_rejected(connection, arrival.topic, reason, arrival.payload, arrival.received_utc_ms)
    outcome.rejected += 1


def _keep(connection: sqlite3.Connection, items: Sequence[_Item], outcome: Outcome, now_utc_ms: int) -> None:
    """Records come last and together: a statement for all costs half of one for each."""
    records: list[tuple[Record, Arrival]] = []
    for arrival, word, finding in items:
        if isinstance(finding, Refusal) or word is None:
            reason = finding.reason if isinstance(finding, Refusal) else "not a message"
            _reject(connection, arrival, reason, outcome)
        elif isinstance(finding, Conflict):
            _contradict(connection, word.unit, finding, arrival, outcome)
        else:
            outcome.kinds[word.kind] = outcome.kinds.get(word.kind, 0) + 1
            if isinstance(word.message, Record):
                records.append((word.message, arrival))
            else:
                _keep_other(connection, word, arrival, outcome, now_utc_ms)
    if records:
        _keep_records(connection, records, outcome, now_utc_ms)


def _keep_other(
    connection: sqlite3.Connection, word: Word, arrival: Arrival, outcome: Outcome, now_utc_ms: int
) -> None:
    message = word.message
    if isinstance(message, Still):
        if word.kind == "evidence":
            intake.add_still(connection, word.unit, message, now_utc_ms)
            outcome.of(word.unit).stills.append(message.note.sha256)
        elif word.kind == "still":
            outcome.live[word.unit] = arrival
        return  # live video that comes here was kept by a broker or sent again: it is not of now
    known = intake.heard_of(connection, word.unit)
    if isinstance(message, Heartbeat):
        text = msgspec.json.encode(message).decode()
        heard = presence.heard_heartbeat(known, message, text, arrival.received_utc_ms)
        if heard is not None:
            heads.keep(connection, word.unit, message, arrival.received_utc_ms)
    else:
        _suspect(connection, word.unit, known, message, arrival)
        heard = presence.heard_status(known, message, arrival.received_utc_ms)
        if isinstance(message, Status) and message.is_online and known is not None and message.boot > known.boot:
            outcome.has_commands |= signals.tell_again(connection, word.unit, now_utc_ms)
    if heard is not None:
        intake.save_heard(connection, word.unit, heard)


def _suspect(
    connection: sqlite3.Connection, unit: str, known: presence.Heard | None, status: Status, arrival: Arrival
) -> None:
    """Note what looks like a copied card; the word itself is kept as any other."""
    births = known.births if known is not None else ()
    suspicion = identity.suspect(births, status, is_retained=arrival.is_retained)
    if suspicion is not None:
        if security.add_event(connection, unit, suspicion.kind, suspicion.detail, arrival.received_utc_ms):
            log.error("%s may have been copied: %s", unit, suspicion.detail)


def _contradict(
    connection: sqlite3.Connection, unit: str, conflict: Conflict, arrival: Arrival, outcome: Outcome
) -> None:
    is_new = intake.add_conflict(
        connection, unit, conflict.boot, conflict.seq, conflict.reason, arrival.payload, arrival.received_utc_ms
    )
    outcome.conflicts += 1
    if is_new:
        log.error("somebody tampers with %s: %s", unit, conflict.reason)
        named = "" if conflict.seq is None else f"record {conflict.boot}/{conflict.seq}: "
        security.add_event(connection, unit, "contradicts_itself", named + conflict.reason, arrival.received_utc_ms)


def _keep_records(
    connection: sqlite3.Connection, records: Sequence[tuple[Record, Arrival]], outcome: Outcome, now_utc_ms: int
) -> None:
    fates = taking.take_records(
        connection, [(record, arrival.received_utc_ms) for record, arrival in records], now_utc_ms
    )
    for (record, arrival), fate in zip(records, fates, strict=True):
        if isinstance(fate, Conflict):
            _contradict(connection, record.header.unit, fate, arrival, outcome)
            continue
        outcome.repeated += fate is Fate.KNOWN
        outcome.of(record.header.unit).records.append((record.header.boot, record.header.seq))
