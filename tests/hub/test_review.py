"""What people may do with an incident."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire import CommandKind
from hub.core import categories
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


@given(
    st.sampled_from(State),
    st.sampled_from(Act),
    st.sampled_from([None, *Verdict]),
    st.text(max_size=20),
    st.sampled_from(["", "Ada", "Grace"]),
    st.sampled_from([None, 7]),
)
def test_every_wish_is_done_or_refused_as_the_table_says(
    state: State, act: Act, verdict: Verdict | None, text: str, proposed_by: str, part_of: int | None
) -> None:
    """No combination leads to a state that the store would not take: closed and a verdict go together."""
    now = Standing(
        state, 1, [OPENED], proposed_by=proposed_by, part_of=part_of, assigned_to="Ada", reviewers=frozenset(["Grace"])
    )
    asked = wish(act, text=text, verdict=verdict)._replace(assignee="Grace", category="technical.camera")
    try:
        change = decide(now, asked)
    except Refused:
        is_lacking = {
            Act.CLOSE: verdict is None or (verdict is Verdict.CONFIRMED_BY_CENTRE and proposed_by != ""),
            Act.COMMENT: not text.strip(),
            Act.CONFIRM: proposed_by != "Ada",
            Act.REJECT: proposed_by != "Ada",
            Act.TAKE_OUT: part_of is None,
        }
        assert act not in POSSIBLE[state] or is_lacking[act]
        return
    assert act in POSSIBLE[state]
    assert (change.event == "closed") == (change.verdict is not None)
    if change.verdict is not None or state is not State.CLOSED or act is Act.REOPEN:
        assert (change.state is State.CLOSED) == (change.verdict is not None)
    assert change.text == text.strip() or (act in (Act.ASSIGN, Act.CATEGORISE, Act.TAKE_OUT))


def test_confirmed_by_the_centre_waits_for_a_second_person() -> None:
    """The first one's choice closes nothing; the same person cannot confirm it, and another one can."""
    proposed = decide(Standing(State.OPEN, 1, [OPENED]), wish(Act.CLOSE, verdict=Verdict.CONFIRMED_BY_CENTRE))
    assert (proposed.state, proposed.verdict, proposed.event) == (State.ACKNOWLEDGED, None, "proposed")
    assert proposed.proposed_by == "Grace"
    now = Standing(State.ACKNOWLEDGED, 2, [OPENED], proposed_by="Grace")
    for act in (Act.CONFIRM, Act.REJECT):
        with pytest.raises(Refused, match="second person"):
            decide(now, wish(act, version=2))
    with pytest.raises(Refused, match="second person"):
        decide(now, wish(Act.CLOSE, version=2, verdict=Verdict.CONFIRMED_BY_CENTRE))
    confirmed = decide(now, wish(Act.CONFIRM, version=2)._replace(who="Ada"))
    assert (confirmed.state, confirmed.verdict, confirmed.proposed_by) == (
        State.CLOSED,
        Verdict.CONFIRMED_BY_CENTRE,
        "",
    )
    rejected = decide(now, wish(Act.REJECT, version=2)._replace(who="Ada"))
    assert (rejected.state, rejected.verdict, rejected.proposed_by) == (State.ACKNOWLEDGED, None, "")


def test_a_lone_proctor_closes_with_the_other_verdicts() -> None:
    """Also after a proposal that nobody has answered: it is then gone."""
    now = Standing(State.ACKNOWLEDGED, 2, [OPENED], proposed_by="Grace")
    for verdict in (Verdict.NO_CONCERN, Verdict.REFER):
        change = decide(now, wish(Act.CLOSE, version=2, verdict=verdict))
        assert (change.state, change.verdict, change.proposed_by) == (State.CLOSED, verdict, "")


def test_who_is_not_on_the_list_is_given_nothing() -> None:
    """An incident is assigned to an open account that may review, and the refusal names the one that is not."""
    now = Standing(State.OPEN, 1, [OPENED], assigned_to="Ada", reviewers=frozenset(["Ada", "Grace"]))
    with pytest.raises(Refused, match="Mallory"):
        decide(now, wish(Act.ASSIGN)._replace(assignee="Mallory"))
    assert decide(now, wish(Act.ASSIGN)._replace(assignee="Grace")).assigned_to == "Grace"
    assert decide(now, wish(Act.ASSIGN)).event == "unassigned"


