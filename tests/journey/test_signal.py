"""A proctor's signal, a drill and a break, from the hub to a running desk and back."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.app import Desk
from agent.wire import AlertKind, CommandKind, Heartbeat
from hub.store import Store, commands, incidents, planning, signals
from tests.agent.test_app import running
from tests.journey.centre import ROOM, SEAT, UNIT, Centre, film
from tests.support import wait_for


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def press(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finger on the button's pin, for a moment."""
    factory = desk.panel.factory  # type: ignore[union-attr]
    pin, began_s = factory.pin(24), factory.ticks()
    pin.drive_low()
    with monkeypatch.context() as patch:
        patch.setattr(factory, "ticks", lambda: began_s + 0.2)
        pin.drive_high()


def until(place: Centre, wanted: Callable[[Heartbeat], object]) -> Heartbeat:
    """The first heartbeat at the hub of which this is true."""

    def look() -> Heartbeat | None:
        beat = place.heartbeat()
        return beat if beat is not None and wanted(beat) else None

    found = wait_for(look, 60)
    assert found is not None
    return found


def shows(pattern: str) -> Callable[[Heartbeat], bool]:
    return lambda beat: beat.lamp is not None and beat.lamp.pattern == pattern


def drill(place: Centre, reason: str) -> int:
    """Have the hub ask for one; the command's number."""
    with place.store.write() as connection:
        commands.queue(connection, UNIT, CommandKind.DRILL, now_ms(), reason=reason)
        return int(connection.execute("select max(number) from commands").fetchone()[0])


def test_a_signal_is_seen_attended_to_and_over(place: Centre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lamp shows it, silently, until somebody presses the button: then it is over at both ends, and who came is
    told. A second one is ended by the hub. A drill in a sitting is refused without a reason, and the hub learns why;
    the press that sees its lamp stands in its incident's thread. All readings are in the heartbeat."""
    place.start_ingest()
    with running(tmp_path / "desk", place.broker) as desk:
        place.plan()
        until(place, shows("recording"))
        with place.store.write() as connection:
            signals.give(connection, UNIT, "ada", "wants paper", now_ms())
        beat = until(place, shows("signal"))
        assert (beat.is_signalled, beat.lamp and beat.lamp.is_buzzing) == (True, False)
        press(desk, monkeypatch)
        until(place, lambda beat: shows("recording")(beat) and not beat.is_signalled)
        wait_for(lambda: place.rows("select * from signals where ended_by = 'desk'"))
        (attended,) = place.rows("select * from attended")
        assert (attended["is_signal"], attended["is_drill"], attended["room"], attended["seat"]) == (1, 0, ROOM, SEAT)

        with place.store.write() as connection:
            signals.give(connection, UNIT, "ada", "", now_ms())
        until(place, shows("signal"))
        with place.store.write() as connection:
            signals.end(connection, UNIT, "bob", now_ms())
        until(place, shows("recording"))

        refused = drill(place, "")
        beat = until(place, lambda beat: beat.refused_command == refused)
        assert beat.refusal == "a sitting is on: a drill in it needs a reason"
        drill(place, "the lamp was changed")
        beat = until(place, shows("drill"))
        assert beat.refused_command is None
        press(desk, monkeypatch)
        wait_for(lambda: place.rows("select * from attended where is_drill = 1"))
        incident = place.rows("select incident_id from incidents where is_drill = 1")[0]["incident_id"]
        assert "attended" in [event.action for event in incidents.one(place.store, incident).thread]

        beat = until(place, lambda beat: beat.receipt_ms is not None and beat.brightness is not None)
        assert beat.detail is not None
        assert beat.record_bytes_per_s
        assert beat.receipt_ms is not None
        assert 0 <= beat.receipt_ms < 30_000


def give_break(store: Store, sitting: str, limit_utc_ms: int) -> int:
    """A break from now on; the number of the plan that carries it."""
    with store.write() as connection:
        now = now_ms()
        connection.execute(
            "insert into breaks (sitting, seat, kind, began_utc_ms, limit_utc_ms, given_by)"
            " values (?, ?, 'toilet', ?, ?, 'ada')",
            (sitting, SEAT, now, limit_utc_ms),
        )
        assert planning.replan(connection, now) == [UNIT]
        found = planning.plan_of(connection, UNIT)
        assert found is not None
        return found.number


def test_a_break_that_runs_over_is_an_empty_seat_again_hub_or_no_hub(place: Centre, tmp_path: Path) -> None:
    """What stands when the break is given is over at once, and nothing is raised while it lasts; the hub goes away, and
    from the limit on the desk counts: the alert says that it began then. Recording goes on through all of it."""
    empty = film(tmp_path / "empty.mp4", [(False, 3)])
    place.start_ingest()
    with running(tmp_path / "desk", place.broker, f"footage:{empty}") as desk:
        place.plan()
        first = wait_for(lambda: place.rows("select * from alerts where kind = 'seat_empty'"), 60)[0]
        since = desk.sitting.since_up_ms
        limit_utc_ms = now_ms() + 10_000
        number = give_break(place.store, first["sitting"], limit_utc_ms)
        beat = until(place, lambda beat: beat.plan == number and not beat.alerts)
        assert beat.now.utc_ms < limit_utc_ms
        place.kill("ingest")
        raised = wait_for(desk.sight.standing, 60)[0]
        assert raised.kind is AlertKind.SEAT_EMPTY
        assert limit_utc_ms <= raised.began.utc_ms < raised.raised.utc_ms
        assert raised.raised.up_ms - raised.began.up_ms >= 2_000
        assert desk.sitting.since_up_ms == since
        place.start_ingest()
        wait_for(lambda: len(place.rows("select * from alerts where kind = 'seat_empty'")) == 2, 60)
    one, two = place.rows("select * from alerts where kind = 'seat_empty' order by began_utc_ms")
    assert one["cleared_utc_ms"] < limit_utc_ms <= two["began_utc_ms"]
    states = place.rows("select body from records where kind = 'sitting'")
    assert len(states) == 1  # started, and never ended, resumed or begun anew by the break
