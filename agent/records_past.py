"""The past of a desk's chain: looked over, and brought back when the card has lost it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent import records_sql as sql
from agent import wire
from agent.card import CardDatabase
from agent.core import chain
from agent.records_rows import Restored, restore


class ChainDatabase(CardDatabase):
    """A unit's database, seen as the chain in it."""

    _unit: str
    _key: Ed25519PrivateKey
    boot: int
    is_chain_new: bool
    """Whether this start begins a new chain: what the last record was is not known, and a second record that follows on
    an older one would look like tampering. The restart record says so."""

    @property
    def public_key(self) -> str:
        """The unit's Ed25519 public key, 64 hex digits."""
        return self._key.public_key().public_bytes_raw().hex()

    def verify(self) -> list[str]:
        """Walk the chain on the card: a line for each record that is changed, missing or out of its place; [] is
        whole. Where it begins anew and says so is no fault: see `beginnings`."""
        with self._lock:
            return chain.faults_of(self._rows(sql.CHAIN), self._unit, self.public_key)

    def beginnings(self) -> list[str]:
        """A line for each start that began a new chain, the records before it being lost."""
        with self._lock:
            return chain.beginnings_in(self._rows(sql.CHAIN))

    def lost_before(self) -> int:
        """The newest start that began a new chain, 0 for none: records of earlier ones may be missing here."""
        with self._lock:
            rows = self._rows(sql.CHAIN_BEGUN)
            return max(self.boot if self.is_chain_new else 0, rows[0][0] or 0 if rows else 0)

    def restore(self, records: Sequence[Restored], on_card: Mapping[str, int], now: wire.Instant) -> bool:
        """Take records that the hub holds into the chain's past, as delivered; what is here already stays. `on_card`
        gives the size of each segment's file. False, and nothing done, when the card refuses. Raises ValueError for a
        record that this unit did not sign."""
        for restored in records:
            header = restored.record.header
            if header.unit != self._unit or not wire.is_signed_by(restored.record, self.public_key):
                raise ValueError(f"record {header.boot}/{header.seq} of {header.unit} is not signed by this unit")
        with self._lock:
            return self._write(lambda db: restore(db, records, on_card, now.utc_ms))
