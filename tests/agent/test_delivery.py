"""What is sent next, and again: order, pace, patience; and a wire that does its worst."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent.core.delivery import Delivery, Item, Pace


def items(boot: int, *numbers: int) -> list[Item]:
    return [Item(boot, number, False) for number in numbers]


def test_live_goes_before_backlog_each_in_order() -> None:
    """Live items are sent first and at once; the backlog follows in its order."""
    delivery = Delivery()
    delivery.reconnected(0)
    live, backlog = items(2, 7, 8), items(1, 1, 2, 3)
    assert delivery.next(0, live, backlog) == live + backlog
    assert delivery.next(1, live, backlog) == []


def test_still_follows_its_record() -> None:
    """Items sort in the order of sending: a still right after the record that carries its hash."""
    assert sorted([Item(1, 2, False), Item(1, 1, True), Item(1, 1, False)]) == [
        Item(1, 1, False),
        Item(1, 1, True),
        Item(1, 2, False),
    ]


def test_backlog_is_paced_and_live_is_not() -> None:
    """At most the window without receipt, at most the rate in a second; live items wait for neither."""
    delivery = Delivery(Pace(window=10, per_s=5))
    delivery.reconnected(0)
    spool = items(1, *range(1, 100))
    assert delivery.next(0, [], spool[:40]) == spool[:10]
    assert delivery.next(1000, [], spool[:40]) == []
    assert delivery.next(1000, [], spool[8:48]) == spool[10:15]
    assert delivery.wait_ms(1000) <= 50
    assert delivery.next(1000, many := items(2, *range(500)), spool[8:48]) == many
    assert delivery.next(1200, many, spool[8:48]) == spool[15:16]
    assert delivery.next(60_000, [], spool[38:78]) == spool[38:48]


def test_waits_grow_from_10_s_to_5_min_and_start_afresh_at_a_reconnect() -> None:
    """Without receipt an item is sent again after 10 s, 20 s, 40 s ... 300 s; a new connection sends it at once."""
    delivery = Delivery()
    delivery.reconnected(0)
    item, sent_ms = items(1, 1), []
    for now_ms in range(0, 2_000_000, 1000):
        if delivery.next(now_ms, item, []):
            sent_ms.append(now_ms // 1000)
    assert sent_ms == [0, 10, 30, 70, 150, 310, 610, 910, 1210, 1510, 1810]
    delivery.reconnected(2_000_000)
    assert delivery.next(2_000_000, item, []) == item
    assert delivery.next(2_009_999, item, []) == []
    assert delivery.wait_ms(2_009_900) == 100
    assert delivery.next(2_010_000, item, []) == item


def test_what_the_hub_cannot_take_does_not_keep_the_rest() -> None:
    """Items that stay without receipt lose their place in the window after three times."""
    delivery = Delivery(Pace(window=4, per_s=1000))
    delivery.reconnected(0)
    poison, good = items(1, 1, 2, 3, 4), items(1, 5, 6, 7)
    seen: set[Item] = set()
    for now_ms in range(0, 100_000, 500):
        page = (poison + good)[: delivery.page_size()]
        seen |= set(delivery.next(now_ms, [], page))
    assert seen == set(poison + good)


@pytest.mark.parametrize("now_ms", [0, 5, 10**15])
def test_idle_link_sleeps(now_ms: int) -> None:
    """With nothing on its way there is nothing to wait for but the longest wait."""
    delivery = Delivery()
    delivery.reconnected(now_ms)
    assert delivery.wait_ms(now_ms, 700) == 700


class WorstWire(RuleBasedStateMachine):
    """Spool and delivery on one side, a hub that commits on the other; between them messages and receipts are lost,
    doubled and swapped, and the connection breaks."""

    def __init__(self) -> None:
        super().__init__()
        self.delivery = Delivery(Pace(window=3, per_s=2, patience=2))
        self.now_ms = 0
        self.made: list[Item] = []
        self.spool: list[Item] = []
        self.live_from = 0
        self.flying: list[Item] = []
        self.receipts: list[Item] = []
        self.committed: list[Item] = []
        self.delivery.reconnected(0)

    @rule(has_still=st.booleans())
    def append(self, has_still: bool) -> None:
        seq = len(self.made) + 1
        new = [Item(1, seq, False)] + ([Item(1, seq, True)] if has_still else [])
        self.made += new
        self.spool += new

    @rule(step_ms=st.integers(0, 400_000))
    def let_time_pass(self, step_ms: int) -> None:
        self.now_ms += step_ms

    @rule()
    def send(self) -> None:
        page = self.delivery.page_size()
        live = [item for item in self.spool if item.seq >= self.live_from][:page]
        backlog = [item for item in self.spool if item.seq < self.live_from][:page]
        due = self.delivery.next(self.now_ms, live, backlog)
        assert len(due) == len(set(due))
        self.flying += due

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), fate=st.sampled_from(["arrives", "arrives twice", "is lost"]))
    def fly(self, data: Any, fate: str) -> None:
        item = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        for _ in range({"arrives": 1, "arrives twice": 2, "is lost": 0}[fate]):
            self.arrive(item)

    def arrive(self, item: Item) -> None:
        if item not in self.committed:
            self.committed.append(item)
        self.receipts.append(item)

    @precondition(lambda self: self.receipts)
    @rule(data=st.data(), is_lost=st.booleans())
    def answer(self, data: Any, is_lost: bool) -> None:
        item = self.receipts.pop(data.draw(st.integers(0, len(self.receipts) - 1)))
        if not is_lost and item in self.spool:
            self.spool.remove(item)

    @rule()
    def reconnect(self) -> None:
        self.flying.clear()
        self.receipts.clear()
        self.live_from = len(self.made) + 1
        self.delivery.reconnected(self.now_ms)

    @invariant()
    def nothing_is_forgotten_without_receipt(self) -> None:
        assert set(self.made) - set(self.spool) <= set(self.committed)

    def teardown(self) -> None:
        """When the wire is well again everything arrives, once in the hub's books, in a bounded number of rounds."""
        for _ in range(20 + 4 * len(self.made)):
            self.let_time_pass(300_000)
            self.send()
            while self.flying:
                self.arrive(self.flying.pop(0))
            for item in self.receipts:
                if item in self.spool:
                    self.spool.remove(item)
            self.receipts.clear()
        assert self.spool == []
        assert sorted(self.committed) == sorted(self.made)


TestWorstWire = WorstWire.TestCase
TestWorstWire.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
