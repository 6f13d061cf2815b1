"""The hub's countersignature: once a minute one signed root over the newest head of every desk's chain.

The leaves, in this order: the root of the minute before, so that a printed code fixes all that went before it; the
newest entry of the audit log; the newest head of each unit, by name. What is signed is the minute's number, the hub's
time, the count of leaves and the root. Numbers have no holes; a hub that was off shows by the times.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from agent import wire
from agent.wire import Head

GENESIS = wire.GENESIS
DOMAIN = b"ems-minute-v1\n"
EVERY_MS = 60_000
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_BITS = 40


class UnitHead(NamedTuple):
    """The newest record of a unit's chain, as the unit signed it."""

    unit: str
    boot: int
    seq: int
    hash: str


class Minute(NamedTuple):
    """One countersignature. `root` and `signature` in hexadecimal; `seal` is the fingerprint of the certificate."""

    number: int
    at_utc_ms: int
    leaves: int
    root: str
    signature: str
    seal: str


def leaves_of(prev_root: str, audit_number: int, audit_hash: str, heads: Iterable[UnitHead]) -> list[bytes]:
    """The minute's leaves; `prev_root` is GENESIS for the first."""
    texts = [f"prev {prev_root}", f"audit {audit_number} {audit_hash}"]
    texts += [head_leaf(head) for head in sorted(heads)]
    return [text.encode() for text in texts]


def head_leaf(head: UnitHead) -> str:
    return f"head {head.unit} {head.boot} {head.seq} {head.hash}"


def statement(number: int, at_utc_ms: int, leaves: int, root: str) -> bytes:
    """What the seal signs, under DOMAIN."""
    return f"{number} {at_utc_ms} {leaves} {root}".encode()


def code(root: str) -> str:
    """The first 40 bits of a root in Crockford's base 32, as `7ZK4-0QXW`.

    It finds a minute again and shows every accident and slip. Somebody who has the seal's key could search for another
    root with the same code (about 2**40 tries): before a court the whole root counts.
    """
    number = int(root[: CODE_BITS // 4], 16)
    text = "".join(_CROCKFORD[number >> shift & 31] for shift in range(CODE_BITS - 5, -1, -5))
    return f"{text[:4]}-{text[4:]}"


def is_due(last_utc_ms: int | None, now_utc_ms: int) -> bool:
    """Whether another minute has begun since the last countersignature; a clock that was set back counts as one."""
    return last_utc_ms is None or now_utc_ms // EVERY_MS != last_utc_ms // EVERY_MS


def moves(known: UnitHead | None, told: Head) -> bool:
    """Whether `told` is newer than what is known."""
    return known is None or (told.boot, told.seq) > (known.boot, known.seq)


def contradiction(known: UnitHead | None, told: Head, beat_boot: int, held_hash: str | None) -> str:
    """Why `told` cannot be the head of the chain that is known, in words; '' when it can. `held_hash`: of the record
    that the hub holds under its name, None when it holds none. `beat_boot`: the boot of the heartbeat it came with.

    A desk that has just started tells its last head of before until its restart is a record: that is no step back,
    for what the card could not take (`Header.is_durable`) is gone then.
    """
    name = f"{told.boot}/{told.seq}"
    if held_hash is not None and held_hash != told.hash:
        return f"its head at record {name} is not the record that the hub holds"
    if known is None:
        return ""
    if (told.boot, told.seq) == (known.boot, known.seq) and told.hash != known.hash:
        return f"it has told two different heads at record {name}"
    is_before = (told.boot, told.seq) < (known.boot, known.seq)
    if is_before and told.boot == beat_boot:
        return f"its head went back from record {known.boot}/{known.seq} to {name}"
    return ""
