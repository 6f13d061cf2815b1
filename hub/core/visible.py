"""Text that people or machines typed, made harmless where it is shown. Pure."""

from __future__ import annotations


def visible(written: str) -> str:
    """The text with every character that shows nothing, turns the direction of others or steers a terminal, made
    visible."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in written)