def test_what_was_typed_beside_another_act_is_a_comment_of_its_own() -> None:
    """Sorting with a comment typed records both; closing with a category chosen too."""
    now = Standing(State.OPEN, 1, [OPENED])
    change = decide(now, wish(Act.CATEGORISE, text=" noise from the hall ")._replace(category="environment.noise"))
    assert (change.event, change.text, change.also) == (
        "categorised",
        "environment.noise",
        (("commented", "noise from the hall"),),
    )
    closing = wish(Act.CLOSE, verdict=Verdict.NO_CONCERN)._replace(category="candidate.unwell")
    closed = decide(now, closing)
    assert (closed.event, closed.category, closed.also) == (
        "closed",
        "candidate.unwell",
        (("categorised", "candidate.unwell"),),
    )
    for category in ("", "environment", "environment.nothing", "x.y", None):
        with pytest.raises(Refused, match="list"):
            decide(now, wish(Act.CATEGORISE)._replace(category=category))


def test_nobody_closes_members_that_they_have_not_been_shown() -> None:
    """A desk that joins between the look and the verdict is shown first."""
    now = Standing(State.OPEN, 1, [OPENED], open_members=frozenset([4, 5, 6]))
    closing = wish(Act.CLOSE, verdict=Verdict.NO_CONCERN)._replace(seen_members=frozenset([4, 5]))
    with pytest.raises(Refused, match="one more joined"):
        decide(now, closing)
    assert decide(now, closing._replace(seen_members=frozenset([4, 5, 6, 7]))).members == frozenset([4, 5, 6])


def test_every_category_has_two_levels_of_words() -> None:
    """The list is whole, its keys are kept, and none is taken for another."""
    keys = [f"{group}.{item}" for group, each in categories.CATEGORIES.items() for item in each.items]
    assert [*categories.CATEGORIES] == ["environment", "candidate", "invigilator", "technical", "other"]
    assert all(categories.is_category(key) and len(key) <= 100 for key in keys)
    assert not any(categories.is_category(key) for key in ("", "other", "other.", ".other", "technical.power.x"))


ACTS = st.builds(
    lambda act, verdict, category, assignee, text: (act, verdict, category, assignee, text),
    st.sampled_from(Act),
    st.sampled_from([None, *Verdict]),
    st.sampled_from([None, "technical.power", "other.unclear"]),
    st.sampled_from(["", "Ada", "Grace"]),
    st.sampled_from(["", "seen"]),
)


@given(st.lists(st.tuples(st.sampled_from(["Ada", "Grace"]), st.booleans(), ACTS), max_size=12))
def test_two_people_at_once_never_lose_or_overwrite_an_act(
    steps: list[tuple[str, bool, tuple[Act, Verdict | None, str | None, str, str]]],
) -> None:
    """Whatever two people wish in whatever order, each looking again or not before: every act that is done stands in
    the thread, and none but a comment is done by somebody who has not seen the last act of the other."""
    now = Standing(State.OPEN, 1, (OPENED,), part_of=7, reviewers=frozenset(["Ada", "Grace"]))
    seen = {"Ada": (1, 1), "Grace": (1, 1)}
    done: list[str] = []
    for who, looks_first, (act, verdict, category, assignee, text) in steps:
        if looks_first:
            seen[who] = (now.version, len(now.events))
        asked = Wish(act, who, *seen[who], text, verdict, category, assignee)
        unseen = [event for event in now.events[seen[who][1] :] if event.who not in (DESK, who)]
        try:
            change = decide(now, asked)
        except Refused:
            continue
        assert not unseen or act is Act.COMMENT
        told = [*change.also, (change.event, change.text)]
        events = [Event(now.version, who, action, written) for action, written in told]
        done += [each.action for each in events]
        now = Standing(
            change.state,
            now.version + 1,
            (*now.events, *events),
            assigned_to=change.assigned_to,
            category=change.category,
            proposed_by=change.proposed_by,
            part_of=change.part_of,
            reviewers=now.reviewers,
        )
        seen[who] = (now.version, len(now.events))
        if text and act is not Act.REJECT:
            assert text in [written for _, written in told]
    assert [event.action for event in now.events[1:]] == done
    proposals = [event for event in now.events if event.action in ("proposed", "closed", "rejected", "reopened")]
    assert (now.proposed_by != "") == (bool(proposals) and proposals[-1].action == "proposed")
