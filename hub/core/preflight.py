"""The pre-flight of a sitting: what must be so at a seat before it starts, each item judged by itself. Pure.

`red`: the proof or the judgement of this seat is at risk. `amber`: it will work, and somebody should have looked.
Neither keeps a desk from recording: that follows the plan. A person starts the sitting in spite of an item only with a
reason, seat by seat, and the report carries it.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from agent.wire import LEAST_SHIFT, Heartbeat
from hub.core.board import FAULT_WORDS, words_of
from hub.core.presence import Presence

SHARP = 1.3
"""Least sharpness (`agent.vision.sharpness`): of 32 films none was below 1.43 as filmed, and 31 were below with a blur
of 2.5 pixels."""
CLOCK_OFF_MS = 200
ROUND_TRIP_MS = 500
ROOM_FACTOR = 1.3
"""Of the forecast: film of busy scenes is larger than the mean, and a card slows down when it is full."""
DAY_MS = 86_400_000
LAMP_HOLDS_MS = DAY_MS
"""A lamp that somebody saw yesterday may have lost its plug in the night."""
DRILL_HOLDS_MS = 7 * DAY_MS
"""The way of an alert was tried within a week."""


class Level(enum.StrEnum):
    GREEN = "green"
    AMBER = "amber"
    RED = "red"


_RANK = {Level.RED: 0, Level.AMBER: 1, Level.GREEN: 2}


class Item(enum.StrEnum):
    """What is looked at, in the order in which it is told."""

    DESK = "desk"
    PLAN = "plan"
    FAULTS = "faults"
    RECORDING = "recording"
    LIGHT = "light"
    SHARP = "sharp"
    FRAME = "frame"
    SEAT = "seat"
    ROOM = "room"
    CLOCK = "clock"
    ROUND_TRIP = "round_trip"
    MODELS = "models"
    VERSION = "version"
    LAMP = "lamp"
    DRILL = "drill"


ITEM_WORDS = {
    Item.DESK: "Desk unit",
    Item.PLAN: "Plan",
    Item.FAULTS: "Faults",
    Item.RECORDING: "Recording",
    Item.LIGHT: "Light",
    Item.SHARP: "Sharp picture",
    Item.FRAME: "View",
    Item.SEAT: "Seat",
    Item.ROOM: "Room on the card",
    Item.CLOCK: "Clock",
    Item.ROUND_TRIP: "Way to the hub and back",
    Item.MODELS: "Models",
    Item.VERSION: "Version",
    Item.LAMP: "Lamp seen",
    Item.DRILL: "Last drill",
}


class Check(NamedTuple):
    """One item at one seat. `words` with `values` filled in say how it is; kept apart, so that they can be translated.
    A value whose name ends in `_bytes` or `_utc_ms` is written as a size or a time, any other as it is."""

    item: Item
    level: Level
    words: str
    values: Mapping[str, Any] = {}


class SeatFacts(NamedTuple):
    """What the hub knows of one seat now. `is_expected`: a candidate is to sit here (None: there is no roster). Times
    in UTC ms of the hub's clock; None: never."""

    label: str
    unit: str | None
    presence: Presence
    heartbeat: Heartbeat | None
    plan: int | None
    faults: Sequence[str]
    is_expected: bool | None
    end_utc_ms: int
    lamp_seen_utc_ms: int | None
    drill_utc_ms: int | None


class Common(NamedTuple):
    """What holds for all seats of the sitting. The models and the version are those that most of its desks have."""

    now_utc_ms: int
    start_utc_ms: int
    empty_until_utc_ms: int | None
    is_said_empty: bool
    model_sha256: str
    software: str
    hub_software: str


class SeatReport(NamedTuple):
    """`level` is the worst of `checks`."""

    label: str
    unit: str | None
    level: Level
    checks: tuple[Check, ...]

    @property
    def failing(self) -> tuple[Check, ...]:
        """Those that are not green, the worst first."""
        found = [check for check in self.checks if check.level is not Level.GREEN]
        return tuple(sorted(found, key=lambda check: _RANK[check.level]))


