"""What ingest says about itself, once a second, through the live folder.

`ingest.json` is one object. Counters rise from the start of the process; the web shows them at /metrics:

    started_utc_ms, beat_utc_ms    start of the process; newest beat: silence of 5 s means that ingest stands still
    is_connected, is_store_well    to the broker; false while the store cannot be written (/healthz is red then)
    trouble                        why not, in words; empty when well
    messages                       {kind: committed messages}, the kinds of `wire.UP`
    records_repeated, rejected, conflicts, commits, dropped, plans_sent, commands_sent
    queue                          messages waiting now
    group_size, commit_ms, lag_ms  {p50, p95} of the newest 512 groups (lag: of the newest 4096 messages, from
                                   arrival to receipt); null before the first
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

from hub.ingest.commit import Arrival, Outcome


class Facts:
    """Counters and recent times. Used by the work thread."""

    def __init__(self, now_utc_ms: int) -> None:
        self.started_utc_ms = now_utc_ms
        self.is_connected = False
        self.trouble = ""
        self.plans_sent = 0
        self.commands_sent = 0
        self._messages: Counter[str] = Counter()
        self._repeated = self._rejected = self._conflicts = self._commits = 0
        self._group_sizes: deque[float] = deque(maxlen=512)
        self._commit_ms: deque[float] = deque(maxlen=512)
        self._lag_ms: deque[float] = deque(maxlen=4096)

    def committed(self, group: Sequence[Arrival], outcome: Outcome, took_ms: float, now_utc_ms: int) -> None:
        self._messages.update(outcome.kinds)
        self._repeated += outcome.repeated
        self._rejected += outcome.rejected
        self._conflicts += outcome.conflicts
        self._commits += 1
        self._group_sizes.append(len(group))
        self._commit_ms.append(took_ms)
        self._lag_ms.extend(max(0, now_utc_ms - arrival.received_utc_ms) for arrival in group)

    def told(self, *, queue: int, dropped: int, now_utc_ms: int) -> dict[str, Any]:
        return {
            "started_utc_ms": self.started_utc_ms,
            "beat_utc_ms": now_utc_ms,
            "is_connected": self.is_connected,
            "is_store_well": not self.trouble,
            "trouble": self.trouble,
            "messages": dict(self._messages),
            "records_repeated": self._repeated,
            "rejected": self._rejected,
            "conflicts": self._conflicts,
            "commits": self._commits,
            "dropped": dropped,
            "plans_sent": self.plans_sent,
            "commands_sent": self.commands_sent,
            "queue": queue,
            "group_size": _spread(self._group_sizes),
            "commit_ms": _spread(self._commit_ms),
            "lag_ms": _spread(self._lag_ms),
        }


def _spread(values: deque[float]) -> dict[str, float] | None:
    if not values:
        return None
    ordered = sorted(values)
    return {f"p{part}": round(ordered[min(len(ordered) - 1, len(ordered) * part // 100)], 3) for part in (50, 95)}
