"""`ems-agent` as a person types it: one clear line, the right exit code, no traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import models
from agent import cli
from agent.doctor import CHECKS
from agent.records import Records
from tests.brokers import REPOSITORY, Broker, free_port

UNIT = "test.desk-01"


def agent(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `ems-agent` in `folder` with these variables and none of the caller's own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EMS_")}
    for name in ("APP_ENV", "STORAGE_PATH", "CAMERA_DEVICE", "LOG_LEVEL"):
        clean.pop(name, None)
    return subprocess.run(
        [sys.executable, "-m", "agent.cli", *words],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(REPOSITORY), **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Its lines on standard error, without the one that the model's runtime prints by itself."""
    return [line for line in done.stderr.splitlines() if not line.startswith("INFO: Created TensorFlow Lite")]


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a refused start."""
    assert done.returncode == 2, done.stderr
    (line,) = said(done)
    assert line.startswith("ems-agent: ")
    return line


def test_help_names_the_commands(tmp_path: Path) -> None:
    """It needs no setting and no camera."""
    done = agent(tmp_path, "--help")
    assert done.returncode == 0
    for command in ("run", "check", "analyse", "replay"):
        assert command in done.stdout


@pytest.mark.parametrize("command", ["run", "check"])
def test_without_a_name_it_does_not_start(tmp_path: Path, command: str) -> None:
    """A desk without EMS_UNIT is refused before anything is opened, and leaves nothing behind."""
    assert "EMS_UNIT" in only_line(agent(tmp_path, command))
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    """From the file in the current folder as from the environment."""
    (tmp_path / ".env").write_text(f"EMS_UNIT={UNIT}\nEMS_SEGMENT_S=never\n")
    assert "EMS_SEGMENT_S" in only_line(agent(tmp_path, "run"))


def test_a_camera_of_a_kind_that_is_not_there_yet(tmp_path: Path) -> None:
    """Said at the start, not as a fault for ever."""
    assert "CAMERA_DEVICE" in only_line(agent(tmp_path, "run", EMS_UNIT=UNIT, CAMERA_DEVICE="picamera"))


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_model_that_is_not_the_pinned_one_is_refused(tmp_path: Path, damage: str) -> None:
    """One byte is enough: a verdict must be explainable by the model's hash a year later. The desk's check names the
    file; the desk itself records without it (tests/agent/test_app.py)."""
    folder = tmp_path / "models"
    shutil.copytree(models.FILES_FOLDER, folder)
    model = folder / "face_detection_full_range_sparse.tflite"
    if damage == "changed":
        data = bytearray(model.read_bytes())
        data[len(data) // 2] ^= 1
        model.write_bytes(data)
    else:
        model.unlink()
    done = agent(tmp_path, "check", EMS_UNIT=UNIT, EMS_MODELS_PATH=str(folder), STORAGE_PATH=str(tmp_path / "desk"))
    assert done.returncode == 1
    (line,) = (line for line in done.stdout.splitlines() if line.split()[1] == "model")
    assert line.startswith("FAIL")
    assert "face_detection_full_range_sparse.tflite" in line
    assert "models.fetch" in line


def test_the_folder_of_another_unit_is_refused(tmp_path: Path) -> None:
    """A card put into the wrong desk must not go on under another name."""
    from agent.records import Records

    Records(tmp_path / "desk", "test.desk-02").close()
    done = agent(tmp_path, "run", EMS_UNIT=UNIT, STORAGE_PATH=str(tmp_path / "desk"))
    assert "test.desk-02" in only_line(done)


def test_a_second_agent_on_one_folder_is_refused(tmp_path: Path) -> None:
    """Whoever tries a start by hand while the service runs is told so, and harms nothing."""
    from agent import host

    (tmp_path / "desk").mkdir()
    held = host.hold(tmp_path / "desk")
    try:
        done = agent(tmp_path, "run", EMS_UNIT=UNIT, STORAGE_PATH=str(tmp_path / "desk"))
    finally:
        os.close(held)
    assert "another agent runs" in only_line(done)
    assert not (tmp_path / "desk" / "records.db").exists()


def test_a_storage_path_that_is_no_folder(tmp_path: Path) -> None:
    """The system's own words, in one line."""
    (tmp_path / "desk").write_text("a file")
    assert "desk" in only_line(agent(tmp_path, "run", EMS_UNIT=UNIT, STORAGE_PATH=str(tmp_path / "desk")))