def most_common(values: Iterable[str]) -> str:
    """The value that most have, '' for none; of two alike the later in the alphabet, so that the answer holds still."""
    counted = Counter(value for value in values if value)
    return max(counted, key=lambda value: (counted[value], value), default="")


def examine(facts: SeatFacts, common: Common) -> SeatReport:
    """Judge one seat. What cannot be known because the desk is not there is not told: that it is not there is."""
    desk = _desk(facts)
    checks = [desk]
    if facts.heartbeat is not None and desk.level is not Level.RED:
        checks += [check(facts, facts.heartbeat, common) for check in _CHECKS]
    level = min((check.level for check in checks), key=_RANK.__getitem__)
    return SeatReport(facts.label, facts.unit, level, tuple(checks))


def _green(item: Item, words: str, **values: Any) -> Check:
    return Check(item, Level.GREEN, words, values)


def _amber(item: Item, words: str, **values: Any) -> Check:
    return Check(item, Level.AMBER, words, values)


def _red(item: Item, words: str, **values: Any) -> Check:
    return Check(item, Level.RED, words, values)


def _desk(facts: SeatFacts) -> Check:
    if facts.unit is None:
        if facts.is_expected is False:
            return _amber(Item.DESK, "No desk unit stands here, and nobody is to sit here")
        return _red(Item.DESK, "No desk unit stands here: assign one")
    if facts.presence is Presence.NEVER_SEEN or facts.heartbeat is None:
        return _red(Item.DESK, "Never connected: switch it on, or look at its network")
    if facts.presence is Presence.OFFLINE:
        return _red(Item.DESK, "Offline: look at its power and network, or replace it")
    if facts.presence is Presence.SILENT:
        return _red(Item.DESK, "Not answering")
    return _green(Item.DESK, "Online")


def _plan(facts: SeatFacts, beat: Heartbeat, common: Common) -> Check:
    if facts.plan is None:
        return _red(Item.PLAN, "The desk has no plan: no sitting is planned for this seat")
    if beat.plan is None or beat.plan < facts.plan:
        return _red(Item.PLAN, "The desk has not taken the newest plan yet")
    return _green(Item.PLAN, "The newest one")


def _faults(facts: SeatFacts, beat: Heartbeat, common: Common) -> Check:
    if facts.faults:
        more = len(facts.faults) - 1
        first = words_of(FAULT_WORDS, facts.faults[0])
        if more:
            return _red(Item.FAULTS, "{tr_fault}, and {n} more", tr_fault=first, n=more)
        return _red(Item.FAULTS, "{tr_fault}", tr_fault=first)
    return _green(Item.FAULTS, "None")


def _recording(facts: SeatFacts, beat: Heartbeat, common: Common) -> Check:
    if common.start_utc_ms <= common.now_utc_ms < facts.end_utc_ms:
        if beat.state == "recording":
            return _green(Item.RECORDING, "Recording")
        return _red(Item.RECORDING, "Not recording, and the sitting has begun")
    return _green(Item.RECORDING, "Begins by itself with the sitting")


def _light(facts: SeatFacts, beat: Heartbeat, common: Common) -> Check:
    if beat.is_covered is None:
        return _red(Item.LIGHT, "No picture has been looked at yet")
    if beat.is_covered:
        return _red(Item.LIGHT, "Covered or dark: nothing can be seen")
    if beat.is_low_light:
        return _amber(Item.LIGHT, "Low light: a face may be missed. More light on the face, not behind it")
    if beat.brightness is None:
        return _green(Item.LIGHT, "Light enough")
    return _green(Item.LIGHT, "Light enough, {n} of 255", n=round(beat.brightness))


