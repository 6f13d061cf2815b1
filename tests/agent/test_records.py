"""The desk's database: chain, spool, stills, segments, plan; through kill -9, restarts and damage."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from agent import wire
from agent.core.delivery import Item
from agent.records import Previous, Records, RecordsError
from agent.records_rows import Restored
from agent.unit_key import load_key
from tests.support import wait_for

UNIT = "hall.desk-01"
NOW = wire.Instant(1_760_000_000_000, 5_000)
JPEG = b"\xff\xd8" + bytes(range(256)) + b"\xff\xd9"
REPOSITORY = Path(__file__).parents[2]


def fault(number: int = 1, detail: str = "") -> wire.Fault:
    return wire.Fault(
        fault=f"f{number}",
        fault_kind=wire.FaultKind.CAMERA_LOST,
        state="raised",
        began=NOW,
        raised=NOW,
        detail=detail,
    )


def restart(*, is_chain_new: bool) -> wire.Restart:
    return wire.Restart(os_boot="b", previous_boot=1, is_clean=False, software="test", is_chain_new=is_chain_new)


def alert(still: bytes | None = None) -> wire.Alert:
    return wire.Alert(
        alert="a1",
        alert_kind=wire.AlertKind.SEAT_EMPTY,
        state="raised",
        sitting="maths-1",
        seat="A1",
        began=NOW,
        raised=NOW,
        rule=wire.DEFAULT_RULES[0],
        still_sha256=wire.sha256_hex(still) if still else None,
    )


def segment(name: str = "s1.ts", sitting: str = "maths-1") -> wire.SegmentClosed:
    return wire.SegmentClosed(
        sitting=sitting,
        name=name,
        began=NOW,
        ended=wire.Instant(NOW.utc_ms + 10_000, NOW.up_ms + 10_000),
        frames=150,
        size_bytes=1_900_000,
        sha256="ab" * 32,
    )


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with Records(tmp_path, UNIT) as opened:
        yield opened


def test_chain_links_signs_and_counts(records: Records) -> None:
    """Each record carries its number and the hash of the one before, and the unit's signature; the first has none
    before it."""
    made = [records.append(fault(n), NOW, True) for n in range(5)]
    assert [record.key for record in made] == [(UNIT, 1, n + 1) for n in range(5)]
    assert [record.header.prev for record in made] == [wire.GENESIS, *(record.hash for record in made[:-1])]
    assert all(wire.is_signed_by(record, records.public_key) and record.header.is_durable for record in made)
    head = records.head()
    assert head is not None
    assert (head.boot, head.seq, head.hash) == (1, 5, made[-1].hash)
    assert wire.is_head_signed_by(head, records.public_key)
    assert records.verify() == []
    assert records.trouble is None


def test_next_start_continues_the_chain(tmp_path: Path) -> None:
    """A restart keeps key, chain and spool, raises the boot counter and knows how the run before it ended."""
    with Records(tmp_path, UNIT) as first:
        assert first.previous == Previous(0, False)
        key, last = first.public_key, first.append(fault(), NOW, True)
        first.stop_cleanly()
    with Records(tmp_path, UNIT) as second:
        assert (second.boot, second.previous, second.public_key) == (2, Previous(1, True), key)
        record = second.append(fault(2), NOW, False)
        assert (record.key, record.header.prev) == ((UNIT, 2, 1), last.hash)
        assert second.pending(10) == [Item(1, 1, False), Item(2, 1, False)]
    with Records(tmp_path, UNIT) as third:
        assert (third.boot, third.previous) == (3, Previous(2, False))
        assert third.verify() == []


def test_receipt_forgets_exactly_what_it_names(records: Records) -> None:
    """A receipt takes its records and stills out of the spool and nothing else; unknown names and repeats harm
    nobody."""
    records.append(fault(), NOW, True)
    records.append(alert(JPEG), NOW, True, JPEG)
    assert records.pending(9) == [Item(1, 1, False), Item(1, 2, False), Item(1, 2, True)]
    assert records.depth() == 2
    receipt = wire.Receipt(records=((1, 2), (1, 99), (7, 1)), stills=("0" * 64,))
    records.receipt(receipt, NOW)
    records.receipt(receipt, NOW)
    assert records.pending(9) == [Item(1, 1, False), Item(1, 2, True)]
    records.receipt(wire.Receipt(records=((1, 1),), stills=(wire.sha256_hex(JPEG),)), NOW)
    assert records.pending(9) == []
    assert records.depth() == 0


def test_messages_come_back_as_they_were_sealed(records: Records) -> None:
    """What the spool hands out is byte for byte what append sealed, and the still names its record."""
    record = records.append(alert(JPEG), NOW, True, JPEG)
    assert records.message(Item(1, 1, False)) == record
    still = records.message(Item(1, 1, True))
    assert isinstance(still, wire.Still)
    assert still == wire.decode_up("evidence", wire.encode(still))
    assert (still.jpeg, still.note.boot, still.note.seq, still.note.at) == (JPEG, 1, 1, NOW)
    assert records.message(Item(1, 2, False)) is None
    assert records.message(Item(5, 1, True)) is None


def test_pending_is_split_at_a_key(records: Records) -> None:
    """`first` is inclusive, `before` exclusive, the limit holds, and `live_from` finds this run's first young
    record."""
    for n in range(6):
        records.append(fault(n), wire.Instant(NOW.utc_ms, n * 1000), True)
    assert records.pending(2) == [Item(1, 1, False), Item(1, 2, False)]
    assert records.live_from(3000) == (1, 4)
    assert records.live_from(99_000) == (1, 7)
    assert [item.seq for item in records.pending(9, first=(1, 4))] == [4, 5, 6]
    assert [item.seq for item in records.pending(9, before=(1, 4))] == [1, 2, 3]


def test_wrong_bodies_are_refused_and_leave_no_trace(records: Records) -> None:
    """A still that is not the one the alert names, and a body the hub would refuse, raise and take no number."""
    for body, still in ((alert(JPEG), b"\xff\xd8other"), (fault(), JPEG), (alert(), JPEG)):
        with pytest.raises(ValueError, match="hash"):
            records.append(body, NOW, True, still)
    with pytest.raises(wire.BadMessage):
        records.append(fault(detail="x" * 2001), NOW, True)
    big = b"\xff\xd8" + b"x" * wire.MAX_MESSAGE_BYTES
    with pytest.raises(wire.BadMessage):
        records.append(alert(big), NOW, True, big)
    assert records.append(fault(), NOW, True).header.seq == 1


def test_segment_list_follows_the_records(records: Records) -> None:
    """A segment_closed record makes its row; rows are found by sitting and state and moved on by name."""
    for name, sitting in (("a.ts", "maths-1"), ("b.ts", "maths-1"), ("c.ts", "art-2")):
        records.append(segment(name, sitting), NOW, True)
    records.set_segment_state("a.ts", "uploaded")
    assert [(row.closed.name, row.state) for row in records.segments("maths-1")] == [
        ("a.ts", "uploaded"),
        ("b.ts", "kept"),
    ]
    assert [row.closed.name for row in records.segments(state="kept")] == ["b.ts", "c.ts"]
    assert records.segments("art-2")[0].closed == segment("c.ts", "art-2")
    with pytest.raises(ValueError, match="no segment is"):
        records.set_segment_state("a.ts", "lost")


def test_plan_and_sitting_survive_and_only_newer_plans_count(tmp_path: Path) -> None:
    """The newest plan and the current sitting are there after a restart; an older or equal plan changes nothing."""
    sitting = wire.PlannedSitting(sitting="maths-1", exam="Maths", room="A", seat="A1", start_utc_ms=1, end_utc_ms=2)
    newer, older = wire.Plan(number=5, sittings=(sitting,)), wire.Plan(number=4)
    with Records(tmp_path, UNIT) as records:
        assert records.plan() is None
        told = [wire.encode(plan) for plan in (newer, older, wire.Plan(number=5))]
        assert [records.save_plan(payload) for payload in told] == [True, False, False]
        records.set_sitting("maths-1")
    with Records(tmp_path, UNIT) as records:
        assert (records.plan(), records.sitting()) == (newer, "maths-1")
        records.set_sitting("")
    with Records(tmp_path, UNIT) as records:
        assert records.sitting() == ""


def test_key_is_private_and_never_in_the_database(records: Records, tmp_path: Path) -> None:
    """The key has a file of its own that only its owner can read."""
    assert (tmp_path / "unit.key").stat().st_mode & 0o777 == 0o600
    records.append(fault(), NOW, True)
    secret = (tmp_path / "unit.key").read_text().splitlines()[1].encode()
    assert all(secret not in path.read_bytes() for path in tmp_path.glob("records.db*"))


def test_folder_of_another_unit_or_without_key_is_refused(tmp_path: Path) -> None:
    """One line says what is wrong, and nothing is written: another unit's folder, a lost key, a newer schema."""
    with Records(tmp_path, UNIT) as records:
        records.append(fault(), NOW, True)
    with pytest.raises(RecordsError, match=r"belongs to the desk unit 'hall\.desk-01'"):
        Records(tmp_path, "hall.desk-02")
    key = (tmp_path / "unit.key").read_bytes()
    (tmp_path / "unit.key").unlink()
    with pytest.raises(RecordsError, match="enrol this unit anew"):
        Records(tmp_path, UNIT)
    (tmp_path / "unit.key").write_bytes(b"garbage")
    with pytest.raises(RecordsError, match="not a key"):
        Records(tmp_path, UNIT)
    (tmp_path / "unit.key").write_bytes(key)
    database = sqlite3.connect(tmp_path / "records.db")
    database.execute("PRAGMA user_version = 2")
    database.close()
    with pytest.raises(RecordsError, match="newer version"):
        Records(tmp_path, UNIT)


