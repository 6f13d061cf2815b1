"""Closing a sitting: the checklist from facts, and what closing, reopening and writing off keep."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core import closing as core
from hub.core.closing import Changed, CoverageFact, Facts, IncidentFact, Line, OpenFact, Refused, UnitFact
from hub.core.presence import Presence
from hub.store import Store, audit, closing
from hub.store.audit import Actor
from tests.hub.seed import Centre, now_ms

NOW = 2_000_000
DESK = UnitFact("c.d1", "A1", Presence.ONLINE, False, 0, 0, 0)
DONE = Facts(
    end_utc_ms=1_000_000,
    units=[DESK],
    incidents=[],
    breaks=[],
    signals=[],
    holds=[],
    coverage=CoverageFact(900, 1000, ()),
    unseen=[],
)
ADA = Actor("Ada", "proctor")


def open_keys(facts: Facts) -> list[str]:
    return [item.key for item in core.checklist(facts, NOW) if not item.is_done]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"end_utc_ms": NOW + 1}, "over"),
        ({"units": [DESK._replace(is_recording=True)]}, "stopped"),
        ({"units": [DESK._replace(pending=2, pending_ms=20_000)]}, "segments"),
        ({"units": [DESK._replace(spool=1)]}, "records"),
        ({"coverage": CoverageFact(0, 0, ())}, "coverage"),
        ({"coverage": CoverageFact(900, 1000, ("A1",))}, "coverage"),
        ({"incidents": [IncidentFact(4, "A1", "seat_empty", "open")]}, "incidents"),
        ({"breaks": [OpenFact("A1", "toilet", 5)]}, "standing"),
        ({"signals": [OpenFact("A1", "c.d1", 5)]}, "standing"),
        ({"unseen": [("1001", "A1")]}, "no_shows"),
    ],
)
def test_each_fact_opens_its_own_line_and_no_other(change: dict[str, Any], key: str) -> None:
    assert open_keys(DONE) == []
    assert open_keys(DONE._replace(**change)) == [key]


def test_a_desk_that_is_not_heard_of_is_listed_and_one_that_is_written_off_keeps_nothing_open() -> None:
    """Whether a silent desk stopped is not known: it is said. Written off, nothing of it is waited for."""
    gone = UnitFact("c.d1", "A1", Presence.OFFLINE, True, 3, 30_000, 2)
    assert open_keys(DONE._replace(units=[gone])) == ["stopped", "segments", "records"]
    quiet = DONE._replace(units=[DESK._replace(presence=Presence.OFFLINE)])
    assert open_keys(quiet) == []
    assert core.checklist(quiet, NOW)[1].noted == (Line("c.d1", "A1", "unheard"),)
    untold = CoverageFact(1, 2, ("A1",))
    off = DONE._replace(units=[gone._replace(write_off="stolen")], coverage=untold)
    assert open_keys(off) == []
    assert core.checklist(off, NOW)[2].noted == (Line("c.d1", "A1", "unheard", 3, 30_000),)


def test_a_hold_may_stand_for_months() -> None:
    """It is said and asks for no reason."""
    held = DONE._replace(holds=[OpenFact("A1", "7", 5)])
    assert open_keys(held) == []
    assert core.checklist(held, NOW)[-1].noted == (Line("7", "A1"),)


units = st.builds(
    UnitFact,
    unit=st.sampled_from(["c.d1", "c.d2"]),
    seat=st.sampled_from(["A1", "A2"]),
    presence=st.sampled_from(list(Presence)),
    is_recording=st.booleans(),
    pending=st.integers(0, 3),
    pending_ms=st.integers(0, 30_000),
    spool=st.integers(0, 2),
    write_off=st.sampled_from(["", "gone"]),
)
facts = st.builds(
    Facts,
    end_utc_ms=st.integers(0, 2 * NOW),
    units=st.lists(units, max_size=3),
    incidents=st.lists(
        st.builds(IncidentFact, st.integers(1, 9), st.just("A1"), st.just("x"), st.just("open")), max_size=2
    ),
    breaks=st.lists(st.builds(OpenFact, st.just("A1"), st.just("rest"), st.integers(0, 9)), max_size=1),
    signals=st.just([]),
    holds=st.just([]),
    coverage=st.builds(CoverageFact, st.integers(0, 9), st.integers(0, 9), st.sampled_from([(), ("A1",)])),
    unseen=st.lists(st.tuples(st.just("1001"), st.just("A1")), max_size=1),
)


@given(facts, st.sets(st.sampled_from(list(core.ITEMS))))
def test_it_is_closed_exactly_when_each_open_line_has_its_reason(found: Facts, given_for: set[str]) -> None:
    """And what is kept says the reason of each line that was open, and of no other."""
    items = core.checklist(found, NOW)
    assert [item.key for item in items] == list(core.ITEMS)
    reasons = dict.fromkeys(given_for, "  because  of it ")
    open_now = {item.key for item in items if not item.is_done}
    if open_now <= given_for:
        kept = core.decide(items, core.digest(items), reasons)
        assert {each["key"]: each["reason"] for each in kept if each["reason"]} == dict.fromkeys(
            open_now, "because of it"
        )
    else:
        with pytest.raises(Refused) as refused:
            core.decide(items, core.digest(items), reasons)
        assert set(refused.value.keys) == open_now - given_for


@given(facts, facts)
def test_only_what_is_told_on_the_page_counts_as_a_change(one: Facts, two: Facts) -> None:
    """Lists that differ have different names; that time goes on is no change."""

    def told(found: Facts, now: int = NOW) -> Any:
        return [
            [[line._replace(length_ms=0) for line in part] for part in (item.open, item.noted)]
            for item in core.checklist(found, now)
        ]

    def name(found: Facts) -> str:
        return core.digest(core.checklist(found, NOW))

    assert (told(one) == told(two)) == (name(one) == name(two))
    with pytest.raises(Changed):
        core.decide(core.checklist(one, NOW), "another", dict.fromkeys(core.ITEMS, "x"))


# --- the store ------------------------------------------------------------------------------------------------------


@pytest.fixture
def centre(store: Store, tmp_path: Any) -> Centre:
    found = Centre(store, tmp_path / "live")
    room = found.room("Main hall")
    for number in (1, 2):
        found.seat(room, f"A{number}", f"c.d{number}")
        found.heartbeat(f"c.d{number}", state="waiting")
    found.execute("update sittings set end_utc_ms = :now", now=now_ms() - 60_000)
    return found


def reasons_for(standing: closing.Standing) -> dict[str, str]:
    return {item.key: f"reason of {item.key}" for item in standing.items if not item.is_done}


def test_closing_keeps_list_reasons_and_who_and_has_the_report_made(store: Store, centre: Centre) -> None:
    centre.alert("c.d1")
    before = closing.read(store, "sitting-1", now_ms())
    assert "incidents" in reasons_for(before)
    closing.close(store, "sitting-1", core.digest(before.items), reasons_for(before), ADA, closed := now_ms())
    after = closing.read(store, "sitting-1", now_ms())
    assert (after.sitting["closed_by"], after.sitting["closed_utc_ms"]) == ("Ada", closed)
    kept = {each["key"]: each["reason"] for each in after.closings[0]["items"]}
    assert kept["incidents"] == "reason of incidents"
    entry = audit.page(store, limit=1)[0]
    assert (entry.deed, entry.object, entry.who) == ("closed_sitting", "sitting sitting-1", "Ada")
    assert [dict(row)["kind"] for row in store.database()["jobs"].rows] == ["sitting_report"]
    with pytest.raises(Changed, match="Ada closed"):
        closing.close(store, "sitting-1", core.digest(after.items), reasons_for(after), ADA, now_ms())


def test_a_list_that_is_no_longer_true_closes_nothing(store: Store, centre: Centre) -> None:
    seen = closing.read(store, "sitting-1", now_ms())
    centre.alert("c.d1")
    with pytest.raises(Changed):
        closing.close(store, "sitting-1", core.digest(seen.items), dict.fromkeys(core.ITEMS, "x"), ADA, now_ms())
    assert not closing.read(store, "sitting-1", now_ms()).is_closed
    assert audit.page(store, limit=1) == []


def test_a_drill_needs_no_verdict(store: Store, centre: Centre) -> None:
    centre.alert("c.d1", is_drill=True)
    assert "incidents" not in reasons_for(closing.read(store, "sitting-1", now_ms()))


def test_opened_again_and_closed_again_both_closings_stay(store: Store, centre: Centre) -> None:
    for turn in (1, 2):
        now = closing.read(store, "sitting-1", now_ms())
        number, _ = closing.close(store, "sitting-1", core.digest(now.items), reasons_for(now), ADA, now_ms())
        if turn == 1:
            with pytest.raises(Refused, match="say why"):
                closing.reopen(store, "sitting-1", number, "  ", ADA, now_ms())
            closing.reopen(store, "sitting-1", number, "a late incident", ADA, now_ms())
            assert not closing.read(store, "sitting-1", now_ms()).is_closed
            with pytest.raises(Changed):
                closing.reopen(store, "sitting-1", number, "again", ADA, now_ms())
    found = closing.read(store, "sitting-1", now_ms())
    assert [each["reopened_why"] for each in found.closings] == ["a late incident", ""]


def test_a_desk_that_is_gone_is_written_off_with_what_it_had(store: Store, centre: Centre) -> None:
    centre.film(None, "c.d1", now_ms() - 600_000, 6)
    before = closing.read(store, "sitting-1", now_ms())
    assert [line.what for line in before.items[2].open] == ["c.d1"]
    with pytest.raises(Refused, match="no desk unit called"):
        closing.write_off(store, "sitting-1", "c.other", "stolen", ADA, now_ms())
    closing.write_off(store, "sitting-1", "c.d1", "stolen from the room", ADA, now_ms())
    after = closing.read(store, "sitting-1", now_ms())
    assert after.items[2].is_done
    assert (after.write_offs[0]["reason"], after.write_offs[0]["segments"]) == ("stolen from the room", 3)
    assert after.write_offs[0]["length_ms"] == before.items[2].open[0].length_ms
    with pytest.raises(Refused, match="already"):
        closing.write_off(store, "sitting-1", "c.d1", "again", ADA, now_ms())


def test_records_that_come_after_the_closing_are_counted(store: Store, centre: Centre) -> None:
    now = closing.read(store, "sitting-1", now_ms())
    closing.close(store, "sitting-1", core.digest(now.items), reasons_for(now), ADA, now_ms())
    assert closing.read(store, "sitting-1", now_ms()).late == 0
    for seq in (2, 3):
        centre.segment("c.d1", seq - 1)
        values = {"header": "{}", "body": "{}", "signature": "0" * 128, "hash": "0" * 64, "received_utc_ms": now_ms()}
        centre.insert("records", unit="c.d1", boot=1, seq=seq, kind="segment_closed", **values)
    assert closing.read(store, "sitting-1", now_ms()).late == 2


def test_a_candidate_whom_no_desk_saw_is_asked_about(store: Store, centre: Centre) -> None:
    """Seen at the seat, or marked as a no-show by a person: neither is asked about."""
    for number, seat in (("1001", "A1"), ("1002", "A2")):
        centre.insert("candidates", sitting="sitting-1", number=number, seat=seat)
    centre.observed("c.d1", now_ms() - 600_000, (30, "face", 1))
    centre.observed("c.d2", now_ms() - 600_000, (30, "empty", 0))
    item = closing.read(store, "sitting-1", now_ms()).items[7]
    assert item.open == (Line("1002", "A2"),)
    centre.execute("update candidates set no_show_utc_ms = 1 where number = '1002'")
    assert closing.read(store, "sitting-1", now_ms()).items[7].is_done


def test_a_sitting_that_is_not_there(store: Store) -> None:
    with pytest.raises(closing.NoSuchSitting):
        closing.read(store, "none", now_ms())
