"""The desk's records read from outside a run: counted and checked, by a connection that cannot write."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from agent import wire
from agent.core import chain, plans
from agent.unit_key import load_key

QUICK_RECORDS = 3_000
"""So many of the newest records are verified by a quick check, to keep it within seconds."""


class RecordsProblem(Exception):
    """The records cannot be read; the text says why."""


class RecordsView(Struct, frozen=True, kw_only=True):
    """Counts and ends of the records, no body. `spool`: records without a receipt of the hub."""

    unit: str
    sitting: str
    kinds: dict[str, int]
    spool: int
    oldest_waiting_utc_ms: int | None
    stills_waiting: int
    head_boot: int | None
    head_seq: int | None
    head_hash: str | None
    gaps: tuple[dict[str, Any], ...]
    alerts: dict[str, int]
    faults: dict[str, int]
    segments: dict[str, int]
    plan: int | None


@contextmanager
def _reading(folder: Path) -> Iterator[sqlite3.Connection]:
    path = folder / "records.db"
    if not path.exists():
        raise RecordsProblem(f"{path}: there is none yet")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=3)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise RecordsProblem(f"{path}: {error}") from None


def view_records(folder: Path) -> RecordsView:
    """Raises RecordsProblem."""
    with _reading(folder) as db:

        def one(sql: str) -> tuple[Any, ...]:
            found: tuple[Any, ...] | None = db.execute(sql).fetchone()
            return found or (None, None, None)

        def counts(sql: str) -> dict[str, int]:
            return {str(name): count for name, count in db.execute(sql)}

        unit, sitting = one("SELECT unit, sitting FROM desk")[:2]
        boot, seq, digest = one("SELECT boot, seq, hash FROM records ORDER BY boot DESC, seq DESC LIMIT 1")
        waiting = one(
            "SELECT count(*), min(json_extract(header, '$.utc_ms')), 0 FROM records WHERE receipted_utc_ms IS NULL"
        )
        gaps = db.execute(
            """SELECT json_extract(body, '$.cause'), json_extract(body, '$.began[0]'), json_extract(body, '$.ended[0]'),
            json_extract(body, '$.sitting') FROM records WHERE kind = 'gap' ORDER BY boot DESC, seq DESC LIMIT 200"""
        )
        names = ("cause", "began_utc_ms", "ended_utc_ms", "sitting")
        return RecordsView(
            unit=unit or "",
            sitting=sitting or "",
            kinds=counts("SELECT kind, count(*) FROM records GROUP BY kind"),
            spool=waiting[0] or 0,
            oldest_waiting_utc_ms=waiting[1],
            stills_waiting=one("SELECT count(*) FROM stills WHERE receipted_utc_ms IS NULL")[0] or 0,
            head_boot=boot,
            head_seq=seq,
            head_hash=digest,
            gaps=tuple(dict(zip(names, row, strict=True)) for row in gaps),
            alerts=counts(
                """SELECT json_extract(body, '$.alert_kind'), count(*) FROM records
                WHERE kind = 'alert' AND json_extract(body, '$.state') = 'raised' GROUP BY 1"""
            ),
            faults=counts(
                """SELECT json_extract(body, '$.fault_kind'), count(*) FROM records
                WHERE kind = 'fault' AND json_extract(body, '$.state') = 'raised' GROUP BY 1"""
            ),
            segments=counts("SELECT state, count(*) FROM segments GROUP BY state"),
            plan=one("SELECT number FROM plan")[0],
        )


def kept_plan(folder: Path) -> wire.Plan | None:
    """The plan on the card; None when there is none. Raises RecordsProblem."""
    with _reading(folder) as db:
        row = db.execute("SELECT body FROM plan").fetchone()
    try:
        return None if row is None else plans.read_plan(row[0].encode()).plan
    except wire.BadMessage as error:
        raise RecordsProblem(f"the plan on the card is of another version: {error}") from None


def faults_of_chain(folder: Path, unit: str) -> tuple[int, list[str], list[str]]:
    """(how many records were looked at, a line for each fault, a line for each new beginning of the chain): the
    database file itself, then the newest records' order, hashes and signatures. Raises RecordsProblem."""
    with _reading(folder) as db:
        faults = [str(row[0]) for row in db.execute("PRAGMA quick_check(5)") if row[0] != "ok"]
        rows = db.execute(
            "SELECT boot, seq, header, body, signature, hash FROM records ORDER BY boot DESC, seq DESC LIMIT ?",
            (QUICK_RECORDS + 1,),
        ).fetchall()[::-1]
    found = chain.faults_of(rows, unit, _public_key(folder))
    if len(rows) > QUICK_RECORDS:  # the first one follows on what was not read
        first = f"record {rows[0][0]}/{rows[0][1]}: "
        found = [line for line in found if not line.startswith(first)]
    return len(rows), faults + found, chain.beginnings_in(row for row in rows if "is_chain_new" in row[3])


def _public_key(folder: Path) -> str:
    try:
        key: Ed25519PrivateKey = load_key(folder / "unit.key", may_make=False)
    except (ValueError, OSError) as error:
        raise RecordsProblem(str(error)) from None
    return key.public_key().public_bytes_raw().hex()


def as_json(view: RecordsView) -> bytes:
    return msgspec.json.format(msgspec.json.encode(view), indent=2)
