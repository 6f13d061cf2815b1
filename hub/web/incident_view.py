"""An incident as its page shows it: the moment drawn, the thread in sentences, members, and what stands around it."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask_login import current_user
from markupsafe import Markup, escape

from hub.core import categories, moment, review, room_events
from hub.core.board import FAULT_WORDS, incident_words, words_of
from hub.core.moment import Moment
from hub.core.presence import Presence
from hub.core.timeline import SEEN_WORDS
from hub.core.visible import visible
from hub.store import film, incident_page, incidents, room_incidents
from hub.store.incident_page import Earlier, Neighbour
from hub.web import film_view
from hub.web.clock import clock_text, now_utc_ms
from hub.web.language import gettext as _
from hub.web.language import ngettext, tr
from hub.web.parts import parts

GONE_WORDS = {Presence.OFFLINE.value: "Offline"}


class Typed(NamedTuple):
    """What a person had typed and chosen when the hub refused: it comes back with the page."""

    text: str = ""
    verdict: str = ""
    category: str | None = None
    assignee: str | None = None


class Line(NamedTuple):
    """One line of the thread: a sentence (markup, names in bold), and what somebody wrote with it."""

    at_utc_ms: int
    action: str
    sentence: Markup
    quote: str


class Context(NamedTuple):
    """What stands around. `members` and `equipment` are of a room incident alone."""

    moment: Moment | None
    earlier: Earlier
    sat_there: list[dict[str, Any]]
    neighbours: list[Neighbour]
    members: list[dict[str, Any]]
    equipment: list[dict[str, Any]]

    @property
    def open_members(self) -> list[int]:
        return [row["incident_id"] for row in self.members if row["is_untouched"]]


def context(found: incidents.Incident) -> Context:
    store, row = parts().store, found.row
    if room_events.is_room(row["kind"]):
        members, equipment = room_incidents.members(store, row["incident_id"])
        return Context(None, Earlier([], 0, 0), [], [], members, equipment)
    return Context(
        moment=_moment(found),
        earlier=incident_page.earlier(store, row),
        sat_there=incident_page.sat_there(store, row) if current_user.may("see_roster") else [],
        neighbours=incident_page.neighbours(store, row),
        members=[],
        equipment=[],
    )


def _moment(found: incidents.Incident) -> Moment | None:
    row, store = found.row, parts().store
    seat = film.seat_of_incident(store, row)
    if seat is None:
        return None
    begin, end = moment.stretch(row["began_utc_ms"])
    now = now_utc_ms()
    reel = film.reel(store, seat, begin, end)
    marks = film.marks(store, seat, dict.fromkeys([*reel.units, row["unit"]]), begin, end)
    own = [
        {**alert, "clear_ms": round(float(alert["body"].get("rule", {}).get("clear_s", 0)) * 1000)}
        for alert in found.alerts
    ]
    return moment.moment(
        row["began_utc_ms"],
        film_view.parts_of(reel, begin, end, now),
        own,
        marks.alerts,
        marks.faults,
        marks.observed,
        incident_page.done(store, row, begin, end),
    )


def words(row: dict[str, Any], member_count: int) -> str:
    """What the incident is about, in the reader's language."""
    count = member_count
    if row["kind"] == room_events.Family.EMPTIED:
        return str(ngettext("%(num)s seat empty", "%(num)s seats empty at once", count))
    if row["kind"] == room_events.Family.GONE:
        return str(ngettext("%(num)s desk gone", "%(num)s desks gone at once", count))
    if row["kind"] == room_events.Family.FAULTS:
        return str(ngettext("%(num)s desk with a fault", "%(num)s desks with the same fault at once", count))
    return tr(incident_words(row["kind"]))


def words_of_what(what: str) -> str:
    """A member's part in words: a kind of alert or fault, or that it was offline."""
    if what in GONE_WORDS:
        return tr(GONE_WORDS[what])
    if what in FAULT_WORDS:
        return tr(FAULT_WORDS[what])
    if room_events.is_room(what):
        return tr(room_events.WORDS[what][0])
    return tr(incident_words(what))


def category_words(key: str) -> str:
    """`Candidate: left the seat`; '' for none."""
    found = categories.words_of(key)
    if found is None:
        return key
    group, item = found
    return str(_("%(group)s: %(item)s", group=tr(group), item=tr(item)))


