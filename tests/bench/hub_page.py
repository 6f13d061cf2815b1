"""What the Live page costs with 500 desks and 100,000 incidents: the board, what is recorded added up, the page.

`measure(folder)` fills a store and answers milliseconds, the median and the worst of some runs. Alone:
`python -m tests.bench.hub_page`; `python -m tests.bench hub` times the same page as it is served.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hub.core import board
from hub.store import board as board_store
from hub.store import exam_day
from tests.hub.seed import now_ms
from tests.hub.website import Site, site

RUNS = 15


def fill(place: Site, desks: int, incidents: int, segments_a_desk: int) -> None:
    """Rows as of a centre in a running sitting of which an hour is over; all but 60 incidents are closed."""
    centre, now = place.centre, now_ms()
    room = centre.room("Main hall")
    units = [f"c.d{number}" for number in range(desks)]
    for number, unit in enumerate(units):
        centre.seat(room, f"S{number}", unit)
        centre.heartbeat(unit)
    closed = ("closed", now - 86_400_000, now - 86_400_000, "no_concern")
    with place.store.write() as connection:
        connection.executemany(
            """insert into incidents (unit, kind, sitting, room, seat, state, opened_utc_ms, began_utc_ms, verdict)
            values (?, 'seat_empty', 'sitting-1', 'Main hall', ?, ?, ?, ?, ?)""",
            (
                (units[n % desks], f"S{n % desks}", *(("open", now - n, now - n, None) if n < 60 else closed))
                for n in range(incidents)
            ),
        )
        connection.executemany(
            """insert into segments (unit, name, sitting, began_utc_ms, began_up_ms, ended_utc_ms, ended_up_ms, frames,
                size_bytes, sha256, is_cut, boot, seq, seat)
            values (?, ?, 'sitting-1', ?, 0, ?, 10000, 150, 1, '', 0, 1, ?, ?)""",
            (
                (unit, f"{n}.ts", now - 2_520_000 + n * 10_000, now - 2_510_000 + n * 10_000, n + 1, f"S{number}")
                for number, unit in enumerate(units)
                for n in range(segments_a_desk)
            ),
        )


def _timed(do: Callable[[], object]) -> tuple[float, float]:
    took = []
    for _ in range(RUNS):
        began = time.perf_counter()
        do()
        took.append((time.perf_counter() - began) * 1000)
    return sorted(took)[RUNS // 2], max(took)


def measure(folder: Path, desks: int = 500, incidents: int = 100_000) -> dict[str, tuple[float, float]]:
    """(median, worst) in ms of each step."""
    with site(folder) as place:
        fill(place, desks, incidents, 250)
        place.settle()
        store, now = place.store, now_ms()
        running = exam_day.Running()
        began = time.perf_counter()
        running.look(store, now)
        first = (time.perf_counter() - began) * 1000
        client = place.client("Ada")
        rows = board_store.read_board(store, now, 0)
        day = exam_day.read(store, {"beat_utc_ms": now}, now)
        return {
            "rows of the board read": _timed(lambda: board_store.read_board(store, now, 0)),
            "breaks, roster, maps read": _timed(lambda: exam_day.read(store, {"beat_utc_ms": now}, now)),
            "board built": _timed(lambda: board.build(rows, now, day)),
            "recorded added up, first": (first, first),
            "recorded added up, later": _timed(lambda: running.look(store, now)),
            "page": _timed(lambda: client.get("/").text),
        }


def main(argv: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        for what, (median, worst) in measure(Path(folder)).items():
            print(f"{what:28} {median:8.1f} ms   worst {worst:8.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
