"""Reading a plan: a wrong rule costs that rule, a wrong mask or time costs the plan, nothing else costs anything."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import wire
from agent.core.judge import CONDITIONS, Judge
from agent.core.plans import number_in, read_plan
from agent.wire import DEFAULT_RULES, AlertKind, BadMessage, Rule
from tests.wire_values import GOLDEN

DEFAULTS = {rule.kind: rule for rule in DEFAULT_RULES}
SITTING = {
    "sitting": "maths-1",
    "exam": "Maths",
    "room": "Hall",
    "seat": "A1",
    "start_utc_ms": 1_000,
    "end_utc_ms": 2_000,
}
SOUND = {"kind": "seat_empty", "raise_s": 4, "clear_s": 2, "threshold": 0.7}
SQUARE = {"kind": "private", "points": [[0, 0], [0.5, 0], [0.5, 0.5]]}


def payload(*rules: Any, **changes: Any) -> bytes:
    return json.dumps({"number": 7, "sittings": [{**SITTING, "rules": list(rules), **changes}]}).encode()


def read(*rules: Any, **changes: Any) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """The rules that hold, and what is said of the others."""
    plan, refused = read_plan(payload(*rules, **changes))
    return plan.sittings[0].rules, refused


def test_a_sound_plan_is_read_as_the_language_reads_it() -> None:
    """Every golden plan, and one with a sound rule: the same value, and nothing to say."""
    for golden in GOLDEN:
        if golden.kind == "plan":
            read_golden = read_plan(wire.encode(golden.value))
            assert (read_golden.plan, read_golden.refused) == (golden.value, ())
    expected = Rule(kind=AlertKind.SEAT_EMPTY, raise_s=4, clear_s=2, threshold=0.7)
    assert read(SOUND) == ((expected,), ())
    assert read() == ((), ())
    assert read_plan(json.dumps({"number": 1, "sittings": [SITTING]}).encode()).plan.sittings[0].rules == DEFAULT_RULES


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"raise_s": -1}, "raise_s"),
        ({"raise_s": float("nan")}, "raise_s"),
        ({"clear_s": float("inf")}, "clear_s"),
        ({"raise_s": 86_401}, "raise_s"),
        ({"raise_s": "soon"}, "raise_s"),
        ({"raise_s": None}, "raise_s"),
        ({"raise_s": 10**400}, "raise_s"),
        ({"threshold": 1.01}, "threshold"),
        ({"threshold": -0.01}, "threshold"),
        ({"is_on": "yes"}, "is_on"),
        ({"witnesses": {"person": 2}}, "witnesses.person"),
        ({"witnesses": []}, "witnesses"),
    ],
)
def test_an_impossible_rule_gives_way_to_its_default(change: dict[str, Any], words: str) -> None:
    """The other rules hold as the plan has them, and the line names rule, field and what holds instead."""
    other = {"kind": "camera_covered", "raise_s": 1, "clear_s": 1}
    rules, (told,) = read({**SOUND, **change}, other)
    assert rules == (DEFAULTS[AlertKind.SEAT_EMPTY], Rule(kind=AlertKind.CAMERA_COVERED, raise_s=1, clear_s=1))
    for word in ("seat_empty", words, "the default holds", "maths-1"):
        assert word in told
    assert "\n" not in told


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "yawning", "raise_s": 1, "clear_s": 1},
        {"raise_s": 1, "clear_s": 1},
        {"kind": 3},
        {"kind": "help_requested", "raise_s": 0, "clear_s": 0},
        {"kind": "help_requested", "raise_s": -1, "clear_s": 0},
        "seat_empty",
        None,
        [],
    ],
)
def test_a_rule_that_nobody_can_judge_is_left_out(rule: Any) -> None:
    """An unknown kind, none at all, or the button's: there is no default to take its place."""
    rules, (told,) = read(rule, SOUND)
    assert [rule.kind for rule in rules] == [AlertKind.SEAT_EMPTY]
    assert "not judged" in told


def test_a_kind_that_is_switched_off_is_no_trouble() -> None:
    """A hub of a later version lists its new kind as off; the button's rule may be there, off."""
    rules, refused = read(
        {"kind": "yawning", "raise_s": 1, "clear_s": 1, "is_on": False},
        {"kind": "help_requested", "raise_s": 0, "clear_s": 0, "is_on": False},
    )
    assert refused == ()
    assert [rule.is_on for rule in rules] == [False]


def test_two_rules_of_one_kind_are_none() -> None:
    """Nobody can say which was meant: the default holds, once, and one line says so."""
    rules, (told,) = read(SOUND, {**SOUND, "raise_s": 8}, {**SOUND, "raise_s": -8})
    assert rules == (DEFAULTS[AlertKind.SEAT_EMPTY],)
    assert "3 rules of this kind" in told