def test_broken_database_is_put_aside_and_the_counter_still_rises(tmp_path: Path) -> None:
    """A database full of rubbish does not stop the desk: it is kept under another name, what can be read of it goes
    on, and no (boot, seq) can come twice."""
    with Records(tmp_path, UNIT) as records:
        records.append(fault(), NOW, True)
    (tmp_path / "records.db").write_bytes(b"\0" * 8192)
    with Records(tmp_path, UNIT) as records:
        assert records.damaged is not None
        assert records.damaged.read_bytes() == b"\0" * 8192
        assert records.append(fault(), NOW, True).key == (UNIT, 2, 1)
        assert records.verify() == []


@pytest.mark.parametrize("how", ["gone", "rubbish"])
def test_lost_records_begin_a_new_chain_that_says_so(tmp_path: Path, how: str) -> None:
    """The start says that it does, its record is the first of a chain, and `verify` names it without calling it
    damage; a start that lost nothing says nothing, and one without that word is out of its place."""
    with Records(tmp_path, UNIT) as records:
        assert not records.is_chain_new
        records.append(fault(), NOW, True)
    with Records(tmp_path, UNIT) as records:
        assert not records.is_chain_new
        before = [records.append(fault(n), NOW, True) for n in range(3)]
    if how == "gone":
        (tmp_path / "records.db").unlink()
    else:
        (tmp_path / "records.db").write_bytes(b"\0" * 8192)
    with Records(tmp_path, UNIT) as records:
        assert records.is_chain_new
        assert (records.boot, records.previous.boot) == (3, 2)
        first = records.append(restart(is_chain_new=True), NOW, True)
        assert first.header.prev == wire.GENESIS
        records.append(fault(), NOW, True)
        assert records.lost_before() == 3
        assert records.restore([Restored(record, False) for record in before], {}, NOW)
        # the first start's record is missing still, and that is a fault; the new chain is none
        assert records.verify() == ["record 2/1: does not follow on the record before it"]
        assert records.beginnings() == ["record 3/1: the chain begins anew, the records before were lost or damaged"]
    with Records(tmp_path, UNIT) as records:
        assert (records.is_chain_new, records.lost_before()) == (False, 3)


