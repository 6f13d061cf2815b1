"""Live video of this desk, while somebody at the hub watches: its newest pictures as JPEGs, each a message of its own.

A thread of its own, at low priority, that sleeps while nobody watches. The camera's thread only leaves the newest frame
here; what this thread or the network does not get done in time is not shown, and nobody waits for it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from agent.camera import MainFrame
from agent.camera.paced import small_i420
from agent.wire import Command, CommandKind, Instant, Still, StillNote, sha256_hex

log = logging.getLogger(__name__)

LONGEST_MS = 15_000
"""What one command asks for at the most, counted in boot time: a clock that is set must not leave the camera on."""
UNSYNCED_MS = 10_000
"""The same while this desk's clock is not to be trusted with the hub's instant: what the hub asks for."""
SHORTEST_NS = 49_000_000
"""Between two pictures. All of a camera that gives up to 20 a second, every second one of 25 or 30: whole steps, for
every third left out jerks."""
LOOK_AGAIN_S = 0.01
LIVE_BYTES = 48_000
"""Leaves room for the note within a message's 64 KiB."""
BEST_QUALITY, WORST_QUALITY, STEP = 75, 15, 10
NICENESS = 10
TROUBLE_PAUSE_S = 1.0
_NS_PER_MS = 1_000_000


class Clock(Protocol):
    """What is needed of `agent.host.Clock`."""

    def now(self) -> Instant: ...

    def utc_ms_at(self, up_ns: int) -> int: ...

    def is_ok(self) -> bool: ...


class Encoder:
    """Frames as JPEGs of at most `limit_bytes`, in the best quality that the last pictures allow."""

    def __init__(self, mask: Callable[[NDArray[np.uint8]], NDArray[np.uint8]], limit_bytes: int = LIVE_BYTES) -> None:
        self._mask, self._limit_bytes = mask, limit_bytes
        self.quality = BEST_QUALITY

    def jpeg(self, i420: NDArray[np.uint8]) -> bytes | None:
        """A frame (planar YUV 4:2:0, height * 3 // 2 by width) within VISION_SIZE, masked before it is encoded; half as
        wide and high when it is too large even in the worst quality, None when that does not help."""
        # scaled first: the masks are black where a pixel touches them, whatever the size (`Zones.private_spans`)
        bgr = cv2.cvtColor(self._mask(small_i420(i420)), cv2.COLOR_YUV2BGR_I420)
        while (jpeg := self._encoded(bgr)) is None and self.quality > WORST_QUALITY:
            self.quality = max(WORST_QUALITY, self.quality - STEP)
        if jpeg is not None and len(jpeg) < self._limit_bytes * 0.7:
            self.quality = min(BEST_QUALITY, self.quality + 1)
        return jpeg or self._encoded(cv2.resize(bgr, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))

    def _encoded(self, bgr: MatLike) -> bytes | None:
        is_done, encoded = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, self.quality))
        return bytes(encoded.data) if is_done and encoded.size <= self._limit_bytes else None


class Showing:
    """`publish` hands a picture to the network now, or says False and it is gone; `mask` blackens an I420 picture where
    it is private, by the masks of that moment. `start` once, `stop` once."""

    def __init__(
        self,
        clock: Clock,
        boot: int,
        mask: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
        publish: Callable[[Still], bool],
    ) -> None:
        self._clock, self._boot, self._publish = clock, boot, publish
        self._encoder = Encoder(mask)
        self._until_up_ms = 0
        self._newest: MainFrame | None = None
        self._asked = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="showing", daemon=True)
        self.sent = 0
        self.not_sent = 0
        """Pictures that the network did not take in time, since the start."""

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        self._stopping.set()
        self._asked.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    @property
    def is_on(self) -> bool:
        return self._asked.is_set()

    # --- what others hand over; neither waits -----------------------------------------------------------------------

    def take_command(self, command: Command) -> bool:
        """Whether the command is for here."""
        if command.name is not CommandKind.SHOW_LIVE:
            return False
        now = self._clock.now()
        lasts_ms = command.expires_utc_ms - now.utc_ms if self._clock.is_ok() else UNSYNCED_MS
        if lasts_ms > 0:
            self._until_up_ms = max(self._until_up_ms, now.up_ms + min(lasts_ms, LONGEST_MS))
            self._asked.set()
        return True

    def take_frame(self, frame: MainFrame) -> None:
        """In the camera's thread."""
        if self._asked.is_set():
            self._newest = frame

    # --- the showing thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)  # of this thread alone: sched(7)
        while not self._stopping.is_set():
            self._asked.wait()
            if self._stopping.is_set():
                return
            try:
                self._show_until_over()
            except Exception:  # a picture that cannot be made is not shown; nothing else of the desk depends on it
                log.exception("live video failed")
                self._stopping.wait(TROUBLE_PAUSE_S)

    def _show_until_over(self) -> None:
        last_up_ns = 0
        log.info("live video is asked for")
        while not self._stopping.is_set():
            if self._clock.now().up_ms >= self._until_up_ms:
                self._asked.clear()
                # asked again in between: the next turn goes on
                if self._clock.now().up_ms < self._until_up_ms:
                    self._asked.set()
                    continue
                self._newest = None
                log.info("live video is not asked for any more: %d pictures sent, %d not", self.sent, self.not_sent)
                return
            frame = self._newest
            if frame is None or frame.up_ns - last_up_ns < SHORTEST_NS:
                self._stopping.wait(LOOK_AGAIN_S)
                continue
            last_up_ns = frame.up_ns
            self._show(frame)

    def _show(self, frame: MainFrame) -> None:
        jpeg = self._encoder.jpeg(frame.i420)
        if jpeg is None:
            self.not_sent += 1
            return
        at = Instant(self._clock.utc_ms_at(frame.up_ns), frame.up_ns // _NS_PER_MS)
        if self._publish(Still(StillNote(boot=self._boot, at=at, sha256=sha256_hex(jpeg)), jpeg)):
            self.sent += 1
        else:
            self.not_sent += 1
