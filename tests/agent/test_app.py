"""The desk as one: a part that fails is made anew, a tick that fails does not end the recording."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import cv2
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

import models
from agent import app, host, wire
from agent.app import Desk
from agent.config import Settings
from agent.core.observation import Observation
from agent.core.obslog import JudgeBy, read_log
from agent.core.replay import judged_again, said
from agent.messaging.link import _Message
from agent.records import Records
from agent.wire import AlertKind, Heartbeat, Observed, Plan, PlannedSitting, Record, Rule
from tests.agent.vision_kit import files_folder
from tests.brokers import Broker
from tests.support import wait_for

NEVER_LATE = 1_000.0
"""A look may take so many times its period: how busy the machine is otherwise is then no reason to look less often."""


@contextmanager
def running(
    folder: Path, broker: Broker, camera_device: str = "demo:steady", models_path: Path | None = None
) -> Iterator[Desk]:
    """A running desk in a thread of this process, connected."""
    made = Desk(
        Settings(
            unit="test.desk-01",
            storage_path=folder,
            camera_device=camera_device,
            models_path=models_path,
            broker_port=broker.port,
            storage_low_bytes=0,
            is_clock_trusted=True,
            record_width=320,
            record_height=180,
        )
    )
    thread = threading.Thread(target=made.run, name="desk")
    thread.start()
    try:
        wait_for(lambda: made.link.connected_since)
        yield made
    finally:
        made.stopping.set()
        thread.join(60)
    assert not thread.is_alive()


@pytest.fixture
def desk(tmp_path: Path, mosquitto_broker: Broker) -> Iterator[Desk]:
    with running(tmp_path / "desk", mosquitto_broker) as made:
        yield made


def test_a_link_that_failed_is_made_anew(desk: Desk) -> None:
    """Whatever ends the link's work thread, the desk connects again by itself, and the recording goes on."""
    failed = desk.link
    failed._inbox.put(_Message(None, b""))  # type: ignore[arg-type]  # what no broker sends
    wait_for(lambda: failed.failure)
    wait_for(lambda: desk.link is not failed and desk.link.connected_since)
    assert not desk.stopping.is_set()


