"""`python -m tests.bench vision [--footage DIR]`: what vision costs and how well it agrees, in ratios of one run.

Everybody is measured on the same 640x360 pictures, in CPU time, bound to one core, in turns: the desk's whole
vision, the bare `invoke` of the same model, and MediaPipe's own Python detection with the same model.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

import models
from agent.analyse import as_the_desk_sees
from agent.camera import VISION_SIZE
from agent.camera.footage import PICTURE_SUFFIXES, read_pictures
from agent.vision import FACE_MODELS, Vision
from agent.vision.faces import FaceSpec
from tests.bench import peers

Picture = NDArray[np.uint8]
FILM_SUFFIXES = frozenset({".mp4", ".mkv", ".ts", ".webm", ".avi", ".mov"})
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


def footage_pictures(folder: Path, fps: float, at_most: int) -> list[Picture]:
    """Pictures from all films and stills under `folder`, scaled as a desk's camera would; evenly thinned out."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in FILM_SUFFIXES | PICTURE_SUFFIXES)
    found = [as_the_desk_sees(rgb) for path in files for _, rgb in read_pictures(path, fps)]
    if not found:
        raise peers.PeerProblem(f"no film and no picture under {folder}")
    step = max(1, -(-len(found) // at_most))
    return found[::step]


def overlap(a: Iterable[float], b: Iterable[float]) -> float:
    """Intersection over union of two boxes (x, y, width, height)."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = a, b
    width = max(0.0, min(ax + aw, bx + bw) - max(ax, bx))
    height = max(0.0, min(ay + ah, by + bh) - max(ay, by))
    union = aw * ah + bw * bh - width * height
    return width * height / union if union > 0 else 0.0


def agreement(vision: Vision, pictures: list[Picture], theirs: list[list[tuple[float, ...]]]) -> Agreement:
    """Compare the desk's unclipped faces with `theirs`, (x, y, width, height, score) a face."""
    same, overlaps, differences = 0, [], []
    for picture, faces in zip(pictures, theirs, strict=True):
        found = vision.finder.detect(picture)
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


def measure(name: str, spec: FaceSpec, pictures: list[Picture], rounds: int) -> Iterator[str]:
    """The lines of one model; the last begins with `ok` or `MISSED`."""
    vision = Vision(models.checked(spec.model), spec)
    works = [lambda picture: vision.observe(picture, 0, 0), lambda _: vision.finder.model.invoke()]
    before = peers.cpu_ms(works, pictures, rounds)
    answer = peers.ask_mediapipe(pictures, is_full_range=name == "full_range", score=spec.score, rounds=2 * rounds)
    after = peers.cpu_ms(works, pictures, rounds)
    (ours, invoke), theirs = map(min, before, after), answer.cpu_ms or float("nan")
    agrees = agreement(vision, pictures, [list(faces) for faces in answer.faces])
    yield f"{name}: {len(pictures)} pictures, {2 * rounds} rounds, CPU ms a picture on one core"
    yield f"  whole vision {ours:.2f}   bare invoke {invoke:.2f}   MediaPipe's Python {theirs:.2f}"
    yield f"  whole vision / bare invoke         {ours / invoke:5.2f}   (at most {OVER_INVOKE})"
    yield f"  whole vision / MediaPipe's Python  {ours / theirs:5.2f}   (below 1)"
    yield f"  same number of faces as MediaPipe  {agrees.same_count:6.2%} (at least {SAME_COUNT:.0%})"
    yield (
        f"  box overlap over {agrees.faces} faces         least {agrees.least_overlap:.4f}, mean "
        f"{agrees.mean_overlap:.4f} (at least {SAME_BOX}); scores within {agrees.greatest_score_difference:.4f}"
    )
    is_met = (
        ours <= OVER_INVOKE * invoke
        and ours < theirs
        and agrees.same_count >= SAME_COUNT
        and agrees.least_overlap >= SAME_BOX
    )
    yield f"  {'ok' if is_met else 'MISSED'}"


def main(argv: list[str]) -> int:
    """Print the figures; 0 when all of them are met, 1 when one is missed or cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench vision", description=__doc__)
    parser.add_argument("--footage", type=Path, help="folder of films and stills (default: the two portraits)")
    parser.add_argument("--fps", type=float, default=1.0, help="samples a second of film (default: %(default)s)")
    parser.add_argument("--pictures", type=int, default=300, help="at most so many (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds before and after the peer (default: %(default)s)")
    given = parser.parse_args(argv)
    try:
        Vision(models.checked(FACE_MODELS["full_range"].model)).observe(np.zeros((360, 640, 3), np.uint8), 0, 0)
        print(f"resident memory with vision at work, before any footage: {_resident_mb():.0f} MB")
        if given.footage:
            pictures = footage_pictures(given.footage, given.fps, given.pictures)
        else:
            pictures = portraits_about(min(given.pictures, 120))
        peers.one_core()
        lines = list(
            itertools.chain.from_iterable(_shown(measure(n, s, pictures, given.rounds)) for n, s in FACE_MODELS.items())
        )
    except (peers.PeerProblem, models.ModelProblem) as error:
        print(f"bench vision: {error}", file=sys.stderr)
        return 1
    return 1 if any(line.strip().startswith("MISSED") for line in lines) else 0


def _shown(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        print(line, flush=True)
        yield line
