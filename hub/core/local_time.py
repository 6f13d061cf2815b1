"""Times as people type them, in a named zone. Where the clocks are changed a local time does not exist or comes twice:
that is said, never guessed. Pure."""

from __future__ import annotations

import datetime as dt

from hub.core.said import Refusal


def read_day(text: str, field: str) -> str:
    """`2027-05-31`, as typed. Raises Refusal."""
    try:
        day = dt.date.fromisoformat(text.strip())
    except ValueError:
        raise Refusal("%(text)s is no day: write it as 2027-05-31.", field=field, text=_shown(text)) from None
    _check_year(day.year, field)
    return day.isoformat()


def read(text: str, zone: dt.tzinfo, field: str) -> int:
    """`2027-05-31T09:00` (or with a space) in `zone`, as UTC milliseconds. Raises Refusal."""
    try:
        local = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise Refusal("%(text)s is no day and time: write 2027-05-31 09:00.", field=field, text=_shown(text)) from None
    if local.tzinfo is not None:
        raise Refusal("Write the time without an offset: it is in the time zone of the exam.", field=field)
    _check_year(local.year, field)
    early, late = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if early.utcoffset() != late.utcoffset():
        values = {"time": f"{local:%H:%M}", "day": f"{local:%Y-%m-%d}"}
        if early.astimezone(dt.UTC).astimezone(zone).replace(tzinfo=None) != local.replace(fold=0):
            words = "%(time)s does not exist on %(day)s: the clocks are set forward over it. Choose another time."
        else:
            words = "%(time)s comes twice on %(day)s: the clocks are set back. Choose a time that comes once."
        raise Refusal(words, field=field, **values)
    return int(early.timestamp() * 1000)


def written(utc_ms: int, zone: dt.tzinfo) -> str:
    """As `read` takes it, to the minute: `2027-05-31T09:00`."""
    return f"{dt.datetime.fromtimestamp(utc_ms / 1000, zone):%Y-%m-%dT%H:%M}"


def _shown(text: str) -> str:
    return text.strip()[:40] or "\N{EN DASH}"


def _check_year(year: int, field: str) -> None:
    if not 2000 <= year <= 2200:
        raise Refusal("The year %(year)s is a slip of the pen: it lies between 2000 and 2200.", field=field, year=year)
