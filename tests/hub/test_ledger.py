"""The ledger: what is refused and why, and read models that no order of arrival can change."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import wire
from agent.wire import AlertKind, Fault, FaultKind, Gap, GapCause, Mode, Record
from hub.core import ledger
from hub.core.ledger import AlertRow, Conflict, KnownUnit, Refusal, Word
from hub.store import intake, migrations
from hub.store.taking import show_records
from tests.hub.desk import Desk, alert, at, segment

NOW_UTC_MS = 1_900_000_000_000
TOPIC = "ems/1/c1.d1/up/record"
INCIDENT_COLUMNS = ("kind", "seat", "began_utc_ms", "cleared_utc_ms", "is_drill")


# --- what is refused ------------------------------------------------------------------------------------------------


def test_a_good_record_is_read_and_kept() -> None:
    """The plain case."""
    desk = Desk()
    record = desk.seal(segment(1))
    word = ledger.read(TOPIC, wire.encode(record))
    assert isinstance(word, Word)
    assert word.message == record
    assert ledger.judge(word, KnownUnit(desk.public_key)) is None


@pytest.mark.parametrize(
    "topic",
    ["", "ems", "ems/2/c1.d1/up/record", "ems/1/c1.d1/down/plan", "ems/1/C1.d1/up/record", "ems/1/c1.d1/up/nothing",
     "ems/1/c1.d1\n/up/record", "ems/1/c1.d1/up/record\n", "ems/1/../up/record", "ems/1/c1.d1/up/record/more"],
)  # fmt: skip
def test_a_foreign_topic_is_refused(topic: str) -> None:
    """Nothing is taken from a topic that is not a desk's own."""
    assert isinstance(ledger.read(topic, wire.encode(Desk().seal(segment(1)))), Refusal)


@given(st.sampled_from(sorted(wire.UP)), st.binary(max_size=400))
def test_any_bytes_are_answered(kind: str, payload: bytes) -> None:
    """Reading never raises, whatever comes."""
    ledger.read(f"ems/1/c1.d1/up/{kind}", payload)


@given(st.text(max_size=60), st.binary(max_size=20))
def test_any_topic_is_answered(topic: str, payload: bytes) -> None:
    """Nor does a topic make it raise."""
    assert isinstance(ledger.read(topic, payload), Refusal)


def test_oversized_messages_are_refused() -> None:
    """A broker without the limit does not widen ours."""
    found = ledger.read(TOPIC, b" " * (wire.MAX_MESSAGE_BYTES + 1))
    assert isinstance(found, Refusal)
    assert "limit" in found.reason


def test_unknown_revoked_and_lying_units_are_refused() -> None:
    """Each with its own reason."""
    desk, other = Desk(), Desk("c1.d2")
    word = Word("c1.d1", "record", desk.seal(segment(1)))
    foreign = Word("c1.d1", "record", other.seal(segment(1)))
    known = KnownUnit(desk.public_key)
    reasons = [
        ledger.judge(word, None),
        ledger.judge(word, KnownUnit(desk.public_key, is_revoked=True)),
        ledger.judge(foreign, known),
        ledger.judge(word, KnownUnit(other.public_key)),
        ledger.judge(Word("c1.d1", "status", desk.status()), None),
    ]
    assert [reason.reason for reason in reasons if isinstance(reason, Refusal)] == [
        "unit not known yet",
        "the unit is revoked",
        "the header names c1.d2, the topic c1.d1",
        "the signature is not the unit's",
        "not enrolled",
    ]


def test_a_unit_first_seen_is_trusted_only_when_asked() -> None:
    """The demonstration's way; a record alone never enrols anybody."""
    desk = Desk()
    assert ledger.judge(Word("c1.d1", "status", desk.status()), None, may_trust=True) is None
    assert isinstance(ledger.judge(Word("c1.d1", "record", desk.seal(segment(1))), None, may_trust=True), Refusal)


def test_a_second_key_is_a_conflict() -> None:
    """A known unit never changes its key."""
    found = ledger.judge(Word("c1.d1", "status", Desk().status()), KnownUnit(Desk().public_key), may_trust=True)
    assert isinstance(found, Conflict)


