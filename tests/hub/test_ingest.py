"""Ingest over real brokers: what desks say is kept, receipted, shown; what the hub wants is sent."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from agent import wire
from hub.ingest import utc_ms
from hub.ingest.broker import Link
from hub.live import LiveFolder
from hub.store import Store, planning, signals
from tests.brokers import Broker
from tests.hub.desk import Desk, DeskLink, alert, at, jpeg, segment
from tests.hub.hubs import ingesting, rows, settings_for, value
from tests.support import wait_for
from tests.wire_values import BODIES


def test_records_are_kept_and_receipted(broker: Broker, tmp_path: Path, store: Store) -> None:
    """Every record arrives whole, once, with a receipt, over both brokers."""
    desk = Desk()
    for number in range(40):
        desk.seal(segment(number))
    desk.seal(alert("a1"), 600)
    with ingesting(settings_for(tmp_path, broker)), DeskLink(broker, desk) as link:
        wait_for(lambda: value(store, "select count(*) from units"))
        link.send_all()
        wait_for(link.is_done)
    kept = rows(store, "select header, body, signature, hash from records order by seq")
    assert [(row["header"], row["body"]) for row in kept] == [(r.header_text, r.body_text) for r in desk.records]
    assert [row["hash"] for row in kept] == [record.hash for record in desk.records]
    assert value(store, "select count(*) from segments") == 40
    assert value(store, "select state from incidents") == "open"


def test_every_kind_of_record_is_kept_and_receipted(broker: Broker, tmp_path: Path, store: Store) -> None:
    """Also the kinds that no page shows yet, and a later version's: to the letter, each under its own name."""
    desk = Desk()
    for body in BODIES.values():
        desk.seal(body)
    with ingesting(settings_for(tmp_path, broker)), DeskLink(broker, desk) as link:
        wait_for(lambda: value(store, "select count(*) from units"))
        link.send_all()
        wait_for(link.is_done)
    kept = rows(store, "select kind, body from records order by seq")
    assert [(row["kind"], row["body"]) for row in kept] == [(r.header.kind, r.body_text) for r in desk.records]
    assert {row["kind"] for row in kept} >= wire.RECORD_KINDS
    assert value(store, "select count(*) from rejected") == 0


def test_a_repeat_is_receipted_again_and_changes_nothing(
    mosquitto_broker: Broker, tmp_path: Path, store: Store
) -> None:
    """A desk that missed a receipt sends again, hears again, and stands in the store once."""
    desk = Desk()
    desk.seal(alert("a1"), 10)
    with ingesting(settings_for(tmp_path, mosquitto_broker)), DeskLink(mosquitto_broker, desk) as link:
        wait_for(lambda: value(store, "select count(*) from units"))
        for _ in range(3):
            link.say("record", desk.records[0])
        wait_for(lambda: link.receipts[(1, 1)] >= 3)
    assert value(store, "select count(*) from records") == 1
    assert value(store, "select count(*) from incidents") == 1
    assert value(store, "select count(*) from incident_events") == 1


def test_birth_heartbeat_and_will_make_presence(broker: Broker, tmp_path: Path, store: Store) -> None:
    """The newest heartbeat is kept, an older one is not, and a will marks the desk as gone."""
    desk = Desk()
    with ingesting(settings_for(tmp_path, broker)), DeskLink(broker, desk) as link:
        wait_for(lambda: value(store, "select count(*) from presence where is_online"))
        link.say("heartbeat", desk.heartbeat(50, faces=2))
        wait_for(lambda: value(store, "select count(*) from presence where heartbeat is not null"))
        link.say("heartbeat", desk.heartbeat(20, faces=7))
        link.say("status", desk.status(is_online=False), is_retained=True)
        wait_for(lambda: value(store, "select count(*) from presence where not is_online"))
    assert value(store, "select heartbeat ->> '$.faces' from presence") == 2


