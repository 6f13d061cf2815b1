"""What people say at the desk and from the hub: signals, presses, drills by command."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agent.attending import COMMANDS_REMEMBERED, MOST_ALERTS, Attending
from agent.core import bodies
from agent.core.judge import AlertChange, State
from agent.core.record_rate import IN_FILES, LEAST_MS, WINDOW_MS, RecordRate
from agent.core.segments import ClosedSegment
from agent.drill import IS_ON, NEEDS_REASON, Drill
from agent.receipt_times import MOST_WAITING, ReceiptTimes
from agent.wire import SIGNAL_MS, Alert, Attended, Body, Command, CommandKind, Instant, Receipt, Record, seal
from tests.agent.test_sitting import FIRST, MAKER, RULE, Memory, at, plan
from tests.agent.test_sitting import Desk as Keeper


class Clock:
    def __init__(self) -> None:
        self.time, self.is_trusted = at(0), True

    def now(self) -> Instant:
        return self.time

    def is_ok(self) -> bool:
        return self.is_trusted


class Sight:
    """What stands by the judge."""

    def __init__(self) -> None:
        self.changes: tuple[AlertChange, ...] = ()

    def standing(self) -> tuple[AlertChange, ...]:
        return self.changes


class Desk:
    """The parts that attending touches; `put` is what it recorded."""

    def __init__(self) -> None:
        self.clock, self.sight, self.put = Clock(), Sight(), list[Body]()
        self.keeper = Keeper(Memory(plan(FIRST)))
        self.attending = Attending(self.clock, MAKER.boot, self._put)  # type: ignore[arg-type]
        self.drill = Drill(self.clock.now, MAKER, Spool(), self._put, lambda work: work())
        self._number = 0

    def _put(self, body: Body, now: Instant) -> None:
        self.put.append(body)

    def begin(self) -> None:
        self.keeper.keeper.follow(at(0.1), True)

    def step(self, s: float) -> None:
        self.clock.time = at(s)
        self.attending.step(at(s), self.keeper.keeper, self.sight, self.drill)  # type: ignore[arg-type]

    def press(self, s: float, press: Any = "short") -> None:
        self.attending.take_press(press)
        self.step(s)

    def command(self, name: CommandKind, s: float, reason: str = "", *, expires_s: float = 3600) -> Command:
        self._number += 1
        command = Command(number=self._number, name=name, reason=reason, expires_utc_ms=at(expires_s).utc_ms)
        self.attending.take_command(command)
        self.step(s)
        return command

    def is_signalled(self) -> bool:
        return self.attending.is_signalled

    def refused(self) -> tuple[int, str] | None:
        return self.attending.refused

    def attended(self) -> list[Attended]:
        return [body for body in self.put if isinstance(body, Attended)]


class Spool:
    """A spool with what a test puts into it."""

    def __init__(self, *records: Any) -> None:
        self.records, self.receipts = list(records), list[Receipt]()

    def pending(self, limit: int, first: Any = None, before: Any = None) -> list[Any]:
        return self.records[:limit]

    def live_from(self, since_up_ms: int) -> tuple[int, int]:
        return (since_up_ms, 0)

    def message(self, item: Any) -> Any:
        return item

    def receipt(self, receipt: Receipt, now: Instant) -> None:
        self.receipts.append(receipt)


# --- the signal -----------------------------------------------------------------------------------------------------


def test_a_signal_is_shown_until_it_is_ended_attended_or_old() -> None:
    """By the hub's word, by a short press, or after five minutes of boot time; given again, it counts anew."""
    desk = Desk()
    for end in (lambda: desk.command(CommandKind.END_SIGNAL, 20), lambda: desk.press(20)):
        desk.command(CommandKind.SIGNAL, 10)
        assert desk.is_signalled()
        end()
        assert not desk.is_signalled()
    desk.command(CommandKind.SIGNAL, 30)
    desk.command(CommandKind.SIGNAL, 40)
    desk.step(40 + SIGNAL_MS / 1000 - 0.1)
    assert desk.is_signalled()
    desk.step(40 + SIGNAL_MS / 1000)
    assert not desk.is_signalled()