@given(st.integers(0, 200), st.integers(0, 7))
def test_a_changed_bit_of_a_record_is_never_taken_for_it(place: int, bit: int) -> None:
    """Whatever bit of header, body or signature is turned, the message is refused or decodes to the very same."""
    desk = Desk()
    record = desk.seal(segment(1))
    good = wire.encode(record)
    bad = bytearray(good)
    bad[place * len(good) // 201] ^= 1 << bit
    word = ledger.read(TOPIC, bytes(bad))
    if isinstance(word, Word) and ledger.judge(word, KnownUnit(desk.public_key)) is None:
        assert (word.message.header_text, word.message.body_text) == (record.header_text, record.body_text)


# --- read models ----------------------------------------------------------------------------------------------------


@contextmanager
def empty_store(desk: Desk) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("pragma foreign_keys = on")
    migrations.migrate(connection)
    intake.add_unit(connection, desk.unit, desk.public_key, 1)
    try:
        yield connection
    finally:
        connection.close()


def keep(connection: sqlite3.Connection, records: Sequence[Record]) -> None:
    for record in records:
        if not intake.hashes_of(connection, [record.key]):
            intake.add_records(connection, [(record, record.hash, NOW_UTC_MS)])
            show_records(connection, [record], NOW_UTC_MS)


def shown(connection: sqlite3.Connection) -> dict[str, Any]:
    """All that the hub shows of the records, without the numbers and hub times that arrival gives."""

    def table(name: str) -> list[dict[str, Any]]:
        rows = [dict(row) for row in connection.execute(f"select * from {name}")]
        for row in rows:
            row.pop("incident_id", None)
        return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))

    members: dict[int, set[str]] = defaultdict(set)
    for row in connection.execute("select incident_id, alert from alerts where incident_id is not null"):
        members[row["incident_id"]].add(row["alert"])
    incidents = [
        (sorted(members.pop(row["incident_id"], set())), *(row[name] for name in INCIDENT_COLUMNS))
        for row in connection.execute("select * from incidents where merged_into is null")
    ]
    assert not members, "an alert in an incident that was merged away"
    return {name: table(name) for name in ("alerts", "faults", "segments", "gaps")} | {"incidents": sorted(incidents)}


alert_lives = st.lists(
    st.tuples(
        st.integers(0, 400),  # began, s
        st.integers(0, 120),  # lasted, s
        st.sampled_from([AlertKind.SEAT_EMPTY, AlertKind.MORE_THAN_ONE_FACE]),
        st.booleans(),  # whether it is cleared at all
        st.booleans(),  # whether an update lies between
        st.sampled_from([Mode.AUTOMATED, Mode.AUTOMATED, Mode.SEMI_AUTOMATED, Mode.MANUAL]),
        st.booleans(),  # whether it is a drill
    ),
    min_size=1,
    max_size=6,
)


Life = tuple[int, int, AlertKind, bool, bool, Mode, bool]


def told(desk: Desk, lives: Sequence[Life]) -> list[Record]:
    """The records of such a morning, with a fault, a gap and segments between."""
    for number, (began_s, lasted_s, kind, is_cleared, is_updated, mode, is_drill) in enumerate(lives):
        name = f"a{number}"
        about: dict[str, Any] = {"began_s": began_s, "kind": kind, "mode": mode, "is_drill": is_drill}
        desk.seal(alert(name, **about, still_sha256=wire.sha256_hex(name.encode())), began_s + 10)
        if is_updated:
            desk.seal(alert(name, "updated", **about, faces=number), began_s + 11)
        if is_cleared:
            desk.seal(alert(name, "cleared", cleared_s=began_s + lasted_s, **about), began_s + lasted_s)
        desk.seal(segment(number % 3, frames=number), began_s)
    for state in ("raised", "cleared"):
        cleared = at(9) if state == "cleared" else None
        desk.seal(
            Fault(fault="f1", fault_kind=FaultKind.CAMERA_LOST, state=state, began=at(1), raised=at(2), cleared=cleared)
        )
    desk.seal(Gap(sitting="s1", began=at(1), ended=at(9), cause=GapCause.CAMERA_LOST))
    return list(desk.records)


@settings(deadline=None, max_examples=150)
@given(alert_lives, st.data())
def test_no_order_and_no_repeat_changes_what_is_shown(lives: list[Life], data: st.DataObject) -> None:
    """Cleared before raised, backlog after live, everything twice: the same alerts, incidents, faults, gaps."""
    desk = Desk()
    records = told(desk, lives)
    shuffled = data.draw(st.permutations(records + records[::2]))
    with empty_store(desk) as in_order, empty_store(desk) as any_order:
        keep(in_order, records)
        keep(any_order, shuffled)
        assert shown(any_order) == shown(in_order)