def _sharp(facts: SeatFacts, beat: Heartbeat, common: Common) -> Check:
    if beat.is_covered is not False or beat.is_low_light:
        return _amber(Item.SHARP, "Cannot be told in this light")
    if beat.sharpness is None:
        return _amber(Item.SHARP, "The desk's version does not tell")
    if beat.sharpness < SHARP:
        return _red(Item.SHARP, "Blurred: clean the lens, take its film off, or focus it")
    return _green(Item.SHARP, "Sharp")


def _frame(facts: SeatFacts, beat: Heartbeat, common: Common) -> Check:
    if beat.is_frozen:
        return _red(Item.FRAME, "Frozen: the same picture again and again")
    if beat.shift is not None and beat.shift >= LEAST_SHIFT:
        return _red(Item.FRAME, "The view has moved: put the camera back, or start the agent anew to take the new one")
    if not beat.has_reference:
        return _amber(Item.FRAME, "The desk has not seen its empty seat yet: an empty one is told later")
    return _green(Item.FRAME, "As it was set up")


def _seat(facts: SeatFacts, beat: Heartbeat, common: Common) -> Check:
    faces = beat.faces or 0
    if faces > 1:
        return _red(Item.SEAT, "{n} faces in view", n=faces)
    is_somebody = beat.seat in ("face", "somebody")
    if common.is_said_empty:
        if is_somebody:
            return _amber(Item.SEAT, "Somebody is there while the desk learns its empty seat")
        return _green(Item.SEAT, "Empty, as planned")
    if beat.seat in ("", "unknown"):
        return _amber(Item.SEAT, "Whether somebody is there cannot be told")
    if facts.is_expected is None:
        return _green(Item.SEAT, "Somebody is there" if is_somebody else "Empty")
    if facts.is_expected:
        if is_somebody:
            return _green(Item.SEAT, "One face" if faces else "Somebody is there, no face visible")
        return _amber(Item.SEAT, "Nobody there yet")
    if is_somebody:
        return _amber(Item.SEAT, "Somebody is there, and the roster has nobody for this seat")
    return _green(Item.SEAT, "Empty, as the roster has it")


def _room(facts: SeatFacts, beat: Heartbeat, common: Common) -> Check:
    room = beat.room_bytes if beat.room_bytes is not None else beat.free_bytes
    if room is None:
        return _red(Item.ROOM, "The card cannot be read")
    if beat.record_bytes_per_s is None:
        return _amber(Item.ROOM, "{room_bytes}; how much the sitting needs is not known", room_bytes=room)
    left_s = max(0, facts.end_utc_ms - max(common.now_utc_ms, common.start_utc_ms)) / 1000
    needed = int(left_s * beat.record_bytes_per_s * ROOM_FACTOR)
    values = {"room_bytes": room, "needed_bytes": needed}
    if room < needed:
        return Check(Item.ROOM, Level.RED, "{room_bytes} for {needed_bytes} that the sitting may need", values)
    return Check(Item.ROOM, Level.GREEN, "{room_bytes} for {needed_bytes} that the sitting may need", values)


def _clock(facts: SeatFacts, beat: Heartbeat, common: Common) -> Check:
    if not beat.is_clock_ok:
        return _red(Item.CLOCK, "Not set: look at the desk's time service")
    offset = None if beat.clock is None else beat.clock.offset_ms
    if offset is None:
        return _amber(
            Item.CLOCK, "Set; how far it is off the hub's is not known: the hub's time service does not answer"
        )
    if abs(offset) >= CLOCK_OFF_MS:
        return _red(Item.CLOCK, "{n} ms off the hub's, the limit is {limit} ms", n=round(offset), limit=CLOCK_OFF_MS)
    return _green(Item.CLOCK, "{n} ms off the hub's", n=round(offset))


def _round_trip(facts: SeatFacts, beat: Heartbeat, common: Common) -> Check:
    if beat.receipt_ms is None:
        return _amber(Item.ROUND_TRIP, "The hub has not answered a record of this start yet")
    values = {"n": round(beat.receipt_ms), "limit": ROUND_TRIP_MS}
    if beat.receipt_ms >= ROUND_TRIP_MS:
        return Check(Item.ROUND_TRIP, Level.RED, "{n} ms, the limit is {limit} ms", values)
    return _green(Item.ROUND_TRIP, "{n} ms", n=values["n"])


