"""The ledger: what a message is worth, and how a record changes what the hub shows.

Pure. A message becomes a word of a desk, a refusal or a conflict. A kept record changes the read models so that the
end does not depend on the order of arrival nor on repeats: of several records about one thing the one with the
greatest (boot, seq) speaks, and incidents are the groups into which the alerts' times fall.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from agent import wire
from agent.wire import Alert, Fault, Mode, Record, Status
from hub.core import jpeg

JOIN_WITHIN_MS = 60_000
"""An alert that begins at most this long after the one before was cleared belongs to the same incident."""
FOREVER_MS = 2**62
_UNIT = re.compile(wire.UNIT_PATTERN)


class Refusal(Struct, frozen=True):
    """Not kept; `reason` is safe to store and show."""

    reason: str


class Conflict(Struct, frozen=True):
    """Somebody tampers: kept beside what is known, never over it, and never receipted."""

    reason: str
    boot: int | None = None
    seq: int | None = None


class Word(Struct, frozen=True):
    """One message of a desk, decoded; `unit` is the one its topic names."""

    unit: str
    kind: str
    message: Any


class KnownUnit(Struct, frozen=True):
    """What the hub holds of an enrolled unit; `public_key` is 64 hexadecimal digits."""

    public_key: str
    is_revoked: bool = False
    revoked_utc_ms: int = 0
    """When it was revoked, in hub time; 0 when it was not, or nobody knows."""


def read(topic: str, payload: bytes) -> Word | Refusal:
    """Decode one message as strictly as the language says; any bytes are answered, nothing is raised."""
    try:
        unit, direction, kind = wire.parse_topic(topic)
        if direction != "up" or _UNIT.fullmatch(unit) is None or not topic.endswith(kind):
            return Refusal(f"not a topic of this system: {topic[:120]!r}")
        return Word(unit, kind, wire.decode_up(kind, payload))
    except wire.BadMessage as bad:
        return Refusal(str(bad)[:500])


def judge(word: Word, known: KnownUnit | None, *, may_trust: bool = False) -> Refusal | Conflict | None:
    """Whether `word` may be kept (None). `may_trust`: a unit first seen is accepted with the key of its status."""
    message = word.message
    if known is None:
        if not isinstance(message, Status):
            return Refusal("unit not known yet")
        return None if may_trust else Refusal("not enrolled")
    if known.is_revoked:
        return Refusal("the unit is revoked")
    if isinstance(message, Status) and message.public_key != known.public_key:
        return Conflict("another key for a known unit", boot=message.boot)
    if isinstance(message, Record):
        if message.header.unit != word.unit:
            return Refusal(f"the header names {message.header.unit}, the topic {word.unit}")
        if not wire.is_signed_by(message, known.public_key):
            return Refusal("the signature is not the unit's")
    if word.kind == "live" and (trouble := jpeg.trouble_of(message.jpeg)):
        return Refusal(trouble)
    return None


# --- alerts and faults ----------------------------------------------------------------------------------------------


class AlertRow(Struct, frozen=True, kw_only=True):
    """One alert as the hub shows it. Times are the desk's; (boot, seq) names the newest record about it."""

    unit: str
    alert: str
    kind: str
    state: str
    sitting: str
    seat: str
    mode: str
    began_utc_ms: int
    began_up_ms: int
    raised_utc_ms: int
    raised_up_ms: int
    cleared_utc_ms: int | None
    cleared_up_ms: int | None
    boot: int
    seq: int
    body: str
    still_sha256: str | None
    room: str = ""
    incident_id: int | None = None
    is_superseded: bool = False
    """Whether the desk has raised a later alert of this kind: it never raises one while another stands."""
    is_drill: bool = False

    @property
    def ended_utc_ms(self) -> int:
        """When it ended as far as is known, FOREVER_MS while it stands.

        One without its clearing that is superseded counts only until it was raised: the clearing is on its way. Were
        it to stand for ever, the first old alert of a backlog would join all later incidents, and part them again.
        """
        if self.cleared_utc_ms is not None:
            return self.cleared_utc_ms
        return self.raised_utc_ms if self.is_superseded else FOREVER_MS


def alert_row(record: Record, body: Alert) -> AlertRow:
    """The row that this record alone would make."""
    is_cleared = body.state == "cleared"
    # A cleared alert always has its time; should a desk leave it out, the record's own is the nearest truth.
    cleared = (body.cleared or wire.Instant(record.header.utc_ms, record.header.up_ms)) if is_cleared else None
    return AlertRow(
        unit=record.header.unit,
        alert=body.alert,
        kind=body.alert_kind.value,
        state=body.state,
        sitting=body.sitting,
        seat=body.seat,
        mode=body.mode.value,
        began_utc_ms=body.began.utc_ms,
        began_up_ms=body.began.up_ms,
        raised_utc_ms=body.raised.utc_ms,
        raised_up_ms=body.raised.up_ms,
        cleared_utc_ms=cleared.utc_ms if cleared is not None else None,
        cleared_up_ms=cleared.up_ms if cleared is not None else None,
        boot=record.header.boot,
        seq=record.header.seq,
        body=record.body_text,
        still_sha256=body.still_sha256,
        is_drill=body.is_drill,
    )


def newer_alert(known: AlertRow | None, told: AlertRow) -> AlertRow | None:
    """The row after `told`, or None when nothing changes. Its place and incident stay those of `known`.

    A desk gives an alert one picture, named by any of its records. Should two disagree, the lesser hash is kept, so
    that the order of arrival decides nothing. Nor is one a drill that any of its records calls real.
    """
    if known is None:
        return told
    stills = [still for still in (known.still_sha256, told.still_sha256) if still is not None]
    is_newer = (told.boot, told.seq) > (known.boot, known.seq)
    row = replace(
        told if is_newer else known,
        still_sha256=min(stills, default=None),
        is_drill=known.is_drill and told.is_drill,
    )
    if is_newer:
        row = replace(row, room=known.room, seat=known.seat, incident_id=known.incident_id)
    return None if row == known else row


