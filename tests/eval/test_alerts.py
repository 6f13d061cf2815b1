"""Alerts against truth: empty seats told in time, false alerts, and alerts that outstay their cause."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

import models
from agent.core.observation import Face, Observation, Scene
from agent.core.seat import SeatState
from agent.wire import AlertKind, Rule
from tests.eval import alerts, render
from tests.eval.alerts import Raised, Stretch
from tests.eval.footage import Item, Second
from tests.eval.quality import FalseAlert, KindRun, read_quality
from tests.eval.seats import read_moving, true_states

EMPTY, SOMEBODY, FACE = SeatState.EMPTY, SeatState.SOMEBODY, SeatState.FACE
LETTERS: dict[str, tuple[int, SeatState | None]] = {"E": (0, EMPTY), "S": (0, SOMEBODY), "F": (1, FACE), "?": (0, None)}


def instants(states: str) -> alerts.Instants:
    """A letter a second: Empty, Somebody, Face, ? not known."""
    return [(Second(LETTERS[s][0], n + 0.5), LETTERS[s][1]) for n, s in enumerate(states)]


def empty(began_s: float, raised_s: float, cleared_s: float | None = None) -> Raised:
    return Raised(AlertKind.SEAT_EMPTY, began_s, raised_s, cleared_s)


def test_stretches_are_only_as_long_as_is_sure() -> None:
    """From the first sure instant to the last; a film's own beginning and end are ends of a stretch too."""
    found = alerts.stretches(AlertKind.SEAT_EMPTY, instants("EEEF?EES" + "FEEEE"), 13.0)
    assert found == [Stretch(0.0, 2.5), Stretch(5.5, 6.5), Stretch(9.5, 13.0)]
    assert alerts.due(found, 3.0) == [Stretch(9.5, 13.0)]
    assert alerts.due([Stretch(1.0, 4.0)], 3.0) == []
    assert alerts.stretches(AlertKind.FACE_NOT_VISIBLE, instants("FSSF"), 4.0) == [Stretch(1.5, 2.5)]


def test_a_stretch_is_told_when_an_alert_of_its_kind_is_raised_in_it() -> None:
    """The first such alert counts; one raised after, of another kind, or cleared meanwhile is not about it; one that
    stands from before to its end is."""
    stretch = Stretch(10.0, 20.0)
    assert alerts.raised_for(stretch, AlertKind.SEAT_EMPTY, [empty(6, 9, 9.5), empty(10.2, 13.4), empty(15, 18)]) == (
        pytest.approx(3.4)
    )
    assert alerts.raised_for(stretch, AlertKind.SEAT_EMPTY, [empty(18, 21)]) is None
    assert alerts.raised_for(stretch, AlertKind.SEAT_EMPTY, [empty(4, 7, 11)]) is None
    assert alerts.raised_for(stretch, AlertKind.SEAT_EMPTY, [empty(4, 7, 21)]) == 0
    assert alerts.raised_for(stretch, AlertKind.SEAT_EMPTY, [empty(4, 7)]) == 0
    assert alerts.raised_for(stretch, AlertKind.SEAT_EMPTY, [empty(4, 7)], [empty(4, 7)]) is None
    assert alerts.raised_for(stretch, AlertKind.MORE_THAN_ONE_FACE, [empty(10.2, 13.4)]) is None


@pytest.mark.parametrize(
    ("states", "alert", "is_false"),
    [
        ("FFEEEEEEEEE", empty(1.6, 4.7, 11), False),
        ("FFEEEEEEEEE", empty(1.4, 4.7, 11), True),  # somebody's face at 1.5 s lies within the dwell
        ("F?EEEEEEEEE", empty(1.4, 4.7, 11), False),  # what is not known is not held against it
        ("EEEEEFFFFFF", empty(0.1, 3.1, 8.3), False),  # clearing takes its time
        ("EEEEEFFFFFFFF", empty(0.1, 3.1, None), True),  # but not all of it
        ("EEEEEFFFEEEFFFE", empty(0.1, 3.1, None), False),  # empty again before it had cleared
        ("EEEEESSSSSSSS", empty(0.1, 3.1, None), True),  # a turned back is somebody
    ],
)
def test_an_alert_is_false_when_it_began_or_stayed_without_cause(states: str, alert: Raised, is_false: bool) -> None:
    """Its dwell must hold no instant that contradicts it, nor may it stand much longer than its clearing takes."""
    assert alerts.is_false(alert, instants(states), clear_s=3.0) is is_false


