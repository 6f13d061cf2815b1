"""The numbers of an alert, in words."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from agent.wire import Alert, AlertKind, Evidence, Instant, Rule, Witnesses
from hub.core.explain import numbers

BEGAN = Instant(1_800_000_000_000, 60_000)


def body(kind: AlertKind, evidence: Evidence, **rule: Any) -> dict[str, Any]:
    """An alert's record as the store has it."""
    alert = Alert(
        alert="1-1",
        alert_kind=kind,
        state="raised",
        sitting="maths-1",
        seat="A1",
        began=BEGAN,
        raised=BEGAN,
        rule=Rule(kind=kind, raise_s=10, clear_s=3, **rule),
        evidence=evidence,
    )
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(alert))
    return found


def test_an_empty_seat_says_what_each_witness_said_and_from_where_on_it_would_have_spoken() -> None:
    """Shares of the picture in per cent, scores as scores, each with the rule's own limit."""
    seen = Evidence(doubt=0.31, person=0.004, pose=0.22, change=0.013, brightness=118.0)
    assert [tuple(line) for line in numbers(body(AlertKind.SEAT_EMPTY, seen))] == [
        ("A face that did not count, score", "0.31", ""),
        ("Of the picture, taken for a person", "0.4%", "somebody from 2.0% on"),
        ("Of the picture, unlike the empty seat", "1.3%", "somebody from 7.0% on"),
        ("A body, score", "0.22", "somebody from 0.60 on"),
    ]


def test_without_a_reference_it_says_that_nothing_was_compared() -> None:
    """And how much longer the rule waited for it."""
    seen = Evidence(doubt=0.0, person=0.0, pose=0.1)
    last = numbers(body(AlertKind.SEAT_EMPTY, seen, witnesses=Witnesses(unreferenced_s=20)))[-1]
    assert last == ("Compared with the empty seat", "no", "none was known; waited 20 s longer")


def test_a_moved_camera_says_how_far() -> None:
    """A share of the width, or another view altogether."""
    for shift, words in ((0.123, "12.3%"), (1.0, "another view")):
        moved = numbers(body(AlertKind.CAMERA_MOVED, Evidence(shift=shift), threshold=0.05))
        assert moved == [("View shifted by", words, "from 5.0% of the width on")]


def test_what_the_rule_does_not_ask_is_left_out() -> None:
    """Faces have their own lines; a call for help has no numbers."""
    everything = Evidence(doubt=0.3, person=0.1, pose=0.1, change=0.1, brightness=5.0, detail=1.0, shift=0.0)
    assert numbers(body(AlertKind.MORE_THAN_ONE_FACE, everything)) == []
    assert numbers(body(AlertKind.HELP_REQUESTED, everything)) == []
    assert [line.value for line in numbers(body(AlertKind.CAMERA_COVERED, everything))] == ["5.0", "1.0"]


@given(kind=st.sampled_from([*AlertKind, "something_new", None]), has_rule=st.booleans())
def test_an_older_or_later_desks_alert_is_no_trouble(kind: str | None, has_rule: bool) -> None:
    """Records without evidence, without witnesses, or of another kind give no line."""
    assert numbers({"alert_kind": kind, "rule": {"threshold": 0.5} if has_rule else None}) == []
