"""The timeline: a sitting's observations in brief, one record a minute, whatever the rules raise.

An observation holds from its instant to the next one's, at most MAX_GAP_S: what nobody looked at is a hole between two
spans. Like neighbours become one span; a flicker is joined into the longer of its neighbours, because one frame in
which a detector slips is no event that a person should read, and because a minute must stay small.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.core.judge import MAX_GAP_S
from agent.core.observation import Observation
from agent.core.seat import SeatState, seat_state
from agent.wire import DEFAULT_RULES, AlertKind, Instant, Observed, Rule, Span

MINUTE_MS = 60_000
FLICKER_MS = 1_000
"""Shorter than the shortest thing a person does: nobody leaves a chair and is back within a second. It also bounds a
minute to sixty spans and one for each hole."""
_MOST_HOLE_MS = round(MAX_GAP_S * 1000)


def seat_rule(rules: Iterable[Rule]) -> Rule:
    """The rule about the empty seat, on or off, whose thresholds say what a face and a witness are."""
    of_kind = [rule for rule in (*DEFAULT_RULES, *rules) if rule.kind is AlertKind.SEAT_EMPTY]
    return of_kind[-1]


class Timeline:
    """Observations of one sitting in, a record's body out when a minute is full. `rule` is `seat_rule`'s."""

    def __init__(self, sitting: str, rule: Rule) -> None:
        self._sitting, self._rule = sitting, rule
        self._began: Instant | None = None
        self._spans: list[Span] = []
        self._looks = 0
        self._last: tuple[Instant, SeatState, int] | None = None

    def add(self, observation: Observation) -> list[Observed]:
        """The minute that this observation ends, if it does; one not newer than the last is ignored."""
        now = Instant(observation.utc_ms, observation.up_ms)
        if self._last is not None and now.up_ms <= self._last[0].up_ms:
            return []
        full = self._follow(now)
        self._looks += 1
        state = seat_state(observation, self._rule)
        faces = 0
        if state is SeatState.FACE:
            faces = sum(face.score >= self._rule.threshold for face in observation.faces)
        self._last = (now, state, faces)
        return full

    def end(self, now: Instant) -> list[Observed]:
        """What is left of the minute under way; the next observation begins anew."""
        if self._last is None:
            return []
        told = self._follow(now)
        told += self._closed(now)
        self._last = self._began = None
        return told

    def _follow(self, now: Instant) -> list[Observed]:
        """Let the last observation hold until `now`, over the end of a minute if need be."""
        if self._last is None or self._began is None:
            self._began = now
            return []
        last, state, faces = self._last
        until_ms = min(now.up_ms, last.up_ms + _MOST_HOLE_MS)
        minute_ms = self._began.up_ms + MINUTE_MS
        if now.up_ms < minute_ms:
            self._hold(last.up_ms, until_ms, state, faces)
            return []
        self._hold(last.up_ms, min(until_ms, minute_ms), state, faces)
        told = self._closed(_earlier(now, min(now.up_ms, minute_ms)))
        if last.up_ms >= minute_ms:  # after a silence: it was looked at later than this minute went
            self._began = last
        else:
            self._began = _earlier(now, minute_ms) if until_ms > minute_ms else now
        self._hold(self._began.up_ms, until_ms, state, faces)
        return told

    def _hold(self, from_ms: int, until_ms: int, state: SeatState, faces: int) -> None:
        if self._began is not None and until_ms > from_ms:
            self._spans.append(Span(from_ms - self._began.up_ms, until_ms - from_ms, str(state), faces))

    def _closed(self, ended: Instant) -> list[Observed]:
        spans, self._spans = without_flickers(self._spans), []
        looks, self._looks = self._looks, 0
        if self._began is None or not spans:
            return []
        # by boot time: a wall clock set in the middle must not stretch a minute, or end it before it began
        ended = Instant(self._began.utc_ms + ended.up_ms - self._began.up_ms, ended.up_ms)
        return [
            Observed(sitting=self._sitting, began=self._began, ended=ended, looks=looks, spans=tuple(spans)),
        ]


def _earlier(now: Instant, up_ms: int) -> Instant:
    """The instant `up_ms`, by the present setting of the wall clock."""
    return Instant(max(0, now.utc_ms - (now.up_ms - up_ms)), up_ms)


def without_flickers(spans: Iterable[Span]) -> list[Span]:
    """Like neighbours as one, and every span shorter than FLICKER_MS in the longer of the neighbours it touches,
    shortest first. A short one that touches none stays: it is all that is known there."""
    joined: list[Span] = []
    for span in spans:
        _append(joined, span)
    while True:
        short = [at for at, span in enumerate(joined) if span.length_ms < FLICKER_MS and _touched(joined, at)]
        if not short:
            return joined
        at = min(short, key=lambda at: joined[at].length_ms)
        into = max(_touched(joined, at), key=lambda at: joined[at].length_ms)
        flicker, kept = joined[at], joined[into]
        first, last = min(at, into), max(at, into)
        length_ms = flicker.length_ms + kept.length_ms
        rest = [Span(joined[first].start_ms, length_ms, kept.seat, kept.faces), *joined[last + 1 :]]
        del joined[first:]
        for span in rest:
            _append(joined, span)


def _append(spans: list[Span], span: Span) -> None:
    before = spans[-1] if spans else None
    if before is not None and _is_touching(before, span) and (before.seat, before.faces) == (span.seat, span.faces):
        spans[-1] = Span(before.start_ms, before.length_ms + span.length_ms, span.seat, span.faces)
    else:
        spans.append(span)


def _is_touching(before: Span, after: Span) -> bool:
    return before.start_ms + before.length_ms == after.start_ms


def _touched(spans: list[Span], at: int) -> list[int]:
    found = [at - 1] if at > 0 and _is_touching(spans[at - 1], spans[at]) else []
    return [*found, at + 1] if at + 1 < len(spans) and _is_touching(spans[at], spans[at + 1]) else found
