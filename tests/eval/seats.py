"""Is the seat empty, is somebody there without a face, or does a face show? The truth of it, and what each witness
makes of it alone. Pure, but for the small tables beside it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from agent.core.observation import Observation, Seat
from agent.core.seat import SeatState, seat_state
from agent.wire import Rule
from tests.eval.footage import Item, Second

NOTES = Path(__file__).with_name("seats.toml")
VIEWS = Path(__file__).with_name("views.toml")
EDGE_S = 0.5
"""So near to the end of a noted stretch nothing is sure."""
TRUE_STATES = (SeatState.EMPTY, SeatState.SOMEBODY, SeatState.FACE)

Confusion = dict[str, dict[str, int]]
"""What was true -> what was said -> how many seconds."""


class SeatNote(Struct, frozen=True, forbid_unknown_fields=True):
    """What a film without the field `person` shows while no face shows; see `seats.toml`."""

    no_face_means: Literal["somebody", "empty"]
    empty: tuple[tuple[float, float], ...] = ()


class _Views(Struct, frozen=True, forbid_unknown_fields=True):
    moving: frozenset[str]


def read_moving(path: Path = VIEWS) -> frozenset[str]:
    """The stems of the films whose view moves or is cut; see `views.toml`."""
    return msgspec.toml.decode(path.read_bytes(), type=_Views).moving


def read_notes(path: Path = NOTES) -> dict[str, SeatNote]:
    """The table, film stem -> note."""
    return msgspec.toml.decode(path.read_bytes(), type=dict[str, SeatNote])


def true_state(second: Second, note: SeatNote | None) -> SeatState | None:
    """What is true of the seat at `second`, one of TRUE_STATES; None where the truth does not say or is unsure."""
    if second.is_unsure or second.covered:
        return None
    if second.count > 0:
        return SeatState.FACE
    if second.person is not None:
        if second.person_unsure:
            return None
        return SeatState.SOMEBODY if second.person > 0 else SeatState.EMPTY
    return None if note is None else _noted_state(second.t, note)


def _noted_state(t: float, note: SeatNote) -> SeatState | None:
    # the film's own start is no transition
    if any(0 < end and abs(end - t) < EDGE_S for stretch in note.empty for end in stretch):
        return None
    if any(begin <= t < end for begin, end in note.empty):
        return SeatState.EMPTY
    return SeatState(note.no_face_means)


def true_states(
    item: Item, notes: dict[str, SeatNote], moving: Container[str] = ()
) -> list[tuple[Second, SeatState | None]]:
    """Each second of `item` with what is true of the seat; of a film that is not in `moving` the view is still."""
    is_still = item.is_film and item.stem not in moving
    return [
        (msgspec.structs.replace(second, is_view_still=is_still), true_state(second, notes.get(item.stem)))
        for second in item.seconds
    ]


def _together(seat: Seat) -> Seat | None:
    return seat


def _person(seat: Seat) -> Seat | None:
    return None if seat.person is None else Seat(person=seat.person)


def _pose(seat: Seat) -> Seat | None:
    return None if seat.pose is None else Seat(pose=seat.pose)


def _change(seat: Seat) -> Seat | None:
    return None if seat.change is None else Seat(change=seat.change)


WITNESSES: dict[str, Callable[[Seat], Seat | None]] = {
    "segmentation": _person,
    "pose": _pose,
    "change from the reference": _change,
    "together": _together,
}
"""What each would say were it the only one beside the faces; a witness that was not asked cannot tell."""


def said_state(observation: Observation, rule: Rule, witness: str) -> SeatState:
    """What the desk would say of the seat by `rule`, had it of WITNESSES only this one."""
    seat = None if observation.seat is None else WITNESSES[witness](observation.seat)
    return seat_state(msgspec.structs.replace(observation, seat=seat), rule)


def confusion(pairs: Iterable[tuple[SeatState, SeatState]]) -> Confusion:
    """Count pairs of (true, said)."""
    table: Confusion = {str(true): {str(said): 0 for said in SeatState} for true in TRUE_STATES}
    for true, said in pairs:
        table[str(true)][str(said)] += 1
    return table
