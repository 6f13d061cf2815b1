"""What-if: a sitting judged again from its log, by its own rules or by others, beside what was said at the time.

By its own rules the log is judged exactly as it was: a judge begun and ended wherever the desk's was, so what comes out
is what was. By other rules one judge runs through the log: that the plan changed on the way changes nothing now, and
only an end that no observation follows is one. The breaks are those of the log, from where on the desk knew them: they
are what people allowed, and no rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from agent.core.judge import AlertChange, Judge, State
from agent.core.observation import Observation
from agent.core.obslog import Ended, Entry, JudgeBy, PausedBy
from agent.wire import Rule


def said(entries: Iterable[Entry]) -> list[AlertChange]:
    """What the desk's judge said, change by change."""
    return [entry for entry in entries if isinstance(entry, AlertChange)]


def judged_again(entries: Sequence[Entry], rules: Iterable[Rule] | None = None) -> list[AlertChange]:
    """What a judge says to these entries, change by change; by `rules`, or by those it was judged by. Where the log
    breaks off without an end, what stands stays standing."""
    wanted = None if rules is None else tuple(rules)
    last_look = max((at for at, entry in enumerate(entries) if isinstance(entry, Observation)), default=-1)
    judge: Judge | None = None
    changes: list[AlertChange] = []
    for at, entry in enumerate(entries):
        if isinstance(entry, JudgeBy) and (wanted is None or judge is None):
            chosen = entry.rules if wanted is None else wanted
            judge = Judge(chosen, entry.is_still, first_n=entry.first_n, max_gap_s=entry.max_gap_s, pauses=entry.pauses)
        elif isinstance(entry, JudgeBy | PausedBy) and judge is not None:
            judge.pauses = entry.pauses
        elif isinstance(entry, Observation) and judge is not None:
            changes += judge.step(entry)
        elif isinstance(entry, Ended) and judge is not None and (wanted is None or at > last_look):
            changes += judge.end(entry.now)
    return changes


def alerts_of(changes: Iterable[AlertChange]) -> list[AlertChange]:
    """The last word on each alert, by its beginning."""
    last = {change.n: change for change in changes}
    return sorted(last.values(), key=lambda change: (change.began.up_ms, change.n))


class Pair(Struct, frozen=True):
    """One alert as it was and as it would be; None on the side where there is none."""

    was: AlertChange | None
    would: AlertChange | None


def side_by_side(was: Iterable[AlertChange], would: Iterable[AlertChange]) -> list[Pair]:
    """Alerts of one kind that stood at one time, dwell included, are the same breach. Each is paired once, the earliest
    first; the pairs come by their beginning."""
    left = list(was)
    pairs = []
    for change in would:
        same = next((old for old in left if old.kind is change.kind and _is_at_one_time(old, change)), None)
        if same is not None:
            left.remove(same)
        pairs.append(Pair(same, change))
    pairs += [Pair(old, None) for old in left]
    return sorted(pairs, key=lambda pair: min(side.began.up_ms for side in (pair.was, pair.would) if side is not None))


def _is_at_one_time(one: AlertChange, other: AlertChange) -> bool:
    return _is_begun_within(one, other) or _is_begun_within(other, one)


def _is_begun_within(one: AlertChange, other: AlertChange) -> bool:
    until = other.cleared if other.state is State.CLEARED else None
    return other.began.up_ms <= one.began.up_ms and (until is None or one.began.up_ms <= until.up_ms)
