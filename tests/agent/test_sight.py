"""The thread that looks, over a camera that does what a test says. Time is a number; nobody waits for a clock."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.camera import CameraLost, MainFrame, Picture
from agent.core.judge import AlertChange, Judge, State
from agent.core.observation import Face, Observation, Scene, Seat, quantised
from agent.sight import WINDOW_MS, Sight
from agent.wire import AlertKind, Instant, Pause, Rule
from tests.support import wait_for

RGB = np.zeros((36, 64, 3), np.uint8)
I420 = np.zeros((54, 64), np.uint8)
NOBODY = Seat(person=0.0, pose=0.1, change=0.0)
EMPTY = Rule(kind=AlertKind.SEAT_EMPTY, raise_s=1, clear_s=1)


class Clock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.up_ms = 1_000_000

    def now(self) -> Instant:
        return Instant(self.up_ms + 5_000, self.up_ms)

    def utc_ms_at(self, up_ns: int) -> int:
        return up_ns // 1_000_000 + 5_000


class FakeCamera:
    """`show` hands a picture to whoever looks; an exception given to it ends the camera."""

    size, fps = (64, 36), 10.0

    def __init__(self, clock: Clock, start_error: Exception | None = None) -> None:
        self.clock, self.start_error = clock, start_error
        self.feed: Callable[[MainFrame], None] | None = None
        self.is_stopped = False
        self._pictures: queue.SimpleQueue[Picture | Exception] = queue.SimpleQueue()
        self._number = 0

    def start(self, feed: Callable[[MainFrame], None] | None) -> None:
        if self.start_error is not None:
            raise self.start_error
        self.feed = feed

    def newest(self, after: int, timeout_s: float) -> Picture | None:
        try:
            got = self._pictures.get(timeout=min(timeout_s, 0.05))
        except queue.Empty:
            return None
        if isinstance(got, Exception):
            raise got
        assert got.number > after
        return got

    def stop(self) -> None:
        self.is_stopped = True

    def show(self, step_ms: int = 200) -> None:
        """One more picture, `step_ms` after the last."""
        assert self.feed is not None
        self.clock.up_ms += step_ms
        self._number += 1
        up_ns = self.clock.up_ms * 1_000_000
        self.feed(MainFrame(self._number, up_ns, I420))
        self._pictures.put(Picture(self._number, up_ns, RGB))

    def end(self, error: Exception) -> None:
        self._pictures.put(error)


class Eyes:
    """Vision: says how many faces there are, or fails."""

    def __init__(self) -> None:
        self.faces, self.score = 0, 0.9
        self.error: Exception | None = None
        self.looks = 0

    def observe(self, _rgb: NDArray[np.uint8], up_ms: int, utc_ms: int) -> Observation:
        self.looks += 1
        if self.error is not None:
            raise self.error
        faces = tuple(Face(box=(0.1, 0.1, 0.2, 0.2), score=self.score) for _ in range(self.faces))
        scene = Scene(brightness=90, detail=40, is_covered=False)
        return Observation(up_ms, utc_ms, faces, scene, vision_ms=12.5, seat=None if faces else NOBODY)


class Watched:
    """A Sight with all that it needs. Each camera it opens is in `cameras`; `start_errors` are met first."""

    def __init__(self, *start_errors: Exception | None) -> None:
        self.clock, self.eyes = Clock(), Eyes()
        self.cameras: list[FakeCamera] = []
        self.frames: list[MainFrame] = []
        self.told: list[AlertChange] = []
        self.forgot: list[tuple[int, str]] = []
        self.when_told: Callable[[], None] = lambda: None
        self._start_errors = list(start_errors)
        self.noted: list[object] = []
        self.when_noted: Callable[[], None] = lambda: None
        self.sight = Sight(
            self.open,
            self.eyes.observe,
            self.frames.append,
            self.take,
            self.clock,
            fps=5,
            watch=self,
            forget_view=self.forget_view,
        )

    def forget_view(self) -> None:
        self.forgot.append((self.eyes.looks, threading.current_thread().name))

    def judge_by(self, rules: tuple[Rule, ...], first_n: int, now: Instant, pauses: tuple[Pause, ...]) -> None:
        self.noted.append((rules, first_n, *pauses))
        self.when_noted()

    def paused_by(self, pauses: tuple[Pause, ...]) -> None:
        self.noted.append(pauses)

    def saw(self, observation: Observation, changes: list[AlertChange]) -> None:
        self.noted += (observation, *changes)
        self.when_noted()

    def ended(self, now: Instant, changes: list[AlertChange]) -> None:
        self.noted += (*changes, now)
        self.when_noted()

    def open(self) -> FakeCamera:
        error = self._start_errors.pop(0) if self._start_errors else None
        self.cameras.append(FakeCamera(self.clock, error))
        return self.cameras[-1]

    def take(self, changes: list[AlertChange], rgb: NDArray[np.uint8]) -> None:
        assert rgb is RGB
        self.told += changes
        self.when_told()

    def camera(self, number: int = 1) -> FakeCamera:
        """The camera opened as the `number`th, once it runs."""
        wait_for(lambda: len(self.cameras) >= number and self.cameras[number - 1].feed is not None)
        return self.cameras[number - 1]

    def show(self, count: int, number: int = 1) -> None:
        """`count` pictures, each looked at before the next comes."""
        camera = self.camera(number)
        for _ in range(count):
            self._show_one(camera)

    def _show_one(self, camera: FakeCamera) -> None:
        before = self.eyes.looks
        camera.show()
        wait_for(lambda: self.eyes.looks > before, every_s=0.002)


@pytest.fixture
def started(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setattr("agent.sight.REOPEN_S", 0.01)
    watched = Watched(*getattr(request, "param", ()))
    watched.sight.start()
    yield watched
    watched.sight.stop(10)
    assert not watched.sight.is_alive()
    assert all(camera.is_stopped or camera.feed is None for camera in watched.cameras)


def test_every_frame_is_fed_and_the_newest_is_seen(started: Watched) -> None:
    """What the camera captures goes to the recorder unasked; what was looked at last can be shown."""
    started.eyes.faces = 2
    started.show(3)
    wait_for(lambda: (look := started.sight.seen().look) and look.observation.up_ms == started.clock.up_ms)
    assert [frame.number for frame in started.frames] == [1, 2, 3]
    seen = started.sight.seen()
    assert seen.look is not None
    assert seen.look.rgb is RGB
    assert len(seen.look.observation.faces) == 2
    assert seen.look.observation.utc_ms == started.clock.up_ms + 5000
    assert (seen.camera_trouble, seen.vision_trouble) == (None, None)


def test_rates_fall_to_nothing_when_pictures_stop(started: Watched) -> None:
    """A camera that stopped is seen to stop: rates are counted up to now, and an old look is not shown as new."""
    started.show(5)
    wait_for(lambda: started.sight.seen().observations_in_window == 5)
    assert started.sight.seen().capture_fps == 5 * 1000 / WINDOW_MS
    last_ms = started.clock.up_ms
    started.clock.up_ms += WINDOW_MS + 1
    seen = started.sight.seen()
    assert (seen.capture_fps, seen.vision_fps, seen.observations_in_window, seen.look) == (0, 0, 0, None)
    assert seen.last_frame_up_ms == last_ms


@pytest.mark.parametrize("error", [CameraLost("the cable is out"), RuntimeError("a driver's whim")])
def test_a_lost_camera_is_opened_again(started: Watched, error: Exception) -> None:
    """Whatever ends it, the next one is opened, pictures flow again, and the trouble is over."""
    started.show(2)
    first = started.camera()
    first.end(error)
    started.show(2, number=2)
    assert first.is_stopped
    assert started.sight.seen().camera_trouble is None
    assert started.sight.is_alive()
    assert len(started.frames) == 4


@pytest.mark.parametrize(
    "started",
    [(CameraLost("no such device"), OSError("busy"), CameraLost("no such device"), None)],
    indirect=True,
)
def test_a_camera_that_cannot_be_opened_is_tried_until_it_can(started: Watched) -> None:
    """Each failure is told in words, none of them ends the looking."""
    started.show(1, number=4)
    assert len(started.cameras) == 4
    assert started.sight.seen().camera_trouble is None


def test_what_is_wrong_with_the_camera_is_said() -> None:
    """The words of the camera, or the error's own name, until a camera opens."""
    watched = Watched(*[CameraLost("the cable is out")] * 100)
    watched.sight.start()
    try:
        wait_for(lambda: watched.sight.seen().camera_trouble == "the cable is out")
    finally:
        watched.sight.stop(10)
    assert not watched.sight.is_alive()


