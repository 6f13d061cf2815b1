"""The desk's peers on the same pictures: asked one by one, or read from a file of predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from tests.bench import peers
from tests.eval.looks import Picture
from tests.eval.scoring import LEAST_SCORE, Seen

YUNET_SCORE = 0.8
"""From where on YuNet's faces count unless another score is given; lower ones are mostly not faces."""


class BadPeer(Exception):
    """What was said of a peer on the command line cannot be used; one line."""


class Reference(NamedTuple):
    """The picture by which one labelled second is judged, and whether a face shows: None for a still or unsure."""

    stem: str
    second: float
    rgb: Picture
    is_attended: bool | None


class Peer(NamedTuple):
    """A detector that can be asked: pictures and rounds in, an answer with scores out. It may raise PeerProblem."""

    name: str
    score: float
    ask: Callable[[Sequence[Picture], int], peers.Answer]


class PeerLooks(NamedTuple):
    """What a peer saw, by item, and its CPU milliseconds a picture with and without a face, where measured."""

    name: str
    looks: dict[str, list[Seen]]
    attended_ms: float | None = None
    unattended_ms: float | None = None


class _Face(Struct, frozen=True):
    score: float = 1.0


class _Sample(Struct, frozen=True):
    faces: tuple[_Face, ...]
    t: float = 0.0


def _mediapipe(is_full_range: bool) -> Callable[[Sequence[Picture], int], peers.Answer]:
    return lambda rgbs, rounds: peers.ask_mediapipe(rgbs, is_full_range=is_full_range, score=LEAST_SCORE, rounds=rounds)


MEDIAPIPE_FULL = "MediaPipe full range"
PEERS = (
    Peer(MEDIAPIPE_FULL, LEAST_SCORE, _mediapipe(True)),
    Peer("MediaPipe short range", LEAST_SCORE, _mediapipe(False)),
    Peer("OpenCV Haar", LEAST_SCORE, lambda rgbs, rounds: peers.ask_haar(rgbs, rounds=rounds)),
)


def yunet(given: str) -> Peer:
    """The peer of `--yunet MODEL.onnx[@SCORE]`. Raises BadPeer."""
    name, score = _with_score(given, YUNET_SCORE)
    path = Path(name)
    if not path.is_file():
        raise BadPeer(f"--yunet {given}: no such file")
    ask = lambda rgbs, rounds: peers.ask_yunet(rgbs, path.resolve(), score=score, rounds=rounds)  # noqa: E731
    return Peer("YuNet", score, ask)


def asked(peer: Peer, references: Sequence[Reference], rounds: int) -> PeerLooks:
    """Ask `peer` about all `references`. Raises PeerProblem."""
    answer = peer.ask([reference.rgb for reference in references], rounds)
    looks: dict[str, list[Seen]] = {}
    for reference, faces in zip(references, answer.faces, strict=True):
        count = sum(face[4] >= peer.score for face in faces)
        looks.setdefault(reference.stem, []).append(Seen(reference.second, count))
    attended, unattended = (
        [ms for ms, reference in zip(answer.each_ms, references, strict=False) if reference.is_attended is wanted]
        for wanted in (True, False)
    )
    return PeerLooks(peer.name, looks, _mean(attended), _mean(unattended))


def predicted(given: str) -> PeerLooks:
    """The peer of `--peer NAME=PREDICTIONS.json[@SCORE]`: a file as `ems-agent analyse --json` writes it. Raises
    BadPeer."""
    name, is_named, rest = given.partition("=")
    if not name or not is_named:
        raise BadPeer(f"--peer {given}: give it as NAME=PREDICTIONS.json or NAME=PREDICTIONS.json@SCORE")
    file, score = _with_score(rest, LEAST_SCORE)
    try:
        samples = msgspec.json.decode(Path(file).read_bytes(), type=dict[str, tuple[_Sample, ...]])
    except (OSError, msgspec.MsgspecError) as error:
        raise BadPeer(f"--peer {given}: {error}") from error
    looks = {
        Path(key).stem if "." in key or "/" in key else key: [
            Seen(sample.t, sum(face.score >= score for face in sample.faces)) for sample in each
        ]
        for key, each in samples.items()
    }
    return PeerLooks(name, looks)


def _with_score(given: str, score: float) -> tuple[str, float]:
    name, is_scored, text = given.rpartition("@")
    if not is_scored:
        return given, score
    try:
        return name, float(text)
    except ValueError as error:
        raise BadPeer(f"{given}: {text!r} is no score") from error


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
