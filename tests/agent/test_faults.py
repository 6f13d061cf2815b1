from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.faults import (
    CONDITIONS,
    FAULT_RULES,
    MAX_TOLD,
    FaultBoard,
    FaultChange,
    FaultRule,
    FaultState,
    Limits,
    Readings,
    conditions,
)
from agent.wire import FaultKind, Instant

UTC_MS = 1_800_000_000_000
GB = 1_000_000_000
LIMITS = Limits()
WELL = Readings(
    up_ms=100_000,
    camera_since_up_ms=1_000,
    last_frame_up_ms=99_950,
    is_frozen=False,
    sitting_since_up_ms=10_000,
    last_written_up_ms=99_900,
    analysis_since_up_ms=1_000,
    observations_in_window=20,
    free_bytes=50 * GB,
    sync_ms_worst=12.0,
    is_power_low=False,
    temperature_c=55.0,
    is_clock_ok=True,
)


def now(up_ms: int) -> Instant:
    return Instant(UTC_MS + up_ms, up_ms)


def told(changes: list[FaultChange]) -> list[tuple[FaultKind, FaultState]]:
    return [(change.kind, change.state) for change in changes]


def wrong(**readings: object) -> dict[FaultKind, str]:
    """What is wrong by the well desk's readings with these changed."""
    found = conditions(msgspec.structs.replace(WELL, **readings), LIMITS)
    return {kind: text for kind, text in found.items() if text is not None}


def test_a_well_desk_has_no_fault_and_tells_every_kind() -> None:
    """All kinds of the language have a rule and a condition, and a well desk is fine by each."""
    assert conditions(WELL, LIMITS) == dict.fromkeys(FaultKind)
    assert sorted(rule.kind for rule in FAULT_RULES) == sorted(CONDITIONS) == sorted(FaultKind)
    assert all(rule.reason for rule in FAULT_RULES)


@pytest.mark.parametrize(
    ("readings", "kind", "words"),
    [
        ({"last_frame_up_ms": 97_400}, FaultKind.CAMERA_LOST, "no picture for 2.6 s"),
        ({"camera_trouble": "/dev/video0 is gone"}, FaultKind.CAMERA_LOST, "/dev/video0 is gone"),
        ({"is_frozen": True}, FaultKind.CAMERA_FROZEN, "does not change"),
        ({"last_written_up_ms": 96_900}, FaultKind.RECORDING_STOPPED, "nothing recorded for 3.1 s"),
        ({"observations_in_window": 3}, FaultKind.ANALYSIS_STOPPED, "3 looks in 4 s"),
        ({"free_bytes": 2 * GB - 1}, FaultKind.STORAGE_LOW, "2.0 GB free"),
        ({"sync_ms_worst": 1001.0}, FaultKind.STORAGE_SLOW, "1001 ms"),
        ({"storage_trouble": "no space left"}, FaultKind.STORAGE_FAILED, "no space left"),
        (
            {"storage_trouble": "gone"},
            FaultKind.STORAGE_FAILED,
            "the card is gone: taken out, unmounted, or its folder removed",
        ),
        ({"records_trouble": "read-only file system"}, FaultKind.STORAGE_FAILED, "read-only file system"),
        ({"is_clock_ok": False}, FaultKind.CLOCK_UNSYNCED, "not set"),
        ({"clock_step_ms": -5000}, FaultKind.CLOCK_STEPPED, "-5.0 s"),
        ({"is_power_low": True}, FaultKind.POWER_LOW, "voltage"),
        ({"temperature_c": 80.0}, FaultKind.TOO_HOT, "80 degrees"),
        ({"disconnected_since_up_ms": 58_000}, FaultKind.HUB_UNREACHABLE, "no hub for 42 s"),
        ({"plan_refusals": ("a rule", "another")}, FaultKind.PLAN_REFUSED, "a rule; another"),
    ],
)
def test_each_reading_that_is_wrong_is_its_own_fault_in_words(
    readings: dict[str, object], kind: FaultKind, words: str
) -> None:
    """One wrong reading gives one wrong condition, and its text says what was measured."""
    found = wrong(**readings)
    assert list(found) == [kind]
    assert words in found[kind]


@pytest.mark.parametrize(
    "readings",
    [
        {"last_frame_up_ms": 97_500},
        {"last_written_up_ms": 97_000},
        {"observations_in_window": 4},
        {"free_bytes": 2 * GB},
        {"sync_ms_worst": 1000.0},
        {"sync_ms_worst": None},
        {"clock_step_ms": 1000},
        {"temperature_c": 79.9},
    ],
)
def test_a_reading_at_its_limit_is_fine(readings: dict[str, object]) -> None:
    """Limits are the last good value."""
    assert wrong(**readings) == {}


