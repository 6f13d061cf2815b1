"""One desk: the only file that joins the parts.

Who waits for whom. The camera's thread hands each picture to the recorder and goes on. The sight thread takes the
newest picture when it is due and waits for no disk and no network. The scribe alone appends records and may wait for a
slow card as long as it must; the observation log has a writer of its own, for which nobody waits. The main thread
ticks: it follows the plan, reads the faults, drives lamp and heartbeat. The link has threads of its own. So a dead
broker, a full card or a hung camera each stop one thing, and the others say so.
"""

from __future__ import annotations

import logging
import os
import threading
from importlib import metadata

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent import host, uploading, wire
from agent.attending import Attending
from agent.blinds import Blinds
from agent.camera import MainFrame
from agent.config import Settings
from agent.core import bodies, pace, patterns
from agent.core.judge import AlertChange, State
from agent.core.record_rate import RecordRate
from agent.core.segments import MAX_COUNT, ClosedSegment
from agent.devices import open_camera, open_panel
from agent.diary import Diary
from agent.drill import Drill
from agent.enrolling import door_of
from agent.equipment import Equipment
from agent.eyes import Eyes
from agent.freeing import Freeing
from agent.heartbeat import desk_state, heartbeat_of, seat_now, status_line
from agent.identity import Identity
from agent.linking import link_of
from agent.local import LocalDesk
from agent.messaging.link import Link
from agent.observations import ObservationLog
from agent.receipt_times import ReceiptTimes
from agent.recording.recorder import Progress, Recorder
from agent.records import Records
from agent.recovery import make_whole
from agent.restoring import Door, Restoring
from agent.scribe import Scribe
from agent.seat_reference import keep_reference, kept_reference
from agent.showing import Showing
from agent.sight import Seen, Sight
from agent.sitting import SittingKeeper
from agent.supervision import Supervisor, desk_loops
from agent.vision.still import jpeg_within, live_still
from agent.wire import Instant, PlannedSitting

log = logging.getLogger(__name__)

SOFTWARE = metadata.version("exam-monitoring-system")
TICK_S = 0.2
READINGS_EVERY_MS = 500
HEARTBEAT_EVERY_MS = 1_500
"""The hub calls a desk silent after 4 s: two may be lost, or one come late."""
STILL_EVERY_MS = 1_000
EVIDENCE_BYTES = 60_000
"""Leaves room for the note within a message's 64 KiB."""
STOP_WITHIN_S = 5.0
LINK_AGAIN_MS = 10_000
TICKS_MAY_FAIL = 25
"""One bad reading must not end a recording; a tick that has failed for five seconds must: a new start may help."""