def _models(facts: SeatFacts, beat: Heartbeat, common: Common) -> Check:
    if not beat.model_sha256:
        return _red(Item.MODELS, "Recording without analysis: its models could not be loaded")
    if beat.model_sha256 != common.model_sha256:
        return _red(Item.MODELS, "Other models than most desks of this room: update it")
    return _green(Item.MODELS, "{hash}, as most desks of this room", hash=beat.model_sha256[:12])


def _version(facts: SeatFacts, beat: Heartbeat, common: Common) -> Check:
    if beat.software != common.software:
        return _amber(
            Item.VERSION, "{own}, most desks of this room have {most}", own=beat.software, most=common.software
        )
    if beat.software != common.hub_software:
        return _amber(Item.VERSION, "{own}, the hub has {hub}", own=beat.software, hub=common.hub_software)
    return _green(Item.VERSION, "{own}", own=beat.software)


def _lamp(facts: SeatFacts, beat: Heartbeat, common: Common) -> Check:
    if beat.lamp is None:
        return _red(Item.LAMP, "The lamp cannot be driven: look at its wiring")
    return _lately(
        Item.LAMP,
        facts.lamp_seen_utc_ms,
        LAMP_HOLDS_MS,
        common.now_utc_ms,
        "Nobody has seen its lamp work: run a drill and press the desk's button, or say so here",
    )


def _drill(facts: SeatFacts, beat: Heartbeat, common: Common) -> Check:
    return _lately(
        Item.DRILL, facts.drill_utc_ms, DRILL_HOLDS_MS, common.now_utc_ms, "No drill has come from this desk: run one"
    )


def _lately(item: Item, at_utc_ms: int | None, holds_ms: int, now_utc_ms: int, never: str) -> Check:
    if at_utc_ms is None:
        return _amber(item, never)
    if now_utc_ms - at_utc_ms >= holds_ms:
        return _amber(item, "{at_utc_ms}, that is too long ago", at_utc_ms=at_utc_ms)
    return _green(item, "{at_utc_ms}", at_utc_ms=at_utc_ms)


_CHECKS: tuple[Callable[[SeatFacts, Heartbeat, Common], Check], ...] = (
    _plan,
    _faults,
    _recording,
    _light,
    _sharp,
    _frame,
    _seat,
    _room,
    _clock,
    _round_trip,
    _models,
    _version,
    _lamp,
    _drill,
)


class Missing(Exception):
    """The sitting cannot be started so: these seats are not green, and nobody said why to start all the same."""

    def __init__(self, labels: Sequence[str]) -> None:
        super().__init__(f"no reason for {', '.join(labels)}")
        self.labels = tuple(labels)


class Override(NamedTuple):
    """One item that a person started in spite of."""

    seat: str
    item: str
    level: str
    words: str
    reason: str


def overrides(reports: Iterable[SeatReport], reasons: Mapping[str, str], seen: Mapping[str, str]) -> list[Override]:
    """What a person overrides by `reasons`, by seat, having seen the failing items of each seat as `seen` (`items_of`).

    Raises Missing for seats that are not green and have no reason, and for those where something fails now that the
    person has not seen: a reason given for a missing drill must not cover a lost camera.
    """
    found, missing = [], []
    for report in reports:
        if not report.failing:
            continue
        reason = reasons.get(report.label, "").strip()
        known = set(seen.get(report.label, "").split())
        if not reason or any(check.item not in known for check in report.failing):
            missing.append(report.label)
            continue
        found += [Override(report.label, check.item, check.level, check.words, reason) for check in report.failing]
    if missing:
        raise Missing(missing)
    return found


def items_of(report: SeatReport) -> str:
    """The failing items of a seat, as a form carries what was shown."""
    return " ".join(check.item for check in report.failing)
