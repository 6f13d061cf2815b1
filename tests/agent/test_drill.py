"""The drill: from the command to the lamp, the card, the hub and back, stamped as what it is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import drilling
from agent.config import Settings
from agent.core.bodies import Maker
from agent.core.drill import raise_drill
from agent.wire import AlertKind, Instant, PlannedSitting
from tests.agent.test_tools import environ_of
from tests.brokers import REPOSITORY, Broker, free_port, mosquitto_broker
from tests.journey.centre import UNIT, Centre, centre
from tests.support import wait_for

__all__ = ["mosquitto_broker"]


@pytest.fixture
def place(tmp_path: Path, mosquitto_broker: Broker) -> Iterator[Centre]:
    with centre(tmp_path, mosquitto_broker) as made:
        yield made


def drill(place: Centre, *words: str) -> subprocess.CompletedProcess[str]:
    environ = environ_of(place.folder) | {"EMS_UNIT": UNIT, "STORAGE_PATH": str(place.folder / UNIT)}
    return subprocess.run(
        [sys.executable, "-m", "agent.cli", "drill", *words],
        cwd=REPOSITORY,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_drill_goes_all_the_way(place: Centre) -> None:
    """Raised, shown, recorded, sent and receipted, each with its time; at the hub it is a drill and no real alert; a
    second command clears it; in a sitting it needs a reason."""
    place.start_ingest()
    place.start_desk("demo:steady")
    wait_for(lambda: place.heartbeat() is not None and place.heartbeat().faces is not None)  # type: ignore[union-attr]
    done = drill(place)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("DRILL 1-drill-")
    assert [line.split("ms", 1)[1].split()[0] for line in lines if " ms " in line]
    assert sum(" ms " in line for line in lines) == 5
    assert "PASS" in lines
    wait_for(lambda: (beat := place.heartbeat()) is not None and beat.lamp is not None and beat.lamp.pattern == "drill")
    beat = place.heartbeat()
    assert beat is not None
    assert beat.alerts == ()  # what stands for real; a drill does not
    assert "a drill is on already" in drill(place).stderr
    assert "cleared" in drill(place, "--end").stdout
    wait_for(lambda: place.rows("select * from alerts where is_drill = 1 and state = 'cleared'"))
    assert place.rows("select * from alerts where is_drill = 0") == []
    assert drill(place, "--end").stdout == "no drill is on\n"
    place.plan()
    wait_for(lambda: (beat := place.heartbeat()) is not None and beat.state == "recording")
    refused = drill(place)
    assert (refused.returncode, "--force" in refused.stderr) == (1, True)
    assert drill(place, "--force", "the lamp was changed").returncode == 0
    assert place.stop(UNIT) == 0
    wait_for(lambda: not place.rows("select * from alerts where is_drill = 1 and state <> 'cleared'"))


def test_without_a_hub_the_drill_says_how_far_it_came(place: Centre) -> None:
    """Lamp and card are proven, and that the hub did not confirm is said, with exit code 1."""
    place.start_desk("demo:steady", EMS_BROKER_PORT=str(free_port()))
    wait_for(lambda: (place.folder / UNIT / "run" / "status.json").exists())
    settings = Settings(unit=UNIT, storage_path=place.folder / UNIT)
    said: list[str] = []
    assert not drilling.follow(settings, drilling.begin(settings, ""), 2.0, 0.1, said.append)
    assert any("the lamp shows drill" in line for line in said)
    assert any("recorded on the card" in line for line in said)
    assert any("hub did not confirm within 2 s" in line for line in said)


def test_without_an_agent_it_is_one_line(place: Centre) -> None:
    """Nothing to drill, and what to do."""
    done = drill(place)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no agent runs here" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("is_in_sitting", [True, False])
def test_a_drill_is_judged_and_stamped(is_in_sitting: bool) -> None:
    """An alert like any other, by a rule without dwell, that says in stamp and name what it is."""
    sitting = PlannedSitting(sitting="maths-1", exam="Maths", room="Hall", seat="A1", start_utc_ms=1, end_utc_ms=2**40)
    now = Instant(1_790_000_000_000, 77_000)
    maker = Maker(boot=4, software="1", model_sha256="")
    alert = raise_drill(sitting if is_in_sitting else None, maker, now)
    assert alert.is_drill
    assert alert.alert == "4-drill-77000"
    assert (alert.alert_kind, alert.state, alert.raised) == (AlertKind.SEAT_EMPTY, "raised", now)
    assert (alert.sitting, alert.seat) == (("maths-1", "A1") if is_in_sitting else ("", ""))
