"""What one observation says of the seat, by the witnesses' thresholds of a rule.

Four states, of which two are facts about the candidate: a face is visible; or none is, and a witness says that somebody
is there (a bowed head, a turned back), or a face shows that the rule does not find clear enough; or none is, and all
witnesses that were asked agree that nobody is. A camera that cannot see tells nothing.
"""

from __future__ import annotations

from enum import StrEnum

from agent.core.observation import Observation
from agent.wire import Rule, Witnesses


class SeatState(StrEnum):
    FACE = "face"
    SOMEBODY = "somebody"
    EMPTY = "empty"
    UNKNOWN = "unknown"


def seat_state(observation: Observation, rule: Rule) -> SeatState:
    """What `observation` says of the seat by the face threshold and the witnesses of `rule`."""
    scene = observation.scene
    if scene.is_covered or scene.is_frozen:
        return SeatState.UNKNOWN
    if any(face.score >= rule.threshold for face in observation.faces):
        return SeatState.FACE
    if scene.is_low_light:  # a face may be missed: neither nobody nor somebody without a face can be said
        return SeatState.UNKNOWN
    if observation.faces or _is_anybody_there(observation, rule.witnesses):
        return SeatState.SOMEBODY
    if observation.seat is None:
        return SeatState.UNKNOWN
    return SeatState.EMPTY


def _is_anybody_there(observation: Observation, least: Witnesses) -> bool:
    seat = observation.seat
    if seat is None:
        return False
    told = ((seat.person, least.person), (seat.pose, least.pose), (seat.change, least.change))
    return any(says is not None and says >= threshold for says, threshold in told)
