"""Merkle trees as RFC 6962 (section 2.1) hashes them: a root over many texts, and a short proof that one is among them.

A leaf's hash is SHA-256 of 0x00 and its bytes, a node's SHA-256 of 0x01 and both children's hashes, so that no node can
pose as a leaf. A node without a neighbour goes up one level as it is, which is RFC 6962's split at the largest power of
two. Proofs are checked as RFC 9162 (section 2.1.3.2) says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    if not leaves:
        raise ValueError("a tree has a leaf")
    levels = [[leaf_hash(leaf) for leaf in leaves]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [_node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)]
        levels.append(above + below[len(above) * 2 :])
    return levels


def root(leaves: Sequence[bytes]) -> bytes:
    """The tree's root, 32 bytes. Raises ValueError without leaves."""
    return _levels(leaves)[-1][0]


def proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The neighbours' hashes on the way from leaf `index` up to the root."""
    found = []
    for level in _levels(leaves)[:-1]:
        beside = index ^ 1
        if beside < len(level):
            found.append(level[beside])
        index //= 2
    return found


def root_by(leaf: bytes, index: int, count: int, found: Sequence[bytes]) -> bytes | None:
    """The root that follows from a leaf's place among `count` and its proof; None when the proof cannot be one."""
    if not 0 <= index < count:
        return None
    at, last, result = index, count - 1, leaf_hash(leaf)
    for beside in found:
        if last == 0:
            return None
        if at % 2 == 1 or at == last:
            result = _node_hash(beside, result)
            while at % 2 == 0 and at != 0:
                at, last = at // 2, last // 2
        else:
            result = _node_hash(result, beside)
        at, last = at // 2, last // 2
    return result if last == 0 else None
