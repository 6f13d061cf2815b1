"""Rosters in the store: who sits where when, late changes, and the plans that follow them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hub.core.roster import Candidate, Entry, compare
from hub.store import Store, audit, intake, planning, roster, roster_changes
from hub.store.audit import Actor
from hub.store.roster_changes import CannotChange, Overtaken

START, END = 1_800_000_000_000, 1_800_003_600_000
BEFORE, DURING = START - 60_000, START + 600_000
ADA = Actor("Ada", "proctor", "127.0.0.1")
MIN = 60_000


def plan(connection: sqlite3.Connection, sitting: str, start_utc_ms: int, end_utc_ms: int) -> None:
    planning.plan_sitting(
        connection,
        sitting=sitting,
        exam=sitting.title(),
        room="Hall",
        start_utc_ms=start_utc_ms,
        end_utc_ms=end_utc_ms,
        now_utc_ms=BEFORE,
    )


@pytest.fixture
def maths(store: Store) -> Store:
    """A hall with seats A1 to A3, a desk at each, and a sitting with 17 at A1 (15 minutes more) and 18 at A2."""
    with store.write() as connection:
        for label in ("A1", "A2", "A3"):
            intake.add_unit(connection, f"c.{label.lower()}", label.lower() * 32, BEFORE)
            planning.put_seat(connection, room="Hall", label=label, unit=f"c.{label.lower()}")
        plan(connection, "maths", START, END)
        entries = [Entry("17", "Ida", "A1", extra_ms=15 * MIN), Entry("18", "Bo", "A2")]
        roster_changes.import_all(connection, ADA, "maths", compare(entries, ()), BEFORE)
    return store


@contextmanager
def writing(store: Store) -> Iterator[tuple[sqlite3.Connection, dict[str, Candidate]]]:
    with store.write() as connection:
        yield connection, {each.number: each for each in roster.candidates(connection, "maths")}


def seated(store: Store) -> dict[str, str]:
    with store.read() as connection:
        return {seat: each.number for seat, each in roster.at_seats(connection, "maths").items()}


def ends(store: Store) -> dict[str, int]:
    """Minutes after the sitting's end at which each desk's plan ends."""
    found = {}
    with store.read() as connection:
        for label in ("A1", "A2", "A3"):
            plan = planning.plan_of(connection, f"c.{label.lower()}")
            assert plan is not None
            found[label] = (plan.sittings[0].end_utc_ms - END) // MIN
    return found


def sat(store: Store, seat: str, at_utc_ms: int) -> str | None:
    with store.read() as connection:
        found = roster.who_sat(connection, "maths", seat, at_utc_ms)
    return None if found is None else found.number


def test_a_late_seat_change_keeps_who_sat_where_and_takes_the_extra_time_along(maths: Store) -> None:
    """Both desks' plans follow; the past stays as it was."""
    assert ends(maths) == {"A1": 15, "A2": 0, "A3": 0}
    with writing(maths) as (connection, known):
        roster_changes.move(connection, ADA, "maths", known["17"].candidate_id, 1, "A3", DURING)
    assert seated(maths) == {"A2": "18", "A3": "17"}
    assert ends(maths) == {"A1": 0, "A2": 0, "A3": 15}
    assert [sat(maths, "A1", at) for at in (START, DURING - 1, DURING)] == ["17", "17", None]
    assert [sat(maths, "A3", at) for at in (START, DURING - 1, DURING)] == [None, None, "17"]


def test_a_seat_change_before_the_sitting_begins_is_no_stay_of_its_own(maths: Store) -> None:
    with writing(maths) as (connection, known):
        roster_changes.move(connection, ADA, "maths", known["17"].candidate_id, 1, "A3", BEFORE)
        assert [(each.number, each.seat) for each in roster.stays(connection, "maths")] == [("18", "A2"), ("17", "A3")]
    assert sat(maths, "A1", START) is None