def opens_incident(row: AlertRow) -> bool:
    """In manual mode only people open incidents."""
    return row.mode != Mode.MANUAL.value


class FaultRow(Struct, frozen=True, kw_only=True):
    """One fault as the hub shows it; times are the desk's."""

    unit: str
    fault: str
    kind: str
    state: str
    sitting: str
    began_utc_ms: int
    raised_utc_ms: int
    cleared_utc_ms: int | None
    detail: str
    boot: int
    seq: int


def fault_row(record: Record, body: Fault) -> FaultRow:
    is_cleared = body.state == "cleared"
    cleared_utc_ms = (body.cleared.utc_ms if body.cleared else record.header.utc_ms) if is_cleared else None
    return FaultRow(
        unit=record.header.unit,
        fault=body.fault,
        kind=body.fault_kind.value,
        state=body.state,
        sitting=body.sitting,
        began_utc_ms=body.began.utc_ms,
        raised_utc_ms=body.raised.utc_ms,
        cleared_utc_ms=cleared_utc_ms,
        detail=body.detail,
        boot=record.header.boot,
        seq=record.header.seq,
    )


# --- incidents ------------------------------------------------------------------------------------------------------


class Group(Struct, frozen=True, kw_only=True):
    """The alerts of one incident, by their beginning. `incident_id` is None when it is still to be opened."""

    incident_id: int | None
    alerts: tuple[AlertRow, ...]

    @property
    def began_utc_ms(self) -> int:
        return self.alerts[0].began_utc_ms

    @property
    def cleared_utc_ms(self) -> int | None:
        """None while one of its alerts is not cleared."""
        cleared = [row.cleared_utc_ms for row in self.alerts if row.cleared_utc_ms is not None]
        return max(cleared) if len(cleared) == len(self.alerts) else None

    @property
    def is_drill(self) -> bool:
        return all(row.is_drill for row in self.alerts)


class Regrouped(Struct, frozen=True):
    """Every group that there is now, and the incidents left empty: emptied -> index of the group that took over."""

    groups: tuple[Group, ...]
    emptied: dict[int, int]


def regroup(alerts: Iterable[AlertRow], anchored: frozenset[int]) -> Regrouped:
    """Put alerts of one unit and kind, none of a closed incident, into incidents.

    Alerts belong together when one stands still, or ended at most JOIN_WITHIN_MS before the next began. Records
    may arrive in any order, so a late one may join two groups or part one. `anchored` are the incidents that people
    have worked on: those keep their number and every alert they have; machines may only add to them. Drills and real
    alerts are grouped apart.
    """
    rows = sorted(alerts, key=lambda row: (row.began_utc_ms, row.boot, row.seq, row.alert))
    clusters = [cluster for is_drill in (False, True) for cluster in _clusters(_drills(rows, is_drill))]
    real: frozenset[int | None] = frozenset(row.incident_id for row in rows if not row.is_drill)
    members: dict[int, list[AlertRow]] = {}
    opened: list[list[AlertRow]] = []
    for cluster in clusters:
        taken: frozenset[int | None] = real if cluster[0].is_drill else frozenset()
        held: set[int | None] = {row.incident_id for row in cluster if row.incident_id in anchored}
        held -= taken
        loose = [row for row in cluster if row.incident_id not in anchored]
        for row in cluster:
            if row.incident_id is not None and row.incident_id in anchored:
                members.setdefault(row.incident_id, []).append(row)
        if not loose:
            continue
        # An anchored incident of the cluster takes the loose ones; else the oldest not yet used by another cluster.
        free = {row.incident_id for row in loose if row.incident_id not in members} - taken
        numbers = sorted(number for number in held or free if number is not None)
        if numbers:
            members.setdefault(numbers[0], []).extend(loose)
        else:
            opened.append(loose)
    groups = [_group(number, rows) for number, rows in members.items()] + [_group(None, rows) for rows in opened]
    groups.sort(key=lambda group: (group.began_utc_ms, group.alerts[0].boot, group.alerts[0].seq))
    return Regrouped(tuple(groups), _emptied(groups))


def _drills(rows: Sequence[AlertRow], is_drill: bool) -> list[AlertRow]:
    return [row for row in rows if row.is_drill is is_drill]


def _clusters(rows: Sequence[AlertRow]) -> list[list[AlertRow]]:
    clusters: list[list[AlertRow]] = []
    ended_utc_ms = -FOREVER_MS
    for row in rows:
        if clusters and row.began_utc_ms - ended_utc_ms <= JOIN_WITHIN_MS:
            clusters[-1].append(row)
            ended_utc_ms = max(ended_utc_ms, row.ended_utc_ms)
        else:
            clusters.append([row])
            ended_utc_ms = row.ended_utc_ms
    return clusters


def _group(incident_id: int | None, rows: list[AlertRow]) -> Group:
    rows.sort(key=lambda row: (row.began_utc_ms, row.boot, row.seq, row.alert))
    return Group(incident_id=incident_id, alerts=tuple(rows))


def _emptied(groups: Sequence[Group]) -> dict[int, int]:
    kept = {group.incident_id for group in groups}
    emptied: dict[int, int] = {}
    for index, group in enumerate(groups):
        for row in group.alerts:
            if row.incident_id is not None and row.incident_id not in kept:
                emptied.setdefault(row.incident_id, index)
    return emptied