def test_the_plan_outlives_the_records(tmp_path: Path) -> None:
    """It lies beside the key too: a desk that lost its records in the middle of a sitting records on, and at the start
    after that; a newer plan takes its place. What lies there beside whole records counts for nothing."""
    with Records(tmp_path, UNIT) as records:
        records.append(fault(), NOW, True)
        records.save_plan(wire.encode(wire.Plan(number=4)))
        records.save_plan(wire.encode(wire.Plan(number=3)))
    (tmp_path / "records.db").unlink()
    for _ in range(2):
        with Records(tmp_path, UNIT) as records:
            assert records.plan() == wire.Plan(number=4)
    with Records(tmp_path, UNIT) as records:
        (tmp_path / "unit.plan").write_bytes(wire.encode(wire.Plan(number=9)))
        assert records.save_plan(wire.encode(wire.Plan(number=5)))
        (tmp_path / "unit.plan").write_bytes(b"rubbish")
    with Records(tmp_path, UNIT) as records:
        assert records.plan() == wire.Plan(number=5)
    (tmp_path / "records.db").unlink()
    with Records(tmp_path, UNIT) as records:
        assert records.plan() is None


def test_a_first_start_begins_no_new_chain(tmp_path: Path) -> None:
    """A unit that was enrolled has its key, and never had records."""
    load_key(tmp_path / "unit.key", may_make=True)
    with Records(tmp_path, UNIT) as records:
        assert (records.is_chain_new, records.lost_before()) == (False, 0)