def test_a_call_for_help_does_not_end_a_signal() -> None:
    """A long press asks; it does not say that somebody came."""
    desk = Desk()
    desk.begin()
    desk.command(CommandKind.SIGNAL, 10)
    desk.press(11, "long")
    assert desk.is_signalled()
    assert desk.keeper.keeper.help is not None


def test_a_command_delivered_twice_is_done_once() -> None:
    """A signal that was attended to does not come back; one with the same number of another hub, later, does."""
    desk = Desk()
    given = desk.command(CommandKind.SIGNAL, 10)
    desk.press(11)
    for _ in range(2):
        desk.attending.take_command(given)
        desk.step(12)
    assert not desk.is_signalled()
    desk.attending.take_command(msgspec.structs.replace(given, expires_utc_ms=given.expires_utc_ms + 5))
    desk.step(13)
    assert desk.is_signalled()
    for _ in range(COMMANDS_REMEMBERED * 2):
        desk.command(CommandKind.CONFIRM_ALERT, 14)
    assert len(desk.attending._known) == COMMANDS_REMEMBERED


# --- the press ------------------------------------------------------------------------------------------------------


def standing(n: int) -> AlertChange:
    return AlertChange(n=n, kind=RULE.kind, state=State.RAISED, began=at(1), raised=at(2), rule=RULE)


def test_a_press_says_what_it_attends_to() -> None:
    """The sitting, the seat, every alert that stands with the call for help, the signal and the drill shown then. Help
    and signal are over with it; the lamp leaves alone what stands."""
    desk = Desk()
    desk.begin()
    desk.sight.changes = (standing(4), standing(5))
    desk.press(9, "long")
    call = desk.keeper.keeper.help
    assert call is not None
    desk.command(CommandKind.SIGNAL, 10)
    desk.command(CommandKind.DRILL, 10, "the lamp was changed")
    desk.press(11)
    names = (bodies.alert_name(MAKER.boot, 4), bodies.alert_name(MAKER.boot, 5), call.alert, *desk.drill.standing)
    (attended,) = desk.attended()
    assert attended == Attended(sitting="maths-1", seat="A1", alerts=names, is_signal=True, is_drill=True)
    assert len(names) == 4
    assert (desk.keeper.keeper.help, desk.is_signalled(), desk.drill.is_on) == (None, False, True)
    assert set(desk.attending.judged.values()) == {CommandKind.DISMISS_ALERT}


def test_a_press_outside_a_sitting_is_told_too() -> None:
    """Somebody is at the desk: before the exam that is how a lamp is seen to work."""
    desk = Desk()
    desk.press(-40)
    assert desk.attended() == [Attended(sitting="", seat="")]


def test_a_chattering_button_is_one_press() -> None:
    """The same thing within a second is recorded once; what has changed meanwhile is told."""
    desk = Desk()
    for s in (10, 10.2, 10.9, 11.1):
        desk.press(s)
    assert len(desk.attended()) == 2
    desk.command(CommandKind.SIGNAL, 11.2)
    desk.press(11.3)
    assert [each.is_signal for each in desk.attended()] == [False, False, True]
    desk.sight.changes = tuple(standing(n) for n in range(50))
    desk.press(60)
    assert len(desk.attended()[-1].alerts) == MOST_ALERTS


# --- drills and refusals --------------------------------------------------------------------------------------------


def test_a_drill_by_command_is_a_drill() -> None:
    """Outside a sitting without a word, within one with a reason; what is refused is told with its number until a
    later command is done."""
    desk = Desk()
    desk.command(CommandKind.DRILL, -40)
    assert desk.drill.is_on
    second = desk.command(CommandKind.DRILL, -39)
    assert desk.refused() == (second.number, IS_ON)
    desk.drill.clear(at(-30))
    desk.begin()
    silent = desk.command(CommandKind.DRILL, 1, " ")
    assert desk.refused() == (silent.number, NEEDS_REASON)
    desk.command(CommandKind.DRILL, 2, "the lamp was changed")
    assert desk.refused() is None
    raised = [body for body in desk.put if isinstance(body, Alert) and body.state == "raised"]
    assert [(body.is_drill, body.sitting) for body in raised] == [(True, ""), (True, "maths-1")]


