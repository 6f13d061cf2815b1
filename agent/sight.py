"""The thread that looks: opens the camera and opens it again, takes the newest picture when one is due, has it
observed and judged. It waits for no disk and no network; what it finds goes to callables that only enqueue.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from agent.camera import Camera, CameraLost, MainFrame, Picture
from agent.core.judge import AlertChange, Judge
from agent.core.observation import Observation, quantised
from agent.wire import Instant, Pause, Rule

log = logging.getLogger(__name__)

REOPEN_S = 2.0
"""A camera that was unplugged is back within seconds of being plugged in again."""
WINDOW_MS = 4_000
"""The stretch over which rates are counted."""
_NS_PER_MS = 1_000_000


class Clock(Protocol):
    """What is needed of `agent.host.Clock`."""

    def now(self) -> Instant: ...

    def utc_ms_at(self, up_ns: int) -> int: ...


class Watch(Protocol):
    """Hears all that the judge is given and what it says, in the judge's own order, and must only enqueue."""

    def judge_by(self, rules: tuple[Rule, ...], first_n: int, now: Instant, pauses: tuple[Pause, ...]) -> None: ...

    def paused_by(self, pauses: tuple[Pause, ...]) -> None: ...

    def saw(self, observation: Observation, changes: list[AlertChange]) -> None: ...

    def ended(self, now: Instant, changes: list[AlertChange]) -> None: ...


class Look(NamedTuple):
    """One analysed picture with what it shows."""

    observation: Observation
    rgb: NDArray[np.uint8]


class Seen(Struct, frozen=True, kw_only=True):
    """The state of looking at one moment; rates are per second over the last WINDOW_MS."""

    since_up_ms: int
    last_frame_up_ms: int | None
    camera_trouble: str | None
    vision_trouble: str | None
    capture_fps: float
    vision_fps: float
    vision_ms: float | None
    """What the looks of the last WINDOW_MS took on average; None without any."""
    observations_in_window: int
    look: Look | None

    # what the newest look says of the camera; None without one

    @property
    def is_covered(self) -> bool | None:
        return None if self.look is None else self.look.observation.scene.is_covered

    @property
    def is_low_light(self) -> bool | None:
        return None if self.look is None else self.look.observation.scene.is_low_light

    @property
    def is_frozen(self) -> bool | None:
        return None if self.look is None else self.look.observation.scene.is_frozen