def test_records_that_come_back_are_what_they_were(tmp_path: Path) -> None:
    """As delivered, in their place, once, however often they come; another unit's, or a changed one, is refused as a
    page; the chain goes on behind them, and what still waits for the hub waits."""
    with Records(tmp_path, UNIT) as records:
        made = [records.append(fault(n), NOW, True) for n in range(3)]
    (tmp_path / "records.db").unlink()
    with Records(tmp_path, UNIT) as records:
        made.append(records.append(restart(is_chain_new=True), NOW, True))
        page = [Restored(record, False) for record in made]
        for _ in range(2):
            assert records.restore(page, {}, NOW)
        assert records.verify() == []
        assert records.pending(10) == []
        waiting = records.append(fault(9), NOW, True)
        assert records.restore(page, {}, NOW)
        assert records.pending(10) == [Item(2, 2, False)]
        assert records.head() is not None
        assert records.head().hash == waiting.hash  # type: ignore[union-attr]
        with Records(tmp_path / "other", UNIT) as stranger, pytest.raises(ValueError, match="not signed by this unit"):
            stranger.restore(page, {}, NOW)
    with Records(tmp_path, UNIT) as records:
        record = records.append(fault(10), NOW, True)
        assert record.header.prev == waiting.hash


def test_segments_that_come_back(tmp_path: Path) -> None:
    """Stored and on the card: confirmed. Stored and gone: freed. Not stored, on the card: waits. Not stored and gone:
    in no list of what could be sent. Told again after the loss: keeps its newer record, and is confirmed if the file is
    the one that the hub has."""
    names = ["here.ts", "freed.ts", "waits.ts", "lost.ts", "again.ts", "changed.ts", "other-size.ts"]
    with Records(tmp_path, UNIT) as records:
        made = [records.append(segment(name), NOW, True) for name in names]
    (tmp_path / "records.db").unlink()
    with Records(tmp_path, UNIT) as records:
        records.append(restart(is_chain_new=True), NOW, True)
        records.append(segment("again.ts"), NOW, True)
        records.append(msgspec.structs.replace(segment("changed.ts"), sha256="f" * 64), NOW, True)
        is_stored = {"here.ts", "freed.ts", "again.ts", "changed.ts"}
        size = segment().size_bytes
        on_card = dict.fromkeys(["here.ts", "waits.ts", "again.ts", "changed.ts"], size) | {"other-size.ts": size + 1}
        page = [Restored(record, record.body.name in is_stored) for record in made]  # type: ignore[union-attr]
        assert records.restore(page, on_card, NOW)
        listed = {row.closed.name: (row.state, row.boot) for row in records.segments()}
        assert listed == {
            "here.ts": ("uploaded", 1),
            "freed.ts": ("freed", 1),
            "waits.ts": ("kept", 1),
            "again.ts": ("uploaded", 2),
            "changed.ts": ("kept", 2),
        }


