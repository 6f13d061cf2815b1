"""Audit entries as people read them: one sentence each, and their details in words. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from hub.core.audit import Deed, Entry

WORDS: dict[Deed, tuple[str, str]] = {
    Deed.LOGGED_IN: ("logged in", "logged in"),
    Deed.LOG_IN_REFUSED: ("log-in refused for {what}", "log-in refused"),
    Deed.LOGGED_OUT: ("logged out", "logged out"),
    Deed.VIEWED_INCIDENT: ("looked at {what}", "looked at an incident"),
    Deed.VIEWED_STILL: ("looked at a picture of {what}", "looked at a picture"),
    Deed.VIEWED_SEAT: ("looked at {what}", "looked at a seat"),
    Deed.VIEWED_COVERAGE: ("looked at what is recorded of {what}", "looked at what is recorded"),
    Deed.VIEWED_AUDIT: ("read {what}", "read the audit log"),
    Deed.EXPORTED_AUDIT: ("took a copy of {what}", "took a copy of the audit log"),
    Deed.PLAYED: ("watched the recording of {what}", "watched a recording"),
    Deed.WISHED_FOR_FILM: ("asked for the recording of {what}", "asked for a recording"),
    Deed.REVIEWED_INCIDENT: ("worked on {what}", "worked on an incident"),
    Deed.HELD: ("put a hold on {what}", "put a hold on something"),
    Deed.RELEASED: ("released the hold on {what}", "released a hold"),
    Deed.SET_RETENTION: ("set how long the recordings of {what} are kept", "set how long recordings are kept"),
    Deed.ENTERED_RESULTS_DATE: ("entered the date of results of {what}", "entered a date of results"),
    Deed.PLANNED_PURGE: ("made {what}", "planned a purge"),
    Deed.PURGED: ("had recordings removed by rule: {what}", "had recordings removed by rule"),
    Deed.ASKED_FOR_BUNDLE: ("asked for an evidence bundle of {what}", "asked for an evidence bundle"),
    Deed.CANCELLED_BUNDLE: ("cancelled an evidence bundle of {what}", "cancelled an evidence bundle"),
    Deed.DOWNLOADED_BUNDLE: ("downloaded an evidence bundle of {what}", "downloaded an evidence bundle"),
    Deed.IMPORTED_CARD: ("brought a card in, {what}", "brought a card in"),
    Deed.REPAIRED_STORE: ("repaired {what}", "repaired the store"),
    Deed.BACKED_UP: ("made a backup, {what}", "made a backup"),
    Deed.RESTORED: ("restored from a backup, {what}", "restored from a backup"),
    Deed.REBUILT_INDEX: ("rebuilt the index, {what}", "rebuilt the index"),
    Deed.ADDED_PERSON: ("opened the account of {what}", "opened an account"),
    Deed.CHANGED_PASSWORD: ("gave {what} a new password", "gave a new password"),
    Deed.CHANGED_ROLE: ("changed the role of {what}", "changed a role"),
    Deed.CLOSED_ACCOUNT: ("closed the account of {what}", "closed an account"),
    Deed.REOPENED_ACCOUNT: ("opened the account of {what} again", "opened an account again"),
    Deed.APPROVED_UNIT: ("let {what} in", "let a desk unit in"),
    Deed.REJECTED_UNIT: ("refused {what}", "refused a desk unit"),
    Deed.REVOKED_UNIT: ("cut {what} off", "cut a desk unit off"),
    Deed.SAW_SECURITY_EVENT: ("looked at {what}", "looked at a security event"),
    Deed.SET_UP_ROOM: ("set up {what}", "set up a room"),
    Deed.ASSIGNED_UNIT: ("changed which desk unit stands at {what}", "gave a seat another desk unit"),
    Deed.DREW_MASKS: ("changed the masks of {what}", "changed a seat's masks"),
    Deed.SET_UP_EXAM: ("set up {what}", "set up an exam"),
    Deed.SET_UP_PROFILE: ("set up {what}", "set up a profile"),
    Deed.PLANNED_SITTING: ("planned {what}", "planned a sitting"),
    Deed.CHANGED_SITTING: ("changed {what}", "changed a sitting"),
    Deed.CANCELLED_SITTING: ("cancelled {what}", "cancelled a sitting"),
    Deed.VIEWED_ROSTER: ("looked at the roster of {what}", "looked at a roster"),
    Deed.CHANGED_ROSTER: ("changed the roster of {what}", "changed a roster"),
    Deed.OPENED_SITTING: ("started {what}", "started a sitting"),
    Deed.OVERRODE_CHECK: ("started {what} in spite of a check", "started in spite of a check"),
    Deed.ASKED_FOR_DRILL: ("asked for a drill at {what}", "asked for a drill"),
    Deed.SIGNALLED: ("signalled {what}", "signalled a desk"),
    Deed.GAVE_BREAK: ("gave a break at {what}", "gave a break"),
    Deed.ENDED_BREAK: ("ended the break at {what}", "ended a break"),
    Deed.BOOKMARKED: ("marked a moment of {what}", "marked a moment"),
    Deed.OPENED_INCIDENT: ("opened {what} by hand", "opened an incident by hand"),
    Deed.WATCHED_LIVE: ("watched {what} live", "watched a seat live"),
    Deed.VIEWED_REPORT: ("read the report of {what}", "read a sitting's report"),
    Deed.CLOSED_SITTING: ("closed {what}", "closed a sitting"),
    Deed.REOPENED_SITTING: ("opened {what} again", "opened a sitting again"),
    Deed.WROTE_OFF: ("wrote off what a desk unit still had of {what}", "wrote a desk unit's recordings off"),
    Deed.EXPORTED_INCIDENTS: ("took a copy of {what}", "took a copy of a list of incidents"),
    Deed.SET_UP_WALL: ("set up {what}", "set up a wall screen"),
    Deed.REVOKED_WALL: ("revoked {what}", "revoked a wall screen"),
}
"""Each deed as a sentence about what it was done to, and as a choice in a list."""
CHOICES = {deed: choice for deed, (_, choice) in WORDS.items()}

_LABELS = {
    "is_account": "there is such an account",
    "still": "picture",
    "sha256": "SHA-256",
    "act": "what",
    "until": "to",
    "public_key": "by its key",
    "note": "",
}
KIND_WORDS = (
    "incident", "seat", "sitting", "user", "unit", "request", "security event", "the audit log", "room", "exam",
    "profile", "plan", "purge", "purge plan", "wall", "card", "store", "candidate", "backup", "the store", "the index",
    "it",
)  # fmt: skip
"""What an entry's object begins with: the kind, before its number or name."""
DETAIL_WORDS = (
    "reason", "why", "from", "to", "form", "code", "replaces", "role", "seat", "room", "sitting", "exam", "purpose",
    "recipient", "bundle", "plan", "certificate", "items", "rule", "date", "day", "note", "text", "verdict", "kind",
    "act", "who", "deed", "object", "unit", "label", "name", "result", "appeal", "technical", "review", "other", "yes",
    "no", "download", "minutes", "unreadable", "acknowledge", "comment", "close", "reopen", "hold", "count", "files",
)  # fmt: skip
"""Names and values of details that pages translate; any other stands as it is."""
_HASH = re.compile(r"[0-9a-f]{32,}")
_MOMENT = ("_utc_ms", "_utc")
MOST_CHARS = 300