def test_two_change_places(maths: Store) -> None:
    """Only when that was asked for: a taken seat is refused with the name of who has it, and nothing changes."""
    with pytest.raises(CannotChange, match="seat A2 is candidate 18's"), writing(maths) as (connection, known):
        roster_changes.move(connection, ADA, "maths", known["17"].candidate_id, 1, "A2", DURING)
    assert seated(maths) == {"A1": "17", "A2": "18"}
    with writing(maths) as (connection, known):
        roster_changes.move(connection, ADA, "maths", known["17"].candidate_id, 1, "A2", DURING, is_swap=True)
    assert seated(maths) == {"A1": "18", "A2": "17"}
    assert ends(maths) == {"A1": 0, "A2": 15, "A3": 0}


def test_the_second_of_two_is_shown_the_firsts_change(maths: Store) -> None:
    with writing(maths) as (connection, known):
        roster_changes.change(connection, ADA, "maths", known["17"].candidate_id, 1, DURING, extra_ms=30 * MIN)
    assert ends(maths)["A1"] == 30
    with pytest.raises(Overtaken) as told, writing(maths) as (connection, known):
        roster_changes.move(connection, ADA, "maths", known["17"].candidate_id, 1, "A3", DURING + 1)
    assert told.value.now is not None
    assert (told.value.now.changed_by, told.value.now.changed_utc_ms) == ("Ada", DURING)
    assert told.value.now.changed == "extra time: 15 \N{RIGHTWARDS ARROW} 30"
    assert seated(maths)["A1"] == "17"


def test_a_walk_in_takes_a_no_shows_seat_and_the_no_show_can_only_come_back_to_a_free_one(maths: Store) -> None:
    with writing(maths) as (connection, known):
        eighteen = known["18"].candidate_id
        roster_changes.mark_no_show(connection, ADA, "maths", eighteen, 1, DURING, is_no_show=True)
        assert roster.at_seats(connection, "maths")["A2"].is_no_show
        assert roster.who_sat(connection, "maths", "A2", START) is None
        roster_changes.add(connection, ADA, "maths", Entry("99", "", "A2"), DURING, is_walk_in=True)
    assert seated(maths)["A2"] == "99"
    assert [sat(maths, "A2", at) for at in (DURING - 1, DURING)] == [None, "99"]
    with pytest.raises(CannotChange, match="candidate 99's now"), writing(maths) as (connection, known):
        roster_changes.mark_no_show(connection, ADA, "maths", eighteen, 2, DURING + 1, is_no_show=False)
    with writing(maths) as (connection, known):
        roster_changes.move(connection, ADA, "maths", known["99"].candidate_id, 1, "A3", DURING + 2)
        roster_changes.mark_no_show(connection, ADA, "maths", eighteen, 2, DURING + 3, is_no_show=False)
    assert seated(maths) == {"A1": "17", "A2": "18", "A3": "99"}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (Entry("99", "", "A1"), "seat A1 is candidate 17's"),
        (Entry("17", "", "A3"), "on this roster already"),
        (Entry("99", "", "Z9"), "no seat Z9"),
    ],
)
def test_a_walk_in_that_cannot_be_is_refused_and_nothing_is_kept(maths: Store, entry: Entry, words: str) -> None:
    with pytest.raises(CannotChange, match=words), writing(maths) as (connection, _):
        roster_changes.add(connection, ADA, "maths", entry, DURING, is_walk_in=True)
    assert seated(maths) == {"A1": "17", "A2": "18"}


def test_extra_time_into_the_rooms_next_sitting_is_refused_with_both_names(maths: Store) -> None:
    """A desk records one sitting at a time; the transaction of the refused change keeps nothing."""
    with maths.write() as connection:
        plan(connection, "french", END + 20 * MIN, END + 80 * MIN)
    with pytest.raises(CannotChange, match=r"maths.*french"), writing(maths) as (connection, known):
        roster_changes.change(connection, ADA, "maths", known["17"].candidate_id, 1, DURING, extra_ms=21 * MIN)
    assert ends(maths)["A1"] == 15