@pytest.mark.parametrize("chance", [random.Random(n) for n in range(6)])
def test_readable_rows_of_a_broken_database_go_on(tmp_path: Path, chance: random.Random) -> None:
    """One page in the middle of the file is rubbish: plan and sitting are known, what can be read is still to be
    delivered as it was sealed, and `verify` says where records are lost."""
    with Records(tmp_path, UNIT) as records:
        records.save_plan(wire.encode(wire.Plan(number=3)))
        records.set_sitting("maths-1")
        made = {records.append(fault(n, "x" * 500), NOW, True) for n in range(200)}
    pages = (tmp_path / "records.db").stat().st_size // 4096
    with (tmp_path / "records.db").open("r+b") as file:
        file.seek(4096 * chance.randrange(pages // 2, pages - 10))
        file.write(chance.randbytes(4096))
    with Records(tmp_path, UNIT) as records:
        assert records.damaged is not None
        assert (records.boot, records.sitting(), records.plan()) == (2, "maths-1", wire.Plan(number=3))
        kept = {records.message(item) for item in records.pending(1000)}
        assert len(kept) > 100
        assert kept <= made
        assert records.append(restart(is_chain_new=records.is_chain_new), NOW, True).header.is_durable
        assert (records.verify() == []) == (kept == made)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE records SET body = replace(body, 'f2', 'f9') WHERE seq = 2", "record 1/2: the body is not"),
        ("UPDATE records SET header = replace(header, '5000', '5001') WHERE seq = 2", "record 1/2: the row is not"),
        ("DELETE FROM records WHERE seq = 2", "record 1/3: the record before it is missing"),
        ("UPDATE records SET seq = seq + 10 WHERE seq > 1", "record 1/12: the record before it is missing"),
        (
            "UPDATE records SET signature = substr(signature, 2) || 0 WHERE seq = 3",
            "record 1/3: not signed",
        ),
        ("UPDATE records SET hash = substr(hash, 2) || substr(hash, 1, 1) WHERE seq = 1", "record 1/1: the row is not"),
    ],
)
def test_verify_names_the_first_broken_record(records: Records, tmp_path: Path, change: str, words: str) -> None:
    """Any change by hand is named with the record it touched."""
    for n in (1, 2, 3):
        records.append(fault(n), NOW, True)
    database = sqlite3.connect(tmp_path / "records.db")
    with database:
        database.execute(change)
    database.close()
    assert records.verify()[0].startswith(words)


def test_rotten_row_is_passed_over(records: Records, tmp_path: Path) -> None:
    """A row that is no record any more gives no message and stops nobody; the others are delivered."""
    for n in (1, 2, 3):
        records.append(fault(n), NOW, True)
    database = sqlite3.connect(tmp_path / "records.db")
    with database:
        database.execute("UPDATE records SET body = 'rot' WHERE seq = 2")
    database.close()
    assert [records.message(item) is None for item in records.pending(9)] == [False, True, False]
    assert [body.fault for body in records.unfinished() if isinstance(body, wire.Fault)] == ["f1", "f3"]