class Detail(NamedTuple):
    """One detail: what it is, and its value as text."""

    label: str
    value: str


def parts_of(entry: Entry) -> tuple[str, tuple[str, str]]:
    """(the sentence, with `{what}`; what kind of thing that is and its own name), for a page in another language."""
    try:
        template = WORDS[Deed(entry.deed)][0]
    except ValueError:
        template = (
            f"{entry.deed.replace('_', ' ')}: {{what}}".replace("{", "{{")
            .replace("}", "}}")
            .replace("{{what}}", "{what}")
        )
    for kind in KIND_WORDS:
        if entry.object == kind or entry.object.startswith(f"{kind} "):
            return template, (kind, entry.object[len(kind) + 1 :])
    return template, ("", entry.object)


def sentence(entry: Entry, what: str = "") -> str:
    """`looked at incident 12`; a deed of a later hub in its own words. `what`: how to call the object, as `it` on its
    own page."""
    try:
        return WORDS[Deed(entry.deed)][0].format(what=what or entry.object)
    except ValueError:
        return f"{entry.deed.replace('_', ' ')}: {entry.object}"


def details(entry: Entry, moment: Callable[[int], str]) -> list[Detail]:
    """The entry's details, long ones cut; `moment` writes a time in UTC milliseconds."""
    try:
        found = msgspec.json.decode(entry.detail)
    except msgspec.DecodeError:
        return [Detail("unreadable", entry.detail[:MOST_CHARS])]
    if not isinstance(found, dict):
        return [Detail("", str(found)[:MOST_CHARS])]
    return [Detail(_label(key), _value(key, value, moment)) for key, value in found.items() if value not in ("", None)]


def _label(key: str) -> str:
    bare = next((key.removesuffix(ending) for ending in _MOMENT if key.endswith(ending)), key)
    return _LABELS.get(bare, bare.replace("_", " "))


def _value(key: str, value: Any, moment: Callable[[int], str]) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key.endswith(_MOMENT) and isinstance(value, int):
        return moment(value)
    if isinstance(value, str) and _HASH.fullmatch(value):
        return f"{value[:12]}\N{HORIZONTAL ELLIPSIS}"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= MOST_CHARS else f"{text[:MOST_CHARS]}\N{HORIZONTAL ELLIPSIS}"