def test_the_head_of_a_chain_is_kept_and_a_step_back_is_told(broker: Broker, tmp_path: Path, store: Store) -> None:
    """A heartbeat's head, signed by the desk, is what the hub countersigns; one that went back is a security event."""
    desk = Desk()
    with ingesting(settings_for(tmp_path, broker)), DeskLink(broker, desk) as link:
        link.say("record", first := desk.seal(wire.ClockStep(step_ms=1, is_synced=True)))
        link.say("record", second := desk.seal(wire.ClockStep(step_ms=2, is_synced=True)))
        wait_for(lambda: value(store, "select count(*) from units"))
        for seconds, record in ((10, second), (20, first)):
            head = wire.sign_head(1, record.header.seq, record.hash, desk.key.sign)
            link.say("heartbeat", desk.heartbeat(seconds, head=head))
            wait_for(lambda: value(store, "select count(*) from heads"))
        wait_for(lambda: value(store, "select count(*) from security_events where kind = 'chain_cut'"))
    assert value(store, "select detail from security_events") == "its head went back from record 1/2 to 1/1"
    assert value(store, "select hash from heads") == second.hash


def test_live_stills_go_to_the_folder_and_evidence_to_the_store(broker: Broker, tmp_path: Path, store: Store) -> None:
    """A live still is never in the database; an evidence still is, with a receipt by its hash."""
    desk = Desk()
    evidence, live = jpeg("evidence"), jpeg("live")
    folder = LiveFolder(tmp_path / "live")
    with ingesting(settings_for(tmp_path, broker)), DeskLink(broker, desk) as link:
        wait_for(lambda: value(store, "select count(*) from units"))
        link.say("evidence", desk.still(evidence, seq=4))
        link.say("still", desk.still(live))
        found = wait_for(lambda: folder.stills().get(desk.unit))
        wait_for(lambda: link.still_receipts[wire.sha256_hex(evidence)])
    assert found is not None
    assert found.jpeg == live
    assert found.at == at(0)
    assert [row["jpeg"] for row in rows(store, "select jpeg from stills")] == [evidence]


def test_plans_are_sent_retained_and_marked_once_the_broker_took_them(
    broker: Broker, tmp_path: Path, store: Store
) -> None:
    """A plan written by another process reaches the desk at once, and one that comes later through the broker."""
    desk = Desk()
    with ingesting(settings_for(tmp_path, broker)):
        with DeskLink(broker, desk) as link:
            wait_for(lambda: value(store, "select count(*) from units"))
            with store.write() as connection:
                planning.put_seat(connection, room="Hall", label="1", unit=desk.unit)
                planning.plan_sitting(
                    connection, sitting="s1", exam="Maths", room="Hall", start_utc_ms=1, end_utc_ms=2**50, now_utc_ms=1
                )
            wait_for(lambda: link.plans)
            wait_for(lambda: value(store, "select sent_number = number from plans"))
            assert link.plans[0][0].sittings[0].seat == "1"
        with DeskLink(broker, desk, has_birth=False) as later:
            wait_for(lambda: later.plans)
            assert later.plans[0][1] is True


def test_plans_are_published_again_when_the_broker_forgot_them(
    mosquitto_broker: Broker, tmp_path: Path, store: Store
) -> None:
    """A broker without a memory that restarts gets every plan again."""
    desk = Desk()
    with ingesting(settings_for(tmp_path, mosquitto_broker)), DeskLink(mosquitto_broker, desk) as link:
        wait_for(lambda: value(store, "select count(*) from units"))
        with store.write() as connection:
            planning.put_seat(connection, room="Hall", label="1", unit=desk.unit)
            planning.replan(connection, 5_000)
        wait_for(lambda: value(store, "select count(*) from plans where sent_number = number"))
        before = len(link.plans)
        mosquitto_broker.kill()
        mosquitto_broker.start()
        wait_for(lambda: len(link.plans) > before)


def test_no_absence_is_counted_while_the_broker_was_away(
    mosquitto_broker: Broker, tmp_path: Path, store: Store
) -> None:
    """A desk that is heard again as soon as the broker is back was not absent."""
    desk = Desk()
    with ingesting(settings_for(tmp_path, mosquitto_broker)), DeskLink(mosquitto_broker, desk) as link:
        link.say("heartbeat", desk.heartbeat(1))
        wait_for(lambda: value(store, "select count(*) from presence where heartbeat is not null"))
        mosquitto_broker.kill()
        time.sleep(4)
        mosquitto_broker.start()
        wait_for(lambda: value(store, "select count(*) from deaf_times where until_utc_ms - from_utc_ms > 13500"))
        wait_for(link.client.is_connected)
        link.say("heartbeat", desk.heartbeat(9))
        wait_for(lambda: value(store, "select heartbeat ->> '$.now[0]' from presence") == at(9).utc_ms)
    assert value(store, "select count(*) from absences") == 0


