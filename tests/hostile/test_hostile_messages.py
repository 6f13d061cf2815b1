"""Any bytes on any topic are kept as rejected with a reason, or refused by the broker; ingest lives on."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from agent import wire
from hub.ingest.commit import Arrival, Committer, StoreUnwell
from hub.store import Store, intake
from tests.brokers import Broker
from tests.hub.desk import Desk, DeskLink, alert, at, jpeg, segment
from tests.hub.hubs import ingesting, rows, settings_for, value
from tests.support import wait_for

NOW_MS = 1_900_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "hub.db")
    yield opened
    opened.close()


@pytest.fixture
def committer(store: Store) -> Iterator[Committer]:
    made = Committer(store, may_trust=True)
    yield made
    made.close()


def arrival(desk: Desk, kind: str, message: wire.Message | bytes) -> Arrival:
    payload = message if isinstance(message, bytes) else wire.encode(message)
    return Arrival(wire.up_topic(desk.unit, kind), payload, NOW_MS)


def hostile_payloads(desk: Desk, count: int) -> Iterator[bytes]:
    """Bytes of every bad kind, from a fixed seed: noise, cut and bent messages, deep and huge JSON, NaN, NUL."""
    chance = random.Random(7)
    good = wire.encode(desk.seal(alert("good")))
    fixed = [
        b"", b"\x00", b"null", b"[]", b"{}", b"NaN", b'"\xff\xfe"', b"[" * 50_000, b'{"header":' * 5_000,
        b'{"boot":1e999}', b'{"boot":' + b"9" * 4_000 + b"}", b'{"header":"\\ud800","body":"","signature":""}',
        b"\xff\xd8" * 100, b'{"boot":-1,"is_online":true,"public_key":""}', good + b"x", good[:-1], b" " * 65_536,
    ]  # fmt: skip
    yield from fixed
    for number in range(count - len(fixed)):
        match number % 4:
            case 0:
                yield chance.randbytes(chance.randrange(300))
            case 1:
                yield good[: chance.randrange(len(good))]
            case 2:
                bent = bytearray(good)
                bent[chance.randrange(len(bent))] ^= 1 << chance.randrange(8)
                yield bytes(bent)
            case _:
                value = {
                    "header": chance.random(),
                    "body": [None] * chance.randrange(9),
                    "boot": chance.randrange(2**70),
                }
                yield json.dumps(value).encode()


def test_a_flood_through_the_broker_harms_nobody(mosquitto_broker: Broker, tmp_path: Path, store: Store) -> None:
    """1,500 hostile messages on all topics between a good desk's records: every good record is receipted, the
    rejected are bounded and have reasons, and ingest runs on."""
    desk, villain = Desk(), Desk("c1.villain")
    payloads = list(hostile_payloads(villain, 1_500))
    kinds = [*wire.UP, "nonsense", "receipt"]
    with (
        ingesting(settings_for(tmp_path, mosquitto_broker)),
        DeskLink(mosquitto_broker, desk) as link,
        DeskLink(mosquitto_broker, villain) as hostile,
    ):
        wait_for(lambda: value(store, "select count(*) from units") == 2)
        for number, payload in enumerate(payloads):
            hostile.say_raw(wire.up_topic(villain.unit, kinds[number % len(kinds)]), payload, qos=number % 2)
            if number % 50 == 0:
                link.say("record", desk.seal(segment(number)))
        wait_for(link.is_done)
        link.say("record", desk.seal(segment(1)))
        wait_for(link.is_done)
    assert value(store, "select count(*) from records where unit = ?", desk.unit) == len(desk.records)
    assert 0 < value(store, "select count(*) from rejected") <= intake.MOST_REJECTED
    assert value(store, "select count(*) from rejected where reason = ''") == 0


def test_rejected_stay_bounded_and_cost_one_commit_a_group(store: Store, committer: Committer) -> None:
    """10,000 hostile messages in ten groups: ten commits, the newest 1,000 kept with their first bytes."""
    desk = Desk()
    commits = 0

    def count(statement: str) -> None:
        nonlocal commits
        commits += statement.lower().startswith("commit")

    with store.read() as connection:
        connection.set_trace_callback(count)
    payloads = list(hostile_payloads(desk, 10_000))
    for first in range(0, 10_000, 1_000):
        committer.commit([arrival(desk, "heartbeat", payload) for payload in payloads[first : first + 1_000]], NOW_MS)
    assert commits == 10
    assert value(store, "select count(*) from rejected") == 1_000
    assert value(store, "select max(length(payload)) from rejected") <= 1_024


def test_a_poisonous_message_does_not_take_its_neighbours_along(
    store: Store, committer: Committer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that passes every check and still cannot be written is rejected with the reason; the others of its
    group are kept, in one commit."""
    desk = Desk()
    group = [arrival(desk, "status", desk.status())]
    group += [arrival(desk, "record", desk.seal(segment(number))) for number in range(20)]
    true_save = intake.save_segments

    def save(connection: sqlite3.Connection, closed: Iterable[tuple[wire.Header, wire.SegmentClosed]]) -> None:
        listed = list(closed)
        if any(header.seq == 7 for header, _ in listed):
            raise ValueError("poison")
        true_save(connection, listed)

    monkeypatch.setattr(intake, "save_segments", save)
    outcome = committer.commit(group, NOW_MS)
    assert sorted(seq for _, seq in outcome.receipts[desk.unit].records) == [n for n in range(1, 21) if n != 7]
    assert value(store, "select count(*) from records") == 19
    assert [row["reason"] for row in rows(store, "select reason from rejected")] == ["cannot be kept: poison"]


