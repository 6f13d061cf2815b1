"""A copied card shows: two machines that count on from the same number contradict each other; honest units never do."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agent import wire
from agent.wire import Status
from hub.core.identity import MOST_BIRTHS, Birth, Suspicion, remembered, suspect
from hub.ingest.commit import Arrival, Committer
from hub.store import Store, security
from tests.hub.desk import Desk
from tests.hub.hubs import rows, value

KEY = "ab" * 32


def status(boot: int, os_boot: str = "", machine: str = "", *, is_online: bool = True) -> Status:
    return Status(boot=boot, is_online=is_online, public_key=KEY, os_boot=os_boot, machine=machine)


def told(*words: Status, is_retained: bool = False) -> list[Suspicion]:
    """What is suspected when these words come in this order; only the last of them may be a retained one."""
    births: tuple[Birth, ...] = ()
    found = []
    for number, word in enumerate(words):
        suspicion = suspect(births, word, is_retained=is_retained and number == len(words) - 1)
        births = remembered(births, word)
        found += [suspicion] if suspicion else []
    return found


def kinds(*words: Status, is_retained: bool = False) -> list[str]:
    return [suspicion.kind for suspicion in told(*words, is_retained=is_retained)]


def test_two_machines_with_the_same_counter() -> None:
    """A card and its copy start once each: the same number, two machines; said each time either is heard again."""
    assert kinds(status(6, "x", "pi-1"), status(6, "y", "pi-2")) == ["two_machines"]
    assert kinds(status(6, "x", "pi-1"), status(6, "y", "pi-2"), status(6, "x", "pi-1")) == ["two_machines"] * 2
    (suspicion,) = told(status(6, "x1", "pi-1"), status(6, "y1", "pi-2"))
    assert suspicion.detail == "start 6 was said by machine pi-1 (power-on x1) and by machine pi-2 (power-on y1)"


def test_the_same_counter_after_another_power_on() -> None:
    """A card that is put back to an earlier state, in the same machine: the number was used already."""
    assert kinds(status(6, "x", "pi-1"), status(6, "y", "pi-1")) == ["two_machines"]


def test_a_counter_that_goes_back() -> None:
    """A copy that has started less often, each time it connects; a will or a kept word of it is none."""
    later = [status(5, "w", "pi-1"), status(9, "x", "pi-1")]
    assert kinds(*later, status(6, "y", "pi-2"), status(6, "y", "pi-2")) == ["boot_went_back"] * 2
    assert kinds(*later, status(6, "y", "pi-2", is_online=False)) == []
    assert kinds(*later, status(6, "y", "pi-2"), is_retained=True) == []
    assert kinds(*later, status(5, "w", "pi-1")) == []  # heard before: the broker handed it out again


def test_an_original_that_goes_on_beside_its_copy() -> None:
    """The copy starts once more than the original, which runs on and is sent away by the broker each time the copy
    connects: its next birth is one that was heard before, from another machine. From the same one it is an old
    word that is handed out again."""
    assert kinds(status(6, "x", "pi-1"), status(7, "y", "pi-2"), status(6, "x", "pi-1")) == ["two_machines"]
    assert kinds(status(6, "x", "pi-1"), status(7, "y", "pi-1"), status(6, "x", "pi-1")) == []
    assert kinds(status(6, "x", "pi-1"), status(7, "y", "pi-2"), status(6, "x", "pi-1"), is_retained=True) == []


def test_an_old_agent_or_a_new_one_on_the_same_card() -> None:
    """Texts that are missing contradict nothing; a counter that goes back does, whoever says it."""
    assert kinds(status(6), status(6), status(7, "x", "pi-1"), status(7)) == []
    assert kinds(status(6, "x", "pi-1"), status(7)) == []
    assert kinds(status(7), status(6)) == ["boot_went_back"]


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.booleans(), st.sampled_from(["pi-1", "pi-2"]), st.integers(0, 3)), max_size=30
    )
)
def test_an_honest_unit_is_never_suspected(starts: list[tuple[int, bool, str, int]]) -> None:
    """Restarts of agent and system, a card moved to another machine, wills, lost births, and births of the same machine
    heard again in any number: one card, one machine at a time, and no alarm."""
    boot, power_on, last = 0, 0, "pi-1"
    words: list[Status] = []
    for steps, is_new_system, machine, repeats in starts:
        boot += steps
        if is_new_system or machine != last:
            power_on += 1
            last = machine
        birth = status(boot, f"system-{power_on}", machine)
        words += [birth, *[status(boot, f"system-{power_on}", machine, is_online=False), birth] * repeats]
        words += [word for word in words[-MOST_BIRTHS // 2 :: 3] if word.machine == machine]
    assert told(*words) == []


def test_a_copied_card_is_noted_in_the_store(tmp_path: Path, store: Store) -> None:
    """Through the committer: one event with its count while nobody has looked, another one afterwards."""
    desk = Desk()
    committer = Committer(store, may_trust=True)

    def hear(boot: int, os_boot: str, machine: str) -> None:
        word = Status(boot=boot, is_online=True, public_key=desk.public_key, os_boot=os_boot, machine=machine)
        committer.commit([Arrival(wire.up_topic(desk.unit, "status"), wire.encode(word), 1_000)], 1_000)

    for number in range(20):
        hear(5 + number, f"x{number}", "pi-1")
    assert rows(store, "select * from security_events") == []
    for _ in range(3):
        hear(24, "y", "pi-2")
    events = rows(store, "select unit, kind, count from security_events")
    assert events == [{"unit": desk.unit, "kind": "two_machines", "count": 3}]
    assert value(store, "select machine from presence") == "pi-2"
    with store.write() as connection:
        connection.execute("update security_events set seen_utc_ms = 2, seen_by = 'technician'")
    hear(6, "z", "pi-3")
    hear(24, "x19", "pi-1")
    kinds_now = [row["kind"] for row in rows(store, "select kind from security_events order by event_id")]
    assert kinds_now == ["two_machines", "boot_went_back", "two_machines"]
    committer.close()


def test_an_event_is_counted_until_somebody_looks(store: Store) -> None:
    """The newest detail and time stand with the first time and the count; each kind and unit for itself."""
    with store.write() as connection:
        answers = [
            security.add_event(connection, "c1.d1", "two_machines", "first", 10),
            security.add_event(connection, "c1.d1", "two_machines", "second", 20),
            security.add_event(connection, "c1.d1", "boot_went_back", "other", 30),
            security.add_event(connection, "c1.d2", "two_machines", "d2", 40),
        ]
    assert answers == [True, False, True, True]
    first = rows(store, "select count, detail, first_utc_ms, last_utc_ms from security_events order by event_id")[0]
    assert first == {"count": 2, "detail": "second", "first_utc_ms": 10, "last_utc_ms": 20}
