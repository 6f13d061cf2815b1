"""A sentence with its values apart, so that it can be said in the reader's language. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Said(NamedTuple):
    """`words` is English with `%(name)s` for each of `values`: the key of the catalogue."""

    words: str
    values: Mapping[str, object]

    def __str__(self) -> str:
        return self.words % self.values


def said(words: str, /, **values: object) -> Said:
    return Said(words, values)


class Refusal(Exception):
    """Something cannot be as asked, in words that can be translated: `said`. `field` is the form's field that it
    belongs to, '' for the whole."""

    def __init__(self, words: str, /, *, field: str = "", **values: object) -> None:
        self.said = Said(words, values)
        self.field = field
        super().__init__(str(self.said))
