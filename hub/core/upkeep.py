"""Desk units as who keeps them alive sees them: rows of the store in, one view a unit out, the worst first. Pure.

What is worth a look at a unit is a *concern*, with a level: `event` may be somebody's doing, `bad` needs a person now,
`warn` before the next sitting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from agent.wire import Heartbeat
from hub.core.board import FAULT_WORDS, heartbeat_of, natural, words_of
from hub.core.presence import Presence, presence

REVOKED = "revoked"
PRESENCE_WORDS = {
    Presence.ONLINE: "Online",
    Presence.SILENT: "Not answering",
    Presence.OFFLINE: "Offline",
    Presence.NEVER_SEEN: "Never connected",
    REVOKED: "Revoked",
}
CLOCK_OFF_MS = 500
"""More than this, and times of two desks cannot be compared to the second that pages show."""
LOW_HOURS = 4.0
"""A long sitting and its preparation."""
HOT_C = 80.0
"""From here on a Raspberry Pi slows itself down."""
WORKER_SILENT_MS = 15_000
"""The worker speaks each second; a slow disk may hold it up for a while."""
EVENT_WORDS = {
    "two_machines": (
        "Two machines speak as {unit}",
        "Its card was copied, or somebody uses its key. Find both machines; then revoke the unit and set the right one "
        "up anew.",
    ),
    "boot_went_back": (
        "The records of {unit} went back to an earlier start",
        "An old copy of its card is in use, or its card was set back. Ask who changed the card.",
    ),
    "revoked_unit_speaks": (
        "{unit} was revoked and still speaks",
        "Nothing of it is taken in. Find the machine and take its card out.",
    ),
    "contradicts_itself": (
        "{unit} says something else than before under the same name",
        "What came first stands, the other is kept beside it. Its card was copied or changed, or somebody uses its "
        "key: take the card out and keep it, and set the unit up anew.",
    ),
    "other_segment": (
        "{unit} offered film that its own record contradicts",
        "It was not taken. Its card was changed, or is failing: take the card out and keep it.",
    ),
    "chain_cut": (
        "What is held of {unit} ends before what the hub has countersigned",
        "Records were removed at the desk or here. Keep its card, and verify what is here with `ems-hub check`.",
    ),
}


class Place(Protocol):
    """What `view` reads of a unit: `hub.store.units.UnitRow`."""

    @property
    def unit(self) -> str: ...
    @property
    def first_seen_utc_ms(self) -> int: ...
    @property
    def is_revoked(self) -> bool: ...
    @property
    def serial(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def revoked_utc_ms(self) -> int | None: ...
    @property
    def revoked_by(self) -> str: ...
    @property
    def revoked_why(self) -> str: ...
    @property
    def room(self) -> str: ...
    @property
    def seat(self) -> str: ...


class Concern(NamedTuple):
    level: str
    words: str


class UnitView(NamedTuple):
    """One unit. A number that is not known is None. `offset_ms`: hub's clock minus desk's."""

    row: Place
    seat_id: int | None
    presence: str
    words: str
    heard_utc_ms: int | None
    heartbeat: Heartbeat | None
    concerns: tuple[Concern, ...]
    certificate_ends_utc_ms: int | None
    certificate_level: str
    offset_ms: float | None
    free_hours: float | None
    rank: int


def view(row: Place, told: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]], now_utc_ms: int) -> UnitView:
    """`told` is what the store has of the unit besides its row (`hub.store.unit_pages.Told`'s fields), `events` its
    security events that nobody has looked at."""
    facts: Mapping[str, Any] = told or {}
    heartbeat = heartbeat_of(facts) if facts else None
    is_online = facts.get("is_online")
    heard = max(facts.get("heartbeat_utc_ms") or 0, facts.get("status_utc_ms") or 0) or None
    found = presence(
        None if is_online is None else bool(is_online),
        facts.get("status_utc_ms"),
        facts.get("heartbeat_utc_ms"),
        now_utc_ms,
    )
    state = REVOKED if row.is_revoked else str(found)
    is_there = found is Presence.ONLINE and not row.is_revoked
    begins, ends = facts.get("not_before_utc_ms"), facts.get("not_after_utc_ms")
    level = certificate_level(begins, ends, now_utc_ms)
    hours = free_hours(heartbeat, facts.get("recorded_bytes"), facts.get("recorded_ms"))
    concerns = [Concern("event", event_words(event["kind"], row.unit)[0]) for event in events]
    if not row.is_revoked:
        concerns += _certificate_concerns(level)
        concerns += _reading_concerns(heartbeat, hours) if is_there else []
    concerns.sort(key=lambda concern: ("event", "bad", "warn").index(concern.level))
    return UnitView(
        row=row,
        seat_id=facts.get("seat_id"),
        presence=state,
        words=PRESENCE_WORDS[state],
        heard_utc_ms=heard,
        heartbeat=heartbeat,
        concerns=tuple(concerns),
        certificate_ends_utc_ms=ends,
        certificate_level=level,
        offset_ms=heartbeat.clock.offset_ms if heartbeat and heartbeat.clock else None,
        free_hours=hours,
        rank=_rank(state, bool(events), concerns),
    )


def _rank(state: str, has_event: bool, concerns: Sequence[Concern]) -> int:
    if has_event:
        return 0
    if state == REVOKED:
        return 9
    if state in (Presence.OFFLINE, Presence.NEVER_SEEN):
        return 1
    if state == Presence.SILENT:
        return 2
    if any(concern.level == "bad" for concern in concerns):
        return 3
    return 4 if concerns else 5


def _certificate_concerns(level: str) -> list[Concern]:
    words = {"expired": ("bad", "Certificate expired"), "ending": ("warn", "Certificate ends soon")}
    return [Concern(*words[level])] if level in words else []


def _reading_concerns(heartbeat: Heartbeat | None, hours: float | None) -> list[Concern]:
    if heartbeat is None:
        return []
    found = [Concern("bad", words_of(FAULT_WORDS, fault.kind)) for fault in heartbeat.faults]
    told = {fault.kind for fault in heartbeat.faults}
    offset_ms = heartbeat.clock.offset_ms if heartbeat.clock else None
    if not heartbeat.is_clock_ok and "clock_unsynced" not in told:
        found.append(Concern("bad", FAULT_WORDS["clock_unsynced"]))
    elif offset_ms is not None and abs(offset_ms) > CLOCK_OFF_MS:
        found.append(Concern("warn", "Clock is off"))
    if hours is not None and hours < LOW_HOURS and "storage_low" not in told:
        found.append(Concern("warn", "Card nearly full"))
    if heartbeat.temperature_c is not None and heartbeat.temperature_c >= HOT_C and "too_hot" not in told:
        found.append(Concern("warn", "Hot"))
    return found


def certificate_level(begins_utc_ms: int | None, ends_utc_ms: int | None, now_utc_ms: int) -> str:
    """`none`, `expired`, `ending` (less than a third of its life is left: the desk should have renewed it) or
    `well`."""
    if begins_utc_ms is None or ends_utc_ms is None:
        return "none"
    if now_utc_ms >= ends_utc_ms:
        return "expired"
    return "ending" if (ends_utc_ms - now_utc_ms) * 3 < ends_utc_ms - begins_utc_ms else "well"


def free_hours(heartbeat: Heartbeat | None, recorded_bytes: int | None, recorded_ms: int | None) -> float | None:
    """How long the unit's card lasts at the rate of its newest segments; None without either."""
    if heartbeat is None or heartbeat.free_bytes is None or not recorded_bytes or not recorded_ms:
        return None
    return heartbeat.free_bytes / (recorded_bytes / recorded_ms) / 3_600_000


def event_words(kind: str, unit: str) -> tuple[str, str]:
    """(what a security event is, what to do about it); a later version's kind in its own letters."""
    what, todo = EVENT_WORDS.get(kind) or (f"{{unit}}: {words_of({}, kind)}", "Look at the unit's page.")
    return what.format(unit=unit), todo


def sorted_views(views: Iterable[UnitView]) -> list[UnitView]:
    """The worst first; among equals by room, seat and name as people count."""
    return sorted(
        views, key=lambda one: (one.rank, natural(one.row.room), natural(one.row.seat), natural(one.row.unit))
    )


def counted(views: Iterable[UnitView]) -> list[tuple[str, int, str]]:
    """(presence, how many, its word) of those that are not revoked, as they are listed."""
    counts = Counter(one.presence for one in views)
    return [(str(name), counts[name], PRESENCE_WORDS[name]) for name in Presence if counts[name]]


def is_worker_silent(worker: Mapping[str, Any] | None, now_utc_ms: int) -> bool:
    """`worker` is its newest word (`hub.worker`), None when it has never run."""
    try:
        return worker is None or abs(now_utc_ms - int(worker["beat_utc_ms"])) >= WORKER_SILENT_MS
    except (KeyError, TypeError, ValueError):
        return True


SILENT_WORDS = (
    "The hub's worker does not run: units that are let in get no certificate, and one that is revoked may not be cut "
    "off. Start it: `ems-hub worker`."
)


def hub_troubles(worker: Mapping[str, Any] | None, now_utc_ms: int) -> list[str]:
    """What keeps this hub from making certificates, in sentences."""
    if worker is None or is_worker_silent(worker, now_utc_ms):
        return [SILENT_WORDS]
    found = []
    if not worker.get("is_clock_trusted"):
        why = str(worker.get("clock") or "its clock may be wrong")
        found.append(f"This hub does not trust its clock and makes no certificates: {why}.")
    if worker.get("trouble"):
        found.append(f"The hub's worker says: {worker['trouble']}.")
    return found
