"""Countersignatures: the trees as RFC 6962 hashes them, the minutes that the hub signs, and what contradicts them."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from agent import wire
from agent.wire import Heartbeat, Instant
from hub.cli import main
from hub.core import countersign, merkle
from hub.core.audit import Deed
from hub.core.countersign import UnitHead
from hub.enrolment import CaFolder
from hub.evidence.countersigning import Countersigner, countersign_if_due
from hub.evidence.seal import Seal, is_sealed, open_seal
from hub.store import Store, audit, countersigned, heads, intake, security
from tests.hub.authorities import NOW, made_folder

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw().hex()
UNIT = "c.desk-01"
MINUTE_MS = countersign.EVERY_MS


# --- trees ----------------------------------------------------------------------------------------------------------


def _by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + _by_definition(leaves[:split]) + _by_definition(leaves[split:])).digest()


def test_known_roots() -> None:
    """The first eight inputs of the certificate-transparency project's own test."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [bytes.fromhex(each) for each in inputs]
    assert merkle.root(leaves[:1]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert merkle.root(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=40), st.data())
def test_each_leaf_is_proved_and_nothing_else(leaves: list[bytes], data: st.DataObject) -> None:
    """The root is RFC 6962's; a proof leads there from its leaf at its place, and from no other."""
    root = merkle.root(leaves)
    assert root == _by_definition(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    found = merkle.proof(leaves, index)
    assert merkle.root_by(leaves[index], index, len(leaves), found) == root
    assert merkle.root_by(leaves[index] + b"!", index, len(leaves), found) != root
    assert merkle.root_by(leaves[index], index, len(leaves), [*found, root]) != root
    assert merkle.root_by(leaves[index], len(leaves), len(leaves), found) is None
    if found:
        assert merkle.root_by(leaves[index], index, len(leaves), found[:-1]) != root


def test_the_code_is_forty_bits_that_people_can_read_out() -> None:
    """Crockford's alphabet has no I, L, O and U."""
    assert countersign.code("0" * 64) == "0000-0000"
    assert countersign.code("f" * 64) == "ZZZZ-ZZZZ"
    assert countersign.code("0000000001" + "f" * 54) == "0000-0001"
    assert not set(countersign._CROCKFORD) & set("ILOU")


# --- heads ----------------------------------------------------------------------------------------------------------


def _head(boot: int, seq: int, letter: str = "a", key: Ed25519PrivateKey = KEY) -> wire.Head:
    return wire.sign_head(boot, seq, letter * 64, key.sign)


def _beat(head: wire.Head, boot: int | None = None) -> Heartbeat:
    boot = head.boot if boot is None else boot
    return Heartbeat(boot=boot, now=Instant(NOW, 1000), is_clock_ok=True, state="waiting", head=head)


@pytest.fixture
def unit(store: Store) -> str:
    with store.write() as connection:
        intake.add_unit(connection, UNIT, PUBLIC, NOW)
    return UNIT


def _tell(store: Store, head: wire.Head, boot: int | None = None) -> list[str]:
    """Let the unit tell a head; answers what stands as security events."""
    with store.write() as connection:
        heads.keep(connection, UNIT, _beat(head, boot), NOW)
        return [event["detail"] for event in security.unseen(connection) if event["kind"] == "chain_cut"]


def _known(store: Store) -> UnitHead | None:
    with store.read() as connection:
        return countersigned.head_of(connection, UNIT)


def test_heads_only_move_forward(store: Store, unit: str) -> None:
    """A later record and a later boot are newer; the same again is nothing."""
    assert _tell(store, _head(1, 5)) == []
    assert _tell(store, _head(1, 5)) == []
    assert _tell(store, _head(1, 9, "b")) == []
    assert _tell(store, _head(2, 1, "c")) == []
    assert _known(store) == UnitHead(UNIT, 2, 1, "c" * 64)
    assert _tell(store, wire.Head(boot=0, seq=0, hash="0" * 64, signature="0" * 128)) == []


def test_a_head_that_goes_back_is_a_cut_chain(store: Store, unit: str) -> None:
    """Within one boot nothing goes back. A desk that has just started and has no record yet tells its last one."""
    _tell(store, _head(3, 9))
    assert _tell(store, _head(3, 7, "b"), boot=4) == []
    assert _tell(store, _head(3, 8, "b")) == ["its head went back from record 3/9 to 3/8"]
    assert _known(store) == UnitHead(UNIT, 3, 9, "a" * 64)


def test_two_heads_of_one_name_are_a_cut_chain(store: Store, unit: str) -> None:
    """One record cannot have two hashes."""
    _tell(store, _head(3, 9))
    assert _tell(store, _head(3, 9, "b")) == ["it has told two different heads at record 3/9"]


def test_a_head_that_its_key_did_not_sign_counts_for_nothing(store: Store, unit: str) -> None:
    """It is a security event, and is not kept."""
    assert "not signed" in _tell(store, _head(1, 5, key=Ed25519PrivateKey.generate()))[0]
    assert _known(store) is None


def _record(boot: int = 1, seq: int = 1) -> wire.Record:
    body = wire.ClockStep(step_ms=seq, is_synced=True)
    return wire.seal(
        body,
        unit=UNIT,
        boot=boot,
        seq=seq,
        now=Instant(NOW, 5),
        is_clock_ok=True,
        prev=wire.GENESIS,
        sign=KEY.sign,
    )


def test_a_record_that_is_not_its_head_is_a_cut_chain(store: Store, unit: str) -> None:
    """Whichever of both comes first, the other is held against it."""
    record = _record()
    with store.write() as connection:
        intake.add_records(connection, [(record, record.hash, NOW)])
    assert "not the record that the hub holds" in _tell(store, _head(1, 1))[0]
    assert _known(store) is None
    _tell(store, _head(1, 2))
    with store.write() as connection:
        heads.compare(connection, [(UNIT, 1, 2, "a" * 64)], NOW)
        assert len(security.unseen(connection)) == 1
        heads.compare(connection, [(UNIT, 1, 2, "b" * 64)], NOW)
        (event,) = security.unseen(connection)
    assert "record 1/2 is not the one whose head it told" in event["detail"]


# --- minutes --------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> CaFolder:
    return made_folder(tmp_path / "ca")


@pytest.fixture
def seal(folder: CaFolder) -> Seal:
    return open_seal(folder)


def test_a_minute_is_signed_once_and_its_tree_can_be_made_again(store: Store, unit: str, seal: Seal) -> None:
    """Each minute's root stands for the heads and the audit log of then, though only changes are kept."""
    made = []
    for minute in range(4):
        if minute != 2:
            _tell(store, _head(1, minute + 1, "abcd"[minute]))
        at = NOW + minute * MINUTE_MS
        one = countersign_if_due(store, seal, at)
        assert one is not None
        assert countersign_if_due(store, seal, at + 1) is None
        made.append(one)
        audit.note(store, audit.Actor("Ada", "admin"), Deed.LOGGED_IN, "user Ada", at)
    with store.read() as connection:
        assert connection.execute("select count(*) from leaves").fetchone()[0] == 3
        for one in made:
            stored = countersigned.by_number(connection, one.number)
            assert stored is not None
            assert stored.minute == one
            leaves = countersigned.leaves_of(connection, stored)
            assert merkle.root(leaves).hex() == one.root
            assert len(leaves) == one.leaves
            statement = countersign.statement(one.number, one.at_utc_ms, one.leaves, one.root)
            chain_pem = countersigned.chain_pem_of(connection, one.seal)
            assert is_sealed(chain_pem, countersign.DOMAIN, statement, one.signature)
        assert countersigned.newest(connection, NOW + MINUTE_MS + 5) == countersigned.by_number(connection, 2)
        assert countersigned.newest(connection, NOW - 1) is None
    assert countersigned.faults(store) == (4, [])


def test_a_hub_that_was_off_shows(store: Store, unit: str, seal: Seal) -> None:
    """Minutes that were not countersigned are no error; a clock that was set back shows too, and signing goes on."""
    for at in (NOW, NOW + MINUTE_MS, NOW + 10 * MINUTE_MS, NOW + 5 * MINUTE_MS):
        assert countersign_if_due(store, seal, at) is not None
    with store.read() as connection:
        found = countersigned.pauses(connection, 0)
    assert found == [(NOW + MINUTE_MS, NOW + 10 * MINUTE_MS), (NOW + 10 * MINUTE_MS, NOW + 5 * MINUTE_MS)]


def test_countersignatures_stay(store: Store, unit: str, seal: Seal) -> None:
    """The schema lets nobody change, drop or skip one; whoever changes the file anyhow is found."""
    _tell(store, _head(1, 1))
    countersign_if_due(store, seal, NOW)
    countersign_if_due(store, seal, NOW + MINUTE_MS)
    for statement in (
        "delete from minutes",
        "update minutes set at_utc_ms = 1",
        "delete from leaves",
        "update leaves set seq = 9",
        "insert into minutes select 9, at_utc_ms, root, leaf_count, audit_id, audit_hash, seal_id, signature "
        "from minutes where number = 1",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="countersignature"), store.write() as connection:
            connection.execute(statement)
    with store.write() as connection:
        connection.execute("drop trigger leaves_stay")
        connection.execute("update leaves set seq = 9")
    assert countersigned.faults(store)[1] == [
        "countersignature 1: what it stands for was changed",
        "countersignature 2: what it stands for was changed",
    ]


def test_records_that_were_cut_off_are_named(store: Store, unit: str, seal: Seal) -> None:
    """What was countersigned must be held: a tail that is gone and a record that was changed are told apart."""
    records = [_record(seq=seq) for seq in (1, 2, 3)]
    with store.write() as connection:
        intake.add_records(connection, [(record, record.hash, NOW) for record in records])
    _tell(store, wire.sign_head(1, 3, records[2].hash, KEY.sign))
    countersign_if_due(store, seal, NOW)
    assert countersigned.cut_off(store) == []
    with store.write() as connection:
        connection.execute("delete from records where seq > 1")
    (line,) = countersigned.cut_off(store)
    assert "chain_cut: records after 1/1 were cut off" in line
    with store.write() as connection:
        changed = _record(seq=3)
        intake.add_records(connection, [(changed, "b" * 64, NOW)])
    (line,) = countersigned.cut_off(store)
    assert "record 1/3 is not the one that was countersigned" in line


def test_the_worker_countersigns_with_a_renewed_seal(store: Store, unit: str, folder: CaFolder) -> None:
    """It says the newest code, goes on where another left off, and reads the seal of each minute."""
    countersigner = Countersigner(store, folder)
    assert countersigner.told() is None
    countersigner.turn(NOW)
    told = countersigner.told()
    assert told is not None
    assert (told["number"], told["at_utc_ms"], len(told["code"])) == (1, NOW, 9)
    again = Countersigner(store, folder)
    again.turn(NOW + 1)
    assert again.told() == told
    again.turn(NOW + MINUTE_MS)
    assert (again.told() or {})["number"] == 2


# --- at the terminal ------------------------------------------------------------------------------------------------


def test_the_terminal_shows_code_and_root(
    store: Store, unit: str, seal: Seal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`seal show` prints what reports print; for a time it is the minute that held then; pauses are told."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/hub.db")

    def run(*words: str) -> Result:
        return CliRunner().invoke(main, ["seal", "show", *words])

    assert "nothing was countersigned yet" in run().output
    first = countersign_if_due(store, seal, NOW)
    countersign_if_due(store, seal, NOW + 10 * MINUTE_MS)
    assert first is not None
    told = run("--at", "2027-01-15T08:05").output
    assert f"code {countersign.code(first.root)}\nroot {first.root}\ncountersignature 1," in told
    assert "nothing was countersigned since 2027-01-15 08:00:00 UTC" in told
    assert "from 2027-01-15 08:00:00 UTC to 2027-01-15 08:10:00 UTC" in run("--at", "2027-01-15T10:11+02:00").output
    assert "no time" in run("--at", "noon").output
    assert "by then" in run("--at", "2020-01-01").output
