"""From what a camera sees to what people work on: flapping is one incident, and no rule's flapping hides another's."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core import bodies
from agent.core.judge import AlertChange, Judge, State
from agent.core.observation import Face, Observation, Scene, Seat
from agent.wire import DEFAULT_RULES, AlertKind, Instant, PlannedSitting, Rule
from hub.core.ledger import JOIN_WITHIN_MS
from tests.hub.desk import START_UTC_MS, Desk
from tests.hub.test_ledger import empty_store, keep, shown

EVERY_MS = 200
ALONE, EMPTY, TWO, COVERED = "alone", "empty", "two", "covered"
SHOWS = {AlertKind.SEAT_EMPTY: EMPTY, AlertKind.MORE_THAN_ONE_FACE: TWO, AlertKind.CAMERA_COVERED: COVERED}
RULES = {rule.kind: rule for rule in DEFAULT_RULES if rule.kind in SHOWS}
SITTING = PlannedSitting(
    sitting="s1", exam="Maths", room="Hall", seat="12", start_utc_ms=START_UTC_MS, end_utc_ms=START_UTC_MS + 10**8
)
MAKER = bodies.Maker(boot=1, software="1", model_sha256="ab" * 32)
Scenes = Sequence[tuple[str, float]]
each_kind = pytest.mark.parametrize("kind", SHOWS)


def look(up_ms: int, what: str) -> Observation:
    """One observation that shows this as clearly as can be."""
    faces = {ALONE: 1, TWO: 2}.get(what, 0)
    is_covered = what == COVERED
    return Observation(
        up_ms=up_ms,
        utc_ms=START_UTC_MS + up_ms,
        faces=tuple(Face((0.3 + 0.2 * n, 0.3, 0.1, 0.2), 0.95) for n in range(faces)),
        scene=Scene(brightness=2.0 if is_covered else 120.0, detail=0.5 if is_covered else 40.0, is_covered=is_covered),
        seat=Seat(person=0.0, pose=0.0, change=0.0) if what == EMPTY else None,
    )


def judged(rules: Sequence[Rule], scenes: Scenes) -> list[AlertChange]:
    """What the judge says of these scenes, each shown for so many seconds, five looks a second."""
    judge = Judge(rules)
    changes: list[AlertChange] = []
    up_ms = 0
    for what, seconds in scenes:
        for _ in range(round(seconds * 1000 / EVERY_MS)):
            up_ms += EVERY_MS
            changes += judge.step(look(up_ms, what))
    return changes + judge.end(Instant(START_UTC_MS + up_ms, up_ms))


def incidents_of(changes: Sequence[AlertChange]) -> list[tuple[AlertKind, int, int, int]]:
    """The hub's incidents of these changes, sealed, sent and kept: kind, number of alerts, begin and end (UTC ms)."""
    desk = Desk()
    for change in changes:
        desk.seal(bodies.alert_body(change, SITTING, MAKER, None), (change.cleared or change.raised).up_ms / 1000)
    with empty_store(desk) as connection:
        keep(connection, desk.records)
        incidents = shown(connection)["incidents"]
        kinds = {row["alert"]: row["kind"] for row in shown(connection)["alerts"]}
    assert all({kinds[alert] for alert in alerts} == {kind} for alerts, kind, *_ in incidents)
    return sorted((AlertKind(kind), len(alerts), began, cleared) for alerts, kind, _, began, cleared, *_ in incidents)


def steps(least_s: float, most_s: float) -> st.SearchStrategy[float]:
    """Seconds in whole looks."""
    looks = st.integers(math.ceil(least_s * 1000 / EVERY_MS), math.floor(most_s * 1000 / EVERY_MS))
    return looks.map(lambda number: number * EVERY_MS / 1000)


