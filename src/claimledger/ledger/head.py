"""How far a log goes: what two copies of a ledger are compared by."""

from __future__ import annotations

from dataclasses import dataclass

from claimledger.ledger import tree
from claimledger.ledger.reading.clocks import size
from claimledger.ledger.store.base import Store
from claimledger.ledger.writing.append import stored_hashes


@dataclass(frozen=True, slots=True)
class Head:
    """How far a log goes: its size and the root of its tree."""

    size: int
    root: bytes

    @classmethod
    def of(cls, store: Store, at: int | None = None) -> Head:
        """Return how far a ledger goes, or went at an entry."""
        count = size(store) if at is None else at
        return cls(count, tree.root(count, stored_hashes(store)))
