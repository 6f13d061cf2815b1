"""The card's drawings: true to the rhythm that the desk plays, and told apart without colour."""

from __future__ import annotations

import itertools

import pytest

from agent.wire_lamp import PATTERNS, Beat, Pattern
from hub.core import card

EVERY_PATTERN = pytest.mark.parametrize("pattern", PATTERNS.values(), ids=str)


def level_at(pattern: Pattern, at_ms: float) -> float:
    """What the lamp shows then, by the table alone."""
    at_ms %= sum(beat.ms for beat in pattern.rhythm)
    level = pattern.rhythm[-1].level
    for beat in pattern.rhythm:
        if at_ms < beat.ms:
            return level + (beat.level - level) * at_ms / beat.ms if beat.is_fade else beat.level
        at_ms, level = at_ms - beat.ms, beat.level
    return level


def drawn_at(strip: str, at_ms: float) -> float:
    """What the strip shows then."""
    points = [tuple(float(value) for value in point.split(",")) for point in strip.split()]
    x = at_ms / card.SHOWN_MS * card.WIDTH
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x0 <= x < x1:
            y = y0 + (y1 - y0) * (x - x0) / (x1 - x0)
            return (card.HEIGHT - y) / (card.HEIGHT - 2)
    raise AssertionError(f"nothing is drawn at {at_ms} ms")


@EVERY_PATTERN
def test_the_strip_is_the_rhythm(pattern: Pattern) -> None:
    """At any time between two steps the drawn height is the lamp's brightness."""
    strip = card.strip(pattern.rhythm)
    for at_ms in range(17, card.SHOWN_MS, 50):
        assert drawn_at(strip, at_ms) == pytest.approx(level_at(pattern, at_ms), abs=0.06), at_ms


@EVERY_PATTERN
def test_the_animation_is_one_round(pattern: Pattern) -> None:
    """SVG takes key times from 0 to 1 that never fall, one for each value."""
    row = next(each for each in card.rows() if each.name == str(pattern.name).replace("_", " "))
    times = [float(time) for time in row.key_times.split(";")]
    assert (times[0], times[-1]) == (0, 1)
    assert times == sorted(times)
    assert len(times) == len(row.values.split(";"))


def test_no_two_rows_look_alike_in_black_and_white() -> None:
    """The strips differ, whatever the colour; and so do the words for the colours, whatever the rhythm."""
    rows = card.rows()
    assert len(rows) == len(PATTERNS)
    for one, other in itertools.combinations(rows, 2):
        apart = [abs(drawn_at(one.strip, ms) - drawn_at(other.strip, ms)) for ms in range(17, card.SHOWN_MS, 50)]
        assert max(apart) >= 0.5, (one.name, other.name)
        assert one.colour_word != other.colour_word, (one.name, other.name)


@pytest.mark.parametrize(
    ("rhythm", "words"),
    [
        ((Beat(1, 2000, True), Beat(0.3, 2000, True)), "breathes, once in 4 s"),
        ((Beat(1, 150), Beat(0, 150), Beat(1, 150), Beat(0, 1050)), "2 flashes every 1.5 s"),
        ((Beat(1, 1000), Beat(0, 1000)), "1 s on, 1 s off"),
        ((Beat(1, 500), Beat(0, 250)), "quick flashes"),
        ((Beat(0.6, 200), Beat(0, 2800)), "a short flash every 3 s"),
    ],
)
def test_a_rhythm_is_said_in_words(rhythm: tuple[Beat, ...], words: str) -> None:
    assert card.rhythm_words(rhythm) == words
