"""How far a log goes: what two copies of a ledger are compared by."""

from __future__ import annotations

from dataclasses import dataclass

from claimledger.ledger.query.time_travel import size
from claimledger.ledger.write.appender import stored_hashes
from claimledger.log import merkle
from claimledger.storage.base import Store


@dataclass(frozen=True, slots=True)
class TreeHead:
    """How far a log goes: its size and the root of its tree."""

    size: int
    root: bytes

    @classmethod
    def of(cls, store: Store, at: int | None = None) -> TreeHead:
        """Return how far a ledger goes, or went at an entry."""
        count = size(store) if at is None else at
        return cls(count, merkle.root(count, stored_hashes(store)))
