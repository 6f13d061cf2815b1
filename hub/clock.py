"""May this hub's own clock be believed? Certificates say when they begin and end: a wrong clock makes wrong ones."""

from __future__ import annotations

import ctypes
import datetime

RELEASED_UTC_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z. This version was made after it; a clock that stands before it was never set."""
MOST_BACK_MS = 60_000
"""So far a clock may be set back without being doubted: time servers do that to a clock that ran fast."""
_TIME_ERROR = 5
"""adjtimex(2): the kernel's clock is not synchronised."""
_TIMEX_BYTES = 208


def is_synchronised() -> bool:
    """Whether the kernel says that a time server keeps this machine's clock."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: only ask
    return int(ctypes.CDLL(None, use_errno=True).adjtimex(timex)) not in (-1, _TIME_ERROR)


def impossible(now_utc_ms: int, newest_utc_ms: int = 0) -> str:
    """Why the clock cannot be right, whatever EMS_IS_CLOCK_TRUSTED says of it: one sentence, '' when it can.
    `newest_utc_ms` is the latest time written down by a clock that was trusted; a time server knows better."""
    told = as_text(now_utc_ms)
    if now_utc_ms < RELEASED_UTC_MS:
        return f"this machine's clock says {told}, which is before this program was made: set it"
    if now_utc_ms < newest_utc_ms - MOST_BACK_MS and not is_synchronised():
        return (
            f"this machine's clock says {told}, but the store has seen {as_text(newest_utc_ms)} already: set it, or "
            "where it is right run `ems-hub time accept`"
        )
    return ""


def doubt(now_utc_ms: int, newest_utc_ms: int, *, is_vouched_for: bool) -> str:
    """Why no certificate may be issued by this clock: one sentence, '' when it may. `is_vouched_for` is the setting
    EMS_IS_CLOCK_TRUSTED."""
    why = impossible(now_utc_ms, newest_utc_ms)
    if why or is_vouched_for or is_synchronised():
        return why
    return (
        "no time server keeps this machine's clock: start chrony, or set EMS_IS_CLOCK_TRUSTED=true where somebody "
        "vouches for it"
    )


def as_text(utc_ms: int) -> str:
    """For people, to the minute."""
    return f"{datetime.datetime.fromtimestamp(utc_ms / 1000, datetime.UTC):%Y-%m-%d %H:%M} UTC"
