"""A sitting's roster: who is examined and where, taken in from a file after a look at it, and changed by hand.

Nothing of a file counts before it was confirmed, and what is confirmed is what was shown: the form names a fingerprint
of it. The file waits in the store, so that the preview survives a reload.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from hub.core import durations, roster_file
from hub.core import roster as core
from hub.core.access import Action
from hub.core.audit import Deed
from hub.core.board import natural
from hub.core.roster import Comparison
from hub.core.roster_file import Sheet
from hub.core.said import Refusal
from hub.core.sittings import STATE_WORDS
from hub.core.text_file import ENCODINGS
from hub.store import exams, roster, roster_changes
from hub.store.exams import Sitting
from hub.store.roster import Draft
from hub.store.roster_changes import CannotChange
from hub.web import deeds
from hub.web.clock import now_utc_ms, zone_of
from hub.web.exams import ICONS, at_in
from hub.web.language import gettext as _
from hub.web.language import sentence
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("roster", __name__, url_prefix="/sittings")

MOST_UPLOAD_BYTES = 16_000_000
"""A file past what a roster may have is read to its end all the same, so that the answer says so in words: a browser
whose sending is cut off shows none."""


@blueprint.url_value_preprocessor
def take_a_file(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """The one page that takes more than a comment, from who may send one. Before the form is read for its token."""
    if endpoint == "roster.upload" and current_user.is_authenticated and current_user.may(Action.CHANGE_ROSTER):
        request.max_content_length = MOST_UPLOAD_BYTES


# --- the roster -----------------------------------------------------------------------------------------------------


@blueprint.get("/<sitting>/roster")
@may(Action.SEE_ROSTER)
def one(sitting: str) -> ResponseReturnValue:
    sitting_named(sitting)
    deeds.saw(Deed.VIEWED_ROSTER, f"sitting {sitting}")
    return show(sitting)


def sitting_named(name: str) -> Sitting:
    with parts().store.read() as connection:
        found = exams.sitting(connection, name)
    if found is None:
        abort(404)
    return found


def place(found: Sitting) -> dict[str, Any]:
    """What every page of a sitting's roster shows above."""
    with parts().store.read() as connection:
        exam = exams.one(connection, found.exam)
    zone_name = (exam.zone if exam else "") or parts().settings.zone
    return {
        "sitting": found,
        "state": found.state(now_utc_ms()),
        "state_words": STATE_WORDS,
        "state_icons": ICONS,
        "at": at_in(zone_of(zone_name)),
        "exam_zone": zone_name,
        "minutes": durations.write,
    }


def show(name: str, wrong: Mapping[str, Any] | None = None, typed: Mapping[str, str] | None = None) -> str:
    found = sitting_named(name)
    with parts().store.read() as connection:
        candidates = sorted(roster.candidates(connection, name), key=lambda each: natural(each.seat))
        taken = {each.seat for each in candidates if not each.is_no_show}
        free = sorted((each.label for each in roster.seats(connection, name) if each.label not in taken), key=natural)
    drafted = roster.draft(parts().store, name, current_user.name)
    return render_template(
        "roster.html",
        candidates=candidates,
        free=free,
        has_draft=drafted is not None,
        wrong=wrong or {},
        typed=typed or {},
        **place(found),
    )


@blueprint.get("/<sitting>/roster.csv")
@may(Action.SEE_ROSTER)
def as_csv(sitting: str) -> ResponseReturnValue:
    sitting_named(sitting)
    deeds.saw(Deed.VIEWED_ROSTER, f"sitting {sitting}", form="CSV")
    with parts().store.read() as connection:
        found = sorted(roster.candidates(connection, sitting), key=lambda each: natural(each.seat))
    headers = {"Content-Disposition": f'attachment; filename="roster-{sitting}.csv"'}
    text = roster_file.written([each.entry for each in found])
    return Response("\ufeff" + text, mimetype="text/csv", headers=headers)


# --- a file ---------------------------------------------------------------------------------------------------------


class _Stale(Exception):
    """What is to be confirmed is not what was shown."""


class Preview(NamedTuple):
    draft: Draft
    sheet: Sheet
    compared: Comparison
    shown: str


@blueprint.post("/<sitting>/roster/file")
@may(Action.CHANGE_ROSTER)
def upload(sitting: str) -> ResponseReturnValue:
    sitting_named(sitting)
    file = request.files.get("file")
    if file is None:
        abort(400)
    if not file.filename:
        return Response(show(sitting, {"file": _("Choose a file first.")}), 422)
    data = file.read()
    try:
        _read(sitting, data, "")
    except Refusal as refused:
        return Response(show(sitting, {"file": refused.said}), 422)
    name = "".join(sign for sign in file.filename if sign.isprintable())[:200]
    drafted = Draft(hashlib.sha256(data).hexdigest(), name, "", data, now_utc_ms())
    roster.put_draft(parts().store, sitting, current_user.name, drafted)
    return redirect(url_for("roster.preview", sitting=sitting), 303)


def _read(sitting: str, data: bytes, encoding: str) -> Sheet:
    """Raises Refusal."""
    found = sitting_named(sitting)
    with parts().store.read() as connection:
        labels = [each.label for each in roster.seats(connection, sitting)]
    return roster_file.read(data, labels, found.end_utc_ms - found.start_utc_ms, encoding)