@pytest.mark.parametrize("rules", [None, {}, "all", 3, [SOUND] * 33])
def test_what_is_no_list_of_rules_gives_the_defaults(rules: Any) -> None:
    """The sitting is judged as if it had named none, and it is said."""
    plan, (told,) = read_plan(payload(rules=rules))
    assert plan.sittings[0].rules == DEFAULT_RULES
    assert "the defaults hold" in told


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"masks": [{**SQUARE, "points": [[0, 0], [1, 1]]}]}, "points"),
        ({"masks": [{**SQUARE, "points": [[0, 0], [1, 1], [0.5, 0.5]]}]}, "line"),
        ({"masks": [{**SQUARE, "points": [[0, 0], [1, 0], [0, float("nan")]]}]}, "points"),
        ({"masks": [{**SQUARE, "points": [[0, 0], [1, 0], [0, 1.2]]}]}, "points"),
        ({"masks": [{**SQUARE, "kind": "secret"}]}, "kind"),
        ({"masks": [SQUARE] * 17}, "masks"),
        ({"masks": None}, "masks"),
        ({"start_utc_ms": 2_000}, "ends before it starts"),
        ({"end_utc_ms": float("nan")}, "end_utc_ms"),
        ({"end_utc_ms": -1}, "end_utc_ms"),
        ({"empty_from_utc_ms": 500}, "one end"),
        ({"empty_until_utc_ms": 500}, "one end"),
        ({"empty_from_utc_ms": 500, "empty_until_utc_ms": 500}, "before it begins"),
        ({"sitting": "Not a name"}, "sitting"),
    ],
)
def test_a_broken_mask_or_time_refuses_the_plan(changes: dict[str, Any], words: str) -> None:
    """Somebody relies on what is hidden, and on when: better the plan before than half of this one. One line."""
    with pytest.raises(BadMessage, match=words) as caught:
        read_plan(payload(SOUND, **changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "masks",
    [
        [{**SQUARE, "points": [[0, 0], [1, 1]]}],
        [{**SQUARE, "points": [[0, 0], [1, 1], [0.5, 0.5]]}],
        [{**SQUARE, "points": [[0, 0], [1, 0], [0, float("nan")]]}],
        [{**SQUARE, "kind": "secret"}],
        [SQUARE] * 17,
        None,
    ],
)
def test_a_broken_mask_of_the_seat_refuses_the_plan(masks: Any) -> None:
    """As one of a sitting does, also when no sitting is planned; a sound one is read."""
    for sittings in ([], [SITTING]):
        with pytest.raises(BadMessage, match="mask") as caught:
            read_plan(json.dumps({"number": 7, "sittings": sittings, "masks": masks}).encode())
        assert "\n" not in str(caught.value)
        sound = json.dumps({"number": 7, "sittings": sittings, "masks": [SQUARE] * 16}).encode()
        assert [mask.kind for mask in read_plan(sound).plan.masks] == ["private"] * 16


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe{\x00}\x00",
        b'"\xed\xa0\x80"',
        b"[" * 60_000,
        b'{"number": 1, "sittings": 3}',
        b'{"number": 1, "sittings": [3]}',
        b'{"number": 1' + b"0" * 5000 + b"}",
        b'{"number": 1, "v": "\\ud800"}',
        b" " * 70_000,
    ],
)
def test_what_is_no_plan_is_refused(data: bytes) -> None:
    """Any bytes: refused in one short line, never anything else."""
    with pytest.raises(BadMessage) as caught:
        read_plan(data)
    assert len(str(caught.value)) < 400
    number_in(data)


def test_a_refused_plan_may_still_tell_its_number() -> None:
    """Whatever else is wrong with it; one that is no plan's number is none."""
    assert number_in(payload(masks=None)) == 7
    assert number_in(b'{"number": 0, "sittings": NaN}') == 0
    for number in (b"-1", b"1.5", b"NaN", b"true", b'"7"', b"null", b"1e3", b"9007199254740993", b"1" * 5000):
        assert number_in(b'{"number": ' + number + b"}") is None
    assert number_in(b'{"number": 1}' + b" " * wire.MAX_MESSAGE_BYTES) is None


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([*AlertKind, "private", -1, 0.5]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "raise_s", "clear_s", "threshold", "is_on", "witnesses", "points"]), inner
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=300)
@given(st.lists(ANY, max_size=5))
def test_whatever_the_rules_are_the_sitting_is_recorded_and_judged(rules: list[Any]) -> None:
    """Never an error; one rule a kind, each of which this version judges or that is off; every rule that was given is
    there, was off, or is spoken of."""
    held, refused = read(*rules)
    kinds = [rule.kind for rule in held]
    assert len(set(kinds)) == len(kinds)
    assert Judge(held).unjudged == ()
    assert all(rule.kind in CONDITIONS or not rule.is_on for rule in held)
    if not refused:
        assert len(held) <= len(rules)
    assert len(refused) <= len(rules)


@settings(deadline=None)
@given(ANY, st.sampled_from([*SITTING, "masks", "empty_from_utc_ms", "rules", "mode"]))
def test_whatever_a_field_is_it_is_a_plan_or_refused(value: Any, field: str) -> None:
    """The reader answers; it never dies of a value."""
    with contextlib.suppress(BadMessage):
        plan, _ = read_plan(payload(SOUND, **{field: value}))
        assert plan.number == 7
        return
    assert field != "rules"
