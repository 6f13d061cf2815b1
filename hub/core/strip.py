"""The thin line of a tile: its last ten minutes in bins, as this hub's pages saw them. Pure.

A bin shows the gravest thing seen in it. What nobody watched, because the pages or ingest were not running, is not
known and is drawn as that: never as quiet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BIN_MS = 10_000
BINS = 60
UNKNOWN = "."
CODES = ".fsbenmga"
"""From the least grave: not known, face, somebody without a face, break, nobody as expected, nobody, more than one
face, not recording, alert."""
_SEEN = {"face": "f", "somebody": "s", "empty": "n", "unknown": UNKNOWN}
_NOT_HERE = ("offline", "silent", "never_seen")


def code_of(tile: Mapping[str, Any]) -> str:
    """What a tile (`hub.core.board`) shows just now."""
    if not tile["unit"] or tile["state"] == "unknown":
        return UNKNOWN
    states = {tile["state"], *(each["state"] for each in tile["also"])}
    if "alert" in states:
        return "a"
    if tile["presence"] in _NOT_HERE:
        return UNKNOWN  # it may well be recording: nobody knows yet
    if "fault" in states and not tile["is_recording"]:
        return "g"
    if not tile["is_recording"]:
        return UNKNOWN
    if tile["break"] is not None and not tile["break"]["is_over"]:
        return "b"
    if tile["state"] == "empty":
        return "e"
    if (tile["faces"] or 0) > 1:
        return "m"
    return _SEEN.get(tile["seat"], "f" if tile["faces"] else UNKNOWN if tile["faces"] is None else "n")


def graver(one: str, other: str) -> str:
    """The graver of two codes."""
    return max(one, other, key=CODES.index)
