"""A plan as it arrived -> the plan this desk can follow, and what of it was refused.

A rule that cannot be judged must not cost the recording: the default of its kind takes its place, and the desk says so.
A mask or a time that is broken is another matter. Who drew a private corner relies on it, and a sitting at a wrong time
is not that sitting: such a plan is refused whole and the one before holds.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from agent import wire
from agent.core.judge import CONDITIONS
from agent.wire import AlertKind, BadMessage, Plan, PlannedSitting, Rule

MAX_RULES = 32
"""As `wire.PlannedSitting` has it: six kinds need no more."""
BY_HAND = frozenset({AlertKind.HELP_REQUESTED})
_DEFAULTS: dict[str, Rule] = {rule.kind: rule for rule in wire.DEFAULT_RULES}
_KINDS: frozenset[str] = frozenset(AlertKind)


class Refusal(NamedTuple):
    """A plan that is not followed. Only one with a higher `number` answers it: an older one that is delivered once more
    does not mean that the hub's newest is followed. -1 when any answers it."""

    what: str
    why: str
    number: int = -1

    def told(self, held: Plan | None) -> str:
        """One line; `held` is the plan that is followed instead."""
        holds = "no plan" if held is None else f"plan {held.number}"
        return f"{self.what} is refused, {holds} holds: {self.why}"


def refusal_of(payload: bytes, why: str, held: Plan | None, before: Refusal | None) -> Refusal:
    """What to tell of a plan refused because of `why`, while `held` is followed and `before` is told: of two refused
    the one with the higher number. One that tells no number is answered by whatever is newer than `held`."""
    number = number_in(payload)
    if number is None:
        number = -1 if held is None else held.number
    return Refusal("a new plan", why, number) if before is None or number >= before.number else before


class ReadPlan(NamedTuple):
    """`refused` has a line for each rule of the plan whose place its default has taken."""

    plan: Plan
    refused: tuple[str, ...]


def read_plan(payload: bytes) -> ReadPlan:
    """Read a plan, whatever the bytes. Raises BadMessage, one line, when it is refused as a whole."""
    if len(payload) > wire.MAX_MESSAGE_BYTES:
        raise BadMessage(f"{len(payload)} bytes, the limit is {wire.MAX_MESSAGE_BYTES}")
    try:
        given: Any = json.loads(payload.decode())  # unlike msgspec it reads NaN, which then is one rule's fault only
        sittings = given.get("sittings") if isinstance(given, dict) else None
        rules = [_take_rules(sitting) for sitting in sittings] if isinstance(sittings, list) else []
        plan: Plan = wire.decode_down("plan", msgspec.json.encode(given))
    except (ValueError, RecursionError, OverflowError, msgspec.MsgspecError) as error:
        raise BadMessage(f"not a plan: {error}"[:300]) from None
    refused: list[str] = []
    judged = []
    for sitting, own in zip(plan.sittings, rules, strict=True):
        _check_times(sitting)
        if own is not UNSET:
            sound, told = _sound_rules(own)
            sitting = msgspec.structs.replace(sitting, rules=sound)
            refused += [f"{line} (sitting {sitting.sitting})" for line in told]
        judged.append(sitting)
    return ReadPlan(msgspec.structs.replace(plan, sittings=tuple(judged)), tuple(refused))


def number_in(payload: bytes) -> int | None:
    """The number of a plan that is refused, None when it tells none that a plan can have."""
    if len(payload) > wire.MAX_MESSAGE_BYTES:
        return None
    try:
        given: Any = json.loads(payload.decode())
        return msgspec.convert(given.get("number") if isinstance(given, dict) else None, wire.Count)
    except (ValueError, RecursionError, OverflowError, msgspec.MsgspecError):
        return None


def _take_rules(sitting: Any) -> Any:
    """The sitting's rules, taken out of it; UNSET when it gives none."""
    return sitting.pop("rules", UNSET) if isinstance(sitting, dict) else UNSET


def _check_times(sitting: PlannedSitting) -> None:
    begin, end = sitting.empty_from_utc_ms, sitting.empty_until_utc_ms
    if sitting.end_utc_ms <= sitting.start_utc_ms:
        raise BadMessage(f"sitting {sitting.sitting} ends before it starts")
    if (begin is None) is not (end is None):
        raise BadMessage(f"sitting {sitting.sitting}: the time of the empty seat has only one end")
    if begin is not None and end is not None and end <= begin:
        raise BadMessage(f"sitting {sitting.sitting}: the time of the empty seat ends before it begins")


def _sound_rules(given: Any) -> tuple[tuple[Rule, ...], list[str]]:
    """The rules to judge by, one a kind, and what is to be said of those that were refused."""
    if not isinstance(given, list):
        return wire.DEFAULT_RULES, ["the rules are no list; the defaults hold"]
    if len(given) > MAX_RULES:
        return wire.DEFAULT_RULES, [f"{len(given)} rules, the limit is {MAX_RULES}; the defaults hold"]
    by_kind: dict[str, list[Any]] = {}
    for rule in given:
        by_kind.setdefault(_kind_of(rule), []).append(rule)
    sound, told = [], []
    for kind, rules in by_kind.items():
        found = _read_rule(kind, rules[0]) if len(rules) == 1 else f"{len(rules)} rules of this kind"
        if isinstance(found, Rule):
            sound.append(found)
        elif kind in _DEFAULTS:
            sound.append(_DEFAULTS[kind])
            told.append(f"{kind}: {found}; the default holds")
        elif any(not isinstance(rule, dict) or rule.get("is_on") is not False for rule in rules):
            # one that is off asks for nothing: a later version's kind is no fault of this desk
            told.append(f"{kind}: {found}; it is not judged")
    return tuple(sound), told


def _kind_of(rule: Any) -> str:
    kind = rule.get("kind") if isinstance(rule, dict) else None
    return kind[:40] if isinstance(kind, str) else "a rule without kind"


def _read_rule(kind: str, given: Any) -> Rule | str:
    """The rule, or why it cannot be judged."""
    if kind not in _KINDS:
        return "no such kind"
    try:
        rule = msgspec.convert(wire.written_rule(given), Rule)
    except (msgspec.ValidationError, OverflowError) as error:
        words, _, place = str(error).partition(" - at `$.")
        return f"{place.rstrip('`')}: {words}" if place else words
    if rule.is_on and rule.kind not in CONDITIONS:
        return "a person's word, not judged from pictures" if rule.kind in BY_HAND else "not judged by this version"
    return rule
