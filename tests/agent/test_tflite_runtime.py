"""The leg on the older runtime: Python 3.11, tflite-runtime 2.14 and numpy below 2, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import models
from agent.vision import FACE_MODELS
from agent.vision.faces import FaceFinder
from tests.agent.vision_kit import PORTRAITS, files_folder, portrait
from tests.bench import peers
from tests.bench.vision import portraits_about

PYTHON = peers.find_python(("3.11",))


@pytest.mark.timeout(900)
@pytest.mark.skipif(PYTHON is None, reason="needs Python 3.11: tflite-runtime 2.14.0 has no later wheel")
def test_the_older_runtime_finds_the_same_boxes(tmp_path: Path) -> None:
    """The same code through tflite-runtime gives LiteRT's faces, box and score, on the portraits and on scenes."""
    files_folder()
    pictures = [*(portrait(name) for name in PORTRAITS), *portraits_about(10)]
    given = tmp_path / "pictures.npz"
    np.savez(given, allow_pickle=False, **{f"{n:03d}": picture for n, picture in enumerate(pictures)})
    assert PYTHON is not None
    python = peers.environment("tflite", PYTHON, peers.TFLITE_RUNTIME)
    ran = subprocess.run(
        [str(python), str(Path(__file__).with_name("tflite_boxes.py")), str(given)],
        env={**os.environ, "PYTHONPATH": str(peers.ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["runtime"] == "tflite_runtime"
    assert said["numpy"].startswith("1.")
    for name, spec in FACE_MODELS.items():
        finder = FaceFinder(models.checked(spec.model), spec)
        for picture, theirs in zip(pictures, said["faces"][name], strict=True):
            ours = [[*face.box, face.score] for face in finder.find(picture)]
            np.testing.assert_allclose(np.reshape(ours, (-1, 5)), np.reshape(theirs, (-1, 5)), atol=2e-3)
        assert [len(faces) for faces in said["faces"][name][:2]] == [1, 1]