def test_what_a_text_column_cannot_hold_is_rejected(store: Store, committer: Committer) -> None:
    """NULs, surrogates and the longest labels are kept or rejected, never fatal."""
    desk = Desk()
    bodies = [alert("a\x00b"), alert("a\U0010ffff"), alert("x" * 200), alert("\u202e")]
    committer.commit([arrival(desk, "status", desk.status())], NOW_MS)
    outcome = committer.commit([arrival(desk, "record", desk.seal(body)) for body in bodies], NOW_MS)
    kept = value(store, "select count(*) from records")
    assert kept + outcome.rejected == len(bodies)
    assert committer.commit([Arrival("ems/1/\ud800/up/record", b"x", NOW_MS)], NOW_MS).rejected == 1


def test_another_record_under_the_same_name_is_a_conflict(store: Store, committer: Committer) -> None:
    """It is kept beside, once however often it comes, never over the first, and gets no receipt."""
    desk = Desk()
    first = desk.seal(segment(1))
    second = desk.seal(segment(2), seq=1, prev=wire.GENESIS)
    committer.commit([arrival(desk, "status", desk.status()), arrival(desk, "record", first)], NOW_MS)
    for _ in range(3):
        outcome = committer.commit([arrival(desk, "record", second)], NOW_MS)
        assert not outcome.receipts
        assert outcome.conflicts == 1
    assert value(store, "select hash from records") == first.hash
    kept = rows(store, "select * from conflicts")
    (event,) = rows(store, "select kind, detail from security_events")
    assert event["kind"] == "contradicts_itself"
    assert "record 1/1" in event["detail"]
    assert [(row["boot"], row["seq"], row["payload"]) for row in kept] == [(1, 1, wire.encode(second))]


def test_a_second_key_is_a_conflict_and_changes_nothing(store: Store, committer: Committer) -> None:
    """Nobody takes over a known unit's name; its presence stays what it was."""
    desk, thief = Desk(), Desk()
    committer.commit([arrival(desk, "status", desk.status())], NOW_MS)
    committer.commit([arrival(thief, "status", thief.status(is_online=False))], NOW_MS)
    assert value(store, "select public_key from units") == desk.public_key
    assert value(store, "select is_online from presence") == 1
    assert value(store, "select reason from conflicts") == "another key for a known unit"
    assert value(store, "select kind from security_events") == "contradicts_itself"


def test_conflicts_of_one_unit_are_bounded_and_the_first_ones_stay(store: Store) -> None:
    """A flood of them pushes out neither how it began nor what happened to others."""
    with store.write() as connection:
        for number in range(300):
            intake.add_conflict(connection, "c1.d1", 1, number, "why", str(number).encode(), NOW_MS)
        intake.add_conflict(connection, "c1.d2", 1, 1, "why", b"other", NOW_MS)
    assert value(store, "select count(*) from conflicts where unit = 'c1.d1'") == intake.MOST_CONFLICTS_OF_UNIT
    assert value(store, "select min(seq) from conflicts where unit = 'c1.d1'") == 0
    assert value(store, "select count(*) from conflicts where unit = 'c1.d2'") == 1


def test_a_revoked_unit_is_cut_off(store: Store, committer: Committer) -> None:
    """After the revocation nothing of it is kept, its live picture least of all."""
    desk = Desk()
    committer.commit([arrival(desk, "status", desk.status())], NOW_MS)
    with store.write() as connection:
        connection.execute("update units set is_revoked = 1")
    committer.refresh()
    group = [arrival(desk, "record", desk.seal(segment(1))), arrival(desk, "still", desk.still(jpeg()))]
    outcome = committer.commit(group, NOW_MS)
    assert (outcome.rejected, outcome.receipts, outcome.live) == (2, {}, {})


def test_a_full_disk_blames_no_message(store: Store, committer: Committer) -> None:
    """While the store cannot grow nothing is kept, receipted or rejected; with room again all of the group is."""
    desk = Desk()
    committer.commit([arrival(desk, "status", desk.status())], NOW_MS)
    with store.read() as connection:
        pages = connection.execute("pragma page_count").fetchone()[0]
    with store.write() as connection:
        connection.execute(f"pragma max_page_count = {pages}")
    group = [arrival(desk, "record", desk.seal(segment(number))) for number in range(200)]
    with pytest.raises(StoreUnwell, match="full"):
        committer.commit(group, NOW_MS)
    assert value(store, "select count(*) from records") == 0
    with store.write() as connection:
        connection.execute("pragma max_page_count = 1000000")
    outcome = committer.commit(group, NOW_MS)
    assert len(outcome.receipts[desk.unit].records) == 200
    assert outcome.rejected == 0


def test_a_later_versions_record_is_kept_whole(store: Store, committer: Committer) -> None:
    """A kind that this hub does not know, and fields it does not know, are kept as they came and receipted."""
    desk = Desk()
    body_text = json.dumps({"kind": "levitation", "height_m": 2, "more": {"deep": [1, 2]}})
    header = {
        "unit": desk.unit, "boot": 1, "seq": 1, "kind": "levitation", "utc_ms": at(1).utc_ms, "up_ms": 1,
        "is_clock_ok": True, "body_sha256": wire.sha256_hex(body_text.encode()), "prev": wire.GENESIS, "tomorrow": 1,
    }  # fmt: skip
    header_text = json.dumps(header)
    signature = desk.key.sign(b"ems-record-v1\n" + header_text.encode()).hex()
    payload = msgspec.json.encode({"header": header_text, "body": body_text, "signature": signature})
    outcome = committer.commit([arrival(desk, "status", desk.status()), arrival(desk, "record", payload)], NOW_MS)
    assert outcome.receipts[desk.unit].records == [(1, 1)]
    assert rows(store, "select kind, body, header from records") == [
        {"kind": "levitation", "body": body_text, "header": header_text}
    ]
