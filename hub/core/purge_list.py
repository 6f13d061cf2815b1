"""What is purged, as values: the list of a plan and of a certificate, why things stay, and what changed in between.

A list is JSON lines in one canonical form (keys in order, no blanks, UTF-8), so that its SHA-256 can be made again from
the parsed items by whoever checks a certificate.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from hub.core import retention
from hub.core.retention import BadRule, Facts

FORMAT = "ems-purge-certificate-1"
DOMAIN = b"ems-purge-certificate-v1\n"
SEGMENT, STILL = "segment", "still"
MOST_TOLD = 5
"""Changes named one by one when a plan is refused."""


class Item(NamedTuple):
    """One file: a `segment` by its name, or the `still` of an alert, named by its hash. Times are the desk's."""

    kind: str
    unit: str
    name: str
    sitting: str
    seat: str
    sha256: str
    size_bytes: int
    began_utc_ms: int
    ended_utc_ms: int


class Place(NamedTuple):
    """What the hub has of one unit at one seat of a sitting. `exam` None: of no sitting that was planned here.
    `rule_text` is the rule as kept; `held` and `held_bytes` are of what is under a hold."""

    exam: str | None
    sitting: str
    unit: str
    seat: str
    sitting_end_utc_ms: int
    rule_text: str | None
    results_utc_ms: int | None
    is_referred: bool
    items: int
    size_bytes: int
    held: int
    held_bytes: int
    holds: str
    unjudged: int


class Standing(NamedTuple):
    """A place, when it falls due (None: not by what is known now), and why in words."""

    place: Place
    due_utc_ms: int | None
    why: str

    def is_due(self, now_utc_ms: int) -> bool:
        return self.due_utc_ms is not None and self.due_utc_ms <= now_utc_ms


class Part(NamedTuple):
    """What of one place a plan removes. `sha256` is of its list."""

    exam: str
    sitting: str
    unit: str
    seat: str
    rule: str
    results_utc_ms: int | None
    due_utc_ms: int
    why: str
    item_count: int
    size_bytes: int
    sha256: str


class Kept(NamedTuple):
    """What stays although it was looked at, and why."""

    exam: str
    sitting: str
    seat: str
    why: str
    items: int
    size_bytes: int


class State(NamedTuple):
    """How an item of a plan is now. `is_same`: it is here, with the same content; `is_gone_with`: the purge that
    removed it, 0 for none."""

    is_same: bool
    is_held: bool
    is_gone_with: int = 0


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def lines(items: Iterable[Item]) -> bytes:
    return b"".join(canonical(item._asdict()) + b"\n" for item in items)


def deflated(text: bytes) -> bytes:
    return zlib.compress(text, 6)


def inflated(blob: bytes) -> bytes:
    return zlib.decompress(blob)


def read_lines(text: bytes) -> list[Item]:
    return [Item(**json.loads(line)) for line in text.splitlines()]


def sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def standing(place: Place, zone: dt.tzinfo) -> Standing:
    """When the place falls due. What cannot be decided stays."""
    if place.exam is None:
        return Standing(place, None, "no sitting of this name was planned here: it has no exam and no rule")
    try:
        rule = retention.read(place.rule_text)
    except BadRule as bad:
        return Standing(place, None, str(bad))
    found = retention.due(rule, Facts(place.sitting_end_utc_ms, place.results_utc_ms, place.is_referred), zone)
    return Standing(place, found.utc_ms, found.why)


def kept(standings: Iterable[Standing], now_utc_ms: int, zone: dt.tzinfo) -> list[Kept]:
    """What stays, one entry for each exam, sitting, seat and reason."""
    found: dict[tuple[str, str, str, str], tuple[int, int]] = {}
    for each in standings:
        place = each.place
        if each.is_due(now_utc_ms):
            items, size_bytes, why = place.held, place.held_bytes, f"held: {place.holds}"
        else:
            items, size_bytes, why = place.items, place.size_bytes, each.why
            if each.due_utc_ms is not None:
                why = f"kept to {retention.last_day(each.due_utc_ms, zone)}: {each.why}"
        if items:
            name = (place.exam or "", place.sitting, place.seat, why)
            before = found.get(name, (0, 0))
            found[name] = (before[0] + items, before[1] + size_bytes)
    return [Kept(*name, *amount) for name, amount in sorted(found.items())]


def plan_digest(parts: Sequence[Part]) -> str:
    """Over every part with its rule, its date and the hash of its exact list."""
    return sha256(canonical([part._asdict() for part in parts]))


def moved(part: Part, now: Standing | None) -> str:
    """What changed about why the part goes; '' is nothing."""
    where = f"{part.sitting}, seat {part.seat or '?'}"
    if now is None:
        return f"{where}: nothing of it is here any more"
    if now.place.exam != part.exam:
        return f"{where}: it belongs to another exam now"
    if now.place.rule_text != part.rule:
        return f"{where}: the rule of {part.exam} was changed"
    if now.place.results_utc_ms != part.results_utc_ms:
        return f"{where}: the date of the results of {part.exam} was changed"
    if now.due_utc_ms is None:
        return f"{where}: {now.why}"
    if now.due_utc_ms != part.due_utc_ms:
        return f"{where}: it falls due at another time now, {now.why}"
    return ""


def changed(part: Part, states: Sequence[State]) -> str:
    """What changed about the files of the part; '' is nothing."""
    held = sum(state.is_same and state.is_held for state in states)
    other = sum(not state.is_same for state in states)
    said = [f"{held} of {len(states)} files are held now"] if held else []
    said += [f"{other} of {len(states)} files are gone or were replaced"] if other else []
    return f"{part.sitting}, seat {part.seat or '?'}: {' and '.join(said)}" if said else ""


def in_few(found: Sequence[str]) -> str:
    """The changes in one text, the first ones by name."""
    more = len(found) - MOST_TOLD
    return "; ".join(found[:MOST_TOLD]) + (f"; and {more} more" if more > 0 else "")


def faults_of(document: dict[str, Any]) -> list[str]:
    """A line for each way in which a certificate contradicts itself; [] is whole. Its signature is not looked at."""
    try:
        statement, items = document["statement"], [Item(**item) for item in document["items"]]
        told = (statement["items"], statement["size_bytes"], statement["items_sha256"])
        form = statement["format"]
    except (KeyError, TypeError) as error:
        return [f"it is no certificate of a purge: {error}"]
    if form != FORMAT:
        return [f"it has the format {form!r}; this program reads {FORMAT}"]
    found = []
    if told[0] != len(items):
        found.append(f"it says {told[0]} items and lists {len(items)}")
    if told[1] != sum(item.size_bytes for item in items):
        found.append("the sizes of its items are not what it says in total")
    if told[2] != sha256(lines(items)):
        found.append("its list of items is not the one that was signed")
    return found
