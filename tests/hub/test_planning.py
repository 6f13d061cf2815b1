"""Plans: what is so at single seats of a sitting reaches the desks that stand there, and no other."""

from __future__ import annotations

from agent.wire import Pause, Plan
from hub.store import Store, intake, planning

START, END = 1_800_000_000_000, 1_800_003_600_000
BEFORE = START - 60_000


def planned(store: Store) -> dict[str, Plan]:
    """A hall with seats A1 and A2, a unit at each, and one sitting; the plans."""
    with store.write() as connection:
        for label in ("A1", "A2"):
            intake.add_unit(connection, f"c.{label.lower()}", label.lower() * 32, BEFORE)
            planning.put_seat(connection, room="Hall", label=label, unit=f"c.{label.lower()}")
        planning.plan_sitting(
            connection,
            sitting="maths",
            exam="Maths",
            room="Hall",
            start_utc_ms=START,
            end_utc_ms=END,
            now_utc_ms=BEFORE,
            may_lamp_show_alerts=False,
        )
    return plans(store, BEFORE)


def plans(store: Store, now_utc_ms: int) -> dict[str, Plan]:
    with store.write() as connection:
        planning.replan(connection, now_utc_ms)
        found = {unit: planning.plan_of(connection, unit) for unit in ("c.a1", "c.a2")}
    return {unit: plan for unit, plan in found.items() if plan is not None}


def test_extra_time_is_of_the_seat_alone(store: Store) -> None:
    """The candidate's desk records longer, the neighbour's does not, and the sitting stays in the plans until the last
    one has ended; a no-show's extra time counts for nothing."""
    number = planned(store)["c.a2"].number
    with store.write() as connection:
        connection.execute(
            "insert into candidates (sitting, number, seat, extra_ms) values ('maths', '17', 'A1', 900000)"
        )
    found = plans(store, BEFORE)
    assert [found[unit].sittings[0].end_utc_ms for unit in ("c.a1", "c.a2")] == [END + 900_000, END]
    assert found["c.a2"].number == number
    assert plans(store, END + 1)["c.a1"].sittings
    assert not plans(store, END + 900_000)["c.a1"].sittings
    with store.write() as connection:
        connection.execute("update candidates set no_show_utc_ms = ?", (START,))
    assert plans(store, BEFORE)["c.a1"].sittings[0].end_utc_ms == END


def test_a_break_is_in_the_plan_of_its_desk_until_its_limit(store: Store) -> None:
    """One that ended early ends there."""
    planned(store)
    with store.write() as connection:
        connection.execute(
            "insert into breaks (sitting, seat, kind, began_utc_ms, limit_utc_ms, given_by)"
            " values ('maths', 'A2', 'toilet', ?, ?, 'Ada')",
            (START + 1000, START + 301_000),
        )
    found = plans(store, START + 1000)
    pause = Pause(from_utc_ms=START + 1000, until_utc_ms=START + 301_000)
    assert (found["c.a1"].sittings[0].pauses, found["c.a2"].sittings[0].pauses) == ((), (pause,))
    with store.write() as connection:
        connection.execute("update breaks set ended_utc_ms = ?", (START + 60_000,))
    assert plans(store, START + 60_000)["c.a2"].sittings[0].pauses[0].until_utc_ms == START + 60_000


def test_a_cancelled_sitting_is_in_no_plan(store: Store) -> None:
    """And nothing waits for its end."""
    assert planned(store)["c.a1"].sittings[0].may_lamp_show_alerts is False
    with store.write() as connection:
        connection.execute("update sittings set cancelled_utc_ms = ?", (BEFORE,))
    assert not plans(store, BEFORE)["c.a1"].sittings
    with store.read() as connection:
        assert planning.is_quiet(connection, START)
