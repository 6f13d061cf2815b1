"""The pre-flight: every item broken once is named, and a sitting starts in spite of one only with a reason."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire import ClockQuality, CommandKind, Heartbeat, Instant, Lamp, StandingFault
from hub.core import preflight as core
from hub.core.preflight import Common, Item, Level, Missing, SeatFacts, SeatReport, examine, overrides
from hub.core.presence import Presence
from hub.store import Store, intake, planning, preflight
from hub.store.audit import Actor
from tests.hub import preflights

NOW = 1_800_000_000_000
HOUR_MS = 3_600_000
ADA = Actor("Ada", "proctor", "10.0.0.9")
WELL: dict[str, Any] = {
    **preflights.WELL,
    "faces": 1,
    "plan": 7,
    "software": "0.1.0",
    "model_sha256": "ab" * 32,
    "lamp": Lamp(pattern="waiting", colour="#0040ff"),
}


def beat(**values: Any) -> Heartbeat:
    return Heartbeat(boot=1, now=Instant(NOW, 1), **{"is_clock_ok": True, **WELL, **values})


def facts(beats: Heartbeat | None = None, **values: Any) -> SeatFacts:
    return SeatFacts(
        **{
            "label": "A1",
            "unit": "c.d1",
            "presence": Presence.ONLINE,
            "heartbeat": beats or beat(),
            "plan": 7,
            "faults": (),
            "is_expected": True,
            "end_utc_ms": NOW + 3 * HOUR_MS,
            "lamp_seen_utc_ms": NOW - HOUR_MS,
            "drill_utc_ms": NOW - HOUR_MS,
            **values,
        }
    )


def common(**values: Any) -> Common:
    return Common(
        **{
            "now_utc_ms": NOW,
            "start_utc_ms": NOW + 60_000,
            "empty_until_utc_ms": None,
            "is_said_empty": False,
            "model_sha256": "ab" * 32,
            "software": "0.1.0",
            "hub_software": "0.1.0",
            **values,
        }
    )


def test_a_desk_that_is_well_is_green() -> None:
    """Each item is told, in the order in which they are declared."""
    report = examine(facts(), common())
    assert report.level is Level.GREEN, report.failing
    assert [check.item for check in report.checks] == list(Item)


DAYS = 24 * HOUR_MS
BROKEN: list[tuple[Item, Level, SeatFacts, Common]] = [
    (Item.DESK, Level.RED, facts(unit=None), common()),
    (Item.DESK, Level.AMBER, facts(unit=None, is_expected=False), common()),
    (Item.DESK, Level.RED, facts(presence=Presence.OFFLINE), common()),
    (Item.DESK, Level.RED, facts(presence=Presence.SILENT), common()),
    (Item.DESK, Level.RED, facts(presence=Presence.NEVER_SEEN), common()),
    (Item.PLAN, Level.RED, facts(plan=8), common()),
    (Item.PLAN, Level.RED, facts(plan=None), common()),
    (Item.FAULTS, Level.RED, facts(faults=["camera_lost", "too_hot"]), common()),
    (Item.RECORDING, Level.RED, facts(), common(start_utc_ms=NOW - 1)),
    (Item.LIGHT, Level.RED, facts(beat(is_covered=True)), common()),
    (Item.LIGHT, Level.RED, facts(beat(is_covered=None)), common()),
    (Item.LIGHT, Level.AMBER, facts(beat(is_low_light=True)), common()),
    (Item.SHARP, Level.RED, facts(beat(sharpness=1.2)), common()),
    (Item.FRAME, Level.RED, facts(beat(is_frozen=True)), common()),
    (Item.FRAME, Level.RED, facts(beat(shift=0.06)), common()),
    (Item.FRAME, Level.AMBER, facts(beat(has_reference=False)), common()),
    (Item.SEAT, Level.RED, facts(beat(faces=2)), common()),
    (Item.SEAT, Level.AMBER, facts(beat(faces=0, seat="empty")), common()),
    (Item.SEAT, Level.AMBER, facts(is_expected=False), common()),
    (Item.SEAT, Level.AMBER, facts(), common(is_said_empty=True)),
    (Item.ROOM, Level.RED, facts(beat(room_bytes=4_000_000_000)), common()),
    (Item.ROOM, Level.RED, facts(beat(room_bytes=None, free_bytes=None)), common()),
    (Item.CLOCK, Level.RED, facts(beat(is_clock_ok=False)), common()),
    (Item.CLOCK, Level.RED, facts(beat(clock=ClockQuality(offset_ms=-200.0))), common()),
    (Item.CLOCK, Level.AMBER, facts(beat(clock=None)), common()),
    (Item.ROUND_TRIP, Level.RED, facts(beat(receipt_ms=500.0)), common()),
    (Item.ROUND_TRIP, Level.AMBER, facts(beat(receipt_ms=None)), common()),
    (Item.MODELS, Level.RED, facts(beat(model_sha256="cd" * 32)), common()),
    (Item.MODELS, Level.RED, facts(beat(model_sha256="")), common()),
    (Item.VERSION, Level.AMBER, facts(beat(software="0.0.9")), common()),
    (Item.LAMP, Level.RED, facts(beat(lamp=None)), common()),
    (Item.LAMP, Level.AMBER, facts(lamp_seen_utc_ms=NOW - DAYS), common()),
    (Item.DRILL, Level.AMBER, facts(drill_utc_ms=None), common()),
    (Item.DRILL, Level.AMBER, facts(drill_utc_ms=NOW - 7 * DAYS), common()),
]


@pytest.mark.parametrize(("item", "level", "seat", "all_seats"), BROKEN)
def test_what_is_broken_is_named(item: Item, level: Level, seat: SeatFacts, all_seats: Common) -> None:
    """Break one thing, and the seat has its level by that item; its words can be filled in."""
    report = examine(seat, all_seats)
    assert report.level is level
    assert report.failing[0].item is item
    for check in report.checks:
        assert check.words.format(**check.values)


@given(
    offset=st.floats(-1e6, 1e6),
    trip=st.floats(0, 1e6),
    room=st.integers(0, 2**53),
    rate=st.floats(0, 1e9),
    left_ms=st.integers(-HOUR_MS, 24 * HOUR_MS),
)
def test_the_limits_hold_at_every_value(offset: float, trip: float, room: int, rate: float, left_ms: int) -> None:
    """Red exactly from the limits on: 200 ms, 500 ms, and less room than 1.3 times what is still to be recorded."""
    beats = beat(clock=ClockQuality(offset_ms=offset), receipt_ms=trip, room_bytes=room, record_bytes_per_s=rate)
    report = examine(facts(beats, end_utc_ms=NOW + left_ms), common(start_utc_ms=NOW + 60_000))
    levels = {check.item: check.level for check in report.checks}
    assert (levels[Item.CLOCK] is Level.RED) == (abs(offset) >= 200)
    assert (levels[Item.ROUND_TRIP] is Level.RED) == (trip >= 500)
    assert (levels[Item.ROOM] is Level.RED) == (room < int(max(0, left_ms - 60_000) / 1000 * rate * 1.3))


def reported(label: str, *items: Item) -> SeatReport:
    checks = tuple(core.Check(item, Level.AMBER, "x") for item in items)
    return SeatReport(label, "c.d1", Level.AMBER if items else Level.GREEN, checks)


@given(
    failing=st.dictionaries(st.sampled_from("ABCDE"), st.sets(st.sampled_from(list(Item)), max_size=4), min_size=1),
    seen=st.dictionaries(st.sampled_from("ABCDE"), st.sets(st.sampled_from(list(Item)), max_size=4)),
    reasons=st.dictionaries(st.sampled_from("ABCDE"), st.sampled_from(["", "  ", "new desk"])),
)
def test_nothing_is_overridden_unseen_or_without_a_reason(
    failing: dict[str, set[Item]], seen: dict[str, set[Item]], reasons: dict[str, str]
) -> None:
    """A reason covers what its giver saw, and no item that failed since."""
    reports = [reported(label, *sorted(items)) for label, items in sorted(failing.items())]
    shown = {label: " ".join(items) for label, items in seen.items()}
    lacking = [
        label
        for label, items in sorted(failing.items())
        if items and not (reasons.get(label, "").strip() and items <= seen.get(label, set()))
    ]
    if lacking:
        with pytest.raises(Missing) as missing:
            overrides(reports, reasons, shown)
        assert missing.value.labels == tuple(lacking)
    else:
        found = overrides(reports, reasons, shown)
        assert {(each.seat, each.item) for each in found} == {(s, i) for s, items in failing.items() for i in items}


# --- in the store ---------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(store: Store) -> Store:
    return store


def place(hub: Store, **beats: Any) -> None:
    """A hall with two desks, heard of now, and a sitting in ten minutes."""
    with hub.write() as connection:
        for number, label in enumerate(("A1", "A2")):
            intake.add_unit(connection, f"c.d{number}", str(number) * 64, NOW)
            planning.put_seat(connection, room="Hall", label=label, unit=f"c.d{number}")
        planning.plan_sitting(
            connection,
            sitting="maths",
            exam="Maths",
            room="Hall",
            start_utc_ms=NOW + 600_000,
            end_utc_ms=NOW + 2 * HOUR_MS,
            now_utc_ms=NOW,
            empty=(NOW - 60_000, NOW + 500_000),
        )
    hear(hub, NOW)


def hear(hub: Store, now: int, **values: Any) -> None:
    with hub.write() as connection:
        for number in range(2):
            plan = planning.plan_of(connection, f"c.d{number}")
            text = msgspec.json.encode(beat(seat="empty", faces=0, plan=plan and plan.number, **values)).decode()
            connection.execute(
                "insert into presence (unit, is_online, status_utc_ms, boot, heartbeat, heartbeat_utc_ms)"
                " values (?, 1, ?, 1, ?, ?) on conflict do update set heartbeat = excluded.heartbeat,"
                " heartbeat_utc_ms = excluded.heartbeat_utc_ms",
                (f"c.d{number}", NOW, text, now),
            )


def start(hub: Store, now: int, reasons: dict[str, str], seen: str = "lamp drill") -> preflight.Examined:
    with hub.write() as connection:
        return preflight.start(connection, "maths", reasons, {"A1": seen, "A2": seen}, ADA, now, "0.1.0")


def test_a_sitting_that_is_started_early_begins_at_once(hub: Store) -> None:
    """Its desks are told, what was overridden is kept with the reason, and a second start does nothing."""
    place(hub)
    with pytest.raises(Missing) as missing:
        start(hub, NOW, {"A1": "lamps seen this morning"})
    assert missing.value.labels == ("A2",)
    with hub.read() as connection:
        assert preflight.overrides(connection, "maths") == []
    start(hub, NOW, {"A1": "lamps seen this morning", "A2": "new desk"})
    with hub.read() as connection:
        plan = planning.plan_of(connection, "c.d0")
        assert plan is not None
        assert plan.sittings[0].start_utc_ms == NOW
        assert plan.sittings[0].empty_until_utc_ms == NOW
        kept = preflight.overrides(connection, "maths")
    assert [(each["seat"], each["item"], each["reason"]) for each in kept] == [
        ("A1", "lamp", "lamps seen this morning"),
        ("A1", "drill", "lamps seen this morning"),
        ("A2", "lamp", "new desk"),
        ("A2", "drill", "new desk"),
    ]
    assert start(hub, NOW + 1000, {}).sitting.opened_by == "Ada"
    with hub.read() as connection:
        assert len(preflight.overrides(connection, "maths")) == 4


def test_a_reason_given_for_a_lamp_does_not_cover_a_camera(hub: Store) -> None:
    """What fails between looking and pressing the button stops the start."""
    place(hub)
    lost = StandingFault(kind="camera_lost", began=Instant(NOW, 1))  # type: ignore[arg-type]
    hear(hub, NOW, faults=(lost,))
    with pytest.raises(Missing):
        start(hub, NOW, {"A1": "new", "A2": "new"})


def test_it_answers_how_many_record(hub: Store) -> None:
    """By the desks' own word about this sitting, and only of those that are heard."""
    place(hub)
    hear(hub, NOW, state="recording", sitting="maths")
    reasons = {"A1": "new", "A2": "new"}
    assert start(hub, NOW, reasons).recording == 2
    assert start(hub, NOW + 60_000, reasons).recording == 0


