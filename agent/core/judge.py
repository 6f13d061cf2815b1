"""The judge: observations over time -> alerts. Rules are data, conditions are a table.

How time counts. A rule's condition is true, false or cannot be told for each observation; a covered camera tells
nothing about faces. A dwell is an unbroken row of observations that tell the same. It grows by the time between two
neighbouring observations of that row; time next to an observation that cannot tell does not count, neither towards
raising nor towards clearing, but the dwell goes on after it. When more than `max_gap_s` passes between two telling
observations, because none came or none could tell, nobody knows what happened meanwhile and the dwell starts anew:
two samples far apart never raise or clear by themselves. What stands, stands until it was seen to be over.

All of it is measured in boot time (`up_ms`); the wall clock rides along and may jump. Breaks alone are times of the
wall clock, that of each observation: in one the rules about an absent person judge nothing, what they had raised is
cleared with its first observation, and no dwell reaches back into it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec import Struct

from agent.core.observation import Observation, Seat
from agent.core.seat import SeatState, seat_state
from agent.wire import AlertKind, Evidence, Instant, Pause, Rule

MAX_GAP_S = 2.0
"""Below the shortest default dwell (3 s), so that no rule is ever met by two samples alone."""
UPDATE_EVERY_MS = 10_000
SCORE_STEP = 0.1
"""A score that moved by less is the same score: the model's own noise is no news."""


class State(StrEnum):
    RAISED = "raised"
    UPDATED = "updated"
    CLEARED = "cleared"


class AlertChange(Struct, frozen=True, kw_only=True):
    """An alert was raised, has news, or cleared.

    `n` numbers the judge's alerts. `began` is the first observation of the dwell, `raised` the one that completed it,
    `cleared` the one that completed the dwell of its absence (or the end of the sitting); in `up_ms`
    began <= raised <= cleared. `faces` and `score` are the clearest sight of it so far: the most faces at once, and
    the greatest score (0..1) of the face that decides, None when there is none. That is the second best face for
    `more_than_one_face`, and for `seat_empty` and `face_not_visible` the best one that did not count. `evidence` is
    what the observation said that completed the dwell.
    """

    n: int
    kind: AlertKind
    state: State
    began: Instant
    raised: Instant
    cleared: Instant | None = None
    rule: Rule
    faces: int = 0
    score: float | None = None
    evidence: Evidence = Evidence()


class Sight(NamedTuple):
    """What one observation says to one rule."""

    is_met: bool | None
    """None: this observation cannot tell."""
    faces: int = 0
    score: float | None = None
    wait_s: float = 0.0
    """By how much the dwell of raising is longer: something that would make the rule surer is missing."""


_CANNOT_TELL = Sight(None)


def _see_seat(wanted: SeatState) -> Callable[[Observation, Rule], Sight]:
    def see(observation: Observation, rule: Rule) -> Sight:
        state = seat_state(observation, rule)
        if state is SeatState.UNKNOWN:
            return _CANNOT_TELL
        best = max((face.score for face in observation.faces), default=observation.doubt or None)
        is_compared = observation.seat is not None and observation.seat.change is not None
        wait_s = 0.0 if is_compared or state is SeatState.FACE else rule.witnesses.unreferenced_s
        return Sight(state is wanted, 0, best, wait_s)

    return see


def _see_more_than_one_face(observation: Observation, rule: Rule) -> Sight:
    if observation.scene.is_covered or observation.scene.is_frozen:
        return _CANNOT_TELL
    if len(observation.faces) < 2:
        return Sight(False)
    scores = sorted((face.score for face in observation.faces if face.score >= rule.threshold), reverse=True)
    return Sight(True, len(scores), scores[1]) if len(scores) > 1 else Sight(False)


def _see_camera_covered(observation: Observation, rule: Rule) -> Sight:
    return Sight(observation.scene.is_covered)


def _see_camera_moved(observation: Observation, rule: Rule) -> Sight:
    shift = observation.scene.shift
    return _CANNOT_TELL if shift is None else Sight(shift >= rule.threshold)