def seen_words(neighbour: Neighbour) -> str:
    """A neighbour's state in a few words."""
    told = [tr(SEEN_WORDS[neighbour.seen])] if neighbour.seen in SEEN_WORDS else []
    told += [tr(incident_words(kind)) for kind in dict.fromkeys(neighbour.alerts)]
    return "; ".join(told) if told else _("nothing told")


def thread(found: incidents.Incident, verdict_words: dict[review.Verdict, tuple[str, str]]) -> list[Line]:
    """What was done, each a sentence of its own in the reader's language."""
    began = {alert["alert"]: alert["began_utc_ms"] for alert in found.alerts}
    return [_line(event, began, verdict_words) for event in found.thread]


def _line(event: review.Event, began: dict[str, int], verdict_words: dict[review.Verdict, tuple[str, str]]) -> Line:
    values: dict[str, Any] = {
        "who": Markup("<strong>{}</strong>").format(visible(event.who)),
        "what": Markup("<bdi>{}</bdi>").format(visible(event.text)),
    }
    quote = ""
    if event.action == "categorised":
        values["what"] = escape(category_words(event.text))
    elif event.action == "joined" and event.text in began:
        values["time"] = clock_text(began[event.text], parts().zone)
    elif event.action == "closed" and event.verdict is not None:
        values["what"] = escape(tr(verdict_words[event.verdict][0]))
        quote = event.text
    elif event.action in ("acknowledged", "commented", "reopened", "proposed", "rejected", "opened_by_hand"):
        quote = event.text
    sentence = _sentence(event, "time" in values)
    return Line(event.at_utc_ms, event.action, Markup(sentence).format_map(_Values(values)), quote)  # noqa: S704


class _Values(dict[str, Any]):
    """A translation that names something else loses a word, and not the page."""

    def __missing__(self, key: str) -> str:
        return ""


def _sentence(event: review.Event, has_time: bool) -> str:
    """A catalogue's text with {who} and {what}: ours, never a person's, so it may be taken for markup."""
    sentences = {
        "opened": _("{who} opened by the desk's rule"),
        "opened_by_hand": _("{who} opened it by hand"),
        "opened_room": _("{who} opened: several desks at once"),
        "joined": _("{who} another alert joined, began {time}") if has_time else _("{who} another alert joined"),
        "cleared": _("{who} alert cleared"),
        "merged": _("{who} joined two incidents of one breach, {what}"),
        "part_of_room": _("{who} made it part of room incident {what}"),
        "member": _("{who} desks joined: {what}"),
        "acknowledged": _("{who} acknowledged"),
        "commented": _("{who} commented"),
        "assigned": _("{who} assigned it to {what}"),
        "unassigned": _("{who} assigned it to nobody"),
        "categorised": _("{who} sorted it: {what}"),
        "proposed": _("{who} proposed: confirmed by the centre. It waits for a second person"),
        "rejected": _("{who} did not confirm the proposal"),
        "closed": _("{who} closed: {what}"),
        "reopened": _("{who} reopened"),
        "taken_out": _("{who} took it out of room incident {what}"),
        "member_taken_out": _("{who} took {what} out of this"),
    }
    return sentences.get(event.action) or "{who} " + words_of(review.EVENT_WORDS, event.action)


def overtaken(event: review.Event) -> str:
    """What somebody else did first, to the person who came second."""
    time = clock_text(event.at_utc_ms, parts().zone)
    told = {"name": event.who, "time": time}
    sentences = {
        "acknowledged": _("%(name)s acknowledged this at %(time)s, before you.", **told),
        "commented": _("%(name)s wrote a comment at %(time)s, while you were looking.", **told),
        "assigned": _("%(name)s assigned this at %(time)s, while you were looking.", **told),
        "unassigned": _("%(name)s assigned this to nobody at %(time)s, while you were looking.", **told),
        "categorised": _("%(name)s sorted this at %(time)s, while you were looking.", **told),
        "proposed": _("%(name)s proposed “confirmed by the centre” at %(time)s, before you.", **told),
        "rejected": _("%(name)s did not confirm the proposal, at %(time)s.", **told),
        "closed": _("%(name)s closed this at %(time)s, before you.", **told),
        "reopened": _("%(name)s reopened this at %(time)s, while you were looking.", **told),
        "taken_out": _("%(name)s took this out of its room incident at %(time)s.", **told),
        "member_taken_out": _("%(name)s took a desk out of this at %(time)s.", **told),
    }
    return str(sentences.get(event.action) or _("%(name)s changed this at %(time)s, while you were looking.", **told))
