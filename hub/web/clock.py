"""The web process's one look at the wall clock, and times as people read them."""

from __future__ import annotations

import datetime as dt
import time
import zoneinfo

DASH = "\N{EN DASH}"
"""What stands where a number could not be read: never a zero."""


def now_utc_ms() -> int:
    """The hub's time. Everything pure is handed it."""
    return time.time_ns() // 1_000_000


def zone_of(name: str) -> dt.tzinfo:
    """The centre's zone; UTC when the machine has no data for it."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return dt.UTC


def clock_text(utc_ms: int | None, zone: dt.tzinfo) -> str:
    """`10:14:03`, a dash when not known."""
    return DASH if utc_ms is None else dt.datetime.fromtimestamp(utc_ms / 1000, zone).strftime("%H:%M:%S")


def moment_text(utc_ms: int | None, zone: dt.tzinfo) -> str:
    """`2026-05-04 10:14:03.250 CEST`, a dash when not known."""
    if utc_ms is None:
        return DASH
    moment = dt.datetime.fromtimestamp(utc_ms / 1000, zone)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{utc_ms % 1000:03d} {moment:%Z}"


def zone_text(utc_ms: int, zone: dt.tzinfo) -> str:
    """`CEST`: the zone's name at that time, as `moment_text` writes it."""
    return f"{dt.datetime.fromtimestamp(utc_ms / 1000, zone):%Z}"


def day_text(utc_ms: int | None, zone: dt.tzinfo) -> str:
    """`2026-05-04 10:14:03`, for tables whose head names the clock; a dash when not known."""
    if utc_ms is None:
        return DASH
    return f"{dt.datetime.fromtimestamp(utc_ms / 1000, zone):%Y-%m-%d %H:%M:%S}"


def length_text(seconds: float | None) -> str:
    """`0:12:33`, a dash when not known."""
    if seconds is None:
        return DASH
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def short_text(seconds: float) -> str:
    """`42 s`, `12 min`, `3 h 5 min`; never negative."""
    whole = max(int(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def signed_text(seconds: float) -> str:
    """`+0.2`, `-1.4`, and `0.0` for what rounds to nothing."""
    tenths = round(seconds * 10)
    return f"{tenths / 10:+.1f}" if tenths else "0.0"


def size_text(size_bytes: int | None) -> str:
    """`1.5 GB`, powers of ten, a dash when not known."""
    if size_bytes is None:
        return DASH
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