CONDITIONS: dict[AlertKind, Callable[[Observation, Rule], Sight]] = {
    AlertKind.SEAT_EMPTY: _see_seat(SeatState.EMPTY),
    AlertKind.FACE_NOT_VISIBLE: _see_seat(SeatState.SOMEBODY),
    AlertKind.MORE_THAN_ONE_FACE: _see_more_than_one_face,
    AlertKind.CAMERA_COVERED: _see_camera_covered,
    AlertKind.CAMERA_MOVED: _see_camera_moved,
}
"""The kinds this version can judge. A rule of another kind is left alone; `Judge.unjudged` names it."""
ABSENCE = frozenset({AlertKind.SEAT_EMPTY, AlertKind.FACE_NOT_VISIBLE})
"""The rules that a break suspends: who may leave the seat may also turn away on the way."""


def is_in_pause(utc_ms: int, pauses: Iterable[Pause]) -> bool:
    return any(pause.from_utc_ms <= utc_ms < pause.until_utc_ms for pause in pauses)


def has_pause(from_utc_ms: int, until_utc_ms: int, pauses: Iterable[Pause]) -> bool:
    """Whether some of a break lies in [from, until)."""
    return any(max(pause.from_utc_ms, from_utc_ms) < min(pause.until_utc_ms, until_utc_ms) for pause in pauses)


class _Track:
    """One rule over time."""

    def __init__(self, rule: Rule, max_gap_ms: float) -> None:
        self.rule = rule
        self.standing: AlertChange | None = None
        self._see = CONDITIONS[rule.kind]
        self._raise_ms = rule.raise_s * 1000
        self._clear_ms = rule.clear_s * 1000
        self._max_gap_ms = max_gap_ms
        self._began: Instant | None = None
        self._counted_ms = 0
        self._wait_ms = 0.0
        self._told_up_ms = 0
        self._is_suspended = False
        self._faces = 0
        self._score: float | None = None
        self._said_up_ms = 0

    def step(self, observation: Observation, next_n: int) -> AlertChange | None:
        sight = self._see(observation, self.rule)
        if sight.is_met is None:
            self._is_suspended = True
            return None
        change = None
        if sight.is_met is (self.standing is None):
            change = self._dwell(observation, sight, next_n)
        else:
            self._began = None
            if self.standing is not None:
                change = self._tell_news(observation, sight)
        self._told_up_ms = observation.up_ms
        self._is_suspended = False
        return change

    def _dwell(self, observation: Observation, sight: Sight, next_n: int) -> AlertChange | None:
        """One more observation towards raising or clearing."""
        age_ms = observation.up_ms - self._told_up_ms
        if self._began is None or age_ms > self._max_gap_ms:
            self._began = Instant(observation.utc_ms, observation.up_ms)
            self._counted_ms, self._wait_ms = 0, 0.0
            if self.standing is None:
                self._faces, self._score = 0, None
        elif not self._is_suspended:
            self._counted_ms += age_ms
        if self.standing is not None:
            now = Instant(observation.utc_ms, observation.up_ms)
            return self.clear(now) if self._counted_ms >= self._clear_ms else None
        self._note(sight)
        # what was missing when the dwell began was missing: to learn it on the way makes nothing surer
        self._wait_ms = max(self._wait_ms, sight.wait_s * 1000)
        is_long_enough = self._counted_ms >= self._raise_ms + self._wait_ms
        return self._raise(observation, self._began, next_n) if is_long_enough else None

    def _raise(self, observation: Observation, began: Instant, n: int) -> AlertChange:
        self.standing = AlertChange(
            n=n,
            kind=self.rule.kind,
            state=State.RAISED,
            began=began,
            raised=Instant(observation.utc_ms, observation.up_ms),
            rule=self.rule,
            faces=self._faces,
            score=self._score,
            evidence=evidence_of(observation),
        )
        self._began = None
        self._said_up_ms = observation.up_ms
        return self.standing

    def suspend(
        self, pauses: tuple[Pause, ...], last_utc_ms: int | None, observation: Observation
    ) -> tuple[AlertChange | None, bool]:
        """What a break changes, and whether one is on: what stood at its beginning is over, and no dwell reaches back
        into it, though nobody looked while it lasted or the plan with it came late."""
        utc_ms = observation.utc_ms
        is_on = is_in_pause(utc_ms, pauses)
        if is_on or (last_utc_ms is not None and has_pause(last_utc_ms + 1, utc_ms, pauses)):
            return self.clear(Instant(utc_ms, observation.up_ms)), is_on
        if self.standing is None and self._began is not None and has_pause(self._began.utc_ms, utc_ms, pauses):
            self._began = None
        return None, False

    def clear(self, now: Instant) -> AlertChange | None:
        """What stood is over; a dwell under way is forgotten."""
        standing, self.standing, self._began = self.standing, None, None
        if standing is None:
            return None
        cleared = now if now.up_ms >= standing.raised.up_ms else standing.raised
        return msgspec.structs.replace(
            standing, state=State.CLEARED, cleared=cleared, faces=self._faces, score=self._score
        )

    def _note(self, sight: Sight) -> None:
        if sight.faces > self._faces:
            self._faces = sight.faces
        if sight.score is not None and (self._score is None or sight.score > self._score):
            self._score = sight.score

    def _tell_news(self, observation: Observation, sight: Sight) -> AlertChange | None:
        self._note(sight)
        said = self.standing
        if said is None or observation.up_ms - self._said_up_ms < UPDATE_EVERY_MS:
            return None
        if self._faces == said.faces and not _is_clearer(said.score, self._score):
            return None
        self._said_up_ms = observation.up_ms
        self.standing = msgspec.structs.replace(said, state=State.UPDATED, faces=self._faces, score=self._score)
        return self.standing


