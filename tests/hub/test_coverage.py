"""Coverage: every second that is due is recorded or missing with its cause, and whether somebody was told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.core.coverage import Absence, Coverage, Fault, Known, Missing, Told, coverage, together
from hub.core.film import Gap
from hub.store import Store
from hub.store import coverage as coverage_store

START, END = 1_700_000_000_000, 1_700_003_600_000
LATER = END + 3_600_000
seconds = st.integers(-60, 3700)
stretches = st.lists(st.tuples(seconds, st.integers(1, 900)), max_size=8)


def at(second: float) -> int:
    return START + round(second * 1000)


def report(recorded: list[tuple[float, float]], *, now: int = LATER, **known: object) -> Coverage:
    spans = [(at(begin), at(end)) for begin, end in recorded]
    values = {"told_until_utc_ms": LATER} | known
    return coverage(START, END, now, Known(spans, **values))  # type: ignore[arg-type]


def told(found: Coverage) -> list[tuple[float, float, str]]:
    return [((m.from_utc_ms - START) / 1000, (m.until_utc_ms - START) / 1000, m.cause) for m in found.missing]


@given(stretches, stretches, st.one_of(st.none(), seconds), seconds)
def test_recorded_and_missing_add_up_to_what_is_due(
    recorded: list[tuple[int, int]], gaps: list[tuple[int, int]], told_until: int | None, now: int
) -> None:
    """Whatever overlaps whatever: nothing counts twice, nothing is left out, causes do not overlap."""
    spans = [(at(begin), at(begin + length)) for begin, length in recorded]
    known = Known(
        spans,
        gaps=[Gap(at(begin), at(begin + length), "restart") for begin, length in gaps],
        told_until_utc_ms=None if told_until is None else at(told_until),
    )
    found = coverage(START, END, at(now), known)
    covered = {s for begin, length in recorded for s in range(max(begin, 0), min(begin + length, 3600))}
    horizon = min(3600, max(max((b + n for b, n in recorded), default=0), now - 15))
    assert found.due_ms == max(horizon, 0) * 1000
    assert found.recorded_ms == len({s for s in covered if s < horizon}) * 1000
    assert found.recorded_ms + found.missing_ms == found.due_ms
    assert sum(m.until_utc_ms - m.from_utc_ms for m in found.missing) == found.missing_ms
    assert all(one.until_utc_ms <= two.from_utc_ms for one, two in zip(found.missing, found.missing[1:], strict=False))


def test_a_gap_is_told_with_its_cause_and_what_nobody_explained_is_named() -> None:
    gap = Gap(at(600), at(660), "camera_lost", detail="/dev/video0")
    found = report([(0, 600), (660, 1200), (1300, 3600)], gaps=[gap])
    assert told(found) == [(600, 660, "camera_lost"), (1200, 1300, "unknown")]
    assert found.missing[0].detail == "/dev/video0"
    assert found.per_cent == 95.55
    assert together([found, found]) == (2 * found.recorded_ms, 2 * 3_600_000)


def test_two_units_at_one_seat_count_once_and_film_beats_a_gap() -> None:
    overlapping = report([(0, 2000), (1500, 3600)], gaps=[Gap(at(100), at(200), "restart")])
    assert (overlapping.recorded_ms, overlapping.missing) == (3_600_000, ())
    assert overlapping.per_cent == 100


def test_borders_of_segments_and_the_first_picture_are_no_gaps() -> None:
    found = report([(0.4, 1800), (1800.1, 3599.5)])
    assert found.missing == ()
    assert found.recorded_ms == 3_599_100
    assert found.per_cent == 99.97


def test_while_it_runs_what_is_being_written_is_not_due() -> None:
    """The open segment, about 15 s, is no gap; the desk that is silent for longer is one."""
    assert report([(0, 590)], now=at(600)).missing == ()
    running = report([(0, 500)], now=at(600), told_until_utc_ms=at(500))
    assert told(running) == [(500, 585, "not_told_yet")]
    assert (running.planned_ms, running.due_ms) == (3_600_000, 585_000)
    assert report([], now=at(-100)).per_cent is None


def test_what_a_desk_may_still_tell_is_not_called_unknown() -> None:
    found = report([(0, 1000)], told_until_utc_ms=at(2000))
    assert told(found) == [(1000, 2000, "unknown"), (2000, 3600, "not_told_yet")]
    never = report([], told_until_utc_ms=None)
    assert told(never) == [(0, 3600, "not_told_yet")]
    assert never.missing[0].told == (Told("dashboard", START, "desk_not_answering"),)
    nobody = report([], told_until_utc_ms=None, has_desk=False)
    assert told(nobody) == [(0, 3600, "no_desk")]


def test_who_was_told_and_when() -> None:
    """The lamp at the desk by its clock, the dashboard by the hub's; a fault that does not stop recording tells
    nothing."""
    fault = Fault("camera_lost", at(601), at(604), at(660), at(605))
    clock = Fault("clock_unsynced", at(0), at(1), None, at(2))
    away = Absence(at(2003.5), at(2100))
    gaps = [
        Gap(at(600), at(660), "camera_lost"),
        Gap(at(2000), at(2090), "power_or_crash"),
        Gap(at(3000), at(3002), "restart"),
    ]
    recorded: list[tuple[float, float]] = [(0, 600), (660, 2000), (2090, 3000), (3002, 3600)]
    found = report(recorded, gaps=gaps, faults=[fault, clock], absences=[away])
    assert [missing.told for missing in found.missing] == [
        (Told("lamp", at(604), "camera_lost"), Told("dashboard", at(605), "camera_lost")),
        (Told("dashboard", at(2003.5), "desk_not_answering"),),
        (),
    ]


def test_a_gap_of_unknown_length_is_said_to_be_one() -> None:
    found = report([(0, 600), (700, 3600)], gaps=[Gap(at(600), at(700), "power_or_crash", is_length_known=False)])
    assert found.missing == (Missing(at(600), at(700), "power_or_crash", "", False, ()),)


def _centre(store: Store) -> coverage_store.Sitting:
    with store.write() as connection:
        connection.execute("insert into rooms (room_id, name) values (1, 'Hall')")
        connection.execute(
            "insert into sittings (sitting, exam, room_id, start_utc_ms, end_utc_ms, mode, rules)"
            " values ('s', 'Maths', 1, ?, ?, 'automated', '[]')",
            [START, END],
        )
        for number in (1, 2, 3):
            connection.execute(
                "insert into units (unit, public_key, first_seen_utc_ms) values (?, ?, 1)",
                [f"c.d{number}", f"{number:064x}"],
            )
        for label, unit in (("A1", "c.d1"), ("A2", "c.d2"), ("A3", None)):
            connection.execute("insert into seats (room_id, label, unit) values (1, ?, ?)", [label, unit])
    found = coverage_store.sitting(store, "s")
    assert found is not None
    return found


def _segments(store: Store, unit: str, seat: str, spans: list[tuple[int, int]], length: int = 10) -> None:
    rows = [
        (unit, f"{n}.ts", at(n), at(min(n + length, end)), f"{n:064x}", n + 1, seat)
        for begin, end in spans
        for n in range(begin, end, length)
    ]
    with store.write() as connection:
        connection.executemany(
            """insert into segments (unit, name, sitting, began_utc_ms, began_up_ms, ended_utc_ms, ended_up_ms, frames,
                size_bytes, sha256, is_cut, boot, seq, seat)
            values (?, ?, 's', ?, 0, ?, 0, 1, 1, ?, 0, 1, ?, ?)""",
            rows,
        )


def test_the_store_adds_up_segments_by_seat(store: Store) -> None:
    """The seat that a segment names counts, not where its unit is now; a replaced unit's film counts for the seat."""
    found = _centre(store)
    _segments(store, "c.d1", "A1", [(0, 1000), (1200, 3600)])
    _segments(store, "c.d3", "A1", [(900, 1100)])  # the unit that stood there in between
    _segments(store, "c.d2", "A2", [(0, 3600)])
    with store.write() as connection:
        connection.execute(
            """insert into gaps
                (unit, boot, seq, sitting, began_utc_ms, ended_utc_ms, cause, is_length_known, detail, seat)
            values ('c.d1', 1, 9000, 's', ?, ?, 'restart', 1, '', 'A1')""",
            [at(1000), at(1200)],
        )
    seats = {each.label: each for each in coverage_store.read(store, found, LATER)}
    assert list(seats) == ["A1", "A2", "A3"]
    assert told(seats["A1"].report) == [(1100, 1200, "restart")]
    assert seats["A1"].units == ("c.d1", "c.d3")
    assert seats["A2"].report.per_cent == 100
    assert told(seats["A3"].report) == [(0, 3600, "no_desk")]
    assert coverage_store.size(store, "s") == (100 + 240 + 20 + 360, 1)
    assert [each.sitting for each in coverage_store.sittings(store)] == ["s"]
    assert coverage_store.sittings(store, START) == []


