"""`python -m tests.bench vision [--footage DIR]`: what vision costs and how well it agrees, in ratios of one run.

Everybody is measured on the same 640x360 pictures, in CPU time, bound to one core, in turns: the desk's whole
vision as it follows each film, the bare `invoke` of every model as often as vision ran it, and MediaPipe's own Python
detection. Each face model is also held to MediaPipe's detector with the same model, box by box.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

import models
from agent.analyse import as_the_desk_sees
from agent.camera import VISION_SIZE
from agent.camera.footage import PICTURE_SUFFIXES, read_pictures
from agent.vision import FACE_MODELS, Vision, open_vision
from agent.vision.faces import FaceFinder, FaceSpec
from agent.vision.runtime import TfliteModel
from tests.bench import peers

Picture = NDArray[np.uint8]
FILM_SUFFIXES = frozenset({".mp4", ".mkv", ".ts", ".webm", ".avi", ".mov"})
FPS = 5.0
OVER_INVOKE = 1.3
SAME_BOX, SAME_COUNT = 0.95, 0.99


class Agreement(NamedTuple):
    """How the desk's faces compare with a peer's on the same pictures, faces matched one to one by overlap."""

    pictures: int
    same_count: float
    """Share of pictures with the same number of faces."""
    faces: int
    """Faces compared: those of pictures with the same number."""
    least_overlap: float
    mean_overlap: float
    greatest_score_difference: float


def portraits_about(count: int) -> list[Picture]:
    """`count` pictures of 640x360 from the two portraits: shifted, scaled and mixed over a plain wall, always the
    same ones. For machines without film."""
    chance = np.random.default_rng(7)
    heads = [next(read_pictures(models.checked(name), 1.0))[1] for name in ("portrait_astronaut", "portrait_hopper")]
    pictures = []
    for number in range(count):
        picture = chance.normal(150, 4, (VISION_SIZE[1], VISION_SIZE[0], 3)).clip(0, 255).astype(np.uint8)
        for place in range(1 + number % 3 // 2):
            head = heads[(number + place) % 2]
            side = int(chance.integers(120, 320))
            small = cv2.resize(head, (side, side * head.shape[0] // head.shape[1]), interpolation=cv2.INTER_AREA)
            left = place * VISION_SIZE[0] // 2 + int(chance.integers(0, max(1, VISION_SIZE[0] // 2 - side)))
            top = int(chance.integers(0, 60))
            room = picture[top : top + small.shape[0], left : left + side]
            room[:] = small[: room.shape[0], : room.shape[1]]
        pictures.append(picture)
    return pictures


def footage_films(folder: Path, fps: float, at_most: int) -> list[list[Picture]]:
    """`fps` pictures a second of each film under `folder` and of its stills, scaled as a desk's camera would; of each
    film as long a beginning as keeps all of them together under `at_most` pictures, or somewhat more."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in FILM_SUFFIXES | PICTURE_SUFFIXES)
    if not files:
        raise peers.PeerProblem(f"no film and no picture under {folder}")
    each = max(1, at_most // len(files))
    return [[as_the_desk_sees(rgb) for _, rgb in itertools.islice(read_pictures(p, fps), each)] for p in files]


def overlap(a: Iterable[float], b: Iterable[float]) -> float:
    """Intersection over union of two boxes (x, y, width, height)."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = a, b
    width = max(0.0, min(ax + aw, bx + bw) - max(ax, bx))
    height = max(0.0, min(ay + ah, by + bh) - max(ay, by))
    union = aw * ah + bw * bh - width * height
    return width * height / union if union > 0 else 0.0


def agreement(finder: FaceFinder, pictures: list[Picture], theirs: list[list[tuple[float, ...]]]) -> Agreement:
    """Compare the desk's unclipped faces with `theirs`, (x, y, width, height, score) a face."""
    same, overlaps, differences = 0, [], []
    for picture, faces in zip(pictures, theirs, strict=True):
        found = finder.detect(picture)
        if len(found.scores) != len(faces):
            continue
        same += 1
        left = list(zip(found.boxes.tolist(), found.scores.tolist(), strict=True))
        for *box, score in faces:
            best = max(left, key=lambda mine: overlap(mine[0], box))
            left.remove(best)
            overlaps.append(overlap(best[0], box))
            differences.append(abs(best[1] - score))
    return Agreement(
        len(pictures),
        same / len(pictures),
        len(overlaps),
        min(overlaps, default=1.0),
        statistics.fmean(overlaps) if overlaps else 1.0,
        max(differences, default=0.0),
    )


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


class Cost(NamedTuple):
    """CPU milliseconds a picture, means over the pictures of one kind."""

    pictures: int
    whole_ms: float
    invoke_ms: float
    """What the bare inferences that vision made take by themselves."""
    mediapipe_ms: dict[str, float]


def follow(vision: Vision, films: list[list[Picture]], rounds: int) -> tuple[list[float], list[float], list[bool]]:
    """For each picture of `films`, each film followed at FPS from its beginning: the least CPU ms over the rounds, the
    bare inferences' ms, and whether a face was visible.

    The bare inferences are made right after each look, every model as often as the look ran it: in a loop of their own
    they would find their weights in the processor's caches, which between looks hold other things.
    """
    models_of = vision.tflite_models()
    least: list[float] = []
    floors: list[float] = []
    faces: list[bool] = []
    for _ in range(rounds):
        spent, floor, faces = [], [], []
        for film in films:
            vision.reset()
            for number, picture in enumerate(film):
                before = [model.runs for model in models_of]
                begun_ns = time.process_time_ns()
                seen = vision.observe(picture, round(number * 1000 / FPS), 0)
                spent.append((time.process_time_ns() - begun_ns) / 1e6)
                floor.append(_bare_ms(models_of, before))
                faces.append(bool(seen.faces))
        least = spent if not least else [min(pair) for pair in zip(least, spent, strict=True)]
        floors = floor if not floors else [min(pair) for pair in zip(floors, floor, strict=True)]
    return least, floors, faces


def _bare_ms(models_of: Sequence[TfliteModel], before: Sequence[int]) -> float:
    """CPU ms of the bare inference of each model, as often as it ran since its count was as in `before`."""
    begun_ns = time.process_time_ns()
    for model, ran in zip(models_of, before, strict=True):
        for _ in range(model.runs - ran):
            model.invoke()
    return (time.process_time_ns() - begun_ns) / 1e6


def costs(films: list[list[Picture]], rounds: int) -> dict[str, Cost]:
    """What vision costs where a face is visible, `attended`, and where none is, `unattended`."""
    least, floor, faces = follow(open_vision(), films, rounds)
    pictures = [picture for film in films for picture in film]
    theirs = {
        name: peers.ask_mediapipe(pictures, is_full_range=name == "full_range", score=0.5, rounds=rounds).each_ms
        for name in FACE_MODELS
    }
    found = {}
    for name, wanted in (("attended", True), ("unattended", False)):
        chosen = [number for number, is_face in enumerate(faces) if is_face is wanted]
        if chosen:
            means = [statistics.fmean(values[n] for n in chosen) for values in (least, floor, *theirs.values())]
            found[name] = Cost(len(chosen), means[0], means[1], dict(zip(theirs, means[2:], strict=True)))
    return found


def cost_lines(films: list[list[Picture]], rounds: int) -> Iterator[str]:
    """The lines about cost; the last begins with `ok` or `MISSED`."""
    found = costs(films, rounds)
    is_met = True
    for name, cost in found.items():
        theirs = ", ".join(f"{peer} {ms:.2f}" for peer, ms in cost.mediapipe_ms.items())
        yield f"{name}: {cost.pictures} pictures at {FPS:g} a second, CPU ms a picture on one core"
        yield f"  whole vision {cost.whole_ms:.2f}   bare invokes {cost.invoke_ms:.2f}   MediaPipe's Python: {theirs}"
        yield f"  whole vision / bare invokes         {cost.whole_ms / cost.invoke_ms:5.2f}   (at most {OVER_INVOKE})"
        is_met = is_met and cost.whole_ms <= OVER_INVOKE * cost.invoke_ms
    if "attended" in found:
        ratio = found["attended"].whole_ms / found["attended"].mediapipe_ms["full_range"]
        yield f"attended: whole vision / MediaPipe's full range {ratio:5.2f}   (below 1)"
        is_met = is_met and ratio < 1
    yield "ok" if is_met else "MISSED"


def agreement_lines(name: str, spec: FaceSpec, pictures: list[Picture]) -> Iterator[str]:
    """The lines of one face model; the last begins with `ok` or `MISSED`."""
    answer = peers.ask_mediapipe(pictures, is_full_range=name == "full_range", score=spec.score)
    agrees = agreement(FaceFinder(models.checked(spec.model), spec), pictures, [list(faces) for faces in answer.faces])
    yield f"{name} and MediaPipe's own detector with the same model: {agrees.pictures} pictures"
    yield f"  same number of faces                {agrees.same_count:6.2%} (at least {SAME_COUNT:.0%})"
    yield (
        f"  box overlap over {agrees.faces} faces         least {agrees.least_overlap:.4f}, mean "
        f"{agrees.mean_overlap:.4f} (at least {SAME_BOX}); scores within {agrees.greatest_score_difference:.4f}"
    )
    is_met = agrees.same_count >= SAME_COUNT and agrees.least_overlap >= SAME_BOX
    yield f"  {'ok' if is_met else 'MISSED'}"


def main(argv: list[str]) -> int:
    """Print the figures; 0 when all of them are met, 1 when one is missed or cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench vision", description=__doc__)
    parser.add_argument("--footage", type=Path, help="folder of films and stills (default: the two portraits)")
    parser.add_argument("--pictures", type=int, default=1000, help="about so many (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each measurement (default: %(default)s)")
    given = parser.parse_args(argv)
    try:
        open_vision().observe(np.zeros((360, 640, 3), np.uint8), 0, 0)
        print(f"resident memory with vision at work, before any footage: {_resident_mb():.0f} MB")
        if given.footage:
            films = footage_films(given.footage, FPS, given.pictures)
        else:
            films = [portraits_about(min(given.pictures, 120))]
        pictures = [picture for film in films for picture in film]
        peers.one_core()
        lines = list(_shown(cost_lines(films, given.rounds)))
        for name, spec in FACE_MODELS.items():
            lines += _shown(agreement_lines(name, spec, pictures))
    except (peers.PeerProblem, models.ModelProblem) as error:
        print(f"bench vision: {error}", file=sys.stderr)
        return 1
    return 1 if any(line.strip().startswith("MISSED") for line in lines) else 0


def _shown(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        print(line, flush=True)
        yield line