def test_what_is_not_wanted_now_is_no_fault() -> None:
    """Without a sitting nothing need be written, without a wanted camera no picture need come."""
    assert wrong(sitting_since_up_ms=None, last_written_up_ms=None) == {}
    assert wrong(sitting_since_up_ms=99_000, last_written_up_ms=20_000) == {}
    off = {"camera_since_up_ms": None, "analysis_since_up_ms": None, "sitting_since_up_ms": None}
    assert wrong(**off, last_frame_up_ms=5_000, observations_in_window=0) == {}


def test_a_camera_that_never_gave_a_picture_is_lost() -> None:
    """Age counts from when the camera was first wanted."""
    assert FaultKind.CAMERA_LOST in wrong(camera_since_up_ms=97_000, last_frame_up_ms=None)
    assert FaultKind.CAMERA_LOST not in wrong(camera_since_up_ms=98_000, last_frame_up_ms=None)


def test_a_lost_camera_stops_the_recording_too_and_is_named_as_the_cause() -> None:
    """Both are true and both are told; whether analysis works nobody can say then."""
    found = conditions(
        msgspec.structs.replace(WELL, last_frame_up_ms=95_000, last_written_up_ms=95_000, observations_in_window=0),
        LIMITS,
    )
    assert found[FaultKind.RECORDING_STOPPED] == "nothing recorded for 5.0 s: no picture for 5.0 s"
    assert FaultKind.CAMERA_LOST in found
    assert FaultKind.ANALYSIS_STOPPED not in found
    assert FaultKind.CAMERA_FROZEN not in found


def test_a_recording_that_stopped_names_its_own_trouble_first() -> None:
    """The text a technician reads has the nearest cause."""
    found = wrong(last_written_up_ms=90_000, recording_trouble="the encoder ended", storage_trouble="no space left")
    assert found[FaultKind.RECORDING_STOPPED] == "nothing recorded for 10.0 s: the encoder ended"


def test_a_frozen_camera_is_raised_within_its_dwell_and_cleared_when_it_lives() -> None:
    """5 s of the same picture, a reading every half second; a camera that comes back for a second stays frozen, and
    while nobody can tell, nothing changes."""
    board, changes = FaultBoard(), []
    script = [(3, False), (4.5, True), (1, False), (8, True), (1.5, False), (3, True), (4, None), (6, False)]
    up_ms = 100_000
    for seconds, is_frozen in script:
        for _ in range(round(seconds * 2)):
            readings = msgspec.structs.replace(
                WELL, up_ms=up_ms, is_frozen=is_frozen, last_frame_up_ms=up_ms, last_written_up_ms=up_ms
            )
            changes += board.step(now(up_ms), conditions(readings, LIMITS))
            up_ms += 500
    assert told(changes) == [
        (FaultKind.CAMERA_FROZEN, FaultState.RAISED),
        (FaultKind.CAMERA_FROZEN, FaultState.CLEARED),
    ]
    raised, cleared = changes
    assert (raised.began.up_ms, raised.raised.up_ms) == (108_500, 113_500)
    assert cleared.cleared is not None
    assert cleared.cleared.up_ms == 127_000
    assert raised.detail == "the picture does not change"


def test_a_reading_that_fails_cannot_be_told() -> None:
    """None is not fine and not wrong: the kind is left out."""
    unread = {"free_bytes": None, "temperature_c": None, "is_power_low": None, "is_clock_ok": None, "is_frozen": None}
    found = conditions(msgspec.structs.replace(WELL, **unread), LIMITS)
    missing = set(FaultKind) - set(found)
    assert missing == {
        FaultKind.STORAGE_LOW,
        FaultKind.TOO_HOT,
        FaultKind.POWER_LOW,
        FaultKind.CLOCK_UNSYNCED,
        FaultKind.CAMERA_FROZEN,
    }
    young = msgspec.structs.replace(WELL, analysis_since_up_ms=97_000, observations_in_window=1)
    assert FaultKind.ANALYSIS_STOPPED not in conditions(young, LIMITS)


