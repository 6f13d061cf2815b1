"""The terminal's table of the desks, from the newest heartbeat of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
from rich.table import Table
from rich.text import Text

from agent.wire import Heartbeat
from hub.demo.centre import DemoDesk

LATE_MS = 3_500
COLUMNS: tuple[tuple[str, int, Literal["left", "right"]], ...] = (
    ("seat", 4, "left"),
    ("desk", 7, "left"),
    ("camera", 8, "left"),
    ("state", 9, "left"),
    ("fps", 4, "right"),
    ("faces", 5, "right"),
    ("lamp", 11, "left"),
    ("spool", 5, "right"),
    ("recorded", 8, "right"),
)
_STYLE = {"recording": "green", "waiting": "cyan", "stopped": "bold red", "starting": "dim", "late": "yellow"}


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}"


def _number(value: float | None, digits: int = 0) -> str:
    """A reading that nobody has is a dash, never a zero."""
    return "-" if value is None else f"{value:.{digits}f}"


def _row(desk: DemoDesk, heartbeat: Heartbeat | None, age_ms: int) -> list[str | Text]:
    if heartbeat is None:
        return [desk.seat, desk.name, Text(desk.camera_words), Text("starting", _STYLE["starting"]), *["-"] * 6]
    is_late = age_ms > LATE_MS
    state = f"late {age_ms // 1000} s" if is_late else heartbeat.state
    standing: list[str] = [*(alert.kind for alert in heartbeat.alerts), *(fault.kind for fault in heartbeat.faults)]
    standing += [f"looks slowed, {heartbeat.vision_slowed}"] if heartbeat.vision_slowed else []
    lamp = heartbeat.lamp
    return [
        desk.seat,
        desk.name,
        Text(desk.camera_words),  # a film's name is no markup
        Text(state, _STYLE["late" if is_late else heartbeat.state]),
        _number(heartbeat.capture_fps, 1),
        _number(heartbeat.faces),
        Text(f"● {lamp.pattern}", lamp.colour) if lamp is not None else "-",
        str(heartbeat.spool),
        _clock(heartbeat.recorded_s),
        Text(", ".join(standing).replace("_", " "), "bold"),
    ]


def table_of(desks: list[DemoDesk], beats: Mapping[str, tuple[str, int]], now_ms: int, notes: list[str]) -> Table:
    """`beats`: unit -> (heartbeat as JSON, when it came)."""
    table = Table(caption=Text("\n".join(notes)) if notes else None, box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name, width, justify in COLUMNS:
        # least widths that fit a terminal of 80; only the last column gives way
        table.add_column(name, min_width=width, max_width=width, justify=justify, no_wrap=True)
    table.add_column("standing", min_width=9, no_wrap=True, overflow="ellipsis")
    for desk in desks:
        text, came_ms = beats.get(desk.unit, ("", 0))
        heartbeat = msgspec.json.decode(text, type=Heartbeat) if text else None
        table.add_row(*_row(desk, heartbeat, now_ms - came_ms))
    return table