def test_a_desk_that_starts_anew_is_told_again_of_the_signal_that_stands(
    mosquitto_broker: Broker, tmp_path: Path, store: Store
) -> None:
    """Its memory of it ended with its process. Once for each start; not of a signal that is over."""
    desk = Desk()
    with ingesting(settings_for(tmp_path, mosquitto_broker)), DeskLink(mosquitto_broker, desk) as link:
        wait_for(lambda: value(store, "select count(*) from presence where is_online"))
        with store.write() as connection:
            signals.give(connection, desk.unit, "ada", "bring paper", utc_ms())
        wait_for(lambda: len(link.commands) == 1)
        desk.boot = 2
        for _ in range(2):
            link.say("status", desk.status(), is_retained=True)
        wait_for(lambda: len(link.commands) == 2)
        with store.write() as connection:
            signals.end(connection, desk.unit, "ada", utc_ms())
        wait_for(lambda: len(link.commands) == 3)
        desk.boot = 3
        link.say("status", desk.status(), is_retained=True)
        wait_for(lambda: value(store, "select boot from presence") == 3)
    told = [(command.name, command.reason) for command in link.commands]
    assert told == [("signal", "bring paper"), ("signal", "bring paper"), ("end_signal", "")]


def test_commands_are_sent_once_unless_expired(broker: Broker, tmp_path: Path, store: Store) -> None:
    """A command goes to its desk, is marked when the broker has it; one that came too late stays."""
    desk = Desk()
    with ingesting(settings_for(tmp_path, broker)), DeskLink(broker, desk) as link:
        wait_for(lambda: value(store, "select count(*) from units"))
        with store.write() as connection:
            for number, expires_utc_ms in ((1, 1_000), (2, 2**50)):
                payload = wire.encode(
                    wire.Command(
                        number=number,
                        name=wire.CommandKind.CONFIRM_ALERT,
                        alert="a1",
                        expires_utc_ms=expires_utc_ms,
                    )
                ).decode()
                connection.execute(
                    "insert into commands (unit, payload, expires_utc_ms) values (?, ?, ?)",
                    (desk.unit, payload, expires_utc_ms),
                )
        wait_for(lambda: value(store, "select count(*) from commands where sent_utc_ms is not null"))
        wait_for(lambda: link.commands)
    assert [command.number for command in link.commands] == [2]
    assert [row["number"] for row in rows(store, "select number from commands where sent_utc_ms is null")] == [1]


def test_ingest_tells_its_figures(mosquitto_broker: Broker, tmp_path: Path, store: Store) -> None:
    """The web reads counters, spreads and the newest beat from the live folder."""
    desk = Desk()
    desk.seal(segment(1))
    folder = LiveFolder(tmp_path / "live")
    with ingesting(settings_for(tmp_path, mosquitto_broker)), DeskLink(mosquitto_broker, desk) as link:
        wait_for(lambda: value(store, "select count(*) from units"))
        link.send_all()
        wait_for(lambda: (folder.facts() or {}).get("messages", {}).get("record") == 1)
        told = folder.facts()
    assert told is not None
    assert told["is_connected"] is True
    assert told["is_store_well"] is True
    assert told["lag_ms"]["p50"] >= 0
    assert told["beat_utc_ms"] >= told["started_utc_ms"]


def test_a_queue_that_is_full_takes_no_more_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is dropped and counted, heartbeats of one desk take one place, and the newest stays."""
    monkeypatch.setattr("hub.ingest.broker.MOST_QUEUED", 3)
    monkeypatch.setattr("hub.ingest.broker.FULL_WAIT_S", 0.0)
    link = Link(settings_for(tmp_path), lambda: 7)

    def arrive(topic: str, payload: bytes) -> None:
        from paho.mqtt.client import MQTTMessage

        message = MQTTMessage(mid=1, topic=topic.encode())
        message.payload = payload
        assert link._client.on_message is not None
        link._client.on_message(link._client, None, message)

    for number in range(5):
        arrive(wire.up_topic("c1.d1", "heartbeat"), str(number).encode())
        arrive(wire.up_topic("c1.d1", "record"), str(number).encode())
    assert [arrival.payload for arrival in link.take(10, 0)] == [b"0", b"1", b"2"]
    assert [arrival.payload for arrival in link.take_newest()] == [b"4"]
    assert link.dropped == 2
    assert link.waiting == 0
