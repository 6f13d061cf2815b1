"""The readable report of an evidence bundle: values in, one HTML file out, which needs no network and no script.

Who reads it in a year may be nobody of the centre. So it says every time with its clock and zone, every rule with its
numbers, what is missing beside what is there, and what all of it does not prove. What people and machines wrote is
shown, never obeyed: every letter that shows nothing is made visible, all of it is escaped, and the page's own policy
allows neither script nor anything from outside.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Sequence
from typing import NamedTuple

import jinja2

from hub.core import explain, review
from hub.core.board import ALERT_WORDS, CAUSE_WORDS, FACE_KINDS, words_of
from hub.core.visible import visible

DASH = "\N{EN DASH}"
BAR_PX = 1000
"""Width of the coverage bar's own coordinates."""
VERDICTS = {
    "no_concern": "No concern",
    "refer": "Refer: the centre should look into it. It is no finding against anybody",
    "confirmed_by_centre": "Confirmed by the centre",
}
STATES = {"open": "Nobody has looked at it yet", "acknowledged": "Somebody is looking into it", "closed": "Closed"}
FILES = {
    "segment": "recording, as the desk made it",
    "clip": "recording, for watching",
    "still": "picture",
    "records": "the desk's signed records",
    "certificates": "whose keys those are",
    "minutes": "the hub's countersignatures",
    "timeline": "what the desk told, in order",
    "audit": "who looked at it or did something about it",
    "purge": "certificate of what was removed by rule",
    "readme": "how to verify",
    "verifier": "the program that verifies",
}


class AlertTold(NamedTuple):
    """One alert as the desk told it. Times in milliseconds: UTC by the desk's clock, and since its machine started
    (`up`), which no correction moves. `body` is the record, decoded; `still` the picture's path in the bundle, ''
    without one."""

    unit: str
    boot: int
    began_utc_ms: int
    began_up_ms: int
    raised_utc_ms: int
    raised_up_ms: int
    cleared_utc_ms: int | None
    received_utc_ms: int
    body: dict[str, object]
    still: str = ""


class ActTold(NamedTuple):
    """One line of what was done: `who` is `desk` for a machine."""

    at_utc_ms: int
    who: str
    action: str
    verdict: str = ""
    text: str = ""


class IncidentTold(NamedTuple):
    number: int
    kind: str
    state: str
    verdict: str
    is_drill: bool
    alerts: Sequence[AlertTold]
    acts: Sequence[ActTold]


class MissingTold(NamedTuple):
    """A stretch without recording. `told`: in words, where and when a person could see it; '' nobody was told."""

    from_utc_ms: int
    until_utc_ms: int
    cause: str
    detail: str = ""
    is_length_known: bool = True
    told: str = ""


class CoverageTold(NamedTuple):
    """What of the stretch is recorded, in milliseconds. `recorded` are the stretches (from, until)."""

    recorded_ms: int
    due_ms: int
    recorded: Sequence[tuple[int, int]]
    missing: Sequence[MissingTold]

    @property
    def per_cent(self) -> float | None:
        """Rounded down: 100 means all of it; None when nothing was due."""
        return None if self.due_ms <= 0 else self.recorded_ms * 10_000 // self.due_ms / 100


class SealTold(NamedTuple):
    """The hub's countersignature of a minute: its short code, number, time and whole root."""

    code: str
    number: int
    at_utc_ms: int
    root: str


class FileTold(NamedTuple):
    name: str
    what: str
    size_bytes: int
    sha256: str


class AbsentTold(NamedTuple):
    """What belongs to it and is not in it: its name, what it is, and why."""

    name: str
    what: str
    state: str


class ReportValues(NamedTuple):
    """All that a report says. `bundle`: the number of the request, 0 for none. [from, until) in UTC milliseconds;
    `zone` is the centre's. `is_incident`: about the first incident alone, else about the seat's whole sitting."""

    bundle: int
    made_utc_ms: int
    asked_by: str
    recipient: str
    purpose: str
    is_incident: bool
    room: str
    seat: str
    exam: str
    sitting: str
    from_utc_ms: int
    until_utc_ms: int
    zone: dt.tzinfo
    units: Sequence[tuple[str, str]]
    incidents: Sequence[IncidentTold]
    coverage: CoverageTold
    seal: SealTold | None
    files: Sequence[FileTold]
    absent: Sequence[AbsentTold]
    software: str


def render(values: ReportValues) -> str:
    """The report as a whole HTML file. Pictures are relative links into the bundle."""
    zone = values.zone
    return _template().render(
        it=values,
        moment=lambda utc_ms: moment(utc_ms, zone),
        clock=lambda utc_ms: DASH if utc_ms is None else f"{_at(utc_ms, zone):%H:%M:%S}",
        bars=_bars(values),
        due=_due(values),
    )


def moment(utc_ms: int | None, zone: dt.tzinfo) -> str:
    """`2026-05-04 10:14:03.250 +02:00`: the offset says more to a stranger than the zone's letters."""
    if utc_ms is None:
        return DASH
    at = _at(utc_ms, zone)
    offset = f"{at:%z}"
    return f"{at:%Y-%m-%d %H:%M:%S}.{utc_ms % 1000:03d} {offset[:3]}:{offset[3:5]}"


def _at(utc_ms: int, zone: dt.tzinfo) -> dt.datetime:
    return dt.datetime.fromtimestamp(utc_ms / 1000, zone)


def length(ms: int) -> str:
    """`0:12:33.4`, `42.0 s`."""
    tenths = max(ms, 0) // 100
    if tenths < 600:
        return f"{tenths / 10:.1f} s"
    seconds, tenth = divmod(tenths, 10)
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}.{tenth}"


def size(size_bytes: int) -> str:
    """`1.5 MB`, powers of ten."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def _bars(values: ReportValues) -> list[tuple[float, float]]:
    """(left, width) of each recorded stretch on the bar."""
    whole = max(values.until_utc_ms - values.from_utc_ms, 1)
    found = []
    for begin, end in values.coverage.recorded:
        low = min(max(begin - values.from_utc_ms, 0), whole) * BAR_PX / whole
        high = min(max(end - values.from_utc_ms, 0), whole) * BAR_PX / whole
        if high > low:
            found.append((round(low, 2), round(high - low, 2)))
    return found


def _due(values: ReportValues) -> float:
    """How far on the bar the time reaches of which something is known."""
    whole = max(values.until_utc_ms - values.from_utc_ms, 1)
    ends = [end for _, end in values.coverage.recorded] + [each.until_utc_ms for each in values.coverage.missing]
    known = max(ends, default=values.from_utc_ms) - values.from_utc_ms
    return round(min(max(known, 0), whole) * BAR_PX / whole, 2)


def _of_kind(kind: str) -> str:
    return words_of(ALERT_WORDS, kind)


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hub.evidence", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        length=length,
        size=size,
        kind=_of_kind,
        cause=lambda cause: words_of(CAUSE_WORDS, cause),
        verdict=lambda verdict: words_of(VERDICTS, verdict),
        act=lambda action: words_of(review.EVENT_WORDS, action),
        state=lambda state: words_of(STATES, state),
        file=lambda what: words_of(FILES, what),
    )
    environment.globals.update(numbers=explain.numbers, FACE_KINDS=FACE_KINDS, DASH=DASH, BAR_PX=BAR_PX)
    return environment.get_template("report.html")
