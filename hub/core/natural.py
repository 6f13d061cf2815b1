"""The order in which people count labels. Pure."""

from __future__ import annotations

import functools
import re


@functools.lru_cache(maxsize=8192)
def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key by which A2 comes before A10, whatever the letters."""
    parts = re.findall(r"\d{1,18}|\D+", text.casefold(), flags=re.ASCII)
    return tuple((0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts)
