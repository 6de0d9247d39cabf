"""Copies a ledger to another store, for example from a file to a server.

The log is copied entry by entry. The views are rebuilt from it, because their layout depends on the store.
"""

from __future__ import annotations

from claimledger.errors import StoreError
from claimledger.ledger.gc_pause import paused_gc
from claimledger.ledger.maintenance import rebuild
from claimledger.ledger.progress import Progress, no_progress
from claimledger.ledger.query.time_travel import size
from claimledger.log import merkle
from claimledger.storage.base import Store
from claimledger.storage.tables import ENTRY

_BATCH = 5000


def move(source: Store, target: Store, progress: Progress = no_progress) -> int:
    """Copy the log into an empty ledger and build its views; return the number of entries.

    Reads in one transaction of ``source`` and writes in one of ``target``. Raises :class:`StoreError` if the
    copy does not have the root of the source.
    """
    with source.reading(), paused_gc():
        target.access.expect_log()
        count = size(source)
        frontier = merkle.Frontier()
        for first in range(1, count + 1, _BATCH):
            last = min(first + _BATCH - 1, count)
            # The tree is recomputed, so that a damaged hash is not copied.
            rows = [
                (*row[:-1], frontier.append(row[1].encode()))
                for row in source.rows_by_entry(ENTRY, first, last)
            ]
            target.insert({ENTRY: rows})
            progress(last, 2 * count)
        rebuild.rebuild(target, lambda done, of: progress(of + done, 2 * of))
        ours, theirs = (merkle.root(count, store.tree_node) for store in (source, target))
        if ours != theirs or size(target) != count:
            raise StoreError(
                "the copy does not have the root of the ledger it was copied from; it was not saved. "
                "`claimledger verify` shows whether the ledger is damaged"
            )
    return count