def _preview(sitting: str) -> Preview | None:
    drafted = roster.draft(parts().store, sitting, current_user.name)
    if drafted is None:
        return None
    try:
        sheet = _read(sitting, drafted.content, drafted.encoding)
    except Refusal:  # only another encoding can make it none
        sheet = _read(sitting, drafted.content, "")
    with parts().store.read() as connection:
        compared = core.compare(sheet.entries, roster.candidates(connection, sitting))
    return Preview(drafted, sheet, compared, core.fingerprint(compared))


@blueprint.get("/<sitting>/roster/preview")
@may(Action.CHANGE_ROSTER)
def preview(sitting: str) -> ResponseReturnValue:
    sitting_named(sitting)
    found = _preview(sitting)
    if found is None:
        return redirect(url_for("roster.one", sitting=sitting), 303)
    deeds.saw(Deed.VIEWED_ROSTER, f"sitting {sitting}")
    return _show_preview(found, sitting)


def _show_preview(found: Preview, sitting: str, wrong: Any = "", removed: frozenset[str] = frozenset()) -> str:
    return render_template(
        "roster_preview.html",
        preview=found,
        wrong=wrong,
        removed=removed,
        encodings=ENCODINGS,
        delimiters=roster_file.DELIMITERS,
        fields=roster_changes.FIELDS,
        **place(sitting_named(sitting)),
    )


@blueprint.post("/<sitting>/roster/encoding")
@may(Action.CHANGE_ROSTER)
def reread(sitting: str) -> ResponseReturnValue:
    """Read the same file in another encoding."""
    sitting_named(sitting)
    encoding = request.form.get("encoding")
    if encoding is None:
        abort(400)
    found = _preview(sitting)
    if found is None:
        return redirect(url_for("roster.one", sitting=sitting), 303)
    try:
        _read(sitting, found.draft.content, encoding)
    except Refusal as refused:
        return Response(_show_preview(found, sitting, refused.said), 422)
    roster.put_draft(parts().store, sitting, current_user.name, found.draft._replace(encoding=encoding))
    return redirect(url_for("roster.preview", sitting=sitting), 303)


@blueprint.post("/<sitting>/roster/confirm")
@may(Action.CHANGE_ROSTER)
def confirm(sitting: str) -> ResponseReturnValue:
    sitting_named(sitting)
    form = request.form
    if "digest" not in form or "shown" not in form:
        abort(400)
    found, removed = _preview(sitting), frozenset(form.getlist("remove"))
    if found is None:
        flash(_("There is no file to confirm any more: somebody confirmed or discarded it. Nothing was changed now."))
        return redirect(url_for("roster.one", sitting=sitting), 303)
    if found.draft.digest != form["digest"]:
        words = _("You have chosen another file since. This is what it says; nothing was changed.")
        return Response(_show_preview(found, sitting, words), 409)
    if found.sheet.problems:
        words = _("Nothing was changed: correct the lines below in the file, and choose it again.")
        return Response(_show_preview(found, sitting, words), 422)
    try:
        with parts().store.write() as connection:
            compared = core.compare(found.sheet.entries, roster.candidates(connection, sitting))
            if core.fingerprint(compared) != form["shown"]:
                raise _Stale
            twice = core.seated_twice(compared, removed)
            for seat, (new, old) in twice.items():
                words = "Seat %(seat)s would have candidate %(new)s of the file and %(old)s, whom it does not list."
                raise Refusal(words, seat=seat, new=new, old=old)
            detail = {"file": found.draft.file_name, "sha256": found.draft.digest}
            now = now_utc_ms()
            roster_changes.import_all(connection, deeds.actor(), sitting, compared, now, removed=removed, detail=detail)
            roster.drop_draft(connection, sitting, current_user.name)
    except _Stale:
        words = _("Somebody changed the roster while you were looking. This is how the file compares with it now.")
        return Response(_show_preview(_preview(sitting) or found, sitting, words), 409)
    except Refusal as refused:
        return Response(_show_preview(found, sitting, refused.said, removed), 422)
    except CannotChange as cannot:
        return Response(_show_preview(found, sitting, sentence(cannot), removed), 422)
    flash(_summary(compared, len([each for each in compared.missing if each.number in removed])))
    return redirect(url_for("roster.one", sitting=sitting), 303)


def _summary(compared: Comparison, removed: int) -> str:
    words: str = _(
        "%(new)s new, %(changed)s changed, %(unchanged)s unchanged, %(removed)s removed.",
        new=len(compared.new),
        changed=len(compared.changed),
        unchanged=len(compared.unchanged),
        removed=removed,
    )
    return words


@blueprint.post("/<sitting>/roster/discard")
@may(Action.CHANGE_ROSTER)
def discard(sitting: str) -> ResponseReturnValue:
    sitting_named(sitting)
    with parts().store.write() as connection:
        roster.drop_draft(connection, sitting, current_user.name)
    flash(_("The file is discarded. The roster is as it was."))
    return redirect(url_for("roster.one", sitting=sitting), 303)
