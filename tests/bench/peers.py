"""Other detectors, each in an environment of its own, asked about the same pictures.

Imported, it makes the environments and asks. Run as a script by the Python of such an environment
(`python peers.py mediapipe PICTURES.npz ANSWERS.json ...`) it answers; there it has only numpy and the peer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
MEDIAPIPE = ("mediapipe==0.10.21",)
"""The last one whose wheel carries the models the desk uses; it stops at Python 3.12."""
TFLITE_RUNTIME = (
    "tflite-runtime==2.14.0",
    "numpy<2",
    "msgspec>=0.19",
    "cryptography>=43",
    "opencv-python-headless>=4.10,<5",
)
"""tflite-runtime ended at Python 3.11 and breaks with numpy 2; OpenCV 5 asks for numpy 2. The rest is what vision and
the language import."""


class PeerProblem(Exception):
    """The peer cannot be had or failed; one line."""


class Answer(NamedTuple):
    """What a peer said. `faces[i]` are (x, y, width, height, score) of picture i, box in fractions of the picture,
    not clipped; `cpu_ms` is what `cpu_ms()` measured, None without rounds."""

    faces: list[list[tuple[float, float, float, float, float]]]
    cpu_ms: float | None


def find_python(versions: Sequence[str]) -> str | None:
    """A Python of one of the `versions` ("3.11", ...) by name, or this one if it fits; None if there is none."""
    for version in versions:
        for name in (sys.executable, f"python{version}"):
            try:
                # asked, not looked up: a version switcher's shim may stand in the path for a Python that is not there
                asked = [name, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
                said = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False)
            except OSError:
                continue
            if said.returncode == 0 and said.stdout.strip() == version:
                return name
    return None


def environment(name: str, python: str, requirements: Sequence[str]) -> Path:
    """The Python of the virtual environment `.venv-NAME`, made with `requirements` if it is not there yet."""
    folder = ROOT / f".venv-{name}"
    inside, done = folder / "bin" / "python", folder / "requirements-installed.txt"
    wanted = "\n".join(requirements)
    if done.is_file() and done.read_text() == wanted and inside.exists():
        return inside
    print(f"making {folder.name} with {', '.join(requirements)}", file=sys.stderr, flush=True)
    for command in (
        [python, "-m", "venv", "--clear", str(folder)],
        [str(inside), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *requirements],
    ):
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            last = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise PeerProblem(f"cannot make {folder.name}: {last}")
    done.write_text(wanted)
    return inside


def ask_mediapipe(pictures: Sequence[Any], *, is_full_range: bool, score: float, rounds: int = 0) -> Answer:
    """MediaPipe's own Python face detection on RGB pictures, pinned to one core. Raises PeerProblem."""
    python = find_python(("3.11", "3.12"))
    if python is None:
        raise PeerProblem("needs Python 3.11 or 3.12: mediapipe 0.10.21 has no wheel for a later one")
    return _ask(environment("mediapipe", python, MEDIAPIPE), pictures, is_full_range, score, rounds)


def _ask(python: Path, pictures: Sequence[Any], is_full_range: bool, score: float, rounds: int) -> Answer:
    import numpy as np

    with tempfile.TemporaryDirectory(prefix="ems-peer-") as scratch:
        given, answered = Path(scratch, "pictures.npz"), Path(scratch, "answers.json")
        np.savez(given, **{f"{number:06d}": picture for number, picture in enumerate(pictures)})
        command = [str(python), __file__, "mediapipe", str(given), str(answered)]
        command += ["--score", str(score), "--rounds", str(rounds)] + ["--full-range"] * is_full_range
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            last = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise PeerProblem(f"MediaPipe's detector failed: {last}")
        said = json.loads(answered.read_text())
    faces = [[(f[0], f[1], f[2], f[3], f[4]) for f in picture] for picture in said["faces"]]
    return Answer(faces, said["cpu_ms"])


def one_core() -> None:
    """Bind this process to one core it may use: the same terms for everybody who is measured."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def cpu_ms(works: Sequence[Callable[[Any], object]], pictures: Sequence[Any], rounds: int) -> list[float]:
    """CPU milliseconds a picture of each of `works`, all threads of the process counted; the works take turns.

    The mean over the pictures of each one's least time over the rounds: what else runs on the machine can only add.
    """
    least = [[float("inf")] * len(pictures) for _ in works]
    for _ in range(rounds):
        for spent, work in zip(least, works, strict=True):
            for number, picture in enumerate(pictures):
                before = time.process_time_ns()
                work(picture)
                spent[number] = min(spent[number], (time.process_time_ns() - before) / 1e6)
    return [sum(spent) / len(spent) for spent in least]


def _answer_as_mediapipe(pictures: list[Any], is_full_range: bool, score: float, rounds: int) -> dict[str, Any]:
    import mediapipe

    def faces_of(picture: Any) -> list[list[float]]:
        found = []
        for detection in detector.process(picture).detections or ():
            box = detection.location_data.relative_bounding_box
            found.append([box.xmin, box.ymin, box.width, box.height, detection.score[0]])
        return found

    detection = mediapipe.solutions.face_detection.FaceDetection
    with detection(min_detection_confidence=score, model_selection=int(is_full_range)) as detector:
        faces = [faces_of(picture) for picture in pictures]
        spent = cpu_ms([detector.process], pictures, rounds)[0] if rounds else None
    return {"faces": faces, "cpu_ms": spent}


def main(argv: list[str] | None = None) -> int:
    """The script's side: read the pictures, answer as the peer."""
    import numpy as np

    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=["mediapipe"])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("answers", type=Path)
    parser.add_argument("--full-range", action="store_true")
    parser.add_argument("--score", type=float, required=True)
    parser.add_argument("--rounds", type=int, default=0)
    given = parser.parse_args(argv)
    one_core()
    with np.load(given.pictures) as opened:
        pictures = [opened[name] for name in sorted(opened.files)]
    given.answers.write_text(json.dumps(_answer_as_mediapipe(pictures, given.full_range, given.score, given.rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