def test_a_picture_that_cannot_be_analysed_costs_only_itself(started: Watched) -> None:
    """Vision failing is said and does not end the looking; the frames are still recorded; the next look may work."""
    started.show(1)
    started.eyes.error = ValueError("a broken tensor")
    started.show(2)
    wait_for(lambda: started.sight.seen().vision_trouble == "ValueError: a broken tensor")
    assert started.sight.seen().observations_in_window == 1
    started.eyes.error = None
    started.show(1)
    wait_for(lambda: started.sight.seen().vision_trouble is None)
    assert len(started.frames) == 4


def test_nothing_is_judged_without_rules(started: Watched) -> None:
    """Outside a sitting an empty seat is nobody's business."""
    started.show(10)
    assert started.told == []
    assert started.sight.standing() == ()
    assert started.sight.end_judging(started.clock.now()) == ([], 0)


def test_alerts_are_numbered_on_over_changed_rules(started: Watched) -> None:
    """The number given first is the first alert's, and what `end_judging` answers is the next one's: no two alerts of
    one start of the agent share a name."""
    started.sight.judge_by((EMPTY,), 4)
    started.show(7)
    wait_for(lambda: len(started.told) == 1)
    assert (started.told[0].n, started.told[0].state) == (4, State.RAISED)
    assert [change.n for change in started.sight.standing()] == [4]
    cleared, next_n = started.sight.end_judging(started.clock.now())
    assert [(change.n, change.state, change.cleared) for change in cleared] == [(4, State.CLEARED, started.clock.now())]
    assert next_n == 5
    started.sight.judge_by((EMPTY,), next_n)
    started.show(7)
    wait_for(lambda: len(started.told) == 2)
    assert (started.told[1].n, started.told[1].state) == (5, State.RAISED)


