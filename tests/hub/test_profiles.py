"""Profiles: what was typed becomes one, or every field that is wrong is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import wire
from agent.wire import AlertKind, Mode
from hub.core import profiles
from hub.core.profiles import BadProfile, Profile
from hub.core.retention import AfterSitting, UnlessRefer


def form(**changed: str | None) -> dict[str, str]:
    """The default form with some fields changed; None: the box is not ticked. `a__b` stands for `a.b`."""
    fields = profiles.typed(Profile())
    for name, value in changed.items():
        name = name.replace("__", ".")
        fields.pop(name, None)
        if value is not None:
            fields[name] = value
    return fields


def test_the_default_form_is_the_default_rules() -> None:
    """And the one that is off by default, which the desks would not judge anyway."""
    profile = profiles.composed(profiles.typed(Profile()))
    assert profile == Profile()
    assert tuple(rule for rule in profile.rules if rule.is_on) == wire.DEFAULT_RULES
    assert profiles.standard(Mode.MANUAL).rules == wire.DEFAULT_RULES
    assert profiles.standard(Mode.MANUAL).mode == Mode.MANUAL
    assert set(profiles.WHY) == set(profiles.KINDS)


def test_what_was_typed_is_what_is_kept() -> None:
    changed = {
        "mode": "manual",
        "toilet": "0:07",
        "lamp": None,
        "after_sitting": "30",
        "seat_empty__raise_s": "12,5",
        "more_than_one_face__is_on": None,
        "camera_moved__threshold": "0.1",
        "seat_empty__person": "0.5",
    }
    profile = profiles.composed(form(**changed))
    assert (profile.mode, profile.toilet_ms, profile.may_lamp_show_alerts) == (Mode.MANUAL, 420_000, False)
    assert profile.retention == UnlessRefer(then=AfterSitting(days=30))
    assert profile.rule(AlertKind.SEAT_EMPTY).raise_s == 12.5
    assert profile.rule(AlertKind.SEAT_EMPTY).witnesses.person == 0.5
    assert profile.rule(AlertKind.CAMERA_MOVED).threshold == 0.1
    assert not profile.rule(AlertKind.MORE_THAN_ONE_FACE).is_on
    assert profiles.read(profiles.written(profile)) == profile
    assert profiles.composed(profiles.typed(profile)) == profile


def test_every_wrong_field_is_named_at_once() -> None:
    wrong = {
        "mode": "strict",
        "toilet": "soon",
        "after_results": "x",
        "seat_empty__raise_s": "0",
        "camera_covered__clear_s": "nan",
        "camera_moved__threshold": "1.5",
        "seat_empty__pose": "much",
        "lamp": None,
        "buzzer": "on",
    }
    with pytest.raises(BadProfile) as told:
        profiles.composed(form(**wrong))
    assert set(told.value.wrong) == {
        "mode",
        "toilet",
        "after_sitting",
        "seat_empty.raise_s",
        "camera_covered.clear_s",
        "camera_moved.threshold",
        "seat_empty.pose",
        "buzzer",
    }
    assert str(told.value.wrong["seat_empty.raise_s"]) == "Write a number from 0.5 to 600."


@given(st.dictionaries(st.sampled_from(sorted(form())), st.text(max_size=12)))
def test_any_form_makes_a_profile_or_names_its_fields(changed: dict[str, str]) -> None:
    try:
        profile = profiles.composed(form() | changed)
    except BadProfile as bad:
        assert set(bad.wrong) <= {*changed, "after_sitting", "buzzer"}  # noqa: PT017 - either is right
    else:
        wire.encode(wire.Plan(number=1, sittings=()))
        assert profiles.read(profiles.written(profile)) == profile
