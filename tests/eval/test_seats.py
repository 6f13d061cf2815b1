"""What is true of a seat, and what each witness says of it alone."""

from __future__ import annotations

import pytest

from agent.core.observation import Face, Observation, Scene, Seat
from agent.core.seat import SeatState
from agent.wire import AlertKind, Rule
from tests.eval.footage import Second
from tests.eval.seats import SeatNote, confusion, read_notes, said_state, true_state

EMPTY, SOMEBODY, FACE, UNKNOWN = SeatState.EMPTY, SeatState.SOMEBODY, SeatState.FACE, SeatState.UNKNOWN
RULE = Rule(kind=AlertKind.SEAT_EMPTY, raise_s=3, clear_s=3, threshold=0.6)
NOTE = SeatNote("somebody", ((0.0, 6.1), (45.0, 50.1)))


@pytest.mark.parametrize(
    ("second", "state"),
    [
        (Second(1, person=1), FACE),
        (Second(0, person=2), SOMEBODY),
        (Second(0, person=0), EMPTY),
        (Second(0), None),
        (Second(1), FACE),
        (Second(1, is_unsure=True, person=1), None),
        (Second(0, person=1, person_unsure=True), None),
        (Second(0, covered="black"), None),
    ],
)
def test_the_state_follows_from_faces_and_persons(second: Second, state: SeatState | None) -> None:
    """A face is a face; without one the noted persons decide; unsure, unnoted or covered, nothing is known."""
    assert true_state(second, None) is state


@pytest.mark.parametrize(
    ("t", "state"),
    [
        (0.1, EMPTY),
        (5.5, EMPTY),
        (5.7, None),
        (6.5, None),
        (6.7, SOMEBODY),
        (44.6, None),
        (45.5, EMPTY),
        (51.0, SOMEBODY),
    ],
)
def test_a_noted_film_is_unsure_about_its_transitions_alone(t: float, state: SeatState | None) -> None:
    """Within half a second of a stretch's end nothing is scored; the film's beginning is no transition."""
    assert true_state(Second(0, t), NOTE) is state
    assert true_state(Second(1, t), NOTE) is FACE


def test_the_committed_notes_can_be_read() -> None:
    """Every stretch runs forwards and none overlaps the next."""
    for note in read_notes().values():
        ends = [end for stretch in note.empty for end in stretch]
        assert ends == sorted(ends)


def observation(seat: Seat | None, *faces: float) -> Observation:
    found = tuple(Face((0.4, 0.4, 0.2, 0.2), score) for score in faces)
    return Observation(0, 0, found, Scene(100, 40, is_covered=False), seat=seat)


def test_a_witness_alone_does_not_hear_the_others() -> None:
    """Segmentation says somebody, pose says nobody, there is no reference: three answers, and together somebody."""
    seen = observation(Seat(person=0.5, pose=0.1))
    assert said_state(seen, RULE, "segmentation") is SOMEBODY
    assert said_state(seen, RULE, "pose") is EMPTY
    assert said_state(seen, RULE, "change from the reference") is UNKNOWN
    assert said_state(seen, RULE, "together") is SOMEBODY


def test_a_face_speaks_before_any_witness_and_silence_tells_nothing() -> None:
    """With a face all say face; witnesses that were not asked leave it unknown."""
    for witness in ("segmentation", "pose", "change from the reference", "together"):
        assert said_state(observation(Seat(0.0, 0.0, 0.0), 0.9), RULE, witness) is FACE
        assert said_state(observation(None), RULE, witness) is UNKNOWN


def test_a_confusion_counts_each_pair_once() -> None:
    """Also the pairs that never came."""
    table = confusion([(EMPTY, EMPTY), (EMPTY, SOMEBODY), (FACE, FACE), (EMPTY, EMPTY)])
    assert table["empty"] == {"face": 0, "somebody": 1, "empty": 2, "unknown": 0}
    assert sum(sum(row.values()) for row in table.values()) == 4
