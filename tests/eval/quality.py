"""The figures of the quality sheet, as `models/quality.json` keeps them; how they are shown is `render`'s matter."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from tests.eval.scoring import Tally
from tests.eval.seats import Confusion


class BadQuality(Exception):
    """The stored figures cannot be read; one line."""


class Basis(Struct, frozen=True):
    """What was looked at, and on what. `film_s` is the length of all films together."""

    version: str
    cpu: str
    python: str
    films: int
    pictures: int
    seat_films: int
    seat_pictures: int
    film_s: float
    looks_a_second: float
    rounds: int


class Faces(Struct, frozen=True, omit_defaults=True):
    """One detector's faces. `films` and `pictures` are of the main set, `seat` is all of the second set. `groups` and
    `items` are of the main set: by lighting, distance and occlusion; by film, the pictures taken together as one.
    `attended_ms` and `unattended_ms` are CPU milliseconds a picture of film with and without a face."""

    name: str
    films: Tally
    pictures: Tally
    seat: Tally
    groups: dict[str, Tally]
    items: dict[str, Tally]
    attended_ms: float | None = None
    unattended_ms: float | None = None


class Missing(Struct, frozen=True):
    """A peer that could not be had, and why."""

    name: str
    why: str


class SeatTable(Struct, frozen=True):
    """`by_witness`: witness -> true state -> said state -> seconds."""

    title: str
    by_witness: dict[str, Confusion]


class SeatStretch(Struct, frozen=True):
    """A stretch longer than the dwell in which `kind` was true. `after_s` is when it was raised, None if never."""

    film: str
    kind: str
    begin_s: float
    end_s: float
    after_s: float | None


class FalseAlert(Struct, frozen=True):
    """An alert that the truth contradicts."""

    film: str
    kind: str
    began_s: float
    raised_s: float
    cleared_s: float | None


class SeatRun(Struct, frozen=True):
    """The seat's rules at the scored dwell over some films. `unjudged` are kinds that this version does not judge."""

    title: str
    films: int
    dwell_s: float
    unjudged: tuple[str, ...]
    due: tuple[SeatStretch, ...]
    wrong: tuple[FalseAlert, ...]


class KindRun(Struct, frozen=True):
    """One kind by its default rule over all films. `unknown` alerts are of a kind or time of which the truth says
    nothing; `untrue_s` is the film in which one would be false."""

    kind: str
    raised: int
    unknown: int
    wrong: tuple[FalseAlert, ...]
    untrue_s: float


class SceneRow(Struct, frozen=True):
    """`said` of the seconds in which it is true, and `said_wrongly` of those in which it is not."""

    what: str
    true_s: int
    said: int
    untrue_s: int
    said_wrongly: int


class Cost(Struct, frozen=True):
    """The desk's CPU milliseconds a look over `looks` looks, whole and bare: the bare invoke of each model as often as
    it ran. `runs` is how often a look ran each model on average."""

    title: str
    looks: int
    whole_ms: float
    bare_ms: float
    runs: dict[str, float]


class Step(Struct, frozen=True):
    """A combination of the steps of vision, measured as the whole is."""

    name: str
    faces: Tally
    attended_ms: float


class Choice(Struct, frozen=True):
    """A parameter chosen on all but one item and scored on that one, for each; `best` is the share right of the one
    value that is best on everything, `used` what the desk runs."""

    name: str
    right: int
    of: int
    best: int
    chosen: dict[str, int]
    used: str


class Quality(Struct, frozen=True):
    """Everything the sheet shows. The desk is the first of `faces`."""

    basis: Basis
    faces: tuple[Faces, ...]
    missing: tuple[Missing, ...]
    seat: tuple[SeatTable, ...]
    seat_runs: tuple[SeatRun, ...]
    kinds: tuple[KindRun, ...]
    scene: tuple[SceneRow, ...]
    cost: tuple[Cost, ...]
    invoke_ms: dict[str, float]
    steps: tuple[Step, ...]
    choices: tuple[Choice, ...]


def read_quality(path: Path) -> Quality:
    """The stored figures. Raises BadQuality."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Quality)
    except (OSError, msgspec.MsgspecError) as error:
        raise BadQuality(f"{path}: {error}; make it with: make eval FOOTAGE=DIR") from error


def write_whole(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all. Raises OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def as_text(quality: Quality) -> str:
    """JSON, indented so that a difference can be read; times and milliseconds rounded to what they are worth."""
    rounded = msgspec.convert(_rounded(msgspec.to_builtins(quality)), Quality)
    return msgspec.json.format(msgspec.json.encode(rounded), indent=1).decode() + "\n"


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list | tuple) else value
