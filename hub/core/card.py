"""The lamp's patterns as drawings: what the card for the room and the pages show of `agent.wire_lamp`. Pure.

Paper may be black and white, and not everybody sees every colour: each row says the colour in a word, and draws the
rhythm as a curve of brightness over time.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import NamedTuple

from agent.wire_lamp import PATTERNS, Beat, Pattern

SHOWN_MS = 6_000
"""The slowest pattern takes so long."""
WIDTH, HEIGHT = 300.0, 30.0
"""Of the drawn strip, in its own units."""
FIRST = ("help", "signal", "attention", "fault", "no_hub", "recording", "waiting")
"""What the room needs most often comes first; the others follow in the table's order."""
_HUES = (
    (15, "red"),
    (48, "orange"),
    (70, "yellow"),
    (165, "green"),
    (205, "light blue"),
    (260, "blue"),
    (300, "purple"),
    (345, "pink"),
    (361, "red"),
)


class Row(NamedTuple):
    """`strip`: the outline of the brightness over SHOWN_MS, as points of an SVG polygon. `values`, `key_times` and
    `round_s`: the same rhythm for an SVG animation of one round."""

    name: str
    colour: str
    colour_word: str
    rhythm_words: str
    meaning: str
    what_to_do: str
    has_sound: bool
    strip: str
    values: str
    key_times: str
    round_s: float


def rows(patterns: Sequence[Pattern] = tuple(PATTERNS.values())) -> list[Row]:
    """One row a pattern, in the order of the card."""
    order = {name: index for index, name in enumerate(FIRST)}
    return [_row(each) for each in sorted(patterns, key=lambda each: order.get(each.name, len(FIRST)))]


def _row(pattern: Pattern) -> Row:
    corners = _corners(pattern.rhythm)
    round_ms = sum(beat.ms for beat in pattern.rhythm)
    return Row(
        name=str(pattern.name).replace("_", " "),
        colour=pattern.colour,
        colour_word=colour_word(pattern.colour),
        rhythm_words=rhythm_words(pattern.rhythm),
        meaning=pattern.meaning,
        what_to_do=pattern.what_to_do,
        has_sound=bool(pattern.buzzer),
        strip=strip(pattern.rhythm),
        values=";".join(f"{level:g}" for _, level in corners),
        key_times=";".join(f"{at_ms / round_ms:.4g}" for at_ms, _ in corners),
        round_s=round_ms / 1000,
    )


def _corners(rhythm: Sequence[Beat]) -> list[tuple[int, float]]:
    """One round as (ms from its beginning, level), straight between: a step is two corners at one time."""
    at_ms, level = 0, rhythm[-1].level
    found: list[tuple[int, float]] = []
    for beat in rhythm:
        found.append((at_ms, level if beat.is_fade else beat.level))
        at_ms, level = at_ms + beat.ms, beat.level
        found.append((at_ms, level))
    return found


def strip(rhythm: Sequence[Beat]) -> str:
    """The points of a polygon under the brightness over SHOWN_MS, as `x,y x,y`."""
    round_ms = sum(beat.ms for beat in rhythm)
    points: list[tuple[float, float]] = [(0.0, 0.0)]
    start_ms = 0
    while start_ms < SHOWN_MS:
        points += [(start_ms + at_ms, level) for at_ms, level in _corners(rhythm)]
        start_ms += round_ms
    points = _cut(points)
    points.append((SHOWN_MS, 0.0))
    return " ".join(f"{at / SHOWN_MS * WIDTH:.1f},{HEIGHT - level * (HEIGHT - 2):.1f}" for at, level in points)


def _cut(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points up to SHOWN_MS, with one where the curve leaves the strip."""
    kept = [point for point in points if point[0] <= SHOWN_MS]
    after = next((point for point in points if point[0] > SHOWN_MS), None)
    if after is not None:
        (at, level), (end, until) = kept[-1], after
        kept.append((SHOWN_MS, level + (until - level) * (SHOWN_MS - at) / (end - at)))
    return kept


def colour_word(colour: str) -> str:
    """The word for a colour #rrggbb, as a person would call the lamp."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    hue, _, saturation = colorsys.rgb_to_hls(red, green, blue)
    _, vividness, _ = colorsys.rgb_to_hsv(red, green, blue)
    if saturation < 0.15 or vividness < 0.25:
        return "white"
    word = next(word for limit, word in _HUES if hue * 360 < limit)
    return f"pale {word}" if vividness < 0.6 else word


def rhythm_words(rhythm: Sequence[Beat]) -> str:
    """The rhythm in words: `breathes, once in 4 s`, `2 flashes every 1.5 s`, `1 s on, 1 s off`."""
    round_s = sum(beat.ms for beat in rhythm) / 1000
    flashes = sum(not beat.is_fade and beat.level > rhythm[index - 1].level for index, beat in enumerate(rhythm))
    breaths = sum(beat.is_fade and beat.level > rhythm[index - 1].level for index, beat in enumerate(rhythm))
    if breaths and flashes:
        return f"breathes and flashes, every {round_s:g} s"
    if breaths:
        return f"breathes, once in {round_s:g} s"
    if flashes > 1:
        return f"{flashes} flashes every {round_s:g} s"
    lit_s = sum(beat.ms for beat in rhythm if beat.level > 0.5) / 1000
    if round_s <= 1:
        return "quick flashes"
    return f"a short flash every {round_s:g} s" if lit_s <= 0.3 else f"{lit_s:g} s on, {round_s - lit_s:g} s off"