def test_threads_share_one_chain(records: Records) -> None:
    """Appends from many threads get distinct numbers in one whole chain."""
    threads = [
        threading.Thread(target=lambda: [records.append(fault(n), NOW, True) for n in range(20)]) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert records.depth() == 120
    assert [item.seq for item in records.pending(200)] == list(range(1, 121))
    assert records.verify() == []


WRITER = """
import sys
from pathlib import Path
from agent import wire
from agent.records import Records
from tests.agent.test_records import JPEG, NOW, UNIT, alert, fault, segment

records = Records(Path(sys.argv[1]), UNIT)
print("boot", records.boot, flush=True)
for number in range(1_000_000):
    film = segment(f"{records.boot}-{number}.ts")
    body, still = ((fault(number), None), (alert(JPEG), JPEG), (film, None))[number % 3]
    record = records.append(body, NOW, True, still)
    print("done", record.header.boot, record.header.seq, record.hash, flush=True)
"""


def test_kill_at_any_moment_loses_nothing_that_append_returned(tmp_path: Path) -> None:
    """kill -9 between any two steps, the first start included: the chain is whole, every appended record is there
    and waits for its receipt, boots rise, and no number is missing."""
    promised: dict[tuple[int, int], str] = {}
    boots: list[int] = []
    chance = random.Random(20)
    for _ in range(25):
        limit = chance.choice([0, 0, 1, 2, 5, 9, 14])
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        pause = threading.Event()
        with process.stdout:
            if limit == 0:  # somewhere in the start itself
                wait_for(lambda: (tmp_path / "unit.key.part").exists() or (tmp_path / "unit.key").exists())
                pause.wait(chance.uniform(0, 0.02))
                os.kill(process.pid, signal.SIGKILL)
            for line in process.stdout:
                word, *rest = line.split()
                if word == "boot":
                    boots.append(int(rest[0]))
                elif len(rest) == 3:
                    promised[int(rest[0]), int(rest[1])] = rest[2]
                    if int(rest[1]) >= limit:
                        pause.wait(chance.uniform(0, 0.01))
                        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert boots == sorted(set(boots))
    assert len(promised) > 50
    with Records(tmp_path, UNIT) as records:
        assert records.boot > boots[-1]
        assert records.verify() == []
        assert records.trouble is None
        waiting = {(item.boot, item.seq) for item in records.pending(100_000) if not item.is_still}
        assert promised.keys() <= waiting
        for (boot, seq), expected in promised.items():
            record = records.message(Item(boot, seq, False))
            assert isinstance(record, wire.Record)
            assert record.hash == expected
        rows = {(row.boot, row.seq) for row in records.segments()}
        stills = {(item.boot, item.seq) for item in records.pending(100_000) if item.is_still}
        for key in waiting:
            record = records.message(Item(*key, False))
            assert isinstance(record, wire.Record)
            assert (key in rows) == isinstance(record.body, wire.SegmentClosed)
            assert (key in stills) == isinstance(record.body, wire.Alert)


def test_other_kinds_of_a_later_version_can_be_read_back(records: Records) -> None:
    """A body of a kind this version does not know is kept and handed out as it was."""
    record = records.append(wire.Other(kind="pulse"), NOW, True)
    assert msgspec.json.decode(record.body_text) == {"kind": "pulse"}
    assert records.message(Item(1, 1, False)) == record


def a_plan(number: int, **changes: object) -> bytes:
    """A plan of one sitting, with some of that sitting's fields as given."""
    sitting = {"sitting": "maths-1", "exam": "Maths", "room": "A", "seat": "A1", "start_utc_ms": 1, "end_utc_ms": 2}
    return json.dumps({"number": number, "sittings": [{**sitting, **changes}]}).encode()


def test_a_plan_with_an_impossible_rule_is_kept_and_said(tmp_path: Path) -> None:
    """The plan holds, what was refused of it is told, after a restart too, until a better plan comes."""
    bad = [{"kind": "seat_empty", "raise_s": -1, "clear_s": 3}]
    with Records(tmp_path, UNIT) as records:
        assert records.plan_refusals() == ()
        assert records.save_plan(a_plan(3, rules=bad))
        (told,) = records.plan_refusals()
        assert "seat_empty" in told
        assert "raise_s" in told
    with Records(tmp_path, UNIT) as records:
        plan = records.plan()
        assert plan is not None
        assert [rule.kind for rule in plan.sittings[0].rules] == [wire.AlertKind.SEAT_EMPTY]
        assert records.plan_refusals() == (told,)
        assert records.save_plan(a_plan(4))
        assert records.plan_refusals() == ()
    with Records(tmp_path, UNIT) as records:
        assert records.plan_refusals() == ()


def test_a_refused_plan_leaves_the_one_before(tmp_path: Path) -> None:
    """A broken mask refuses all of it; that is told until the hub sends a plan that can be followed."""
    broken = [{"kind": "private", "points": [[0, 0], [1, 1]]}]
    with Records(tmp_path, UNIT) as records:
        with pytest.raises(wire.BadMessage):
            records.save_plan(a_plan(2, masks=broken))
        assert records.plan() is None
        assert "no plan holds" in records.plan_refusals()[0]
        records.save_plan(a_plan(3))
        held = records.plan()
        with pytest.raises(wire.BadMessage):
            records.save_plan(a_plan(4, masks=broken))
        assert records.plan() == held
        (told,) = records.plan_refusals()
        assert "plan 3 holds" in told
        assert "points" in told
        records.save_plan(a_plan(5))
        assert records.plan_refusals() == ()


@pytest.mark.parametrize("number", [5, None, -1, False, 2**60, "5"])
def test_a_plan_that_comes_again_is_no_answer_to_a_refused_one(tmp_path: Path, number: object) -> None:
    """The hub's newest plan is still not followed, whatever older or equal one is delivered once more; which is held
    is told as it is. Where the refused one has no number, any newer than the one held answers it."""
    refused = msgspec.json.decode(a_plan(5, masks=[{"kind": "private", "points": [[0, 0], [1, 1]]}]))
    refused["number"] = number
    with Records(tmp_path, UNIT) as records:
        records.save_plan(a_plan(3))
        with pytest.raises(wire.BadMessage):
            records.save_plan(msgspec.json.encode(refused))
        for again in (3, 2, 3):
            assert not records.save_plan(a_plan(again))
            assert "plan 3 holds" in records.plan_refusals()[0]
        assert records.save_plan(a_plan(4))
        if number == 5:
            assert "plan 4 holds" in records.plan_refusals()[0]
            assert not records.save_plan(a_plan(4))
            assert len(records.plan_refusals()) == 1
            assert records.save_plan(a_plan(6))
        assert records.plan_refusals() == ()


def test_an_old_refused_plan_does_not_outlive_a_newer_one(tmp_path: Path) -> None:
    """Of several refused the newest number counts; one that is older than the plan held takes nothing from it."""
    broken = [{"kind": "private", "points": [[0, 0], [1, 1]]}]
    with Records(tmp_path, UNIT) as records:
        records.save_plan(a_plan(3))
        for number in (6, 4):
            with pytest.raises(wire.BadMessage):
                records.save_plan(a_plan(number, masks=broken))
        records.save_plan(a_plan(5))
        assert len(records.plan_refusals()) == 1
        records.save_plan(a_plan(7))
        assert records.plan_refusals() == ()
        for payload in (a_plan(6, masks=broken), b"{"):
            with pytest.raises(wire.BadMessage):
                records.save_plan(payload)
        assert len(records.plan_refusals()) == 1
        records.save_plan(a_plan(8))
        assert records.plan_refusals() == ()


def test_a_plan_on_the_card_that_is_refused_stops_no_start(tmp_path: Path) -> None:
    """One that an older version took: the desk starts without a plan, says so, and takes the next one."""
    with Records(tmp_path, UNIT) as records:
        records.save_plan(a_plan(3))
    with closing(sqlite3.connect(tmp_path / "records.db")) as card:
        card.execute("UPDATE plan SET body = ?", (a_plan(3, end_utc_ms=1).decode(),))
        card.commit()
    with Records(tmp_path, UNIT) as records:
        assert records.plan() is None
        assert "on the card" in records.plan_refusals()[0]
        assert records.save_plan(a_plan(3))
        assert records.plan_refusals() == ()