@pytest.mark.parametrize(
    ("change", "why"),
    [("cancelled_utc_ms = 1", "cancelled"), ("closed_utc_ms = 1", "closed"), (f"end_utc_ms = {NOW}", "over")],
)
def test_a_sitting_that_is_over_or_cancelled_is_not_started(hub: Store, change: str, why: str) -> None:
    """It says which."""
    place(hub)
    with hub.write() as connection:
        connection.execute(f"update sittings set start_utc_ms = 1, {change}")
    with pytest.raises(preflight.CannotStart, match=why):
        start(hub, NOW, {})


def test_a_sitting_is_not_started_into_the_one_that_is_on_in_its_room(hub: Store) -> None:
    """A desk records one sitting at a time: nothing is changed, and both are named. It is started when that is over."""
    place(hub)
    with hub.write() as connection:
        connection.execute("update sittings set empty_from_utc_ms = null, empty_until_utc_ms = null")
        connection.execute(
            "insert into sittings (sitting, exam, room_id, start_utc_ms, end_utc_ms, mode, rules)"
            " select 'art', exam, room_id, ?, ?, mode, rules from sittings where sitting = 'maths'",
            (NOW - 3_600_000, NOW + 1_000),
        )
    reasons = {"A1": "x", "A2": "x"}
    with pytest.raises(preflight.CannotStart, match=r"sitting maths and sitting art .* would be on in"):
        start(hub, NOW, reasons)
    with hub.read() as connection:
        found = preflight.sitting_of(connection, "maths")
    assert found is not None
    assert found.opened_utc_ms is None
    assert start(hub, NOW + 1_000, reasons).sitting.opened_utc_ms is None


