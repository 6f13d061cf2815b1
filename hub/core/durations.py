"""Lengths of time as people write them in forms and spreadsheets. Pure."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

MOST_MS = 86_400_000
_CLOCK = re.compile(r"(\d{1,2}):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_MINUTES = re.compile(r"(\d{1,4}(?:[.,]\d{1,4})?)\s*(?:m|min|mins|minute|minutes|minuten|')?\.?", re.I | re.A)
_SHARE = re.compile(r"(\d{1,3}(?:[.,]\d{1,4})?)\s*(?:%|percent|per cent|prozent)", re.I | re.A)


class NotALength(ValueError):
    """The text is no length of time that is allowed here."""


def read(text: str, whole_ms: int | None = None) -> int:
    """Milliseconds, in whole seconds: `15`, `15 min`, `7,5` (minutes), `0:30`, `1:05:30` (hours first), and with
    `whole_ms` also a share of that, `25 %`; '' is none. Raises NotALength, also past a day."""
    text = " ".join(text.split())
    if not text:
        return 0
    if found := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        length_ms = ((hours * 60 + minutes) * 60 + seconds) * 1000
    elif found := _MINUTES.fullmatch(text):
        length_ms = _seconds(_number(found[1]) * 60) * 1000
    elif whole_ms is not None and (found := _SHARE.fullmatch(text)):
        length_ms = _seconds(_number(found[1]) * whole_ms / 100_000) * 1000
    else:
        raise NotALength(text)
    if length_ms > MOST_MS:
        raise NotALength(text)
    return length_ms


def _number(text: str) -> Decimal:
    return Decimal(text.replace(",", "."))


def _seconds(value: Decimal) -> int:
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def write(length_ms: int) -> str:
    """As `read` takes it: whole minutes as `15`, anything else as `0:23:45`; '' for none."""
    if length_ms % 60_000 == 0:
        return str(length_ms // 60_000) if length_ms else ""
    seconds = length_ms // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
