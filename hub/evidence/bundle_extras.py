"""What a bundle holds for people beside the evidence: the film in files that every player shows, and the report."""

from __future__ import annotations

import datetime as dt
import errno
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hub.core import film, spans
from hub.core.coverage import Missing
from hub.core.film import Cut
from hub.core.manifest import Item, Scope
from hub.evidence import clips, report
from hub.evidence.clips import CannotCut
from hub.evidence.report import (
    AbsentTold,
    ActTold,
    AlertTold,
    CoverageTold,
    FileTold,
    IncidentTold,
    MissingTold,
    ReportValues,
    SealTold,
)
from hub.evidence.storage import Storage
from hub.store import Store, coverage, incidents
from hub.store.bundles import Film


class Asked(NamedTuple):
    """Who wants a bundle and what for. `number` is that of the request, 0 for none."""

    by: str
    why: str
    number: int = 0
    recipient: str = ""
    purpose: str = ""


class Clip(NamedTuple):
    """One file for watching; `trouble` says why it, or what comes after it, could not be made."""

    name: str
    from_utc_ms: int
    is_made: bool
    trouble: str = ""


def clips_of(storage: Storage, scope: Scope, shown: Sequence[Film], target: Path) -> Iterator[Clip]:
    """Write the film of the stretch to `target`, one file after the other: each is taken away before the next is asked
    for. A long hole, another desk unit or another way of encoding begins a new one. Raises OSError for a full disk."""
    for number, each in enumerate(film.takes([_segment(scope, one) for one in shown], *_stretch(scope)), 1):
        left: Cut | None = each
        for part in range(1, len(each.placed) + 1):
            name = f"watch/{number:03d}{f'-{part}' if part > 1 else ''}.mp4"
            assert left is not None
            begins = left.from_utc_ms
            try:
                written = clips.build(storage, left, target)
            except CannotCut as cannot:
                yield Clip(name, begins, False, str(cannot))
                break
            except OSError as error:  # PyAV's errors are OSErrors too
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS):
                    raise
                yield Clip(name, begins, False, f"it cannot be put into another container: {error}")
                break
            yield Clip(name, begins, True)
            if (left := _rest(left, written.changes_at_ms)) is None:
                break


def _rest(done: Cut, changes_at_ms: int | None) -> Cut | None:
    """What of a cut is encoded otherwise than its beginning."""
    placed = [each for each in done.placed if changes_at_ms is not None and each.at_ms >= changes_at_ms]
    if not placed:
        return None
    ahead = film.place([each.segment for each in placed])
    return Cut(ahead, 0, ahead[-1].at_ms + done.until_ms - done.placed[-1].at_ms)


def _segment(scope: Scope, each: Film) -> film.Segment:
    return film.Segment(
        unit=each.unit,
        boot=each.boot,
        seq=each.seq,
        name=each.name,
        sitting=scope.sitting,
        began_utc_ms=each.began_utc_ms,
        ended_utc_ms=each.ended_utc_ms,
        began_up_ms=each.began_up_ms,
        ended_up_ms=each.ended_up_ms,
        frames=each.frames,
        size_bytes=each.size_bytes,
        sha256=each.sha256,
        is_stored=True,
    )


def _stretch(scope: Scope) -> tuple[int, int]:
    return scope.from_utc_ms, scope.until_utc_ms


# --- the report -----------------------------------------------------------------------------------------------------


def report_of(
    store: Store,
    scope: Scope,
    asked: Asked,
    numbers: Sequence[int],
    items: Sequence[Item],
    manifest: Mapping[str, Any],
    zone: dt.tzinfo,
) -> bytes:
    """The report, a whole HTML file. `numbers` are the incidents it tells of."""
    now = int(manifest["made_utc_ms"])
    sitting = coverage.sitting(store, scope.sitting)
    seal = manifest["countersigned"]
    values = ReportValues(
        bundle=asked.number,
        made_utc_ms=now,
        asked_by=asked.by,
        recipient=asked.recipient,
        purpose=asked.purpose or asked.why,
        is_incident=bool(scope.incident),
        room=scope.room,
        seat=scope.seat,
        exam=sitting.exam if sitting else "",
        sitting=scope.sitting,
        from_utc_ms=scope.from_utc_ms,
        until_utc_ms=scope.until_utc_ms,
        zone=zone,
        units=scope.units,
        incidents=[_incident(store, number, {item.name for item in items}) for number in numbers],
        coverage=_coverage(store, sitting, scope, now, zone),
        seal=seal and SealTold(seal["code"], seal["number"], seal["at_utc_ms"], seal["root"]),
        files=[FileTold(item.name, item.what, item.size_bytes, item.sha256) for item in items],
        absent=[AbsentTold(each["name"], each["what"], _state(each)) for each in manifest["absent"]],
        software=str(manifest["versions"]["hub"]),
    )
    return report.render(values).encode()


def _state(absent: Mapping[str, Any]) -> str:
    return f"purged under certificate {absent['purge']}" if absent["state"] == "purged" else str(absent["state"])


def _incident(store: Store, number: int, names: set[str]) -> IncidentTold:
    row, alerts, thread = incidents.one(store, number)
    fields = [field for field in AlertTold._fields if field not in ("body", "still")]
    return IncidentTold(
        number=number,
        kind=row["kind"],
        state=row["state"],
        verdict=row["verdict"] or "",
        is_drill=bool(row["is_drill"]),
        alerts=[
            AlertTold(**{field: each[field] for field in fields}, body=each["body"], still=_still(each, names))
            for each in alerts
        ],
        acts=[
            ActTold(each.at_utc_ms, each.who, str(each.action), str(each.verdict) if each.verdict else "", each.text)
            for each in thread
        ],
    )


def _still(alert: Mapping[str, Any], names: set[str]) -> str:
    name = f"stills/{alert['still_sha256']}.jpg"
    return name if name in names else ""


def _coverage(
    store: Store, sitting: coverage.Sitting | None, scope: Scope, now_utc_ms: int, zone: dt.tzinfo
) -> CoverageTold:
    """What of the stretch, as far as the sitting reaches, is recorded."""
    seats = coverage.read(store, sitting, now_utc_ms) if sitting else []
    found = next((each.report for each in seats if each.label == scope.seat), None)
    if sitting is None or found is None:
        return CoverageTold(0, 0, [], [])
    due = spans.within([(sitting.start_utc_ms, sitting.start_utc_ms + found.due_ms)], [_stretch(scope)])
    recorded = spans.within(found.recorded, due)
    return CoverageTold(
        recorded_ms=spans.length_ms(recorded),
        due_ms=spans.length_ms(due),
        recorded=recorded,
        missing=[
            MissingTold(begin, end, each.cause, each.detail, each.is_length_known, _told(each, zone))
            for each in found.missing
            for begin, end in spans.within([(each.from_utc_ms, each.until_utc_ms)], due)
        ],
    )


def _told(missing: Missing, zone: dt.tzinfo) -> str:
    """Where and when a person could see it."""
    return ", ".join(
        f"{each.where} at {report.moment(each.at_utc_ms, zone)}: {each.what.replace('_', ' ')}" for each in missing.told
    )
