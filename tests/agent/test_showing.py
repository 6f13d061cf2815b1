"""Live video at the desk: while it is asked for, of what may be seen, the newest only, and nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.blinds import Blinds
from agent.camera import MainFrame
from agent.core.masks import Zones
from agent.showing import LIVE_BYTES, LONGEST_MS, UNSYNCED_MS, WORST_QUALITY, Encoder, Showing
from agent.wire import Command, CommandKind, Instant, Mask, Still, sha256_hex
from tests.agent.test_app import running
from tests.brokers import Broker
from tests.contract.hub_side import HubSide
from tests.support import wait_for

START = Instant(1_800_000_000_000, 50_000)
LEFT_HALF = Mask(kind="private", points=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.instant = START
        self.is_trusted = True

    def now(self) -> Instant:
        return self.instant

    def utc_ms_at(self, up_ns: int) -> int:
        return self.instant.utc_ms - self.instant.up_ms + up_ns // 1_000_000

    def is_ok(self) -> bool:
        return self.is_trusted

    def forward(self, ms: int) -> None:
        self.instant = Instant(self.instant.utc_ms + ms, self.instant.up_ms + ms)


class Network:
    """Keeps what is handed over, or refuses it."""

    def __init__(self) -> None:
        self.sent: list[Still] = []
        self.tried = 0
        self.is_clear = True
        self.breaks = 0

    def publish(self, still: Still) -> bool:
        self.tried += 1
        if self.breaks:
            self.breaks -= 1
            raise RuntimeError("what nobody foresaw")
        if self.is_clear:
            self.sent.append(still)
        return self.is_clear


def noise(seed: int, width: int = 640, height: int = 360) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(16, 236, (height * 3 // 2, width), dtype=np.uint8)


def grey(value: int) -> NDArray[np.uint8]:
    return np.full((270, 320), value, np.uint8)


def frame(number: int, clock: Clock, i420: NDArray[np.uint8] | None = None) -> MainFrame:
    """A camera's frame number `number`, at fifteen a second."""
    up_ns = clock.instant.up_ms * 1_000_000 + number * 66_666_667
    return MainFrame(number, up_ns, grey(100 + number % 100) if i420 is None else i420)


def show(lasts_ms: int = 10_000) -> Command:
    return Command(number=0, name=CommandKind.SHOW_LIVE, expires_utc_ms=START.utc_ms + lasts_ms)


@contextmanager
def showing(clock: Clock, network: Network) -> Iterator[Showing]:
    made = Showing(clock, 7, lambda picture: picture, network.publish)
    made.start()
    try:
        yield made
    finally:
        made.stop(10)


