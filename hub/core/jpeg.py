"""How large a JPEG says it is, read from its head alone: a picture of 48 KB may claim four thousand million pixels, and
whoever decodes that loses the memory.
"""

from __future__ import annotations

MOST_SIDE = 2_000
"""Pixels a side of a live picture: a desk sends 640 by 360."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length: TEM, RST0 to RST7, SOI."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start of frame, all kinds (ITU-T T.81, table B.1); the three between mean other things."""
_SCAN, _END = 0xDA, 0xD9


def size_of(jpeg: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels as the first frame header tells them; None when there is none before the picture."""
    if not jpeg.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 4 <= len(jpeg):
        if jpeg[at] != 0xFF:
            return None
        marker = jpeg[at + 1]
        if marker == 0xFF:  # fill
            at += 1
            continue
        if marker in _ALONE:
            at += 2
            continue
        if marker in (_SCAN, _END):
            return None
        length = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if length < 2:
            return None
        if marker in _FRAMES:
            if at + 9 > len(jpeg):
                return None
            return int.from_bytes(jpeg[at + 7 : at + 9], "big"), int.from_bytes(jpeg[at + 5 : at + 7], "big")
        at += 2 + length
    return None


def trouble_of(jpeg: bytes) -> str:
    """Why a live picture may be shown to nobody; '' when it may."""
    size = size_of(jpeg)
    if size is None:
        return "the picture does not say how large it is"
    if not 0 < min(size) <= max(size) <= MOST_SIDE:
        return f"a live picture of {size[0]} by {size[1]} pixels"
    return ""
