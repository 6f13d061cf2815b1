"""What people may do with an incident."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire import CommandKind
from hub.core.review import DESK, POSSIBLE, Act, Event, Overtaken, Refused, Standing, State, Verdict, Wish, decide

OPENED = Event(1000, DESK, "opened", "")
CLEARED = Event(2000, DESK, "cleared", "")
BY_ADA = Event(3000, "Ada", "acknowledged", "")


def wish(act: Act, version: int = 1, events: int = 1, text: str = "", verdict: Verdict | None = None) -> Wish:
    return Wish(act=act, who="Grace", seen_version=version, seen_events=events, text=text, verdict=verdict)


def test_acknowledging_an_open_incident_confirms_its_alerts_to_the_desk() -> None:
    change = decide(Standing(State.OPEN, 1, [OPENED]), wish(Act.ACKNOWLEDGE))
    assert (change.state, change.event, change.command) == (
        State.ACKNOWLEDGED,
        "acknowledged",
        CommandKind.CONFIRM_ALERT,
    )


def test_closing_records_the_verdict_and_takes_the_alert_off_the_lamp() -> None:
    change = decide(Standing(State.OPEN, 1, [OPENED]), wish(Act.CLOSE, text=" seen ", verdict=Verdict.REFER))
    assert (change.state, change.verdict, change.text) == (State.CLOSED, Verdict.REFER, "seen")
    assert change.command is CommandKind.DISMISS_ALERT


def test_closing_needs_a_verdict_and_commenting_a_text() -> None:
    with pytest.raises(Refused, match="verdict"):
        decide(Standing(State.OPEN, 1, [OPENED]), wish(Act.CLOSE))
    with pytest.raises(Refused, match="empty"):
        decide(Standing(State.OPEN, 1, [OPENED]), wish(Act.COMMENT, text="  \n"))


def test_the_second_person_is_told_what_the_first_did() -> None:
    now = Standing(State.ACKNOWLEDGED, 2, [OPENED, BY_ADA])
    with pytest.raises(Overtaken) as caught:
        decide(now, wish(Act.CLOSE, verdict=Verdict.NO_CONCERN))
    assert caught.value.event == BY_ADA


def test_what_the_desk_did_since_refuses_nothing() -> None:
    change = decide(Standing(State.OPEN, 2, [OPENED, CLEARED]), wish(Act.ACKNOWLEDGE))
    assert change.state is State.ACKNOWLEDGED


def test_a_comment_is_taken_whoever_acted_meanwhile() -> None:
    change = decide(Standing(State.CLOSED, 3, [OPENED, BY_ADA]), wish(Act.COMMENT, text="late, but true"))
    assert (change.state, change.verdict, change.command) == (State.CLOSED, None, None)


def test_too_long_a_text_is_refused_with_its_length() -> None:
    with pytest.raises(Refused, match="4001"):
        decide(Standing(State.OPEN, 1, [OPENED]), wish(Act.COMMENT, text="x" * 4001))


@given(st.sampled_from(State), st.sampled_from(Act), st.sampled_from([None, *Verdict]), st.text(max_size=20))
def test_every_wish_is_done_or_refused_as_the_table_says(
    state: State, act: Act, verdict: Verdict | None, text: str
) -> None:
    """No combination leads to a state that the store would not take: closed and a verdict go together."""
    try:
        change = decide(Standing(state, 1, [OPENED]), wish(act, text=text, verdict=verdict))
    except Refused:
        is_lacking = (act is Act.CLOSE and verdict is None) or (act is Act.COMMENT and not text.strip())
        assert act not in POSSIBLE[state] or is_lacking
        return
    assert act in POSSIBLE[state]
    if act is not Act.COMMENT:
        assert (change.state is State.CLOSED) == (change.verdict is not None)
    else:
        assert change.state is state