def test_nothing_is_shown_before_it_is_asked_for_and_after() -> None:
    """No command: no picture leaves, whatever the camera gives. When the command is over it ends by itself."""
    clock, network = Clock(), Network()
    with showing(clock, network) as made:
        made.take_frame(frame(1, clock))
        assert not made.is_on
        assert made.take_command(show())
        made.take_frame(frame(2, clock))
        wait_for(lambda: len(network.sent) == 1)
        clock.forward(10_000)
        wait_for(lambda: not made.is_on)
        made.take_frame(frame(3, clock))
        assert made.take_command(show(lasts_ms=20_000))
        made.take_frame(frame(4, clock))
        wait_for(lambda: len(network.sent) == 2)
    still = network.sent[0]
    assert still.note.boot == 7
    assert still.note.at == Instant(clock.utc_ms_at(frame(2, Clock()).up_ns), frame(2, Clock()).up_ns // 1_000_000)
    assert sha256_hex(still.jpeg) == still.note.sha256


def test_other_commands_are_not_taken() -> None:
    made = Showing(Clock(), 1, lambda picture: picture, Network().publish)
    for kind in CommandKind:
        command = Command(number=1, name=kind, alert="a", expires_utc_ms=START.utc_ms + 10_000)
        assert made.take_command(command) is (kind is CommandKind.SHOW_LIVE)


def test_a_command_holds_for_seconds_whatever_it_says() -> None:
    """An instant far away, as from a hub or desk whose clock is wrong, leaves no camera on: boot time is counted."""
    clock, network = Clock(), Network()
    with showing(clock, network) as made:
        made.take_command(show(lasts_ms=3_600_000))
        clock.instant = Instant(START.utc_ms - 7_200_000, START.up_ms + LONGEST_MS)  # and the wall clock is set back
        wait_for(lambda: not made.is_on)


def test_a_command_that_is_over_asks_for_nothing_unless_the_clock_is_not_set() -> None:
    clock, network = Clock(), Network()
    with showing(clock, network) as made:
        found = [made.take_command(show(lasts_ms=-1)), made.is_on]
        clock.is_trusted = False
        found += [made.take_command(show(lasts_ms=-3_600_000)), made.is_on]
        assert found == [True, False, True, True]
        clock.forward(UNSYNCED_MS)
        wait_for(lambda: not made.is_on)


def test_a_camera_is_shown_in_whole_steps() -> None:
    """All of 15 a second; of a camera that gives 30, every second picture. Never one twice."""
    clock, network = Clock(), Network()
    with showing(clock, network) as made:
        made.take_command(show())
        for number in range(1, 7):
            half = MainFrame(number, clock.instant.up_ms * 1_000_000 + number * 33_333_333, grey(number))
            tried = network.tried
            made.take_frame(half)
            if number % 2:
                wait_for(lambda tried=tried: network.tried == tried + 1)  # type: ignore[misc]
        clock.forward(10_000)
        wait_for(lambda: not made.is_on)
    assert [still.note.at.up_ms for still in network.sent] == [START.up_ms + step for step in (33, 99, 166)]


def test_what_the_network_does_not_take_is_gone() -> None:
    """Behind a line that is full nothing is kept back: when it is clear again the newest picture goes."""
    clock, network = Clock(), Network()
    network.is_clear = False
    with showing(clock, network) as made:
        made.take_command(show())
        for number in range(1, 4):
            made.take_frame(frame(number, clock))
            wait_for(lambda number=number: made.not_sent == number)  # type: ignore[misc]
        network.is_clear = True
        made.take_frame(frame(4, clock))
        wait_for(lambda: made.sent == 1)
    assert [still.note.at.up_ms for still in network.sent] == [frame(4, clock).up_ns // 1_000_000]


def test_a_picture_that_fails_is_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever making or sending one throws, the next is made."""
    clock, network = Clock(), Network()
    network.breaks = 1
    with showing(clock, network) as made:
        made.take_command(show())
        made.take_frame(frame(1, clock))
        wait_for(lambda: network.tried == 1)
        made.take_frame(frame(2, clock))
        wait_for(lambda: len(network.sent) == 1)
    assert "live video failed" in caplog.text


def test_the_camera_never_waits() -> None:
    """While a picture is stuck on its way, frames are taken at once, and the newest is the next."""
    clock, is_stuck, may_go = Clock(), threading.Event(), threading.Event()
    sent: list[int] = []

    def publish(still: Still) -> bool:
        is_stuck.set()
        may_go.wait(30)
        sent.append(still.note.at.up_ms)
        return True

    made = Showing(clock, 1, lambda picture: picture, publish)
    made.start()
    made.take_command(show())
    made.take_frame(frame(1, clock))
    assert is_stuck.wait(30)
    for number in range(2, 100):
        made.take_frame(frame(number, clock))
    may_go.set()
    wait_for(lambda: len(sent) == 2)
    made.stop(10)
    assert sent[1] == frame(99, clock).up_ns // 1_000_000


# --- pictures -------------------------------------------------------------------------------------------------------


def test_private_parts_cannot_be_told_from_the_picture() -> None:
    """Two scenes that differ only where it is private give the very same bytes; elsewhere they are seen."""
    blinds = Blinds(lambda: Zones((LEFT_HALF,)))
    one, other = noise(1, 1280, 720), noise(1, 1280, 720)
    other[:720, :640] = noise(2, 1280, 720)[:720, :640]
    chroma, strange = other[720:].reshape(2, 360, 640), noise(3, 1280, 720)[720:].reshape(2, 360, 640)
    chroma[:, :, :320] = strange[:, :, :320]
    assert not np.array_equal(one, other)
    first, second = Encoder(blinds.i420).jpeg(one), Encoder(blinds.i420).jpeg(other)
    assert first is not None
    assert first == second
    picture = cv2.imdecode(np.frombuffer(first, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (360, 640, 3)
    assert picture[:, :300].max() < 16
    assert picture[:, 340:].std() > 20
    assert Encoder(lambda frame: frame).jpeg(one) != first


def test_every_picture_fits_a_message() -> None:
    """Noise, which packs worst, in a lower quality; and a calm picture after it in a better one again."""
    encoder = Encoder(lambda picture: picture)
    best = encoder.quality
    jpeg = encoder.jpeg(noise(4))
    assert jpeg is not None
    assert len(jpeg) <= LIVE_BYTES
    assert WORST_QUALITY <= encoder.quality < best
    for _ in range(best):
        assert encoder.jpeg(grey(120)) is not None
    assert encoder.quality == best
    assert Encoder(lambda picture: picture, limit_bytes=100).jpeg(noise(4)) is None


# --- the whole desk -------------------------------------------------------------------------------------------------


def test_a_desk_shows_itself_while_it_is_asked(tmp_path: Path, mosquitto_broker: Broker) -> None:
    """Over a real broker: command in, pictures of the camera out, more often than vision looks, and an end by itself.
    Recording has lost no frame for it."""
    with HubSide(mosquitto_broker) as hub, running(tmp_path / "desk", mosquitto_broker) as desk:
        assert hub.all_of("live") == []
        expires_utc_ms = desk.clock.now().utc_ms + 4_000
        command = Command(number=0, name=CommandKind.SHOW_LIVE, expires_utc_ms=expires_utc_ms)
        hub.tell("test.desk-01", "command", command)
        wait_for(lambda: len(hub.all_of("live")) >= 20)
        wait_for(lambda: not desk.showing.is_on)
        shown: list[Still] = hub.all_of("live")
        ups = [still.note.at.up_ms for still in shown]
        assert ups == sorted(set(ups))
        assert len(shown) / (ups[-1] - ups[0]) * 1000 > desk.settings.vision_fps
        assert len({still.note.sha256 for still in shown}) > 10
        picture = cv2.imdecode(np.frombuffer(shown[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (180, 320, 3)