def evidence_of(observation: Observation) -> Evidence:
    """The numbers of one observation that the rules decide by."""
    seat = observation.seat or Seat()
    scene = observation.scene
    return Evidence(
        doubt=observation.doubt,
        person=seat.person,
        pose=seat.pose,
        change=seat.change,
        brightness=scene.brightness,
        detail=scene.detail,
        shift=scene.shift,
    )


def _is_clearer(said: float | None, seen: float | None) -> bool:
    return seen is not None and (said is None or seen - said >= SCORE_STEP)


def _without_dwell(rule: Rule) -> Rule:
    witnesses = msgspec.structs.replace(rule.witnesses, unreferenced_s=0.0)
    return msgspec.structs.replace(rule, raise_s=0.0, clear_s=0.0, witnesses=witnesses)


class Judge:
    """Judges one sitting (or one file) by `rules`; observations in, changes out, nothing else.

    Of two rules of one kind the later holds; a rule that is not `is_on` judges nothing. `is_still`: a still picture
    has no time, so every rule holds with a dwell of 0 (and says so in the alert's `rule`). `first_n` is the number of
    the first alert raised. New rules need a new Judge: `end` this one and go on from its `next_n`. `pauses` are the
    breaks; they may be replaced at any time and hold from the next observation on.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        is_still: bool = False,
        *,
        first_n: int = 1,
        max_gap_s: float = MAX_GAP_S,
        pauses: Sequence[Pause] = (),
    ) -> None:
        by_kind = {rule.kind: rule for rule in rules}
        wanted = [rule for rule in by_kind.values() if rule.is_on]
        if is_still:
            wanted = [_without_dwell(rule) for rule in wanted]
        self.unjudged = tuple(rule.kind for rule in wanted if rule.kind not in CONDITIONS)
        self.next_n = first_n
        self.pauses = tuple(pauses)
        self._tracks = [_Track(rule, max_gap_s * 1000) for rule in wanted if rule.kind in CONDITIONS]
        self._last_up_ms = -1
        self._last_utc_ms: int | None = None

    def step(self, observation: Observation) -> list[AlertChange]:
        """What this observation changes, in the order of the rules. One that is not newer than the last is ignored."""
        if observation.up_ms <= self._last_up_ms:
            return []
        last_utc_ms, self._last_utc_ms = self._last_utc_ms, observation.utc_ms
        self._last_up_ms = observation.up_ms
        changes: list[AlertChange] = []
        for track in self._tracks:
            cleared, is_suspended = None, False
            if self.pauses and track.rule.kind in ABSENCE:
                cleared, is_suspended = track.suspend(self.pauses, last_utc_ms, observation)
            change = None if is_suspended else track.step(observation, self.next_n)
            changes += [each for each in (cleared, change) if each is not None]
            self.next_n += change is not None and change.state is State.RAISED
        return changes

    def end(self, now: Instant) -> list[AlertChange]:
        """The sitting is over: clears what stands and forgets what was under way."""
        changes = [track.clear(now) for track in self._tracks]
        return [change for change in changes if change is not None]

    def standing(self) -> tuple[AlertChange, ...]:
        """The alerts that stand, each as last told, in the order of the rules."""
        return tuple(track.standing for track in self._tracks if track.standing is not None)