class Desk:
    """The parts of one desk, joined. `run` until `stopping` is set."""

    def __init__(self, settings: Settings, identity: Identity | None = None) -> None:
        """Open what must be there; `identity` is the enrolled unit, None for a plain connection. Raises BadSetting,
        PanelProblem, RecordsError or OSError, each with one line that says what to do."""
        self.settings = settings
        self.identity = identity
        """Replaced when the certificate has been renewed."""
        self.film: uploading.Sender | None = None
        self.stopping = threading.Event()
        self.clock = host.Clock(is_trusted=settings.is_clock_trusted)
        open_camera(settings)
        self.segments_folder = settings.storage_path / "segments"
        self.segments_folder.mkdir(parents=True, exist_ok=True)
        self._held = host.hold(settings.storage_path)
        self.records = Records(settings.storage_path, settings.unit)
        self.eyes = Eyes(settings.face_model, settings.models_path, lambda: self.sitting, self._keep_reference)
        self.eyes.use_reference(kept_reference(settings.storage_path))
        self.maker = bodies.Maker(boot=self.records.boot, software=SOFTWARE, model_sha256=self.eyes.model_sha256)
        self.attending = Attending(self.clock, self.records.boot, self._put)
        self.panel = open_panel(settings, self.attending.take_press)
        self.receipts = ReceiptTimes(self.records, self.clock.now)
        self.drill = Drill(self.clock.now, self.maker, self.receipts, self._put, lambda work: self.scribe.do(work))
        self.local = LocalDesk(settings, self.clock, self.drill)
        self.blinds = Blinds(lambda: self.sitting.zones())
        self.showing = Showing(
            self.clock, self.records.boot, self.blinds.i420, lambda still: self.link.publish_live(still)
        )
        self.link = self._make_link()
        self.scribe = Scribe(self.records, lambda: self.link.wake())
        self.observations = ObservationLog(settings.storage_path / "observations")
        self.diary = Diary(lambda: self.sitting.current, self.observations, self._put, settings.unit, self.maker)
        self.sight = Sight(
            lambda: open_camera(settings),
            self.eyes.observe,
            self._take_frame,
            self._take_changes,
            self.clock,
            settings.vision_fps,
            self.diary,
            mask=self.blinds.rgb,
            forget_view=self.eyes.forget_view,
        )
        self.record_rate = RecordRate(settings.record_bitrate_bps)
        self._pace_keeper = pace.PaceKeeper(settings.vision_fps)
        self._pace = pace.Pace(settings.vision_fps, settings.vision_fps)
        self.recorder = Recorder(
            self.segments_folder,
            boot=self.records.boot % MAX_COUNT,  # a start on a read-only card has a number beyond any file name's
            size=(settings.record_width, settings.record_height),
            fps=settings.record_fps,
            bitrate_bps=settings.record_bitrate_bps,
            segment_s=settings.segment_s,
            clock=self.clock.up_ns,
            to_utc_ms=self.clock.utc_ms_at,
            on_closed=self._take_segment,
            on_gap=lambda began, ended, cause: self.sitting.take_gap(began, ended, cause),
            mask=self.blinds.i420,
        )
        self.sitting = SittingKeeper(
            self.recorder,
            self.sight,
            self.records,
            lambda name: self.scribe.do(lambda: self.records.set_sitting(name)),
            self._put,
            self._put_changes,
            lambda up_ns: Instant(self.clock.utc_ms_at(up_ns), up_ns // 1_000_000),
            self.maker,
            was_clean=self.records.previous.is_clean,
            os_boot=host.os_boot_id(),
        )
        logs, low_bytes = settings.storage_path / "observations", settings.storage_low_bytes
        self.freeing = Freeing(self.segments_folder, logs, self.records, self.sitting_name, low_bytes=low_bytes)
        self.restoring = Restoring(self.segments_folder, settings.unit, self.records, self.clock, self._door, self._put)
        self.equipment = Equipment(
            self.clock,
            self.records,
            self.sitting,
            lambda: self.link,
            self._put,
            self.freeing,
            low_bytes=low_bytes,
        )
        self.supervisor = Supervisor(desk_loops(self.sight, lambda: self.link, self.panel))
        self._failed_ticks = 0
        self._due: dict[str, int] = {}
        self._told: object = None

    def _make_link(self) -> Link:
        take, now = self._take_command, self.clock.now
        return link_of(self.settings, self.identity, self.records, self.drill, self.maker, take, now)

    def broker_trouble(self) -> tuple[int, str] | None:
        """For how many milliseconds the broker is away, and what the link says of it; None while it is there."""
        away = self.link.disconnected_since
        return None if away is None else (self.clock.now().up_ms - away.up_ms, self.link.trouble or "")

    def take_grant(self, identity: Identity, plan: bytes | None) -> None:
        """Go on with a new certificate from the next connection on, and keep the plan that came with it if it is newer.
        Any thread."""
        self.identity = identity
        if plan is not None:
            try:
                self.records.save_plan(plan)
            except wire.BadMessage as error:
                log.warning("the plan that came with the certificate is refused: %s", error)

    # --- life -------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Record, look and tell until `stopping` is set, then close everything in order."""
        self._start(self.clock.now())
        try:
            self.supervisor.ready()
            while not self.stopping.wait(TICK_S):
                self._try_tick(self.clock.now())
                self.supervisor.step(self.clock.now())
        finally:
            self._stop(self.clock.now())

    def _start(self, now: Instant) -> None:
        self.scribe.start()
        self.observations.start()
        is_new, models = self.records.is_chain_new, self.eyes.models
        restart = bodies.restart_body(
            host.os_boot_id(), *self.records.previous, self.maker, models, is_chain_new=is_new
        )
        self._put(restart, now)
        left = make_whole(self.segments_folder, self.records, self._put, now)
        self.scribe.flush(STOP_WITHIN_S)  # the sitting's recorded time is read from the segment list
        self.freeing.start()
        self.local.start()
        self.link.start()
        self.showing.start()
        self.sight.start()
        self.restoring.start(left)
        log.info("unit %s, start %d, camera %s", self.settings.unit, self.records.boot, self.settings.camera_device)

    def _stop(self, now: Instant) -> None:
        self.supervisor.stopping("stopping: closing the segment, handing over the last records")
        self.panel.stopping()
        self.sight.stop(STOP_WITHIN_S)
        self.showing.stop(TICK_S)
        self.drill.clear(now)
        self.sitting.end(now, is_over=False)
        self.diary.follow(None)
        self.recorder.close()
        self.observations.stop(STOP_WITHIN_S)
        self.restoring.stop(TICK_S)  # it may wait for the hub, and is done again
        is_idle = self.freeing.stop(STOP_WITHIN_S)
        is_written = self.scribe.stop(STOP_WITHIN_S) and is_idle
        if is_written:  # else the card hangs in the scribe's hands, and to ask or close the records would hang as well
            self._hand_over(STOP_WITHIN_S)
        self.link.stop(STOP_WITHIN_S)
        if self.film is not None:
            self.film.stop()
        if is_written:
            self.records.stop_cleanly()
            self.records.close()
        self.panel.close()
        self.local.stop(STOP_WITHIN_S)
        os.close(self._held)
        self.supervisor.say("stopped: the recording is closed" if is_written else "stopped: the card hangs")
        log.info("stopped")

    def _door(self) -> Door | None:
        return None if self.identity is None else door_of(self.settings.storage_path)

    def sitting_name(self) -> str:
        """The sitting that is on, '' for none: for the log, from any thread."""
        sitting = self.sitting.current
        return "" if sitting is None else sitting.sitting

    def _hand_over(self, timeout_s: float) -> None:
        """Give a hub that is there the time to confirm the last records; what it does not, it gets after the next
        start."""
        pause = threading.Event()
        for _ in range(round(timeout_s / TICK_S)):
            if self.link.connected_since is None or self.records.depth() == 0:
                return
            pause.wait(TICK_S)

    # --- what the parts hand over; each only enqueues ---------------------------------------------------------------

    def _take_frame(self, frame: MainFrame) -> None:
        self.sitting.take_frame(frame)
        self.showing.take_frame(frame)

    def _take_command(self, command: wire.Command) -> None:
        if not self.showing.take_command(command):
            self.attending.take_command(command)

    def _put(self, body: wire.Body, now: Instant, still: bytes | None = None) -> None:
        self.scribe.put(body, now, self.clock.is_ok(), still)

    def _take_segment(self, segment: ClosedSegment) -> None:
        self.record_rate.add(segment)
        self.sitting.take_segment(segment, self.clock.now())

    def _keep_reference(self, data: bytes) -> None:
        self.scribe.do(lambda: keep_reference(self.settings.storage_path, data))

    def _take_changes(self, changes: list[AlertChange], rgb: NDArray[np.uint8]) -> None:
        sitting = self.sitting.current
        if sitting is None:
            return
        if any(change.state is State.RAISED for change in changes):
            self.recorder.cut()
        self._put_changes(changes, sitting, rgb)

    def _put_changes(self, changes: list[AlertChange], sitting: PlannedSitting, rgb: NDArray[np.uint8] | None) -> None:
        for change in changes:
            log.info("alert %s %s", change.kind, change.state)
            jpeg = None
            if change.state is State.RAISED and rgb is not None:
                jpeg = jpeg_within(self.blinds.rgb(rgb), None, EVIDENCE_BYTES)
            sha256 = wire.sha256_hex(jpeg) if jpeg is not None else None
            self._put(bodies.alert_body(change, sitting, self.maker, sha256), self.clock.now(), jpeg)

    # --- the tick ---------------------------------------------------------------------------------------------------

    def _try_tick(self, now: Instant) -> None:
        try:
            self._tick(now)
            self._failed_ticks = 0
        except Exception:
            self._failed_ticks += 1
            log.exception("a tick failed")
            if self._failed_ticks >= TICKS_MAY_FAIL:
                raise

    def _tick(self, now: Instant) -> None:
        self.equipment.follow_clock(now)
        if self.link.failure is not None and self._is_due("link", now, LINK_AGAIN_MS):
            self.link.stop(0)  # what was not delivered is still in the spool
            self.link = self._make_link()
            self.link.start()
        self.sitting.follow(now, self.clock.is_ok())
        self.diary.follow(self.sitting.current)
        self.attending.step(now, self.sitting, self.sight, self.drill)
        self.local.step(now, self.sitting.current)
        seen, progress = self.sight.seen(), self.recorder.progress()
        if self._is_due("readings", now, READINGS_EVERY_MS):
            self.equipment.read(now, seen, progress)
            self._follow_pace(now, seen)
        self._show(now, seen, progress)

    def _is_due(self, what: str, now: Instant, every_ms: int) -> bool:
        if now.up_ms < self._due.get(what, 0):
            return False
        self._due[what] = now.up_ms + every_ms
        return True

    def _follow_pace(self, now: Instant, seen: Seen) -> None:
        chosen = self._pace_keeper.step(now.up_ms, seen.vision_ms, host.temperature_c())
        if chosen.fps != self._pace.fps:
            log.warning("%g looks a second of %g %s", chosen.fps, chosen.wanted_fps, chosen.reason)
            self.sight.look_at(chosen.fps)
        self._pace = chosen

    # --- what people and the hub see --------------------------------------------------------------------------------

    def _show(self, now: Instant, seen: Seen, progress: Progress) -> None:
        alerts = bodies.standing_alerts(self.sight.standing(), self.sitting.help, self.records.boot)
        sitting, away = self.sitting.current, self.link.disconnected_since
        hub_away_s = 0.0 if away is None else (now.up_ms - away.up_ms) / 1000
        state = desk_state(sitting, seen, alerts, self.attending, self.equipment.standing(), hub_away_s)
        state = msgspec.structs.replace(state, is_drill=self.drill.is_on)
        self.panel.show(patterns.choose(state), patterns.is_buzzer_allowed(state))
        self.drill.shown(self.panel.lamp())
        self.supervisor.say(status_line(state, self.sitting_name()))
        if seen.look is not None and self._is_due("still", now, STILL_EVERY_MS):
            self._publish_still(seen)
        steady = msgspec.structs.replace(state, hub_away_s=0.0)  # it grows with each tick and is no news
        faces = seen.look and len(seen.look.observation.faces)
        told = (steady, alerts, sitting, faces, seat_now(seen, sitting), self._pace.fps, self.attending.refused)
        if told != self._told or self._is_due("heartbeat", now, HEARTBEAT_EVERY_MS):
            # a change is told at once; the rhythm of the rest says that this desk is alive
            self._told = told
            self._due["heartbeat"] = now.up_ms + HEARTBEAT_EVERY_MS
            beat = self._heartbeat(now, alerts, seen, progress)
            film = uploading.heartbeat_fields(self.film)
            beat = msgspec.structs.replace(beat, clock=self.local.time.quality(), **film)
            self.local.film_trouble = uploading.trouble_of(self.film)
            self.link.publish_heartbeat(beat)
            self.local.tell(beat, self.link, self.records, sitting, seen, progress)

    def _publish_still(self, seen: Seen) -> None:
        if seen.look is not None and self.link.connected_since is not None:
            # masked once more: the plan may have changed since it was looked at
            still = live_still(seen.look.observation, self.blinds.rgb(seen.look.rgb), self.records.boot)
            if still is not None:
                self.link.publish_still(still)

    def _heartbeat(
        self, now: Instant, alerts: tuple[wire.StandingAlert, ...], seen: Seen, progress: Progress
    ) -> wire.Heartbeat:
        written_ns = progress.last_written_up_ns
        return heartbeat_of(
            self.maker,
            now,
            self.sitting.current,
            seen,
            progress,
            self._pace,
            alerts,
            self.equipment.standing(),
            is_clock_ok=self.clock.is_ok(),
            recorded_s=self.sitting.recorded_s(None if written_ns is None else written_ns // 1_000_000),
            spool=self.scribe.depth,
            free_bytes=self.freeing.free_bytes,
            temperature_c=host.temperature_c(),
            lamp=self.panel.lamp(),
            head=self.scribe.head,
            plan=self.records.plan(),
            has_reference=self.eyes.has_reference,
            certificate_ends_utc_ms=None if self.identity is None else self.identity.ends_utc_ms,
            record_bytes_per_s=self.record_rate.bytes_per_s,
            receipt_ms=self.receipts.ms,
            said=self.attending,
        )
