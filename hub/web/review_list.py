"""The list of incidents, which is the review queue: filters in the address, what nobody has looked at first, pages that
go on where the one before ended, the same as CSV, and the way from one incident to the next."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from typing import Any, NamedTuple

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from hub.core import room_events
from hub.core.access import Action
from hub.core.audit import Deed
from hub.core.board import INCIDENT_WORDS
from hub.core.review_list import START, UNASSIGNED, UNFINISHED, filter_of, key_of
from hub.core.sitting_report import safe_cell
from hub.store import review_list as store
from hub.web import deeds, incident_view
from hub.web.incidents import blueprint
from hub.web.login import may
from hub.web.parts import parts

STATES = {
    UNFINISHED: "Not closed",
    "open": "To review",
    "acknowledged": "Acknowledged",
    "closed": "Closed",
    "": "All",
}
DRILLS = {"": "With real ones", "none": "Without", "only": "Only"}
VERDICTS = {
    "": "All",
    "none": "No verdict",
    "no_concern": "No concern",
    "refer": "Refer",
    "confirmed_by_centre": "Confirmed by the centre",
}


class Walk(NamedTuple):
    """The incidents before and after this one in the queue that it was opened from: their addresses' values."""

    queue: dict[str, str]
    before: tuple[int, dict[str, str]] | None
    after: tuple[int, dict[str, str]] | None


@blueprint.get("/")
@may(Action.SEE_INCIDENTS)
def listing() -> ResponseReturnValue:
    wanted = filter_of(request.args)
    after = key_of(request.args.get("after", ""))
    found = store.page(parts().store, wanted, after or START)
    rooms, sittings = store.choices(parts().store)
    return render_template(
        "incidents.html",
        found=found,
        rows=found.rows,
        wanted=wanted,
        told=wanted.told(),
        is_first=after is None,
        places={row["incident_id"]: _place(row) for row in found.rows},
        states=STATES,
        drills=DRILLS,
        verdicts=VERDICTS,
        kinds=INCIDENT_WORDS,
        is_room=room_events.is_room,
        words=incident_view.words,
        rooms=rooms,
        sittings=sittings,
        unassigned=UNASSIGNED,
        me=current_user.name,
        people=sorted({*found.counts.by["assigned"], current_user.name} - {"", UNASSIGNED}, key=str.casefold),
        categories=sorted({*found.counts.by["category"], wanted.category} - {""}),
        category_words=incident_view.category_words,
        newest=store.newest_utc_ms(parts().store),
    )


def _place(row: dict[str, Any]) -> str:
    return f"{row['review_rank']}-{row['opened_utc_ms']}-{row['incident_id']}"


def walk() -> Walk | None:
    """For an incident's page: where it stands in the queue it was opened from; None when it was opened otherwise."""
    at = key_of(request.args.get("at", ""))
    if at is None:
        return None
    wanted = filter_of(request.args)
    told = wanted.told()
    found = store.neighbours(parts().store, wanted, at)
    before, after = ((each[0], {**told, "at": str(each[1])}) if each else None for each in found)
    return Walk(told, before, after)


CSV_HEAD = (
    "incident", "sitting", "room", "seat", "candidate", "what", "state", "verdict", "category", "assigned_to", "drill",
    "began_utc", "cleared_utc", "opened_utc", "acknowledged_utc", "acknowledged_by", "closed_utc", "part_of",
)  # fmt: skip


@blueprint.get("/list.csv")
@may(Action.SEE_INCIDENTS)
def as_csv() -> ResponseReturnValue:
    """Everything that the filter shows, on however many pages."""
    wanted = filter_of(request.args)
    deeds.note(Deed.EXPORTED_INCIDENTS, "the list of incidents", **wanted.told())
    headers = {"Content-Disposition": 'attachment; filename="incidents.csv"'}
    return Response(_lines(store.everything(parts().store, wanted)), mimetype="text/csv", headers=headers)


def _lines(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    text = io.StringIO("\ufeff")
    text.seek(0, io.SEEK_END)
    writer = csv.writer(text)
    writer.writerow(CSV_HEAD)
    for row in rows:
        writer.writerow([safe_cell(cell) for cell in _cells(row)])
        if text.tell() > 64_000:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _cells(row: dict[str, Any]) -> Iterator[str]:
    yield from (str(row["incident_id"]), row["sitting"], row["room"], row["seat"], row["candidate"] or "")
    yield from (incident_view.words(row, row["member_count"]), row["state"], row["verdict"] or "", row["category"])
    yield from (row["assigned_to"] or "", "DRILL" if row["is_drill"] else "")
    yield from (_utc(row[name]) for name in ("began_utc_ms", "cleared_utc_ms", "opened_utc_ms", "acknowledged_utc_ms"))
    yield from (
        row["acknowledged_by"] or "",
        _utc(row["closed_utc_ms"]),
        str(row["part_of"] or row["merged_into"] or ""),
    )


def _utc(utc_ms: int | None) -> str:
    if utc_ms is None:
        return ""
    return dt.datetime.fromtimestamp(utc_ms / 1000, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
