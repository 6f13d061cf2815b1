"""A desk dies in the middle of an exam and a spare takes its place: the seat's story goes on."""

from __future__ import annotations

import time
from pathlib import Path

from hub.core.seat_history import Kind
from hub.store import coverage, desks, planning, rooms, seat_history
from hub.store.audit import Actor
from tests.journey.centre import ROOM, SEAT, UNIT, Centre
from tests.support import wait_for

SPARE = "test.spare-01"
ROOT = Actor("Root", "admin")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def segments(place: Centre, unit: str) -> list[str]:
    return [row["seat"] for row in place.rows("select seat from segments where unit = ?", unit)]


def test_a_spare_desk_goes_on_where_a_dead_one_ended(place: Centre, leaving: Path) -> None:
    """The spare has the running sitting with the seat in its plan and records; the seat's coverage shows both units and
    the gap between, its page the incidents of both, and the dead desk, back on another table, records nothing."""
    place.start_ingest()
    place.start_desk(f"footage:{leaving}")
    place.plan()
    place.start_desk(f"footage:{leaving}", SPARE)
    wait_for(lambda: place.rows("select * from incidents where unit = ?", UNIT), 90)
    wait_for(lambda: segments(place, UNIT), 60)
    spare = wait_for(lambda: place.heartbeat(SPARE), 60)
    assert spare is not None
    assert spare.state == "waiting", "a spare has nothing to record"
    place.kill(UNIT)

    found = wait_for(lambda: [each for each in desks.spares(place.store, now_ms()) if each.is_online], 60)
    assert [each.unit for each in found] == [SPARE]
    with place.store.write() as connection:
        seat = rooms.seat_called(connection, ROOM, SEAT)
        desks.put_desk(connection, ROOT, seat, SPARE, now_ms(), seen=UNIT)
    with place.store.read() as connection:
        plans = {unit: planning.plan_of(connection, unit) for unit in (UNIT, SPARE)}
    assert {unit: [each.seat for each in plan.sittings] for unit, plan in plans.items() if plan} == {
        UNIT: [],
        SPARE: [SEAT],
    }

    wait_for(lambda: segments(place, SPARE), 60)
    assert set(segments(place, SPARE)) == {SEAT}
    wait_for(lambda: place.rows("select * from incidents where unit = ?", SPARE), 90)
    [running] = coverage.sittings(place.store)
    [report] = coverage.read(place.store, running, now_ms())
    assert (report.label, report.units) == (SEAT, (UNIT, SPARE))
    last = place.rows("select max(ended_utc_ms) as at from segments where unit = ?", UNIT)[0]["at"]
    first = place.rows("select min(began_utc_ms) as at from segments where unit = ?", SPARE)[0]["at"]
    between = [gap for gap in report.report.missing if gap.from_utc_ms < first and gap.until_utc_ms > last]
    assert sum(gap.until_utc_ms - gap.from_utc_ms for gap in between) >= first - last - 1_000, report.report.missing
    history = seat_history.read(place.store, seat.seat_id, now_ms(), [Kind.INCIDENT])
    assert history is not None
    assert {each.unit for each in history.entries} == {UNIT, SPARE}
    assert [unit for unit, _, _ in history.units] == [SPARE, UNIT]

    # What the dead desk had not told comes when it is switched on elsewhere: it is this seat's, and it records no more.
    place.start_desk(f"footage:{leaving}")
    beat = wait_for(lambda: (b := place.heartbeat(UNIT)) and b.boot > 1 and b.spool == 0 and b, 60)
    assert beat
    assert beat.state == "waiting"
    assert set(segments(place, UNIT)) == {SEAT}
    assert {row["seat"] for row in place.rows("select seat from alerts union select seat from gaps")} == {SEAT}
    for unit in (UNIT, SPARE):
        assert place.stop(unit) == 0
