"""How an exam is watched: mode, rules, lamp, buzzer, breaks and how long what was recorded is kept. Pure.

A sitting copies a profile's values when it is planned, so that what was agreed before an exam does not change under it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from agent import wire
from agent.wire import AlertKind, Mode, Rule, Witnesses
from hub.core import durations, retention
from hub.core.durations import NotALength
from hub.core.retention import BadRule
from hub.core.said import Said, said

STANDARD = "Standard"
MOST_NAME = 100
MOST_S = 600
TOILET_MS = 600_000
"""Ten minutes: what invigilation guides reckon with for a walk to the toilets and back."""
LEAST_TOILET_MS, MOST_TOILET_MS = 60_000, 7_200_000

_FACE_NOT_VISIBLE = Rule(
    kind=AlertKind.FACE_NOT_VISIBLE, raise_s=3, clear_s=3, is_on=False, witnesses=Witnesses(unreferenced_s=20)
)
"""Off: who writes bows the head."""
KINDS = (
    AlertKind.SEAT_EMPTY,
    AlertKind.FACE_NOT_VISIBLE,
    AlertKind.MORE_THAN_ONE_FACE,
    AlertKind.CAMERA_COVERED,
    AlertKind.CAMERA_MOVED,
)
RULES: dict[AlertKind, Rule] = {rule.kind: rule for rule in (*wire.DEFAULT_RULES, _FACE_NOT_VISIBLE)}
"""Each rule as it is unless somebody says otherwise."""
WHY = {
    AlertKind.SEAT_EMPTY: "10 s: who bends down for a pen is back by then.",
    AlertKind.FACE_NOT_VISIBLE: "Off: who writes bows the head. For exams in which everybody looks at a screen.",
    AlertKind.MORE_THAN_ONE_FACE: "3 s: an invigilator who walks by is gone by then.",
    AlertKind.CAMERA_COVERED: "3 s: a hand that reaches over the desk is gone by then.",
    AlertKind.CAMERA_MOVED: "5 s, and a twentieth of the picture's width: a desk that is bumped shakes less.",
}
"""The reason for each default, beside its fields."""
MODE_WORDS = {
    Mode.AUTOMATED: "Automated: alerts open incidents and drive the lamp at once",
    Mode.SEMI_AUTOMATED: "Semi-automated: alerts open incidents; the lamp shows them when a proctor has confirmed",
    Mode.MANUAL: "Manual: people open incidents; what the cameras see is kept for the timeline",
}
_SEATED = frozenset({AlertKind.SEAT_EMPTY, AlertKind.FACE_NOT_VISIBLE})
"""Rules that ask witnesses whether somebody is at the seat."""


class Profile(Struct, frozen=True, kw_only=True):
    """`retention` is for an exam that has no rule of its own; `toilet_ms` is how long a toilet break may last unless
    who gives it says otherwise."""

    mode: Mode = Mode.AUTOMATED
    rules: Annotated[tuple[Rule, ...], Meta(max_length=32)] = tuple(RULES[kind] for kind in KINDS)
    may_lamp_show_alerts: bool = True
    is_buzzer_allowed: bool = False
    toilet_ms: Annotated[int, Meta(ge=LEAST_TOILET_MS, le=MOST_TOILET_MS)] = TOILET_MS
    retention: retention.Rule | None = None

    def rule(self, kind: AlertKind) -> Rule:
        """The rule of that kind; one that the profile does not have is off."""
        found = next((rule for rule in self.rules if rule.kind == kind), None)
        return msgspec.structs.replace(RULES[kind], is_on=False) if found is None else found


class BadProfile(Exception):
    """What was typed makes no profile. `wrong` has a sentence for each field."""

    def __init__(self, wrong: Mapping[str, Said]) -> None:
        super().__init__("; ".join(map(str, wrong.values())))
        self.wrong = wrong


def standard(mode: Mode) -> Profile:
    """The built-in profile: the default rules, and the mode that this hub is set to (PROCTORING_MODE)."""
    return Profile(mode=mode, rules=wire.DEFAULT_RULES)


def advanced_fields(kind: AlertKind) -> tuple[str, ...]:
    """Which fields of the rule stand under "advanced"."""
    return ("person", "pose", "change", "unreferenced_s") if kind in _SEATED else ()


def has_threshold(kind: AlertKind) -> bool:
    """Whether a threshold says anything to the rule: the score of a face, or how far the camera moved."""
    return kind in (AlertKind.MORE_THAN_ONE_FACE, AlertKind.CAMERA_MOVED, AlertKind.FACE_NOT_VISIBLE)


def typed(profile: Profile) -> dict[str, str]:
    """What `composed` makes this profile of: values of the form's fields. A box that is not ticked has none."""
    after_sitting, after_results, is_refer_kept = retention.fields(profile.retention)
    values = {
        "mode": str(profile.mode),
        "toilet": durations.write(profile.toilet_ms),
        "after_sitting": after_sitting,
        "after_results": after_results,
    }
    ticked = {
        "lamp": profile.may_lamp_show_alerts,
        "buzzer": profile.is_buzzer_allowed,
        "unless_refer": is_refer_kept or profile.retention is None,
    }
    for kind in KINDS:
        rule = profile.rule(kind)
        values |= {f"{kind}.raise_s": _text(rule.raise_s), f"{kind}.clear_s": _text(rule.clear_s)}
        ticked[f"{kind}.is_on"] = rule.is_on
        if has_threshold(kind):
            values[f"{kind}.threshold"] = _text(rule.threshold)
        for name in advanced_fields(kind):
            values[f"{kind}.{name}"] = _text(getattr(rule.witnesses, name))
    return values | {name: "on" for name, is_on in ticked.items() if is_on}