def incidents_of(records: Sequence[Record], desk: Desk) -> list[list[str]]:
    with empty_store(desk) as connection:
        keep(connection, records)
        return [incident[0] for incident in shown(connection)["incidents"]]


@pytest.mark.parametrize(("began_s", "together"), [(130, True), (160, True), (161, False), (400, False)])
def test_an_alert_joins_within_60_s_of_clearing(began_s: int, together: bool) -> None:
    """The second alert of a kind belongs to the first one's incident up to 60 s after that was cleared at 100 s."""
    desk = Desk()
    desk.seal(alert("a1"))
    desk.seal(alert("a1", "cleared", cleared_s=100))
    desk.seal(alert("a2", began_s=began_s))
    assert incidents_of(desk.records, desk) == ([["a1", "a2"]] if together else [["a1"], ["a2"]])


def test_kinds_are_kept_apart_and_manual_mode_opens_none() -> None:
    """Another kind is another incident; in manual mode an alert is only kept."""
    desk = Desk()
    desk.seal(alert("a1"))
    desk.seal(alert("a2", kind=AlertKind.CAMERA_COVERED))
    desk.seal(alert("a3", kind=AlertKind.MORE_THAN_ONE_FACE, mode=Mode.MANUAL))
    assert incidents_of(desk.records, desk) == [["a1"], ["a2"]]


def test_a_drill_never_shares_an_incident_with_a_real_alert() -> None:
    """Not when both stand, not when they follow at once, not in an incident that people work on already."""
    desk = Desk()
    desk.seal(alert("a1"))
    desk.seal(alert("drill1", began_s=5, is_drill=True))
    desk.seal(alert("drill1", "cleared", began_s=5, cleared_s=30, is_drill=True))
    desk.seal(alert("drill2", began_s=40, is_drill=True))
    desk.seal(alert("a1", "cleared", cleared_s=50))
    desk.seal(alert("a2", began_s=60))
    with empty_store(desk) as connection:
        keep(connection, desk.records[:2])
        connection.execute("update incidents set state = 'acknowledged', acknowledged_by = 'ada'")
        keep(connection, desk.records[2:])
        found = [(incident[0], incident[5]) for incident in shown(connection)["incidents"]]
        assert found == [(["a1", "a2"], 0), (["drill1", "drill2"], 1)]


def test_an_alert_that_any_record_calls_real_is_no_drill() -> None:
    """Whatever comes first: a real alert must not be taken for a drill, and then joins the real ones."""
    desk = Desk()
    desk.seal(alert("a1", is_drill=True))
    desk.seal(alert("drill", is_drill=True))
    desk.seal(alert("a1", "cleared", cleared_s=30))
    for records in (desk.records, desk.records[::-1]):
        with empty_store(desk) as connection:
            keep(connection, records)
            found = [(incident[0], incident[5]) for incident in shown(connection)["incidents"]]
            assert found == [(["a1"], 0), (["drill"], 1)]


def test_clearing_is_noted_when_nothing_stands() -> None:
    """Two alerts overlap: the incident is cleared with the later clearing, once, and its thread says what happened."""
    desk = Desk()
    desk.seal(alert("a1"))
    desk.seal(alert("a2", began_s=20))
    desk.seal(alert("a1", "cleared", cleared_s=50))
    with empty_store(desk) as connection:
        keep(connection, desk.records)
        assert shown(connection)["incidents"][0][4] is None
        desk.seal(alert("a2", "cleared", began_s=20, cleared_s=90))
        keep(connection, desk.records)
        assert shown(connection)["incidents"][0][4] == at(90).utc_ms
        actions = connection.execute("select action from incident_events order by event_id")
        assert [row["action"] for row in actions] == ["opened", "joined", "cleared"]


def test_a_closed_incident_is_left_alone() -> None:
    """An alert soon after opens a new one; a late clearing still says when the closed one ended."""
    desk = Desk()
    desk.seal(alert("a1"))
    with empty_store(desk) as connection:
        keep(connection, desk.records)
        connection.execute("update incidents set state = 'closed', verdict = 'no_concern', closed_utc_ms = 5")
        desk.seal(alert("a2", began_s=20))
        desk.seal(alert("a1", "cleared", cleared_s=30))
        keep(connection, desk.records)
        assert [row[0] for row in connection.execute("select state from incidents order by incident_id")] == [
            "closed",
            "open",
        ]
        assert (
            connection.execute("select cleared_utc_ms from incidents where incident_id = 1").fetchone()[0]
            == at(30).utc_ms
        )