def test_a_command_that_comes_too_late_is_not_done_and_said() -> None:
    """By a clock that is trusted; by another one nobody knows what is late."""
    desk = Desk()
    desk.clock.time = at(60)
    late = desk.command(CommandKind.SIGNAL, 60, expires_s=57.5)
    assert not desk.is_signalled()
    assert desk.refused() == (late.number, "it came to the desk 2.5 s too late")
    desk.clock.is_trusted = False
    desk.command(CommandKind.SIGNAL, 61, expires_s=57.5)
    assert desk.is_signalled()


# --- readings for the hub -------------------------------------------------------------------------------------------


def closed(began_s: float, ended_s: float, size_bytes: int) -> ClosedSegment:
    return ClosedSegment(
        name="b000003-000001-u1-t1-smaths-1.ts",
        sitting="maths-1",
        boot=3,
        began_up_ms=at(began_s).up_ms,
        ended_up_ms=at(ended_s).up_ms,
        began_utc_ms=at(began_s).utc_ms,
        ended_utc_ms=at(ended_s).utc_ms,
        frames=15,
        size_bytes=size_bytes,
        sha256="cd" * 32,
        is_cut=False,
    )


def test_the_rate_of_recording_is_what_the_newest_files_took() -> None:
    """The setting until there is enough film to tell; then the mean of some minutes, old ones forgotten."""
    rate = RecordRate(1_600_000)
    assert rate.bytes_per_s == pytest.approx(200_000 * IN_FILES)
    rate.add(closed(0, 1.5, 900_000))
    rate.add(closed(1.5, 1.5, 100))
    assert rate.bytes_per_s == pytest.approx(200_000 * IN_FILES)
    rate.add(closed(1.5, 11.5, 1_400_000))
    assert rate.bytes_per_s == pytest.approx(200_000)
    assert LEAST_MS <= 11_500
    for n in range(100):
        rate.add(closed(12 + 10 * n, 22 + 10 * n, 1_000_000))
    assert rate.bytes_per_s == pytest.approx(100_000)
    assert rate._ms <= WINDOW_MS


def record(seq: int) -> Record:
    return seal(
        Attended(sitting="", seat=""),
        unit="a.b",
        boot=3,
        seq=seq,
        now=at(0),
        is_clock_ok=True,
        prev="0" * 64,
        sign=lambda data: b"\0" * 64,
    )


def test_the_time_to_a_receipt_is_that_of_the_newest_sending() -> None:
    """Of the newest record that a receipt names; another run's, and stills, say nothing; and all of it goes on to the
    records behind."""
    clock, spool = Clock(), Spool()
    times = ReceiptTimes(spool, clock.now)
    assert not times.ms
    one, two = record(1), record(2)
    for sent, s in ((one, 0), (two, 1), (one, 5)):
        clock.time = at(s)
        assert times.message(sent) is sent
    times.receipt(Receipt(records=((2, 1), (9, 9))), at(6))
    assert not times.ms
    times.receipt(Receipt(records=((3, 1), (3, 2))), at(6))
    assert times.ms == 5_000
    times.message(one)
    times.receipt(Receipt(records=((3, 1),)), at(5.25))
    assert times.ms == 250
    assert len(spool.receipts) == 3
    for seq in range(1, MOST_WAITING + 10):
        times.message(record_of(seq))
    assert len(times._sent_up_ms) == MOST_WAITING
    assert (times.pending(3), times.live_from(7)) == ([], (7, 0))


_ONE = record(1)


def record_of(seq: int) -> Record:
    """The same record under another number: to seal a thousand takes its time."""
    return msgspec.structs.replace(_ONE, header=msgspec.structs.replace(_ONE.header, seq=seq))
