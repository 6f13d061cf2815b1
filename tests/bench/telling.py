"""How a bench says what it found."""

from __future__ import annotations

import os
from collections.abc import Sequence


def spread(values: Sequence[float]) -> tuple[float, float, float, float]:
    """p50, p95, p99 and the worst."""
    ordered = sorted(values)
    p50, p95, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99))
    return p50, p95, p99, ordered[-1]


def load() -> str:
    """Every time of the wall hangs on it: on an otherwise idle machine the bench makes 2 to 3 by itself."""
    return f"load {os.getloadavg()[0]:.1f}"


def said(is_met: bool) -> str:
    return "met" if is_met else "MISSED"
