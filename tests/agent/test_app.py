"""The desk as one: a part that fails is made anew, a tick that fails does not end the recording."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import models
from agent import host
from agent.app import Desk
from agent.config import Settings
from agent.messaging.link import _Message
from agent.wire import FaultKind
from tests.agent.vision_kit import files_folder
from tests.brokers import Broker
from tests.support import wait_for


@pytest.fixture
def desk(tmp_path: Path, mosquitto_broker: Broker) -> Iterator[Desk]:
    """A running desk in a thread of this process, connected."""
    yield from running(tmp_path, mosquitto_broker, "demo:steady")


@pytest.fixture
def desk_before_a_still(tmp_path: Path, mosquitto_broker: Broker) -> Iterator[Desk]:
    """The same with a camera that gives one picture again and again."""
    still = models.checked("portrait_hopper", files_folder())
    yield from running(tmp_path, mosquitto_broker, f"footage:{still}")


def running(tmp_path: Path, mosquitto_broker: Broker, camera_device: str) -> Iterator[Desk]:
    made = Desk(
        Settings(
            unit="test.desk-01",
            storage_path=tmp_path / "desk",
            camera_device=camera_device,
            broker_port=mosquitto_broker.port,
            storage_low_bytes=0,
            record_width=320,
            record_height=180,
        )
    )
    thread = threading.Thread(target=made.run, name="desk")
    thread.start()
    wait_for(lambda: made.link.connected_since)
    yield made
    made.stopping.set()
    thread.join(60)
    assert not thread.is_alive()


def test_a_link_that_failed_is_made_anew(desk: Desk) -> None:
    """Whatever ends the link's work thread, the desk connects again by itself, and the recording goes on."""
    failed = desk.link
    failed._inbox.put(_Message(None, b""))  # type: ignore[arg-type]  # what no broker sends
    wait_for(lambda: failed.failure)
    wait_for(lambda: desk.link is not failed and desk.link.connected_since)
    assert not desk.stopping.is_set()


def test_a_frozen_camera_is_a_fault(desk_before_a_still: Desk) -> None:
    """The same picture, time stamps going on: raised by itself, and told with every heartbeat."""
    desk = desk_before_a_still
    wait_for(lambda: [fault.kind for fault in desk.faults.standing() if fault.kind is FaultKind.CAMERA_FROZEN])
    beat = desk._heartbeat(desk.clock.now(), [], desk.sight.seen(), desk.recorder.progress())
    assert (beat.is_frozen, beat.is_covered, beat.is_low_light) == (True, False, False)
    assert FaultKind.CAMERA_FROZEN in {fault.kind for fault in beat.faults}


def test_a_tick_that_fails_now_and_then_ends_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bad reading is logged and forgotten; the next tick goes on."""
    broken = threading.Event()

    def fails(_folder: Path) -> int:
        broken.set()
        raise RuntimeError("a reading that nobody foresaw")

    with monkeypatch.context() as patch:
        patch.setattr(host, "free_bytes", fails)
        assert broken.wait(30)
    wait_for(lambda: desk._failed_ticks == 0)
    assert not desk.stopping.is_set()
