"""What a sitting leaves behind beside its alerts: the observation log on the card, and the timeline's records.

It is told by the sight, in the judge's own order, and only enqueues. One log a sitting and start of the agent: when the
plan changes a running sitting's rules, its log goes on under the new ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from agent.core.bodies import Maker
from agent.core.judge import AlertChange
from agent.core.observation import Observation
from agent.core.obslog import Ended, Entry, Header, JudgeBy, PausedBy
from agent.core.timeline import Timeline, seat_rule
from agent.wire import Body, Instant, Pause, PlannedSitting, Rule


class Log(Protocol):
    """What is needed of `agent.observations.ObservationLog`; nothing of it waits."""

    def begin(self, name: str, header: Header) -> None: ...

    def add(self, entry: Entry) -> None: ...

    def end(self) -> None: ...


class Diary:
    """`current` gives the sitting that is judged, `put` has a body recorded; a `Watch` of the sight."""

    def __init__(
        self,
        current: Callable[[], PlannedSitting | None],
        log: Log,
        put: Callable[[Body, Instant], None],
        unit: str,
        maker: Maker,
    ) -> None:
        self._current, self._log, self._put, self._unit, self._maker = current, log, put, unit, maker
        self._sitting = ""
        self._timeline: Timeline | None = None

    def judge_by(self, rules: tuple[Rule, ...], first_n: int, now: Instant, pauses: tuple[Pause, ...] = ()) -> None:
        sitting = self._current()
        if sitting is None:
            return
        if sitting.sitting != self._sitting:
            self._sitting = sitting.sitting
            self._log.begin(f"{sitting.sitting}_{self._maker.boot:06d}", self._header(now))
        self._log.add(JudgeBy(rules=rules, first_n=first_n, pauses=pauses))
        self._timeline = Timeline(sitting.sitting, seat_rule(rules))

    def paused_by(self, pauses: tuple[Pause, ...]) -> None:
        self._log.add(PausedBy(pauses=pauses))

    def _header(self, now: Instant) -> Header:
        maker = self._maker
        return Header(
            sitting=self._sitting,
            software=maker.software,
            model_sha256=maker.model_sha256,
            began=now,
            unit=self._unit,
            boot=maker.boot,
        )

    def saw(self, observation: Observation, changes: list[AlertChange]) -> None:
        self._log.add(observation)
        for change in changes:
            self._log.add(change)
        if self._timeline is not None:
            for minute in self._timeline.add(observation):
                self._put(minute, Instant(observation.utc_ms, observation.up_ms))

    def ended(self, now: Instant, changes: list[AlertChange]) -> None:
        for change in changes:
            self._log.add(change)
        self._log.add(Ended(now=now))
        timeline, self._timeline = self._timeline, None
        if timeline is not None:
            for minute in timeline.end(now):
                self._put(minute, now)

    def follow(self, current: PlannedSitting | None) -> None:
        """Close the log of a sitting that is over; to be called after judging was ended."""
        if self._sitting and (current is None or current.sitting != self._sitting):
            self._sitting = ""
            self._log.end()
