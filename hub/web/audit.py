"""The audit log for those who may read it: what was done, whether the chain is whole, and a copy to keep elsewhere.

That somebody reads it or takes a copy is an entry too.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import threading
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from flask import Blueprint, Flask, Response, abort, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from hub.core import audit_words
from hub.core.access import Action
from hub.core.audit import Deed, Entry
from hub.store import Store
from hub.store import audit as store
from hub.web import deeds
from hub.web.clock import moment_text, now_utc_ms
from hub.web.language import gettext as _
from hub.web.language import tr
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("audit", __name__, url_prefix="/audit")

LOG = "the audit log"
WHOLE_EVERY_MS = 10 * 60_000
QUICK_ENTRIES = 50_000
"""A log of up to so many is checked whole at every look (200,000 entries take a second); of a longer one what came
since the last look, and all of it so often."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A spreadsheet takes a cell that begins so for a formula: OWASP, CSV Injection."""
MOST_TEXT = 200


class Checked(NamedTuple):
    """How the chain was found: up to which entry (None: there is none), when, and a line for each fault."""

    last: Entry | None
    at_utc_ms: int
    found: list[str]


class ChainWatch:
    """Remembers how far the chain was checked. For any thread; who comes while another checks is told the last word."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._whole_utc_ms = 0
        self._checked: Checked | None = None

    def look(self, log: Store, now_utc_ms: int) -> Checked | None:
        """Check what is due; None while the first check runs."""
        if not self._lock.acquire(blocking=False):
            return self._checked
        try:
            known = self._checked
            is_due = (
                known is None
                or (known.last is not None and known.last.audit_id <= QUICK_ENTRIES)
                or not 0 <= now_utc_ms - self._whole_utc_ms < WHOLE_EVERY_MS
            )
            _, last, found = store.verify_after(log, None if known is None or is_due else known.last)
            if known is not None:
                if is_due and known.last is not None:  # a cut end leaves a whole chain behind
                    found += [line for line in [store.against(log, known.last)] if line]
                found = list(dict.fromkeys([*known.found, *found]))  # once found it stays said, until the restart
            if is_due:
                self._whole_utc_ms = now_utc_ms
            if last is None or (known is not None and known.last is not None and last.audit_id < known.last.audit_id):
                last = known.last if known is not None else None
            self._checked = Checked(last, now_utc_ms, found)
            return self._checked
        finally:
            self._lock.release()


def install(app: Flask) -> None:
    app.extensions["ems_chain"] = ChainWatch()
    app.register_blueprint(blueprint)


class Asked(NamedTuple):
    """The filter as it was typed, and what it means; `wrong` says what is no time."""

    typed: dict[str, str]
    wanted: store.Wanted
    wrong: str


def _asked() -> Asked:
    typed = {
        name: request.args.get(name, "").strip()[:MOST_TEXT] for name in ("who", "deed", "object", "from", "until")
    }
    times, wrong = {"from": 0, "until": 0}, ""
    for name in times:
        try:
            times[name] = _moment(typed[name])
        except ValueError:
            wrong = _("%(text)s is no time: choose a day and an hour.", text=typed[name])
    deed = typed["deed"] if typed["deed"] in [str(deed) for deed in Deed] else ""
    return Asked(typed, store.Wanted(typed["object"], typed["who"], deed, times["from"], times["until"]), wrong)


def _moment(text: str) -> int:
    """A day or a time of the centre in UTC milliseconds, 0 for ''. Raises ValueError."""
    if not text:
        return 0
    found = dt.datetime.fromisoformat(text)
    try:
        return max(int((found if found.tzinfo else found.replace(tzinfo=parts().zone)).timestamp() * 1000), 0)
    except (OverflowError, OSError) as error:
        raise ValueError(text) from error


@blueprint.get("/")
@may(Action.SEE_AUDIT)
def listing() -> ResponseReturnValue:
    asked = _asked()
    deeds.saw(Deed.VIEWED_AUDIT, LOG, **_told(asked))
    before = request.args.get("before", "0")
    is_number = before.isdecimal() and len(before) < 16
    rows = [] if asked.wrong else store.page(parts().store, before=int(before) if is_number else 0, **_of(asked))
    watch: ChainWatch = current_app.extensions["ems_chain"]
    return render_template(
        "audit.html",
        rows=[_row(entry) for entry in rows],
        typed=asked.typed,
        wrong=asked.wrong,
        is_filtered=any(asked.typed.values()),
        again={name: value for name, value in asked.typed.items() if value},
        choices=sorted(((deed, tr(words)) for deed, words in audit_words.CHOICES.items()), key=lambda each: each[1]),
        people=store.people(parts().store),
        checked=watch.look(parts().store, now_utc_ms()),
        page_rows=store.PAGE_ROWS,
    )


def _of(asked: Asked) -> dict[str, Any]:
    return asked.wanted._asdict()


def _told(asked: Asked) -> dict[str, str]:
    return {name: value for name, value in asked.typed.items() if value}


class LogRow(NamedTuple):
    """An entry as a page shows it; `place` is the page of what it was done to, '' where there is none."""

    entry: Entry
    words: str
    details: list[audit_words.Detail]
    place: str


def _row(entry: Entry, what: str = "") -> LogRow:
    def moment(utc_ms: int) -> str:
        return moment_text(utc_ms, parts().zone)

    details = [each._replace(label=tr(each.label), value=tr(each.value)) for each in audit_words.details(entry, moment)]
    template, called = audit_words.parts_of(entry)
    words = tr(template).format(what=tr(what) or " ".join(filter(None, (tr(called[0]), called[1]))))
    return LogRow(entry, words, details, _place(entry.object))


def _place(what: str) -> str:
    kind, _, number = what.partition(" ")
    if not (number.isascii() and number.isdecimal() and len(number) < 16):
        return ""
    if kind == "incident" and current_user.may(Action.SEE_INCIDENTS):
        return url_for("incidents.one", incident_id=int(number))
    if kind == "seat" and current_user.may(Action.SEE_SEATS):
        return url_for("seats.one", seat_id=int(number))
    return ""


def looks_at(what: str, limit: int = 20) -> list[LogRow]:
    """The newest entries about one object, for its own page."""
    return [_row(entry, "it") for entry in store.page(parts().store, what=what, limit=limit) if entry.object == what]


@blueprint.get("/export.<any(csv, jsonl):form>")
@may(Action.SEE_AUDIT)
def export(form: str) -> ResponseReturnValue:
    """All entries that the filter wants, oldest first. JSON lines are what `ems-hub audit verify FILE` takes."""
    asked = _asked()
    if asked.wrong:
        abort(400)
    deeds.note(Deed.EXPORTED_AUDIT, LOG, form=form, **_told(asked))
    found = store.export(parts().store, asked.wanted)
    lines = _csv(found) if form == "csv" else (store.line_of(entry) for entry in found)
    name = f"audit-{dt.datetime.fromtimestamp(now_utc_ms() / 1000, dt.UTC):%Y%m%dT%H%M%SZ}.{form}"
    kind = "text/csv; charset=utf-8" if form == "csv" else "application/jsonl"
    return Response(lines, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _csv(found: Iterable[Entry]) -> Iterator[bytes]:
    yield _csv_line([*Entry._fields[:2], "at", *Entry._fields[2:], "words"])
    for entry in found:
        at = dt.datetime.fromtimestamp(entry.at_utc_ms / 1000, dt.UTC).isoformat(timespec="milliseconds")
        yield _csv_line([*entry[:2], at, *entry[2:], audit_words.sentence(entry)])


def _csv_line(cells: Iterable[object]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow([_harmless(str(cell)) for cell in cells])
    return line.getvalue().encode()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell
