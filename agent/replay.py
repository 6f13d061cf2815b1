"""A sitting judged again from its observation logs: `ems-agent replay`. Reads logs, prints a table, changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from agent.analyse import BadRules, read_rules, write_json
from agent.core.judge import AlertChange, State
from agent.core.observation import Observation
from agent.core.obslog import BadLog, Log, Missed, read_log
from agent.core.replay import Pair, alerts_of, judged_again, said, side_by_side
from agent.wire import Instant, Rule

HEADINGS = ("alert", "", "began (UTC)", "began s", "raised s", "cleared s", "lasted s")
NUMBERS_FROM = 3


class ReplayProblem(Exception):
    """Nothing was judged; one line says why."""


class _Judged(Struct, frozen=True):
    """One log with both answers. `is_same`: every change came again, as it must by a log's own rules."""

    path: Path
    log: Log
    was: list[AlertChange]
    would: list[AlertChange]
    is_same: bool

    @property
    def from_up_ms(self) -> int:
        """The first look: where the log's own seconds begin."""
        looks = (entry.up_ms for entry in self.log.entries if isinstance(entry, Observation))
        return next(looks, self.log.header.began.up_ms)


def replay_logs(paths: Sequence[Path], rules_file: Path | None = None, out: Path | None = None) -> int:
    """Judge the logs at `paths`, one sitting's in their order, by their own rules or those in `rules_file`; print the
    alerts as they were and as they would be, and write them to `out` if given.

    Returns 0, or 1 when a log was cut off or damaged (what could be read first is judged). Raises ReplayProblem when a
    file is no log, the logs are of several sittings, the rules are wrong, or `out` cannot be written.
    """
    complain = Console(stderr=True)
    try:
        rules = None if rules_file is None else read_rules(rules_file)
        judged = [_judge(path, rules) for path in paths]
        sittings = {(one.log.header.unit, one.log.header.sitting) for one in judged}
        if len(sittings) > 1:
            names = ", ".join(" ".join(filter(None, name)) for name in sorted(sittings))
            raise ReplayProblem(f"the logs are of several sittings, replay one at a time: {names}")
        if out is not None:
            write_json(out, _as_json(judged))
    except (BadLog, BadRules, OSError) as error:
        raise ReplayProblem(str(error)) from None
    _print(judged, is_by_own_rules=rules is None)
    for line in _notes(judged, is_by_own_rules=rules is None):
        complain.print(f"replay: {line}", markup=False, highlight=False, soft_wrap=True)
    return 1 if any(one.log.problem for one in judged) else 0


def _judge(path: Path, rules: tuple[Rule, ...] | None) -> _Judged:
    try:
        log = read_log(path.read_bytes())
    except BadLog as bad:
        raise BadLog(f"{path}: {bad}") from None
    was, would = said(log.entries), judged_again(log.entries, rules)
    return _Judged(path, log, alerts_of(was), alerts_of(would), was == would)


def _notes(judged: Iterable[_Judged], *, is_by_own_rules: bool) -> Iterable[str]:
    """What a reader must know beside the table, one line each."""
    software = metadata.version("exam-monitoring-system")
    for one in judged:
        missed = sum(entry.observations for entry in one.log.entries if isinstance(entry, Missed))
        if one.log.problem:
            yield f"{one.path}: {one.log.problem}"
        elif not one.log.is_ended:
            yield f"{one.path}: ends in the middle of the sitting: the desk was cut off, or still writes it"
        if missed:
            yield f"{one.path}: {missed} observations were judged then but are not in the log"
        if is_by_own_rules and not one.is_same and not missed and not one.log.problem:
            then = one.log.header.software
            yield f"{one.path}: judged differently by its own rules: by version {then} then, {software} now"


# --- printed --------------------------------------------------------------------------------------------------------


def _print(judged: Sequence[_Judged], *, is_by_own_rules: bool) -> None:
    header = judged[0].log.header
    looks = sum(isinstance(entry, Observation) for one in judged for entry in one.log.entries)
    rows = [row for one in judged for pair in side_by_side(one.was, one.would) for row in _rows(one, pair)]
    console = Console(highlight=False, soft_wrap=True)
    console.print(" ".join(filter(None, (header.unit, header.sitting, f"{looks} looks"))), markup=False)
    if rows:
        _print_table(console, rows)
    was, would = (sum(len(side) for side in sides) for sides in zip(*((j.was, j.would) for j in judged), strict=True))
    again = "judged again by the same rules" if is_by_own_rules else "with these rules"
    console.print(f"as it was: {was} alert{'s' * (was != 1)}; {again}: {would}", markup=False)


def _rows(one: _Judged, pair: Pair) -> list[tuple[str, ...]]:
    kind = str((pair.was or pair.would).kind)  # type: ignore[union-attr]  # a pair has at least one side
    return [(kind, "was", *_cells(one, pair.was)), ("", "would be", *_cells(one, pair.would))]


def _cells(one: _Judged, alert: AlertChange | None) -> tuple[str, ...]:
    if alert is None:
        return ("-",) * (len(HEADINGS) - 2)
    cleared = alert.cleared if alert.state is State.CLEARED else None
    return (
        _wall_clock(alert.began),
        _seconds(alert.began.up_ms - one.from_up_ms),
        _seconds(alert.raised.up_ms - one.from_up_ms),
        "stands" if cleared is None else _seconds(cleared.up_ms - one.from_up_ms),
        "-" if cleared is None else _seconds(cleared.up_ms - alert.began.up_ms),
    )


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.1f}"


def _wall_clock(at: Instant) -> str:
    return datetime.fromtimestamp(at.utc_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _print_table(console: Console, rows: Sequence[tuple[str, ...]]) -> None:
    """A table on a terminal; into a pipe the same as lines of columns, whatever their width."""
    if console.is_terminal:
        table = Table(box=None, pad_edge=False)
        for at, heading in enumerate(HEADINGS):
            table.add_column(heading, justify="right" if at >= NUMBERS_FROM else "left", no_wrap=True)
        for row in rows:
            table.add_row(*row, style="" if row[1] == "was" else "bold")
        console.print(table)
        return
    widths = [max(len(cell) for cell in column) for column in zip(HEADINGS, *rows, strict=True)]
    for row in (HEADINGS, *rows):
        cells = [
            cell.rjust(width) if at >= NUMBERS_FROM else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        console.print("  ".join(cells).rstrip(), markup=False)


# --- written --------------------------------------------------------------------------------------------------------


def _as_json(judged: Sequence[_Judged]) -> dict[str, Any]:
    header = judged[0].log.header
    return {
        "sitting": header.sitting,
        "unit": header.unit,
        "was": [_alert_json(one, alert) for one in judged for alert in one.was],
        "would": [_alert_json(one, alert) for one in judged for alert in one.would],
    }


def _alert_json(one: _Judged, alert: AlertChange) -> dict[str, Any]:
    cleared = alert.cleared if alert.state is State.CLEARED else None
    return {
        "log": one.path.name,
        "kind": str(alert.kind),
        "began_s": (alert.began.up_ms - one.from_up_ms) / 1000,
        "raised_s": (alert.raised.up_ms - one.from_up_ms) / 1000,
        "cleared_s": None if cleared is None else (cleared.up_ms - one.from_up_ms) / 1000,
        "began_utc_ms": alert.began.utc_ms,
        "faces": alert.faces,
        "score": alert.score,
        "rule": alert.rule,
    }