@each_kind
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_flapping_is_one_incident(kind: AlertKind, data: st.DataObject) -> None:
    """A condition that comes and goes, each time long enough to be raised and away for less than a minute after it
    cleared, in any rhythm: however many alerts that is, it is one incident, from the first begin to the last end."""
    rule = RULES[kind]
    on = steps(rule.raise_s + 2 * EVERY_MS / 1000, rule.raise_s + 12)
    off = steps(EVERY_MS / 1000, rule.clear_s + JOIN_WITHIN_MS / 1000 - 1)
    rhythm = data.draw(st.lists(st.tuples(on, off), min_size=1, max_size=6))
    scenes = [(ALONE, 2.0)]
    for on_s, off_s in rhythm:
        scenes += [(SHOWS[kind], on_s), (ALONE, off_s)]
    changes = judged(DEFAULT_RULES, scenes)
    raised = [change for change in changes if change.state is State.RAISED and change.kind is kind]
    cleared = [change.cleared for change in changes if change.state is State.CLEARED and change.kind is kind]
    assert len(raised) >= 1
    found = [incident for incident in incidents_of(changes) if incident[0] is kind]
    last = cleared[-1]
    assert last is not None
    assert found == [(kind, len(raised), raised[0].began.utc_ms, last.utc_ms)]


ANY_SCENES = st.lists(st.tuples(st.sampled_from([ALONE, EMPTY, TWO, COVERED]), steps(0.2, 25)), max_size=14)


@settings(deadline=None, max_examples=120)
@given(scenes=ANY_SCENES, order=st.permutations(list(SHOWS)))
def test_no_rule_hides_anothers_alerts(scenes: Scenes, order: list[AlertKind]) -> None:
    """In any interleaving of conditions, each rule raises, updates and clears exactly what it would if it were the only
    one, in whatever order the plan names them, and its alerts make the incidents that they would make alone."""
    rules = [RULES[kind] for kind in order]
    together = judged(rules, scenes)
    expected = []
    for rule in rules:
        alone = judged([rule], scenes)
        own = [change for change in together if change.kind is rule.kind]
        assert [(change.state, change.began, change.raised, change.cleared) for change in own] == [
            (change.state, change.began, change.raised, change.cleared) for change in alone
        ]
        expected += incidents_of(alone)
    assert incidents_of(together) == sorted(expected)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(list(SHOWS)), steps(0.4, 6), steps(0.2, 20)), min_size=2, max_size=10))
def test_each_rule_that_is_met_has_an_incident_of_its_own(visits: list[tuple[AlertKind, float, float]]) -> None:
    """Conditions flap in turn, each time long enough: there is an incident of each kind that was met, never one for
    two kinds, and between a kind's visits of less than a minute never a second one."""
    scenes = [(ALONE, 2.0)]
    for kind, more_s, pause_s in visits:
        scenes += [(SHOWS[kind], RULES[kind].raise_s + more_s), (ALONE, pause_s)]
    changes = judged(DEFAULT_RULES, scenes)
    found = [incident[0] for incident in incidents_of(changes)]
    for kind in {kind for kind, *_ in visits}:
        own = [change for change in changes if change.kind is kind]
        ends = [change.cleared.utc_ms for change in own if change.state is State.CLEARED and change.cleared]
        begins = [change.began.utc_ms for change in own if change.state is State.RAISED]
        pauses = [begin - end for begin, end in zip(begins[1:], ends, strict=False)]
        assert found.count(kind) == 1 + sum(pause > JOIN_WITHIN_MS for pause in pauses)


@each_kind
def test_the_worst_flapping_is_bounded(kind: AlertKind) -> None:
    """The dwells alone bound what one rule can say: twenty minutes of the worst rhythm give no more than one raised and
    one cleared record for each raise_s + clear_s, all of them one incident."""
    rule = RULES[kind]
    more = EVERY_MS / 1000
    cycle = [(SHOWS[kind], rule.raise_s + more), (ALONE, rule.clear_s + more)]
    scenes = [(ALONE, 2.0), *cycle * round(1200 / (rule.raise_s + rule.clear_s + 2 * more))]
    changes = [change for change in judged(DEFAULT_RULES, scenes) if change.kind is kind]
    most = 1200 / (rule.raise_s + rule.clear_s)
    assert 0.8 * most < sum(change.state is State.RAISED for change in changes) <= most
    assert len(changes) <= 2 * most
    assert len(incidents_of(changes)) == 1
