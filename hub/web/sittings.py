"""Sittings and their coverage: the list, one whole by seat, and the same as JSON and CSV."""

from __future__ import annotations

import csv
import datetime as dt
import io
import threading
from typing import Any, NamedTuple

from flask import Blueprint, Response, abort, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from hub.core import coverage
from hub.core.access import Action
from hub.core.audit import Deed
from hub.core.board import CAUSE_WORDS, FAULT_WORDS, natural, words_of
from hub.core.coverage import Missing, Told
from hub.store import coverage as store
from hub.store.coverage import SeatCoverage, Sitting
from hub.web import deeds
from hub.web.clock import now_utc_ms
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("sittings", __name__, url_prefix="/sittings")

FORMS = {"sittings.as_csv": "CSV", "sittings.as_json": "JSON"}
"""In which form coverage was taken away, as the audit log tells it; the page has none."""
WORST = 3
"""Seats named in the list of sittings."""
_MAY_STILL_CHANGE_MS = 3_600_000


class Summary(NamedTuple):
    """A sitting in the list. `per_cent` None: nothing is due yet. `worst`: the seats with the least coverage, those
    with all of it left out."""

    sitting: Sitting
    seats: int
    per_cent: float | None
    worst: tuple[SeatCoverage, ...]
    is_running: bool


class _Kept:
    """Summaries of sittings that are over, as long as nothing is added to them: the list adds up millions of
    segments."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[Any, ...], Summary] = {}

    def get(self, key: tuple[Any, ...]) -> Summary | None:
        with self._lock:
            return self._known.get(key)

    def put(self, key: tuple[Any, ...], summary: Summary) -> None:
        with self._lock:
            if len(self._known) > 1000:
                self._known.clear()
            self._known[key] = summary


_kept = _Kept()


def cause_words(cause: str) -> str:
    return coverage.CAUSES.get(cause) or words_of(CAUSE_WORDS, cause)


def told_words(told: Told) -> str:
    return coverage.CAUSES.get(told.what) or words_of(FAULT_WORDS, told.what)


def _by_worst(found: list[SeatCoverage]) -> list[SeatCoverage]:
    def key(each: SeatCoverage) -> tuple[Any, ...]:
        share = each.report.per_cent
        return (share is None, share, -each.report.missing_ms, natural(each.label))

    return sorted(found, key=key)


@blueprint.get("/")
@may(Action.SEE_COVERAGE)
def listing() -> ResponseReturnValue:
    before = request.args.get("before", "0")
    now = now_utc_ms()
    found = store.sittings(parts().store, int(before) if before.isdecimal() and len(before) < 16 else 0)
    return render_template("sittings.html", rows=[_summary(each, now) for each in found], page_rows=store.PAGE_ROWS)


def _summary(found: Sitting, now: int) -> Summary:
    is_final = found.latest_end_utc_ms + _MAY_STILL_CHANGE_MS < now
    key = (str(parts().store.path), found, *store.size(parts().store, found.sitting)) if is_final else ()
    kept = _kept.get(key) if is_final else None
    if kept is not None:
        return kept
    seats = _by_worst(store.read(parts().store, found, now))
    recorded, due = coverage.together(each.report for each in seats)
    made = Summary(
        sitting=found,
        seats=len(seats),
        per_cent=recorded * 10_000 // due / 100 if due else None,
        worst=tuple(each for each in seats[:WORST] if each.report.missing),
        is_running=found.is_running(now),
    )
    if is_final:
        _kept.put(key, made)
    return made


def _one(name: str) -> tuple[Sitting, list[SeatCoverage], int]:
    found, now = store.sitting(parts().store, name), now_utc_ms()
    if found is None:
        abort(404)
    seats = _by_worst(store.read(parts().store, found, now))
    taken = FORMS.get(request.endpoint or "")
    deeds.saw(Deed.VIEWED_COVERAGE, f"sitting {name}", **({"form": taken} if taken else {}))
    return found, seats, now


@blueprint.get("/<sitting>")
@may(Action.SEE_COVERAGE)
def one(sitting: str) -> ResponseReturnValue:
    found, seats, now = _one(sitting)
    recorded, due = coverage.together(each.report for each in seats)
    return render_template(
        "sitting.html",
        sitting=found,
        seats=seats,
        recorded_ms=recorded,
        due_ms=due,
        per_cent=recorded * 10_000 // due / 100 if due else None,
        cause_words=cause_words,
        told_words=told_words,
        is_running=found.is_running(now),
        share=lambda utc_ms: _share(found, utc_ms),
        longest_list=6,
    )


def _share(found: Sitting, utc_ms: int) -> float:
    """Per cent of the sitting's time, up to its latest end."""
    inside = min(max(utc_ms, found.start_utc_ms), found.latest_end_utc_ms) - found.start_utc_ms
    return round(inside * 100 / (found.latest_end_utc_ms - found.start_utc_ms), 3)


