"""Faces in pictures by the older runtime, in an environment that has only that one; `test_tflite_runtime` runs it.

`python tflite_boxes.py PICTURES.npz` prints JSON: the runtime's module, and per model and picture the faces.
"""

from __future__ import annotations

import json
import sys

import numpy as np

import models
from agent.vision import FACE_MODELS, runtime
from agent.vision.faces import FaceFinder


def main(path: str) -> None:
    """Print what every face model finds in the pictures of the file."""
    answers: dict[str, list[list[list[float]]]] = {}
    with np.load(path) as opened:
        pictures = [opened[name] for name in sorted(opened.files)]
    for name, spec in FACE_MODELS.items():
        finder = FaceFinder(models.checked(spec.model), spec)
        answers[name] = [[[*face.box, face.score] for face in finder.find(picture)] for picture in pictures]
    print(json.dumps({"runtime": runtime.RUNTIME, "numpy": np.__version__, "faces": answers}))


if __name__ == "__main__":
    main(sys.argv[1])
