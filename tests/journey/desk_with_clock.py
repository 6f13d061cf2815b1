"""`ems-agent` whose wall clock a test sets while it runs: the one file that asks for time, `agent.host`, gets its own.

CLOCK_FILE holds JSON, `{"offset_ms": 3600000, "is_ok": true}`, read each time the wall clock is asked for. libfaketime
would be the usual way, but with 0.9.10 and the monotonic clocks left alone Python's `time.sleep` fails (EINVAL).
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from agent import host
from agent.cli import main

_FILE = Path(os.environ.get("CLOCK_FILE", "clock.json"))


def _said() -> dict[str, Any]:
    said: dict[str, Any] = json.loads(_FILE.read_text())
    return said


class _Time:
    """The module `time`, its wall clock off by as much as the file says."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def time_ns(self) -> int:
        return max(0, time.time_ns() + int(_said()["offset_ms"]) * 1_000_000)


if __name__ == "__main__":
    host.time = _Time()  # type: ignore[assignment,attr-defined]
    host.Clock.is_ok = lambda self: bool(_said()["is_ok"])  # type: ignore[method-assign]
    main()