@blueprint.get("/<sitting>/coverage.json")
@may(Action.SEE_COVERAGE)
def as_json(sitting: str) -> ResponseReturnValue:
    found, seats, now = _one(sitting)
    return jsonify(plain(found, seats, now))


def plain(found: Sitting, seats: list[SeatCoverage], now: int) -> dict[str, Any]:
    """The report as JSON values; times in UTC ms, lengths in ms."""
    return {
        **{field: getattr(found, field) for field in ("sitting", "exam", "room", "start_utc_ms", "end_utc_ms")},
        "latest_end_utc_ms": found.latest_end_utc_ms,
        "cancelled_utc_ms": found.cancelled_utc_ms,
        "as_of_utc_ms": now,
        "seats": [
            {
                "seat": each.label,
                "units": each.units,
                "planned_ms": each.report.planned_ms,
                "due_ms": each.report.due_ms,
                "recorded_ms": each.report.recorded_ms,
                "per_cent": each.report.per_cent,
                "missing": [
                    gap._asdict() | {"told": [told._asdict() for told in gap.told]} for gap in each.report.missing
                ],
            }
            for each in seats
        ],
    }


CSV_HEAD = (
    "sitting", "room", "exam", "seat", "desk_units", "planned_s", "due_s", "recorded_s", "per_cent",
    "missing_from_utc", "missing_until_utc", "missing_s", "cause", "detail", "told",
)  # fmt: skip
"""One line for each missing stretch; a seat with none has one line all the same."""


@blueprint.get("/<sitting>/coverage.csv")
@may(Action.SEE_COVERAGE)
def as_csv(sitting: str) -> ResponseReturnValue:
    found, seats, _ = _one(sitting)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV_HEAD)
    for each in seats:
        report = each.report
        seat = (found.sitting, found.room, found.exam, each.label, " ".join(each.units))
        times = (report.planned_ms / 1000, report.due_ms / 1000, report.recorded_ms / 1000, report.per_cent)
        for gap in report.missing or (None,):
            writer.writerow([*map(safe_cell, seat), *times, *map(safe_cell, _gap_cells(gap))])
    headers = {"Content-Disposition": f'attachment; filename="coverage-{found.sitting}.csv"'}
    return Response("\ufeff" + text.getvalue(), mimetype="text/csv", headers=headers)


def _gap_cells(gap: Missing | None) -> tuple[str, ...]:
    if gap is None:
        return ("",) * 6
    told = "; ".join(f"{each.where} {_utc(each.at_utc_ms)} {told_words(each)}" for each in gap.told)
    length = f"{(gap.until_utc_ms - gap.from_utc_ms) / 1000:g}" if gap.is_length_known else ""
    return (
        _utc(gap.from_utc_ms),
        _utc(gap.until_utc_ms),
        length,
        cause_words(gap.cause),
        gap.detail,
        told or "nobody was told",
    )


def _utc(utc_ms: int) -> str:
    return dt.datetime.fromtimestamp(utc_ms / 1000, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def safe_cell(text: str) -> str:
    """Text that a spreadsheet takes for text: what it would calculate gets an apostrophe before it."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