def test_a_drill_is_asked_of_every_desk_that_is_there(hub: Store) -> None:
    """Once the sitting is on, only with a reason; its alert's arrival and a press of the button are told."""
    place(hub)
    with hub.write() as connection:
        asked = preflight.ask_for_drills(connection, "maths", frozenset(), "", ADA, NOW)
        assert asked == ["A1", "A2"]
        sent = [row["payload"] for row in connection.execute("select payload from commands")]
        assert all(CommandKind.DRILL in payload for payload in sent)
        assert len(sent) == 2
        with pytest.raises(preflight.CannotStart, match="say why"):
            preflight.ask_for_drills(connection, "maths", frozenset(["A1"]), " ", ADA, NOW + 700_000)
        with pytest.raises(preflight.CannotStart, match="offline"):
            preflight.ask_for_drills(connection, "maths", frozenset(["A1"]), "again", ADA, NOW + 700_000)
        connection.execute(
            "insert into attended (unit, boot, seq, sitting, room, seat, at_utc_ms, received_utc_ms, is_signal,"
            " is_drill, alerts) values ('c.d1', 1, 9, '', 'Hall', 'A2', ?, ?, 0, 1, '[]')",
            (NOW + 4000, NOW + 4100),
        )
        found = preflight.drills(connection, "maths", NOW + 5000)
        assert [(each.seat, each.pressed_utc_ms) for each in found] == [("A1", None), ("A2", NOW + 4100)]
        assert [each.refusal for each in found] == ["", ""]
        number = connection.execute("select command from drills where unit = 'c.d0'").fetchone()[0]
    hear(hub, NOW + 5000, refused_command=number, refusal="a drill is on already")
    with hub.read() as connection:
        found = preflight.drills(connection, "maths", NOW + 5000)
        assert [each.refusal for each in found] == ["a drill is on already", ""]
        sitting = preflight.sitting_of(connection, "maths")
        assert sitting is not None
        reports = preflight.examine(connection, sitting, NOW, "0.1.0").reports
        lamps = [check.level for report in reports for check in report.checks if check.item is Item.LAMP]
        assert lamps == [Level.AMBER, Level.GREEN]


def test_a_lamp_that_somebody_saw_is_kept(hub: Store) -> None:
    """It holds for the desk, and not for an empty seat."""
    place(hub)
    with hub.write() as connection:
        for _ in itertools.repeat(None, 2):
            preflight.saw_lamp(connection, "maths", "A1", ADA, NOW)
        with pytest.raises(preflight.CannotStart, match="Z9"):
            preflight.saw_lamp(connection, "maths", "Z9", ADA, NOW)