def test_the_hub_remembers_when_a_desk_was_not_there(store: Store) -> None:
    """A last will, and silence of 3.5 s between two heartbeats, are what the dashboard showed; both end with a word."""
    found = _centre(store)

    def hear(is_online: int, status: float, heartbeat: float | None) -> None:
        with store.write() as connection:
            connection.execute(
                """insert into presence (unit, is_online, status_utc_ms, boot, heartbeat, heartbeat_utc_ms)
                values ('c.d1', :on, :status, 1, '{"spool":0}', :beat) on conflict (unit) do update set is_online = :on,
                status_utc_ms = :status, heartbeat_utc_ms = :beat""",
                {"on": is_online, "status": at(status), "beat": None if heartbeat is None else at(heartbeat)},
            )

    hear(1, 0, None)
    hear(1, 0, 1)
    hear(1, 0, 2.5)
    hear(0, 600, 2.5)
    hear(1, 660, 662)
    hear(1, 660, 663.5)
    hear(1, 660, 700)
    hear(1, 660, 3605)
    absences = [(row["from_utc_ms"] - START, row["until_utc_ms"] - START) for row in store.database()["absences"].rows]
    assert absences == [(600_000, 662_000), (667_000, 700_000), (703_500, 3_605_000)]
    seats = {each.label: each for each in coverage_store.read(store, found, at(4000))}
    assert told(seats["A1"].report) == [(0, 3600, "unknown")]
    assert seats["A1"].report.missing[0].told == (Told("dashboard", at(600), "desk_not_answering"),)
