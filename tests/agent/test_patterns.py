from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.patterns import (
    GRAVE_FAULTS,
    HUB_PATIENCE_S,
    PATTERNS,
    DeskState,
    Pattern,
    PatternName,
    ShownAlert,
    choose,
    is_buzzer_allowed,
    moments,
)
from agent.wire import AlertKind, FaultKind, Lamp, Mode

EVERY_PATTERN = pytest.mark.parametrize("pattern", PATTERNS.values(), ids=str)
EMPTY = ShownAlert(AlertKind.SEAT_EMPTY)
CONFIRMED = ShownAlert(AlertKind.SEAT_EMPTY, is_confirmed=True)
DISMISSED = ShownAlert(AlertKind.SEAT_EMPTY, is_confirmed=True, is_dismissed=True)
HELP = ShownAlert(AlertKind.HELP_REQUESTED)


def shown(**state: object) -> PatternName:
    """The pattern of a desk in a sitting."""
    return choose(DeskState(**{"is_sitting": True, **state}))  # type: ignore[arg-type]


def levels(pattern: Pattern, for_ms: int) -> list[float]:
    """The lamp's level at each 10 ms."""
    found: list[float] = []
    for moment in moments(pattern, False):
        found += [moment.level] * (moment.ms // 10)
        if len(found) * 10 >= for_ms:
            return found[: for_ms // 10]
    raise AssertionError("a pattern never ends")


# --- the table ---


def test_every_name_has_its_row() -> None:
    """The table is whole, and each row can be told to the hub as it is."""
    assert set(PATTERNS) == set(PatternName)
    for name, pattern in PATTERNS.items():
        assert pattern.name is name
        assert Lamp(pattern=name, colour=pattern.colour).pattern == name
        assert pattern.meaning.endswith(".")
        assert pattern.what_to_do.endswith(".")


def test_no_two_patterns_share_colour_or_rhythm() -> None:
    """Who cannot see the colour tells them by the rhythm: at one time or another the levels differ by half."""
    for one, other in itertools.combinations(PATTERNS.values(), 2):
        assert one.colour != other.colour
        differences = [abs(a - b) for a, b in zip(levels(one, 12_000), levels(other, 12_000), strict=True)]
        assert max(differences) >= 0.5, (one.name, other.name)


def beaten(pattern: Pattern) -> list[float]:
    """One round of the rhythm, a level each 50 ms."""
    return levels(pattern, sum(beat.ms for beat in pattern.rhythm))[::5]


def test_no_rhythm_is_another_one_begun_later() -> None:
    """Nobody sees where a rhythm begins: however two are laid over each other, they differ by more than 0.15 of full
    light on average over 20 s."""
    for one, other in itertools.combinations(PATTERNS.values(), 2):
        a, b = beaten(one), beaten(other)
        distances = [
            sum(abs(a[at % len(a)] - b[(at + later) % len(b)]) for at in range(400)) / 400 for later in range(len(b))
        ]
        assert min(distances) > 0.15, (one.name, other.name)


@EVERY_PATTERN
def test_every_lamp_moves(pattern: Pattern) -> None:
    """A lamp that stands still is a broken one: each changes visibly within any 5 s, and is not dark for long."""
    seen = levels(pattern, 12_000)
    for start in range(0, 700, 50):
        assert max(seen[start : start + 500]) - min(seen[start : start + 500]) >= 0.5
        assert max(seen[start : start + 350]) > 0


@EVERY_PATTERN
def test_no_lamp_flashes_more_than_three_times_a_second(pattern: Pattern) -> None:
    """The limit of WCAG 2.3.1: more may harm people with photosensitive epilepsy."""
    seen = levels(pattern, 12_000)
    rises = [n for n in range(1, len(seen)) if seen[n] - seen[n - 1] >= 0.1]
    assert all(sum(start <= rise < start + 100 for rise in rises) <= 3 for start in range(len(seen)))


@EVERY_PATTERN
def test_the_buzzer_plays_once_and_only_if_allowed(pattern: Pattern) -> None:
    """Its rhythm comes in the table's times when the pattern begins, and never again."""
    played = list(itertools.islice(moments(pattern, True), 500))
    assert sum(moment.ms for moment in played if moment.is_buzzing) == sum(ms for on, ms in pattern.buzzer if on)
    runs = [on for on, _ in itertools.groupby(moment.is_buzzing for moment in played)]
    assert runs == [*(on for on, _ in pattern.buzzer), False]
    assert not any(moment.is_buzzing for moment in itertools.islice(moments(pattern, False), 500))


@EVERY_PATTERN
def test_moments_keep_the_rhythm(pattern: Pattern) -> None:
    """Cut into steps or not, with the buzzer or without, a round takes its time and stays within 0..1."""
    round_ms = sum(beat.ms for beat in pattern.rhythm)
    for is_sounding in (True, False):
        played, at_ms, last = moments(pattern, is_sounding), 0, -1.0
        while at_ms < round_ms * 3:
            moment = next(played)
            assert moment.ms > 0
            assert -1e-9 <= moment.level <= 1 + 1e-9
            at_ms, last = at_ms + moment.ms, moment.level
        assert at_ms == round_ms * 3
        assert last == pytest.approx(pattern.rhythm[-1].level)


# --- the choice ---


def test_a_desk_that_is_well_shows_what_it_does() -> None:
    """Waiting without a sitting, recording in one, booting until it is ready."""
    assert choose(DeskState()) is PatternName.WAITING
    assert choose(DeskState(is_sitting=True)) is PatternName.RECORDING
    assert choose(DeskState(is_booting=True, is_sitting=True)) is PatternName.BOOTING


def test_automated_mode_shows_an_alert_at_once() -> None:
    """Until it is cleared or dismissed."""
    assert shown(alerts=(EMPTY,)) is PatternName.ATTENTION
    assert shown(alerts=(DISMISSED,)) is PatternName.RECORDING
    assert shown(alerts=(DISMISSED, EMPTY)) is PatternName.ATTENTION


def test_semi_automated_mode_waits_for_the_proctor_while_there_is_a_hub() -> None:
    """Only confirmed alerts show; after 30 s without hub nobody can confirm, so all do."""
    mode = Mode.SEMI_AUTOMATED
    assert shown(mode=mode, alerts=(EMPTY,)) is PatternName.RECORDING
    assert shown(mode=mode, alerts=(EMPTY, CONFIRMED)) is PatternName.ATTENTION
    assert shown(mode=mode, alerts=(DISMISSED,)) is PatternName.RECORDING
    assert shown(mode=mode, alerts=(EMPTY,), hub_away_s=HUB_PATIENCE_S - 0.1) is PatternName.RECORDING
    assert shown(mode=mode, alerts=(EMPTY,), hub_away_s=HUB_PATIENCE_S) is PatternName.ATTENTION
    assert shown(mode=mode, alerts=(DISMISSED,), hub_away_s=HUB_PATIENCE_S) is PatternName.RECORDING


def test_manual_mode_shows_faults_and_help_only() -> None:
    """With the hub or without, confirmed or not."""
    mode = Mode.MANUAL
    assert shown(mode=mode, alerts=(EMPTY, CONFIRMED), hub_away_s=99.0) is PatternName.RECORDING
    assert shown(mode=mode, alerts=(EMPTY, HELP)) is PatternName.HELP
    assert shown(mode=mode, alerts=(EMPTY,), faults=(FaultKind.TOO_HOT,)) is PatternName.FAULT


@pytest.mark.parametrize("mode", Mode)
def test_help_comes_first_in_every_mode(mode: Mode) -> None:
    """A person waits; nobody has to confirm that. Dismissed, it has been answered."""
    busy = DeskState(is_sitting=True, mode=mode, alerts=(CONFIRMED, HELP), faults=tuple(FaultKind), is_booting=True)
    assert choose(busy) is PatternName.HELP
    answered = ShownAlert(AlertKind.HELP_REQUESTED, is_dismissed=True)
    assert shown(mode=mode, alerts=(answered,)) is PatternName.RECORDING


@pytest.mark.parametrize("fault", FaultKind)
def test_grave_faults_come_before_alerts_and_the_others_after(fault: FaultKind) -> None:
    """Without proof or sight an alert may be stale; a warm board can wait. No hub is a pattern of its own."""
    first = PatternName.FAULT if fault in GRAVE_FAULTS else PatternName.ATTENTION
    alone = PatternName.NO_HUB if fault is FaultKind.HUB_UNREACHABLE else PatternName.FAULT
    assert shown(alerts=(EMPTY,), faults=(fault,)) is first
    assert shown(faults=(fault,)) is alone
    assert shown(faults=(FaultKind.HUB_UNREACHABLE, fault)) is alone


def test_a_desk_that_is_not_in_use_yet_says_so() -> None:
    """Enrolling is not booting and not a hub that is away; a drill is announced before what it plays, but neither hides
    a call for help nor lost proof."""
    assert choose(DeskState(is_enrolling=True, is_booting=True)) is PatternName.ENROLLING
    assert choose(DeskState(is_enrolling=True, faults=(FaultKind.HUB_UNREACHABLE,))) is PatternName.ENROLLING
    assert shown(is_drill=True, alerts=(EMPTY,), faults=(FaultKind.TOO_HOT,)) is PatternName.DRILL
    assert shown(is_drill=True, alerts=(HELP,)) is PatternName.HELP
    assert shown(is_drill=True, faults=(FaultKind.CAMERA_LOST,)) is PatternName.FAULT


def test_a_signal_is_a_persons_wish() -> None:
    """It comes after who calls for help and what endangers the proof, and before what a machine has seen, in every mode
    and outside sittings."""
    for mode in Mode:
        assert shown(mode=mode, is_signalled=True, alerts=(CONFIRMED,), is_drill=True) is PatternName.SIGNAL
    assert choose(DeskState(is_signalled=True)) is PatternName.SIGNAL
    assert shown(is_signalled=True, faults=(FaultKind.TOO_HOT, FaultKind.HUB_UNREACHABLE)) is PatternName.SIGNAL
    assert shown(is_signalled=True, alerts=(HELP,)) is PatternName.HELP
    assert shown(is_signalled=True, faults=(FaultKind.RECORDING_STOPPED,)) is PatternName.FAULT


@pytest.mark.parametrize("mode", Mode)
def test_a_lamp_that_may_not_show_alerts_shows_all_else(mode: Mode) -> None:
    """Not even what a proctor has confirmed, nor when the hub is away: but help, signals, drills and faults."""
    quiet = {"mode": mode, "may_show_alerts": False, "alerts": (EMPTY, CONFIRMED), "hub_away_s": 99.0}
    assert shown(**quiet) is PatternName.RECORDING
    assert shown(**quiet | {"alerts": (CONFIRMED, HELP)}) is PatternName.HELP
    assert shown(**quiet, is_signalled=True) is PatternName.SIGNAL
    assert shown(**quiet, is_drill=True) is PatternName.DRILL
    assert shown(**quiet, faults=(FaultKind.TOO_HOT,)) is PatternName.FAULT


def test_the_buzzer_is_silent_in_a_sitting_unless_asked() -> None:
    """Candidates write; outside a sitting it may sound."""
    assert not is_buzzer_allowed(DeskState(is_sitting=True, faults=tuple(FaultKind)))
    assert is_buzzer_allowed(DeskState(is_sitting=True, is_sound_asked=True))
    assert is_buzzer_allowed(DeskState())


@given(
    st.builds(
        DeskState,
        is_booting=st.booleans(),
        is_enrolling=st.booleans(),
        is_drill=st.booleans(),
        is_signalled=st.booleans(),
        may_show_alerts=st.booleans(),
        is_sitting=st.booleans(),
        mode=st.sampled_from(Mode),
        alerts=st.lists(
            st.builds(ShownAlert, st.sampled_from(AlertKind), st.booleans(), st.booleans()), max_size=3
        ).map(tuple),
        faults=st.lists(st.sampled_from(FaultKind), max_size=3).map(tuple),
        hub_away_s=st.floats(0, 100),
    )
)
def test_a_fault_never_looks_like_a_desk_that_is_well(state: DeskState) -> None:
    """For any state: with a fault never waiting or recording (nor booting, but for the hub); an alert shows only
    where one stands."""
    name = choose(state)
    if state.faults:
        assert name not in (PatternName.WAITING, PatternName.RECORDING, PatternName.BOOTING) or (
            state.is_booting and set(state.faults) == {FaultKind.HUB_UNREACHABLE}
        )
    if name is PatternName.ATTENTION:
        assert state.mode is not Mode.MANUAL
        assert state.may_show_alerts
        assert any(not alert.is_dismissed for alert in state.alerts)
    if name is PatternName.RECORDING:
        assert state.is_sitting
