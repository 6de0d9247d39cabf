"""Proving a ledger: every digest and the tree recomputed, the log replayed, every view compared.

One pass over the log in stretches, shared among the cores there are. What a replay can only know later
(which entry ended a version, what a redaction destroyed) is collected on the way and compared at the
end.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import func, select

from claimledger.errors import StoreError
from claimledger.ledger.forking import may_fork
from claimledger.ledger.gc_pause import paused_gc
from claimledger.ledger.progress import Progress, no_progress
from claimledger.ledger.tree_head import TreeHead
from claimledger.ledger.verify.faults import Fault
from claimledger.ledger.verify.global_checks import (
    GlobalChecks,
    outside,
    planted_scrubs,
    references,
)
from claimledger.ledger.verify.result import Redaction, VerificationResult
from claimledger.ledger.verify.segment import MOST, SegmentChecker, SegmentResult
from claimledger.ledger.write.appender import stored_hashes
from claimledger.log import merkle
from claimledger.storage.base import Store, UndecodableTextError
from claimledger.storage.tables import ENTRY, PENDING_SCRUB, REFERENCE, VIEWS, WORDS

Found = TypeVar("Found")


def verify(
    store: Store, progress: Progress = no_progress, earlier: TreeHead | None = None
) -> VerificationResult:
    """Check a whole ledger; return what it found, at most some two hundred faults.

    ``earlier`` is a size and root kept elsewhere, which the log must continue. Whatever is wrong with
    the store is a fault in what is returned; nothing is raised for it.
    """
    with paused_gc(), store.reading():
        try:
            return _verify(store, progress, earlier, share=True)
        except UndecodableTextError:
            store.decode_leniently()
            return _verify(store, progress, earlier, share=False)


def _verify(
    store: Store, progress: Progress, earlier: TreeHead | None, *, share: bool
) -> VerificationResult:
    faults = _guarded("file", lambda: (Fault(name, what) for name, what in store.shape_damage()))
    # A table that is missing or of another shape cannot be compared row by row; all others can.
    misshapen = {fault.table for fault in faults}
    if ENTRY.name in misshapen:
        return VerificationResult(
            0, merkle.EMPTY, tuple(faults), (), None if earlier is None else False
        )
    views = [name for name in VIEWS if name not in misshapen]
    count = 0
    learned = SegmentResult()
    try:
        count, gaps = _extent(store)
        faults += gaps
        learned = _pass(store, count, views, progress, share=share)
    except UndecodableTextError:
        raise
    except StoreError as error:
        faults.append(Fault("file", f"cannot be read: {error}"))
    faults += learned.faults
    if len(faults) <= MOST:
        for check in GlobalChecks(store, learned, count, views).checks():
            faults += _guarded("file", check)
        faults += _guarded("file", partial(outside, store, count, views))
        if PENDING_SCRUB.name not in misshapen:
            faults += _guarded("file", partial(planted_scrubs, store, learned))
    parted = []
    if earlier is not None:
        parted = _guarded("entry", partial(_parted, store, count, earlier))
    root = merkle.Frontier(count, learned.peaks).root
    faults = [*faults[: MOST - len(parted)], *parted]
    continues = None if earlier is None else not parted
    return VerificationResult(count, root, tuple(faults), _redactions(store, learned), continues)


def _guarded(table: str, check: Callable[[], Iterable[Fault]]) -> list[Fault]:
    """Return what a check finds; where the store stops it, that is what it found."""
    faults: list[Fault] = []
    try:
        faults.extend(islice(check(), MOST))
    except UndecodableTextError:
        raise
    except StoreError as error:
        faults.append(Fault(table, f"cannot be read: {error}"))
    except MemoryError:
        faults.append(Fault(table, "cannot be read: there is not enough memory"))
    return faults


def _redactions(store: Store, learned: SegmentResult) -> tuple[Redaction, ...]:
    try:
        unscrubbed = set(store.unscrubbed())
    except StoreError:
        unscrubbed = set()
    return tuple(
        Redaction(payload.kind, payload.key, entry, payload.entries, entry not in unscrubbed)
        for entry, payload in learned.changes.items()
        if payload.action == "redact"
    )


def _parted(store: Store, count: int, earlier: TreeHead) -> Iterator[Fault]:
    """Yield a fault if the log does not continue a size and root kept elsewhere."""
    if earlier.size > count:
        what = f"the log ends at entry {count}, and the root that was kept is of {earlier.size} entries"
        yield Fault("entry", f"{what}: it was cut off, or this is an older copy")
        return
    root = merkle.root(earlier.size, stored_hashes(store))
    if root != earlier.root:
        what = f"the first {earlier.size} entries give the root {root.hex()}, not the one that was kept"
        yield Fault("entry", f"{what}: this is another log, or it was rewritten")


def _extent(store: Store) -> tuple[int, list[Fault]]:
    """Return how many entries there are without a gap from the first, and the faults beyond."""
    number = ENTRY.c.number
    ends: list[Any] = [func.min(number), func.max(number), func.count(number)]
    ((least, most, total),) = store.tuples(select(*ends))
    if total == 0 or (least, most) == (1, total):
        return total, []
    faults: list[Fault] = []
    count = 0
    for (number,) in store.stream(select(ENTRY.c.number).order_by(ENTRY.c.number)):
        if number == count + 1:
            count = number
        elif len(faults) < _MOST_BEYOND:
            what = f"stands behind entry {count}, where {count + 1} is due (rule `number`)"
            faults.append(Fault("entry", what, number, row=str(number), column="number"))
        else:
            break
    missing = f"is missing from the log: {total - count} that stand behind it cannot be proved"
    return count, [Fault("entry", missing, count + 1, str(count + 1), "number"), *faults]


_MOST_BEYOND = 20


def _pass(
    store: Store, count: int, views: Sequence[str], progress: Progress, *, share: bool
) -> SegmentResult:
    """Read the whole log and compare what it says with these views; on every core there is."""
    cores = min(os.cpu_count() or 1, _MOST_CORES)
    sharing = share and count >= _WORTH_SHARING and cores > 1
    opened = store.reopening() if sharing else None
    if opened is None or not may_fork():
        learned = SegmentChecker(store, 1, count, views).check(progress)
        learned.references_in_table = (
            references(store, count) if REFERENCE.name in views else (0, 0)
        )
        learned.faults += [*_pages(store), *_search(store, views)]
        return learned
    with ProcessPoolExecutor(cores, multiprocessing.get_context("fork")) as pool:

        def shared(work: Callable[[Store], Found]) -> Callable[[], Found]:
            """Have work done elsewhere; where the ledger there is not the one here, do it here."""
            future = pool.submit(_elsewhere, opened, count, work)
            return lambda: work(store) if (done := future.result()) is None else done

        # What cannot be divided goes first, so that no core is left alone with it at the end.
        undivided = [shared(_pages), shared(partial(_search, views=views))]
        checking_references = (
            shared(partial(references, count=count)) if REFERENCE.name in views else None
        )
        stretches = [
            shared(partial(_stretch, first=first, last=min(first + _SHARE - 1, count), views=views))
            for first in range(1, count + 1, _SHARE)
        ]
        learned = SegmentResult()
        for place, stretch in enumerate(stretches):
            _join(learned, stretch(), place * _SHARE + 1)
            progress(min((place + 1) * _SHARE, count), count)
        if checking_references is not None:
            learned.references_in_table = checking_references()
        for faults in undivided:
            learned.faults += faults()
        return learned


_WORTH_SHARING = 20_000
_SHARE = 10_000
_MOST_CORES = 16


def _pages(store: Store) -> list[Fault]:
    return [Fault(name, what) for name, what in store.damage()]


def _search(store: Store, views: Sequence[str]) -> list[Fault]:
    if WORDS.name not in views:
        return []
    return [Fault(name, what) for name, what in store.search_damage()]


def _stretch(store: Store, first: int, last: int, views: Sequence[str]) -> SegmentResult:
    return SegmentChecker(store, first, last, views).check(no_progress)


def _elsewhere(
    opened: Callable[[], Store], count: int, work: Callable[[Store], Found]
) -> Found | None:
    """Do a share of the work in another process, on a ledger opened there.

    A file is opened there as it is by then. What was added meanwhile is not looked at; where something was
    redacted meanwhile, rows are gone that are still there for who asks: then ``None`` is returned.
    """
    store = opened()
    try:
        with store.reading(), paused_gc():
            redacted = select(ENTRY.c.number).where(
                ENTRY.c.number > count, ENTRY.c.payload.startswith(_REDACTION, autoescape=True)
            )
            return None if store.value(redacted.limit(1)) is not None else work(store)
    finally:
        store.close()


_REDACTION = '{"action":"redact"'
"""How the canonical JSON of a redaction begins."""


def _join(total: SegmentResult, part: SegmentResult, first: int) -> None:
    """Add what the next stretch, which begins at entry ``first``, learned."""
    if total.moments_span[1] > part.moments_span[0]:
        what = f"goes back in time, to {part.moments_span[0]} from {total.moments_span[1]}"
        total.faults.append(Fault("entry", what, first, str(first), "header"))
    total.faults += part.faults
    total.changes |= part.changes
    total.moments |= part.moments
    total.references += part.references
    total.sum += part.sum
    total.peaks = part.peaks
    total.moments_span = part.moments_span