def test_what_people_worked_on_is_never_merged_away() -> None:
    """A late alert that would make one of two incidents joins the first; the other keeps its number and alerts."""
    desk = Desk()
    for name, began_s, cleared_s in (("a1", 0, 10), ("a3", 150, 160), ("a2", 60, 100)):
        desk.seal(alert(name, "cleared", began_s=began_s, cleared_s=cleared_s))
    with empty_store(desk) as connection:
        keep(connection, desk.records[:2])
        connection.execute("update incidents set state = 'acknowledged', acknowledged_by = 'ada'")
        keep(connection, desk.records[2:])
        assert [incident[0] for incident in shown(connection)["incidents"]] == [["a1", "a2"], ["a3"]]


def test_a_backlog_does_not_stir_up_what_is_shown_already() -> None:
    """A desk comes back with a live alert first, then the day's old ones, raised before cleared: the live alert's
    incident stays as it is, and nothing is opened in vain."""
    desk = Desk()
    for number in range(10):
        desk.seal(alert(f"a{number}", began_s=200 * number))
        desk.seal(alert(f"a{number}", "cleared", began_s=200 * number, cleared_s=200 * number + 30))
    live = desk.seal(alert("live", began_s=3_000))
    with empty_store(desk) as connection:
        keep(connection, [live, *desk.records[:-1]])
        assert connection.execute("select alert from alerts where incident_id = 1").fetchall()[0]["alert"] == "live"
        assert connection.execute("select count(*) from incidents").fetchone()[0] == 11


def test_a_bridge_merges_and_names_the_incident_that_goes_on() -> None:
    """A late alert that lies between two incidents makes them one; the emptied one says where it continues."""
    desk = Desk()
    for name, began_s, cleared_s in (("a1", 0, 10), ("a3", 150, 160), ("a2", 60, 100)):
        desk.seal(alert(name, "cleared", began_s=began_s, cleared_s=cleared_s))
    with empty_store(desk) as connection:
        keep(connection, desk.records)
        assert [incident[0] for incident in shown(connection)["incidents"]] == [["a1", "a2", "a3"]]
        merged = connection.execute("select * from incidents where merged_into is not null").fetchone()
        assert (merged["state"], merged["merged_into"]) == ("closed", 1)
        said = connection.execute("select text from incident_events where action = 'merged'").fetchone()
        assert said["text"] == "continued in incident 1"


def test_the_place_is_the_hubs_and_else_the_desks_own_word() -> None:
    """A seated unit's incident carries room and seat as the hub knows them, and keeps them when the unit moves."""
    desk = Desk()
    desk.seal(alert("a1"))
    desk.seal(alert("b1", kind=AlertKind.CAMERA_COVERED))
    with empty_store(desk) as connection:
        keep(connection, desk.records[:1])
        connection.execute("insert into rooms (room_id, name) values (1, 'Hall')")
        connection.execute("insert into seats (room_id, label, unit) values (1, '77', ?)", (desk.unit,))
        keep(connection, desk.records[1:])
        places = [tuple(row) for row in connection.execute("select room, seat from incidents order by incident_id")]
        assert places == [("", "12"), ("Hall", "77")]


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 90), st.sampled_from([None, 1, 2, 3])), max_size=8))
def test_regrouping_is_settled_at_once(shapes: list[tuple[int, int, int | None]]) -> None:
    """Grouping what was just grouped moves nothing, and no alert is ever lost or in two groups."""
    desk = Desk()
    rows: list[AlertRow] = []
    for number, (began_s, lasted_s, incident_id) in enumerate(shapes):
        body = alert(f"a{number}", "cleared", began_s=began_s, cleared_s=began_s + lasted_s)
        row = ledger.alert_row(desk.seal(body), body)
        rows.append(AlertRow(**{f: getattr(row, f) for f in AlertRow.__struct_fields__} | {"incident_id": incident_id}))
    first = ledger.regroup(rows, frozenset({2}))
    numbered = []
    for index, group in enumerate(first.groups):
        number = group.incident_id or 100 + index
        numbered += [
            AlertRow(**{f: getattr(row, f) for f in AlertRow.__struct_fields__} | {"incident_id": number})
            for row in group.alerts
        ]
    assert sorted(row.alert for row in numbered) == sorted(row.alert for row in rows)
    second = ledger.regroup(numbered, frozenset({2}))
    assert not second.emptied
    assert all(row.incident_id == group.incident_id for group in second.groups for row in group.alerts)
