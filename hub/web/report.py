"""The report of a sitting: the page, which prints, the same as CSV and JSON, and the signed file of each closing.

Before the sitting is closed it is made anew for each look and says that it is a draft that nobody signed. Afterwards
it is the document that was signed.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from flask import Blueprint, Response, abort, render_template, request
from flask.typing import ResponseReturnValue

from hub.core import purge_list
from hub.core import sitting_report as core
from hub.core.access import Action
from hub.core.audit import Deed
from hub.evidence import sitting_report as evidence
from hub.store import closing
from hub.store import sitting_report as store
from hub.store.closing import NoSuchSitting
from hub.store.sitting_report import Signed
from hub.web import deeds
from hub.web.clock import length_text, moment_text, now_utc_ms
from hub.web.language import tr
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("report", __name__, url_prefix="/sittings")


class Report(NamedTuple):
    """`signed` None: a draft. `late`: records that came after the closing that was signed."""

    document: dict[str, Any]
    signed: Signed | None
    is_closed: bool
    late: int
    has_names: bool


def _report(sitting: str, form: str) -> Report:
    now = now_utc_ms()
    try:
        standing = closing.read(parts().store, sitting, now)
    except NoSuchSitting:
        abort(404)
    deeds.saw(Deed.VIEWED_REPORT, f"sitting {sitting}", **({"form": form} if form else {}))
    signed = store.kept(parts().store, sitting) if standing.is_closed else None
    document = json.loads(signed.statement) if signed else store.document(parts().store, sitting, now)
    has_names = request.args.get("names", "yes") != "no"
    document = document if has_names else core.without_names(document)
    return Report(document, signed, standing.is_closed, standing.late, has_names)


@blueprint.get("/<sitting>/report")
@may(Action.SEE_REPORT)
def page(sitting: str) -> ResponseReturnValue:
    found = _report(sitting, "")
    zone = parts().zone

    def written(value: Any, form: str) -> str:
        text = core.text_of(value, form, lambda ms: moment_text(ms, zone)[:19], lambda ms: length_text(ms / 1000))
        return tr(text) if form in core.WORDS or form == "flag" else text

    return render_template(
        "report.html",
        found=found,
        sitting=sitting,
        facts=core.FACTS,
        sections=core.shown(found.document),
        written=written,
    )


@blueprint.get("/<sitting>/report.json")
@may(Action.SEE_REPORT)
def as_json(sitting: str) -> ResponseReturnValue:
    return _file(purge_list.canonical(_report(sitting, "JSON").document), "application/json", f"report-{sitting}.json")


@blueprint.get("/<sitting>/report.csv")
@may(Action.SEE_REPORT)
def as_csv(sitting: str) -> ResponseReturnValue:
    text = "\ufeff" + core.as_csv(_report(sitting, "CSV").document)
    return _file(text.encode(), "text/csv", f"report-{sitting}.csv")


@blueprint.get("/<sitting>/report/signed-<int:closing_id>.json")
@may(Action.SEE_REPORT)
def signed(sitting: str, closing_id: int) -> ResponseReturnValue:
    """The file that `ems-hub report verify` checks."""
    found = store.kept(parts().store, sitting, closing_id)
    if found is None or closing_id == 0:
        abort(404)
    deeds.saw(Deed.VIEWED_REPORT, f"sitting {sitting}", form="signed", closing=closing_id)
    return _file(evidence.exported(found), "application/json", f"report-{sitting}-signed-{closing_id}.json")


def _file(data: bytes, kind: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, mimetype=kind, headers=headers)