def test_a_new_sitting_makes_a_new_view_the_right_one(started: Watched) -> None:
    """Before the first look of a sitting vision is told to forget, in the thread that looks; changed rules, a new
    camera and the sittings' end are no reason to."""
    assert started.forgot == []
    started.show(1)
    started.sight.judge_by((EMPTY,), 1)
    started.show(2)
    assert started.forgot == [(1, "sight")]
    started.sight.judge_by((EMPTY,), 1, is_new_view=False)
    started.show(1)
    started.sight.end_judging(started.clock.now())
    started.camera().end(CameraLost("unplugged"))
    started.show(2, number=2)
    assert started.forgot == [(1, "sight")]


def test_an_alert_survives_a_lost_camera(started: Watched) -> None:
    """What stands, stands until it is seen to be over; a new camera does not raise it a second time."""
    started.sight.judge_by((EMPTY,), 1)
    started.show(7)
    wait_for(lambda: len(started.told) == 1)
    started.camera().end(CameraLost("unplugged"))
    started.show(7, number=2)
    assert [change.n for change in started.sight.standing()] == [1]
    assert [change.state for change in started.told if change.state is not State.UPDATED] == [State.RAISED]
    started.eyes.faces = 1
    started.show(7, number=2)
    wait_for(lambda: started.told[-1].state is State.CLEARED)
    assert started.sight.standing() == ()


def test_who_is_told_may_fail(started: Watched) -> None:
    """Trouble elsewhere does not end the looking, nor the camera."""

    def fail() -> None:
        raise RuntimeError("the card's fault")

    started.when_told = fail
    started.sight.judge_by((EMPTY,), 1)
    started.show(7)
    wait_for(lambda: len(started.told) == 1)
    started.show(2)
    assert len(started.cameras) == 1
    assert started.sight.is_alive()


def test_an_end_of_judging_is_the_last_word(started: Watched) -> None:
    """A sitting that ends in the very moment of an alert cannot clear it before it is told as raised: else it would
    stand at the hub for ever."""
    order: list[str] = []

    def end() -> None:
        order.extend(f"ended {change.state}" for change in started.sight.end_judging(started.clock.now())[0])

    other = threading.Thread(target=end)

    def when_told() -> None:
        other.start()
        other.join(0.2)  # it must not get through; as long as it is given to
        order.append("told raised")

    started.when_told = when_told
    started.sight.judge_by((EMPTY,), 1)
    started.show(7)
    wait_for(lambda: len(order) == 2)
    other.join()
    assert order == ["told raised", "ended cleared"]


def test_pictures_are_masked_before_anybody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vision, the newest look and whoever hears of an alert all get the masked picture; the camera's own stays."""
    hidden = np.full_like(RGB, 7)
    clock, eyes, told = Clock(), Eyes(), queue.SimpleQueue[NDArray[np.uint8]]()
    looked: list[NDArray[np.uint8]] = []
    camera = FakeCamera(clock)

    def observe(rgb: NDArray[np.uint8], up_ms: int, utc_ms: int) -> Observation:
        looked.append(rgb)
        return eyes.observe(rgb, up_ms, utc_ms)

    sight = Sight(
        lambda: camera,
        observe,
        lambda _frame: None,
        lambda _changes, rgb: told.put(rgb),
        clock,
        fps=5,
        mask=lambda rgb: hidden if rgb is RGB else rgb,
    )
    sight.judge_by((Rule(kind=AlertKind.CAMERA_COVERED, raise_s=0, clear_s=0),), 1)
    monkeypatch.setattr(eyes, "observe", lambda _rgb, up_ms, utc_ms: covered(up_ms, utc_ms))
    sight.start()
    try:
        wait_for(lambda: camera.feed)
        camera.show()
        assert told.get(timeout=30) is hidden
    finally:
        sight.stop(30)
    assert looked[0] is hidden
    look = sight.seen().look
    assert look is not None
    assert look.rgb is hidden


def covered(up_ms: int, utc_ms: int) -> Observation:
    return Observation(up_ms, utc_ms, (), Scene(brightness=2, detail=1, is_covered=True))


def test_breaks_change_while_it_goes_on_judging(started: Watched) -> None:
    """What was raised before a break is cleared by the next look in it; who watches hears of the break in between, and
    of none that is the same."""
    began = Pause(from_utc_ms=0, until_utc_ms=1)
    on = Pause(from_utc_ms=0, until_utc_ms=2**50)
    started.sight.pause_by((on,))  # nobody is judged yet
    started.sight.judge_by((EMPTY,), 4, pauses=(began,))
    started.show(7)
    wait_for(lambda: len(started.told) == 1)
    started.sight.pause_by((began,))
    started.sight.pause_by((on,))
    started.show(1)
    wait_for(lambda: len(started.told) == 2)
    assert [change.state for change in started.told] == [State.RAISED, State.CLEARED]
    assert [entry for entry in started.noted if isinstance(entry, tuple)] == [((EMPTY,), 4, began), (on,)]


def test_who_watches_hears_what_the_judge_heard_and_said(started: Watched) -> None:
    """In the judge's own order, from its rules to its end, on the very numbers that were judged; nothing outside a
    sitting."""
    started.show(2)
    started.sight.judge_by((EMPTY,), 4)
    started.show(7)
    wait_for(lambda: len(started.told) == 1)
    started.sight.end_judging(started.clock.now())
    started.show(2)
    rules, *heard = started.noted
    assert rules == ((EMPTY,), 4)
    looks = [entry for entry in heard if isinstance(entry, Observation)]
    assert len(looks) == 7
    assert looks == [quantised(look) for look in looks]
    judge = Judge((EMPTY,), first_n=4)
    again: list[object] = []
    for look in looks:
        again += (look, *judge.step(look))
    assert heard == [*again, *judge.end(heard[-1]), heard[-1]]  # type: ignore[arg-type]


def test_a_number_finer_than_the_log_is_judged_as_the_log_has_it(started: Watched) -> None:
    """0.59996 is judged as 0.6, or the replay would judge something else."""
    started.eyes.faces, started.eyes.score = 1, 0.59996
    started.show(1)
    look = wait_for(lambda: started.sight.seen().look)
    assert look is not None
    assert look.observation.faces[0].score == 0.6


def test_who_watches_may_fail(started: Watched) -> None:
    """Trouble of the notes ends neither looking nor judging."""

    def fail() -> None:
        raise RuntimeError("the card's fault")

    started.when_noted = fail
    started.sight.judge_by((EMPTY,), 1)
    started.show(7)
    wait_for(lambda: len(started.told) == 1)
    assert len(started.sight.end_judging(started.clock.now())[0]) == 1
    assert started.sight.is_alive()


def test_nonsense_of_the_model_is_trouble_of_vision(started: Watched) -> None:
    """No number is judged or kept that is none."""
    started.eyes.faces, started.eyes.score = 1, float("nan")
    started.show(1)
    wait_for(lambda: started.sight.seen().vision_trouble)
    assert started.sight.seen().observations_in_window == 0


def test_it_looks_as_often_as_it_is_told(started: Watched) -> None:
    """The pace may change while it looks; what looks take on average is said."""
    started.show(2)
    wait_for(lambda: started.sight.seen().vision_ms == 12.5)
    started.sight.look_at(1.25)
    assert started.sight._every_ms == 800
    started.sight.look_at(20)
    started.show(3)
    started.clock.up_ms += WINDOW_MS + 1
    assert started.sight.seen().vision_ms is None
