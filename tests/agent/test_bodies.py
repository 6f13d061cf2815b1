"""What the desk's parts found, in the words of the language."""

from __future__ import annotations

import pytest

from agent import wire
from agent.core import bodies
from agent.core.faults import FaultChange, FaultState
from agent.core.judge import AlertChange, State
from agent.core.segments import ClosedSegment
from agent.wire import Alert, AlertKind, Body, Fault, FaultKind, Instant, Mode, PlannedSitting, Rule

SITTING = PlannedSitting(
    sitting="maths-1",
    exam="Maths",
    room="Hall A",
    seat="A1",
    start_utc_ms=0,
    end_utc_ms=10**12,
    mode=Mode.SEMI_AUTOMATED,
)
MAKER = bodies.Maker(boot=7, software="1.2.3", model_sha256="ab" * 32)
RULE = Rule(kind=AlertKind.SEAT_EMPTY, raise_s=10, clear_s=3)
CHANGE = AlertChange(
    n=3,
    kind=AlertKind.SEAT_EMPTY,
    state=State.RAISED,
    began=Instant(1000, 100),
    raised=Instant(11_000, 10_100),
    rule=RULE,
    faces=0,
    score=0.25,
)


def understood(body: Body) -> Body:
    """What the hub reads when the desk records this body."""
    record = wire.seal(
        body,
        unit="a.b",
        boot=7,
        seq=1,
        now=Instant(1, 1),
        is_clock_ok=True,
        prev=wire.GENESIS,
        sign=lambda _: bytes(64),
    )
    read: wire.Record = wire.decode_up("record", wire.encode(record))
    return read.body


def test_an_alert_carries_all_that_explains_it() -> None:
    """Times, rule, mode, model, software and picture survive the way to the hub; nothing is left to be looked up."""
    alert = understood(bodies.alert_body(CHANGE, SITTING, MAKER, "cd" * 32))
    assert isinstance(alert, Alert)
    assert (alert.alert, alert.alert_kind, alert.state) == ("7-3", AlertKind.SEAT_EMPTY, "raised")
    assert (alert.began, alert.raised, alert.cleared) == (CHANGE.began, CHANGE.raised, None)
    assert (alert.sitting, alert.seat, alert.mode) == ("maths-1", "A1", Mode.SEMI_AUTOMATED)
    assert (alert.rule, alert.faces, alert.score) == (RULE, 0, 0.25)
    assert (alert.model_sha256, alert.software, alert.still_sha256) == ("ab" * 32, "1.2.3", "cd" * 32)
    assert not alert.is_drill


def test_the_states_of_one_alert_share_its_name() -> None:
    """Raised and cleared are one alert to the hub; another number or another start of the agent is another."""
    names = {
        bodies.alert_body(CHANGE, SITTING, MAKER, None).alert,
        bodies.alert_name(7, 3),
    }
    assert names == {"7-3"}
    assert len({bodies.alert_name(boot, n) for boot, n in ((7, 3), (7, 4), (8, 3), (73, 1), (7, 31))}) == 5


def test_a_segment_keeps_its_times_and_hash() -> None:
    """Both clocks at both ends, size, pictures and hash."""
    closed = ClosedSegment(
        name="b000007-000001-u100-t1000-smaths-1.cut.ts",
        sitting="maths-1",
        boot=7,
        began_up_ms=100,
        ended_up_ms=10_100,
        began_utc_ms=1000,
        ended_utc_ms=11_000,
        frames=150,
        size_bytes=1_900_000,
        sha256="ef" * 32,
        is_cut=True,
    )
    body = understood(bodies.segment_body(closed))
    assert isinstance(body, wire.SegmentClosed)
    assert (body.began, body.ended) == (Instant(1000, 100), Instant(11_000, 10_100))
    assert (body.sitting, body.name, body.frames) == ("maths-1", closed.name, 150)
    assert (body.size_bytes, body.sha256, body.is_cut) == (1_900_000, "ef" * 32, True)


def test_a_fault_keeps_its_words() -> None:
    """Kind, times and detail; its name is unique for ever, like an alert's."""
    change = FaultChange(
        n=2,
        kind=FaultKind.CAMERA_LOST,
        state=FaultState.RAISED,
        began=Instant(5, 5),
        raised=Instant(6, 6),
        detail="no picture for 2.6 s",
    )
    fault = understood(bodies.fault_body(change, "", 7))
    assert isinstance(fault, Fault)
    assert (fault.fault, fault.fault_kind, fault.state) == ("7-2", FaultKind.CAMERA_LOST, "raised")
    assert (fault.sitting, fault.detail, fault.cleared) == ("", "no picture for 2.6 s", None)


def test_a_call_for_help_needs_no_dwell() -> None:
    """It is raised in the moment of the press, and two presses are two alerts, none of them one of the judge's."""
    first = bodies.help_alert(SITTING, MAKER, Instant(1000, 100))
    second = bodies.help_alert(SITTING, MAKER, Instant(2000, 1100))
    assert understood(first) == first
    assert first.began == first.raised == Instant(1000, 100)
    assert first.rule.raise_s == 0
    assert len({first.alert, second.alert, bodies.alert_name(7, 100)}) == 3


@pytest.mark.parametrize(
    "standing",
    [
        bodies.help_alert(SITTING, MAKER, Instant(1000, 100)),
        Fault(fault="7-1", fault_kind=FaultKind.TOO_HOT, state="raised", began=Instant(1, 1), raised=Instant(1, 1)),
    ],
)
def test_clearing_changes_nothing_but_state_and_time(standing: Alert | Fault) -> None:
    """What was said when it was raised stands in its last record too."""
    over = bodies.cleared(standing, Instant(9000, 8100))
    assert understood(over) == over
    assert (over.state, over.cleared) == ("cleared", Instant(9000, 8100))
    assert over.began == standing.began
    assert over.raised == standing.raised
    assert type(over) is type(standing)
