"""Moving a ledger to another place: its log entry for entry, its views made anew there."""

from __future__ import annotations

from claimledger.errors import StoreError
from claimledger.ledger.gc_pause import without_collecting
from claimledger.ledger.maintenance import rebuild
from claimledger.ledger.progress import Progress, unseen
from claimledger.ledger.query.time_travel import size
from claimledger.ledger.write.appender import stored_hashes
from claimledger.log import merkle
from claimledger.storage.base import Store
from claimledger.storage.tables import ENTRY

_BATCH = 5000


def move(source: Store, target: Store, progress: Progress = unseen) -> int:
    """Copy the log into an empty ledger, which gets the same root; return the number of entries.

    Within one transaction of the target and one view of the source. Raises :class:`StoreError` where
    the copy does not give the root of the source.
    """
    with source.reading(), without_collecting():
        target.expect_log()
        count = size(source)
        frontier = merkle.Frontier()
        for first in range(1, count + 1, _BATCH):
            last = min(first + _BATCH - 1, count)
            # The tree is grown anew, so that what is wrong in the stored one is not carried along.
            rows = [
                (*row[:-1], frontier.append(row[1].encode()))
                for row in source.rows_by_entry(ENTRY, first, last)
            ]
            target.insert(ENTRY, rows)
            progress(last, 2 * count)
        rebuild.rebuild(target, lambda done, of: progress(of + done, 2 * of))
        ours, theirs = (merkle.root(count, stored_hashes(store)) for store in (source, target))
        if ours != theirs or size(target) != count:
            raise StoreError("what was copied does not give the root of the ledger it comes from")
    return count
