"""The equipment's state: readings of every part in, faults as records out; and the steps of the wall clock."""

from __future__ import annotations

import logging
from collections.abc import Callable

from agent import host, wire
from agent.core import bodies, faults
from agent.freeing import Freeing
from agent.messaging.link import Link
from agent.recording.recorder import Progress
from agent.records import Records
from agent.sight import Seen
from agent.sitting import SittingKeeper
from agent.wire import Instant

log = logging.getLogger(__name__)

CAMERA_OPENS_WITHIN_MS = 5_000
CLOCK_STEP_MS = 500
"""Less than this is a time server steering the clock; the faults' own limit is higher."""


class Equipment:
    """Watches the parts for faults. `put` appends a record; `link` answers the connection of this moment."""

    def __init__(
        self,
        clock: host.Clock,
        records: Records,
        sitting: SittingKeeper,
        link: Callable[[], Link],
        put: Callable[[wire.Body, Instant], None],
        freeing: Freeing,
        *,
        low_bytes: int,
    ) -> None:
        self._clock, self._records, self._sitting, self._link, self._put = clock, records, sitting, link, put
        self._freeing = freeing
        self._board = faults.FaultBoard()
        self._limits = faults.Limits(free_bytes=low_bytes)
        self._camera_up_ms: int | None = None
        self._offset_ms: int | None = None
        self._step_ms = 0

    def standing(self) -> tuple[faults.FaultChange, ...]:
        """The faults that stand now."""
        return self._board.standing()

    def follow_clock(self, now: Instant) -> None:
        """Record a wall clock that was set since the last call."""
        offset_ms = now.utc_ms - now.up_ms
        if self._offset_ms is not None and abs(offset_ms - self._offset_ms) > CLOCK_STEP_MS:
            self._step_ms += offset_ms - self._offset_ms
            self._put(wire.ClockStep(step_ms=offset_ms - self._offset_ms, is_synced=self._clock.is_ok()), now)
        self._offset_ms = offset_ms

    def read(self, now: Instant, seen: Seen, progress: Progress) -> None:
        """Read all parts once and record each fault that begins or ends."""
        sitting = self._sitting.current
        for change in self._board.step(now, faults.conditions(self._readings(now, seen, progress), self._limits)):
            log.warning("fault %s %s: %s", change.kind, change.state, change.detail)
            name = "" if sitting is None else sitting.sitting
            self._put(bodies.fault_body(change, name, self._records.boot), now)

    def _readings(self, now: Instant, seen: Seen, progress: Progress) -> faults.Readings:
        step_ms, self._step_ms = self._step_ms, 0
        away = self._link().disconnected_since
        written_ns = progress.last_written_up_ns
        wanted_up_ms = self._camera_wanted_since(now, seen)
        sitting_up_ms = self._sitting.since_up_ms
        return faults.Readings(
            up_ms=now.up_ms,
            camera_since_up_ms=wanted_up_ms,
            last_frame_up_ms=seen.last_frame_up_ms,
            camera_trouble=seen.camera_trouble,
            is_frozen=seen.is_frozen,
            sitting_since_up_ms=sitting_up_ms and wanted_up_ms and max(sitting_up_ms, wanted_up_ms),
            last_written_up_ms=None if written_ns is None else written_ns // 1_000_000,
            recording_trouble=progress.trouble,
            analysis_since_up_ms=wanted_up_ms,
            observations_in_window=seen.observations_in_window,
            vision_trouble=seen.vision_trouble,
            free_bytes=self._freeing.free_bytes,
            space=self._freeing.look,
            storage_trouble=progress.trouble if progress.trouble != "encoder" else None,
            records_trouble=self._records.trouble,
            sync_ms_worst=progress.sync_ms_worst,
            temperature_c=host.temperature_c(),
            is_clock_ok=self._clock.is_ok(),
            clock_step_ms=step_ms,
            disconnected_since_up_ms=None if away is None else away.up_ms,
            plan_refusals=self._records.plan_refusals(),
        )

    def _camera_wanted_since(self, now: Instant, seen: Seen) -> int | None:
        """None while the camera is being opened for the first time: that takes seconds and is no fault."""
        if self._camera_up_ms is None:
            is_late = now.up_ms - seen.since_up_ms > CAMERA_OPENS_WITHIN_MS
            if seen.last_frame_up_ms is not None or seen.camera_trouble is not None or is_late:
                self._camera_up_ms = now.up_ms
        return self._camera_up_ms