def checked(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    """Name -> (PASS or FAIL, words)."""
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    return {name: (verdict, words) for verdict, name, words in lines}


def test_check_passes_on_a_desk_that_is_well(tmp_path: Path, mosquitto_broker: Broker) -> None:
    """Every part is tried for real, and exit code 0 says so."""
    done = agent(
        tmp_path,
        "check",
        EMS_UNIT=UNIT,
        STORAGE_PATH=str(tmp_path / "desk"),
        CAMERA_DEVICE="demo:steady",
        EMS_BROKER_PORT=str(mosquitto_broker.port),
        EMS_IS_CLOCK_TRUSTED="true",
        EMS_STORAGE_LOW_BYTES="0",
    )
    results = checked(done)
    assert set(results) == set(CHECKS)
    # of this machine, not of the desk: whether it has a watchdog, how fast its disk is
    assert results["agent"][0] == "WARN"  # none runs
    of_the_desk = {"camera", "model", "storage", "broker", "clock", "door", "panel", "key", "records"}
    assert {results[name][0] for name in of_the_desk} == {"PASS"}, done.stdout
    with Records(tmp_path / "desk", UNIT) as records:  # the key that check names is the one that will sign
        assert f"ems-hub unit add {UNIT} --public-key {records.public_key}" in results["key"][1]
    assert done.returncode == int("FAIL" in {verdict for verdict, _ in results.values()})
    assert said(done) == []


def test_check_says_all_that_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    """Each failure has a line with its remedy, one does not hide the next, and exit code 1 says that there are some."""
    (tmp_path / "desk").write_text("in the way")
    done = agent(
        tmp_path,
        "check",
        EMS_UNIT=UNIT,
        STORAGE_PATH=str(tmp_path / "desk"),
        CAMERA_DEVICE=f"footage:{tmp_path / 'none.mp4'}",
        EMS_BROKER_PORT=str(free_port()),
        EMS_MODELS_PATH=str(tmp_path / "models"),
        EMS_PANEL="gpio",
        EMS_IS_CLOCK_TRUSTED="true",
    )
    results = checked(done)
    assert {name for name, (verdict, _) in results.items() if verdict == "FAIL"} == {
        "card",
        "camera",
        "model",
        "storage",
        "broker",
        "panel",
        "key",
    }
    assert "CAMERA_DEVICE" in results["camera"][1]
    assert "STORAGE_PATH" in results["storage"][1]
    assert "EMS_BROKER_HOST" in results["broker"][1]
    assert (done.returncode, said(done)) == (1, [])


def test_analyse_goes_on_after_a_file_that_is_missing(tmp_path: Path) -> None:
    """One clear line and exit code 1 at the end; the others are done."""
    picture = tmp_path / "wall.png"
    cv2.imwrite(str(picture), np.full((360, 640, 3), 120, np.uint8))
    out = tmp_path / "out.json"
    done = agent(tmp_path, "analyse", str(tmp_path / "none.mp4"), str(picture), "--json", str(out))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert sum("none.mp4" in line for line in (done.stderr + done.stdout).splitlines()) == 1
    samples = json.loads(out.read_text())
    assert "none" not in samples  # nothing read is not the same as nothing seen
    assert [sample["faces"] for sample in samples["wall"]] == [[]]


def test_analyse_without_its_model_is_one_line(tmp_path: Path) -> None:
    """Fetching it is the remedy, a traceback is none."""
    done = agent(tmp_path, "analyse", "x.png", "--json", str(tmp_path / "out.json"), "--models", str(tmp_path / "m"))
    (line,) = said(done)
    assert done.returncode == 1
    assert "models.fetch" in line
    assert not (tmp_path / "out.json").exists()


def test_an_unforeseen_error_keeps_its_traceback() -> None:
    """Only what a person can mend is put into one line."""
    with pytest.raises(ZeroDivisionError), cli._in_one_line():
        raise ZeroDivisionError


def test_a_demo_scene_that_does_not_exist_stops_the_start(tmp_path: Path) -> None:
    """A wrong value is no lost camera: one line that names the variable and what there is."""
    done = agent(tmp_path, "run", EMS_UNIT=UNIT, STORAGE_PATH=str(tmp_path / "desk"), CAMERA_DEVICE="demo:nope")
    assert done.returncode == 2
    assert said(done)[0].startswith("ems-agent: CAMERA_DEVICE: there is no demo scene 'nope'")
    folder = str(tmp_path / "desk")
    soon = agent(tmp_path, "run", EMS_UNIT=UNIT, STORAGE_PATH=folder, CAMERA_DEVICE="demo:steady@soon")
    assert soon.returncode == 2
    assert said(soon)[0].startswith("ems-agent: CAMERA_DEVICE: 'soon' is not a time")