def test_importing_the_same_again_changes_nothing(maths: Store) -> None:
    """Not even a version or an entry in the log."""
    with writing(maths) as (connection, known):
        entries = [each.entry for each in known.values()]
        compared = compare(entries, known.values())
        before = audit.head(connection)
        roster_changes.import_all(connection, ADA, "maths", compared, DURING)
        assert (len(compared.new), len(compared.unchanged)) == (0, 2)
        assert audit.head(connection) == before
        assert {each.version for each in roster.candidates(connection, "maths")} == {1}


def test_an_import_lets_two_change_places_and_keeps_whom_it_no_longer_lists(maths: Store) -> None:
    with writing(maths) as (connection, known):
        entries = [Entry("17", "Ida", "A2"), Entry("18", "Bo", "A1")]
        roster_changes.import_all(connection, ADA, "maths", compare(entries, known.values()), BEFORE)
    assert seated(maths) == {"A1": "18", "A2": "17"}
    with writing(maths) as (connection, known):
        compared = compare([known["17"].entry], known.values())
        roster_changes.import_all(connection, ADA, "maths", compared, BEFORE)
        assert [each.number for each in compared.missing] == ["18"]
    assert seated(maths) == {"A1": "18", "A2": "17"}
    with writing(maths) as (connection, known):
        roster_changes.import_all(connection, ADA, "maths", compared, BEFORE, removed={"18"})
    assert seated(maths) == {"A2": "17"}


def test_nobody_is_removed_once_the_sitting_has_begun(maths: Store) -> None:
    with writing(maths) as (_, known):
        compared = compare([known["17"].entry], known.values())
    with pytest.raises(CannotChange, match="has begun"), writing(maths) as (connection, _):
        roster_changes.import_all(connection, ADA, "maths", compared, DURING, removed={"18"})
    assert seated(maths) == {"A1": "17", "A2": "18"}


def test_no_import_and_no_walk_in_takes_a_desk_that_has_ended_up_again(maths: Store) -> None:
    """Extra time is for whose desk still records, however it is entered."""
    entries = [Entry("17", "Ida", "A1", extra_ms=25 * MIN), Entry("18", "Bo", "A2")]
    with writing(maths) as (connection, known):
        more = compare(entries, known.values())
        roster_changes.import_all(connection, ADA, "maths", more, END + 5 * MIN)
    assert ends(maths) == {"A1": 25, "A2": 0, "A3": 0}
    entries[1] = Entry("18", "Bo", "A2", extra_ms=30 * MIN)
    for at in (END + 5 * MIN, END + 40 * MIN):
        with pytest.raises(CannotChange, match="candidate 18's time is over"), writing(maths) as (connection, known):
            roster_changes.import_all(connection, ADA, "maths", compare(entries, known.values()), at)
        late = Entry("19", "Eve", "A3", extra_ms=50 * MIN)
        with pytest.raises(CannotChange, match="candidate 19's time is over"), writing(maths) as (connection, _):
            roster_changes.add(connection, ADA, "maths", late, at, is_walk_in=True)
    assert ends(maths) == {"A1": 25, "A2": 0, "A3": 0}


def test_every_change_stands_in_the_audit_log_before_and_after(maths: Store) -> None:
    with writing(maths) as (connection, known):
        roster_changes.change(connection, ADA, "maths", known["17"].candidate_id, 1, DURING, name="Ida B.")
    entry = audit.page(maths, limit=1)[0]
    assert (entry.deed, entry.object, entry.who) == ("changed_roster", "sitting maths", "Ada")
    assert entry.detail == '{"act":"changed","candidate":"17","name":["Ida","Ida B."]}'


def test_a_cancelled_or_closed_sittings_roster_stays(maths: Store) -> None:
    for column, words in (("cancelled_utc_ms", "cancelled"), ("closed_utc_ms", "closed")):
        with maths.write() as connection:
            connection.execute("update sittings set cancelled_utc_ms = null")
            connection.execute(f"update sittings set {column} = 1")
        with pytest.raises(CannotChange, match=words), writing(maths) as (connection, known):
            roster_changes.move(connection, ADA, "maths", known["17"].candidate_id, 1, "A3", DURING)
