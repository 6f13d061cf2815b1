"""Masks as a person types them: corners in percent of the picture, from its top left corner. Pure.

`10 20; 40 20; 40 60` is a triangle: each corner is how far from the left, then how far from the top.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from agent import wire
from agent.wire import Mask

MOST_CORNERS = 32
"""`wire.Mask`."""
_CORNER = re.compile(r"(-?\d{1,6}(?:\.\d{1,6})?)[\s,]+(-?\d{1,6}(?:\.\d{1,6})?)", re.ASCII)


class Read(NamedTuple):
    """The masks of a form; `wrong`: by place in the form, why that one is none. With any, none is to be kept."""

    masks: tuple[Mask, ...]
    wrong: dict[int, str]


def read(kinds: Sequence[str], corners: Sequence[str]) -> Read:
    """One mask from each pair of fields; one without corners is no mask."""
    masks: list[Mask] = []
    wrong: dict[int, str] = {}
    for place, (kind, text) in enumerate(zip(kinds, corners, strict=True)):
        if not text.strip():
            continue
        try:
            masks.append(_mask(kind, text))
        except ValueError as error:
            wrong[place] = str(error)
        if len(masks) > wire.MAX_MASKS:
            wrong[place] = f"a seat has at most {wire.MAX_MASKS} masks"
            break
    return Read(tuple(masks), wrong)


def _mask(kind: str, text: str) -> Mask:
    points = [_corner(part) for part in text.split(";") if part.strip()]
    if not 3 <= len(points) <= MOST_CORNERS:
        raise ValueError(f"a mask has 3 to {MOST_CORNERS} corners, this one has {len(points)}")
    try:
        return msgspec.convert({"kind": kind, "points": points}, Mask)
    except msgspec.ValidationError as error:
        said = str(error)
        if "on one line" in said:
            raise ValueError("all corners lie on one line: it would hide nothing") from None
        raise ValueError(said) from None


def _corner(text: str) -> tuple[float, float]:
    found = _CORNER.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"write each corner as two numbers, as 10 20, with ; between corners: {text.strip()[:20]!r}")
    x, y = (float(each) for each in found.groups())
    if not (0 <= x <= 100 and 0 <= y <= 100):
        raise ValueError(f"a corner lies between 0 and 100 percent: {text.strip()[:20]!r}")
    return round(x / 100, 6), round(y / 100, 6)


def text_of(mask: Mask) -> str:
    """What a person would type for the mask, to a hundredth of a percent."""
    return "; ".join(f"{_percent(x)} {_percent(y)}" for x, y in mask.points)


def _percent(share: float) -> str:
    return f"{share * 100:.2f}".rstrip("0").rstrip(".")
