"""Coverage: every second that is due is recorded or missing with its cause, and whether somebody was told."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from hub.core.coverage import Absence, Coverage, Fault, Known, Missing, Told, coverage, together
from hub.core.film import Gap
from hub.store import QUERIES, Store, bundle_requests, bundles, film, retention
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


def _extra_time(store: Store, seat: str, seconds: int) -> None:
    with store.write() as connection:
        connection.execute(
            "insert into candidates (sitting, number, seat, extra_ms) values ('s', '17', ?, ?)", (seat, seconds * 1000)
        )


def test_a_seat_with_extra_time_is_due_until_its_own_end(store: Store) -> None:
    """Its desk records longer: what is missing then is missing, and its neighbours are not asked for it. The sitting
    runs until the last of them ends."""
    _centre(store)
    _extra_time(store, "A1", 900)
    _segments(store, "c.d1", "A1", [(0, 4000)])
    _segments(store, "c.d2", "A2", [(0, 3600)])
    found = coverage_store.sitting(store, "s")
    assert found is not None
    assert found.latest_end_utc_ms == END + 900_000
    assert [found.is_running(at_ms) for at_ms in (START - 1, START, END + 899_999, END + 900_000)] == [
        False,
        True,
        True,
        False,
    ]
    seats = {each.label: each.report for each in coverage_store.read(store, found, LATER)}
    assert seats["A1"].planned_ms == seats["A1"].due_ms == 4500_000
    assert told(seats["A1"]) == [(4000, 4500, "not_told_yet")]
    assert (seats["A2"].due_ms, seats["A2"].per_cent) == (3600_000, 100)


def test_nothing_is_due_of_a_cancelled_sitting(store: Store) -> None:
    _centre(store)
    with store.write() as connection:
        connection.execute("update sittings set cancelled_utc_ms = 1")
    found = coverage_store.sitting(store, "s")
    assert found is not None
    assert not found.is_running(START)
    assert {each.report.due_ms for each in coverage_store.read(store, found, LATER)} == {0}
    assert not any(each.report.missing for each in coverage_store.read(store, found, LATER))


def test_a_seats_film_and_its_bundle_reach_to_its_own_end(store: Store) -> None:
    """However long the extra time is; the neighbour's end with the sitting."""
    _centre(store)
    _extra_time(store, "A1", 9000)
    with store.read() as connection:
        ids = {row["label"]: row["seat_id"] for row in connection.execute("select * from seats")}
        bundled = bundles.sitting_of(connection, "s", "A1"), bundles.sitting_of(connection, "s", "A2")
    _segments(store, "c.d1", "A1", [(8000, 8010)])
    for label, end in (("A1", END + 9_000_000), ("A2", END)):
        seat = film.seat(store, ids[label])
        assert [each.end_utc_ms for each in film.sittings(store, seat)] == [end]
        assert len(film.reel(store, seat, at(7990), at(8100)).segments) == (label == "A1")
        assert len(film.reel(store, seat, at(7990), at(8100)).sittings) == (label == "A1")
        asked = bundle_requests.sittings(store, ids[label], END)
        assert [each.end_utc_ms for each in asked] == [end]
    assert [row and row["end_utc_ms"] for row in bundled] == [END + 9_000_000, END]


def test_retention_counts_from_the_latest_end(store: Store) -> None:
    """Extra time past midnight makes it another day."""
    _centre(store)
    _extra_time(store, "A1", 9000)
    with store.write() as connection:
        connection.execute("insert into exams (exam) values ('Maths')")
        standing = retention.standing_of(connection, "s", "c.d2", "A2", dt.UTC)
    assert standing.place.sitting_end_utc_ms == END + 9_000_000
    assert [each.last_utc_ms for each in retention.exams(store)] == [END + 9_000_000]


def test_the_board_shows_a_sitting_until_the_last_ends_and_no_cancelled_one(store: Store) -> None:
    _centre(store)
    _extra_time(store, "A1", 900)
    with store.write() as connection:
        assert [row["end_utc_ms"] for row in QUERIES.board_sittings(connection, now=END - 1)] == [END]
        ends = [(row["end_utc_ms"], row["last_utc_ms"]) for row in QUERIES.board_sittings(connection, now=END)]
        assert ends == [(END, END + 900_000)]
        assert not list(QUERIES.board_sittings(connection, now=END + 900_000))
        connection.execute("update sittings set cancelled_utc_ms = 1")
        assert not list(QUERIES.board_sittings(connection, now=START))


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
