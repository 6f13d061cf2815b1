"""The audit log's language: what is worth an entry, and how entries are chained.

Each entry carries the SHA-256 of the one before, so that none can be changed, dropped or put between others unseen.
What is cut off at the end shows by the hub's countersigned minutes, which carry the newest entry's hash.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

GENESIS = "0" * 64
_DOMAIN = b"ems-audit-v1\n"


class Deed(enum.StrEnum):
    """What was done. Looks at candidates and evidence, and what changes people's rights or what becomes of evidence."""

    LOGGED_IN = "logged_in"
    LOG_IN_REFUSED = "log_in_refused"
    LOGGED_OUT = "logged_out"
    VIEWED_INCIDENT = "viewed_incident"
    VIEWED_STILL = "viewed_still"
    VIEWED_SEAT = "viewed_seat"
    VIEWED_COVERAGE = "viewed_coverage"
    VIEWED_AUDIT = "viewed_audit"
    EXPORTED_AUDIT = "exported_audit"
    PLAYED = "played"
    WISHED_FOR_FILM = "wished_for_film"
    REVIEWED_INCIDENT = "reviewed_incident"
    HELD = "held"
    RELEASED = "released"
    SET_RETENTION = "set_retention"
    ENTERED_RESULTS_DATE = "entered_results_date"
    PLANNED_PURGE = "planned_purge"
    PURGED = "purged"
    ASKED_FOR_BUNDLE = "asked_for_bundle"
    CANCELLED_BUNDLE = "cancelled_bundle"
    DOWNLOADED_BUNDLE = "downloaded_bundle"
    IMPORTED_CARD = "imported_card"
    REPAIRED_STORE = "repaired_store"
    BACKED_UP = "backed_up"
    RESTORED = "restored"
    REBUILT_INDEX = "rebuilt_index"
    ADDED_PERSON = "added_person"
    CHANGED_PASSWORD = "changed_password"  # noqa: S105 - the deed
    CHANGED_ROLE = "changed_role"
    CLOSED_ACCOUNT = "closed_account"
    REOPENED_ACCOUNT = "reopened_account"
    APPROVED_UNIT = "approved_unit"
    REJECTED_UNIT = "rejected_unit"
    REVOKED_UNIT = "revoked_unit"
    SAW_SECURITY_EVENT = "saw_security_event"
    SET_UP_ROOM = "set_up_room"
    ASSIGNED_UNIT = "assigned_unit"
    DREW_MASKS = "drew_masks"
    SET_UP_EXAM = "set_up_exam"
    SET_UP_PROFILE = "set_up_profile"
    PLANNED_SITTING = "planned_sitting"
    CHANGED_SITTING = "changed_sitting"
    CANCELLED_SITTING = "cancelled_sitting"
    VIEWED_ROSTER = "viewed_roster"
    CHANGED_ROSTER = "changed_roster"
    OPENED_SITTING = "opened_sitting"
    OVERRODE_CHECK = "overrode_check"
    ASKED_FOR_DRILL = "asked_for_drill"
    SIGNALLED = "signalled"
    GAVE_BREAK = "gave_break"
    ENDED_BREAK = "ended_break"
    BOOKMARKED = "bookmarked"
    OPENED_INCIDENT = "opened_incident"
    WATCHED_LIVE = "watched_live"
    VIEWED_REPORT = "viewed_report"
    CLOSED_SITTING = "closed_sitting"
    REOPENED_SITTING = "reopened_sitting"
    WROTE_OFF = "wrote_off"
    EXPORTED_INCIDENTS = "exported_incidents"
    SET_UP_WALL = "set_up_wall"
    REVOKED_WALL = "revoked_wall"


class Entry(NamedTuple):
    """One entry. `object` names what it was done to (`incident 12`, `seat 7`, `sitting maths-1`, `user Ada`); `detail`
    is a JSON object in the exact text that the hash covers; `address` is where the person called from, `terminal` for a
    command at the hub itself."""

    audit_id: int
    at_utc_ms: int
    who: str
    role: str
    deed: str
    object: str
    detail: str
    address: str
    prev: str
    hash: str


def detail_text(detail: Mapping[str, Any]) -> str:
    """The detail as it is kept and hashed: JSON, keys in order."""
    return msgspec.json.encode(dict(detail), order="sorted").decode()


def hash_of(entry: Entry) -> str:
    """SHA-256 over all fields but the hash, as a JSON array, under a domain prefix."""
    return hashlib.sha256(_DOMAIN + msgspec.json.encode(tuple(entry)[:-1])).hexdigest()


def sealed(entry: Entry, prev: str) -> Entry:
    """The entry with its place in the chain."""
    placed = entry._replace(prev=prev)
    return placed._replace(hash=hash_of(placed))


def faults_of(entries: Iterable[Entry], *, after: Entry | None = None) -> list[str]:
    """A line for each entry that is changed, missing or out of its place; [] is whole. `entries` in the order of their
    numbers, following `after` (None: from the very first)."""
    found = []
    number, prev = (0, GENESIS) if after is None else (after.audit_id, after.hash)
    for entry in entries:
        if entry.audit_id != number + 1:
            found.append(f"entries {number + 1} to {entry.audit_id - 1} are missing")
        elif entry.prev != prev:
            found.append(f"entry {entry.audit_id} does not follow entry {number}")
        if hash_of(entry) != entry.hash:
            found.append(f"entry {entry.audit_id} was changed")
        number, prev = entry.audit_id, entry.hash
    return found
