"""A folder of film and pictures with truth per second, as `python -m tests.eval --footage` takes it.

    clips/NAME.mp4 + clips/NAME.truth.json     images/NAME.jpg + images_truth.json     seat/ the same once more

The second set, in `seat/`, also tells how many persons are there, face or not (`person`).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct


class BadFootage(Exception):
    """The folder cannot be used; `lines` has one line for each thing that is wrong."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


class Second(Struct, frozen=True, rename={"is_unsure": "unsure", "is_exact_unsure": "exact_unsure"}):
    """What is true at `t` seconds of a film, or of a picture (`t` 0). `boxes` are x, y, width, height in pixels.

    `is_unsure`: not to be scored. `is_exact_unsure`: two or more for certain, the number is not. `person` is the number
    of persons there, face or not; None where nobody noted it. `covered` says by what, `frozen` that the feed stood.
    `is_view_still`: one camera that surely does not move filmed all of it; see `views.toml`.
    """

    count: int
    t: float = 0.0
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    is_unsure: bool = False
    is_exact_unsure: bool = False
    person: int | None = None
    person_unsure: bool = False
    covered: str | None = None
    frozen: bool = False
    is_view_still: bool = False


class Item(NamedTuple):
    """One film or picture. `height` is in pixels of its own; `duration_s` is 0 for a picture; `is_of_seat` when it
    comes from `seat/`."""

    stem: str
    path: Path
    is_film: bool
    is_of_seat: bool
    height: int
    duration_s: float
    tags: frozenset[str]
    seconds: tuple[Second, ...]


class _Film(Struct):
    clip: str
    height: int
    duration_s: float
    seconds: tuple[Second, ...]
    tags: tuple[str, ...] = ()


class _Picture(Second, frozen=True, kw_only=True):
    file: str
    height: int


class _Pictures(Struct):
    images: tuple[_Picture, ...]


def read_footage(folder: Path) -> tuple[Item, ...]:
    """Everything under `folder` that has a truth, films first. Raises BadFootage, naming all that is wrong with it."""
    if not folder.is_dir():
        raise BadFootage([f"{folder}: no such folder"])
    problems: list[str] = []
    items: list[Item] = []
    for part, is_of_seat in ((folder, False), (folder / "seat", True)):
        items += _films(part, is_of_seat, problems) + _pictures(part, is_of_seat, problems)
    stems = [item.stem for item in items]
    problems += [
        f"{stem}: two films or pictures of this name" for stem in sorted({s for s in stems if stems.count(s) > 1})
    ]
    if not items and not problems:
        problems.append(f"{folder}: no clips/*.truth.json and no images_truth.json in it")
    if problems:
        raise BadFootage(problems)
    return tuple(items)


def _films(part: Path, is_of_seat: bool, problems: list[str]) -> list[Item]:
    items = []
    truths = sorted((part / "clips").glob("*.truth.json"))
    told = {path.name.removesuffix(".truth.json") for path in truths}
    problems += [
        f"{film}: no {film.stem}.truth.json beside it"
        for film in sorted((part / "clips").glob("*.mp4"))
        if film.stem not in told
    ]
    for path in truths:
        stem = path.name.removesuffix(".truth.json")
        film = path.with_name(f"{stem}.mp4")
        if not film.is_file():
            problems.append(f"{path}: no {film.name} beside it")
            continue
        try:
            truth = msgspec.json.decode(path.read_bytes(), type=_Film)
        except (OSError, msgspec.MsgspecError) as error:
            problems.append(f"{path}: {error}")
            continue
        tags = frozenset(truth.tags)
        items.append(Item(stem, film, True, is_of_seat, truth.height, truth.duration_s, tags, truth.seconds))
    return items


def _pictures(part: Path, is_of_seat: bool, problems: list[str]) -> list[Item]:
    path = part / "images_truth.json"
    if not path.is_file():
        return []
    try:
        truth = msgspec.json.decode(path.read_bytes(), type=_Pictures)
    except (OSError, msgspec.MsgspecError) as error:
        problems.append(f"{path}: {error}")
        return []
    items = []
    for picture in truth.images:
        where = part / picture.file
        if not where.is_file():
            problems.append(f"{path}: no {picture.file} beside it")
        else:
            items.append(Item(where.stem, where, False, is_of_seat, picture.height, 0.0, frozenset(), (picture,)))
    return items
