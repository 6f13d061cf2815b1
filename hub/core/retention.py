"""Retention: how long what was recorded for an exam is kept. Rules are data, days are whole days of the centre's zone.

What is kept "30 days after the sitting" is kept to the end of the 30th day after the day on which the sitting ended.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct

MOST_DAYS = 36_500
MOST_RULES = 8

Days = Annotated[int, Meta(ge=0, le=MOST_DAYS)]


class AfterSitting(Struct, frozen=True, kw_only=True, tag="after_sitting", tag_field="rule"):
    """So many days after the day on which the sitting ended."""

    days: Days


class AfterResults(Struct, frozen=True, kw_only=True, tag="after_results", tag_field="rule"):
    """So many days after the day of the exam's results; until that day is known nothing falls due."""

    days: Days


class LaterOf(Struct, frozen=True, kw_only=True, tag="later_of", tag_field="rule"):
    """Whichever comes last."""

    rules: Annotated[tuple[Rule, ...], Meta(min_length=1, max_length=MOST_RULES)]


class UnlessRefer(Struct, frozen=True, kw_only=True, tag="unless_refer", tag_field="rule"):
    """As `then` says, except that a seat with an incident that was referred, or that the centre confirmed, keeps all
    of the sitting: whoever decides about it must see what went before and after, and not a minute cut out."""

    then: Rule


Rule = AfterSitting | AfterResults | LaterOf | UnlessRefer


class BadRule(Exception):
    """Not a rule; the text says why."""


class Facts(NamedTuple):
    """What a rule asks about one seat of a sitting. `results_utc_ms` None: not known yet."""

    sitting_end_utc_ms: int
    results_utc_ms: int | None
    is_referred: bool


class Due(NamedTuple):
    """From when something may go, and why in words; None: not by what is known now."""

    utc_ms: int | None
    why: str


def due(rule: Rule | None, facts: Facts, zone: dt.tzinfo) -> Due:
    """When what belongs to this seat falls due. It never does before the day of the sitting is over."""
    if rule is None:
        return Due(None, "no rule: kept for ever")
    found = _due(rule, facts, zone)
    if found.utc_ms is None:
        return found
    return Due(max(found.utc_ms, end_of_day(facts.sitting_end_utc_ms, 0, zone)), found.why)


def _due(rule: Rule, facts: Facts, zone: dt.tzinfo) -> Due:
    match rule:
        case AfterSitting(days=days):
            day = day_of(facts.sitting_end_utc_ms, zone)
            return Due(end_of_day(facts.sitting_end_utc_ms, days, zone), f"{words(rule)}, which was on {day}")
        case AfterResults(days=days):
            if facts.results_utc_ms is None:
                return Due(None, f"{words(rule)}, whose date is not known yet")
            day = day_of(facts.results_utc_ms, zone)
            return Due(end_of_day(facts.results_utc_ms, days, zone), f"{words(rule)}, dated {day}")
        case LaterOf(rules=rules):
            found = [_due(each, facts, zone) for each in rules]
            never = next((each for each in found if each.utc_ms is None), None)
            return never if never is not None else max(found, key=lambda each: each.utc_ms or 0)
        case UnlessRefer(then=then):
            if facts.is_referred:
                return Due(None, "an incident at this seat was referred or confirmed: its whole sitting is kept")
            return _due(then, facts, zone)


def end_of_day(utc_ms: int, days: int, zone: dt.tzinfo) -> int:
    """The first millisecond after the `days`-th day after the day of `utc_ms`, both in `zone`."""
    day = dt.datetime.fromtimestamp(utc_ms / 1000, zone).date() + dt.timedelta(days=days + 1)
    return int(dt.datetime.combine(day, dt.time.min, zone).timestamp() * 1000)


def day_of(utc_ms: int, zone: dt.tzinfo) -> str:
    """`2026-05-04`."""
    return dt.datetime.fromtimestamp(utc_ms / 1000, zone).date().isoformat()


def last_day(due_utc_ms: int, zone: dt.tzinfo) -> str:
    """The last day on which what falls due at that moment is kept."""
    return day_of(due_utc_ms - 1, zone)


def read_day(text: str, zone: dt.tzinfo) -> int:
    """A day, `2026-05-04`, as its noon in `zone`: it stays the same day when the zone is set a few hours off. Raises
    BadRule."""
    try:
        day = dt.date.fromisoformat(text.strip())
    except ValueError:
        raise BadRule(f"{text.strip()[:40]!r} is not a day: write it as 2026-05-04") from None
    if not 2000 <= day.year <= 2200:
        raise BadRule(f"the year {day.year} is a slip of the pen: days lie between 2000 and 2200")
    return int(dt.datetime.combine(day, dt.time(12), zone).timestamp() * 1000)


def words(rule: Rule | None) -> str:
    """The rule as people read it."""
    match rule:
        case None:
            return "for ever: no rule was set"
        case AfterSitting(days=days):
            return _after(days, "the sitting")
        case AfterResults(days=days):
            return _after(days, "the results")
        case LaterOf(rules=rules):
            return words(rules[0]) if len(rules) == 1 else _later(rules)
        case UnlessRefer(then=then):
            return f"{words(then)}, unless an incident at the seat was referred or confirmed"


def _later(rules: tuple[Rule, ...]) -> str:
    first, *others = map(words, rules)
    return f"the later of {first} and {' and '.join(others)}"


def _after(days: int, what: str) -> str:
    if days == 0:
        return f"at the end of the day of {what}"
    return f"1 day after {what}" if days == 1 else f"{days} days after {what}"


def composed(after_sitting: str, after_results: str, *, is_refer_kept: bool) -> Rule | None:
    """The rule that a form asks for: each field a number of days or '', both: the later one, none: no rule. Raises
    BadRule."""
    rules: list[Rule] = []
    if after_sitting.strip():
        rules.append(AfterSitting(days=_count(after_sitting)))
    if after_results.strip():
        rules.append(AfterResults(days=_count(after_results)))
    if not rules:
        return None
    rule = rules[0] if len(rules) == 1 else LaterOf(rules=tuple(rules))
    return UnlessRefer(then=rule) if is_refer_kept else rule


def fields(rule: Rule | None) -> tuple[str, str, bool]:
    """What `composed` makes this rule of; for a rule of another shape the nearest that keeps no less."""
    match rule:
        case AfterSitting(days=days):
            return str(days), "", False
        case AfterResults(days=days):
            return "", str(days), False
        case LaterOf(rules=rules):
            parts = [fields(each) for each in rules]
            sitting, results = (max((part[n] for part in parts if part[n]), key=int, default="") for n in (0, 1))
            return str(sitting), str(results), any(part[2] for part in parts)
        case UnlessRefer(then=then):
            return fields(then)[0], fields(then)[1], True
        case None:
            return "", "", False


def _count(text: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 6 or int(digits) > MOST_DAYS:
        raise BadRule(f"{digits[:40]!r} is not a number of days: write a whole number, 0 to {MOST_DAYS}")
    return int(digits)


def written(rule: Rule | None) -> str | None:
    """As the store keeps it."""
    return None if rule is None else msgspec.json.encode(rule).decode()


_RULE: msgspec.json.Decoder[Rule] = msgspec.json.Decoder(Rule)


def read(text: str | None) -> Rule | None:
    """What the store keeps. Raises BadRule: a rule that this program cannot read lets nothing fall due."""
    try:
        return None if text is None else _RULE.decode(text)
    except msgspec.DecodeError as error:
        raise BadRule(f"the rule cannot be read ({error}): set it anew") from None
