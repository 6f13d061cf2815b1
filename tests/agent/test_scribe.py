"""The one thread that appends records, over the real records and over a card that does what a test says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.records import Records
from agent.scribe import Scribe
from agent.wire import Body, ClockStep, Head, Instant, Record, sha256_hex
from tests.contract.desk_side import SMALL_STILL, alert
from tests.support import wait_for

NOW = Instant(1_800_000_000_000, 5_000)


def step(number: int) -> ClockStep:
    return ClockStep(step_ms=number, is_synced=True)


class Card:
    """Records on a card that hangs, refuses or breaks on demand."""

    def __init__(self) -> None:
        self.trouble: str | None = None
        self.bodies: list[Body] = []
        self.retries = 0
        self.may_go = threading.Event()
        self.may_go.set()
        self.error: Exception | None = None

    def append(self, body: Body, now: Instant, is_clock_ok: bool, still: bytes | None = None) -> Record:
        self.may_go.wait()
        if self.error is not None:
            raise self.error
        self.bodies.append(body)
        return None  # type: ignore[return-value]  # nobody looks at it

    def retry(self) -> bool:
        self.retries += 1
        return True

    def depth(self) -> int:
        return len(self.bodies)

    def head(self) -> Head | None:
        return None


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with Records(tmp_path, "hall.desk-01") as made:
        yield made


@pytest.fixture
def card() -> Card:
    return Card()


@pytest.fixture
def scribe(card: Card) -> Iterator[Scribe]:
    made = Scribe(card, lambda: None)
    made.start()
    yield made
    card.may_go.set()
    card.error = None
    assert made.stop(10)
    assert not made.is_alive()


def test_what_is_put_is_recorded_in_order_with_its_own_moment(records: Records) -> None:
    """The time of a record is the time of what happened, not that of the card; each wakes the link."""
    told: list[int] = []
    scribe = Scribe(records, lambda: told.append(1))
    scribe.start()
    for number in range(20):
        scribe.put(step(number), Instant(NOW.utc_ms + number, number), number % 2 == 0)
    assert scribe.stop(30)
    items = records.pending(100)
    made = [message for item in items if isinstance(message := records.message(item), Record)]
    assert [record.body for record in made] == [step(number) for number in range(20)]
    assert [record.header.up_ms for record in made] == list(range(20))
    assert [record.header.is_clock_ok for record in made] == [True, False] * 10
    assert len(told) == 20
    assert records.verify() == []


def test_a_still_goes_with_its_alert(records: Records) -> None:
    """Picture and record reach the card together."""
    scribe = Scribe(records, lambda: None)
    scribe.start()
    scribe.put(alert(SMALL_STILL), NOW, True, SMALL_STILL)
    assert scribe.stop(30)
    assert [item.is_still for item in records.pending(10)] == [False, True]


def test_depth_and_head_follow_the_records(records: Records) -> None:
    """The heartbeat reads them here, where nobody waits for the card."""
    scribe = Scribe(records, lambda: None)
    assert (scribe.depth, scribe.head) == (0, None)
    scribe.start()
    scribe.put(step(1), NOW, True)
    scribe.put(step(2), NOW, True)
    assert scribe.stop(30)
    assert scribe.depth == 2
    assert scribe.head == records.head()


def test_nobody_waits_for_a_card_that_hangs(card: Card, scribe: Scribe) -> None:
    """`put` and `do` return at once, `flush` and `stop` say in time that the card has not taken it; when it goes on,
    nothing is missing."""
    card.may_go.clear()
    for number in range(1000):
        scribe.put(step(number), NOW, True)
    done = threading.Event()
    scribe.do(done.set)
    assert not scribe.flush(0.01)
    assert not scribe.stop(0.01)
    assert scribe.is_alive()
    assert not done.is_set()
    assert scribe.depth == 0
    card.may_go.set()
    assert scribe.stop(30)
    assert card.bodies == [step(number) for number in range(1000)]
    assert done.is_set()


def test_flush_waits_for_what_was_put_before(card: Card, scribe: Scribe) -> None:
    """When it returns True, the card has it."""
    scribe.put(step(1), NOW, True)
    assert scribe.flush(30)
    assert card.bodies == [step(1)]


def test_other_writes_keep_their_place(card: Card, scribe: Scribe) -> None:
    """What `do` is given happens between the records it was put between."""
    counts: list[int] = []
    scribe.put(step(1), NOW, True)
    scribe.do(lambda: counts.append(len(card.bodies)))
    scribe.put(step(2), NOW, True)
    scribe.do(lambda: counts.append(len(card.bodies)))
    assert scribe.flush(30)
    assert counts == [1, 2]


@pytest.mark.parametrize("error", [ValueError("refused"), OverflowError("too large"), RuntimeError("unforeseen")])
def test_a_record_that_fails_costs_only_itself(card: Card, scribe: Scribe, error: Exception) -> None:
    """Whatever one record does, the thread that records all others lives on."""
    card.error = error
    scribe.put(step(1), NOW, True)
    assert scribe.flush(30)
    card.error = None
    scribe.put(step(2), NOW, True)
    assert scribe.flush(30)
    assert card.bodies == [step(2)]
    assert scribe.is_alive()


def test_a_body_that_the_language_refuses_is_left_out(records: Records) -> None:
    """A still that is not the alert's, a field out of its range: the next record follows on the last good one."""
    scribe = Scribe(records, lambda: None)
    scribe.start()
    scribe.put(step(1), NOW, True)
    scribe.put(alert(SMALL_STILL), NOW, True, SMALL_STILL + b"x")
    scribe.put(ClockStep(step_ms=2**60, is_synced=True), NOW, True)
    scribe.put(step(2), NOW, True)
    assert scribe.stop(30)
    assert [item.seq for item in records.pending(10)] == [1, 2]
    assert records.verify() == []
    assert sha256_hex(SMALL_STILL) != sha256_hex(SMALL_STILL + b"x")


@pytest.mark.parametrize(("trouble", "is_tried"), [(None, False), ("the card cannot be written", True)])
def test_a_card_in_trouble_is_tried_again_while_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, card: Card, trouble: str | None, is_tried: bool
) -> None:
    """What waits in memory reaches the card without a new record; a healthy card is left in peace."""
    monkeypatch.setattr("agent.scribe.RETRY_S", 0.01)
    card.trouble = trouble
    rounds: list[int] = []

    def depth() -> int:
        rounds.append(1)
        return 0

    monkeypatch.setattr(card, "depth", depth)
    scribe = Scribe(card, lambda: None)
    scribe.start()
    wait_for(lambda: len(rounds) >= 3)
    assert scribe.stop(10)
    assert (card.retries > 0) is is_tried