@pytest.mark.parametrize(
    ("kind", "dead"),
    [
        (FaultKind.CAMERA_LOST, {"last_frame_up_ms": 100_000}),
        (FaultKind.RECORDING_STOPPED, {"last_written_up_ms": 100_000}),
        (FaultKind.ANALYSIS_STOPPED, {}),
        (FaultKind.STORAGE_FAILED, {"storage_trouble": "no space left"}),
        (FaultKind.STORAGE_LOW, {"free_bytes": 0}),
    ],
)
def test_what_stops_the_proof_is_raised_within_five_seconds(kind: FaultKind, dead: dict[str, object]) -> None:
    """Something dies at 100 s; a reading every half second (the worst phase) raises its fault by 105 s."""
    board = FaultBoard()
    for up_ms in range(100_499, 105_000, 500):
        living = {"last_frame_up_ms": up_ms, "last_written_up_ms": up_ms}
        looks = max(0, 20 - (up_ms - 100_000) // 200) if kind is FaultKind.ANALYSIS_STOPPED else 20
        readings = msgspec.structs.replace(WELL, **{"up_ms": up_ms, **living, "observations_in_window": looks, **dead})
        changes = board.step(now(up_ms), conditions(readings, LIMITS))
        if (kind, FaultState.RAISED) in told(changes):
            return
    pytest.fail(f"{kind} was not raised")


def test_a_fault_is_raised_once_and_cleared_when_fine_for_its_time() -> None:
    """One fault from began to cleared, whatever its detail does; flapping shorter than clear_s is the same fault."""
    board = FaultBoard((FaultRule(FaultKind.CAMERA_LOST, 1, 2, "test"),), first_n=4)
    lost = FaultKind.CAMERA_LOST
    assert board.step(now(1000), {lost: "no picture for 2.6 s"}) == []
    (raised,) = board.step(now(2000), {lost: "no picture for 3.6 s"})
    assert (raised.n, raised.began, raised.raised, raised.detail) == (4, now(1000), now(2000), "no picture for 3.6 s")
    for up_ms, text in ((3000, None), (4000, "gone"), (4100, None), (6000, None)):
        assert board.step(now(up_ms), {lost: text}) == []
    assert board.standing()[0].detail == "gone"
    (cleared,) = board.step(now(6100), {lost: None})
    assert (cleared.n, cleared.state, cleared.began, cleared.cleared) == (4, FaultState.CLEARED, now(1000), now(6100))
    assert board.standing() == ()
    assert board.next_n == 5


def test_a_kind_that_cannot_be_told_stays_as_it_was() -> None:
    """A failing reading neither clears a fault, nor begins one, nor hides one that is under way."""
    board = FaultBoard((FaultRule(FaultKind.TOO_HOT, 10, 10, "test"),))
    hot = FaultKind.TOO_HOT
    assert board.step(now(0), {}) == []
    assert board.step(now(1000), {hot: "85"}) == []
    assert board.step(now(5000), {}) == []
    assert told(board.step(now(11_000), {hot: "85"})) == [(hot, FaultState.RAISED)]
    assert board.step(now(60_000), {}) == []
    assert len(board.standing()) == 1


def test_time_that_goes_back_changes_nothing() -> None:
    """An old reading is ignored."""
    board = FaultBoard()
    board.step(now(5000), {})
    assert board.step(now(4999), {FaultKind.STORAGE_FAILED: "no space left"}) == []


def test_the_most_urgent_fault_stands_first() -> None:
    """The order of the table decides what one lamp or one line shows."""
    board = FaultBoard()
    for up_ms in range(0, 60_000, 500):
        board.step(now(up_ms), dict.fromkeys(FaultKind, "wrong"))
    assert [fault.kind for fault in board.standing()] == [rule.kind for rule in FAULT_RULES]


KINDS = (FaultKind.CAMERA_LOST, FaultKind.STORAGE_LOW)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([-500, 0, 100, 500, 500, 3000]),
        st.dictionaries(st.sampled_from(KINDS), st.sampled_from([None, "wrong", "worse"])),
    ),
    max_size=60,
)
TIMES = st.sampled_from([0.0, 0.5, 1.0, 4.0])


@settings(deadline=None)
@given(times=st.tuples(TIMES, TIMES), steps=STEPS)
def test_any_readings_raise_and_clear_in_turn_and_never_without_their_time(
    times: tuple[float, float], steps: list[tuple[int, dict[FaultKind, str | None]]]
) -> None:
    """For any readings: raised and cleared take turns, times are in order, no fault while a reading said fine, and
    a replay says the same."""
    rules = [FaultRule(kind, *times, "test") for kind in KINDS]

    def run() -> tuple[list[tuple[int, dict[FaultKind, str | None]]], list[FaultChange]]:
        board, last_up_ms, seen = FaultBoard(rules), 1000, []
        changes = board.step(now(last_up_ms), {})
        for step_ms, found in steps:
            changes += board.step(now(last_up_ms + step_ms), found)
            if step_ms >= 0:
                last_up_ms += step_ms
                seen.append((last_up_ms, found))
        return seen, changes

    seen, changes = run()
    assert run() == (seen, changes)
    for kind in KINDS:
        own = [change for change in changes if change.kind is kind]
        assert [change.state for change in own] == ([FaultState.RAISED, FaultState.CLEARED] * len(own))[: len(own)]
        for change in own:
            began, raised = change.began.up_ms, change.raised.up_ms
            assert raised - began >= times[0] * 1000
            assert change.cleared is None or change.cleared.up_ms >= raised
            # two readings may share a millisecond, hence the open ends
            told_fine = [up for up, found in seen if began < up < raised and found.get(kind, "") is None]
            assert told_fine == []


def test_a_long_list_of_refusals_still_fits_a_record() -> None:
    """Sixty-four sittings with a wrong rule each: the detail is cut, and a fault with it can be sealed and sent."""
    detail = wrong(plan_refusals=("seat_empty: raise_s: wrong; the default holds",) * 64)[FaultKind.PLAN_REFUSED]
    assert detail.startswith("seat_empty: raise_s")
    assert len(detail) <= MAX_TOLD + 4
