"""Signs, once a minute, what the desks' chains and the audit log have come to (`hub.core.countersign`)."""

from __future__ import annotations

from typing import Any

from hub.core import countersign, merkle
from hub.core.countersign import Minute
from hub.enrolment import CaFolder
from hub.evidence.seal import Seal, open_seal
from hub.store import Store, audit, countersigned
from hub.store.countersigned import Stored


def countersign_if_due(store: Store, seal: Seal, now_utc_ms: int) -> Minute | None:
    """Add the countersignature of this minute, unless it has one; answers it. Raises sqlite3.Error.

    Tree and signature are made while nobody else writes, so that each minute stands for one state of the store: for 500
    units that takes a few milliseconds.
    """
    with store.read() as connection:
        last = countersigned.newest(connection)
    if not countersign.is_due(last.minute.at_utc_ms if last else None, now_utc_ms):
        return None
    with store.write() as connection:
        last = countersigned.newest(connection)
        number, prev = (1, countersign.GENESIS) if last is None else (last.minute.number + 1, last.minute.root)
        heads = countersigned.all_heads(connection)
        before = set(countersigned.heads_at(connection, number - 1))
        audit_id, audit_hash = audit.head(connection)
        leaves = countersign.leaves_of(prev, audit_id, audit_hash, heads)
        root = merkle.root(leaves).hex()
        signature = seal.sign(countersign.DOMAIN, countersign.statement(number, now_utc_ms, len(leaves), root))
        minute = Minute(number, now_utc_ms, len(leaves), root, signature, seal.fingerprint)
        changed = [head for head in heads if head not in before]
        countersigned.add(connection, Stored(minute, audit_id, audit_hash), changed, seal.chain_pem)
    return minute


class Countersigner:
    """`turn` is called again and again by the worker."""

    def __init__(self, store: Store, folder: CaFolder) -> None:
        self._store = store
        self._folder = folder
        self._last: Minute | None = None

    def turn(self, now_utc_ms: int) -> None:
        """Countersign when a minute has begun. The seal is read every time: it may have been renewed. Raises
        AuthorityProblem, sqlite3.Error; the next turn tries again."""
        if not countersign.is_due(self._last.at_utc_ms if self._last else None, now_utc_ms):
            return
        made = countersign_if_due(self._store, open_seal(self._folder), now_utc_ms)
        if made is not None:
            self._last = made
            return
        with self._store.read() as connection:
            newest = countersigned.newest(connection)
        self._last = newest.minute if newest else None

    def told(self) -> dict[str, Any] | None:
        """The newest countersignature for people; None before the first."""
        last = self._last
        return last and {"number": last.number, "at_utc_ms": last.at_utc_ms, "code": countersign.code(last.root)}
