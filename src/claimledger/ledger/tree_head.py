"""The tree head of a log (RFC 9162): its size and root, which identify a copy of a ledger."""

from __future__ import annotations

from dataclasses import dataclass

from claimledger.ledger.query.time_travel import size
from claimledger.log import merkle
from claimledger.storage.base import Store


@dataclass(frozen=True, slots=True)
class TreeHead:
    """The number of entries in a log, and the root of the Merkle tree over them.

    Two copies with equal tree heads have the same log, whatever was redacted in either. To detect later that
    a log was rewritten, store its tree head elsewhere and pass it to :meth:`LedgerView.verify`.
    """

    size: int
    root: bytes

    @classmethod
    def of(cls, store: Store, at: int | None = None) -> TreeHead:
        """Return the tree head of a ledger, or the one it had at entry ``at``."""
        count = size(store) if at is None else at
        return cls(count, merkle.root(count, store.tree_node))