def _text(number: float) -> str:
    return f"{number:g}"


def composed(form: Mapping[str, str]) -> Profile:
    """The profile that a form asks for. Raises BadProfile with every field that is wrong."""
    wrong: dict[str, Said] = {}
    rules = tuple(_rule(kind, form, wrong) for kind in KINDS)
    try:
        mode = Mode(form.get("mode", ""))
    except ValueError:
        wrong["mode"], mode = said("Choose one of the modes."), Mode.AUTOMATED
    try:
        toilet_ms = durations.read(form.get("toilet", ""))
    except NotALength:
        toilet_ms = 0
    if not LEAST_TOILET_MS <= toilet_ms <= MOST_TOILET_MS:
        wrong["toilet"] = said("Write minutes from 1 to 120, as 10 or 0:10.")
    try:
        after = form.get("after_sitting", ""), form.get("after_results", "")
        kept = retention.composed(*after, is_refer_kept="unless_refer" in form)
    except BadRule:
        wrong["after_sitting"], kept = said("Write whole numbers of days, 0 to 36500, or nothing."), None
    if "buzzer" in form and "lamp" not in form:
        wrong["buzzer"] = said("A buzzer without the lamp would not say at which desk: let the lamp show alerts too.")
    if wrong:
        raise BadProfile(wrong)
    return Profile(
        mode=mode,
        rules=rules,
        may_lamp_show_alerts="lamp" in form,
        is_buzzer_allowed="buzzer" in form,
        toilet_ms=toilet_ms,
        retention=kept,
    )


def _rule(kind: AlertKind, form: Mapping[str, str], wrong: dict[str, Said]) -> Rule:
    default = RULES[kind]

    def number(name: str, usual: float, least: float, most: float) -> float:
        field = f"{kind}.{name}"
        text = form.get(field, "").strip().replace(",", ".")
        try:
            found = float(text) if text else usual
        except ValueError:
            found = -1
        if not least <= found <= most:  # false for NaN too
            values = {"least": _text(least), "most": _text(most)}
            wrong[field] = said("Write a number from %(least)s to %(most)s.", **values)
            return usual
        return found

    witnesses = default.witnesses
    given = {
        name: number(name, getattr(witnesses, name), 0, MOST_S if name.endswith("_s") else 1)
        for name in advanced_fields(kind)
    }
    return Rule(
        kind=kind,
        raise_s=number("raise_s", default.raise_s, 0.5, MOST_S),
        clear_s=number("clear_s", default.clear_s, 0, MOST_S),
        threshold=number("threshold", default.threshold, 0, 1) if has_threshold(kind) else default.threshold,
        is_on=f"{kind}.is_on" in form,
        witnesses=msgspec.structs.replace(witnesses, **given),
    )


_PROFILE: msgspec.json.Decoder[Profile] = msgspec.json.Decoder(Profile)


def written(profile: Profile) -> str:
    """As the store keeps it."""
    return msgspec.json.encode(profile).decode()


def read(text: str) -> Profile:
    """What the store keeps. Raises msgspec.ValidationError for what no version of this program wrote."""
    return _PROFILE.decode(text)