def test_a_frozen_camera_is_a_fault(tmp_path: Path, mosquitto_broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same picture, time stamps going on: raised by itself, and told with every heartbeat."""
    still = models.checked("portrait_hopper", files_folder())
    with running(tmp_path / "desk", mosquitto_broker, f"footage:{still}") as desk:
        beats = heard(desk, monkeypatch)
        wait_for(lambda: beats and wire.FaultKind.CAMERA_FROZEN in {fault.kind for fault in beats[-1].faults})
        assert (beats[-1].is_frozen, beats[-1].is_covered, beats[-1].is_low_light) == (True, False, False)


def test_a_tick_that_fails_now_and_then_ends_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bad reading is logged and forgotten; the next tick goes on."""
    broken = threading.Event()

    def fails() -> float:
        broken.set()
        raise RuntimeError("a reading that nobody foresaw")

    with monkeypatch.context() as patch:
        patch.setattr(host, "temperature_c", fails)
        assert broken.wait(30)
    wait_for(lambda: desk._failed_ticks == 0)
    assert not desk.stopping.is_set()


def plan(number: int, threshold: float) -> Plan:
    """One sitting, on for hours, whose rule takes faces of this score only."""
    rule = Rule(kind=AlertKind.FACE_NOT_VISIBLE, raise_s=0.5, clear_s=0.5, threshold=threshold)
    now_ms = host.Clock().now().utc_ms
    sitting = PlannedSitting(
        sitting="maths-1",
        exam="Maths",
        room="Hall",
        seat="A1",
        start_utc_ms=now_ms // 3_600_000 * 3_600_000,
        end_utc_ms=now_ms + 7_200_000,
        rules=(rule,),
    )
    return Plan(number=number, sittings=(sitting,))


def heard(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[Heartbeat]:
    """The heartbeats that the desk tells from now on."""
    beats: list[Heartbeat] = []
    publish = desk.link.publish_heartbeat

    def hear(beat: Heartbeat) -> bool:
        beats.append(beat)
        return publish(beat)

    monkeypatch.setattr(desk.link, "publish_heartbeat", hear)
    return beats


def test_a_sitting_leaves_a_log_that_judges_as_the_desk_did(
    tmp_path: Path, mosquitto_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the running desk: every look and every word of the judge in one file, over a change of rules and a restart's
    end; and the sitting's timeline among the records."""
    monkeypatch.setattr("agent.core.pace.LATE_SHARE", NEVER_LATE)
    folder = tmp_path / "desk"
    with running(folder, mosquitto_broker) as desk:
        beats = heard(desk, monkeypatch)
        desk.records.save_plan(wire.encode(plan(1, threshold=0.5)))
        wait_for(lambda: any(beat.seat == "face" and beat.sitting == "maths-1" for beat in beats))
        desk.records.save_plan(wire.encode(plan(2, threshold=1.0)))
        raised = wait_for(desk.sight.standing)
        wait_for(lambda: beats[-1].alerts)
        assert (beats[-1].vision_wanted_fps, beats[-1].vision_slowed) == (5.0, "")
    (path,) = (folder / "observations").iterdir()
    assert path.name == f"maths-1_{desk.records.boot:06d}.obslog"
    log = read_log(path.read_bytes())
    assert (log.problem, log.is_ended) == ("", True)
    assert (log.header.unit, log.header.software, log.header.model_sha256) == (
        "test.desk-01",
        app.SOFTWARE,
        desk.eyes.model_sha256,
    )
    assert [rule.threshold for by in log.entries if isinstance(by, JudgeBy) for rule in by.rules] == [0.5, 1.0]
    told = said(log.entries)
    assert told[0].raised == raised[0].raised
    assert judged_again(log.entries) == told
    with Records(folder, "test.desk-01") as records:
        bodies = [message.body for item in records.pending(500) if isinstance(message := records.message(item), Record)]
    minutes = [body for body in bodies if isinstance(body, Observed)]
    looks = sum(isinstance(entry, Observation) for entry in log.entries)
    assert len(minutes) == 2  # the change of rules ended one
    assert sum(minute.looks for minute in minutes) <= looks
    assert minutes[0].spans[0].seat == "face"


def test_a_hot_desk_looks_less_often_and_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Down to what the policy chose, told with its reason in the heartbeat; up again when it has cooled."""
    beats = heard(desk, monkeypatch)
    monkeypatch.setattr("agent.core.pace.LATE_SHARE", NEVER_LATE)
    monkeypatch.setattr("agent.core.pace.LET_GO_MS", 1_000)
    with monkeypatch.context() as patch:
        patch.setattr(host, "temperature_c", lambda: 79.0)
        wait_for(lambda: beats and beats[-1].vision_slowed == "hot: 79 degrees Celsius")
        assert beats[-1].vision_wanted_fps == 5
        wait_for(lambda: desk.sight.seen().observations_in_window <= 5)
    monkeypatch.setattr(host, "temperature_c", lambda: 50.0)
    wait_for(lambda: beats[-1].vision_slowed == "")
    wait_for(lambda: desk.sight.seen().observations_in_window >= 10)


def sitting_now(desk: Desk) -> wire.PlannedSitting:
    """A sitting that begins now and lasts an hour."""
    now = desk.clock.now()
    return wire.PlannedSitting(
        sitting="maths-1",
        exam="Maths",
        room="Hall",
        seat="A1",
        start_utc_ms=now.utc_ms,
        end_utc_ms=now.utc_ms + 3_600_000,
    )


def test_an_impossible_rule_costs_no_recording_and_is_a_fault(desk: Desk) -> None:
    """A rule nobody can judge, and then a plan with a broken mask: the sitting is recorded, judged by the default, and
    the fault says what is wrong, until a plan comes that can be followed."""

    def refused() -> str:
        return "".join(
            change.detail for change in desk.equipment.standing() if change.kind is wire.FaultKind.PLAN_REFUSED
        )

    sound = wire.Plan(number=1, sittings=(sitting_now(desk),))
    bad = msgspec.json.decode(wire.encode(sound))
    bad["sittings"][0]["rules"] = [{"kind": "seat_empty", "raise_s": -1, "clear_s": 3}]
    desk.records.save_plan(msgspec.json.encode(bad))
    wait_for(lambda: "raise_s" in refused())
    wait_for(lambda: desk.records.segments("maths-1"))
    assert desk.sitting.current is not None
    assert desk.sitting.current.rules == wire.DEFAULT_RULES[:1]
    bad["number"], bad["sittings"][0]["masks"] = 2, [{"kind": "private", "points": []}]
    with pytest.raises(wire.BadMessage):
        desk.records.save_plan(msgspec.json.encode(bad))
    wait_for(lambda: "plan 1 holds" in refused())
    assert desk.sitting.current is not None
    desk.records.save_plan(wire.encode(msgspec.structs.replace(sound, number=3)))
    wait_for(lambda: not refused())
    assert desk.sitting.current is not None


def test_the_desk_learns_its_empty_seat_by_the_plan_and_keeps_it(
    tmp_path: Path, mosquitto_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan says for how long nobody is there; what was learned then is on the card, and the next start has it at
    once. Without it the heartbeat says that there is none."""
    folder = tmp_path / "desk"
    opens_utc_ms = host.Clock().now().utc_ms + 100_000
    with running(folder, mosquitto_broker, f"demo:leaves@{opens_utc_ms}") as desk:
        beats = heard(desk, monkeypatch)
        wait_for(lambda: beats)
        assert beats[-1].has_reference is False
        now_ms = desk.clock.now().utc_ms
        sitting = msgspec.structs.replace(
            sitting_now(desk),
            start_utc_ms=now_ms + 600_000,
            end_utc_ms=now_ms + 3_600_000,
            empty_from_utc_ms=now_ms - 1_000,
            empty_until_utc_ms=now_ms + 600_000,
        )
        desk.records.save_plan(wire.encode(wire.Plan(number=1, sittings=(sitting,))))
        wait_for(lambda: beats[-1].has_reference)
        wait_for((folder / "empty-seat").exists)
    with running(folder, mosquitto_broker) as desk:
        beats = heard(desk, monkeypatch)
        wait_for(lambda: beats and beats[-1].has_reference)


def test_who_sits_in_one_sitting_is_not_learned_as_the_empty_seat_of_the_next(desk: Desk) -> None:
    """The next sitting's empty time reaches into this one: it counts only when this one is over."""
    now_ms = desk.clock.now().utc_ms
    following = msgspec.structs.replace(
        sitting_now(desk),
        sitting="maths-2",
        start_utc_ms=now_ms + 3_600_000,
        end_utc_ms=now_ms + 7_200_000,
        empty_from_utc_ms=now_ms - 1_000,
        empty_until_utc_ms=now_ms + 3_600_000,
    )
    desk.records.save_plan(wire.encode(wire.Plan(number=1, sittings=(following,))))
    wait_for(lambda: desk.sitting.is_said_empty(now_ms))
    desk.records.save_plan(wire.encode(wire.Plan(number=2, sittings=(sitting_now(desk), following))))
    wait_for(lambda: desk.sitting.current)
    assert not desk.sitting.is_said_empty(now_ms)


def test_without_its_models_a_desk_records_and_says_so(
    tmp_path: Path, mosquitto_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file on the card has rotted: the sitting is recorded all the same, and the fault names the file."""
    for name in ("astronaut.png", "grace_hopper.jpg"):  # the demo's camera needs them
        shutil.copy(files_folder() / name, tmp_path / name)
    with running(tmp_path / "desk", mosquitto_broker, models_path=tmp_path) as desk:
        beats = heard(desk, monkeypatch)
        desk.records.save_plan(wire.encode(wire.Plan(number=1, sittings=(sitting_now(desk),))))

        def told() -> str:
            return "".join(each.detail for each in beats[-1].faults if each.kind is wire.FaultKind.ANALYSIS_STOPPED)

        wait_for(lambda: beats and "face_detection_full_range" in told())
        assert "models.fetch" in told()
        wait_for(lambda: desk.records.segments("maths-1"))
        assert beats[-1].has_reference is False


def luma_of(segment: Path) -> NDArray[np.uint8]:
    """The brightness of each picture in a file."""
    with av.open(str(segment), format="mpegts") as film:
        return np.array([frame.to_ndarray(format="gray") for frame in film.decode(video=0)])


def test_what_is_private_is_in_no_file_and_no_picture(desk: Desk) -> None:
    """From the sitting's first frame on: black in the recording, in what vision gets and in the still that is sent;
    when a newer plan takes the mask away, the place is seen again."""
    left = wire.Mask(kind="private", points=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
    sitting = msgspec.structs.replace(sitting_now(desk), masks=(left,))
    desk.records.save_plan(wire.encode(wire.Plan(number=1, sittings=(sitting,))))
    (first,) = wait_for(lambda: desk.records.segments("maths-1"))
    luma = luma_of(desk.segments_folder / first.closed.name)
    assert luma.shape[1:] == (180, 320)
    assert luma[:, :, :152].max() < 40
    assert luma[:, :, 170:].mean() > 60
    look = desk.sight.seen().look
    assert look is not None
    assert not look.rgb[:, :160].any()
    assert desk.sitting.zones().masks == (left,)
    unmasked = msgspec.structs.replace(sitting, masks=())
    desk.records.save_plan(wire.encode(wire.Plan(number=2, sittings=(unmasked,))))
    wait_for(lambda: (look := desk.sight.seen().look) is not None and look.rgb[:, :150].any())
    desk.recorder.cut()

    def is_seen_again() -> bool:
        # the newest each time: the one that was cut may have ended before the plan came
        later = desk.records.segments("maths-1")[1:]
        return bool(later and luma_of(desk.segments_folder / later[-1].closed.name)[-1, :, :150].mean() > 60)

    wait_for(is_seen_again)


def test_what_is_private_is_in_no_picture_without_a_sitting(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan without sittings carries the seat's masks: black in what vision gets and in the live still, no film."""
    stills: list[wire.Still] = []
    publish = desk.link.publish_still

    def hear(still: wire.Still) -> bool:
        stills.append(still)
        return publish(still)

    monkeypatch.setattr(desk.link, "publish_still", hear)
    left = wire.Mask(kind="private", points=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
    desk.records.save_plan(wire.encode(wire.Plan(number=1, masks=(left,))))
    stills.clear()
    # the first one heard from now on may have been masked a moment before the plan came
    wait_for(lambda: len(stills) > 1)
    luma = cv2.imdecode(np.frombuffer(stills[1].jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert luma is not None
    width = luma.shape[1]
    assert luma[:, : width // 2 - 8].max() < 40
    assert luma[:, width // 2 + 8 :].mean() > 60
    wait_for(lambda: (look := desk.sight.seen().look) is not None and not look.rgb[:, :160].any())
    assert desk.sitting.zones().masks == (left,)
    assert desk.sitting.current is None
    assert not desk.records.segments()