class Sight:
    """`open_camera` makes a camera, not yet started; `observe` is vision's; `feed` gets every frame; `on_changes` gets
    what the judge says, with the picture it was said of; `watch`, when given, hears the judge. `mask` gives each
    picture as it may be seen: before anybody looks at it, and without writing into the one it was given. `forget_view`
    is vision's, for when a sitting begins."""

    def __init__(
        self,
        open_camera: Callable[[], Camera],
        observe: Callable[[NDArray[np.uint8], int, int], Observation],
        feed: Callable[[MainFrame], None],
        on_changes: Callable[[list[AlertChange], NDArray[np.uint8]], None],
        clock: Clock,
        fps: float,
        watch: Watch | None = None,
        mask: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] = lambda rgb: rgb,
        forget_view: Callable[[], None] = lambda: None,
    ) -> None:
        self._open_camera, self._observe, self._feed, self._on_changes = open_camera, observe, feed, on_changes
        self._mask, self._clock, self._watch, self._forget_view = mask, clock, watch, forget_view
        self._every_ms = 1000 / fps
        self.ticks = 0
        """Rounds of the thread, with a camera and without; stands still when it hangs."""
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._judge: Judge | None = None
        self._is_new_view = False
        self._frames: deque[int] = deque(maxlen=WINDOW_MS)
        self._looks: deque[tuple[int, float]] = deque(maxlen=WINDOW_MS)
        self._last_look: Look | None = None
        self._camera_trouble: str | None = None
        self._vision_trouble: str | None = None
        self._since_up_ms = clock.now().up_ms
        self._thread = threading.Thread(target=self._run, name="sight", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        self._stopping.set()
        self._thread.join(timeout_s)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def judge_by(
        self, rules: tuple[Rule, ...], first_n: int, *, pauses: tuple[Pause, ...] = (), is_new_view: bool = True
    ) -> None:
        """Judge from now on by `rules`, with the breaks `pauses`; alerts are numbered from `first_n`. With
        `is_new_view` the camera has moved when it looks elsewhere than now; without, when it looks elsewhere than
        before."""
        with self._lock:
            self._judge = Judge(rules, first_n=first_n, pauses=pauses)
            self._tell_watch(lambda watch: watch.judge_by(rules, first_n, self._clock.now(), pauses))
            self._is_new_view = self._is_new_view or is_new_view

    def pause_by(self, pauses: tuple[Pause, ...]) -> None:
        """Go on judging, with these breaks from the next look on."""
        with self._lock:
            if self._judge is not None and self._judge.pauses != pauses:
                self._judge.pauses = pauses
                self._tell_watch(lambda watch: watch.paused_by(pauses))

    def end_judging(self, now: Instant) -> tuple[list[AlertChange], int]:
        """No more judging: what stood is cleared; and the number the next alert would have had."""
        with self._lock:
            judge, self._judge = self._judge, None
            if judge is None:
                return [], 0
            changes = judge.end(now)
            self._tell_watch(lambda watch: watch.ended(now, changes))
            return changes, judge.next_n

    def look_at(self, fps: float) -> None:
        """Look `fps` times a second from the next look on."""
        self._every_ms = 1000 / fps

    def standing(self) -> tuple[AlertChange, ...]:
        with self._lock:
            return () if self._judge is None else self._judge.standing()

    def seen(self) -> Seen:
        """Counted up to now, so that a camera that stopped is seen to stop."""
        now_ms = self._clock.now().up_ms
        frames = [up_ms for up_ms in tuple(self._frames) if now_ms - up_ms <= WINDOW_MS]
        looks = [vision_ms for up_ms, vision_ms in tuple(self._looks) if now_ms - up_ms <= WINDOW_MS]
        return Seen(
            since_up_ms=self._since_up_ms,
            last_frame_up_ms=self._frames[-1] if self._frames else None,
            camera_trouble=self._camera_trouble,
            vision_trouble=self._vision_trouble,
            capture_fps=len(frames) * 1000 / WINDOW_MS,
            vision_fps=len(looks) * 1000 / WINDOW_MS,
            vision_ms=sum(looks) / len(looks) if looks else None,
            observations_in_window=len(looks),
            look=self._last_look if looks else None,
        )

    # --- the sight thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.ticks += 1
            pause_s = REOPEN_S
            try:
                camera = self._open_camera()
                camera.start(self._take)
                self._camera_trouble, pause_s = None, 0.0
                try:
                    self._look_through(camera)
                finally:
                    camera.stop()
            except CameraLost as error:
                self._camera_trouble = str(error)
            except Exception as error:  # this thread must live on: whatever a camera throws, it is opened again
                log.exception("the camera failed")
                self._camera_trouble, pause_s = f"{type(error).__name__}: {error}", REOPEN_S
            self._stopping.wait(pause_s)

    def _take(self, frame: MainFrame) -> None:
        """In the camera's thread."""
        self._frames.append(frame.up_ns // _NS_PER_MS)
        self._feed(frame)

    def _look_through(self, camera: Camera) -> None:
        number, due_ms = 0, 0.0
        while not self._stopping.is_set():
            self.ticks += 1
            picture = camera.newest(number, timeout_s=1.0)
            if picture is None:
                continue
            number = picture.number
            self._analyse(picture)
            now_ms = self._clock.now().up_ms
            # From the last due time, not from now: else each look's own length would lower the rate. One that fell
            # behind is not hurried: the next picture is as good.
            due_ms = max(due_ms + self._every_ms, now_ms)
            self._stopping.wait((due_ms - now_ms) / 1000)

    def _analyse(self, picture: Picture) -> None:
        if self._is_new_view:  # here, because vision belongs to this thread
            self._is_new_view = False
            self._forget_view()
        try:
            rgb = self._mask(picture.rgb)
            utc_ms = self._clock.utc_ms_at(picture.up_ns)
            observation = quantised(self._observe(rgb, picture.up_ns // _NS_PER_MS, utc_ms))
        except Exception as error:  # whatever a model or a picture does, recording and the next look go on
            if self._vision_trouble is None:
                log.exception("a picture could not be analysed")
            self._vision_trouble = f"{type(error).__name__}: {error}"
            return
        self._vision_trouble = None
        self._looks.append((observation.up_ms, observation.vision_ms))
        self._last_look = Look(observation, rgb)
        with self._lock:  # told within the lock: a judge that is ended at this moment has the last word
            if self._judge is None:
                return
            changes = self._judge.step(observation)
            self._tell_watch(lambda watch: watch.saw(observation, changes))
            if changes:
                self._tell(changes, rgb)

    def _tell(self, changes: list[AlertChange], rgb: NDArray[np.uint8]) -> None:
        try:
            self._on_changes(changes, rgb)
        except Exception:  # whoever is told has trouble of its own; looking goes on
            log.exception("what was seen could not be told: %s", changes)

    def _tell_watch(self, tell: Callable[[Watch], None]) -> None:
        try:
            if self._watch is not None:
                tell(self._watch)
        except Exception:  # what is noted of the looking must not end it
            log.exception("what the judge heard could not be noted")
