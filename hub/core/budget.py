"""How alerts turned out: of each rule and each seat, how many there were, what people found, and what that may mean.

A rule whose incidents are mostly closed with "no concern" costs attention. A share of a few is no share, so each stands
with the range in which the true one lies, as Wilson's score interval at 95 % tells it: Wilson, E. B. (1927), Probable
inference, the law of succession, and statistical inference, J. Am. Stat. Assoc. 22, 209-212.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Z_95 = 1.959963984540054
"""The normal quantile at which 95 % lie within."""
SMALL = 10
"""Below so many closed ones a share says little: even 5 of 10 is anything from 24 to 76 %."""
HOUR_MS = 3_600_000


class Outcome(NamedTuple):
    """Of one rule, or one rule at one seat. `hours`: how long that was watched, None where nobody knows."""

    kind: str
    room: str
    seat: str
    incidents: int
    closed: int
    no_concern: int
    alerts: int
    hours: float | None

    @property
    def share(self) -> float | None:
        """Of the closed ones those without concern; None before the first is closed."""
        return self.no_concern / self.closed if self.closed else None

    @property
    def range(self) -> tuple[float, float]:
        return wilson(self.no_concern, self.closed)

    @property
    def is_small(self) -> bool:
        return self.closed < SMALL

    @property
    def alerts_per_hour(self) -> float | None:
        return self.alerts / self.hours if self.hours else None


def wilson(hits: int, of: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a share: (0, 1), everything, where there is none."""
    if of <= 0:
        return 0.0, 1.0
    share, square = hits / of, z * z
    middle = share + square / (2 * of)
    half = z * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    scale = 1 + square / of
    return max((middle - half) / scale, 0.0), min((middle + half) / scale, 1.0)


class Budget(NamedTuple):
    """`rules`: each rule over all seats; `seats`: each rule at each seat; both the worst first. `hours`: all seats'."""

    rules: list[Outcome]
    seats: list[Outcome]
    hours: float


def budget(
    incidents: Iterable[Mapping[str, Any]],
    alerts: Iterable[Mapping[str, Any]],
    member_alerts: Iterable[Mapping[str, Any]],
    due: Iterable[Mapping[str, Any]],
    gaps: Iterable[Mapping[str, Any]],
) -> Budget:
    """Rows with `room`, `seat` and what they count: `incidents` with `kind`, `incidents`, `closed`, `no_concern`;
    `alerts` and `member_alerts` (to be left out) with `kind`, `alerts`; `due` and `gaps` with `ms`."""
    ms = {(row["room"], row["seat"]): row["ms"] for row in due}
    for row in gaps:
        place = (row["room"], row["seat"])
        if place in ms:
            ms[place] = max(ms[place] - row["ms"], 0)
    raised: dict[tuple[str, str, str], int] = {}
    for sign, rows in ((1, alerts), (-1, member_alerts)):
        for row in rows:
            key = (row["room"], row["seat"], row["kind"])
            raised[key] = raised.get(key, 0) + sign * row["alerts"]
    found = {(row["room"], row["seat"], row["kind"]): row for row in incidents}
    seats: list[Outcome] = []
    for key in sorted({*found, *(key for key, count in raised.items() if count > 0)}):
        room, seat, kind = key
        row = found.get(key, {"incidents": 0, "closed": 0, "no_concern": 0})
        hours = ms[(room, seat)] / HOUR_MS if (room, seat) in ms else None
        counts = (int(row["incidents"]), int(row["closed"]), int(row["no_concern"]))
        seats.append(Outcome(kind, room, seat, *counts, max(raised.get(key, 0), 0), hours))
    hours = sum(ms.values()) / HOUR_MS
    return Budget(_worst_first(_by_rule(seats, hours)), _worst_first(seats), hours)


def _by_rule(seats: Iterable[Outcome], hours: float) -> list[Outcome]:
    summed: dict[str, Outcome] = {}
    for each in seats:
        known = summed.get(each.kind) or Outcome(each.kind, "", "", 0, 0, 0, 0, hours)
        summed[each.kind] = known._replace(
            incidents=known.incidents + each.incidents,
            closed=known.closed + each.closed,
            no_concern=known.no_concern + each.no_concern,
            alerts=known.alerts + each.alerts,
        )
    return list(summed.values())


def _worst_first(found: Iterable[Outcome]) -> list[Outcome]:
    """By the share that it has at least, so that one of one does not stand before 40 of 50."""
    return sorted(
        found, key=lambda each: (-each.range[0], -each.no_concern, -each.incidents, each.room, each.seat, each.kind)
    )