def test_covered_seconds_suspend_the_seat_and_the_truth_of_others_may_be_unknown() -> None:
    """An empty-seat alert over a covered lens is false; whether a camera that is not still moved, nobody noted."""
    covered = Second(0, 0.5, covered="finger")
    assert alerts.is_true(AlertKind.SEAT_EMPTY, covered, None) is False
    assert alerts.is_true(AlertKind.CAMERA_COVERED, covered, None) is True
    assert alerts.is_true(AlertKind.CAMERA_MOVED, covered, None) is None
    assert not alerts.is_known(Raised(AlertKind.CAMERA_MOVED, 0.1, 3.0, None), [(covered, None)])
    assert alerts.is_true(AlertKind.MORE_THAN_ONE_FACE, Second(2, 0.5, is_unsure=True), None) is None
    assert alerts.untrue_seconds(AlertKind.SEAT_EMPTY, [(covered, None), *instants("SF?E")]) == 3


def test_a_still_camera_has_not_moved() -> None:
    """A film that is not named as moving vouches for its view in every second, a picture for nothing."""
    seconds = tuple(Second(1, n + 0.5) for n in range(10))
    film = Item("still", Path("still.mp4"), True, False, 720, 10.0, frozenset(), seconds)
    moved = Raised(AlertKind.CAMERA_MOVED, 1.0, 6.0, None)
    still, moving = (true_states(film, {}, names) for names in ((), ("still",)))
    assert alerts.is_false(moved, still, clear_s=5)
    assert alerts.untrue_seconds(AlertKind.CAMERA_MOVED, still) == 10
    assert not alerts.is_false(moved, moving, clear_s=5)
    assert not alerts.is_known(moved, moving)
    assert alerts.untrue_seconds(AlertKind.CAMERA_MOVED, moving) == 0
    assert alerts.untrue_seconds(AlertKind.CAMERA_MOVED, true_states(film._replace(is_film=False), {})) == 0
    assert "d12_dark_theatre" in read_moving()


def test_a_kind_without_truth_is_no_part_of_the_whole() -> None:
    """All film must not vouch for what was never judged, nor does its row go."""
    stored = read_quality(Path(models.__file__).with_name("quality.json"))
    false = FalseAlert("film", "camera_covered", 0.0, 1.0, None)
    rows = (KindRun("camera_covered", 3, 0, (false,), 60.0), KindRun("camera_moved", 7, 7, (), 0.0))
    shown = render.kinds(msgspec.structs.replace(stored, kinds=rows)).splitlines()
    assert [cell.strip() for cell in shown[-2].split("|")][1:4] == ["`camera_moved`", "7", "7"]
    assert [cell.strip() for cell in shown[-1].split("|")][1:5] == ["all with a truth, over all film", "3", "0", "1"]


def test_the_judge_says_what_a_desk_would_raise() -> None:
    """Two faces from 2 s to 8 s: raised after the dwell, cleared after the other one, in seconds of the film."""
    faces = tuple(Face((0.1 + n / 2, 0.3, 0.2, 0.3), 0.9) for n in range(2))
    scene = Scene(100, 40, is_covered=False)
    looks = []
    for n in range(75):
        up_ms = 100 + 200 * n
        looks.append(Observation(up_ms, up_ms, faces if 2000 <= up_ms < 8000 else faces[:1], scene))
    rule = Rule(kind=AlertKind.MORE_THAN_ONE_FACE, raise_s=3, clear_s=5, threshold=0.6)
    assert alerts.judged(looks, [rule]) == [Raised(AlertKind.MORE_THAN_ONE_FACE, 2.1, 5.1, 13.1)]


def test_the_scored_rules_wait_three_seconds_with_or_without_a_reference() -> None:
    """Thresholds and witnesses stay those that a sitting has by default."""
    quick, usual = alerts.scored_rules()[0], alerts.seat_rule()
    assert (quick.raise_s, quick.clear_s, quick.witnesses.unreferenced_s) == (3, 3, 0)
    assert (quick.threshold, quick.witnesses.person) == (usual.threshold, usual.witnesses.person)
