"""Other detectors, each in an environment of its own, asked about the same pictures.

Imported, it makes the environments and asks. Run as a script by the Python of such an environment
(`python peers.py mediapipe PICTURES.npz ANSWERS.json ...`) it answers; there it has only numpy and the peer.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
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
    "opencv-python-headless>=4.10,<5",
    "cryptography>=43",
)
"""tflite-runtime ended at Python 3.11 and breaks with numpy 2; OpenCV 5 asks for numpy 2."""


class PeerProblem(Exception):
    """The peer cannot be had or failed; one line."""


class Answer(NamedTuple):
    """What a peer said. `faces[i]` are (x, y, width, height, score) of picture i, box in fractions of the picture,
    not clipped; `cpu_ms` is what `cpu_ms()` measured, None without rounds, `each_ms` the same picture by picture."""

    faces: list[list[tuple[float, float, float, float, float]]]
    cpu_ms: float | None
    each_ms: list[float]


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
    return _ask("mediapipe", pictures, rounds, ["--score", str(score), *["--full-range"] * is_full_range])


def ask_haar(pictures: Sequence[Any], *, rounds: int = 0) -> Answer:
    """OpenCV's frontal face cascade on RGB pictures, pinned to one core; every score is 1. Raises PeerProblem.

    It is asked in MediaPipe's environment, which brings an OpenCV 4: OpenCV 5 has no cascades any more.
    """
    return _ask("haar", pictures, rounds, [])


def ask_yunet(pictures: Sequence[Any], model: Path, *, score: float, rounds: int = 0) -> Answer:
    """OpenCV's FaceDetectorYN with the file `model` on RGB pictures at their own size, pinned to one core. Raises
    PeerProblem."""
    return _ask("yunet", pictures, rounds, ["--score", str(score), "--model", str(model)])


def _ask(peer: str, pictures: Sequence[Any], rounds: int, more: Sequence[str]) -> Answer:
    import numpy as np

    found = find_python(("3.11", "3.12"))
    if found is None:
        raise PeerProblem("needs Python 3.11 or 3.12: mediapipe 0.10.21 has no wheel for a later one")
    python = environment("mediapipe", found, MEDIAPIPE)

    with tempfile.TemporaryDirectory(prefix="ems-peer-") as scratch:
        given, answered = Path(scratch, "pictures.npz"), Path(scratch, "answers.json")
        np.savez(given, **{f"{number:06d}": picture for number, picture in enumerate(pictures)})
        command = [str(python), __file__, peer, str(given), str(answered), "--rounds", str(rounds), *more]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            last = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise PeerProblem(f"{peer} failed: {last}")
        said = json.loads(answered.read_text())
    faces = [[(f[0], f[1], f[2], f[3], f[4]) for f in picture] for picture in said["faces"]]
    each_ms = said["each_ms"]
    return Answer(faces, sum(each_ms) / len(each_ms) if each_ms else None, each_ms)


def cpu_model() -> str:
    """The processor's name as the kernel tells it, and how many this process may use."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{names[0] if names else platform.processor()}, {len(os.sched_getaffinity(0))} cores"


def one_core() -> None:
    """Bind this process to one core it may use: the same terms for everybody who is measured."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def cpu_ms(works: Sequence[Callable[[Any], object]], pictures: Sequence[Any], rounds: int) -> list[float]:
    """CPU milliseconds a picture of each of `works`, all threads of the process counted; the works take turns.

    The mean over the pictures of each one's least time over the rounds: what else runs on the machine can only add.
    """
    return [sum(spent) / len(spent) for spent in cpu_ms_each(works, pictures, rounds)]


def cpu_ms_each(works: Sequence[Callable[[Any], object]], pictures: Sequence[Any], rounds: int) -> list[list[float]]:
    """As `cpu_ms`, picture by picture."""
    least = [[float("inf")] * len(pictures) for _ in works]
    for _ in range(rounds):
        for spent, work in zip(least, works, strict=True):
            for number, picture in enumerate(pictures):
                before = time.process_time_ns()
                work(picture)
                spent[number] = min(spent[number], (time.process_time_ns() - before) / 1e6)
    return least


def _mediapipe(is_full_range: bool, score: float) -> Callable[[Any], list[list[float]]]:
    import mediapipe

    detector = mediapipe.solutions.face_detection.FaceDetection(
        min_detection_confidence=score, model_selection=int(is_full_range)
    )

    def faces_of(picture: Any) -> list[list[float]]:
        found = []
        for detection in detector.process(picture).detections or ():
            box = detection.location_data.relative_bounding_box
            found.append([box.xmin, box.ymin, box.width, box.height, detection.score[0]])
        return found

    return faces_of


def _haar() -> Callable[[Any], list[list[float]]]:
    import cv2

    opencv: Any = cv2  # version 4 here, whose names the stubs of version 5 have dropped
    cascade = opencv.CascadeClassifier(opencv.data.haarcascades + "haarcascade_frontalface_default.xml")

    def faces_of(picture: Any) -> list[list[float]]:
        height, width = picture.shape[:2]
        grey = opencv.cvtColor(picture, opencv.COLOR_RGB2GRAY)
        boxes = cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5)
        return [[x / width, y / height, w / width, h / height, 1.0] for x, y, w, h in boxes]

    return faces_of


def _yunet(model: Path, score: float) -> Callable[[Any], list[list[float]]]:
    import cv2

    detector: Any = cv2.FaceDetectorYN.create(str(model), "", (320, 320), score)

    def faces_of(picture: Any) -> list[list[float]]:
        height, width = picture.shape[:2]
        detector.setInputSize((width, height))
        found = detector.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
        rows = [] if found is None else found.tolist()
        return [[f[0] / width, f[1] / height, f[2] / width, f[3] / height, f[-1]] for f in rows]

    return faces_of


def main(argv: list[str] | None = None) -> int:
    """The script's side: read the pictures, answer as the peer."""
    import numpy as np

    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=["mediapipe", "haar", "yunet"])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("answers", type=Path)
    parser.add_argument("--full-range", action="store_true")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--score", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=0)
    given = parser.parse_args(argv)
    one_core()
    with np.load(given.pictures) as opened:
        pictures = [opened[name] for name in sorted(opened.files)]
    openers: dict[str, Callable[[], Callable[[Any], list[list[float]]]]] = {
        "mediapipe": lambda: _mediapipe(given.full_range, given.score),
        "haar": _haar,
        "yunet": lambda: _yunet(given.model, given.score),
    }
    faces_of = openers[given.peer]()
    faces = [faces_of(picture) for picture in pictures]
    each_ms = cpu_ms_each([faces_of], pictures, given.rounds)[0] if given.rounds else []
    given.answers.write_text(json.dumps({"faces": faces, "each_ms": each_ms}, default=float))
    return 0


if __name__ == "__main__":
    sys.exit(main())
